"""Ways to bring one 1080p 4:2:0 frame to a model's size: how fast, how exact, how heavy.

`python -m benchmarks.resampling` prints the Markdown table of docs/benchmarks.md. Whatever is not
installed (Pillow, OpenCV) is left out; vmafsal needs neither.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import import_module, metadata
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vmafsal.picture.resample import PlaneResizer
from vmafsal.video.frame import chroma_size

SIZE = (1080, 1920)
Plane = NDArray[Any]
Run = Callable[[], list[Plane]]
"""Resizes the frame's planes once."""


@dataclass(frozen=True, slots=True)
class Method:
    """One way to resize a frame's planes."""

    name: str
    package: str
    """What has to be installed for it."""
    run: Run


@dataclass(frozen=True, slots=True)
class Measured:
    """What came out for one method."""

    cpu_ms: float
    """Median CPU time of three planes, in milliseconds."""
    max_error: float
    """Largest |difference| from the float64 area average, in 8-bit grey levels."""
    bias: float
    """Mean signed difference of the plane where it is largest, in the same unit."""


class QuickRounding(PlaneResizer):
    """swscale's AREA without ACCURATE_RND."""

    def __init__(self) -> None:
        super().__init__()
        from av.video.reformatter import Interpolation

        self._flags = Interpolation.AREA


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--size", default="398x224", help="wanted, WIDTHxHEIGHT (398x224)")
    parser.add_argument("--repeats", type=int, default=200, help="of each method (200)")
    options = parser.parse_args()
    width, height = (int(side) for side in options.size.split("x"))
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    print(
        f"1920x1080 4:2:0 to three planes of {width}x{height}, {options.repeats} times, one thread;"
    )
    print(f"{cpu_name()}, {os.cpu_count()} cores, load average {load:.1f} at the start.\n")
    print("| method | bits | CPU ms a frame | max error | bias | package |")
    print("|---|---|---|---|---|---|")
    for bit_depth in (8, 10):
        planes = draw_frame(bit_depth)
        methods = list(available(planes, bit_depth, height, width))
        exact = [area(plane, height, width) for plane in planes]
        for method, result in zip(
            methods, measure(methods, exact, bit_depth, options.repeats), strict=True
        ):
            print(
                f"| {method.name} | {bit_depth} | {result.cpu_ms:.2f} | {result.max_error:.2f} | "
                f"{result.bias:+.3f} | {method.package} {installed_mb(method.package):.0f} MB |"
            )


def available(planes: list[Plane], bit_depth: int, height: int, width: int) -> Iterator[Method]:
    """The methods that are installed and take samples of this depth."""

    def each(resize: Callable[[Plane], Plane]) -> Run:
        return lambda: [resize(plane) for plane in planes]

    accurate, quick = PlaneResizer(), QuickRounding()
    yield Method(
        "swscale AREA, ACCURATE_RND, plane by plane",
        "av",
        each(lambda plane: accurate(plane, height, width, bit_depth)),
    )
    yield Method(
        "swscale AREA, plane by plane",
        "av",
        each(lambda plane: quick(plane, height, width, bit_depth)),
    )
    yield _whole_picture(planes, bit_depth, height, width)
    yield from _pillow(each, bit_depth, (width, height))
    yield from _opencv(each, (width, height))

    def rounded(plane: Plane) -> Plane:
        return np.floor(area(plane, height, width) + 0.5).astype(plane.dtype)

    yield Method("NumPy float64, rounded", "numpy", each(rounded))


def _whole_picture(planes: list[Plane], bit_depth: int, height: int, width: int) -> Method:
    """One call for a picture that is already ffmpeg's, as a decoder hands it over."""
    from av import VideoFrame
    from av.video.reformatter import Interpolation, VideoReformatter

    kind = "p" if bit_depth == 8 else f"p{bit_depth}le"
    picture = VideoFrame(SIZE[1], SIZE[0], f"yuv420{kind}")
    for target, plane in zip(picture.planes, planes, strict=True):
        rows = np.zeros((plane.shape[0], target.line_size // plane.itemsize), plane.dtype)
        rows[:, : plane.shape[1]] = plane
        target.update(rows.tobytes())
    reformatter = VideoReformatter()

    def run() -> list[Plane]:
        scaled = reformatter.reformat(
            picture,
            width=width,
            height=height,
            format=f"yuv444{kind}",
            interpolation=Interpolation.AREA | Interpolation.ACCURATE_RND,
            threads=1,
        )
        dtype = planes[0].dtype
        return [
            np.frombuffer(memoryview(plane), dtype).reshape(height, -1)[:, :width]
            for plane in scaled.planes
        ]

    return Method("swscale AREA, ACCURATE_RND, a decoded picture at once", "av", run)


def _pillow(
    each: Callable[[Callable[[Plane], Plane]], Run], bit_depth: int, size: tuple[int, int]
) -> Iterator[Method]:
    try:
        pillow = import_module("PIL.Image")
    except ModuleNotFoundError:
        return
    for name, options in (
        ("Pillow BOX", {}),
        ("Pillow BOX, reducing_gap=2", {"reducing_gap": 2.0}),
    ):
        if options and bit_depth != 8:
            continue  # reduce() takes no 16-bit picture

        def resize(plane: Plane, options: dict[str, float] = options) -> Plane:
            box = pillow.Resampling.BOX
            return np.asarray(pillow.fromarray(plane).resize(size, box, **options))

        yield Method(name, "pillow", each(resize))


def _opencv(
    each: Callable[[Callable[[Plane], Plane]], Run], size: tuple[int, int]
) -> Iterator[Method]:
    try:
        cv2 = import_module("cv2")
    except ModuleNotFoundError:
        return
    cv2.setNumThreads(1)
    yield Method(
        "OpenCV INTER_AREA",
        "opencv-python-headless",
        each(lambda plane: cv2.resize(plane, size, interpolation=cv2.INTER_AREA)),
    )


def area_weights(size: int, wanted: int) -> NDArray[np.float64]:
    """Share of each old sample in each new one.

    Args:
        size, wanted: old and new number of samples; wanted is not larger.
    Returns:
        float64 [wanted, size], each row summing to 1.
    """
    step = size / wanted
    edges = np.arange(wanted + 1) * step
    samples = np.arange(size)
    covered = np.minimum(edges[1:, None], samples + 1) - np.maximum(edges[:-1, None], samples)
    weights: NDArray[np.float64] = np.clip(covered, 0.0, None) / step
    return weights


def area(plane: Plane, height: int, width: int) -> NDArray[np.float64]:
    """The exact area average of a plane, in float64."""
    rows, columns = area_weights(plane.shape[0], height), area_weights(plane.shape[1], width)
    averaged: NDArray[np.float64] = rows @ plane.astype(np.float64) @ columns.T
    return averaged


def draw_frame(bit_depth: int) -> list[Plane]:
    """Planes with gradients, edges, fine texture, grain, and pure black and white."""
    noise = np.random.default_rng(1)
    top = (1 << bit_depth) - 1
    planes = []
    for number in range(3):
        height, width = SIZE if number == 0 else chroma_size(*SIZE, "420")
        y, x = np.mgrid[0:height, 0:width] / height
        picture = 0.35 + 0.2 * x + 0.1 * np.sin(9 * y + number)
        picture += 0.08 * np.sin(900 * x * (1 + y)) * (y > 0.5)
        picture[np.hypot(y - 0.4, x - 0.9) < 0.2] = 0.85
        picture += noise.normal(0, 0.02, picture.shape)
        picture[:, : width // 8] = noise.random((height, width // 8)) > 0.5
        planes.append(
            (picture.clip(0, 1) * top + 0.5).astype(np.uint8 if bit_depth == 8 else np.uint16)
        )
    return planes


def measure(
    methods: list[Method], exact: list[NDArray[np.float64]], bit_depth: int, repeats: int
) -> list[Measured]:
    """Time and compare each method, taking turns so that a busy machine slows all alike.

    Args:
        methods: on one frame.
        exact: the area average of each of its planes.
        bit_depth: of the frame; errors are brought to 8 bits.
        repeats: of each method.
    """
    seconds: list[list[float]] = [[] for _ in methods]
    for turn in range(repeats + 3):
        for method, taken in zip(methods, seconds, strict=True):
            if method.package == "numpy" and turn > 10:
                continue  # a hundred times slower than the others
            begin = time.process_time()
            method.run()
            taken.append(time.process_time() - begin)
    results = []
    for method, taken in zip(methods, seconds, strict=True):
        differences = [
            (plane.astype(np.float64) - truth) / 2 ** (bit_depth - 8)
            for plane, truth in zip(method.run(), exact, strict=True)
        ]
        results.append(
            Measured(
                cpu_ms=1000 * statistics.median(taken[3:]),
                max_error=max(float(np.abs(difference).max()) for difference in differences),
                bias=max((float(difference.mean()) for difference in differences), key=abs),
            )
        )
    return results


def installed_mb(package: str) -> float:
    """Size of an installed package with its libraries, in MB."""
    files = metadata.files(package) or []
    paths = [file.locate() for file in files]
    return sum(os.stat(path).st_size for path in paths if os.path.isfile(path)) / 1e6


def cpu_name() -> str:
    """The processor, as the system calls it."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as facts:
            names = [line.partition(":")[2].strip() for line in facts if "model name" in line]
    except OSError:
        names = []
    return names[0] if names else platform.processor() or platform.machine()


if __name__ == "__main__":
    main()
