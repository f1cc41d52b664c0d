"""The offset between the frame numbers of several logs, so that a join never shifts a column."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise, product
from pathlib import PurePath
from typing import Any, Literal

from vmafsal.errors import InputError
from vmafsal.logs.log import Log

__all__ = ["Alignment", "How", "align", "frames_skipped", "shorten_ranges"]

How = Literal["exact", "inner"]

_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Alignment:
    """Which frames of several logs belong together."""

    offsets: dict[str, int]
    """Log name to what is added to its frame numbers."""

    frames: list[int]
    """The frame numbers of the join, ascending."""

    notices: list[str]
    """Sentences about what was aligned or left out."""


def frames_skipped(log: Log) -> dict[str, int]:
    """How many frames of each video come before frame 0 of a log, if the log says it.

    Args:
        log: one of our own JSON or Parquet logs says it (--frame_skip_dist, --frame_skip_ref),
            and so does a join of such logs.
    Returns:
        {"distorted": N, "reference": N}; empty if the log does not say it.
    """
    facts = log.vmafsal or {}
    return _settings_skipped(facts) or _join_skipped(facts, depth=0)


def _settings_skipped(facts: Mapping[str, Any]) -> dict[str, int]:
    settings = facts.get("settings")
    if not isinstance(settings, dict):
        return {}
    skipped = {
        "distorted": settings.get("frame_skip_dist"),
        "reference": settings.get("frame_skip_ref"),
    }
    return {
        role: count
        for role, count in skipped.items()
        if isinstance(count, int) and not isinstance(count, bool) and count >= 0
    }


def _join_skipped(facts: Mapping[str, Any], depth: int) -> dict[str, int]:
    """What the first joined log says that says something; its offset was added since."""
    join = facts.get("join")
    parts = join.get("logs") if isinstance(join, dict) else None
    for part in parts if isinstance(parts, list) and depth < 8 else ():
        own = part.get("vmafsal") if isinstance(part, dict) else None
        offset = part.get("offset", 0) if isinstance(part, dict) else 0
        if isinstance(own, dict) and isinstance(offset, int):
            skipped = _settings_skipped(own) or _join_skipped(own, depth + 1)
            if skipped:
                return {role: count - offset for role, count in skipped.items()}
    return {}


def align(logs: Mapping[str, Log], given: Mapping[str, int], how: How) -> Alignment:
    """Find which frames of the logs belong together.

    Logs of vmafsal say how many frames were skipped, and are aligned by it. Other logs do not say
    where they begin: where their frame numbers show that something is shifted, the error names
    the offset to give.

    Args:
        logs: name of each log to the log.
        given: name of a log to the offset that the user gave for it; it is taken as it is.
        how: "exact" refuses logs that do not hold the same frames, "inner" takes those that all
            of them hold. Where a log is moved, "exact" leaves out what lies before the last log
            begins and after the first one ends.
    Returns:
        The offsets and the frames.
    Raises:
        InputError: if the logs do not hold the same frames, or seem to be shifted.
    """
    skipped = {name: _skipped_by(log, logs) for name, log in logs.items()}
    offsets, notices = _own_offsets(logs, skipped, given)
    held = {
        name: {frame.index + offsets[name] for frame in log.frames} for name, log in logs.items()
    }
    _refuse_shifts(logs, skipped, given, offsets, held)
    notices += _assumptions(skipped, given, offsets)
    moved = any(offsets.values())
    inside = _overlap(held) if moved else held
    frames = _common(inside, how, offer_offset=not moved and not given)
    notices += _left_out(held, frames)
    if how == "inner" and not moved and not given:
        notices += [cut] if (cut := _cut_at_beginning(held)) else []
    if frames[0] < 0:
        raise InputError(
            f"With these offsets the joined frames begin at {frames[0]}: give offsets that leave "
            "no number below 0."
        )
    return Alignment(offsets, frames, notices)


def _skipped_by(log: Log, logs: Mapping[str, Log]) -> int | None:
    """Frames before frame 0 on the time line that the logs share; None if not known.

    That of the distorted video, unless the logs are of different distorted videos but of one
    reference: then that of the reference.
    """
    inputs = [_inputs(other) for other in logs.values() if frames_skipped(other)]
    distorted = {one.get("distorted") for one in inputs}
    references = {one.get("reference") for one in inputs}
    by_reference = len(distorted) > 1 and len(references) == 1 and None not in references
    return frames_skipped(log).get("reference" if by_reference else "distorted")


def _inputs(log: Log) -> dict[str, str | None]:
    found = (log.vmafsal or {}).get("input")
    names = found if isinstance(found, dict) else {}
    return {
        role: PurePath(path).name if isinstance(path := names.get(role), str) else None
        for role in ("distorted", "reference")
    }


def _own_offsets(
    logs: Mapping[str, Log], skipped: Mapping[str, int | None], given: Mapping[str, int]
) -> tuple[dict[str, int], list[str]]:
    """The offsets that the user gave, and those that follow from what was skipped."""
    offsets = {name: given.get(name, 0) for name in logs}
    notices: list[str] = []
    own = {name: count for name, count in skipped.items() if count is not None}
    fixed = [count - given[name] for name, count in own.items() if name in given]
    if not own:
        return offsets, notices
    first = fixed[0] if fixed else min(own.values())
    for name, count in own.items():
        if name not in given and count != first:
            offsets[name] = count - first
            notices.append(
                f"{name} begins with frame {count} of its video, so its frame 0 was joined as "
                f"frame {offsets[name]}."
            )
    return offsets, notices


def _refuse_shifts(
    logs: Mapping[str, Log],
    skipped: Mapping[str, int | None],
    given: Mapping[str, int],
    offsets: Mapping[str, int],
    held: Mapping[str, set[int]],
) -> None:
    """Refuse logs whose frame numbers show that they would be joined with the wrong frames."""
    unknown = [name for name in logs if skipped[name] is None and name not in given]
    begin_at_0 = [name for name in logs if 0 in held[name]]
    one_based = [
        name
        for name in unknown
        if begin_at_0 and min(held[name]) == 1 and not logs[name].version.startswith("vmafsal")
    ]
    if one_based and (message := _one_based(one_based, begin_at_0[0], held)):
        raise InputError(message)
    cut = _cut(skipped, given, offsets)
    for name, mine in product(unknown, cut):
        more = max(held[name]) - max(held[mine])
        if more < _step(held[mine]):
            continue
        alike = " ".join(f"--offset {one}={offsets[one]}" for one in cut)
        raise InputError(
            f"{mine} begins with frame {cut[mine]} of its video, and {name} holds {more} "
            f"frame{'s' if more > 1 else ''} more. If {name} is of the whole video, join with "
            f"{_as_cut(cut)}. If both begin with the same frame, join with {alike} --how inner."
        )


def _cut(
    skipped: Mapping[str, int | None], given: Mapping[str, int], offsets: Mapping[str, int]
) -> dict[str, int]:
    """The logs whose frame numbers in the join are not those of the video, and what they skip."""
    return {
        name: count
        for name, count in skipped.items()
        if count is not None and name not in given and count != offsets[name]
    }


def _as_cut(cut: Mapping[str, int]) -> str:
    return " ".join(f"--offset {name}={count}" for name, count in cut.items())


def _step(frames: set[int]) -> int:
    """Distance between frame numbers, as --subsample left it."""
    ordered = sorted(frames)
    return min((after - before for before, after in pairwise(ordered)), default=1)


def _one_based(names: list[str], other: str, held: Mapping[str, set[int]]) -> str:
    """What to do about logs that begin with frame 1; "" if they have no frame of the other."""
    listed = " and ".join(names)
    remedy = " ".join(f"--offset {name}=-1" for name in names)
    if all({number - 1 for number in held[name]} == held[other] for name in names):
        return (
            f"{listed} counts frames from 1, and {other} from 0, so that figures would stand one "
            f"frame off. Join with {remedy}."
        )
    if not held[names[0]] & held[other]:
        return ""
    as_it_is = " ".join(f"--offset {name}=0" for name in names)
    return (
        f"{listed} begins with frame 1, and {other} with frame 0. If it counts from 1, join with "
        f"{remedy}. If it only lacks frame 0, join with {as_it_is} --how inner."
    )


def _assumptions(
    skipped: Mapping[str, int | None], given: Mapping[str, int], offsets: Mapping[str, int]
) -> list[str]:
    """What had to be assumed about logs that do not say where they begin."""
    silent = [name for name, count in skipped.items() if count is None and name not in given]
    cut = _cut(skipped, given, offsets)
    if not silent or not cut:
        return []
    name = next(iter(cut))
    return [
        f"{name} begins with frame {cut[name]} of its video, and {' and '.join(silent)} was taken "
        f"to begin there too. If it is of the whole video, join with {_as_cut(cut)}."
    ]


def _overlap(held: Mapping[str, set[int]]) -> dict[str, set[int]]:
    """The frames from where the last log begins to where the first one ends."""
    first = max(min(frames) for frames in held.values())
    last = min(max(frames) for frames in held.values())
    inside = {
        name: {number for number in frames if first <= number <= last}
        for name, frames in held.items()
    }
    return inside if all(inside.values()) else dict(held)


def _left_out(held: Mapping[str, set[int]], common: Iterable[int]) -> list[str]:
    """A sentence for each log of which frames are left out."""
    kept = set(common)
    return [
        f"{name}: {shorten_ranges(frames - kept)} left out, which not all logs hold."
        for name, frames in held.items()
        if frames - kept
    ]


def _common(held: Mapping[str, set[int]], how: How, offer_offset: bool) -> list[int]:
    union: set[int] = set().union(*held.values())
    common = sorted(union.intersection(*held.values()))
    if not common:
        listed = "; ".join(
            f"{name} holds {shorten_ranges(frames)}" for name, frames in held.items()
        )
        raise InputError(f"The logs have no frame in common: {listed}. Are they of one clip?")
    if how == "inner" or len(common) == len(union):
        return common
    missing = "; ".join(
        f"{name} lacks {shorten_ranges(union - frames)}"
        for name, frames in held.items()
        if len(frames) != len(union)
    )
    message = f"The logs do not hold the same frames: {missing}. "
    inner = f"Use --how inner to join the {len(common)} that all of them hold."
    cut = _cut_at_beginning(held) if offer_offset else ""
    if cut:
        inner = f"{cut} If it was cut at its end: {inner[0].lower()}{inner[1:]}"
    raise InputError(message + inner)


def _cut_at_beginning(held: Mapping[str, set[int]]) -> str:
    """What to do if one log, shorter than the others, begins later; "" if it cannot be so."""
    longest = max(held.values(), key=len)
    short = [name for name, frames in held.items() if frames != longest]
    if len(short) != 1 or not all(
        frames == set(range(len(frames))) for frames in (longest, held[short[0]])
    ):
        return ""
    count = len(longest) - len(held[short[0]])
    return (
        f"If {short[0]} was cut at its beginning (ffmpeg -ss, --frame_skip_dist), join with "
        f"--offset {short[0]}={count}."
    )


def shorten_ranges(numbers: Iterable[int]) -> str:
    """Frame numbers as people write them.

    Args:
        numbers: in any order, at least one.
    Returns:
        "frames 0-4, 7, 9-11"; after five ranges only how many frames more there are.
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
