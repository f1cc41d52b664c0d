"""Time stamps that are no presentation times, and streams that begin late: nothing is invented."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from itertools import count as numbers
from pathlib import Path

import av
import numpy as np
import pytest
from av.video.frame import PictureType

from fixtures.yuv.draw import encode, number_in, numbered, picture
from vmafsal.video import open_source
from vmafsal.video.frame import Frame

COUNT = 60
CASES = Path(__file__).parents[3] / "shared" / "cases"
B_FRAMES = {"bf": "3", "g": "24", "sc_threshold": "0"}
HEVC = {"x265-params": "keyint=24:bframes=3:log-level=none"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Bare streams with B pictures."""
    path = tmp_path_factory.mktemp("bare")
    drawn = [picture(numbered(number)) for number in range(COUNT)]
    encode(path / "clip.264", drawn, options=B_FRAMES, container="h264")
    encode(path / "clip.265", drawn, "libx265", options=HEVC, container="hevc")
    # B pictures only at the end, behind many pictures whose order shows nothing.
    late = [picture(numbered(number)) for number in range(130)]
    for one in late[1:100]:
        one.pict_type = PictureType.P
    options = {"bf": "3", "b-adapt": "0", "g": "250", "sc_threshold": "0"}
    encode(path / "late_b.264", late, options=options, container="h264")
    return path


def copy_stream(source: Path, target: Path, stamps: Callable[[int], int | None]) -> Path:
    """Copy the packets of a bare stream, with one stamp for decoding and presentation."""
    with av.open(str(source)) as bare, av.open(str(target), "w") as file:
        stream = file.add_stream_from_template(bare.streams.video[0])
        stream.time_base = Fraction(1, 25)
        number = numbers()
        for packet in bare.demux(bare.streams.video[0]):
            if packet.size:
                packet.pts = packet.dts = stamps(next(number))
                packet.time_base = Fraction(1, 25)
                packet.duration = 1
                packet.stream = stream
                file.mux(packet)
    return target


def decoded(clip: Path) -> list[int]:
    """Numbers in the pictures that PyAV alone decodes."""
    with av.open(str(clip)) as file:
        return [number_in(np.asarray(one.to_ndarray(), np.uint8)) for one in file.decode(video=0)]


def frames_of(clip: Path) -> tuple[int | None, list[Frame], list[str]]:
    with open_source(str(clip)) as source:
        count = source.count()
        frames = list(source.frames())
        return count, frames, source.notices


@pytest.mark.parametrize(
    ("bare", "name"),
    [
        ("clip.264", "clip.avi"),
        ("clip.264", "clip.mp4"),
        ("clip.264", "clip.mkv"),
        ("clip.264", "clip.mov"),
        ("clip.264", "clip.asf"),
        ("clip.264", "clip.flv"),
        ("clip.265", "clip.mp4"),
        ("clip.265", "clip.mkv"),
        ("late_b.264", "clip.mp4"),
        ("late_b.264", "clip.avi"),
    ],
)
def test_stamps_in_decoding_order_lose_nothing(
    folder: Path, tmp_path: Path, bare: str, name: str
) -> None:
    clip = copy_stream(folder / bare, tmp_path / name, lambda number: number)
    wanted = decoded(clip)
    count, frames, notices = frames_of(clip)
    assert count == len(wanted) >= COUNT
    assert [frame.index for frame in frames] == list(range(len(wanted)))
    assert not any(frame.is_gap for frame in frames)
    assert [number_in(frame.planes[0]) for frame in frames] == wanted
    assert notices == []
    # The same pictures in the same order as from the stream itself.
    of_stream = frames_of(folder / bare)[1]
    assert [number_in(frame.planes[0]) for frame in of_stream] == wanted


@pytest.mark.parametrize("name", ["clip.avi", "clip.asf"])
def test_containers_that_keep_one_stamp(tmp_path: Path, name: str) -> None:
    drawn = [picture(numbered(number)) for number in range(COUNT)]
    clip = encode(tmp_path / name, drawn, options=B_FRAMES)
    count, frames, notices = frames_of(clip)
    assert count == COUNT
    assert [number_in(frame.planes[0]) for frame in frames] == list(range(COUNT))
    assert notices == []
    times = [frame.time for frame in frames]
    assert times == pytest.approx([number / 25 for number in range(COUNT)], abs=1e-3)


def test_a_picture_in_two_packets(tmp_path: Path) -> None:
    """ffmpeg's reader of ASF parts the timing messages of H.264 from the pictures behind them."""
    drawn = [picture(numbered(number)) for number in range(COUNT)]
    options = {**B_FRAMES, "x264-params": "tff=1"}
    whole = encode(tmp_path / "clip.mp4", drawn, options=options)
    clip = tmp_path / "clip.asf"
    with av.open(str(whole)) as source, av.open(str(clip), "w") as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(source.streams.video[0]):
            if packet.size:
                packet.stream = stream
                target.mux(packet)
    with av.open(str(clip)) as file:
        assert sum(1 for packet in file.demux(video=0) if packet.size) > COUNT
    count, frames, notices = frames_of(clip)
    assert count is None
    assert [number_in(frame.planes[0]) for frame in frames] == list(range(COUNT))
    assert notices == [f"{clip} is interlaced; its pictures are scored as whole frames."]


def test_pictures_before_the_start_of_an_edit_list(folder: Path, tmp_path: Path) -> None:
    clip = copy_stream(folder / "clip.264", tmp_path / "clip.mp4", lambda number: number - 2)
    wanted = decoded(clip)
    count, frames, notices = frames_of(clip)
    assert [number_in(frame.planes[0]) for frame in frames] == wanted
    assert count == len(wanted) < COUNT
    assert notices == []


def test_a_picture_lost_where_stamps_are_in_decoding_order(folder: Path, tmp_path: Path) -> None:
    """The number of frames holds: what the decoder reports is counted."""
    clip = copy_stream(folder / "late_b.264", tmp_path / "clip.mp4", lambda number: number)
    with av.open(str(clip)) as file:
        packets = [packet for packet in file.demux(video=0) if packet.size]
    content = bytearray(clip.read_bytes())
    lost = packets[-2]
    assert lost.pos is not None
    content[lost.pos + 4 : lost.pos + lost.size] = b"\xff" * (lost.size - 4)
    clip.write_bytes(content)
    count, frames, notices = frames_of(clip)
    assert count == len(frames) == len(packets)
    assert sum(frame.is_gap for frame in frames) == 1
    assert "1 of 130 pictures" in notices[0]


@pytest.mark.parametrize("name", ["clip.ts", "clip.264", "clip.mkv"])
def test_a_recording_that_begins_midway_in_intra_refresh(tmp_path: Path, name: str) -> None:
    """No picture is shown until one is complete, and none of those is called lost."""
    drawn = [picture(numbered(number)) for number in range(120)]
    options = {"bf": "0", "sc_threshold": "0", "x264-params": "intra-refresh=1:keyint=20"}
    container = "h264" if name == "clip.264" else "mpegts"
    whole = encode(tmp_path / "whole", drawn, options=options, container=container)
    content = whole.read_bytes()
    begin = len(content) // 20
    cut = tmp_path / name
    cut.write_bytes(content[begin - begin % 188 :])
    if name == "clip.mkv":
        recording = cut.rename(tmp_path / "recording.ts")
        with av.open(str(recording)) as file, av.open(str(cut), "w") as target:
            stream = target.add_stream_from_template(file.streams.video[0])
            begun = False
            for packet in file.demux(file.streams.video[0]):
                begun = begun or packet.is_keyframe
                if packet.size and begun:
                    packet.stream = stream
                    target.mux(packet)
    wanted = decoded(cut)
    assert 60 < len(wanted) < 120
    count, frames, notices = frames_of(cut)
    assert [number_in(frame.planes[0]) for frame in frames] == wanted
    assert count in (None, len(wanted))
    assert count is not None or name == "clip.264"
    assert notices == []


@pytest.mark.skipif(not CASES.is_dir(), reason="the recorded cases are not here")
@pytest.mark.parametrize(
    ("name", "pictures"),
    [("bframes_h264.avi", 60), ("raw_to_mp4_copy.mp4", 58), ("few_bframes.mp4", 699)],
)
def test_recorded_cases(name: str, pictures: int) -> None:
    count, frames, notices = frames_of(CASES / name)
    assert count == len(frames) == pictures
    assert not any(frame.is_gap for frame in frames)
    assert notices == []
