"""An output that exists is whole, replaces no input, and is refused before the work."""

from __future__ import annotations

import os
import stat
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.process import run_python
from vmafsal.errors import OutputError
from vmafsal.files import FilesRead, open_output, remove_leftovers, sha256_of, write_whole

posix = pytest.mark.skipif(sys.platform == "win32", reason="POSIX files")
linux = pytest.mark.skipif(sys.platform != "linux", reason="Linux devices")


def names(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())


def test_file_appears_at_commit_only(tmp_path: Path) -> None:
    path = tmp_path / "log.json"
    with open_output(str(path)) as log:
        log.write("first ")
        log.write("second")
        assert not path.exists()
        log.commit()
    assert path.read_bytes() == b"first second"
    assert names(tmp_path) == ["log.json"]


def test_nothing_left_without_commit(tmp_path: Path) -> None:
    with open_output(str(tmp_path / "log.json")) as log:
        log.write("half")
    assert names(tmp_path) == []


@pytest.mark.parametrize("problem", [RuntimeError, KeyboardInterrupt])
def test_older_file_survives_a_failed_run(tmp_path: Path, problem: type[BaseException]) -> None:
    path = tmp_path / "log.json"
    path.write_text("older")

    def fail() -> None:
        with open_output(str(path)) as log:
            log.write("newer")
            raise problem

    with pytest.raises(problem):
        fail()
    assert path.read_text() == "older"
    assert names(tmp_path) == ["log.json"]


def test_relative_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with open_output("log.json") as log:
        log.write("text")
        log.commit()
    assert (tmp_path / "log.json").read_text() == "text"


def test_name_that_is_not_utf8_keeps_its_bytes(tmp_path: Path) -> None:
    path = tmp_path / "log.json"
    with open_output(str(path)) as log:
        log.write("caf\udce9")
        log.commit()
    assert path.read_bytes() == b"caf\xe9"


@posix
@pytest.mark.parametrize(("umask", "mode"), [("022", 0o644), ("077", 0o600), ("002", 0o664)])
def test_new_file_follows_the_umask(tmp_path: Path, umask: str, mode: int) -> None:
    path = tmp_path / "log.json"
    program = (
        "import os, sys\n"
        "os.umask(int(sys.argv[2], 8))\n"
        "from vmafsal.files import open_output\n"
        "with open_output(sys.argv[1]) as log: log.commit()\n"
    )
    assert run_python(program, path, umask).returncode == 0
    assert stat.S_IMODE(path.stat().st_mode) == mode


@posix
def test_existing_file_keeps_its_permissions(tmp_path: Path) -> None:
    path = tmp_path / "log.json"
    path.write_text("older")
    path.chmod(0o640)
    with open_output(str(path)) as log:
        log.write("newer")
        log.commit()
    assert path.read_text() == "newer"
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


@posix
@pytest.mark.parametrize("exists", [True, False])
def test_symbolic_link_is_followed(tmp_path: Path, exists: bool) -> None:
    (tmp_path / "far").mkdir()
    target = tmp_path / "far" / "target.json"
    if exists:
        target.write_text("older")
    link = tmp_path / "log.json"
    link.symlink_to(Path("far") / "target.json")
    with open_output(str(link)) as log:
        log.write("newer")
        log.commit()
    assert link.is_symlink()
    assert target.read_text() == "newer"
    assert names(tmp_path / "far") == ["target.json"]


def test_missing_folder(tmp_path: Path) -> None:
    path = tmp_path / "missing" / "log.json"
    with pytest.raises(OutputError, match=r"folder .*missing does not exist: make it"):
        open_output(str(path))


def test_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="is a folder, not a file"):
        open_output(str(tmp_path))
    with pytest.raises(OutputError, match="is a folder, not a file"):
        open_output(str(tmp_path / "new") + os.sep)
    assert names(tmp_path) == []


def test_file_as_folder(tmp_path: Path) -> None:
    (tmp_path / "clip.mp4").write_text("")
    with pytest.raises(OutputError, match=r"clip\.mp4 is no folder"):
        open_output(str(tmp_path / "clip.mp4" / "log.json"))


def test_name_too_long(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="cannot be written"):
        open_output(str(tmp_path / ("x" * 300)))


@posix
def test_link_to_itself(tmp_path: Path) -> None:
    link = tmp_path / "log.json"
    link.symlink_to(link)
    with pytest.raises(OutputError, match="cannot be written"):
        open_output(str(link))


def test_input_is_not_overwritten(tmp_path: Path) -> None:
    clip = tmp_path / "clip.y4m"
    clip.write_text("pixels")
    other = tmp_path / "other.y4m"
    other.write_text("other pixels")
    with pytest.raises(OutputError, match="would be lost"):
        open_output(str(clip), inputs=["-", "missing", str(other), str(clip)])
    assert clip.read_text() == "pixels"
    assert names(tmp_path) == ["clip.y4m", "other.y4m"]


@posix
@pytest.mark.parametrize("link", ["symbolic", "hard"])
def test_input_behind_a_link_is_not_overwritten(tmp_path: Path, link: str) -> None:
    clip = tmp_path / "clip.y4m"
    clip.write_text("pixels")
    path = tmp_path / "log.json"
    if link == "symbolic":
        path.symlink_to(clip)
    else:
        path.hardlink_to(clip)
    with pytest.raises(OutputError, match="would be lost"):
        open_output(str(path), inputs=[str(clip)])


@posix
def test_a_file_is_found_by_all_its_names(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "a").touch()
    (tmp_path / "link").symlink_to("real")
    (tmp_path / "soft").symlink_to("real/a")
    (tmp_path / "dangling").symlink_to("real/none")
    (tmp_path / "hard").hardlink_to(tmp_path / "real" / "a")
    files = FilesRead([tmp_path / "link" / "a", tmp_path / "real" / "none"])
    for name in ("real/a", "link/a", "soft", "hard"):
        assert files.find(tmp_path / name) == str(tmp_path / "link" / "a")
    for name in ("real/none", "link/none", "dangling"):
        assert files.find(tmp_path / name) == str(tmp_path / "real" / "none")
    assert files.find(tmp_path / "real" / "other") is None
    assert files.find("x\0") is None


# A process of an ordinary user, since root may write everywhere.
AS_NOBODY = """
import os, sys
from vmafsal.errors import OutputError
from vmafsal.files import FilesRead, open_output, remove_leftovers, sha256_of, write_whole
if os.geteuid() == 0:
    os.seteuid(65534)
try:
    open_output(sys.argv[1])
except OutputError as error:
    print(error)
"""


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every user reaches, unlike pytest's own."""
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        yield Path(folder)


@posix
def test_read_only_file_in_a_folder_of_ones_own(open_folder: Path) -> None:
    path = open_folder / "log.json"
    path.write_text("older")
    path.chmod(0o444)
    open_folder.chmod(0o777)
    assert "you may not write there" in run_python(AS_NOBODY, path).stdout
    assert path.read_text() == "older"


@posix
def test_folder_without_permission(open_folder: Path) -> None:
    open_folder.chmod(0o555)
    assert "you may not write there" in run_python(AS_NOBODY, open_folder / "log.json").stdout
    open_folder.chmod(0o755)
    assert names(open_folder) == []


@linux
@pytest.mark.parametrize("size", [10, 1_000_000])
def test_size_limit_while_writing(tmp_path: Path, size: int) -> None:
    # A limit on the file's size stops the write as a full disk does: in commit, or in write.
    program = (
        "import resource, sys\n"
        "from vmafsal.errors import OutputError\n"
        "from vmafsal.files import open_output\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (5, 5))\n"
        "try:\n"
        "    with open_output(sys.argv[1]) as log:\n"
        "        log.write('x' * int(sys.argv[2]))\n"
        "        log.commit()\n"
        "except OutputError as error:\n"
        "    print(error)\n"
    )
    path = tmp_path / "log.json"
    path.write_text("older")
    done = run_python(program, path, str(size))
    assert "the disk is full or a size limit was reached" in done.stdout
    assert done.stderr == ""
    assert path.read_text() == "older"
    assert names(tmp_path) == ["log.json"]


@pytest.mark.parametrize("name", ["x.json", "no/x.json"])
@linux
def test_a_folder_that_takes_no_files(name: str) -> None:
    message = "takes no new files" if name == "x.json" else "the folder /proc/no does not exist"
    with pytest.raises(OutputError, match=message):
        open_output(f"/proc/{name}")


def test_a_file_that_is_looked_for_is_not_made(tmp_path: Path) -> None:
    """A sidecar that is not there: a log in its place would be read as one."""
    path = tmp_path / "model.json"
    with pytest.raises(OutputError, match="would be lost"):
        open_output(str(path), inputs=[tmp_path / "model.onnx", path])


@posix
def test_standard_input_is_an_input(tmp_path: Path) -> None:
    clip = tmp_path / "clip.yuv"
    clip.write_text("pixels")
    program = (
        "import sys\n"
        "from vmafsal.errors import OutputError\n"
        "from vmafsal.files import open_output\n"
        "try: open_output(sys.argv[1], inputs=['-'])\n"
        "except OutputError as error: sys.exit(str(error))\n"
    )
    with clip.open() as file:
        done = run_python(program, clip, stdin=file)
    assert "would be lost" in done.stderr
    assert clip.read_text() == "pixels"


def test_names_that_are_no_paths(tmp_path: Path) -> None:
    write_whole(tmp_path / "log.json", "text", inputs=["x" * 5000, "a\0b", ""])
    assert (tmp_path / "log.json").read_text() == "text"


@posix
def test_leftovers_of_killed_processes_go_and_those_of_running_ones_stay(tmp_path: Path) -> None:
    program = (
        "import os, sys\n"
        "from vmafsal.files import open_output\n"
        "file = open_output(sys.argv[1])\n"
        "file.write('half')\n"
        "os._exit(9)\n"
    )
    assert run_python(program, tmp_path / "dead.json").returncode == 9
    (dead,) = names(tmp_path)
    with open_output(str(tmp_path / "log.json")) as log:
        log.write("whole")
        assert len(names(tmp_path)) == 2
        assert remove_leftovers(tmp_path) == 1
        assert dead not in names(tmp_path)
        log.commit()
    assert names(tmp_path) == ["log.json"]
    assert (tmp_path / "log.json").read_text() == "whole"
    assert remove_leftovers(tmp_path) == 0
    assert remove_leftovers(tmp_path / "missing") == 0


def test_a_temporary_file_that_another_program_removed(tmp_path: Path) -> None:
    with open_output(str(tmp_path / "log.json")) as log:
        (temporary,) = tmp_path.iterdir()
        temporary.unlink()
        with pytest.raises(OutputError, match="removed its temporary file: run the command again"):
            log.commit()


def test_sha256(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"abc")
    # FIPS 180-2, appendix B.1
    assert sha256_of(path).startswith("ba7816bf8f01cfea414140de5dae2223")
