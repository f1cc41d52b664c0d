"""Sessions: the provider that truly runs, batches, and devices that are not there."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.conftest import PLACEHOLDER, draw_yuv
from tests.networks import convolution, node, save, student, u2netp
from vmafsal import extract
from vmafsal.errors import DeviceError, ModelError
from vmafsal.infer.session import Session
from vmafsal.models.graph import derive_stride, make_batchable
from vmafsal.models.model import load_model


def has_cuda() -> bool:
    try:
        Session(load_model(str(PLACEHOLDER)), "cuda")
    except DeviceError:
        return False
    return True


HAS_CUDA = has_cuda()


def noise(*shape: int) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    return np.random.default_rng(0).standard_normal(shape, np.float32)


@pytest.mark.parametrize("fixed", [True, False])
def test_a_batch_gives_each_picture_the_map_it_gets_alone(fixed: bool, tmp_path: Path) -> None:
    batch = 1 if fixed else "N"
    path = student(
        tmp_path / "m.onnx",
        inputs={"input": [batch, 3, "H", "W"]},
        outputs={"saliency_map": [batch, 1, "H", "W"]},
    )
    session = Session(load_model(str(path)), "cpu")
    assert session.takes_batches
    pictures = noise(3, 3, 24, 32)
    together = session.run(pictures)
    assert together.shape == (3, 1, 24, 32)
    alone = np.concatenate([session.run(pictures[i : i + 1]) for i in range(3)])
    np.testing.assert_allclose(together, alone, rtol=0, atol=1e-6)


def test_a_fixed_batch_with_reshapes_is_opened(tmp_path: Path) -> None:
    model = load_model(str(u2netp(tmp_path / "u.onnx", 64)))
    session = Session(model, "cpu")
    assert session.takes_batches
    assert session.run(noise(2, 3, 64, 64)).shape == (2, 1, 64, 64)


def test_a_network_that_mixes_its_batch_is_fed_one_by_one(tmp_path: Path) -> None:
    """A mean over the batch makes pictures see each other: the trial run must find it out."""
    path = save(
        tmp_path / "mixing.onnx",
        [
            node("Conv", ["input", "w"], "x"),
            node("ReduceMean", ["x"], "m", axes=[0], keepdims=1),
            node("Add", ["x", "m"], "y"),
            node("Sigmoid", ["y"], "saliency_map"),
        ],
        weights={"w": convolution(0, 1, 3, 1)},
        inputs={"input": [1, 3, "H", "W"]},
        outputs={"saliency_map": [1, 1, "H", "W"]},
    )
    session = Session(load_model(str(path)), "cpu")
    assert not session.takes_batches
    pictures = noise(2, 3, 16, 16)
    np.testing.assert_array_equal(session.run(pictures)[1:], session.run(pictures[1:]))


def test_a_resize_to_a_constant_size_is_fed_one_by_one(tmp_path: Path) -> None:
    path = save(
        tmp_path / "resizing.onnx",
        [
            node("Conv", ["input", "w"], "x", strides=[2, 2]),
            node("Resize", ["x", "", "", "size"], "y", mode="linear"),
            node("Sigmoid", ["y"], "saliency_map"),
        ],
        weights={"w": convolution(0, 1, 3, 1), "size": np.array([1, 1, 32, 32], np.int64)},
        inputs={"input": [1, 3, 32, 32]},
        outputs={"saliency_map": [1, 1, 32, 32]},
        sidecar={"input": {"size": [32, 32]}},
    )
    session = Session(load_model(str(path)), "cpu")
    assert not session.takes_batches
    assert session.run(noise(3, 3, 32, 32)).shape == (3, 1, 32, 32)


def test_opening_leaves_the_model_as_it_was(tmp_path: Path) -> None:
    model = load_model(str(PLACEHOLDER))
    before = model.proto.SerializeToString()
    assert make_batchable(model.proto, "input").SerializeToString() != before
    assert model.proto.SerializeToString() == before


def test_threads_are_at_most_the_cores() -> None:
    cores = Session(load_model(), "cpu").threads
    assert Session(load_model(), "cpu", threads=1000).threads == cores
    assert Session(load_model(), "cpu", threads=1).threads == 1


def test_strides_follow_the_graph(tmp_path: Path) -> None:
    assert derive_stride(load_model(str(student(tmp_path / "s.onnx"))).proto, "input") == 4
    assert derive_stride(load_model(str(PLACEHOLDER)).proto, "input") == 1


def test_a_sigmoid_that_the_sidecar_promises_is_applied(tmp_path: Path) -> None:
    weights = {"w": convolution(0, 1, 3, 1)}
    logits = save(
        tmp_path / "logits.onnx",
        [node("Conv", ["input", "w"], "saliency_map")],
        weights=weights,
        sidecar={"output": {"activation": "sigmoid"}},
    )
    inside = save(
        tmp_path / "inside.onnx",
        [node("Conv", ["input", "w"], "x"), node("Sigmoid", ["x"], "saliency_map")],
        weights=weights,
    )
    sessions = [Session(load_model(str(path)), "cpu") for path in (logits, inside)]
    for scale in (1, 1000):  # the exponential of 1000 is beyond float32
        picture = noise(1, 3, 9, 11) * np.float32(scale)
        ours, theirs = (session.run(picture) for session in sessions)
        assert ours.dtype == np.float32
        np.testing.assert_allclose(ours, theirs, atol=1e-6)


def test_a_map_of_another_size_is_named(tmp_path: Path) -> None:
    path = save(
        tmp_path / "half.onnx",
        [
            node("Conv", ["input", "w"], "x", strides=[2, 2]),
            node("Sigmoid", ["x"], "saliency_map"),
        ],
        weights={"w": convolution(0, 1, 3, 1)},
        outputs={"saliency_map": ["N", 1, "H2", "W2"]},
    )
    with pytest.raises(ModelError, match=r"map of \[1, 1, 8, 8\].*\[1, 1, 16, 16\] is expected"):
        Session(load_model(str(path)), "cpu").run(noise(1, 3, 16, 16))


def test_a_size_that_the_network_cannot_take_is_a_sentence(tmp_path: Path) -> None:
    session = Session(load_model(str(student(tmp_path / "m.onnx"))), "cpu")
    with pytest.raises(ModelError, match=r"\[1, 3, 17, 17\]"):
        session.run(noise(1, 3, 17, 17))


@pytest.mark.skipif(HAS_CUDA, reason="there is a GPU")
@pytest.mark.parametrize("device", ["cuda", "cuda:1", "tensorrt"])
def test_a_device_that_is_not_there_is_an_error(
    device: str, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(DeviceError, match=r"cannot be used here.*--device cpu"):
        Session(load_model(), device)
    # ONNX Runtime's own complaints stay out of sight.
    assert capfd.readouterr() == ("", "")


def test_what_a_cpu_does_not_have_is_not_claimed(clip: Path) -> None:
    """TF32 and CUDA graphs are asked for where they can be had; the log says what ran."""
    session = Session(load_model(), "cpu", tf32=True)
    assert (session.tf32, session.fused) == (False, False)
    result = extract(clip, width=64, height=48, device="cpu", tf32=True).read()
    settings = result.provenance()["settings"]
    assert (settings["tf32"], settings["hwaccel"]) == (False, "none")


@pytest.mark.skipif(HAS_CUDA, reason="there is a GPU")
def test_auto_falls_back_quietly_and_says_what_ran(capfd: pytest.CaptureFixture[str]) -> None:
    assert Session(load_model(), "auto").provider == "CPUExecutionProvider"
    assert capfd.readouterr() == ("", "")


@pytest.mark.gpu
@pytest.mark.skipif(not HAS_CUDA, reason="there is no GPU")
def test_cuda_agrees_with_the_cpu(tmp_path: Path) -> None:
    clip = tmp_path / "clip.yuv"
    clip.write_bytes(draw_yuv(8, 270, 480))
    model = student(tmp_path / "m.onnx")
    on_cuda, on_cpu = (
        extract(clip, model=model, width=480, height=270, device=device).read()
        for device in ("cuda", "cpu")
    )
    assert on_cuda.provider == "CUDAExecutionProvider"
    for one, other in zip(on_cuda.frames, on_cpu.frames, strict=True):
        assert abs(one.metrics["saliency_mean"] - other.metrics["saliency_mean"]) <= 1e-4
