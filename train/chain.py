"""From a recipe to a finished model: label, fit, export, evaluate, card."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import onnx
import torch

from train.checkpoint import Checkpoint, load_checkpoint
from train.data import data_folders, images_in
from train.device import process_world
from train.evaluate.gaze import evaluate_gaze, open_sources
from train.evaluate.gaze_sets import GazeSet, open_gaze_sets
from train.evaluate.models import parse_short_sides
from train.evaluate.sets import evaluate_sets, open_sets
from train.export import Exported, export_student, exported_files
from train.fit import fit
from train.label import label, open_teacher
from train.nets import build
from train.output import check_outputs
from train.pictures import load_corpus
from train.recipe import Recipe
from vmafsal.errors import InputError, UsageError, VmafsalError
from vmafsal.files import sha256_of, write_whole
from vmafsal.models.model import load_model
from vmafsal.models.registry import REGISTRY

__all__ = ["Places", "check_run", "fit_recipe", "label_sets", "run_recipe", "weights_of"]

Say = Callable[[str], None]


@dataclass(frozen=True)
class Places:
    """Where a recipe reads and writes."""

    data: Path
    """Holds the sets."""
    work: Path
    """Gets `labels/` and `runs/`; earlier results in it are resumed from."""
    out: Path
    """Registry folder that the finished model is written to."""
    init: Path | None = None
    """Weights to begin with: an ONNX file or a checkpoint."""
    teacher: str | None = None
    """Instead of the recipe's own, as train.label.open_teacher takes it."""
    beside: tuple[str, ...] = ()
    """Models that are evaluated beside the new one."""

    def labels(self, recipe: Recipe) -> Path:
        """The labels of a recipe's teacher, a folder for each set."""
        return self.work / "labels" / (recipe.teacher.name if recipe.teacher else "none")

    def teacher_of(self, recipe: Recipe) -> str:
        """What labels the pictures of a recipe; "" where nothing does."""
        return "" if recipe.teacher is None else self.teacher or recipe.teacher.source

    def run(self, recipe: Recipe) -> Path:
        """The folder of a recipe's run."""
        return self.work / "runs" / recipe.id

    def checkpoint(self, recipe: Recipe) -> Path:
        """The state of a recipe's run."""
        return self.run(recipe) / "checkpoint.pt"


def check_run(recipe: Recipe, places: Places, recipe_file: Path, fit_alone: bool = False) -> None:
    """Refuse a run, before it starts, whose results would replace files that it reads.

    Args:
        recipe_file: which the recipe was read from, with others beside it.
        fit_alone: whether nothing but the checkpoint is written.
    Raises:
        OutputError: naming the file.
        ModelError: if a model of --beside cannot be loaded.
    """
    checkpoint, folder = places.checkpoint(recipe), places.run(recipe)
    read = [recipe_file, *recipe_file.parent.glob("*.toml")]
    init = [] if places.init is None else [places.init]
    check_outputs([checkpoint], [*read, *init], makes_folders=True)
    if fit_alone:
        return
    # What a run began with is not needed once there is a checkpoint.
    read += [] if checkpoint.exists() else init
    # A registry is added to, not replaced.
    beside = [file for spec in places.beside for file in load_model(spec).files]
    read += [file for file in beside if file.name != REGISTRY]
    # Nor is a teacher whose labels are all there.
    with suppress(VmafsalError):
        read += open_teacher(places.teacher_of(recipe)).reads
    written = [folder / f"evaluation-{n}.json" for n, _ in enumerate(recipe.evaluations, 1)]
    written += exported_files(folder / "model", recipe.id)
    written += exported_files(places.out, recipe.id)
    check_outputs(written, read, makes_folders=True)


def label_sets(recipe: Recipe, places: Places, say: Say) -> None:
    """Label every set that needs a teacher's labels and lacks some.

    Raises:
        UsageError: if the teacher is not the one that the recipe names.
    """
    if recipe.teacher is None:
        return
    wanted = [s.name for s in recipe.sets if s.labels in ("teacher", "both")]
    wanted += [name for e in recipe.evaluations if e.truth == "teacher" for name in e.data]
    labels = places.labels(recipe)
    missing = {}
    for name in dict.fromkeys(wanted):
        images = data_folders(places.data / name)[0]
        if images_in(images).keys() - images_in(labels / name / "maps").keys():
            missing[name] = images
    if not missing:
        say(f"All pictures of {len(wanted)} sets are labelled.")
        return
    teacher = open_teacher(places.teacher_of(recipe))
    found, expected = teacher.facts.get("sha256"), recipe.teacher.sha256
    if expected is not None and found not in (None, expected):
        raise UsageError(
            f"The teacher has sha256 {found}, and the recipe was made for {expected}; give that "
            "file with --teacher, or change the recipe."
        )
    for name, images in missing.items():
        count = label(teacher, images, labels / name)
        say(f"{name}: {count:,} labels.")


def _initial_weights(recipe: Recipe, path: Path | None) -> dict[str, torch.Tensor] | None:
    """The weights that the recipe begins with.

    Raises:
        UsageError: if the recipe needs some and none or others are given.
        InputError: if the file holds no weights of this architecture.
    """
    if recipe.init is None:
        return None
    if path is None or not path.is_file():
        raise UsageError(
            f"{recipe.id} begins with other weights ({recipe.init.what}, sha256 "
            f"{recipe.init.sha256}); give the file with --init."
        )
    if (found := sha256_of(path)) != recipe.init.sha256:
        raise UsageError(
            f"{path} has sha256 {found}, and the recipe begins with {recipe.init.sha256}."
        )
    return weights_of(path, recipe.arch)


def weights_of(path: Path, arch: str) -> dict[str, torch.Tensor]:
    """The weights in a checkpoint, or in an exported ONNX file without folded batch normalisation.

    Raises:
        InputError: if they are not those of the architecture.
    """
    if path.suffix == ".pt":
        found = load_checkpoint(path).answer
    else:
        known = onnx.load(path).graph.initializer
        found = {v.name: torch.from_numpy(onnx.numpy_helper.to_array(v).copy()) for v in known}
    wanted = build(arch).state_dict()
    if any(found.get(key, torch.empty(0)).shape != value.shape for key, value in wanted.items()):
        raise InputError(
            f"{path} does not hold the weights of a {arch}. Give a checkpoint.pt: an export of v1 "
            "or v2 has its batch normalisation folded."
        )
    return {key: found[key] for key in wanted}


def fit_recipe(recipe: Recipe, places: Places, device: str, say: Say) -> Checkpoint:
    """Train, or resume from the checkpoint; only rank 0 reports progress."""
    path = places.checkpoint(recipe)
    said = say if process_world().rank == 0 else (lambda _: None)
    begin = None if path.exists() else _initial_weights(recipe, places.init)
    corpus = load_corpus(recipe, places.data, places.labels(recipe), said)
    return fit(recipe, corpus, path, device, begin, said)


def evaluate_recipe(recipe: Recipe, places: Places, model: Path, say: Say) -> list[dict[str, Any]]:
    """Evaluate a model, and those beside it, as the recipe says; JSON in the run's folder."""
    documents = []
    models = (str(model), *places.beside)
    for number, wanted in enumerate(recipe.evaluations, 1):
        folders = [places.data / name for name in wanted.data]
        sources, _ = open_sources(models, parse_short_sides(wanted.short_side), threads=1)
        if wanted.truth == "masks":
            sets = open_sets(folders, wanted.kept_out)
            document = evaluate_sets(sources, sets, wanted.kept_out, wanted.by_sequence)
        else:
            gaze_sets: dict[str, GazeSet] = {}
            for folder in folders:
                by_teacher = wanted.truth == "teacher"
                truth = places.labels(recipe) / folder.name / "maps" if by_teacher else None
                gaze_sets |= open_gaze_sets([folder], wanted.kept_out, truth=truth)
            document = evaluate_gaze(sources, gaze_sets, wanted.kept_out)
        path = places.run(recipe) / f"evaluation-{number}.json"
        write_whole(path, json.dumps(document, indent=1) + "\n")
        say(f"Evaluated on {', '.join(wanted.data)}: {path}")
        documents.append(document)
    return documents


def run_recipe(
    recipe: Recipe,
    places: Places,
    device: str = "auto",
    status: str = "production",
    default: bool = False,
    say: Say = lambda _: None,
) -> Exported | None:
    """All stages in order; finished labels and training steps are not repeated.

    Returns:
        what was exported; None in all processes but the first.
    """
    label_sets(recipe, places, say)
    state = fit_recipe(recipe, places, device, say)
    if process_world().rank:
        return None
    draft = export_student(state, places.run(recipe) / "model", recipe.id)
    say(f"{draft.onnx} sha256 {draft.sha256}")
    documents = evaluate_recipe(recipe, places, draft.onnx, say)
    exported = export_student(state, places.out, recipe.id, documents, status, default)
    say(f"{exported.onnx} is written with its sidecar and card.")
    return exported
