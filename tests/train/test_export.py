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
from torch import nn
from typer.testing import CliRunner

import train.export
from tests.drawn_corpus import write_recipe
from train.__main__ import build_app
from train.checkpoint import Checkpoint, save_checkpoint
from train.export import export_student, fold_batch_norm, to_onnx
from train.nets import ARCHITECTURES, build
from train.provenance import without_folders
from train.recipe import read_recipe
from vmafsal.errors import InputError, ModelError, OutputError
from vmafsal.files import write_whole
from vmafsal.infer.session import Session
from vmafsal.models.model import load_model

pytestmark = pytest.mark.train

SCHEMA = Path(__file__).resolve().parents[2] / "model" / "tiny" / "registry.schema.json"


def student(arch: str) -> nn.Module:
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


def finished(folder: Path, arch: str, iou: float = 0.6) -> Checkpoint:
    """A checkpoint as a run leaves it, of data that is nowhere to be found."""
    recipe = read_recipe(write_recipe(folder / "recipe.toml", arch))
    facts = {
        "name": "pets", "what": "cats and dogs", "licence": "CC BY-SA 4.0", "pictures": 1040,
        "kept_out": 120, "masks": 1040, "teacher": 7, "weight": 0.5, "sha256": "0" * 64,
    }  # fmt: skip
    row = {"step": 12, "loss": 0.5, "lr": 1e-3, "seconds": 60.0, "iou": {"pets": iou}}
    run = {"device": "cpu", "cpu": "a CPU", "python": "3.11", "versions": {"torch": "2"}}
    config = {**recipe.options(), "data": [facts]}
    return Checkpoint(config, 12, student(arch).state_dict(), {}, None, [row], run)


@pytest.fixture
def small_sizes(monkeypatch: pytest.MonkeyPatch) -> None:
    """The largest parity size takes seconds; one test keeps it."""
    monkeypatch.setattr(train.export, "PARITY_SIZES", ((64, 64), (40, 72)))


@pytest.mark.parametrize(
    ("arch", "sizes"),
    [
        ("v2", {"256x256", "264x480", "1080x1920"}),
        ("v3", {"192x192", "192x352"}),
        ("v3n", {"96x96", "96x176"}),
    ],
)
def test_onnx_answers_as_pytorch_at_the_sizes_of_its_use(
    arch: str, sizes: set[str], tmp_path: Path
) -> None:
    exported = export_student(finished(tmp_path, arch), tmp_path, f"student_{arch}")
    assert exported.parity.keys() == sizes
    assert 0 < max(exported.parity.values()) <= 1e-5


@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_batch_norm_is_folded_and_sizes_are_free(arch: str, tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    net = student(arch)
    to_onnx(net, path)
    model = load_model(str(path))
    assert "BatchNormalization" not in model.operator_names
    assert model.stride == ARCHITECTURES[arch].stride
    assert not model.fixed_batch
    assert model.proto.opset_import[0].version == 17
    batch = np.random.default_rng(0).standard_normal((3, 3, 64, 96)).astype(np.float32)
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
    one = export_student(finished(tmp_path, "v2"), tmp_path / "a", "s")
    two = export_student(finished(tmp_path, "v2"), tmp_path / "b", "s")
    assert one.sha256 == two.sha256
    for name in ("s.onnx", "s.json", "s.md", "s.training.json", "registry.json"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_a_model_that_differs_is_not_written(
    small_sizes: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = train.export.to_onnx

    def bent(net: Any, path: Path) -> None:
        with torch.no_grad():
            net.head.bias += 1e-3
            honest(net, path)
            net.head.bias -= 1e-3

    monkeypatch.setattr(train.export, "to_onnx", bent)
    with pytest.raises(ModelError, match=r"differ by more than 1e-05: .* at 64x64"):
        export_student(finished(tmp_path, "v1"), tmp_path / "out", "s")
    assert not list((tmp_path / "out").iterdir())


def test_an_operator_off_the_allowlist_is_not_written(
    small_sizes: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = train.export.to_onnx

    def strange(net: Any, path: Path) -> None:
        honest(net, path)
        model = onnx.load(path)
        for node in model.graph.node:
            if node.op_type == "Sigmoid":
                node.op_type = "Sin"
        onnx.save(model, path)

    monkeypatch.setattr(train.export, "to_onnx", strange)
    with pytest.raises(ModelError, match="Sin"):
        export_student(finished(tmp_path, "v1"), tmp_path / "out", "s")
    assert not list((tmp_path / "out").iterdir())


def test_registry_sidecar_and_entry_keep_the_schema(small_sizes: None, tmp_path: Path) -> None:
    out = tmp_path / "out"
    export_student(finished(tmp_path, "v1"), out, "first")
    export_student(finished(tmp_path, "v2"), out, "second", default=True)
    again = export_student(finished(tmp_path, "v1"), out, "first", status="superseded")
    schema = json.loads(SCHEMA.read_text("utf-8"))
    registry = json.loads((out / "registry.json").read_text("utf-8"))
    Draft202012Validator(schema).validate(registry)
    assert registry["default"] == "second"
    assert [entry["id"] for entry in registry["models"]] == ["first", "second"]
    assert [entry["onnx"] for entry in registry["models"]] == ["first.onnx", "second.onnx"]
    assert registry["models"][0]["status"] == "superseded"
    assert registry["models"][0]["sha256"] == again.sha256
    assert not list(out.glob("*.next*"))
    sidecar = json.loads((out / "second.json").read_text("utf-8"))
    form = {"$ref": "#/$defs/sidecar", "$defs": schema["$defs"]}
    Draft202012Validator(form).validate(sidecar)
    assert "input" not in sidecar
    loaded = load_model(str(out / "second.onnx"))
    assert loaded.id == "second"
    assert loaded.stride == 8
    assert loaded.sidecar.parameters == 123_721


def test_the_canonical_student_asks_for_its_size(small_sizes: None, tmp_path: Path) -> None:
    exported = export_student(finished(tmp_path, "v3"), tmp_path, "student")
    model = load_model(str(exported.onnx))
    assert (model.policy.short_side, model.policy.multiple) == (192, 32)
    assert model.policy.color == "auto"
    assert "short side 192" in (tmp_path / "student.md").read_text("utf-8")


class Killed(BaseException):
    """Stands for a kill: nothing in the program handles it."""


def test_a_kill_at_any_point_leaves_a_registry_that_loads(
    small_sizes: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = finished(tmp_path, "v1"), finished(tmp_path, "v2")
    whole = write_whole
    for survived in range(100):
        out = tmp_path / f"out{survived}"
        old = export_student(first, out, "s").sha256
        left = survived

        def write(path: Path, data: str | bytes) -> None:
            nonlocal left
            if left == 0:
                raise Killed
            left -= 1
            whole(path, data)

        with monkeypatch.context() as patch:
            patch.setattr(train.export, "write_whole", write)
            try:
                new = export_student(second, out, "s").sha256
            except Killed:
                new = ""
        (entry,) = json.loads((out / "registry.json").read_text("utf-8"))["models"]
        model = load_model(str(out / entry["onnx"]))
        assert model.sha256 == entry["sha256"]
        # The sidecar beside it is its own: the two networks have other counts of parameters.
        counts = {old: 112_841}
        assert model.sidecar.parameters == counts.get(model.sha256, 123_721)
        if new:
            break
        # The next export mends what the kill left behind.
        assert export_student(second, out, "s").sha256 != old
        assert not list(out.glob("*.next*"))
        assert (
            json.loads((out / "registry.json").read_text("utf-8"))["models"][0]["onnx"] == "s.onnx"
        )
    assert survived == 10  # four files and the registry, twice


def test_a_broken_registry_is_left_as_it_is(small_sizes: None, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "registry.json").write_text("{", "utf-8")
    with pytest.raises(ModelError, match="cannot be read"):
        export_student(finished(tmp_path, "v1"), out, "s")
    assert [path.read_text("utf-8") for path in out.iterdir()] == ["{"]


def test_a_weak_model_does_not_become_the_default(small_sizes: None, tmp_path: Path) -> None:
    out = tmp_path / "out"
    export_student(finished(tmp_path, "v1"), out, "good")
    weak = export_student(finished(tmp_path, "v2", iou=0.49), out, "weak", default=True)
    assert weak.refused is not None
    assert "0.4900" in weak.refused
    registry = json.loads((out / "registry.json").read_text("utf-8"))
    assert registry["default"] == "good"
    assert [entry["id"] for entry in registry["models"]] == ["good", "weak"]
    unknown = replace(finished(tmp_path, "v2"), history=[])
    assert export_student(unknown, out, "weak", default=True).refused is not None


def test_a_run_without_a_finished_step_cannot_be_exported(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no finished step"):
        export_student(replace(finished(tmp_path, "v1"), step=0), tmp_path, "s")


def evaluation(sha256: str, **row: Any) -> dict[str, Any]:
    ours = {
        "model": "s", "sha256": sha256, "data": "horses", "kept_out": True, "short_side": 224,
        "intervals": "images", "n": 32,
        "iou": 0.7654, "iou_ci": [0.71, 0.81], "mae": 0.08, "mae_ci": [0.06, 0.1],
        "max_f": 0.9, "mean_error": 0.03, "worst": ["horse001", "horse002"],
    } | row  # fmt: skip
    other = ours | {"model": "theirs", "sha256": "f" * 64, "iou": 0.1234}
    return {"results": [ours, other]}


def test_card_tells_scores_with_intervals_data_licences_and_failures(
    small_sizes: None, tmp_path: Path
) -> None:
    state = finished(tmp_path, "v2")
    sha256 = export_student(state, tmp_path, "s").sha256
    assert "Not evaluated yet" in (tmp_path / "s.md").read_text("utf-8")
    note = "A word on the data."
    state.config["notes"] = (note,)
    export_student(state, tmp_path, "s", [evaluation(sha256)])
    text = (tmp_path / "s.md").read_text("utf-8")
    for part in (
        sha256, "0.765 [0.710, 0.810]", "horses, kept out", "0.123", "`ffffffff`", "`horse001`",
        "CC BY-SA 4.0", "1,040", "12 steps of 8 samples", "a CPU", "not redistributed", note,
        "Never trained on: horses",
    ):  # fmt: skip
        assert part in text, part
    sidecar = json.loads((tmp_path / "s.json").read_text("utf-8"))
    assert sidecar["scores"][0]["iou"] == 0.7654
    assert sidecar["scores"][0]["kept_out"] is True
    assert sidecar["trained_on"] == ["pets"]


def test_scores_of_another_model_are_refused(small_sizes: None, tmp_path: Path) -> None:
    state = finished(tmp_path, "v1")
    with pytest.raises(InputError, match="evaluate this model first"):
        export_student(state, tmp_path, "s", [evaluation("a" * 64)])
    with pytest.raises(InputError, match="no result of"):
        export_student(state, tmp_path, "s", [{"rows": []}])


def test_a_calibration_scales_and_shifts_the_logits(small_sizes: None, tmp_path: Path) -> None:
    state = finished(tmp_path, "v2")
    x = np.random.default_rng(0).standard_normal((1, 3, 32, 32)).astype(np.float32)

    def logits(name: str) -> np.ndarray:
        exported = export_student(state, tmp_path / name, "s")
        answer = Session(load_model(str(exported.onnx)), device="cpu").run(x).astype(np.float64)
        return np.log(answer / (1.0 - answer))

    plain = logits("plain")
    state.config["calibration"] = {"scale": 2.0, "shift": 0.25}
    np.testing.assert_allclose(logits("calibrated"), 2.0 * (plain - 0.25), atol=1e-3)
    assert "2 · (z - 0.25)" in (tmp_path / "calibrated" / "s.md").read_text("utf-8")


@pytest.mark.parametrize("ending", [".json", ".onnx", ".next.onnx", ".training.json"])
def test_an_export_replaces_no_file_that_it_reads(tmp_path: Path, ending: str) -> None:
    state = finished(tmp_path, "v1")
    checkpoint, scores = tmp_path / "checkpoint.pt", tmp_path / "scores.json"
    read = tmp_path / f"small_v1{ending}"
    if ending.endswith("json"):
        scores = read
    else:
        checkpoint = read
    save_checkpoint(state, checkpoint)
    scores.write_text(json.dumps(evaluation("a" * 64)))
    before = read.read_bytes()
    options = ["export", checkpoint, "--out", tmp_path, "--scores", scores]
    result = CliRunner().invoke(build_app(), list(map(str, options)))
    assert isinstance(result.exception, OutputError), result.output
    assert f"{read}, which this run reads" in str(result.exception)
    assert read.read_bytes() == before
    assert not (tmp_path / "registry.json").exists()


def test_a_folder_that_cannot_be_made_is_said_in_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="cannot be made"):
        export_student(finished(tmp_path, "v1"), tmp_path / "recipe.toml" / "models", "s")


def test_a_recorded_command_names_no_folder_of_the_machine() -> None:
    arguments = ["run", "recipes/a.toml", "/home/me/data/", "maps:/mnt/x/teacher", "--work=/tmp/w"]
    expected = ["run", "recipes/a.toml", "data", "maps:teacher", "--work=w"]
    assert [without_folders(argument) for argument in arguments] == expected


def test_packaged_records_name_no_folder_of_a_machine() -> None:
    records = sorted(SCHEMA.parent.glob("*.training.json"))
    assert records
    for record in records:
        command = json.loads(record.read_text("utf-8"))["run"]["command"]
        assert command == [without_folders(argument) for argument in command], record.name
