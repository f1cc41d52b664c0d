"""Log: one log in memory, whatever its format on disk."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from vmafsal.features.frame import FrameFeatures
from vmafsal.features.pooling import Pooled, pool

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["Log"]


@dataclass
class Log:
    """One log: facts, frames, and what is pooled over them."""

    version: str
    """The program that wrote it: "vmafsal 0.1.0", or libvmaf's "3.0.0". Empty if not known."""

    fps: float | None
    """Speed of the run in frames per second of wall-clock time; None if not known."""

    width: int
    """Width of the distorted video in pixels; 0 if not known."""

    height: int
    """Height of the distorted video in pixels; 0 if not known."""

    frames: list[FrameFeatures]
    """The scored frames, in ascending order of their index."""

    aggregate: dict[str, float] = field(default_factory=dict)
    """libvmaf's aggregate_metrics: figures of the whole clip that are no pooled column."""

    vmafsal: dict[str, Any] | None = None
    """Provenance of vmafsal's own logs: the extra last key of JSON, the metadata of Parquet."""

    @property
    def feature_names(self) -> list[str]:
        """The columns, in order of first appearance."""
        return list(dict.fromkeys(name for frame in self.frames for name in frame.metrics))

    def column(self, name: str) -> list[float]:
        """One feature's values, in frame order, of the frames that have it.

        Args:
            name: of the feature.
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

    def to_pandas(self) -> DataFrame:
        """The columns as a DataFrame, one row a frame.

        Returns:
            float64 columns, NaN where a frame has no value; frameNum is the index. pts_time, in
            seconds, is the first column where a frame has it.
        Raises:
            ImportError: if pandas is not installed (pip install 'vmafsal[pandas]').
        """
        from pandas import DataFrame, Index

        columns: dict[str, list[float | None]] = {}
        if any(frame.pts_time is not None for frame in self.frames):
            columns["pts_time"] = [frame.pts_time for frame in self.frames]
        for name in self.feature_names:
            columns[name] = [frame.metrics.get(name) for frame in self.frames]
        numbers = Index([frame.index for frame in self.frames], name="frameNum", dtype="int64")
        return DataFrame(columns, index=numbers, dtype="float64")
