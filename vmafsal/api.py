"""The Python door: one call, the same Job as the command line builds."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Literal

from vmafsal.job import Feature, Job, parse_features
from vmafsal.run import Run

if TYPE_CHECKING:
    from vmafsal.job import Hwaccel
    from vmafsal.models.sidecar import ColorMatrix, ColorRange
    from vmafsal.video.frame import Chroma

__all__ = ["extract"]


def extract(
    path: str | os.PathLike[str],
    reference: str | os.PathLike[str] | None = None,
    *,
    model: str | os.PathLike[str] | Mapping[str, str | os.PathLike[str]] | None = None,
    width: int | None = None,
    height: int | None = None,
    pixel_format: Chroma | None = None,
    bitdepth: int | None = None,
    stream: int | None = None,
    color: ColorMatrix | None = None,
    range: ColorRange | None = None,
    short_side: int | Literal["native"] | None = None,
    frame_cnt: int = 0,
    frame_skip_ref: int = 0,
    frame_skip_dist: int = 0,
    subsample: int = 1,
    device: str = "auto",
    threads: int | None = None,
    batch_size: int | None = None,
    tf32: bool = False,
    hwaccel: Hwaccel = "none",
) -> Run:
    """Per-frame saliency of a video.

    Args:
        path: the (distorted) video: raw YUV, Y4M or a container.
        reference: checked, and ends the run where it is shorter.
        model: path or registry id; or several by tag, {"": first, "b": second}, each of which
            gets a column (saliency_mean, saliency_mean_b). None is VMAF_MOBILESAL_MODEL_PATH,
            else the packaged default.
        width, height: of raw video, in pixels.
        pixel_format, bitdepth: of raw video; None is 420 and 8.
        stream: which video stream of a container, from 0.
        color, range, short_side: instead of the model's own choice.
        frame_cnt: compare this many frames; 0 is all.
        frame_skip_ref, frame_skip_dist: frames left out at the beginning.
        subsample: score every n-th frame; frame numbers stay.
        device: auto, cpu, cuda, cuda:N or tensorrt.
        threads: of the CPU provider; None is one a core.
        batch_size: frames in one inference; None chooses by their size.
        tf32: let CUDA take products in TF32.
        hwaccel: who decodes a container: "none" is software, "cuda" NVDEC, "auto" NVDEC where it
            can.
    Returns:
        a lazy result: facts now, FrameFeatures as it is iterated.
    Raises:
        VmafsalError: whatever is wrong, as a sentence with its remedy.
    """
    models: Sequence[tuple[str, str | None]]
    if isinstance(model, Mapping):
        models = [(tag, os.fspath(spec)) for tag, spec in model.items()]
    elif model is not None:
        models = [("", os.fspath(model))]
    else:
        models = [("", parse_features()[0].model_path)]
    features = tuple(
        Feature(model_path=spec, color=color, range=range, short_side=short_side, name=tag or None)
        for tag, spec in models
    )
    return Run(
        Job(
            distorted=os.fspath(path),
            reference=None if reference is None else os.fspath(reference),
            width=width,
            height=height,
            pixel_format=pixel_format,
            bitdepth=bitdepth,
            stream=stream,
            features=features,
            frame_cnt=frame_cnt,
            frame_skip_ref=frame_skip_ref,
            frame_skip_dist=frame_skip_dist,
            subsample=subsample,
            device=device,
            threads=threads,
            batch_size=batch_size,
            tf32=tf32,
            hwaccel=hwaccel,
        )
    )
