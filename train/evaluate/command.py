"""The command `evaluate`: models on pictures with masks or with fixations, and maps on disk."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from train.evaluate.gaze import evaluate_gaze, open_sources
from train.evaluate.gaze_sets import open_gaze_sets
from train.evaluate.models import parse_short_sides
from train.evaluate.scores import markdown_table, model_labels
from train.evaluate.sets import AsGiven, evaluate_sets, open_sets
from train.maps import pair_maps, read_map
from train.output import check_outputs
from vmafsal.errors import UsageError
from vmafsal.files import write_whole

__all__ = ["app"]

app = typer.Typer()

NEEDED = "Give --model and --data, each at least once (or evaluate maps ...)."

Models = Annotated[
    list[str] | None,
    typer.Option(
        "--model",
        metavar="X",
        help="ONNX file, registry id, classic:NAME (a model of train/teachers), or centre; "
        "may be repeated.",
    ),
]
Data = Annotated[
    list[Path] | None,
    typer.Option(
        metavar="DIR",
        help="Folder with images/ and masks/, or, of gaze, maps/ and maybe fixations/; may be "
        "repeated.",
    ),
]
ShortSides = Annotated[
    str,
    typer.Option(
        "--short-side",
        metavar="native|model|N,...",
        help="Sizes to run networks at: the picture's own, the sidecar's, or a short side in "
        "pixels.",
    ),
]
KeptOut = Annotated[
    bool, typer.Option("--kept-out", help="Only the tenth of stems that training leaves out.")
]
Limit = Annotated[
    int | None, typer.Option(min=1, help="Only so many pictures of each set, evenly spread.")
]
BySequence = Annotated[
    bool,
    typer.Option(help="Intervals over sequences (stems up to _NUMBER), not single images."),
]
JsonPath = Annotated[
    Path | None, typer.Option("--json", metavar="FILE", help="All figures, image by image.")
]
Threads = Annotated[int, typer.Option(min=1, help="Of ONNX Runtime on the CPU.")]
Device = Annotated[str, typer.Option(help="cpu, cuda, cuda:N or auto.")]


@app.callback(invoke_without_command=True)
def evaluate(
    context: typer.Context,
    models: Models = None,
    data: Data = None,
    short_side: ShortSides = "model",
    only_kept_out: KeptOut = False,
    limit: Limit = None,
    by_sequence: BySequence = False,
    json_path: JsonPath = None,
    sheet: Annotated[
        Path | None,
        typer.Option(metavar="FILE.png", help="Contact sheet of best, median and worst cases."),
    ] = None,
    threads: Threads = 2,
    device: Device = "cpu",
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
        raise UsageError(NEEDED)
    outputs = (json_path, sheet)
    check_outputs(outputs)
    sources, inputs = open_sources(models, parse_short_sides(short_side), threads, device)
    sets = open_sets(data, only_kept_out, limit)
    inputs += [path for pairs in sets.values() for pair in pairs for path in pair.files]
    check_outputs(outputs, inputs)
    document = evaluate_sets(sources, sets, only_kept_out, by_sequence)
    _report(document, json_path)
    if sheet is not None:
        from train.evaluate.sheet import draw_sheet

        write_whole(sheet, draw_sheet(sources, document["results"], sets))


def _report(document: dict[str, Any], json_path: Path | None) -> None:
    rows = document["results"]
    for described in document["data"]:
        for sentence in described["left_out"]:
            typer.echo(f"{described['data']}: left out: {sentence}", err=True)
    typer.echo(markdown_table(rows), nl=False)
    for row, label in zip(rows, model_labels(rows), strict=True):
        typer.echo(
            f"worst {'CC' if 'cc' in row else 'IoU'} of {label} at {row['short_side']} on "
            f"{row['data']}: {', '.join(row['worst'][:5])}",
            err=True,
        )
    if json_path is not None:
        write_whole(json_path, json.dumps(document, indent=1) + "\n")


@app.command("gaze")
def gaze(
    models: Models = None,
    data: Data = None,
    truth: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Compare with these maps of the same stems, such as a teacher's, not with maps/.",
        ),
    ] = None,
    short_side: ShortSides = "model",
    only_kept_out: KeptOut = False,
    limit: Limit = None,
    json_path: JsonPath = None,
    threads: Threads = 2,
    device: Device = "cpu",
) -> None:
    """Evaluate models on where people look: CC, KL, SIM, NSS, AUCs and information gain.

    Maps are compared at each picture's own size. docs/evaluation.md has the rules.

    Examples:

        python -m train evaluate gaze --model saliency_student_v3 --model centre --data gaze_osie

        python -m train evaluate gaze --model classic:gbvs --data gaze_osie --kept-out --json a.json

        python -m train evaluate gaze --model s.onnx --data photos --truth labels/photos/maps
    """
    if not models or not data:
        raise UsageError(NEEDED)
    check_outputs((json_path,))
    sources, inputs = open_sources(models, parse_short_sides(short_side), threads, device)
    sets = open_gaze_sets(data, only_kept_out, limit, truth)
    inputs += [path for found in sets.values() for looked in found.every for path in looked.files]
    check_outputs((json_path,), inputs)
    document = evaluate_gaze(sources, sets, only_kept_out)
    _report(document, json_path)


@app.command("maps")
def maps(
    pred: Annotated[Path, typer.Option(metavar="DIR", help="Maps: .npy, .pgm, .png.")],
    gt: Annotated[Path, typer.Option(metavar="DIR", help="Masks of the same stems.")],
    by_sequence: BySequence = False,
    json_path: JsonPath = None,
) -> None:
    """Evaluate maps that are on disk already, by the same rules.

    Example:

        python -m train evaluate maps --pred maps/ --gt masks/
    """
    pairs, alone = pair_maps(pred, gt)
    check_outputs((json_path,), [path for pair in pairs for path in pair.files])
    sets = {gt.resolve().name: pairs}
    source = AsGiven(pred.resolve().name)
    document = evaluate_sets([source], sets, by_sequence=by_sequence, read=read_map)
    document["data"][0]["left_out"] += alone
    _report(document, json_path)
