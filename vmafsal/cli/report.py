"""vmafsal report LOG…: curves, tables and pictures of the frames that matter, on one page."""

from __future__ import annotations

from pathlib import PurePath
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vmafsal.cli.console import say
from vmafsal.cli.options import MAP_OPTIONS, check_one_map, check_unused, takes_options
from vmafsal.errors import InputError, UsageError
from vmafsal.job import Job, build_job

if TYPE_CHECKING:
    from collections.abc import Mapping

    from vmafsal.logs import Log
    from vmafsal.logs.scenes import Scene
    from vmafsal.report.curves import Moment
    from vmafsal.report.page import Shown

__all__ = ["report"]

_OPTIONS = MAP_OPTIONS | {"reference", "frame_skip_ref", "frame_skip_dist", "subsample"}
"""Those that decide which picture has which frameNum are needed to find the frames again."""
_ENDINGS = (".html", ".htm", ".png", ".svg")
_EACH = 3
"""Frames of each kind whose pictures are stored."""

# One line a paragraph, since typer keeps the line breaks that it finds.
_HELP = (
    "Make one page of logs: curves, pooled figures, correlations and, with the video, pictures of "
    "the frames that matter.\n\n"
    "The page is a single HTML file that asks for nothing from a network. An output that ends in "
    ".png or .svg is a plot of the curves instead. Needs vmafsal[report].\n\n"
    "\b\n"
    "Examples:\n"
    "  vmafsal report score.json vmaf.json -o report.html\n"
    "  vmafsal report score.json vmaf.json --video dist.mp4 --reference ref.mp4 -o report.html\n"
    "  vmafsal report score.json --scenes scenes.csv -o curves.png\n"
)


@takes_options("score", _OPTIONS)
def report(
    logs: Annotated[
        list[str],
        typer.Argument(metavar="LOG", help="One log or more, as `vmafsal join` reads them."),
    ],
    output: Annotated[
        str,
        typer.Option(
            "--output", "-o", metavar="FILE", help="The page (.html), or a plot (.png, .svg)."
        ),
    ],
    video: Annotated[
        str | None,
        typer.Option(
            metavar="FILE", help="The video that was scored: pictures of chosen frames are stored."
        ),
    ] = None,
    scenes: Annotated[
        str | None,
        typer.Option(
            metavar="FILE", help="PySceneDetect's list of scenes: cuts are drawn as lines."
        ),
    ] = None,
    **given: Any,
) -> None:
    from vmafsal.files import check_destination, open_output
    from vmafsal.logs.scenes import read_scenes
    from vmafsal.report.curves import moments
    from vmafsal.report.page import build_page
    from vmafsal.report.plot import draw_plot
    from vmafsal.video.images import files_of

    quiet = given.pop("quiet")
    check_one_map(given)
    ending = PurePath(output).suffix.lower()
    if ending not in _ENDINGS:
        raise UsageError(f"{output} ends in none of {', '.join(_ENDINGS)}: name the output so.")
    job = _job(video, given)
    inputs = [*logs, *([scenes] if scenes else [])]
    if job is not None:
        videos = [path for path in (job.distorted, job.reference) if path]
        inputs += [file for path in videos for file in files_of(path)] + list(job.post_files)
        inputs += [one.model_path for one in job.features if one.model_path]
    check_destination(output, inputs)  # before anything is read for nothing
    joined = _joined(logs)
    seconds = _seconds(joined)
    cuts = _cuts(read_scenes(scenes), joined) if scenes else []
    title = video or logs[0]
    with open_output(output, inputs) as file:
        if ending in (".png", ".svg"):
            if job is not None and not quiet:
                say(f"{output} is a plot of the curves: --video is of use for .html alone.")
            file.write(draw_plot(joined, ending, title=title, seconds=seconds, cuts=cuts))
        else:
            chosen = moments(joined, _EACH)
            shown = _pictures(job, chosen, joined, quiet) if job is not None else []
            page = build_page(
                joined, title=title, sources=logs, shown=shown, seconds=seconds, cuts=cuts
            )
            file.write(page)
        file.commit()
    if not quiet:
        if len(logs) > 1:
            for notice in (joined.vmafsal or {})["join"].get("notices", []):
                say(notice)
        count = len(joined.frames)
        say(f"{output}: {count} frame{'s' if count != 1 else ''} of {', '.join(logs)}.")


report.__doc__ = _HELP


def _job(video: str | None, given: dict[str, Any]) -> Job | None:
    if video is None:
        check_unused(given)
        return None
    if not video:
        raise UsageError("--video names no file. Is a variable empty?")
    return build_job(distorted=video, **given)


def _joined(logs: list[str]) -> Log:
    from vmafsal.logs.join import join_logs
    from vmafsal.logs.read import read_log

    twice = next((name for name in logs if logs.count(name) > 1), None)
    if twice is not None:
        raise UsageError(f"{twice} is named twice: name each log once.")
    read = {name: read_log(name) for name in logs}
    return join_logs(read) if len(read) > 1 else read[logs[0]]


def _seconds(log: Log) -> dict[int, float] | None:
    """The time of each frame, where the log knows it."""
    known = {frame.index: frame.pts_time for frame in log.frames if frame.pts_time is not None}
    return known if len(known) == len(log.frames) else None


def _cuts(scenes: list[Scene], log: Log) -> list[int]:
    """The frames of the log that begin a scene, but its first one."""
    from vmafsal.logs.align import frames_skipped

    # Scenes are numbered from the beginning of the video, which the log may have skipped.
    skipped = frames_skipped(log).get("distorted", 0)
    first, last = log.frames[0].index, log.frames[-1].index
    return [cut for scene in scenes if first < (cut := scene.first - skipped) <= last]


def _as_skipped(job: Job, log: Log) -> tuple[Job, int]:
    """The job that skips what the log says, and what is added to frameNum to find a frame in it."""
    from dataclasses import replace

    from vmafsal.logs.align import frames_skipped

    skipped = frames_skipped(log)
    if job.frame_skip_dist or job.frame_skip_ref or not skipped:
        return job, 0
    distorted, reference = skipped.get("distorted", 0), skipped.get("reference", 0)
    # Below 0 where an offset was given to the join.
    shift = min(distorted, 0)
    if job.reference is not None:
        job = replace(job, frame_skip_ref=max(reference - shift, 0))
    return replace(job, frame_skip_dist=distorted - shift), shift


def _pictures(job: Job, chosen: list[Moment], log: Log, quiet: bool) -> list[Shown]:
    from vmafsal.process import own_process
    from vmafsal.report.page import Shown
    from vmafsal.report.pictures import pictures_of
    from vmafsal.run import Run

    if not chosen:
        say("No column tells which frames matter: no pictures are stored.")
        return []
    own_process()
    job, shift = _as_skipped(job, log)
    by_frame = {moment.frame + shift: moment for moment in chosen}
    with Run(job) as run:
        known = (log.width, log.height)
        if all(known) and known != (run.info.width, run.info.height):
            raise InputError(
                f"{job.distorted} is {run.info.width}x{run.info.height}, but the log is of a "
                f"video of {log.width}x{log.height}. Name the video that was scored."
            )
        found: dict[int, Mapping[str, bytes]] = {}
        try:
            with_reference = job.reference is not None
            found.update(pictures_of(run, frozenset(by_frame), with_reference=with_reference))
        except InputError as error:
            if found:
                raise
            listed = ", ".join(str(moment.frame) for moment in chosen)
            raise InputError(
                f"{job.distorted} shows none of the frames {listed}: name the video that was "
                f"scored. ({error})"
            ) from None
        if not quiet:
            for notice in run.notices:
                say(notice)
    missing = sorted(by_frame[frame].frame for frame in by_frame.keys() - found.keys())
    if missing:
        say(f"{job.distorted} shows no frame {', '.join(map(str, missing))}; they are left out.")
    return [Shown(by_frame[frame], pictures) for frame, pictures in found.items()]
