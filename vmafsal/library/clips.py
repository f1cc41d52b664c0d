"""Which clips to score: a manifest's rows or a pattern's matches, each as a checked Job."""

from __future__ import annotations

import glob
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePath
from typing import Any

from vmafsal.errors import InputError, UsageError, VmafsalError
from vmafsal.job import FORMATS, LOG_OPTIONS, Feature, Job, build_job
from vmafsal.library.manifest import MANIFESTS, Row, read_manifest
from vmafsal.library.maps import ClipMaps
from vmafsal.library.outputs import check_output_name, find_clashes, name_outputs
from vmafsal.logs import LogFormat, choose_format, parse_precision
from vmafsal.post_spec import change_paths

__all__ = ["Clip", "list_problems", "read_clips"]

_MAP_OPTIONS = [row for row in LOG_OPTIONS if row.name in ("maps", "view")]
_SHOWN = 10
"""A message lists this many bad rows and counts the rest."""


@dataclass(frozen=True, slots=True)
class Clip:
    """One video to score, and where its log goes."""

    job: Job
    output: str
    """Path of the log below the output folder, with forward slashes."""
    format: LogFormat
    precision: str | None
    """As --precision."""
    times: bool
    """As --times."""
    maps: ClipMaps | None
    """None where no maps are asked for."""
    place: str
    """Where the clip was named: "line 3 of clips.csv", or its own path."""

    @property
    def paths(self) -> list[str]:
        """What is written for it, below the output folder: its log, and its maps."""
        return [self.output, *([self.maps.path] if self.maps is not None else [])]


def read_clips(
    inputs: Sequence[str], output_dir: str, defaults: Mapping[str, Any] | None = None
) -> list[Clip]:
    """Read and check every clip that the command line names, before anything runs.

    Args:
        inputs: one manifest (.csv, .jsonl), or videos and patterns such as "videos/**/*.mp4".
        output_dir: where logs go; files in it are never taken for videos.
        defaults: options for every clip that does not set them itself, by their column names.
    Returns:
        the clips in the order of the rows or of their names, each with an output of its own.
    Raises:
        InputError: if a manifest cannot be read, or a pattern matches nothing.
        UsageError: naming every row that makes no sense, with its line.
    """
    manifests = [name for name in inputs if PurePath(name).suffix.lower() in MANIFESTS]
    if manifests and len(inputs) > 1:
        raise UsageError(
            f"{manifests[0]} is a manifest, and the only input of its run: run one at a time."
        )
    problems: list[str] = []
    if manifests:
        rows = read_manifest(manifests[0], problems)
    else:
        rows = [row for name in inputs for row in _match(name, output_dir)]
    clips = []
    for row, output in _name_outputs(rows, defaults or {}, problems):
        try:
            clips.append(_clip(row, output, defaults or {}))
        except VmafsalError as error:
            problems.append(f"{row.place}: {error}")
    problems += find_clashes([(path, clip.place) for clip in clips for path in clip.paths])
    if problems:
        raise UsageError("Nothing was run.\n  " + list_problems(problems))
    if not clips:
        raise InputError(f"{inputs[0]} names no clip.")
    return clips


def list_problems(problems: Sequence[str]) -> str:
    """Sentences, one a line, of which a long list is cut."""
    more = len(problems) - _SHOWN
    return "\n  ".join([*problems[:_SHOWN], *([f"and {more:,} more."] if more > 0 else [])])


def _match(pattern: str, output_dir: str) -> list[Row]:
    """The videos that a name or a pattern stands for."""
    if os.path.isfile(pattern):  # a file may be called clip[1].mp4
        return [Row({"distorted": pattern}, Path(pattern).parent, pattern)]
    if not glob.has_magic(pattern):
        if os.path.isdir(pattern):
            inside = os.path.join(pattern, "**", "*.mp4")
            raise InputError(f"{pattern} is a folder: name its videos '{inside}', quoted.")
        from vmafsal.video.images import is_image_pattern

        if pattern == "-" or is_image_pattern(pattern):
            raise InputError(
                f"{pattern} is no file, and a batch scores files alone: vmafsal {pattern} scores "
                "it."
            )
        raise InputError(
            f"{pattern} does not exist: name videos, a pattern in quotes, or a manifest."
        )
    parts = PurePath(pattern).parts
    fixed = next(place for place, part in enumerate(parts) if glob.has_magic(part))
    base = Path(*parts[:fixed])
    logs = Path(output_dir).resolve()
    files = [name for name in sorted(glob.glob(pattern, recursive=True)) if os.path.isfile(name)]
    found = [name for name in files if not Path(name).resolve().is_relative_to(logs)]
    if files and not found:
        raise InputError(
            f"{pattern} matches files in {output_dir} alone, and what lies in --output-dir is "
            "never scored: name another folder there."
        )
    if not found:
        raise InputError(f"{pattern} matches no file: check it, and quote it.")
    return [Row({"distorted": name}, base, name) for name in found]


def _name_outputs(
    rows: Sequence[Row], defaults: Mapping[str, Any], problems: list[str]
) -> list[tuple[Row, str]]:
    """Each valid row with its output, as the row names it or after its video."""
    outputs: dict[int, str] = {}
    unnamed: list[tuple[int, PurePath, str]] = []
    for place, row in enumerate(rows):
        given = row.options.get("output")
        try:
            if given:
                outputs[place] = check_output_name(given)
                continue
            named = any(row.options.get(flag) for flag in FORMATS)
            ending = _choose_ending(row.options if named else defaults)
        except VmafsalError as error:
            problems.append(f"{row.place}: {error}")
            continue
        video = Path(row.options["distorted"])
        name = PurePath(video.name)
        if video.is_relative_to(row.base) and ".." not in video.relative_to(row.base).parts:
            name = video.relative_to(row.base)
        if name.name in ("", ".."):
            problems.append(f"{row.place}: {video} is a folder: name a video in it.")
            continue
        unnamed.append((place, name, ending))
    names = name_outputs([video for _, video, _ in unnamed], [ending for *_, ending in unnamed])
    outputs |= {place: name for (place, *_), name in zip(unnamed, names, strict=True)}
    return [(rows[place], outputs[place]) for place in sorted(outputs)]


def _choose_ending(options: Mapping[str, Any]) -> str:
    """The ending of a log that is not named: that of the format asked for, else .json."""
    fmt = choose_format(None, **{flag: bool(options.get(flag)) for flag in FORMATS})
    return ".csv" if fmt == "tidy" else f".{fmt}"


def _clip(row: Row, output: str, defaults: Mapping[str, Any]) -> Clip:
    options = {key: value for key, value in row.options.items() if key != "output"}
    flags = tuple(FORMATS) if any(flag in options for flag in FORMATS) else ()
    merged = {key: value for key, value in defaults.items() if key not in flags} | options
    format_flags = {flag: bool(merged.pop(flag, False)) for flag in FORMATS}
    precision = merged.pop("precision", None)
    parse_precision(precision)
    times = bool(merged.pop("times", False))
    drawn = {one.name: merged.pop(one.name, None) for one in _MAP_OPTIONS}
    for option in _MAP_OPTIONS:
        option.check_value(drawn[option.name])
    job = build_job(**merged)
    if "feature" in options or "feature_params" in options:
        features = tuple(_from_folder(feature, row.base) for feature in job.features)
        job = replace(job, features=features)
    if job.post and "post" in options:
        job = replace(job, post=change_paths(job.post, lambda path: str(row.base / path)))
    fmt = choose_format(output, **format_flags)
    return Clip(
        job=job,
        output=output,
        format=fmt,
        precision=precision,
        times=times,
        maps=ClipMaps.of(drawn["maps"], drawn["view"], output, job),
        place=row.place,
    )


def _from_folder(feature: Feature, base: Path) -> Feature:
    """A model's path is relative to the manifest's folder; an id stays as it is."""
    spec = feature.model_path
    path = base / Path(spec or "").expanduser()
    return replace(feature, model_path=str(path)) if spec and path.is_file() else feature
