"""Map a function over an iterator on several threads, in order and bounded."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future
from contextlib import contextmanager
from threading import Event, Lock, Semaphore, Thread
from time import monotonic
from typing import TypeVar

from vmafsal.infer.ahead import close

__all__ = ["abreast"]

T = TypeVar("T")
R = TypeVar("R")

_UNREAD = 2
"""Answers a thread that the reader may have before him, those in the making among them."""

# A thread that sits in a read that never returns (a silent pipe) is left behind: it is a daemon.
_GOODBYE_SECONDS = 2.0


@contextmanager
def abreast(
    items: Iterable[T],
    work: Callable[[T], R],
    threads: int,
    name: str,
    *,
    reader_works: bool = False,
) -> Generator[Iterable[R]]:
    """Call a function with each item, on threads that take their items themselves.

    Whoever takes an item goes on with it, so that it is still in the cache of that core.

    Args:
        items: iterated by one thread at a time, and closed if it is a generator.
        work: called by all threads at the same time.
        threads: how many.
        name: of the threads.
        reader_works: one of the threads is the reader's, who does a share while he waits: one
            more would only take turns with the others. Only for items that never keep one
            waiting: a reader who sits in a pipe that is still open does not see the answers that
            are there.
    Yields:
        what `work` returned, in the order of the items; an error of either is raised at the place
        where it happened.
    """
    source = iter(items)
    taking = Lock()
    places = Semaphore(_UNREAD * threads)
    answers: deque[Future[R]] = deque()
    told = Semaphore(0)  # of each answer that is to come, and of the end
    stop = Event()
    over = False

    def promise(answer: Future[R]) -> None:
        answers.append(answer)
        told.release()

    def take() -> tuple[T, Future[R]] | None:
        """The next item, and where its answer goes; None when there are no more."""
        nonlocal over
        with taking:
            if not over and not stop.is_set():
                answer: Future[R] = Future()
                try:
                    item = next(source)
                except StopIteration:
                    pass
                except BaseException as error:
                    answer.set_exception(error)
                    promise(answer)
                    if not isinstance(error, Exception):
                        raise  # Ctrl-C, which the reader's thread gets, does not wait its turn
                else:
                    promise(answer)
                    return item, answer
            if not over:
                over = True
                told.release()
                close(source)
            return None

    def do(item: T, answer: Future[R]) -> None:
        try:
            answer.set_result(work(item))
        except BaseException as error:
            answer.set_exception(error)
            if not isinstance(error, Exception):
                raise

    def serve() -> None:
        while places.acquire() and (taken := take()) is not None:
            do(*taken)

    def read() -> Generator[R]:
        while told.acquire() and answers:
            yield answers.popleft().result()
            places.release()

    def read_and_work() -> Generator[R]:
        while not over or answers:  # in this order: nothing comes after it is over
            ready = answers and answers[0].done()
            if not ready and not over and places.acquire(blocking=False):
                taken = take()
                if taken is not None:
                    do(*taken)
            elif answers:
                yield answers.popleft().result()
                places.release()

    count = threads - 1 if reader_works else threads
    helpers = [Thread(target=serve, name=name, daemon=True) for _ in range(count)]
    for helper in helpers:
        helper.start()
    try:
        yield read_and_work() if reader_works else read()
    finally:
        stop.set()
        places.release(threads)
        end = monotonic() + _GOODBYE_SECONDS
        for helper in helpers:
            helper.join(max(0, end - monotonic()))
        if not any(helper.is_alive() for helper in helpers):
            take()
