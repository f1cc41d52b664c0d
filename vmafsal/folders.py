"""Output folders: whole or absent, as files are."""

from __future__ import annotations

import os
import re
import secrets
import shutil
from contextlib import suppress

from vmafsal.errors import OutputError
from vmafsal.files import TEMPORARY, output_error

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

__all__ = ["WholeFolder"]


class WholeFolder:
    """A folder that appears at `commit`, with all its files; use it as a context manager.

    Without a commit nothing is left behind, and an older folder stays as it was. One that holds
    anything but earlier output is never replaced.
    """

    def __init__(self, path: str, own: str) -> None:
        """
        Args:
            path: of the folder, as the user is to read it; its parent has to be there.
            own: regular expression of the names of the files that will be written.
        Raises:
            OutputError: if it cannot be written there, or a folder of that name holds other files.
        """
        self.path = path
        self._own = re.compile(own)
        self._lock: int | None = None
        self._check()
        self.temporary = ""
        """Path of the folder to write into."""
        try:
            while not self._create():
                pass
        except OSError as error:
            raise output_error(path, error) from None

    def _check(self) -> None:
        try:
            with os.scandir(self.path) as entries:
                for entry in entries:
                    if not entry.is_file() or not self._own.fullmatch(entry.name):
                        raise OutputError(
                            f"{self.path} would be replaced, and holds {entry.name}, which is not "
                            "ours: move one of the two."
                        )
        except FileNotFoundError:
            pass
        except NotADirectoryError:
            raise OutputError(f"{self.path} is a file, where a folder is to be: move it.") from None
        except OSError as error:
            raise output_error(self.path, error) from None

    def _create(self) -> bool:
        """Make the temporary folder and lock it; False where another process was quicker."""
        self.temporary = self._new_name()
        os.mkdir(self.temporary)
        if fcntl is None:
            return True
        lock = os.open(self.temporary, os.O_RDONLY)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)  # remove_leftovers of another process removes it
            return False
        except OSError:
            pass  # a file system without locks
        if not os.path.isdir(self.temporary):
            os.close(lock)
            return False
        self._lock = lock
        return True

    def _new_name(self) -> str:
        parent = os.path.dirname(os.path.realpath(self.path))
        return os.path.join(parent, TEMPORARY.format(secrets.token_hex(6)))

    def commit(self) -> None:
        """Put the folder in its place.

        Raises:
            OutputError: if that cannot be done; nothing is left behind.
        """
        old = self._new_name()
        try:
            self._check()
            with suppress(FileNotFoundError):
                os.rename(self.path, old)
            os.rename(self.temporary, self.path)
        except OSError as error:
            raise output_error(self.path, error) from None
        self.temporary = ""
        shutil.rmtree(old, ignore_errors=True)

    def __enter__(self) -> WholeFolder:
        return self

    def __exit__(self, *error: object) -> None:
        if self.temporary:
            shutil.rmtree(self.temporary, ignore_errors=True)
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None
