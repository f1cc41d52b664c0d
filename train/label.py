"""Soft labels for pictures: the maps of a teacher, kept in a folder and made once."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from train.data import images_in, open_image, read_rgb
from train.evaluate.predict import Predictor, resize_map
from train.maps import maps_in, read_map
from train.output import Progress, silent
from vmafsal.errors import InputError, OutputError, UsageError
from vmafsal.files import write_whole
from vmafsal.models.model import load_model

__all__ = ["LabelSource", "label", "open_teacher"]

RECORD = "labels.json"


@dataclass(frozen=True)
class LabelSource:
    """Where labels come from."""

    facts: dict[str, Any]
    """What decides the labels, as `labels.json` holds it."""
    sha256: str | None
    """Of the teacher's ONNX file; None for maps made elsewhere."""
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
        predictor = Predictor(model, threads=threads)
        facts = {"teacher": model.path.name, "sha256": model.sha256, "size": predictor.runs_at}
        return LabelSource(facts, model.sha256, lambda path: predictor(read_rgb(path)))
    if kind == "maps" and where:
        maps = maps_in(Path(where), "--teacher maps:DIR")

        def look_up(path: Path) -> NDArray[np.float32] | None:
            return read_map(maps[path.stem]) if path.stem in maps else None

        return LabelSource({"maps": str(Path(where).resolve())}, None, look_up)
    if kind == "classic" and where:
        from train.teachers import TEACHERS, load_teacher, teach

        load_teacher(where)
        facts = {"teacher": where, "short_side": TEACHERS[where].short_side}
        return LabelSource(facts, None, lambda path: teach(where, open_image(path, "RGB")))
    raise UsageError(f"--teacher {source}: give onnx:FILE, onnx:ID, maps:DIR or classic:NAME.")


def label(teacher: LabelSource, images: Path, out: Path, progress: Progress = silent) -> int:
    """Write `out/maps/<stem>.png` for every picture, and `out/labels.json` with the teacher.

    A label that is there already is kept, so a run that broke off goes on where it was.

    Args:
        images: folder of pictures.
        out: made where it is missing.
    Returns:
        how many labels there are.
    Raises:
        InputError: if the folder holds no picture, or one cannot be read.
        UsageError: if `out` holds the labels of another teacher.
        ModelError: if the teacher cannot run.
    """
    found = images_in(images) if images.is_dir() else {}
    if not found:
        raise InputError(f"{images} holds no picture to label.")
    try:
        (out / "maps").mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{out} cannot be made: {error.strerror}.") from None
    record = out / RECORD
    if record.exists() and json.loads(record.read_text("utf-8")) != teacher.facts:
        raise UsageError(f"{out} holds the labels of another teacher; choose another folder.")
    write_whole(record, json.dumps(teacher.facts, indent=2) + "\n")
    count = 0
    for done, (stem, path) in enumerate(found.items(), 1):
        target = out / "maps" / f"{stem}.png"
        if not target.exists():
            saliency = teacher.answer(path)
            if saliency is None:
                continue
            with Image.open(path) as picture:
                width, height = picture.size
            pixels = np.round(255.0 * resize_map(saliency, height, width)).astype(np.uint8)
            buffer = io.BytesIO()
            Image.fromarray(pixels).save(buffer, format="PNG")
            write_whole(target, buffer.getvalue())
        count += 1
        progress(f"labelling {out.name}", done, len(found))
    return count
