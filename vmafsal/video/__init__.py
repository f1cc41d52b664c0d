"""Video in: raw YUV by numpy, Y4M and containers by PyAV, all as the same Frames."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Literal

from vmafsal.errors import InputError, UsageError
from vmafsal.video.base import STDIN, Source, SourceInfo, label
from vmafsal.video.container import ContainerSource
from vmafsal.video.files import container_name, open_bytes
from vmafsal.video.hardware import AcceleratedSource
from vmafsal.video.pair import check_pair
from vmafsal.video.raw import RawSource, check_raw_options, check_size

if TYPE_CHECKING:
    from vmafsal.job import Hwaccel

__all__ = ["STDIN", "Source", "SourceInfo", "check_pair", "open_source"]

_RAW_SUFFIXES = frozenset({".yuv", ".raw", ".i420", ".yuv420p", ".yuv422p", ".yuv444p", ".y"})


def open_source(
    path: str,
    *,
    width: int | None = None,
    height: int | None = None,
    chroma: str = "420",
    bit_depth: int = 8,
    stream: int | None = None,
    role: Literal["reference", "distorted"] = "distorted",
    hwaccel: Hwaccel = "none",
    gpu: int = 0,
) -> Source:
    """Open a video: Y4M or a container by what its first bytes say, else raw YUV.

    Args:
        path: a file, a named pipe, or "-" for standard input.
        width, height: of raw video, in pixels. For Y4M they must agree with its header.
        chroma, bit_depth: of raw video: 420, 422, 444 or 400; 8, 10, 12 or 16.
        stream: which video stream of a container, from 0; cover art does not count.
        role: how an error names the option: --reference or --distorted.
        hwaccel: who decodes a container: "none" is software, "cuda" NVDEC, "auto" NVDEC where it
            can. Raw video and Y4M need no decoding.
        gpu: number of the GPU that decodes.
    Returns:
        A source to be closed, or used in a with statement.
    Raises:
        UsageError: if raw video lacks its size, or an option makes no sense.
        InputError: if the input cannot be read as asked.
        DeviceError: if NVDEC was asked for by name and cannot decode it.
    """
    if not path:
        raise UsageError(f"--{role} is empty: name a file, or - for standard input.")
    for name, value in (("--width", width), ("--height", height)):
        if value is not None:
            check_size(name, value)
    source = open_bytes(path)
    try:
        container = container_name(source.head)
        sized = width is not None or height is not None
        suffix = os.path.splitext(path)[1].lower()
        is_raw = container is None and (sized or source.size is None or suffix in _RAW_SUFFIXES)
        if is_raw:
            if stream:
                raise UsageError(f"--stream is for containers; {label(path)} is raw video.")
            return RawSource(source, check_raw_options(path, width, height, chroma, bit_depth))
        if sized and container != "Y4M":
            raise InputError(
                f"{label(path)} is no raw video but {container}: leave out --width and --height. "
                "If the other video of the pair is raw, convert it to Y4M."
            )
        if hwaccel == "none":
            video = ContainerSource(source, stream)
        else:
            video = AcceleratedSource(source, stream, hwaccel, gpu)
    except BaseException:
        source.close()
        raise
    if (width or video.info.width, height or video.info.height) != (
        video.info.width,
        video.info.height,
    ):
        video.close()
        raise InputError(
            f"{label(path)} is {video.info.width}x{video.info.height} by its own header, not "
            f"{width or '?'}x{height or '?'}: leave out --width and --height."
        )
    return video
