"""NVDEC through ffmpeg: containers that a GPU decodes, where it gives the same pictures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from vmafsal.errors import DeviceError, InputError
from vmafsal.video.container import ContainerSource
from vmafsal.video.files import ByteInput
from vmafsal.video.streams import reading

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.stream import VideoStream

__all__ = ["AcceleratedSource"]


class _UnacceleratedError(Exception):
    """NVDEC cannot decode a stream; why, as the end of a sentence."""


class AcceleratedSource(ContainerSource):
    """A container that is decoded on a GPU, if the result equals software's.

    Facts are read with the software decoder. The first picture is decoded by both and must be the
    same in every sample: what a GPU supports depends on its generation, and a stream that is
    cropped at the left or the top comes back shifted. Pictures are copied to system memory (as
    nv12 or p010, for example) and unpacked like any other.
    """

    def __init__(
        self,
        source: ByteInput,
        stream: int | None = None,
        hwaccel: Literal["cuda", "auto"] = "auto",
        gpu: int = 0,
        format_name: str | None = None,
    ) -> None:
        """
        Args:
            source: a file; a pipe is decoded in software.
            stream: which of its video streams, from 0; None is the first.
            hwaccel: "auto" falls back to software, with a notice, where NVDEC cannot decode.
            gpu: its number.
            format_name: as of ContainerSource.
        Raises:
            DeviceError: if "cuda" was requested and cannot decode it.
            InputError: if the file cannot be read.
        """
        super().__init__(source, stream, format_name)
        try:
            self._compare(gpu)
            container, chosen = self._open_accelerated(gpu)
        except _UnacceleratedError as error:
            if hwaccel == "auto":
                self.notices.append(f"{self._name} is decoded in software: {error}.")
                return
            self._container.close()
            raise DeviceError(
                f"{self._name} cannot be decoded on a GPU: {error}. Use --hwaccel auto, which "
                "lets software decode where it has to, or leave --hwaccel out."
            ) from error
        self._container.close()
        self._container, self._stream = container, chosen
        self.hwaccel = "cuda"

    def _open_accelerated(self, gpu: int) -> tuple[InputContainer, VideoStream]:
        from av.codec.hwaccel import HWAccel

        if self.info.size_bytes is None:
            raise _UnacceleratedError("a pipe cannot be opened twice, to compare")
        # The primary context is the one that ONNX Runtime uses: another takes memory and time.
        settings = HWAccel("cuda", str(gpu), False, {"primary_ctx": "1"})
        missing = f"ffmpeg decodes {self.info.codec} without a GPU"
        try:
            container, stream = self._open(settings)
        except InputError as error:
            said = getattr(error.__cause__, "strerror", error)
            raise _UnacceleratedError(
                f"no NVIDIA GPU with its driver was found (ffmpeg says: {said})"
            ) from error
        except RuntimeError as error:  # PyAV's, where no stream of the file has a decoder there
            raise _UnacceleratedError(missing) from error
        if not stream.codec_context.is_hwaccel:
            container.close()
            raise _UnacceleratedError(missing)
        return container, stream

    def _compare(self, gpu: int) -> None:
        """Check that the first picture is the same from the GPU and from software."""
        theirs = self._first(*self._open_accelerated(gpu))
        ours = self._first(*self._open())
        if not all(map(np.array_equal, ours, theirs)):
            raise _UnacceleratedError("its first picture comes out otherwise on the GPU")

    def _first(self, container: InputContainer, stream: VideoStream) -> tuple[NDArray[Any], ...]:
        """The planes of the first picture; the container is closed."""
        with container:
            try:
                with reading(self._name):
                    for picture in container.decode(stream):
                        self._look_at(picture)
                        return self._frame(picture, 0, None).planes
            except InputError as error:
                raise _UnacceleratedError("its first picture cannot be decoded there") from error
        raise _UnacceleratedError("it holds no picture")
