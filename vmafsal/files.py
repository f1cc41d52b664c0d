"""Output files: whole or absent, and never replacing a file that the run reads.

A file is written under a temporary name beside its destination and renamed when it is complete.
The writer holds a lock on the temporary file until then, so that `remove_leftovers` can tell the
file of a running process from that of a killed one.
"""

from __future__ import annotations

import errno
import hashlib
import os
import secrets
import shutil
import stat
import sys
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from vmafsal.errors import OutputError
from vmafsal.streams import descriptor_of, write_stream

try:
    import fcntl
except ImportError:  # Windows, where a file that is open cannot be removed anyway
    fcntl = None  # type: ignore[assignment]

__all__ = [
    "FULL",
    "TEMPORARY",
    "FilesRead",
    "WholeFile",
    "check_destination",
    "open_output",
    "output_error",
    "remove_leftovers",
    "sha256_of",
    "write_whole",
]

TEMPORARY = ".vmafsal-{}.tmp"
"""Name of a temporary file or folder, with a place for letters."""
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""Error numbers of a disk that is full, or a file that may not grow."""
_REFUSED = (errno.EACCES, errno.EPERM, errno.EROFS)
# Windows distinguishes text from binary descriptors.
_BINARY = getattr(os, "O_BINARY", 0)


class WholeFile:
    """An output that appears at `commit`, whole; use it as a context manager.

    Without a commit nothing is left behind, and an older file stays as it was. Standard output,
    pipes and devices get everything at `commit`.
    """

    def __init__(self, path: str, inputs: Iterable[str | Path] = ()) -> None:
        """See `open_output`."""
        self.path = path
        """As the user named it."""
        self._target = check_destination(path, inputs)
        self._written = bytearray()
        self._temporary: str | None = None
        self._file: BinaryIO | None = None
        if self._target is not None:
            self._create(self._target)

    def _create(self, target: str) -> None:
        try:
            self._temporary, self._file = _create_locked(os.path.dirname(target))
        except OSError as error:
            raise output_error(self.path, error) from None
        with suppress(OSError):
            old, new = os.stat(target), os.stat(self._temporary)
            if (old.st_uid, old.st_gid) != (new.st_uid, new.st_gid):
                with suppress(OSError):
                    os.chown(self._temporary, old.st_uid, old.st_gid)
            os.chmod(self._temporary, stat.S_IMODE(old.st_mode))

    @property
    def temporary(self) -> str | None:
        """Path to write to for a library that opens its file itself; None for a stream."""
        return self._temporary

    def write(self, data: str | bytes) -> None:
        """Add to the output.

        Args:
            data: text, which is written as UTF-8, or bytes.
        Raises:
            OutputError: if the disk is full.
        """
        # surrogateescape: a name from the command line that is not UTF-8 keeps its bytes.
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
        """Put the output in its place.

        A reader of standard output or of a pipe that has left is no error.

        Raises:
            OutputError: if the disk is full or the folder is gone; nothing is left behind.
        """
        try:
            if self._file is None:
                write_stream(self.path, bytes(self._written))
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
        if fcntl is None:
            file.close()  # Windows renames no open file
        try:
            os.replace(self._temporary, self._target)
        except FileNotFoundError:
            if not os.path.isdir(os.path.dirname(self._target)):
                raise
            self.discard()
            raise OutputError(
                f"{self.path} could not be written, because another program removed its temporary "
                "file: run the command again."
            ) from None
        self._temporary = None
        file.close()  # after the rename: the lock guards the temporary file until then

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

    def __enter__(self) -> WholeFile:
        return self

    def __exit__(self, *error: object) -> None:
        self.discard()


def open_output(path: str, inputs: Iterable[str | Path] = ()) -> WholeFile:
    """Open an output before the work is done for it.

    Args:
        path: of the output; "-" is standard output. A symbolic link is followed.
        inputs: files that the run reads, as check_destination takes them.
    Returns:
        The output, to `write` to and to `commit`.
    Raises:
        OutputError: if it cannot be written there.
    """
    return WholeFile(path, inputs)


def write_whole(path: str | Path, data: str | bytes, inputs: Iterable[str | Path] = ()) -> None:
    """Write a file that is whole or absent.

    Args:
        path: of the file.
        data: text, which is written as UTF-8, or bytes.
        inputs: files that the run reads, as check_destination takes them.
    Raises:
        OutputError: if it cannot be written.
    """
    with open_output(str(path), inputs) as file:
        file.write(data)
        file.commit()


def check_destination(path: str, inputs: Iterable[str | Path] = ()) -> str | None:
    """Check that an output can be written.

    Args:
        path: of the output; "-" is standard output.
        inputs: every file that the run reads; "-" is standard input. The output may not be any of
            them, under any name: links are followed. A file that the run looks for may be listed
            even where it does not exist.
    Returns:
        The regular file to write, links followed; None for standard output, a pipe or a device,
        which are written to directly.
    Raises:
        OutputError: if it cannot be written, or is an input.
    """
    try:
        descriptor = descriptor_of(path)
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
            # A new file: its folder must be there.
            os.stat(os.path.join(os.path.dirname(target), ""))
            mode = None
    except OSError as error:
        raise output_error(path, error) from None
    if mode is not None:
        if stat.S_ISBLK(mode) or stat.S_ISSOCK(mode):
            raise OutputError(f"{path} is a disk or a socket: choose a file for the result.")
        effective = os.access in os.supports_effective_ids
        if not os.access(target, os.W_OK, effective_ids=effective):
            raise output_error(path, PermissionError(errno.EACCES, os.strerror(errno.EACCES)))
        if not stat.S_ISREG(mode):
            return None
    if FilesRead(inputs).find(path) is not None:
        raise OutputError(
            f"{path} is a file that this run reads, and would be lost: write the result elsewhere, "
            "or under another name."
        )
    return target


class FilesRead:
    """The files that a run reads, none of which an output may replace.

    Links are followed: a file is the same under all its names. Many outputs can be looked up among
    many files, as none is compared with each of the others.
    """

    def __init__(self, paths: Iterable[str | Path]) -> None:
        """
        Args:
            paths: of the files; "-" is standard input. A file that the run looks for may be listed
                even where it does not exist.
        """
        self._files: dict[object, str] = {}
        for path in map(str, paths):
            with suppress(OSError, ValueError):  # ValueError: it is no path at all
                self._files.setdefault(_identity(path), path)

    def find(self, output: str | Path) -> str | None:
        """The file that an output would replace, or None."""
        with suppress(OSError, ValueError):
            return self._files.get(_identity(str(output)))
        return None


def _identity(path: str) -> object:
    """What all names of a file have in common: its inode, or where it would be made."""
    if path == "-":
        facts = os.fstat(0)
    else:
        try:
            facts = os.stat(path)
        except OSError:
            return os.path.realpath(path)
    return facts.st_dev, facts.st_ino


def remove_leftovers(folder: str | Path) -> int:
    """Remove the temporary files and folders that killed processes left in a folder.

    One that a running process still writes is locked by it and stays, on every machine that
    shares the folder. Where the file system has no locks, all of them stay.

    Args:
        folder: not searched recursively; it need not exist.
    Returns:
        how many were removed.
    """
    removed = 0
    if fcntl is None:
        return removed
    for leftover in Path(folder).glob(TEMPORARY.format("*")):
        with suppress(OSError):
            is_folder = leftover.is_dir()
            handle = os.open(leftover, os.O_RDONLY if is_folder else os.O_RDWR)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(leftover) if is_folder else leftover.unlink()
                removed += 1
            finally:
                os.close(handle)
    return removed


def sha256_of(path: str | Path) -> str:
    """The SHA-256 of a file's content, as hexadecimal digits.

    Raises:
        OSError: if it cannot be read.
    """
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def output_error(path: str, error: OSError) -> OutputError:
    """The message for an output that cannot be written.

    Args:
        path: of the output, as the user named it.
        error: of the operating system.
    Returns:
        The error to raise.
    """
    name = "standard output" if path == "-" else path or "''"
    folder = str(Path(path).parent)
    if error.errno in FULL:
        return OutputError(
            f"{name} could not be written, because the disk is full or a size limit was reached: "
            "free some space, or choose another place."
        )
    if error.errno == errno.ENOENT and not os.path.isdir(folder):
        return OutputError(
            f"{name} cannot be written, because the folder {folder} does not exist: "
            "make it first, or choose another place."
        )
    if error.errno == errno.ENOENT:
        return OutputError(
            f"{name} cannot be written, because {folder} takes no new files: choose another place."
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


def _create_locked(folder: str) -> tuple[str, BinaryIO]:
    """A new temporary file of this process, with a lock that lasts until it is closed."""
    while True:
        path = os.path.join(folder, TEMPORARY.format(secrets.token_hex(6)))
        # O_EXCL with 0o666 lets the kernel apply the umask, as for any new file.
        file = os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _BINARY, 0o666), "wb")
        if fcntl is None:
            return path, file
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()  # remove_leftovers of another process was quicker, and removes it
            continue
        except OSError:
            return path, file  # a file system without locks
        if os.path.exists(path):
            return path, file
        file.close()
