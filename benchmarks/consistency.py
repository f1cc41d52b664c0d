"""Whether the number means the same: across resolutions, codings, and noise.

`python -m benchmarks.consistency --model A --model B --clip X.mp4` makes versions of real clips
and scores each with the extractor. Every model runs as its sidecar says; measured are

- resolution: the same pictures at 270 to 2160 lines (area down, bicubic up); the range of the
  pooled saliency_mean;
- coding: x264 at CRF 23 and 40, and half size scaled back, against the source; the mean
  |difference| per frame;
- flicker: the first picture again and again, each time with fresh Gaussian noise; the mean
  |change| from frame to frame.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from numpy.typing import NDArray

from benchmarks.command import ROOT
from benchmarks.machine import describe, revision

__all__ = ["BARS", "LINES", "coding", "flicker", "noisy", "resolution", "scaled", "write_raw"]

LINES = (270, 360, 540, 720, 1080, 2160)
CRFS = (23, 40)
NOISE = 2.0
"""Deviation of the flicker's noise, in grey levels."""
REPEATS = 60
BARS = {"resolution": 0.01, "coding": 0.02, "flicker": 0.005}
"""What each figure of a clip should not exceed."""

Planes = tuple[NDArray[np.uint8], ...]
"""Y, U, V of one frame, 8-bit 4:2:0."""
Row = dict[str, Any]


def frames_of(path: Path, count: int, step: int = 1) -> list[Any]:
    """The first `count` frames of a clip, every `step`-th, as av.VideoFrame in yuv420p.

    Raises:
        typer.BadParameter: if the clip holds none.
    """
    import av

    with av.open(str(path)) as file:
        decoded = file.decode(video=0)
        frames = [
            frame.reformat(format="yuv420p")
            for number, frame in zip(range(count * step), decoded, strict=False)
            if number % step == 0
        ]
    if not frames:
        raise typer.BadParameter(f"{path} holds no frame.")
    return frames


def scaled(frame: Any, lines: int) -> Any:
    """A frame with so many lines, its shape kept: area average down, bicubic up."""
    width = round(frame.width * lines / frame.height / 2) * 2
    how = "AREA" if lines < frame.height else "BICUBIC"
    return frame.reformat(width, lines, "yuv420p", interpolation=how)


def planes_of(frame: Any) -> Planes:
    """A frame's samples without the padding of its lines."""
    sizes = ((frame.width, frame.height), *2 * (((frame.width + 1) // 2, (frame.height + 1) // 2),))
    found = []
    for plane, (width, height) in zip(frame.planes, sizes, strict=True):
        rows = np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)
        found.append(rows[:height, :width].copy())
    return tuple(found)


def noisy(planes: Planes, rng: np.random.Generator, deviation: float = NOISE) -> Planes:
    """Gaussian noise on every sample, rounded and clipped to 8 bit."""
    drawn = (p + rng.normal(0.0, deviation, p.shape) for p in planes)
    return tuple(np.clip(np.round(p), 0, 255).astype(np.uint8) for p in drawn)


def write_raw(path: Path, pictures: Iterable[Planes]) -> None:
    """Pictures one after the other as planar YUV."""
    with open(path, "wb") as file:
        for planes in pictures:
            for plane in planes:
                file.write(plane.tobytes())


def encode(path: Path, frames: Sequence[Any], crf: int) -> None:
    """Frames as H.264 in MP4, x264's defaults but for the CRF; no colour is tagged."""
    import av

    with av.open(str(path), "w", format="mp4") as file:
        stream = file.add_stream("libx264", rate=25, options={"crf": str(crf)})
        stream.width, stream.height = frames[0].width, frames[0].height
        stream.pix_fmt = "yuv420p"
        for number, frame in enumerate(frames):
            frame.pts, frame.time_base = number, Fraction(1, 25)
            file.mux(stream.encode(frame))
        file.mux(stream.encode(None))


def score(model: str, path: Path, frame: Any = None) -> NDArray[np.float64]:
    """saliency_mean of every frame, by the extractor itself.

    Args:
        frame: one of the frames, whose size a raw file has; None for a container.
    """
    from vmafsal import extract

    size = {} if frame is None else {"width": frame.width, "height": frame.height}
    result = extract(path, model=model, device="cpu", **size)
    return np.array([scored.metrics["saliency_mean"] for scored in result])


def resolution(models: Sequence[str], clip: Path, folder: Path, count: int) -> Iterator[Row]:
    """Pooled means at each of LINES, and their range."""
    frames = frames_of(clip, count, step=5)
    pooled: dict[str, dict[str, float]] = {model: {} for model in models}
    for lines in LINES:
        rung = [scaled(frame, lines) for frame in frames]
        path = folder / "rung.yuv"
        write_raw(path, map(planes_of, rung))
        for model in models:
            pooled[model][str(lines)] = float(score(model, path, rung[0]).mean())
    for model, means in pooled.items():
        spread = max(means.values()) - min(means.values())
        yield {"model": model, "value": spread, "frames": len(frames), "means": means}


def coding(models: Sequence[str], clip: Path, folder: Path, count: int) -> Iterator[Row]:
    """Mean |difference| per frame to the source; `value` is the worst of the codings."""
    frames = frames_of(clip, count)
    # Even sides, as 4:2:0 in H.264 needs them.
    height = frames[0].height // 2 * 2
    frames = [frame if frame.height == height else scaled(frame, height) for frame in frames]
    source = folder / "source.yuv"
    write_raw(source, map(planes_of, frames))
    versions: dict[str, tuple[Path, Any]] = {}
    for crf in CRFS:
        versions[f"CRF {crf}"] = (folder / f"crf{crf}.mp4", None)
        encode(versions[f"CRF {crf}"][0], frames, crf)
    half = (scaled(frame, height // 4 * 2) for frame in frames)
    versions["half size"] = (folder / "half.yuv", frames[0])
    back = (f.reformat(frames[0].width, height, "yuv420p", interpolation="BICUBIC") for f in half)
    write_raw(versions["half size"][0], map(planes_of, back))
    for model in models:
        truth = score(model, source, frames[0])
        found = {
            name: float(np.abs(score(model, path, size) - truth).mean())
            for name, (path, size) in versions.items()
        }
        yield {"model": model, "value": max(found.values()), "frames": len(frames), "each": found}


def flicker(models: Sequence[str], clip: Path, folder: Path, count: int) -> Iterator[Row]:
    """Mean |change| between repetitions of the first picture under fresh noise."""
    (first,) = frames_of(clip, 1)
    rng = np.random.default_rng(0)
    path = folder / "noise.yuv"
    write_raw(path, (noisy(planes_of(first), rng) for _ in range(count)))
    for model in models:
        change = np.abs(np.diff(score(model, path, first)))
        yield {"model": model, "value": float(change.mean()), "frames": count}


MEASURES: dict[str, Callable[[Sequence[str], Path, Path, int], Iterator[Row]]] = {
    "resolution": resolution,
    "coding": coding,
    "flicker": flicker,
}


def table(rows: Sequence[Row]) -> str:
    """A Markdown table: of each model and clip the three figures, each with its bar."""
    head = [f"{name} (≤ {bar:g})" for name, bar in BARS.items()]
    lines = [f"| model | clip | {' | '.join(head)} |", "|---|---|" + "---:|" * len(head)]
    for model, clip in dict.fromkeys((row["model"], row["clip"]) for row in rows):
        cells = []
        for what in BARS:
            found = [r for r in rows if (r["model"], r["clip"], r["what"]) == (model, clip, what)]
            cells.append(f"{found[0]['value']:.4f}" if found else "–")
        lines.append(f"| {model} | {clip} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main(
    model: Annotated[list[str], typer.Option(help="ONNX file or registry id; may be repeated.")],
    clip: Annotated[list[Path], typer.Option(help="A real clip; may be repeated.")],
    what: Annotated[str, typer.Option(help="Of resolution, coding, flicker.")] = ",".join(BARS),
    frames: Annotated[int, typer.Option(min=1, help="Of each clip, for coding.")] = 60,
    rung_frames: Annotated[int, typer.Option(min=1, help="Every fifth, so many, a rung.")] = 10,
    repeats: Annotated[int, typer.Option(min=2, help="Of the noisy picture.")] = REPEATS,
    json_path: Annotated[Path | None, typer.Option("--json", help="All figures.")] = None,
) -> None:
    """Measure what changes saliency_mean though the picture stays the same.

    Example:

        python -m benchmarks.consistency --model saliency_student_v3 --model v2.onnx --clip a.mp4
    """
    counts = {"resolution": rung_frames, "coding": frames, "flicker": repeats}
    for name in what.split(","):
        if name not in MEASURES:
            raise typer.BadParameter(f"--what takes {', '.join(MEASURES)}, not {name}.")
    rows: list[Row] = []
    for path in clip:
        for name in what.split(","):
            print(f"{name}, {path.name}", file=sys.stderr, flush=True)
            with tempfile.TemporaryDirectory() as folder:
                for row in MEASURES[name](model, path, Path(folder), counts[name]):
                    rows.append({"what": name, "clip": path.name, **row})
    report = {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": revision(ROOT),
        "machine": describe(),
        "bars": BARS,
        "rows": rows,
    }
    if json_path is not None:
        json_path.parent.mkdir(parents=True, exist_ok=True)
        json_path.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    print(table(rows))


if __name__ == "__main__":
    typer.run(main)
