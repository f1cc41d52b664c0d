"""The teacher that is told where people looked."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("torch")

import torch

from tests.drawn_corpus import draw_duts
from train.architectures import begin_with, build
from train.augment import Augment
from train.checkpoint import load_checkpoint
from train.compose import Composer, Composition
from train.data import find_pairs, load_items
from train.export import export_student
from train.fit import fit, normalise
from train.gaze import peak_normalised, simulated
from train.provenance import sha256_of
from train.pseudo import Gate, pseudo_label
from train.recipe import Recipe
from train.record import run_and_record
from train.samples import COMPOSITE, Samples
from vmafsal.errors import UsageError

pytestmark = pytest.mark.train

TEACHER = Recipe(
    "gaze", epochs=1, batch=8, lr=2e-3, augment=Augment(64, (64, 80)), composites=8, fold=0.2,
    eval_side=64, threads=1,
)  # fmt: skip


@pytest.fixture(scope="module")
def duts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw_duts(tmp_path_factory.mktemp("corpus") / "DUTS-TR", 24)


@pytest.fixture(scope="module")
def teacher(duts: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("teacher")
    run_and_record(TEACHER, [find_pairs(duts)], out, False, 0, out / "metrics.json")
    return out / "checkpoint.pt"


@pytest.fixture
def watched(tmp_path: Path) -> tuple[Path, Path]:
    """Two pictures and where people looked in them, in the second nowhere."""
    images, maps = tmp_path / "images", tmp_path / "maps"
    images.mkdir()
    maps.mkdir()
    rng = np.random.default_rng(3)
    for stem in ("a", "b"):
        Image.fromarray(rng.integers(256, size=(70, 90, 3), dtype=np.uint8)).save(
            images / f"{stem}.png"
        )
    density = np.zeros((70, 90), np.uint8)
    Image.fromarray(density).save(maps / "b.png")
    density[20:40, 50:70] = 90
    Image.fromarray(density).save(maps / "a.png")
    return images, maps


def test_most_of_a_drawn_gaze_lies_on_the_object() -> None:
    label = np.zeros((120, 160), np.uint8)
    label[70:110, 100:140] = 255
    shares, peaks = [], []
    for seed in range(60):
        density = simulated(label, np.random.default_rng(seed)).astype(float)
        peaks.append(density.max())
        shares.append(density[60:120, 90:150].sum() / density.sum())
    assert min(peaks) == 255
    assert np.mean(shares) > 0.6
    assert min(shares) < 0.9 < max(shares)


def test_a_gaze_can_be_drawn_to_the_top_of_an_object() -> None:
    label = np.zeros((120, 80), np.uint8)
    label[20:110, 30:50] = 255
    above = [
        [simulated(label, np.random.default_rng(s), top)[:60].sum(dtype=float) for s in range(60)]
        for top in (0.0, 1.0)
    ]
    whole = [
        [simulated(label, np.random.default_rng(s), top).sum(dtype=float) for s in range(60)]
        for top in (0.0, 1.0)
    ]
    shares = np.divide(above, whole).mean(1)
    assert shares[1] > shares[0] + 0.15


def test_a_gaze_without_object_is_stray_and_the_same_for_a_seed() -> None:
    empty = np.zeros((64, 64), np.uint8)
    first, again = (simulated(empty, np.random.default_rng(7)) for _ in range(2))
    assert first.max() == 255
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, simulated(empty, np.random.default_rng(8)))


def test_peak_is_brought_to_255_and_nothing_stays_nothing() -> None:
    density = np.array([[0, 10], [20, 40]], np.uint8)
    np.testing.assert_array_equal(peak_normalised(density), [[0, 64], [128, 255]])
    assert not peak_normalised(np.zeros((3, 3), np.uint8)).any()


def test_the_fourth_plane_is_gaze_from_0_to_1() -> None:
    planes = torch.full((1, 4, 2, 2), 255, dtype=torch.uint8)
    ready = normalise(planes)
    assert torch.equal(ready[:, :3], normalise(planes[:, :3]))
    assert torch.equal(ready[:, 3], torch.ones(1, 2, 2))


def test_a_teacher_begins_as_the_student_that_it_grows_from() -> None:
    torch.manual_seed(0)
    student, teacher = build("v3").eval(), build("gaze").eval()
    begin_with(teacher, "gaze", student.state_dict(), "v3")
    x = torch.randn(1, 4, 64, 96)
    with torch.no_grad():
        torch.testing.assert_close(teacher(x), student(x[:, :3]))
    with pytest.raises(UsageError, match="--init is a gaze, and --arch is v3"):
        begin_with(student, "v3", teacher.state_dict(), "gaze")


def test_only_what_is_watched_is_labelled_in_a_composite(duts: Path) -> None:
    items = load_items(find_pairs(duts).pairs)
    plain = Composer(items, [0, 1], [2, 3], 0.15)
    told = Composer(items, [0, 1], [2, 3], 0.15, watched=True)
    options = Augment(64, (64, 80))
    areas = [
        np.mean([c.draw(options, np.random.default_rng(s))[0][..., 3] > 127 for s in range(60)])
        for c in (plain, told)
    ]
    assert 0.0 < areas[1] < 0.8 * areas[0]


def test_each_sample_of_a_teacher_brings_a_gaze(
    duts: Path, watched: tuple[Path, Path], tmp_path: Path
) -> None:
    images, maps = watched
    soft = tmp_path / "labels" / "soft"
    soft.mkdir(parents=True)
    for stem in ("a", "b"):
        Image.new("L", (90, 70), 200).save(soft / f"{stem}.png")
    record = {"images": str(images), "gate": {"maps": str(maps)}}
    (soft.parent / "labels.json").write_text(json.dumps(record))
    hard, softly = find_pairs(duts).pairs, find_pairs(soft.parent).pairs
    assert [p.gaze for p in softly] == [maps / "a.png", maps / "b.png"]
    items = load_items((*hard, *softly), gaze=True)
    sets = [(range(len(hard)), 1.0), (range(len(hard), len(hard) + 2), 1.0)]
    samples = Samples(items, sets, Augment(64, (64, 70)), 42, composites=4, gaze=True)
    plan = samples.plan(0)
    for i, index in enumerate(plan):
        planes = samples[0, i].numpy()
        assert planes.shape == (6, 64, 64)
        if index == len(hard) + 1:
            assert not planes[5].any()
        elif index == COMPOSITE or index < len(hard):
            assert planes[5].max() == 255


def test_labels_of_a_teacher_depend_on_where_people_looked(
    teacher: Path, watched: tuple[Path, Path], tmp_path: Path
) -> None:
    images, maps = watched
    state = load_checkpoint(teacher)
    assert state.config["arch"] == "gaze"
    assert not list(teacher.parent.glob("*.onnx"))
    assert "output" not in json.loads((teacher.parent / "metrics.json").read_text())
    found = []
    for name in ("one", "two"):
        out = tmp_path / name
        assert pseudo_label([str(teacher)], images, out, (64,), gate=Gate(maps), threads=1) == 2
        found.append(np.asarray(Image.open(out / "soft" / "a.png")))
        assert json.loads((out / "labels.json").read_text())["gate"]["told"] is True
        Image.fromarray(np.asarray(Image.open(maps / "a.png"))[::-1]).save(maps / "a.png")
    assert not np.array_equal(found[0], found[1])


def test_a_teacher_wants_the_gaze_and_teachers_beside_it(
    teacher: Path, watched: tuple[Path, Path], tmp_path: Path
) -> None:
    images, maps = watched
    with pytest.raises(UsageError, match="give --gaze"):
        pseudo_label([str(teacher)], images, tmp_path / "out")
    mixed = [str(teacher), "model/tiny/saliency_student_v3.onnx"]
    with pytest.raises(UsageError, match="teachers alone"):
        pseudo_label(mixed, images, tmp_path / "out", gate=Gate(maps))
    with pytest.raises(UsageError, match="--gaze-doubt is for"):
        pseudo_label([str(teacher)], images, tmp_path / "out", gate=Gate(maps, doubt=(0.2, 0.5)))
    assert not (tmp_path / "out").exists()


def test_a_student_checkpoint_does_not_label(
    duts: Path, watched: tuple[Path, Path], tmp_path: Path
) -> None:
    images, maps = watched
    recipe = Recipe("v3", epochs=1, batch=8, augment=Augment(64, (64, 64)), threads=1)
    fit(recipe, [find_pairs(duts)], tmp_path / "run")
    with pytest.raises(UsageError, match="name the ONNX file"):
        pseudo_label(
            [str(tmp_path / "run" / "checkpoint.pt")], images, tmp_path / "o", gate=Gate(maps)
        )


def test_a_card_says_what_its_teacher_was_told(
    teacher: Path, duts: Path, watched: tuple[Path, Path], tmp_path: Path
) -> None:
    images, maps = watched
    labels = tmp_path / "photos"
    pseudo_label([str(teacher)], images, labels, (64,), gate=Gate(maps), threads=1)
    style = Composition(quiet_scenes=True)
    recipe = replace(TEACHER, arch="v1", composition=style)
    state = fit(recipe, [find_pairs(duts), find_pairs(labels)], tmp_path / "run")
    export_student(state, tmp_path / "out", "s", notes=["Twenty frames were looked at."])
    card = (tmp_path / "out" / "s.md").read_text("utf-8")
    assert f"of photos: a teacher of ours, checkpoint `{sha256_of(teacher)[:8]}`" in card
    assert "mirror images too, told where people looked." in card
    assert "the scenes are background too" in card
    assert "- Twenty frames were looked at.\n" in card


def test_a_teacher_is_not_exported(teacher: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="never exported"):
        export_student(load_checkpoint(teacher), tmp_path, "teacher")
    assert not list(tmp_path.iterdir())


def test_a_teacher_has_no_twins() -> None:
    with pytest.raises(UsageError, match="--consistency is for students"):
        Recipe("gaze", consistency=1.0)


def test_a_student_is_told_no_gaze() -> None:
    with pytest.raises(UsageError, match="--gaze-top is for --arch gaze"):
        Recipe("v3", gaze_top=0.5)
