"""Files that come through the browser: kept under names of our own, while they are used."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from tempfile import mkdtemp
from weakref import finalize

from vmafsal.errors import InputError, OutputError

__all__ = ["LIMIT_BYTES", "Upload", "Uploads", "sentence"]

LIMIT_BYTES = 200 << 20
"""Size of the largest file that is taken: it goes through memory."""

_LONGEST_NAME = 80


@dataclass(frozen=True, slots=True)
class Upload:
    """A file that came through the browser."""

    path: str
    """Where it lies; no part of it is from the browser."""
    name: str
    """What the person calls it; for reading, never for opening."""


class Uploads:
    """The uploads of one page: one file for each role, in a folder that goes with this object."""

    def __init__(self, root: str, limit_bytes: int = LIMIT_BYTES) -> None:
        """
        Args:
            root: an existing folder, in which this page gets one of its own.
            limit_bytes: size of the largest file that is taken.
        """
        self._folder = mkdtemp(prefix="page-", dir=root)
        finalize(self, shutil.rmtree, self._folder, ignore_errors=True)
        self._limit = limit_bytes
        self._kept: dict[str, tuple[str, Upload]] = {}
        self._count = 0

    def keep(self, role: str, key: str, name: str, read: Callable[[], bytes]) -> Upload:
        """A file, written on the first call for it; an older one of its role is deleted.

        Args:
            role: what it is for, a word of ours such as "video".
            key: tells one upload from another.
            name: as the browser gives it.
            read: gives its content; not called again for the same key.
        Raises:
            InputError: if it is empty or too large.
            OutputError: if it cannot be written.
        """
        if role in self._kept and self._kept[role][0] == key:
            return self._kept[role][1]
        name = _readable(name)
        data = read()
        if not data:
            raise InputError(f"{name} is empty: choose another file.")
        if len(data) > self._limit:
            raise InputError(
                f"{name} has {len(data) / (1 << 20):.0f} MB, and uploads have at most "
                f"{self._limit >> 20}. Open it by its path: vmafsal explore VIDEO"
            )
        self.drop(role)
        self._count += 1
        path = os.path.join(self._folder, f"{role}-{self._count}")
        try:
            with open(path, "xb") as file:
                file.write(data)
        except OSError as error:
            raise OutputError(f"{name} cannot be kept: {error.strerror}.") from None
        upload = Upload(path, name)
        self._kept[role] = (key, upload)
        return upload

    def drop(self, role: str) -> None:
        """Delete the file of a role, if there is one."""
        if role in self._kept:
            _, upload = self._kept.pop(role)
            if os.path.exists(upload.path):
                os.unlink(upload.path)

    @property
    def names(self) -> dict[str, str]:
        """Path of each file to its name."""
        return {upload.path: upload.name for _, upload in self._kept.values()}


def sentence(error: Exception, names: dict[str, str]) -> str:
    """An error as a person reads it: with names of files where their temporary paths would be.

    Args:
        error: whose message is for the user.
        names: path to name.
    """
    text = str(error)
    for path, name in names.items():
        text = text.replace(path, name).replace(os.path.basename(path), name)
    return text


def _readable(name: str) -> str:
    """A name of at most 80 characters, without folders and without what is no letter or sign."""
    last = re.split(r"[/\\]", name)[-1]
    shown = "".join(letter for letter in last if letter.isprintable()).strip()
    return shown[:_LONGEST_NAME] or "The file"
