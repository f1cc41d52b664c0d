"""Which frames are compared: those of the distorted video, up to the end of the shorter one."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import dataclass, replace

from vmafsal.errors import InputError
from vmafsal.job import Job
from vmafsal.video.base import Source, label
from vmafsal.video.frame import Frame

__all__ = ["ComparedSequence", "Pair", "in_frames"]


@dataclass(frozen=True, slots=True)
class Pair:
    """A frame of the distorted video and, where it was decoded, the reference's at its place."""

    distorted: Frame
    reference: Frame | None = None

    @property
    def is_gap(self) -> bool:
        """True where a picture of the pair could not be decoded."""
        return self.distorted.is_gap or (self.reference is not None and self.reference.is_gap)


class ComparedSequence:
    """The compared sequence of a pair, or of a distorted video alone."""

    def __init__(self, job: Job, distorted: Source, reference: Source | None) -> None:
        """Determine, without decoding, where the sequence ends.

        Args:
            job: skips, frame count and subsampling.
            distorted, reference: open sources that check_pair let pass.
        Raises:
            InputError: if the skips leave nothing of a video whose length is known.
        """
        self._job = job
        self._distorted = distorted
        self._reference = reference
        self.notices: list[str] = []
        self.gaps = 0
        """Pictures met so far that could not be decoded."""
        # Counting reads the whole container. Only the reference is counted: the distorted video
        # is read later anyway.
        cheap = distorted.info.kind == "raw"
        self.distorted_length = _length(
            distorted if cheap else None, job.frame_skip_dist, "--frame_skip_dist"
        )
        """Frames after the skip, or None where that is not known; so for the reference."""
        self.reference_length = _length(reference, job.frame_skip_ref, "--frame_skip_ref")

    @property
    def frame_count(self) -> int | None:
        """How many frames will be scored, where that is known before the end."""
        return self._count(self.distorted_length)

    @property
    def frame_estimate(self) -> int | None:
        """How many frames will be scored, by the file's header, which may be wrong."""
        stated = self._distorted.info.frame_estimate
        if self.distorted_length is not None or stated is None:
            return self.frame_count
        return self._count(max(0, stated - self._job.frame_skip_dist))

    def _count(self, distorted_length: int | None) -> int | None:
        if distorted_length is None:
            return None
        limits = (distorted_length, self.reference_length, self._job.frame_cnt or None)
        end = min(limit for limit in limits if limit is not None)
        return -(-end // self._job.subsample)

    def pairs(self, *, with_reference: bool = False) -> Generator[Pair]:
        """The pairs to score, with their frameNum as index; gaps are counted and passed on.

        Args:
            with_reference: decode the reference too; else only its frames are counted.
        """
        job = self._job
        stop = job.frame_skip_dist + job.frame_cnt if job.frame_cnt else None
        frames = self._distorted.frames(start=job.frame_skip_dist, stop=stop, step=job.subsample)
        reference, length = self._reference, self.reference_length
        if reference is None:
            return (self._pair(frame) for frame in frames)
        if length is None or with_reference:
            return self._beside(frames, reference, with_reference)
        return self._up_to(length, frames, reference)

    def _pair(self, frame: Frame, other: Frame | None = None) -> Pair:
        pair = Pair(frame, other)
        self.gaps += pair.is_gap
        return pair

    def _up_to(self, length: int, frames: Iterator[Frame], reference: Source) -> Generator[Pair]:
        """Pair by number alone: the reference has `length` frames after the skip."""
        end = 0
        for frame in frames:
            if frame.index >= length:
                self._note_end(shorter=reference, longer=self._distorted)
                return
            end = frame.index + self._job.subsample
            yield self._pair(frame)
        if end < min(self._job.frame_cnt or length, length):
            self._note_end(shorter=self._distorted, longer=reference)

    def _beside(
        self, frames: Iterator[Frame], reference: Source, with_reference: bool
    ) -> Generator[Pair]:
        """Decode the reference too, picture by picture."""
        job = self._job
        stop = job.frame_skip_ref + job.frame_cnt if job.frame_cnt else None
        others = reference.frames(start=job.frame_skip_ref, stop=stop, step=job.subsample)
        for frame in frames:
            other = next(others, None)
            if other is None:
                self._note_end(shorter=reference, longer=self._distorted)
                return
            yield self._pair(frame, other if with_reference else None)
        if next(others, None) is not None:
            self._note_end(shorter=self._distorted, longer=reference)

    def _note_end(self, shorter: Source, longer: Source) -> None:
        self.notices.append(
            f"{label(shorter.info.path)} is the shorter of the two: the run ended with its last "
            f"frame, and what {label(longer.info.path)} holds beyond it was left out."
        )


def in_frames(job: Job, distorted: Source, reference: Source | None) -> Job:
    """A job with --start and --duration as numbers of frames of its videos.

    Args:
        job: what was asked.
        distorted, reference: open sources, of which nothing has been read yet.
    Returns:
        the job with frame_skip_dist, frame_skip_ref and frame_cnt in their place.
    Raises:
        InputError: if a video does not tell when its pictures are shown, or ends before that.
    """
    if job.start is None and job.duration is None:
        return job
    start = job.start or 0.0
    skip = _position(distorted, start)
    skip_reference = _position(reference, start) if reference is not None else 0
    count = job.frame_cnt
    if job.duration is not None:
        count = distorted.position_at(start + job.duration) - skip
        if count <= 0:
            raise InputError(
                f"No picture of {label(distorted.info.path)} is shown in the {job.duration:g} s "
                f"after {start:g} s. Take a longer --duration."
            )
    return replace(
        job,
        start=None,
        duration=None,
        frame_skip_dist=skip,
        frame_skip_ref=skip_reference,
        frame_cnt=count,
    )


def _position(source: Source, start: float) -> int:
    position = source.position_at(start)
    count = source.count() if position else None
    if count is not None and position >= count:
        raise InputError(
            f"{label(source.info.path)} ends before --start {start:g} s: it holds {count} "
            f"frame{'s' if count != 1 else ''}. Begin earlier."
        )
    return position


def _length(source: Source | None, skip: int, option: str) -> int | None:
    """Frames after the skip, or None where that is not known."""
    count = source.count() if source is not None else None
    if source is None or count is None:
        return None
    if skip >= count:
        raise InputError(
            f"{option} {skip} leaves nothing of {label(source.info.path)}, which holds {count} "
            f"frame{'s' if count != 1 else ''}. Skip fewer."
        )
    return count - skip
