"""Evaluating models on where people look, or on a teacher's maps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

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
from train.evaluate.models import WORST, note_left_out, refuse_other_aspect, result_facts
from train.evaluate.predict import MapSource, Predictor, ShortSide, resize_map
from train.evaluate.scores import rounded, summarise_values, table_of
from train.evaluate.sets import document_of
from train.output import Progress, silent
from vmafsal.errors import InputError
from vmafsal.metrics import fixation
from vmafsal.models.model import load_model

__all__ = [
    "MAP_METRICS",
    "POINT_METRICS",
    "ClassicModel",
    "evaluate_gaze",
    "gaze_table",
    "open_sources",
]

MAP_METRICS = {"cc": "CC", "kl": "KL", "sim": "SIM"}
"""Of two maps: key and heading."""

POINT_METRICS = {
    "nss": "NSS",
    "auc_judd": "AUC-Judd",
    "auc_borji": "AUC-Borji",
    "auc_shuffled": "shuffled AUC",
    "information_gain": "IG",
}
"""Of a map and fixations."""

CENTRE: Literal["centre"] = "centre"
"""Stands for the Gaussian that is fitted on each set."""

CLASSIC = "classic:"

Source = MapSource | Literal["centre"]


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
) -> tuple[list[Source], list[Path]]:
    """What `--model` names.

    Args:
        names: registry ids, ONNX files, "classic:NAME" and "centre".
        short_sides: for networks; the others have one of their own.
    Returns:
        the sources, and the files that they are read from.
    Raises:
        UsageError, ModelError, DeviceError: if one cannot be had.
    """
    sources: list[Source] = []
    files: list[Path] = []
    for name in names:
        if name == CENTRE:
            sources.append(CENTRE)
        elif name.startswith(CLASSIC):
            sources.append(ClassicModel(name.removeprefix(CLASSIC)))
        else:
            model = load_model(name)
            files += [model.path, model.path.with_suffix(".json")]
            sources += [Predictor(model, side, threads, device) for side in short_sides]
    return sources, files


def evaluate_gaze(
    sources: Sequence[Source],
    sets: Mapping[str, GazeSet],
    only_kept_out: bool = False,
    settings: dict[str, Any] | None = None,
    progress: Progress = silent,
) -> dict[str, Any]:
    """Compare the maps of every source with every set, at each picture's own size.

    Args:
        sources: MapSource each (train.evaluate.predict.Predictor is one), or "centre"; not empty.
        sets: what open_gaze_sets returned; with its `truth`, a teacher's maps are the truth.
        only_kept_out: noted in the rows; the pictures are chosen by open_gaze_sets.
        settings: further facts for the document.
    Returns:
        a document as train.evaluate.sets.evaluate_sets returns it. A row holds `truth`
        ("fixations" or "maps"), and of each metric the mean, `<key>_std` and `<key>_ci`.
    Raises:
        InputError: if more than one picture in a hundred cannot be evaluated.
        ModelError: if a model cannot run.
    """
    described: list[dict[str, Any]] = []
    rows: list[dict[str, Any]] = []
    for name, gaze_set in sets.items():
        # A teacher's maps have no fixations to collect.
        needed = CENTRE in sources or not gaze_set.by_teacher
        known = survey(gaze_set) if needed else Survey(Centre(), {})
        here: list[MapSource] = [known.centre if s == CENTRE else s for s in sources]
        stems, scores, left_out = _evaluate(here, gaze_set, known, progress, name)
        described.append(_describe(name, gaze_set, known, left_out))
        for source, of_source in zip(here, scores, strict=True):
            facts = result_facts(source, name, only_kept_out)
            truth = "maps" if gaze_set.by_teacher else "fixations"
            rows.append(_row({**facts, "truth": truth}, stems, of_source))
    return document_of(rows, described, {**(settings or {}), "kept_out": only_kept_out})


def _evaluate(
    sources: Sequence[MapSource], gaze_set: GazeSet, known: Survey, progress: Progress, what: str
) -> tuple[list[str], list[list[dict[str, float]]], list[str]]:
    """Stems, the scores of each source of each picture, and why pictures were left out."""
    stems: list[str] = []
    scores: list[list[dict[str, float]]] = [[] for _ in sources]
    left_out: list[str] = []
    for number, looked in enumerate(gaze_set.chosen, 1):
        try:
            rgb = read_rgb(looked.image)
            density = read_density(looked.density)
            refuse_other_aspect(looked.image, rgb.shape, looked.density, density.shape)
            if not gaze_set.by_teacher and looked.stem not in known.points:
                fixations_of(looked, density)  # says what is wrong with them
        except InputError as error:
            note_left_out(left_out, error, len(gaze_set.chosen))
            continue
        density = resize_map(density, *rgb.shape[:2])
        stems.append(looked.stem)
        for source, of_source in zip(sources, scores, strict=True):
            saliency = source(rgb)
            if saliency.shape != density.shape:
                saliency = resize_map(saliency, *density.shape)
            found = _map_scores(saliency, density)
            if not gaze_set.by_teacher:
                found |= _point_scores(saliency, looked, known)
            of_source.append(found)
        progress(what, number, len(gaze_set.chosen))
    return stems, scores, left_out


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


def _row(
    facts: dict[str, Any], stems: Sequence[str], scores: Sequence[dict[str, float]]
) -> dict[str, Any]:
    order = np.argsort([score["cc"] for score in scores], kind="stable")
    return {
        **facts,
        "intervals": "images",
        **summarise_values({key: [score[key] for score in scores] for key in scores[0]}),
        "worst": [stems[i] for i in order[:WORST]],
        "images": [
            {"stem": stem, **{key: rounded(value) for key, value in score.items()}}
            for stem, score in zip(stems, scores, strict=True)
        ],
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


def gaze_table(rows: Sequence[dict[str, Any]]) -> str:
    """A Markdown table, one line a result: CC, KL and SIM with their standard deviations."""
    metrics = {**MAP_METRICS, **POINT_METRICS}
    columns = [(title, key) for key, title in metrics.items() if key in rows[0]]
    return table_of(rows, columns, ("cc", "nss"), tuple(MAP_METRICS))
