"""Image sequences, and plain files whose names look like the pattern of one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from fixtures.yuv.draw import encode, number_in, numbered, picture
from vmafsal.errors import InputError, UsageError
from vmafsal.video import open_source
from vmafsal.video.images import is_image_pattern, numbered_files

CASES = Path(__file__).parents[3] / "shared" / "cases"


def write(path: Path, number: int, size: tuple[int, int] = (128, 96), kind: str = "rgb24") -> Path:
    return encode(path, [picture(numbered(number, *size), kind)], "png", container="image2")


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """img_0008.png to img_0012.png, and others that do not belong to them."""
    for number in range(8, 13):
        write(tmp_path / f"img_{number:04d}.png", number)
    write(tmp_path / "img_9.png", 99)
    write(tmp_path / "img_0013.png.png", 99)
    write(tmp_path / "simg_0013.png", 99)
    return tmp_path


def test_pictures_come_in_the_order_of_their_numbers(images: Path) -> None:
    with open_source(str(images / "img_%04d.png"), framerate=25) as source:
        assert (source.info.width, source.info.height, source.info.chroma) == (128, 96, "rgb")
        assert source.count() == 5
        assert source.position_at(0.05) == 2
        assert len(source.files) == 5
        frames = list(source.frames())
    assert [number_in(frame.planes[1]) for frame in frames] == [8, 9, 10, 11, 12]
    assert [frame.index for frame in frames] == [0, 1, 2, 3, 4]
    assert [frame.time for frame in frames] == [0.0, 0.04, 0.08, 0.12, 0.16]


def test_start_stop_and_step_of_pictures(images: Path) -> None:
    with open_source(str(images / "img_%04d.png")) as source:
        frames = list(source.frames(start=1, stop=5, step=2))
    assert [(number_in(f.planes[1]), f.index, f.time) for f in frames] == [
        (9, 0, None),
        (11, 2, None),
    ]
    with (
        open_source(str(images / "img_%04d.png")) as source,
        pytest.raises(InputError, match="give --framerate"),
    ):
        source.position_at(1.0)


def test_numbers_without_leading_zeros(tmp_path: Path) -> None:
    for number in (9, 10, 11):
        write(tmp_path / f"p{number}.png", number)
    write(tmp_path / "p012.png", 12)
    names = [Path(path).name for path in numbered_files(str(tmp_path / "p%d.png"))]
    assert names == ["p9.png", "p10.png", "p11.png"]


def test_a_picture_that_is_missing(images: Path) -> None:
    (images / "img_0010.png").unlink()
    with pytest.raises(InputError, match=r"no picture 10 \(img_0010\.png\), and 1 is missing"):
        open_source(str(images / "img_%04d.png"))


@pytest.mark.parametrize("name", ["other_%04d.png", "nowhere/img_%04d.png"])
def test_no_picture_at_all(images: Path, name: str) -> None:
    with pytest.raises(InputError, match=r"does not exist, nor does|cannot be read: No such file"):
        open_source(str(images / name))


def test_pictures_of_two_sizes_or_formats(images: Path) -> None:
    write(images / "img_0011.png", 11, (160, 96))
    with (
        open_source(str(images / "img_%04d.png")) as source,
        pytest.raises(InputError, match=r"img_0011\.png is 160x96, but .*0008\.png is 128x96"),
    ):
        list(source.frames())
    write(images / "img_0011.png", 11, kind="gray")
    with (
        open_source(str(images / "img_%04d.png")) as source,
        pytest.raises(InputError, match=r"img_0011\.png is 400 of 8 bits"),
    ):
        list(source.frames())


def test_a_picture_that_is_none(images: Path) -> None:
    (images / "img_0011.png").write_bytes(b"no picture" * 50)
    with (
        open_source(str(images / "img_%04d.png")) as source,
        pytest.raises(InputError, match=r"img_0011\.png"),
    ):
        list(source.frames())


def test_options_that_a_sequence_does_not_have(images: Path) -> None:
    pattern = str(images / "img_%04d.png")
    with pytest.raises(UsageError, match="--stream is for containers"):
        open_source(pattern, stream=1)
    with pytest.raises(InputError, match="is 128x96 by its own header"):
        open_source(pattern, width=64, height=48)


@pytest.mark.parametrize("name", ["p%d.png", "p%03d.png", "a%d_%d.png", "100%.png"])
def test_a_file_of_that_name_is_itself(tmp_path: Path, name: str) -> None:
    for other in ("p1.png", "p001.png", "a1_1.png"):
        write(tmp_path / other, 1)
    write(tmp_path / "other.png", 77).rename(tmp_path / name)
    assert not is_image_pattern(str(tmp_path / name))
    with open_source(str(tmp_path / name)) as source:
        assert [number_in(frame.planes[1]) for frame in source.frames()] == [77]


@pytest.mark.skipif(not CASES.is_dir(), reason="the recorded cases are not here")
def test_the_recorded_case_of_a_name() -> None:
    def samples(name: str) -> bytes:
        with open_source(str(CASES / "names" / name)) as source:
            (frame,) = source.frames()
            return b"".join(np.ascontiguousarray(plane).tobytes() for plane in frame.planes)

    assert samples("p%d.png") != samples("p1.png")
