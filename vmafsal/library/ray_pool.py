"""Workers on a Ray cluster: actors that score clips on any node with room for them."""

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
from vmafsal.files import output_error
from vmafsal.library.record import Digest, runtime_versions
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

__all__ = ["ActorSetup", "ClipActor", "RayPool", "Share", "share_nodes"]

_PROGRESS_SECONDS = 1.0
_KILL_SECONDS = 5.0
_CONNECT_SECONDS = 5.0
_STARTS = 3
"""The run ends after so many actors in a row died before they were ready."""


@dataclass(frozen=True, slots=True)
class Share:
    """The resources of one actor, as Ray counts them."""

    cpus: float
    gpus: float

    @property
    def threads(self) -> int:
        """The number of threads that fits its cores."""
        return max(1, int(self.cpus))


@dataclass(frozen=True, slots=True)
class ActorSetup:
    """The arguments of an actor."""

    folder: str
    """Absolute path of the output folder."""
    digest: Digest
    threads: int
    directory: str
    """The driver's working directory, to which paths are relative."""
    marker: str
    """A file of this run in the output folder: a node that sees it shares the folder."""
    versions: dict[str, str]
    """Of vmafsal and of the libraries that compute its numbers, on the driver."""


class RayPool:
    """A worker pool on a Ray cluster. Actors read the videos and write the logs themselves."""

    def __init__(self, request: PoolRequest, address: str) -> None:
        """
        Args:
            request: the workers that the run needs.
            address: of the cluster's head, as HOST:PORT; "auto" for the cluster of this machine.
        Raises:
            UsageError: if Ray is not installed, or no cluster answers there.
        """
        if request.named_gpu:
            raise UsageError(
                "On a cluster, Ray chooses each worker's GPU: write cuda in place of cuda:N."
            )
        self._ray = _connect(address)
        nodes = [
            (node["Resources"].get("CPU", 0.0), node["Resources"].get("GPU", 0.0))
            for node in self._ray.nodes()
            if node["Alive"]
        ]
        gpus = sum(floor(gpu) for _, gpu in nodes) if request.gpu else 0
        self._count = request.count(gpus or sum(floor(cpu) for cpu, _ in nodes))
        self._share = share_nodes(nodes, self._count, gpu=gpus > 0)
        folder = os.path.abspath(request.folder)
        self._setup = ActorSetup(
            folder=folder,
            digest=request.digest,
            threads=self._share.threads,
            directory=os.getcwd(),
            # Named like a temporary file, so that the next run removes what a killed run left.
            marker=os.path.join(folder, f".vmafsal-{secrets.token_hex(8)}.tmp"),
            versions=runtime_versions(),
        )
        self._workers: list[_Worker] = []

    @property
    def size(self) -> int:
        return self._count

    def start(self) -> None:
        for _ in range(self._count):
            self._workers.append(self._start())

    def submit(self, worker: int, task: Task) -> None:
        self._workers[worker].do(task)

    def messages(self) -> Iterator[Message]:
        pending = [worker.stream for worker in self._workers if worker.stream is not None]
        # Wait for one message, then collect all that have arrived.
        # Ray ends this process when the cluster's head is gone for a minute.
        self._ray.wait(pending, num_returns=1)
        ready, _ = self._ray.wait(pending, num_returns=len(pending), timeout=0)
        for number, worker in enumerate(self._workers):
            if any(worker.stream is stream for stream in ready):
                yield self._next_message(number, worker)

    def close(self) -> None:
        for worker in self._workers:
            with suppress(self._ray.exceptions.RayError):
                self._ray.kill(worker.actor)
        # An actor might still write a log until it is dead.
        pending = [worker.stream for worker in self._workers if worker.stream is not None]
        if pending:
            with suppress(self._ray.exceptions.RayError):
                self._ray.wait(pending, num_returns=len(pending), timeout=_KILL_SECONDS)
        Path(self._setup.marker).unlink(missing_ok=True)
        self._ray.shutdown()

    def _start(self, failures: int = 0) -> _Worker:
        try:
            Path(self._setup.marker).touch()
        except OSError as error:
            raise output_error(self._setup.marker, error) from None
        options = {"num_cpus": self._share.cpus, "num_gpus": self._share.gpus}
        return _Worker(self._ray.remote(**options)(ClipActor).remote(), self._setup, failures)

    def _next_message(self, number: int, worker: _Worker) -> Message:
        errors = self._ray.exceptions
        try:
            kind, *values = self._ray.get(next(worker.stream))
        except errors.RayTaskError as error:
            if isinstance(error.cause, VmafsalError):
                raise error.cause from None
            # The last line of a traceback states the error.
            raise _cannot_start(str(error).strip().splitlines()[-1]) from None
        except (errors.RayError, StopIteration) as error:
            with suppress(errors.RayError):
                self._ray.kill(worker.actor)
            failures = 0 if worker.place else worker.failures + 1
            if failures >= _STARTS:
                raise _cannot_start(_first_line(error)) from None
            self._workers[number] = self._start(failures)
            return WorkerLost(
                number, f"the loss of its Ray actor on {worker.place or 'a starting node'}"
            )
        if kind == "progress":
            return Progress(number, *values)
        worker.stream = None
        if kind == "ready":
            (worker.place,) = values
            return WorkerReady(number)
        return TaskDone(number, *values)


class _Worker:
    """An actor and the stream of its messages."""

    def __init__(self, actor: Any, setup: ActorSetup, failures: int) -> None:
        self.actor = actor
        self.failures = failures
        """How many predecessors in a row died before they were ready."""
        self.place = ""
        """Node and process, once the actor is ready."""
        self.stream: Any = actor.prepare.remote(setup)
        """The messages of the call that is running; None where none is."""

    def do(self, task: Task) -> None:
        self.stream = self.actor.do.remote(task)


class ClipActor:
    """The actor that runs on a node. Its methods are generators, which Ray streams back."""

    def prepare(self, setup: ActorSetup) -> Generator[tuple[Any, ...]]:
        """Set the actor up; yields ("ready", node and process).

        Raises:
            VmafsalError: if this node cannot take part.
        """
        node = platform.node()
        for name, wanted in setup.versions.items():
            found = runtime_versions().get(name)
            if found != wanted:
                raise VmafsalError(
                    f"The node {node} has {name} {found}, but the run was started with {wanted}: "
                    "install the same version on all nodes."
                )
        if not os.path.exists(setup.marker):
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
        """Do a task; yields ("progress", done, total, fps) now and then, then ("done", …)."""
        messages: SimpleQueue[tuple[Any, ...]] = SimpleQueue()
        on_progress = limit_rate(
            _PROGRESS_SECONDS, lambda *facts: messages.put(("progress", *facts))
        )

        def work() -> None:
            messages.put(("done", self._scorer.do(task, on_progress)))

        threading.Thread(target=work, daemon=True).start()
        message: tuple[Any, ...] = ("",)
        while message[0] != "done":
            message = messages.get()
            yield message


def share_nodes(nodes: Sequence[tuple[float, float]], workers: int, gpu: bool) -> Share:
    """The largest equal share of the nodes for a number of workers.

    Args:
        nodes: (cores, GPUs) of each, as Ray counts them.
        workers: at least 1.
        gpu: each gets a GPU, or 1/n of one where there are more workers than GPUs.
    Returns:
        a whole number of cores, or 1/n of one where there are more workers than cores.
    """
    # Rounded down to the four decimals that Ray keeps.
    parts = [floor(1e4 / part) / 1e4 for part in range(1, workers + 1)]
    whole = range(floor(max(cores for cores, _ in nodes)), 1, -1)

    def fits(share: Share) -> bool:
        room = (min(_times(share.cpus, c), _times(share.gpus, g)) for c, g in nodes)
        return sum(room) >= workers

    gpus = next((part for part in parts if fits(Share(0, part))), 0.0) if gpu else 0.0
    shares = (Share(cores, gpus) for cores in [*whole, *parts])
    return next(filter(fits, shares), Share(0, gpus))


def _times(share: float, have: float) -> float:
    """How many such shares fit a node."""
    return have // share if share else inf


def _connect(address: str) -> Any:
    """The ray module, connected to a running cluster."""
    if find_spec("ray") is None:
        raise UsageError(
            "--engine ray needs Ray, which is not installed: pip install 'vmafsal[ray]'."
        )
    if address != "auto":
        _check_address(address)
    # Both are read on import: no usage statistics, and no messages about lost nodes on standard
    # output.
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
    """Check that a process listens there: Ray itself would retry for two minutes."""
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
