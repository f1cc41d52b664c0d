"""Maps and masks as files: .npy, PGM and PNG, each divided by its format's maximum."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from train.data import BORDER, Pair
from vmafsal.errors import InputError

__all__ = ["maps_in", "pair_maps", "read_map", "read_mask"]

MAP_ENDINGS = (".npy", ".pgm", ".png")


def maps_in(folder: Path, option: str, endings: tuple[str, ...] = MAP_ENDINGS) -> dict[str, Path]:
    """The maps of a folder by their stems.

    Args:
        option: of the command line, for the error.
        endings: of the files to look for.
    Raises:
        InputError: if it is no folder, or a stem occurs twice.
    """
    if not folder.is_dir():
        raise InputError(f"{folder} is no folder. Check {option}.")
    found: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() not in endings or path.name.startswith("."):
            continue
        if path.stem in found:
            raise InputError(
                f"{folder} holds {found[path.stem].name} and {path.name}: which one counts cannot "
                "be known. Remove one."
            )
        found[path.stem] = path
    return found


def pair_maps(saliency_folder: Path, mask_folder: Path) -> tuple[list[Pair], list[str]]:
    """Match maps and masks by stem.

    Args:
        saliency_folder, mask_folder: with .npy, .pgm and .png files.
    Returns:
        the pairs by stem, a map in the place of each picture, and a sentence for each file without
        a partner.
    Raises:
        InputError: if a folder is missing, a stem occurs twice, or nothing matches.
    """
    maps, masks = maps_in(saliency_folder, "--pred"), maps_in(mask_folder, "--gt")
    shared = sorted(maps.keys() & masks.keys())
    if not shared:
        raise InputError(
            f"{saliency_folder} holds {len(maps)} maps and {mask_folder} {len(masks)} masks, but "
            "no two have the same stem. Name each map after its mask, as in a.npy and a.png."
        )
    alone = [f"{maps[stem]} has no mask." for stem in sorted(maps.keys() - masks.keys())]
    alone += [f"{masks[stem]} has no map." for stem in sorted(masks.keys() - maps.keys())]
    return [Pair(maps[stem], masks[stem]) for stem in shared], alone


def read_map(path: Path) -> NDArray[np.float32]:
    """Read a saliency map.

    Args:
        path: .npy (float in [0, 1], or unsigned integers), .pgm or .png.
    Returns:
        float32 [H, W] in [0, 1]: integers are divided by their format's maximum, nothing else.
    Raises:
        InputError: if it cannot be read, is no single plane, or leaves [0, 1].
    """
    samples, maximum = _read(path)
    saliency = (samples / np.float64(maximum)).astype(np.float32)
    # Written so that a NaN fails it too.
    if not (saliency.min() >= 0.0 and saliency.max() <= 1.0):
        raise InputError(
            f"{path} holds values from {samples.min():g} to {samples.max():g}; a saliency map lies "
            "in [0, 1]."
        )
    return saliency


def read_mask(path: Path) -> tuple[NDArray[np.bool_], NDArray[np.bool_] | None]:
    """Read a mask or trimap.

    Args:
        path: in a format of read_map, or another that Pillow reads.
    Returns:
        (object, valid): bool [H, W] each. 8-bit samples are an object above 128 and border at 128;
        others an object above half their maximum; bool arrays as they are. valid is None where
        every pixel counts.
    Raises:
        InputError: as read_map, or if it is border all over.
    """
    samples, maximum = _read(path)
    if maximum != 255:
        return samples > maximum / 2, None
    border = samples == BORDER
    if border.all():
        raise InputError(f"{path} is border all over: no pixel of it counts.")
    return samples > BORDER, ~border if border.any() else None


def _read(path: Path) -> tuple[NDArray[Any], int]:
    """Samples [H, W] and the value that means 1."""
    try:
        if path.suffix.lower() == ".npy":
            samples = np.load(path, allow_pickle=False)
            if not isinstance(samples, np.ndarray):
                raise ValueError("it is an archive of arrays")
        else:
            with Image.open(path) as picture:
                # 16-bit grey; Pillow scales the samples of a PGM with another maximum to 65535.
                deep = picture.mode.startswith("I")
                samples = np.asarray(picture if deep else picture.convert("L"))
                samples = samples.astype(np.uint16 if deep else np.uint8)
        if samples.dtype.kind not in "bfu":
            raise ValueError(f"its samples are {samples.dtype}; float, unsigned or bool is needed")
    except (OSError, ValueError, SyntaxError, EOFError, Image.DecompressionBombError) as error:
        raise InputError(f"{path} cannot be read as a map: {error}.") from error
    # Networks answer [1, 1, H, W] and [1, H, W]; the empty dimensions say nothing.
    while samples.ndim > 2 and samples.shape[0] == 1:
        samples = samples[0]
    if samples.ndim != 2 or not samples.size:
        shape = "x".join(map(str, samples.shape))
        raise InputError(f"{path} has the shape {shape}; a map is one plane of H x W.")
    return samples, int(np.iinfo(samples.dtype).max) if samples.dtype.kind == "u" else 1
