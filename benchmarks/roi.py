"""python -m benchmarks.roi: what regions of interest gain at equal bitrate, clip by clip.

Each clip is encoded in two passes, without and with regions, and measured against its input with
the weights of the input's own maps. The maps are made once.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from benchmarks.command import ROOT
from vmafsal.features.psnr import Psnr
from vmafsal.job import Job
from vmafsal.roi.encode import Encoded, Original
from vmafsal.roi.encoder import BLOCK, Encoding, Shape
from vmafsal.roi.mapping import BlockGrid, Mapping
from vmafsal.roi.passes import encode_plain, encode_regions, measure
from vmafsal.run import Run

CLIPS = ROOT.parent / "shared" / "clips"
"""Folder that is looked in where none is named."""

BITRATES = {"carphone_qcif.mp4": 119_000, "bikes_640x272.mp4": 305_000, "seeking_ref.mp4": 925_000}
"""File to bits per second: where plain x264 gives about 39, 43 and 32 dB."""


@dataclass(frozen=True, slots=True)
class Row:
    """One clip, plain and with regions."""

    name: str
    frames: int
    plain: tuple[Encoded, Psnr]
    regions: tuple[Encoded, Psnr]

    @property
    def gain(self) -> np.ndarray:
        """dB gained by regions: whole, weighted, salient part, background."""
        return np.subtract(self.regions[1], self.plain[1])


def compare(path: Path, encoding: Encoding, share: float, smooth: float, count: int) -> Row:
    """Encode one clip both ways.

    Args:
        path: of the clip.
        encoding: with a bitrate.
        share, smooth: of the mapping.
        count: frames; 0 is all.
    """
    with Run(Job(str(path), frame_cnt=count)) as run:
        first = next(iter(run.models))
        mapped = [(one.frame, one.maps[first]) for one in run.maps()]
        info = run.info
    original = Original(str(path))
    shape = Shape.of(info, encoding.codec, original.tags)
    frames = [frame for frame, _ in mapped]
    mapping = Mapping(BlockGrid(info.width, info.height, BLOCK), share, smooth)
    with tempfile.TemporaryDirectory() as folder:
        paths = [f"{folder}/plain.mkv", f"{folder}/regions.mkv"]
        plain = encode_plain(lambda: frames, shape, encoding, paths[0], original)
        regions = encode_regions(
            mapped, lambda: frames, mapping, shape, encoding, paths[1], original
        )
        figures = measure(mapped, paths)
    return Row(path.name, len(mapped), (plain, figures[0]), (regions, figures[1]))


def table(rows: list[Row]) -> str:
    """The rows as Markdown, with their mean gains."""
    columns = ("psnr_y", "psnr_y_saliency", "salient part", "background")
    text = f"| clip, frames | kb/s | {' | '.join(columns)} |\n|---|---|---|---|---|---|\n"
    for row in rows:
        (plain, before), (regions, after) = row.plain, row.regions
        cells = [
            f"{old:.2f} → {new:.2f} ({new - old:+.2f})"
            for old, new in zip(before, after, strict=True)
        ]
        rates = f"{plain.kbps:.0f} / {regions.kbps:.0f}"
        text += f"| {row.name}, {row.frames} | {rates} | {' | '.join(cells)} |\n"
    means = np.mean([row.gain for row in rows], axis=0)
    return text + f"| mean | | {' | '.join(f'{mean:+.2f}' for mean in means)} |\n"


def main(
    clips: Annotated[Path, typer.Option(help="Folder of the clips.")] = CLIPS,
    codec: Annotated[str, typer.Option(help="libx264 or libx265.")] = "libx264",
    preset: Annotated[str, typer.Option(help="Of the encoder.")] = "medium",
    share: Annotated[float, typer.Option(help="As of vmafsal roi.")] = 0.5,
    smooth: Annotated[float, typer.Option(help="As of vmafsal roi.")] = 0.5,
    frames: Annotated[int, typer.Option(help="Of each clip; 0 is all.")] = 0,
) -> None:
    """Compare encodes with and without regions of interest, in dB at one bitrate."""
    rows = [
        compare(clips / name, Encoding(codec, bitrate=rate, preset=preset), share, smooth, frames)
        for name, rate in BITRATES.items()
    ]
    print(table(rows), end="")


if __name__ == "__main__":
    typer.run(main)
