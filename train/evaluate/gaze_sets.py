"""Sets of pictures with what people looked at: density maps, fixations, and their centre.

A set has `images/<stem>.jpg`, `maps/<stem>.png` (the density of fixations, any scale) and, where
the fixations themselves are known, `fixations/<stem>.csv` or `.npy`: x and y of each, in pixels
of the picture. Where they are not, fixations are drawn from the density.
"""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from train.data import OnDisk, data_folders, images_in, kept_out
from train.evaluate.models import by_name, choose
from train.evaluate.scores import SEED
from train.maps import maps_in, read_map
from vmafsal.errors import InputError, UsageError
from vmafsal.metrics.fixation import distribution

__all__ = [
    "POINTS",
    "Centre",
    "GazeSet",
    "Looked",
    "Survey",
    "draw_points",
    "fixations_of",
    "generator",
    "open_gaze_sets",
    "pixels",
    "read_density",
    "read_points",
    "survey",
]

POINTS = 100
"""So many fixations are drawn from a density map."""

Shares = NDArray[np.float64]
"""[N, 2]: row and column of points, as shares of the height and the width."""


@dataclass(frozen=True)
class Looked(OnDisk):
    """A picture with what people looked at, still on disk."""

    density: Path
    points: Path | None = None
    """The fixations themselves; None where only their density is known."""


@dataclass(frozen=True)
class GazeSet:
    """One set: what is evaluated of it, and all that is there."""

    chosen: list[Looked]
    every: list[Looked]
    by_teacher: bool = False
    """The maps are a model's answers and no fixations: only maps can be compared."""


@dataclass(frozen=True)
class Centre:
    """A Gaussian about the centre, of no picture in particular: what a map must know more than.

    It is a MapSource.
    """

    mean: tuple[float, float] = (0.5, 0.5)
    """Of rows and columns, as shares of height and width."""
    deviation: tuple[float, float] = (0.25, 0.25)
    fitted_on: int = 0
    """So many density maps."""
    id: ClassVar[str] = "centre"
    sha256: ClassVar[None] = None
    runs_at: ClassVar[str] = "native"

    def density(self, height: int, width: int) -> NDArray[np.float32]:
        """float32 [height, width], 1 at its peak."""
        axes = []
        for size, mean, deviation in zip((height, width), self.mean, self.deviation, strict=True):
            place = (np.arange(size) + 0.5) / size
            axes.append(np.exp(-0.5 * ((place - mean) / deviation) ** 2))
        return np.outer(*axes).astype(np.float32)

    def __call__(self, rgb: NDArray[np.uint8]) -> NDArray[np.float32]:
        """The same map for every picture of a size."""
        return self.density(*rgb.shape[:2])


@dataclass
class Survey:
    """What a look at all maps of a set tells."""

    centre: Centre
    points: dict[str, Shares]
    """Fixations by stem; empty where the maps are a teacher's."""
    outside: int = 0
    """So many fixations lie outside their pictures and were left out."""

    def others(self, stem: str) -> Shares:
        """The fixations of all other pictures."""
        rest = [points for name, points in self.points.items() if name != stem]
        return np.concatenate(rest) if rest else np.empty((0, 2))


def open_gaze_sets(
    folders: Sequence[Path],
    only_kept_out: bool = False,
    limit: int | None = None,
    truth: Path | None = None,
) -> dict[str, GazeSet]:
    """The pictures of each folder that have a map, by the folder's name.

    Args:
        only_kept_out, limit: as train.evaluate.models.choose takes them.
        truth: a folder of maps that stand in the place of maps/, such as a teacher's labels;
            for one folder of pictures alone.
    Raises:
        UsageError: if two folders have the same name, or `truth` meets several.
        InputError: if a folder has no such picture.
    """
    if truth is not None and len(folders) != 1:
        raise UsageError("--truth pairs its maps with the pictures of one --data; give just one.")
    opened = {}
    for name, root in by_name(folders).items():
        every = _find(root, truth)
        opened[name] = GazeSet(choose(every, root, only_kept_out, limit), every, truth is not None)
    return opened


def _find(root: Path, truth: Path | None) -> list[Looked]:
    images = images_in(data_folders(root)[0])
    folder = truth or root / "maps"
    if truth is None and not folder.is_dir():
        raise InputError(
            f"{root} is no gaze set: it has no maps/ with the density of fixations. For maps of a "
            "model give their folder with --truth."
        )
    maps = maps_in(folder, "--truth" if truth else "--data")
    points: dict[str, Path] = {}
    if truth is None and (root / "fixations").is_dir():
        points = maps_in(root / "fixations", "--data", (".csv", ".npy"))
    found = [
        Looked(path, maps[stem], points.get(stem)) for stem, path in images.items() if stem in maps
    ]
    if not found:
        raise InputError(f"No picture of {root} has a map of the same stem in {folder}.")
    return found


def read_density(path: Path) -> NDArray[np.float32]:
    """The density of fixations, or a teacher's map.

    Returns:
        float32 [H, W] in [0, 1].
    Raises:
        InputError: if it cannot be read, or is 0 everywhere.
    """
    density = read_map(path)
    if not density.any():
        raise InputError(f"{path} is 0 everywhere: it says nothing about where people looked.")
    return density


def read_points(path: Path) -> NDArray[np.float64]:
    """Fixations as a set gives them.

    Args:
        path: .csv with the columns x and y (others are left aside; without a header the first two
            columns count), or .npy of [N, 2].
    Returns:
        float64 [N, 2], x and y in pixels.
    Raises:
        InputError: if it cannot be read, or a value is no finite number.
    """
    try:
        if path.suffix.lower() == ".npy":
            table = np.load(path, allow_pickle=False)
            points = np.asarray(table, np.float64).reshape(-1, 2) if table.size == 0 else table
            points = np.asarray(points, np.float64)
        else:
            points = _read_csv(path)
        if points.ndim != 2 or points.shape[1] != 2 or not np.isfinite(points).all():
            raise ValueError("two finite numbers, x and y, are needed of each fixation")
    except (OSError, ValueError, TypeError, EOFError) as error:
        raise InputError(f"{path} cannot be read as fixations: {error}.") from None
    return points


def _read_csv(path: Path) -> NDArray[np.float64]:
    with path.open(newline="", encoding="utf-8-sig") as file:
        rows = [row for row in csv.reader(file) if row]
    head = [cell.strip().lower() for cell in rows[0]] if rows else []
    at = (0, 1)
    if "x" in head and "y" in head:
        at, rows = (head.index("x"), head.index("y")), rows[1:]
    if any(len(row) <= max(at) for row in rows):
        raise ValueError("a row has no x and y")
    return np.array([[float(row[i]) for i in at] for row in rows], np.float64).reshape(-1, 2)


def generator(stem: str, use: str) -> np.random.Generator:
    """A generator that a picture's name and its use decide, whatever is evaluated beside it."""
    digest = hashlib.sha1(f"{use} {stem}".encode()).hexdigest()
    return np.random.default_rng([SEED, int(digest[:8], 16)])


def draw_points(density: NDArray[np.floating], stem: str, count: int = POINTS) -> Shares:
    """Draw fixations from a density, each independently.

    The density is already blurred, so that points drawn from it lie wider than the fixations did.

    Args:
        density: float [H, W].
        stem: of the picture; decides the draw.
    Returns:
        the centres of the drawn pixels.
    """
    chance = distribution(density).ravel()
    drawn = generator(stem, "fixations").choice(chance.size, count, p=chance)
    rows, columns = np.unravel_index(drawn, density.shape)
    height, width = density.shape
    return np.stack([(rows + 0.5) / height, (columns + 0.5) / width], axis=1)


def pixels(points: Shares, height: int, width: int) -> NDArray[np.int64]:
    """Row and column, int64 [N, 2], of points in a picture of that size."""
    found: NDArray[np.int64] = np.floor(points * (height, width)).astype(np.int64)
    return np.clip(found, 0, (height - 1, width - 1))


def survey(gaze_set: GazeSet) -> Survey:
    """Read all maps of a set: fit its centre, and collect the fixations of every picture.

    The centre is fitted by moments on the pictures that are not kept out; on all, where every one
    is. Files that cannot be read are passed over here: the evaluation names those that it needs.
    """
    fitting = [one for one in gaze_set.every if not kept_out(one.stem)] or gaze_set.every
    stems = {one.stem for one in fitting}
    moments = []
    found = Survey(Centre(), {})
    for looked in gaze_set.every:
        try:
            density = read_density(looked.density)
            if not gaze_set.by_teacher:
                shares, outside = fixations_of(looked, density)
                found.points[looked.stem] = shares
                found.outside += outside
        except InputError:
            continue
        if looked.stem in stems:
            chance = distribution(density)
            sides = (chance.sum(axis=1), chance.sum(axis=0))
            places = [(np.arange(len(side)) + 0.5) / len(side) for side in sides]
            pairs = list(zip(sides, places, strict=True))
            moments.append([[float(s @ p), float(s @ (p * p))] for s, p in pairs])
    if moments:
        first, second = np.mean(moments, axis=0).T
        # A map of one point alone has no width.
        wide = np.sqrt(np.maximum(second - first * first, 1e-6))
        found.centre = Centre(
            (float(first[0]), float(first[1])), (float(wide[0]), float(wide[1])), len(moments)
        )
    return found


def fixations_of(looked: Looked, density: NDArray[np.float32]) -> tuple[Shares, int]:
    """The fixations of a picture, and how many lie outside it and were left out.

    Raises:
        InputError: if a file of them cannot be read.
    """
    if looked.points is None:
        return draw_points(density, looked.stem), 0
    points = read_points(looked.points)
    try:
        with Image.open(looked.image) as picture:
            size = picture.size
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise InputError(f"{looked.image} cannot be read as an image ({error}).") from None
    inside = ((points >= 0) & (points < size)).all(axis=1)
    # x and y become row and column; a whole number names a pixel, whose share stays inside it.
    shares = (np.floor(points[inside])[:, ::-1] + 0.5) / size[::-1]
    return shares, int((~inside).sum())
