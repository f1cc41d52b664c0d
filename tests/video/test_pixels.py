"""Every layout of samples comes out as the samples that went in."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from av import VideoFrame
from numpy.typing import NDArray

from vmafsal.video.pixels import pixel_layout, planes_of, readable_format

WIDTH, HEIGHT = 37, 23

# Formats that swscale itself unpacks to plain planes without loss: an independent witness.
# fmt: off
SAME_IN_SWSCALE = (
    "yuv420p", "yuv422p", "yuv444p", "yuva420p", "yuva422p", "yuva444p", "gray", "ya8", "gbrp",
    "gbrap", "nv12", "nv21", "nv16", "nv24", "nv42", "yuyv422", "yvyu422", "uyvy422", "vuya",
    "vuyx", "ayuv", "uyva", "vyu444", "rgb24", "bgr24", "rgba", "bgra", "argb", "abgr", "0rgb",
    "rgb0", "0bgr", "bgr0", "yuv420p9le", "yuv420p9be", "yuv420p10le", "yuv420p10be",
    "yuv422p10le", "yuv444p10be", "yuv420p12le", "yuv422p12le", "yuv420p14be", "yuv444p14le",
    "yuv420p16le", "yuv420p16be", "yuv444p16be", "yuva420p10le", "yuva422p12le", "yuva444p16be",
    "yuv444p10msble", "gray9le", "gray10be", "gray12le", "gray14be", "gray16le", "gray16be",
    "ya16le", "ya16be", "gbrp9le", "gbrp10be", "gbrp12le", "gbrp14be", "gbrp16le", "nv20le",
    "nv20be", "p010le", "p010be", "p012le", "p016le", "p016be", "p210le", "p212le", "p216le",
    "p410le", "p412le", "p416be", "y210le", "y212le", "y216le", "xv30le", "v30xle", "xv36le",
    "xv36be", "xv48le", "ayuv64le", "rgb48le", "rgb48be", "bgr48le", "bgr48be", "rgba64le",
    "rgba64be", "bgra64le", "x2rgb10le", "x2bgr10le",
)
# fmt: on


def noise(pixel_format: str) -> VideoFrame:
    """A picture of random samples."""
    made = VideoFrame(WIDTH, HEIGHT, pixel_format)
    random = np.random.default_rng(0)
    for plane in made.planes:
        plane.update(random.integers(0, 256, plane.buffer_size, np.uint8).tobytes())
    return made


def unpacked(picture: VideoFrame) -> tuple[NDArray[Any], ...]:
    layout = pixel_layout(picture.format.name)
    assert layout is not None
    return planes_of(picture, layout)


@pytest.mark.parametrize("name", SAME_IN_SWSCALE)
def test_unpacks_what_swscale_unpacks(name: str) -> None:
    layout = pixel_layout(name)
    assert layout is not None
    family = {"rgb": "gbrp", "400": "gray"}.get(layout.chroma, f"yuv{layout.chroma}p")
    deepest, plain = (f"{family}{bits}le" if bits > 8 else family for bits in (16, layout.bits))
    start = noise(deepest if layout.bits > 8 else family).reformat(format=name, threads=1)
    expected = unpacked(start.reformat(format=plain, threads=1))
    for plane, wanted in zip(unpacked(start), expected, strict=True):
        np.testing.assert_array_equal(plane, wanted)


def test_planar_rgb_with_alpha_comes_in_the_order_red_green_blue() -> None:
    picture = VideoFrame(WIDTH, HEIGHT, "gbrap12le")
    for value, plane in zip((200, 300, 100, 4095), picture.planes, strict=True):
        plane.update(np.full(plane.buffer_size // 2, value, "<u2").tobytes())
    assert [set(plane.ravel()) for plane in unpacked(picture)] == [{100}, {200}, {300}]


@pytest.mark.parametrize(
    ("name", "chroma", "down", "right"),
    [
        ("yuv411p", "422", 1, 4),
        ("yuv410p", "420", 4, 4),
        ("yuv440p", "444", 2, 1),
        ("yuv440p12be", "444", 2, 1),
    ],
)
def test_coarser_chroma_is_repeated(name: str, chroma: str, down: int, right: int) -> None:
    picture = noise(name)
    layout = pixel_layout(name)
    assert layout is not None
    assert layout.chroma == chroma
    stored = np.frombuffer(memoryview(picture.planes[1]), layout.word)
    stored = stored.reshape(picture.planes[1].height, -1)
    u = unpacked(picture)[1]
    down_out, right_out = {"422": (1, 2), "420": (2, 2), "444": (1, 1)}[chroma]
    rows = np.arange(HEIGHT) // down
    columns = np.arange(WIDTH) // right
    full = u[np.arange(HEIGHT) // down_out][:, np.arange(WIDTH) // right_out]
    np.testing.assert_array_equal(full, stored[rows][:, columns])


SHORT_RGB = [
    f"{order}{bits}{end}"
    for order in ("rgb", "bgr")
    for bits, ends in (("565", ("le", "be")), ("555", ("le", "be")), ("444", ("le", "be")))
    for end in ends
] + ["rgb8", "bgr8", "rgb4_byte", "bgr4_byte"]


@pytest.mark.parametrize("name", SHORT_RGB)
@pytest.mark.parametrize(
    "colour", [(255, 255, 255), (0, 0, 0), (255, 0, 0), (0, 255, 0), (0, 0, 255)]
)
def test_short_rgb_reaches_full_scale(name: str, colour: tuple[int, int, int]) -> None:
    """White is 255, not the 248 that shifting five bits up makes, and no channel is swapped."""
    drawn = VideoFrame(WIDTH, HEIGHT, "gbrp")
    for plane, value in zip(drawn.planes, (colour[1], colour[2], colour[0]), strict=True):
        plane.update(bytes([value]) * plane.buffer_size)
    planes = unpacked(drawn.reformat(format=name, threads=1))
    # swscale dithers dark channels by the lowest bit.
    assert [int(np.median(plane)) for plane in planes] == list(colour)
    assert colour[0] == 0 or planes[0].min() == 255


@pytest.mark.parametrize("name", ["rgb565le", "rgb555be", "bgr444le", "rgb8"])
def test_short_rgb_is_near_what_swscale_makes_of_it(name: str) -> None:
    """swscale shifts samples up and leaves the low bits zero."""
    picture = noise(name)
    wanted = unpacked(picture.reformat(format="gbrp", threads=1))
    for plane, samples in zip(unpacked(picture), wanted, strict=True):
        difference = plane.astype(int) - samples
        assert difference.min() >= -4
        assert difference.max() <= 15


def test_planar_samples_are_views_that_keep_their_line_padding() -> None:
    picture = noise("yuv420p")
    luma, u, _ = unpacked(picture)
    assert luma.shape == (HEIGHT, WIDTH)
    assert u.shape == ((HEIGHT + 1) // 2, (WIDTH + 1) // 2)
    assert luma.strides == (picture.planes[0].line_size, 1)
    assert picture.planes[0].line_size > WIDTH
    picture.planes[0].update(bytes(picture.planes[0].buffer_size))
    assert luma.max() == 0, "a copy would not have seen the change"


def test_planes_outlive_their_picture() -> None:
    luma = unpacked(noise("yuv420p"))[0]
    before = luma.copy()
    for _ in range(50):
        noise("yuv444p")
    np.testing.assert_array_equal(luma, before)


def test_the_yuvj_formats_are_full_range() -> None:
    layout = pixel_layout("yuvj422p")
    assert layout is not None
    assert (layout.chroma, layout.full_range) == ("422", True)


@pytest.mark.parametrize(
    ("name", "readable"),
    [
        ("yuv420p10le", "yuv420p10le"),
        ("pal8", "gbrp"),
        ("rgb565le", "rgb565le"),
        ("rgb8", "rgb8"),
        ("monow", "gray"),
        ("monob", "gray"),
        ("bayer_rggb8", "gbrp"),
        ("bayer_rggb16le", "gbrp16le"),
        ("xyz12le", "gbrp16le"),
        ("gbrpf32le", "gbrp16le"),
        ("grayf32le", "gray16le"),
        ("gray32le", None),
        ("uyyvyy411", None),
        ("vaapi", None),
    ],
)
def test_what_has_to_be_converted_first(name: str, readable: str | None) -> None:
    assert readable_format(name) == readable


@pytest.mark.parametrize("name", ["pal8", "monow", "bayer_rggb8", "gbrpf32le", "xyz12le"])
def test_what_has_to_be_converted_first_can_be(name: str) -> None:
    readable = readable_format(name)
    assert readable is not None
    planes = unpacked(
        VideoFrame(WIDTH // 2 * 2, HEIGHT // 2 * 2, name).reformat(format=readable, threads=1)
    )
    assert planes[0].shape == (HEIGHT // 2 * 2, WIDTH // 2 * 2)
