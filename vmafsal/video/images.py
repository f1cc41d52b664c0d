"""An image sequence: numbered pictures whose names follow a pattern such as img_%04d.png."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from vmafsal.errors import InputError
from vmafsal.video.base import Source
from vmafsal.video.clock import position_at_rate
from vmafsal.video.container import ContainerSource
from vmafsal.video.files import open_bytes
from vmafsal.video.frame import Frame

__all__ = ["ImageSource", "files_of", "first_number", "is_image_pattern", "numbered_files"]

_NUMBER = re.compile(r"%(?:0(?P<digits>\d+))?d")


def is_image_pattern(path: str) -> bool:
    """True for a name with one %d or %04d in it, of which no file bears the name itself."""
    return len(_NUMBER.findall(os.path.basename(path))) == 1 and not os.path.exists(path)


def numbered_files(pattern: str) -> list[str]:
    """The files that match an image pattern, by their numbers.

    Args:
        pattern: a path whose last part holds %d, or %04d for numbers of at least four digits.
    Raises:
        InputError: if there is none, or a number between the first and the last is missing.
    """
    folder, name = os.path.split(pattern)
    place = _NUMBER.search(name)
    assert place is not None
    digits = int(place["digits"] or 1)
    before, after = name[: place.start()], name[place.end() :]
    found: dict[int, str] = {}
    try:
        entries = os.listdir(folder or ".")
    except OSError as error:
        raise InputError(f"{folder} cannot be read: {error.strerror}.") from error
    for entry in entries:
        number = entry[len(before) : len(entry) - len(after)]
        if entry != f"{before}{number}{after}" or not (number.isascii() and number.isdecimal()):
            continue
        if number == f"{int(number):0{digits}d}":
            found[int(number)] = os.path.join(folder, entry)
    if not found:
        example = f"{before}{1:0{digits}d}{after}"
        raise InputError(
            f"{pattern} does not exist, nor does a picture of an image sequence of that name, "
            f"such as {example}."
        )
    first, last = min(found), max(found)
    missing = [number for number in range(first, last + 1) if number not in found]
    if missing:
        raise InputError(
            f"{pattern} has no picture {missing[0]} ({before}{missing[0]:0{digits}d}{after}), and "
            f"{len(missing):,} {'is' if len(missing) == 1 else 'are'} missing between {first} and "
            f"{last}. Add what is missing, or number the pictures without a gap."
        )
    return [found[number] for number in sorted(found)]


def files_of(path: str) -> list[str]:
    """The files behind the name of a video: the pictures of an image sequence, else itself.

    Raises:
        InputError: as numbered_files.
    """
    return numbered_files(path) if is_image_pattern(path) else [path]


def first_number(pattern: str) -> int:
    """Number of the first picture of an image sequence.

    Raises:
        InputError: as numbered_files.
    """
    name = os.path.basename(pattern)
    place = _NUMBER.search(name)
    assert place is not None
    first = os.path.basename(numbered_files(pattern)[0])
    return int(first[place.start() : len(first) - len(name) + place.end()])


class ImageSource(Source):
    """The pictures of an image sequence, in the order of their numbers."""

    def __init__(self, pattern: str, framerate: float | None = None) -> None:
        """
        Args:
            pattern: as of numbered_files().
            framerate: frames per second, where the user gave them.
        Raises:
            InputError: if a number is missing, or the first picture cannot be decoded.
        """
        self.paths = numbered_files(pattern)
        with self._open(self.paths[0]) as first:
            size = sum(Path(path).stat().st_size for path in self.paths)
            info = replace(
                first.info,
                path=pattern,
                fps=framerate,
                size_bytes=size,
                frame_estimate=len(self.paths),
            )
            notices = [n.replace(self.paths[0], pattern) for n in first.notices]
        super().__init__(info)
        self.notices += notices

    @property
    def files(self) -> list[str]:
        """Every picture."""
        return self.paths

    def count(self) -> int:
        """Number of pictures."""
        return len(self.paths)

    def position_at(self, seconds: float) -> int:
        """As of Source, by the frame rate that the user gave."""
        if self.info.fps is None:
            raise InputError(
                f"{self.info.path} is an image sequence, which does not tell its frame rate: give "
                "--framerate, or choose by number, with --frame_skip_dist and --frame_cnt."
            )
        return min(position_at_rate(seconds, self.info.fps), len(self.paths))

    def _read(self, start: int, stop: int | None, step: int) -> Iterator[Frame]:
        end = len(self.paths) if stop is None else min(stop, len(self.paths))
        for position in range(start, end, step):
            time = position / self.info.fps if self.info.fps else None
            yield replace(self._decode(self.paths[position]), index=position - start, time=time)

    def _decode(self, path: str) -> Frame:
        info = self.info
        with self._open(path) as picture:
            found = picture.info
            if (found.width, found.height) != (info.width, info.height):
                raise InputError(
                    f"{path} is {found.width}x{found.height}, but {self.paths[0]} is "
                    f"{info.width}x{info.height}. Bring all pictures to one size first."
                )
            if (found.chroma, found.bit_depth) != (info.chroma, info.bit_depth):
                raise InputError(
                    f"{path} is {found.chroma} of {found.bit_depth} bits, but {self.paths[0]} is "
                    f"{info.chroma} of {info.bit_depth} bits. Convert all pictures to one format "
                    "first."
                )
            return next(picture.frames())

    def _open(self, path: str) -> ContainerSource:
        source = open_bytes(path)
        try:
            return ContainerSource(source)
        except BaseException:
            source.close()
            raise

    def close(self) -> None:
        """Nothing stays open between two pictures."""
