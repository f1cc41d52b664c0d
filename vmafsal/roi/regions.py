"""Regions of interest on a picture, as ffmpeg's encoders expect them: as its side data.

PyAV cannot set side data, but the filter addroi can. One graph of many addroi filters is kept,
and the empty regions that it attaches are overwritten. Where PyAV does not let that memory be
written, a graph is made anew for each picture, with the same result.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from vmafsal.roi.rectangles import Rectangle

if TYPE_CHECKING:
    from av import VideoFrame
    from av.filter import Graph

__all__ = ["Regions"]

_FIELDS = 7
# AVRegionOfInterest, in int32: its own size, top, bottom, left, right, and qoffset as a fraction.

_STEP = 32
# Kept graphs have a multiple of this many regions.


class Regions:
    """Attaches rectangles to the pictures of one video."""

    def __init__(
        self, width: int, height: int, pixel_format: str, bit_depth: int = 8, *, kept: bool = True
    ) -> None:
        """
        Args:
            width, height, pixel_format: of the pictures, in ffmpeg's words.
            bit_depth: of a sample.
            kept: keep the graph; False makes one for each picture.
        """
        self._buffer = (
            f"video_size={width}x{height}:pix_fmt={pixel_format}:time_base=1/25:pixel_aspect=1/1"
        )
        # libx264 and libx265 multiply qoffset by 51, and by 6 more for each bit above 8.
        self._range = 51 + 6 * (bit_depth - 8)
        self.kept = kept
        """False once the regions of a kept graph could not be written."""
        self._graphs: dict[int, Graph] = {}

    def __call__(self, picture: VideoFrame, rectangles: list[Rectangle]) -> VideoFrame:
        """The picture with regions.

        Args:
            picture: whose pts and time_base are set.
            rectangles: in pixels, with offsets in QP. Where two overlap, the first counts.
        Returns:
            a frame of the same samples.
        """
        if not rectangles:
            return picture
        marked = self._rewritten(picture, rectangles) if self.kept else None
        if marked is None:
            self.kept = False
            marked = _through(self._graph(rectangles), picture)
        marked.pts, marked.time_base = picture.pts, picture.time_base
        return marked

    def _rewritten(self, picture: VideoFrame, rectangles: list[Rectangle]) -> VideoFrame | None:
        """The picture from the kept graph; None where its regions cannot be written."""
        capacity = -(-len(rectangles) // _STEP) * _STEP
        if capacity not in self._graphs:
            self._graphs[capacity] = self._graph([Rectangle(0, 0, 0, 0, 0)] * capacity)
        marked = _through(self._graphs[capacity], picture)
        side_data: Any = marked.side_data
        regions = memoryview(side_data[0]).cast("B").cast("i")
        if regions.readonly or len(regions) != capacity * _FIELDS:
            return None
        fields: NDArray[np.int32] = np.zeros((capacity, _FIELDS), np.int32)
        fields[:, 0] = regions[0]
        fields[:, 6] = self._range
        fields[: len(rectangles), 1:6] = rectangles
        regions[:] = fields.ravel().data
        return marked

    def _graph(self, rectangles: list[Rectangle]) -> Graph:
        from av.filter import Graph

        graph = Graph()
        last = graph.add("buffer", self._buffer)
        for top, bottom, left, right, offset in rectangles:
            region = f"x={left}:y={top}:w={right - left}:h={bottom - top}"
            added = graph.add("addroi", f"{region}:qoffset={offset}/{self._range}")
            last.link_to(added)
            last = added
        sink = graph.add("buffersink")
        last.link_to(sink)
        graph.configure()
        return graph


def _through(graph: Graph, picture: VideoFrame) -> VideoFrame:
    graph.push(picture)
    return cast("VideoFrame", graph.pull())
