"""Draws docs/demo.png: a frame of the demo clip, its map, the overlay, and the curve.

`python -m docs.draw_demo` draws it again, with the packaged default model.
"""

from __future__ import annotations

from pathlib import Path

from matplotlib.figure import Figure

from vmafsal.job import Job
from vmafsal.maps.drawing import colored, enlarged, overlay, rgb_of
from vmafsal.run import Run

__all__ = ["draw"]

ROOT = Path(__file__).resolve().parent.parent
CLIP = ROOT / "fixtures" / "yuv" / "demo_dist.mp4"
FRAME = 12


def draw(path: Path) -> None:
    """Draw the picture.

    Args:
        path: of the PNG file.
    """
    with Run(Job(str(CLIP))) as run:
        mapped = next(one for one in run.maps() if one.features.index == FRAME)
    with Run(Job(str(CLIP))) as run:
        curve = [frame.metrics["saliency_mean"] for frame in run]
    picture = rgb_of(mapped.frame)
    saliency = enlarged(mapped.maps["saliency_mean"], *picture.shape[:2])
    shown = {
        f"frame {FRAME}": picture,
        "its saliency map": colored(saliency),
        "overlay": overlay(picture, saliency),
    }
    figure = Figure(figsize=(10, 4.1), layout="constrained")
    grid = figure.add_gridspec(2, 3, height_ratios=[3, 2])
    for place, (title, image) in enumerate(shown.items()):
        axis = figure.add_subplot(grid[0, place])
        axis.imshow(image)
        axis.set_title(title, fontsize=10)
        axis.axis("off")
    axis = figure.add_subplot(grid[1, :])
    axis.plot(curve, color="#1f6feb")
    axis.axvline(FRAME, color="0.7", linewidth=1)
    axis.set(xlabel="frame", ylabel="saliency_mean", xlim=(0, len(curve) - 1))
    axis.grid(alpha=0.3)
    figure.savefig(path, dpi=90)


if __name__ == "__main__":
    draw(ROOT / "docs" / "demo.png")
