"""What touches a whole process: its standard streams, and programs that are left early."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


@contextmanager
def as_stdin(source: Path | bytes | int) -> Iterator[None]:
    """Standard input from a file, a named pipe, what a file holds, or a descriptor."""
    if isinstance(source, bytes):
        with tempfile.TemporaryFile() as file:
            file.write(source)
            file.seek(0)
            source = os.dup(file.fileno())
    saved = os.dup(0)
    descriptor = source if isinstance(source, int) else os.open(source, os.O_RDONLY)
    os.dup2(descriptor, 0)
    os.close(descriptor)
    try:
        yield
    finally:
        os.dup2(saved, 0)
        os.close(saved)


def run_python(
    program: str, *arguments: str | Path, **streams: Any
) -> subprocess.CompletedProcess[str]:
    """Run a program in a process of its own, its output read where it has no other stream."""
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", program, *map(str, arguments)],
        **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **streams},
        text=True,
        check=False,
        timeout=60,
    )


def check_reader_may_leave(program: str) -> None:
    """A program writes to a reader that leaves after ten bytes, and then says that it is done."""
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
