"""Join logs by frameNum into one."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal

from vmafsal import __version__
from vmafsal.errors import InputError, UsageError
from vmafsal.features.frame import FrameFeatures
from vmafsal.logs import Log
from vmafsal.logs.stats import Correlation, correlate

__all__ = ["How", "Pair", "correlations", "join_logs", "shorten_ranges"]

How = Literal["exact", "inner"]

_SHOWN = 5


def join_logs(
    logs: Mapping[str, Log],
    how: How = "exact",
    suffix: Mapping[str, str] | None = None,
    take: Mapping[str, str] | None = None,
) -> Log:
    """Join logs by frameNum into one log of the same shape.

    Args:
        logs: name of each log, its file's for example, to the log; at least two. Columns come
            in this order; size and fps are those of the first log that knows them.
        how: "exact" takes logs of the same frames and refuses others, "inner" takes the frames
            that all of them hold.
        suffix: name of a log to a tag; each column of that log is called <column>_<tag>.
        take: name of a column to the log that it is taken from, where several hold it. Column
            names are those after the suffix.
    Returns:
        The joined log. Its `vmafsal` lists the logs, with their own provenance. Figures of the
        whole clip (`aggregate`) are kept only if no frame was left out.
    Raises:
        UsageError: with fewer than two logs, or a name in `suffix` or `take` that is not there.
        InputError: if the frames differ, none is common, or a column stands in several logs.
    """
    if len(logs) < 2:
        raise UsageError("A join needs two logs or more: name another one.")
    sources = [_Source.rename(name, log, suffix or {}) for name, log in logs.items()]
    _check_named("suffix", suffix or {}, logs)
    chosen = _choose_columns(sources, take or {}, logs)
    numbers = _common_frames(sources, how)
    whole = all(len(source.frames) == len(numbers) for source in sources)
    frames = [
        FrameFeatures(
            number,
            {
                column: value
                for source, columns in zip(sources, chosen, strict=True)
                for column, value in source.frames[number].items()
                if column in columns
            },
        )
        for number in numbers
    ]
    return Log(
        version=f"vmafsal {__version__}",
        fps=next((log.fps for log in logs.values() if log.fps is not None), None),
        width=next((log.width for log in logs.values() if log.width), 0),
        height=next((log.height for log in logs.values() if log.height), 0),
        frames=frames,
        aggregate=_join_aggregates(sources) if whole else {},
        vmafsal={"join": {"how": how, "logs": [source.facts for source in sources]}},
    )


@dataclass(frozen=True, slots=True)
class _Source:
    """One log, its columns already renamed."""

    name: str
    columns: list[str]
    frames: dict[int, dict[str, float]]
    aggregate: dict[str, float]
    facts: dict[str, Any]

    @classmethod
    def rename(cls, name: str, log: Log, suffix: Mapping[str, str]) -> _Source:
        tag = f"_{suffix[name]}" if name in suffix else ""
        facts: dict[str, Any] = {"file": name, "version": log.version, "frames": len(log.frames)}
        if tag:
            facts["suffix"] = suffix[name]
        if log.vmafsal is not None:
            facts["vmafsal"] = log.vmafsal
        return cls(
            name=name,
            columns=[column + tag for column in log.feature_names],
            frames={
                frame.index: {column + tag: value for column, value in frame.metrics.items()}
                for frame in log.frames
            },
            aggregate={key + tag: value for key, value in log.aggregate.items()},
            facts=facts,
        )


def _choose_columns(
    sources: list[_Source], take: Mapping[str, str], logs: Mapping[str, Log]
) -> list[set[str]]:
    """Which columns each log gives, one set a log."""
    for column, name in take.items():
        _check_named("take", [name], logs)
        if not any(source.name == name and column in source.columns for source in sources):
            raise UsageError(f"{name} has no column {column} to take: name one that it has.")
    chosen = [
        {column for column in source.columns if take.get(column, source.name) == source.name}
        for source in sources
    ]
    counts = Counter(column for columns in chosen for column in columns)
    twice = [
        column
        for column in dict.fromkeys(column for source in sources for column in source.columns)
        if counts[column] > 1
    ]
    if twice:
        raise InputError(_collision(twice, sources))
    return chosen


def _collision(twice: list[str], sources: list[_Source]) -> str:
    holders = [source.name for source in sources if twice[0] in source.columns]
    alike = [
        column
        for column in twice
        if holders == [source.name for source in sources if column in source.columns]
    ]
    listed = ", ".join(alike[:_SHOWN])
    if len(alike) > _SHOWN:
        listed += f" and {len(alike) - _SHOWN} more columns"
    return (
        f"{' and '.join(holders)} hold the same columns: {listed}. Tell them apart with "
        f"--suffix {holders[-1]}=TAG, or keep one with --take {twice[0]}={holders[0]}."
    )


def _check_named(option: str, names: Iterable[str], logs: Mapping[str, Log]) -> None:
    for name in names:
        if name not in logs:
            raise UsageError(
                f"--{option} names {name}, which is none of the logs: {', '.join(logs)}."
            )


def _common_frames(sources: list[_Source], how: How) -> list[int]:
    union: set[int] = set().union(*(source.frames for source in sources))
    common = sorted(union.intersection(*(source.frames for source in sources)))
    if not common:
        held = "; ".join(
            f"{source.name} holds {shorten_ranges(source.frames)}" for source in sources
        )
        raise InputError(f"The logs have no frame in common: {held}. Are they of one clip?")
    if how == "exact" and len(common) != len(union):
        missing = "; ".join(
            f"{source.name} lacks {shorten_ranges(union - source.frames.keys())}"
            for source in sources
            if len(source.frames) != len(union)
        )
        raise InputError(
            f"The logs do not hold the same frames: {missing}. "
            f"Use --how inner to join the {len(common)} that all of them hold."
        )
    return common


def shorten_ranges(numbers: Iterable[int]) -> str:
    """Frame numbers as people write them.

    Args:
        numbers: in any order.
    Returns:
        "frames 0-4, 7, 9-11"; beyond five ranges only how many frames more there are.
    """
    ordered = sorted(numbers)
    starts = [ordered[0]] + [after for before, after in pairwise(ordered) if after != before + 1]
    ends = [before for before, after in pairwise(ordered) if after != before + 1] + [ordered[-1]]
    shown = [
        str(first) if first == last else f"{first}-{last}"
        for first, last in zip(starts[:_SHOWN], ends, strict=False)
    ]
    more = sum(number > ends[min(_SHOWN, len(ends)) - 1] for number in ordered)
    word = "frame" if len(ordered) == 1 else "frames"
    return f"{word} {', '.join(shown)}" + (f" and {more} more" if more else "")


def _join_aggregates(sources: list[_Source]) -> dict[str, float]:
    joined: dict[str, float] = {}
    for source in sources:
        for key, value in source.aggregate.items():
            if key in joined and joined[key] != value:
                raise InputError(
                    f"Two logs hold different figures of the whole clip named {key}: "
                    f"tell them apart with --suffix {source.name}=TAG."
                )
            joined[key] = value
    return joined


@dataclass(frozen=True, slots=True)
class Pair:
    """A saliency column, another column, and how they go together."""

    saliency: str
    other: str
    correlation: Correlation


def correlations(log: Log) -> list[Pair]:
    """Correlate each saliency column with each other column, frame by frame.

    Args:
        log: for example a joined one.
    Returns:
        One entry a pair, in column order; two saliency columns meet once. Empty where no column's
        name begins with saliency_mean.
    """
    names = log.feature_names
    columns = {name: [frame.metrics.get(name, math.nan) for frame in log.frames] for name in names}
    saliency = [name for name in names if name.startswith("saliency_mean")]
    return [
        Pair(name, other, correlate(columns[name], columns[other]))
        for place, name in enumerate(saliency)
        for other in names
        if other not in saliency[: place + 1]
    ]
