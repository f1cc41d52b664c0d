"""The card of a trained student, filled from one JSON file into the template `card.md`."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from string import Template
from typing import Any

__all__ = ["card"]

TEMPLATE = Path(__file__).with_name("card.md")

OBJECT_COLUMNS = {"IoU": "iou", "MAE": "mae", "max F": "max_f", "mean error": "mean_error"}
MAP_COLUMNS = {"CC": "cc", "KL": "kl", "SIM": "sim"}
POINT_COLUMNS = {"NSS": "nss", "AUC-Judd": "auc_judd", "shuffled AUC": "auc_shuffled"}

OBJECT_METRICS = (
    "IoU at 0.5, mean absolute error, maximum F (β² = 0.3) and mean error (mean of |saliency_mean "
    "− true object share|)"
)
MAP_METRICS = (
    "Linear correlation (CC), Kullback-Leibler divergence in nats (KL) and similarity (SIM) of "
    "maps, with standard deviations over images"
)
POINT_METRICS = " and, of fixations, NSS, AUC-Judd and shuffled AUC"

NOT_MEASURED = "Not evaluated yet."


def card(facts: dict[str, Any]) -> str:
    """The card as Markdown.

    Args:
        facts: of `<id>.training.json`, see train/export.py; every figure comes from there.
    """
    recipe = facts["recipe"]
    parity = ", ".join(f"{value:.1e} at {size}" for size, value in facts["parity"].items())
    values = {
        **{key: facts[key] for key in ("id", "what", "sha256", "opset", "stride", "license")},
        "parameters": f"{facts['parameters']:,}",
        "how_it_runs": _how_it_runs(facts["short_side"]),
        "parity": parity,
        "metrics": _metrics(facts["scores"]),
        "scores": "\n".join(_score_table(facts)),
        "data": "\n".join(_data_table(facts["data"])),
        "keep_out": _keep_out(recipe["keep_out"], facts),
        "teacher": _sentence("Teacher", recipe["teacher"]),
        "init": _sentence("The run began with", recipe["init"]),
        "notes": "\n".join(f"- {note}" for note in facts["notes"]),
        "recipe": _recipe(recipe["fit"]) + _calibration(recipe.get("calibration")),
        "run": _run(facts["run"], facts["seconds"], facts["steps"]),
        "limits": _limits(facts["short_side"], facts["field_of_view"]),
        "failures": "\n".join(_failures(facts["scores"])),
    }
    text = Template(TEMPLATE.read_text("utf-8")).substitute(values)
    # An empty part leaves blank lines, which mean nothing in Markdown.
    while "\n\n\n" in text:
        text = text.replace("\n\n\n", "\n\n")
    return text


def _how_it_runs(short_side: int | None) -> str:
    if short_side is None:
        return (
            "It runs at the picture's own size, with the C extractor's colour numerics, so that "
            "`saliency_mean` is the number that the extractor prints with the same file."
        )
    return (
        f"Pictures are resampled to short side {short_side} first (area average down, bilinear up) "
        "and coloured by their tags, so that `saliency_mean` is the same for every rung of a "
        "ladder."
    )


def _interval(row: dict[str, Any], key: str) -> str:
    if key not in row:
        return "–"
    text = f"{row[key]:.3f}"
    if f"{key}_std" in row and key in MAP_COLUMNS.values():
        text += f" ± {row[f'{key}_std']:.3f}"
    if f"{key}_ci" in row:
        low, high = row[f"{key}_ci"]
        text += f" [{low:.3f}, {high:.3f}]"
    return text


def _columns(scores: list[dict[str, Any]]) -> dict[str, str]:
    """Heading and key of each column that these scores fill."""
    if not any("cc" in row for row in scores):
        return OBJECT_COLUMNS
    points = any("nss" in row for row in scores)
    return {**MAP_COLUMNS, **(POINT_COLUMNS if points else {})}


def _metrics(scores: list[dict[str, Any]]) -> str:
    columns = _columns(scores)
    if columns is OBJECT_COLUMNS:
        return OBJECT_METRICS
    return MAP_METRICS + (POINT_METRICS if "NSS" in columns else "")


def _score_table(facts: dict[str, Any]) -> Iterable[str]:
    if not facts["scores"]:
        yield NOT_MEASURED
        return
    columns = _columns(facts["scores"])
    yield "| data | images | short side | model | " + " | ".join(columns) + " |"
    yield "|---|---:|---:|---|" + "---|" * len(columns)
    shown = set()
    for own in facts["scores"]:
        # Our rows and those of other models, grouped by set.
        rows = [("**this one**", own)]
        if (key := (own["data"], own["kept_out"])) not in shown:
            shown.add(key)
            rows += [
                (row["model"] + (f" `{row['sha256'][:8]}`" if row["sha256"] else ""), row)
                for row in facts["others"]
                if (row["data"], row["kept_out"]) == key
            ]
        for name, row in rows:
            which = "kept out" if row["kept_out"] else "all"
            over = " (intervals over sequences)" if row["intervals"] == "sequences" else ""
            cells = " | ".join(_interval(row, column) for column in columns.values())
            yield (
                f"| {row['data']}, {which}{over} | {row['n']} | {row['short_side']} | {name} | "
                f"{cells} |"
            )


def _data_table(data: list[dict[str, Any]]) -> Iterable[str]:
    yield "| set | what | licence | pictures | kept out | masks | teacher's labels | weight |"
    yield "|---|---|---|---:|---:|---:|---:|---:|"
    for entry in data:
        yield (
            f"| {entry['name']} | {entry['what']} | {entry['licence']} | {entry['pictures']:,} | "
            f"{entry['kept_out']:,} | {entry['masks']:,} | {entry['teacher']:,} | "
            f"{entry['weight']:g} |"
        )


def _keep_out(every: int, facts: dict[str, Any]) -> str:
    text = f"Kept out of training: every stem whose SHA-1 is divisible by {every}." if every else ""
    names = {entry["name"] for entry in facts["data"]}
    unseen = sorted({row["data"] for row in facts["scores"]} - names)
    if unseen:
        text += f" Never trained on: {', '.join(unseen)}."
    return text.strip()


def _sentence(what: str, source: dict[str, Any] | None) -> str:
    if source is None:
        return ""
    digest = f" (sha256 `{source['sha256'][:8]}`)" if source["sha256"] else ""
    return f"{what}: {source['what'] or source.get('source')}{digest}."


def _recipe(fit: dict[str, Any]) -> str:
    optimizer = "AdamW" if fit["weight_decay"] else "Adam"
    overlap = {"dice": "Dice", "iou": "(1 - soft IoU)", "cc_kl": "(1 - CC + KL)"}[fit["loss"]]
    schedule = (
        "falling to 0 as a cosine"
        if fit["schedule"] == "cosine"
        else f"held, then falling to 0 over the last {fit['cooldown']:,} steps"
    )
    stages = "; ".join(
        f"short sides {', '.join(map(str, stage['sides']))} until {stage['until']:.0%}"
        + (f" ({stage['twins']:.0%} of the steps with degraded copies)" if stage["twins"] else "")
        for stage in fit["stages"]
    )
    parts = [
        f"{fit['steps']:,} steps of {fit['batch']} samples, {optimizer} {fit['lr']:g} {schedule}, "
        f"BCE + {fit['overlap']:g} {overlap}, seed {fit['seed']}",
        stages,
        f"crops of {fit['crop']:.0%} to 100 % of a side",
    ]
    if fit["mean_error"]:
        parts.append(f"plus {fit['mean_error']:g} |error of the map's mean|")
    if fit["consistency"]:
        parts.append(
            f"plus {fit['consistency']:g} times the difference between the maps of a picture and "
            "of its degraded copy"
        )
    if fit["photometric"]:
        parts.append(f"colours varied in {fit['photometric']:.0%} of the samples")
    if fit["degrade"]:
        parts.append(f"JPEG, noise, blur or a lower resolution in {fit['degrade']:.0%}")
    if fit["ema"]:
        parts.append(f"the weights are averages that decay by {fit['ema']:g} a step (EMA)")
    return "; ".join(parts) + "."


def _calibration(calibration: dict[str, float] | None) -> str:
    if calibration is None:
        return ""
    return (
        f" Calibrated on the kept-out sets: each logit z became {calibration['scale']:g} · (z - "
        f"{calibration['shift']:g})."
    )


def _run(run: dict[str, Any], seconds: float, steps: int) -> str:
    text = f"{seconds / 60:.0f} minutes for {steps:,} steps"
    if "cpu" in run:
        versions = ", ".join(f"{name} {v}" for name, v in run["versions"].items())
        text += f" on {run['cpu']} ({run['device']}); Python {run['python']}, {versions}"
    return text + "."


def _limits(short_side: int | None, field_of_view: int | None) -> str:
    if short_side is None:
        return (
            "- The number follows the size of the picture: the network sees "
            f"{field_of_view} pixels at a time, and of a larger object only parts. Compare only "
            "pictures of one size."
        )
    return (
        f"- Everything is seen at short side {short_side}: an object of a few hundredths of the "
        "frame's height is too small for it at every resolution."
    )


def _failures(scores: list[dict[str, Any]]) -> Iterable[str]:
    listed = [row for row in scores if row.get("worst")]
    if listed:
        metric = "CC" if "cc" in listed[0] else "IoU"
        yield f"The lowest {metric} of each evaluation, worst first, by stem:"
        yield ""
    for row in listed:
        stems = ", ".join(f"`{stem}`" for stem in row["worst"][:6])
        yield f"- {row['data']} at {row['short_side']}: {stems}"
