"""The commands `run`, `label`, `fit` and `export`: options in, one call, sentences out."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from train.export import Exported

__all__ = ["export", "fit", "label", "run"]


class _Status(StrEnum):
    production = "production"
    superseded = "superseded"


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
Status = Annotated[_Status, typer.Option(help="Of the model in the registry.")]
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
    status: Status = _Status.production,
    default: Default = False,
) -> None:
    """Do everything that a recipe says: label, fit, export, evaluate, write the card.

    The same command resumes where an earlier one stopped.

    Examples:

        python -m train run recipes/saliency_student_v2.toml --data data --work work

        torchrun --nproc-per-node 4 -m train run recipes/saliency_student_v2.toml --data data
    """
    from train.chain import Places, check_run, run_recipe
    from train.recipe import read_recipe

    known = read_recipe(recipe)
    places = Places(data, work, out, init, teacher, tuple(beside or ()))
    check_run(known, places, recipe)
    exported = run_recipe(known, places, device, status, default, typer.echo)
    if exported is not None:
        _end(exported, default)


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

    count = label(open_teacher(teacher, threads), images, out)
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
    from train.chain import Places, check_run, fit_recipe
    from train.recipe import read_recipe

    known = read_recipe(recipe)
    places = Places(data, work, work, init)
    check_run(known, places, recipe, fit_alone=True)
    state = fit_recipe(known, places, device, typer.echo)
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
    status: Status = _Status.production,
    default: Default = False,
) -> None:
    """Write a checkpoint as ONNX, with sidecar, card and registry entry.

    Nothing is written where ONNX Runtime differs from PyTorch by more than 1e-5.

    Example:

        python -m train export work/runs/a/checkpoint.pt --out models --scores davis.json
    """
    from train.checkpoint import load_checkpoint
    from train.export import export_student, exported_files
    from train.output import check_outputs
    from vmafsal.errors import InputError
    from vmafsal.models.fields import read_object

    documents = []
    for path in scores or ():
        try:
            documents.append(read_object(path))
        except ValueError as error:
            raise InputError(f"{path} is no result of `evaluate --json` ({error}).") from None
    state = load_checkpoint(checkpoint)
    chosen = model_id or state.config["id"]
    check_outputs(exported_files(out, chosen), [checkpoint, *(scores or ())], makes_folders=True)
    exported = export_student(state, out, chosen, documents, status, default)
    for size, value in exported.parity.items():
        typer.echo(f"PyTorch and ONNX Runtime differ by {value:.1e} at {size}.")
    typer.echo(f"{exported.onnx} sha256 {exported.sha256}")
    _end(exported, default)


def _end(exported: Exported, default: bool) -> None:
    """Exit with 1 where a model was to become the default and must not."""
    if default and exported.refused:
        typer.echo(f"It is written, but is not the default. {exported.refused}", err=True)
        raise typer.Exit(1)
