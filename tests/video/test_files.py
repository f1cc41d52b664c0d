"""Names that open nothing, and first bytes that say what a file is."""

from __future__ import annotations

import os
import pty
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from fixtures.yuv.draw import encode, numbered, picture
from tests.process import as_stdin
from vmafsal.errors import InputError, UsageError
from vmafsal.video import open_source
from vmafsal.video.kinds import container_name

SIZE: dict[str, Any] = {"width": 128, "height": 96}


@pytest.fixture
def mp4(tmp_path: Path) -> Path:
    return encode(tmp_path / "dist.mp4", [picture(numbered(number)) for number in range(3)])


def test_a_missing_file_names_its_neighbour(mp4: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    missing = mp4.with_name("dits.mp4")
    with pytest.raises(InputError, match=rf"{missing} does not exist. Did you mean {mp4}\?"):
        open_source(str(missing))
    mp4.rename(mp4.with_name("-dash.mp4"))
    monkeypatch.chdir(mp4.parent)
    with pytest.raises(InputError, match=r"Did you mean \./-dash\.mp4\?"):
        open_source("ash.mp4")  # as the command line takes -dash.mp4


def test_a_missing_file_without_a_neighbour(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"clip.yuv does not exist\.$"):
        open_source(str(tmp_path / "clip.yuv"), **SIZE)


def test_a_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"does not exist\..*folder"):
        open_source(str(tmp_path / "nowhere" / "clip.yuv"), **SIZE)


def test_an_address_on_the_network() -> None:
    with pytest.raises(InputError, match="Only local files are read: download it first"):
        open_source("https://example.org/clip.mp4")


@pytest.mark.parametrize("options", [{}, SIZE])
def test_a_directory(tmp_path: Path, options: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=r"is a directory\. Name one video file in it"):
        open_source(str(tmp_path), **options)


@pytest.mark.parametrize("name", ["clip.yuv", "clip.mp4", "clip.y4m"])
def test_an_empty_file(tmp_path: Path, name: str) -> None:
    clip = tmp_path / name
    clip.touch()
    with pytest.raises(InputError, match="is empty"):
        open_source(str(clip), **(SIZE if name == "clip.yuv" else {}))


def test_an_empty_name() -> None:
    with pytest.raises(UsageError, match="--reference is empty"):
        open_source("", role="reference")


def test_a_name_that_no_system_takes() -> None:
    with pytest.raises(InputError, match="null byte"):
        open_source("clip\0.yuv", **SIZE)
    with pytest.raises(InputError, match="File name too long"):
        open_source("x" * 5000, **SIZE)


def test_a_folder_that_is_a_file(mp4: Path) -> None:
    with pytest.raises(InputError, match="cannot be read: Not a directory"):
        open_source(str(mp4 / "clip.yuv"), **SIZE)


@contextmanager
def as_nobody() -> Iterator[None]:
    """Root may read anything: step down to a user who may not."""
    if os.geteuid() == 0:
        os.seteuid(65534)
        try:
            yield
        finally:
            os.seteuid(0)
    else:
        yield


@pytest.mark.parametrize("name", ["clip.yuv", "dist.mp4"])
def test_a_file_that_may_not_be_read(tmp_path: Path, mp4: Path, name: str) -> None:
    clip = tmp_path / name
    if not clip.exists():
        clip.write_bytes(bytes(18432))
    clip.chmod(0)
    with as_nobody(), pytest.raises(InputError, match=r"permission denied\. Check its access"):
        open_source(str(clip), **(SIZE if name == "clip.yuv" else {}))


def test_a_terminal_is_no_video() -> None:
    ours, theirs = pty.openpty()
    with as_stdin(theirs), pytest.raises(UsageError, match="Standard input is a terminal"):
        open_source("-", **SIZE)
    os.close(ours)


def test_standard_input_from_a_file(tmp_path: Path) -> None:
    clip = tmp_path / "clip.yuv"
    clip.write_bytes(bytes(2 * 18432))
    with as_stdin(clip):
        with open_source("-", **SIZE) as source:
            assert source.count() is None
            assert sum(1 for _ in source.frames()) == 2
        os.fstat(0)  # still open: it is not ours to close


@pytest.mark.parametrize(
    "name", ["a:b.mp4", "http:clip.mp4", "clip %03d.mp4", "größe.mp4", "-x.mp4"]
)
def test_names_that_ffmpeg_would_read_otherwise(mp4: Path, name: str) -> None:
    clip = mp4.rename(mp4.with_name(name))
    with open_source(str(clip)) as source:
        assert source.count() == 3
        assert sum(1 for _ in source.frames()) == 3


@pytest.mark.parametrize(
    ("file", "codec", "name"),
    [
        ("clip.mp4", "libx264", "MP4 or MOV"),
        ("clip.mov", "libx264", "MP4 or MOV"),
        ("clip.mkv", "libx264", "Matroska or WebM"),
        ("clip.webm", "libvpx-vp9", "Matroska or WebM"),
        ("clip.avi", "mpeg4", "AVI"),
        ("clip.flv", "libx264", "FLV"),
        ("clip.ts", "libx264", "MPEG-TS"),
        ("clip.mpg", "mpeg2video", "MPEG program stream"),
        ("clip.nut", "rawvideo", "NUT"),
        ("clip.ivf", "libvpx-vp9", "IVF"),
        ("clip.mxf", "mpeg2video", "MXF"),
        ("clip.asf", "mpeg4", "ASF or WMV"),
    ],
)
def test_a_container_with_a_raw_size_is_told_from_its_bytes(
    tmp_path: Path, file: str, codec: str, name: str
) -> None:
    written = encode(tmp_path / file, [picture(numbered(number)) for number in range(8)], codec)
    assert container_name(written.read_bytes()[:512]) == name
    with open_source(str(written)) as source:
        assert sum(1 for _ in source.frames()) == 8
    # The ending is not what gives it away.
    clip = written.rename(tmp_path / "clip.yuv")
    with pytest.raises(InputError, match=rf"no raw video but {name}: leave out --width and --hei"):
        open_source(str(clip), **SIZE)


def test_flat_raw_pictures_are_no_transport_stream(tmp_path: Path) -> None:
    clip = tmp_path / "flat.yuv"
    clip.write_bytes(b"\x47" * 18432)
    with open_source(str(clip), **SIZE) as source:
        assert source.info.kind == "raw"


def test_y4m_with_a_size_that_agrees_and_one_that_does_not(tmp_path: Path) -> None:
    clip = encode(tmp_path / "clip.y4m", [picture(numbered(0))], "rawvideo")
    agreeing: list[dict[str, Any]] = [{}, {"width": 128}, {"height": 96}, SIZE]
    for options in agreeing:
        with open_source(str(clip), **options) as source:
            assert source.count() == 1
    differing: list[dict[str, Any]] = [{"width": 64}, {"width": 128, "height": 90}]
    for options in differing:
        with pytest.raises(InputError, match="is 128x96 by its own header, not"):
            open_source(str(clip), **options)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("clip.mp4", b"this is no video\n" * 100),
        ("clip.txt", b"hello world\n" * 100),
        ("clip.mkv", b"\x1a\x45\xdf\xa3" + bytes(2000)),
        ("clip.m3u8", b"#EXTM3U\n#EXTINF:1\nhttp://127.0.0.1:9/x.ts\n"),
        (
            "clip.wav",
            b"RIFF\x24\x08\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0\x40\x1f\0\0\x40\x1f\0\0"
            b"\x01\0\x08\0data\0\x08\0\0" + bytes(2048),
        ),
    ],
)
def test_a_file_without_video(tmp_path: Path, name: str, content: bytes) -> None:
    clip = tmp_path / name
    clip.write_bytes(content)
    with pytest.raises(InputError, match=r"cannot be read as video|holds no video"):
        open_source(str(clip))
