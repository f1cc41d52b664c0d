"""The maps of a clip that are written beside its log, from the same pass over the video."""

from __future__ import annotations

import re
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Self

from vmafsal.errors import UsageError
from vmafsal.job import FEATURE, Job
from vmafsal.post_spec import check_range

if TYPE_CHECKING:
    from vmafsal.maps.writers import Writing
    from vmafsal.run import Run

__all__ = ["ClipMaps"]

_FOLDER = "png"


@dataclass(frozen=True, slots=True)
class ClipMaps:
    """What maps a clip gets, and where they go."""

    kind: str
    """As --maps: npz, png, mp4 or mkv."""
    view: str | None
    """As --view, with its default; None for numbers."""
    path: str
    """Of the file or folder below the output folder, with forward slashes."""
    column: str
    """The column whose maps they are."""

    @classmethod
    def of(cls, kind: str | None, view: str | None, output: str, job: Job) -> Self | None:
        """What --maps and --view ask for.

        Args:
            kind, view: as given.
            output: path of the log below the output folder: clip.json gives clip_maps.npz.
            job: of the clip.
        Returns:
            None where no maps are asked for.
        Raises:
            UsageError: if that makes no sense together.
        """
        from vmafsal.maps.writers import choose_view

        if kind is None:
            if view is not None:
                raise UsageError("--view does nothing without --maps, which says what to write.")
            return None
        ending = f".{kind}"
        choose_view(view, ending=ending)
        if kind != "npz":
            check_range(job.post, "A picture shows")
        columns = [feature.column for feature in job.features if feature.kind != "psnr"]
        if len(columns) != 1:
            raise UsageError(
                f"--maps writes the maps of one model: ask for --feature {FEATURE} once, not "
                f"{len(columns)} times."
            )
        return cls(
            kind,
            None if kind == "npz" else view or ("map" if kind == _FOLDER else "overlay"),
            f"{PurePath(output).with_suffix('').as_posix()}_maps"
            + ("" if kind == _FOLDER else ending),
            columns[0],
        )

    @property
    def is_folder(self) -> bool:
        """Whether they are a folder of PNG files."""
        return self.kind == _FOLDER

    @contextmanager
    def open(self, folder: str, run: Run) -> Generator[Writing]:
        """Begin to write; what is there already is replaced at the end.

        Args:
            folder: the output folder.
            run: whose maps they are, open.
        Raises:
            OutputError: if they cannot be written, now or later.
        """
        from vmafsal.folders import WholeFolder
        from vmafsal.maps.writers import MapOutput, choose_view, picture_stem

        path = str(Path(folder, self.path))
        drawn = choose_view(self.view, ending=f".{self.kind}")
        if not self.is_folder:
            with MapOutput(path, False, drawn).open(
                run.info, run.job.subsample, run.files
            ) as writing:
                yield writing
            return
        own = re.escape(picture_stem(run.info.path)) + r"(_\d{6,})?\.png"
        with (
            WholeFolder(path, own) as whole,
            MapOutput(whole.temporary, True, drawn).open(
                run.info, run.job.subsample, run.files
            ) as (add, _),
        ):
            yield add, whole.commit
