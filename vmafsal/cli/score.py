"""vmafsal [OPTIONS] VIDEO: options in, a log out."""

from __future__ import annotations

import os
from contextlib import ExitStack
from glob import has_magic
from pathlib import PurePath
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand

from vmafsal.cli.console import progress, say
from vmafsal.cli.options import takes_options
from vmafsal.errors import UsageError
from vmafsal.job import ACCEPTED, LOG_OPTIONS, OPTIONS, build_job

if TYPE_CHECKING:
    from vmafsal.job import Job
    from vmafsal.logs import NumberFormat
    from vmafsal.run import Run

__all__ = ["EPILOG", "ScoreCommand", "score"]

EPILOG = """[bold]Examples[/bold]

vmafsal --reference ref.yuv --distorted dist.yuv --width 1920 --height 1080 -o score.json

vmafsal clip.mp4 -o score.csv

vmafsal clip.mp4 --feature mobilesal=model_path=my.onnx -o score.json

ffmpeg -i clip.mov -f yuv4mpegpipe - | vmafsal - --ndjson

[bold]Other commands[/bold] (each has its own --help)

vmafsal batch clips.csv --output-dir out   scores many clips, and resumes

vmafsal join score.json vmaf.json -o all.json   puts logs together, frame by frame

vmafsal stats all.json   prints statistics of each column

vmafsal worst all.json   names the frames of low quality and high saliency

vmafsal models   lists the models, shows one, or verifies them
"""

_STREAM_ENDINGS = (".ndjson", ".jsonl")


class ScoreCommand(TyperCommand):
    """The command that needs no name."""

    def make_context(
        self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any
    ) -> Any:
        """Leave `score` out of usage lines."""
        return super().make_context(parent.info_name if parent else info_name, args, **extra)


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


@takes_options("score")
def score(
    clip: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="VIDEO",
            help="The video to score, as --distorted; - is standard input.",
        ),
    ] = None,
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
    **given: Any,
) -> None:
    log = {
        option.name: given.pop(option.name) for option in LOG_OPTIONS if "score" in option.places
    }
    ignored = [
        option.main_flag
        for option in OPTIONS
        if option.group == ACCEPTED and given.pop(option.name)
    ]
    job = build_job(**{**given, "distorted": _one_video(clip or [], given["distorted"])})
    if ignored and not log["quiet"]:
        verbs = "mean nothing here and were" if len(ignored) > 1 else "means nothing here and was"
        say(f"{', '.join(ignored)} {verbs} ignored.")
    _run(job, **log)


score.__doc__ = _HELP


def _run(
    job: Job,
    output: str | None,
    ndjson: bool,
    times: bool,
    precision: str | None,
    quiet: bool,
    **formats: bool,
) -> None:
    from vmafsal.files import check_destination, open_output
    from vmafsal.logs import choose_format, encode_log, parse_precision
    from vmafsal.logs.ndjson import FrameStream
    from vmafsal.logs.parquet import check_parquet
    from vmafsal.process import own_process
    from vmafsal.run import Run

    own_process()
    number = parse_precision(precision)
    models = [feature.model_path for feature in job.features]
    named = [job.distorted, job.reference, *models, *job.post_files]
    inputs = [path for path in named if path is not None]
    stream_to, log_to = _destinations(output, ndjson, any(formats.values()))
    with ExitStack() as stack:
        stream = stack.enter_context(FrameStream(stream_to, number, inputs)) if stream_to else None
        if log_to or not stream_to:
            check_destination(log_to or "-", inputs)  # before a model is loaded for nothing
        fmt = choose_format(log_to, **formats)
        if fmt == "parquet":
            check_parquet()
            if precision is not None:
                raise UsageError("Parquet holds every digit: leave --precision out.")
        result = stack.enter_context(Run(job))
        if stream_to:
            check_destination(stream_to, result.files)
        file = stack.enter_context(open_output(log_to, result.files)) if log_to else None
        shown = _show_notices(result, 0, quiet)
        with progress(result, quiet) as frames:
            for frame in frames:
                if stream is not None:
                    stream.write(frame)
                    if stream.reader_gone and file is None:
                        return
        _show_notices(result, shown, quiet)
        log = result.log()
        if file is not None:
            file.write(encode_log(log, fmt, number, times))
            file.commit()
        pooled = {name: values["mean"] for name, values in log.pooled().items()}
        if file is None and stream is None:
            for name, mean in pooled.items():
                print(f"{name}: {number.format(mean)}")
        if not quiet:
            _close(result, pooled, number)


def _show_notices(result: Run, shown: int, quiet: bool) -> int:
    """Print the notices after the first `shown`; returns how many there are."""
    notices = result.notices
    if not quiet:
        for notice in notices[shown:]:
            say(notice)
    return len(notices)


def _close(result: Run, pooled: dict[str, float], number: NumberFormat) -> None:
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
        shown = ", ".join(paths[:3]) + (f" and {len(paths) - 3} more" if len(paths) > 3 else "")
        raise UsageError(
            f"One video is scored at a time, but {shown} were given. Score several with `vmafsal "
            "batch VIDEO... --output-dir DIR`; a reference goes behind --reference."
        )
    path = paths[0] if paths else ""
    if not path:
        raise UsageError("No video was given. Say which one to score: vmafsal clip.mp4")
    if has_magic(path) and not os.path.exists(path):
        raise UsageError(
            f"There is no file {path}. If it is a pattern that stands for several videos, score "
            f"them with `vmafsal batch '{path}' --output-dir DIR`."
        )
    return path
