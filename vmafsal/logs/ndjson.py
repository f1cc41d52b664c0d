"""One line of JSON a frame, while the frames are being scored."""

from __future__ import annotations

import json
from collections.abc import Iterable
from contextlib import ExitStack
from typing import BinaryIO

from vmafsal.features.frame import FrameFeatures
from vmafsal.logs.file import check_destination, open_stream, output_error, silence
from vmafsal.logs.number import NumberFormat

__all__ = ["FrameStream", "format_line"]


def format_line(frame: FrameFeatures, number: NumberFormat) -> str:
    """One frame as one line, with the keys of a frame in the JSON log.

    Args:
        frame: what was scored.
        number: how its numbers are printed.
    Returns:
        {"frameNum": 0, "metrics": {"saliency_mean": 0.161187}} and a newline.
    """
    figures = ", ".join(
        f"{json.dumps(name)}: {number.format_json(value)}" for name, value in frame.metrics.items()
    )
    return f'{{"frameNum": {frame.index}, "metrics": {{{figures}}}}}\n'


class FrameStream:
    """Lines that reach their reader as soon as they are written; use it as a context manager.

    A file keeps the lines that were written, however the run ends.
    """

    def __init__(self, path: str, number: NumberFormat, inputs: Iterable[str] = ()) -> None:
        """Open the stream; a named pipe waits here for its reader.

        Args:
            path: a file, which starts empty, a pipe, a device, or "-" for standard output.
            number: how numbers are printed.
            inputs: files of this run that it must not be.
        Raises:
            OutputError: if it cannot be written there.
        """
        self.path = path
        self.reader_gone = False
        """True once the reader of a pipe has left; further lines go nowhere."""
        self._number = number
        self._stack = ExitStack()
        check_destination(path, inputs)
        try:
            self._stream: BinaryIO = self._stack.enter_context(open_stream(path))
        except OSError as error:
            raise output_error(path, error) from None

    def write(self, frame: FrameFeatures) -> None:
        """Write one line and flush it.

        Args:
            frame: what was scored.
        Raises:
            OutputError: if the disk is full.
        """
        if self.reader_gone:
            return
        try:
            self._stream.write(format_line(frame, self._number).encode())
            self._stream.flush()
        except BrokenPipeError:
            silence(self._stream)
            self.reader_gone = True
        except OSError as error:
            silence(self._stream)
            raise output_error(self.path, error) from None

    def close(self) -> None:
        """Close what was opened; standard output stays open."""
        self._stack.close()

    def __enter__(self) -> FrameStream:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()
