"""Soft pseudo-labels for distillation: the maps of a teacher, computed once and kept."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from train.data import images_in, open_image, read_rgb
from train.evaluate.predict import Predictor, resize_map
from train.maps import maps_in, read_map
from train.output import Progress, check_outputs, make_folder, silent
from vmafsal.errors import InputError, ModelError, UsageError
from vmafsal.files import write_whole
from vmafsal.models.model import load_model

__all__ = ["LabelSource", "label", "open_teacher", "teacher_files"]

RECORD = "labels.json"


@dataclass(frozen=True)
class LabelSource:
    """Where labels come from."""

    facts: dict[str, Any]
    """What the labels depend on, as `labels.json` holds it."""
    sha256: str | None
    """Of the teacher's ONNX file; None for maps made elsewhere."""
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
        predictor = Predictor(model, threads=threads)
        facts = {"teacher": model.path.name, "sha256": model.sha256, "size": predictor.runs_at}
        return LabelSource(facts, model.sha256, model.files, lambda path: predictor(read_rgb(path)))
    if kind == "maps" and where:
        maps = maps_in(Path(where), "--teacher maps:DIR")

        def look_up(path: Path) -> NDArray[np.float32] | None:
            return read_map(maps[path.stem]) if path.stem in maps else None

        folder = Path(where)
        return LabelSource({"maps": str(folder.resolve())}, None, (folder,), look_up)
    if kind == "classic" and where:
        from train.teachers import TEACHERS, load_teacher, teach

        load_teacher(where)
        facts = {"teacher": where, "short_side": TEACHERS[where].short_side}
        return LabelSource(facts, None, (), lambda path: teach(where, open_image(path, "RGB")))
    raise UsageError(f"--teacher {source}: give onnx:FILE, onnx:ID, maps:DIR or classic:NAME.")


def teacher_files(source: str) -> list[Path]:
    """The files, or the folder, that a teacher is read from; none where it cannot be loaded.

    Args:
        source: as open_teacher takes it.
    """
    kind, _, where = source.partition(":")
    if kind == "maps":
        return [Path(where)]
    with suppress(ModelError):
        return list(load_model(where).files) if kind == "onnx" else []
    return []


def label(teacher: LabelSource, images: Path, out: Path, progress: Progress = silent) -> int:
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
    found = images_in(images) if images.is_dir() else {}
    if not found:
        raise InputError(f"{images} holds no picture to label.")
    record = out / RECORD
    targets = {stem: out / "maps" / f"{stem}.png" for stem in found}
    inputs = [images, *found.values(), *teacher.reads]
    check_outputs([record, *targets.values()], inputs, makes_folders=True)
    make_folder(out / "maps")
    if record.exists() and _recorded(record) != teacher.facts:
        raise UsageError(f"{out} holds the labels of another teacher; choose another folder.")
    write_whole(record, json.dumps(teacher.facts, indent=2) + "\n")
    count = 0
    for done, (stem, path) in enumerate(found.items(), 1):
        target = targets[stem]
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


def _recorded(record: Path) -> Any:
    """The facts of the teacher of a folder's labels; None where they cannot be read."""
    try:
        return json.loads(record.read_text("utf-8"))
    except (OSError, ValueError):
        return None
