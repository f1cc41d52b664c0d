"""The command `evaluate`: models on pictures with masks or with fixations, and maps on disk."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from train.evaluate.gaze import evaluate_gaze, gaze_table, open_sources
from train.evaluate.gaze_sets import open_gaze_sets
from train.evaluate.models import Evaluated, parse_short_sides
from train.evaluate.predict import Predictor
from train.evaluate.scores import markdown_table, model_labels
from train.evaluate.sets import evaluate_maps_on_disk, evaluate_sets, open_sets
from train.maps import pair_maps
from train.output import check_outputs, progress_bar
from vmafsal.errors import UsageError
from vmafsal.files import write_whole
from vmafsal.metrics.salient_object import BLOCK_SIZES
from vmafsal.models.model import load_model

__all__ = ["app"]

app = typer.Typer()

KeptOut = Annotated[
    bool, typer.Option("--kept-out", help="Only the tenth of stems that training leaves out.")
]
BySequence = Annotated[
    bool,
    typer.Option(help="Intervals over sequences (stems up to _NUMBER), not single images."),
]
JsonPath = Annotated[
    Path | None, typer.Option("--json", metavar="FILE", help="All figures, image by image.")
]
MarkdownPath = Annotated[Path | None, typer.Option("--markdown", metavar="FILE", help="The table.")]


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
    only_kept_out: KeptOut = False,
    limit: Annotated[
        int | None, typer.Option(min=1, help="Only so many pairs of each set, evenly spread.")
    ] = None,
    by_sequence: BySequence = False,
    json_path: JsonPath = None,
    markdown_path: MarkdownPath = None,
    sheet: Annotated[
        Path | None,
        typer.Option(metavar="FILE.png", help="Contact sheet of best, median and worst cases."),
    ] = None,
    threads: Annotated[int, typer.Option(min=1, help="Of ONNX Runtime on the CPU.")] = 2,
    device: Annotated[str, typer.Option(help="cpu, cuda, cuda:N or auto.")] = "cpu",
) -> None:
    """Evaluate models on pictures with masks: IoU, MAE, F, S, E, weighted F, mean error.

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
    check_outputs((json_path, markdown_path, sheet))
    loaded = [load_model(model) for model in models]
    predictors = [
        Predictor(model, side, threads, device)
        for model in loaded
        for side in parse_short_sides(short_side)
    ]
    sets = open_sets(data, only_kept_out, limit)
    inputs = [path for model in loaded for path in model.files]
    inputs += [path for pairs in sets.values() for pair in pairs for path in pair.files]
    sheets = {} if sheet is None else _name_sheets(sheet, list(sets))
    check_outputs((json_path, markdown_path, *sheets.values()), inputs)
    settings = {"short_side": short_side, "limit": limit, "device": device, "threads": threads}
    drawn: dict[str, list[Evaluated]] = {}
    with progress_bar() as progress:
        document = evaluate_sets(
            predictors, sets, only_kept_out, by_sequence, settings, progress, drawn
        )
    _report(document, json_path, markdown_path)
    if sheets:
        from train.evaluate.sheet import draw_sheet

        for name, evaluated in drawn.items():
            write_whole(sheets[name], draw_sheet(evaluated, sets[name]))


def _name_sheets(sheet: Path, sets: Sequence[str]) -> dict[str, Path]:
    """The contact sheet of each set: one set's as it is named, else with the set in the name."""
    if len(sets) == 1:
        return {sets[0]: sheet}
    return {name: sheet.with_stem(f"{sheet.stem}.{name}") for name in sets}


def _report(document: dict[str, Any], json_path: Path | None, markdown_path: Path | None) -> None:
    rows = document["results"]
    gaze = "cc" in rows[0]
    for described in document["data"]:
        for sentence in described["left_out"]:
            typer.echo(f"{described['data']}: left out: {sentence}", err=True)
    table = gaze_table(rows) if gaze else markdown_table(rows)
    typer.echo(table, nl=False)
    for row, label in zip(rows, model_labels(rows), strict=True):
        typer.echo(
            f"worst {'CC' if gaze else 'IoU'} of {label} at {row['short_side']} on {row['data']}: "
            + ", ".join(row["worst"][:5])
        )
    if markdown_path is not None:
        write_whole(markdown_path, table)
    if json_path is not None:
        write_whole(json_path, json.dumps(document, indent=1) + "\n")


@app.command("gaze")
def gaze(
    models: Annotated[
        list[str],
        typer.Option(
            "--model",
            metavar="X",
            help="ONNX file, registry id, classic:NAME (a model of train/teachers), or centre; "
            "may be repeated.",
        ),
    ],
    data: Annotated[
        list[Path],
        typer.Option(
            metavar="DIR", help="Folder with images/, maps/ and maybe fixations/; may be repeated."
        ),
    ],
    truth: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Compare with these maps of the same stems, such as a teacher's, not with maps/.",
        ),
    ] = None,
    short_side: Annotated[
        str,
        typer.Option(
            metavar="native|model|N,...",
            help="Sizes to run networks at: the picture's own, the sidecar's, or a short side in "
            "pixels.",
        ),
    ] = "model",
    only_kept_out: KeptOut = False,
    limit: Annotated[
        int | None, typer.Option(min=1, help="Only so many pictures of each set, evenly spread.")
    ] = None,
    json_path: JsonPath = None,
    markdown_path: MarkdownPath = None,
    threads: Annotated[int, typer.Option(min=1, help="Of ONNX Runtime on the CPU.")] = 2,
    device: Annotated[str, typer.Option(help="cpu, cuda, cuda:N or auto.")] = "cpu",
) -> None:
    """Evaluate models on where people look: CC, KL, SIM, NSS, AUCs and information gain.

    Maps are compared at each picture's own size. docs/evaluation.md has the rules.

    Examples:

        python -m train evaluate gaze --model saliency_student_v3 --model centre --data gaze_osie

        python -m train evaluate gaze --model classic:gbvs --data gaze_osie --kept-out --json a.json

        python -m train evaluate gaze --model s.onnx --data photos --truth labels/photos/maps
    """
    check_outputs((json_path, markdown_path))
    sources, inputs = open_sources(models, parse_short_sides(short_side), threads, device)
    sets = open_gaze_sets(data, only_kept_out, limit, truth)
    inputs += [path for found in sets.values() for looked in found.every for path in looked.files]
    check_outputs((json_path, markdown_path), inputs)
    settings = {"short_side": short_side, "limit": limit, "device": device, "threads": threads}
    with progress_bar() as progress:
        document = evaluate_gaze(sources, sets, only_kept_out, settings, progress)
    _report(document, json_path, markdown_path)


@app.command("maps")
def maps(
    pred: Annotated[Path, typer.Option(metavar="DIR", help="Maps: .npy, .pgm, .png.")],
    gt: Annotated[Path, typer.Option(metavar="DIR", help="Masks of the same stems.")],
    block_size: Annotated[
        list[int] | None,
        typer.Option(min=1, help="Side of the blocks in pixels; may be repeated. [16, 64]"),
    ] = None,
    by_sequence: BySequence = False,
    json_path: JsonPath = None,
    markdown_path: MarkdownPath = None,
) -> None:
    """Evaluate maps that are on disk already, by the same rules.

    Example:

        python -m train evaluate maps --pred maps/ --gt masks/ --block-size 16
    """
    pairs, alone = pair_maps(pred, gt)
    check_outputs(
        (json_path, markdown_path), [path for pair in pairs for path in (pair.saliency, pair.mask)]
    )
    sizes = tuple(dict.fromkeys(block_size or BLOCK_SIZES))
    with progress_bar() as progress:
        document = evaluate_maps_on_disk(pred, gt, pairs, alone, sizes, by_sequence, progress)
    _report(document, json_path, markdown_path)
