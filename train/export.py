"""From a checkpoint to an ONNX file that is proven equal, with its sidecar, card and entry."""

from __future__ import annotations

import copy
import json
import math
import tempfile
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.jit._trace import TracerWarning
from torch.nn.utils.fusion import fuse_conv_bn_eval

from train.architectures import architecture, build
from train.card import Facts, card
from train.checkpoint import Checkpoint
from train.output import write_whole
from train.provenance import sha256_of
from vmafsal.errors import InputError, ModelError, UsageError
from vmafsal.infer.session import Session
from vmafsal.models.model import load_model

__all__ = ["Exported", "export_student", "fold_batch_norm", "gate_failure", "parity", "to_onnx"]

OPSET = 17
PARITY_SIZES = ((256, 256), (264, 480), (1080, 1920))
PARITY_LIMIT = 1e-5
V1_FOLD_IOU = 0.5
"""A v1 below this on its fold does not become the default."""
LICENSE = "BSD-3-Clause-Plus-Patent"


@dataclass(frozen=True)
class Exported:
    """What an export has written."""

    onnx: Path
    sha256: str
    parity: dict[str, float]
    """Of each size "HxW" the largest difference between PyTorch and ONNX Runtime."""
    gate: str | None
    """Why the model must not become the default; None where it may."""


def fold_batch_norm(net: nn.Module) -> nn.Module:
    """A copy in evaluation mode, every BatchNorm folded into the convolution before it."""
    net = copy.deepcopy(net).cpu().eval()
    for block in list(net.modules()):
        if not isinstance(block, nn.Sequential):
            continue
        for i, layer in enumerate(block):
            if isinstance(layer, nn.BatchNorm2d):
                before = block[i - 1]
                assert isinstance(before, nn.Conv2d)
                block[i - 1] = fuse_conv_bn_eval(before, layer)
                block[i] = nn.Identity()
    return net


def to_onnx(net: nn.Module, path: Path) -> None:
    """Write a network with free N, H and W: `input` to `saliency_map`; the same bytes each time."""
    free = {0: "N", 2: "H", 3: "W"}
    with warnings.catch_warnings():
        # torch announces the end of this exporter, and that a Python condition is traced; both
        # are known. The newer exporter writes constants that depend on the example's size.
        warnings.filterwarnings("ignore", category=DeprecationWarning)
        warnings.filterwarnings("ignore", category=TracerWarning)
        torch.onnx.export(
            fold_batch_norm(net),
            (torch.zeros(1, 3, 64, 64),),
            str(path),
            opset_version=OPSET,
            dynamo=False,
            input_names=["input"],
            output_names=["saliency_map"],
            dynamic_axes={"input": free, "saliency_map": free},
        )


def parity(net: nn.Module, session: Session, stride: int = 8) -> dict[str, float]:
    """Largest difference between PyTorch (BatchNorm not folded) and ONNX Runtime, float32.

    Returns:
        of each of PARITY_SIZES, rounded up to the stride, "HxW" to the difference.
    """
    net = copy.deepcopy(net).cpu().eval()
    rng = np.random.default_rng(0)
    differences = {}
    for height, width in PARITY_SIZES:
        shape = (1, 3, height + -height % stride, width + -width % stride)
        picture = rng.standard_normal(shape, np.float32)
        with torch.no_grad():
            expected = net(torch.from_numpy(picture)).numpy()
        found = session.run(picture)
        differences[f"{shape[2]}x{shape[3]}"] = float(np.abs(found - expected).max())
    return differences


def gate_failure(state: Checkpoint, rival: Checkpoint | None) -> str | None:
    """Why a student must not become the default, as a sentence; None where it may.

    Args:
        rival: the v1 that a v2 must not fall behind, trained with the same data and fold.
    Raises:
        InputError: if the two were measured on different folds.
    """
    arch, iou = state.config["arch"], state.best_iou
    if math.isnan(iou):
        return f"{arch} was trained without a fold, so nothing shows that it is good enough."
    if iou < V1_FOLD_IOU:
        return f"{arch} reaches IoU {iou:.4f} on its fold; at least {V1_FOLD_IOU} is needed."
    if rival is None:
        return None
    for key in ("data", "fold", "seed", "keep_out", "eval_side"):
        if state.config[key] != rival.config[key]:
            raise InputError(
                f"The two checkpoints were trained with different {key}; "
                "their folds cannot be compared."
            )
    if iou < rival.best_iou:
        return (
            f"{arch} reaches IoU {iou:.4f} on the fold, below {rival.config['arch']}'s "
            f"{rival.best_iou:.4f}."
        )
    return None


def sidecar(facts: Facts) -> dict[str, Any]:
    """What stands in `<id>.json`; without an `input` policy: native, the C extractor's colour."""
    known = architecture(facts.arch)
    return {
        "id": facts.id,
        "description": facts.description,
        "stride": known.stride,
        "parameters": known.parameters,
        **({} if known.policy is None else {"input": known.policy}),
        "trained_on": facts.sets,
        "fold": facts.fold,
        "scores": facts.scores,
    }


def registry_with(folder: Path, entry: dict[str, Any], default: bool) -> str:
    """`registry.json` of a folder with an entry added or replaced; the first is the default.

    Raises:
        ModelError: if the registry is there and cannot be read.
    """
    path = folder / "registry.json"
    registry: dict[str, Any] = {"schema_version": 1, "default": entry["id"], "models": []}
    if path.exists():
        try:
            registry = json.loads(path.read_text("utf-8"))
            entries = {known["id"]: known for known in registry["models"]}
        except (ValueError, KeyError, TypeError) as error:
            raise ModelError(f"{path} cannot be read as a registry ({error}).") from None
    else:
        entries = {}
    registry["models"] = list((entries | {entry["id"]: entry}).values())
    if default:
        registry["default"] = entry["id"]
    return json.dumps(registry, indent=2) + "\n"


def read_scores(files: Sequence[Path], sha256: str) -> tuple[list[Any], list[Any]]:
    """Rows of `evaluate --json` files: this model's own, and those of the models beside it.

    Raises:
        InputError: if a file is not one, or holds no row of this model.
    """
    ours: list[Any] = []
    others: list[Any] = []
    for file in files:
        try:
            document = json.loads(file.read_text("utf-8"))
            rows = [{k: v for k, v in row.items() if k != "images"} for row in document["results"]]
            own = [row for row in rows if row["sha256"] == sha256]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise InputError(f"{file} is no result of `evaluate --json` ({error}).") from None
        if not own:
            raise InputError(
                f"{file} holds no row of the model with sha256 {sha256}; measure this one first."
            )
        ours += own
        others += [row for row in rows if row["sha256"] != sha256]
    return ours, others


def export_student(
    state: Checkpoint,
    out: Path,
    model_id: str,
    scores: Sequence[Path] = (),
    status: str = "production",
    default: bool = False,
    rival: Checkpoint | None = None,
    run: dict[str, Any] | None = None,
    notes: Sequence[str] = (),
) -> Exported:
    """Write `<id>.onnx`, `<id>.json`, `<id>.md` and the registry's entry.

    Args:
        state: a checkpoint with at least one epoch; its best weights are exported.
        out: folder, made where it is missing.
        scores: files of `evaluate --json` with this model's rows, for the card.
        default: make it the registry's default, unless the gate fails.
        rival: see gate_failure.
        run: the metrics of the training run, for the card.
        notes: sentences for the card's part on data.
    Raises:
        ModelError: if PyTorch and ONNX Runtime differ, or an operator is not allowed; nothing
            is written then.
        UsageError: for a teacher.
    """
    if state.best_epoch == 0:
        raise InputError("The checkpoint holds no finished epoch; let one finish first.")
    if architecture(state.config["arch"]).gaze:
        raise UsageError(
            "A teacher that is told where people looked is never exported; it labels: "
            "pseudo-label --model CHECKPOINT --gaze MAPS."
        )
    net = build(state.config["arch"])
    net.load_state_dict(state.best)
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        draft = Path(folder) / f"{model_id}.onnx"
        to_onnx(net, draft)
        session = Session(load_model(str(draft)), device="cpu")
        differences = parity(net, session, architecture(state.config["arch"]).stride)
        far = {size: value for size, value in differences.items() if not value <= PARITY_LIMIT}
        if far:
            listed = ", ".join(f"{value:.1e} at {size}" for size, value in far.items())
            raise ModelError(
                f"PyTorch and ONNX Runtime differ by more than {PARITY_LIMIT:.0e}: {listed}. "
                "Nothing was written."
            )
        content, sha256 = draft.read_bytes(), sha256_of(draft)
    gate = gate_failure(state, rival)
    ours, others = read_scores(scores, sha256)
    facts = Facts.of(state, model_id, sha256, differences, gate, ours, others, run, notes)
    entry = {
        "id": model_id,
        "onnx": f"{model_id}.onnx",
        "sha256": sha256,
        "opset": OPSET,
        "kind": "saliency",
        "license": LICENSE,
        "smoke": False,
        "status": status,
    }
    registry = registry_with(out, entry, default and gate is None)
    write_whole(out / f"{model_id}.onnx", content)
    write_whole(out / f"{model_id}.json", json.dumps(sidecar(facts), indent=1) + "\n")
    write_whole(out / f"{model_id}.md", card(facts))
    write_whole(out / "registry.json", registry)
    return Exported(out / f"{model_id}.onnx", sha256, differences, gate)
