"""Batch: frames of one size, each prepared once for every way a model wants to see it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from math import lcm
from queue import Empty, SimpleQueue
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vmafsal.models.fuse import CONVERSION, PLANES, PlaneShape
from vmafsal.models.sidecar import InputPolicy
from vmafsal.picture.color import conversion, frame_to_tensor
from vmafsal.picture.resample import Resampler
from vmafsal.video.frame import Frame

__all__ = ["Batch", "Pictures", "Planes", "Preparer", "View"]

_AUTO_PIXELS = 1 << 19
# About as many pixels as 960x540 holds: below that, a call's own cost is worth sharing.
_AUTO_PIXELS_AT_ONCE = 1 << 16
# Where each core infers a batch of its own, what more pixels become does not stay in its cache.
_AUTO_FRAMES = 16


@dataclass(frozen=True, slots=True)
class View:
    """One way to see a frame; models that agree on it share the tensor."""

    policy: InputPolicy
    multiple: int
    """Height and width are edge-replicated up to a multiple of this."""
    fused: bool = False
    """The model's graph takes planes and does colour and edges itself (see fuse.py)."""

    @classmethod
    def of(cls, policy: InputPolicy, stride: int, fused: bool = False) -> View:
        """The view of a model of this policy and stride."""
        return cls(policy, 1 if policy.size else lcm(policy.multiple, stride), fused)


@dataclass(slots=True)
class Planes:
    """The planes of N frames, for a graph that takes them as they are."""

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


@dataclass(slots=True)
class Batch:
    """N frames of one size, stacked for one inference a model."""

    indices: list[int]
    """frameNum of each frame."""
    tensors: dict[View, NDArray[np.float32]]
    """float32 [capacity, 3, H, W]; the first len(indices) hold frames."""
    planes: dict[View, Planes]
    """Instead of a tensor, for views that are fused; the first len(indices) hold frames."""
    sizes: dict[View, tuple[int, int]]
    """(height, width) of the picture inside each tensor; the rest is replicated edge."""


Pictures = dict[View, Frame]
"""A frame as each view has it resampled."""


class Preparer:
    """Turns frames into batches, in a few buffers that go round."""

    def __init__(self, views: Iterable[View], batch_size: int | None, at_once: int = 1) -> None:
        """
        Args:
            views: what to prepare of each frame.
            batch_size: frames in a batch; None chooses by their size.
            at_once: how many batches will be inferred at the same time.
        """
        self._views = tuple(dict.fromkeys(views))
        self._batch_size = batch_size
        self.at_once = at_once
        # One that is being filled, and one that is being inferred.
        self._buffers = 2
        self._free: SimpleQueue[Batch | None] = SimpleQueue()
        self._resamplers = {
            view: Resampler(short_side=view.policy.short_side, size=view.policy.size)
            for view in self._views
            if view.policy.short_side or view.policy.size
        }
        self.batch_size = batch_size or 0
        """Frames in a full batch; 0 until the first frame has told the size."""

    def batches(self, frames: Iterable[Frame]) -> Iterator[Batch]:
        """Group frames, in order, and convert them. Gaps are left out.

        Each batch must be given back: no more than two are out at the same time.

        Args:
            frames: of one size.
        Yields:
            full batches; the last one may be shorter.
        """
        batch: Batch | None = None
        for pictures in self._resampled(frames):
            if batch is None:
                batch = self._wait_for_buffer(pictures)
                if batch is None:
                    return
            self._add(batch, pictures)
            if len(batch.indices) == self.batch_size:
                yield batch
                batch = None
        if batch is not None:
            yield batch

    def groups(self, frames: Iterable[Frame]) -> Iterator[list[Pictures]]:
        """Group frames as batches() does, but only resample them; convert() does the rest."""
        group: list[Pictures] = []
        for pictures in self._resampled(frames):
            group.append(pictures)
            if len(group) == self.batch_size:
                yield group
                group = []
        if group:
            yield group

    def convert(self, group: list[Pictures]) -> Batch:
        """The batch of a group, to be given back. Several threads may call this at once."""
        try:
            batch = self._free.get_nowait() or self._new_batch(group[0])
        except Empty:
            batch = self._new_batch(group[0])
        for pictures in group:
            self._add(batch, pictures)
        return batch

    def give_back(self, batch: Batch) -> None:
        """Let a batch's buffers be filled again."""
        batch.indices.clear()
        self._free.put(batch)

    def stop(self) -> None:
        """Wake a thread that waits for a free buffer, and end its batches."""
        self._free.put(None)

    def _resampled(self, frames: Iterable[Frame]) -> Iterator[Pictures]:
        for frame in frames:
            if frame.is_gap:
                continue
            pictures = {view: self._resample(view, frame) for view in self._views}
            if not self.batch_size:
                self.batch_size = _auto_batch_size(pictures.values(), self.at_once)
            yield pictures

    def _resample(self, view: View, frame: Frame) -> Frame:
        resampler = self._resamplers.get(view)
        return resampler(frame) if resampler else frame

    def _add(self, batch: Batch, pictures: Pictures) -> None:
        place = len(batch.indices)
        for view, picture in pictures.items():
            if view.fused:
                batch.planes[view].fill(place, picture, view.policy)
            else:
                _fill(batch.tensors[view][place], picture, view.policy)
        batch.indices.append(next(iter(pictures.values())).index)

    def _wait_for_buffer(self, pictures: Pictures) -> Batch | None:
        # A new one only while all are in use: one is enough where inference is quick.
        if self._buffers == 0 or not self._free.empty():
            return self._free.get()
        self._buffers -= 1
        return self._new_batch(pictures)

    def _new_batch(self, pictures: Pictures) -> Batch:
        sizes = {view: (picture.height, picture.width) for view, picture in pictures.items()}
        return Batch(
            indices=[],
            tensors={
                view: self._allocate(view, size) for view, size in sizes.items() if not view.fused
            },
            planes={
                view: Planes.empty(self._plane_shape(view, picture))
                for view, picture in pictures.items()
                if view.fused
            },
            sizes=sizes,
        )

    def _allocate(self, view: View, size: tuple[int, int]) -> NDArray[np.float32]:
        height, width = (-(-side // view.multiple) * view.multiple for side in size)
        return np.empty((self.batch_size, 3, height, width), np.float32)

    def _plane_shape(self, view: View, picture: Frame) -> PlaneShape:
        return PlaneShape(
            frames=self.batch_size,
            height=picture.height,
            width=picture.width,
            chroma=picture.chroma,
            bit_depth=picture.bit_depth,
            multiple=view.multiple,
        )


def _auto_batch_size(pictures: Iterable[Frame], at_once: int) -> int:
    largest = max(picture.height * picture.width for picture in pictures)
    pixels = _AUTO_PIXELS if at_once == 1 else _AUTO_PIXELS_AT_ONCE
    return min(max(pixels // largest, 1), _AUTO_FRAMES)


def _fill(tensor: NDArray[Any], picture: Frame, policy: InputPolicy) -> None:
    """Convert into the top left corner and replicate its edges to the right and bottom."""
    height, width = picture.height, picture.width
    frame_to_tensor(picture, policy, tensor[:, :height, :width])
    tensor[:, :height, width:] = tensor[:, :height, width - 1 : width]
    tensor[:, height:] = tensor[:, height - 1 : height]
