"""A recipe from its pictures to a log scored with the new model, by the command line."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")

from typer.testing import CliRunner

from tests.drawn_corpus import draw_duts, draw_pair, draw_set, write_recipe
from tests.train.test_evaluate import brightness
from train.__main__ import build_app
from train.chain import Places, check_run, label_sets, weights_of
from train.recipe import read_recipe
from vmafsal.errors import InputError, OutputError, UsageError
from vmafsal.files import sha256_of
from vmafsal.models.model import load_model

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


def recipe_with_teacher(folder: Path, onnx: Path, arch: str = "v2", **fit: object) -> Path:
    """Masks of DUTS's layout, and pictures without masks that a teacher labels."""
    further = f"""
[[set]]
name = "unlabelled"
labels = "teacher"

[teacher]
source = "onnx:{onnx}"
sha256 = "{sha256_of(onnx)}"
what = "a convolution"

[[evaluate]]
data = ["drawn"]
kept_out = true
short_side = "native"
"""
    return write_recipe(folder / "recipe.toml", arch, further, **fit)


def test_from_pictures_to_a_scored_clip(tmp_path: Path) -> None:
    draw_duts(tmp_path / "drawn", 60)
    draw_set(tmp_path / "unlabelled", 6, masks=False)
    onnx = brightness(tmp_path / "teacher.onnx")
    recipe = recipe_with_teacher(tmp_path, onnx, steps=60, save_every=20)
    models = tmp_path / "models"
    command: list[str | Path] = [
        "train", "run", recipe, "--data", tmp_path, "--work", tmp_path / "work",
        "--out", models, "--beside", onnx, "--default",
    ]  # fmt: skip
    said = run(*command)
    assert "unlabelled: 6 labels" in said
    assert "step 60 of 60" in said
    exported = models / "small_v2.onnx"
    before = exported.read_bytes()
    said = run(*command)  # nothing is left to do; the same model comes out
    assert "All pictures of 2 sets are labelled" in said
    assert "step 60" not in said.replace("Resuming from step 60", "")
    assert exported.read_bytes() == before

    facts = json.loads((models / "small_v2.training.json").read_text("utf-8"))
    assert [entry["teacher"] for entry in facts["data"]] == [50, 4]
    (row,) = facts["scores"]
    assert row["iou"] > 0.5
    assert {other["model"] for other in facts["others"]} == {"teacher"}
    card = exported.with_suffix(".md").read_text("utf-8")
    assert f"{row['iou']:.3f}" in card
    assert "a convolution" in card

    run("train", "validate", models, "--data", tmp_path / "drawn")

    clip, log = tmp_path / "clip.yuv", tmp_path / "log.json"
    draw_clip(clip, 72, 96)
    run(
        "vmafsal", "-d", clip, "-w", "96", "-h", "72", "-p", "444",
        "--feature", f"mobilesal=model_path={exported}", "-o", log,
    )  # fmt: skip
    scored = json.loads(log.read_text("utf-8"))
    shape, texture = (frame["metrics"]["saliency_mean"] for frame in scored["frames"])
    assert shape > texture + 0.05
    assert facts["sha256"] in json.dumps(scored["vmafsal"])


def test_a_classic_model_is_distilled_and_measured_against_its_maps(tmp_path: Path) -> None:
    draw_set(tmp_path / "drawn", 40, masks=False)
    further = """labels = "teacher"

[teacher]
source = "classic:imsig"
what = "Image Signature"

[[evaluate]]
data = ["drawn"]
truth = "teacher"
kept_out = true
"""
    recipe = write_recipe(tmp_path / "recipe.toml", "v3", further, loss="cc_kl", crop=1.0, steps=30)
    text = recipe.read_text("utf-8")
    recipe.write_text(
        'family = "distilled"\nshort_side = 64\n' + text.replace("[32, 64]", "[64]"), "utf-8"
    )
    models = tmp_path / "models"
    said = run("train", "run", recipe, "--data", tmp_path, "--work", tmp_path, "--out", models)
    assert "drawn: 40 labels" in said
    assert "kept out: cc drawn" in said
    (entry,) = json.loads((models / "registry.json").read_text("utf-8"))["models"]
    assert entry["family"] == "distilled"
    facts = json.loads((models / "small_v3.training.json").read_text("utf-8"))
    assert load_model(str(models / "small_v3.onnx")).policy.short_side == 64
    (row,) = facts["scores"]
    assert row["truth"] == "maps"
    # The shape stands out for teacher and student alike; the map of neither is flat.
    assert 0.5 < row["cc"] <= 1
    assert row["kl"] < 1
    card = (models / "small_v3.md").read_text("utf-8")
    assert f"{row['cc']:.3f} ± {row['cc_std']:.3f}" in card
    assert "The lowest CC of each evaluation" in card
    # Nothing shows that it finds objects, so it does not become the default.
    assert facts["history"][-1]["iou"] == {}
    run("train", "validate", models)


def test_another_teacher_than_the_recipes_is_refused(tmp_path: Path) -> None:
    draw_set(tmp_path / "drawn", 3)
    draw_set(tmp_path / "unlabelled", 3, masks=False)
    recipe = read_recipe(recipe_with_teacher(tmp_path, brightness(tmp_path / "teacher.onnx")))
    other = brightness(tmp_path / "other.onnx", {"input": {"size": [40, 40]}})
    other.write_bytes(other.read_bytes() + b"\x52\x01\x61")  # a field that readers pass over
    places = Places(tmp_path, tmp_path / "work", tmp_path, teacher=f"onnx:{other}")
    assert load_model(str(other)).sha256 != recipe.teacher.sha256  # type: ignore[union-attr]
    with pytest.raises(UsageError, match="the recipe was made for"):
        label_sets(recipe, places, lambda _: None)
    assert not (tmp_path / "work").exists()


def test_weights_come_from_an_exported_file_or_a_checkpoint(tmp_path: Path) -> None:
    import torch

    from train.nets import build

    shipped = ROOT / "model" / "tiny" / "saliency_student_v3.onnx"
    weights = weights_of(shipped, "v3")
    net = build("v3")
    net.load_state_dict(weights)
    model = load_model(str(shipped))
    from vmafsal.infer.session import Session

    x = np.random.default_rng(0).standard_normal((1, 3, 64, 96)).astype(np.float32)
    with torch.no_grad():
        answer = net.eval()(torch.from_numpy(x)).numpy()
    np.testing.assert_allclose(Session(model, device="cpu").run(x), answer, atol=1e-5)
    with pytest.raises(InputError, match="does not hold the weights of a v1"):
        weights_of(shipped, "v1")


def test_the_weights_that_a_recipe_begins_with_are_checked(tmp_path: Path) -> None:
    from train.chain import fit_recipe

    draw_set(tmp_path / "drawn", 12)
    shipped = ROOT / "model" / "tiny" / "saliency_student_v3.onnx"
    init = f'[init]\nsha256 = "{sha256_of(shipped)}"\nwhat = "earlier weights"\n'
    recipe = read_recipe(write_recipe(tmp_path / "recipe.toml", "v3", init, lr=0.0, steps=1))
    with pytest.raises(UsageError, match="give the file with --init"):
        fit_recipe(recipe, Places(tmp_path, tmp_path, tmp_path), "cpu", print)
    other = tmp_path / "other.onnx"
    other.write_bytes(b"other")
    with pytest.raises(UsageError, match="the recipe begins with"):
        fit_recipe(recipe, Places(tmp_path, tmp_path, tmp_path, other), "cpu", print)
    state = fit_recipe(recipe, Places(tmp_path, tmp_path, tmp_path, shipped), "cpu", print)
    begun = weights_of(shipped, "v3")
    assert torch_equal(state.model, begun)


@pytest.mark.parametrize("role", ["teacher", "beside", "recipe", "init"])
def test_a_run_that_would_replace_what_it_reads_does_not_start(tmp_path: Path, role: str) -> None:
    draw_set(tmp_path / "drawn", 3)
    draw_set(tmp_path / "unlabelled", 3, masks=False)
    models = tmp_path / "models"
    models.mkdir()
    own, other = brightness(models / "small_v2.onnx"), brightness(tmp_path / "other.onnx")
    recipe = recipe_with_teacher(tmp_path, own if role == "teacher" else other)
    if role == "recipe":
        recipe = recipe.rename(models / "small_v2.md")
    options = ["run", recipe, "--data", tmp_path, "--work", tmp_path / "work", "--out", models]
    if role in ("beside", "init"):
        options += [f"--{role}", own]
    before = {path: path.read_bytes() for path in models.iterdir()}
    result = CliRunner().invoke(build_app(), list(map(str, options)))
    assert isinstance(result.exception, OutputError), result.output
    lost = recipe if role == "recipe" else own
    assert f"would replace {lost}, which this run reads" in str(result.exception)
    assert {path: path.read_bytes() for path in models.iterdir()} == before
    assert not (tmp_path / "work").exists()


def test_a_finished_model_may_replace_the_weights_of_a_run_that_has_a_checkpoint(
    tmp_path: Path,
) -> None:
    path = write_recipe(tmp_path / "recipe.toml")
    init = brightness(tmp_path / "small_v1.onnx")
    places = Places(tmp_path, tmp_path / "work", tmp_path, init)
    recipe = read_recipe(path)
    with pytest.raises(OutputError, match="would replace"):
        check_run(recipe, places, path)
    places.checkpoint(recipe).parent.mkdir(parents=True)
    places.checkpoint(recipe).write_bytes(b"checkpoint")
    check_run(recipe, places, path)


@pytest.mark.parametrize("command", ["run", "fit"])
def test_the_initial_weights_are_not_replaced_by_the_runs_own_files(
    tmp_path: Path, command: str
) -> None:
    draw_set(tmp_path / "drawn", 3)
    recipe = write_recipe(tmp_path / "recipe.toml")
    init = tmp_path / "work" / "runs" / "small_v1" / "checkpoint.pt"
    init.parent.mkdir(parents=True)
    init.write_bytes(b"weights")
    options = [command, recipe, "--data", tmp_path, "--work", tmp_path / "work", "--init", init]
    if command == "run":
        options += ["--out", tmp_path / "models"]
    result = CliRunner().invoke(build_app(), list(map(str, options)))
    assert isinstance(result.exception, OutputError), result.output
    assert init.read_bytes() == b"weights"


def torch_equal(one: dict, other: dict) -> bool:  # type: ignore[type-arg]
    import torch

    return all(torch.equal(one[name], other[name]) for name in other)
