"""Values as people write them: numbers, times and rates; and words that are nearly right."""

from __future__ import annotations

import re
from collections.abc import Iterable
from difflib import SequenceMatcher
from numbers import Integral
from typing import Any

__all__ = ["nearest", "read_rate", "read_seconds", "whole_number"]

_NEAR = 0.7
"""Least likeness of a word that is proposed: --widht gives --width, --start not --stream."""

_CLOCK = re.compile(r"(?:(?:(\d+):)?(\d+):)?(\d+(?:\.\d*)?|\.\d+)", re.ASCII)


def whole_number(value: Any) -> int:
    """A number in any of C's notations: 1920, 0x780, 0o3600.

    Raises:
        ValueError: if it is none.
    """
    if isinstance(value, Integral) and not isinstance(value, bool):
        return int(value)
    if isinstance(value, str):
        try:
            return int(value, 0)
        except ValueError:
            return int(value, 10)  # 0123 is 123 here; C would read it as octal
    raise ValueError(f"{value!r} is not a whole number")


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word that is most like another one; None where none is like it.

    Args:
        word: as the user gave it.
        known: words to choose from. Hyphens and underscores make no difference.
    """

    def bare(text: str) -> str:
        return text.strip("-").replace("-", "_").lower()

    def likeness(name: str) -> float:
        if len(bare(word)) > 2 and bare(name).startswith(bare(word)):
            return 1.0
        return SequenceMatcher(None, bare(word), bare(name)).ratio()

    best = max(known, key=likeness, default=None)
    return best if best is not None and likeness(best) >= _NEAR else None


def read_seconds(value: Any) -> float:
    """A time or a duration in seconds: 90, 90.5, 1:30, 00:01:30.500.

    Raises:
        ValueError: if it is none.
    """
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    match = _CLOCK.fullmatch(str(value).strip())
    if match is None:
        raise ValueError(f"{value!r} is no time")
    hours, minutes, seconds = (float(part or 0) for part in match.groups())
    if (match[2] and seconds >= 60) or (match[1] and minutes >= 60):
        raise ValueError(f"{value!r} is no time")
    return hours * 3600 + minutes * 60 + seconds


def read_rate(value: Any) -> float:
    """Frames per second: 25, 23.976, 24000/1001.

    Raises:
        ValueError, ZeroDivisionError: if it is none.
    """
    if isinstance(value, bool):
        raise ValueError(f"{value!r} is no rate")
    above, slash, below = str(value).strip().partition("/")
    return float(above) / float(below) if slash else float(above)
