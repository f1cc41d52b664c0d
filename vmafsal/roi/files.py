"""The files of offsets: which kinds there are, their text, and the command line that reads them."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from vmafsal.errors import InputError
from vmafsal.roi import grid as plain_grid
from vmafsal.roi import kvazaar, svt_av1
from vmafsal.roi.mapping import BlockGrid
from vmafsal.video.base import SourceInfo
from vmafsal.video.images import first_number, is_image_pattern

__all__ = ["ENCODERS", "block_of", "command_line", "contents"]

ENCODERS = ("svt-av1", "kvazaar", "uvg266")
"""Programs whose own file of offsets is written. The fourth kind is "json"."""

Numbered = tuple[int, NDArray[np.int8]]
"""frameNum and offsets of a frame, in QP."""


def block_of(kind: str, wanted: int | None = None) -> int:
    """Side of a block in pixels: 64 for the programs, the wanted one or 16 for JSON."""
    return {"svt-av1": svt_av1.BLOCK, "kvazaar": kvazaar.BLOCK, "uvg266": kvazaar.BLOCK}.get(
        kind, wanted or 16
    )


def contents(
    kind: str, grid: BlockGrid, frames: Iterable[Numbered], *, gop: str = "8", binary: bool = False
) -> Iterator[str | bytes]:
    """The content of a file, piece by piece.

    Args:
        kind: one of ENCODERS, or "json".
        grid: blocks of the picture.
        frames: in display order.
        gop: of kvazaar and uvg266, one of kvazaar.GOPS.
        binary: kvazaar's binary form.
    Raises:
        InputError: if a picture is missing, but for JSON, which numbers its frames.
    """
    if kind == "json":
        yield from plain_grid.pieces(grid, frames)
    elif kind == "svt-av1":
        yield from svt_av1.lines(_consecutive(frames))
    else:
        one_map = kvazaar.binary_map if binary else kvazaar.text_map
        for _, offsets in kvazaar.in_coding_order(_consecutive(frames), gop):
            yield one_map(offsets)


def _consecutive(frames: Iterable[Numbered]) -> Iterator[Numbered]:
    """The same, as long as no picture is missing between them.

    ffmpeg leaves a picture out that it cannot decode, so that the encoder counts on without it.

    Raises:
        InputError: naming the first that is missing.
    """
    for following, (number, offsets) in enumerate(frames):
        if number != following:
            raise InputError(
                f"Picture {following} of the video cannot be decoded. ffmpeg would leave it out, "
                "and each later picture would be encoded with the map of another. Repair the video "
                "first: ffmpeg -i VIDEO -c:v ffv1 repaired.mkv"
            )
        yield number, offsets


def command_line(
    kind: str, info: SourceInfo, output: str, gop: str = "8", stream: int | None = None
) -> str:
    """A command line that encodes the video with the file.

    Args:
        kind: one of ENCODERS.
        info: of the video.
        output: path of the file.
        gop: as the file was written for.
        stream: which video stream of a container, from 0.
    """
    deep = info.bit_depth > 8
    pixels = "yuv420p10le" if deep else "yuv420p"
    # Without passthrough ffmpeg may repeat or drop pictures, and the maps would lag behind.
    decode = f"ffmpeg {_input(info, stream)} -fps_mode passthrough -pix_fmt {pixels}"
    file = shlex.quote(output)
    if kind == "svt-av1":
        # With --rc 1 and --rc 2 the encoder ignores the file without a word.
        return (
            f"{decode} -f yuv4mpegpipe -strict -1 - | SvtAv1EncApp -i stdin --rc 0 --crf 35 "
            f"--roi-map-file {file} -b encoded.ivf"
        )
    rate = Fraction(info.fps or 25).limit_denominator(1001)
    structure = "lp-g4d3t1" if gop == "lp" else gop
    depth = " --input-bitdepth 10" if deep else ""
    ending = "hevc" if kind == "kvazaar" else "vvc"
    return (
        f"{decode} -f rawvideo - | {kind} -i - --input-res {info.width}x{info.height}{depth} "
        f"--input-fps {rate.numerator}/{rate.denominator} --gop {structure} --qp 27 "
        f"--roi {file} -o encoded.{ending}"
    )


def _input(info: SourceInfo, stream: int | None) -> str:
    """What makes ffmpeg read the pictures that the maps are of."""
    # A colon would end the name of a protocol.
    path = shlex.quote(f"file:{info.path}" if ":" in info.path else info.path)
    if info.kind == "raw":
        size = f"{info.width}x{info.height}"
        return f"-f rawvideo -video_size {size} -pix_fmt {_raw_format(info)} -i {path}"
    if is_image_pattern(info.path):
        return f"-start_number {first_number(info.path)} -i {path}"
    if info.kind == "y4m":
        return f"-i {path}"
    # By itself ffmpeg takes the largest stream, and rotates its pictures. V: no cover art.
    return f"-noautorotate -i {path} -map 0:V:{stream or 0}"


def _raw_format(info: SourceInfo) -> str:
    base = "gray" if info.chroma == "400" else f"yuv{info.chroma}p"
    return base if info.bit_depth == 8 else f"{base}{info.bit_depth}le"
