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
from train.evaluate.gaze_sets import GazeSet, open_gaze_sets
from train.evaluate.models import parse_short_sides
from train.evaluate.predict import Predictor
from train.evaluate.sets import evaluate_sets, open_sets
from train.export import Exported, export_student, exported_files
from train.fit import fit
from train.label import label, open_teacher, teacher_files
from train.nets import build
from train.output import Progress, check_outputs, make_folder, silent
from train.pictures import load_corpus
from train.recipe import Recipe
from vmafsal.errors import InputError, UsageError
from vmafsal.files import sha256_of, write_whole
from vmafsal.models.model import load_model

__all__ = [
    "Places",
    "check_fit",
    "check_run",
    "evaluate_recipe",
    "fit_recipe",
    "label_sets",
    "run_recipe",
]

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
    """Instead of the recipe's own."""
    beside: tuple[str, ...] = ()
    """Models that are evaluated beside the new one."""

    def labels(self, recipe: Recipe) -> Path:
        """The labels of a recipe's teacher, a folder for each set."""
        return self.work / "labels" / (recipe.teacher.name if recipe.teacher else "none")

    def run(self, recipe: Recipe) -> Path:
        """The folder of a recipe's run."""
        return self.work / "runs" / recipe.id

    def checkpoint(self, recipe: Recipe) -> Path:
        """The state of a recipe's run."""
        return self.run(recipe) / "checkpoint.pt"


def check_fit(recipe: Recipe, places: Places, inputs: Sequence[Path]) -> None:
    """Refuse a training whose checkpoint would replace a file that it reads.

    Args:
        inputs: files of the recipe.
    Raises:
        OutputError: naming the file.
    """
    init = [] if places.init is None else [places.init]
    check_outputs([places.checkpoint(recipe)], [*inputs, *init], makes_folders=True)


def check_run(recipe: Recipe, places: Places, inputs: Sequence[Path]) -> None:
    """Refuse a run, before it starts, whose results would replace files that it reads.

    The finished model may replace the initial weights: the run keeps a copy of them.

    Args:
        inputs: files of the recipe.
    Raises:
        OutputError: naming the file.
        ModelError: if a model of --beside cannot be loaded.
    """
    check_fit(recipe, places, inputs)
    folder = places.run(recipe)
    kept = [folder / f"evaluation-{n}.json" for n in range(1, len(recipe.evaluations) + 1)]
    kept += exported_files(folder / "model", recipe.id)
    models = [file for spec in places.beside for file in load_model(spec).files]
    if recipe.teacher is not None:
        models += teacher_files(places.teacher or recipe.teacher.source)
    finished = exported_files(places.out, recipe.id)
    check_outputs([*kept, *finished], [*inputs, *models], makes_folders=True)
    if places.init is not None:
        check_outputs(kept, [places.init], makes_folders=True)


def label_sets(
    recipe: Recipe, places: Places, say: Say, threads: int = 1, progress: Progress = silent
) -> None:
    """Label every set that needs a teacher's labels and lacks some.

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
    """The weights that the recipe begins with; the run's folder keeps a copy of their file.

    Raises:
        UsageError: if the recipe needs some and none or others are given.
        InputError: if the file holds no weights of this architecture.
        OutputError: if the copy cannot be written.
    """
    if recipe.init is None:
        return None
    sha256 = recipe.init.sha256
    copies = [places.run(recipe) / f"init-{sha256[:8]}{ending}" for ending in (".onnx", ".pt")]
    path = next((p for p in copies if p.is_file() and sha256_of(p) == sha256), places.init)
    if path is None or not path.is_file():
        raise UsageError(
            f"{recipe.id} begins with other weights ({recipe.init.what}, sha256 {sha256}); give "
            "the file with --init."
        )
    if (found := sha256_of(path)) != sha256:
        raise UsageError(f"{path} has sha256 {found}, and the recipe begins with {sha256}.")
    weights = weights_of(path, recipe.arch)
    if path not in copies and process_world().rank == 0:
        copy = copies[path.suffix == ".pt"]
        make_folder(copy.parent)
        write_whole(copy, path.read_bytes())
    return weights


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
    for key in wanted:  # an export has folded batch normalisation into the convolution before it
        layer, _, kind = key.rpartition(".")
        before = found.get(f"{layer[:-1]}0.bias")
        if kind == "running_mean" and key not in found and before is not None:
            one, zero = torch.ones_like(before), torch.zeros_like(before)
            norm = {"weight": one, "bias": before, "running_mean": zero, "running_var": one}
            norm["num_batches_tracked"] = torch.zeros((), dtype=torch.long)
            found |= {f"{layer}.{part}": value.clone() for part, value in norm.items()}
    if any(found.get(key, torch.empty(0)).shape != value.shape for key, value in wanted.items()):
        raise InputError(f"{path} does not hold the weights of a {arch}.")
    return {key: found[key] for key in wanted}


def fit_recipe(recipe: Recipe, places: Places, device: str, say: Say) -> Checkpoint:
    """Train, or resume from the checkpoint; only rank 0 reports progress."""
    path = places.checkpoint(recipe)
    said = say if process_world().rank == 0 else (lambda _: None)
    begin = None if path.exists() else _initial_weights(recipe, places)
    corpus = load_corpus(recipe, places.data, places.labels(recipe), said)
    return fit(recipe, corpus, path, device, begin, said)


def evaluate_recipe(
    recipe: Recipe, places: Places, onnx: Path, say: Say, progress: Progress = silent
) -> list[dict[str, Any]]:
    """Evaluate a model, and those beside it, as the recipe says; JSON in the run's folder."""
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
            gaze_sets: dict[str, GazeSet] = {}
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
    """All stages in order; finished labels and training steps are not repeated.

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
