"""Evaluating models on where people look, or on a teacher's maps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from train.data import pairs_digest, read_rgb
from train.evaluate.gaze_sets import (
    POINTS,
    Centre,
    GazeSet,
    Looked,
    Survey,
    fixations_of,
    generator,
    pixels,
    read_density,
    survey,
)
from train.evaluate.models import document_of, refuse_other_aspect, result_row, run_models
from train.evaluate.predict import MapSource, Predictor, ShortSide, resize_map
from train.evaluate.scores import rounded, summarise_values
from vmafsal.metrics import fixation
from vmafsal.models.model import load_model

__all__ = ["ClassicModel", "evaluate_gaze", "open_sources"]

CLASSIC = "classic:"


class ClassicModel:
    """A model of train.teachers as a MapSource, seen at the teacher's short side.

    Args:
        name: of the teacher.
    Raises:
        UsageError: if there is none of that name.
    """

    sha256 = None

    def __init__(self, name: str) -> None:
        from train.teachers import TEACHERS, load_teacher

        load_teacher(name)
        self.id = f"{CLASSIC}{name}"
        self.runs_at = TEACHERS[name].short_side
        self._name = name

    def __call__(self, rgb: NDArray[np.uint8]) -> NDArray[np.float32]:
        """The map in [0, 1], at that short side."""
        from train.teachers import teach

        return teach(self._name, Image.fromarray(rgb))


def open_sources(
    names: Sequence[str],
    short_sides: Sequence[ShortSide] = ("model",),
    threads: int | None = None,
    device: str = "cpu",
) -> tuple[list[MapSource], list[Path]]:
    """What `--model` names.

    Args:
        names: registry ids, ONNX files, "classic:NAME" and "centre".
        short_sides: for networks; the others have one of their own.
    Returns:
        the sources, and the files that they are read from.
    Raises:
        UsageError, ModelError, DeviceError: if one cannot be had.
    """
    sources: list[MapSource] = []
    files: list[Path] = []
    for name in names:
        if name == Centre.id:
            sources.append(Centre())
        elif name.startswith(CLASSIC):
            sources.append(ClassicModel(name.removeprefix(CLASSIC)))
        else:
            model = load_model(name)
            files += model.files
            sources += [Predictor(model, side, threads, device) for side in short_sides]
    return sources, files


def evaluate_gaze(
    sources: Sequence[MapSource],
    sets: Mapping[str, GazeSet],
    only_kept_out: bool = False,
) -> dict[str, Any]:
    """Compare the maps of every source with every set, at each picture's own size.

    Args:
        sources: not empty; a Centre stands for the one that is fitted on each set.
        sets: what open_gaze_sets returned; with its `truth`, a teacher's maps are the truth.
        only_kept_out: noted in the rows; the pictures are chosen by open_gaze_sets.
    Returns:
        a document as train.evaluate.sets.evaluate_sets returns it. A row holds `truth`
        ("fixations" or "maps"), and of each metric the mean, `<key>_std` and `<key>_ci`.
    Raises:
        InputError, ModelError: as train.evaluate.models.run_models.
    """
    described: list[dict[str, Any]] = []
    rows: list[dict[str, Any]] = []
    for name, gaze_set in sets.items():
        # A teacher's maps have no fixations to collect.
        needed = not gaze_set.by_teacher or any(isinstance(each, Centre) for each in sources)
        known = survey(gaze_set) if needed else Survey(Centre(), {})
        here = [known.centre if isinstance(each, Centre) else each for each in sources]

        def read(
            looked: Looked, gaze_set: GazeSet = gaze_set, known: Survey = known
        ) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
            rgb, density = read_rgb(looked.image), read_density(looked.density)
            refuse_other_aspect(looked.image, rgb.shape, looked.density, density.shape)
            if not gaze_set.by_teacher and looked.stem not in known.points:
                fixations_of(looked, density)  # says what is wrong with them
            return rgb, resize_map(density, *rgb.shape[:2])

        def score(
            looked: Looked,
            saliency: NDArray[np.float32],
            density: NDArray[np.float32],
            gaze_set: GazeSet = gaze_set,
            known: Survey = known,
        ) -> dict[str, float]:
            saliency = resize_map(saliency, *density.shape)
            found = _map_scores(saliency, density)
            return found if gaze_set.by_teacher else found | _point_scores(saliency, looked, known)

        stems, scores, left_out = run_models(here, gaze_set.chosen, read, score, name)
        described.append(_describe(name, gaze_set, known, left_out))
        for source, of_source in zip(here, scores, strict=True):
            truth = "maps" if gaze_set.by_teacher else "fixations"
            values = {key: [one[key] for one in of_source] for key in of_source[0]}
            summary = {"truth": truth, "intervals": "images", **summarise_values(values)}
            images = [
                {"stem": stem, **{key: rounded(value) for key, value in one.items()}}
                for stem, one in zip(stems, of_source, strict=True)
            ]
            rows.append(result_row(source, name, only_kept_out, summary, images, values["cc"]))
    return document_of(rows, described, only_kept_out)


def _map_scores(saliency: NDArray[np.float32], density: NDArray[np.float32]) -> dict[str, float]:
    return {
        "cc": fixation.correlation(saliency, density),
        "kl": fixation.kl_divergence(saliency, density),
        "sim": fixation.similarity(saliency, density),
    }


def _point_scores(saliency: NDArray[np.float32], looked: Looked, known: Survey) -> dict[str, float]:
    height, width = saliency.shape
    points = pixels(known.points[looked.stem], height, width)
    others = pixels(known.others(looked.stem), height, width)
    baseline = known.centre.density(height, width)
    rng = generator(looked.stem, "auc_borji")
    return {
        "nss": fixation.nss(saliency, points),
        "auc_judd": fixation.auc_judd(saliency, points),
        "auc_borji": fixation.auc_borji(saliency, points, rng),
        "auc_shuffled": fixation.shuffled_auc(saliency, points, others),
        "information_gain": fixation.information_gain(saliency, baseline, points),
    }


def _describe(
    name: str, gaze_set: GazeSet, known: Survey, left_out: Sequence[str]
) -> dict[str, Any]:
    chosen = gaze_set.chosen
    facts = {
        "data": name,
        "pairs": len(chosen),
        "digest": pairs_digest(chosen),
        "left_out": list(left_out),
    }
    if gaze_set.by_teacher:
        return {**facts, "truth": str(chosen[0].density.parent)}
    given = sum(looked.points is not None for looked in chosen)
    centre = known.centre
    return {
        **facts,
        "truth": "fixations",
        "fixations": {
            "given_for": given,
            "drawn_for": len(chosen) - given,
            "drawn_per_picture": POINTS,
            "outside": known.outside,
        },
        "centre": {
            "fitted_on": centre.fitted_on,
            "mean": [rounded(value) for value in centre.mean],
            "deviation": [rounded(value) for value in centre.deviation],
        },
    }
