"""Measuring models on folders of pairs, and maps that are on disk already."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from train.data import Pair, file_list_digest
from train.maps import pair_maps, read_map, read_map_mask
from train.measure import (
    Measured,
    measure,
    note_left_out,
    open_pairs,
    parse_short_sides,
    refuse_other_aspect,
    result_row,
)
from train.output import progress_bar, refuse_unwritable, write_whole
from train.predict import Predictor, resize_map
from train.provenance import provenance
from train.report import RESAMPLES, SEED, markdown_table, model_labels
from vmafsal.errors import InputError, UsageError
from vmafsal.metrics.salient_object import BLOCK_SIZES, ImageScores, score_map
from vmafsal.models.model import load_model

__all__ = ["SCHEMA", "app"]

SCHEMA = "vmafsal-evaluation/1"


app = typer.Typer()


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

        python -m train evaluate --model v2.onnx --data DUTS-TE --short-side native,224

        python -m train evaluate --model a.onnx --model b.onnx --data set1 --data set2 --kept-out

        python -m train evaluate --model v2.onnx --data set1 --json all.json --sheet cases.png
    """
    if context.invoked_subcommand is not None:
        return
    if not models or not data:
        raise UsageError("Give --model and --data, each at least once (or evaluate maps ...).")
    refuse_unwritable(json_path, markdown_path, sheet)
    names = [root.resolve().name for root in data]
    if len(set(names)) < len(names):
        raise UsageError(
            f"Results speak of sets by their folders' names, and two of {', '.join(names)} are the "
            "same. Rename one, or measure them in two runs."
        )
    sides = parse_short_sides(short_side)
    predictors = [
        Predictor(load_model(model), side, threads, device) for model in models for side in sides
    ]
    sets: list[dict[str, Any]] = []
    rows: list[dict[str, Any]] = []
    with progress_bar() as progress:
        for root, name in zip(data, names, strict=True):
            pairs = open_pairs(root, only_kept_out, limit)
            measured, left_out = measure(predictors, pairs, progress=progress, what=name)
            sets.append(_describe_set(name, root, pairs, left_out, measured[0]))
            for result in measured:
                facts = result.facts(name, only_kept_out)
                rows.append(result_row(facts, result.stems, result.scores, by_sequence))
            if sheet is not None:
                from train.sheet import draw_sheet

                path = sheet if len(data) == 1 else sheet.with_stem(f"{sheet.stem}.{name}")
                write_whole(path, draw_sheet(measured, pairs))
    settings = {
        "short_side": short_side,
        "kept_out": only_kept_out,
        "limit": limit,
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
    for row, label in zip(rows, model_labels(rows), strict=True):
        typer.echo(
            f"worst IoU of {label} at {row['short_side']} on {row['data']}: "
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


@app.command("maps")
def evaluate_maps(
    pred: Annotated[Path, typer.Option(metavar="DIR", help="Maps: .npy, .pgm, .png.")],
    gt: Annotated[Path, typer.Option(metavar="DIR", help="Masks of the same stems.")],
    block_size: Annotated[
        list[int] | None,
        typer.Option(min=1, help="Side of the blocks in pixels; may be repeated. [16, 64]"),
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
) -> None:
    """Measure maps that are on disk already, by the same rules.

    Example:

        python -m train evaluate maps --pred maps/ --gt masks/ --block-size 16
    """
    refuse_unwritable(json_path, markdown_path)
    pairs, alone = pair_maps(pred, gt)
    sizes = tuple(dict.fromkeys(block_size or BLOCK_SIZES))
    stems: list[str] = []
    scores: list[ImageScores] = []
    left_out: list[str] = []
    with progress_bar() as progress:
        for number, pair in enumerate(pairs, 1):
            try:
                saliency = read_map(pair.saliency)
                mask, valid = read_map_mask(pair.mask)
                refuse_other_aspect(pair.saliency, saliency.shape, pair.mask, mask.shape)
            except InputError as error:
                note_left_out(left_out, error, len(pairs))
                continue
            saliency = resize_map(saliency, *mask.shape)
            stems.append(pair.stem)
            scores.append(score_map(saliency, mask, valid, sizes))
            progress("measuring", number, len(pairs))
    name = gt.resolve().name
    described = {
        "data": name,
        "root": str(gt),
        "pairs": len(pairs),
        "digest": None,
        "left_out": [*left_out, *alone],
        "without_object": sum(score.object_share == 0.0 for score in scores),
    }
    facts = {
        "model": pred.resolve().name,
        "sha256": None,
        "data": name,
        "kept_out": False,
        "short_side": "as given",
    }
    row = result_row(facts, stems, scores, by_sequence)
    _report([row], [described], {"pred": str(pred)}, json_path, markdown_path)
