"""The commands `prepare`: fetching a corpus, and checking a folder before it is used."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from train.archive import DUTS_TR, download, unpack
from train.data import BORDER, Pair, find_pictures, open_image, orphans
from train.output import Progress, check_outputs, progress_bar, silent
from vmafsal.errors import InputError, UsageError
from vmafsal.files import write_whole

__all__ = ["FolderCheck", "app", "check_folder"]


@dataclass
class FolderCheck:
    """What was found in a folder of pictures and masks."""

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
        """False where files must be repaired before the folder is trained on or measured with."""
        return not (self.unreadable or self.other_size or self.ones)


def check_folder(root: Path, progress: Progress = silent) -> FolderCheck:
    """Read every image and every mask of a folder.

    Args:
        root: in any layout that training reads, with masks.
    Raises:
        InputError: if there is no such folder, layout, or picture with a mask.
    """
    pairs = find_pictures(root)
    found = FolderCheck(root=str(root), pairs=len(pairs))
    found.orphans = [path.relative_to(root).as_posix() for path in orphans(root)]
    for number, pair in enumerate(pairs, 1):
        _check_pair(pair, found)
        progress("reading", number, len(pairs))
    return found


def _check_pair(pair: Pair, found: FolderCheck) -> None:
    assert pair.mask is not None
    try:
        image = open_image(pair.image, "RGB")
    except InputError as error:
        found.unreadable.append(str(error))
        image = None
    try:
        mask = open_image(pair.mask, "L")
    except InputError as error:
        found.unreadable.append(str(error))
        return
    if image is not None and image.size != mask.size:
        found.other_size.append(
            f"{pair.stem}: {image.width}x{image.height}, mask {mask.width}x{mask.height}"
        )
    label = np.asarray(mask)
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
    files = [path for pair in find_pictures(folder) for path in pair.files]
    check_outputs((json_path,), [*files, *orphans(folder), *{path.parent for path in files}])
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
