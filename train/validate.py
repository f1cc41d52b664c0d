"""Whether models agree with their registry, sidecars and cards."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from itertools import product
from pathlib import Path
from typing import Annotated, Any

import typer

from train.card import card
from train.evaluate.gaze import evaluate_gaze
from train.evaluate.gaze_sets import open_gaze_sets
from train.evaluate.models import open_pairs
from train.evaluate.predict import Predictor
from train.evaluate.sets import evaluate_sets
from train.output import Progress, check_outputs, progress_bar, silent
from train.provenance import provenance
from vmafsal.errors import InputError, UsageError, VmafsalError
from vmafsal.files import write_whole
from vmafsal.models.model import Model, load_model
from vmafsal.models.registry import packaged_registry, read_registry
from vmafsal.verify import Check, verify

__all__ = ["SCORE_LIMIT", "check_card", "check_checkpoint", "check_scores", "validate"]

SCHEMA = "vmafsal-validation/1"
TRAINING = ".training.json"
"""Ending of the file that an export fills the card from; models of others have none."""
SCORE_LIMIT = 0.002
"""A recorded mean and the same one found again differ by no more."""

_NOT_MEANS = ("n", "short_side", "kept_out", "data", "intervals")


@dataclass(frozen=True)
class Found:
    """A recorded score beside the same one found now."""

    model: str
    data: str
    digest: str
    """Of the data's files."""
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
    """Check that a model's card and sidecar agree with `<id>.training.json`, and it with the file.

    Args:
        model: its card `<id>.md` and its `<id>.training.json` are beside it.
    """
    path = model.path.with_suffix(TRAINING)
    try:
        facts = json.loads(path.read_text("utf-8"))
        text = model.path.with_suffix(".md").read_text("utf-8")
        filled = card(facts)
        recorded = [_means(row) for row in facts["scores"]]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        return Check(model.id, "card", False, f"{path.name} or the card cannot be read: {error!r}")
    if facts["sha256"] != model.sha256:
        detail = f"{path.name} is of sha256 {facts['sha256']}, but the model has {model.sha256}"
    elif text != filled:
        detail = f"{model.id}.md is not what {path.name} gives; export the model again"
    elif recorded != [_means(row) for row in model.sidecar.scores]:
        detail = f"the sidecar's scores are not those of {path.name}"
    else:
        return Check(model.id, "card", True, f"agrees with {path.name}, {len(recorded)} scores")
    return Check(model.id, "card", False, detail)


def _means(row: dict[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in row.items() if k not in ("model", "sha256", "worst")}


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
    (model,) = meant
    differences = parity(state, Session(model, device="cpu"))
    return Check(
        model.id,
        "parity with PyTorch",
        all(value <= PARITY_LIMIT for value in differences.values()),
        ", ".join(f"{value:.1e} at {size}" for size, value in differences.items())
        + f" (at most {PARITY_LIMIT:.0e})",
    )


def check_scores(
    models: Sequence[Model], root: Path, threads: int, progress: Progress = silent
) -> Iterator[tuple[Check, Found | None]]:
    """Evaluate again what the sidecars record on a set.

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
    # Agreement with a teacher is passed over: its maps are not part of a set.
    recorded = [
        (model, score)
        for model in models
        for score in model.sidecar.scores
        if score.get("data") == name
        and {"short_side", "n"} <= score.keys()
        and score.get("truth") != "maps"
    ]
    if not recorded:
        yield Check(name, "scores", False, "no sidecar records a score on this set"), None
    for only_kept_out, gaze in product((False, True), (False, True)):
        chosen = [
            (model, score)
            for model, score in recorded
            if bool(score.get("kept_out")) == only_kept_out
            and (score.get("truth") == "fixations") == gaze
        ]
        if not chosen:
            continue
        predictors = [
            # The scores of a model with a fixed size name it as "HxW".
            Predictor(model, "model" if model.policy.size else score["short_side"], threads)
            for model, score in chosen
        ]
        if gaze:
            sets = open_gaze_sets([root], only_kept_out)
            document = evaluate_gaze(predictors, sets, only_kept_out, progress=progress)
        else:
            pairs = {name: open_pairs(root, only_kept_out)}
            document = evaluate_sets(predictors, pairs, only_kept_out, progress=progress)
        digest = document["data"][0]["digest"]
        for (model, score), row in zip(chosen, document["results"], strict=True):
            del row["images"], row["worst"]
            found = Found(model.id, name, digest, score, row)
            yield _compare(found), found


def _compare(found: Found) -> Check:
    recorded, measured = found.recorded, found.measured
    which = "kept out" if recorded.get("kept_out") else "all"
    which += ", gaze" if recorded.get("truth") == "fixations" else ""
    name = f"scores on {found.data}, {which}, at {recorded['short_side']}"
    if recorded["n"] != measured["n"]:
        detail = f"{recorded['n']} images are recorded, {measured['n']} are there"
        return Check(found.model, name, False, detail)
    differences = {
        key: abs(value - measured[key])
        for key, value in recorded.items()
        if key not in _NOT_MEANS
        and isinstance(value, (int, float))
        and isinstance(measured.get(key), (int, float))
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
    checks = verify(path)
    models = open_models(path)
    inputs = [file for model in models for file in model.path.parent.iterdir()]
    inputs += [path for root in data or () for path in root.rglob("*")]
    check_outputs((out_json,), [*inputs, *(checkpoints or ())])
    checks += [check_card(m) for m in models if m.path.with_suffix(TRAINING).exists()]
    found_again: list[Found] = []
    for checkpoint in checkpoints or ():
        if not models:
            raise InputError(f"There is no sound model to compare {checkpoint} with.")
        checks.append(check_checkpoint(checkpoint, models))
    with progress_bar() as progress:
        for root in data or ():
            for check, found in check_scores(models, root, threads, progress):
                checks.append(check)
                if found is not None:
                    found_again.append(found)
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
            "scores": [asdict(found) for found in found_again],
            "provenance": provenance(),
        }
        write_whole(out_json, json.dumps(document, indent=1) + "\n")
    if failed:
        raise typer.Exit(1)
