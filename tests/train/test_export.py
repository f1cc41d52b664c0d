"""Export: equal to PyTorch, the same bytes each time, or nothing at all."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

pytest.importorskip("torch")

import torch
from jsonschema import Draft202012Validator

import train.export
from train.augment import Augment
from train.checkpoint import Checkpoint
from train.export import export_student, fold_batch_norm, gate_failure, read_scores, to_onnx
from train.net import ARCHITECTURES, Student, build
from train.recipe import Recipe
from vmafsal.errors import InputError, ModelError
from vmafsal.infer.session import Session
from vmafsal.models.model import load_model

pytestmark = pytest.mark.train

SCHEMA = Path(__file__).resolve().parents[2] / "model" / "tiny" / "registry.schema.json"


def student(arch: str) -> Student:
    """Random weights with batch statistics and affine terms that a folding must get right."""
    torch.manual_seed(3)
    net = build(arch)
    for module in net.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(module.weight, 0.5, 1.5)
            torch.nn.init.uniform_(module.bias, -0.3, 0.3)
    net.train()
    with torch.no_grad():
        for _ in range(3):
            net(torch.randn(2, 3, 64, 64))
    return net.eval()


def finished(arch: str, iou: float = 0.6, **config: Any) -> Checkpoint:
    from dataclasses import asdict

    net = student(arch)
    data = [
        {"root": "sets/pets", "pairs": 40, "kept_out": 4, "soft": False, "weight": 1.0,
         "file_list_sha256": "0" * 64},
        {"root": "runs/gaze_osie", "pairs": 9, "kept_out": 1, "soft": True, "weight": 0.5,
         "file_list_sha256": "1" * 64},
    ]  # fmt: skip
    recipe = Recipe(arch, augment=Augment(160, (160, 288)), keep_out=10)
    options = {**asdict(recipe), "data": data, "world_size": 1} | config
    state = Checkpoint.begin(options, net, torch.optim.Adam(net.parameters()))
    state.finish_epoch(
        net, torch.optim.Adam(net.parameters()), loss=0.7, iou=iou, lr=1e-3, seconds=60.0
    )
    return state


@pytest.fixture
def small_sizes(monkeypatch: pytest.MonkeyPatch) -> None:
    """The largest parity size takes seconds; one test keeps it."""
    monkeypatch.setattr(train.export, "PARITY_SIZES", ((64, 64), (40, 72)))


@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_onnx_answers_as_pytorch_at_all_three_sizes(arch: str, tmp_path: Path) -> None:
    exported = export_student(finished(arch), tmp_path, f"student_{arch}")
    assert list(exported.parity) == ["256x256", "264x480", "1080x1920"]
    assert 0 < max(exported.parity.values()) <= 1e-5


@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_batch_norm_is_folded_and_sizes_are_free(arch: str, tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    net = student(arch)
    to_onnx(net, path)
    model = load_model(str(path))
    assert "BatchNormalization" not in model.operator_names
    assert model.stride == 8
    assert not model.fixed_batch
    assert model.proto.opset_import[0].version == 17
    batch = np.random.default_rng(0).standard_normal((3, 3, 40, 56)).astype(np.float32)
    with torch.no_grad():
        expected = net(torch.from_numpy(batch)).numpy()
    found = Session(model, device="cpu", threads=1).run(batch)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)


def test_folding_leaves_the_network_itself_alone() -> None:
    net = student("v1")
    x = torch.randn(1, 3, 32, 32)
    with torch.no_grad():
        before = net(x)
        folded = fold_batch_norm(net)
        torch.testing.assert_close(folded(x), before, rtol=0, atol=1e-5)
        torch.testing.assert_close(net(x), before, rtol=0, atol=0)
    assert any(isinstance(m, torch.nn.BatchNorm2d) for m in net.modules())


def test_same_weights_give_the_same_bytes(small_sizes: None, tmp_path: Path) -> None:
    one = export_student(finished("v2"), tmp_path / "a", "s")
    two = export_student(finished("v2"), tmp_path / "b", "s")
    assert one.sha256 == two.sha256
    for name in ("s.onnx", "s.json", "s.md", "registry.json"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_a_model_that_differs_is_not_written(
    small_sizes: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = train.export.to_onnx

    def bent(net: Student, path: Path) -> None:
        with torch.no_grad():
            assert net.head.bias is not None
            net.head.bias += 1e-3
            honest(net, path)
            net.head.bias -= 1e-3

    monkeypatch.setattr(train.export, "to_onnx", bent)
    with pytest.raises(ModelError, match=r"differ by more than 1e-05: .* at 64x64"):
        export_student(finished("v1"), tmp_path / "out", "s")
    assert not list((tmp_path / "out").iterdir())


def test_an_operator_off_the_allowlist_is_not_written(
    small_sizes: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = train.export.to_onnx

    def strange(net: Student, path: Path) -> None:
        honest(net, path)
        model = onnx.load(path)
        for node in model.graph.node:
            if node.op_type == "Sigmoid":
                node.op_type = "Sin"
        onnx.save(model, path)

    monkeypatch.setattr(train.export, "to_onnx", strange)
    with pytest.raises(ModelError, match="Sin"):
        export_student(finished("v1"), tmp_path / "out", "s")
    assert not list((tmp_path / "out").iterdir())


def test_registry_sidecar_and_entry_keep_the_schema(small_sizes: None, tmp_path: Path) -> None:
    export_student(finished("v1"), tmp_path, "first")
    export_student(finished("v2"), tmp_path, "second", default=True)
    again = export_student(finished("v1"), tmp_path, "first", status="superseded")
    schema = json.loads(SCHEMA.read_text("utf-8"))
    registry = json.loads((tmp_path / "registry.json").read_text("utf-8"))
    Draft202012Validator(schema).validate(registry)
    assert registry["default"] == "second"
    assert [entry["id"] for entry in registry["models"]] == ["first", "second"]
    assert registry["models"][0]["status"] == "superseded"
    assert registry["models"][0]["sha256"] == again.sha256
    sidecar = json.loads((tmp_path / "second.json").read_text("utf-8"))
    form = {"$ref": "#/$defs/sidecar", "$defs": schema["$defs"]}
    Draft202012Validator(form).validate(sidecar)
    assert "input" not in sidecar
    loaded = load_model(str(tmp_path / "second.onnx"))
    assert loaded.id == "second"
    assert loaded.stride == 8
    assert loaded.sidecar.parameters == 123_721


def test_a_broken_registry_is_left_as_it_is(small_sizes: None, tmp_path: Path) -> None:
    (tmp_path / "registry.json").write_text("{", "utf-8")
    with pytest.raises(ModelError, match="cannot be read as a registry"):
        export_student(finished("v1"), tmp_path, "s")
    assert (tmp_path / "registry.json").read_text("utf-8") == "{"
    assert [path.name for path in tmp_path.iterdir()] == ["registry.json"]


def test_a_failed_gate_keeps_a_model_from_being_the_default(
    small_sizes: None, tmp_path: Path
) -> None:
    export_student(finished("v1"), tmp_path, "good")
    weak = export_student(finished("v2", iou=0.49), tmp_path, "weak", default=True)
    assert weak.gate is not None
    assert "0.4900" in weak.gate
    assert "0.4900" in (tmp_path / "weak.md").read_text("utf-8")
    registry = json.loads((tmp_path / "registry.json").read_text("utf-8"))
    assert registry["default"] == "good"
    assert [entry["id"] for entry in registry["models"]] == ["good", "weak"]


def test_v2_must_not_fall_behind_v1_on_the_same_fold() -> None:
    v1, v2 = finished("v1", iou=0.65), finished("v2", iou=0.64)
    assert gate_failure(v2, None) is None
    failure = gate_failure(v2, v1)
    assert failure is not None
    assert "below v1's 0.6500" in failure
    assert gate_failure(finished("v2", iou=0.65), v1) is None
    with pytest.raises(InputError, match="different seed"):
        gate_failure(v2, finished("v1", seed=1))
    unmeasured = gate_failure(replace(v2, best_iou=float("nan")), None)
    assert unmeasured is not None


def test_a_run_without_a_finished_epoch_cannot_be_exported(tmp_path: Path) -> None:
    state = replace(finished("v1"), best_epoch=0)
    with pytest.raises(InputError, match="no finished epoch"):
        export_student(state, tmp_path, "s")


def evaluation(path: Path, sha256: str, **row: Any) -> Path:
    ours = {
        "model": "s", "sha256": sha256, "data": "horses", "kept_out": True, "short_side": 224,
        "n": 32,
        "iou": 0.7654, "iou_ci": [0.71, 0.81], "mae": 0.08, "mae_ci": [0.06, 0.1],
        "max_f": 0.9, "mean_error": 0.03, "worst": ["horse001", "horse002"],
    } | row  # fmt: skip
    other = ours | {"model": "theirs", "sha256": "f" * 64, "iou": 0.1234}
    document = {"results": [ours, other]}
    path.write_text(json.dumps(document), "utf-8")
    return path


def test_card_tells_scores_with_intervals_data_licences_and_failures(
    small_sizes: None, tmp_path: Path
) -> None:
    state = finished("v2")
    sha256 = export_student(state, tmp_path, "s").sha256
    assert "Not measured yet" in (tmp_path / "s.md").read_text("utf-8")
    scores = evaluation(tmp_path / "horses.json", sha256)
    export_student(state, tmp_path, "s", scores=[scores])
    text = (tmp_path / "s.md").read_text("utf-8")
    for part in (
        sha256, "0.765 [0.710, 0.810]", "horses, kept out", "0.123", "`ffffffff`", "`horse001`",
        "CC BY-SA 4.0", "40", "soft (pseudo-labels)", "IoU 0.6000", "0.6558 and 0.7105",
        "CVPR 2017", "prepare duts", "fit --arch v2", "not redistributed",
    ):  # fmt: skip
        assert part in text, part
    sidecar = json.loads((tmp_path / "s.json").read_text("utf-8"))
    assert sidecar["scores"][0]["iou"] == 0.7654
    assert sidecar["scores"][0]["kept_out"] is True
    assert sidecar["trained_on"] == ["pets", "gaze_osie"]


def test_scores_of_another_model_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="measure this one first"):
        read_scores([evaluation(tmp_path / "a.json", "a" * 64)], "b" * 64)
    (tmp_path / "b.json").write_text("[]", "utf-8")
    with pytest.raises(InputError, match="no result of"):
        read_scores([tmp_path / "b.json"], "b" * 64)
