"""Cut-outs from PNGs with an alpha plane: objects of more kinds than there are masks for."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fnmatch import fnmatch
from pathlib import Path

import numpy as np
from PIL import Image

from train.data import read_alpha, read_rgb
from vmafsal.errors import InputError

__all__ = ["cut_outs_in", "filled"]

MIN_SIDE = 48
"""Longest side in pixels below which an object is only made larger when it is pasted."""
MIN_SHARE, MAX_SHARE = 0.05, 0.98
"""Share of its own box that an object covers: a line is none, nor is a whole picture."""


def filled(rgb: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """Each pixel that is not opaque in the colour of the nearest one that is.

    What lies hidden under alpha, often white, would shine through where an edge is softened.

    Args:
        rgb: uint8 [H, W, 3].
        alpha: uint8 [H, W], opaque (above 250) somewhere.
    Returns:
        uint8 [H, W, 3].
    """
    from scipy.ndimage import distance_transform_edt

    rows, columns = distance_transform_edt(
        alpha <= 250, return_distances=False, return_indices=True
    )
    return np.asarray(rgb[rows, columns])


def _cut(path: Path) -> np.ndarray | None:
    """An object in its box, with an edge of two pixels, uint8 [h, w, 4]; None if it is no use."""
    alpha = read_alpha(path)
    solid = alpha > 127
    if not (alpha > 250).any():
        return None
    rows, columns = np.flatnonzero(solid.any(1)), np.flatnonzero(solid.any(0))
    inside = solid[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    if max(inside.shape) < MIN_SIDE or not MIN_SHARE <= inside.mean() <= MAX_SHARE:
        return None
    box = (
        slice(max(0, rows[0] - 2), rows[-1] + 3),
        slice(max(0, columns[0] - 2), columns[-1] + 3),
    )
    return np.dstack([filled(read_rgb(path)[box], alpha[box]), alpha[box]])


def cut_outs_in(source: Path, without: Sequence[str] = ()) -> Iterable[tuple[str, Image.Image]]:
    """The cut-outs under a folder, in the order of their paths.

    Args:
        source: searched to the bottom for PNGs that are transparent somewhere.
        without: patterns; a file is left out if one matches its name without ending or the name
            of a folder that it is in.
    Yields:
        a name made of folders and file, and an RGBA picture trimmed to its object.
    Raises:
        InputError: if the folder is missing.
    """
    if not source.is_dir():
        raise InputError(f"{source} is not a folder; give one that holds PNGs.")
    for path in sorted(source.rglob("*.png")):
        parts = path.relative_to(source).with_suffix("").parts
        if any(fnmatch(part, pattern) for part in parts for pattern in without):
            continue
        try:
            cut = _cut(path)
        except InputError:  # opaque, or no picture
            continue
        if cut is not None:
            yield "_".join(parts), Image.fromarray(cut, "RGBA")
