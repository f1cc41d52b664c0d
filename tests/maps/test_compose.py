"""Two pictures put together by a map."""

from __future__ import annotations

import numpy as np
import pytest

from vmafsal.maps.compose import composed, frame_bytes, y4m_header
from vmafsal.video.base import SourceInfo
from vmafsal.video.frame import Chroma, Frame, chroma_size


def pair(height: int, width: int, chroma: Chroma, bits: int) -> tuple[Frame, Frame]:
    random = np.random.default_rng(9)
    sizes = [(height, width)]
    if chroma != "400":
        sizes += [chroma_size(height, width, chroma)] * 2
    dtype = np.uint8 if bits == 8 else np.uint16
    frames = [
        Frame(
            tuple(random.integers(0, 1 << bits, size).astype(dtype) for size in sizes),
            chroma,
            bits,
            0,
        )
        for _ in range(2)
    ]
    return frames[0], frames[1]


@pytest.mark.parametrize("bits", [8, 10, 16])
@pytest.mark.parametrize("chroma", ["420", "422", "444", "400"])
def test_outside_the_blend_every_bit_is_that_of_one_picture(chroma: Chroma, bits: int) -> None:
    reference, distorted = pair(30, 45, chroma, bits)
    saliency = np.zeros((30, 45), np.float32)
    saliency[:, 20:] = 1.0
    for keep, left, right in (
        ("salient", reference, distorted),
        ("background", distorted, reference),
    ):
        planes = composed(reference, distorted, saliency, keep=keep)  # type: ignore[arg-type]
        for plane, one, other in zip(planes, left.planes, right.planes, strict=True):
            edge = 20 * plane.shape[1] // 45
            assert np.array_equal(plane[:, : edge - 2], one[:, : edge - 2])
            assert np.array_equal(plane[:, edge + 3 :], other[:, edge + 3 :])


@pytest.mark.parametrize(
    ("saliency", "fade", "expected"),
    [(0.2, 0.1, 100), (0.26, 0.1, 110), (0.3, 0.1, 150), (0.34, 0.1, 190), (0.4, 0.1, 200),
     (0.29, 0.0, 100), (0.3, 0.0, 200), (0.3, 1e-50, 200)],
)  # fmt: skip
def test_blend(saliency: float, fade: float, expected: int) -> None:
    one, other = (Frame((np.full((4, 4), value, np.uint8),), "400", 8, 0) for value in (100, 200))
    (plane,) = composed(one, other, np.full((2, 2), saliency, np.float32), fade=fade)
    assert plane.tolist() == [[expected] * 4] * 4


def test_y4m_header() -> None:
    def header(chroma: Chroma, bits: int, fps: float | None) -> bytes:
        return y4m_header(SourceInfo("a", "raw", 64, 48, chroma, bits, fps=fps))

    assert header("420", 8, None) == b"YUV4MPEG2 W64 H48 F25:1 Ip A0:0 C420\n"
    assert header("422", 10, 30000 / 1001).endswith(b"F30000:1001 Ip A0:0 C422p10\n")
    assert header("400", 8, 24).endswith(b"Cmono\n")
    assert header("400", 12, 24).endswith(b"Cmono12\n")


def test_samples_above_8_bits_are_little_endian() -> None:
    plane = np.array([[1, 515]], np.uint16)
    assert list(frame_bytes((plane,))) == [b"\x01\x00\x03\x02"]
