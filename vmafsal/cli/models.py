"""vmafsal models: which there are, what one is, and whether they are sound."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from vmafsal.models.model import Model

__all__ = ["app"]

_FIGURES = {"iou": "IoU", "mae": "MAE", "max_f": "max F", "mean_error": "mean error"}


def app(sentences: Callable[[Any], Any]) -> typer.Typer:
    """The command group; `sentences` turns errors into sentences and exit statuses."""
    group = typer.Typer(
        help="List the models, show one, or verify them.\n\nExample: vmafsal models verify my.onnx",
        invoke_without_command=True,
        rich_markup_mode="rich",
    )
    group.callback()(sentences(list_models))
    group.command("show")(sentences(show))
    group.command("verify")(sentences(verify))
    return group


def list_models(context: typer.Context) -> None:
    """List the models that ship with vmafsal, show one, or verify them.

    Example: vmafsal models
    """
    if context.invoked_subcommand is not None:
        return
    from rich.console import Console
    from rich.table import Table

    from vmafsal.models.model import load_model
    from vmafsal.models.registry import packaged_registry

    registry = packaged_registry()
    console = Console()
    if not console.is_terminal:
        console = Console(width=240)
    facts = {
        entry.id: {
            "default": "yes" if entry.id == registry.default else "",
            "status": entry.status,
            "parameters": f"{_parameters(model):,}",
            "operators": ", ".join(model.operator_names),
            "trained on": ", ".join(model.sidecar.trained_on) or "nothing",
            "IoU on record": _summary(model) or "none",
            "sha256": entry.sha256,
        }
        for entry, model in ((entry, load_model(entry.id)) for entry in registry.entries)
    }
    headings = list(next(iter(facts.values())))
    if console.width >= 160:
        table = Table("id", *headings)
        for name, row in facts.items():
            table.add_row(name, *row.values())
    else:
        table = Table("id", "on record", show_lines=True)
        for name, row in facts.items():
            lines = (f"[bold]{key}[/bold]  {fact}" for key, fact in row.items() if fact)
            table.add_row(name, "\n".join(lines))
    table.columns[0].no_wrap = True
    table.columns[-1].overflow = "fold"
    console.print(table)


def show(
    model: Annotated[str, typer.Argument(metavar="ID", help="A model's id, or an ONNX file.")],
) -> None:
    """Show all that is on record about one model.

    Example: vmafsal models show mobilesal_placeholder_v0
    """
    from vmafsal.models.model import load_model

    loaded = load_model(model)
    policy = loaded.policy
    facts = {
        "id": loaded.id,
        "description": loaded.sidecar.description,
        "file": str(loaded.path),
        "sha256": loaded.sha256,
        "status": loaded.entry.status if loaded.entry else "not in the registry",
        "licence": loaded.entry.license if loaded.entry else "not on record",
        "parameters": f"{_parameters(loaded):,}",
        "stride": str(loaded.stride),
        "operators": ", ".join(loaded.operator_names),
        "input": f"{loaded.sidecar.input_name}, "
        + (
            f"{policy.size[1]}x{policy.size[0]} only"
            if policy.size
            else f"short side {policy.short_side}"
            if policy.short_side
            else "native size"
        )
        + f", color {policy.color}, range {policy.range}",
        "output": loaded.sidecar.output_name,
        "trained on": ", ".join(loaded.sidecar.trained_on)
        or ("nothing" if loaded.sidecar.path else "not on record"),
    }
    for name, fact in facts.items():
        if fact:
            print(f"{name + ':':<13}{fact}")
    for score in loaded.sidecar.scores:
        print(f"{'score:':<13}{_score(score)}")
    card = loaded.path.with_suffix(".md")
    if card.is_file():
        print(f"{'card:':<13}{card}")


def verify(
    path: Annotated[
        str | None,
        typer.Argument(
            metavar="PATH",
            help="An ONNX file, a model's id, or a folder with a registry.json; "
            "without it the packaged models.",
        ),
    ] = None,
) -> None:
    """Check hashes, schema, contract and operators, and try models at several sizes.

    Example: vmafsal models verify
    """
    from vmafsal.models.verify import verify as check_all

    checks = check_all(path)
    for check in checks:
        verdict = "ok    " if check.passed else "FAILED"
        print(f"{verdict} {check.subject}: {check.name}: {check.detail}")
    failed = sum(not check.passed for check in checks)
    print(f"{len(checks)} checks, {failed} failed.")
    if failed:
        raise typer.Exit(1)


def _parameters(model: Model) -> int:
    return model.sidecar.parameters or model.parameters


def _summary(model: Model) -> str:
    """A line a short side: the IoU on each set that the model was measured on."""
    lines: dict[str, list[str]] = {}
    for score in model.sidecar.scores:
        if "iou" in score:
            size = str(score["short_side"])
            lines.setdefault(size, []).append(f"{score['data']} {score['iou']:.3f}")
    return "\n".join(f"at {size}: {', '.join(figures)}" for size, figures in lines.items())


def _score(score: dict[str, Any]) -> str:
    figures = ", ".join(
        f"{label} {score[key]:.3f}"
        for key, label in _FIGURES.items()
        if isinstance(score.get(key), float)
    )
    return f"{score['data']} at {score['short_side']}: {figures}"
