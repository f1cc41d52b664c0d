"""A clip from the file to its scores, with one decoder or the other."""

from __future__ import annotations

from typing import Any, Literal

import vmafsal

__all__ = ["main"]


def main(
    *,
    path: str,
    model: str | None,
    native: bool,
    device: str,
    hwaccel: Literal["none", "cuda", "auto"],
) -> dict[str, Any]:
    """Score a clip.

    Args:
        path: of the clip.
        model: path or id; None is the packaged default.
        native: run it at the frame's own size.
        device, hwaccel: as vmafsal.extract takes them.
    Returns:
        frames; fps by the log's own clock; hwaccel, which is "cuda" where NVDEC decoded.
    """
    with vmafsal.extract(
        path,
        model=model,
        short_side="native" if native else None,
        device=device,
        hwaccel=hwaccel,
    ) as result:
        result.read()
        settings = result.provenance()["settings"]
    return {
        "frames": len(result.frames),
        "fps": len(result.frames) / result.elapsed_seconds,
        "hwaccel": settings["hwaccel"],
    }
