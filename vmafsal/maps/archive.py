"""Maps as numbers: one .npz file, which numpy.load reads."""

from __future__ import annotations

import io
import tempfile
import zipfile
from collections.abc import Callable
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

__all__ = ["MapArchive"]

_PIECE_BYTES = 1 << 20


class MapArchive:
    """An .npz of maps, collected on disk so that memory does not grow with the video.

    It holds `maps` float32 [N, H, W], `frames` int64 [N] (positions in the video, from 0) and
    `times` float64 [N] (seconds; NaN where unknown). Use it as a context manager.
    """

    def __init__(self, folder: str) -> None:
        """
        Args:
            folder: where the maps are collected, in a file without a name.
        """
        self._maps = tempfile.TemporaryFile(dir=folder or None)  # noqa: SIM115
        self._shape: tuple[int, ...] = ()
        self._frames: list[int] = []
        self._times: list[float] = []

    def add(self, saliency: NDArray[np.float32], frame: int, time: float | None) -> None:
        """Add a map; all have one size.

        Args:
            saliency: float32 [H, W].
            frame: position in the video.
            time: in seconds, or None.
        """
        self._shape = saliency.shape
        self._frames.append(frame)
        self._times.append(float("nan") if time is None else time)
        self._maps.write(np.ascontiguousarray(saliency, "<f4").tobytes())

    def save(self, write: Callable[[bytes], Any]) -> None:
        """Write the archive.

        Args:
            write: takes its bytes, piece by piece.
        """
        arrays = {
            "frames": np.array(self._frames, np.int64),
            "times": np.array(self._times, np.float64),
        }
        with zipfile.ZipFile(_Writer(write), "w") as archive:
            for name, array in arrays.items():
                with archive.open(f"{name}.npy", "w") as member:
                    np.lib.format.write_array(member, array)
            with archive.open("maps.npy", "w", force_zip64=True) as member:
                header = {
                    "descr": "<f4",
                    "fortran_order": False,
                    "shape": (len(self._frames), *self._shape),
                }
                np.lib.format.write_array_header_1_0(member, header)
                self._maps.seek(0)
                while piece := self._maps.read(_PIECE_BYTES):
                    member.write(piece)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._maps.close()


class _Writer(io.RawIOBase):
    """What ZipFile writes to: a stream that cannot seek."""

    def __init__(self, write: Callable[[bytes], Any]) -> None:
        self._write = write

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        raw = bytes(data)
        self._write(raw)
        return len(raw)
