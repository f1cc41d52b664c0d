"""vmafsal [OPTIONS] VIDEO: options in, a log out."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import PurePath
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand

from vmafsal.cli.console import progress, say
from vmafsal.errors import UsageError
from vmafsal.options import Job, parse_features

if TYPE_CHECKING:
    from vmafsal.logs import NumberFormat
    from vmafsal.result import Result

__all__ = ["EPILOG", "ScoreCommand", "score"]

EPILOG = """[bold]Examples[/bold]

vmafsal --reference ref.yuv --distorted dist.yuv --width 1920 --height 1080 -o score.json

vmafsal clip.mp4 -o score.csv

vmafsal clip.mp4 --feature mobilesal=model_path=my.onnx -o score.json

ffmpeg -i clip.mov -f yuv4mpegpipe - | vmafsal - --ndjson

[bold]Other commands[/bold] (each has its own --help)

vmafsal join score.json vmaf.json -o all.json   puts logs together, frame by frame

vmafsal models   lists the models, shows one, or verifies them
"""

_STREAM_ENDINGS = (".ndjson", ".jsonl")


class ScoreCommand(TyperCommand):
    """Is called by the program's name alone."""

    def make_context(
        self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any
    ) -> Any:
        """Go by the program's name: usage lines leave `score` out."""
        return super().make_context(parent.info_name if parent else info_name, args, **extra)


def whole_number(text: str | int) -> int:
    """A number in any of C's notations: 1920, 0x780, 0o3600."""
    if isinstance(text, int):
        return text  # an option's default comes as it is
    try:
        return int(text, 0)
    except ValueError:
        try:
            return int(text, 10)  # 0123, which C would take as octal and nobody means so
        except ValueError:
            raise ValueError(f"{text!r} is no whole number") from None


def _show_version(wanted: bool) -> None:
    if wanted:
        from vmafsal import __version__

        print(f"vmafsal {__version__}")
        raise typer.Exit


# One line a paragraph, since typer keeps the line breaks that it finds.
_HELP = (
    "Write a VMAF-shaped log with the saliency of every frame of a video.\n\n"
    "saliency_mean is the mean of the saliency map: about 0 where nothing stands out, 0.4 to 0.6 "
    "where a subject fills a good part of the picture. It describes content; it is no quality "
    "score."
)

_VIDEO = "Input"
_MODEL = "Model and device"
_LOG = "Log"
_ACCEPTED = "Accepted for the sake of vmaf's command lines, without effect"


def score(
    clip: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="VIDEO",
            help="The video to score, as --distorted; - is standard input.",
        ),
    ] = None,
    reference: Annotated[
        str | None,
        typer.Option(
            "--reference",
            "-r",
            metavar="FILE",
            help="Reference video. It is checked against the distorted one, and the shorter of the "
            "two ends the run; no saliency is computed on it.",
            rich_help_panel=_VIDEO,
        ),
    ] = None,
    distorted: Annotated[
        str | None,
        typer.Option(
            "--distorted",
            "-d",
            metavar="FILE",
            help="Video to score: raw YUV, Y4M, or anything ffmpeg reads (mp4, mkv, webm, mov, …).",
            rich_help_panel=_VIDEO,
        ),
    ] = None,
    width: Annotated[
        int | None,
        typer.Option(
            "--width",
            "-w",
            parser=whole_number,
            metavar="PIXELS",
            help="Width of raw YUV.",
            rich_help_panel=_VIDEO,
        ),
    ] = None,
    height: Annotated[
        int | None,
        typer.Option(
            "--height",
            "-h",
            parser=whole_number,
            metavar="PIXELS",
            help="Height of raw YUV.",
            rich_help_panel=_VIDEO,
        ),
    ] = None,
    pixel_format: Annotated[
        str | None,
        typer.Option(
            "--pixel_format",
            "--pixel-format",
            "-p",
            metavar="420|422|444|400",
            help="Chroma format of raw YUV, 420 otherwise; 400 is gray.",
            rich_help_panel=_VIDEO,
        ),
    ] = None,
    bitdepth: Annotated[
        int | None,
        typer.Option(
            "--bitdepth",
            "-b",
            parser=whole_number,
            metavar="8|10|12|16",
            help="Bits per sample of raw YUV, 8 otherwise; above 8, samples are 16-bit "
            "little-endian.",
            rich_help_panel=_VIDEO,
        ),
    ] = None,
    stream: Annotated[
        int | None,
        typer.Option(
            "--stream",
            parser=whole_number,
            metavar="N",
            help="Which video stream of a container, from 0. The first one otherwise.",
            rich_help_panel=_VIDEO,
        ),
    ] = None,
    frame_cnt: Annotated[
        int,
        typer.Option(
            "--frame_cnt",
            "--frame-cnt",
            parser=whole_number,
            metavar="N",
            help="Compare this many frames; 0 is all.",
            rich_help_panel=_VIDEO,
        ),
    ] = 0,
    frame_skip_ref: Annotated[
        int,
        typer.Option(
            "--frame_skip_ref",
            "--frame-skip-ref",
            parser=whole_number,
            metavar="N",
            help="Leave out the first N frames of the reference.",
            rich_help_panel=_VIDEO,
        ),
    ] = 0,
    frame_skip_dist: Annotated[
        int,
        typer.Option(
            "--frame_skip_dist",
            "--frame-skip-dist",
            parser=whole_number,
            metavar="N",
            help="Leave out the first N frames of the distorted video.",
            rich_help_panel=_VIDEO,
        ),
    ] = 0,
    subsample: Annotated[
        int,
        typer.Option(
            "--subsample",
            parser=whole_number,
            metavar="N",
            help="Score every N-th frame; frames keep their numbers.",
            rich_help_panel=_VIDEO,
        ),
    ] = 1,
    feature: Annotated[
        list[str] | None,
        typer.Option(
            "--feature",
            metavar="mobilesal[=KEY=VALUE:…]",
            help="How to compute saliency: model_path (a file or a model's id), color, range, "
            "short_side, name. Repeat it with another name for another column.",
            rich_help_panel=_MODEL,
        ),
    ] = None,
    feature_params: Annotated[
        list[str] | None,
        typer.Option(
            "--feature_params",
            "--feature-params",
            metavar="mobilesal:KEY=VALUE:…",
            help="The same options in the other spelling; --feature goes first.",
            rich_help_panel=_MODEL,
        ),
    ] = None,
    device: Annotated[
        str,
        typer.Option(
            "--device",
            metavar="auto|cpu|cuda[:N]|tensorrt",
            help="Where the model runs. A device that is named and not there is an error.",
            rich_help_panel=_MODEL,
        ),
    ] = "auto",
    threads: Annotated[
        int | None,
        typer.Option(
            "--threads",
            parser=whole_number,
            metavar="N",
            help="Threads of the CPU for the model; one a core otherwise.",
            rich_help_panel=_MODEL,
        ),
    ] = None,
    batch_size: Annotated[
        str,
        typer.Option(
            "--batch-size",
            "--batch_size",
            metavar="auto|N",
            help="Frames in one inference.",
            rich_help_panel=_MODEL,
        ),
    ] = "auto",
    gpumask: Annotated[
        str,
        typer.Option(
            "--gpumask",
            metavar="MASK",
            help="As vmaf's: anything but 0 keeps off the GPU.",
            rich_help_panel=_MODEL,
        ),
    ] = "0",
    output: Annotated[
        str | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="Where the log goes; - is standard output. Without it the pooled value is "
            "printed, or the log where a format is named.",
            rich_help_panel=_LOG,
        ),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Write JSON.", rich_help_panel=_LOG)] = False,
    xml: Annotated[bool, typer.Option("--xml", help="Write XML.", rich_help_panel=_LOG)] = False,
    csv: Annotated[bool, typer.Option("--csv", help="Write CSV.", rich_help_panel=_LOG)] = False,
    sub: Annotated[
        bool,
        typer.Option("--sub", help="Write subtitles (MicroDVD).", rich_help_panel=_LOG),
    ] = False,
    ndjson: Annotated[
        bool,
        typer.Option(
            "--ndjson",
            help="Print a line of JSON for each frame as soon as it is scored: to --output if that "
            "ends in .ndjson or .jsonl, else to standard output.",
            rich_help_panel=_LOG,
        ),
    ] = False,
    precision: Annotated[
        str | None,
        typer.Option(
            "--precision",
            metavar="N|max|full|legacy",
            help="Digits of the numbers: N significant ones, all 17 (max, full), or six decimals "
            "always (legacy).",
            rich_help_panel=_LOG,
        ),
    ] = None,
    quiet: Annotated[
        bool,
        typer.Option(
            "--quiet", "-q", help="No progress, notices or closing line.", rich_help_panel=_LOG
        ),
    ] = False,
    model: Annotated[
        list[str] | None,
        typer.Option("--model", "-m", metavar="…", rich_help_panel=_ACCEPTED, help="VMAF's model."),
    ] = None,
    cpumask: Annotated[
        str | None,
        typer.Option("--cpumask", metavar="…", rich_help_panel=_ACCEPTED, help="CPU features."),
    ] = None,
    no_prediction: Annotated[
        bool,
        typer.Option(
            "--no_prediction",
            "--no-prediction",
            "-n",
            rich_help_panel=_ACCEPTED,
            help="There is no VMAF prediction here.",
        ),
    ] = False,
    version: Annotated[
        bool,
        typer.Option(
            "--version",
            "-v",
            callback=_show_version,
            is_eager=True,
            help="Print the version and end.",
        ),
    ] = False,
) -> None:
    job = Job(
        distorted=_one_video(clip or [], distorted),
        reference=reference,
        width=width,
        height=height,
        chroma=_choose_chroma(pixel_format),
        bit_depth=bitdepth,
        stream=stream,
        features=parse_features(feature or (), feature_params or ()),
        frame_count=frame_cnt,
        skip_reference=frame_skip_ref,
        skip_distorted=frame_skip_dist,
        subsample=subsample,
        device=_choose_device(device, gpumask),
        threads=threads,
        batch_size=_choose_batch_size(batch_size),
    )
    ignored = [
        name
        for name, given in (
            ("--model", model),
            ("--cpumask", cpumask),
            ("--no_prediction", no_prediction),
        )
        if given
    ]
    if ignored and not quiet:
        verbs = "mean nothing here and were" if len(ignored) > 1 else "means nothing here and was"
        say(f"{', '.join(ignored)} {verbs} ignored.")
    _run(job, output, {"xml": xml, "json": json, "csv": csv, "sub": sub}, ndjson, precision, quiet)


score.__doc__ = _HELP


def _run(
    job: Job,
    output: str | None,
    formats: dict[str, bool],
    ndjson: bool,
    precision: str | None,
    quiet: bool,
) -> None:
    from vmafsal.logs import choose_format, format_log, parse_precision
    from vmafsal.logs.file import open_log
    from vmafsal.logs.ndjson import FrameStream
    from vmafsal.result import Result

    number = parse_precision(precision)
    fmt = choose_format(output, **formats)
    inputs = [path for path in (job.reference, job.distorted) if path not in (None, "-")]
    stream_to, log_to = _destinations(output, ndjson, any(formats.values()))
    with ExitStack() as stack:
        stream = stack.enter_context(FrameStream(stream_to, number, inputs)) if stream_to else None
        file = stack.enter_context(open_log(log_to, inputs)) if log_to else None
        result = stack.enter_context(Result(job))
        told = _tell_news(result, 0, quiet)
        with progress(result, quiet) as frames:
            for frame in frames:
                if stream is not None:
                    stream.write(frame)
                    if stream.reader_gone and file is None:
                        return
        _tell_news(result, told, quiet)
        log = result.log()
        if file is not None:
            file.write(format_log(log, fmt, number))
            file.commit()
        pooled = {name: values["mean"] for name, values in log.pooled().items()}
        if file is None and stream is None:
            for name, mean in pooled.items():
                print(f"{name}: {number.format(mean)}")
        if not quiet:
            _close(result, pooled, number)


def _tell_news(result: Result, told: int, quiet: bool) -> int:
    """Say the notices that are new; returns how many were said so far."""
    notices = result.notices
    if not quiet:
        for notice in notices[told:]:
            say(notice)
    return len(notices)


def _close(result: Result, pooled: dict[str, float], number: NumberFormat) -> None:
    count = len(result.frames)
    means = ", ".join(f"{name} {number.format(mean)}" for name, mean in pooled.items())
    rate = count / result.elapsed_seconds if result.elapsed_seconds else 0.0
    provider = result.provider.removesuffix("ExecutionProvider")
    say(f"{count} frame{'s' if count != 1 else ''}, {means}, {rate:.2f} fps on {provider}.")


def _destinations(
    output: str | None, ndjson: bool, format_named: bool
) -> tuple[str | None, str | None]:
    """(where the stream of frames goes, where the log goes); None is nowhere."""
    if output == "":
        raise UsageError("--output names no file. Is a variable empty? - is standard output.")
    if output is None and format_named:
        output = "-"
    named_so = PurePath(output or "").suffix.lower() in _STREAM_ENDINGS and not format_named
    if named_so:
        return output, None
    if not ndjson:
        return None, output
    if output in (None, "-"):
        if format_named:
            raise UsageError(
                "--ndjson and a log cannot both go to standard output; name a file with --output."
            )
        return "-", None
    return "-", output


def _one_video(clips: list[str], distorted: str | None) -> str:
    paths = [*clips, *([distorted] if distorted else [])]
    if len(paths) > 1:
        raise UsageError(
            f"One video is scored at a time, but {' and '.join(paths)} were given. Leave all but "
            "one out; a reference goes behind --reference."
        )
    path = paths[0] if paths else ""
    if not path:
        raise UsageError("No video was given. Say which one to score: vmafsal clip.mp4")
    return path


def _choose_chroma(text: str | None) -> Any:
    choices = ("420", "422", "444", "400")
    if text is not None and text not in choices:
        raise UsageError(f"There is no pixel format {text!r}. Choose {', '.join(choices)}.")
    return text


def _choose_device(device: str, gpumask: str) -> str:
    try:
        mask = int(gpumask, 0)
    except ValueError:
        raise UsageError(f"--gpumask is a number, not {gpumask!r}.") from None
    if mask == 0:
        return device
    if device not in ("auto", "cpu"):
        raise UsageError(f"--gpumask {gpumask} keeps off the GPU, but --device names {device}.")
    return "cpu"


def _choose_batch_size(text: str) -> int | None:
    if text == "auto":
        return None
    if not text.isdigit():
        raise UsageError(f"--batch-size is auto or a whole number from 1 up, not {text!r}.")
    return int(text)
