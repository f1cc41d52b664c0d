"""Files that are whole or absent, and the streams that cannot be."""

from __future__ import annotations

import errno
import os
import re
import secrets
import stat
import sys
from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext, suppress
from pathlib import Path
from typing import BinaryIO

from vmafsal.errors import OutputError

__all__ = ["LogFile", "check_destination", "open_log", "open_stream", "output_error", "silence"]

_DESCRIPTOR = re.compile(r"/(?:dev|proc/self)/fd/(\d+)")
_STREAMS = {"-": 1, "/dev/stdout": 1, "/dev/stderr": 2}
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_REFUSED = (errno.EACCES, errno.EPERM, errno.EROFS)
# Windows alone tells text from binary descriptors.
_BINARY = getattr(os, "O_BINARY", 0)


class LogFile:
    """A result on its way to its place; use it as a context manager.

    A regular file is written beside its destination and takes its place at `commit`; without
    a commit nothing is left behind and an older file stays as it was. Standard output, pipes and
    devices get everything at `commit`.
    """

    def __init__(self, path: str, inputs: Iterable[str] = ()) -> None:
        """See `open_log`."""
        self.path = path
        """As the user named it."""
        self._target = check_destination(path, inputs)
        self._written = bytearray()
        self._temporary: str | None = None
        self._file: BinaryIO | None = None
        if self._target is not None:
            self._create(self._target)

    def _create(self, target: str) -> None:
        # O_EXCL with 0o666 lets the kernel apply the umask, as for any new file.
        temporary = os.path.join(os.path.dirname(target), f".vmafsal-{secrets.token_hex(6)}.tmp")
        try:
            handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _BINARY, 0o666)
        except OSError as error:
            raise output_error(self.path, error) from None
        self._temporary = temporary
        self._file = os.fdopen(handle, "wb")
        with suppress(OSError):
            old = os.stat(target)
            if (old.st_uid, old.st_gid) != (os.stat(temporary).st_uid, os.stat(temporary).st_gid):
                with suppress(OSError):
                    os.chown(temporary, old.st_uid, old.st_gid)
            os.chmod(temporary, stat.S_IMODE(old.st_mode))

    def write(self, data: str | bytes) -> None:
        """Add to the result.

        Args:
            data: text, which becomes UTF-8, or bytes.
        Raises:
            OutputError: if the disk is full.
        """
        # surrogateescape: a name from the command line that is no UTF-8 keeps its bytes.
        raw = data.encode("utf-8", "surrogateescape") if isinstance(data, str) else data
        if self._file is None:
            self._written += raw
            return
        try:
            self._file.write(raw)
        except OSError as error:
            self.discard()
            raise output_error(self.path, error) from None

    def commit(self) -> None:
        """Put the result in its place.

        A reader of standard output or of a pipe that has seen enough and left is no error.

        Raises:
            OutputError: if the disk is full or the place is gone; nothing is left behind.
        """
        try:
            if self._file is None:
                _write_directly(self.path, bytes(self._written))
            else:
                self._replace(self._file)
        except OSError as error:
            self.discard()
            raise output_error(self.path, error) from None

    def _replace(self, file: BinaryIO) -> None:
        assert self._temporary is not None
        assert self._target is not None
        file.flush()
        os.fsync(file.fileno())
        file.close()
        os.replace(self._temporary, self._target)
        self._temporary = None

    def discard(self) -> None:
        """Remove what was written so far. Harmless after a commit."""
        if self._file is not None:
            with suppress(OSError):
                self._file.close()
        if self._temporary is not None:
            with suppress(OSError):
                os.unlink(self._temporary)
            self._temporary = None
        self._written.clear()

    def __enter__(self) -> LogFile:
        return self

    def __exit__(self, *error: object) -> None:
        self.discard()


def open_log(path: str, inputs: Iterable[str] = ()) -> LogFile:
    """Make sure that a result can be written, before any work is done for it.

    Args:
        path: where it goes; "-" is standard output. A symbolic link is followed.
        inputs: files that the run reads or writes besides, none of which may be this one.
    Returns:
        The place, to `write` to and to `commit`.
    Raises:
        OutputError: if it cannot be written there.
    """
    return LogFile(path, inputs)


def check_destination(path: str, inputs: Iterable[str] = ()) -> str | None:
    """Whether a result can be written to a place.

    Args:
        path: the place; "-" is standard output.
        inputs: files that it must not be.
    Returns:
        The regular file to write, links followed; None for standard output, a pipe or a device,
        which are written to directly.
    Raises:
        OutputError: if it cannot be written there.
    """
    try:
        descriptor = _descriptor(path)
        if descriptor is not None:
            if descriptor != 1:
                os.fstat(descriptor)
            elif sys.stdout is None or sys.stdout.closed:
                raise OSError(errno.EBADF, os.strerror(errno.EBADF))
            return None
        target = os.path.realpath(path)
        if not path or path.endswith(("/", os.sep)) or os.path.isdir(target):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        try:
            mode = os.stat(path).st_mode
        except FileNotFoundError:
            # The parent answers for what is not there yet.
            os.stat(os.path.join(os.path.dirname(target), ""))
            return target
    except OSError as error:
        raise output_error(path, error) from None
    if stat.S_ISBLK(mode) or stat.S_ISSOCK(mode):
        raise OutputError(f"{path} is a disk or a socket, which no log goes to: choose a file.")
    effective = os.access in os.supports_effective_ids
    if not os.access(target, os.W_OK, effective_ids=effective):
        raise output_error(path, PermissionError(errno.EACCES, os.strerror(errno.EACCES)))
    if not stat.S_ISREG(mode):
        return None
    for other in inputs:
        with suppress(OSError):
            if os.path.samefile(target, other):
                raise OutputError(
                    f"{path} is itself one of the files of this run, and would be lost: "
                    "give the result another name."
                )
    return target


def open_stream(path: str) -> AbstractContextManager[BinaryIO]:
    """Open a place that is written to directly.

    Args:
        path: of a pipe, a device, a descriptor such as /dev/fd/3, or "-".
    Returns:
        The open stream; leaving its with-block closes all but standard output.
    Raises:
        OSError: if it cannot be opened.
    """
    descriptor = _descriptor(path)
    if descriptor is None:
        return open(path, "wb")
    if descriptor == 1:
        sys.stdout.flush()
        return nullcontext(sys.stdout.buffer)
    return open(os.dup(descriptor), "wb")


def silence(stream: BinaryIO) -> None:
    """Point a stream whose reader is gone at nothing, so that closing it stays quiet.

    Args:
        stream: the stream; one without a descriptor is left alone.
    """
    with suppress(OSError, ValueError):
        nothing = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nothing, stream.fileno())
        os.close(nothing)


def output_error(path: str, error: OSError) -> OutputError:
    """The sentence for a place that cannot be written.

    Args:
        path: the place, as the user named it.
        error: what the system said.
    Returns:
        The error to raise.
    """
    name = "standard output" if path == "-" else path or "''"
    folder = str(Path(path).parent)
    if error.errno in _FULL:
        return OutputError(
            f"{name} could not be written, because the disk is full or a size limit was reached: "
            "free some space, or choose another place."
        )
    if error.errno == errno.ENOENT:
        return OutputError(
            f"{name} cannot be written, because the folder {folder} does not exist: "
            "make it first, or choose another place."
        )
    if error.errno == errno.EISDIR:
        return OutputError(f"{name} is a folder, not a file: name a file in it.")
    if error.errno == errno.ENOTDIR:
        return OutputError(f"{name} cannot be written, because {folder} is no folder.")
    if error.errno in _REFUSED:
        return OutputError(
            f"{name} cannot be written, because you may not write there: "
            "change the permissions of the file or its folder, or choose another place."
        )
    return OutputError(
        f"{name} cannot be written ({error.strerror or error}): choose another place."
    )


def _descriptor(path: str) -> int | None:
    """The descriptor that a name stands for.

    Such a name must not be opened or replaced as a file: behind /dev/stdout there may be one that
    the shell keeps open.
    """
    match = _DESCRIPTOR.fullmatch(path)
    return int(match[1]) if match else _STREAMS.get(path)


def _write_directly(path: str, data: bytes) -> None:
    with suppress(BrokenPipeError), open_stream(path) as stream:
        try:
            stream.write(data)
            stream.flush()
        except OSError:
            silence(stream)
            raise
