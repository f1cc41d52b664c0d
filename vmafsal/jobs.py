"""From the main command's options, as texts or numbers, to a Job."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, cast

from vmafsal.errors import UsageError
from vmafsal.job import Job, parse_features

__all__ = ["build_job", "whole_number"]


def whole_number(text: str | int) -> int:
    """A number in any of C's notations: 1920, 0x780, 0o3600.

    Raises:
        ValueError: if it is none.
    """
    if isinstance(text, int):
        return text  # an option's default comes as it is
    try:
        return int(text, 0)
    except ValueError:
        try:
            return int(text, 10)  # 0123, which C would take as octal and nobody means so
        except ValueError:
            raise ValueError(f"{text!r} is no whole number") from None


def build_job(
    *,
    distorted: str,
    reference: str | None = None,
    width: int | None = None,
    height: int | None = None,
    pixel_format: str | None = None,
    bitdepth: int | None = None,
    stream: int | None = None,
    frame_cnt: int = 0,
    frame_skip_ref: int = 0,
    frame_skip_dist: int = 0,
    subsample: int = 1,
    feature: Iterable[str] | None = None,
    feature_params: Iterable[str] | None = None,
    device: str = "auto",
    threads: int | None = None,
    batch_size: str = "auto",
    gpumask: str = "0",
    tf32: bool = False,
    hwaccel: str = "none",
) -> Job:
    """The Job that the options of the main command describe, under their own names.

    Raises:
        UsageError: if an option has no meaning, or two contradict each other.
    """
    return Job(
        distorted=distorted,
        reference=reference,
        width=width,
        height=height,
        chroma=_choose_chroma(pixel_format),
        bit_depth=bitdepth,
        stream=stream,
        features=parse_features(feature or (), feature_params or ()),
        frame_count=frame_cnt,
        skip_reference=frame_skip_ref,
        skip_distorted=frame_skip_dist,
        subsample=subsample,
        device=_choose_device(device, gpumask),
        threads=threads,
        batch_size=_choose_batch_size(batch_size),
        tf32=tf32,
        hwaccel=cast("Any", hwaccel),  # Job checks what the type promises
    )


def _choose_chroma(text: str | None) -> Any:
    choices = ("420", "422", "444", "400")
    if text is not None and text not in choices:
        raise UsageError(f"There is no pixel format {text!r}. Choose {', '.join(choices)}.")
    return text


def _choose_device(device: str, gpumask: str) -> str:
    try:
        mask = int(gpumask, 0)
    except ValueError:
        raise UsageError(f"--gpumask is a number, not {gpumask!r}.") from None
    if mask == 0:
        return device
    if device not in ("auto", "cpu"):
        raise UsageError(f"--gpumask {gpumask} keeps off the GPU, but --device names {device}.")
    return "cpu"


def _choose_batch_size(text: str) -> int | None:
    if text == "auto":
        return None
    if not text.isdigit():
        raise UsageError(f"--batch-size is auto or a whole number from 1 up, not {text!r}.")
    return int(text)
