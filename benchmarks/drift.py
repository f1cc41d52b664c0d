"""Draws how the number follows the resolution, from what benchmarks.consistency measured.

`python -m benchmarks.drift consistency.json --out docs/drift.png`
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

__all__ = ["draw", "main"]

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7")
"""One a model, also for colour-blind readers (Okabe, Ito, "Color Universal Design", 2008)."""


def draw(rows: Sequence[dict[str, Any]], out: Path) -> None:
    """One panel a clip, one line a model: pooled saliency_mean over the lines of the rung.

    Args:
        rows: of a report of benchmarks.consistency; those of its resolution are drawn.
        out: PNG, PDF or SVG, by its ending.
    Raises:
        typer.BadParameter: if the resolution was not measured.
    """
    rows = [row for row in rows if row["what"] == "resolution"]
    if not rows:
        raise typer.BadParameter("The report holds no resolution; measure with --what resolution.")
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    clips = list(dict.fromkeys(row["clip"] for row in rows))
    models = list(dict.fromkeys(row["model"] for row in rows))
    figure, panels = pyplot.subplots(
        1, len(clips), figsize=(3.2 * len(clips), 2.9), sharey=True, squeeze=False, layout="tight"
    )
    for panel, clip in zip(panels[0], clips, strict=True):
        for row in (r for r in rows if r["clip"] == clip):
            lines = [int(name) for name in row["means"]]
            colour = COLOURS[models.index(row["model"]) % len(COLOURS)]
            label = Path(row["model"]).stem
            panel.plot(lines, list(row["means"].values()), "o-", color=colour, label=label)
        panel.set_xscale("log")
        panel.set_xticks(lines, [str(n) for n in lines], rotation=45, fontsize=8)
        panel.minorticks_off()
        panel.set_title(Path(clip).stem, fontsize=9)
        panel.set_xlabel("lines", fontsize=9)
    panels[0][0].set_ylim(bottom=0)
    panels[0][0].set_ylabel("saliency_mean", fontsize=9)
    panels[0][-1].legend(fontsize=8)
    figure.savefig(out, dpi=110)
    pyplot.close(figure)


def main(
    report: Annotated[Path, typer.Argument(help="JSON that benchmarks.consistency wrote.")],
    out: Annotated[Path, typer.Option(help="Picture.")] = Path("drift.png"),
) -> None:
    """Draw the resolution's part of a consistency report."""
    draw(json.loads(report.read_text(encoding="utf-8"))["rows"], out)
    print(out)


if __name__ == "__main__":
    typer.run(main)
