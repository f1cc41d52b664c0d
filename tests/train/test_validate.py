"""Validation: what is true passes, each lie is named."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("PIL")
pytest.importorskip("scipy")

import typer
from typer.testing import CliRunner

from tests.drawn_corpus import draw_duts
from tests.networks import node, save
from tests.train.test_evaluate import brightness
from tests.train.test_gaze import draw_gaze
from train.card import card
from train.evaluate.gaze import evaluate_gaze, open_sources
from train.evaluate.gaze_sets import open_gaze_sets
from train.evaluate.models import recorded_score
from train.evaluate.predict import Predictor
from train.evaluate.sets import evaluate_sets, open_sets
from train.validate import SCORE_LIMIT, validate
from vmafsal.errors import ModelError
from vmafsal.models.model import load_model

app = typer.Typer()
app.command()(validate)


def run(*options: str | Path) -> Any:
    return CliRunner().invoke(app, [str(option) for option in options])


def write_registry(folder: Path, **changes: Any) -> None:
    model = load_model(str(folder / "bright.onnx"))
    entry = {
        "id": "bright",
        "onnx": "bright.onnx",
        "sha256": model.sha256,
        "opset": 17,
        "kind": "saliency",
        "license": "BSD-3-Clause-Plus-Patent",
        "smoke": False,
        "status": "production",
    }
    registry = {"schema_version": 1, "default": "bright", "models": [entry | changes]}
    (folder / "registry.json").write_text(json.dumps(registry))


def training_facts(sha256: str, scores: list[dict[str, Any]]) -> dict[str, Any]:
    """What an export writes of a training, as far as a card needs it."""
    fit = {
        "steps": 1, "batch": 1, "lr": 1e-3, "schedule": "cosine", "loss": "dice", "overlap": 1.0,
        "seed": 42, "stages": [{"until": 1.0, "sides": [32], "twins": 0.0}], "crop": 1.0,
        "weight_decay": 0.0, "mean_error": 0.0, "consistency": 0.0, "photometric": 0.0,
        "degrade": 0.0, "ema": 0.0,
    }  # fmt: skip
    return {
        "id": "bright", "what": "a convolution", "sha256": sha256, "opset": 17, "stride": 1,
        "license": "BSD-3-Clause-Plus-Patent", "parameters": 4, "short_side": None,
        "field_of_view": 1, "parity": {}, "data": [], "steps": 1, "seconds": 1.0, "run": {},
        "recipe": {"fit": fit, "teacher": None, "init": None, "calibration": None},
        "scores": scores, "others": [], "notes": [],
    }  # fmt: skip


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A corpus `drawn`, and `models`, whose sidecar and card state what was measured on it."""
    root = tmp_path_factory.mktemp("made")
    corpus = draw_duts(root / "drawn", 12, 48, 64)
    path = root / "models"
    path.mkdir()
    weights = {"w": np.full((1, 3, 1, 1), 2.0, np.float32), "b": np.array([-1.5], np.float32)}
    nodes = [node("Conv", ["input", "w", "b"], "a"), node("Sigmoid", ["a"], "saliency_map")]
    save(path / "bright.onnx", nodes, weights=weights)
    model = load_model(str(path / "bright.onnx"))
    scores: list[dict[str, Any]] = []
    for only_kept_out in (False, True):
        sets = open_sets([corpus], only_kept_out)
        predictors = [Predictor(model, side) for side in ("native", 32)]
        rows = evaluate_sets(predictors, sets, only_kept_out)["results"]
        scores += map(recorded_score, rows)
    (path / "bright.json").write_text(json.dumps({"id": "bright", "scores": scores}))
    facts = training_facts(model.sha256, scores)
    (path / "bright.training.json").write_text(json.dumps(facts))
    (path / "bright.md").write_text(card(facts))
    write_registry(path)
    return root


@pytest.fixture
def corpus(made: Path) -> Path:
    return made / "drawn"


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    """A copy of the registry that the test may spoil."""
    return Path(shutil.copytree(made / "models", tmp_path / "models"))


def failures(result: Any) -> list[str]:
    return [line for line in result.output.splitlines() if line.startswith("FAILED")]


def test_what_is_true_passes(folder: Path, corpus: Path, tmp_path: Path) -> None:
    out = tmp_path / "verdicts.json"
    result = run(folder, "--data", corpus, "--out-json", out)
    assert result.exit_code == 0, result.output
    document = json.loads(out.read_text())
    assert document["passed"] is True
    assert document["models"] == [
        {"id": "bright", "sha256": load_model(str(folder / "bright.onnx")).sha256}
    ]
    measured = [check for check in document["checks"] if check["name"].startswith("scores on")]
    assert [check["name"] for check in measured] == [
        "scores on drawn, all, at native",
        "scores on drawn, all, at 32",
        "scores on drawn, kept out, at native",
        "scores on drawn, kept out, at 32",
    ]
    assert all("at most 0.0e+00 apart" in check["detail"] for check in measured)
    assert document["provenance"]["versions"]["numpy"] == np.__version__


def test_this_checkouts_registry_passes() -> None:
    result = run()
    assert result.exit_code == 0, result.output
    assert "registry: schema" in result.output


Change = Callable[[dict[str, Any]], None]


def _set(index: int, key: str, value: Any) -> Change:
    return lambda sidecar: sidecar["scores"][index].__setitem__(key, value)


def _add(key: str, by: float) -> Change:
    def change(sidecar: dict[str, Any]) -> None:
        sidecar["scores"][0][key] += by

    return change


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (_add("iou", -1.5 * SCORE_LIMIT), "scores on drawn, all, at native: iou is"),
        (_add("s_measure", 1.5 * SCORE_LIMIT), "scores on drawn, all, at native: s_measure is"),
        (_set(0, "n", 11), "11 images are recorded, 12 are there"),
        (_set(0, "iou", float("nan")), "scores[0].iou is a number, not NaN"),
    ],
)
def test_scores_that_are_not_reproduced(
    folder: Path, corpus: Path, tmp_path: Path, change: Change, says: str
) -> None:
    sidecar = json.loads((folder / "bright.json").read_text())
    change(sidecar)
    (folder / "bright.json").write_text(json.dumps(sidecar))
    result = run(folder, "--data", corpus, "--out-json", tmp_path / "v.json")
    assert result.exit_code == 1
    assert any(says in line for line in failures(result)), result.output
    assert json.loads((tmp_path / "v.json").read_text())["passed"] is False


def test_scores_within_the_limit_pass(folder: Path, corpus: Path) -> None:
    for name in ("bright.json", "bright.training.json"):
        recorded = json.loads((folder / name).read_text())
        recorded["scores"][0]["mae"] += 0.75 * SCORE_LIMIT
        (folder / name).write_text(json.dumps(recorded))
    (folder / "bright.md").write_text(card(recorded))
    result = run(folder, "--data", corpus)
    assert result.exit_code == 0, result.output


def test_a_set_that_no_sidecar_speaks_of(folder: Path, tmp_path: Path) -> None:
    result = run(folder, "--data", draw_duts(tmp_path / "other", 1, 24, 32))
    assert result.exit_code == 1
    assert failures(result) == ["FAILED other: scores: no sidecar records a score on this set"]


def test_other_weights_than_the_registrys(folder: Path) -> None:
    write_registry(folder, sha256="0" * 64)
    result = run(folder)
    assert result.exit_code == 1
    assert any("0" * 64 in line for line in failures(result)), result.output


def test_a_registry_off_its_schema(folder: Path) -> None:
    write_registry(folder, status="best")
    result = run(folder)
    assert result.exit_code == 1
    assert any("'best' is not one of" in line for line in failures(result)), result.output


def test_a_sidecar_off_its_schema(folder: Path, corpus: Path) -> None:
    (folder / "bright.json").write_text(json.dumps({"id": "bright", "scores": [{"iou": 0.5}]}))
    result = run(folder, "--data", corpus)
    assert result.exit_code == 1
    assert any("is a required property" in line for line in failures(result)), result.output


def test_a_stale_card(folder: Path) -> None:
    card_path, facts_path = folder / "bright.md", folder / "bright.training.json"
    text, facts = card_path.read_text(), json.loads(facts_path.read_text())
    card_path.write_text(text.replace("0.", "0.9", 1))
    (line,) = failures(run(folder))
    assert "is not what bright.training.json gives" in line
    for change, says in (
        ({"sha256": "a" * 64}, f"is of sha256 {'a' * 64}"),
        ({"scores": facts["scores"][1:]}, "the sidecar's scores are not those of"),
    ):
        facts_path.write_text(json.dumps(facts | change))
        card_path.write_text(card(facts | change))
        (line,) = failures(run(folder))
        assert says in line
    facts_path.write_text("[]")
    (line,) = failures(run(folder))
    assert "cannot be read" in line


def test_an_operator_off_the_allowlist(folder: Path) -> None:
    nodes = [
        node("NonZero", ["input"], "unused"),
        node("ReduceMean", ["input"], "saliency_map", axes=[1]),
    ]
    save(folder / "bad.onnx", nodes)
    result = run(folder / "bad.onnx")
    assert result.exit_code == 1
    assert any("NonZero" in line for line in failures(result)), result.output


def test_bad_input(folder: Path, tmp_path: Path) -> None:
    for options, kind, says in (
        ([tmp_path / "absent"], ModelError, "absent"),
        ([tmp_path], ModelError, "no registry.json"),
        ([folder, "--data", tmp_path], None, "no sidecar records"),
    ):
        result = run(*options)
        if kind is None:
            assert result.exit_code == 1
            assert says in result.output
        elif isinstance(result.exception, kind):
            assert says in str(result.exception)
        else:
            assert failures(result)
            assert says in result.output


def test_a_card_names_models_beside_it_that_are_no_files(tmp_path: Path) -> None:
    corpus = draw_gaze(tmp_path / "looked", 6)
    onnx = brightness(tmp_path / "bright.onnx")
    sources, _ = open_sources([str(onnx), "centre"])
    ours, centre = evaluate_gaze(sources, open_gaze_sets([corpus]))["results"]
    facts = training_facts(ours["sha256"], [ours]) | {"others": [centre]}
    (line,) = (row for row in card(facts).splitlines() if "| centre |" in row)
    assert f"{centre['cc']:.3f} ± {centre['cc_std']:.3f}" in line


def test_gaze_scores_are_found_again(tmp_path: Path) -> None:
    corpus = draw_gaze(tmp_path / "looked", 6)
    onnx = brightness(tmp_path / "bright.onnx")
    rows = []
    for truth in (None, corpus / "maps"):
        sources, _ = open_sources([str(onnx)])
        rows += evaluate_gaze(sources, open_gaze_sets([corpus], truth=truth))["results"]
    scores = list(map(recorded_score, rows))
    sidecar = onnx.with_suffix(".json")
    sidecar.write_text(json.dumps({"id": "bright", "scores": scores}))
    result = run(onnx, "--data", corpus)
    assert result.exit_code == 0, result.output
    # Agreement with a teacher is not measured again.
    assert result.output.count("scores on looked") == 1
    assert "scores on looked, all, gaze, at native: 16 figures agree" in result.output
    scores[0]["nss"] += 1.5 * SCORE_LIMIT
    sidecar.write_text(json.dumps({"id": "bright", "scores": scores}))
    (failed,) = failures(run(onnx, "--data", corpus))
    assert "nss is" in failed
