"""Damaged and cut containers: no number shifts, and every loss is said."""

from __future__ import annotations

import os
from pathlib import Path

import av
import numpy as np
import pytest
from av.codec.codec import UnknownCodecError
from av.video.frame import PictureType

from fixtures.yuv.draw import encode, number_in, numbered, picture
from vmafsal.errors import InputError
from vmafsal.video import Source, open_source

COUNT = 120
FAST_START = {"movflags": "faststart"}
FRAGMENTS = {"movflags": "frag_keyframe+empty_moov"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Numbered pictures in several containers; every 24th a key frame, B pictures between."""
    path = tmp_path_factory.mktemp("whole")
    drawn = [picture(numbered(number)) for number in range(COUNT)]
    options = {"bf": "3", "g": "24", "qp": "30", "sc_threshold": "0", "b-pyramid": "none"}
    encode(path / "clip.mp4", drawn, options=options, container_options=FAST_START)
    encode(path / "index_last.mp4", drawn, options=options)
    encode(path / "fragments.mp4", drawn, options=options, container_options=FRAGMENTS)
    encode(path / "clip.mkv", drawn, options=options)
    encode(path / "clip.ts", drawn, options=options)
    encode(path / "clip.y4m", drawn, "rawvideo")
    encode(path / "vp9.webm", drawn, "libvpx-vp9", options={"deadline": "realtime", "g": "24"})
    return path


def packets_of(clip: Path) -> list[tuple[int, int, int]]:
    """(position, size, number of the picture) of each packet, in decoding order."""
    with av.open(str(clip)) as file:
        packets = [packet for packet in file.demux(video=0) if packet.size]
    order = sorted(packet.pts for packet in packets if packet.pts is not None)
    # Matroska counts from the header of the block.
    header = 4 if clip.suffix == ".webm" else 0
    return [
        ((packet.pos or 0) + header, packet.size, order.index(packet.pts or 0))
        for packet in packets
    ]


def overwrite(clip: Path, copy: Path, numbers: set[int]) -> Path:
    """A copy in which the packets of some pictures are noise."""
    content = bytearray(clip.read_bytes())
    noise = np.random.default_rng(11)
    for position, size, number in packets_of(clip):
        if number in numbers:
            content[position : position + size] = noise.bytes(size)
    copy.write_bytes(content)
    return copy


def disposable(clip: Path) -> list[int]:
    """Numbers of the B pictures, to which no other refers."""
    with av.open(str(clip)) as file:
        kinds = [frame.pict_type for frame in file.decode(video=0)]
    return [number for number, kind in enumerate(kinds) if kind == PictureType.B]


def numbers_of(source: Source) -> list[int | None]:
    """The number in each picture, None for a gap; checks that indices run from 0."""
    frames = list(source.frames())
    assert [frame.index for frame in frames] == list(range(len(frames)))
    return [None if frame.is_gap else number_in(frame.planes[0]) for frame in frames]


def test_a_lost_picture_keeps_its_number(folder: Path, tmp_path: Path) -> None:
    lost = disposable(folder / "clip.mp4")[40]
    clip = overwrite(folder / "clip.mp4", tmp_path / "clip.mp4", {lost})
    with open_source(str(clip)) as source:
        assert source.count() == COUNT
        numbers = numbers_of(source)
        assert source.notices == [
            f"1 of {COUNT} pictures of {clip} could not be decoded; their frame numbers are left "
            "out."
        ]
        assert not source.truncated
    assert numbers == [None if number == lost else number for number in range(COUNT)]


def test_a_picture_lost_among_the_last_keeps_its_number(folder: Path, tmp_path: Path) -> None:
    lost = disposable(folder / "clip.mp4")[-1]
    assert lost > COUNT - 5
    clip = overwrite(folder / "clip.mp4", tmp_path / "clip.mp4", {lost})
    with open_source(str(clip)) as source:
        numbers = numbers_of(source)
    assert numbers == [None if number == lost else number for number in range(COUNT)]


def test_a_gap_is_counted_by_start_and_step(folder: Path, tmp_path: Path) -> None:
    lost = disposable(folder / "clip.mp4")[40]
    clip = overwrite(folder / "clip.mp4", tmp_path / "clip.mp4", {lost})
    with open_source(str(clip)) as source:
        frames = list(source.frames(start=lost % 3, step=3))
    for frame in frames:
        number = frame.index + lost % 3
        assert frame.is_gap == (number == lost)
        assert frame.is_gap or number_in(frame.planes[0]) == number


def test_more_than_one_in_a_hundred_fails(folder: Path, tmp_path: Path) -> None:
    lost = disposable(folder / "clip.mp4")
    clip = overwrite(folder / "clip.mp4", tmp_path / "clip.mp4", {lost[3], lost[30]})
    with (
        open_source(str(clip)) as source,
        pytest.raises(InputError, match=r"is damaged: 2 of 120 pictures could not be decoded"),
    ):
        list(source.frames())


def test_more_than_eight_in_a_row_fail(folder: Path, tmp_path: Path) -> None:
    # Without its first key frame the whole first group is lost.
    clip = overwrite(folder / "clip.mp4", tmp_path / "clip.mp4", {0})
    with (
        open_source(str(clip)) as source,
        pytest.raises(InputError, match="more than 8 pictures in a row, up to picture 8,"),
    ):
        list(source.frames())


def test_the_pictures_after_a_lost_reference_keep_their_numbers(
    folder: Path, tmp_path: Path
) -> None:
    clip = overwrite(folder / "vp9.webm", tmp_path / "clip.webm", {71})
    with open_source(str(clip)) as source:
        frames = list(source.frames())
    assert len(frames) == COUNT
    # From the next key frame on every picture is its own again.
    for frame in frames[72:]:
        assert number_in(frame.planes[0]) == frame.index


def test_nothing_but_noise_fails(folder: Path, tmp_path: Path) -> None:
    clip = overwrite(folder / "clip.mp4", tmp_path / "clip.mp4", set(range(COUNT)))
    with pytest.raises(InputError, match="holds no h264 picture that can be decoded"):
        open_source(str(clip))


def test_a_picture_that_the_decoder_drops_without_a_word_is_missed(
    folder: Path, tmp_path: Path
) -> None:
    """An AV1 packet of zeros holds no frame, and dav1d does not complain."""
    drawn = [picture(numbered(number)) for number in range(COUNT)]
    try:
        whole = encode(tmp_path / "whole.webm", drawn, "libsvtav1", options={"preset": "12"})
    except UnknownCodecError:
        pytest.skip("this build of PyAV has no encoder libsvtav1")
    content = bytearray(whole.read_bytes())
    position, size, _ = packets_of(whole)[70]
    content[position : position + size] = bytes(size)
    clip = tmp_path / "clip.webm"
    clip.write_bytes(content)
    with open_source(str(clip)) as source:
        frames = list(source.frames())
        assert len(source.notices) == 1
        assert "1 of 120 pictures" in source.notices[0]
    assert len(frames) == COUNT
    assert sum(frame.is_gap for frame in frames) == 1


def test_a_hidden_frame_is_not_a_lost_one(tmp_path: Path) -> None:
    """VP8 keeps reference frames in packets of their own that are never shown."""
    drawn = [picture(numbered(number)) for number in range(24)]
    whole = encode(tmp_path / "whole.webm", drawn, "libvpx", options={"deadline": "realtime"})
    content = bytearray(whole.read_bytes())
    position, _, _ = packets_of(whole)[10]
    content[position] &= ~0x10  # show_frame (RFC 6386, 9.1)
    clip = tmp_path / "clip.webm"
    clip.write_bytes(content)
    with open_source(str(clip)) as source:
        assert numbers_of(source) == [number for number in range(24) if number != 10]
        assert source.notices == []


def test_a_clock_that_is_set_back_loses_nothing(folder: Path, tmp_path: Path) -> None:
    clip = tmp_path / "twice.ts"
    clip.write_bytes((folder / "clip.ts").read_bytes() * 2)
    with open_source(str(clip)) as source:
        assert source.count() == 2 * COUNT
        numbers = [number_in(frame.planes[0]) for frame in source.frames()]
    assert numbers == list(range(COUNT)) * 2


def test_a_title_that_is_no_text_is_no_matter(folder: Path, tmp_path: Path) -> None:
    content = (folder / "clip.mkv").read_bytes()
    clip = tmp_path / "clip.mkv"
    clip.write_bytes(content.replace(b"ENCODER", b"\xff\xfeCODER"))
    with open_source(str(clip)) as source:
        assert numbers_of(source) == list(range(COUNT))


@pytest.mark.parametrize("share", [0.03, 0.05, 0.13, 0.3, 0.5, 0.61, 0.77, 0.9, 0.97])
@pytest.mark.parametrize("name", ["clip.mp4", "fragments.mp4", "clip.mkv"])
def test_a_cut_container_is_scored_to_where_it_ends(
    folder: Path, tmp_path: Path, name: str, share: float
) -> None:
    content = (folder / name).read_bytes()
    clip = tmp_path / name
    clip.write_bytes(content[: int(len(content) * share)])
    whole = sum(
        position + size <= len(content) * share for position, size, _ in packets_of(folder / name)
    )
    with open_source(str(clip)) as source:
        count = source.count()
        numbers = numbers_of(source)
        assert source.truncated
        assert len(source.notices) == 1
        assert "is cut short" in source.notices[0]
    assert count == len(numbers)
    assert numbers == list(range(len(numbers)))
    # All that can be told apart: the last few may wait for pictures that were cut off.
    assert whole - 4 <= len(numbers) <= whole


def test_a_hole_in_a_transport_stream(folder: Path, tmp_path: Path) -> None:
    """Lost packets are patched by the decoder: the numbers hold, and it is said."""
    content = (folder / "clip.ts").read_bytes()
    hole = next(place for place, _, number in packets_of(folder / "clip.ts") if number == 48) + 376
    clip = tmp_path / "clip.ts"
    clip.write_bytes(content[:hole] + content[hole + 188 :])
    with open_source(str(clip)) as source:
        numbers = numbers_of(source)
        assert source.notices == [
            f"1 of {COUNT} pictures of {clip} are damaged; they, and those that build on them, "
            "were scored as the decoder patched them."
        ]
    assert len(numbers) == COUNT
    assert numbers[:45] == list(range(45))
    # From the next key frame on every picture is its own again.
    assert numbers[72:] == list(range(72, COUNT))


def test_a_recording_that_begins_between_key_frames_starts_at_the_next(
    folder: Path, tmp_path: Path
) -> None:
    content = (folder / "clip.ts").read_bytes()
    clip = tmp_path / "clip.ts"
    clip.write_bytes(content[188 * 40 :])
    with open_source(str(clip)) as source:
        count = source.count()
        numbers = numbers_of(source)
    assert numbers[0] in (24, 48, 72)
    assert numbers == list(range(numbers[0], COUNT))
    assert count == len(numbers)


def test_an_mp4_without_its_index(folder: Path, tmp_path: Path) -> None:
    content = (folder / "index_last.mp4").read_bytes()
    clip = tmp_path / "clip.mp4"
    clip.write_bytes(content[: len(content) // 2])
    with pytest.raises(InputError, match=r"Its index \(moov\) is missing"):
        open_source(str(clip))


def test_a_container_cut_before_its_first_picture(folder: Path, tmp_path: Path) -> None:
    clip = tmp_path / "clip.mkv"
    clip.write_bytes((folder / "clip.mkv").read_bytes()[:700])
    with (
        pytest.raises(InputError, match=r"holds no|cannot be read"),
        open_source(str(clip)) as source,
    ):
        list(source.frames())


def test_a_partial_last_frame_of_y4m(folder: Path, tmp_path: Path) -> None:
    clip = tmp_path / "clip.y4m"
    clip.write_bytes((folder / "clip.y4m").read_bytes()[:-100])
    with open_source(str(clip)) as source:
        assert source.count() == COUNT - 1
        assert numbers_of(source) == list(range(COUNT - 1))
        assert source.truncated
        # 128x96 in 4:2:0 and the marker before it, less 100
        assert source.notices == [
            f"{clip} holds 119 frames and 18,338 bytes more; those bytes were left out."
        ]


def test_y4m_that_loses_its_markers(folder: Path, tmp_path: Path) -> None:
    content = (folder / "clip.y4m").read_bytes()
    clip = tmp_path / "clip.y4m"
    clip.write_bytes(content[:500_000] + b"x" * 999 + content[500_000:])
    with (
        open_source(str(clip)) as source,
        pytest.raises(InputError, match="after 28 frames no frame marker follows"),
    ):
        list(source.frames())


def test_y4m_without_a_whole_frame(folder: Path, tmp_path: Path) -> None:
    clip = tmp_path / "clip.y4m"
    clip.write_bytes((folder / "clip.y4m").read_bytes()[:5000])
    with pytest.raises(InputError, match="holds no"), open_source(str(clip)) as source:
        list(source.frames())


@pytest.mark.parametrize("name", ["clip.mp4", "clip.mkv", "clip.y4m"])
@pytest.mark.parametrize("share", [0.5, 1.5])
def test_a_file_that_changes_its_size_midway(
    folder: Path, tmp_path: Path, name: str, share: float
) -> None:
    clip = tmp_path / name
    clip.write_bytes((folder / name).read_bytes())
    with open_source(str(clip)) as source:
        frames = source.frames()
        next(frames)
        os.truncate(clip, int(clip.stat().st_size * share))
        with pytest.raises(InputError, match="changed its size"):
            list(frames)


def test_a_file_that_vanishes_midway(folder: Path, tmp_path: Path) -> None:
    clip = tmp_path / "clip.mp4"
    clip.write_bytes((folder / "clip.mp4").read_bytes())
    with open_source(str(clip)) as source:
        frames = source.frames()
        next(frames)
        clip.unlink()
        with pytest.raises(InputError, match="vanished while it was read"):
            list(frames)
