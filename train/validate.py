"""Whether models are what their registry, sidecars and cards say of them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from train.data import file_list_digest
from train.measure import measure, open_pairs, result_row
from train.output import Progress, progress_bar, refuse_unwritable, silent, write_whole
from train.predict import Predictor
from train.provenance import provenance
from vmafsal.errors import InputError, UsageError, VmafsalError
from vmafsal.models.model import Model, load_model
from vmafsal.models.registry import packaged_registry, read_registry
from vmafsal.verify import Check, verify

__all__ = ["SCORE_LIMIT", "check_card", "check_checkpoint", "check_scores", "validate"]

SCHEMA = "vmafsal-validation/1"
SCORE_LIMIT = 0.002
"""A recorded mean and the same one measured again differ by no more."""

_NOT_MEANS = ("n", "short_side", "kept_out", "data", "intervals")


@dataclass(frozen=True)
class Remeasured:
    """A recorded score beside the same one measured now."""

    model: str
    data: str
    digest: str
    """Of the data's file list."""
    recorded: dict[str, Any]
    measured: dict[str, Any]


def open_models(path: str | None) -> list[Model]:
    """The models behind a folder with a registry, a file or an id; those that cannot be loaded
    are left out, as `verify` has said why.

    Args:
        path: None for the packaged registry.
    """
    specs = [path or ""]
    if path is None or Path(path).is_dir():
        folder = packaged_registry().folder if path is None else Path(path)
        try:
            specs = [str(folder / entry.onnx) for entry in read_registry(folder).entries]
        except VmafsalError:
            return []
    models = []
    for spec in specs:
        try:
            models.append(load_model(spec))
        except VmafsalError:
            continue
    return models


def check_card(model: Model) -> Check:
    """Check that the card beside a model speaks of this file and of the sidecar's figures.

    Args:
        model: its card is `<name>.md` beside it.
    """
    path = model.path.with_suffix(".md")
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        return Check(model.id, "card", False, f"{path.name} cannot be read: {error}")
    strange = sorted(set(re.findall(r"\b[0-9a-f]{64}\b", text)) - {model.sha256})
    if strange:
        detail = f"{path.name} names sha256 {strange[0]}, but the model has {model.sha256}"
        return Check(model.id, "card", False, detail)
    missing = [
        f"{key} {score[key]:.3f} on {score.get('data')}"
        for score in model.sidecar.scores
        for key in ("iou", "mae", "mean_error")
        if isinstance(score.get(key), float) and f"{score[key]:.3f}" not in text
    ]
    if missing:
        return Check(model.id, "card", False, f"{path.name} lacks {', '.join(missing)}")
    return Check(
        model.id, "card", True, f"{path.name} agrees with {len(model.sidecar.scores)} scores"
    )


def check_checkpoint(path: Path, models: Sequence[Model]) -> Check:
    """Run a checkpoint in PyTorch and its export in ONNX Runtime on the same pictures.

    Args:
        path: of a checkpoint that `fit` wrote.
        models: one of them is the export: the one whose id ends with the architecture, or the
            only one.
    Raises:
        InputError: if it is no checkpoint.
        UsageError: if it cannot be known which model is meant.
    """
    from train.architectures import architecture, build
    from train.checkpoint import load_checkpoint
    from train.export import PARITY_LIMIT, parity
    from vmafsal.infer.session import Session

    state = load_checkpoint(path)
    arch = state.config["arch"]
    meant = [model for model in models if len(models) == 1 or model.id.endswith(f"_{arch}")]
    if len(meant) != 1:
        raise UsageError(
            f"{path} is a {arch}, and {len(meant)} models have an id that ends with _{arch}. Name "
            "the ONNX file that was exported from it instead of the registry."
        )
    net = build(arch)
    net.load_state_dict(state.best)
    (model,) = meant
    differences = parity(net, Session(model, device="cpu"), architecture(arch).stride)
    return Check(
        model.id,
        "parity with PyTorch",
        all(value <= PARITY_LIMIT for value in differences.values()),
        ", ".join(f"{value:.1e} at {size}" for size, value in differences.items())
        + f" (at most {PARITY_LIMIT:.0e})",
    )


def check_scores(
    models: Sequence[Model], root: Path, threads: int, progress: Progress = silent
) -> Iterator[tuple[Check, Remeasured | None]]:
    """Measure again what the sidecars record on a set.

    Args:
        models: those without a score on this set are passed over.
        root: the set; its folder's name is what the scores call it.
        threads: of ONNX Runtime.
    Yields:
        a check for each recorded score, with both figures.
    Raises:
        InputError: if the set cannot be read.
    """
    name = root.resolve().name
    # An entry without these keys has failed the schema already.
    recorded = [
        (model, score)
        for model in models
        for score in model.sidecar.scores
        if score.get("data") == name and {"short_side", "n"} <= score.keys()
    ]
    if not recorded:
        yield Check(name, "scores", False, "no sidecar records a score on this set"), None
    for only_kept_out in (False, True):
        chosen = [pair for pair in recorded if bool(pair[1].get("kept_out")) == only_kept_out]
        if not chosen:
            continue
        pairs = open_pairs(root, only_kept_out)
        predictors = [
            # A model of one size takes no other, and "HxW" stands in its scores.
            Predictor(model, "model" if model.policy.size else score["short_side"], threads)
            for model, score in chosen
        ]
        measured, _ = measure(predictors, pairs, progress=progress, what=name)
        for (model, score), result in zip(chosen, measured, strict=True):
            row = result_row(result.facts(name, only_kept_out), result.stems, result.scores)
            del row["images"], row["worst"]
            found = Remeasured(model.id, name, file_list_digest(pairs), score, row)
            yield _compare(found), found


def _compare(found: Remeasured) -> Check:
    recorded, measured = found.recorded, found.measured
    which = "kept out" if recorded.get("kept_out") else "all"
    name = f"scores on {found.data}, {which}, at {recorded['short_side']}"
    if recorded["n"] != measured["n"]:
        detail = f"{recorded['n']} images are recorded, {measured['n']} are there"
        return Check(found.model, name, False, detail)
    differences = {
        key: abs(value - measured[key])
        for key, value in recorded.items()
        if key not in _NOT_MEANS and key in measured and isinstance(value, (int, float))
    }
    if not differences:
        return Check(found.model, name, False, "the sidecar records no figure for this set")
    worst = max(differences, key=lambda key: differences[key])
    far = [
        f"{key} is {measured[key]:.4f}, recorded {recorded[key]:.4f}"
        for key, difference in differences.items()
        if not difference <= SCORE_LIMIT
    ]
    detail = "; ".join(far) or (
        f"{len(differences)} figures agree, at most {differences[worst]:.1e} apart ({worst})"
    )
    return Check(found.model, name, not far, detail)


def validate(
    path: Annotated[
        str | None,
        typer.Argument(
            metavar="[PATH]",
            help="A folder with a registry.json, an ONNX file, or a model's id; without it the "
            "registry of this checkout.",
        ),
    ] = None,
    checkpoints: Annotated[
        list[Path] | None,
        typer.Option(
            "--checkpoint",
            metavar="FILE",
            help="Compare its network in PyTorch with the export; may be repeated. Needs torch.",
        ),
    ] = None,
    data: Annotated[
        list[Path] | None,
        typer.Option(metavar="DIR", help="Measure the recorded scores on this set again."),
    ] = None,
    threads: Annotated[int, typer.Option(min=1, help="Of ONNX Runtime.")] = 2,
    out_json: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Verdicts, figures and provenance.")
    ] = None,
) -> None:
    """Check registry, hashes, sidecars, cards and operators; parity and scores where asked.

    Exits with 1 where a check fails.

    Examples:

        python -m train validate

        python -m train validate --data data/davis_dev --out-json verdicts.json

        python -m train validate runs/v2/saliency_student_v2.onnx --checkpoint runs/v2/last.pt
    """
    refuse_unwritable(out_json)
    checks = verify(path)
    models = open_models(path)
    checks += [check_card(model) for model in models if model.sidecar.scores]
    remeasured: list[Remeasured] = []
    for checkpoint in checkpoints or ():
        if not models:
            raise InputError(f"There is no sound model to compare {checkpoint} with.")
        checks.append(check_checkpoint(checkpoint, models))
    with progress_bar() as progress:
        for root in data or ():
            for check, found in check_scores(models, root, threads, progress):
                checks.append(check)
                if found is not None:
                    remeasured.append(found)
    failed = [check for check in checks if not check.passed]
    for check in checks:
        verdict = "ok    " if check.passed else "FAILED"
        typer.echo(f"{verdict} {check.subject}: {check.name}: {check.detail}")
    typer.echo(f"{len(checks)} checks, {len(failed)} failed.")
    if out_json is not None:
        document = {
            "schema": SCHEMA,
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
            "passed": not failed,
            "checks": [asdict(check) for check in checks],
            "models": [{"id": model.id, "sha256": model.sha256} for model in models],
            "scores": [asdict(found) for found in remeasured],
            "provenance": provenance(),
        }
        write_whole(out_json, json.dumps(document, indent=1) + "\n")
    if failed:
        raise typer.Exit(1)
