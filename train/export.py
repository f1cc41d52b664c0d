"""From a checkpoint to an ONNX file of equal output, with its sidecar, card and entry."""

from __future__ import annotations

import copy
import hashlib
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

from train.card import TRAINING, card
from train.checkpoint import Checkpoint
from train.evaluate.models import recorded_score
from train.nets import ARCHITECTURES, build
from train.output import make_folder
from vmafsal.errors import InputError, ModelError
from vmafsal.files import write_whole
from vmafsal.infer.session import Session
from vmafsal.models.model import load_model
from vmafsal.models.registry import REGISTRY, read_registry

__all__ = ["Exported", "export_student", "exported_files", "fold_batch_norm", "to_onnx"]

OPSET = 17
PARITY_SIZES = ((256, 256), (264, 480), (1080, 1920))
PARITY_LIMIT = 1e-5
DEFAULT_IOU = 0.5
"""A model with a lower mean IoU on the kept-out masks does not become the default."""
LICENSE = "BSD-3-Clause-Plus-Patent"
ENDINGS = (".json", TRAINING, ".md", ".onnx")
"""Of the files of a model."""
SPARE = ".next"
"""Added to a model's file names while its plain names are in use by the registry."""


@dataclass(frozen=True)
class Exported:
    """What an export has written."""

    onnx: Path
    sha256: str
    parity: dict[str, float]
    """Of each size "HxW" the largest difference between PyTorch and ONNX Runtime."""
    refused: str | None
    """Why the model must not become the default; None where it may."""


def exported_files(out: Path, model_id: str) -> list[Path]:
    """Every file that `export_student` writes or removes."""
    stems = (model_id, model_id + SPARE)
    files = [out / f"{stem}{ending}" for stem in stems for ending in reversed(ENDINGS)]
    return [*files, out / REGISTRY]


def _trained_net(state: Checkpoint) -> nn.Module:
    """The network of a checkpoint with the weights that are exported."""
    net = build(state.config["arch"])
    net.load_state_dict(state.answer)
    calibration = state.config.get("calibration")
    if calibration is not None:
        head = net.head
        assert isinstance(head, nn.Conv2d)
        assert head.bias is not None
        with torch.no_grad():
            head.weight *= calibration["scale"]
            head.bias -= calibration["shift"]
            head.bias *= calibration["scale"]
    return net.eval()


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
        # Instance normalisation is the same in training and afterwards.
        warnings.filterwarnings("ignore", message=".*instance_norm.*")
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


def _refused(state: Checkpoint) -> str | None:
    """Why a model must not become the default, as a sentence; None where it may."""
    scores = state.history[-1].get("iou", {}).values() if state.history else ()
    if not scores:
        return "No kept-out picture has a mask, so nothing shows that the model is good enough."
    mean = sum(scores) / len(scores)
    if mean < DEFAULT_IOU:
        return f"IoU {mean:.4f} on the kept-out masks; at least {DEFAULT_IOU} is needed."
    return None


def _facts(state: Checkpoint, net: nn.Module) -> dict[str, Any]:
    """What the card and the sidecar say of a checkpoint; no folder of data is needed for it."""
    known = ARCHITECTURES[state.config["arch"]]
    return {
        "arch": state.config["arch"],
        "what": known.what,
        "summary": known.summary,
        "opset": OPSET,
        "license": LICENSE,
        "parameters": sum(value.numel() for value in net.parameters()),
        "stride": known.stride,
        "short_side": state.config.get("short_side") or known.short_side,
        "field_of_view": known.field_of_view,
        "recipe": {k: v for k, v in state.config.items() if k not in ("sets", "data", "notes")},
        "data": state.config["data"],
        "steps": state.step,
        "seconds": round(sum(entry["seconds"] for entry in state.history), 1),
        "history": state.history[-1:],
        "run": state.run,
    }


def sidecar(facts: dict[str, Any]) -> dict[str, Any]:
    """The contents of `<id>.json`; without an `input` policy: native, the C extractor's colour."""
    names = [entry["name"] for entry in facts["data"]]
    recipe, side = facts["recipe"], facts["short_side"]
    policy = {"short_side": side, "multiple": facts["stride"], "color": "auto"}
    learnt = ""
    if recipe.get("family") == "distilled":
        learnt = f"Learnt from {recipe['teacher']['what']}. "
    elif recipe.get("family") == "gaze":
        learnt = "Learnt from eye fixations. "
    return {
        "id": facts["id"],
        "description": f"{learnt}Student {facts['arch']}: {facts['parameters']:,} parameters, "
        f"{facts['summary']}. Trained on {', '.join(names)}.",
        "stride": facts["stride"],
        "parameters": facts["parameters"],
        **({} if side is None else {"input": policy}),
        "trained_on": names,
        "scores": [recorded_score(row) for row in facts["scores"]],
    }


def _split_scores(
    documents: Sequence[dict[str, Any]], sha256: str
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Rows of evaluations: this model's own, and those of the models beside it.

    Raises:
        InputError: if a document is none, or holds no row of this model.
    """
    ours: list[dict[str, Any]] = []
    others: list[dict[str, Any]] = []
    for document in documents:
        try:
            rows = [{k: v for k, v in row.items() if k != "images"} for row in document["results"]]
            own = [row for row in rows if row["sha256"] == sha256]
        except (KeyError, TypeError, AttributeError) as error:
            raise InputError(f"This is no result of `evaluate --json` ({error}).") from None
        if not own:
            raise InputError(
                f"An evaluation holds no row of the model with sha256 {sha256}; "
                "evaluate this model first."
            )
        ours += own
        others += [row for row in rows if row["sha256"] != sha256]
    return ours, others


def export_student(
    state: Checkpoint,
    out: Path,
    model_id: str,
    evaluations: Sequence[dict[str, Any]] = (),
    status: str = "production",
    default: bool = False,
) -> Exported:
    """Write `<id>.onnx`, `<id>.json`, `<id>.training.json`, `<id>.md` and the registry's entry.

    However the writing is cut off, the registry names a whole model with its own sidecar.

    Args:
        state: a checkpoint with at least one step.
        out: folder, made where it is missing.
        evaluations: documents of `evaluate --json` with this model's rows.
        default: make it the registry's default, if its scores allow it.
    Raises:
        ModelError: if PyTorch and ONNX Runtime differ, or an operator is not allowed; nothing
            is written then.
        InputError: if no step is finished, or an evaluation is of another model.
        OutputError: if a file cannot be written.
    """
    if state.step == 0:
        raise InputError("The checkpoint holds no finished step; train first.")
    net = _trained_net(state)
    make_folder(out)
    known = _facts(state, net)
    stride, short_side = known["stride"], known["short_side"]
    content, differences = _checked_onnx(net, model_id, stride, short_side)
    sha256 = hashlib.sha256(content).hexdigest()
    ours, others = _split_scores(evaluations, sha256)
    facts = {
        "id": model_id,
        **known,
        "sha256": sha256,
        "parity": differences,
        "scores": ours,
        "others": others,
        "notes": list(state.config.get("notes", ())),
    }
    refused = _refused(state)
    entry = {
        "id": model_id,
        "onnx": f"{model_id}.onnx",
        "sha256": sha256,
        "opset": OPSET,
        "kind": "saliency",
        "license": LICENSE,
        "smoke": False,
        "status": status,
        "family": state.config.get("family", "salient-object"),
    }
    files: dict[str, str | bytes] = {
        ".json": json.dumps(sidecar(facts), indent=1) + "\n",
        TRAINING: json.dumps(facts, indent=1) + "\n",
        ".md": card(facts),
        ".onnx": content,
    }
    _publish(out, entry, files, default and refused is None)
    return Exported(out / f"{model_id}.onnx", sha256, differences, refused)


def _checked_onnx(
    net: nn.Module, name: str, stride: int, short_side: int | None
) -> tuple[bytes, dict[str, float]]:
    """The ONNX file of a network.

    Returns:
        the file, and of each of PARITY_SIZES, brought to the model's short side where it has one
        and rounded up to its stride, "HxW" to the largest difference between PyTorch (BatchNorm
        not folded) and ONNX Runtime, float32.
    Raises:
        ModelError: if a difference is too large, or an operator is not allowed.
    """
    rng = np.random.default_rng(0)
    differences = {}
    with tempfile.TemporaryDirectory() as folder:
        draft = Path(folder) / f"{name}.onnx"
        to_onnx(net, draft)
        session = Session(load_model(str(draft)), device="cpu")
        for size in PARITY_SIZES:
            scale = 1.0 if short_side is None else short_side / min(size)
            height, width = (stride * math.ceil(round(side * scale) / stride) for side in size)
            picture = rng.standard_normal((1, 3, height, width), np.float32)
            with torch.no_grad():
                expected = net(torch.from_numpy(picture)).numpy()
            apart = float(np.abs(session.run(picture) - expected).max())
            differences[f"{height}x{width}"] = apart
        content = draft.read_bytes()
    far = [f"{v:.1e} at {size}" for size, v in differences.items() if not v <= PARITY_LIMIT]
    if far:
        raise ModelError(
            f"PyTorch and ONNX Runtime differ by more than {PARITY_LIMIT:.0e}: {', '.join(far)}. "
            "Nothing was written."
        )
    return content, differences


def _publish(
    folder: Path, entry: dict[str, Any], files: dict[str, str | bytes], default: bool
) -> None:
    """Write a model's files and its registry entry, so that an interruption does no harm.

    Files that the registry names are not changed: the new ones are written under spare names, the
    registry is pointed at those in one rename, and then the plain names are rewritten.
    """
    registry = folder / REGISTRY
    known: dict[str, Any] = {"schema_version": 1, "default": entry["id"], "models": []}
    if registry.exists():
        read_registry(folder)  # refuses one that is damaged
        known = json.loads(registry.read_text("utf-8"))
    plain, spare = entry["id"], entry["id"] + SPARE
    used = {model["onnx"] for model in known["models"]}

    def point_at(stem: str) -> None:
        models = {model["id"]: model for model in known["models"]}
        models[entry["id"]] = {**entry, "onnx": f"{stem}.onnx"}
        chosen = entry["id"] if default else known["default"]
        content = {**known, "default": chosen, "models": list(models.values())}
        write_whole(registry, json.dumps(content, indent=2, ensure_ascii=False) + "\n")

    for stem in [spare, plain] if f"{plain}.onnx" in used else [plain]:
        for ending, content in files.items():
            write_whole(folder / f"{stem}{ending}", content)
        point_at(stem)
    for ending in files:
        (folder / f"{spare}{ending}").unlink(missing_ok=True)
