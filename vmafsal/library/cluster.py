"""Workers on a Ray cluster: actors that score clips, wherever there is room for them."""

from __future__ import annotations

import logging
import os
import platform
import secrets
import socket
import threading
from collections.abc import Generator, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib.util import find_spec
from math import floor, inf
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from vmafsal import __version__
from vmafsal.errors import OutputError, UsageError, VmafsalError
from vmafsal.library.engine import Answered, Demand, Lost, Message, Progress, Ready, at_intervals
from vmafsal.library.record import Digest
from vmafsal.library.score import ClipScorer, Task
from vmafsal.logs.file import output_error
from vmafsal.process import own_process

__all__ = ["ActorSetup", "Actors", "ClipActor", "Share", "share_nodes"]

_TELL_SECONDS = 1.0
_GOODBYE_SECONDS = 5.0
_CONNECT_SECONDS = 5.0
_STARTS = 3
"""Actors that die before they are ready, one after the other, before that ends the run."""


@dataclass(frozen=True, slots=True)
class Share:
    """What one actor gets of its node, as Ray counts it."""

    cpus: float
    gpus: float

    @property
    def threads(self) -> int:
        """Threads that keep it to its cores."""
        return max(1, int(self.cpus))


@dataclass(frozen=True, slots=True)
class ActorSetup:
    """What one actor is told when it starts."""

    folder: str
    """Where logs go, from the root."""
    digest: Digest
    threads: int
    directory: str
    """The driver's working directory: relative paths count from it."""
    mark: str
    """A file of this run; who sees it sees the same output folder."""
    version: str


class Actors:
    """The engine of a Ray cluster. Actors read the videos and write the logs themselves."""

    def __init__(self, demand: Demand, address: str) -> None:
        """
        Args:
            demand: what is asked of the workers.
            address: of the cluster's head, as HOST:PORT; "auto" for the one that runs here.
        Raises:
            UsageError: if Ray is not installed, or no cluster answers there.
        """
        if demand.named_gpu:
            raise UsageError(
                "On a cluster, Ray chooses each worker's GPU: write cuda in place of cuda:N."
            )
        self._ray = _connect(address)
        nodes = [
            (node["Resources"].get("CPU", 0.0), node["Resources"].get("GPU", 0.0))
            for node in self._ray.nodes()
            if node["Alive"]
        ]
        gpus = sum(floor(gpu) for _, gpu in nodes) if demand.gpu else 0
        self._count = demand.count(gpus or sum(floor(cpu) for cpu, _ in nodes))
        self._share = share_nodes(nodes, self._count, gpu=gpus > 0)
        folder = os.path.abspath(demand.folder)
        self._setup = ActorSetup(
            folder=folder,
            digest=demand.digest,
            threads=self._share.threads,
            directory=os.getcwd(),
            # Named like a log that is being written, which is what a killed run leaves behind.
            mark=os.path.join(folder, f".vmafsal-{secrets.token_hex(8)}.tmp"),
            version=__version__,
        )
        self._workers: list[_Worker] = []

    @property
    def size(self) -> int:
        return self._count

    def start(self) -> None:
        for _ in range(self._count):
            self._workers.append(self._start())

    def give(self, worker: int, task: Task) -> None:
        self._workers[worker].do(task)

    def hear(self) -> Iterator[Message]:
        pending = [worker.words for worker in self._workers if worker.words is not None]
        # One to wait for, and then whoever else has something to say by now.
        # Where the cluster's head is gone for a minute, Ray ends this process.
        self._ray.wait(pending, num_returns=1)
        ready, _ = self._ray.wait(pending, num_returns=len(pending), timeout=0)
        for number, worker in enumerate(self._workers):
            if any(worker.words is words for words in ready):
                yield self._listen(number, worker)

    def close(self) -> None:
        for worker in self._workers:
            with suppress(self._ray.exceptions.RayError):
                self._ray.kill(worker.actor)
        # Until they are dead, they might write a log.
        pending = [worker.words for worker in self._workers if worker.words is not None]
        if pending:
            with suppress(self._ray.exceptions.RayError):
                self._ray.wait(pending, num_returns=len(pending), timeout=_GOODBYE_SECONDS)
        Path(self._setup.mark).unlink(missing_ok=True)
        self._ray.shutdown()

    def _start(self, failures: int = 0) -> _Worker:
        try:
            Path(self._setup.mark).touch()
        except OSError as error:
            raise output_error(self._setup.mark, error) from None
        options = {"num_cpus": self._share.cpus, "num_gpus": self._share.gpus}
        return _Worker(self._ray.remote(**options)(ClipActor).remote(), self._setup, failures)

    def _listen(self, number: int, worker: _Worker) -> Message:
        errors = self._ray.exceptions
        try:
            kind, *values = self._ray.get(next(worker.words))
        except errors.RayTaskError as error:
            if isinstance(error.cause, VmafsalError):
                raise error.cause from None
            # A traceback, which ends with what it is about.
            raise _cannot_start(str(error).strip().splitlines()[-1]) from None
        except (errors.RayError, StopIteration) as error:
            with suppress(errors.RayError):
                self._ray.kill(worker.actor)
            failures = 0 if worker.place else worker.failures + 1
            if failures >= _STARTS:
                raise _cannot_start(_first_line(error)) from None
            self._workers[number] = self._start(failures)
            return Lost(number, f"the loss of its Ray actor on {worker.place or 'its way'}")
        if kind == "progress":
            return Progress(number, *values)
        worker.words = None
        if kind == "ready":
            (worker.place,) = values
            return Ready(number)
        return Answered(number, *values)


class _Worker:
    """One actor, and what it is saying."""

    def __init__(self, actor: Any, setup: ActorSetup, failures: int) -> None:
        self.actor = actor
        self.failures = failures
        """How many before it, in its place, died before they were ready."""
        self.place = ""
        """Node and process, once it is ready."""
        self.words: Any = actor.prepare.remote(setup)
        """Its answer to the last call, word for word; None where nothing is under way."""

    def do(self, task: Task) -> None:
        self.words = self.actor.do.remote(task)


class ClipActor:
    """What runs on the cluster. Its methods are generators, which Ray streams to the driver."""

    def prepare(self, setup: ActorSetup) -> Generator[tuple[Any, ...]]:
        """Get ready; yields ("ready", node and process).

        Raises:
            VmafsalError: if this node cannot take part.
        """
        node = platform.node()
        if setup.version != __version__:
            raise VmafsalError(
                f"The node {node} has vmafsal {__version__}, where the run was started there is "
                f"{setup.version}: install the same version on all nodes."
            )
        if not os.path.exists(setup.mark):
            raise OutputError(
                f"The node {node} does not see the output folder {setup.folder}: put it, and the "
                "videos, on storage that all nodes share under the same path."
            )
        try:
            os.chdir(setup.directory)
        except OSError:
            raise UsageError(
                f"The node {node} has no folder {setup.directory}, which the command was called "
                "in: call it in a folder that all nodes share."
            ) from None
        own_process()
        self._scorer = ClipScorer(setup.folder, setup.digest, setup.threads)
        yield "ready", f"{node} (process {os.getpid()})"

    def do(self, task: Task) -> Generator[tuple[Any, ...]]:
        """Do a task; yields ("progress", done, total, fps) now and then, then ("answer", …)."""
        words: SimpleQueue[tuple[Any, ...]] = SimpleQueue()
        tell = at_intervals(_TELL_SECONDS, lambda *facts: words.put(("progress", *facts)))

        def work() -> None:
            words.put(("answer", self._scorer.do(task, tell)))

        threading.Thread(target=work, daemon=True).start()
        word: tuple[Any, ...] = ("",)
        while word[0] != "answer":
            word = words.get()
            yield word


def share_nodes(nodes: Sequence[tuple[float, float]], workers: int, gpu: bool) -> Share:
    """The largest share that so many workers can have, all the same.

    Args:
        nodes: (cores, GPUs) of each, as Ray counts them.
        workers: at least 1.
        gpu: each gets a GPU, or a whole part of one where there are more workers than GPUs.
    Returns:
        a whole number of cores, or a whole part of one where there are more workers than cores.
    """
    # Down to the four digits that Ray counts.
    parts = [floor(1e4 / part) / 1e4 for part in range(1, workers + 1)]
    whole = range(floor(max(cores for cores, _ in nodes)), 1, -1)

    def fits(share: Share) -> bool:
        room = (min(_times(share.cpus, c), _times(share.gpus, g)) for c, g in nodes)
        return sum(room) >= workers

    gpus = next((part for part in parts if fits(Share(0, part))), 0.0) if gpu else 0.0
    shares = (Share(cores, gpus) for cores in [*whole, *parts])
    return next(filter(fits, shares), Share(0, gpus))


def _times(share: float, have: float) -> float:
    """How often a share fits into what there is."""
    return have // share if share else inf


def _connect(address: str) -> Any:
    """Ray, connected to a cluster that runs."""
    if find_spec("ray") is None:
        raise UsageError(
            "--engine ray needs Ray, which is not installed: pip install 'vmafsal[ray]'."
        )
    if address != "auto":
        _check_address(address)
    # Both are read when it is imported. Nothing is told to anybody about how Ray is used here, and
    # what Ray has to say of lost nodes does not go to standard output.
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    os.environ["RAY_DEDUP_LOGS_SKIP_REGEX"] = "."
    import ray

    try:
        ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
    except Exception as error:  # Ray's own exceptions for this have no common base
        alone = address == "auto" and isinstance(error, ConnectionError)
        reason = "none runs on this machine." if alone else _first_line(error)
        raise _unreachable(address, reason) from None
    return ray


def _check_address(address: str) -> None:
    """See that something listens there: Ray itself would try for two minutes."""
    host, _, port = address.rpartition(":")
    if not host or "/" in host or not port.isdecimal():
        raise UsageError(
            f"--address is auto, or host and port of the cluster's head as in 10.0.0.1:6379, not "
            f"{address!r}."
        )
    try:
        socket.create_connection((host.strip("[]"), int(port)), _CONNECT_SECONDS).close()
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or error
        raise _unreachable(address, f"{reason}.") from None


def _unreachable(address: str, reason: str) -> UsageError:
    return UsageError(
        f"No Ray cluster could be reached at {address}: {reason} Start one with "
        "ray start --head, join it from each other machine with ray start --address=HOST:PORT, "
        "and call vmafsal on one of them."
    )


def _cannot_start(reason: str) -> VmafsalError:
    return VmafsalError(
        f"A worker on the cluster could not do its work: {reason} Every node needs vmafsal[ray] "
        f"{__version__}."
    )


def _first_line(error: Exception) -> str:
    line = (str(error).strip() or type(error).__name__).splitlines()[0]
    return line if line.endswith(".") else f"{line}."
