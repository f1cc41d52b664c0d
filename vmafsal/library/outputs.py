"""Where each clip's log goes: names made from the videos, and the checks of all names."""

from __future__ import annotations

import os
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import PurePath, PureWindowsPath

from vmafsal.errors import UsageError

__all__ = ["check_output_name", "find_clashes", "is_summary", "name_outputs"]

_SUMMARY = re.compile(r"summary(-\d+-of-\d+)?\.(jsonl|csv)", re.IGNORECASE)


def is_summary(output: str) -> bool:
    """Whether a path below the output folder is that of a summary, which no log may have."""
    return _SUMMARY.fullmatch(output) is not None


def check_output_name(output: str) -> str:
    """Check the output that a manifest names.

    The check is the same on every system, so that a manifest means the same everywhere.

    Args:
        output: as the manifest has it.
    Returns:
        the path below the output folder, normalised, with forward slashes.
    Raises:
        UsageError: for a path outside the output folder, on this system or on Windows, and for
            the name of a summary.
    """
    path = PurePath(os.path.normpath(output))
    windows = PureWindowsPath(output)
    outside = (
        path.is_absolute()
        or ".." in path.parts
        or path.name in ("", ".")
        # C:x.json, \x.json and ..\x.json, which are ordinary names elsewhere.
        or bool(windows.drive or windows.root)
        or ".." in windows.parts[:1]
    )
    if outside or "\0" in output:
        raise UsageError(
            f"the output {output!r} is outside the output folder, where all logs go: name it "
            "relative to --output-dir, without a drive."
        )
    if is_summary(path.as_posix()):
        raise UsageError(f"{output!r} is the name of the summary: choose another output.")
    return path.as_posix()


def name_outputs(videos: Sequence[PurePath], endings: Sequence[str]) -> Iterator[str]:
    """Name each log after its video.

    Args:
        videos: their paths below the folder that names are relative to.
        endings: of the logs, for example ".json"; as many.
    Yields:
        a path for each video: b.json for b.mp4; b.mp4.json and b.mkv.json where both videos are
        there; B.json and b-2.json for B.mp4 and b.mp4, whose logs would else be one file on a
        disk that ignores case.
    """
    shared = Counter(video.with_suffix("") for video in videos)
    stems = []
    for video, ending in zip(videos, endings, strict=True):
        bare = video.with_suffix("")
        taken = shared[bare] > 1 or is_summary(bare.as_posix() + ending)
        stems.append((video if taken else bare).as_posix())
    natural = {_key(stem + ending) for stem, ending in zip(stems, endings, strict=True)}
    owners: dict[str, str] = {}
    for stem, ending in zip(stems, endings, strict=True):
        output, number = stem + ending, 1
        # The same name, letter by letter, is an error: see find_clashes.
        if owners.setdefault(_key(output), output) != output:
            while _key(output) in natural or _key(output) in owners:
                number += 1
                output = f"{stem}-{number}{ending}"
            owners[_key(output)] = output
        yield output


def find_clashes(outputs: Sequence[tuple[str, str]]) -> list[str]:
    """What is wrong with the outputs of a run as a whole.

    Args:
        outputs: (output, where it was named) of each log, and of each clip's maps.
    Returns:
        a sentence for each output that is the file of another one, or the folder of one.
    """
    first: dict[str, tuple[str, str]] = {}
    problems = []
    for output, place in outputs:
        if _key(output) not in first:
            first[_key(output)] = (output, place)
            continue
        other, other_place = first[_key(output)]
        same = "" if other == output else f" ({other}, the same file on a disk that ignores case)"
        problems.append(
            f"{place}: it would write {output}, as {other_place} does{same}. Give each clip an "
            "output of its own, in a column of that name."
        )
    for output, place in first.values():
        folders = (_key(str(parent)) for parent in PurePath(output).parents)
        inner = next((first[folder][0] for folder in folders if folder in first), None)
        if inner is not None:
            problems.append(f"{place}: {output} needs a folder where {inner} is an output.")
    return problems


def _key(output: str) -> str:
    """Equal for names that are one file on a disk that ignores case and Unicode's composition."""
    return unicodedata.normalize("NFC", PurePath(output).as_posix()).casefold()
