"""vmafsal worst LOG: the frames of low quality and high saliency, and their pictures."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vmafsal.cli.console import say
from vmafsal.cli.options import MAP_OPTIONS, check_one_map, check_unused, takes_options
from vmafsal.cli.output import printed
from vmafsal.errors import InputError, OutputError, UsageError
from vmafsal.job import Job, build_job

if TYPE_CHECKING:
    from rich.table import Table

    from vmafsal.logs import Log
    from vmafsal.logs.worst import WorstFrame

__all__ = ["worst"]

_RATE = 25.0
"""Frames per second, where neither the log nor a video says it."""
_GREATEST_RATE = 1e6
"""Frames per second that no camera reaches."""
_OPTIONS = MAP_OPTIONS | {"reference"}

# One line a paragraph, since typer keeps the line breaks that it finds.
_HELP = (
    "Name the frames where quality is low and saliency high, at least a second apart.\n\n"
    "Each frame is ranked by both columns, and the smallest sums of ranks come first. LOG is a "
    "joined log, or any other that holds both columns. With the videos, pictures of the frames "
    "are saved: reference, distorted, and the saliency map over the distorted one.\n\n"
    "\b\n"
    "Examples:\n"
    "  vmafsal worst combined.json\n"
    "  vmafsal worst combined.json --low psnr_y --high saliency_mean -n 10\n"
    "  vmafsal worst combined.json --video dist.mp4 --reference ref.mp4 --save worst/\n"
)


@takes_options("score", _OPTIONS)
def worst(
    log: Annotated[
        str, typer.Argument(metavar="LOG", help="The log; - reads it from standard input.")
    ],
    low: Annotated[
        str, typer.Option(metavar="COLUMN", help="Column whose low values are bad.")
    ] = "vmaf",
    high: Annotated[
        str, typer.Option(metavar="COLUMN", help="Column whose high values matter.")
    ] = "saliency_mean",
    count: Annotated[
        int, typer.Option("-n", "--count", min=1, metavar="N", help="How many frames at most.")
    ] = 5,
    fps: Annotated[
        float | None,
        typer.Option(
            "--fps",
            min=0.001,
            metavar="FPS",
            help="Frame rate of the video, where the log holds no times. Without it that of the "
            "log or the video, else 25.",
        ),
    ] = None,
    video: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="The distorted video, for pictures of the frames."),
    ] = None,
    save: Annotated[
        str | None,
        typer.Option(metavar="DIR", help="Folder for the pictures (PNG); made if it is missing."),
    ] = None,
    **given: Any,
) -> None:
    from vmafsal.logs.align import frames_skipped
    from vmafsal.logs.read import read_log
    from vmafsal.logs.worst import frame_rate, worst_frames

    quiet = given.pop("quiet")
    check_one_map(given)
    if fps is not None and fps > _GREATEST_RATE:
        raise UsageError(f"--fps is a frame rate such as 25, not {fps:g}.")
    _check_pictures(video, save, given)
    read = read_log(log)
    rate = fps or frame_rate(read)
    if video is None or save is None:
        chosen = worst_frames(read, low, high, count, rate or _RATE)
    else:
        from vmafsal.process import own_process
        from vmafsal.run import Run

        own_process()
        skipped = frames_skipped(read)
        job, shift = _job(video, given, skipped)
        with Run(job) as run:
            rate = rate or run.info.fps
            chosen = worst_frames(read, low, high, count, rate or _RATE)
            _save(run, {one.frame + shift: one.frame for one in chosen}, Path(save), [log])
            if not quiet:
                for notice in run.notices:
                    say(notice)
    _print(read, chosen, low, high, quiet)
    if not quiet:
        timed = all(frame.pts_time is not None for frame in read.frames)
        if not timed and rate is None:
            say(f"{log} holds no times and no frame rate: taken as {_RATE:g} fps. Give --fps.")


worst.__doc__ = _HELP


def _check_pictures(video: str | None, save: str | None, given: dict[str, Any]) -> None:
    if save is not None and video is None:
        raise UsageError("--save needs the video that was scored: name it with --video.")
    if video == "":
        raise UsageError("--video names no file. Is a variable empty?")
    if save == "":
        raise UsageError("--save names no folder. Is a variable empty?")
    if video is not None and save is None:
        raise UsageError("--video is of use with --save: name a folder for the pictures.")
    if video is None:
        check_unused(given)


def _job(video: str, given: dict[str, Any], skipped: dict[str, int]) -> tuple[Job, int]:
    """The job that decodes the pair, and what is added to frameNum to find a frame in it."""
    distorted = skipped.get("distorted", 0)
    reference = skipped.get("reference", 0)
    shift = min(distorted, reference) if given["reference"] is not None else distorted
    job = build_job(
        distorted=video,
        frame_skip_dist=distorted - shift,
        frame_skip_ref=reference - shift if given["reference"] is not None else 0,
        **given,
    )
    return job, shift


def _save(run: Any, frames: dict[int, int], folder: Path, inputs: list[str]) -> None:
    """Save the pictures of some frames.

    Args:
        run: of the videos, not iterated yet.
        frames: frameNum in the run to frameNum in the log.
        folder: where the pictures go.
        inputs: files that must not be replaced.
    """
    import os
    from contextlib import closing, suppress

    from vmafsal.files import output_error, write_whole
    from vmafsal.maps.drawing import encode_png, enlarged, overlay, rgb_of

    new = [str(one) for one in (folder, *folder.parents) if not os.path.exists(one)]
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except FileExistsError:
        raise OutputError(f"{folder} is no folder: name another one with --save.") from None
    except OSError as error:
        raise output_error(str(folder), error) from None
    inputs = [*inputs, *run.files]
    saved = set()
    with_reference = run.job.reference is not None
    with closing(run.maps(with_reference=with_reference, only=frames.keys())) as mapped_frames:
        try:
            for mapped in mapped_frames:
                picture = rgb_of(mapped.frame)
                saliency = enlarged(next(iter(mapped.maps.values())), *picture.shape[:2])
                pictures = {"distorted": picture, "overlay": overlay(picture, saliency)}
                if mapped.reference is not None and not mapped.reference.is_gap:
                    pictures["reference"] = rgb_of(mapped.reference)
                number = frames[mapped.features.index]
                for name, shown in pictures.items():
                    path = folder / f"frame{number:06d}_{name}.png"
                    write_whole(path, encode_png(shown), inputs)
                saved.add(mapped.features.index)
        except InputError as error:
            if saved:
                raise
            listed = ", ".join(map(str, sorted(frames.values())))
            raise InputError(
                f"{run.job.distorted} shows none of the frames {listed}: name the video that was "
                f"scored. ({error})"
            ) from None
        finally:
            for one in new:
                with suppress(OSError):  # it holds pictures, and stays
                    os.rmdir(one)
    missing = [number for frame, number in frames.items() if frame not in saved]
    if missing:
        listed = ", ".join(map(str, sorted(missing)))
        say(f"{run.job.distorted} shows no frame {listed}: no picture was saved of it.")


def _print(log: Log, chosen: list[WorstFrame], low: str, high: str, quiet: bool) -> None:
    from rich.text import Text

    count, total = len(chosen), len(log.frames)
    line = (
        f"{count} of {total} frame{'s' if total != 1 else ''}, by the sum of two ranks "
        f"(lowest {low} first, highest {high} first), at least 1 s apart."
    )
    with printed() as console:
        console.print(_table(chosen, low, high))
        if not quiet:
            console.print(Text(line), soft_wrap=True)


def _table(chosen: list[WorstFrame], low: str, high: str) -> Table:
    from rich.table import Table
    from rich.text import Text

    table = Table()
    for heading in ("frame", "time", Text(low), Text(high), "sum of ranks"):
        table.add_column(heading, justify="right", no_wrap=True)
    for frame in chosen:
        table.add_row(
            str(frame.frame),
            _clock(frame.seconds),
            f"{frame.low:.4f}",
            f"{frame.high:.4f}",
            f"{frame.ranks:g}",
        )
    return table


def _clock(seconds: float) -> str:
    """h:mm:ss.mmm, as players show it."""
    total = round(seconds * 1000)
    minutes, milliseconds = divmod(abs(total), 60_000)
    return (
        f"{'-' if total < 0 else ''}{minutes // 60}:{minutes % 60:02d}:{milliseconds / 1000:06.3f}"
    )
