"""From a checkpoint to an ONNX file of equal output, with its sidecar, card and entry."""

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

from train.card import card
from train.checkpoint import Checkpoint
from train.nets import architecture, build
from train.output import make_folder
from vmafsal.errors import InputError, ModelError
from vmafsal.files import sha256_of, write_whole
from vmafsal.infer.session import Session
from vmafsal.models.model import load_model

__all__ = [
    "Exported",
    "export_student",
    "exported_files",
    "fold_batch_norm",
    "parity",
    "to_onnx",
    "trained_net",
]

OPSET = 17
PARITY_SIZES = ((256, 256), (264, 480), (1080, 1920))
PARITY_LIMIT = 1e-5
DEFAULT_IOU = 0.5
"""A model with a lower mean IoU on the kept-out masks does not become the default."""
LICENSE = "BSD-3-Clause-Plus-Patent"
TRAINING = ".training.json"
"""Ending of the file with everything that the card says."""
ENDINGS = (".json", TRAINING, ".md", ".onnx")
"""Of the files of a model, in the order in which they are written."""
REGISTRY = "registry.json"
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


def trained_net(state: Checkpoint) -> nn.Module:
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


def parity(state: Checkpoint, session: Session) -> dict[str, float]:
    """Largest difference between PyTorch (BatchNorm not folded) and ONNX Runtime, float32.

    Returns:
        of each of PARITY_SIZES, brought to the model's short side where it has one and rounded up
        to its stride, "HxW" to the difference.
    """
    net, short_side = trained_net(state).cpu(), _short_side(state)
    stride = architecture(state.config["arch"]).stride
    rng = np.random.default_rng(0)
    differences = {}
    for size in PARITY_SIZES:
        scale = 1.0 if short_side is None else short_side / min(size)
        height, width = (stride * math.ceil(round(side * scale) / stride) for side in size)
        picture = rng.standard_normal((1, 3, height, width), np.float32)
        with torch.no_grad():
            expected = net(torch.from_numpy(picture)).numpy()
        found = session.run(picture)
        differences[f"{height}x{width}"] = float(np.abs(found - expected).max())
    return differences


def _short_side(state: Checkpoint) -> int | None:
    """The short side at which the model sees every frame, in pixels; None is the frame's own."""
    return state.config.get("short_side") or architecture(state.config["arch"]).short_side


def _refused(state: Checkpoint) -> str | None:
    """Why a model must not become the default, as a sentence; None where it may."""
    scores = state.history[-1].get("iou", {}).values() if state.history else ()
    if not scores:
        return "No kept-out picture has a mask, so nothing shows that the model is good enough."
    mean = sum(scores) / len(scores)
    if mean < DEFAULT_IOU:
        return f"IoU {mean:.4f} on the kept-out masks; at least {DEFAULT_IOU} is needed."
    return None


def _facts(
    state: Checkpoint,
    model_id: str,
    sha256: str,
    differences: dict[str, float],
    ours: list[dict[str, Any]],
    others: list[dict[str, Any]],
    notes: Sequence[str],
) -> dict[str, Any]:
    """Everything that the card and the sidecar say; no folder of data is needed for it."""
    known = architecture(state.config["arch"])
    return {
        "id": model_id,
        "arch": state.config["arch"],
        "what": known.what,
        "summary": known.summary,
        "sha256": sha256,
        "opset": OPSET,
        "license": LICENSE,
        "parameters": known.parameters,
        "stride": known.stride,
        "short_side": _short_side(state),
        "field_of_view": known.field_of_view,
        "parity": differences,
        "recipe": {k: v for k, v in state.config.items() if k not in ("sets", "data")},
        "data": state.config["data"],
        "steps": state.step,
        "seconds": round(sum(entry["seconds"] for entry in state.history), 1),
        "history": state.history[-1:],
        "run": state.run,
        "scores": ours,
        "others": others,
        "notes": list(notes),
    }


def sidecar(facts: dict[str, Any]) -> dict[str, Any]:
    """The contents of `<id>.json`; without an `input` policy: native, the C extractor's colour."""
    names = [entry["name"] for entry in facts["data"]]
    side = facts["short_side"]
    policy = {"short_side": side, "multiple": facts["stride"], "color": "auto"}
    hidden = ("model", "sha256", "worst")
    return {
        "id": facts["id"],
        "description": f"{_learnt(facts['recipe'])}Student {facts['arch']}: "
        f"{facts['parameters']:,} parameters, {facts['summary']}. Trained on {', '.join(names)}.",
        "stride": facts["stride"],
        "parameters": facts["parameters"],
        **({} if side is None else {"input": policy}),
        "trained_on": names,
        "scores": [{k: v for k, v in row.items() if k not in hidden} for row in facts["scores"]],
    }


def _learnt(recipe: dict[str, Any]) -> str:
    """What a model of attention learnt from, as a sentence; empty for one of objects."""
    if recipe.get("family") == "distilled":
        return f"Learnt from {recipe['teacher']['what']}. "
    return "Learnt from eye fixations. " if recipe.get("family") == "gaze" else ""


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
    notes: Sequence[str] = (),
) -> Exported:
    """Write `<id>.onnx`, `<id>.json`, `<id>.training.json`, `<id>.md` and the registry's entry.

    However the writing is cut off, the registry names a whole model with its own sidecar.

    Args:
        state: a checkpoint with at least one step.
        out: folder, made where it is missing.
        evaluations: documents of `evaluate --json` with this model's rows.
        default: make it the registry's default, if its scores allow it.
        notes: sentences for the card's part on data.
    Raises:
        ModelError: if PyTorch and ONNX Runtime differ, or an operator is not allowed; nothing
            is written then.
        InputError: if no step is finished, or an evaluation is of another model.
        OutputError: if a file cannot be written.
    """
    if state.step == 0:
        raise InputError("The checkpoint holds no finished step; train first.")
    make_folder(out)
    with tempfile.TemporaryDirectory() as folder:
        draft = Path(folder) / f"{model_id}.onnx"
        to_onnx(trained_net(state), draft)
        session = Session(load_model(str(draft)), device="cpu")
        differences = parity(state, session)
        far = {size: value for size, value in differences.items() if not value <= PARITY_LIMIT}
        if far:
            listed = ", ".join(f"{value:.1e} at {size}" for size, value in far.items())
            raise ModelError(
                f"PyTorch and ONNX Runtime differ by more than {PARITY_LIMIT:.0e}: {listed}. "
                "Nothing was written."
            )
        content, sha256 = draft.read_bytes(), sha256_of(draft)
    ours, others = _split_scores(evaluations, sha256)
    facts = _facts(state, model_id, sha256, differences, ours, others, notes)
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
    contents: tuple[str | bytes, ...] = (
        json.dumps(sidecar(facts), indent=1) + "\n",
        json.dumps(facts, indent=1) + "\n",
        card(facts),
        content,
    )
    files = dict(zip(ENDINGS, contents, strict=True))
    _publish(out, entry, files, default and refused is None)
    return Exported(out / f"{model_id}.onnx", sha256, differences, refused)


def _publish(
    folder: Path, entry: dict[str, Any], files: dict[str, str | bytes], default: bool
) -> None:
    """Write a model's files and its registry entry, so that an interruption does no harm.

    Files that the registry names are not changed: the new ones are written under spare names, the
    registry is pointed at those in one rename, and then the plain names are rewritten.
    """
    registry = folder / REGISTRY
    known = _read_registry(registry, entry["id"])
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


def _read_registry(path: Path, model_id: str) -> dict[str, Any]:
    """The registry of a folder; an empty one where there is none.

    Raises:
        ModelError: if it is there and cannot be read.
    """
    if not path.exists():
        return {"schema_version": 1, "default": model_id, "models": []}
    try:
        registry: dict[str, Any] = json.loads(path.read_text("utf-8"))
        for model in registry["models"]:
            _ = model["id"], model["onnx"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelError(f"{path} cannot be read as a registry ({error}).") from None
    return registry
