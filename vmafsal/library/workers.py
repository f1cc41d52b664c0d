"""Processes that score clips: each with its share of the cores, none of them indispensable."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Generator, Iterator
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing import get_context, parent_process
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from vmafsal.errors import VmafsalError
from vmafsal.infer.plan import available_cores
from vmafsal.library.engine import Answered, Demand, Lost, Message, Progress, Ready, at_intervals
from vmafsal.library.record import Digest
from vmafsal.library.score import ClipScorer, Task
from vmafsal.process import own_process

__all__ = ["Processes"]

_TELL_SECONDS = 0.25
_GOODBYE_SECONDS = 5.0
_MESSAGES: dict[str, type[Ready | Progress | Answered]] = {
    "ready": Ready,
    "progress": Progress,
    "answer": Answered,
}


@dataclass(frozen=True, slots=True)
class _Setup:
    """What one worker is told when it starts."""

    folder: str
    digest: Digest
    cores: tuple[int, ...]
    """It is pinned to these, where the system can; empty for all."""
    gpu: str | None = None
    """The one GPU that it sees, as CUDA_VISIBLE_DEVICES names it; None for all."""


class Processes:
    """The engine of one machine: a process each, on a GPU of its own or a share of the cores."""

    def __init__(self, demand: Demand) -> None:
        gpus = _visible_gpus() if demand.gpu else []
        shares = _share_cores(demand.count(len(gpus) or available_cores()))
        self._setups = [
            _Setup(demand.folder, demand.digest, cores, gpus[number % len(gpus)] if gpus else None)
            for number, cores in enumerate(shares)
        ]
        self._workers: list[_Worker] = []

    @property
    def size(self) -> int:
        return len(self._setups)

    def start(self) -> None:
        for setup in self._setups:
            self._workers.append(_Worker(setup))

    def give(self, worker: int, task: Task) -> None:
        with suppress(OSError):  # it just died, which is noticed when it is waited for
            self._workers[worker].connection.send(task)

    def hear(self) -> Iterator[Message]:
        wait([end for worker in self._workers for end in worker.ends])
        for number, worker in enumerate(self._workers):
            alive = worker.process.is_alive()  # before its last words are read
            for kind, *values in worker.messages():
                worker.ready = True
                yield _MESSAGES[kind](number, *values)
            if alive:
                continue
            cause = _cause(worker.process)
            worker.stop()
            if not worker.ready:
                raise VmafsalError(
                    f"A worker process could not start: it ended with {cause}. Try fewer --workers."
                )
            self._workers[number] = _Worker(self._setups[number])
            yield Lost(number, cause)

    def close(self) -> None:
        for worker in self._workers:
            worker.stop()


def _visible_gpus() -> list[str]:
    """NVIDIA GPUs that this process may use, as CUDA_VISIBLE_DEVICES names them."""
    chosen = os.environ.get("CUDA_VISIBLE_DEVICES")
    if chosen is not None:
        return [name.strip() for name in chosen.split(",") if name.strip() not in ("", "-1")]
    # Asking CUDA itself would cost this process a context on every GPU.
    folder = Path("/proc/driver/nvidia/gpus")
    return [str(number) for number, _ in enumerate(folder.iterdir())] if folder.is_dir() else []


def _share_cores(workers: int) -> list[tuple[int, ...]]:
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
    """One process, and the pipe to it."""

    def __init__(self, setup: _Setup) -> None:
        # spawn: a fork would share ONNX Runtime's threads and locks, which do not survive it.
        context = get_context("spawn")
        self.connection, theirs = context.Pipe()
        self.process: BaseProcess = context.Process(
            target=_serve, args=(theirs, setup), daemon=True
        )
        self.process.start()
        theirs.close()  # so that the death of the process ends the pipe
        self.ready = False

    @property
    def ends(self) -> tuple[Connection, int]:
        """What to wait for: a message, or its death."""
        return self.connection, self.process.sentinel

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


def _cause(process: BaseProcess) -> str:
    process.join()
    code = process.exitcode or 0
    if code >= 0:
        return f"exit status {code}"
    return f"signal {-code} ({signal.strsignal(-code)})"


def _serve(connection: Connection, setup: _Setup) -> None:
    """The life of a worker process."""
    # Ctrl-C reaches every process of the terminal; the parent alone answers.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_die_with_parent, daemon=True).start()
    if setup.cores:
        os.sched_setaffinity(0, setup.cores)
    if setup.gpu is not None:
        os.environ["CUDA_VISIBLE_DEVICES"] = setup.gpu  # before CUDA is loaded
    own_process()
    scorer = ClipScorer(setup.folder, setup.digest, available_cores())
    connection.send(("ready",))
    tell = at_intervals(_TELL_SECONDS, lambda *facts: connection.send(("progress", *facts)))
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
