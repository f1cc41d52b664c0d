"""Video in: raw YUV and Y4M by numpy, containers by PyAV, all as the same Frames."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Literal

from vmafsal.errors import InputError, UsageError
from vmafsal.video.base import STDIN, Source, SourceInfo, label
from vmafsal.video.container import ContainerSource
from vmafsal.video.files import ByteInput, open_bytes, open_pipes
from vmafsal.video.hardware import AcceleratedSource
from vmafsal.video.images import ImageSource, is_image_pattern
from vmafsal.video.kinds import coded_kind, container_name
from vmafsal.video.pair import check_pair
from vmafsal.video.pipe import PipePair
from vmafsal.video.planar import PlanarLayout
from vmafsal.video.raw import RawSource, check_raw_options, check_size
from vmafsal.video.y4m import Y4mSource

if TYPE_CHECKING:
    from vmafsal.job import Hwaccel

__all__ = ["STDIN", "Source", "SourceInfo", "check_pair", "open_pipes", "open_source"]

_RAW_SUFFIXES = frozenset({".yuv", ".raw", ".i420", ".yuv420p", ".yuv422p", ".yuv444p", ".y"})
_SAME_RATE = 5e-4
"""Two rates whose ratio differs less from 1 are one: 23.98 and 24000/1001, not 30 and 29.97."""


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
    framerate: float | None = None,
    pipes: PipePair | None = None,
) -> Source:
    """Open a video: Y4M or a container by what its bytes say, else raw YUV.

    Args:
        path: a file, a named pipe, "-" for standard input, or the pattern of an image sequence,
            such as img_%04d.png.
        width, height: of raw video, in pixels. For Y4M they must agree with its header.
        chroma, bit_depth: of raw video: 420, 422, 444 or 400; 8, 10, 12 or 16.
        stream: which video stream of a container, from 0; cover art does not count.
        role: how an error names the option: --reference or --distorted.
        hwaccel: what decodes a container: "none" is software, "cuda" NVDEC, "auto" NVDEC where
            it can. Raw video and Y4M need no decoding.
        gpu: number of the GPU that decodes.
        framerate: frames per second of raw video and image sequences. A file that states them must
            agree.
        pipes: from open_pipes(), where this is one video of a pair.
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
    if is_image_pattern(path):
        if stream:
            raise UsageError(f"--stream is for containers; {path} is an image sequence.")
        return _agreeing(ImageSource(path, framerate), width, height, framerate)
    source = open_bytes(path, pipes)
    try:
        video = _open(source, width, height, chroma, bit_depth, stream, hwaccel, gpu, framerate)
    except BaseException:
        source.close()
        raise
    return _agreeing(video, width, height, framerate)


def _agreeing(
    video: Source, width: int | None, height: int | None, framerate: float | None
) -> Source:
    """The video, if its size and frame rate are those given.

    Raises:
        InputError: if it is not.
    """
    found = video.info
    if (width or found.width, height or found.height) != (found.width, found.height):
        video.close()
        raise InputError(
            f"{label(found.path)} is {found.width}x{found.height} by its own header, not "
            f"{width or '?'}x{height or '?'}: leave out --width and --height."
        )
    if framerate and found.fps and abs(found.fps / framerate - 1.0) > _SAME_RATE:
        video.close()
        raise InputError(
            f"{label(found.path)} has {found.fps:.6g} frames a second by its own header, not "
            f"{framerate:g}: leave out --framerate."
        )
    return video


def _open(
    source: ByteInput,
    width: int | None,
    height: int | None,
    chroma: str,
    bit_depth: int,
    stream: int | None,
    hwaccel: Hwaccel,
    gpu: int,
    framerate: float | None,
) -> Source:
    path = source.path
    if container_name(source.head) == "Y4M":
        if stream:
            raise UsageError(f"--stream is for containers; {label(path)} is Y4M.")
        return Y4mSource(source, framerate)
    sized = width is not None or height is not None
    layout: PlanarLayout | None = None
    if width is not None and height is not None:
        layout = check_raw_options(path, width, height, chroma, bit_depth)
    may_be_raw = sized or source.size is None or os.path.splitext(path)[1].lower() in _RAW_SUFFIXES
    kind = coded_kind(source, layout.frame_bytes if layout else None) if may_be_raw else None
    if may_be_raw and kind is None:
        if stream:
            raise UsageError(f"--stream is for containers; {label(path)} is raw video.")
        layout = layout or check_raw_options(path, width, height, chroma, bit_depth)
        return RawSource(source, layout, framerate)
    if kind is not None and sized:
        raise InputError(
            f"{label(path)} is no raw video but {kind.name}: leave out --width and --height. "
            "If the other video of the pair is raw, convert it to Y4M."
        )
    format_name = kind.format_name if kind is not None else None
    if hwaccel == "none":
        return ContainerSource(source, stream, format_name)
    return AcceleratedSource(source, stream, hwaccel, gpu, format_name)
