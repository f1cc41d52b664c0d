"""Evaluations on pictures with masks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from train.data import Pair, find_pictures, pairs_digest, read_rgb
from train.evaluate.models import (
    by_name,
    choose,
    document_of,
    refuse_other_aspect,
    result_row,
    run_models,
)
from train.evaluate.predict import MapSource, resize_map
from train.evaluate.scores import per_image, summarise
from train.maps import read_mask
from vmafsal.metrics.salient_object import ImageScores, score_map

__all__ = ["AsGiven", "evaluate_sets", "open_sets"]

Truth = tuple[NDArray[np.bool_], NDArray[np.bool_] | None]
"""A mask, and which of its pixels count."""


@dataclass(frozen=True)
class AsGiven:
    """Maps that are files already, as a MapSource: it answers with what it is shown."""

    id: str
    sha256: None = None
    runs_at: str = "as given"

    def __call__(self, rgb: NDArray[Any]) -> NDArray[np.float32]:
        """The map itself."""
        return rgb


def open_sets(
    folders: Sequence[Path], only_kept_out: bool = False, limit: int | None = None
) -> dict[str, list[Pair]]:
    """The pictures with masks of each folder, by the folder's name.

    Args:
        folders: in a layout that train/data.py reads.
        only_kept_out, limit: as train.evaluate.models.choose takes them.
    Raises:
        UsageError: if two folders have the same name.
        InputError: if a folder holds no such picture.
    """
    named = by_name(folders).items()
    return {name: choose(find_pictures(root), root, only_kept_out, limit) for name, root in named}


def evaluate_sets(
    sources: Sequence[MapSource],
    sets: Mapping[str, Sequence[Pair]],
    only_kept_out: bool = False,
    by_sequence: bool = False,
    read: Callable[[Path], NDArray[Any]] = read_rgb,
) -> dict[str, Any]:
    """Run every source on every set.

    Args:
        sources: train.evaluate.predict.Predictor, for example.
        sets: pictures by the name of their set.
        only_kept_out: noted in the rows; the pictures are chosen by open_sets.
        by_sequence: whether the intervals resample sequences instead of images.
        read: from the file of a picture to what the sources see.
    Returns:
        what `evaluate --json` writes.
    Raises:
        InputError, ModelError: as train.evaluate.models.run_models.
    """

    def read_pair(pair: Pair) -> tuple[NDArray[Any], Truth]:
        assert pair.mask is not None
        shown = read(pair.image)
        mask, valid = read_mask(pair.mask)
        refuse_other_aspect(pair.image, shown.shape, pair.mask, mask.shape)
        return shown, (mask, valid)

    def score(pair: Pair, saliency: NDArray[np.float32], truth: Truth) -> ImageScores:
        return score_map(resize_map(saliency, *truth[0].shape), *truth)

    described: list[dict[str, Any]] = []
    rows: list[dict[str, Any]] = []
    for name, pairs in sets.items():
        stems, scores, left_out = run_models(sources, pairs, read_pair, score, name)
        described.append(
            {
                "data": name,
                "pairs": len(pairs),
                "digest": pairs_digest(pairs),
                "left_out": left_out,
                "without_object": sum(one.object_share == 0.0 for one in scores[0]),
            }
        )
        groups = [_sequence(stem) for stem in stems] if by_sequence else None
        for source, of_source in zip(sources, scores, strict=True):
            intervals = "sequences" if by_sequence else "images"
            summary = {"intervals": intervals, **summarise(of_source, groups)}
            images = list(map(per_image, stems, of_source))
            iou = [one.iou for one in of_source]
            rows.append(result_row(source, name, only_kept_out, summary, images, iou))
    return document_of(rows, described, only_kept_out)


def _sequence(stem: str) -> str:
    """`blackswan_00012` is a frame of `blackswan`; a stem without a number is its own sequence."""
    name, _, number = stem.rpartition("_")
    return name if name and number.isdigit() else stem
