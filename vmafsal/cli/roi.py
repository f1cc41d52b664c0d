"""vmafsal roi VIDEO: regions of interest for encoders, as a file or as an encode."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vmafsal.cli.console import progress_bar, say
from vmafsal.cli.options import MAP_OPTIONS, check_one_map, takes_options
from vmafsal.errors import InputError, OutputError, UsageError
from vmafsal.job import Job, build_job

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from vmafsal.features.psnr import Psnr
    from vmafsal.roi.encode import Encoded
    from vmafsal.roi.encoder import Encoding
    from vmafsal.run import Run
    from vmafsal.video.frame import Frame

__all__ = ["roi"]

_FILE, _ENCODE, _BOTH = "Write a file of QP offsets", "Encode", "Offsets"

_BITRATE = re.compile(r"(\d+(?:\.\d+)?)([kKmM]?)")
_UNITS = {"": 1, "k": 1_000, "m": 1_000_000}


@takes_options("score", MAP_OPTIONS)
def roi(
    video: Annotated[str, typer.Argument(metavar="VIDEO", help="The video to encode.")],
    encoder: Annotated[
        str | None,
        typer.Option(
            "--encoder",
            metavar="svt-av1|kvazaar|uvg266",
            help="Write the file that this program reads, and print its command line.",
            rich_help_panel=_FILE,
        ),
    ] = None,
    format: Annotated[
        str | None,
        typer.Option(
            "--format",
            metavar="json",
            help="Write plain grids of QP offsets instead, for other encoders.",
            rich_help_panel=_FILE,
        ),
    ] = None,
    output: Annotated[
        str | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="The file to write; - is standard output. kvazaar's is binary if it ends in .bin.",
            rich_help_panel=_FILE,
        ),
    ] = None,
    gop: Annotated[
        str | None,
        typer.Option(
            "--gop",
            metavar="0|lp|8|16",
            help="--gop of kvazaar and uvg266, whose maps come in coding order. 8 otherwise.",
            rich_help_panel=_FILE,
        ),
    ] = None,
    block: Annotated[
        int | None,
        typer.Option(
            "--block",
            metavar="PIXELS",
            help="Side of a block of --format json: 8, 16, 32 or 64. 16 otherwise.",
            rich_help_panel=_FILE,
        ),
    ] = None,
    encode: Annotated[
        str | None,
        typer.Option(
            "--encode",
            metavar="FILE",
            help="Encode the video, with its audio copied: .mp4, .mov, .mkv or .ts; .264 and .265 "
            "hold no audio.",
            rich_help_panel=_ENCODE,
        ),
    ] = None,
    codec: Annotated[
        str | None,
        typer.Option(
            "--codec",
            metavar="libx264|libx265",
            help="What encodes; libx264 otherwise.",
            rich_help_panel=_ENCODE,
        ),
    ] = None,
    bitrate: Annotated[
        str | None,
        typer.Option(
            "--bitrate",
            metavar="BITS/S",
            help="Of the video, met by two passes: 800k, 2.5M.",
            rich_help_panel=_ENCODE,
        ),
    ] = None,
    crf: Annotated[
        float | None,
        typer.Option(
            "--crf",
            metavar="0-51",
            help="Constant rate factor, instead of a bitrate.",
            rich_help_panel=_ENCODE,
        ),
    ] = None,
    preset: Annotated[
        str | None,
        typer.Option(
            "--preset",
            metavar="NAME",
            help="Of the encoder, from superfast to placebo; medium otherwise.",
            rich_help_panel=_ENCODE,
        ),
    ] = None,
    codec_option: Annotated[
        list[str] | None,
        typer.Option(
            "--codec-option",
            metavar="KEY=VALUE",
            help="Another option of the encoder, in ffmpeg's words: tune=film. May be repeated.",
            rich_help_panel=_ENCODE,
        ),
    ] = None,
    compare: Annotated[
        bool,
        typer.Option(
            "--compare",
            help="Also encode without regions at the same bitrate, measure that, and delete it.",
            rich_help_panel=_ENCODE,
        ),
    ] = False,
    share: Annotated[
        float,
        typer.Option(
            "--share",
            metavar="0-0.9",
            help="Share of importance that follows saliency; 0.25 costs the whole picture less.",
            rich_help_panel=_BOTH,
        ),
    ] = 0.5,
    smooth: Annotated[
        float,
        typer.Option(
            "--smooth",
            metavar="0-1",
            help="Weight of each frame in the moving average over time, which begins anew at a "
            "scene cut; 1 takes each frame alone.",
            rich_help_panel=_BOTH,
        ),
    ] = 0.5,
    **given: Any,
) -> None:
    """Give encoders the saliency of a video, so that bits go where viewers look.

    Either --encoder or --format with -o writes a file, or --encode encodes.
    """
    from vmafsal.process import own_process

    own_process()
    quiet = given.pop("quiet")
    check_one_map(given)
    ways = [way for way in (encoder, format, encode) if way is not None]
    if len(ways) != 1:
        raise UsageError(
            "Say one thing to do: --encoder svt-av1|kvazaar|uvg266 -o FILE, --format json -o FILE, "
            "or --encode FILE."
        )
    job = build_job(**given, distorted=video)
    if encode is None:
        _refuse(
            "--encode",
            {
                "--codec": codec,
                "--bitrate": bitrate,
                "--crf": crf,
                "--preset": preset,
                "--codec-option": codec_option,
                "--compare": compare or None,
            },
        )
        _write(job, _kind(encoder, format), output, gop, block, share, smooth, quiet)
        return
    _refuse("--encoder and --format", {"--output": output, "--gop": gop, "--block": block})
    from vmafsal.roi.encoder import Encoding

    encoding = Encoding(
        codec or "libx264",
        crf=crf,
        bitrate=None if bitrate is None else _bits(bitrate),
        preset=preset or "medium",
        options=_options(codec_option or []),
    )
    _encode(job, encode, encoding, compare, share, smooth, quiet)


def _refuse(owner: str, options: dict[str, Any]) -> None:
    for name, value in options.items():
        if value is not None:
            raise UsageError(f"{name} does nothing here: it belongs to {owner}.")


def _kind(encoder: str | None, format: str | None) -> str:
    from vmafsal.roi.files import ENCODERS

    if encoder is None:
        if format != "json":
            raise UsageError(f"--format is json, not {format}. Encoders' own: --encoder.")
        return "json"
    if encoder in ENCODERS:
        return encoder
    if encoder in ("x264", "x265", "libx264", "libx265"):
        raise UsageError(
            f"{encoder} reads no file of regions. Encode with "
            f"--encode out.mp4 --codec lib{encoder.removeprefix('lib')} --crf 26"
        )
    raise UsageError(f"There is no encoder {encoder}. Choose {', '.join(ENCODERS)}.")


def _bits(text: str) -> int:
    match = _BITRATE.fullmatch(text)
    if match is None:
        raise UsageError(f"--bitrate is bits per second, as 800k or 2.5M, not {text}.")
    return round(float(match[1]) * _UNITS[match[2].lower()])


def _options(pairs: list[str]) -> dict[str, str]:
    options = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not (name and equals):
            raise UsageError(f"--codec-option is KEY=VALUE, not {pair}.")
        options[name] = value
    return options


def _write(
    job: Job,
    kind: str,
    output: str | None,
    gop: str | None,
    block: int | None,
    share: float,
    smooth: float,
    quiet: bool,
) -> None:
    from vmafsal.files import check_destination, open_output
    from vmafsal.roi.files import block_of, command_line, contents
    from vmafsal.roi.kvazaar import GOPS
    from vmafsal.roi.mapping import BlockGrid, Mapping
    from vmafsal.run import Run

    if not output:
        raise UsageError("Name the file to write: -o clip.roi.txt")
    if kind not in ("kvazaar", "uvg266"):
        _refuse("--encoder kvazaar and uvg266", {"--gop": gop})
    if gop not in (None, *GOPS):
        raise UsageError(f"--gop is one of {', '.join(GOPS)}, not {gop}.")
    if kind != "json":
        _refuse("--format json", {"--block": block})
    if block not in (None, 8, 16, 32, 64):
        raise UsageError(f"--block is 8, 16, 32 or 64 pixels, not {block}.")
    gop = gop or "8"
    check_destination(output, [job.distorted])
    with ExitStack() as stack:
        run = stack.enter_context(Run(job))
        file = stack.enter_context(open_output(output, run.files))
        grid = BlockGrid(run.info.width, run.info.height, block_of(kind, block))
        mapping = Mapping(grid, share, smooth)
        mapped = stack.enter_context(progress_bar(_mapped(run), run.frame_estimate, "maps", quiet))
        offsets = (
            (frame.index, mapping(saliency, frame.planes[0], frame.bit_depth))
            for frame, saliency in mapped
        )
        for piece in contents(kind, grid, offsets, gop=gop, binary=output.endswith(".bin")):
            file.write(piece)
        file.commit()
    if not quiet:
        for notice in run.notices:
            say(notice)
        if kind != "json":
            named = "FILE" if output == "-" else output
            say(f"Encode with: {command_line(kind, run.info, named, gop, job.stream)}")


def _mapped(run: Run) -> Iterator[tuple[Frame, NDArray[np.float32]]]:
    """Frames and their maps."""
    (name,) = run.models
    for mapped in run.maps():
        yield mapped.frame, mapped.maps[name]


def _encode(
    job: Job,
    path: str,
    encoding: Encoding,
    compare: bool,
    share: float,
    smooth: float,
    quiet: bool,
) -> None:
    from vmafsal.files import check_destination, open_output
    from vmafsal.roi.encode import Original, container_format, holds_audio
    from vmafsal.roi.encoder import BLOCK, Shape
    from vmafsal.roi.mapping import BlockGrid, Mapping
    from vmafsal.roi.passes import encode_regions
    from vmafsal.roi.probe import check_effect
    from vmafsal.run import Run, open_job_video, open_session

    container_format(path)
    check_destination(path, [job.distorted])
    # The measurement runs the same model once more.
    session = cache(open_session)
    with ExitStack() as stack:
        run = stack.enter_context(Run(job, open_session=session))
        info = run.info
        if info.size_bytes is None:
            raise InputError("--encode reads the video more than once: give a file, not a pipe.")
        original = Original(job.distorted if info.kind != "raw" else "", job.stream)
        shape = Shape.of(info, encoding.codec, original.tags)
        check_effect(encoding, shape, info.chroma)
        mapping = Mapping(BlockGrid(info.width, info.height, BLOCK), share, smooth)
        file = stack.enter_context(open_output(path, run.files))
        if file.temporary is None:
            raise OutputError(f"{path} is no regular file, and a video needs one.")

        def frames() -> Iterator[Frame]:
            with open_job_video(job, "distorted") as source:
                yield from progressing(source.frames(), "second pass")

        def progressing(items: Iterator[Any], what: str) -> Iterator[Any]:
            with progress_bar(items, run.frame_estimate, what, quiet) as shown:
                yield from shown

        mapped = progressing(_mapped(run), "first pass" if encoding.bitrate else "encode")
        encoded = encode_regions(
            mapped, frames, mapping, shape, encoding, file.temporary, original, named=path
        )
        file.commit()
    if quiet:
        return
    for notice in run.notices:
        say(notice)
    if original.has_audio and not holds_audio(path):
        say(f"The sound of {job.distorted} was left out: {path} holds video alone.")
    with Run(job, open_session=session) as again:
        measured = progressing(_mapped(again), "measure")
        if compare:
            _compare(measured, frames, shape, encoding, encoded, original)
        else:
            from vmafsal.roi.passes import measure

            say(_line(path, encoded, measure(measured, [path])[0]))


def _compare(
    mapped: Iterator[Any],
    frames: Callable[[], Iterator[Frame]],
    shape: Any,
    encoding: Encoding,
    encoded: Encoded,
    original: Any,
) -> None:
    """Say the figures of the encode, and of one without regions at its bitrate."""
    import os
    from dataclasses import replace
    from tempfile import TemporaryDirectory

    from vmafsal.roi.passes import encode_plain, measure

    if encoding.bitrate is None:
        encoding = replace(encoding, crf=None, bitrate=round(encoded.kbps * 1000))
    with TemporaryDirectory(prefix="vmafsal-") as folder:
        path = os.path.join(folder, "plain" + os.path.splitext(encoded.path)[1])
        plain = encode_plain(frames, shape, encoding, path, original)
        ours, theirs = measure(mapped, [encoded.path, path])
    say(_line(encoded.path, encoded, ours))
    say(_line("Without regions", plain, theirs))


def _line(name: str, encoded: Encoded, figures: Psnr) -> str:
    return (
        f"{name}: {encoded.size_bytes:,} bytes, {encoded.kbps:.1f} kb/s, "
        f"psnr_y {figures.psnr_y:.2f} dB, psnr_y_saliency {figures.psnr_y_saliency:.2f} dB."
    )
