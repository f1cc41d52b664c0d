"""The commands `prepare`: fetching a corpus, and checking a folder before it is used."""

from __future__ import annotations

import json
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from train.data import BORDER, Pair, find_pictures, open_image, orphans
from train.output import check_outputs, make_folder, track
from vmafsal.errors import InputError, OutputError, UsageError
from vmafsal.files import output_error, sha256_of, write_whole

__all__ = ["DUTS_TR", "Archive", "app", "check_folder", "download", "unpack"]


@dataclass(frozen=True, slots=True)
class Archive:
    """A zip that is published somewhere, and what it must be."""

    name: str
    """Its top folder, and the stem of the zip."""
    url: str
    sha256: str
    pairs: int
    """Images with a mask in it."""


DUTS_TR = Archive(
    name="DUTS-TR",
    url="https://saliencydetection.net/duts/download/DUTS-TR.zip",
    sha256="ce61e023c8f59d022b4d46981cf16813b83d089242e6489a45630d83962ea058",
    pairs=10_553,
)
"""Wang et al., "Learning to Detect Salient Objects with Image-Level Supervision", CVPR 2017."""


def download(archive: Archive, folder: Path) -> Path:
    """Fetch an archive, unless it is there already.

    Args:
        archive: what to fetch.
        folder: where to; made if it is not there.
    Returns:
        path of the whole zip, whose sha256 is right.
    Raises:
        InputError: if the server cannot be reached, or its bytes are not the archive's; nothing
            of them is left behind.
        OutputError: if the disk has no room or cannot be written.
    """
    import pooch
    from requests.exceptions import RequestException

    name = f"{archive.name}.zip"
    pooch.get_logger().setLevel("ERROR")
    server = pooch.HTTPDownloader(timeout=60, headers={"Accept-Encoding": "identity"})
    try:
        pooch.retrieve(archive.url, f"sha256:{archive.sha256}", name, folder, downloader=server)
    except RequestException as error:
        raise InputError(
            f"{archive.url} could not be fetched ({error}). Check the network, or fetch the zip "
            "elsewhere and give it with --zip."
        ) from error
    except ValueError as error:
        raise InputError(
            f"{archive.url} is not {name}, whose sha256 is {archive.sha256}. Fetch the zip "
            "elsewhere and give it with --zip."
        ) from error
    except OSError as error:
        raise output_error(str(folder / name), error) from None
    return folder / name


def unpack(archive: Archive, zip_path: Path, folder: Path) -> Path:
    """Unpack an archive: the target folder is whole or absent.

    Args:
        archive: what the zip must be; its sha256 is checked before it is opened.
        folder: gets `<name>/` in it.
    Returns:
        `folder/<name>`, with images and masks in the DUTS layout.
    Raises:
        InputError: if it is another zip.
        OutputError: if the target exists with something else in it, or the disk has no room.
    """
    target = folder / archive.name
    if target.exists():
        found = 0
        with suppress(InputError):
            found = len(find_pictures(target))
        if found != archive.pairs:
            raise OutputError(
                f"{target} is there already, with {found:,} pairs where {archive.name} has "
                f"{archive.pairs:,}. Move it away, or choose another --out."
            )
        return target
    try:
        digest = sha256_of(zip_path)
    except OSError as error:
        raise InputError(f"{zip_path} cannot be read: {error.strerror}. Check --zip.") from error
    if digest != archive.sha256:
        raise InputError(
            f"{zip_path} is not {archive.name}.zip: its sha256 is {digest}, not {archive.sha256}. "
            "Fetch it again."
        )
    make_folder(folder)
    try:
        with tempfile.TemporaryDirectory(prefix=".", dir=folder) as staging:
            with zipfile.ZipFile(zip_path) as bundle:
                bundle.extractall(staging)
            (Path(staging) / archive.name).replace(target)
    except OSError as error:
        raise output_error(str(target), error) from None
    return target


FINDINGS = {
    "trimaps": "with trimaps (128 is a border, which counts nowhere)",
    "orphans": "without a partner",
    "unreadable": "unreadable",
    "other_size": "mask of another size",
    "ones": "masks of 0 and 1 (multiply them by 255)",
    "not_binary": "masks with gray values (cut at 128)",
    "empty": "masks without an object",
    "full": "masks without background",
}
"""What is looked for in a folder."""
TO_REPAIR = ("unreadable", "other_size", "ones")
"""Findings that keep a folder from being trained on or measured with."""


def check_folder(root: Path) -> dict[str, list[str]]:
    """Read every image and every mask of a folder.

    Args:
        root: in any layout that training reads, with masks.
    Returns:
        of each of FINDINGS the stems, files or sentences.
    Raises:
        InputError: if there is no such folder, layout, or picture with a mask.
    """
    pairs = find_pictures(root)
    found: dict[str, list[str]] = {key: [] for key in FINDINGS}
    found["orphans"] = [path.relative_to(root).as_posix() for path in orphans(root)]
    for pair in track(pairs, "reading"):
        for key, what in _findings(pair):
            found[key].append(what)
    return found


def _findings(pair: Pair) -> Iterator[tuple[str, str]]:
    assert pair.mask is not None
    size = None
    try:
        size = open_image(pair.image, "RGB").size
    except InputError as error:
        yield "unreadable", str(error)
    try:
        mask = open_image(pair.mask, "L")
    except InputError as error:
        yield "unreadable", str(error)
        return
    if size is not None and size != mask.size:
        yield "other_size", f"{pair.stem}: {size[0]}x{size[1]}, mask {mask.width}x{mask.height}"
    values = {level for level, count in enumerate(mask.histogram()) if count}
    if values > {BORDER} and values <= {0, BORDER, 255}:
        yield "trimaps", pair.stem
    elif values in ({1}, {0, 1}):
        yield "ones", pair.stem
        return
    elif not values <= {0, 255}:
        yield "not_binary", pair.stem
    if max(values) <= BORDER:
        yield "empty", pair.stem
    elif min(values) > BORDER:
        yield "full", pair.stem


app = typer.Typer(
    help="Fetch a corpus, or check a folder of pictures and masks.", no_args_is_help=True
)


@app.command()
def duts(
    zip_path: Annotated[
        Path | None, typer.Option("--zip", metavar="FILE", help="A DUTS-TR.zip that is here.")
    ] = None,
    fetch: Annotated[bool, typer.Option("--download", help="Fetch the zip.")] = False,
    out: Annotated[Path, typer.Option(metavar="DIR", help="Gets DUTS-TR/ in it.")] = Path("data"),
) -> None:
    """Unpack DUTS-TR once its sha256 is right: 10,553 images and masks.

    DUTS is free for academic and research purposes; cite Wang et al., CVPR 2017.

    Examples:

        python -m train prepare duts --download --out data

        python -m train prepare duts --zip ~/Downloads/DUTS-TR.zip
    """
    if (zip_path is None) == (not fetch):
        raise UsageError("Give either --zip FILE or --download.")
    if not (out / DUTS_TR.name).exists() and zip_path is None:
        zip_path = download(DUTS_TR, out)
    target = unpack(DUTS_TR, zip_path or out / f"{DUTS_TR.name}.zip", out)
    typer.echo(f"{target} holds {DUTS_TR.pairs:,} pairs.")


@app.command()
def check(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A folder of pairs.")],
    json_path: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Write the findings in full.")
    ] = None,
) -> None:
    """Read every file of a folder of pairs and report what is wrong.

    Exits with 1 where files must be repaired: unreadable ones, masks of another size than their
    image, masks that say 1 for 255. Orphans, gray, empty and full masks are only reported.

    Example:

        python -m train prepare check data/DUTS-TR
    """
    pairs = find_pictures(folder)
    files = [path for pair in pairs for path in pair.files]
    check_outputs((json_path,), [*files, *orphans(folder), *{path.parent for path in files}])
    found = check_folder(folder)
    if json_path is not None:
        document = {"root": str(folder), "pairs": len(pairs), **found}
        write_whole(json_path, json.dumps(document, indent=2) + "\n")
    typer.echo(f"{folder}: {len(pairs):,} pairs")
    for key, names in found.items():
        if names:
            more = f" and {len(names) - 5:,} more" if len(names) > 5 else ""
            typer.echo(f"  {len(names):,} {FINDINGS[key]}: {', '.join(names[:5])}{more}")
    if any(found[key] for key in TO_REPAIR):
        raise typer.Exit(1)
