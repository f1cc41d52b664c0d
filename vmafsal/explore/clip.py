"""A video or a picture, looked at frame by frame in any order, and through any model."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from functools import lru_cache, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vmafsal.errors import InputError, UsageError
from vmafsal.explore.kept import Kept
from vmafsal.infer.network import Network
from vmafsal.infer.open import open_session
from vmafsal.job import Feature, Job
from vmafsal.logs import Log
from vmafsal.pipeline import Column, Pipeline
from vmafsal.run import Run
from vmafsal.video import STDIN
from vmafsal.video.base import Source
from vmafsal.video.frame import Frame
from vmafsal.video.images import is_image_pattern
from vmafsal.video.job import open_job_video
from vmafsal.video.segment import InexactError, Segment, find_segments, open_segment
from vmafsal.video.sequence import Pair

__all__ = ["Clip"]

_SESSIONS = 4
_FRAME_BYTES = 64 << 20
_MAP_BYTES = 256 << 20
_SEGMENT_SECONDS = 2.0

_session = lru_cache(_SESSIONS)(open_session)
"""Models that were chosen last, on all pages together."""


class Clip:
    """A file, of which frames and maps are computed when they are asked for, and kept for a while.

    Of a container, decoding begins at a key frame near the frame that is asked for, where its
    packets tell exactly which pictures it holds; else at the beginning.
    """

    def __init__(self, path: str, options: Mapping[str, Any] | None = None) -> None:
        """
        Args:
            path: of a regular file, or the pattern of an image sequence.
            options: fields of Job: the size of raw video, the stream, the device, …
        Raises:
            VmafsalError: if it cannot be read as a video or a picture.
        """
        if path == STDIN:
            raise UsageError("A page reads the video more than once: give a file, not a pipe.")
        self._job = Job(distorted=path, **(options or {}))
        with open_job_video(self._job, "distorted") as video:
            self.info = video.info
            """Facts about the file."""
            self._segments = self._divide()
            if self._segments:
                counted = self._segments[-1].first + len(self._segments[-1].times)
            else:
                counted = video.count() or 0
        self.count = counted or self.info.frame_estimate or 1
        """How many frames it holds, as far as that is known before it was decoded."""
        self._frames: Kept[Frame] = Kept(_FRAME_BYTES, _frame_bytes)
        self._maps: Kept[NDArray[np.float32]] = Kept(_MAP_BYTES, lambda one: one.nbytes)
        self.frame(0)  # a file whose header is all that is right is refused now

    def frame(self, position: int) -> Frame:
        """A frame.

        Args:
            position: in the video, from 0.
        Raises:
            InputError: if it cannot be decoded, or the video ends before it.
        """
        frame = self._frames.get(position, partial(self._decode, position))
        if frame.is_gap:
            raise InputError(f"Frame {position} could not be decoded. Choose another one.")
        return frame

    def saliency(self, position: int, model: str) -> NDArray[np.float32]:
        """The map of a frame, as a model gives it.

        Args:
            position: in the video, from 0.
            model: an id or a path; it is loaded on the first call.
        Returns:
            float32 [H, W] in [0, 1], at the size that the model sees.
        Raises:
            VmafsalError: if the model cannot be run, or the frame cannot be decoded.
        """
        return self._maps.get((position, model), partial(self._infer, position, model))

    def score(
        self,
        models: Sequence[str],
        post: str | None,
        on_frame: Callable[[int, int], object],
    ) -> Log:
        """The log of all frames.

        Args:
            models: ids or paths, at least one. With several, each column is tagged by its id.
            post: as --post.
            on_frame: called after each frame with how many are done, and how many there are.
                An error that it raises ends the run.
        Raises:
            VmafsalError: as Run does.
        """
        tags = models if len(models) > 1 else [None]
        features = tuple(
            Feature(model_path=model, name=tag) for model, tag in zip(models, tags, strict=True)
        )
        job = replace(self._job, features=features, post=post or None)
        with Run(job, open_session=_session) as run:
            for done, _ in enumerate(run, start=1):
                on_frame(done, max(done, run.frame_estimate or self.count))
            return run.log()

    def _divide(self) -> list[Segment]:
        path = self._job.distorted
        if self.info.kind != "container" or is_image_pattern(path):
            return []
        try:
            return find_segments(path, self._job.stream, _SEGMENT_SECONDS)
        except InexactError:
            return []

    def _decode(self, position: int) -> Frame:
        segment = next((one for one in reversed(self._segments) if one.first <= position), None)
        if segment is not None:
            try:
                video = open_segment(self._job.distorted, self._job.stream, segment)
                return self._take(video, position - segment.first, position)
            except InexactError:
                self._segments = []
        return self._take(open_job_video(self._job, "distorted"), position, position)

    def _take(self, video: Source, start: int, position: int) -> Frame:
        """The frame at a place of an open video, which is closed."""
        with video, closing(video.frames(start=start, stop=start + 1)) as frames:  # type: ignore[type-var]
            frame = next(frames, None)
        if frame is None:
            self.count = min(self.count, max(position, 1))
            raise InputError(f"The video ends before frame {position}. Choose an earlier one.")
        return frame

    def _infer(self, position: int, model: str) -> NDArray[np.float32]:
        session = _session(model, self._job.device, self._job.threads)
        network = Network(session, session.model.policy)
        column = Column.of_saliency(network)
        pipeline = Pipeline({"saliency_mean": column}, self.info.height, self.info.width, 1)
        with closing(pipeline.maps([Pair(self.frame(position))])) as mapped:
            return next(mapped).maps["saliency_mean"]


def _frame_bytes(frame: Frame) -> int:
    return sum(plane.nbytes for plane in frame.planes)
