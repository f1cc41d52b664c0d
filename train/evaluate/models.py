"""Models on sets of pictures, whatever they are compared with, and the document of results."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from train.data import UNREADABLE_SHARE, OnDisk, kept_out
from train.evaluate.predict import MapSource, ShortSide
from train.evaluate.scores import RESAMPLES, SEED
from train.output import track
from train.provenance import provenance
from vmafsal.errors import InputError, UsageError

__all__ = [
    "SCHEMA",
    "by_name",
    "choose",
    "document_of",
    "parse_short_sides",
    "recorded_score",
    "refuse_other_aspect",
    "result_row",
    "run_models",
]

SCHEMA = "vmafsal-evaluation/1"
WORST = 10
"""So many of the worst images are named in a result."""

T = TypeVar("T", bound=OnDisk)
Truth = TypeVar("Truth")


def parse_short_sides(text: str) -> tuple[ShortSide, ...]:
    """Read "native,224" or "model".

    Raises:
        UsageError: if a part is neither a word that is known nor a size in pixels.
    """
    words: dict[str, ShortSide] = {"native": "native", "model": "model"}
    sides = []
    for word in map(str.strip, text.split(",")):
        if word in words:
            sides.append(words[word])
        elif word.isdigit() and 16 <= int(word) <= 4320:
            sides.append(int(word))
        else:
            raise UsageError(
                f"--short-side {text}: {word or 'nothing'} is neither native, nor model, nor a "
                "size of 16 to 4320 pixels."
            )
    return tuple(dict.fromkeys(sides))


def by_name(folders: Sequence[Path]) -> dict[str, Path]:
    """The folders of sets by what results call them.

    Raises:
        UsageError: if two have the same name.
    """
    named = {root.resolve().name: root for root in folders}
    if len(named) < len(folders):
        raise UsageError(
            f"Results name sets by their folders, and two of {', '.join(map(str, folders))} have "
            "the same name. Rename one, or evaluate them in two runs."
        )
    return named


def choose(
    pictures: list[T], root: Path, only_kept_out: bool = False, limit: int | None = None
) -> list[T]:
    """The pictures of a set that are to be evaluated.

    Args:
        root: of the set, for the error.
        only_kept_out: take only the stems that training leaves out, one in ten.
        limit: take only as many, spread evenly over the set.
    Raises:
        InputError: if none is left.
    """
    if only_kept_out:
        pictures = [picture for picture in pictures if kept_out(picture.stem)]
        if not pictures:
            raise InputError(f"None of the pictures in {root} is kept out; leave --kept-out away.")
    if limit is not None and limit < len(pictures):
        pictures = [pictures[i * len(pictures) // limit] for i in range(limit)]
    return pictures


def run_models(
    sources: Sequence[MapSource],
    pictures: Sequence[T],
    read: Callable[[T], tuple[NDArray[Any], Truth]],
    score: Callable[[T, NDArray[np.float32], Truth], Any],
    what: str,
) -> tuple[list[str], list[list[Any]], list[str]]:
    """Run every source on every picture; each file is decoded once.

    Args:
        sources, pictures: at least one each.
        read: gives what the sources see of a picture, and what their maps are compared with.
        score: compares a map.
        what: of the pictures, for the bar.
    Returns:
        the stems that were evaluated, their scores for each source, and a sentence for each
        picture left out because reading it raised InputError.
    Raises:
        InputError: if more than one picture in a hundred cannot be read.
        ModelError: if a model cannot run.
    """
    stems: list[str] = []
    scores: list[list[Any]] = [[] for _ in sources]
    left_out: list[str] = []
    for picture in track(pictures, what):
        try:
            shown, truth = read(picture)
        except InputError as error:
            left_out.append(str(error))
            if len(left_out) > UNREADABLE_SHARE * len(pictures):
                raise InputError(
                    "More than one pair in a hundred cannot be evaluated. " + " ".join(left_out[:5])
                ) from error
            continue
        stems.append(picture.stem)
        for source, of_source in zip(sources, scores, strict=True):
            of_source.append(score(picture, source(shown), truth))
    return stems, scores, left_out


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
    source: MapSource,
    data: str,
    only_kept_out: bool,
    summary: dict[str, Any],
    images: list[dict[str, Any]],
    judged_by: Sequence[float],
) -> dict[str, Any]:
    """One result as the JSON carries it.

    Args:
        data: name of the set.
        summary: the figures over all images.
        images: the figures of each image.
        judged_by: of each image the figure by which the worst ones are named.
    """
    order = np.argsort(judged_by, kind="stable")
    return {
        "model": source.id,
        "sha256": source.sha256,
        "data": data,
        "kept_out": only_kept_out,
        "short_side": source.runs_at,
        **summary,
        "worst": [images[i]["stem"] for i in order[:WORST]],
        "images": images,
    }


def recorded_score(row: dict[str, Any]) -> dict[str, Any]:
    """What a sidecar holds of a row of results."""
    hidden = ("model", "sha256", "worst", "images")
    return {key: value for key, value in row.items() if key not in hidden}


def document_of(
    rows: list[dict[str, Any]], described: list[dict[str, Any]], only_kept_out: bool
) -> dict[str, Any]:
    """An evaluation as `--json` writes it: rows of results, their data, and where it comes from."""
    return {
        "schema": SCHEMA,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "settings": {"kept_out": only_kept_out, "resamples": RESAMPLES, "seed": SEED},
        "data": described,
        "results": rows,
        "provenance": provenance(),
    }
