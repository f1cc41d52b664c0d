"""Models: found, hashed, held to the contract and the allowlist before anything runs them."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto

from tests.conftest import PLACEHOLDER, ROOT
from tests.networks import convolution, node, save, student, u2netp
from vmafsal.errors import ModelError
from vmafsal.models import registry
from vmafsal.models.model import load_model
from vmafsal.models.registry import packaged_registry

SIGMOID = [node("Conv", ["input", "w"], "x"), node("Sigmoid", ["x"], "saliency_map")]
WEIGHTS = {"w": convolution(0, 1, 3, 1)}


def test_the_placeholder_is_made_by_its_script(tmp_path: Path) -> None:
    made = tmp_path / "made.onnx"
    script = ROOT / "model" / "make_placeholder.py"
    subprocess.run([sys.executable, script, made], check=True)
    assert made.read_bytes() == PLACEHOLDER.read_bytes()
    assert len(PLACEHOLDER.read_bytes()) == 330


def test_the_default_comes_from_the_registry() -> None:
    model = load_model()
    assert model.id == packaged_registry().default
    assert load_model(model.id).sha256 == load_model("").sha256 == model.sha256


def test_a_packaged_model_by_its_path_is_the_packaged_model() -> None:
    assert load_model(str(PLACEHOLDER)).id == "mobilesal_placeholder_v0"
    assert load_model(str(PLACEHOLDER)).smoke


def test_a_model_from_elsewhere(tmp_path: Path) -> None:
    model = load_model(str(student(tmp_path / "mine.onnx")))
    assert (model.id, model.stride, model.smoke, model.entry) == ("mine", 4, False, None)
    assert model.parameters == 4 * 3 * 9 + 4 * 4 * 9 + 4 * 4 + 4
    assert model.operator_names == (
        *("Conv", "ConvTranspose", "MaxPool", "Relu", "Resize", "Sigmoid"),
    )


def test_the_sidecars_stride_goes_before_the_graphs(tmp_path: Path) -> None:
    assert load_model(str(student(tmp_path / "a.onnx", sidecar={"stride": 32}))).stride == 32


def test_a_packaged_model_with_another_hash_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(ROOT / "model" / "tiny", tmp_path, dirs_exist_ok=True)
    data = json.loads((tmp_path / "registry.json").read_text())
    data["models"][0]["sha256"] = "0" * 64
    (tmp_path / "registry.json").write_text(json.dumps(data))
    changed = registry.read_registry(tmp_path)
    monkeypatch.setattr("vmafsal.models.model.packaged_registry", lambda: changed)
    with pytest.raises(ModelError, match="not the one in the registry"):
        load_model(data["models"][0]["id"])


BAD: dict[str, tuple[Callable[[Path], object], str]] = {
    "missing": (lambda path: None, "does not exist"),
    "directory": (lambda path: path.mkdir(), "is a directory"),
    "empty": (lambda path: path.touch(), "is empty"),
    "text": (lambda path: path.write_text("not a model " * 99), "not an ONNX model"),
    "truncated": (
        lambda path: path.write_bytes(PLACEHOLDER.read_bytes()[:200]),
        "not an ONNX model",
    ),
    "cut at the start": (
        lambda path: path.write_bytes(PLACEHOLDER.read_bytes()[:40]),
        "not an ONNX model|no valid ONNX",
    ),
    "no sigmoid input": (
        lambda path: save(path, [node("Sigmoid", ["nowhere"], "saliency_map")]),
        "no valid ONNX model",
    ),
    "input name": (
        lambda path: save(
            path,
            [node("Conv", ["x", "w"], "y"), node("Sigmoid", ["y"], "saliency_map")],
            weights=WEIGHTS,
            inputs={"x": ["N", 3, "H", "W"]},
        ),
        "takes x where one input input is expected.*sidecar",
    ),
    "two inputs": (
        lambda path: save(
            path,
            [*SIGMOID[:1], node("Add", ["x", "y"], "z"), node("Sigmoid", ["z"], "saliency_map")],
            weights=WEIGHTS,
            inputs={"input": ["N", 3, "H", "W"], "y": ["N", 1, "H", "W"]},
        ),
        "takes input, y where one input",
    ),
    "output name": (
        lambda path: save(
            path,
            [SIGMOID[0], node("Sigmoid", ["x"], "map")],
            weights=WEIGHTS,
            outputs={"map": ["N", 1, "H", "W"]},
        ),
        "answers map where saliency_map is expected",
    ),
    "gray input": (
        lambda path: save(
            path,
            SIGMOID,
            weights={"w": convolution(0, 1, 1, 1)},
            inputs={"input": ["N", 1, "H", "W"]},
        ),
        r"shape \[N, 1, H, W\] where \[N, 3, H, W\]",
    ),
    "rank": (
        lambda path: save(
            path, [node("Sigmoid", ["input"], "saliency_map")], inputs={"input": [3, "H", "W"]}
        ),
        r"shape \[3, H, W\]",
    ),
    "double": (
        lambda path: save(
            path,
            SIGMOID,
            weights={"w": convolution(0, 1, 3, 1).astype(np.float64)},
            kind=TensorProto.DOUBLE,
        ),
        "is DOUBLE where float32",
    ),
    "fixed size": (
        lambda path: save(path, SIGMOID, weights=WEIGHTS, inputs={"input": [1, 3, 64, 96]}),
        r'96x64 only.*"size": \[64, 96\]',
    ),
    "batch of four": (
        lambda path: save(path, SIGMOID, weights=WEIGHTS, inputs={"input": [4, 3, "H", "W"]}),
        "takes 4 pictures at once",
    ),
    "operator": (
        lambda path: save(
            path, [*SIGMOID[:1], node("NonZero", ["x"], "i"), SIGMOID[1]], weights=WEIGHTS
        ),
        "not allowed: NonZero",
    ),
    "domain": (
        lambda path: save(
            path,
            [SIGMOID[0], node("Sigmoid", ["x"], "saliency_map", domain="com.evil")],
            weights=WEIGHTS,
            domains=["com.evil"],
        ),
        r"not allowed: com\.evil\.Sigmoid",
    ),
    "cubic": (
        lambda path: save(
            path,
            [
                SIGMOID[0],
                node("Resize", ["x", "", "s"], "y", mode="cubic"),
                node("Sigmoid", ["y"], "saliency_map"),
            ],
            weights={**WEIGHTS, "s": np.array([1, 1, 1, 1], np.float32)},
        ),
        "mode cubic",
    ),
    "loop": (
        lambda path: save(
            path,
            [
                *SIGMOID[:1],
                node(
                    "If",
                    ["c"],
                    "y",
                    then_branch=onnx.helper.make_graph([node("Identity", ["x"], "t")], "t", [], []),
                    else_branch=onnx.helper.make_graph([node("Relu", ["x"], "e")], "e", [], []),
                ),
                node("Sigmoid", ["y"], "saliency_map"),
            ],
            weights={**WEIGHTS, "c": np.array(True)},
        ),
        "not allowed: If",
    ),
    "sidecar is no JSON": (
        lambda path: student(path).with_suffix(".json").write_text("{"),
        "sidecar .* cannot be read",
    ),
    "sidecar is a list": (
        lambda path: student(path).with_suffix(".json").write_text("[]"),
        "no JSON object",
    ),
    "sidecar key": (
        lambda path: student(path, sidecar={"input": {"colour": "bt601"}}),
        "input.colour is unknown",
    ),
    "sidecar top-level key": (
        lambda path: student(path, sidecar={"inptu": {}}),
        "inptu is unknown; it takes id,",
    ),
    "sidecar mean": (
        lambda path: student(path, sidecar={"input": {"mean": [0.5]}}),
        "input.mean is three numbers",
    ),
    "sidecar's own output name": (
        lambda path: student(path, sidecar={"output": {"name": "d0"}}),
        r"d0 is expected\. Its sidecar bad\.json says so",
    ),
    "sidecar stride": (lambda path: student(path, sidecar={"stride": 0}), "stride is a whole"),
    "sidecar color": (
        lambda path: student(path, sidecar={"input": {"color": "sepia"}}),
        "input.color is one of",
    ),
    "sidecar std": (
        lambda path: student(path, sidecar={"input": {"std": [0, 1, 1]}}),
        "cannot be 0",
    ),
    "sidecar size": (
        lambda path: student(path, sidecar={"input": {"size": [64]}}),
        r"input\.size is \[height, width\]",
    ),
    "sidecar input": (lambda path: student(path, sidecar={"input": 3}), "input is an object"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_model_is_refused_with_the_reason(name: str, tmp_path: Path) -> None:
    make, message = BAD[name]
    path = tmp_path / "bad.onnx"
    make(path)
    with pytest.raises(ModelError, match=message):
        load_model(str(path))


def test_an_unknown_id_gets_the_nearest_one() -> None:
    with pytest.raises(ModelError, match="Did you mean mobilesal_placeholder_v0"):
        load_model("mobilesal_placeholder_v1")


def external(path: Path, location: str) -> Path:
    """A model whose weights are in another file."""
    model = onnx.load(str(student(path)))
    for tensor in model.graph.initializer:
        if tensor.name == "a":
            onnx.external_data_helper.set_external_data(tensor, location)
            data = tensor.raw_data
            tensor.ClearField("raw_data")
            tensor.data_location = TensorProto.EXTERNAL
            tensor.external_data[0].value = location
            (path.parent / (Path(location).name or "unused")).write_bytes(data)
    path.write_bytes(model.SerializeToString())
    return path


def test_weights_beside_the_model_are_read(tmp_path: Path) -> None:
    inside = load_model(str(student(tmp_path / "inside.onnx")))
    outside = load_model(str(external(tmp_path / "outside.onnx", "weights.bin")))
    one, other = (
        onnx.numpy_helper.to_array(model.proto.graph.initializer[0]) for model in (inside, outside)
    )
    np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("location", ["../weights.bin", "/etc/passwd", "a/../../b", "C:/x", ""])
def test_weights_outside_the_folder_are_refused(location: str, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="outside its own folder"):
        load_model(str(external(tmp_path / "m.onnx", location)))


def test_the_digest_covers_weights_in_other_files(tmp_path: Path) -> None:
    path = external(tmp_path / "m.onnx", "weights.bin")
    before, weights = load_model(str(path)), tmp_path / "weights.bin"
    assert before.weights == (weights,)
    assert before.files == (path, weights, path.with_suffix(".json"))
    assert before.digest != before.sha256
    values = np.frombuffer(weights.read_bytes(), np.float32) * 2
    weights.write_bytes(values.astype(np.float32).tobytes())
    after = load_model(str(path))
    assert after.sha256 == before.sha256
    assert after.digest != before.digest


def test_the_digest_of_one_file_is_its_sha256(tmp_path: Path) -> None:
    model = load_model(str(u2netp(tmp_path / "u.onnx")))
    assert model.digest == model.sha256
    assert model.files == (tmp_path / "u.onnx", tmp_path / "u.json")


def test_a_constant_outside_the_folder_is_refused(tmp_path: Path) -> None:
    """A node's own tensor can name a file too, not only the graph's weights."""
    value = onnx.numpy_helper.from_array(np.ones((1, 3, 3, 3), np.float32), "w")
    onnx.external_data_helper.set_external_data(value, "../secret.bin")
    value.ClearField("raw_data")
    value.data_location = TensorProto.EXTERNAL
    path = save(tmp_path / "m.onnx", [node("Constant", [], "w", value=value), *SIGMOID])
    with pytest.raises(ModelError, match="outside its own folder"):
        load_model(str(path))


@pytest.mark.parametrize("name", ["x" * 300, "d/" + "x" * 300 + ".onnx", "~nobody-here/m.onnx"])
def test_a_name_that_no_disk_takes_is_a_missing_model(name: str) -> None:
    with pytest.raises(ModelError, match=r"does not exist|No model is called"):
        load_model(name)


def test_missing_weights_are_named(tmp_path: Path) -> None:
    path = external(tmp_path / "m.onnx", "weights.bin")
    (tmp_path / "weights.bin").unlink()
    with pytest.raises(ModelError, match=r"weights\.bin"):
        load_model(str(path))


def test_a_third_party_sidecar(tmp_path: Path) -> None:
    model = load_model(str(u2netp(tmp_path / "u2netp.onnx")))
    assert model.id == "u2netp"
    assert model.policy.size == (320, 320)
    assert (model.policy.color, model.policy.range) == ("auto", "auto")


@pytest.mark.parametrize(
    ("sidecar", "color", "sample_range", "short_side"),
    [
        ({}, "libvmaf", "limited", None),
        ({"input": {}}, "libvmaf", "limited", None),
        ({"input": {"short_side": 224, "multiple": 32, "color": "auto"}}, "auto", "auto", 224),
        ({"input": {"short_side": 224}}, "auto", "auto", 224),
        ({"input": {"short_side": "native", "color": "bt601"}}, "bt601", "auto", None),
        ({"input": {"color": "bt709", "range": "full"}}, "bt709", "full", None),
    ],
)
def test_input_policies(
    sidecar: dict[str, Any],
    color: str,
    sample_range: str,
    short_side: int | None,
    tmp_path: Path,
) -> None:
    policy = load_model(str(student(tmp_path / "m.onnx", sidecar=sidecar))).policy
    assert (policy.color, policy.range, policy.short_side) == (color, sample_range, short_side)


def test_options_set_by_hand_go_before_the_models_own(tmp_path: Path) -> None:
    canonical = student(tmp_path / "m.onnx", sidecar={"input": {"short_side": 224}})
    policy = load_model(str(canonical)).policy
    by_hand = policy.with_options(color="bt601", range="full", short_side="native")
    assert (by_hand.color, by_hand.range, by_hand.short_side) == ("bt601", "full", None)
    assert policy.with_options(color="libvmaf").range == "limited"
    assert policy.with_options(color="bt2020").range == "auto"
    assert policy.with_options() == policy
    with pytest.raises(ModelError, match="320x320 only"):
        load_model(str(u2netp(tmp_path / "u.onnx"))).policy.with_options(short_side=224)
