"""Coded video is never read as pixels, and pixels are not taken for coded video."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from av.codec import Codec
from av.codec.codec import UnknownCodecError

from fixtures.yuv.draw import encode, number_in, numbered, picture
from tests.process import as_stdin
from vmafsal.errors import InputError, UsageError
from vmafsal.video import open_source
from vmafsal.video.kinds import container_name

SIZE: dict[str, Any] = {"width": 64, "height": 48}
FRAME_BYTES = 64 * 48 * 3 // 2
CASES = Path(__file__).parents[3] / "shared" / "cases"

# (file, encoder, container, pixel format, how the error calls it)
STREAMS = [
    ("a.264", "libx264", "h264", "yuv420p", r"H\.264"),
    ("a.265", "libx265", "hevc", "yuv420p", "HEVC"),
    ("a.m2v", "mpeg2video", "mpeg2video", "yuv420p", "MPEG-1 or MPEG-2 video"),
    ("a.m1v", "mpeg1video", "mpeg1video", "yuv420p", "MPEG-1 or MPEG-2 video"),
    ("a.m4v", "mpeg4", "m4v", "yuv420p", "MPEG-4 video"),
    ("a.mjpeg", "mjpeg", "mjpeg", "yuvj420p", "JPEG"),
    ("a.obu", "libsvtav1", "obu", "yuv420p", "AV1"),
    ("a.h263", "h263", "h263", "yuv420p", "H263"),
    ("a.dv", "dvvideo", "dv", "yuv420p", "DV"),
    ("a.ts", "libx264", "mpegts", "yuv420p", "MPEG-TS"),
    ("a.gif", "gif", "gif", "rgb8", "GIF"),
    ("a.wtv", "mpeg2video", "wtv", "yuv420p", "WTV"),
]
PICTURES = [
    ("a.jpg", "mjpeg", "image2pipe", "yuvj420p", "JPEG"),
    ("a.png", "png", "image2pipe", "rgb24", "PNG"),
    ("a.bmp", "bmp", "image2pipe", "bgr24", "BMP"),
    ("a.tiff", "tiff", "image2pipe", "rgb24", "TIFF"),
    ("a.webp", "libwebp", "image2pipe", "yuv420p", "WebP"),
    ("a.jp2", "jpeg2000", "image2pipe", "rgb24", "JPEG 2000"),
    ("a.dpx", "dpx", "image2pipe", "rgb24", "DPX"),
    ("a.exr", "exr", "image2pipe", "gbrpf32le", "EXR"),
    ("a.ppm", "ppm", "image2pipe", "rgb24", "PPM"),
    ("a.pam", "pam", "image2pipe", "rgb24", "PAM"),
    ("a.qoi", "qoi", "image2pipe", "rgb24", "QOI"),
    ("a.pcx", "pcx", "image2pipe", "rgb24", "PCX"),
    ("a.tga", "targa", "image2pipe", "bgr24", "TARGA"),
]
SIZES = {"dv": (720, 576), "h263": (176, 144)}


def write(folder: Path, name: str, codec: str, container: str, pixel_format: str) -> Path:
    try:
        Codec(codec, "w")
    except UnknownCodecError:
        pytest.skip(f"this build of PyAV has no encoder {codec}")
    count = 1 if container == "image2pipe" else 6
    size = SIZES.get(container, (160, 96))
    drawn = [picture(numbered(number, *size), pixel_format) for number in range(count)]
    options = {"x265-params": "log-level=none"} if codec == "libx265" else {}
    return encode(folder / name, drawn, codec, options=options, container=container)


@pytest.mark.parametrize(
    ("name", "codec", "container", "pixel_format", "called"), STREAMS + PICTURES
)
def test_coded_video_with_a_raw_size_is_named(
    tmp_path: Path, name: str, codec: str, container: str, pixel_format: str, called: str
) -> None:
    coded = write(tmp_path, name, codec, container, pixel_format)
    wanted = rf"no raw video but {called}: leave out --width and --height"
    with pytest.raises(InputError, match=f"{coded} is {wanted}"):
        open_source(str(coded), **SIZE)
    if name in {"a.tga", "a.h263"}:
        return  # without a signature; the ending told
    with as_stdin(coded.read_bytes()), pytest.raises(InputError, match=wanted):
        open_source("-", **SIZE)
    # Nor does a raw ending help.
    with pytest.raises(InputError, match=wanted):
        open_source(str(coded.rename(tmp_path / "a.yuv")), **SIZE)


@pytest.mark.parametrize(("name", "codec", "container", "pixel_format", "_"), STREAMS[:7])
def test_a_coded_stream_is_scored_whatever_its_name_and_through_a_pipe(
    tmp_path: Path, name: str, codec: str, container: str, pixel_format: str, _: str
) -> None:
    coded = write(tmp_path, name, codec, container, pixel_format)
    with as_stdin(coded.read_bytes()), open_source("-") as source:
        assert [number_in(frame.planes[0]) for frame in source.frames()] == list(range(6))
    with open_source(str(coded.rename(tmp_path / "a.yuv"))) as source:
        assert [number_in(frame.planes[0]) for frame in source.frames()] == list(range(6))


def test_what_nobody_knows_is_raw_video_that_lacks_its_size() -> None:
    noise = np.random.default_rng(1).integers(0, 256, 50000, np.uint8).tobytes()
    with as_stdin(noise), pytest.raises(UsageError, match="give --width and --height"):
        open_source("-")


FIRST_BYTES = [
    b"\0\0\0\1",
    b"\0\0\1",
    b"\0\0\0\1\x67\x64\0\x1f",  # a sequence parameter set of H.264 begins like this
    b"\0\0\0\1\x40\1",  # a video parameter set of HEVC
    b"\0\0\1\xb3\x0a\0\x60",  # a sequence header of MPEG-2
    b"\0\0\1\xba",  # a pack of a program stream
    b"\xff\xd8\xff\xe0",  # JPEG
    b"\xff\x0a",  # JPEG XL
    b"BM",
    b"II*\0",
    b"MM\0*",
    b"\x12\0\x0a",  # AV1
    b"\x1f\x07\0",  # DV
    b"\x47",  # MPEG-TS
    b"\x0a\x05\x01\x08",  # PCX
    b"P6\n",
    b"\x09",  # what ffmpeg takes for CD graphics
]


@pytest.mark.parametrize("first", FIRST_BYTES, ids=repr)
@pytest.mark.parametrize("name", ["clip.yuv", "clip"])
def test_pixels_that_begin_like_something_are_pixels(
    tmp_path: Path, name: str, first: bytes
) -> None:
    noise = np.random.default_rng(2).integers(16, 236, 3 * FRAME_BYTES, np.uint8).tobytes()
    for rest in (noise, first * (3 * FRAME_BYTES), bytes(3 * FRAME_BYTES)):
        content = (first + rest)[: 3 * FRAME_BYTES]
        clip = tmp_path / name
        clip.write_bytes(content)
        with open_source(str(clip), **SIZE) as source:
            assert source.info.kind == "raw"
            assert source.count() == sum(1 for _ in source.frames()) == 3
        with as_stdin(content), open_source("-", **SIZE) as source:
            got = [plane.tobytes() for frame in source.frames() for plane in frame.planes]
            assert b"".join(got) == content


@pytest.mark.parametrize("seed", range(20))
def test_dark_noise_is_pixels(tmp_path: Path, seed: int) -> None:
    """Samples of 0, 1, 2 hold start codes at random."""
    random = np.random.default_rng(seed)
    clip = tmp_path / "clip.yuv"
    clip.write_bytes(random.integers(0, 2 + seed % 4, 5 * FRAME_BYTES, np.uint8).tobytes())
    with open_source(str(clip), **SIZE) as source:
        assert source.count() == 5


@pytest.mark.parametrize(
    ("head", "name"),
    [
        (b"\0\0\0\x20ftypheic", "HEIF or AVIF"),
        (b"\0\0\0\x20ftypavif", "HEIF or AVIF"),
        (b"\0\0\0\x20ftypisom", "MP4 or MOV"),
        (b"RIFF\0\0\0\0AVI LIST", "AVI"),
        (b"RIFF\0\0\0\0WEBPVP8 ", "WebP"),
        (b"RIFF\0\0\0\0WAVEfmt ", "WAV"),
        (b"\x10\x10\x10\x10" * 128, None),
    ],
)
def test_first_bytes(head: bytes, name: str | None) -> None:
    assert container_name(head) == name


@pytest.mark.skipif(not CASES.is_dir(), reason="the recorded cases are not here")
@pytest.mark.parametrize("name", ["a.264", "a.gif", "a.jpg", "a.webp", "grid.heic", "grid.png"])
def test_recorded_cases(name: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is no raw video but "):
        open_source(str(CASES / name), **SIZE)
    with (
        as_stdin((CASES / name).read_bytes()),
        pytest.raises(InputError, match="standard input is no raw video but "),
    ):
        open_source("-", **SIZE)
