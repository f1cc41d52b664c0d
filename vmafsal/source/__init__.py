"""Video in: raw YUV by numpy, Y4M and containers by PyAV, all as the same Frames."""

from __future__ import annotations

import os
from typing import Literal

from vmafsal.errors import InputError
from vmafsal.source.base import STDIN, Source, SourceInfo, label
from vmafsal.source.container import ContainerSource
from vmafsal.source.files import container_name, open_bytes
from vmafsal.source.pair import check_pair
from vmafsal.source.raw import RawSource, check_raw_options

__all__ = ["STDIN", "Source", "SourceInfo", "check_pair", "open_source"]

_RAW_SUFFIXES = {".yuv", ".raw", ".i420", ".y", ".gray", ".yuv420p", ".yuv422p", ".yuv444p"}


def open_source(
    path: str,
    *,
    width: int | None = None,
    height: int | None = None,
    chroma: str = "420",
    bit_depth: int = 8,
    stream: int | None = None,
    role: Literal["reference", "distorted"] = "distorted",
) -> Source:
    """Open a video: a container or Y4M by what its first bytes say, else raw YUV.

    Args:
        path: a file, a named pipe, or "-" for standard input.
        width, height: of raw video, in pixels.
        chroma, bit_depth: of raw video: 420, 422, 444 or 400; 8, 10, 12 or 16.
        stream: which video stream of a container, from 0; cover art does not count.
        role: how errors name the input: "reference" or "distorted".
    Raises:
        UsageError: if raw video lacks a size, or an option makes no sense.
        InputError: if the input cannot be read as asked.
    """
    source = open_bytes(path)
    try:
        name = container_name(source.head)
        sized = width is not None or height is not None
        if name is None and (sized or os.path.splitext(path)[1].lower() in _RAW_SUFFIXES):
            return RawSource(source, check_raw_options(path, width, height, chroma, bit_depth))
        if name is None and source.size is None:
            check_raw_options(path, width, height, chroma, bit_depth)
        if sized and name != "Y4M":
            raise InputError(
                f"{label(path)} is a {name} file, not raw video: leave out --width and --height."
            )
        return ContainerSource(source, stream)
    except BaseException:
        source.close()
        raise
