"""Uploads: under names of ours, bounded, one for each role, gone with their page."""

from __future__ import annotations

import gc
from pathlib import Path

import pytest

from vmafsal.errors import InputError, OutputError
from vmafsal.explore.uploads import Uploads, sentence


def files(root: Path) -> list[Path]:
    return sorted(path for path in root.rglob("*") if path.is_file())


@pytest.mark.parametrize(
    "name",
    ["../../etc/passwd", "a/../../b.mp4", "C:\\x\\..\\b.mp4", "x\0y.mp4", "", ".", "é" * 300],
)
def test_a_name_from_the_browser_never_becomes_a_path(name: str, tmp_path: Path) -> None:
    uploads = Uploads(str(tmp_path / ""))
    upload = uploads.keep("video", "1", name, lambda: b"data")
    (found,) = files(tmp_path)
    assert Path(upload.path) == found
    assert found.name == "video-1"
    assert found.read_bytes() == b"data"
    assert not set("/\\\0") & set(upload.name)
    assert 0 < len(upload.name) <= 80


def test_each_role_has_one_file_that_is_written_once(tmp_path: Path) -> None:
    uploads = Uploads(str(tmp_path))
    first = uploads.keep("video", "1", "a.mp4", lambda: b"one")

    def again() -> bytes:
        raise AssertionError("it is there already")

    assert uploads.keep("video", "1", "a.mp4", again) == first
    uploads.keep("log", "2", "b.json", lambda: b"log")
    second = uploads.keep("video", "3", "a.mp4", lambda: b"two")
    assert second.path != first.path
    assert [path.read_bytes() for path in files(tmp_path)] == [b"log", b"two"]
    assert uploads.names[second.path] == "a.mp4"
    uploads.drop("video")
    uploads.drop("video")
    assert [path.read_bytes() for path in files(tmp_path)] == [b"log"]


def test_two_pages_do_not_meet(tmp_path: Path) -> None:
    one, other = Uploads(str(tmp_path)), Uploads(str(tmp_path))
    paths = {page.keep("video", "1", "a.mp4", lambda: b"x").path for page in (one, other)}
    assert len(paths) == 2


def test_the_files_go_with_their_page(tmp_path: Path) -> None:
    uploads = Uploads(str(tmp_path))
    uploads.keep("video", "1", "a.mp4", lambda: b"data")
    del uploads
    gc.collect()
    assert list(tmp_path.iterdir()) == []


def test_what_is_empty_or_too_large_is_a_sentence_and_leaves_the_older_one(tmp_path: Path) -> None:
    uploads = Uploads(str(tmp_path), limit_bytes=2 << 20)
    kept = uploads.keep("video", "1", "a.mp4", lambda: b"data")
    with pytest.raises(InputError, match=r"b\.mp4 is empty"):
        uploads.keep("video", "2", "b.mp4", lambda: b"")
    with pytest.raises(InputError, match=r"c\.mp4 has 3 MB, and uploads have at most 2"):
        uploads.keep("video", "3", "c.mp4", lambda: bytes(3 << 20))
    assert files(tmp_path) == [Path(kept.path)]


def test_a_folder_that_is_gone_is_a_sentence(tmp_path: Path) -> None:
    uploads = Uploads(str(tmp_path))
    next(tmp_path.iterdir()).rmdir()
    with pytest.raises(OutputError, match=r"a\.mp4 cannot be kept"):
        uploads.keep("video", "1", "a.mp4", lambda: b"data")


def test_a_sentence_names_files_as_people_do() -> None:
    error = InputError("/tmp/x/video-1 is no video (video-1: 3 bytes).")
    assert sentence(error, {"/tmp/x/video-1": "a.mp4"}) == "a.mp4 is no video (a.mp4: 3 bytes)."
