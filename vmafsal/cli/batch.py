"""vmafsal batch: many clips, from a manifest or a pattern, by several processes."""

from __future__ import annotations

from contextlib import closing
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vmafsal.cli.console import say, workers_table
from vmafsal.cli.options import takes_options
from vmafsal.errors import UsageError, VmafsalError

if TYPE_CHECKING:
    from vmafsal.library.plan import Plan
    from vmafsal.library.record import Record
    from vmafsal.library.scheduler import PoolRequest, WorkerPool

__all__ = ["batch"]

_RUN = "Run"

# One line a paragraph, since typer keeps the line breaks that it finds.
_HELP = (
    "Score many clips with several processes, and resume where an earlier run stopped.\n\n"
    "Clips come from a manifest (.csv or .jsonl, whose columns are named after the options: "
    "distorted, reference, width, height, pixel_format, bitdepth, output, …), or from files and "
    "quoted patterns. Each gets a log in --output-dir, a line in summary.jsonl there, and a row in "
    "summary.csv. The same command again scores only what is not done yet.\n\n"
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
            help="Number of worker processes, which share the cores. The default is one a GPU, or "
            "without a GPU one a core.",
            rich_help_panel=_RUN,
        ),
    ] = None,
    engine: Annotated[
        _Engine,
        typer.Option(
            "--engine",
            help="Where the workers run: as processes on this machine, or as actors on a Ray "
            "cluster whose nodes share the videos and the output folder.",
            rich_help_panel=_RUN,
        ),
    ] = _Engine.local,
    address: Annotated[
        str | None,
        typer.Option(
            "--address",
            metavar="auto|HOST:PORT",
            help="The Ray cluster. The default, auto, is the one that this machine belongs to.",
            rich_help_panel=_RUN,
        ),
    ] = None,
    shard: Annotated[
        str | None,
        typer.Option(
            "--shard",
            metavar="I/N",
            help="Score share I of N of the list, I from 1; other machines score the others.",
            rich_help_panel=_RUN,
        ),
    ] = None,
    segment: Annotated[
        float | None,
        typer.Option(
            "--segment",
            metavar="SECONDS",
            help="Divide each longer clip into parts of about this length, score them on all "
            "workers, and join them into one log. Containers are divided at key frames.",
            rich_help_panel=_RUN,
        ),
    ] = None,
    digest: Annotated[
        _Digest,
        typer.Option(
            "--digest",
            help="How to tell whether a video changed since it was scored: by its size, time, "
            "and first and last MiB, or by all of its bytes.",
            rich_help_panel=_RUN,
        ),
    ] = _Digest.ends,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run",
            "--dry_run",
            help="Print which clips would be scored and which are done; write nothing.",
            rich_help_panel=_RUN,
        ),
    ] = False,
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
    from vmafsal.library.plan import make_plan

    plan = make_plan(
        inputs,
        output_dir,
        given,
        shard=shard,
        digest=digest.value,
        segment_seconds=segment,
    )
    if dry_run:
        _show(plan, quiet)
    elif _run(plan, workers, cluster, quiet):
        raise typer.Exit(1)


batch.__doc__ = _HELP


def _show(plan: Plan, quiet: bool) -> None:
    """Print what a run would do with each clip."""
    from vmafsal.infer.plan import available_cores
    from vmafsal.library.scorer import ClipScorer
    from vmafsal.library.summary import read_records

    scorer = ClipScorer(plan.folder, plan.digest, available_cores())
    counts = {"done": 0, "score": 0, "fail": 0}
    for task in plan.tasks(read_records(Path(plan.folder))):
        reason = ""
        try:
            state = "done" if scorer.is_done(task) else "score"
        except VmafsalError as error:
            state, reason = "fail", f": {error}"
        counts[state] += 1
        print(f"{state} {task.clip.output}{reason}")
    if not quiet:
        say(
            f"{_count(len(plan.clips), 'clip')}: {counts['done']} done before, "
            f"{counts['score']} to score, {counts['fail']} that would fail. Nothing was written."
        )


def _run(plan: Plan, workers: int | None, cluster: str | None, quiet: bool) -> int:
    """Score the clips of a plan; returns the number of clips that failed."""
    from vmafsal.files import remove_leftovers
    from vmafsal.library.coordinator import ClipDone, run_clips
    from vmafsal.library.scheduler import WorkerDied
    from vmafsal.library.summary import Summary

    pool = _choose_pool(plan.request_workers(workers), cluster)
    total = len(plan.clips)
    folders = {Path(plan.folder, output).parent for output in [*plan.outputs, plan.summary]}
    records: list[Record] = []
    with Summary(plan.folder, plan.summary, plan.outputs) as summary:
        for folder in folders:
            remove_leftovers(folder)
        done = 0
        said: set[str] = set()
        try:
            with (
                workers_table(total, pool.size, quiet) as watch,
                closing(run_clips(plan.tasks(summary.records), summary, pool)) as events,
            ):
                for event in events:
                    done = watch(event)
                    if isinstance(event, ClipDone) and event.record is not None:
                        records.append(event.record)
                        _report(event.record, f"[{done}/{total}]", said, quiet)
                    elif isinstance(event, WorkerDied) and not event.given_up and not quiet:
                        say(
                            f"{event.task.name}: its worker ended with {event.cause}. It is tried "
                            "once more."
                        )
        except KeyboardInterrupt:
            say(f"Interrupted after {done} of {_count(total, 'clip')}; the same command resumes.")
            raise typer.Exit(130) from None
        finally:
            for folder in folders:
                remove_leftovers(folder)
    if not quiet:
        _close(records, total, str(summary.path))
    return sum(record.status == "failed" for record in records)


def _choose_pool(request: PoolRequest, cluster: str | None) -> WorkerPool:
    if cluster is None:
        from vmafsal.library.local_pool import LocalPool

        return LocalPool(request)
    from vmafsal.library.ray_pool import RayPool

    return RayPool(request, cluster)


def _report(record: Record, place: str, said: set[str], quiet: bool) -> None:
    """Print how a clip ended, and its notices that are new."""
    if record.error:
        say(f"{place} {record.output} failed: {record.error}")
    elif not quiet:
        for notice in record.notices:
            if notice not in said:
                say(notice)
        said.update(record.notices)
        means = {name: pooled["mean"] for name, pooled in record.pooled.items()}
        facts = [f"{name} {mean:.6f}" for name, mean in means.items() if mean is not None]
        facts = [_count(record.frames, "frame"), *facts, f"{record.seconds:.1f} s"]
        say(f"{place} {record.output}: {', '.join(facts)}")


def _close(records: list[Record], clips: int, path: str) -> None:
    failed = sum(record.status == "failed" for record in records)
    scored = len(records) - failed
    before = clips - len(records)
    known = f", {before} were done before" if before else ""
    say(f"{scored} of {clips} clips scored{known}, {failed} failed. The summary is {path}.")


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
