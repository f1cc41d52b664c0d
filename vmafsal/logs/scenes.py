"""PySceneDetect's list of scenes, as its command `list-scenes` writes it."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import NamedTuple

from vmafsal.errors import InputError

__all__ = ["Scene", "read_scenes"]

_START, _END = "Start Frame", "End Frame"


class Scene(NamedTuple):
    """The frames of one scene, by their frameNum."""

    number: int
    """As the list numbers it, from 1."""
    first: int
    """frameNum, from 0."""
    last: int
    """frameNum of its last frame."""


def read_scenes(path: str) -> list[Scene]:
    """Read a list of scenes.

    Args:
        path: of the CSV file. Its frames count from 1; a first line "Timecode List:…" may stand
            above the header.
    Returns:
        the scenes in the order of the file, at least one.
    Raises:
        InputError: if it cannot be read, or is no list of scenes.
    """
    try:
        rows = list(csv.reader(Path(path).read_text(encoding="utf-8-sig").splitlines()))
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}.") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path} is no CSV file ({error}).") from None
    place = next((place for place, row in enumerate(rows) if _START in row and _END in row), None)
    if place is None:
        raise InputError(
            f"{path} is no list of scenes: no line names the columns {_START} and {_END}, as "
            "PySceneDetect's list-scenes writes them."
        )
    header = rows[place]
    start, end = header.index(_START), header.index(_END)
    scenes: list[Scene] = []
    for line, row in enumerate(rows[place + 1 :], start=place + 2):
        if not any(cell.strip() for cell in row):
            continue
        try:
            # Frames count from 1; the last frame of a scene is the one before the next scene's.
            scene = Scene(len(scenes) + 1, int(row[start]) - 1, int(row[end]) - 1)
        except (ValueError, IndexError):
            raise InputError(f"Line {line} of {path} names no frames: {','.join(row)}.") from None
        if scene.first < 0 or scene.last < scene.first:
            raise InputError(
                f"Line {line} of {path}: a scene from frame {row[start]} to {row[end]} is none."
            )
        scenes.append(scene)
    if not scenes:
        raise InputError(f"{path} lists no scene.")
    return scenes
