"""The videos of a job, opened and checked against what the job says of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from vmafsal.errors import InputError
from vmafsal.job import Job, parse_device
from vmafsal.video import Source, open_source
from vmafsal.video.base import label
from vmafsal.video.pipe import PipePair

__all__ = ["open_job_video"]


def open_job_video(
    job: Job,
    role: Literal["reference", "distorted"],
    open_video: Callable[..., Source] = open_source,
    pipes: PipePair | None = None,
) -> Source:
    """Open a job's reference or distorted video, and check it against what the job says of it.

    Args:
        job: names the video.
        role: which of the two.
        open_video: called as open_source is.
        pipes: from open_pipes(), where both videos may be pipes.
    Returns:
        A source to be closed.
    Raises:
        InputError: if it cannot be read, or contradicts the job.
    """
    path = job.distorted if role == "distorted" else job.reference or ""
    source = open_video(
        path,
        width=job.width,
        height=job.height,
        chroma=job.pixel_format or "420",
        bit_depth=job.bitdepth or 8,
        framerate=job.framerate,
        stream=job.stream,
        role=role,
        # Most references are not decoded at all.
        hwaccel=job.hwaccel if role == "distorted" else "none",
        gpu=parse_device(job.device)[1],
        pipes=pipes,
    )
    info = source.info
    for option, wanted, found in (
        ("--pixel_format", job.pixel_format, info.chroma),
        ("--bitdepth", job.bitdepth, info.bit_depth),
    ):
        if wanted not in (None, found):
            source.close()
            raise InputError(
                f"{label(path)} holds {found}, which {option} {wanted} contradicts. "
                f"Leave {option} out: the file says it itself."
            )
    return source
