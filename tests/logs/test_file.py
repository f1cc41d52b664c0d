"""A log that exists is whole; one that cannot be written is refused before the work."""

from __future__ import annotations

import json
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
from vmafsal.features.frame import FrameFeatures
from vmafsal.logs import NumberFormat
from vmafsal.logs.file import open_log
from vmafsal.logs.ndjson import FrameStream

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
    with open_log(str(path)) as log:
        log.write("first ")
        log.write("second")
        assert not path.exists()
        log.commit()
    assert path.read_bytes() == b"first second"
    assert names(tmp_path) == ["log.json"]


def test_nothing_left_without_commit(tmp_path: Path) -> None:
    with open_log(str(tmp_path / "log.json")) as log:
        log.write("half")
    assert names(tmp_path) == []


@pytest.mark.parametrize("problem", [RuntimeError, KeyboardInterrupt])
def test_older_file_survives_a_failed_run(tmp_path: Path, problem: type[BaseException]) -> None:
    path = tmp_path / "log.json"
    path.write_text("older")

    def fail() -> None:
        with open_log(str(path)) as log:
            log.write("newer")
            raise problem

    with pytest.raises(problem):
        fail()
    assert path.read_text() == "older"
    assert names(tmp_path) == ["log.json"]


def test_relative_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with open_log("log.json") as log:
        log.write("text")
        log.commit()
    assert (tmp_path / "log.json").read_text() == "text"


def test_name_that_is_not_utf8_keeps_its_bytes(tmp_path: Path) -> None:
    path = tmp_path / "log.json"
    with open_log(str(path)) as log:
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
        "from vmafsal.logs.file import open_log\n"
        "with open_log(sys.argv[1]) as log: log.commit()\n"
    )
    assert run_python(program, path, umask).returncode == 0
    assert stat.S_IMODE(path.stat().st_mode) == mode


@posix
def test_existing_file_keeps_its_permissions(tmp_path: Path) -> None:
    path = tmp_path / "log.json"
    path.write_text("older")
    path.chmod(0o640)
    with open_log(str(path)) as log:
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
    with open_log(str(link)) as log:
        log.write("newer")
        log.commit()
    assert link.is_symlink()
    assert target.read_text() == "newer"
    assert names(tmp_path / "far") == ["target.json"]


def test_missing_folder(tmp_path: Path) -> None:
    path = tmp_path / "missing" / "log.json"
    with pytest.raises(OutputError, match=r"folder .*missing does not exist: make it"):
        open_log(str(path))


def test_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="is a folder, not a file"):
        open_log(str(tmp_path))
    with pytest.raises(OutputError, match="is a folder, not a file"):
        open_log(str(tmp_path / "new") + os.sep)
    assert names(tmp_path) == []


def test_file_as_folder(tmp_path: Path) -> None:
    (tmp_path / "clip.mp4").write_text("")
    with pytest.raises(OutputError, match=r"clip\.mp4 is no folder"):
        open_log(str(tmp_path / "clip.mp4" / "log.json"))


def test_name_too_long(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="cannot be written"):
        open_log(str(tmp_path / ("x" * 300)))


@posix
def test_link_to_itself(tmp_path: Path) -> None:
    link = tmp_path / "log.json"
    link.symlink_to(link)
    with pytest.raises(OutputError, match="cannot be written"):
        open_log(str(link))


def test_input_is_not_overwritten(tmp_path: Path) -> None:
    clip = tmp_path / "clip.y4m"
    clip.write_text("pixels")
    other = tmp_path / "other.y4m"
    other.write_text("other pixels")
    with pytest.raises(OutputError, match="would be lost"):
        open_log(str(clip), inputs=["-", "missing", str(other), str(clip)])
    with pytest.raises(OutputError, match="would be lost"):
        FrameStream(str(clip), NumberFormat(), inputs=[str(clip)])
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
        open_log(str(path), inputs=[str(clip)])


# A process of an ordinary user, since root may write everywhere.
AS_NOBODY = """
import os, sys
from vmafsal.errors import OutputError
from vmafsal.logs.file import open_log
if os.geteuid() == 0:
    os.seteuid(65534)
try:
    open_log(sys.argv[1])
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
        "from vmafsal.logs.file import open_log\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (5, 5))\n"
        "try:\n"
        "    with open_log(sys.argv[1]) as log:\n"
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
    with open_log("/dev/full") as log:
        log.write("text")
        with pytest.raises(OutputError, match="the disk is full"):
            log.commit()
    with (
        FrameStream("/dev/full", NumberFormat()) as stream,
        pytest.raises(OutputError, match="the disk is full"),
    ):
        stream.write(FrameFeatures(0, {"saliency_mean": 0.5}))


@linux
def test_devices_are_written_to_directly() -> None:
    with open_log("/dev/null", inputs=["/dev/null"]) as log:
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
    with open_log(str(pipe)) as log:
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
        "from vmafsal.logs.file import open_log\n"
        "print('before')\n"
        "with open_log(sys.argv[1]) as log:\n"
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
    with open_log("-") as log:
        log.write("half")
    assert capfd.readouterr().out == ""


@posix
def test_inherited_descriptor() -> None:
    reading, writing = os.pipe()
    with open_log(f"/dev/fd/{writing}") as log:
        log.write("text")
        log.commit()
    os.close(writing)
    with os.fdopen(reading) as pipe:
        assert pipe.read() == "text"
    with pytest.raises(OutputError, match="cannot be written"):
        open_log(f"/dev/fd/{writing}")


def test_closed_standard_output() -> None:
    program = (
        "import sys\n"
        "sys.stdout.close()\n"
        "from vmafsal.errors import OutputError\n"
        "from vmafsal.logs.file import open_log\n"
        "try: open_log('-')\n"
        "except OutputError as error: sys.exit(str(error))\n"
    )
    done = run_python(program)
    assert done.returncode == 1
    assert "standard output cannot be written" in done.stderr


@posix
@pytest.mark.parametrize("kind", ["log", "stream"])
def test_reader_that_leaves_is_no_error(kind: str) -> None:
    program = (
        "import sys\n"
        "from vmafsal.features.frame import FrameFeatures\n"
        "from vmafsal.logs import NumberFormat\n"
        "from vmafsal.logs.file import open_log\n"
        "from vmafsal.logs.ndjson import FrameStream\n"
        "if sys.argv[1] == 'log':\n"
        "    with open_log('-') as log:\n"
        "        log.write('x' * 10_000_000)\n"
        "        log.commit()\n"
        "else:\n"
        "    with FrameStream('-', NumberFormat()) as stream:\n"
        "        index = 0\n"
        "        while not stream.reader_gone:\n"
        "            stream.write(FrameFeatures(index, {'saliency_mean': 0.5}))\n"
        "            index += 1\n"
        "        stream.write(FrameFeatures(index, {'saliency_mean': 0.5}))\n"
        "print('done', file=sys.stderr)\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-W", "error", "-c", program, kind],
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
        "from vmafsal.logs.file import open_log\n"
        "import sys\n"
        "with open_log('-') as log:\n"
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


def test_stream_holds_each_line_as_soon_as_it_is_written(tmp_path: Path) -> None:
    path = tmp_path / "frames.ndjson"
    path.write_text("older")
    with FrameStream(str(path), NumberFormat()) as stream:
        stream.write(FrameFeatures(0, {"saliency_mean": 0.16118712, "saliency_mean_b": 1.0}))
        first = path.read_text()
        stream.write(FrameFeatures(3, {"saliency_mean": float("nan")}))
    assert first == (
        '{"frameNum": 0, "metrics": {"saliency_mean": 0.161187, "saliency_mean_b": 1.000000}}\n'
    )
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert lines[1] == {"frameNum": 3, "metrics": {"saliency_mean": None}}
    assert len(lines) == 2


def test_stream_refuses_a_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="does not exist"):
        FrameStream(str(tmp_path / "missing" / "frames.ndjson"), NumberFormat())
