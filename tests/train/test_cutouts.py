"""Objects without a picture: how they are made, where they are pasted, and where they are not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

pytest.importorskip("torch")

from tests.drawn_corpus import draw_duts
from train.augment import Augment
from train.compose import Composition, harmonised
from train.corpus import load_corpus
from train.cutouts import filled
from train.data import Dataset, decode, find_pairs, open_dataset
from train.measure import open_pairs
from train.prepare import app, check_folder
from train.recipe import Recipe
from train.recipe_text import recipe_text
from train.samples import COMPOSITE
from vmafsal.errors import InputError, OutputError, UsageError

pytestmark = pytest.mark.train

RED = (200, 30, 20)
RECIPE = Recipe(
    "v3", epochs=1, batch=8, augment=Augment(64, (64, 80)), composites=40, fold=0.2, eval_side=64,
    composition=Composition(by_set=True, harmony=0.5),
)  # fmt: skip


def save(path: Path, pixels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def stamp(side: int = 60) -> np.ndarray:
    """A red disc; under what is transparent lies white, as in many files."""
    y, x = np.mgrid[:100, :120]
    inside = (y - 50) ** 2 + (x - 60) ** 2 < (side / 2) ** 2
    pixels = np.full((100, 120, 4), 255, np.uint8)
    pixels[inside, :3] = RED
    pixels[..., 3] = np.where(inside, 255, 0)
    return pixels


def prepare(source: Path, out: Path, *options: str) -> BaseException | str:
    done = CliRunner().invoke(app, ["cutouts", str(source), "--out", str(out), *options])
    return done.output if done.exception is None else done.exception


@pytest.fixture
def stamps(tmp_path: Path) -> Path:
    """A set of two cut-outs."""
    for name in ("a", "b"):
        save(tmp_path / "source" / f"{name}.png", stamp())
    assert isinstance(prepare(tmp_path / "source", tmp_path / "stamps"), str)
    return tmp_path / "stamps"


@pytest.fixture
def duts(tmp_path: Path) -> Path:
    return draw_duts(tmp_path / "DUTS-TR", 20)


def test_what_lies_under_alpha_takes_the_nearest_colour() -> None:
    rgb = np.full((5, 7, 3), 255, np.uint8)
    alpha = np.zeros((5, 7), np.uint8)
    rgb[2, 1], rgb[2, 5] = RED, (0, 0, 90)
    alpha[2, 1] = alpha[2, 5] = 255
    found = filled(rgb, alpha)
    assert (found[:, :3] == RED).all()
    assert (found[:, 4:] == (0, 0, 90)).all()


def test_cut_outs_are_trimmed_and_what_is_none_is_left_out(tmp_path: Path) -> None:
    source = tmp_path / "source"
    save(source / "animals" / "bird.png", stamp())
    save(source / "animals" / "bird_mirror.png", stamp())
    save(source / "animals" / "cartoon" / "bird.png", stamp())
    save(source / "opaque.png", stamp()[..., :3])
    save(source / "small.png", stamp(30))
    faint = stamp()
    faint[..., 3] //= 3
    save(source / "faint.png", faint)
    line = stamp()
    line[..., 3] = 255 * np.eye(100, 120, dtype=np.uint8)
    save(source / "line.png", line)
    (source / "broken.png").write_bytes(b"no picture")
    said = prepare(source, tmp_path / "stamps", "--without", "cartoon", "--without", "*_mirror")
    assert isinstance(said, str)
    assert "holds 1 cut-outs" in said
    (path,) = (tmp_path / "stamps" / "cutouts").iterdir()
    assert path.name == "animals_bird.png"
    cut = np.asarray(Image.open(path))
    assert cut.shape == (63, 63, 4)
    assert (cut[..., :3] == RED).all()
    assert sorted(p.name for p in (tmp_path / "stamps").iterdir()) == ["cutouts"]


def test_nothing_is_written_over_and_nothing_half_is_left(tmp_path: Path, stamps: Path) -> None:
    source = tmp_path / "source"
    assert isinstance(prepare(source, stamps), OutputError)
    assert isinstance(prepare(tmp_path / "missing", tmp_path / "out"), InputError)
    (tmp_path / "empty").mkdir()
    assert isinstance(prepare(tmp_path / "empty", tmp_path / "out"), InputError)
    assert list((tmp_path / "out").iterdir()) == []
    (tmp_path / "file").write_bytes(b"")
    assert isinstance(prepare(source, tmp_path / "file"), OutputError)


def test_the_label_of_a_cut_out_is_its_alpha(stamps: Path) -> None:
    found = find_pairs(stamps)
    assert len(found.pairs) == 2
    item = decode(found.pairs[0])
    assert item.label.shape == item.image.shape[:2] == item.weight.shape
    assert 0 < (item.label == 255).mean() < 1
    assert (item.weight == 255).all()
    save(stamps / "cutouts" / "a.png", stamp()[..., :3])
    with pytest.raises(InputError, match="opaque everywhere"):
        decode(found.pairs[0])
    (unreadable,) = check_folder(stamps).unreadable
    assert "a.png is no cut-out" in unreadable
    with pytest.raises(InputError, match="no pictures to measure on"):
        open_pairs(stamps)


def test_a_palette_with_transparency_is_read(tmp_path: Path) -> None:
    path = tmp_path / "cutouts" / "a.png"
    path.parent.mkdir()
    image = Image.fromarray(stamp()).quantize(8)
    alphas = [255] * 8
    alphas[int(np.asarray(image)[0, 0])] = 0
    image.save(path, transparency=bytes(alphas))
    assert decode(find_pairs(tmp_path).pairs[0]).label.min() == 0


def test_cut_outs_come_in_composites_alone(duts: Path, stamps: Path) -> None:
    sets = [open_dataset(f"{duts}=1"), open_dataset(f"{stamps}=50")]
    corpus = load_corpus(RECIPE, sets)
    samples = corpus.samples
    plan = samples.plan(0)
    assert len(plan) == 40 + 16
    assert all(not corpus.fold.pair(i).cutout for i in range(len(corpus.fold)))
    pasted = 0
    for position, index in enumerate(plan):
        named = samples.names((0, position))
        if index == COMPOSITE:
            pasted += "cutouts" in named
            assert "DUTS-TR-Image" in named.split(" + ")[0]
        else:
            assert "cutouts" not in named
    assert pasted > 10


def test_cut_outs_need_composites_and_pictures(duts: Path, stamps: Path) -> None:
    both = [find_pairs(duts), find_pairs(stamps)]
    with pytest.raises(UsageError, match="say how many with --composites"):
        load_corpus(replace(RECIPE, composites=0), both)
    with pytest.raises(UsageError, match="sets of weight 0 are only used in composites"):
        load_corpus(replace(RECIPE, composites=0), [both[0], open_dataset(f"{duts}=0")])
    with pytest.raises(UsageError, match="add a set of pictures"):
        load_corpus(RECIPE, both[1:])
    with pytest.raises(UsageError, match="and there are none"):
        load_corpus(RECIPE, [open_dataset(f"{duts}=0")])


def test_a_set_of_weight_0_gives_scenes_without_objects(tmp_path: Path, duts: Path) -> None:
    scenes = draw_duts(tmp_path / "scenes", 6)
    (scenes / "DUTS-TR-Image").rename(scenes / "images")
    (scenes / "DUTS-TR-Mask").rename(scenes / "soft")

    def shares(weight: str) -> tuple[int, list[float]]:
        sets: list[Dataset] = [find_pairs(duts), open_dataset(f"{scenes}={weight}")]
        samples = load_corpus(RECIPE, sets).samples
        plan = samples.plan(0)
        bare = [
            float(samples[0, i][3].float().mean())
            for i, index in enumerate(plan)
            if index == COMPOSITE and "DUTS-TR-Image" not in samples.names((0, i))
        ]
        return len(plan), bare

    drawn, bare = shares("0")
    assert drawn == 40 + 16
    assert bare
    assert max(bare) == 0
    drawn, bare = shares("1")
    assert drawn == 40 + 16 + 6
    assert max(bare) > 0


def test_colours_move_to_the_scene_as_far_as_they_are_told() -> None:
    rng = np.random.default_rng(0)
    rgb = rng.integers(100, 200, (20, 30, 3)).astype(np.uint8)
    alpha = np.zeros((20, 30), np.uint8)
    alpha[5:15] = 255
    scene = rng.integers(20, 80, (40, 40, 3)).astype(np.uint8)
    np.testing.assert_array_equal(harmonised(rgb, alpha, scene, 0.0), rgb)
    moved = harmonised(rgb, alpha, scene, 1.0)[5:15].reshape(-1, 3)
    np.testing.assert_allclose(moved.mean(0), scene.reshape(-1, 3).mean(0), atol=0.5)
    np.testing.assert_allclose(moved.std(0), scene.reshape(-1, 3).std(0), rtol=0.05)
    half = harmonised(rgb, alpha, scene, 0.5)[5:15].mean()
    assert half == pytest.approx((rgb[5:15].mean() + scene.mean()) / 2, abs=1)
    # A sky of one colour leaves an object its texture, and nothing at all leaves it alone.
    flat = harmonised(rgb, alpha, np.full((8, 8, 3), 90, np.uint8), 1.0)
    assert flat[5:15].std() > 0.35 * rgb[5:15].std()
    np.testing.assert_array_equal(harmonised(rgb, alpha, scene[:0], 1.0), rgb)


def test_a_card_tells_of_both(duts: Path, stamps: Path) -> None:
    corpus = load_corpus(RECIPE, [find_pairs(duts), find_pairs(stamps)])
    config = {
        "batch": 8, "lr": 1e-3, "seed": 1, "composites": 40, "data": corpus.facts,
        "augment": {"crop": 64, "short_side": (64, 80), "flip": True, "stretch": 0.0,
                    "photometric": 0.0, "degrade": 0.0},
        "composition": {"object_size": (0.1, 0.9), "harmony": 0.8},
    }  # fmt: skip
    text = recipe_text(config, 3)
    assert text.startswith("3 epochs, batch 8")
    assert "cut from the hard labels and taken from cut-outs" in text
    assert "moved by up to 80% to those of the scene under it" in text
