"""Measuring models on folders of pairs, and maps that are on disk already."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from numpy.typing import NDArray

from train.data import (
    BORDER,
    UNREADABLE_SHARE,
    Pair,
    file_list_digest,
    find_pairs,
    kept_out,
    read_gray,
    read_rgb,
)
from train.metrics import BLOCK_SIZES, ImageScores, score_map
from train.output import Progress, progress_bar, silent, write_whole
from train.predict import Predictor, ShortSide, resize_map
from train.provenance import provenance
from train.report import RESAMPLES, SEED, markdown_table, per_image, summarise
from vmafsal.errors import InputError, UsageError
from vmafsal.model import load_model

__all__ = ["SCHEMA", "Measured", "app", "measure", "open_pairs", "parse_short_sides", "read_mask"]

SCHEMA = "vmafsal-evaluation/1"
KEPT_OUT_EVERY = 10
_WORST = 10


@dataclass
class Measured:
    """One predictor on one set."""

    predictor: Predictor
    stems: list[str] = field(default_factory=list)
    scores: list[ImageScores] = field(default_factory=list)


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
    """The hard pairs of a folder.

    Args:
        root: in a layout that train/data.py reads.
        only_kept_out: take only the stems that training leaves out, one in ten.
        limit: take only as many, spread evenly over the set.
    Raises:
        InputError: if there is no pair, or its labels are soft.
    """
    dataset = find_pairs(root)
    if dataset.soft:
        raise InputError(f"{root} holds soft labels, which are no truth to measure against.")
    pairs = list(dataset.pairs)
    if only_kept_out:
        pairs = [pair for pair in pairs if kept_out(pair.stem, KEPT_OUT_EVERY)]
        if not pairs:
            raise InputError(f"None of the pairs in {root} is kept out; leave --kept-out away.")
    if limit is not None and limit < len(pairs):
        pairs = [pairs[i * len(pairs) // limit] for i in range(limit)]
    return pairs


def read_mask(path: Path) -> tuple[NDArray[np.bool_], NDArray[np.bool_] | None]:
    """A mask or trimap as (object, valid), bool [H, W] each; valid is None without a border.

    Raises:
        InputError: if it cannot be read, or is border all over.
    """
    gray = read_gray(path)
    border = gray == BORDER
    if border.all():
        raise InputError(f"{path} is border all over: no pixel of it counts.")
    return gray > BORDER, ~border if border.any() else None


def measure(
    predictors: Sequence[Predictor],
    pairs: Sequence[Pair],
    block_sizes: tuple[int, ...] = BLOCK_SIZES,
    progress: Progress = silent,
    what: str = "measuring",
) -> tuple[list[Measured], list[str]]:
    """Run every predictor on every pair; each file is decoded once.

    Args:
        predictors: at least one.
        pairs: at least one.
    Returns:
        what was measured, in the order of the predictors, and a sentence for each pair left out.
    Raises:
        InputError: if more than one pair in a hundred cannot be read.
        ModelError: if a model cannot run.
    """
    results = [Measured(predictor) for predictor in predictors]
    left_out: list[str] = []
    for number, pair in enumerate(pairs, 1):
        try:
            rgb = read_rgb(pair.image)
            mask, valid = read_mask(pair.label)
            _refuse_other_aspect(pair, rgb.shape[:2], mask.shape)
        except InputError as error:
            left_out.append(str(error))
            if len(left_out) > UNREADABLE_SHARE * len(pairs):
                raise InputError(
                    f"More than one pair in a hundred cannot be measured. {' '.join(left_out[:5])}"
                ) from error
            continue
        for result in results:
            saliency = resize_map(result.predictor(rgb), *mask.shape)
            result.stems.append(pair.stem)
            result.scores.append(score_map(saliency, mask, valid, block_sizes))
        progress(what, number, len(pairs))
    return results, left_out


def _refuse_other_aspect(pair: Pair, image: tuple[int, ...], mask: tuple[int, ...]) -> None:
    """A mask may be of another size, which maps are resized to, but not of another shape."""
    (high, wide), (mask_high, mask_wide) = image, mask
    # Sides rounded to whole pixels may each be off by half a pixel, seen from either picture.
    slack = max(high, wide, mask_high, mask_wide)
    if abs(high * mask_wide - wide * mask_high) > slack:
        raise InputError(
            f"{pair.label} is {mask_wide}x{mask_high}, but its image is {wide}x{high}: they do "
            "not show the same section."
        )


def result_row(measured: Measured, data: str, by_sequence: bool = False) -> dict[str, Any]:
    """One result as the JSON and the sidecar carry it."""
    model = measured.predictor.model
    groups = [_sequence(stem) for stem in measured.stems] if by_sequence else None
    order = np.argsort([score.iou for score in measured.scores], kind="stable")
    return {
        "model": model.id,
        "sha256": model.sha256,
        "data": data,
        "short_side": measured.predictor.runs_at,
        **summarise(measured.scores, groups),
        "worst": [measured.stems[i] for i in order[:_WORST]],
    }


def _sequence(stem: str) -> str:
    """`blackswan_00012` is a frame of `blackswan`; a stem without a number is its own sequence."""
    name, _, number = stem.rpartition("_")
    return name if name and number.isdigit() else stem


app = typer.Typer(help="Measure models, or maps on disk, against masks.")


@app.callback(invoke_without_command=True)
def evaluate(
    context: typer.Context,
    models: Annotated[
        list[str] | None,
        typer.Option("--model", metavar="X", help="ONNX file or registry id; may be repeated."),
    ] = None,
    data: Annotated[
        list[Path] | None,
        typer.Option(metavar="DIR", help="Folder of pairs; may be repeated."),
    ] = None,
    short_side: Annotated[
        str,
        typer.Option(
            metavar="native|model|N,...",
            help="Sizes to run at: the picture's own, the sidecar's, or a short side in pixels.",
        ),
    ] = "model",
    only_kept_out: Annotated[
        bool, typer.Option("--kept-out", help="Only the tenth of stems that training leaves out.")
    ] = False,
    limit: Annotated[
        int | None, typer.Option(min=1, help="Only so many pairs of each set, evenly spread.")
    ] = None,
    by_sequence: Annotated[
        bool,
        typer.Option(help="Intervals over sequences (stems up to _NUMBER), not single images."),
    ] = False,
    json_path: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="All figures, image by image.")
    ] = None,
    markdown_path: Annotated[
        Path | None, typer.Option("--markdown", metavar="FILE", help="The table.")
    ] = None,
    sheet: Annotated[
        Path | None,
        typer.Option(metavar="FILE.png", help="Contact sheet of best, median and worst cases."),
    ] = None,
    threads: Annotated[int, typer.Option(min=1, help="Of ONNX Runtime on the CPU.")] = 2,
    device: Annotated[str, typer.Option(help="cpu, cuda, cuda:N or auto.")] = "cpu",
) -> None:
    """Measure models on pairs of images and masks: IoU, MAE, F, S, E, weighted F, mean error.

    Nothing is stretched: a map counts as the model gave it. docs/evaluation.md has the rules.

    Examples:

      python -m train evaluate --model runs/v2.onnx --data data/DUTS-TE --short-side native,224

      python -m train evaluate --model a.onnx --model b.onnx --data set1 --data set2 --kept-out
        --json scores.json --sheet cases.png
    """
    if context.invoked_subcommand is not None:
        return
    if not models or not data:
        raise UsageError("Give --model and --data, each at least once (or evaluate maps ...).")
    sides = parse_short_sides(short_side)
    predictors = [
        Predictor(load_model(model), side, threads, device) for model in models for side in sides
    ]
    sets: list[dict[str, Any]] = []
    rows: list[dict[str, Any]] = []
    with progress_bar() as progress:
        for root in data:
            pairs = open_pairs(root, only_kept_out, limit)
            name = root.resolve().name
            measured, left_out = measure(predictors, pairs, progress=progress, what=name)
            sets.append(_describe_set(name, root, pairs, left_out, measured[0]))
            for result in measured:
                row = result_row(result, name, by_sequence)
                row["images"] = [
                    per_image(stem, score)
                    for stem, score in zip(result.stems, result.scores, strict=True)
                ]
                rows.append(row)
            if sheet is not None:
                from train.sheet import draw_sheet

                path = sheet if len(data) == 1 else sheet.with_stem(f"{sheet.stem}.{name}")
                write_whole(path, draw_sheet(measured, pairs))
    settings = {
        "short_side": short_side,
        "kept_out": only_kept_out,
        "limit": limit,
        "intervals": "sequences" if by_sequence else "images",
        "device": device,
        "threads": threads,
    }
    _report(rows, sets, settings, json_path, markdown_path)


def _describe_set(
    name: str, root: Path, pairs: Sequence[Pair], left_out: list[str], first: Measured
) -> dict[str, Any]:
    for sentence in left_out:
        typer.echo(f"{name}: left out: {sentence}", err=True)
    return {
        "data": name,
        "root": str(root),
        "pairs": len(pairs),
        "digest": file_list_digest(pairs),
        "left_out": left_out,
        "without_object": sum(score.object_share == 0.0 for score in first.scores),
    }


def _report(
    rows: list[dict[str, Any]],
    sets: list[dict[str, Any]],
    settings: dict[str, Any],
    json_path: Path | None,
    markdown_path: Path | None,
) -> None:
    table = markdown_table(rows)
    typer.echo(table, nl=False)
    for row in rows:
        typer.echo(
            f"worst IoU of {row['model']} at {row['short_side']} on {row['data']}: "
            + ", ".join(row["worst"][:5])
        )
    if markdown_path is not None:
        write_whole(markdown_path, table)
    if json_path is not None:
        document = {
            "schema": SCHEMA,
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
            "settings": {**settings, "resamples": RESAMPLES, "seed": SEED},
            "data": sets,
            "results": rows,
            "provenance": provenance(),
        }
        write_whole(json_path, json.dumps(document, indent=1) + "\n")
