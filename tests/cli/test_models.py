"""vmafsal models: list, show, verify."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from tests.conftest import ROOT
from tests.networks import convolution, node, save, student, u2netp
from vmafsal.cli.app import app
from vmafsal.models.add import add_file
from vmafsal.models.model import load_model
from vmafsal.models.registry import FAMILIES, packaged_registry
from vmafsal.verify import verify

TINY = ROOT / "model" / "tiny"


def invoke(*args: str | Path) -> tuple[int, str, str]:
    done = CliRunner().invoke(app, ["models", *map(str, args)])
    return done.exit_code, done.stdout, done.stderr


def test_the_list_holds_every_model() -> None:
    code, out, err = invoke()
    assert (code, err) == (0, "")
    words = " ".join(out.replace("│", " ").split())
    registry = packaged_registry()
    for entry in registry.entries:
        assert entry.id in words
    assert "yes" in words
    for heading in (
        "family",
        "parameters",
        "operators",
        "sha256",
        "trained on",
        "scores on record",
    ):
        assert heading in words
    # By family: the placeholder stands first in the registry, and last here.
    assert words.index("saliency_student_v3") < words.index("mobilesal_placeholder_v0")


def test_the_list_as_json_names_each_models_family(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VMAFSAL_MODELS", str(tmp_path / "models"))
    for name in ("mine", "broken"):
        add_file(student(tmp_path / f"{name}.onnx"), lambda model: None)
    (tmp_path / "models" / "broken" / "broken.onnx").write_bytes(b"damaged")
    # A record of before the field.
    record = tmp_path / "models" / "mine" / "added.json"
    fields = json.loads(record.read_text())
    assert fields.pop("family") == "external"
    record.write_text(json.dumps(fields))
    code, out, err = invoke("--json")
    assert (code, err) == (0, "")
    listed = {row["id"]: row for row in json.loads(out)}
    assert listed["saliency_student_v3"]["family"] == "salient-object"
    assert listed["saliency_student_v3"]["default"] is True
    assert listed["mobilesal_placeholder_v0"]["family"] == "placeholder"
    assert listed["mine"]["family"] == "external"
    assert listed["mine"]["sha256"] == load_model("mine").digest
    assert listed["broken"]["status"] == "damaged"
    assert list(listed) == sorted(
        listed, key=lambda one: list(FAMILIES).index(listed[one]["family"] or "placeholder")
    )


def test_show() -> None:
    code, out, _ = invoke("show", "mobilesal_placeholder_v0")
    assert code == 0
    assert "f122631089977c4be7d60b9bf3d4daf186d275bd0587db2c9878578e006b91d4" in out
    assert "Conv, Sigmoid" in out
    code, _, err = invoke("show", "mobilesal_placeholder_v9")
    assert code == 1
    assert "Did you mean mobilesal_placeholder_v0" in err


def test_show_a_third_party_model(tmp_path: Path) -> None:
    code, out, _ = invoke("show", u2netp(tmp_path / "u2netp.onnx"))
    assert code == 0
    assert "320x320 only" in out


def test_add_list_verify_score_remove(
    tmp_path: Path, clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VMAFSAL_MODELS", str(tmp_path / "models"))
    code, out, err = invoke("add", u2netp(tmp_path / "small.onnx", size=32), "--id", "small")
    assert (code, err) == (0, "")
    assert "model_path=small" in out
    words = " ".join(invoke()[1].replace("│", " ").split())
    assert "small external added not on record" in words
    assert "Add it with: vmafsal models add u2netp" in words
    assert "ok     small: trial run" in invoke("verify", "small")[1]
    scored = CliRunner().invoke(
        app,
        [str(clip), "-w", "64", "-h", "48", "-q", "--feature", "mobilesal=model_path=small"],
    )
    assert scored.stdout.startswith("saliency_mean: ")
    (tmp_path / "models" / "small" / "small.onnx").write_bytes(b"damaged")
    code, out, _ = invoke()
    assert code == 0
    assert "damaged" in out
    code, out, _ = invoke("remove", "small")
    assert code == 0
    assert invoke("remove", "small")[0] == 1


def test_verify_checks_the_added_models_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VMAFSAL_MODELS", str(tmp_path / "models"))
    add_file(student(tmp_path / "mine.onnx"), lambda model: None)
    (tmp_path / "models" / "mine" / "mine.onnx").write_bytes(b"damaged")
    monkeypatch.setattr("vmafsal.verify.verify_registry", lambda folder: iter(()))
    (failed,) = verify()
    assert (failed.subject, failed.passed) == ("mine", False)


@pytest.mark.parametrize(
    ("args", "status", "sentence"),
    [
        (["add", "u2netp", "--from", "no.onnx"], 1, "no.onnx cannot be read"),
        (["add", "u2netp", "--id", "other"], 2, "leave --sidecar and --id out"),
        (["add", "other.onnx", "--from", "x.onnx"], 2, "--from goes with the id of a known model"),
        (["add", "other"], 1, "The model other does not exist, and no known model"),
        (["add", str(TINY)], 1, "tiny is a directory. Give the path of an ONNX file"),
        *(([word, ""], 2, "Is a variable empty?") for word in ("add", "show", "verify")),
        (["remove", "saliency_student_v3"], 1, "is part of vmafsal"),
        (["show", "u2netp"], 1, "vmafsal models add u2netp"),
    ],
)
def test_mistakes(args: list[str], status: int, sentence: str) -> None:
    code, _, err = invoke(*args)
    assert code == status
    assert sentence in err


@pytest.mark.network
def test_u2netp_from_the_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VMAFSAL_MODELS", str(tmp_path / "models"))
    code, out, err = invoke("add", "u2netp")
    if "could not be fetched" in err:
        pytest.skip("no network")
    assert code == 0
    assert "licence: Apache-2.0" in out
    assert load_model("u2netp").policy.size == (320, 320)


def test_the_packaged_models_are_sound() -> None:
    code, out, _ = invoke("verify")
    assert code == 0
    assert out.splitlines()[-1].endswith(" 0 failed.")
    for entry in packaged_registry().entries:
        assert f"ok     {entry.id}: trial run: finite and in [0, 1] at 64x64" in out


def test_one_model_is_verified(tmp_path: Path) -> None:
    assert invoke("verify", student(tmp_path / "m.onnx"))[0] == 0
    assert invoke("verify", u2netp(tmp_path / "u.onnx", 64))[0] == 0
    code, out, _ = invoke("verify", tmp_path / "no.onnx")
    assert code == 1
    assert "FAILED no: contract: " in out
    assert invoke("verify", tmp_path)[0] == 1


def test_a_model_that_leaves_the_unit_interval_fails(tmp_path: Path) -> None:
    path = save(
        tmp_path / "linear.onnx",
        [node("Conv", ["input", "w"], "saliency_map")],
        weights={"w": convolution(0, 1, 3, 1)},
    )
    (failed,) = (check for check in verify(str(path)) if not check.passed)
    assert failed.name == "trial run"
    assert "answered values from -" in failed.detail


def edit(path: Path, change: Callable[[Any], None]) -> None:
    data = json.loads(path.read_text())
    change(data)
    path.write_text(json.dumps(data))


DAMAGE: dict[str, tuple[Callable[[Path], object], str]] = {
    "an unknown key": (
        lambda folder: edit(folder / "registry.json", lambda r: r["models"][0].update(extra=1)),
        "schema",
    ),
    "a missing key": (
        lambda folder: edit(folder / "registry.json", lambda r: r["models"][0].pop("license")),
        "schema",
    ),
    "an unknown family": (
        lambda folder: edit(folder / "registry.json", lambda r: r["models"][0].update(family="x")),
        "schema",
    ),
    "no JSON": (lambda folder: (folder / "registry.json").write_text("{"), "schema"),
    "an unknown default": (
        lambda folder: edit(folder / "registry.json", lambda r: r.update(default="nothing")),
        "default",
    ),
    "another hash": (
        lambda folder: edit(
            folder / "registry.json", lambda r: r["models"][0].update(sha256="0" * 64)
        ),
        "sha256 and contract",
    ),
    "another opset": (
        lambda folder: edit(folder / "registry.json", lambda r: r["models"][0].update(opset=18)),
        "opset",
    ),
    "no model": (lambda folder: (folder / "mobilesal.onnx").unlink(), "sha256 and contract"),
    "no card": (lambda folder: (folder / "mobilesal.md").unlink(), "card"),
    "no sidecar": (lambda folder: (folder / "mobilesal.json").unlink(), "sidecar"),
    "a wrong sidecar": (
        lambda folder: edit(folder / "mobilesal.json", lambda s: s.update(stride="eight")),
        "sidecar",
    ),
    "another model's sidecar": (
        lambda folder: edit(folder / "mobilesal.json", lambda s: s.update(id="other")),
        "sidecar id",
    ),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_damage_is_found(damage: str, tmp_path: Path) -> None:
    folder = tmp_path / "tiny"
    folder.mkdir()
    for name in ("registry.json", "mobilesal.onnx", "mobilesal.json", "mobilesal.md"):
        shutil.copy(TINY / name, folder)

    def only_the_placeholder(registry: Any) -> None:
        registry["models"] = registry["models"][:1]
        registry["default"] = registry["models"][0]["id"]

    edit(folder / "registry.json", only_the_placeholder)
    assert all(check.passed for check in verify(str(folder)))
    change, name = DAMAGE[damage]
    change(folder)
    assert name in [check.name for check in verify(str(folder)) if not check.passed]
    code, out, _ = invoke("verify", folder)
    assert code == 1
    assert "FAILED" in out
