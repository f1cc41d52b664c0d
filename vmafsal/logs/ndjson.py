"""One line of JSON a frame, while the frames are being scored."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import ExitStack
from typing import BinaryIO

from vmafsal.features.frame import FrameFeatures
from vmafsal.files import check_destination, output_error
from vmafsal.logs.number import NumberFormat
from vmafsal.logs.write import format_line
from vmafsal.streams import open_stream, silence

__all__ = ["FrameStream"]


class FrameStream:
    """Lines that are flushed one by one; use it as a context manager.

    A file keeps the lines that were written, however the run ends.
    """

    def __init__(self, path: str, number: NumberFormat, inputs: Iterable[str] = ()) -> None:
        """Open the stream; a named pipe waits here for its reader.

        Args:
            path: a file, whose older content stays until the first frame is written, a pipe, a
                device, or "-" for standard output.
            number: how numbers are printed.
            inputs: files that the run reads, as check_destination takes them.
        Raises:
            OutputError: if it cannot be written there.
        """
        self.path = path
        self.reader_gone = False
        """True once the reader of a pipe has left; further lines go nowhere."""
        self._number = number
        self._stack = ExitStack()
        self._stream: BinaryIO | None = None
        if check_destination(path, inputs) is None:
            self._open()

    def _open(self) -> BinaryIO:
        try:
            self._stream = self._stack.enter_context(open_stream(self.path))
        except OSError as error:
            raise output_error(self.path, error) from None
        return self._stream

    def write(self, frame: FrameFeatures) -> None:
        """Write one line and flush it.

        Args:
            frame: what was scored.
        Raises:
            OutputError: if the disk is full.
        """
        if self.reader_gone:
            return
        stream = self._stream or self._open()
        try:
            stream.write(format_line(frame, self._number).encode())
            stream.flush()
        except BrokenPipeError:
            silence(stream)
            self.reader_gone = True
        except OSError as error:
            silence(stream)
            raise output_error(self.path, error) from None

    def close(self) -> None:
        """Close what was opened; standard output stays open."""
        self._stack.close()

    def __enter__(self) -> FrameStream:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()
