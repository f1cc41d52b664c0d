"""What a log says of its making: models, settings, input, versions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from vmafsal import __version__
from vmafsal.files import sha256_of

if TYPE_CHECKING:
    from vmafsal.infer.session import Session
    from vmafsal.job import Job
    from vmafsal.pipeline import Column
    from vmafsal.video import Source

__all__ = ["describe_columns", "describe_run"]

_COUNTED = ("frame_cnt", "frame_skip_ref", "frame_skip_dist")


def describe_columns(columns: Mapping[str, Column]) -> dict[str, Any]:
    """The model behind each column, and how it sees a picture.

    Args:
        columns: by name.
    Returns:
        name to facts, as JSON can hold them.
    """
    described = {}
    for name, column in columns.items():
        model, policy = column.network.model, column.network.view.policy
        described[name] = {
            "model": model.id,
            "sha256": model.sha256,
            "smoke": model.smoke,
            "color": policy.color,
            "range": policy.range,
            "short_side": policy.short_side or "native",
            "stride": model.stride,
            "stats": bool(column.of_change),
        }
    return described


def describe_run(
    job: Job,
    counted: Job,
    distorted: Source,
    session: Session,
    *,
    batch_size: int,
    undecodable: int,
    notices: Sequence[str],
) -> dict[str, Any]:
    """Provider, settings, input and versions of a run.

    Args:
        job: what was asked.
        counted: the same with its times in frames, so that logs join by frame number.
        distorted: the video that was scored.
        session: of the first column.
        batch_size: frames in one inference.
        undecodable: pictures that could not be decoded.
        notices: sentences about what is worth knowing.
    Returns:
        facts, as JSON can hold them.
    """
    info, files = distorted.info, job.post_files
    return {
        "provider": session.provider,
        "settings": {
            **job.settings(),
            **{name: getattr(counted, name) for name in _COUNTED},
            "threads": session.threads,
            "batch_size": batch_size,
            "tf32": session.tf32,
            "hwaccel": distorted.hwaccel,
        },
        **({"post_files": {path: sha256_of(path) for path in files}} if files else {}),
        "input": {
            "reference": job.reference,
            "distorted": job.distorted,
            "kind": info.kind,
            "codec": info.codec,
            "width": info.width,
            "height": info.height,
            "pixel_format": info.chroma,
            "bitdepth": info.bit_depth,
            "fps": info.fps,
            "matrix": info.matrix,
            "full_range": info.full_range,
        },
        "truncated": distorted.truncated,
        "undecodable_frames": undecodable,
        "notices": list(notices),
        "versions": {
            "vmafsal": __version__,
            **{name: version(name) for name in ("av", "numpy", "onnx")},
            "onnxruntime": session.runtime_version,
        },
    }
