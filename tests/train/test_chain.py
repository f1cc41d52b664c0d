"""The whole chain on a small drawn corpus: from images to a log scored with the new model."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")

from tests.drawn_corpus import draw_duts, draw_pair

pytestmark = pytest.mark.train

ROOT = Path(__file__).resolve().parents[2]


def run(*arguments: str | Path) -> str:
    done = subprocess.run(
        [sys.executable, "-m", *map(str, arguments)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def draw_clip(path: Path, height: int, width: int) -> None:
    """Two frames of raw 4:4:4: a bright shape on a texture, and the texture alone."""
    picture, mask = draw_pair(200, height, width)
    dull = picture[mask == 0]
    alone = np.where(mask[..., None] > 0, np.resize(dull, picture.shape), picture)
    with open(path, "wb") as file:
        for frame in (picture, alone):
            rgb = frame.astype(np.float64) / 255
            luma = rgb @ (0.2126, 0.7152, 0.0722)
            blue, red = (rgb[..., 2] - luma) / 1.8556, (rgb[..., 0] - luma) / 1.5748
            for plane in (16 + 219 * luma, 128 + 224 * blue, 128 + 224 * red):
                file.write(np.clip(np.round(plane), 0, 255).astype(np.uint8).tobytes())


def test_from_images_to_a_scored_clip(tmp_path: Path) -> None:
    corpus = draw_duts(tmp_path / "DUTS-TR", 64)
    out, shipped = tmp_path / "run", tmp_path / "models"
    fit: list[str | Path] = [
        "train", "fit", "--arch", "v2", "--data", f"{corpus}=6", "--out", out, "--fold", "0.125",
        "--epochs", "2", "--batch", "8", "--crop", "64", "--short-side", "64", "--lr", "4e-3",
        "--photometric", "0.3", "--precision", "float32", "--seed", "42",
    ]  # fmt: skip
    said = run(*fit)
    assert "56 images to train on, 8 in the fold" in said
    assert "epoch 2 of 2" in said
    run(*fit, "--resume")  # nothing is left to do; the same model comes out

    metrics = json.loads((out / "metrics.json").read_text("utf-8"))
    first, last = metrics["history"]
    assert last["loss"] < first["loss"]
    assert metrics["best_iou"] > 0.7

    model = out / "saliency_student_v2.onnx"
    scores = tmp_path / "scores.json"
    table = run(
        "train", "evaluate", "--model", model, "--data", corpus,
        "--short-side", "native", "--json", scores,
    )  # fmt: skip
    assert "saliency_student_v2" in table
    (row,) = json.loads(scores.read_text("utf-8"))["results"]
    assert row["n"] == 64
    assert row["iou"] > 0.7

    run("train", "export", out / "checkpoint.pt", "--out", shipped, "--scores", scores, "--default")
    exported = shipped / model.name
    assert exported.read_bytes() == model.read_bytes()
    assert f"{row['iou']:.3f}" in exported.with_suffix(".md").read_text("utf-8")
    run(
        "train", "validate", shipped, "--checkpoint", out / "checkpoint.pt", "--data", corpus,
        "--out-json", tmp_path / "verdicts.json",
    )  # fmt: skip
    assert json.loads((tmp_path / "verdicts.json").read_text("utf-8"))["passed"] is True

    clip = tmp_path / "clip.yuv"
    draw_clip(clip, 72, 96)
    log = tmp_path / "log.json"
    run(
        "vmafsal", "-d", clip, "-w", "96", "-h", "72", "-p", "444",
        "--feature", f"mobilesal=model_path={exported}", "-o", log,
    )  # fmt: skip
    scored = json.loads(log.read_text("utf-8"))
    shape, texture = (frame["metrics"]["saliency_mean"] for frame in scored["frames"])
    assert shape > texture + 0.05
    assert metrics["output"]["sha256"] in json.dumps(scored["vmafsal"])
