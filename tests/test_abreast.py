"""Abreast: several threads take, work and answer, in order, bounded, and gone when it is left."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from itertools import count

import pytest

from vmafsal.abreast import abreast
from vmafsal.errors import InputError, ModelError


def our_threads() -> set[str]:
    return {thread.name for thread in threading.enumerate() if thread.name == "test"}


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_answers_come_in_the_order_of_the_items(threads: int) -> None:
    def slower_for_even_ones(number: int) -> int:
        time.sleep(0.004 if number % 2 == 0 else 0.0)
        return -number

    with abreast(range(60), slower_for_even_ones, threads, "test") as answers:
        assert list(answers) == [-number for number in range(60)]
    assert not our_threads()


def test_nothing_gives_nothing() -> None:
    with abreast(iter(()), str, 3, "test") as answers:
        assert list(answers) == []


def test_all_threads_work_at_the_same_time_and_one_takes() -> None:
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

    with abreast(items(), work, 3, "test") as answers:
        seen = list(answers)
    assert [number for number, _ in seen] == list(range(9))
    assert {name for _, name in seen} == {"test", threading.current_thread().name}


def test_it_is_bounded() -> None:
    taken: list[int] = []

    def endless() -> Iterator[int]:
        for number in count():
            taken.append(number)
            yield number

    with abreast(endless(), str, 2, "test") as answers:
        assert next(iter(answers)) == "0"
        time.sleep(0.3)
        assert len(taken) <= 5
    assert not our_threads()


@pytest.mark.parametrize("threads", [1, 3])
def test_an_error_of_the_items_comes_at_its_place(threads: int) -> None:
    def failing() -> Iterator[int]:
        yield from range(7)
        raise InputError("the end of the tape")

    seen: list[int] = []
    with abreast(failing(), int, threads, "test") as answers:
        with pytest.raises(InputError, match="tape"):
            seen.extend(answers)
        assert seen == list(range(7))
    assert not our_threads()


@pytest.mark.parametrize("threads", [1, 3])
def test_an_error_of_the_work_comes_at_its_place(threads: int) -> None:
    def work(number: int) -> int:
        if number == 11:
            raise ModelError("no more")
        time.sleep(0.003)
        return number

    seen: list[int] = []
    with abreast(count(), work, threads, "test") as answers:
        with pytest.raises(ModelError, match="no more"):
            seen.extend(answers)
        assert seen == list(range(11))
    assert not our_threads()


@pytest.mark.parametrize("threads", [1, 2, 4])
def test_leaving_closes_what_was_read(threads: int) -> None:
    closed = threading.Event()

    def source() -> Iterator[int]:
        try:
            yield from count()
        finally:
            closed.set()

    with abreast(source(), int, threads, "test") as answers:
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
        abreast(count(), work, 2, "test") as answers,
    ):
        seen.extend(answers)
    assert seen == []
    assert not our_threads()
