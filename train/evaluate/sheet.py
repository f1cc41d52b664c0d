"""A contact sheet: the best, median and worst images with their masks and maps."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from train.data import BORDER, Pair, open_image, read_rgb
from train.evaluate.predict import resize_map
from train.evaluate.scores import model_labels

if TYPE_CHECKING:
    from train.evaluate.models import Evaluated

__all__ = ["choose_cases", "draw_sheet"]

_CELL = 192
_LABEL = 16
_CASES = 4


def choose_cases(iou: Sequence[float], count: int = _CASES) -> list[tuple[str, int]]:
    """Which images to show.

    Args:
        iou: of each image.
        count: how many of each kind at most.
    Returns:
        ("best" | "median" | "worst", position), each position once, best first.
    """
    order = np.argsort(np.asarray(iou), kind="stable")[::-1].tolist()
    count = min(count, max(1, len(order) // 3))
    middle = (len(order) - count) // 2
    cases = [("best", i) for i in order[:count]]
    cases += [("median", i) for i in order[middle : middle + count]]
    cases += [("worst", i) for i in order[-count:]]
    first: dict[int, str] = {}
    for kind, position in cases:
        first.setdefault(position, kind)
    return [(kind, position) for position, kind in first.items()]


def draw_sheet(evaluated: Sequence[Evaluated], pairs: Sequence[Pair]) -> bytes:
    """Draw image, mask and each predictor's map, a row a case; chosen by the first one's IoU.

    Args:
        evaluated: what evaluate_models returned, not empty.
        pairs: what was evaluated.
    Returns:
        a PNG. Maps are gray from 0 (black) to 1 (white), unstretched; a border is middle gray.
    """
    from PIL import Image, ImageDraw

    by_stem = {pair.stem: pair for pair in pairs}
    cases = choose_cases([score.iou for score in evaluated[0].scores])
    columns = 2 + len(evaluated)
    height, width = (_CELL + _LABEL) * len(cases) + _LABEL, _CELL * columns
    sheet = Image.new("RGB", (width, height), "white")
    draw = ImageDraw.Draw(sheet)
    titles = ["image", "mask"]
    labels = model_labels([result.facts("", False) for result in evaluated])
    titles += [f"{a} {b.predictor.runs_at}" for a, b in zip(labels, evaluated, strict=True)]
    for column, title in enumerate(titles):
        draw.text((column * _CELL + 2, 2), title[:32], fill="black")
    for row, (kind, position) in enumerate(cases):
        stem = evaluated[0].stems[position]
        pair = by_stem[stem]
        assert pair.mask is not None
        rgb, gray = read_rgb(pair.image), np.asarray(open_image(pair.mask, "L"))
        shown: list[NDArray[Any]] = [rgb, np.where(gray == BORDER, BORDER, (gray > BORDER) * 255)]
        captions = [f"{kind}: {stem}", ""]
        for result in evaluated:
            saliency = resize_map(result.predictor(rgb), *gray.shape)
            shown.append(np.round(saliency * 255.0))
            score = result.scores[position]
            captions.append(f"IoU {score.iou:.3f} mean err. {score.mean_error:.3f}")
        top = _LABEL + row * (_CELL + _LABEL)
        for column, (pixels, caption) in enumerate(zip(shown, captions, strict=True)):
            cell = Image.fromarray(pixels.astype(np.uint8))
            cell.thumbnail((_CELL - 2, _CELL - 2))
            sheet.paste(cell, (column * _CELL + 1, top + _LABEL))
            draw.text((column * _CELL + 2, top + 2), caption[:32], fill="black")
    buffer = io.BytesIO()
    sheet.save(buffer, "PNG")
    return buffer.getvalue()
