"""What every kind of source has to do, whatever the file behind it."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from av import VideoFrame
from av.codec import Codec
from av.codec.codec import UnknownCodecError

from fixtures.yuv.draw import encode, number_in, numbered, picture
from tests.process import as_stdin
from vmafsal.video import Source, open_source
from vmafsal.video.frame import Chroma, Frame

COUNT = 20
WIDTH, HEIGHT = 128, 96


def pictures(pixel_format: str = "yuv420p") -> list[VideoFrame]:
    return [picture(numbered(number, WIDTH, HEIGHT), pixel_format) for number in range(COUNT)]


def raw_bytes(chroma: str, depth: int) -> bytes:
    """Numbered pictures as a raw file, scaled up to the depth."""
    parts = []
    for number in range(COUNT):
        luma, u, v = numbered(number, WIDTH, HEIGHT)
        if chroma == "444":
            u, v = (plane.repeat(2, axis=0).repeat(2, axis=1) for plane in (u, v))
        planes = [luma] if chroma == "400" else [luma, u, v]
        for plane in planes:
            scaled = plane.astype("<u2") << (depth - 8)
            parts.append((plane if depth == 8 else scaled).tobytes())
    return b"".join(parts)


@dataclass(frozen=True)
class Kind:
    """A clip of COUNT numbered pictures, and what its source must say of itself."""

    name: str
    write: Callable[[Path], object]
    kind: str = "container"
    chroma: Chroma = "420"
    depth: int = 8
    options: dict[str, Any] = field(default_factory=dict)
    codec: str = "rawvideo"
    through: str = "file"
    counted: bool = True

    def __str__(self) -> str:
        return f"{self.name}_{self.through}"


def _raw(chroma: Chroma, depth: int, through: str = "file") -> Kind:
    options: dict[str, Any] = {"width": WIDTH, "height": HEIGHT}
    options |= {"chroma": chroma, "bit_depth": depth}
    name = f"raw_{chroma}_{depth}.yuv"
    return Kind(
        name,
        lambda path: path.write_bytes(raw_bytes(chroma, depth)),
        "raw",
        chroma,
        depth,
        options,
        through=through,
        counted=through == "file",
    )


def _y4m(pixel_format: str, chroma: Chroma, depth: int, through: str = "file") -> Kind:
    return Kind(
        f"{pixel_format}.y4m",
        lambda path: encode(
            path, pictures(pixel_format), "rawvideo", container_options={"strict": "-1"}
        ),
        "y4m",
        chroma,
        depth,
        through=through,
        counted=through == "file",
    )


def _coded(name: str, codec: str, pixel_format: str = "yuv420p", **more: Any) -> Kind:
    told = {key: more.pop(key) for key in ("chroma", "depth", "counted") if key in more}
    return Kind(
        name,
        lambda path: encode(path, pictures(pixel_format), codec, **more),
        codec=codec,
        **told,
    )


B_FRAMES = {"bf": "3", "g": "12"}
LATE = list(range(70, 70 + COUNT))
UNEVEN = [number + number // 3 * 2 for number in range(COUNT)]

KINDS = [
    _raw("420", 8),
    _raw("444", 10),
    _raw("400", 16),
    _raw("420", 8, "pipe"),
    _raw("420", 10, "stdin"),
    _y4m("yuv420p", "420", 8),
    _y4m("yuv444p10le", "444", 10),
    _y4m("gray", "400", 8),
    _y4m("yuv420p", "420", 8, "pipe"),
    _y4m("yuv420p", "420", 8, "stdin"),
    _coded("h264.mp4", "libx264", options=B_FRAMES),
    _coded("h264_late.mp4", "libx264", options=B_FRAMES, times=LATE),
    _coded("h264_uneven.mkv", "libx264", options=B_FRAMES, times=UNEVEN),
    _coded(
        "h264_fragments.mp4",
        "libx264",
        options=B_FRAMES,
        container_options={"movflags": "frag_keyframe+empty_moov"},
    ),
    _coded("h264.ts", "libx264", options=B_FRAMES),
    # A bare stream: no container, and no times but those that the parser makes up.
    _coded("h264.264", "libx264", options=B_FRAMES, container="h264"),
    _coded("hevc.265", "libx265", options={"x265-params": "log-level=none"}, container="hevc"),
    _coded("vp9.ivf", "libvpx-vp9", options={"deadline": "realtime"}),
    _coded("h264.mov", "libx264", "yuv444p", chroma="444", options=B_FRAMES),
    _coded("h264_interlaced.mp4", "libx264", options={"x264-params": "tff=1"}, counted=False),
    _coded(
        "hevc_10bit.mp4",
        "libx265",
        "yuv420p10le",
        depth=10,
        options={"x265-params": "log-level=none"},
    ),
    _coded("hevc.mkv", "libx265", options={"x265-params": "log-level=none"}),
    _coded("av1.mkv", "libsvtav1", options={"preset": "12"}),
    _coded("av1_10bit.mp4", "libsvtav1", "yuv420p10le", depth=10, options={"preset": "12"}),
    _coded("vp9.webm", "libvpx-vp9", options={"deadline": "realtime", "cpu-used": "8"}),
    _coded(
        "vp8.webm",
        "libvpx",
        counted=False,
        # Hidden frames have packets of their own.
        options={"auto-alt-ref": "1", "lag-in-frames": "16"},
    ),
    _coded("prores.mov", "prores_ks", "yuv422p10le", chroma="422", depth=10),
    _coded("mjpeg.mov", "mjpeg", "yuvj420p"),
    _coded("mpeg4.avi", "mpeg4", counted=False, options={"bf": "2"}),
    _coded("nv12.nut", "rawvideo", "nv12"),
    _coded("big_endian.nut", "rawvideo", "yuv420p12be", depth=12),
    _coded("yuyv.nut", "rawvideo", "yuyv422", chroma="422"),
    _coded("bottom_up.avi", "rawvideo", "bgr24", chroma="rgb"),
    _coded("alpha.mkv", "ffv1", "yuva420p"),
    _coded("rgb.mkv", "ffv1", "gbrp10le", chroma="rgb", depth=10),
    _coded("rgb.mov", "png", "rgb24", chroma="rgb"),
]


@pytest.fixture(scope="session")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("clips")


@contextmanager
def opened(kind: Kind, folder: Path, tmp_path: Path) -> Iterator[Source]:
    """A source of the kind, fed through a file, a named pipe or standard input."""
    try:
        Codec(kind.codec, "w")
    except UnknownCodecError:
        pytest.skip(f"this build of PyAV has no encoder {kind.codec}")
    clip = folder / kind.name
    if not clip.exists():
        kind.write(clip)
    if kind.through == "file":
        with open_source(str(clip), **kind.options) as source:
            yield source
        return
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    feeder = threading.Thread(target=_feed, args=(pipe, clip.read_bytes()))
    feeder.start()
    try:
        if kind.through == "pipe":
            with open_source(str(pipe), **kind.options) as source:
                yield source
        else:
            with as_stdin(pipe), open_source("-", **kind.options) as source:
                yield source
    finally:
        feeder.join()


def _feed(pipe: Path, content: bytes) -> None:
    with suppress(BrokenPipeError):  # the reader may have had enough
        pipe.write_bytes(content)


def number_of(frame: Frame) -> int:
    return number_in(frame.planes[1 if frame.chroma == "rgb" else 0])


every_kind = pytest.mark.parametrize("kind", KINDS, ids=str)


@every_kind
def test_each_picture_comes_once_and_in_order(kind: Kind, clips: Path, tmp_path: Path) -> None:
    with opened(kind, clips, tmp_path) as source:
        frames = list(source.frames())
    # Read after the source was closed: what was handed out stays valid.
    assert [number_of(frame) for frame in frames] == list(range(COUNT))
    assert [frame.index for frame in frames] == list(range(COUNT))
    assert not source.truncated


@every_kind
def test_the_facts_hold_for_every_frame(kind: Kind, clips: Path, tmp_path: Path) -> None:
    with opened(kind, clips, tmp_path) as source:
        info = source.info
        assert (info.kind, info.width, info.height) == (kind.kind, WIDTH, HEIGHT)
        assert (info.chroma, info.bit_depth) == (kind.chroma, kind.depth)
        for frame in source.frames():
            assert (frame.width, frame.height) == (WIDTH, HEIGHT)
            assert (frame.chroma, frame.bit_depth) == (kind.chroma, kind.depth)
            assert max(int(plane.max()) for plane in frame.planes) < 1 << kind.depth


@every_kind
def test_the_count_is_known_without_decoding(kind: Kind, clips: Path, tmp_path: Path) -> None:
    with opened(kind, clips, tmp_path) as source:
        assert source.count() == (COUNT if kind.counted else None)
        # Counting leaves the frames where they are.
        assert sum(1 for _ in source.frames()) == COUNT


@every_kind
def test_start_stop_and_step(kind: Kind, clips: Path, tmp_path: Path) -> None:
    with opened(kind, clips, tmp_path) as source:
        frames = [
            (number_of(frame), frame.index) for frame in source.frames(start=3, stop=17, step=4)
        ]
    assert frames == [(3, 0), (7, 4), (11, 8), (15, 12)]


@every_kind
def test_a_start_behind_the_end_gives_nothing(kind: Kind, clips: Path, tmp_path: Path) -> None:
    with opened(kind, clips, tmp_path) as source:
        assert list(source.frames(start=COUNT + 5)) == []


@every_kind
def test_leaving_early_and_closing_twice(kind: Kind, clips: Path, tmp_path: Path) -> None:
    with opened(kind, clips, tmp_path) as source:
        frames = source.frames()
        assert number_of(next(frames)) == 0
        source.close()
        source.close()


@every_kind
def test_frames_are_read_once(kind: Kind, clips: Path, tmp_path: Path) -> None:
    with opened(kind, clips, tmp_path) as source:
        assert sum(1 for _ in source.frames(stop=2)) == 2
        with pytest.raises(ValueError, match="once"):
            source.frames()


def test_a_range_that_makes_no_sense_is_refused(tmp_path: Path) -> None:
    clip = tmp_path / "clip.yuv"
    clip.write_bytes(np.zeros(24, np.uint8).tobytes())
    with open_source(str(clip), width=4, height=4) as source:
        with pytest.raises(ValueError, match="start"):
            source.frames(start=-1)
        with pytest.raises(ValueError, match="step"):
            source.frames(step=0)
