"""The pipeline: in order, bounded, and gone when it is left."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.conftest import draw_yuv
from tests.networks import convolution, node, save, student
from vmafsal import extract
from vmafsal.errors import InputError, ModelError
from vmafsal.infer.ahead import ahead
from vmafsal.infer.pipeline import Scorer, score
from vmafsal.infer.session import available_cores
from vmafsal.models.sidecar import InputPolicy
from vmafsal.picture.batch import Batch, Preparer, View
from vmafsal.video.frame import Frame


def our_threads() -> set[str]:
    ours = ("decode", "prepare", "test", "score")
    return {t.name for t in threading.enumerate() if t.name.startswith(ours)}


def test_ahead_keeps_the_order_and_ends() -> None:
    with ahead(range(1000), 4, "test") as items:
        assert list(items) == list(range(1000))
    assert not our_threads()


def test_ahead_is_bounded() -> None:
    made = []

    def endless() -> Iterator[int]:
        for number in count():
            made.append(number)
            yield number

    with ahead(endless(), 3, "test") as items:
        assert next(iter(items)) == 0
        time.sleep(0.3)
        # One taken, three waiting, one in the worker's hand.
        assert len(made) <= 5
    assert not our_threads()


def test_ahead_passes_an_error_on_at_its_place() -> None:
    def failing() -> Iterator[int]:
        yield 1
        yield 2
        raise InputError("the end of the tape")

    seen: list[int] = []
    with ahead(failing(), 4, "test") as items:
        with pytest.raises(InputError, match="tape"):
            seen.extend(items)
        assert seen == [1, 2]


def test_ahead_closes_what_it_read() -> None:
    closed = threading.Event()

    def source() -> Iterator[int]:
        try:
            yield from count()
        finally:
            closed.set()

    with ahead(source(), 2, "test") as items:
        next(iter(items))
    assert closed.is_set()


def gray(index: int, height: int = 8, width: int = 8) -> Frame:
    return Frame((np.full((height, width), index % 256, np.uint8),), "400", 8, index)


def test_batches_are_full_but_the_last_and_leave_gaps_out() -> None:
    preparer = Preparer([View.of(InputPolicy(), 1)], 4)
    gap = Frame((), "400", 8, 3)
    frames = [gray(0), gray(1), gray(2), gap, *(gray(i) for i in range(4, 10))]
    groups = []
    for batch in preparer.batches(frames):
        groups.append(list(batch.indices))
        preparer.give_back(batch)
    assert groups == [[0, 1, 2, 4], [5, 6, 7, 8], [9]]


def test_buffers_go_round() -> None:
    preparer = Preparer([View.of(InputPolicy(), 1)], 1)
    tensors: set[int] = set()
    held: list[Batch] = []
    for batch in preparer.batches(gray(i) for i in range(6)):
        tensors.update(id(tensor) for tensor in batch.tensors.values())
        held.append(batch)
        if len(held) == 2:
            preparer.give_back(held.pop(0))
    assert len(tensors) == 2


def test_no_more_buffers_than_are_used() -> None:
    preparer = Preparer([View.of(InputPolicy(), 1)], 1, at_once=8)
    tensors: set[int] = set()
    for batch in preparer.batches(gray(i) for i in range(20)):
        tensors.update(id(tensor) for tensor in batch.tensors.values())
        preparer.give_back(batch)
    assert len(tensors) == 1


def test_groups_become_the_same_batches() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (7, 40, 60), np.uint8)
    frames = [Frame((plane,), "400", 8, index) for index, plane in enumerate(noise)]
    frames.insert(2, Frame((), "400", 8, 2))
    view = View.of(InputPolicy(short_side=24), 1)
    whole, grouped = Preparer([view], 3), Preparer([view], 3, at_once=2)
    seen: list[list[int]] = []
    for batch, group in zip(whole.batches(frames), grouped.groups(frames), strict=True):
        converted = grouped.convert(group)
        count = len(batch.indices)
        assert converted.indices == batch.indices
        np.testing.assert_array_equal(converted.tensors[view][:count], batch.tensors[view][:count])
        seen.append(list(batch.indices))
        whole.give_back(batch)
        grouped.give_back(converted)
    assert seen == [[0, 1, 2], [3, 4, 5], [6]]


def test_a_group_takes_a_buffer_that_is_free() -> None:
    preparer = Preparer([View.of(InputPolicy(), 1)], 2, at_once=2)
    first, second, third = preparer.groups(gray(i) for i in range(6))
    one, other = preparer.convert(first), preparer.convert(second)
    assert one is not other
    preparer.give_back(one)
    assert preparer.convert(third) is one


def test_edges_are_replicated_up_to_the_stride() -> None:
    view = View.of(InputPolicy(multiple=6), 4)
    assert view.multiple == 12
    noise = np.random.default_rng(0).integers(0, 256, (13, 17), np.uint8)
    (batch,) = Preparer([view], 1).batches([Frame((noise,), "400", 8, 0)])
    tensor = batch.tensors[view][0]
    assert tensor.shape == (3, 24, 24)
    assert batch.sizes[view] == (13, 17)
    inner = tensor[:, :13, :17]
    np.testing.assert_array_equal(tensor, np.pad(inner, ((0, 0), (0, 11), (0, 7)), mode="edge"))


@pytest.mark.parametrize(
    ("height", "width", "at_once", "expected"),
    [
        (48, 64, 1, 16),
        (360, 640, 1, 2),
        (1080, 1920, 1, 1),
        (48, 64, 2, 16),
        (120, 213, 2, 2),
        (224, 398, 2, 1),
    ],
)
def test_the_batch_size_follows_the_picture(
    height: int, width: int, at_once: int, expected: int
) -> None:
    preparer = Preparer([View.of(InputPolicy(), 1)], None, at_once)
    next(iter(preparer.batches([gray(0, height, width)])))
    assert preparer.batch_size == expected


@pytest.mark.parametrize("batch_size", [1, 2, 3, 16])
def test_the_batch_size_does_not_move_the_numbers(batch_size: int, tmp_path: Path) -> None:
    clip = tmp_path / "clip.yuv"
    clip.write_bytes(draw_yuv(7, 46, 62))
    model = student(tmp_path / "m.onnx")
    reference = extract(clip, model=model, width=62, height=46, batch_size=1).read()
    batched = extract(clip, model=model, width=62, height=46, batch_size=batch_size).read()
    assert [frame.index for frame in batched.frames] == list(range(7))
    for one, other in zip(reference.frames, batched.frames, strict=True):
        assert one.metrics["saliency_mean"] == pytest.approx(
            other.metrics["saliency_mean"], abs=1e-7
        )


class Uneven(Scorer):
    """Answers its first batches when so many have come at once; takes longer for even ones."""

    def __init__(self, at_once: int) -> None:
        self._together = threading.Barrier(at_once)
        self._calls = count()
        self._first = range(at_once)

    def __call__(self, batch: Batch) -> NDArray[np.float64]:
        if next(self._calls) in self._first:
            self._together.wait(timeout=20)
        if batch.indices[0] == 33:
            raise ModelError("no more")
        time.sleep(0.02 if batch.indices[0] % 2 == 0 else 0.002)
        return np.array(batch.indices, np.float64)


@pytest.mark.parametrize(("at_once", "batch_size"), [(1, 3), (2, 1), (2, 4), (3, 3)])
def test_batches_inferred_at_once_keep_their_order(at_once: int, batch_size: int) -> None:
    preparer = Preparer([View.of(InputPolicy(), 1)], batch_size, at_once)
    scored = list(score((gray(i) for i in range(23)), {"mean": Uneven(at_once)}, preparer))
    assert [(f.index, f.metrics["mean"]) for f in scored] == [(i, float(i)) for i in range(23)]
    assert not our_threads()


def test_an_error_of_one_of_many_comes_at_its_place() -> None:
    preparer = Preparer([View.of(InputPolicy(), 1)], 3, 2)
    scored = score((gray(i) for i in count()), {"mean": Uneven(2)}, preparer)
    assert [next(scored).index for _ in range(33)] == list(range(33))
    with pytest.raises(ModelError, match="no more"):
        next(scored)
    assert not our_threads()


def test_small_pictures_are_inferred_on_a_thread_each(tmp_path: Path) -> None:
    clip = tmp_path / "clip.yuv"
    clip.write_bytes(draw_yuv(19, 90, 122))
    model = student(tmp_path / "m.onnx")
    alone, beside, native = (
        extract(
            clip, model=model, width=122, height=90, threads=threads, short_side=side, batch_size=2
        )
        for threads, side in ((1, 40), (None, 40), (None, None))
    )
    cores = available_cores()
    at_once = [run._preparer.at_once for run in (alone, beside, native)]
    assert at_once == [1, cores, 1]
    assert beside.provenance()["settings"]["threads"] == cores
    assert beside.read().frames == alone.read().frames
    native.close()


@pytest.mark.parametrize("short_side", [None, 24])
def test_leaving_halfway_leaves_no_thread(tmp_path: Path, short_side: int | None) -> None:
    clip = tmp_path / "clip.yuv"
    clip.write_bytes(draw_yuv(40, 32, 32))
    model = student(tmp_path / "m.onnx")
    options = {"width": 32, "height": 32, "batch_size": 1, "short_side": short_side}
    with extract(clip, model=model, **options) as result:  # type: ignore[arg-type]
        next(iter(result))
    assert not our_threads()


@pytest.mark.parametrize(
    ("nodes", "message"),
    [
        # 0/0 everywhere
        ([node("Sub", ["x", "x"], "z"), node("Div", ["z", "z"], "saliency_map")], "NaN"),
        ([node("Mul", ["x", "x"], "saliency_map")], "from .* to .*sigmoid"),
        ([node("Neg", ["y"], "saliency_map")], "saliency lies between 0 and 1"),
    ],
)
def test_answers_that_are_no_saliency(nodes: list[object], message: str, tmp_path: Path) -> None:
    path = save(
        tmp_path / "bad.onnx",
        [node("Conv", ["input", "w"], "x"), node("Sigmoid", ["x"], "y"), *nodes],  # type: ignore[list-item]
        weights={"w": convolution(0, 1, 3, 1) * 9},
    )
    clip = tmp_path / "clip.yuv"
    clip.write_bytes(draw_yuv(2, 32, 32))
    with pytest.raises(ModelError, match=message):
        extract(clip, model=path, width=32, height=32).read()
