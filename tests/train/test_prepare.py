"""Fetching a corpus from a server that fails, unpacking it, checking folders."""

from __future__ import annotations

import hashlib
import json
import shutil
import stat
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest

pytest.importorskip("PIL")

from PIL import Image
from typer.testing import CliRunner

from tests.drawn_corpus import draw_duts
from train.prepare import DUTS_TR, Archive, app, check_folder, download, unpack
from vmafsal.errors import InputError, OutputError, UsageError

PAIRS = 3


@pytest.fixture(scope="module")
def zip_bytes(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A small DUTS-TR.zip, with the top folder that the real one has."""
    root = tmp_path_factory.mktemp("zip")
    draw_duts(root / "DUTS-TR", PAIRS)
    return Path(shutil.make_archive(str(root / "made"), "zip", root, "DUTS-TR")).read_bytes()


def archive_of(data: bytes, url: str = "") -> Archive:
    return replace(DUTS_TR, url=url, sha256=hashlib.sha256(data).hexdigest(), pairs=PAIRS)


class Handler(BaseHTTPRequestHandler):
    """Serves `content`, with the faults that the test asks for."""

    content: ClassVar[bytes]
    break_after: ClassVar[int | None]
    """Bytes after which each answer breaks off; None for never."""
    status: ClassVar[int | None]
    """Answer with this and nothing else."""
    asked: ClassVar[list[str]]

    def do_GET(self) -> None:
        self.asked.append(self.path)
        if self.status is not None:
            self.send_error(self.status)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(self.content)))
        self.end_headers()
        self.wfile.write(self.content[: self.break_after])

    def log_message(self, format: str, *args: object) -> None:
        pass


@contextmanager
def serving(
    content: bytes, break_after: int | None = None, status: int | None = None
) -> Iterator[tuple[str, list[str]]]:
    """A server on the loopback: its address, and what was asked of it."""
    asked: list[str] = []
    faults = {"content": content, "break_after": break_after, "status": status, "asked": asked}
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Faulty", (Handler,), faults))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/DUTS-TR.zip", asked
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def test_download_and_unpack(zip_bytes: bytes, tmp_path: Path) -> None:
    with serving(zip_bytes) as (url, asked):
        archive = archive_of(zip_bytes, url)
        path = download(archive, tmp_path)
        assert path.read_bytes() == zip_bytes
        assert download(archive, tmp_path) == path
    assert len(asked) == 1  # the second time nothing is fetched
    target = unpack(archive, path, tmp_path)
    assert names(target) == ["DUTS-TR-Image", "DUTS-TR-Mask"]
    assert len(names(target / "DUTS-TR-Image")) == PAIRS
    assert names(tmp_path) == ["DUTS-TR", "DUTS-TR.zip"]
    assert stat.S_IMODE(target.stat().st_mode) & 0o055 == 0o055
    assert unpack(archive, path, tmp_path) == target


def test_a_connection_that_breaks_off_leaves_nothing(zip_bytes: bytes, tmp_path: Path) -> None:
    with (
        serving(zip_bytes, break_after=1000) as (url, _),
        pytest.raises(InputError, match="could not be fetched"),
    ):
        download(archive_of(zip_bytes, url), tmp_path)
    assert names(tmp_path) == []


@pytest.mark.parametrize("longer", [b"", b"and more"])
def test_other_bytes_are_refused(zip_bytes: bytes, tmp_path: Path, longer: bytes) -> None:
    content = zip_bytes + longer if longer else b"x" * len(zip_bytes)
    with serving(content) as (url, _), pytest.raises(InputError, match="whose sha256 is"):
        download(archive_of(zip_bytes, url), tmp_path)
    assert names(tmp_path) == []


def test_a_page_that_is_not_there(zip_bytes: bytes, tmp_path: Path) -> None:
    with serving(zip_bytes, status=404) as (url, _), pytest.raises(InputError, match="404"):
        download(archive_of(zip_bytes, url), tmp_path)
    assert names(tmp_path) == []


def test_a_server_or_an_address_that_is_none(zip_bytes: bytes, tmp_path: Path) -> None:
    for url in ("http://127.0.0.1:9/DUTS-TR.zip", "http://no address"):
        with pytest.raises(InputError, match="could not be fetched"):
            download(archive_of(zip_bytes, url), tmp_path)


def test_a_zip_of_other_bytes_is_not_opened(zip_bytes: bytes, tmp_path: Path) -> None:
    path = tmp_path / "mine.zip"
    path.write_bytes(zip_bytes[:-1] + b"!")
    with pytest.raises(InputError, match="sha256"):
        unpack(archive_of(zip_bytes), path, tmp_path)
    assert names(tmp_path) == ["mine.zip"]  # a person's own file is never removed
    with pytest.raises(InputError, match="cannot be read"):
        unpack(archive_of(zip_bytes), tmp_path / "absent.zip", tmp_path)


def test_a_target_with_something_else_in_it_is_left_alone(zip_bytes: bytes, tmp_path: Path) -> None:
    path = tmp_path / "good.zip"
    path.write_bytes(zip_bytes)
    mine = tmp_path / "DUTS-TR" / "mine.txt"
    mine.parent.mkdir()
    mine.write_text("mine")
    with pytest.raises(OutputError, match="is there already"):
        unpack(archive_of(zip_bytes), path, tmp_path)
    assert mine.read_text() == "mine"


def test_the_published_archive_is_pinned() -> None:
    assert DUTS_TR.sha256[:8] == "ce61e023"
    assert len(DUTS_TR.sha256) == 64
    assert DUTS_TR.pairs == 10_553


def test_command_refuses_both_and_neither(zip_bytes: bytes, tmp_path: Path) -> None:
    path = tmp_path / "small.zip"
    path.write_bytes(zip_bytes)
    for options in ([], ["--zip", str(path), "--download"]):
        result = CliRunner().invoke(app, ["duts", *options])
        assert isinstance(result.exception, UsageError)
    # The command knows the published zip alone.
    result = CliRunner().invoke(app, ["duts", "--zip", str(path), "--out", str(tmp_path / "out")])
    assert isinstance(result.exception, InputError)
    assert DUTS_TR.sha256 in str(result.exception)


def save(path: Path, pixels: np.ndarray) -> None:
    Image.fromarray(pixels.astype(np.uint8)).save(path)


def test_check_finds_everything(tmp_path: Path) -> None:
    root = draw_duts(tmp_path / "set", 8, 24, 32)
    images, masks = root / "DUTS-TR-Image", root / "DUTS-TR-Mask"
    (masks / "drawn_0000.png").unlink()
    (images / "drawn_0001.jpg").write_bytes((images / "drawn_0001.jpg").read_bytes()[:200])
    save(masks / "drawn_0002.png", np.full((12, 32), 255))
    ramp = np.tile(np.arange(32) * 8, (24, 1))
    save(masks / "drawn_0003.png", ramp)
    save(masks / "drawn_0004.png", ramp > 100)
    save(masks / "drawn_0005.png", np.where(ramp > 100, 255, np.where(ramp > 50, 128, 0)))
    save(masks / "drawn_0006.png", np.zeros((24, 32)))
    found = check_folder(root)
    (unreadable,) = found.pop("unreadable")
    assert "drawn_0001.jpg" in unreadable
    assert found == {
        "trimaps": ["drawn_0005"],
        "orphans": ["DUTS-TR-Image/drawn_0000.jpg"],
        "other_size": ["drawn_0002: 32x24, mask 32x12"],
        "ones": ["drawn_0004"],
        "not_binary": ["drawn_0003"],
        "empty": ["drawn_0006"],
        "full": ["drawn_0002"],
    }

    result = CliRunner().invoke(app, ["check", str(root), "--json", str(tmp_path / "found.json")])
    assert result.exit_code == 1
    assert "1 mask of another size: drawn_0002: 32x24, mask 32x12" in result.output
    document = json.loads((tmp_path / "found.json").read_text())
    assert (document["pairs"], document["ones"]) == (7, ["drawn_0004"])


def test_no_finding_replaces_a_picture(tmp_path: Path) -> None:
    root = draw_duts(tmp_path / "set", 2, 24, 32)
    (root / "DUTS-TR-Image" / "drawn_0000.jpg").unlink()
    before = {path: path.read_bytes() for path in root.rglob("*.*")}
    (tmp_path / "link.json").hardlink_to(root / "DUTS-TR-Mask" / "drawn_0000.png")
    for target in ("set/DUTS-TR-Mask/drawn_0001.png", "set/DUTS-TR-Image/new.json", "link.json"):
        result = CliRunner().invoke(app, ["check", str(root), "--json", str(tmp_path / target)])
        assert isinstance(result.exception, OutputError), target
        assert "which this run reads" in str(result.exception)
    assert {path: path.read_bytes() for path in root.rglob("*.*")} == before


def test_an_archive_is_not_unpacked_over_itself(zip_bytes: bytes, tmp_path: Path) -> None:
    path = tmp_path / "DUTS-TR"
    path.write_bytes(zip_bytes)
    with pytest.raises(OutputError, match="is there already"):
        unpack(archive_of(zip_bytes), path, tmp_path)
    assert path.read_bytes() == zip_bytes


def test_check_passes_a_sound_folder(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["check", str(draw_duts(tmp_path / "set", 2, 24, 32))])
    assert result.exit_code == 0
    assert result.output.endswith("2 pairs\n")


def test_check_refuses_a_folder_without_pairs(tmp_path: Path) -> None:
    with pytest.raises(InputError):
        check_folder(tmp_path)
    with pytest.raises(InputError):
        check_folder(tmp_path / "absent")
