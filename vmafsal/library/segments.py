"""Divides a long video into parts, and joins their scores into one log."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from itertools import pairwise
from math import ceil, inf
from typing import Any

from vmafsal.features.frame import FrameFeatures
from vmafsal.job import Job
from vmafsal.logs import Log
from vmafsal.video.base import label
from vmafsal.video.job import open_job_video
from vmafsal.video.segment import InexactError, Segment, find_segments
from vmafsal.video.sequence import ComparedSequence

__all__ = ["Part", "PartScores", "divide", "join_parts"]

RAW_FPS = 25.0
"""The rate assumed for raw video, whose file does not state it."""


@dataclass(frozen=True, slots=True)
class Part:
    """Some frames of a job, as a job of its own."""

    job: Job
    first: int
    """frameNum of its frame 0 in the whole."""
    segment: Segment | None
    """What is read of a container; None for raw video."""


@dataclass(frozen=True, slots=True)
class PartScores:
    """The result of scoring a part."""

    log: Log
    """Its own log, whose frames are numbered from the part's beginning."""
    head: list[int]
    """Checksums of the first pictures of its segment."""
    tail: list[int]
    """Checksums of the pictures behind its segment, which are the first of the next one."""
    features: dict[str, Any]
    """See describe_features."""


def divide(job: Job, seconds: float) -> list[Part]:
    """Divide a job into parts that can be scored independently.

    Args:
        job: of a regular file.
        seconds: how long a part is at least; a container is divided at its key frames.
    Returns:
        the parts, in order; none or one where the video is not longer than that.
    Raises:
        InexactError: where it is not certain that the parts give the numbers of the whole; its
            message is the reason, without a full stop.
        VmafsalError: for anything else that is wrong with the job.
    """
    if any(feature.stats for feature in job.features):
        raise InexactError("saliency_change of a frame needs the frame before it")
    if any(feature.kind == "psnr" for feature in job.features):
        raise InexactError("psnr decodes the reference from its beginning")
    if job.start is not None or job.duration is not None:
        raise InexactError("--start and --duration count from the beginning of the whole video")
    with ExitStack() as stack:
        # No picture is decoded here, so the GPU need not be tried.
        software = replace(job, hwaccel="none")
        distorted = stack.enter_context(open_job_video(software, "distorted"))
        reference = None
        if job.reference is not None:
            reference = stack.enter_context(open_job_video(job, "reference"))
        comparison = ComparedSequence(job, distorted, reference)
        info, estimate = distorted.info, comparison.frame_estimate
    fps = info.fps or RAW_FPS
    if estimate is not None and estimate * job.subsample <= seconds * fps:
        return []
    segments: list[Segment] = []
    length = comparison.distorted_length
    if info.kind != "raw":
        if job.hwaccel == "cuda":
            raise InexactError("--hwaccel cuda decodes whole videos only")
        segments = find_segments(job.distorted, job.stream, seconds)
        length = sum(len(segment.times) for segment in segments) - job.frame_skip_dist
    assert length is not None, "clips are regular files"
    limit = job.frame_cnt or inf
    if reference is not None:
        other = comparison.reference_length
        if other is None or min(other, limit) != min(length, limit):
            raise InexactError(f"{label(job.reference or '')} is not known to be of its length")
    frames = int(min(length, limit))
    alone = replace(job, reference=None, frame_skip_ref=0)
    if info.kind == "raw":
        step = ceil(seconds * fps / job.subsample) * job.subsample
        return [
            Part(
                replace(
                    alone,
                    frame_skip_dist=job.frame_skip_dist + first,
                    frame_cnt=min(step, frames - first),
                ),
                first,
                None,
            )
            for first in range(0, frames, step)
        ]
    return list(_parts(alone, segments, frames))


def _parts(job: Job, segments: Sequence[Segment], frames: int) -> Iterator[Part]:
    """Segments less what skips and the frame count leave out; frames on the job's own grid."""
    skip = job.frame_skip_dist
    for segment in segments:
        begin = max(segment.first, skip)
        # The next multiple of subsample, counted from the skip.
        begin += -(begin - skip) % job.subsample
        end = min(segment.first + len(segment.times), skip + frames)
        if begin >= end:
            continue
        if end < segment.first + len(segment.times):
            segment = replace(segment, times=segment.times[: end - segment.first], overlap=())
        own = replace(job, frame_skip_dist=begin - segment.first, frame_cnt=0)
        yield Part(own, begin - skip, segment)


def join_parts(
    job: Job, parts: Sequence[Part], scores: Sequence[PartScores], seconds: float
) -> Log:
    """The log of the whole.

    Args:
        job: of the whole.
        parts, scores: in order, as many of one as of the other.
        seconds: of wall-clock time, for the log's frames per second.
    Returns:
        a log whose frames are those of all parts.
    Raises:
        InexactError: where two neighbours differ in the pictures that both have decoded, in the
            model, or in the execution provider.
    """
    if any(scored.features != scores[0].features for scored in scores):
        raise InexactError("a model was changed meanwhile")
    if len({(scored.log.vmafsal or {})["provider"] for scored in scores}) > 1:
        raise InexactError("its parts ran on different execution providers")
    for (part, other), (scored, following) in zip(pairwise(parts), pairwise(scores), strict=True):
        if part.segment is None or other.segment is None:
            continue
        adjacent = part.segment.first + len(part.segment.times) == other.segment.first
        if adjacent and scored.tail != following.head[: len(scored.tail)]:
            raise InexactError(
                f"pictures of {label(job.distorted)} depend on what lies before a key frame"
            )
    logs = [scored.log for scored in scores]
    facts = [log.vmafsal or {} for log in logs]
    first = facts[0]
    whole = {
        **first,
        "settings": {
            **first["settings"],
            "frame_cnt": job.frame_cnt,
            "frame_skip_ref": job.frame_skip_ref,
            "frame_skip_dist": job.frame_skip_dist,
        },
        "input": {**first["input"], "reference": job.reference},
        "truncated": any(one["truncated"] for one in facts),
        "undecodable_frames": sum(one["undecodable_frames"] for one in facts),
        "notices": list(dict.fromkeys(notice for one in facts for notice in one["notices"])),
    }
    frames = [
        FrameFeatures(part.first + frame.index, frame.metrics, pts_time=frame.pts_time)
        for part, log in zip(parts, logs, strict=True)
        for frame in log.frames
    ]
    return replace(logs[0], fps=len(frames) / seconds, frames=frames, vmafsal=whole)
