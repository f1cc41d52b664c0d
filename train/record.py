"""A training run as it is remembered: the exported student, metrics.json, a plot of the curves."""

from __future__ import annotations

import io
import json
import math
from pathlib import Path
from typing import Any

import typer

from train.architectures import architecture
from train.checkpoint import Checkpoint, load_checkpoint
from train.data import Dataset
from train.device import autocast_dtype, choose_device, process_world
from train.export import Exported, export_student
from train.fit import fit
from train.output import progress_bar, write_whole
from train.provenance import provenance
from train.recipe import Recipe

__all__ = ["curves_png", "metrics", "run_and_record", "run_facts"]


def run_facts(recipe: Recipe) -> dict[str, Any]:
    """What a run was on: device, precision, versions, commit, command line."""
    device = choose_device(recipe.device, process_world())
    dtype = autocast_dtype(recipe.precision, device)
    return {"device": str(device), "dtype": str(dtype).removeprefix("torch."), **provenance()}


def metrics(state: Checkpoint, exported: Exported | None, run: dict[str, Any]) -> dict[str, Any]:
    """Everything about a run that a person may ask later, as `metrics.json` holds it.

    Args:
        exported: None for a teacher.
    """
    arch = state.config["arch"]
    return {
        "arch": arch,
        "parameters": architecture(arch).parameters,
        "best_epoch": state.best_epoch,
        "best_iou": None if math.isnan(state.best_iou) else state.best_iou,
        "wall_time_s": sum(epoch["seconds"] for epoch in state.history),
        "history": state.history,
        "options": state.config,
        **({} if exported is None else _what_came_out(exported)),
        **run,
    }


def _what_came_out(exported: Exported) -> dict[str, Any]:
    return {
        "gate": exported.gate or "passed",
        "output": {"file": exported.onnx.name, "sha256": exported.sha256},
        "parity": exported.parity,
    }


def curves_png(history: list[dict[str, float]], title: str) -> bytes:
    """Loss and fold IoU over the epochs, as a PNG."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4), layout="constrained")
    FigureCanvasAgg(figure)
    left = figure.subplots()
    right = left.twinx()
    epochs = [row["epoch"] for row in history]
    left.plot(epochs, [row["loss"] for row in history], color="#b5432a", label="loss")
    right.plot(epochs, [row["iou"] for row in history], color="#1f5fa8", label="IoU")
    left.set(title=title, xlabel="epoch", ylabel="loss")
    right.set(ylabel="IoU at 0.5 on the fold", ylim=(0, 1))
    figure.legend(loc="outside lower right", ncols=2)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110)
    return buffer.getvalue()


def run_and_record(
    recipe: Recipe,
    datasets: list[Dataset],
    out: Path,
    resume: bool,
    workers: int,
    metrics_out: Path,
    init: Path | None = None,
) -> None:
    """Train, then write the student, its metrics and curves; of several processes the first."""
    first = process_world().rank == 0

    def say(sentence: str) -> None:
        if first:
            typer.echo(sentence)

    with progress_bar() as bar:
        begin = None if init is None else load_checkpoint(init)
        shown = bar if first else None
        state = fit(recipe, datasets, out, resume, workers, say, shown, begin)
    if not first:
        return
    run = run_facts(recipe)
    exported = None
    if not architecture(recipe.arch).gaze:
        exported = export_student(state, out, f"saliency_student_{recipe.arch}", run=run)
    document = json.dumps(metrics(state, exported, run), indent=1)
    write_whole(metrics_out, document + "\n")
    write_whole(
        metrics_out.with_suffix(".png"), curves_png(state.history, f"student {recipe.arch}")
    )
    if exported is not None and exported.gate:
        say(f"Gate failed: {exported.gate}")
    what = str(out / "checkpoint.pt") if exported is None else str(exported.onnx)
    digest = "" if exported is None else f"; sha256 {exported.sha256}"
    say(f"{what}: epoch {state.best_epoch} is the best, fold IoU {state.best_iou:.4f}{digest}")
