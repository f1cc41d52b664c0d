"""vmafsal compose: a video that is distorted in its salient part alone, for other metrics."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from pathlib import PurePath
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from vmafsal.cli.console import progress_bar, say
from vmafsal.cli.options import MAP_OPTIONS, check_one_map, takes_options
from vmafsal.errors import UsageError
from vmafsal.job import build_job

if TYPE_CHECKING:
    from vmafsal.maps.compose import Keep

__all__ = ["compose"]

_OPTIONS = MAP_OPTIONS | {
    "reference",
    "distorted",
    "frame_cnt",
    "frame_skip_ref",
    "frame_skip_dist",
    "start",
    "duration",
}


@takes_options("score", _OPTIONS)
def compose(
    output: Annotated[
        str,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="Where the video goes: Y4M, or raw YUV if it ends in .yuv; - is standard output.",
        ),
    ],
    keep: Annotated[
        str,
        typer.Option(
            metavar="salient|background", help="The part that stays as in the distorted video."
        ),
    ] = "salient",
    threshold: Annotated[
        float, typer.Option(metavar="0-1", help="Saliency from which a pixel is salient.")
    ] = 0.3,
    fade: Annotated[
        float,
        typer.Option(
            metavar="0-1",
            help="Width in saliency of the blend around the threshold; 0 blends nothing.",
        ),
    ] = 0.1,
    **given: Any,
) -> None:
    """Put a distorted video and its reference together, so that vmaf judges one part alone.

    The picture is the distorted one where the reference is salient, and the reference elsewhere.
    """
    from vmafsal.files import check_destination
    from vmafsal.maps.compose import composed, frame_bytes, y4m_header
    from vmafsal.process import own_process
    from vmafsal.run import Run

    own_process()
    quiet = given.pop("quiet")
    check_one_map(given)
    if keep not in ("salient", "background"):
        raise UsageError(f"--keep is salient or background, not {keep}.")
    for name, value in (("--threshold", threshold), ("--fade", fade)):
        if not 0 <= value <= 1:
            raise UsageError(f"{name} is a number from 0 to 1, not {value:g}.")
    ending = PurePath(output).suffix.lower()
    if output != "-" and ending not in (".y4m", ".yuv"):
        raise UsageError(f"{output} ends in neither .y4m nor .yuv: name the output so.")
    if not given["distorted"] or not given["reference"]:
        raise UsageError("Name both videos: --reference and --distorted.")
    job = build_job(**given)
    # PSNR's map is that of the reference, which is decoded for it.
    job = replace(job, features=(replace(job.features[0], kind="psnr", stats=False),))
    check_destination(output, [path for path in (job.reference, job.distorted) if path])
    with ExitStack() as stack:
        run = stack.enter_context(Run(job))
        first = next(iter(run.models))
        write = stack.enter_context(_writer(output, run.files))
        if ending != ".yuv":
            write(y4m_header(run.info))
        mapped = stack.enter_context(closing(run.maps(with_reference=True)))
        frames = stack.enter_context(progress_bar(mapped, run.frame_estimate, "compose", quiet))
        written = 0
        for one in frames:
            assert one.reference is not None
            planes = composed(
                one.reference,
                one.frame,
                one.maps[first],
                keep=cast("Keep", keep),
                threshold=threshold,
                fade=fade,
            )
            # A picture that could not be decoded is shown as the one after it.
            for _ in range(written, one.frame.index + 1):
                if ending != ".yuv":
                    write(b"FRAME\n")
                for samples in frame_bytes(planes):
                    write(samples)
            written = one.frame.index + 1
    if not quiet:
        for notice in run.notices:
            say(notice)


@contextmanager
def _writer(output: str, inputs: list[str]) -> Generator[Callable[[bytes], Any]]:
    """Write to a file that is whole or absent, or to a stream as the data comes."""
    from vmafsal.files import check_destination, open_output
    from vmafsal.streams import open_stream

    if check_destination(output, inputs) is None:
        with open_stream(output) as stream:
            yield stream.write
        return
    with open_output(output, inputs) as file:
        yield file.write
        file.commit()
