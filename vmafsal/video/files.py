"""Opening what the user named: files, pipes and standard input, and what their bytes say."""

from __future__ import annotations

import difflib
import os
import stat
from io import FileIO
from pathlib import Path

from vmafsal.errors import InputError, UsageError
from vmafsal.video.base import STDIN, label

__all__ = ["ByteInput", "container_name", "open_bytes"]

HEAD_BYTES = 512
"""Enough for every signature below: MPEG-TS shows itself by its third packet, at byte 376."""

_STDIN_DESCRIPTOR = 0

_SIGNATURES = (
    (0, b"YUV4MPEG2 ", "Y4M"),
    *((4, box, "MP4 or MOV") for box in (b"ftyp", b"styp", b"moov", b"mdat", b"wide", b"skip")),
    (0, b"\x1a\x45\xdf\xa3", "Matroska or WebM"),
    (0, b"RIFF", "AVI"),
    (0, b"DKIF", "IVF"),
    (0, b"FLV\x01", "FLV"),
    (0, b"nut/multimedia container\0", "NUT"),
    (0, b"OggS", "Ogg"),
    (0, b"\x06\x0e\x2b\x34\x02\x05\x01\x01", "MXF"),
    (0, b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", "ASF or WMV"),
    (0, b"\0\0\x01\xba", "MPEG program stream"),
)
"""(offset, bytes, name): the first bytes of the containers that people hand over."""


class ByteInput:
    """Bytes of a file, a pipe or standard input, whose head was looked at but not lost."""

    def __init__(self, path: str, file: FileIO) -> None:
        self.path = path
        self._file = file
        mode = os.fstat(file.fileno())
        self.is_regular = stat.S_ISREG(mode.st_mode) and path != STDIN
        self.size: int | None = mode.st_size if self.is_regular else None
        self.position = 0
        self.head = self._look()
        self._pending = b"" if self.is_regular else self.head

    def _look(self) -> bytes:
        """The first bytes; a regular file stays at its start."""
        head = b""
        while len(head) < HEAD_BYTES:
            more = self._file.read(HEAD_BYTES - len(head))
            if not more:
                break
            head += more
        if self.is_regular:
            self._file.seek(0)
        return head

    def read(self, count: int) -> bytes:
        """Up to count bytes; empty at the end only."""
        if self._pending:
            part, self._pending = self._pending[:count], self._pending[count:]
        else:
            part = self._file.read(count) or b""
        self.position += len(part)
        return part

    def fill(self, target: memoryview) -> int:
        """Read until `target` is full or the input ends; the number of bytes read."""
        done = 0
        while self._pending and done < len(target):
            part = self.read(len(target) - done)
            target[done : done + len(part)] = part
            done += len(part)
        while done < len(target):
            count = self._file.readinto(target[done:])
            if not count:
                break
            done += count
            self.position += count
        return done

    def skip_to(self, position: int) -> None:
        """Go to a byte of a regular file."""
        self._file.seek(position)
        self.position = position

    def size_now(self) -> int | None:
        """Size of the file as it is now; None for a pipe."""
        return os.fstat(self._file.fileno()).st_size if self.is_regular else None

    def close(self) -> None:
        """Close the file; standard input is left open."""
        self._file.close()


def open_bytes(path: str) -> ByteInput:
    """Open what the user named and look at its first bytes.

    Args:
        path: a file, a named pipe, or "-" for standard input.
    Raises:
        InputError: if it does not exist, is a directory, may not be read, or is empty.
        UsageError: if standard input is a terminal.
    """
    try:
        if path == STDIN:
            if os.isatty(_STDIN_DESCRIPTOR):
                raise UsageError(
                    "Standard input is a terminal. Pipe raw video or Y4M into it, "
                    "or name a file instead of -."
                )
            file = FileIO(_STDIN_DESCRIPTOR, "r", closefd=False)
        else:
            file = FileIO(path, "r")
        try:
            source = ByteInput(path, file)
        except BaseException:
            file.close()
            raise
    except OSError as error:
        raise InputError(_why_not(path, error)) from error
    except ValueError as error:
        raise InputError(f"{path!r} is no path: {error}.") from error
    if not source.head:
        source.close()
        raise InputError(f"{label(path)} is empty: there is no video to read.")
    return source


def container_name(head: bytes) -> str | None:
    """The container that the first bytes of a file announce, or None.

    Args:
        head: the first bytes of the file, 512 where it has as many.
    """
    for offset, signature, name in _SIGNATURES:
        if head[offset : offset + len(signature)] == signature:
            return name
    return "MPEG-TS" if _is_transport_stream(head) else None


def _is_transport_stream(head: bytes) -> bool:
    """Three packet headers in a row: a sync byte every 188 bytes, no error flag, and payload or
    adaptation present, which rules out a flat raw picture (ISO/IEC 13818-1, 2.4.3.2)."""
    packets = [head[start : start + 4] for start in (0, 188, 376)]
    return all(
        len(packet) == 4 and packet[0] == 0x47 and not packet[1] & 0x80 and packet[3] & 0x30
        for packet in packets
    )


def _why_not(path: str, error: OSError) -> str:
    """A sentence for a file that could not be opened."""
    if isinstance(error, FileNotFoundError):
        return f"{path} does not exist.{_near(path)}"
    if isinstance(error, IsADirectoryError) or os.path.isdir(path):
        return f"{path} is a directory. Name one video file in it."
    if isinstance(error, PermissionError):
        return f"{path} may not be read: permission denied. Check its access rights."
    return f"{label(path)} cannot be read: {error.strerror or error}."


def _near(path: str) -> str:
    """A guess at what was meant, from the names beside the one that is missing."""
    if "://" in path:
        return " Only local files are read: download it first."
    missing = Path(path)
    try:
        names = [entry.name for entry in missing.parent.iterdir()]
    except OSError:
        return f" Nor can its folder {missing.parent} be listed."
    close = difflib.get_close_matches(missing.name, names, n=1, cutoff=0.75)
    return f" Did you mean {missing.with_name(close[0])}?" if close else ""
