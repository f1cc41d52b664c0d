"""Pictures and labels for training, decoded once and kept small in memory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from train.data import UNREADABLE_SHARE, Pair, find_pictures, kept_out, open_image, pairs_digest
from train.maps import read_mask
from train.recipe import PictureSet, Recipe
from vmafsal.errors import InputError

__all__ = ["Corpus", "Picture", "load_corpus", "load_picture"]

HELD = 50
"""About as many kept-out pictures of each set are evaluated at each checkpoint."""


@dataclass(frozen=True)
class Picture:
    """A decoded picture with its labels."""

    pair: Pair
    image: Image.Image
    """RGB."""
    mask: Image.Image | None
    """L: 0 background, 255 object; what the border holds does not count."""
    teacher: Image.Image | None
    """L: 0 to 255, a soft label."""
    border: Image.Image | None
    """L: 255 counts in the loss, 0 is a border; None where all pixels count."""

    @property
    def aspect(self) -> float:
        """Width over height."""
        return self.image.width / self.image.height


@dataclass(frozen=True)
class Corpus:
    """What a run trains on, and what it keeps out."""

    pictures: list[Picture]
    weights: np.ndarray
    """float64 [n]: how often each picture is drawn, beside the others."""
    held: list[Picture]
    """Kept-out pictures for a first measurement: with a mask, or with a map where maps are what
    the recipe fits."""
    facts: list[dict[str, Any]]
    """Of each set: name, counts, weight, digest of its files."""


def load_picture(pair: Pair, largest: int | None) -> Picture:
    """Decode a picture and its labels, reduced to the short side `largest`.

    Raises:
        InputError: if a file cannot be read, or the sizes differ.
    """
    image = open_image(pair.image, "RGB")
    scale = 1.0 if largest is None else min(1.0, largest / min(image.size))
    small = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))

    def reduced(label: Image.Image, path: Path) -> Image.Image:
        if label.size != image.size:
            raise InputError(
                f"{path} is {label.width}×{label.height}, but its picture is "
                f"{image.width}×{image.height}."
            )
        return label.resize(small, Image.Resampling.BILINEAR)

    mask = teacher = border = None
    if pair.mask is not None:
        objects, valid = read_mask(pair.mask)
        mask = reduced(Image.fromarray(np.uint8(255) * objects), pair.mask)
        if valid is not None:
            border = reduced(Image.fromarray(np.uint8(255) * valid), pair.mask)
    if pair.teacher is not None:
        teacher = reduced(open_image(pair.teacher, "L"), pair.teacher)
    return Picture(pair, image.resize(small, Image.Resampling.BILINEAR), mask, teacher, border)


def _labelled(known: PictureSet, data: Path, labels: Path) -> list[Pair]:
    """The pictures of a set with the labels that the recipe uses."""
    own = known.labels == "maps"
    soft = data / known.name / "maps" if own else labels / known.name / "maps"
    pairs = find_pictures(data / known.name, soft)
    if known.labels == "masks":
        return [replace(p, teacher=None) for p in pairs if p.mask is not None]
    if own or known.labels == "teacher":
        return [replace(p, mask=None) for p in pairs if p.teacher is not None]
    return pairs


def load_corpus(
    recipe: Recipe, data: Path, labels: Path, say: Callable[[str], None] = lambda _: None
) -> Corpus:
    """Find and decode the pictures of every set of a recipe; kept-out stems stay out.

    Args:
        data: folder that holds the sets.
        labels: folder of the teacher's labels: `<set>/maps/<stem>.png`.
        say: called with facts in sentences.
    Raises:
        InputError: if no picture is left, or more than one in a hundred cannot be read.
    """
    # At 1.5 times the largest training side, so that crops keep their detail.
    largest = max(3 * side // 2 for stage in recipe.fit.stages for side in stage.sides)
    pictures: list[Picture] = []
    held: list[Picture] = []
    weights: list[float] = []
    facts: list[dict[str, Any]] = []
    problems: list[str] = []
    for known in recipe.sets:
        pairs = _labelled(known, data, labels)
        used = [p for p in pairs if not kept_out(p.stem)]
        measured = [p for p in pairs if kept_out(p.stem) and (recipe.fit.loss == "cc_kl" or p.mask)]
        for pair in used:
            try:
                pictures.append(load_picture(pair, largest))
                weights.append(known.weight)
            except InputError as error:
                problems.append(str(error))
        held += [load_picture(p, None) for p in measured[:: max(1, len(measured) // HELD)]]
        facts.append(
            {
                "name": known.name,
                "what": known.what,
                "licence": known.licence,
                "pictures": len(used),
                "kept_out": len(pairs) - len(used),
                "masks": sum(p.mask is not None for p in used),
                "teacher": sum(p.teacher is not None for p in used),
                "weight": known.weight,
                "sha256": pairs_digest(used),
            }
        )
    if problems:
        listed = " ".join(problems[:10])
        if len(problems) > UNREADABLE_SHARE * (len(pictures) + len(problems)):
            raise InputError(
                f"{len(problems)} pictures cannot be read, more than one in a hundred; repair or "
                f"remove them. {listed}"
            )
        say(f"{len(problems)} pictures were left out. {listed}")
    if not pictures:
        raise InputError("No picture with a label is left to train on.")
    say(f"{len(pictures)} pictures to train on, {len(held)} kept out for measuring.")
    return Corpus(pictures, np.asarray(weights), held, facts)
