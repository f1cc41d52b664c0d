"""What a container's own sizes say of its end."""

from __future__ import annotations

from pathlib import Path

import pytest

from fixtures.yuv.draw import encode, numbered, picture
from vmafsal.video.cut import lacks_index, stated_size

FTYP = b"\0\0\0\x10ftypisom\0\0\0\0"
MOOV = b"\0\0\0\x08moov"


def box(kind: bytes, content: int, *, wide: bool = False) -> bytes:
    """A box of `content` zero bytes, its size in 32 or 64 bits."""
    if wide:
        return b"\0\0\0\x01" + kind + (16 + content).to_bytes(8, "big") + bytes(content)
    return (8 + content).to_bytes(4, "big") + kind + bytes(content)


@pytest.mark.parametrize(
    ("content", "missing"),
    [
        (FTYP + MOOV + box(b"mdat", 100), 0),
        (FTYP + MOOV + box(b"mdat", 100)[:-30], 30),
        (FTYP + box(b"mdat", 100, wide=True)[:-1], 1),
        (FTYP + MOOV + b"\0\0\0", 5),
    ],
)
def test_the_last_box_says_where_the_file_should_end(
    tmp_path: Path, content: bytes, missing: int
) -> None:
    clip = tmp_path / "clip.mp4"
    clip.write_bytes(content)
    assert stated_size(str(clip)) == len(content) + missing


@pytest.mark.parametrize(
    "content",
    [
        # a box that reaches to the end of the file, whatever that is
        FTYP + MOOV + b"\0\0\0\0mdat" + bytes(100),
        # rubbish behind the last box
        FTYP + MOOV + b"\xff" * 64,
        FTYP + MOOV + bytes(64),
        b"RIFF\xff\0\0\0AVI " + bytes(20),
        b"",
    ],
)
def test_a_file_that_does_not_say(tmp_path: Path, content: bytes) -> None:
    clip = tmp_path / "clip.mp4"
    clip.write_bytes(content)
    assert stated_size(str(clip)) is None


@pytest.mark.parametrize("name", ["clip.mp4", "clip.mov", "clip.mkv", "clip.webm"])
def test_whole_files_agree_with_themselves(tmp_path: Path, name: str) -> None:
    codec = "libvpx-vp9" if name.endswith("webm") else "libx264"
    clip = encode(tmp_path / name, [picture(numbered(number)) for number in range(5)], codec)
    assert stated_size(str(clip)) == clip.stat().st_size
    assert not lacks_index(str(clip))


def test_a_live_stream_has_no_stated_size(tmp_path: Path) -> None:
    drawn = [picture(numbered(number)) for number in range(5)]
    clip = encode(tmp_path / "clip.mkv", drawn, container_options={"live": "1"})
    assert stated_size(str(clip)) is None


def test_an_index_that_never_came(tmp_path: Path) -> None:
    clip = tmp_path / "clip.mp4"
    clip.write_bytes(FTYP + box(b"mdat", 100))
    assert lacks_index(str(clip))
    clip.write_bytes(FTYP + MOOV + box(b"mdat", 100))
    assert not lacks_index(str(clip))
