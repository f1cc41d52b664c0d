"""Which pairs can be compared."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from fixtures.yuv.draw import encode, numbered, picture
from vmafsal.errors import InputError
from vmafsal.video import check_pair, open_source


def raw(folder: Path, name: str, **options: Any) -> tuple[str, dict[str, Any]]:
    clip = folder / name
    clip.write_bytes(bytes(64 * 48 * 36))
    return str(clip), {"width": 64, "height": 48, **options}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"width": 48, "height": 64}, "differ in size: 64x48 against 48x64"),
        ({"chroma": "444"}, "differ in chroma format: 420 against 444"),
        ({"bit_depth": 16}, "differ in bit depth: 8 bits against 16 bits"),
    ],
)
def test_raw_pairs_that_differ(tmp_path: Path, options: dict[str, Any], message: str) -> None:
    ref, ref_options = raw(tmp_path, "ref.yuv")
    dist, dist_options = raw(tmp_path, "dist.yuv", **options)
    with open_source(ref, **ref_options) as one, open_source(dist, **dist_options) as other:
        with pytest.raises(InputError, match=rf"ref.yuv \(reference\) and .*dist.yuv.*{message}"):
            check_pair(one, other)
        assert other.notices == []


@pytest.mark.parametrize("name", ["clip.mp4", "clip.mkv", "clip.y4m"])
def test_a_pair_of_any_kind_that_differs(tmp_path: Path, name: str) -> None:
    clip = encode(
        tmp_path / name,
        [picture(numbered(0, 160, 96))],
        "rawvideo" if name.endswith("y4m") else "libx264",
    )
    ref, options = raw(tmp_path, "ref.yuv", width=128, height=96)
    with (
        open_source(ref, **options) as one,
        open_source(str(clip)) as other,
        pytest.raises(InputError, match="differ in size: 128x96 against 160x96"),
    ):
        check_pair(one, other)


@pytest.mark.parametrize(("rate", "said"), [(25, False), (50, True)])
def test_a_difference_in_frame_rate_is_a_notice(tmp_path: Path, rate: int, said: bool) -> None:
    drawn = [picture(numbered(number)) for number in range(10)]
    ref = encode(tmp_path / "ref.mp4", drawn)
    dist = encode(tmp_path / "dist.mkv", drawn, rate=rate)
    with open_source(str(ref)) as one, open_source(str(dist)) as other:
        check_pair(one, other)
        assert one.notices == []
        assert len(other.notices) == int(said)
        assert not said or "25.000 against 50.000 frames per second" in other.notices[0]


def test_raw_video_has_no_frame_rate_to_differ(tmp_path: Path) -> None:
    ref, options = raw(tmp_path, "ref.yuv", width=128, height=96)
    dist = encode(tmp_path / "dist.mp4", [picture(numbered(0))])
    with open_source(ref, **options) as one, open_source(str(dist)) as other:
        check_pair(one, other)
        assert other.notices == []


def differing(tmp_path: Path, ref: str, dist: str, **more: Any) -> tuple[Path, Path]:
    """Two files of a picture each: 192x128 and 160x96, or as `more` has it."""

    def write(name: str, width: int, height: int, pixel_format: str) -> Path:
        drawn = [picture(numbered(0, width, height), pixel_format)]
        codec = "rawvideo" if name.endswith("y4m") else "ffv1"
        return encode(tmp_path / name, drawn, codec, container_options={"strict": "-1"})

    width, height = more.get("size", (192, 128))
    return write(ref, width, height, more.get("pixel_format", "yuv420p")), write(
        dist, 160, 96, "yuv420p"
    )


@pytest.mark.parametrize(
    ("names", "more", "wanted"),
    [
        (("ref.mkv", "dist.mkv"), {}, "is 192x128, {dist} 160x96; the"),
        (("ref.y4m", "dist.y4m"), {}, "is 192x128, {dist} 160x96; the"),
        (("ref.mkv", "dist.y4m"), {}, "is 192x128, {dist} 160x96; the"),
        (
            ("ref.mkv", "dist.mkv"),
            {"size": (160, 96), "pixel_format": "yuv444p10le"},
            "is 444, 10 bits, {dist} 420, 8 bits; the",
        ),
    ],
)
def test_a_reference_of_another_size_that_tells_it_is_only_counted(
    tmp_path: Path, names: tuple[str, str], more: dict[str, Any], wanted: str
) -> None:
    ref, dist = differing(tmp_path, *names, **more)
    with open_source(str(ref)) as one, open_source(str(dist)) as other:
        check_pair(one, other)
        assert one.notices == []
        (notice,) = other.notices
        assert notice == f"{ref} {wanted.format(dist=dist)} reference is only counted."
        with pytest.raises(
            InputError, match=r"psnr and compose need the pixels of both\. Bring both to"
        ):
            check_pair(one, other, pixels=True)
