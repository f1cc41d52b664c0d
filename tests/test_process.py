"""Arenas of glibc's malloc: few of them, unless the user says how many."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from vmafsal.process import _on_glibc, limit_arenas

pytestmark = pytest.mark.skipif(not _on_glibc(), reason="needs glibc")

THREADS = 12
# Threads that are there at the same time, each with memory of its own; what glibc tells of it.
COUNT = f"""
import ctypes, threading
libc = ctypes.CDLL(None)
together = threading.Barrier({THREADS})
def work():
    together.wait()
    libc.malloc(1000)
    together.wait()
threads = [threading.Thread(target=work) for _ in range({THREADS})]
for thread in threads: thread.start()
for thread in threads: thread.join()
libc.malloc_stats()
"""
LIMIT = "from vmafsal.process import limit_arenas\nlimit_arenas()\n"


def arenas(program: str, **environment: str) -> int:
    inherited = {
        name: text
        for name, text in os.environ.items()
        if name not in ("MALLOC_ARENA_MAX", "GLIBC_TUNABLES")
    }
    done = subprocess.run(
        [sys.executable, "-c", program + COUNT],
        env=inherited | environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return len(re.findall(r"^Arena \d+:", done.stderr, re.MULTILINE))


def test_threads_share_two_arenas() -> None:
    assert arenas("") > 2
    assert arenas(LIMIT) <= 2


@pytest.mark.parametrize(
    "environment",
    [{"MALLOC_ARENA_MAX": "5"}, {"GLIBC_TUNABLES": "glibc.malloc.arena_max=5"}],
)
def test_the_users_own_number_counts(environment: dict[str, str]) -> None:
    assert arenas(LIMIT, **environment) == 5


def score(tmp_path: Path, program: str) -> str:
    clip = tmp_path / "clip.yuv"
    clip.write_bytes(bytes(96 * 96 * 3 // 2))
    return program.replace("CLIP", repr(str(clip)))


def test_the_command_line_limits_them(tmp_path: Path) -> None:
    program = (
        "from vmafsal.cli.app import app\n"
        "app([CLIP, '-w', '96', '-h', '96', '-q'], standalone_mode=False)\n"
    )
    assert arenas(score(tmp_path, program)) <= 3


EXTRACT = "from vmafsal import extract\nextract(CLIP, width=96, height=96).read()\n"


def test_extract_leaves_them_as_they_were(tmp_path: Path) -> None:
    assert arenas(score(tmp_path, EXTRACT)) > 3


def test_extract_leaves_its_process_as_it_was(tmp_path: Path) -> None:
    """Environment, working directory, signals, warnings, logging, and the runtime's logger."""
    look = """
import logging, onnxruntime, os, signal, sys, threading, warnings
def state():
    handlers = [signal.getsignal(number) for number in signal.valid_signals()]
    return (dict(os.environ), os.getcwd(), handlers, warnings.filters[:], logging.root.level,
            logging.root.handlers[:], sys.path[:], sys.excepthook, threading.active_count(),
            sys.getswitchinterval(), os.sched_getaffinity(0))
calls = []
onnxruntime.set_default_logger_severity = calls.append
before, modules = state(), dict(sys.modules)
EXTRACT
assert state() == before
assert not calls
assert all(sys.modules[name] is module for name, module in modules.items())
print("as it was")
"""
    program = score(tmp_path, look.replace("EXTRACT", EXTRACT))
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("as it was\n", "")


def test_without_glibc_nothing_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "confstr")
    assert not _on_glibc()
    limit_arenas.cache_clear()
    limit_arenas()
    limit_arenas.cache_clear()
