"""From frames to a batch: N pictures of one size, as a model takes them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import lcm
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vmafsal.models.fuse import CONVERSION, PLANES, PlaneShape
from vmafsal.models.sidecar import InputPolicy
from vmafsal.picture.color import conversion, frame_to_tensor
from vmafsal.picture.padding import padded_size, replicate_edges
from vmafsal.picture.resample import Resampler, canonical_size
from vmafsal.video.frame import Frame

__all__ = ["Batch", "Planes", "Preparer", "View"]


@dataclass(frozen=True, slots=True)
class View:
    """How a model sees a frame. Models with equal views share their tensors."""

    policy: InputPolicy
    multiple: int
    """Height and width are edge-replicated up to a multiple of this."""
    fused: bool = False
    """The graph takes planes, and does colour and padding itself (see models/fuse.py)."""

    @classmethod
    def of(cls, policy: InputPolicy, stride: int, fused: bool = False) -> View:
        """The view of a model with this policy and stride."""
        return cls(policy, 1 if policy.size else lcm(policy.multiple, stride), fused)

    def picture_size(self, height: int, width: int) -> tuple[int, int]:
        """Size of a frame after resampling, which is the size of its map.

        Args:
            height, width: of the frame, in pixels.
        Returns:
            (height, width), in pixels.
        Raises:
            InputError: if the frame is too narrow for the short side that the policy names.
        """
        if self.policy.size is not None:
            return self.policy.size
        if self.policy.short_side is not None:
            return canonical_size(height, width, self.policy.short_side)
        return height, width


@dataclass(slots=True)
class Planes:
    """The planes of N pictures, for a graph that takes them as they are."""

    shape: PlaneShape
    inputs: dict[str, NDArray[Any]]
    """By name, as the shape says."""

    @classmethod
    def empty(cls, shape: PlaneShape) -> Planes:
        """Buffers of this shape. Zeros, since a batch may run before all of it was filled."""
        return cls(
            shape, {name: np.zeros(dims, kind) for name, (kind, dims) in shape.inputs.items()}
        )

    def fill(self, place: int, picture: Frame, policy: InputPolicy) -> None:
        """Put a picture at one place of the batch."""
        for name, plane in zip(PLANES, picture.planes, strict=False):
            self.inputs[name][place] = plane
        if CONVERSION in self.inputs:
            self.inputs[CONVERSION][place, :, 0, 0] = conversion(picture, policy)


@dataclass(frozen=True, slots=True)
class Batch:
    """N pictures of one size, for one inference."""

    count: int
    """How many pictures it holds."""
    height: int
    """Of each picture, in pixels; what a tensor holds beyond it is replicated edge."""
    width: int
    tensor: NDArray[np.float32] | None
    """float32 [count, 3, H, W], normalised; None where the view is fused."""
    planes: Planes | None
    """For a fused view; the first `count` places hold pictures."""


class Preparer:
    """Turns frames into batches, in a buffer that the next batch overwrites.

    For one thread: a batch is to be inferred before the next one is made.
    """

    def __init__(self, view: View, batch_size: int) -> None:
        """
        Args:
            view: what the model wants to see.
            batch_size: frames in a batch at the most.
        """
        self._view = view
        self._batch_size = batch_size
        self._tensor = np.empty((0, 3, 0, 0), np.float32)
        self._planes: Planes | None = None
        policy = view.policy
        self._resample = (
            Resampler(short_side=policy.short_side, size=policy.size)
            if policy.short_side or policy.size
            else None
        )

    def __call__(self, frames: Sequence[Frame]) -> Batch:
        """Resample, convert and pad frames.

        Args:
            frames: of one size, 1 to batch_size of them, no gap among them.
        Returns:
            a batch that is valid until the next call.
        Raises:
            InputError: if the frames are too narrow to be resampled.
        """
        pictures = [self._resample(frame) for frame in frames] if self._resample else frames
        count, first = len(pictures), pictures[0]
        size = (first.height, first.width)
        if self._view.fused:
            return Batch(count, *size, None, self._fill_planes(pictures))
        return Batch(count, *size, self._fill_tensor(pictures), None)

    def _fill_tensor(self, pictures: Sequence[Frame]) -> NDArray[np.float32]:
        height, width = pictures[0].height, pictures[0].width
        shape = (self._batch_size, 3, *padded_size(height, width, self._view.multiple))
        if self._tensor.shape != shape:
            self._tensor = np.empty(shape, np.float32)
        tensor = self._tensor[: len(pictures)]
        for place, picture in zip(tensor, pictures, strict=True):
            frame_to_tensor(picture, self._view.policy, place[:, :height, :width])
        replicate_edges(tensor, height, width)
        return tensor

    def _fill_planes(self, pictures: Sequence[Frame]) -> Planes:
        first = pictures[0]
        shape = PlaneShape(
            frames=self._batch_size,
            height=first.height,
            width=first.width,
            chroma=first.chroma,
            bit_depth=first.bit_depth,
            multiple=self._view.multiple,
        )
        if self._planes is None or self._planes.shape != shape:
            self._planes = Planes.empty(shape)
        for place, picture in enumerate(pictures):
            self._planes.fill(place, picture, self._view.policy)
        return self._planes
