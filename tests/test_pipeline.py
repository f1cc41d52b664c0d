"""The pipeline and the run on it: in order, the same numbers however it is cut, nothing left."""

from __future__ import annotations

import json
import math
import threading
import time
from collections.abc import Iterable, Iterator
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.conftest import PLACEHOLDER, draw_yuv
from tests.networks import convolution, node, save, student
from vmafsal import extract
from vmafsal.errors import ModelError
from vmafsal.features.saliency import CHANGES, MEAN, STATS, saliency_change, saliency_mean
from vmafsal.infer.network import Network
from vmafsal.infer.plan import available_cores
from vmafsal.infer.session import Session
from vmafsal.models.model import load_model
from vmafsal.models.sidecar import InputPolicy
from vmafsal.picture.tensors import Batch
from vmafsal.pipeline import Column, Pipeline
from vmafsal.video.frame import Frame
from vmafsal.video.sequence import Pair


def our_threads() -> set[str]:
    return {t.name for t in threading.enumerate() if t.name.startswith("vmafsal")}


def pairs(indices: Iterable[int]) -> Iterator[Pair]:
    """8x8 pixels that are as bright as their index; every seventh could not be decoded."""
    for index in indices:
        level = np.full((8, 8), index % 256, np.uint8)
        yield Pair(Frame(() if index % 7 == 6 else (level,), "400", 8, index))


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


class Uneven(Network):
    """Answers its first batches when so many have come at once; takes longer for even ones."""

    def __init__(self, threads: int) -> None:
        session = Session(load_model(str(PLACEHOLDER)), "cpu", threads, short_side=8)
        # The tensor is the level / 255.
        super().__init__(session, InputPolicy(range="full", mean=(0, 0, 0), std=(1, 1, 1)))
        self._together = threading.Barrier(session.plan.workers)
        self._first = iter(range(session.plan.workers))

    def maps(self, batch: Batch) -> NDArray[np.float32]:
        if next(self._first, None) is not None:
            self._together.wait(timeout=20)
        assert batch.tensor is not None
        level = round(255 * float(batch.tensor[0, 0, 0, 0]))
        if level == 35:
            raise ModelError("no more")
        time.sleep(0.02 if level % 2 == 0 else 0.002)
        return super().maps(batch)


@pytest.mark.parametrize(("threads", "batch_size"), [(1, 3), (2, 1), (2, 4)])
def test_frames_keep_their_order_and_gaps_are_left_out(threads: int, batch_size: int) -> None:
    pipeline = Pipeline({"mean": Column.of_saliency(Uneven(threads))}, 8, 8, batch_size)
    found = list(pipeline.features(pairs(range(23))))
    assert [one.index for one in found] == [index for index in range(23) if index % 7 != 6]
    means = [one.metrics["saliency_mean"] for one in found]
    assert means == sorted(set(means))
    assert not our_threads()


def test_an_error_comes_at_its_place() -> None:
    pipeline = Pipeline({"mean": Column.of_saliency(Uneven(2))}, 8, 8, 3)
    scored = pipeline.features(pairs(count()))
    # Frames 35, 36, 37 are the eleventh batch.
    assert [next(scored).index for _ in range(30)] == [n for n in range(35) if n % 7 != 6]
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
    at_once = [run._session.plan.at_once for run in (alone, beside, native)]
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


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    path = tmp_path / "clip.yuv"
    path.write_bytes(draw_yuv(6, 46, 62))
    return path


SIZE: dict[str, Any] = {"width": 62, "height": 46}


@pytest.mark.parametrize("fused", [False, True])
def test_stats_are_those_of_the_maps(
    fused: bool, clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = student(tmp_path / "m.onnx")
    if fused:  # as on CUDA
        monkeypatch.setattr("vmafsal.infer.open.Session", partial(Session, fused=True))
    run = extract(clip, model={"": model, "b": model}, stats=True, maps=True, **SIZE)
    assert all(column.network.view.fused == fused for column in run._columns.values())
    # Both features run one session.
    assert len({id(column.network.session) for column in run._columns.values()}) == 1
    before = None
    for frame in run:
        assert frame.map is not None
        assert frame.map.dtype == np.float32
        assert frame.map.shape == (46, 62)
        for tag in ("", "_b"):
            for name, measure in (MEAN | STATS).items():
                assert frame.metrics[name + tag] == pytest.approx(measure(frame.map), abs=1e-9)
            change = frame.metrics[f"saliency_change{tag}"]
            if before is None:
                assert math.isnan(change)
            else:
                assert change == pytest.approx(saliency_change(frame.map, before), abs=1e-9)
                assert change > 0
        before = frame.map
    names = [*MEAN, *STATS, *CHANGES]
    assert list(run.frames[0].metrics) == names + [f"{name}_b" for name in names]
    assert all(frame.map is None for frame in run.frames)
    assert run.provenance()["features"]["saliency_mean_b"]["stats"] is True


def test_stats_in_a_log(clip: Path) -> None:
    run = extract(clip, model=PLACEHOLDER, stats=True, **SIZE)
    log = json.loads(run.to_json("max"))
    changes = [frame["metrics"]["saliency_change"] for frame in log["frames"]]
    assert changes[0] is None
    assert log["pooled_metrics"]["saliency_change"]["mean"] == pytest.approx(
        sum(changes[1:]) / 5, abs=1e-15
    )


def test_maps_are_off_unless_they_are_asked_for(clip: Path) -> None:
    run = extract(clip, model=PLACEHOLDER, **SIZE)
    assert [frame.map for frame in run] == [None] * 6
    assert list(run.frames[0].metrics) == ["saliency_mean"]


@pytest.mark.parametrize("with_reference", [False, True])
def test_maps_beside_their_pictures(with_reference: bool, clip: Path, tmp_path: Path) -> None:
    reference = tmp_path / "reference.yuv"
    reference.write_bytes(draw_yuv(6, 46, 62, seed=1))
    means = extract(clip, reference, model=PLACEHOLDER, **SIZE).read().frames
    run = extract(clip, reference, model=PLACEHOLDER, **SIZE)
    mapped = list(run.maps(with_reference=with_reference))
    assert [one.features for one in mapped] == run.frames == means
    frames = np.frombuffer(clip.read_bytes(), np.uint8).reshape(6, -1)
    others = np.frombuffer(reference.read_bytes(), np.uint8).reshape(6, -1)
    for number, one in enumerate(mapped):
        assert one.frame.index == number
        np.testing.assert_array_equal(one.frame.planes[0].ravel(), frames[number][: 46 * 62])
        saliency = one.maps["saliency_mean"]
        assert saliency_mean(saliency) == one.features.metrics["saliency_mean"]
        if with_reference:
            assert one.reference is not None
            np.testing.assert_array_equal(
                one.reference.planes[0].ravel(), others[number][: 46 * 62]
            )
        else:
            assert one.reference is None
    with pytest.raises(ValueError, match="iterated once"):
        run.maps()


def test_a_column_may_look_at_both_pictures(clip: Path, tmp_path: Path) -> None:
    """The map of the reference, and numbers of all three."""
    reference = tmp_path / "reference.yuv"
    reference.write_bytes(draw_yuv(6, 46, 62, seed=1))

    def measure(saliency: NDArray[np.float32], pair: Pair) -> dict[str, float]:
        assert pair.reference is not None
        error = np.abs(pair.reference.planes[0].astype(float) - pair.distorted.planes[0])
        return {"error": float((error * saliency).mean())}

    network = Network(Session(load_model(str(PLACEHOLDER)), "cpu"), InputPolicy())
    columns = {
        "saliency_mean": Column.of_saliency(network),
        "error": Column(
            network, of_pictures=measure, picture_names=("error",), subject="reference"
        ),
    }
    run = extract(clip, reference, model=PLACEHOLDER, **SIZE)
    run._pipeline = Pipeline(columns, 46, 62)
    mapped = list(run.maps())
    alone = extract(reference, model=PLACEHOLDER, maps=True, **SIZE)
    for one, expected in zip(mapped, alone, strict=True):
        assert expected.map is not None
        np.testing.assert_array_equal(one.maps["error"], expected.map)
        assert (
            one.features.metrics["error"]
            == measure(expected.map, Pair(one.frame, one.reference))["error"]
        )
        assert list(one.features.metrics) == ["saliency_mean", "error"]
