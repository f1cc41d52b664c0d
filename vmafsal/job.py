"""The Job: what a person asked for, checked, before anything is opened."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast, get_args

from vmafsal.errors import UsageError
from vmafsal.models.sidecar import ColorMatrix, ColorRange

if TYPE_CHECKING:
    from vmafsal.video.frame import Chroma

__all__ = [
    "FEATURE",
    "MODEL_VARIABLE",
    "Feature",
    "Hwaccel",
    "Job",
    "build_job",
    "parse_device",
    "parse_features",
    "whole_number",
]

FEATURE = "mobilesal"
"""The only feature; its name in libvmaf."""

MODEL_VARIABLE = "VMAF_MOBILESAL_MODEL_PATH"
"""The environment variable that names a model, as the C extractor reads it."""

Hwaccel = Literal["none", "cuda", "auto"]
"""Who decodes, in ffmpeg's words: software; NVDEC or nobody; NVDEC where it can."""

_DEVICE = re.compile(r"(auto|cpu|(cuda|tensorrt)(?::(\d+))?)")

_KEYS = ("model_path", "color", "range", "short_side", "name")


@dataclass(frozen=True, slots=True)
class Feature:
    """One column: a model and how it is to be run."""

    model_path: str | None = None
    """Path or registry id; None is the packaged default."""
    color: ColorMatrix | None = None
    """None leaves it to the model; so for range and short_side."""
    range: ColorRange | None = None
    short_side: int | Literal["native"] | None = None
    name: str | None = None
    """Tag of the column: None gives saliency_mean, "a" gives saliency_mean_a."""

    def __post_init__(self) -> None:
        _check_choice("color", self.color, get_args(ColorMatrix))
        _check_choice("range", self.range, get_args(ColorRange))
        side = self.short_side
        if side is not None and side != "native" and not 16 <= side <= 4320:
            raise UsageError(
                f"short_side is native or a number of pixels from 16 to 4320, not {side}."
            )
        if self.name is not None and not re.fullmatch(r"[A-Za-z0-9_.-]+", self.name):
            raise UsageError(
                f"The name {self.name!r} becomes part of a column's name: use letters, digits, "
                "'_', '.' and '-'."
            )

    @property
    def column(self) -> str:
        """Name of the feature in the log."""
        return f"saliency_mean_{self.name}" if self.name else "saliency_mean"


@dataclass(frozen=True, slots=True)
class Job:
    """One run of the extractor."""

    distorted: str
    """Path, or "-" for standard input."""
    reference: str | None = None
    width: int | None = None
    """Of raw video, in pixels; None for files that say it themselves."""
    height: int | None = None
    pixel_format: Chroma | None = None
    """Of raw video; None is 420. A file that says it itself must agree."""
    bitdepth: int | None = None
    """Of raw video: 8 to 16; None is 8. A file that says it itself must agree."""
    stream: int | None = None
    """Which video stream of a container, from 0; None is the first."""
    features: tuple[Feature, ...] = field(default_factory=lambda: (Feature(),))
    frame_cnt: int = 0
    """Compare this many frames; 0 is all."""
    frame_skip_ref: int = 0
    """Leave out this many frames at the beginning of the reference."""
    frame_skip_dist: int = 0
    subsample: int = 1
    """Score every n-th frame; the frame numbers stay."""
    device: str = "auto"
    threads: int | None = None
    """Of the CPU provider; None is one a core."""
    batch_size: int | None = None
    """Frames in one inference; None chooses by their size."""
    tf32: bool = False
    """Let CUDA take products of float32 in TF32, with 10 bits of mantissa."""
    hwaccel: Hwaccel = "none"
    """Who decodes the distorted video: see source.hardware."""

    def __post_init__(self) -> None:
        for name, value, least in (
            ("--frame_cnt", self.frame_cnt, 0),
            ("--frame_skip_ref", self.frame_skip_ref, 0),
            ("--frame_skip_dist", self.frame_skip_dist, 0),
            ("--subsample", self.subsample, 1),
            ("--threads", self.threads, 1),
            ("--batch-size", self.batch_size, 1),
            ("--stream", self.stream, 0),
        ):
            if value is not None and value < least:
                raise UsageError(f"{name} is a whole number from {least} up, not {value}.")
        parse_device(self.device)
        if self.hwaccel not in get_args(Hwaccel):
            raise UsageError(
                f"There is no hwaccel {self.hwaccel!r}. Choose {', '.join(get_args(Hwaccel))}."
            )
        if self.distorted == "-" and self.reference == "-":
            raise UsageError(
                "Only one of reference and distorted can be standard input; give a path for the "
                "other one."
            )
        if not self.features:
            raise UsageError("There is no feature to extract.")
        columns = [feature.column for feature in self.features]
        for column in columns:
            if columns.count(column) > 1:
                raise UsageError(
                    f"Two features would write the column {column}. Give all but one of them a "
                    f"name: --feature {FEATURE}=model_path=…:name=b"
                )


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
        pixel_format=_choose_chroma(pixel_format),
        bitdepth=bitdepth,
        stream=stream,
        features=parse_features(feature or (), feature_params or ()),
        frame_cnt=frame_cnt,
        frame_skip_ref=frame_skip_ref,
        frame_skip_dist=frame_skip_dist,
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


def parse_device(device: str) -> tuple[str, int]:
    """Split a device name.

    Args:
        device: "auto", "cpu", "cuda", "cuda:1" or "tensorrt".
    Returns:
        (kind, index of the GPU).
    Raises:
        UsageError: if it is none of them.
    """
    match = _DEVICE.fullmatch(device)
    if match is None:
        raise UsageError(
            f"There is no device called {device!r}. Choose auto, cpu, cuda, cuda:N or tensorrt."
        )
    return match[2] or match[1], int(match[3] or 0)


def parse_features(
    features: Iterable[str] = (),
    feature_params: Iterable[str] = (),
    environment: Mapping[str, str] = os.environ,
) -> tuple[Feature, ...]:
    """Read --feature, --feature_params and the environment.

    A model is taken from --feature, else --feature_params, else the environment, else the
    package; an empty option falls through to the next.

    Args:
        features: texts such as "mobilesal=model_path=X:color=bt601:name=a".
        feature_params: texts such as "mobilesal:model_path=X"; they hold for every feature that
            does not say otherwise.
        environment: where VMAF_MOBILESAL_MODEL_PATH is looked up.
    Returns:
        at least one feature.
    Raises:
        UsageError: for another feature, an unknown option or a value without meaning.
    """
    shared: dict[str, str] = {}
    for text in feature_params:
        name, _, options = text.partition(":")
        _check_name(name, "--feature_params", ":")
        shared |= _parse_options(options)
    shared["model_path"] = shared.get("model_path") or environment.get(MODEL_VARIABLE, "")
    parsed = []
    for text in features or (FEATURE,):
        name, _, options = text.partition("=")
        _check_name(name, "--feature", "=")
        own = {key: value for key, value in _parse_options(options).items() if value}
        parsed.append(_feature(shared | own))
    return tuple(parsed)


def _check_name(name: str, option: str, separator: str) -> None:
    if name == FEATURE:
        return
    if re.match(rf"{FEATURE}[:=]", name):
        raise UsageError(
            f"After {option} {FEATURE} comes {separator!r}: "
            f"{option} {FEATURE}{separator}model_path=…"
        )
    near = get_close_matches(name, [FEATURE], 1)
    if near:
        raise UsageError(f"There is no feature {name}. Did you mean {near[0]}?")
    raise UsageError(
        f"The feature {name} is not ours: vmafsal computes {FEATURE} alone. Score {name} with "
        "`vmaf`, then put the two logs together with `vmafsal join`."
    )


def _parse_options(text: str) -> dict[str, str]:
    r"""key=value pairs between colons; `\:`, `\=` and `\\` stand for themselves."""
    if not text:
        return {}
    pieces = _split(text)
    first, _, path = text.partition("=")
    others_known = any(piece.partition("=")[0] in _KEYS for piece in pieces[1:])
    if first == "model_path" and not others_known:
        # A path may hold colons and equals signs: alone, it takes the whole tail. A tail that is
        # no file and reads like another option (a word near a known one, or a plain value where
        # the end of a path would be) is a misspelt option.
        misspelt = any(
            get_close_matches(piece.partition("=")[0], _KEYS, 1)
            or re.fullmatch(r"[a-z_]+=[^/\\.]*", piece)
            for piece in pieces[1:]
        )
        if Path(path).exists():
            return {"model_path": path}
        if not misspelt:
            return {"model_path": _unescape(path)}
    options: dict[str, str] = {}
    for piece in pieces:
        key, equals, value = piece.partition("=")
        if key not in _KEYS:
            near = get_close_matches(key, _KEYS, 1)
            hint = (
                f"Did you mean {near[0]}?"
                if near
                else f"It takes {', '.join(_KEYS)}; a colon in a path is written \\: ."
            )
            raise UsageError(f"{FEATURE} has no option {key!r}. {hint}")
        if not equals:
            raise UsageError(f"The option {key} of {FEATURE} needs a value: {key}=…")
        if key in options:
            raise UsageError(f"The option {key} of {FEATURE} is given twice.")
        options[key] = _unescape(value)
    return options


def _split(text: str) -> list[str]:
    """Split at colons that no backslash protects, leaving the escapes in place."""
    pieces = [""]
    position = 0
    while position < len(text):
        if text[position] == "\\" and text[position + 1 : position + 2] in (":", "=", "\\"):
            pieces[-1] += text[position : position + 2]
            position += 2
            continue
        if text[position] == ":":
            pieces.append("")
        else:
            pieces[-1] += text[position]
        position += 1
    return pieces


def _unescape(text: str) -> str:
    return re.sub(r"\\([:=\\])", r"\1", text)


def _feature(options: dict[str, str]) -> Feature:
    side = options.get("short_side")
    if side and side != "native" and not side.isdigit():
        raise UsageError(f"short_side is native or a number of pixels from 16 to 4320, not {side}.")
    return Feature(
        model_path=options.get("model_path") or None,
        # Feature checks what the types promise.
        color=cast("ColorMatrix | None", options.get("color")),
        range=cast("ColorRange | None", options.get("range")),
        short_side="native" if side == "native" else int(side) if side else None,
        name=options.get("name"),
    )


def _check_choice(key: str, value: str | None, choices: tuple[str, ...]) -> None:
    if value is None or value in choices:
        return
    near = get_close_matches(value, choices, 1)
    hint = f"Did you mean {near[0]}?" if near else f"Choose {', '.join(choices)}."
    raise UsageError(f"{FEATURE} has no {key} {value!r}. {hint}")
