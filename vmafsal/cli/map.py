"""vmafsal map VIDEO|IMAGE…: saliency maps as pictures, as numbers, or as a video."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vmafsal.cli.console import progress_bar, say
from vmafsal.cli.options import MAP_OPTIONS, check_one_map, takes_options
from vmafsal.errors import UsageError
from vmafsal.job import build_job

if TYPE_CHECKING:
    from vmafsal.job import Job
    from vmafsal.maps.writers import MapOutput

__all__ = ["map_command"]

_PANEL = "Maps"


@takes_options("score", MAP_OPTIONS)
def map_command(
    videos: Annotated[
        list[str],
        typer.Argument(
            metavar="VIDEO|IMAGE...",
            help="A video or a picture; several only where --output is a folder.",
        ),
    ],
    output: Annotated[
        str,
        typer.Option(
            "--output",
            "-o",
            metavar="FOLDER|FILE",
            help="A folder for one PNG a frame, a .png for a picture, a .npz for the numbers, or a "
            ".mp4, .mov or .mkv.",
            rich_help_panel=_PANEL,
        ),
    ],
    view: Annotated[
        str | None,
        typer.Option(
            "--view",
            metavar="map|overlay|side-by-side",
            help="What is drawn; overlay in a video, else the map.",
            rich_help_panel=_PANEL,
        ),
    ] = None,
    colormap: Annotated[
        str | None,
        typer.Option(
            "--colormap",
            metavar="viridis|inferno|gray",
            help="Colours of the map; gray for PNG files of maps, else inferno.",
            rich_help_panel=_PANEL,
        ),
    ] = None,
    alpha: Annotated[
        float | None,
        typer.Option(
            "--alpha",
            metavar="0-1",
            help="Share of the map's colour in an overlay; 0.6 otherwise.",
            rich_help_panel=_PANEL,
        ),
    ] = None,
    png_bits: Annotated[
        int,
        typer.Option(
            "--png-bits",
            "--png_bits",
            metavar="8|16",
            help="Bits a pixel of gray PNG files; 16 keep finer steps of saliency.",
            rich_help_panel=_PANEL,
        ),
    ] = 8,
    every: Annotated[
        int,
        typer.Option(
            "--every", min=1, metavar="N", help="Take every N-th frame.", rich_help_panel=_PANEL
        ),
    ] = 1,
    frames: Annotated[
        str | None,
        typer.Option(
            "--frames",
            metavar="A:B",
            help="Take the frames from A up to, not including, B, counted from 0; either may be "
            "left out.",
            rich_help_panel=_PANEL,
        ),
    ] = None,
    **given: Any,
) -> None:
    """Draw the saliency maps of videos and pictures, or save their numbers.

    Example: vmafsal map clip.mp4 -o overlay.mp4
    """
    from vmafsal.maps.movie import FORMATS
    from vmafsal.maps.writers import MapOutput, choose_view
    from vmafsal.process import own_process

    own_process()
    quiet = given.pop("quiet")
    ending = Path(output).suffix.lower()
    if output in ("", "-"):
        named = "standard output" if output else "nothing"
        raise UsageError(f"--output names {named}. Name a folder, or a .png, .npz, .mp4 or .mkv.")
    to_folder = not ending or output.endswith(("/", os.sep)) or os.path.isdir(output)
    if not to_folder and ending not in (".png", ".npz", *FORMATS):
        raise UsageError(
            f"Maps are not written as {ending}. Name a folder, or a file that ends in .png, .npz, "
            f"{', '.join(FORMATS)}."
        )
    if len(videos) > 1 and not to_folder:
        raise UsageError(f"{len(videos)} inputs do not fit into {output}. Name a folder.")
    check_one_map(given, "A picture shows" if to_folder or ending != ".npz" else None)
    first, count = _span(frames)
    drawn = choose_view(view, colormap, alpha, png_bits, ending=".png" if to_folder else ending)
    written = MapOutput(output, to_folder, drawn, png_bits)
    jobs = [
        build_job(**given, distorted=video, frame_skip_dist=first, frame_cnt=count, subsample=every)
        for video in videos
    ]
    if to_folder:
        _check_names(videos)
    inputs = _files(videos)
    for job in jobs:
        _run(job, written, inputs, quiet)


def _span(frames: str | None) -> tuple[int, int]:
    """(first frame, how many) of --frames; 0 frames are all."""
    if frames is None:
        return 0, 0
    begin, colon, end = frames.partition(":")
    try:
        first, last = int(begin or 0), int(end) if end else None
    except ValueError:
        colon, first, last = "", 0, None
    if not colon or first < 0 or (last is not None and last <= first):
        raise UsageError(f"--frames is A:B with A below B, such as 100:200 or 100:, not {frames}.")
    return first, 0 if last is None else last - first


def _check_names(videos: list[str]) -> None:
    """Refuse inputs whose pictures would have the same names."""
    from vmafsal.maps.writers import picture_stem

    seen: dict[str, str] = {}
    for video in videos:
        # Some disks do not tell the case of letters.
        name = picture_stem(video).casefold()
        other = seen.get(name)
        seen[name] = video
        if other is not None:
            raise UsageError(
                f"The maps of {other} and {video} would have the same names. Run them one by one, "
                "each into a folder of its own."
            )


def _files(videos: list[str]) -> list[str]:
    """Every file of the inputs, those of image sequences one by one."""
    from vmafsal.video.images import files_of

    return [file for video in videos for file in files_of(video)]


def _run(job: Job, output: MapOutput, inputs: Sequence[str], quiet: bool) -> None:
    """Compute the maps of one input, and write each."""
    from vmafsal.maps.movie import has_audio
    from vmafsal.run import Run

    done = 0
    with Run(job) as run:
        (name,) = run.models
        with output.open(run.info, job.subsample, [*run.files, *inputs]) as (add, finish):
            with progress_bar(run.maps(), run.frame_estimate, "maps", quiet) as shown:
                for mapped in shown:
                    index = mapped.frame.index + job.frame_skip_dist
                    add(mapped.frame, mapped.maps[name], index)
                    done += 1
            finish()
        if quiet:
            return
        for notice in run.notices:
            say(notice)
        if output.is_movie and run.info.kind == "container" and has_audio(job.distorted):
            say(f"The sound of {job.distorted} was left out.")
        what = "the map of 1 frame" if done == 1 else f"the maps of {done:,} frames"
        say(f"{output.path} holds {what}.")
