"""Segments of a container decode to what the whole decodes to, or it is not divided."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import av
import numpy as np
import pytest
from av import VideoFrame

from fixtures.yuv.draw import encode, numbered, picture
from vmafsal.errors import InputError
from vmafsal.video import open_source
from vmafsal.video.frame import Frame
from vmafsal.video.segment import InexactError, find_segments, open_segment

H264 = {"g": "10", "bf": "3", "sc_threshold": "0"}


def draw(count: int = 48) -> list[VideoFrame]:
    return [picture(numbered(number)) for number in range(count)]


def whole(path: Path) -> list[Frame]:
    with open_source(str(path)) as source:
        return list(source.frames())


def divided(path: Path, seconds: float) -> list[list[Frame]]:
    """Each segment's frames; neighbours agree about the pictures that both decode."""
    parts: list[list[Frame]] = []
    tail: list[int] = []
    for segment in find_segments(str(path), None, seconds):
        with open_segment(str(path), None, segment) as source:
            frames = list(source.frames())
            assert source.count() == len(frames)
            assert [frame.index for frame in frames] == list(range(len(frames)))
            assert sum(len(part) for part in parts) == segment.first
            assert tail == source.head[: len(tail)]
            tail = source.tail
            parts.append(frames)
    assert not tail
    return parts


def assert_same(parts: list[list[Frame]], frames: list[Frame]) -> None:
    joined = [frame for part in parts for frame in part]
    assert len(joined) == len(frames)
    for one, other in zip(joined, frames, strict=True):
        for got, wanted in zip(one.planes, other.planes, strict=True):
            np.testing.assert_array_equal(got, wanted)


@pytest.mark.parametrize(
    ("name", "codec", "options"),
    [
        ("h264.mp4", "libx264", H264),
        ("h264.mkv", "libx264", H264),
        ("h264.ts", "libx264", H264),
        ("h264.mov", "libx264", {**H264, "bf": "0"}),
        ("open.mp4", "libx264", {**H264, "x264-params": "open-gop=1"}),
        ("hevc.mp4", "libx265", {"x265-params": "keyint=10:bframes=3:open-gop=1:log-level=none"}),
        ("hevc.mkv", "libx265", {"x265-params": "keyint=10:bframes=3:open-gop=0:log-level=none"}),
        ("vp9.webm", "libvpx-vp9", {"g": "10", "lag-in-frames": "12", "auto-alt-ref": "1"}),
        ("av1.mp4", "libsvtav1", {"g": "10", "svtav1-params": "keyint=10"}),
        ("ffv1.mkv", "ffv1", {"g": "10"}),
        ("all.avi", "mjpeg", {}),
        ("all.y4m", "rawvideo", {}),
    ],
)
def test_segments_hold_what_the_whole_holds(
    tmp_path: Path, name: str, codec: str, options: dict[str, str]
) -> None:
    if codec not in av.codecs_available:
        pytest.skip(f"{codec} is not built in")
    drawn = [picture(numbered(n), "yuvj420p") for n in range(48)] if codec == "mjpeg" else draw()
    clip = encode(tmp_path / name, drawn, codec, options=options)
    parts = divided(clip, 0.5)
    assert len(parts) >= 2
    assert_same(parts, whole(clip))


def test_times_of_their_own_and_a_late_start(tmp_path: Path) -> None:
    times = [1000 + 2 * number + number % 2 + number // 20 * 30 for number in range(48)]
    clip = encode(tmp_path / "vfr.mkv", draw(), options=H264, times=times)
    parts = divided(clip, 0.5)
    assert len(parts) > 2
    assert_same(parts, whole(clip))


def test_a_short_video_is_one_segment(tmp_path: Path) -> None:
    clip = encode(tmp_path / "clip.mp4", draw(12), options=H264)
    (segment,) = find_segments(str(clip), None, 60)
    assert (segment.first, len(segment.times), segment.overlap) == (0, 12, ())


def test_a_key_frame_that_is_none_is_found_out(tmp_path: Path) -> None:
    # Gradual refresh: marked as places to start from, but pictures there are whole only later.
    refresh = {"bf": "0", "sc_threshold": "0", "x264-params": "intra-refresh=1:keyint=12"}
    clip = encode(tmp_path / "refresh.mp4", draw(), options=refresh)
    first, second = find_segments(str(clip), None, 0.5)
    assert (first.first, second.first) == (0, 24)
    with open_segment(str(clip), None, second) as source, pytest.raises(InexactError):
        list(source.frames())


def drop_first(clip: Path, count: int, to: Path) -> Path:
    """Copy a file without its first packets."""
    with av.open(str(clip)) as source, av.open(str(to), "w") as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        for packet in islice(source.demux(source.streams.video[0]), count, None):
            if packet.size:
                packet.stream = stream
                target.mux(packet)
    return to


def test_what_is_not_divided(tmp_path: Path) -> None:
    clip = encode(tmp_path / "clip.mp4", draw(), options=H264)
    middle = drop_first(clip, 5, tmp_path / "middle.ts")
    cut = tmp_path / "cut.mkv"
    whole_file = encode(tmp_path / "whole.mkv", draw(), options=H264).read_bytes()
    cut.write_bytes(whole_file[: len(whole_file) * 3 // 4])
    for path, reason in (
        (middle, "does not begin with a key frame"),
        (cut, "is cut short"),
    ):
        with pytest.raises(InexactError, match=reason):
            find_segments(str(path), None, 0.5)


def test_a_picture_that_is_damaged_ends_its_segment(tmp_path: Path) -> None:
    clip = encode(tmp_path / "clip.mp4", draw(), options=H264)
    data = bytearray(clip.read_bytes())
    with av.open(str(clip)) as source:
        packets = [p for p in source.demux(source.streams.video[0]) if p.size]
    hit = packets[25]
    assert hit.pos is not None
    data[hit.pos + 4 : hit.pos + hit.size] = bytes(hit.size - 4)
    clip.write_bytes(data)
    (hurt,) = (one for one in find_segments(str(clip), None, 0.3) if hit.pts in one.times)
    with open_segment(str(clip), None, hurt) as source, pytest.raises(InputError):
        list(source.frames())
