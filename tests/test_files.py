"""An output that exists is whole, replaces no input, and is refused before the work."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from vmafsal.errors import OutputError
from vmafsal.files import FilesRead, open_output, remove_leftovers, sha256_of, write_whole

posix = pytest.mark.skipif(sys.platform == "win32", reason="POSIX files")
linux = pytest.mark.skipif(sys.platform != "linux", reason="Linux devices")


def run_python(program: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run a program in a process of its own, for what touches the whole process."""
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", program, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


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


@linux
def test_full_device() -> None:
    with open_output("/dev/full") as log:
        log.write("text")
        with pytest.raises(OutputError, match="the disk is full"):
            log.commit()


@linux
def test_devices_are_written_to_directly() -> None:
    with open_output("/dev/null", inputs=["/dev/null"]) as log:
        log.write("text")
        log.commit()
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)


@posix
def test_named_pipe(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    got: list[bytes] = []
    reader = threading.Thread(target=lambda: got.append(pipe.read_bytes()))
    reader.start()
    with open_output(str(pipe)) as log:
        log.write("text")
        log.commit()
    reader.join()
    assert got == [b"text"]
    assert names(tmp_path) == ["pipe"]


@posix
@pytest.mark.parametrize("name", ["-", "/dev/stdout", "/dev/fd/1"])
def test_standard_output_is_appended_to_what_the_shell_opened(tmp_path: Path, name: str) -> None:
    # `(echo before; vmafsal -o -; echo after) > all.txt`: the file behind stays the same one.
    program = (
        "import sys\n"
        "from vmafsal.files import open_output\n"
        "print('before')\n"
        "with open_output(sys.argv[1]) as log:\n"
        "    log.write('text\\n')\n"
        "    log.commit()\n"
        "print('after')\n"
    )
    path = tmp_path / "all.txt"
    with path.open("w") as file:
        subprocess.run([sys.executable, "-c", program, name], stdout=file, check=True)
    assert path.read_text() == "before\ntext\nafter\n"
    assert names(tmp_path) == ["all.txt"]


def test_standard_output_stays_empty_without_commit(capfd: pytest.CaptureFixture[str]) -> None:
    with open_output("-") as log:
        log.write("half")
    assert capfd.readouterr().out == ""


@posix
def test_inherited_descriptor() -> None:
    reading, writing = os.pipe()
    with open_output(f"/dev/fd/{writing}") as log:
        log.write("text")
        log.commit()
    os.close(writing)
    with os.fdopen(reading) as pipe:
        assert pipe.read() == "text"
    with pytest.raises(OutputError, match="cannot be written"):
        open_output(f"/dev/fd/{writing}")


def test_closed_standard_output() -> None:
    program = (
        "import sys\n"
        "sys.stdout.close()\n"
        "from vmafsal.errors import OutputError\n"
        "from vmafsal.files import open_output\n"
        "try: open_output('-')\n"
        "except OutputError as error: sys.exit(str(error))\n"
    )
    done = run_python(program)
    assert done.returncode == 1
    assert "standard output cannot be written" in done.stderr


@posix
def test_reader_that_leaves_is_no_error() -> None:
    program = (
        "import sys\n"
        "from vmafsal.files import open_output\n"
        "with open_output('-') as log:\n"
        "    log.write('x' * 10_000_000)\n"
        "    log.commit()\n"
        "print('done', file=sys.stderr)\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-W", "error", "-c", program],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    assert len(process.stdout.read(10)) == 10
    process.stdout.close()
    assert process.stderr.read() == b"done\n"
    process.stderr.close()
    assert process.wait() == 0


@linux
def test_full_standard_output_says_so_once() -> None:
    program = (
        "from vmafsal.errors import OutputError\n"
        "from vmafsal.files import open_output\n"
        "import sys\n"
        "with open_output('-') as log:\n"
        "    log.write('text')\n"
        "    try: log.commit()\n"
        "    except OutputError as error: sys.exit(str(error))\n"
    )
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-c", program],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "the disk is full" in done.stderr


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
        done = subprocess.run(
            [sys.executable, "-c", program, clip],
            stdin=file,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
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
