"""Whether models agree with their registry, sidecars and cards."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from jinja2 import TemplateError

from train.card import TRAINING, card
from train.evaluate.gaze import evaluate_gaze
from train.evaluate.gaze_sets import open_gaze_sets
from train.evaluate.models import recorded_score
from train.evaluate.predict import Predictor, ShortSide
from train.evaluate.sets import evaluate_sets, open_sets
from train.output import check_outputs
from train.provenance import provenance
from vmafsal.errors import VmafsalError
from vmafsal.files import write_whole
from vmafsal.models.model import Model, load_model
from vmafsal.models.registry import packaged_registry, read_registry
from vmafsal.verify import Check, verify

__all__ = ["SCORE_LIMIT", "check_card", "check_scores", "validate"]

SCHEMA = "vmafsal-validation/1"
SCORE_LIMIT = 0.002
"""A recorded mean and the same one found again differ by no more."""
_NOT_MEANS = ("n", "short_side", "kept_out", "data", "intervals")


def open_models(path: str | None) -> list[Model]:
    """The models behind a folder with a registry, a file or an id; those that cannot be loaded
    are left out, as `verify` has said why.

    Args:
        path: None for the packaged registry.
    """
    folder = packaged_registry().folder if path is None else Path(path)
    specs, models = [str(folder)], []
    with suppress(VmafsalError):
        if folder.is_dir():
            specs = [str(folder / entry.onnx) for entry in read_registry(folder).entries]
    for spec in specs:
        with suppress(VmafsalError):
            models.append(load_model(spec))
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
        recorded = [recorded_score(row) for row in facts["scores"]]
    except (OSError, ValueError, LookupError, TypeError, AttributeError, TemplateError) as error:
        return Check(model.id, "card", False, f"{path.name} or the card cannot be read: {error!r}")
    if facts["sha256"] != model.sha256:
        detail = f"{path.name} is of sha256 {facts['sha256']}, but the model has {model.sha256}"
    elif text != filled:
        detail = f"{model.id}.md is not what {path.name} gives; export the model again"
    elif recorded != list(map(recorded_score, model.sidecar.scores)):
        detail = f"the sidecar's scores are not those of {path.name}"
    else:
        return Check(model.id, "card", True, f"agrees with {path.name}, {len(recorded)} scores")
    return Check(model.id, "card", False, detail)


def check_scores(models: Sequence[Model], root: Path, threads: int) -> Iterator[Check]:
    """Evaluate again what the sidecars record on a set.

    Args:
        models: those without a score on this set are passed over.
        root: the set; its folder's name is what the scores call it.
        threads: of ONNX Runtime.
    Yields:
        a check for each recorded score.
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
        yield Check(name, "scores", False, "no sidecar records a score on this set")
    for model, score in recorded:
        # The scores of a model with a fixed size name it as "HxW".
        side: ShortSide = "model" if model.policy.size else score["short_side"]
        sources, kept_out = [Predictor(model, side, threads)], bool(score.get("kept_out"))
        if score.get("truth") == "fixations":
            document = evaluate_gaze(sources, open_gaze_sets([root], kept_out), kept_out)
        else:
            document = evaluate_sets(sources, open_sets([root], kept_out), kept_out)
        yield _compare(model.id, score, document["results"][0])


def _compare(model_id: str, recorded: dict[str, Any], measured: dict[str, Any]) -> Check:
    which = "kept out" if recorded.get("kept_out") else "all"
    which += ", gaze" if recorded.get("truth") == "fixations" else ""
    name = f"scores on {measured['data']}, {which}, at {recorded['short_side']}"
    if recorded["n"] != measured["n"]:
        detail = f"{recorded['n']} images are recorded, {measured['n']} are there"
        return Check(model_id, name, False, detail)
    differences = {
        key: abs(value - measured[key])
        for key, value in recorded.items()
        if key not in _NOT_MEANS
        and isinstance(value, (int, float))
        and isinstance(measured.get(key), (int, float))
    }
    if not differences:
        return Check(model_id, name, False, "the sidecar records no figure for this set")
    worst = max(differences, key=lambda key: differences[key])
    far = [
        f"{key} is {measured[key]:.4f}, recorded {recorded[key]:.4f}"
        for key, difference in differences.items()
        if not difference <= SCORE_LIMIT
    ]
    detail = "; ".join(far) or (
        f"{len(differences)} figures agree, at most {differences[worst]:.1e} apart ({worst})"
    )
    return Check(model_id, name, not far, detail)


def validate(
    path: Annotated[
        str | None,
        typer.Argument(
            metavar="[PATH]",
            help="A folder with a registry.json, an ONNX file, or a model's id; without it the "
            "registry of this checkout.",
        ),
    ] = None,
    data: Annotated[
        list[Path] | None,
        typer.Option(metavar="DIR", help="Measure the recorded scores on this set again."),
    ] = None,
    threads: Annotated[int, typer.Option(min=1, help="Of ONNX Runtime.")] = 2,
    out_json: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Verdicts and provenance.")
    ] = None,
) -> None:
    """Check registry, hashes, sidecars, cards and operators, and scores where asked.

    Exits with 1 where a check fails.

    Examples:

        python -m train validate

        python -m train validate --data data/davis_dev --out-json verdicts.json
    """
    checks = verify(path)
    models = open_models(path)
    inputs = [file for model in models for file in model.path.parent.iterdir()]
    inputs += [path for root in data or () for path in root.rglob("*")]
    check_outputs((out_json,), inputs)
    checks += [check_card(m) for m in models if m.path.with_suffix(TRAINING).exists()]
    for root in data or ():
        checks += check_scores(models, root, threads)
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
            "provenance": provenance(),
        }
        write_whole(out_json, json.dumps(document, indent=1) + "\n")
    if failed:
        raise typer.Exit(1)
