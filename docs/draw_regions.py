"""Draws docs/roi.png and docs/composed.png from a frame of the demo clips.

`python -m docs.draw_regions` draws them again, with the packaged default model.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from vmafsal.job import Feature, Job
from vmafsal.maps.compose import composed
from vmafsal.maps.drawing import colored, enlarged, rgb_of
from vmafsal.roi.encoder import BLOCK
from vmafsal.roi.mapping import BlockGrid, Mapping
from vmafsal.run import Run

__all__ = ["draw"]

ROOT = Path(__file__).resolve().parent.parent
CLIPS = ROOT / "fixtures" / "yuv"
FRAME = 12


def draw(folder: Path) -> None:
    """Draw the pictures.

    Args:
        folder: of the PNG files.
    """
    pair = Job(
        str(CLIPS / "demo_dist.mp4"),
        reference=str(CLIPS / "demo_ref.mp4"),
        features=(Feature(kind="psnr"),),
    )
    with Run(pair) as run:
        mapped = next(one for one in run.maps(only=[FRAME]))
    reference, distorted = mapped.reference, mapped.frame
    assert reference is not None
    saliency = next(iter(mapped.maps.values()))
    grid = BlockGrid(reference.width, reference.height, BLOCK)
    offsets = Mapping(grid)(saliency, reference.planes[0])
    picture = rgb_of(reference)
    mixed = replace(distorted, planes=composed(reference, distorted, saliency))

    figure, axes = _row(3)
    for axis, image, title in (
        (axes[0], picture, f"frame {FRAME}"),
        (axes[1], colored(enlarged(saliency, *picture.shape[:2])), "its saliency map"),
    ):
        axis.imshow(image)
        axis.set_title(title, fontsize=10)
    extent = (0, grid.columns * BLOCK, grid.rows * BLOCK, 0)
    shown = axes[2].imshow(offsets, cmap="RdBu_r", vmin=-8, vmax=8, extent=extent)
    axes[2].set(xlim=(0, reference.width), ylim=(reference.height, 0))
    axes[2].set_title("QP offsets of 16-pixel blocks", fontsize=10)
    figure.colorbar(shown, ax=axes[2], shrink=0.6)
    figure.savefig(folder / "roi.png", dpi=90)

    figure, axes = _row(3)
    for axis, frame, title in zip(
        axes,
        (reference, distorted, mixed),
        ("reference", "distorted", "composed: distorted where salient"),
        strict=True,
    ):
        axis.imshow(rgb_of(frame))
        axis.set_title(title, fontsize=10)
    figure.savefig(folder / "composed.png", dpi=90)


def _row(count: int) -> tuple[Figure, Any]:
    figure = Figure(figsize=(10, 2.2), layout="constrained")
    axes = figure.subplots(1, count)
    for axis in axes:
        axis.axis("off")
    return figure, axes


if __name__ == "__main__":
    draw(ROOT / "docs")
