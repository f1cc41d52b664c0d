"""python -m benchmarks.teachers: what a map of each classic model costs, one core's time."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Annotated

import numpy as np
import typer
from numpy.typing import NDArray

from benchmarks.command import worker

__all__ = ["main", "picture", "report"]

HEIGHT, WIDTH = 480, 640


def picture(height: int, width: int) -> NDArray[np.uint8]:
    """A drawn picture, uint8 [height, width, 3]: noise of all scales, as photographs have."""
    from PIL import Image

    rng = np.random.default_rng(0)
    total = np.zeros((height, width, 3))
    for level in range(2, 9):
        coarse = rng.integers(0, 256, (2**level, 2**level, 3), np.uint8)
        layer = Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)
        # Amplitudes that halve as frequencies double: the spectrum of natural scenes.
        total += np.asarray(layer, np.float64) / 2**level
    low, high = total.min(), total.max()
    drawn: NDArray[np.uint8] = np.round(255 * (total - low) / (high - low)).astype(np.uint8)
    return drawn


def main(*, name: str, rounds: int, height: int, width: int) -> list[float]:
    """Process CPU time of one map, in seconds: the least of `rounds`, after one to warm up.

    Args:
        name: of a teacher.
        height, width: of the picture.
    Returns:
        of the model at that size, and as a teacher, which sees the picture at its short side.
    """
    from PIL import Image

    from train.teachers import load_teacher, teach

    model, rgb = load_teacher(name), picture(height, width)
    image = Image.fromarray(rgb)
    return [_least(lambda: model(rgb), rounds), _least(lambda: teach(name, image), rounds)]


def _least(answer: Callable[[], object], rounds: int) -> float:
    answer()
    seconds = []
    for _ in range(rounds):
        begin = time.process_time()
        answer()
        seconds.append(time.process_time() - begin)
    return min(seconds)


def report(
    rounds: Annotated[int, typer.Option(help="The least of so many maps.", min=1)] = 3,
    height: Annotated[int, typer.Option(help="Of the picture, in pixels.", min=128)] = HEIGHT,
    width: Annotated[int, typer.Option(help="Of the picture, in pixels.", min=128)] = WIDTH,
) -> None:
    """Print a Markdown table: seconds of one core for a picture, each model in its own process."""
    from train.provenance import cpu_model
    from train.teachers import TEACHERS

    # Read by the libraries of linear algebra when they are loaded.
    os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1", MKL_NUM_THREADS="1")
    print(f"| model | CPU seconds at {width}x{height} | as a teacher |\n|---|---:|---:|")
    for name in TEACHERS:
        whole, taught = worker("teachers", name=name, rounds=rounds, height=height, width=width)
        print(f"| `{name}` | {whole:.2f} | {taught:.2f} |", flush=True)
    print(f"\n{cpu_model()}, one thread, least of {rounds}.")


if __name__ == "__main__":
    typer.run(report)
