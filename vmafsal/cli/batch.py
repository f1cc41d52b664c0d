"""vmafsal batch: many clips, from a manifest or a pattern, by several processes."""

from __future__ import annotations

from contextlib import closing
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vmafsal.cli.console import say, workers_table
from vmafsal.cli.options import takes_options
from vmafsal.errors import UsageError

if TYPE_CHECKING:
    from vmafsal.library.engine import Demand, Engine
    from vmafsal.library.record import Record

__all__ = ["batch"]

_RUN = "Run"

# One line a paragraph, since typer keeps the line breaks that it finds.
_HELP = (
    "Score many clips, with several processes, and go on where an earlier run stopped.\n\n"
    "Clips come from a manifest (.csv or .jsonl, whose columns are named after the options: "
    "distorted, reference, width, height, pixel_format, bitdepth, output, …), or from files and "
    "quoted patterns. Each gets a log in --output-dir, and a line in summary.jsonl there. "
    "The same command again does what is not done yet, and only that.\n\n"
    "\b\n"
    "Examples:\n"
    "  vmafsal batch clips.csv --output-dir out\n"
    "  vmafsal batch 'videos/**/*.mp4' --output-dir out --workers 4\n"
    "  vmafsal batch clips.csv --output-dir out --shard $SLURM_ARRAY_TASK_ID/100\n"
    "  vmafsal batch clips.csv --output-dir out --engine ray\n"
)


class _Engine(StrEnum):
    local = "local"
    ray = "ray"


class _Digest(StrEnum):
    ends = "ends"
    full = "full"


@takes_options("batch")
def batch(
    inputs: Annotated[
        list[str],
        typer.Argument(
            metavar="MANIFEST|VIDEO...",
            help="One manifest (.csv or .jsonl), or videos and quoted patterns such as "
            "'videos/**/*.mp4'.",
            show_default=False,
        ),
    ],
    output_dir: Annotated[
        str,
        typer.Option(
            "--output-dir",
            "--output_dir",
            "-o",
            metavar="DIR",
            help="Where the logs and the summary go; it is made where it is missing.",
            rich_help_panel=_RUN,
            show_default=False,
        ),
    ],
    workers: Annotated[
        int | None,
        typer.Option(
            "--workers",
            min=1,
            metavar="N",
            help="Processes, each with its share of the cores. One a GPU otherwise, and without a "
            "GPU one a core.",
            rich_help_panel=_RUN,
        ),
    ] = None,
    engine: Annotated[
        _Engine,
        typer.Option(
            "--engine",
            help="Where the workers are: processes of this machine, or actors on a Ray cluster, "
            "whose nodes share the videos and the output folder.",
            rich_help_panel=_RUN,
        ),
    ] = _Engine.local,
    address: Annotated[
        str | None,
        typer.Option(
            "--address",
            metavar="auto|HOST:PORT",
            help="The Ray cluster: auto, which it is otherwise, is the one that this machine is "
            "a node of.",
            rich_help_panel=_RUN,
        ),
    ] = None,
    shard: Annotated[
        str | None,
        typer.Option(
            "--shard",
            metavar="I/N",
            help="Do the I-th of N parts of the list, I from 1; the others are for other machines.",
            rich_help_panel=_RUN,
        ),
    ] = None,
    segment: Annotated[
        float | None,
        typer.Option(
            "--segment",
            metavar="SECONDS",
            help="Divide each longer clip into parts of about so many seconds, score them on all "
            "workers, and join them into one log. Containers are divided at key frames.",
            rich_help_panel=_RUN,
        ),
    ] = None,
    digest: Annotated[
        _Digest,
        typer.Option(
            "--digest",
            help="How to tell whether a video changed since it was scored: by size, time and its "
            "first and last MiB, or by all of it too.",
            rich_help_panel=_RUN,
        ),
    ] = _Digest.ends,
    **given: Any,
) -> None:
    quiet = given.pop("quiet")
    if not output_dir:
        raise UsageError("--output-dir names no folder. Is a variable empty?")
    if segment is not None and not 0 < segment < float("inf"):
        raise UsageError(f"--segment is a number of seconds above 0, not {segment:g}.")
    if address is not None and engine is not _Engine.ray:
        raise UsageError("--address names a Ray cluster: give --engine ray too, or leave it out.")
    cluster = (address or "auto") if engine is _Engine.ray else None
    failed = _run(inputs, output_dir, given, workers, cluster, shard, segment, digest.value, quiet)
    if failed:
        raise typer.Exit(1)


batch.__doc__ = _HELP


def _run(
    inputs: list[str],
    output_dir: str,
    defaults: dict[str, Any],
    workers: int | None,
    cluster: str | None,
    shard: str | None,
    segment: float | None,
    digest: Any,
    quiet: bool,
) -> int:
    """Do it; the number of clips that failed."""
    from vmafsal.library.engine import Died
    from vmafsal.library.manifest import read_clips
    from vmafsal.library.run import (
        Through,
        choose_demand,
        describe_models,
        run_clips,
        take_shard,
    )
    from vmafsal.library.summary import Summary

    clips = read_clips(inputs, output_dir, defaults)
    name = "summary.jsonl"
    if shard is not None:
        clips = take_shard(clips, shard)
        name = f"summary-{shard.replace('/', '-of-')}.jsonl"
    described = describe_models(clips)
    demand = choose_demand(clips, workers, output_dir, digest, segment is not None)
    engine = _choose_engine(demand, cluster)
    outputs = [clip.output for clip in clips]
    records: list[Record] = []
    with Summary(output_dir, name) as summary:
        summary.remove_leftovers(outputs, shared=shard is not None)
        done = 0
        told: set[str] = set()
        try:
            with (
                workers_table(len(clips), engine.size, quiet) as watch,
                closing(run_clips(clips, described, summary, engine, segment)) as events,
            ):
                for event in events:
                    done = watch(event)
                    if isinstance(event, Through) and event.record is not None:
                        records.append(event.record)
                        _tell(event.record, f"[{done}/{len(clips)}]", told, quiet)
                    elif isinstance(event, Died) and not event.given_up and not quiet:
                        say(f"{event.task.name} met {event.cause}. It is tried once more.")
        except KeyboardInterrupt:
            say(
                f"Interrupted. {done} of {len(clips)} clips are through; the same command goes on "
                "from there."
            )
            raise typer.Exit(130) from None
        finally:
            summary.remove_leftovers(outputs, shared=shard is not None)
    if not quiet:
        _close(records, len(clips), str(summary.path))
    return sum(record.status == "failed" for record in records)


def _choose_engine(demand: Demand, cluster: str | None) -> Engine:
    if cluster is None:
        from vmafsal.library.workers import Processes

        return Processes(demand)
    from vmafsal.library.cluster import Actors

    return Actors(demand, cluster)


def _tell(record: Record, place: str, told: set[str], quiet: bool) -> None:
    """Say what became of a clip, and notices that were not said before."""
    if record.error:
        say(f"{place} {record.output} failed: {record.error}")
    elif not quiet:
        for notice in record.notices:
            if notice not in told:
                say(notice)
        told.update(record.notices)
        means = ", ".join(f"{name} {pooled['mean']:.6f}" for name, pooled in record.pooled.items())
        say(f"{place} {record.output}: {record.frames} frames, {means}, {record.seconds:.1f} s")


def _close(records: list[Record], clips: int, path: str) -> None:
    failed = sum(record.status == "failed" for record in records)
    scored = len(records) - failed
    before = clips - len(records)
    known = f", {before} were done before" if before else ""
    say(f"{scored} of {clips} clips scored{known}, {failed} failed. The summary is {path}.")
