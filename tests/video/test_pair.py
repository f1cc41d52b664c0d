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
