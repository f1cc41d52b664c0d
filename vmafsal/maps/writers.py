"""Maps as files: a folder of PNG files, one picture, the numbers, or a video, whole or absent."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Generator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from vmafsal.errors import OutputError, UsageError
from vmafsal.files import open_output, output_error, write_whole
from vmafsal.maps.movie import FORMATS

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from vmafsal.maps.views import View
    from vmafsal.video.base import SourceInfo
    from vmafsal.video.frame import Frame

__all__ = ["MapOutput", "Writing", "choose_view", "picture_stem"]

_STILL = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp", ".heic", ".avif")
_FPS = 25.0
"""Frame rate of a video of maps where the input does not say its own."""

Writing = tuple["Callable[[Frame, NDArray[np.float32], int], None]", Callable[[], None]]
"""Takes a frame, its map, and its position in the video; and ends the output, which is then in its
place."""


def choose_view(
    view: str | None,
    colormap: str | None = None,
    alpha: float | None = None,
    png_bits: int = 8,
    *,
    ending: str,
) -> View | None:
    """What is drawn.

    Args:
        view, colormap, alpha, png_bits: as --view, --colormap, --alpha and --png-bits.
        ending: of the output, ".png" for a folder too.
    Returns:
        None for gray maps and for numbers.
    Raises:
        UsageError: for options that make no sense together.
    """
    from vmafsal.maps.views import View

    if png_bits not in (8, 16):
        raise UsageError(f"--png-bits is 8 or 16, not {png_bits}.")
    if ending == ".npz":
        if (view, colormap, alpha, png_bits) != (None, None, None, 8):
            raise UsageError(
                "A .npz holds the numbers of the maps: leave --view, --colormap, --alpha and "
                "--png-bits out."
            )
        return None
    kind = view or ("map" if ending == ".png" else "overlay")
    if alpha is not None and kind != "overlay":
        raise UsageError(f"--alpha is of overlays; with --view {kind} it does nothing.")
    gray = ending == ".png" and kind == "map" and colormap in (None, "gray")
    if png_bits == 16 and not gray:
        raise UsageError("Only gray PNG files of maps have 16 bits: leave --png-bits out.")
    chosen = View(kind, colormap or "inferno", 0.6 if alpha is None else alpha)
    return None if gray else chosen


def picture_stem(video: str) -> str:
    """What the names of a video's pictures begin with; of a sequence img_%04d.png, "img"."""
    if video == "-":
        return "stdin"
    return re.sub(r"[_.-]?%(0\d+)?d", "", Path(video).stem) or "frame"


@dataclass(frozen=True, slots=True)
class MapOutput:
    """Where the maps of one video go, and how they are drawn."""

    path: str
    """A file, or a folder."""
    is_folder: bool
    view: View | None
    """None for gray maps and for numbers."""
    png_bits: int = 8

    @property
    def is_movie(self) -> bool:
        """Whether it is a video."""
        return not self.is_folder and Path(self.path).suffix.lower() in FORMATS

    def open(
        self, info: SourceInfo, every: int, inputs: Sequence[str]
    ) -> AbstractContextManager[Writing]:
        """Begin to write.

        Args:
            info: of the video.
            every: every so manieth of its frames will come.
            inputs: files that no output may replace.
        Returns:
            a context manager. Left before the end was told, it leaves nothing behind, but for the
            pictures of a folder, each of which is whole.
        Raises:
            OutputError: if it cannot be written there, now or later.
        """
        if self.is_folder:
            return self._folder(info, inputs)
        ending = Path(self.path).suffix.lower()
        if ending == ".png":
            return self._picture(info, inputs)
        if ending == ".npz":
            return self._numbers(inputs)
        return self._movie(info, every, inputs, FORMATS[ending])

    def _png(self, frame: Frame, saliency: NDArray[np.float32]) -> bytes:
        from vmafsal.maps.png import encode_png
        from vmafsal.maps.views import gray_levels

        if self.view is not None:
            return encode_png(self.view.draw(frame, saliency))
        levels = gray_levels(saliency, frame.height, frame.width, self.png_bits)
        return encode_png(levels.astype("u1") if self.png_bits == 8 else levels)

    @contextmanager
    def _folder(self, info: SourceInfo, inputs: Sequence[str]) -> Generator[Writing]:
        """One PNG a frame: clip_000000.png; of a picture, photo.png."""
        from vmafsal.video.images import is_image_pattern

        try:
            os.makedirs(self.path, exist_ok=True)
        except OSError as error:
            raise output_error(self.path, error) from None
        stem = picture_stem(info.path)
        still = Path(info.path).suffix.lower() in _STILL and not is_image_pattern(info.path)

        def add(frame: Frame, saliency: NDArray[np.float32], index: int) -> None:
            name = f"{stem}.png" if still and not index else f"{stem}_{index:06d}.png"
            write_whole(os.path.join(self.path, name), self._png(frame, saliency), inputs)

        yield add, lambda: None

    @contextmanager
    def _picture(self, info: SourceInfo, inputs: Sequence[str]) -> Generator[Writing]:
        """One PNG, for an input of one frame."""
        with open_output(self.path, inputs) as file:
            written: list[int] = []

            def add(frame: Frame, saliency: NDArray[np.float32], index: int) -> None:
                if written:
                    raise UsageError(
                        f"{info.path} has more than one frame, and {self.path} holds one. Name a "
                        "folder, or choose a frame: --frames 0:1"
                    )
                written.append(index)
                file.write(self._png(frame, saliency))

            yield add, file.commit

    @contextmanager
    def _numbers(self, inputs: Sequence[str]) -> Generator[Writing]:
        """One .npz."""
        from vmafsal.maps.archive import MapArchive

        with (
            open_output(self.path, inputs) as file,
            MapArchive(os.path.dirname(os.path.realpath(self.path))) as archive,
        ):

            def add(frame: Frame, saliency: NDArray[np.float32], index: int) -> None:
                try:
                    archive.add(saliency, index, frame.time)
                except OSError as error:
                    raise output_error(self.path, error) from None

            def finish() -> None:
                archive.save(file.write)
                file.commit()

            yield add, finish

    @contextmanager
    def _movie(
        self, info: SourceInfo, every: int, inputs: Sequence[str], container: str
    ) -> Generator[Writing]:
        """One video."""
        from vmafsal.maps.movie import Movie

        view = self.view
        assert view is not None
        fps = (info.fps or _FPS) / every
        height, width = view.size(info.height, info.width)
        with open_output(self.path, inputs) as file:
            if file.temporary is None:
                raise OutputError(f"{self.path} is no regular file, and a video needs one.")
            with Movie(file.temporary, container, height, width, fps, self.path) as movie:
                start: list[float] = []

                def add(frame: Frame, saliency: NDArray[np.float32], index: int) -> None:
                    picture = view.draw(frame, saliency)
                    if frame.time is None:
                        movie.add(picture, frame.index / every / fps)
                        return
                    if not start:
                        start.append(frame.time)
                    movie.add(picture, frame.time - start[0])

                def finish() -> None:
                    movie.finish()
                    file.commit()

                yield add, finish
