"""Recipes: the shipped ones are whole, and a wrong one is refused in a sentence."""

from __future__ import annotations

import tomllib
from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("torch")

from tests.drawn_corpus import write_recipe
from train.recipe import read_recipe
from train.teachers import TEACHERS
from vmafsal.errors import InputError, UsageError

pytestmark = pytest.mark.train

RECIPES = Path(__file__).resolve().parents[2] / "recipes"


@pytest.mark.parametrize("arch", ["v1", "v2", "v3"])
def test_shipped_recipes_are_whole(arch: str) -> None:
    recipe = read_recipe(RECIPES / f"saliency_student_{arch}.toml")
    assert recipe.arch == arch
    assert recipe.teacher is not None
    assert (recipe.init is None) == (arch != "v3"), "v1 and v2 begin with random weights"
    described = tomllib.loads((RECIPES / "sets.toml").read_text("utf-8"))
    for known in recipe.sets:
        assert known.what == described[known.name]["what"]
    # What a model is judged by is never trained on.
    trained = {known.name for known in recipe.sets}
    assert "davis_dev" not in trained


@pytest.mark.parametrize("name", TEACHERS)
def test_every_classic_teacher_has_a_recipe(name: str) -> None:
    recipe = read_recipe(RECIPES / f"kd_{name}.toml")
    assert recipe.teacher is not None
    assert recipe.teacher.source == f"classic:{name}"
    assert f"short side {TEACHERS[name].short_side}" in recipe.teacher.what
    assert recipe.fit.loss == "cc_kl"
    assert {known.labels for known in recipe.sets} == {"teacher"}
    assert "davis_dev" not in {known.name for known in recipe.sets}


def test_a_recipes_own_values_go_before_those_of_its_base(tmp_path: Path) -> None:
    write_recipe(tmp_path / "shared.toml", lr=1e-3)
    path = tmp_path / "recipe.toml"
    path.write_text('base = "shared.toml"\nid = "own"\n[fit]\nlr = 5e-4\n', "utf-8")
    own, shared = read_recipe(path), read_recipe(tmp_path / "shared.toml")
    assert (own.id, own.fit.lr) == ("own", 5e-4)
    assert (own.arch, own.sets, own.fit.stages) == (shared.arch, shared.sets, shared.fit.stages)
    path.write_text('base = "missing.toml"\nid = "own"\n', "utf-8")
    with pytest.raises(InputError, match=r"missing\.toml cannot be read"):
        read_recipe(path)


def test_v1_and_v2_are_trained_alike_but_for_the_length() -> None:
    one, other = (read_recipe(RECIPES / f"saliency_student_{arch}.toml") for arch in ("v1", "v2"))
    assert replace(one.fit, steps=other.fit.steps) == other.fit
    assert one.sets == other.sets


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"loss": "best"}, "fit.loss: .*'dice', 'iou' or 'cc_kl'"),
        ({"schedule": "step"}, "fit.schedule: .*'cosine' or 'hold'"),
        ({"batch": "many"}, "fit.batch: .*integer"),
        ({"rate": 1.0}, "fit.rate: Unexpected"),
    ],
)
def test_wrong_values_are_named(tmp_path: Path, values: dict[str, object], says: str) -> None:
    with pytest.raises((UsageError, InputError), match=says):
        read_recipe(write_recipe(tmp_path / "recipe.toml", **values))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("sides = [32]", "sides = [36]", "36 is not a multiple of 8"),
        ('name = "drawn"', 'name = "drawn"\nlabels = "soft"', "sets.0.labels: .*'masks'"),
        ("[[set]]", "[[sets]]", "no whole recipe"),
        ('arch = "v1"', 'arch = "v9"', "arch: .*'v2', 'v3' or 'v3n'"),
        ("[fit]", "[fit", "cannot be read as a recipe"),
        ("steps = 12", "", "no whole recipe"),
        ('arch = "v1"', 'arch = "v1"\nspeed = 3', "speed: Unexpected"),
        ('arch = "v1"', 'arch = "v1"\nshort_side = 96', "v1 runs at the picture's own size"),
        ('arch = "v1"', 'arch = "v3"\nshort_side = 100', "100 is not a multiple of 32"),
    ],
)
def test_wrong_files_are_refused(tmp_path: Path, old: str, new: str, says: str) -> None:
    path = write_recipe(tmp_path / "recipe.toml")
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new), "utf-8")
    with pytest.raises((UsageError, InputError), match=says):
        read_recipe(path)
