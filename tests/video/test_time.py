"""When a frame is shown, and beginning at a time: exact to the frame."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fixtures.yuv.draw import encode, number_in, numbered, picture
from vmafsal.errors import InputError
from vmafsal.video import open_source
from vmafsal.video.container import ContainerSource
from vmafsal.video.frame import Frame
from vmafsal.video.segment import find_segments, open_segment

COUNT = 150
B_FRAMES = {"bf": "3", "g": "24", "sc_threshold": "0"}
REFRESH = {"bf": "0", "sc_threshold": "0", "x264-params": "intra-refresh=1:keyint=20"}
HEVC = {"x265-params": "keyint=24:bframes=3:open-gop=1:log-level=none"}
OPEN_GOP = {**B_FRAMES, "x264-params": "open-gop=1"}

KINDS: dict[str, tuple[str, dict[str, str]]] = {
    "h264.mp4": ("libx264", B_FRAMES),
    "h264.mkv": ("libx264", B_FRAMES),
    "h264.ts": ("libx264", B_FRAMES),
    "h264.avi": ("libx264", B_FRAMES),
    "open.mp4": ("libx264", OPEN_GOP),
    "open.mkv": ("libx264", OPEN_GOP),
    "open.avi": ("libx264", OPEN_GOP),
    "plain.mp4": ("libx264", {**B_FRAMES, "bf": "0"}),
    "refresh.mp4": ("libx264", REFRESH),
    "refresh.ts": ("libx264", REFRESH),
    "hevc.mp4": ("libx265", HEVC),
    "vp9.webm": ("libvpx-vp9", {"deadline": "realtime", "g": "24"}),
    "vp8.webm": ("libvpx", {"deadline": "realtime", "g": "24"}),
    "mpeg4.avi": ("mpeg4", {"bf": "2"}),
    "mpeg2.ts": ("mpeg2video", {"bf": "2"}),
    "plain.y4m": ("rawvideo", {}),
    "bare.264": ("libx264", B_FRAMES),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("timed")
    drawn = [picture(numbered(number)) for number in range(COUNT)]
    for name, (codec, options) in KINDS.items():
        container = "h264" if name == "bare.264" else None
        if codec in {"libx264", "libx265"}:
            options = {"preset": "ultrafast", **options}
        encode(path / name, drawn, codec, options=options, container=container)
    return path


def frames_of(clip: Path, **where: Any) -> list[Frame]:
    with open_source(str(clip)) as source:
        return list(source.frames(**where))


def assert_same(ours: list[Frame], wanted: list[Frame]) -> None:
    assert len(ours) == len(wanted) > 0
    for one, other in zip(ours, wanted, strict=True):
        assert one.time == pytest.approx(other.time)
        for plane, samples in zip(one.planes, other.planes, strict=True):
            np.testing.assert_array_equal(plane, samples)


@pytest.mark.parametrize("name", KINDS)
def test_a_start_far_in_gives_what_decoding_it_all_gives(folder: Path, name: str) -> None:
    whole = frames_of(folder / name)
    assert [frame.time for frame in whole] == pytest.approx(
        [number / 25 for number in range(len(whole))], abs=1e-3
    )
    for start in (71, 72, 96, 97, 148):
        ours = frames_of(folder / name, start=start, stop=start + 6)
        assert [frame.index for frame in ours] == list(range(min(6, COUNT - start)))
        assert_same(ours, whole[start : start + 6])
    assert frames_of(folder / name, start=COUNT + 10) == []
    stepped = frames_of(folder / name, start=50, stop=90, step=7)
    assert [frame.index for frame in stepped] == [0, 7, 14, 21, 28, 35]
    assert_same(stepped, whole[50:90:7])


@pytest.mark.parametrize(
    ("name", "begins"),
    [("h264.mp4", 96), ("h264.mkv", 96), ("open.mp4", 96), ("hevc.mp4", 96), ("vp9.webm", 96)],
)
def test_decoding_begins_at_a_key_frame(
    folder: Path, name: str, begins: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []
    look_at = ContainerSource._look_at

    def noted(self: ContainerSource, one: Any) -> None:
        seen.append(self._seen)
        look_at(self, one)

    monkeypatch.setattr(ContainerSource, "_look_at", noted)
    assert len(frames_of(folder / name, start=100, stop=103)) == 3
    assert seen[0] == begins


@pytest.mark.parametrize("name", KINDS)
def test_the_position_of_a_time(folder: Path, name: str) -> None:
    with open_source(str(folder / name)) as source:
        for seconds, position in ((0.0, 0), (0.04, 1), (0.041, 2), (3.0, 75), (3.99, 100)):
            assert source.position_at(seconds) == position
        assert source.position_at(1000.0) == COUNT
        assert number_in(next(source.frames(start=75)).planes[0]) == 75


def test_a_late_start_and_times_of_their_own(tmp_path: Path) -> None:
    times = [1000 + number + number // 10 * 30 for number in range(100)]
    drawn = [picture(numbered(number)) for number in range(100)]
    clip = encode(tmp_path / "clip.mkv", drawn, options=B_FRAMES, times=times)
    with open_source(str(clip)) as source:
        assert source.position_at(1.0) == 10  # after a pause
        frames = list(source.frames())
    wanted = [(time - 1000) / 25 for time in times]
    assert [frame.time for frame in frames] == pytest.approx(wanted, abs=1e-3)
    (notice,) = source.notices
    assert "has a variable frame rate: frameNum / " in notice
    # The parts of a video say the same, once.
    parts: list[str] = []
    seen: list[float | None] = []
    for segment in find_segments(str(clip), None, 2.0):
        with open_segment(str(clip), None, segment) as part:
            seen += [frame.time for frame in part.frames()]
            parts += part.notices
    assert parts == [notice]
    assert seen == pytest.approx(wanted, abs=1e-3)


@pytest.mark.parametrize("rate", [24, 25, 30, 60, 120])
@pytest.mark.parametrize("name", ["clip.mkv", "clip.mp4", "clip.ts"])
def test_a_constant_rate_is_not_called_variable(tmp_path: Path, name: str, rate: int) -> None:
    drawn = [picture(numbered(number)) for number in range(30)]
    clip = encode(tmp_path / name, drawn, options=B_FRAMES, rate=rate)
    with open_source(str(clip)) as source:
        assert sum(1 for _ in source.frames()) == 30
        assert source.notices == []


def test_a_gap_has_a_time_too(tmp_path: Path) -> None:
    drawn = [picture(numbered(number)) for number in range(120)]
    clip = encode(tmp_path / "clip.mp4", drawn, options={**B_FRAMES, "b-pyramid": "none"})
    import av

    with av.open(str(clip)) as file:
        packets = [packet for packet in file.demux(video=0) if packet.size]
    content = bytearray(clip.read_bytes())
    hit = packets[42]
    assert hit.pos is not None
    content[hit.pos + 4 : hit.pos + hit.size] = b"\xff" * (hit.size - 4)
    clip.write_bytes(content)
    frames = frames_of(clip)
    gaps = [frame for frame in frames if frame.is_gap]
    assert len(gaps) == 1
    assert gaps[0].time == pytest.approx(gaps[0].index / 25)


def test_raw_video_at_a_rate(tmp_path: Path) -> None:
    clip = tmp_path / "clip.yuv"
    clip.write_bytes(bytes(10 * 3456))
    size: dict[str, Any] = {"width": 64, "height": 36}
    with open_source(str(clip), framerate=50, **size) as source:
        assert source.info.fps == 50
        assert [source.position_at(seconds) for seconds in (0.0, 0.02, 0.021, 9.0)] == [0, 1, 2, 10]
        assert [frame.time for frame in source.frames(start=8)] == [0.16, 0.18]
    with open_source(str(clip), **size) as source:
        with pytest.raises(InputError, match="give --framerate"):
            source.position_at(1.0)
        assert next(source.frames()).time is None


def test_a_rate_must_agree_with_that_of_the_file(tmp_path: Path) -> None:
    clip = tmp_path / "clip.y4m"
    frames = 3 * (b"FRAME\n" + bytes(192))
    clip.write_bytes(b"YUV4MPEG2 W16 H8\n" + frames)
    with open_source(str(clip), framerate=50) as source:
        assert [frame.time for frame in source.frames()] == [0.0, 0.02, 0.04]
    clip.write_bytes(b"YUV4MPEG2 W16 H8 F24000:1001\n" + frames)
    with open_source(str(clip), framerate=23.98) as source:
        assert source.info.fps == 24000 / 1001
    with pytest.raises(InputError, match=r"23\.976 frames a second by its own header, not 24"):
        open_source(str(clip), framerate=24)
