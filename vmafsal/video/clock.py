"""When a picture is shown: seconds from the first one."""

from __future__ import annotations

import math

__all__ = ["Clock", "position_at_rate"]

_TOLERANCE_SECONDS = 1e-6
"""Times that differ by less are equal: times are written with few decimals."""

_UNEVEN_FRAMES = 1.5
"""Frame durations by which a picture may be early or late before a notice says so. Pulldown moves
pictures by half a frame, a single dropped frame by one."""

_UNEVEN_STEPS = 1.4
"""Longest to shortest time between two pictures, from which on they come unevenly: rounding to
milliseconds makes it 1.13 at 120 frames per second, 1.25 at 240."""


class Clock:
    """Presentation times of the pictures of a video, and how evenly they are spaced."""

    def __init__(self, fps: float | None, time_base: float, first: int = 0) -> None:
        """
        Args:
            fps: average frame rate; None where it is not known.
            time_base: seconds of one unit of a presentation time.
            first: position in the video of what is called position 0 here.
        """
        self._fps = fps
        self._base = time_base
        self._first = first
        self.origin: int | None = None
        """Presentation time of the first picture."""
        self.deviation = 0.0
        """Largest error of position / fps so far, in seconds; 0 while the pictures are evenly
        spaced, at any rate."""
        self._worst = 0.0
        self._latest: int | None = None
        self._steps: tuple[float, float] = (math.inf, 0.0)

    def time(self, position: int, pts: int | None) -> float | None:
        """Seconds from the first picture.

        Args:
            position: of the picture, from 0.
            pts: its presentation time; None where the file does not state it. The frame rate, if
                it is known, is then used instead.
        """
        by_rate = (self._first + position) / self._fps if self._fps else None
        if pts is None:
            return by_rate
        if self.origin is None:
            self.origin = pts
        seconds = (pts - self.origin) * self._base
        if self._latest is not None and by_rate is not None:
            step = pts - self._latest
            self._steps = shortest, longest = min(self._steps[0], step), max(self._steps[1], step)
            self._worst = max(self._worst, abs(seconds - by_rate))
            if longest > _UNEVEN_STEPS * shortest:
                self.deviation = self._worst
        self._latest = pts
        return seconds

    def notice(self, name: str) -> str | None:
        """A sentence for a video whose times do not follow from its frame numbers."""
        if not self._fps or self.deviation * self._fps <= _UNEVEN_FRAMES:
            return None
        return (
            f"{name} has a variable frame rate: frameNum / {self._fps:.6g} differs from the "
            f"presentation time by up to {self.deviation:.2f} s."
        )


def position_at_rate(seconds: float, fps: float) -> int:
    """Position of the first picture that is not earlier than `seconds`, at a constant rate."""
    return max(0, math.ceil((seconds - _TOLERANCE_SECONDS) * fps))
