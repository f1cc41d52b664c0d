"""Log: what a run has to say, before it takes one of the four shapes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from vmafsal.features.frame import FrameFeatures
from vmafsal.features.pooling import Pooled, pool

__all__ = ["Log", "LogFormat"]

LogFormat = Literal["json", "xml", "csv", "sub"]


@dataclass
class Log:
    """One log: facts, frames, and what is pooled over them."""

    version: str
    """Who wrote it: "vmafsal 0.1.0", or libvmaf's own "3.0.0"."""

    fps: float | None
    """Frames per second of wall-clock time; None where it is not known."""

    width: int
    """Width of the distorted video in pixels; 0 where it is not known."""

    height: int
    """Height of the distorted video in pixels; 0 where it is not known."""

    frames: list[FrameFeatures]
    """The scored frames, in ascending order of their index."""

    aggregate: dict[str, float] = field(default_factory=dict)
    """libvmaf's aggregate_metrics: figures of the whole clip that are no pooled column."""

    vmafsal: dict[str, Any] | None = None
    """Our provenance: the one extra last key in JSON, and nowhere in the other formats."""

    @property
    def feature_names(self) -> list[str]:
        """The columns, in order of first appearance."""
        return list(dict.fromkeys(name for frame in self.frames for name in frame.metrics))

    def column(self, name: str) -> list[float]:
        """One feature's values, in frame order, from the frames that have it.

        Args:
            name: a feature's name.
        Returns:
            One value a frame; empty where no frame has the feature.
        """
        return [frame.metrics[name] for frame in self.frames if name in frame.metrics]

    def pooled(self) -> dict[str, Pooled]:
        """libvmaf's pooled_metrics, computed from the frames.

        Returns:
            Feature name to min, max, mean and harmonic_mean, in column order.
        """
        return {name: pool(self.column(name)) for name in self.feature_names}
