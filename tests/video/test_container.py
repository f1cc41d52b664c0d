"""Containers as players know them: streams, edit lists, tags, and what is said about them."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any, cast

import av
import numpy as np
import pytest
from av import VideoFrame
from av.stream import Disposition
from av.video.stream import VideoStream

from fixtures.yuv.draw import encode, number_in, numbered, picture
from vmafsal.errors import InputError, UsageError
from vmafsal.video import Source, open_source
from vmafsal.video.pixels import pixel_layout, planes_of


def pictures(count: int, **options: Any) -> list[VideoFrame]:
    return [picture(numbered(number), **options) for number in range(count)]


def numbers_of(source: Source) -> list[int]:
    return [number_in(frame.planes[0]) for frame in source.frames()]


def mux(path: Path, streams: list[tuple[str, range, Disposition]]) -> Path:
    """A file with several streams: codec, numbers of its pictures, disposition of each."""
    with av.open(str(path), "w") as file:
        made = []
        for codec, _, disposition in streams:
            stream = cast("VideoStream", file.add_stream(codec, rate=25))
            stream.width, stream.height = 128, 96
            stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
            stream.disposition = disposition
            made.append(stream)
        for stream, (_, numbers, _) in zip(made, streams, strict=True):
            for time, number in enumerate(numbers):
                frame = picture(numbered(number), stream.pix_fmt or "")
                frame.pts, frame.time_base = time, Fraction(1, 25)
                file.mux(stream.encode(frame))
            file.mux(stream.encode(None))
    return path


@pytest.mark.parametrize(
    "pixel_format",
    ["yuv420p", "yuv422p10le", "yuv444p12le", "gray", "gray16le", "bgr0", "yuv410p", "yuva444p"],
)
def test_lossless_video_of_odd_size_comes_back_to_the_sample(
    tmp_path: Path, pixel_format: str
) -> None:
    layout = pixel_layout(pixel_format)
    assert layout is not None
    random = np.random.default_rng(5)
    drawn = [VideoFrame(129, 97, pixel_format) for _ in range(4)]
    for made in drawn:
        for plane in made.planes:
            words = plane.buffer_size // np.dtype(layout.word).itemsize
            plane.update(random.integers(0, 1 << layout.bits, words).astype(layout.word).tobytes())
    wanted = [[samples.copy() for samples in planes_of(made, layout)] for made in drawn]
    clip = encode(tmp_path / "clip.mkv", drawn, "ffv1")
    with open_source(str(clip)) as source:
        for frame, planes in zip(source.frames(), wanted, strict=True):
            for got, samples in zip(frame.planes, planes, strict=True):
                np.testing.assert_array_equal(got, samples)


def test_an_mp4_and_the_raw_video_decoded_from_it_are_the_same(tmp_path: Path) -> None:
    clip = encode(tmp_path / "clip.mp4", pictures(12))
    raw = tmp_path / "clip.yuv"
    with open_source(str(clip)) as source:
        coded = list(source.frames())
    raw.write_bytes(b"".join(plane.tobytes() for frame in coded for plane in frame.planes))
    with open_source(str(raw), width=128, height=96) as source:
        for one, other in zip(coded, source.frames(), strict=True):
            for plane, samples in zip(one.planes, other.planes, strict=True):
                np.testing.assert_array_equal(plane, samples)


def test_what_an_edit_list_cuts_off_is_not_numbered(tmp_path: Path) -> None:
    # Times below zero make the muxer write an edit list that starts at zero.
    times = list(range(-10, 14))
    clip = encode(tmp_path / "clip.mp4", pictures(24), options={"bf": "3"}, times=times)
    with open_source(str(clip)) as source:
        assert source.count() == 14
        assert numbers_of(source) == list(range(10, 24))


def test_cover_art_is_skipped(tmp_path: Path) -> None:
    cover = ("mjpeg", range(200, 201), Disposition.attached_pic)
    video = ("libx264", range(8), Disposition.default)
    clip = mux(tmp_path / "clip.mp4", [cover, video])
    with open_source(str(clip)) as source:
        assert source.count() == 8
        assert numbers_of(source) == list(range(8))
    alone = mux(tmp_path / "cover.mp4", [cover])
    with pytest.raises(InputError, match="holds no video"):
        open_source(str(alone))


def test_the_stream_can_be_chosen(tmp_path: Path) -> None:
    first = ("libx264", range(8), Disposition.default)
    second = ("libx264", range(100, 106), Disposition(0))
    clip = mux(tmp_path / "clip.mkv", [first, second])
    for stream, numbers in ((None, range(8)), (0, range(8)), (1, range(100, 106))):
        with open_source(str(clip), stream=stream) as source:
            assert source.count() == len(numbers)
            assert numbers_of(source) == list(numbers)
    for stream in (2, -1):
        with pytest.raises(UsageError, match=f"--stream {stream}: .* has 2 video streams"):
            open_source(str(clip), stream=stream)


def test_rotation_is_not_applied_and_said_once(tmp_path: Path) -> None:
    clip = encode(tmp_path / "clip.mp4", pictures(6), rotation=90)
    with open_source(str(clip)) as source:
        assert (source.info.width, source.info.height) == (128, 96)
        assert numbers_of(source) == list(range(6))
        assert len(source.notices) == 1
        assert "rotated by" in source.notices[0]
        assert "scored as stored" in source.notices[0]


def test_interlaced_pictures_are_whole_frames_and_said_once(tmp_path: Path) -> None:
    clip = encode(tmp_path / "clip.mp4", pictures(6), options={"x264-params": "tff=1"})
    with open_source(str(clip)) as source:
        assert numbers_of(source) == list(range(6))
        assert source.notices == [f"{clip} is interlaced; its pictures are scored as whole frames."]


@pytest.mark.parametrize(
    ("number", "limited", "matrix", "full_range"),
    [
        (1, True, "bt709", False),
        (5, True, "bt601", False),
        (6, True, "bt601", False),
        (9, True, "bt2020", False),
        (2, False, None, None),
    ],
)
def test_colour_tags(
    tmp_path: Path, number: int, limited: bool, matrix: str | None, full_range: bool | None
) -> None:
    clip = encode(tmp_path / "clip.mp4", pictures(2, matrix=number, limited=limited))
    with open_source(str(clip)) as source:
        assert (source.info.matrix, source.info.full_range) == (matrix, full_range)
        for frame in source.frames():
            assert (frame.matrix, frame.full_range) == (matrix, full_range)
        assert source.notices == []


def test_full_range_by_its_format(tmp_path: Path) -> None:
    clip = encode(tmp_path / "clip.mov", [picture(numbered(0), "yuvj420p")], "mjpeg")
    with open_source(str(clip)) as source:
        assert source.info.full_range is True
        assert next(source.frames()).full_range is True


@pytest.mark.parametrize(("number", "name"), [(7, "SMPTE 240M"), (8, "YCgCo")])
def test_a_matrix_that_is_not_known_is_said(tmp_path: Path, number: int, name: str) -> None:
    clip = encode(tmp_path / "clip.mp4", pictures(1, matrix=number))
    with open_source(str(clip)) as source:
        assert source.info.matrix is None
        assert name in source.notices[0]


@pytest.mark.parametrize(("number", "name", "told"), [(16, "pq", "PQ"), (18, "hlg", "HLG")])
def test_high_dynamic_range_is_said(tmp_path: Path, number: int, name: str, told: str) -> None:
    drawn = pictures(2)
    for frame in drawn:
        frame.color_trc = number
    clip = encode(tmp_path / "clip.mp4", drawn)
    with open_source(str(clip)) as source:
        assert source.info.transfer == name
        assert len(source.notices) == 1
        assert told in source.notices[0]
        assert "without tone mapping" in source.notices[0]


def test_frame_rates(tmp_path: Path) -> None:
    clip = encode(tmp_path / "clip.mp4", pictures(10), rate=50)
    with open_source(str(clip)) as source:
        assert source.info.fps == 50.0
        assert source.info.codec == "h264"
        assert source.info.size_bytes == clip.stat().st_size


def test_a_picture_size_that_changes_midway_is_an_error(tmp_path: Path) -> None:
    small = encode(tmp_path / "small.ts", pictures(10))
    drawn = [picture(numbered(number, 192, 128)) for number in range(10)]
    large = encode(tmp_path / "large.ts", drawn)
    clip = tmp_path / "both.ts"
    clip.write_bytes(small.read_bytes() + large.read_bytes())
    with (
        open_source(str(clip)) as source,
        pytest.raises(InputError, match=r"changes its size at picture 10: from 128x96 to 192x128"),
    ):
        list(source.frames())


Y4M_HEADERS = [
    ("", "420", 8),
    ("C420jpeg ", "420", 8),
    ("C420mpeg2 XYSCSS=420MPEG2 ", "420", 8),
    ("C420paldv Ip A1:1 ", "420", 8),
    ("C422 ", "422", 8),
    ("C444 ", "444", 8),
    ("C411 ", "422", 8),
    ("Cmono ", "400", 8),
    ("C420p10 XYSCSS=420P10 ", "420", 10),
    ("C422p12 ", "422", 12),
    ("C444p16 ", "444", 16),
    ("Cmono10 ", "400", 10),
]


@pytest.mark.parametrize(("tags", "chroma", "depth"), Y4M_HEADERS)
def test_y4m_headers(tmp_path: Path, tags: str, chroma: str, depth: int) -> None:
    width, height = 16, 8
    stored = "411" if "411" in tags else chroma
    samples = width * height
    samples += {"420": 64, "422": 128, "444": 256, "400": 0, "411": 64}[stored]
    frame = np.arange(samples).astype(np.uint8 if depth == 8 else "<u2").tobytes()
    clip = tmp_path / "clip.y4m"
    header = f"YUV4MPEG2 W{width} H{height} F30000:1001 {tags}".rstrip()
    clip.write_bytes(header.encode() + b"\n" + (b"FRAME\n" + frame) * 3)
    with open_source(str(clip)) as source:
        info = source.info
        assert (info.kind, info.chroma, info.bit_depth) == ("y4m", chroma, depth)
        assert info.fps == pytest.approx(30000 / 1001)
        assert source.count() == 3
        frames = list(source.frames())
    assert len(frames) == 3
    luma = np.frombuffer(frame, np.uint8 if depth == 8 else "<u2")[: width * height]
    np.testing.assert_array_equal(frames[2].planes[0], luma.reshape(height, width))


@pytest.mark.parametrize(
    ("tags", "full_range"),
    [("C420 XCOLORRANGE=FULL", True), ("C420 XCOLORRANGE=LIMITED", False), ("C420", None)],
)
def test_the_range_of_y4m(tmp_path: Path, tags: str, full_range: bool | None) -> None:
    clip = tmp_path / "clip.y4m"
    clip.write_bytes(f"YUV4MPEG2 W16 H8 F25:1 {tags}\nFRAME\n".encode() + bytes(192))
    with open_source(str(clip)) as source:
        assert source.info.full_range is full_range
        assert next(source.frames()).full_range is full_range


def test_interlaced_y4m_is_said(tmp_path: Path) -> None:
    clip = tmp_path / "clip.y4m"
    clip.write_bytes(b"YUV4MPEG2 W16 H8 F25:1 It C420\nFRAME\n" + bytes(192))
    with open_source(str(clip)) as source:
        assert sum(1 for _ in source.frames()) == 1
        assert "is interlaced" in source.notices[0]


def test_y4m_frames_with_parameters_are_counted(tmp_path: Path) -> None:
    clip = tmp_path / "clip.y4m"
    head = b"YUV4MPEG2 W16 H8 F25:1\n"
    clip.write_bytes(head + (b"FRAME Ip\n" + bytes(192)) * 3 + (b"FRAME\n" + bytes(192)) * 2)
    with open_source(str(clip)) as source:
        assert source.count() == 5
        assert sum(1 for _ in source.frames()) == 5
        assert not source.truncated
