"""The data of one run: kept-out stems gone, the fold split off, the rest decoded."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from train.architectures import architecture
from train.data import Dataset, Items, file_list_digest, kept_out, load_items, split_fold
from train.recipe import Recipe
from train.samples import Samples
from vmafsal.errors import InputError, UsageError

__all__ = ["Corpus", "load_corpus"]


@dataclass(frozen=True)
class Corpus:
    """Decoded data, split."""

    samples: Samples
    fold: Items
    facts: list[dict[str, Any]]
    """Of each set: root, counts, weight, digest of the file list."""


def load_corpus(
    recipe: Recipe, datasets: list[Dataset], say: Callable[[str], None] = lambda _: None
) -> Corpus:
    """Keep out, split off the fold, decode.

    Raises:
        InputError: as `load_items`, or if less than a batch is left to train on.
        UsageError: if composites are wanted, but nothing is there to cut them from.
    """
    facts, pairs, weights = [], [], []
    for dataset in datasets:
        used = [p for p in dataset.pairs if not kept_out(p.stem, recipe.keep_out)]
        facts.append(
            {
                "root": str(dataset.root),
                "pairs": len(dataset.pairs),
                "kept_out": len(dataset.pairs) - len(used),
                "soft": dataset.soft,
                "weight": dataset.weight,
                "file_list_sha256": file_list_digest(dataset.pairs),
            }
        )
        pairs += used
        weights += [dataset.weight] * len(used)
    training, held = split_fold(pairs, recipe.fold, recipe.seed)
    weight_of = dict(zip(pairs, weights, strict=True))
    if not recipe.composites and any(pair.cutout or not weight_of[pair] for pair in training):
        raise UsageError(
            "Cut-outs and sets of weight 0 are only used in composites; say how many with "
            "--composites."
        )
    if recipe.composites and all(pair.cutout for pair in training):
        raise UsageError("There is nothing to paste the cut-outs on; add a set of pictures.")
    if recipe.composites and all(pair.soft or not weight_of[pair] for pair in training):
        raise UsageError("--composites cuts objects from hard labels, and there are none.")
    told = architecture(recipe.arch).gaze
    items = load_items(training, recipe.soft_floor, say=say, gaze=told)
    fold = load_items(held, recipe.soft_floor, say=say)
    by_weight: dict[tuple[Path, float], list[int]] = {}
    for i in range(len(items)):
        pair = items.pair(i)
        by_weight.setdefault((pair.label.parent, weight_of[pair]), []).append(i)
    sets = [(indices, weight) for (_, weight), indices in by_weight.items()]
    samples = Samples(
        items,
        sets,
        recipe.augment,
        recipe.seed,
        recipe.composites,
        recipe.soft_floor,
        recipe.composition,
        twins=recipe.consistency > 0.0,
        gaze=told,
        gaze_top=recipe.gaze_top,
    )
    per_epoch = len(samples.plan(0))
    if per_epoch < recipe.batch:
        raise InputError(
            f"An epoch holds {per_epoch} samples, fewer than one batch of {recipe.batch}; "
            "add data or choose a smaller --batch."
        )
    say(f"{len(items)} images to train on, {len(fold)} in the fold, {per_epoch} samples an epoch.")
    return Corpus(samples, fold, facts)
