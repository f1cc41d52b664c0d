"""The queue of tasks: which worker gets what next, and what happens when one dies."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

from vmafsal.library.record import Digest
from vmafsal.library.score import Answer, Task, Tell

__all__ = [
    "ATTEMPTS",
    "Answered",
    "Demand",
    "Died",
    "Engine",
    "Event",
    "Finished",
    "Lost",
    "Message",
    "Progress",
    "Ready",
    "Started",
    "at_intervals",
    "run_tasks",
]

ATTEMPTS = 2
"""A task that kills its worker this often is given up."""


@dataclass(frozen=True, slots=True)
class Demand:
    """What a run asks of its workers."""

    folder: str
    """Where logs go."""
    digest: Digest
    workers: int | None
    """How many were asked for; None for as many as there is room for."""
    most: int | None
    """More than these would have nothing to do; None where that is not known."""
    gpu: bool
    """One GPU is meant for each, where there are any."""
    named_gpu: bool
    """A clip names its GPU itself, as cuda:1."""

    def count(self, places: int) -> int:
        """How many workers there shall be where there is room for so many."""
        count = self.workers or places
        return max(1, count if self.most is None else min(count, self.most))


@dataclass(frozen=True, slots=True)
class Ready:
    """A worker has started and waits for its first task."""

    worker: int


@dataclass(frozen=True, slots=True)
class Answered:
    """A worker is done with its task and waits for the next."""

    worker: int
    answer: Answer


@dataclass(frozen=True, slots=True)
class Lost:
    """A worker died; another one in its place is on its way."""

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


Message = Ready | Progress | Answered | Lost
"""What an engine has to say of a worker."""


class Engine(Protocol):
    """Workers, numbered from 0, that do one task at a time and are replaced when they die."""

    @property
    def size(self) -> int:
        """How many workers there are."""
        ...

    def start(self) -> None:
        """Have the workers start; each says Ready when it is."""
        ...

    def give(self, worker: int, task: Task) -> None:
        """Hand a task to a worker that is ready or has answered."""
        ...

    def hear(self) -> Iterator[Message]:
        """Wait until there is something to say, and say it.

        Raises:
            VmafsalError: if a worker cannot even start.
        """
        ...

    def close(self) -> None:
        """End the workers, whatever they are at."""
        ...


@dataclass(frozen=True, slots=True)
class Started:
    """A worker took up a task."""

    worker: int
    task: Task


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
    """As in Lost."""
    given_up: bool
    """False where it is tried once more."""


Event = Started | Progress | Finished | Died
"""What became of tasks."""


def run_tasks(engine: Engine, todo: deque[Task]) -> Generator[Event]:
    """Let workers do tasks, first come first served.

    Args:
        engine: not started yet; it is closed at the end.
        todo: emptied from the left; the caller may add to it between two events.
    Yields:
        what happened. Every task ends in one Finished, or in one Died that gave it up.
    Raises:
        VmafsalError: if a worker cannot even start.
    """
    idle: set[int] = set()
    at_work: dict[int, Task] = {}
    killers: list[Task] = []
    try:
        engine.start()
        while todo or at_work:
            for worker in sorted(idle):
                if not todo:
                    break
                idle.remove(worker)
                at_work[worker] = todo.popleft()
                engine.give(worker, at_work[worker])
                yield Started(worker, at_work[worker])
            for message in engine.hear():
                worker = message.worker
                if isinstance(message, Ready):
                    idle.add(worker)
                elif isinstance(message, Progress):
                    yield message
                elif isinstance(message, Answered):
                    idle.add(worker)
                    yield Finished(worker, at_work.pop(worker), message.answer)
                else:
                    idle.discard(worker)
                    if worker in at_work:
                        task = at_work.pop(worker)
                        killers.append(task)
                        given_up = sum(killer is task for killer in killers) >= ATTEMPTS
                        if not given_up:
                            todo.appendleft(task)
                        yield Died(worker, task, message.cause, given_up)
    finally:
        engine.close()


def at_intervals(seconds: float, tell: Callable[..., Any]) -> Tell:
    """A Tell that passes on what it hears, but not more often than every so many seconds."""
    told = time.monotonic()

    def maybe(done: int, total: int | None, fps: float) -> None:
        nonlocal told
        if time.monotonic() - told >= seconds:
            told = time.monotonic()
            tell(done, total, fps)

    return maybe
