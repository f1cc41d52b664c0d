"""Soft pseudo-labels for distillation: the maps of a teacher, computed once and kept."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from train.data import images_in, read_rgb
from train.evaluate.gaze import ClassicModel
from train.evaluate.predict import Predictor, resize_map
from train.maps import maps_in, read_map
from train.output import check_outputs, make_folder, track
from vmafsal.errors import InputError, UsageError
from vmafsal.files import write_whole
from vmafsal.maps.png import encode_png
from vmafsal.models.model import load_model

__all__ = ["LabelSource", "label", "open_teacher"]


@dataclass(frozen=True)
class LabelSource:
    """Where labels come from."""

    facts: dict[str, Any]
    """What the labels depend on, as `labels.json` holds it; `sha256` of a network's file."""
    reads: tuple[Path, ...]
    """Files and folders, none of which a label may replace."""
    answer: Callable[[Path], NDArray[np.float32] | None]
    """From a picture's path to its map in [0, 1], of any size; None where there is none."""


def open_teacher(source: str, threads: int = 1) -> LabelSource:
    """A teacher by its name.

    Args:
        source: `onnx:FILE`, `onnx:ID` of a model that is registered or was added, `maps:DIR`
            with maps made elsewhere (.npy, .pgm, .png), paired with the pictures by stem, or
            `classic:NAME` of one of train.teachers.
        threads: of ONNX Runtime.
    Raises:
        UsageError: if it is none of them.
        ModelError: if the model cannot be loaded.
        InputError: if the folder of maps cannot be read.
    """
    kind, _, where = source.partition(":")
    if kind == "onnx" and where:
        model = load_model(where)
        network = Predictor(model, threads=threads)
        facts = {"teacher": model.path.name, "sha256": model.sha256, "size": network.runs_at}
        return LabelSource(facts, model.files, lambda path: network(read_rgb(path)))
    if kind == "maps" and where:
        folder = Path(where)
        maps = maps_in(folder, "--teacher maps:DIR")
        facts = {"maps": str(folder.resolve())}
        return LabelSource(
            facts, (folder,), lambda path: read_map(maps[path.stem]) if path.stem in maps else None
        )
    if kind == "classic" and where:
        classic = ClassicModel(where)
        facts = {"teacher": where, "short_side": classic.runs_at}
        return LabelSource(facts, (), lambda path: classic(read_rgb(path)))
    raise UsageError(f"--teacher {source}: give onnx:FILE, onnx:ID, maps:DIR or classic:NAME.")


def label(teacher: LabelSource, images: Path, out: Path) -> int:
    """Write `out/maps/<stem>.png` for every picture, and `out/labels.json` with the teacher.

    Existing labels are kept, so that an interrupted run can be resumed.

    Args:
        images: folder of pictures.
        out: made where it is missing.
    Returns:
        how many labels there are.
    Raises:
        InputError: if the folder holds no picture, or one cannot be read.
        UsageError: if `out` holds the labels of another teacher.
        OutputError: if a label would replace what is read, or cannot be written.
        ModelError: if the teacher cannot run.
    """
    found = images_in(images)
    if not found:
        raise InputError(f"{images} holds no picture to label.")
    record = out / "labels.json"
    targets = {stem: out / "maps" / f"{stem}.png" for stem in found}
    inputs = [images, *found.values(), *teacher.reads]
    check_outputs([record, *targets.values()], inputs, makes_folders=True)
    make_folder(out / "maps")
    recorded = None
    with suppress(OSError, ValueError):
        recorded = json.loads(record.read_text("utf-8"))
    if record.exists() and recorded != teacher.facts:
        raise UsageError(f"{out} holds the labels of another teacher; choose another folder.")
    write_whole(record, json.dumps(teacher.facts, indent=2) + "\n")
    count = 0
    for path in track(list(found.values()), f"labelling {out.name}"):
        target = targets[path.stem]
        if not target.exists():
            saliency = teacher.answer(path)
            if saliency is None:
                continue
            with Image.open(path) as picture:
                width, height = picture.size
            pixels = np.round(255.0 * resize_map(saliency, height, width)).astype(np.uint8)
            write_whole(target, encode_png(pixels))
        count += 1
    return count
