"""Outputs that are written to directly: standard output, pipes, devices, descriptors."""

from __future__ import annotations

import os
import re
import sys
from contextlib import AbstractContextManager, nullcontext, suppress
from typing import BinaryIO

__all__ = ["descriptor_of", "open_stream", "silence", "write_stream"]

_DESCRIPTOR = re.compile(r"/(?:dev|proc/self)/fd/(\d+)")
_STREAMS = {"-": 1, "/dev/stdout": 1, "/dev/stderr": 2}


def descriptor_of(path: str) -> int | None:
    """The file descriptor that a name stands for; None for a name of a file.

    Such a name must not be opened or replaced as a file: /dev/stdout may be a file that the
    shell keeps open.
    """
    match = _DESCRIPTOR.fullmatch(path)
    return int(match[1]) if match else _STREAMS.get(path)


def open_stream(path: str) -> AbstractContextManager[BinaryIO]:
    """Open an output that is written to directly.

    Args:
        path: of a file, a pipe or a device; a descriptor such as /dev/fd/3; or "-" for standard
            output.
    Returns:
        The open stream. Leaving its with-block closes it, except standard output.
    Raises:
        OSError: if it cannot be opened.
    """
    descriptor = descriptor_of(path)
    if descriptor is None:
        return open(path, "wb")
    if descriptor == 1:
        sys.stdout.flush()
        return nullcontext(sys.stdout.buffer)
    return open(os.dup(descriptor), "wb")


def write_stream(path: str, data: bytes) -> None:
    """Write everything to an output at once. A reader that has left is no error.

    Args:
        path: as open_stream takes it.
        data: all of it.
    Raises:
        OSError: if it cannot be opened or written.
    """
    with suppress(BrokenPipeError), open_stream(path) as stream:
        try:
            stream.write(data)
            stream.flush()
        except OSError:
            silence(stream)
            raise


def silence(stream: BinaryIO) -> None:
    """Redirect a stream whose reader has left to the null device, so that closing it succeeds.

    Args:
        stream: the stream; one without a descriptor is left alone.
    """
    with suppress(OSError, ValueError):
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, stream.fileno())
        os.close(null)
