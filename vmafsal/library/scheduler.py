"""The task queue: hands tasks to idle workers and retries a task whose worker died."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

from vmafsal.library.record import Digest
from vmafsal.library.tasks import OnProgress, Outcome, Task

__all__ = [
    "ATTEMPTS",
    "Event",
    "Message",
    "PoolRequest",
    "Progress",
    "TaskDone",
    "TaskFinished",
    "TaskStarted",
    "WorkerDied",
    "WorkerLost",
    "WorkerPool",
    "WorkerReady",
    "limit_rate",
    "run_tasks",
]

ATTEMPTS = 2
"""A task is given up after its worker died this often."""


@dataclass(frozen=True, slots=True)
class PoolRequest:
    """The workers that a run needs."""

    folder: str
    """The output folder."""
    digest: Digest
    workers: int | None
    """Number of workers; None for one a GPU or core."""
    max_workers: int | None
    """More workers than this would be idle; None where that is not known."""
    gpu: bool
    """Give each worker a GPU where there are any."""
    named_gpu: bool
    """A clip names its GPU, as in cuda:1."""

    def count(self, places: int) -> int:
        """The number of workers on a machine or cluster with room for `places` of them."""
        count = self.workers or places
        return max(1, count if self.max_workers is None else min(count, self.max_workers))


@dataclass(frozen=True, slots=True)
class WorkerReady:
    """A worker has started and waits for its first task."""

    worker: int


@dataclass(frozen=True, slots=True)
class TaskDone:
    """A worker has finished its task and waits for the next one."""

    worker: int
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class WorkerLost:
    """A worker died; its replacement is starting."""

    worker: int
    cause: str
    """For example "signal 9 (Killed)"."""


@dataclass(frozen=True, slots=True)
class Progress:
    """Frames done so far, frames in all where that is known, frames per second."""

    worker: int
    done: int
    total: int | None
    fps: float


Message = WorkerReady | Progress | TaskDone | WorkerLost
"""What a pool reports about one of its workers."""


class WorkerPool(Protocol):
    """Workers, numbered from 0. Each does one task at a time and is replaced when it dies."""

    @property
    def size(self) -> int:
        """The number of workers."""
        ...

    def start(self) -> None:
        """Start the workers; each reports WorkerReady when it is ready."""
        ...

    def submit(self, worker: int, task: Task) -> None:
        """Send a task to an idle worker."""
        ...

    def messages(self) -> Iterator[Message]:
        """Wait until a worker has something to report, then yield what there is.

        Raises:
            VmafsalError: if a worker cannot even start.
        """
        ...

    def close(self) -> None:
        """Stop the workers at once, busy or not."""
        ...


@dataclass(frozen=True, slots=True)
class TaskStarted:
    """A worker began a task."""

    worker: int
    task: Task


@dataclass(frozen=True, slots=True)
class TaskFinished:
    """A worker finished a task."""

    worker: int
    task: Task
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class WorkerDied:
    """A worker died while it did a task."""

    worker: int
    task: Task
    cause: str
    """As in WorkerLost."""
    given_up: bool
    """False where the task is tried once more."""


Event = TaskStarted | Progress | TaskFinished | WorkerDied
"""What happened to a task."""


def run_tasks(pool: WorkerPool, queue: deque[Task]) -> Generator[Event]:
    """Run all tasks of a queue on a pool, first in, first out.

    Args:
        pool: not started yet; it is closed at the end.
        queue: emptied from the left; the caller may add to it between two events.
    Yields:
        events. Every task ends in one TaskFinished, or in one WorkerDied with `given_up`.
    Raises:
        VmafsalError: if a worker cannot even start.
    """
    idle: set[int] = set()
    running: dict[int, Task] = {}
    fatal: list[Task] = []
    try:
        pool.start()
        while queue or running:
            for worker in sorted(idle):
                if not queue:
                    break
                idle.remove(worker)
                running[worker] = queue.popleft()
                pool.submit(worker, running[worker])
                yield TaskStarted(worker, running[worker])
            for message in pool.messages():
                worker = message.worker
                if isinstance(message, WorkerReady):
                    idle.add(worker)
                elif isinstance(message, Progress):
                    yield message
                elif isinstance(message, TaskDone):
                    idle.add(worker)
                    yield TaskFinished(worker, running.pop(worker), message.outcome)
                else:
                    idle.discard(worker)
                    if worker in running:
                        task = running.pop(worker)
                        fatal.append(task)
                        given_up = sum(other is task for other in fatal) >= ATTEMPTS
                        if not given_up:
                            queue.appendleft(task)
                        yield WorkerDied(worker, task, message.cause, given_up)
    finally:
        pool.close()


def limit_rate(seconds: float, callback: Callable[..., Any]) -> OnProgress:
    """A progress callback that passes calls on, at most one every `seconds`."""
    last = time.monotonic()

    def limited(done: int, total: int | None, fps: float) -> None:
        nonlocal last
        if time.monotonic() - last >= seconds:
            last = time.monotonic()
            callback(done, total, fps)

    return limited
