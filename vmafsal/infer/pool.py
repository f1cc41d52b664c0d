"""Map a function over an iterator on a pool of threads: in order, bounded, and prompt.

    reader thread ──► ThreadPoolExecutor ──► consumer of the results
    next(items)       work(item)             in the order of the items

A read may block for long, as from a pipe. Results that are ready are yielded in the meantime.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from queue import SimpleQueue
from threading import Event, Semaphore, Thread
from typing import TypeVar

__all__ = ["close", "in_order"]

T = TypeVar("T")
R = TypeVar("R")


def in_order(
    items: Iterable[T],
    work: Callable[[T], R],
    workers: int,
    *,
    ahead: int = 2,
    patience: float = 2.0,
) -> Generator[R]:
    """Call a function with each item, on several threads.

    Args:
        items: iterated, and closed if it is a generator, by a thread of its own.
        work: called by all workers at the same time.
        workers: how many threads.
        ahead: items that may wait for a free worker, or results that may wait for the consumer.
        patience: seconds for which closing waits for the reader. A reader that is blocked for
            longer is abandoned: its thread is a daemon.
    Yields:
        what `work` returned, in the order of the items. An error of either is raised at the place
        where it happened.
    """
    answers: SimpleQueue[Future[R] | None] = SimpleQueue()
    room = Semaphore(workers + ahead - 1)
    leaving = Event()
    pool = ThreadPoolExecutor(workers, "vmafsal-worker")

    def read() -> None:
        try:
            # The first item is taken in any case: a generator that never began cannot be closed.
            for item in items:
                if leaving.is_set():
                    break
                answers.put(pool.submit(work, item))
                del item  # the worker holds the only reference, so that it can free the frame
                room.acquire()
                if leaving.is_set():
                    break
        except BaseException as error:
            failed: Future[R] = Future()
            failed.set_exception(error)
            answers.put(failed)
        finally:
            close(items)
            answers.put(None)

    reader = Thread(target=read, name="vmafsal-reader", daemon=True)
    reader.start()
    try:
        while (answer := answers.get()) is not None:
            result = answer.result()
            del answer
            room.release()
            yield result
            del result
    finally:
        leaving.set()
        room.release()
        reader.join(patience)
        pool.shutdown(cancel_futures=True)


def close(items: object) -> None:
    """Close what was iterated, if it is a generator."""
    if isinstance(items, Generator):
        items.close()
