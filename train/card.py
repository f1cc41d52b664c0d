"""The card of a trained student: what it is, what it was trained on, how good it is, where not."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from train.architectures import Architecture, architecture
from train.checkpoint import Checkpoint
from train.data import holds_cutouts
from train.known import CORPORA, PUBLISHED, PUBLISHED_NOTE
from train.recipe_text import recipe_text

__all__ = ["Facts", "card"]

COLUMNS = (
    ("IoU", "iou"),
    ("MAE", "mae"),
    ("max F", "max_f"),
    ("mean error", "mean_error"),
)


@dataclass(frozen=True)
class Facts:
    """Everything that a card and a sidecar say."""

    id: str
    arch: str
    sha256: str
    parity: dict[str, float]
    gate: str | None
    config: dict[str, Any]
    data: list[dict[str, Any]]
    """Of each set: root, pairs, kept_out, soft, weight, file_list_sha256."""
    fold: dict[str, Any]
    history: list[dict[str, float]]
    scores: list[dict[str, Any]]
    """Rows of evaluations, without the model's name."""
    worst: list[dict[str, Any]]
    """Of each evaluation: data, short_side, stems."""
    others: list[dict[str, Any]]
    """Rows of other models, measured in the same runs."""
    run: dict[str, Any]
    teaching: dict[str, dict[str, Any]]
    """Of each softly labelled set the `labels.json` that says how, where it is still there."""
    notes: tuple[str, ...] = ()
    """What else a reader should know of the data, in sentences."""

    @classmethod
    def of(
        cls,
        state: Checkpoint,
        model_id: str,
        sha256: str,
        parity: dict[str, float],
        gate: str | None,
        ours: list[dict[str, Any]],
        others: list[dict[str, Any]],
        run: dict[str, Any] | None,
        notes: Sequence[str] = (),
    ) -> Facts:
        """From a checkpoint and the rows that `evaluate` wrote."""
        hidden = ("model", "sha256", "worst")
        known = not math.isnan(state.best_iou)
        return cls(
            id=model_id,
            arch=state.config["arch"],
            sha256=sha256,
            parity=parity,
            gate=gate,
            config=state.config,
            data=state.config["data"],
            fold={
                "iou": round(state.best_iou, 4) if known else None,
                "epoch": state.best_epoch,
                "short_side": state.config["eval_side"],
            },
            history=state.history,
            scores=[{k: v for k, v in row.items() if k not in hidden} for row in ours],
            worst=[
                {"data": r["data"], "short_side": r["short_side"], "stems": r.get("worst", [])}
                for r in ours
            ],
            others=others,
            run=run or {},
            teaching=_teaching(state.config["data"]),
            notes=tuple(notes),
        )

    @property
    def sets(self) -> list[str]:
        """Names of the sets, each once; a set may have come with the labels of two teachers."""
        return list(dict.fromkeys(Path(entry["root"]).name for entry in self.data))

    @property
    def description(self) -> str:
        """One sentence for `vmafsal models`."""
        names = ", ".join(self.sets)
        known = architecture(self.arch)
        return (
            f"Student {self.arch}: {known.parameters:,} parameters, {known.summary}. "
            f"Trained on {names}."
        )


def _teaching(data: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    found = {}
    for entry in data:
        record = Path(entry["root"]) / "labels.json"
        if entry["soft"] and record.is_file():
            found[entry["root"]] = json.loads(record.read_text("utf-8"))
    return found


def _model_name(sha256: str, name: str) -> str:
    return f"{PUBLISHED.get(sha256, name)} `{sha256[:8]}`"


def _interval(row: dict[str, Any], key: str) -> str:
    if key not in row:
        return "–"
    text = f"{row[key]:.3f}"
    if f"{key}_ci" in row:
        low, high = row[f"{key}_ci"]
        text += f" [{low:.3f}, {high:.3f}]"
    return text


def _row_name(row: dict[str, Any]) -> str:
    which = "kept out" if row["kept_out"] else "all"
    over = " (intervals over sequences)" if row.get("intervals") == "sequences" else ""
    return f"{row['data']}, {which}{over}"


def _score_table(facts: Facts) -> Iterable[str]:
    yield "| data | images | short side | model | " + " | ".join(t for t, _ in COLUMNS) + " |"
    yield "|---|---:|---:|---|" + "---|" * len(COLUMNS)
    # Ours and the others', set by set, so that what was measured together stands together.
    for own in facts.scores:
        key = (own["data"], own["short_side"], own["kept_out"])
        rows = [("**this one**", own)]
        rows += [
            (_model_name(r["sha256"], r["model"]), r)
            for r in facts.others
            if (r["data"], r["short_side"], r["kept_out"]) == key
        ]
        for name, row in rows:
            cells = " | ".join(_interval(row, column) for _, column in COLUMNS)
            yield f"| {_row_name(row)} | {row['n']} | {row['short_side']} | {name} | {cells} |"


def _data_table(facts: Facts) -> Iterable[str]:
    yield "| set | what | licence | pairs | kept out | labels | weight |"
    yield "|---|---|---|---:|---:|---|---:|"
    for entry in facts.data:
        name = Path(entry["root"]).name
        what, licence = CORPORA.get(name, ("", "see its owner"))
        labels = "soft (pseudo-labels)" if entry["soft"] else "hard"
        if holds_cutouts(Path(entry["root"])):
            labels = "alpha: pasted, and no more"
        elif entry["weight"] == 0:
            labels = "none: scenes to paste on, and no more"
        yield (
            f"| {name} | {what} | {licence} | {entry['pairs']:,} | {entry['kept_out']:,} | "
            f"{labels} | {entry['weight']:g} |"
        )


def _data_notes(facts: Facts) -> Iterable[str]:
    if facts.config["keep_out"]:
        yield (
            "Kept out of training: every stem whose SHA-1 is divisible by "
            f"{facts.config['keep_out']}."
        )
    names = [Path(entry["root"]).name for entry in facts.data]
    if "davis_dev" not in names and any(row["data"] == "davis_dev" for row in facts.scores):
        yield "davis_dev was not trained on, and chose neither epoch nor network."
    yield from facts.notes
    for root, how in facts.teaching.items():
        gate = how["gate"] or {}
        kind = "a teacher of ours, checkpoint" if gate.get("told") else None
        teachers = " and ".join(_model_name(m["sha256"], kind or m["file"]) for m in how["models"])
        sides = ", ".join(map(str, how["scales"]))
        text = f"Pseudo-labels of {Path(root).name}: {teachers} at short sides {sides}"
        text += ", mirror images too" if how["flip"] else ""
        if gate.get("told"):
            text += ", told where people looked"
        elif gate:
            text += (
                f", kept only where people looked (the gaze map, blurred by {gate['blur']:.0%} of "
                f"the short side, opens between {gate['low']:g} and {gate['high']:g} of its peak)"
            )
            if "doubt" in gate:
                low, high = gate["doubt"]
                text += (
                    "; raised to one half, the label that weighs least, where people looked "
                    f"({low:g} to {high:g} of the peak) at what it denies"
                )
        yield text + "."


def _fold_sentence(facts: Facts) -> str:
    fold, share = facts.fold, facts.config["fold"]
    if fold["iou"] is None:
        return "There was no held-out fold."
    earlier = (
        " The run began with the weights of another, which may have learnt from part of this fold "
        "if its seed was another; the kept-out sets are what no run has seen."
        if facts.config.get("init_sha256")
        else ""
    )
    return (
        f"The fold is {share:.0%} of the hard-labelled pairs that are left after the kept-out "
        f"ones, shuffled by seed {facts.config['seed']}. The best epoch by IoU at 0.5 on it is "
        f"{fold['epoch']} of {len(facts.history)}: **IoU {fold['iou']:.4f}** at short side "
        f"{fold['short_side']}, computed in the precision of training.{earlier}"
    )


def _failures(facts: Facts) -> Iterable[str]:
    listed = [entry for entry in facts.worst if entry["stems"]]
    if not listed:
        yield "Not measured yet."
        return
    yield "The lowest IoU of each evaluation, worst first, by stem:"
    yield ""
    for entry in listed:
        stems = ", ".join(f"`{stem}`" for stem in entry["stems"][:6])
        yield f"- {entry['data']} at {entry['short_side']}: {stems}"


def _how_it_runs(known: Architecture) -> str:
    if known.short_side is None:
        return (
            "It runs at the picture's own size, with the C extractor's colour numerics, so that "
            "`saliency_mean` is the number that the extractor prints with the same file."
        )
    return (
        f"Pictures are resampled to short side {known.short_side} first (area average down, "
        "bilinear up) and coloured by their tags, so that `saliency_mean` says the same of every "
        "rung of a ladder."
    )


def _limits(known: Architecture) -> Iterable[str]:
    if known.field_of_view is not None:
        yield (
            "- The number follows the size of the picture: the network sees "
            f"{known.field_of_view} pixels at a time, and of a larger object only parts. Compare "
            "only pictures of one size."
        )
    else:
        yield (
            f"- Everything is seen at short side {known.short_side}: an object of a few hundredths "
            "of the frame's height is too small for it at every resolution."
        )


def card(facts: Facts) -> str:
    """The card as Markdown; every figure in it comes from `facts`."""
    run, known = facts.run, architecture(facts.arch)
    seconds = sum(epoch["seconds"] for epoch in facts.history)
    gate = "passed" if facts.gate is None else f"**failed**: {facts.gate}"
    parity = ", ".join(f"{value:.1e} at {size}" for size, value in facts.parity.items())
    notes = _data_notes(facts)
    versions = ", ".join(f"{name} {v}" for name, v in run.get("versions", {}).items())
    lines = [
        f"# {facts.id}",
        "",
        f"A saliency student of {known.parameters:,} trainable parameters: {known.what}. "
        + _how_it_runs(known),
        "",
        f"- File: `{facts.id}.onnx`, sha256 `{facts.sha256}`, opset 17, BatchNorm folded.",
        f"- Input `input` float32 [N, 3, H, W], RGB normalised with ImageNet's mean and "
        f"deviation, H and W multiples of {known.stride}; output `saliency_map` float32 "
        "[N, 1, H, W] in [0, 1].",
        f"- PyTorch and ONNX Runtime differ by at most {parity}.",
        f"- Gate on the fold: {gate}.",
        "",
        "## Scores",
        "",
        "IoU at 0.5, mean absolute error, maximum F (β² = 0.3) and mean error (mean of "
        "|saliency_mean − true object share|), with 95 % bootstrap intervals over images. "
        "Nothing is stretched per image; border pixels count nowhere.",
        "",
    ]
    if facts.scores:
        lines += _score_table(facts)
        if any(row["sha256"] in PUBLISHED for row in facts.others):
            lines += ["", f"All were measured in the same run. {PUBLISHED_NOTE}"]
    else:
        lines.append("Not measured yet: `python -m train evaluate --json`, then export again.")
    lines += ["", _fold_sentence(facts), "", "## Training data", "", *_data_table(facts), ""]
    lines += [f"- {note}" for note in notes]
    lines.append("")
    lines += [
        "## Recipe",
        "",
        recipe_text(facts.config, len(facts.history)),
        "",
        f"{seconds / 60:.0f} minutes"
        + (f" on {run['cpu']} ({run['device']}, {run['dtype']})" if "device" in run else "")
        + (f"; Python {run['python']}, {versions}." if versions else "."),
        "",
        "The same command on the same machine gives the same bytes; docs/training.md has it. "
        "The weights come to another sum on another CPU, as bfloat16 kernels differ.",
        "",
        "The recipe (BCE + Dice, Adam 1e-3 with a cosine, 50 epochs, batch 32, crops of 256 from "
        "short side 288, a 5 % fold) was made for DUTS-TR: L. Wang, H. Lu, Y. Wang, M. Feng, "
        "D. Wang, B. Yin, X. Ruan, “Learning to Detect Salient Objects with Image-Level "
        "Supervision”, CVPR 2017, whose authors are thanked for the data set. To train on it:",
        "",
        "```",
        "python -m train prepare duts --download --out data",
        f"python -m train fit --arch {facts.arch} --data data/DUTS-TR --seed 42",
        "```",
        "",
        "## What it cannot do",
        "",
        *_limits(known),
        "- It knows best what its training sets show. On other pictures it misses objects and sees "
        "some where there are none; the scores on sets it was not trained on say how often.",
        "- Scores of the published students on a DUTS-TR fold (IoU 0.6558 and 0.7105) belong to "
        "another corpus and cannot be compared with any figure here.",
        "",
        *_failures(facts),
        "",
        "## Licence",
        "",
        "The weights are released under BSD-3-Clause-Plus-Patent, as the project is. The images "
        "were training input only and are not redistributed; their own licences stand in the table "
        "above. Whether weights inherit anything from training images is not settled law; who "
        "needs certainty can retrain on data of their own with the commands above.",
    ]
    return "\n".join(lines) + "\n"
