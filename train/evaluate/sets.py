"""Evaluations of whole sets, as one JSON document."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from train.data import Pair, pairs_digest
from train.evaluate.models import (
    Evaluated,
    evaluate_models,
    note_left_out,
    open_pairs,
    refuse_other_aspect,
    result_row,
)
from train.evaluate.predict import Predictor, resize_map
from train.evaluate.scores import RESAMPLES, SEED
from train.maps import MapPair, read_map, read_mask
from train.output import Progress, silent
from train.provenance import provenance
from vmafsal.errors import InputError, UsageError
from vmafsal.metrics.salient_object import ImageScores, score_map

__all__ = ["SCHEMA", "document_of", "evaluate_maps_on_disk", "evaluate_sets", "open_sets"]

SCHEMA = "vmafsal-evaluation/1"


def open_sets(
    folders: Sequence[Path], only_kept_out: bool = False, limit: int | None = None
) -> dict[str, list[Pair]]:
    """The pictures with masks of each folder, by the folder's name.

    Raises:
        UsageError: if two folders have the same name.
        InputError: as open_pairs.
    """
    names = [root.resolve().name for root in folders]
    if len(set(names)) < len(names):
        raise UsageError(
            f"Results name sets by their folders, and two of {', '.join(names)} have the same "
            "name. Rename one, or evaluate them in two runs."
        )
    return {
        name: open_pairs(root, only_kept_out, limit)
        for name, root in zip(names, folders, strict=True)
    }


def evaluate_sets(
    predictors: Sequence[Predictor],
    sets: Mapping[str, Sequence[Pair]],
    only_kept_out: bool = False,
    by_sequence: bool = False,
    settings: dict[str, Any] | None = None,
    progress: Progress = silent,
    evaluated: dict[str, list[Evaluated]] | None = None,
) -> dict[str, Any]:
    """Run every predictor on every set.

    Args:
        sets: pictures by the name of their set.
        only_kept_out: noted in the rows; the pictures are chosen by open_sets.
        settings: further facts for the document.
        evaluated: filled with the scores of each set, where it is given.
    Returns:
        what `evaluate --json` writes.
    Raises:
        InputError, ModelError: as evaluate_models.
    """
    described: list[dict[str, Any]] = []
    rows: list[dict[str, Any]] = []
    for name, pairs in sets.items():
        results, left_out = evaluate_models(predictors, pairs, progress=progress, what=name)
        described.append(_describe(name, pairs, left_out, results[0].scores))
        rows += [
            result_row(r.facts(name, only_kept_out), r.stems, r.scores, by_sequence)
            for r in results
        ]
        if evaluated is not None:
            evaluated[name] = results
    return document_of(rows, described, {**(settings or {}), "kept_out": only_kept_out})


def evaluate_maps_on_disk(
    pred: Path,
    gt: Path,
    pairs: Sequence[MapPair],
    alone: Sequence[str],
    block_sizes: tuple[int, ...],
    by_sequence: bool = False,
    progress: Progress = silent,
) -> dict[str, Any]:
    """Evaluate maps that are files already.

    Args:
        pred, gt: the folders, for the document.
        pairs, alone: what pair_maps returned for them.
    Returns:
        what `evaluate maps --json` writes.
    Raises:
        InputError: if more than one pair in a hundred cannot be read.
    """
    stems: list[str] = []
    scores: list[ImageScores] = []
    left_out: list[str] = []
    for number, pair in enumerate(pairs, 1):
        try:
            saliency = read_map(pair.saliency)
            mask, valid = read_mask(pair.mask)
            refuse_other_aspect(pair.saliency, saliency.shape, pair.mask, mask.shape)
        except InputError as error:
            note_left_out(left_out, error, len(pairs))
            continue
        stems.append(pair.stem)
        scores.append(score_map(resize_map(saliency, *mask.shape), mask, valid, block_sizes))
        progress("evaluating", number, len(pairs))
    name = gt.resolve().name
    described = _describe(name, (), [*left_out, *alone], scores)
    facts = {
        "model": pred.resolve().name,
        "sha256": None,
        "data": name,
        "kept_out": False,
        "short_side": "as given",
    }
    rows = [result_row(facts, stems, scores, by_sequence)]
    return document_of(rows, [{**described, "pairs": len(pairs)}], {"pred": str(pred)})


def _describe(
    name: str, pairs: Sequence[Pair], left_out: Sequence[str], scores: Sequence[ImageScores]
) -> dict[str, Any]:
    return {
        "data": name,
        "pairs": len(pairs),
        "digest": pairs_digest(pairs) if pairs else None,
        "left_out": list(left_out),
        "without_object": sum(score.object_share == 0.0 for score in scores),
    }


def document_of(
    rows: list[dict[str, Any]], described: list[dict[str, Any]], settings: dict[str, Any]
) -> dict[str, Any]:
    """An evaluation as `--json` writes it: rows of results, their data, and where it comes from."""
    return {
        "schema": SCHEMA,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "settings": {**settings, "resamples": RESAMPLES, "seed": SEED},
        "data": described,
        "results": rows,
        "provenance": provenance(),
    }
