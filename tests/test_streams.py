"""Outputs that are no files: devices, pipes and standard output."""

from __future__ import annotations

import os
import stat
import sys
import threading
from pathlib import Path

import pytest

from tests.process import check_reader_may_leave, run_python
from vmafsal.errors import OutputError
from vmafsal.files import open_output

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="POSIX streams, Linux devices")


def test_full_device() -> None:
    with open_output("/dev/full") as log:
        log.write("text")
        with pytest.raises(OutputError, match="the disk is full"):
            log.commit()


def test_devices_are_written_to_directly() -> None:
    with open_output("/dev/null", inputs=["/dev/null"]) as log:
        log.write("text")
        log.commit()
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)


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
    assert [path.name for path in tmp_path.iterdir()] == ["pipe"]


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
        assert run_python(program, name, stdout=file).returncode == 0
    assert path.read_text() == "before\ntext\nafter\n"
    assert [path.name for path in tmp_path.iterdir()] == ["all.txt"]


def test_standard_output_stays_empty_without_commit(capfd: pytest.CaptureFixture[str]) -> None:
    with open_output("-") as log:
        log.write("half")
    assert capfd.readouterr().out == ""


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


def test_reader_that_leaves_is_no_error() -> None:
    program = (
        "import sys\n"
        "from vmafsal.files import open_output\n"
        "with open_output('-') as log:\n"
        "    log.write('x' * 10_000_000)\n"
        "    log.commit()\n"
        "print('done', file=sys.stderr)\n"
    )
    check_reader_may_leave(program)


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
        done = run_python(program, stdout=full)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "the disk is full" in done.stderr
