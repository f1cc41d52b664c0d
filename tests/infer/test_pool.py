"""in_order: several threads, answers in order, bounded, and nothing left behind."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from itertools import count

import pytest

from vmafsal.errors import InputError, ModelError
from vmafsal.infer.pool import in_order


def our_threads() -> set[str]:
    return {t.name for t in threading.enumerate() if t.name.startswith("vmafsal")}


@pytest.mark.parametrize("workers", [1, 2, 5])
def test_answers_come_in_the_order_of_the_items(workers: int) -> None:
    def slower_for_even_ones(number: int) -> int:
        time.sleep(0.004 if number % 2 == 0 else 0.0)
        return -number

    answers = list(in_order(range(60), slower_for_even_ones, workers))
    assert answers == [-number for number in range(60)]
    assert not our_threads()


def test_nothing_gives_nothing() -> None:
    assert list(in_order(iter(()), str, 3)) == []
    assert not our_threads()


def test_all_workers_work_at_the_same_time() -> None:
    together = threading.Barrier(3)

    def work(number: int) -> tuple[int, str]:
        together.wait(timeout=20)
        return number, threading.current_thread().name

    seen = list(in_order(range(9), work, 3))
    assert [number for number, _ in seen] == list(range(9))
    assert len({name for _, name in seen}) == 3


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_an_answer_is_there_while_the_next_item_is_not(workers: int) -> None:
    """As with a camera's pipe, which may take long to give the next frame."""
    seen = [threading.Event() for _ in range(8)]

    def trickle() -> Iterator[int]:
        for number, event in enumerate(seen):
            yield number
            assert event.wait(20), f"the answer to {number} did not come out"

    for number in in_order(trickle(), int, workers):
        seen[number].set()
    assert all(event.is_set() for event in seen)


def test_it_is_bounded() -> None:
    taken: list[int] = []

    def endless() -> Iterator[int]:
        for number in count():
            taken.append(number)
            yield number

    with closing(in_order(endless(), str, 2)) as answers:
        assert next(answers) == "0"
        time.sleep(0.3)
        # One was given, two may be with the workers, two may wait.
        assert len(taken) <= 5
    assert not our_threads()


@pytest.mark.parametrize("workers", [1, 3])
def test_an_error_of_the_items_comes_at_its_place(workers: int) -> None:
    def failing() -> Iterator[int]:
        yield from range(7)
        raise InputError("the end of the tape")

    seen: list[int] = []
    with pytest.raises(InputError, match="tape"):
        seen.extend(in_order(failing(), int, workers))
    assert seen == list(range(7))
    assert not our_threads()


@pytest.mark.parametrize("workers", [1, 3])
def test_an_error_of_the_work_comes_at_its_place(workers: int) -> None:
    def work(number: int) -> int:
        if number == 11:
            raise ModelError("no more")
        time.sleep(0.003)
        return number

    seen: list[int] = []
    with pytest.raises(ModelError, match="no more"):
        seen.extend(in_order(count(), work, workers))
    assert seen == list(range(11))
    assert not our_threads()


@pytest.mark.parametrize("workers", [1, 2, 4])
def test_leaving_closes_what_was_read(workers: int) -> None:
    closed = threading.Event()

    def source() -> Iterator[int]:
        try:
            yield from count()
        finally:
            closed.set()

    with closing(in_order(source(), int, workers)) as answers:
        next(answers)
    assert closed.is_set()
    assert not our_threads()


def test_leaving_does_not_wait_for_a_silent_pipe() -> None:
    reading, writing = os.pipe()
    closed = threading.Event()

    def source() -> Iterator[bytes]:
        try:
            while byte := os.read(reading, 1):
                yield byte
        finally:
            closed.set()

    os.write(writing, b"a")
    with closing(in_order(source(), bytes, 2, patience=0.05)) as answers:
        assert next(answers) == b"a"
    # The reader still waits for the next byte; the workers are gone.
    assert our_threads() == {"vmafsal-reader"}
    assert not closed.is_set()
    os.close(writing)
    assert closed.wait(20)
    os.close(reading)
