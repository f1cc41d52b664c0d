"""Run: one run of the extractor, lazily; facts up front, then features frame by frame."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Generator, Iterator
from contextlib import closing
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Any, Self, TypeVar

from vmafsal import __version__
from vmafsal.errors import InputError, UsageError
from vmafsal.features.frame import FrameFeatures
from vmafsal.infer.network import Network
from vmafsal.infer.open import OpenSession, open_session
from vmafsal.infer.session import Session
from vmafsal.job import Job
from vmafsal.logs import Log, format_log, parse_precision
from vmafsal.maps.post import make_steps
from vmafsal.models.model import Model
from vmafsal.pipeline import Column, MappedFrame, Pipeline
from vmafsal.provenance import describe_columns, describe_run
from vmafsal.video import Source, check_pair, open_pipes, open_source
from vmafsal.video.base import label
from vmafsal.video.job import open_job_video
from vmafsal.video.sequence import ComparedSequence, Pair, in_frames

if TYPE_CHECKING:
    from pandas import DataFrame

T = TypeVar("T")

__all__ = ["OpenSession", "Run", "open_job_video", "open_session"]

_PATIENCE_SECONDS = 2.0
"""For how long closing an unfinished run waits for the thread that reads a file."""
_PATIENCE_SECONDS_PIPE = 0.1
"""The same for a pipe, whose writer may have stopped."""


class Run:
    """A run that happens while it is iterated.

    Facts (info, models, provider, frame_count, notices) are known before the first frame is read;
    `notices` may grow. Iterate once: the run itself for numbers, or maps() for maps and pictures
    beside them. The numbers stay in `frames`. Files are closed at the end of the iteration; an
    unfinished run is closed by `close()` or at the end of its with-block.
    """

    def __init__(
        self,
        job: Job,
        open_session: OpenSession = open_session,
        open_video: Callable[..., Source] = open_source,
        *,
        maps: bool = False,
    ) -> None:
        """Open the videos, check them, load the models.

        Args:
            job: what to do.
            maps: put the first model's saliency map into each FrameFeatures that is yielded, as
                the job's post-processing leaves it.
            open_session: called for each feature; a caller with many jobs keeps the sessions.
            open_video: called for each video, as open_source is.
        Raises:
            VmafsalError: whatever is wrong with it, as a sentence with its remedy.
        """
        self.job = job
        self.frames: list[FrameFeatures] = []
        """What was scored so far."""
        self.elapsed_seconds = 0.0
        """Wall-clock time from the first frame to the last."""
        self.models: dict[str, Model] = {}
        """Column name to model."""
        self._open_session = open_session
        self._keep_maps = maps
        self._notices: list[str] = []
        self._columns: dict[str, Column] = {}
        self._reference: Source | None = None
        self._run: Generator[Any] | None = None
        self._started = False
        with open_pipes(job.distorted, job.reference) as pipes:
            self._distorted = open_job_video(job, "distorted", open_video, pipes)
            self.info = self._distorted.info
            """Facts about the distorted video."""
            try:
                if job.reference is not None:
                    self._reference = open_job_video(job, "reference", open_video, pipes)
            except BaseException:
                self.close()
                raise
        try:
            if self._reference is not None:
                psnr = any(one.kind == "psnr" for one in job.features)
                check_pair(self._reference, self._distorted, pixels=psnr)
                if psnr and self.info.chroma == "rgb":
                    raise InputError(
                        f"{label(job.distorted)} is RGB and has no luma, which psnr and compose "
                        "need. Convert both videos first, for example with ffmpeg -pix_fmt yuv444p."
                    )
            self._counted = in_frames(job, self._distorted, self._reference)
            self._comparison = ComparedSequence(self._counted, self._distorted, self._reference)
            self._load()
            self._pipeline = Pipeline(
                self._columns, self.info.height, self.info.width, job.batch_size
            )
        except BaseException:
            self.close()
            raise

    @property
    def files(self) -> list[str]:
        """Every file that the run reads or looks for; no output may replace one of them."""
        videos = [
            path
            for source in (self._distorted, self._reference)
            if source is not None
            for path in source.files
        ]
        models = [path for model in self.models.values() for path in model.files]
        return [*videos, *self.job.post_files, *map(str, models)]

    @property
    def first_frame(self) -> int:
        """Position in the distorted video of the frame whose index is 0."""
        return self._counted.frame_skip_dist

    @property
    def provider(self) -> str:
        """The execution provider that runs, for example "CPUExecutionProvider"."""
        return self._session.provider

    @property
    def _session(self) -> Session:
        return next(iter(self._columns.values())).network.session

    @property
    def frame_count(self) -> int | None:
        """How many frames will be scored, where that is known before the end."""
        return self._comparison.frame_count

    @property
    def frame_estimate(self) -> int | None:
        """The same, or the count in the container's header, which may be wrong: for progress."""
        return self._comparison.frame_estimate

    @property
    def notices(self) -> list[str]:
        """Notices for the user so far, as whole sentences."""
        reference = self._reference.notices if self._reference else []
        return [
            *self._notices,
            *reference,
            *self._distorted.notices,
            *self._comparison.notices,
        ]

    @property
    def truncated(self) -> bool:
        """True once it is known that the distorted file ends before its last frame is whole."""
        return self._distorted.truncated

    def __iter__(self) -> Iterator[FrameFeatures]:
        """Score frame by frame. Errors come as VmafsalError, at the frame where they happen."""
        if self._run is None:
            self._run = self._features()
        return self._run

    def maps(
        self, *, with_reference: bool = False, only: Collection[int] | None = None
    ) -> Generator[MappedFrame]:
        """Iterate with the saliency maps and the decoded pictures beside the numbers.

        For commands that need more than the numbers. Either this or the run itself is iterated,
        once.

        Args:
            with_reference: decode the reference too, and give its pictures.
            only: the frames that are wanted, by their index; the others are not scored, and
                reading ends with the last of them. None is all.
        Yields:
            a MappedFrame for each frame that is scored, in order. A map has the size that its
            model sees: that of the frame for a native model.
        Raises:
            VmafsalError: at the frame where it happens.
        """
        if self._run is not None:
            raise ValueError("A run is iterated once; open another one.")
        pairs = self._read_and_close(with_reference)
        if only is not None:
            pairs = _only(pairs, frozenset(only))
        maps = self._pipeline.maps(pairs, patience=self._patience)
        frames = self._scored(maps, lambda mapped: mapped.features)
        self._run = frames
        return frames

    def read(self) -> Self:
        """Score all that is left, and return this run."""
        for _ in self:
            pass
        return self

    def log(self) -> Log:
        """The log of all frames; scores what is left first."""
        self.read()
        return Log(
            version=f"vmafsal {__version__}",
            fps=len(self.frames) / self.elapsed_seconds if self.elapsed_seconds else 0.0,
            width=self.info.width,
            height=self.info.height,
            frames=self.frames,
            vmafsal=self.provenance(),
        )

    def to_json(self, precision: str | None = None) -> str:
        """The log as JSON text, in the shape of libvmaf's.

        Args:
            precision: as --precision: a number of digits, "max", "full", "legacy", or None.
        """
        return format_log(self.log(), "json", parse_precision(precision))

    def to_pandas(self) -> DataFrame:
        """The features as a DataFrame, one row a frame, as Log.to_pandas gives it.

        Raises:
            ImportError: if pandas is not installed (pip install 'vmafsal[pandas]').
        """
        return self.log().to_pandas()

    def provenance(self) -> dict[str, Any]:
        """Models, settings, input and versions: the extra key of the JSON log."""
        return {
            "features": describe_columns(self._columns),
            **describe_run(
                self.job,
                self._counted,
                self._distorted,
                self._session,
                batch_size=self._pipeline.batch_size,
                undecodable=self._comparison.gaps,
                notices=self.notices,
            ),
        }

    def close(self) -> None:
        """Close the files and end the threads. May be called more than once."""
        if self._run is not None:
            self._run.close()
        if not self._started:
            self._close_sources()

    def __repr__(self) -> str:
        total = self.frame_count
        of_all = f" of {total}" if total is not None and total != len(self.frames) else ""
        noun = "frame" if (total or len(self.frames)) == 1 else "frames"
        done = f"{len(self.frames)}{of_all} {noun} scored"
        return f"<Run of {self.job.distorted}: {', '.join(self._columns)}, {done}>"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _close_sources(self) -> None:
        for source in (self._distorted, self._reference):
            if source is not None:
                source.close()

    def _load(self) -> None:
        job = self.job
        named: set[str] = set()
        steps = make_steps(job.post)
        # Features with one model share its session.
        open_session = cache(self._open_session)
        for feature in job.features:
            session = open_session(
                feature.model_path,
                job.device,
                job.threads,
                tf32=job.tf32,
                short_side=feature.short_side,
            )
            model = session.model
            policy = model.policy.with_options(feature.color, feature.range, feature.short_side)
            network = Network(session, policy)
            self._columns[feature.column] = (
                Column.of_psnr(network, feature.name, steps=steps)
                if feature.kind == "psnr"
                else Column.of_saliency(network, feature.name, stats=feature.stats, steps=steps)
            )
            self.models[feature.column] = model
            if model.smoke and model.id not in named:
                named.add(model.id)
                self._notices.append(
                    f"{model.id} is a placeholder that has learnt nothing: its numbers are for "
                    "trying out pipelines alone. Choose a trained model with "
                    "--feature mobilesal=model_path=…"
                )
        self._check_columns()

    def _check_columns(self) -> None:
        """Refuse tags that give two numbers one name: psnr_y tagged "saliency" is another's."""
        names: set[str] = set()
        for column in self._columns.values():
            twice = names.intersection(column.names)
            if twice:
                raise UsageError(
                    f"Two features would write the column {min(twice)}. Give one of them another "
                    "name."
                )
            names.update(column.names)

    def _features(self) -> Generator[FrameFeatures]:
        pairs = self._read_and_close()
        return self._scored(
            self._pipeline.features(pairs, maps=self._keep_maps, patience=self._patience),
            lambda features: replace(features, map=None) if self._keep_maps else features,
        )

    def _scored(
        self, results: Generator[T], features: Callable[[T], FrameFeatures]
    ) -> Generator[T]:
        """Pass results on, and keep their numbers and the time."""
        self._started = True
        begin = time.perf_counter()
        with closing(results):
            for result in results:
                self.frames.append(features(result))
                self.elapsed_seconds = time.perf_counter() - begin
                yield result
        if not self.frames:
            raise InputError(
                f"No frame of {label(self.job.distorted)} was scored: it ends before the first "
                "one that was asked for. Skip fewer frames."
            )

    @property
    def _patience(self) -> float:
        sources = (self._distorted, self._reference)
        piped = any(source and source.info.size_bytes is None for source in sources)
        return _PATIENCE_SECONDS_PIPE if piped else _PATIENCE_SECONDS

    def _read_and_close(self, with_reference: bool = False) -> Generator[Pair]:
        """The frames to score. Files are closed by the thread that reads them, when it is done."""
        try:
            yield from self._comparison.pairs(
                with_reference=with_reference or self._pipeline.needs_reference
            )
        finally:
            self._close_sources()


def _only(pairs: Generator[Pair], wanted: frozenset[int]) -> Generator[Pair]:
    last = max(wanted, default=-1)
    with closing(pairs):
        for pair in pairs:
            if pair.distorted.index in wanted:
                yield pair
            if pair.distorted.index >= last:
                return
