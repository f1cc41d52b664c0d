"""The commands `run`, `label`, `fit` and `export`: options in, one call, sentences out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["export", "fit", "label", "run"]

RecipeFile = Annotated[Path, typer.Argument(metavar="RECIPE", help="A TOML file of recipes/.")]
Data = Annotated[Path, typer.Option(metavar="DIR", help="Folder that holds the picture sets.")]
Work = Annotated[
    Path, typer.Option(metavar="DIR", help="Gets labels/ and runs/; earlier results are resumed.")
]
Init = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Weights that the recipe begins with: .onnx or .pt."),
]
TeacherOption = Annotated[
    str | None,
    typer.Option(
        metavar="X", help="onnx:FILE, onnx:ID, maps:DIR or classic:NAME, not the recipe's."
    ),
]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")]
Status = Annotated[str, typer.Option(help="production or superseded.")]
Default = Annotated[
    bool, typer.Option("--default", help="Make it the default model, if its scores allow it.")
]


def run(
    recipe: RecipeFile,
    data: Data,
    work: Work = Path("work"),
    out: Annotated[
        Path, typer.Option(metavar="DIR", help="Registry folder for the finished model.")
    ] = Path("model/tiny"),
    init: Init = None,
    teacher: TeacherOption = None,
    beside: Annotated[
        list[str] | None,
        typer.Option(metavar="X", help="A model to evaluate beside it; may be repeated."),
    ] = None,
    device: Device = "auto",
    status: Status = "production",
    default: Default = False,
) -> None:
    """Do everything that a recipe says: label, fit, export, evaluate, write the card.

    The same command resumes where an earlier one stopped.

    Examples:

        python -m train run recipes/saliency_student_v2.toml --data data --work work

        torchrun --nproc-per-node 4 -m train run recipes/saliency_student_v2.toml --data data
    """
    from train.chain import Places, check_run, run_recipe
    from train.output import progress_bar
    from train.recipe import read_recipe, recipe_files

    _check_status(status)
    known = read_recipe(recipe)
    places = Places(data, work, out, init, teacher, tuple(beside or ()))
    check_run(known, places, recipe_files(recipe))
    try:
        with progress_bar() as progress:
            exported = run_recipe(known, places, device, status, default, (), typer.echo, progress)
    except KeyboardInterrupt:
        _interrupted()
    if exported is not None and default and exported.refused:
        typer.echo(f"It is written, but is not the default. {exported.refused}", err=True)
        raise typer.Exit(1)


def label(
    teacher: Annotated[
        str, typer.Option(metavar="X", help="onnx:FILE, onnx:ID, maps:DIR or classic:NAME.")
    ],
    images: Annotated[Path, typer.Option(metavar="DIR", help="Folder of pictures.")],
    out: Annotated[Path, typer.Option(metavar="DIR", help="Gets maps/*.png and labels.json.")],
    threads: Annotated[int, typer.Option(min=1, help="Of ONNX Runtime.")] = 1,
) -> None:
    """Write a teacher's map of every picture of a folder, as its soft label.

    Existing labels are kept, so that a run that was stopped can be resumed.

    Examples:

        python -m train label --teacher onnx:u2netp --images data/photos/images --out labels/photos

        python -m train label --teacher maps:elsewhere --images data/a/images --out labels/a
    """
    from train.label import label, open_teacher
    from train.output import progress_bar

    with progress_bar() as progress:
        count = label(open_teacher(teacher, threads), images, out, progress)
    typer.echo(f"{count:,} labels in {out / 'maps'}.")


def fit(
    recipe: RecipeFile,
    data: Data,
    work: Work = Path("work"),
    init: Init = None,
    device: Device = "auto",
) -> None:
    """Train as a recipe says, on existing labels.

    The same command resumes from the last checkpoint. Under torchrun the processes share each
    batch.

    Example:

        python -m train fit recipes/saliency_student_v1.toml --data data --work work
    """
    from train.chain import Places, check_fit, fit_recipe
    from train.recipe import read_recipe, recipe_files

    known = read_recipe(recipe)
    places = Places(data, work, work, init)
    check_fit(known, places, recipe_files(recipe))
    try:
        state = fit_recipe(known, places, device, typer.echo)
    except KeyboardInterrupt:
        _interrupted()
    typer.echo(f"{places.checkpoint(known)}: {state.step:,} steps.")


def export(
    checkpoint: Annotated[Path, typer.Argument(help="checkpoint.pt of a run.")],
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder of the registry.")],
    model_id: Annotated[
        str | None, typer.Option("--id", help="The recipe's own by default.")
    ] = None,
    scores: Annotated[
        list[Path] | None,
        typer.Option(help="Result of `evaluate --json` with this model; may be repeated."),
    ] = None,
    status: Status = "production",
    default: Default = False,
    note: Annotated[
        list[str] | None,
        typer.Option(help="A sentence for the card's part on data; may be repeated."),
    ] = None,
) -> None:
    """Write a checkpoint as ONNX, with sidecar, card and registry entry.

    Nothing is written where ONNX Runtime differs from PyTorch by more than 1e-5.

    Example:

        python -m train export work/runs/a/checkpoint.pt --out models --scores davis.json
    """
    import json

    from train.checkpoint import load_checkpoint
    from train.export import export_student, exported_files
    from train.output import check_outputs
    from vmafsal.errors import InputError

    _check_status(status)
    documents = []
    for path in scores or ():
        try:
            documents.append(json.loads(path.read_text("utf-8")))
        except (OSError, ValueError) as error:
            raise InputError(f"{path} is no result of `evaluate --json` ({error}).") from None
    state = load_checkpoint(checkpoint)
    chosen = model_id or state.config["id"]
    check_outputs(exported_files(out, chosen), [checkpoint, *(scores or ())], makes_folders=True)
    exported = export_student(state, out, chosen, documents, status, default, note or ())
    for size, value in exported.parity.items():
        typer.echo(f"PyTorch and ONNX Runtime differ by {value:.1e} at {size}.")
    typer.echo(f"{exported.onnx} sha256 {exported.sha256}")
    if default and exported.refused:
        typer.echo(f"It is written, but is not the default. {exported.refused}", err=True)
        raise typer.Exit(1)


def _check_status(status: str) -> None:
    from vmafsal.errors import UsageError

    if status not in ("production", "superseded"):
        raise UsageError(f"--status {status}: choose production or superseded.")


def _interrupted() -> None:
    typer.echo("Interrupted. The same command resumes from the last checkpoint.", err=True)
    raise typer.Exit(130)
