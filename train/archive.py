"""A published zip onto the disk: fetched, verified, unpacked; whole or not at all."""

from __future__ import annotations

import shutil
import stat
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from train.data import find_pictures
from train.output import Progress, silent
from vmafsal.errors import InputError, OutputError
from vmafsal.files import sha256_of

__all__ = ["DUTS_TR", "Archive", "download", "unpack", "verify"]

_CHUNK = 1 << 20
_TIMEOUT_S = 60


@dataclass(frozen=True, slots=True)
class Archive:
    """A zip that is published somewhere, and what it must be."""

    name: str
    """Its top folder, and the stem of the zip."""
    url: str
    length: int
    """In bytes."""
    sha256: str
    pairs: int
    """Images with a mask in it."""


DUTS_TR = Archive(
    name="DUTS-TR",
    url="https://saliencydetection.net/duts/download/DUTS-TR.zip",
    length=270_997_309,
    sha256="ce61e023c8f59d022b4d46981cf16813b83d089242e6489a45630d83962ea058",
    pairs=10_553,
)
"""Wang et al., "Learning to Detect Salient Objects with Image-Level Supervision", CVPR 2017."""


def download(
    archive: Archive, folder: Path, url: str | None = None, progress: Progress = silent
) -> Path:
    """Fetch an archive, unless it is there already.

    Args:
        archive: what to fetch.
        folder: where to; made if it is not there.
        url: a mirror to fetch from instead.
    Returns:
        path of the whole zip, whose length and sha256 are right.
    Raises:
        InputError: if the server cannot be reached, or its bytes are not the archive's; nothing
            of them is left behind.
        OutputError: if the disk has no room or cannot be written.
    """
    import pooch
    import requests

    whole = folder / f"{archive.name}.zip"
    source = url or archive.url
    with _writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        if whole.is_file():
            verify(archive, whole)
            return whole
        _need_room(folder, archive.length)
        fetch = pooch.HTTPDownloader(timeout=_TIMEOUT_S, headers={"Accept-Encoding": "identity"})
        progress(whole.name, 0, 1)
        pooch.get_logger().setLevel("ERROR")
        try:
            pooch.retrieve(
                source, f"sha256:{archive.sha256}", fname=whole.name, path=folder, downloader=fetch
            )
        except requests.exceptions.RequestException as error:
            raise InputError(
                f"{source} could not be fetched ({error}). Check --url and the network, or fetch "
                "the zip with a browser and give it with --zip."
            ) from error
        except ValueError as error:
            raise InputError(
                f"{source} is not {archive.name}.zip, whose sha256 is {archive.sha256}. "
                "Check --url."
            ) from error
        progress(whole.name, 1, 1)
    verify(archive, whole)
    return whole


def verify(archive: Archive, path: Path, progress: Progress = silent) -> None:
    """Check a zip's length, then its sha256.

    Raises:
        InputError: naming what differs.
    """
    try:
        length = path.stat().st_size
        progress("sha256", 0, archive.length)
        if length == archive.length:
            digest = sha256_of(path)
            progress("sha256", archive.length, archive.length)
            if digest == archive.sha256:
                return
            differs = f"its sha256 is {digest}, not {archive.sha256}"
        else:
            differs = f"it has {length:,} bytes, not {archive.length:,}"
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}. Check --zip.") from error
    raise InputError(f"{path} is not {archive.name}.zip: {differs}. Fetch it again.")


def unpack(archive: Archive, zip_path: Path, folder: Path, progress: Progress = silent) -> Path:
    """Unpack a verified archive: the target folder is whole or absent.

    Args:
        archive: what the zip must be; length and sha256 are checked before it is opened.
        folder: gets `<name>/` in it.
    Returns:
        `folder/<name>`, with images and masks in the DUTS layout.
    Raises:
        InputError: if it is another zip, damaged, has paths outside the target, or does not
            hold the pairs it should.
        OutputError: if the target exists with something else in it, or the disk has no room.
    """
    target = folder / archive.name
    if target.exists():
        _check_present(archive, target)
        return target
    verify(archive, zip_path, progress)
    with _writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        staging = Path(tempfile.mkdtemp(prefix=f".{archive.name}.", dir=folder))
        try:
            _extract(archive, zip_path, staging, progress)
            inner = staging / archive.name
            top = inner if inner.is_dir() else staging
            found = len(find_pictures(top))
            if found != archive.pairs:
                raise InputError(
                    f"{zip_path} holds {found:,} pairs where {archive.name} has {archive.pairs:,}."
                )
            # mkdtemp's folder is for its owner alone; what comes out of it is data for everybody.
            top.chmod(0o755)
            top.replace(target)
        finally:
            shutil.rmtree(staging, ignore_errors=True)
    return target


def _check_present(archive: Archive, target: Path) -> None:
    try:
        found = len(find_pictures(target))
    except InputError:
        found = 0
    if found != archive.pairs:
        raise OutputError(
            f"{target} is there already, with {found:,} pairs where {archive.name} has "
            f"{archive.pairs:,}. Move it away, or choose another --out."
        )


def _extract(archive: Archive, zip_path: Path, staging: Path, progress: Progress) -> None:
    try:
        with zipfile.ZipFile(zip_path) as bundle:
            members = [member for member in bundle.infolist() if not member.is_dir()]
            for member in members:
                _refuse_unsafe(member, zip_path)
            _need_room(staging, sum(member.file_size for member in members))
            for number, member in enumerate(members, 1):
                path = staging.joinpath(*PurePosixPath(member.filename).parts)
                path.parent.mkdir(parents=True, exist_ok=True)
                with bundle.open(member) as source, open(path, "xb") as file:
                    shutil.copyfileobj(source, file, _CHUNK)
                progress(f"unpacking {archive.name}", number, len(members))
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, EOFError, RuntimeError) as error:
        raise InputError(f"{zip_path} cannot be unpacked: {error}. Fetch it again.") from error
    except (FileExistsError, NotADirectoryError, IsADirectoryError) as error:
        raise InputError(f"{zip_path} holds {error.filename} twice. It is no sound zip.") from error


def _refuse_unsafe(member: zipfile.ZipInfo, zip_path: Path) -> None:
    """Refuse a path that is not that of a plain file below the target."""
    name = member.filename
    parts = PurePosixPath(name).parts
    kind = stat.S_IFMT(member.external_attr >> 16)
    if (
        not parts
        or name.startswith("/")
        or "\\" in name
        or ":" in parts[0]
        or ".." in parts
        or kind not in (0, stat.S_IFREG)
    ):
        raise InputError(
            f"{zip_path} holds {name!r}, which is no plain file below the target. "
            "It is not unpacked."
        )


def _need_room(folder: Path, wanted: int) -> None:
    free = shutil.disk_usage(folder).free
    if wanted > free:
        raise OutputError(
            f"{folder} has {free:,} bytes free where {wanted:,} are needed. Make room, or choose "
            "another --out."
        )


@contextmanager
def _writing(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise OutputError(f"{folder} cannot be written: {error.strerror or error}.") from error
