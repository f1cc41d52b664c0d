"""Run an iterator in a thread of its own, a bounded number of items ahead of its reader."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager
from queue import Empty, Full, Queue
from threading import Event, Thread
from typing import Any, TypeVar

__all__ = ["ahead", "close"]

T = TypeVar("T")

_END = object()
_PATIENCE_SECONDS = 0.1
# A thread that sits in a read that never returns (a silent pipe) is left behind: it is a daemon.
_GOODBYE_SECONDS = 2.0


def close(items: object) -> None:
    """Close what was iterated, if it is a generator."""
    if isinstance(items, Generator):
        items.close()


@contextmanager
def ahead(
    items: Iterable[T], size: int, name: str, wake: Callable[[], None] | None = None
) -> Generator[Iterable[T]]:
    """Iterate in the background.

    Args:
        items: iterated, and closed if it is a generator, in a thread of its own.
        size: how many items may wait for the reader.
        name: of the thread.
        wake: called on leaving, to free a thread that waits for something else.
    Yields:
        the items, in order; an error of theirs is raised at the place where it happened.
    """
    queue: Queue[Any] = Queue(maxsize=size)
    stop = Event()

    def offer(item: object) -> bool:
        while not stop.is_set():
            try:
                queue.put(item, timeout=_PATIENCE_SECONDS)
            except Full:
                continue
            return True
        return False

    def work() -> None:
        try:
            for item in items:
                if not offer(item):
                    break
            else:
                offer(_END)
        except BaseException as error:
            offer(error)
        finally:
            close(items)

    def read() -> Generator[T]:
        while True:
            try:
                item = queue.get(timeout=_PATIENCE_SECONDS)
            except Empty:
                # Only a reader in another thread than the one that leaves gets here stopped.
                if stop.is_set():
                    return
                continue
            if item is _END:
                return
            if isinstance(item, BaseException):
                raise item
            yield item

    thread = Thread(target=work, name=name, daemon=True)
    thread.start()
    try:
        yield read()
    finally:
        stop.set()
        if wake is not None:
            wake()
        thread.join(_GOODBYE_SECONDS)
