"""The fused graph: the network sees the bits that it sees otherwise, and the mean is the same."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import numpy as np
import onnx
import onnxruntime
import pytest
from numpy.typing import NDArray

from tests.conftest import PLACEHOLDER, ROOT
from tests.infer.test_session import HAS_CUDA
from tests.networks import convolution, node, save, student
from vmafsal.errors import ModelError
from vmafsal.features.frame import FrameFeatures
from vmafsal.features.saliency import saliency_mean
from vmafsal.infer.network import Network
from vmafsal.infer.session import Session
from vmafsal.models.fuse import SCALARS, PlaneShape, can_fuse, fuse
from vmafsal.models.graph import make_batchable
from vmafsal.models.model import Model, load_model
from vmafsal.models.sidecar import ColorMatrix, ColorRange
from vmafsal.picture.tensors import Planes, Preparer, View
from vmafsal.pipeline import Column, Pipeline
from vmafsal.video import open_source
from vmafsal.video.frame import Chroma, Frame, chroma_size
from vmafsal.video.sequence import Pair

MODELS = ["placeholder", "saliency_student_v1", "saliency_student_v2"]


def model_of(name: str) -> Model:
    return load_model(str(PLACEHOLDER) if name == "placeholder" else name)


def noisy_frames(
    count: int, height: int, width: int, chroma: Chroma, bit_depth: int, **tags: Any
) -> list[Frame]:
    """Every value that the depth's words can hold is as likely, legal or not."""
    noise = np.random.default_rng(7)
    dtype: Any = np.uint8 if bit_depth == 8 else np.uint16
    sizes = [(height, width)]
    if chroma != "400":
        sizes += [chroma_size(height, width, chroma)] * 2
    # A bit above the depth: raw files hold such samples, and they saturate.
    top = min(2 << bit_depth, 1 << 16) if bit_depth > 8 else 256
    return [
        Frame(
            tuple(noise.integers(0, top, size).astype(dtype) for size in sizes),
            chroma,
            bit_depth,
            index,
            **tags,
        )
        for index in range(count)
    ]


def run_fused(
    model: Model,
    view: View,
    frames: list[Frame],
    show: str | None = None,
    provider: str = "CPUExecutionProvider",
) -> list[NDArray[Any]]:
    """Scalars, and the tensor called `show`, of the graph on frames of one size."""
    first = frames[0]
    shape = PlaneShape(
        len(frames), first.height, first.width, first.chroma, first.bit_depth, view.multiple
    )
    proto = model.proto
    if model.fixed_batch:
        proto = make_batchable(proto, model.sidecar.input_name)
    graph = fuse(proto, model.sidecar, view.policy, shape)
    onnx.checker.check_model(graph)
    if show:
        graph.graph.output.append(onnx.ValueInfoProto(name=show))
    session = onnxruntime.InferenceSession(graph.SerializeToString(), providers=[provider])
    assert session.get_providers()[0] == provider
    planes = Planes.empty(shape)
    for place, frame in enumerate(frames):
        planes.fill(place, frame, view.policy)
    outputs = [SCALARS, *([show] if show else [])]
    answers: list[NDArray[Any]] = session.run(outputs, planes.inputs)
    return answers


def run_apart(
    model: Model, view: View, frames: list[Frame]
) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """The network's input and the mean, the other way."""
    batch = Preparer(view, len(frames))(frames)
    assert batch.tensor is not None
    maps = Session(model, "cpu").run(batch.tensor)[:, 0, : batch.height, : batch.width]
    scalars = [(saliency_mean(found), found.min(), found.max()) for found in maps]
    return batch.tensor, np.array(scalars, np.float64)


def check(model: Model, view: View, frames: list[Frame]) -> None:
    tensor, expected = run_apart(model, view, frames)
    scalars, seen = run_fused(model, view, frames, model.sidecar.input_name)
    np.testing.assert_array_equal(seen, tensor)
    np.testing.assert_allclose(scalars, expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("bit_depth", [8, 9, 10, 12, 16])
@pytest.mark.parametrize("chroma", get_args(Chroma))
@pytest.mark.parametrize(("height", "width"), [(32, 48), (27, 45)])
def test_the_network_sees_the_same_bits(
    chroma: Chroma, bit_depth: int, height: int, width: int, tmp_path: Path
) -> None:
    model = load_model(str(student(tmp_path / "m.onnx")))
    view = View.of(model.policy, model.stride)
    check(model, view, noisy_frames(2, height, width, chroma, bit_depth))


@pytest.mark.parametrize("color", get_args(ColorMatrix))
@pytest.mark.parametrize("range_", get_args(ColorRange))
def test_every_matrix_and_range(color: ColorMatrix, range_: ColorRange, tmp_path: Path) -> None:
    model = load_model(str(student(tmp_path / "m.onnx")))
    view = View.of(replace(model.policy, color=color, range=range_), model.stride)
    frames = noisy_frames(2, 34, 50, "420", 8)
    # Two frames of one batch may be tagged in two ways.
    tagged = replace(frames[1], matrix="bt601", full_range=True)
    check(model, view, [frames[0], tagged])


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize(
    ("chroma", "bit_depth"), [("420", 8), ("422", 10), ("444", 12), ("400", 16), ("rgb", 8)]
)
def test_the_packaged_networks(name: str, chroma: Chroma, bit_depth: int) -> None:
    model = model_of(name)
    check(model, View.of(model.policy, model.stride), noisy_frames(2, 51, 75, chroma, bit_depth))


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize(
    ("clip", "raw"),
    [
        ("demo_dist.mp4", None),
        ("synthetic_35x27_yuv420p_8f_dist.yuv", "420"),
        ("synthetic_35x27_yuv422p_8f_dist.yuv", "422"),
        ("synthetic_35x27_yuv444p_8f_dist.yuv", "444"),
    ],
)
def test_clips_from_files(name: str, clip: str, raw: str | None) -> None:
    path = str(ROOT / "fixtures" / "yuv" / clip)
    with open_source(path, width=35, height=27, chroma=raw) if raw else open_source(path) as source:
        frames = list(source.frames(stop=3))
    model = model_of(name)
    check(model, View.of(model.policy, model.stride), frames)


@pytest.mark.parametrize("opset", [11, 13, 17, 18, 20])
def test_networks_of_every_age(opset: int, tmp_path: Path) -> None:
    nodes = [node("Conv", ["input", "w"], "x"), node("Sigmoid", ["x"], "saliency_map")]
    weights = {"w": convolution(0, 1, 3, 1)}
    path = save(tmp_path / "m.onnx", nodes, weights=weights, opset=opset)
    model = load_model(str(path))
    assert can_fuse(model.proto)
    check(model, View.of(model.policy, 1), noisy_frames(2, 17, 33, "420", 10))


def test_a_network_too_old_is_told(tmp_path: Path) -> None:
    nodes = [node("Conv", ["input", "w"], "x"), node("Sigmoid", ["x"], "saliency_map")]
    path = save(tmp_path / "m.onnx", nodes, weights={"w": convolution(0, 1, 3, 1)}, opset=9)
    assert not can_fuse(load_model(str(path)).proto)


def test_the_sigmoid_that_a_sidecar_promises(tmp_path: Path) -> None:
    path = save(
        tmp_path / "logits.onnx",
        [node("Conv", ["input", "w"], "saliency_map")],
        weights={"w": convolution(0, 1, 3, 1)},
        sidecar={"output": {"activation": "sigmoid"}, "input": {"mean": [0, 0.5, 1]}},
    )
    model = load_model(str(path))
    check(model, View.of(model.policy, 1), noisy_frames(2, 20, 30, "420", 8))


def score_both(path: Path, frames: list[Frame], batch_size: int) -> list[list[FrameFeatures]]:
    """The whole pipeline, with tensors and with planes."""
    both = []
    for fused in (False, True):
        model = load_model(str(path))
        session = Session(model, "cpu", fused=fused)
        assert session.fused == fused
        both.append(list(features(session, frames, batch_size)))
    return both


def features(session: Session, frames: list[Frame], batch_size: int) -> list[FrameFeatures]:
    column = Column.of_saliency(Network(session, session.model.policy))
    size = frames[0].height, frames[0].width
    pipeline = Pipeline({"saliency_mean": column}, *size, batch_size)
    return list(pipeline.features(map(Pair, frames)))


def test_a_short_last_batch_is_padded(tmp_path: Path) -> None:
    frames = noisy_frames(7, 40, 56, "420", 8)
    frames[3] = Frame((), "420", 8, 3)
    apart, fused = score_both(student(tmp_path / "m.onnx"), frames, 4)
    assert [frame.index for frame in fused] == [0, 1, 2, 4, 5, 6]
    for one, other in zip(apart, fused, strict=True):
        assert one.index == other.index
        assert abs(one.metrics["saliency_mean"] - other.metrics["saliency_mean"]) <= 1e-6


def test_resampled_pictures_come_as_planes_too(tmp_path: Path) -> None:
    path = student(tmp_path / "m.onnx", sidecar={"input": {"short_side": 32, "multiple": 32}})
    apart, fused = score_both(path, noisy_frames(5, 90, 118, "420", 10), 2)
    for one, other in zip(apart, fused, strict=True):
        assert abs(one.metrics["saliency_mean"] - other.metrics["saliency_mean"]) <= 1e-6


@pytest.mark.parametrize(
    ("kind", "sentence"),
    [("Sqrt", "NaN or infinity"), ("Log", "NaN or infinity"), ("Abs", "values from")],
)
@pytest.mark.parametrize("fused", [True, False])
def test_values_that_are_no_saliency_are_told(
    kind: str, sentence: str, fused: bool, tmp_path: Path
) -> None:
    # Noise times one weight of each sign: negative here and there, beyond 1 elsewhere.
    weights = {"w": np.array([-9, 9, 1], np.float32).reshape(1, 3, 1, 1)}
    nodes = [node("Conv", ["input", "w"], "x"), node(kind, ["x"], "saliency_map")]
    model = load_model(str(save(tmp_path / "bad.onnx", nodes, weights=weights)))
    network = Network(Session(model, "cpu", fused=fused), model.policy)
    batch = Preparer(network.view, 2)(noisy_frames(2, 20, 30, "444", 8))
    for answer in (network.means, network.maps) if fused else (network.maps,):
        with pytest.raises(ModelError, match=sentence):
            answer(batch)


def test_a_map_of_another_size_is_told(tmp_path: Path) -> None:
    nodes = [node("Conv", ["input", "w"], "x", strides=[2, 2]), node("Sigmoid", ["x"], "map")]
    path = save(
        tmp_path / "half.onnx",
        nodes,
        weights={"w": convolution(0, 1, 3, 1)},
        outputs={"map": ["N", 1, "H", "W"]},
        sidecar={"output": {"name": "map"}},
    )
    model = load_model(str(path))
    network = Network(Session(model, "cpu", fused=True), model.policy)
    batch = Preparer(network.view, 2)(noisy_frames(2, 20, 30, "420", 8))
    for answer in (network.means, network.maps):
        with pytest.raises(ModelError, match=r"half\.onnx"):
            answer(batch)


def test_what_cannot_be_fused_runs_as_before(tmp_path: Path) -> None:
    nodes = [node("Conv", ["input", "w"], "x"), node("Sigmoid", ["x"], "saliency_map")]
    old = save(tmp_path / "old.onnx", nodes, weights={"w": convolution(0, 1, 3, 1)}, opset=9)
    assert not Session(load_model(str(old)), "cpu", fused=True).fused


def test_graphs_are_kept_for_some_sizes_alone(tmp_path: Path) -> None:
    model = load_model(str(student(tmp_path / "m.onnx")))
    session = Session(model, "cpu", fused=True)
    network = Network(session, model.policy)
    for width in (16, 24, 32, 40, 48, 16):
        frames = noisy_frames(1, 24, width, "420", 8)
        batch = Preparer(network.view, 1)(frames)
        expected = run_apart(model, View.of(model.policy, model.stride), frames)
        np.testing.assert_allclose(network.means(batch), expected[1][:, 0], rtol=0, atol=1e-6)
    assert len(session._fused_graphs) == 4


@pytest.mark.parametrize("name", MODELS)
def test_fused_maps_are_those_of_the_other_way(name: str) -> None:
    model = model_of(name)
    frames = noisy_frames(3, 51, 75, "420", 10)
    maps = []
    for fused in (False, True):
        network = Network(Session(model, "cpu", fused=fused), model.policy)
        # A batch that is not full.
        maps.append(network.maps(Preparer(network.view, 4)(frames)))
    assert maps[1].dtype == np.float32
    assert maps[0].shape == maps[1].shape
    np.testing.assert_allclose(maps[1], maps[0], rtol=0, atol=1e-6)


on_a_gpu = pytest.mark.skipif(not HAS_CUDA, reason="there is no GPU")


@pytest.mark.gpu
@on_a_gpu
@pytest.mark.parametrize("bit_depth", [8, 10, 16])
@pytest.mark.parametrize("chroma", get_args(Chroma))
def test_cuda_sees_the_same_bits(chroma: Chroma, bit_depth: int, tmp_path: Path) -> None:
    model = load_model(str(student(tmp_path / "m.onnx")))
    view = View.of(model.policy, model.stride)
    frames = noisy_frames(2, 51, 75, chroma, bit_depth)
    tensor, _ = run_apart(model, view, frames)
    shown = model.sidecar.input_name
    _, seen = run_fused(model, view, frames, shown, "CUDAExecutionProvider")
    np.testing.assert_array_equal(seen, tensor)


@pytest.mark.gpu
@on_a_gpu
@pytest.mark.parametrize("name", MODELS)
def test_cuda_gives_the_means_of_the_cpu(name: str) -> None:
    model = model_of(name)
    frames = noisy_frames(6, 126, 222, "420", 8)
    means = []
    for session in (
        Session(model, "cpu"),
        Session(model, "cuda", fused=False),
        Session(model, "cuda"),
    ):
        # Full batches and a padded one.
        run = [*features(session, frames, 2), *features(session, frames[:1], 2)]
        means.append([frame.metrics["saliency_mean"] for frame in run])
    np.testing.assert_allclose(means[1], means[0], rtol=0, atol=1e-4)
    np.testing.assert_allclose(means[2], means[1], rtol=0, atol=1e-5)
