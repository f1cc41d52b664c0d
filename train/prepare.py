"""Getting a corpus, and looking a folder of pairs over before it is used."""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from train.archive import DUTS_TR, download, unpack
from train.cutouts import cut_outs_in
from train.data import BORDER, Pair, find_pairs, read_alpha, read_gray, read_rgb
from train.output import Progress, progress_bar, refuse_unwritable, silent, write_whole
from vmafsal.errors import InputError, OutputError, UsageError, VmafsalError

__all__ = ["FolderCheck", "app", "check_folder"]


@dataclass
class FolderCheck:
    """What a look at every file of a folder of pairs found."""

    root: str
    pairs: int = 0
    orphans: list[str] = field(default_factory=list)
    """Images without a mask and masks without an image."""
    unreadable: list[str] = field(default_factory=list)
    """A sentence each."""
    other_size: list[str] = field(default_factory=list)
    """Pairs whose mask has another size than the image."""
    ones: list[str] = field(default_factory=list)
    """Masks of 0 and 1 where 0 and 255 are meant: they would read as empty."""
    not_binary: list[str] = field(default_factory=list)
    """Masks with other values than 0 and 255, which are cut at 128."""
    trimaps: int = 0
    """Masks of 0, 128 and 255: 128 is the border, which counts nowhere."""
    empty: list[str] = field(default_factory=list)
    """Masks without an object."""
    full: list[str] = field(default_factory=list)
    """Masks without background."""

    @property
    def usable(self) -> bool:
        """False where files must be mended before the folder is trained on or measured with."""
        return not (self.unreadable or self.other_size or self.ones)


def check_folder(root: Path, progress: Progress = silent) -> FolderCheck:
    """Read every image and every mask of a folder of pairs.

    Args:
        root: in any layout that training reads.
    Raises:
        InputError: if there is no such folder, layout, or pair.
    """
    dataset = find_pairs(root)
    found = FolderCheck(root=str(root), pairs=len(dataset.pairs))
    found.orphans = [path.relative_to(root).as_posix() for path in dataset.orphans]
    for number, pair in enumerate(dataset.pairs, 1):
        _check_pair(pair, found)
        progress("reading", number, len(dataset.pairs))
    return found


def _check_pair(pair: Pair, found: FolderCheck) -> None:
    if pair.cutout:
        try:
            read_alpha(pair.image)
        except VmafsalError as error:
            found.unreadable.append(str(error))
        return
    read: dict[Path, tuple[int, ...]] = {}
    label = np.zeros((0, 0), np.uint8)
    for path in (pair.image, pair.label):
        try:
            pixels = read_rgb(path) if path == pair.image else read_gray(path)
        except VmafsalError as error:
            found.unreadable.append(str(error))
            continue
        read[path] = pixels.shape[:2]
        label = pixels
    if len(read) == 2 and read[pair.image] != read[pair.label]:
        (high, wide), (mask_high, mask_wide) = read[pair.image], read[pair.label]
        found.other_size.append(f"{pair.stem}: {wide}x{high}, mask {mask_wide}x{mask_high}")
    if pair.label not in read or pair.soft:
        return
    values = set(np.flatnonzero(np.bincount(label.ravel(), minlength=256)).tolist())
    if values == {0, BORDER, 255} or values == {BORDER, 255} or values == {0, BORDER}:
        found.trimaps += 1
    elif 1 in values and values <= {0, 1}:
        found.ones.append(pair.stem)
    elif not values <= {0, 255}:
        found.not_binary.append(pair.stem)
    if max(values) <= BORDER and pair.stem not in found.ones:
        found.empty.append(pair.stem)
    elif min(values) > BORDER:
        found.full.append(pair.stem)


app = typer.Typer(help="Get a corpus, or look a folder of pairs over.", no_args_is_help=True)


@app.command()
def duts(
    zip_path: Annotated[
        Path | None, typer.Option("--zip", metavar="FILE", help="A DUTS-TR.zip that is here.")
    ] = None,
    fetch: Annotated[
        bool, typer.Option("--download", help="Fetch the zip; resumes what broke off.")
    ] = False,
    out: Annotated[Path, typer.Option(metavar="DIR", help="Gets DUTS-TR/ in it.")] = Path("data"),
    url: Annotated[
        str | None, typer.Option(metavar="URL", help="A mirror; the zip must be the same.")
    ] = None,
) -> None:
    """Unpack DUTS-TR once its length and sha256 are right: 10,553 images and masks.

    DUTS is free for academic and research purposes; cite Wang et al., CVPR 2017.

    Examples:

        python -m train prepare duts --download --out data

        python -m train prepare duts --zip ~/Downloads/DUTS-TR.zip
    """
    if (zip_path is None) == (not fetch):
        raise UsageError("Give either --zip FILE or --download.")
    if url is not None and not fetch:
        raise UsageError("--url goes with --download.")
    with progress_bar() as progress:
        if not (out / DUTS_TR.name).exists() and zip_path is None:
            zip_path = download(DUTS_TR, out, url, progress)
        target = unpack(DUTS_TR, zip_path or out / f"{DUTS_TR.name}.zip", out, progress)
    typer.echo(f"{target} holds {DUTS_TR.pairs:,} pairs. Train on it with --data {target}")


@app.command()
def cutouts(
    source: Annotated[Path, typer.Argument(metavar="DIR", help="Searched for PNGs with alpha.")],
    out: Annotated[Path, typer.Option(metavar="DIR", help="Gets cutouts/ in it.")],
    without: Annotated[
        list[str] | None,
        typer.Option(metavar="PATTERN", help="Leave out what matches: a file or a folder."),
    ] = None,
) -> None:
    """Trim objects on a transparent ground, to be pasted into composites by `fit`.

    What is nearly opaque, nearly empty, or smaller than 48 pixels is left out.

    Example:

        python -m train prepare cutouts usr/share/tuxpaint/stamps --out data/stamps \\
            --without cartoon --without symbols
    """
    folder = out / "cutouts"
    if folder.exists():
        raise OutputError(f"{folder} is there already; remove it, or choose another --out.")
    staging = out / ".cutouts"
    try:
        staging.mkdir(parents=True, exist_ok=True)
        count = 0
        for name, cut in cut_outs_in(source, without or ()):
            cut.save(staging / f"{name}.png")
            count += 1
        if not count:
            raise InputError(f"{source} holds no PNG of an object on a transparent ground.")
        staging.replace(folder)
    except OSError as error:
        raise OutputError(f"{folder} cannot be written: {error.strerror or error}.") from None
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    typer.echo(f"{folder} holds {count:,} cut-outs. Paste them with --data {out} --composites N")


@app.command()
def check(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A folder of pairs.")],
    json_path: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Write the findings in full.")
    ] = None,
) -> None:
    """Read every file of a folder of pairs and report what is amiss.

    Exits with 1 where files must be mended: unreadable ones, masks of another size than their
    image, masks that say 1 for 255. Orphans, gray, empty and full masks are only reported.

    Example:

        python -m train prepare check data/DUTS-TR
    """
    refuse_unwritable(json_path)
    with progress_bar() as progress:
        found = check_folder(folder, progress)
    if json_path is not None:
        write_whole(json_path, json.dumps(asdict(found), indent=2) + "\n")
    typer.echo(f"{folder}: {found.pairs:,} pairs, {found.trimaps:,} with trimaps")
    for title, names in (
        ("without a partner", found.orphans),
        ("unreadable", found.unreadable),
        ("mask of another size", found.other_size),
        ("masks of 0 and 1 (multiply them by 255)", found.ones),
        ("masks with gray values (cut at 128)", found.not_binary),
        ("masks without an object", found.empty),
        ("masks without background", found.full),
    ):
        if names:
            more = f" and {len(names) - 5:,} more" if len(names) > 5 else ""
            typer.echo(f"  {len(names):,} {title}: {', '.join(names[:5])}{more}")
    if not found.usable:
        raise typer.Exit(1)
