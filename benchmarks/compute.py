"""What --compute fast gains, and how far its numbers are from exact's.

`python -m benchmarks.compute [CLIP...]` prints a Markdown row a model: seconds for one 1080p
picture in either way, measured in turn, and the largest difference of a frame's mean over the
clips. It needs the extra openvino.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from vmafsal import extract
from vmafsal.model import Model, load_model
from vmafsal.session import Session

SIZE = (1080, 1920)


def main() -> None:
    """Measure the models that are named."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("clips", nargs="*", help="any video that vmafsal scores")
    parser.add_argument("--model", action="append", help="id or file; may be repeated")
    parser.add_argument("--seconds", type=float, default=10.0, help="of timing for each model")
    parser.add_argument("--subsample", type=int, default=1, help="take every n-th frame")
    args = parser.parse_args()
    print("| model | picture | exact, s | fast, s | ratio | worst difference | frames |")
    print("|---|---|---|---|---|---|---|")
    for spec in args.model or ["saliency_student_v2", "saliency_student_v1"]:
        model = load_model(spec)
        shape = picture_shape(model)
        exact, fast = time_both(model, shape, args.seconds)
        worst, frames = compare(spec, args.clips, args.subsample)
        print(
            f"| {model.id} | {shape[1]}x{shape[0]} | {exact:.4f} | {fast:.4f} "
            f"| {fast / exact:.2f} | {worst:.1e} | {frames} |",
            flush=True,
        )


def picture_shape(model: Model) -> tuple[int, int]:
    """(height, width) at which a model sees a 1080p picture."""
    height, width = SIZE
    side = model.policy.short_side
    multiple = np.lcm(model.policy.multiple, model.stride)
    if model.policy.size:
        return model.policy.size
    if side:
        height, width = side, round(width * side / height)
    return int(-(-height // multiple) * multiple), int(-(-width // multiple) * multiple)


def time_both(model: Model, shape: tuple[int, int], budget: float) -> tuple[float, float]:
    """Median seconds of one picture in each way, taken in turn for so many seconds."""
    sessions = [
        Session(model, "cpu", compute="exact"),
        Session(model, "cpu", compute="fast"),
    ]
    picture = np.random.default_rng(0).standard_normal((1, 3, *shape), np.float32)
    for session in sessions:
        session.run(picture)
    taken: list[list[float]] = [[], []]
    end = time.perf_counter() + budget
    while time.perf_counter() < end or not taken[0]:
        for session, seconds in zip(sessions, taken, strict=True):
            begin = time.perf_counter()
            session.run(picture)
            seconds.append(time.perf_counter() - begin)
    return statistics.median(taken[0]), statistics.median(taken[1])


def compare(spec: str, clips: Sequence[str], subsample: int) -> tuple[float, int]:
    """(largest difference of a frame's mean, number of frames) over clips."""
    worst, count = 0.0, 0
    for clip in clips:
        exact, fast = (
            extract(Path(clip), model=spec, device="cpu", compute=way, subsample=subsample).read()
            for way in ("exact", "fast")
        )
        for one, other in zip(exact.frames, fast.frames, strict=True):
            values = one.metrics["saliency_mean"], other.metrics["saliency_mean"]
            worst = max(worst, abs(values[0] - values[1]))
        count += len(exact.frames)
    return worst, count


if __name__ == "__main__":
    main()
