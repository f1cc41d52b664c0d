"""Colour: every rounding, matrix, range, depth and chroma format."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from vmafsal.models.sidecar import IMAGENET_MEAN, IMAGENET_STD, ColorMatrix, ColorRange, InputPolicy
from vmafsal.picture.color import MATRICES, frame_to_tensor, normalise, to_eight_bits
from vmafsal.video.frame import Chroma, Frame, chroma_size

IDENTITY = InputPolicy(mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0))


def random_frame(height: int, width: int, chroma: Chroma, bit_depth: int = 8, **tags: Any) -> Frame:
    noise = np.random.default_rng(height * width)
    sizes = [(height, width)]
    if chroma != "400":
        sizes += [chroma_size(height, width, chroma)] * 2
    dtype = np.uint8 if bit_depth == 8 else np.uint16
    planes = tuple(noise.integers(0, 2**bit_depth, size, dtype) for size in sizes)
    return Frame(planes, chroma, bit_depth, 0, **tags)


def convert(frame: Frame, policy: InputPolicy) -> NDArray[np.float32]:
    out = np.full((3, frame.height, frame.width), np.nan, np.float32)
    frame_to_tensor(frame, policy, out)
    return out


def by_hand(frame: Frame, policy: InputPolicy) -> NDArray[np.float32]:
    """Pixel by pixel, in the C extractor's order of float32 operations."""
    f = np.float32
    red_v, green_u, green_v, blue_u = (f(k) for k in MATRICES[policy.color])
    down, right = {"420": (1, 1), "422": (0, 1), "444": (0, 0)}[frame.chroma]
    out = np.empty((3, frame.height, frame.width), np.float32)
    for i in range(frame.height):
        for j in range(frame.width):
            y, u, v = (
                int(plane[i >> shift_i, j >> shift_j])
                for plane, (shift_i, shift_j) in zip(
                    frame.planes, ((0, 0), (down, right), (down, right)), strict=True
                )
            )
            yn = f(y - 16) * (f(1) / f(219))
            un = f(u - 128) * (f(1) / f(224))
            vn = f(v - 128) * (f(1) / f(224))
            rgb = (yn + red_v * vn, yn - green_u * un - green_v * vn, yn + blue_u * un)
            for channel, value in enumerate(rgb):
                clamped = min(max(value, f(0)), f(1))
                byte = int(clamped * f(255) + f(0.5))
                scaled = f(byte) * (f(1) / f(255)) - f(policy.mean[channel])
                out[channel, i, j] = scaled * (f(1) / f(policy.std[channel]))
    return out


@pytest.mark.parametrize("chroma", ["420", "422", "444"])
@pytest.mark.parametrize(("height", "width"), [(8, 12), (7, 13), (1, 1), (2, 3)])
def test_equals_the_formula_pixel_by_pixel(chroma: Chroma, height: int, width: int) -> None:
    frame = random_frame(height, width, chroma)
    policy = InputPolicy()
    np.testing.assert_array_equal(convert(frame, policy), by_hand(frame, policy))


def test_strips_join_without_a_seam() -> None:
    """Wide enough for several strips: the result must not depend on where they end."""
    frame = random_frame(70, 5001, "420")
    whole = convert(frame, InputPolicy())
    for row in (0, 6, 40, 68):
        pair = Frame(
            (
                frame.planes[0][row : row + 2],
                *(plane[row // 2 : row // 2 + 1] for plane in frame.planes[1:]),
            ),
            "420",
            8,
            0,
        )
        np.testing.assert_array_equal(whole[:, row : row + 2], convert(pair, InputPolicy()))


# 100 % colour bars of BT.709 and BT.601 at 8 bits, limited range: (Y, Cb, Cr) of pure red, green
# and blue, as the standards' own formulas give them (ITU-R BT.709-6 and BT.601-7).
BARS: dict[ColorMatrix, dict[str, tuple[int, int, int]]] = {
    "bt709": {"red": (63, 102, 240), "green": (173, 42, 26), "blue": (32, 240, 118)},
    "bt601": {"red": (81, 90, 240), "green": (145, 54, 34), "blue": (41, 240, 110)},
    "bt2020": {"red": (74, 97, 240), "green": (164, 47, 25), "blue": (29, 240, 119)},
}


@pytest.mark.parametrize("color", list(BARS))
@pytest.mark.parametrize(("channel", "name"), list(enumerate(("red", "green", "blue"))))
def test_pure_colours_of_each_standard(color: ColorMatrix, channel: int, name: str) -> None:
    planes = tuple(np.array([[value]], np.uint8) for value in BARS[color][name])
    policy = InputPolicy(color=color, mean=IDENTITY.mean, std=IDENTITY.std)
    rgb = convert(Frame(planes, "444", 8, 0), policy)[:, 0, 0]
    expected = np.zeros(3)
    expected[channel] = 1
    # The bars are rounded to whole codes, which moves a channel by up to two of 255 steps.
    np.testing.assert_allclose(rgb, expected, atol=2.5 / 255)


@pytest.mark.parametrize(
    ("sample_range", "tag", "black", "white"),
    [
        ("limited", True, 16, 235),
        ("full", None, 0, 255),
        ("auto", None, 16, 235),
        ("auto", False, 16, 235),
        ("auto", True, 0, 255),
    ],
)
def test_ranges(sample_range: ColorRange, tag: bool | None, black: int, white: int) -> None:
    policy = InputPolicy(range=sample_range, mean=IDENTITY.mean, std=IDENTITY.std)
    for luma, level in ((black, 0.0), (white, 1.0)):
        planes = (np.full((2, 2), luma, np.uint8), *[np.full((1, 1), 128, np.uint8)] * 2)
        rgb = convert(Frame(planes, "420", 8, 0, full_range=tag), policy)
        np.testing.assert_array_equal(rgb, np.full((3, 2, 2), level, np.float32))


def test_auto_takes_the_tag_and_else_bt709() -> None:
    for tag, color in (("bt601", "bt601"), ("bt2020", "bt2020"), (None, "bt709")):
        frame = random_frame(6, 6, "420", matrix=tag)
        automatic = convert(frame, InputPolicy(color="auto", range="auto"))
        by_name = convert(frame, InputPolicy(color=color))  # type: ignore[arg-type]
        np.testing.assert_array_equal(automatic, by_name)


def test_the_libvmaf_matrix_ignores_tags() -> None:
    plain = random_frame(6, 6, "420")
    tagged = random_frame(6, 6, "420", matrix="bt2020", full_range=True)
    np.testing.assert_array_equal(convert(plain, InputPolicy()), convert(tagged, InputPolicy()))


def test_gray_has_neutral_chroma() -> None:
    gray = random_frame(5, 7, "400")
    neutral = np.full(chroma_size(5, 7, "420"), 128, np.uint8)
    colour = Frame((gray.planes[0], neutral, neutral), "420", 8, 0)
    np.testing.assert_array_equal(convert(gray, InputPolicy()), convert(colour, InputPolicy()))


@pytest.mark.parametrize("bit_depth", [10, 12, 16])
def test_deeper_samples_round_to_eight_bits(bit_depth: int) -> None:
    values = np.arange(2**bit_depth, dtype=np.uint16)
    wanted = [min((int(v) + (1 << (bit_depth - 9))) >> (bit_depth - 8), 255) for v in values]
    np.testing.assert_array_equal(to_eight_bits(values, bit_depth), wanted)


def test_a_deep_frame_equals_the_same_frame_at_eight_bits() -> None:
    shallow = random_frame(9, 10, "420")
    deep = Frame(tuple(p.astype(np.uint16) << 2 for p in shallow.planes), "420", 10, 0)
    np.testing.assert_array_equal(convert(deep, InputPolicy()), convert(shallow, InputPolicy()))


def test_rgb_is_used_as_it_is() -> None:
    frame = random_frame(40, 1000, "rgb")
    expected = normalise(np.stack(frame.planes))
    np.testing.assert_array_equal(convert(frame, InputPolicy()), expected)


def test_rows_with_padding_read_the_same() -> None:
    frame = random_frame(8, 10, "420")
    padded = tuple(
        np.pad(plane, ((0, 0), (0, 22)), constant_values=255)[:, : plane.shape[1]]
        for plane in frame.planes
    )
    assert padded[0].strides != frame.planes[0].strides
    np.testing.assert_array_equal(
        convert(Frame(padded, "420", 8, 0), InputPolicy()), convert(frame, InputPolicy())
    )


def test_normalise_is_imagenets() -> None:
    white = normalise(np.full((2, 3, 1, 1), 255, np.uint8))
    expected = [(1 - mean) / std for mean, std in zip(IMAGENET_MEAN, IMAGENET_STD, strict=True)]
    np.testing.assert_allclose(white[0, :, 0, 0], expected, rtol=1e-6)
