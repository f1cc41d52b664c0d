"""vmafsal map VIDEO|IMAGE…: saliency maps as pictures, as numbers, or as a video."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vmafsal.cli.console import progress_bar, say
from vmafsal.cli.options import MAP_OPTIONS, check_one_map, takes_options
from vmafsal.errors import OutputError, UsageError
from vmafsal.job import build_job

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from vmafsal.job import Job
    from vmafsal.maps.views import Step, View
    from vmafsal.run import Run
    from vmafsal.video.frame import Frame

    Add = Callable[[Frame, NDArray[np.float32], int], None]
    """Takes a frame, its map, and its position in the video."""

__all__ = ["map_command"]

_PANEL = "Maps"
_STILL = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp", ".heic", ".avif")
_FPS = 25.0
"""Frame rate of a video of maps where the input does not say its own."""


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
    post: Annotated[
        str | None,
        typer.Option(
            "--post",
            metavar="STEPS",
            help="Change each map by steps between commas: equalize, smooth=3 (pixels), smooth=2%, "
            "centre-add=0.3:0.25, centre-multiply=0.3:0.25, minmax, zscore, logdensity.",
            rich_help_panel=_PANEL,
        ),
    ] = None,
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
    from vmafsal.maps.post import parse_steps
    from vmafsal.process import own_process

    own_process()
    quiet = given.pop("quiet")
    check_one_map(given)
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
    first, count = _span(frames)
    drawn = _view(view, colormap, alpha, png_bits, to_folder or ending == ".png", ending)
    steps = parse_steps(post or "")
    jobs = [
        build_job(**given, distorted=video, frame_skip_dist=first, frame_cnt=count, subsample=every)
        for video in videos
    ]
    if to_folder:
        _check_names(videos)
    inputs = _files(videos)
    for job in jobs:
        if to_folder:
            writer = _folder(job, output, drawn, png_bits, inputs)
        elif ending == ".png":
            writer = _one_picture(job, output, drawn, png_bits)
        elif ending == ".npz":
            writer = _numbers(output)
        else:
            writer = _movie(output, FORMATS[ending], drawn)
        _run(job, output, writer, quiet, steps)


def _view(
    view: str | None,
    colormap: str | None,
    alpha: float | None,
    png_bits: int,
    to_png: bool,
    ending: str,
) -> View | None:
    """What is drawn; None for gray maps and for numbers."""
    from vmafsal.maps.views import View

    if png_bits not in (8, 16):
        raise UsageError(f"--png-bits is 8 or 16, not {png_bits}.")
    if ending == ".npz" and not to_png:
        if (view, colormap, alpha, png_bits) != (None, None, None, 8):
            raise UsageError(
                "A .npz holds the numbers of the maps: leave --view, --colormap, --alpha and "
                "--png-bits out."
            )
        return None
    kind = view or ("map" if to_png else "overlay")
    if alpha is not None and kind != "overlay":
        raise UsageError(f"--alpha is of overlays; with --view {kind} it does nothing.")
    gray = to_png and kind == "map" and colormap in (None, "gray")
    if png_bits == 16 and not gray:
        raise UsageError("Only gray PNG files of maps have 16 bits: leave --png-bits out.")
    chosen = View(kind, colormap or "inferno", 0.6 if alpha is None else alpha)
    return None if gray else chosen


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
    seen: dict[str, str] = {}
    for video in videos:
        # Some disks do not tell the case of letters.
        name = _stem(video).casefold()
        other = seen.get(name)
        seen[name] = video
        if other is not None:
            raise UsageError(
                f"The maps of {other} and {video} would have the same names. Run them one by one, "
                "each into a folder of its own."
            )


def _files(videos: list[str]) -> list[str]:
    """Every file of the inputs, those of image sequences one by one."""
    from vmafsal.video.images import is_image_pattern, numbered_files

    files = (numbered_files(one) if is_image_pattern(one) else [one] for one in videos)
    return [file for some in files for file in some]


def _stem(video: str) -> str:
    """What the names of a video's pictures begin with; of a sequence img_%04d.png, "img"."""
    if video == "-":
        return "stdin"
    return re.sub(r"[_.-]?%(0\d+)?d", "", Path(video).stem) or "frame"


Writer = Callable[["Run"], Any]
"""Called with an open run; a context manager of an Add and a function that ends the output."""


def _run(job: Job, output: str, writer: Writer, quiet: bool, steps: Sequence[Step] = ()) -> None:
    """Compute the maps of one input, post-process each by the steps, and write it."""
    from vmafsal.maps.movie import FORMATS, has_audio
    from vmafsal.maps.views import apply_steps
    from vmafsal.run import Run

    done = 0
    with Run(job) as run:
        (name,) = run.models
        with writer(run) as (add, finish):
            with progress_bar(run.maps(), run.frame_estimate, "maps", quiet) as shown:
                for mapped in shown:
                    index = mapped.frame.index + job.frame_skip_dist
                    add(mapped.frame, apply_steps(mapped.maps[name], steps), index)
                    done += 1
            finish()
        if quiet:
            return
        for notice in run.notices:
            say(notice)
        is_movie = Path(output).suffix.lower() in FORMATS and not os.path.isdir(output)
        if is_movie and run.info.kind == "container" and has_audio(job.distorted):
            say(f"The sound of {job.distorted} was left out.")
        what = "the map of 1 frame" if done == 1 else f"the maps of {done:,} frames"
        say(f"{output} holds {what}.")


def _png(drawn: View | None, png_bits: int, frame: Frame, saliency: NDArray[np.float32]) -> bytes:
    from vmafsal.maps.png import encode_png
    from vmafsal.maps.views import gray_levels

    if drawn is not None:
        return encode_png(drawn.draw(frame, saliency))
    levels = gray_levels(saliency, frame.height, frame.width, png_bits)
    return encode_png(levels.astype("u1") if png_bits == 8 else levels)


def _folder(
    job: Job, output: str, drawn: View | None, png_bits: int, inputs: Sequence[str]
) -> Writer:
    """One PNG a frame: clip_000000.png; of a picture, photo.png. No input is replaced."""

    @contextmanager
    def writer(run: Run) -> Generator[tuple[Add, Callable[[], None]]]:
        from vmafsal.files import output_error, write_whole
        from vmafsal.video.images import is_image_pattern

        try:
            os.makedirs(output, exist_ok=True)
        except OSError as error:
            raise output_error(output, error) from None
        stem = _stem(job.distorted)
        still = Path(job.distorted).suffix.lower() in _STILL and not is_image_pattern(job.distorted)
        kept = [*run.files, *inputs]

        def add(frame: Frame, saliency: NDArray[np.float32], index: int) -> None:
            name = f"{stem}.png" if still and not index else f"{stem}_{index:06d}.png"
            path = os.path.join(output, name)
            write_whole(path, _png(drawn, png_bits, frame, saliency), kept)

        yield add, lambda: None

    return writer


def _one_picture(job: Job, output: str, drawn: View | None, png_bits: int) -> Writer:
    """One PNG, for an input of one frame."""

    @contextmanager
    def writer(run: Run) -> Generator[tuple[Add, Callable[[], None]]]:
        from vmafsal.files import open_output

        with open_output(output, run.files) as file:
            written: list[int] = []

            def add(frame: Frame, saliency: NDArray[np.float32], index: int) -> None:
                if written:
                    raise UsageError(
                        f"{job.distorted} has more than one frame, and {output} holds one. Name a "
                        "folder, or choose a frame: --frames 0:1"
                    )
                written.append(index)
                file.write(_png(drawn, png_bits, frame, saliency))

            yield add, file.commit

    return writer


def _numbers(output: str) -> Writer:
    """One .npz."""

    @contextmanager
    def writer(run: Run) -> Generator[tuple[Add, Callable[[], None]]]:
        from vmafsal.files import open_output, output_error
        from vmafsal.maps.archive import MapArchive

        with (
            open_output(output, run.files) as file,
            MapArchive(os.path.dirname(os.path.realpath(output))) as archive,
        ):

            def add(frame: Frame, saliency: NDArray[np.float32], index: int) -> None:
                try:
                    archive.add(saliency, index, frame.time)
                except OSError as error:
                    raise output_error(output, error) from None

            def finish() -> None:
                archive.save(file.write)
                file.commit()

            yield add, finish

    return writer


def _movie(output: str, container: str, drawn: View | None) -> Writer:
    """One video."""
    assert drawn is not None

    @contextmanager
    def writer(run: Run) -> Generator[tuple[Add, Callable[[], None]]]:
        from vmafsal.files import open_output
        from vmafsal.maps.movie import Movie

        fps = (run.info.fps or _FPS) / run.job.subsample
        height, width = drawn.size(run.info.height, run.info.width)
        with open_output(output, run.files) as file:
            if file.temporary is None:
                raise OutputError(f"{output} is no regular file, and a video needs one.")
            with Movie(file.temporary, container, height, width, fps, output) as movie:
                start: list[float] = []

                def add(frame: Frame, saliency: NDArray[np.float32], index: int) -> None:
                    picture = drawn.draw(frame, saliency)
                    if frame.time is None:
                        movie.add(picture, frame.index / run.job.subsample / fps)
                        return
                    if not start:
                        start.append(frame.time)
                    movie.add(picture, frame.time - start[0])

                def finish() -> None:
                    movie.finish()
                    file.commit()

                yield add, finish

    return writer
