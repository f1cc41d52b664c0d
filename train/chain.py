"""From a recipe to a finished model: label, fit, export, evaluate, card."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from train.checkpoint import Checkpoint, load_checkpoint
from train.data import images_in
from train.device import process_world
from train.evaluate.gaze import evaluate_gaze, open_sources
from train.evaluate.gaze_sets import open_gaze_sets
from train.evaluate.models import parse_short_sides
from train.evaluate.predict import Predictor
from train.evaluate.sets import evaluate_sets, open_sets
from train.export import Exported, export_student
from train.fit import fit
from train.label import label, open_teacher
from train.nets import build
from train.output import Progress, silent
from train.pictures import load_corpus
from train.recipe import Recipe
from vmafsal.errors import InputError, UsageError
from vmafsal.files import sha256_of, write_whole
from vmafsal.models.model import load_model

__all__ = ["Places", "evaluate_recipe", "fit_recipe", "label_sets", "run_recipe"]

Say = Callable[[str], None]


@dataclass(frozen=True)
class Places:
    """Where a recipe reads and writes."""

    data: Path
    """Holds the sets."""
    work: Path
    """Gets `labels/` and `runs/`; what is there already is gone on with."""
    out: Path
    """Registry folder that the finished model is written to."""
    init: Path | None = None
    """Weights to begin with: an ONNX file or a checkpoint."""
    teacher: str | None = None
    """Instead of the recipe's own."""
    beside: tuple[str, ...] = ()
    """Models that are evaluated beside the new one."""

    def labels(self, recipe: Recipe) -> Path:
        """The labels of a recipe's teacher, a folder for each set."""
        return self.work / "labels" / (recipe.teacher.name if recipe.teacher else "none")

    def run(self, recipe: Recipe) -> Path:
        """The folder of a recipe's run."""
        return self.work / "runs" / recipe.id


def label_sets(
    recipe: Recipe, places: Places, say: Say, threads: int = 1, progress: Progress = silent
) -> None:
    """Label every set that the recipe wants labelled and that is not labelled yet.

    Raises:
        UsageError: if the teacher is not the one that the recipe names.
    """
    if recipe.teacher is None:
        return
    wanted = [s.name for s in recipe.sets if s.labels in ("teacher", "both")]
    wanted += [name for e in recipe.evaluations if e.truth == "teacher" for name in e.data]
    labels = places.labels(recipe)
    missing = [
        name for name in dict.fromkeys(wanted) if _unlabelled(places.data / name, labels / name)
    ]
    if not missing:
        say(f"All pictures of {len(wanted)} sets are labelled.")
        return
    teacher = open_teacher(places.teacher or recipe.teacher.source, threads)
    expected = recipe.teacher.sha256
    if expected is not None and teacher.sha256 not in (None, expected):
        raise UsageError(
            f"The teacher has sha256 {teacher.sha256}, and the recipe was made for {expected}; "
            "give that file with --teacher, or change the recipe."
        )
    for name in missing:
        images = next(iter(find_images(places.data / name).values())).parent
        count = label(teacher, images, labels / name, progress)
        say(f"{name}: {count:,} labels.")


def find_images(root: Path) -> dict[str, Path]:
    """The pictures of a set by their stems, with or without labels.

    Raises:
        InputError: if there are none.
    """
    folders = [root / "images", *sorted(root.glob("*-Image"))]
    found = next((images_in(folder) for folder in folders if folder.is_dir()), {})
    if not found:
        raise InputError(f"{root} holds no pictures; --data is the folder that holds the sets.")
    return found


def _unlabelled(data: Path, labels: Path) -> bool:
    maps = labels / "maps"
    labelled = images_in(maps) if maps.is_dir() else {}
    return bool(find_images(data).keys() - labelled.keys())


def _initial_weights(recipe: Recipe, places: Places) -> dict[str, torch.Tensor] | None:
    """The weights that the recipe begins with.

    Raises:
        UsageError: if the recipe wants some and none or others are given.
        InputError: if the file holds no weights of this architecture.
    """
    if recipe.init is None:
        return None
    path = places.init
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
    """The weights in an exported ONNX file, or in a checkpoint.

    Raises:
        InputError: if they are not those of the architecture.
    """
    if path.suffix == ".pt":
        found = load_checkpoint(path).answer
    else:
        import onnx
        from onnx import numpy_helper

        graph = onnx.load(path).graph
        found = {
            each.name: torch.from_numpy(numpy_helper.to_array(each).copy())
            for each in graph.initializer
        }
    wanted = build(arch).state_dict()
    if any(found.get(key, torch.empty(0)).shape != value.shape for key, value in wanted.items()):
        raise InputError(f"{path} does not hold the weights of a {arch}.")
    return {key: found[key] for key in wanted}


def fit_recipe(recipe: Recipe, places: Places, device: str, say: Say) -> Checkpoint:
    """Train, or go on with the training; of several processes the first one says how far it is."""
    path = places.run(recipe) / "checkpoint.pt"
    said = say if process_world().rank == 0 else (lambda _: None)
    begin = None if path.exists() else _initial_weights(recipe, places)
    corpus = load_corpus(recipe, places.data, places.labels(recipe), said)
    return fit(recipe, corpus, path, device, begin, said)


def evaluate_recipe(
    recipe: Recipe, places: Places, onnx: Path, say: Say, progress: Progress = silent
) -> list[dict[str, Any]]:
    """Evaluate a model, and those beside it, as the recipe says; also into the run's folder."""
    documents = []
    models = (str(onnx), *places.beside)
    for number, wanted in enumerate(recipe.evaluations, 1):
        folders = [places.data / name for name in wanted.data]
        sides = parse_short_sides(wanted.short_side)
        if wanted.truth == "masks":
            predictors = [
                Predictor(load_model(m), side, threads=1) for m in models for side in sides
            ]
            document = evaluate_sets(
                predictors,
                open_sets(folders, wanted.kept_out),
                wanted.kept_out,
                wanted.by_sequence,
                None,
                progress,
            )
        else:
            sources, _ = open_sources(models, sides, threads=1)
            gaze_sets = {}
            for folder in folders:
                by_teacher = wanted.truth == "teacher"
                truth = places.labels(recipe) / folder.name / "maps" if by_teacher else None
                gaze_sets |= open_gaze_sets([folder], wanted.kept_out, truth=truth)
            document = evaluate_gaze(sources, gaze_sets, wanted.kept_out, None, progress)
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
    notes: Sequence[str] = (),
    say: Say = lambda _: None,
    progress: Progress = silent,
) -> Exported | None:
    """All stages in order; a stage that is finished is not done again.

    Returns:
        what was exported; None in all processes but the first.
    """
    label_sets(recipe, places, say, progress=progress)
    state = fit_recipe(recipe, places, device, say)
    if process_world().rank:
        return None
    draft = export_student(state, places.run(recipe) / "model", recipe.id)
    say(f"{draft.onnx} sha256 {draft.sha256}")
    documents = evaluate_recipe(recipe, places, draft.onnx, say, progress)
    exported = export_student(
        state, places.out, recipe.id, documents, status, default, [*recipe.notes, *notes]
    )
    say(f"{exported.onnx} is written with its sidecar and card.")
    return exported
