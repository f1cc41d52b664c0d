"""Processes that score clips: each with its share of the cores, none of them indispensable."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections import deque
from collections.abc import Generator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing import get_context, parent_process
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any

from vmafsal.clips.record import Digest
from vmafsal.clips.score import Answer, ClipScorer, Task
from vmafsal.errors import VmafsalError
from vmafsal.session import available_cores

__all__ = ["Died", "Event", "Finished", "Progress", "Setup", "Started", "run_tasks", "share_cores"]

ATTEMPTS = 2
"""A task that kills its worker this often is given up."""

_TELL_SECONDS = 0.25
_GOODBYE_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Setup:
    """What one worker is told when it starts."""

    folder: str
    digest: Digest
    cores: tuple[int, ...]
    """It is pinned to these, where the system can; empty for all."""
    gpu: str | None = None
    """The one GPU that it sees, as CUDA_VISIBLE_DEVICES names it; None for all."""


@dataclass(frozen=True, slots=True)
class Started:
    """A worker took up a task."""

    worker: int
    task: Task


@dataclass(frozen=True, slots=True)
class Progress:
    """Frames done so far, frames in all where that is known, frames per second."""

    worker: int
    done: int
    total: int | None
    fps: float


@dataclass(frozen=True, slots=True)
class Finished:
    """A worker's answer."""

    worker: int
    task: Task
    answer: Answer


@dataclass(frozen=True, slots=True)
class Died:
    """A task took its worker along."""

    worker: int
    task: Task
    cause: str
    """For example "signal 9 (Killed)"."""
    given_up: bool
    """False where it is tried once more."""


Event = Started | Progress | Finished | Died


def share_cores(workers: int) -> list[tuple[int, ...]]:
    """Each worker's share of the cores that this process may use; neighbours stay together.

    With more workers than cores, they take turns; where cores cannot be chosen, shares are empty.
    """
    if not hasattr(os, "sched_getaffinity"):
        return [()] * workers
    cores = sorted(os.sched_getaffinity(0))
    count = len(cores)
    if workers >= count:
        return [(cores[worker % count],) for worker in range(workers)]
    bounds = [worker * count // workers for worker in range(workers + 1)]
    return [tuple(cores[bounds[worker] : bounds[worker + 1]]) for worker in range(workers)]


class _Worker:
    """One process, the pipe to it, and what it is at."""

    def __init__(self, setup: Setup) -> None:
        # spawn: a fork would share ONNX Runtime's threads and locks, which do not survive it.
        context = get_context("spawn")
        self.connection, theirs = context.Pipe()
        self.process: BaseProcess = context.Process(
            target=_serve, args=(theirs, setup), daemon=True
        )
        self.process.start()
        theirs.close()  # so that the death of the process ends the pipe
        self.ready = False
        self.task: Task | None = None

    def give(self, task: Task) -> None:
        self.task = task
        with suppress(OSError):  # it just died, which is noticed when it is waited for
            self.connection.send(task)

    def messages(self) -> Generator[tuple[Any, ...]]:
        """What it said, as far as it came whole."""
        try:
            while self.connection.poll():
                yield self.connection.recv()
        except (EOFError, OSError):
            return

    def stop(self) -> None:
        self.process.kill()
        self.process.join(_GOODBYE_SECONDS)
        self.connection.close()


def run_tasks(setups: Sequence[Setup], todo: deque[Task]) -> Generator[Event]:
    """Let workers do tasks, first come first served.

    Args:
        setups: one a worker.
        todo: emptied from the left; the caller may add to it between two events.
    Yields:
        what happened. Every task ends in one Finished, or in one Died that gave it up.
    Raises:
        VmafsalError: if a worker cannot even start.
    """
    workers: list[_Worker] = []
    killers: list[Task] = []
    try:
        workers += [_Worker(setup) for setup in setups]
        while todo or any(worker.task is not None for worker in workers):
            for number, worker in enumerate(workers):
                if todo and worker.ready and worker.task is None:
                    worker.give(todo.popleft())
                    assert worker.task is not None
                    yield Started(number, worker.task)
            wait([w.connection for w in workers] + [w.process.sentinel for w in workers])
            for number, worker in enumerate(workers):
                alive = worker.process.is_alive()  # before its last words are read
                yield from _read(number, worker)
                if alive:
                    continue
                task = worker.task
                cause = _cause(worker.process)
                worker.stop()
                if not worker.ready:
                    raise VmafsalError(
                        f"A worker process could not start: it ended with {cause}. Try fewer "
                        "--workers."
                    )
                workers[number] = _Worker(setups[number])
                if task is None:
                    continue
                killers.append(task)
                given_up = sum(killer is task for killer in killers) >= ATTEMPTS
                if not given_up:
                    todo.appendleft(task)
                yield Died(number, task, cause, given_up)
    finally:
        for worker in workers:
            worker.stop()


def _read(number: int, worker: _Worker) -> Generator[Event]:
    for kind, *values in worker.messages():
        if kind == "ready":
            worker.ready = True
        elif kind == "progress":
            yield Progress(number, *values)
        elif worker.task is not None:
            task, worker.task = worker.task, None
            yield Finished(number, task, *values)


def _cause(process: BaseProcess) -> str:
    process.join()
    code = process.exitcode or 0
    if code >= 0:
        return f"exit status {code}"
    return f"signal {-code} ({signal.strsignal(-code)})"


def _serve(connection: Connection, setup: Setup) -> None:
    """The life of a worker process."""
    # Ctrl-C reaches every process of the terminal; the parent alone answers.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_die_with_parent, daemon=True).start()
    if setup.cores:
        os.sched_setaffinity(0, setup.cores)
    if setup.gpu is not None:
        os.environ["CUDA_VISIBLE_DEVICES"] = setup.gpu  # before CUDA is loaded
    scorer = ClipScorer(setup.folder, setup.digest, available_cores())
    connection.send(("ready",))
    told = time.monotonic()

    def tell(done: int, total: int | None, fps: float) -> None:
        nonlocal told
        if time.monotonic() - told >= _TELL_SECONDS:
            told = time.monotonic()
            connection.send(("progress", done, total, fps))

    while True:
        try:
            task = connection.recv()
        except EOFError:
            return
        connection.send(("answer", scorer.do(task, tell)))


def _die_with_parent() -> None:
    """End at once when the parent does: a log written later could overwrite a newer one."""
    parent = parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)
