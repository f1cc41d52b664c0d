"""Join logs by frameNum into one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from vmafsal import __version__
from vmafsal.errors import InputError, UsageError
from vmafsal.features.frame import FrameFeatures
from vmafsal.logs.align import How, align
from vmafsal.logs.log import Log

__all__ = ["How", "join_logs"]

_SHOWN = 5


def join_logs(
    logs: Mapping[str, Log],
    how: How = "exact",
    suffix: Mapping[str, str] | None = None,
    take: Mapping[str, str] | None = None,
    rename: Mapping[str, str] | None = None,
    offset: Mapping[str, int] | None = None,
) -> Log:
    """Join logs by frameNum into one log of the same shape.

    Args:
        logs: name of each log, for example its file name, to the log; at least two. Columns come
            in this order; size and fps are those of the first log that knows them.
        how: "exact" takes logs of the same frames and refuses others, "inner" takes the frames
            that all of them hold.
        suffix: name of a log to a tag; each of its columns is called <column>_<tag>.
        take: name of a column to the log that it is taken from, where several hold it. Column
            names are those after suffix and rename.
        rename: name of a column to its new name, in each log that holds it. "LOG:COLUMN" renames
            it in that log alone. Names are those after the suffix.
        offset: name of a log to a number that is added to its frame numbers. Without it, logs
            that say what was skipped are aligned by that.
    Returns:
        The joined log. Its `vmafsal` lists the logs, with their offset and their own provenance,
        and under "notices" sentences about what was aligned or left out. Figures of the whole
        clip (`aggregate`) are kept only if no frame was left out.
    Raises:
        UsageError: with fewer than two logs, or an option that names what is not there.
        InputError: if the frames differ or seem shifted, none is common, or a column stands in
            several logs.
    """
    if len(logs) < 2:
        raise UsageError("A join needs two logs or more: name another one.")
    _check_named("suffix", suffix or {}, logs)
    _check_named("offset", offset or {}, logs)
    names = _new_names(logs, suffix or {}, rename or {})
    sources = [_Source.of(name, log, names[name], suffix or {}) for name, log in logs.items()]
    chosen = _choose_columns(sources, take or {}, logs)
    alignment = align(logs, offset or {}, how)
    offsets = alignment.offsets
    rows = {
        source.name: {frame.index + offsets[source.name]: frame for frame in source.frames}
        for source in sources
    }
    frames = [
        _join_frame(number, [rows[source.name][number] for source in sources], chosen)
        for number in alignment.frames
    ]
    for source in sources:
        if offsets[source.name]:
            source.facts["offset"] = offsets[source.name]
    facts: dict[str, Any] = {"how": how, "logs": [source.facts for source in sources]}
    if alignment.notices:
        facts["notices"] = alignment.notices
    whole = all(len(source.frames) == len(frames) for source in sources)
    return Log(
        version=f"vmafsal {__version__}",
        fps=next((log.fps for log in logs.values() if log.fps is not None), None),
        width=next((log.width for log in logs.values() if log.width), 0),
        height=next((log.height for log in logs.values() if log.height), 0),
        frames=frames,
        aggregate=_join_aggregates(sources) if whole else {},
        vmafsal={"join": facts},
    )


@dataclass(frozen=True, slots=True)
class _Source:
    """One log, its columns already renamed."""

    name: str
    columns: list[str]
    frames: list[FrameFeatures]
    aggregate: dict[str, float]
    facts: dict[str, Any]

    @classmethod
    def of(
        cls, name: str, log: Log, names: Mapping[str, str], suffix: Mapping[str, str]
    ) -> _Source:
        facts: dict[str, Any] = {"file": name, "version": log.version, "frames": len(log.frames)}
        if name in suffix:
            facts["suffix"] = suffix[name]
        renamed = {old: new for old, new in names.items() if new != _suffixed(old, name, suffix)}
        if renamed:
            facts["rename"] = renamed
        if log.vmafsal is not None:
            facts["vmafsal"] = log.vmafsal
        frames = [
            FrameFeatures(
                frame.index,
                {names[column]: value for column, value in frame.metrics.items()},
                pts_time=frame.pts_time,
            )
            for frame in log.frames
        ]
        aggregate = {_suffixed(key, name, suffix): value for key, value in log.aggregate.items()}
        return cls(name, list(names.values()), frames, aggregate, facts)


def _suffixed(column: str, name: str, suffix: Mapping[str, str]) -> str:
    return f"{column}_{suffix[name]}" if name in suffix else column


def _new_names(
    logs: Mapping[str, Log], suffix: Mapping[str, str], rename: Mapping[str, str]
) -> dict[str, dict[str, str]]:
    """For each log, the name of each of its columns in the join."""
    names: dict[str, dict[str, str]] = {}
    used = set()
    for name, log in logs.items():
        names[name] = {}
        for column in log.feature_names:
            old = _suffixed(column, name, suffix)
            key = next((key for key in (f"{name}:{old}", old) if key in rename), None)
            used.add(key)
            names[name][column] = old if key is None else rename[key]
        twice = [new for new, count in Counter(names[name].values()).items() if count > 1]
        if twice:
            raise UsageError(f"{name} would hold two columns named {twice[0]}: rename one of them.")
    for key in rename:
        if key not in used:
            raise UsageError(f"--rename names {key}, and no log holds a column of that name.")
        holders = [name for name in logs if key in _keys(logs[name], name, suffix)]
        if len(holders) > 1:
            raise UsageError(
                f"{' and '.join(holders)} hold a column {key}: say which one is meant with "
                f"--rename {holders[-1]}:{key}={rename[key]}."
            )
    return names


def _keys(log: Log, name: str, suffix: Mapping[str, str]) -> set[str]:
    return {_suffixed(column, name, suffix) for column in log.feature_names}


def _join_frame(number: int, parts: list[FrameFeatures], chosen: list[set[str]]) -> FrameFeatures:
    metrics = {
        column: value
        for part, columns in zip(parts, chosen, strict=True)
        for column, value in part.metrics.items()
        if column in columns
    }
    times = (part.pts_time for part in parts if part.pts_time is not None)
    return FrameFeatures(number, metrics, pts_time=next(times, None))


def _choose_columns(
    sources: list[_Source], take: Mapping[str, str], logs: Mapping[str, Log]
) -> list[set[str]]:
    """The columns that each log gives, one set a log."""
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
