"""Worker processes on this machine, each with its share of the cores or one GPU."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing import get_context, parent_process, resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from vmafsal.errors import VmafsalError
from vmafsal.infer.plan import available_cores
from vmafsal.library.record import Digest
from vmafsal.library.scheduler import (
    Message,
    PoolRequest,
    Progress,
    TaskDone,
    WorkerLost,
    WorkerReady,
    limit_rate,
)
from vmafsal.library.scorer import ClipScorer
from vmafsal.library.tasks import Task
from vmafsal.process import own_process

__all__ = ["LocalPool"]

_PROGRESS_SECONDS = 0.25
_JOIN_SECONDS = 5.0
_MESSAGES: dict[str, type[WorkerReady | Progress | TaskDone]] = {
    "ready": WorkerReady,
    "progress": Progress,
    "done": TaskDone,
}


@dataclass(frozen=True, slots=True)
class _Setup:
    """The arguments of a worker process."""

    folder: str
    digest: Digest
    cores: tuple[int, ...]
    """The process is pinned to these where the system allows it; empty for all."""
    gpu: str | None = None
    """The only visible GPU, as CUDA_VISIBLE_DEVICES names it; None for all."""


class LocalPool:
    """A worker pool on one machine: one process for each GPU or share of the cores."""

    def __init__(self, request: PoolRequest) -> None:
        gpus = _visible_gpus() if request.gpu else []
        shares = _share_cores(request.count(len(gpus) or available_cores()))
        self._setups = [
            _Setup(
                request.folder, request.digest, cores, gpus[number % len(gpus)] if gpus else None
            )
            for number, cores in enumerate(shares)
        ]
        self._workers: list[_Worker] = []

    @property
    def size(self) -> int:
        return len(self._setups)

    def start(self) -> None:
        for setup in self._setups:
            self._workers.append(_Worker(setup))

    def submit(self, worker: int, task: Task) -> None:
        with suppress(OSError):  # the worker has just died; messages() reports it
            self._workers[worker].connection.send(task)

    def messages(self) -> Iterator[Message]:
        wait([handle for worker in self._workers for handle in worker.handles])
        for number, worker in enumerate(self._workers):
            alive = worker.process.is_alive()  # checked before its last messages are read
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
            yield WorkerLost(number, cause)

    def close(self) -> None:
        for worker in self._workers:
            worker.stop()


def _visible_gpus() -> list[str]:
    """NVIDIA GPUs that this process may use, as CUDA_VISIBLE_DEVICES names them."""
    chosen = os.environ.get("CUDA_VISIBLE_DEVICES")
    if chosen is not None:
        return [name.strip() for name in chosen.split(",") if name.strip() not in ("", "-1")]
    # CUDA's own functions would create a context on every GPU in this process.
    folder = Path("/proc/driver/nvidia/gpus")
    return [str(number) for number, _ in enumerate(folder.iterdir())] if folder.is_dir() else []


def _share_cores(workers: int) -> list[tuple[int, ...]]:
    """Each worker's share of the cores that this process may use, as consecutive numbers.

    With more workers than cores, workers share a core. The shares are empty where the system
    cannot pin a process.
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
    """A worker process and the pipe to it."""

    def __init__(self, setup: _Setup) -> None:
        # spawn: a fork would share ONNX Runtime's threads and locks, which do not survive it.
        context = get_context("spawn")
        self.connection, theirs = context.Pipe()
        self.process: BaseProcess = context.Process(
            target=_serve, args=(theirs, setup), daemon=True
        )
        with _terminal_signals_held():
            self.process.start()
        theirs.close()  # the pipe then ends when the process dies
        self.ready = False

    @property
    def handles(self) -> tuple[Connection, int]:
        """What to wait for: a message, or the end of the process."""
        return self.connection, self.process.sentinel

    def messages(self) -> Generator[tuple[Any, ...]]:
        """The messages that have arrived whole."""
        try:
            while self.connection.poll():
                yield self.connection.recv()
        except (EOFError, OSError):
            return

    def stop(self) -> None:
        self.process.kill()
        self.process.join(_JOIN_SECONDS)
        self.connection.close()


def _cause(process: BaseProcess) -> str:
    process.join()
    code = process.exitcode or 0
    if code >= 0:
        return f"exit status {code}"
    return f"signal {-code} ({signal.strsignal(-code)})"


@contextmanager
def _terminal_signals_held() -> Generator[None]:
    """Block SIGINT and SIGHUP, also in the processes that are started."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    resource_tracker.ensure_running()  # it would let the signals through again
    held = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGHUP})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, held)


def _serve(connection: Connection, setup: _Setup) -> None:
    """The main function of a worker process."""
    # Ctrl-C and the end of a terminal reach every process, but only the parent handles them.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(signal, "SIGHUP"):
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
    threading.Thread(target=_exit_with_parent, daemon=True).start()
    if setup.cores:
        os.sched_setaffinity(0, setup.cores)
    if setup.gpu is not None:
        os.environ["CUDA_VISIBLE_DEVICES"] = setup.gpu  # before CUDA is loaded
    own_process()
    scorer = ClipScorer(setup.folder, setup.digest, available_cores())
    connection.send(("ready",))
    on_progress = limit_rate(
        _PROGRESS_SECONDS, lambda *facts: connection.send(("progress", *facts))
    )
    while True:
        try:
            task = connection.recv()
        except EOFError:
            return
        connection.send(("done", scorer.do(task, on_progress)))


def _exit_with_parent() -> None:
    """Exit as soon as the parent does: a log written later could replace a newer one."""
    parent = parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)
