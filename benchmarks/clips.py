"""Draws the clips that are measured: hills that pan under drifting discs, raw and as H.264."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fixtures.yuv.draw import picture

__all__ = ["ClipSize", "clip_path", "draw_raw", "main", "moving_planes"]

FPS = 25
_DISCS = 5
_GRAIN_TILES = 4


@dataclass(frozen=True, slots=True)
class ClipSize:
    """Size and length of a clip, 8-bit 4:2:0."""

    width: int
    height: int
    frames: int

    def __str__(self) -> str:
        return f"{self.width}x{self.height}"


def clip_path(folder: Path, size: ClipSize, kind: str) -> Path:
    """Where a clip lies; kind is "yuv" or "mp4"."""
    return folder / f"hills_{size.width}x{size.height}_{size.frames}f.{kind}"


def main(*, folder: str, width: int, height: int, frames: int) -> None:
    """Draw the raw clip and encode the same pictures as H.264, where they are not there yet."""
    size = ClipSize(width, height, frames)
    Path(folder).mkdir(parents=True, exist_ok=True)
    raw, coded = (clip_path(Path(folder), size, kind) for kind in ("yuv", "mp4"))
    if not raw.exists():
        draw_raw(raw, size)
    if not coded.exists():
        _encode(coded, size)


def draw_raw(path: Path, size: ClipSize) -> None:
    """Write the pictures one after the other: planar YUV, one frame in memory at a time."""
    unfinished = path.with_name(f"{path.name}.part")
    with open(unfinished, "wb") as file:
        for planes in moving_planes(size):
            for plane in planes:
                file.write(plane.tobytes())
    os.replace(unfinished, path)


def moving_planes(size: ClipSize) -> Iterator[list[NDArray[np.uint8]]]:
    """The pictures of a clip: a landscape that pans, discs that drift over it, and grain.

    Args:
        size: width and height even.
    Yields:
        (Y, U, V) of each frame, limited range.
    """
    width, height = size.width, size.height
    # The pan goes over a canvas drawn once: a frame then costs a copy, not trigonometry.
    margin = width // 4 * 2
    canvas = [_canvas(width + margin, height, 1), *_chroma_canvases(width + margin, height)]
    grain = np.random.default_rng(3).integers(-7, 8, (_GRAIN_TILES, height, width), np.int8)
    for number in range(size.frames):
        # A triangle wave, even pixels: there and back in 200 frames.
        swing = 1 - abs(number % 200 - 100) / 100
        left = int(swing * margin) // 2 * 2
        luma = canvas[0][:, left : left + width].astype(np.int16)
        u, v = (plane[:, left // 2 : (left + width) // 2].copy() for plane in canvas[1:])
        for disc in range(_DISCS):
            _put_disc((luma, u, v), disc, number / FPS)
        luma += grain[number % _GRAIN_TILES]
        yield [luma.clip(16, 235).astype(np.uint8), u, v]


def _canvas(width: int, height: int, seed: int) -> NDArray[np.uint8]:
    """Luma: sky above, three ranges of textured hills below."""
    y = np.linspace(0, 1, height, dtype=np.float32)[:, None]
    x = np.linspace(0, 1.5, width, dtype=np.float32)[None, :]
    luma = 200 - 70 * y + 0 * x
    coarse = np.random.default_rng(seed).normal(0, 1, (height // 4 + 1, width // 4 + 1))
    texture = np.kron(coarse.astype(np.float32), np.ones((4, 4), np.float32))[:height, :width]
    for depth, (level, tone) in enumerate(((0.55, 130), (0.68, 95), (0.82, 60)), start=1):
        ridge = level + 0.05 * np.sin(9 * depth * x) * np.cos(23 * x + depth)
        np.copyto(luma, tone + 7 * depth * texture, where=y > ridge)
    return luma.clip(16, 235).astype(np.uint8)


def _chroma_canvases(width: int, height: int) -> list[NDArray[np.uint8]]:
    """Blue above, green and brown below."""
    y = np.linspace(0, 1, height // 2, dtype=np.float32)[:, None]
    x = np.linspace(0, 1.5, width // 2, dtype=np.float32)[None, :]
    blue = 150 - 45 * y + 4 * np.sin(40 * x)
    red = 112 + 22 * y + 4 * np.cos(31 * x)
    return [plane.astype(np.uint8) for plane in (blue, red)]


def _put_disc(planes: tuple[NDArray[Any], ...], disc: int, seconds: float) -> None:
    """Paint a coloured disc where it is at this time, in the luma and both chroma planes."""
    height, width = planes[0].shape
    angle = 0.7 * seconds + 1.3 * disc
    centre = (
        width * (0.5 + 0.4 * np.sin(angle)),
        height * (0.5 + 0.35 * np.cos(1.7 * angle + disc)),
    )
    radius = height * (0.05 + 0.02 * disc)
    colours = (60 + 35 * disc, 90 + 30 * (disc % 3), 210 - 40 * disc)
    for plane, colour, shrink in zip(planes, colours, (1, 2, 2), strict=True):
        x, y, r = centre[0] / shrink, centre[1] / shrink, radius / shrink
        top, left = max(int(y - r), 0), max(int(x - r), 0)
        window = plane[top : int(y + r) + 2, left : int(x + r) + 2]
        rows, columns = np.ogrid[top : top + window.shape[0], left : left + window.shape[1]]
        window[(rows - y) ** 2 + (columns - x) ** 2 <= r * r] = colour


def _encode(path: Path, size: ClipSize) -> None:
    """The same pictures as H.264, tagged BT.709 limited, one frame in memory at a time."""
    import av

    unfinished = path.with_name(f"{path.name}.part")
    with av.open(str(unfinished), "w", format="mp4") as file:
        options = {"preset": "veryfast", "crf": "24"}
        stream = file.add_stream("libx264", rate=FPS, options=options)
        stream.width, stream.height, stream.pix_fmt = size.width, size.height, "yuv420p"
        stream.codec_context.colorspace = 1
        stream.codec_context.color_range = 1
        for number, planes in enumerate(moving_planes(size)):
            frame = picture(planes, matrix=1, limited=True)
            frame.pts, frame.time_base = number, Fraction(1, FPS)
            file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
    os.replace(unfinished, path)
