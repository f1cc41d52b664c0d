"""Abreast: several threads take, work and answer, in order, bounded, and gone when it is left."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from itertools import count

import pytest

from vmafsal.errors import InputError, ModelError
from vmafsal.infer.abreast import abreast


def our_threads() -> set[str]:
    return {thread.name for thread in threading.enumerate() if thread.name == "test"}


EITHER_WAY = pytest.mark.parametrize("reader_works", [False, True])


@EITHER_WAY
@pytest.mark.parametrize("threads", [1, 2, 5])
def test_answers_come_in_the_order_of_the_items(threads: int, reader_works: bool) -> None:
    def slower_for_even_ones(number: int) -> int:
        time.sleep(0.004 if number % 2 == 0 else 0.0)
        return -number

    with abreast(
        range(60), slower_for_even_ones, threads, "test", reader_works=reader_works
    ) as answers:
        assert list(answers) == [-number for number in range(60)]
    assert not our_threads()


@EITHER_WAY
def test_nothing_gives_nothing(reader_works: bool) -> None:
    with abreast(iter(()), str, 3, "test", reader_works=reader_works) as answers:
        assert list(answers) == []


@EITHER_WAY
def test_all_threads_work_at_the_same_time_and_one_takes(reader_works: bool) -> None:
    together = threading.Barrier(3)
    taking = threading.Lock()

    def items() -> Iterator[int]:
        for number in range(9):
            assert taking.acquire(blocking=False)
            time.sleep(0.005)
            taking.release()
            yield number

    def work(number: int) -> tuple[int, str]:
        together.wait(timeout=20)
        return number, threading.current_thread().name

    with abreast(items(), work, 3, "test", reader_works=reader_works) as answers:
        seen = list(answers)
    assert [number for number, _ in seen] == list(range(9))
    reader = threading.current_thread().name
    assert {name for _, name in seen} == ({"test", reader} if reader_works else {"test"})


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_an_answer_is_there_while_the_next_item_is_not(threads: int) -> None:
    """As with a camera's pipe: whoever reads must not be the one who waits for the next frame."""
    seen = [threading.Event() for _ in range(8)]

    def trickle() -> Iterator[int]:
        for number, event in enumerate(seen):
            yield number
            assert event.wait(20), f"the answer to {number} did not come out"

    def work(number: int) -> int:
        time.sleep(0.01)  # long enough for another thread to ask for the next one
        return number

    with abreast(trickle(), work, threads, "test") as answers:
        for number in answers:
            seen[number].set()
    assert all(event.is_set() for event in seen)


@EITHER_WAY
def test_it_is_bounded(reader_works: bool) -> None:
    taken: list[int] = []

    def endless() -> Iterator[int]:
        for number in count():
            taken.append(number)
            yield number

    with abreast(endless(), str, 2, "test", reader_works=reader_works) as answers:
        assert next(iter(answers)) == "0"
        time.sleep(0.3)
        assert len(taken) <= 5
    assert not our_threads()


@EITHER_WAY
@pytest.mark.parametrize("threads", [1, 3])
def test_an_error_of_the_items_comes_at_its_place(threads: int, reader_works: bool) -> None:
    def failing() -> Iterator[int]:
        yield from range(7)
        raise InputError("the end of the tape")

    seen: list[int] = []
    with abreast(failing(), int, threads, "test", reader_works=reader_works) as answers:
        with pytest.raises(InputError, match="tape"):
            seen.extend(answers)
        assert seen == list(range(7))
    assert not our_threads()


@EITHER_WAY
@pytest.mark.parametrize("threads", [1, 3])
def test_an_error_of_the_work_comes_at_its_place(threads: int, reader_works: bool) -> None:
    def work(number: int) -> int:
        if number == 11:
            raise ModelError("no more")
        time.sleep(0.003)
        return number

    seen: list[int] = []
    with abreast(count(), work, threads, "test", reader_works=reader_works) as answers:
        with pytest.raises(ModelError, match="no more"):
            seen.extend(answers)
        assert seen == list(range(11))
    assert not our_threads()


@EITHER_WAY
@pytest.mark.parametrize("threads", [1, 2, 4])
def test_leaving_closes_what_was_read(threads: int, reader_works: bool) -> None:
    closed = threading.Event()

    def source() -> Iterator[int]:
        try:
            yield from count()
        finally:
            closed.set()

    with abreast(source(), int, threads, "test", reader_works=reader_works) as answers:
        next(iter(answers))
    assert closed.is_set()
    assert not our_threads()


def test_an_interruption_of_the_reader_does_not_wait_its_turn() -> None:
    inside, interrupted = threading.Event(), threading.Event()

    def work(number: int) -> int:
        if threading.current_thread() is threading.main_thread():
            inside.wait(20)
            interrupted.set()
            raise KeyboardInterrupt
        inside.set()
        interrupted.wait(20)
        return number

    seen: list[int] = []
    with (
        pytest.raises(KeyboardInterrupt),
        abreast(count(), work, 2, "test", reader_works=True) as answers,
    ):
        seen.extend(answers)
    assert seen == []
    assert not our_threads()
