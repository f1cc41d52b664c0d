"""Evaluating models on pictures with masks, and the row of results that comes of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from train.data import UNREADABLE_SHARE, OnDisk, Pair, find_pictures, kept_out, read_rgb
from train.evaluate.predict import MapSource, Predictor, ShortSide, resize_map
from train.evaluate.scores import per_image, summarise
from train.maps import read_mask
from train.output import Progress, silent
from vmafsal.errors import InputError, UsageError
from vmafsal.metrics.salient_object import BLOCK_SIZES, ImageScores, score_map

__all__ = [
    "WORST",
    "Evaluated",
    "choose",
    "evaluate_models",
    "note_left_out",
    "open_pairs",
    "parse_short_sides",
    "refuse_other_aspect",
    "result_facts",
    "result_row",
]

WORST = 10
"""So many of the worst images are named in a result."""


T = TypeVar("T", bound=OnDisk)


@dataclass
class Evaluated:
    """One predictor on one set."""

    predictor: Predictor
    stems: list[str] = field(default_factory=list)
    scores: list[ImageScores] = field(default_factory=list)

    def facts(self, data: str, only_kept_out: bool) -> dict[str, Any]:
        """What was evaluated on what, as a result row carries it."""
        return result_facts(self.predictor, data, only_kept_out)


def result_facts(source: MapSource, data: str, only_kept_out: bool) -> dict[str, Any]:
    """What was evaluated on what, as a result row carries it."""
    return {
        "model": source.id,
        "sha256": source.sha256,
        "data": data,
        "kept_out": only_kept_out,
        "short_side": source.runs_at,
    }


def parse_short_sides(text: str) -> tuple[ShortSide, ...]:
    """Read "native,224" or "model".

    Raises:
        UsageError: if a part is neither a word that is known nor a size in pixels.
    """
    sides: list[ShortSide] = []
    for part in text.split(","):
        word = part.strip()
        if word == "native":
            sides.append("native")
        elif word == "model":
            sides.append("model")
        elif word.isdigit() and 16 <= int(word) <= 4320:
            sides.append(int(word))
        else:
            raise UsageError(
                f"--short-side {text}: {word or 'nothing'} is neither native, nor model, nor a "
                "size of 16 to 4320 pixels."
            )
    return tuple(dict.fromkeys(sides))


def open_pairs(root: Path, only_kept_out: bool = False, limit: int | None = None) -> list[Pair]:
    """The pictures of a folder that have a mask.

    Args:
        root: in a layout that train/data.py reads.
        only_kept_out: take only the stems that training leaves out, one in ten.
        limit: take only as many, spread evenly over the set.
    Raises:
        InputError: if there is no such picture.
    """
    return choose(find_pictures(root), root, only_kept_out, limit)


def choose(
    pairs: list[T], root: Path, only_kept_out: bool = False, limit: int | None = None
) -> list[T]:
    """The pictures of a set that are to be evaluated; the arguments are those of open_pairs."""
    if only_kept_out:
        pairs = [pair for pair in pairs if kept_out(pair.stem)]
        if not pairs:
            raise InputError(f"None of the pictures in {root} is kept out; leave --kept-out away.")
    if limit is not None and limit < len(pairs):
        pairs = [pairs[i * len(pairs) // limit] for i in range(limit)]
    return pairs


def evaluate_models(
    predictors: Sequence[Predictor],
    pairs: Sequence[Pair],
    block_sizes: tuple[int, ...] = BLOCK_SIZES,
    progress: Progress = silent,
    what: str = "evaluating",
) -> tuple[list[Evaluated], list[str]]:
    """Run every predictor on every pair; each file is decoded once.

    Args:
        predictors: at least one.
        pairs: at least one.
    Returns:
        what was evaluated, in the order of the predictors, and a sentence for each pair left out.
    Raises:
        InputError: if more than one pair in a hundred cannot be read.
        ModelError: if a model cannot run.
    """
    results = [Evaluated(predictor) for predictor in predictors]
    left_out: list[str] = []
    for number, pair in enumerate(pairs, 1):
        try:
            assert pair.mask is not None
            rgb = read_rgb(pair.image)
            mask, valid = read_mask(pair.mask)
            refuse_other_aspect(pair.image, rgb.shape, pair.mask, mask.shape)
        except InputError as error:
            note_left_out(left_out, error, len(pairs))
            continue
        for result in results:
            saliency = resize_map(result.predictor(rgb), *mask.shape)
            result.stems.append(pair.stem)
            result.scores.append(score_map(saliency, mask, valid, block_sizes))
        progress(what, number, len(pairs))
    return results, left_out


def note_left_out(left_out: list[str], error: InputError, count: int) -> None:
    """Note a pair that cannot be evaluated; more than one in a hundred is too many.

    Raises:
        InputError: naming the first of them.
    """
    left_out.append(str(error))
    if len(left_out) > UNREADABLE_SHARE * count:
        raise InputError(
            f"More than one pair in a hundred cannot be evaluated. {' '.join(left_out[:5])}"
        ) from error


def refuse_other_aspect(
    image_path: Path, image: tuple[int, ...], mask_path: Path, mask: tuple[int, ...]
) -> None:
    """A mask may be of another size, which maps are resized to, but not of another shape.

    Raises:
        InputError: naming both sizes.
    """
    (high, wide), (mask_high, mask_wide) = image[:2], mask[:2]
    # Sides rounded to whole pixels may each be off by half a pixel, seen from either picture.
    slack = max(high, wide, mask_high, mask_wide)
    if abs(high * mask_wide - wide * mask_high) > slack:
        raise InputError(
            f"{mask_path} is {mask_wide}x{mask_high}, but {image_path.name} is {wide}x{high}: "
            "they do not show the same section."
        )


def result_row(
    facts: dict[str, Any],
    stems: Sequence[str],
    scores: Sequence[ImageScores],
    by_sequence: bool = False,
) -> dict[str, Any]:
    """One result as the JSON carries it.

    Args:
        facts: what was evaluated on what: model, sha256, data, kept_out, short_side.
        stems, scores: of each image.
        by_sequence: whether the intervals resample sequences instead of images.
    """
    order = np.argsort([score.iou for score in scores], kind="stable")
    return {
        **facts,
        "intervals": "sequences" if by_sequence else "images",
        **summarise(scores, [_sequence(stem) for stem in stems] if by_sequence else None),
        "worst": [stems[i] for i in order[:WORST]],
        "images": [per_image(stem, score) for stem, score in zip(stems, scores, strict=True)],
    }


def _sequence(stem: str) -> str:
    """`blackswan_00012` is a frame of `blackswan`; a stem without a number is its own sequence."""
    name, _, number = stem.rpartition("_")
    return name if name and number.isdigit() else stem
