"""Real clips: what a plain decoder says of them, frame for frame."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest

from vmafsal.errors import InputError
from vmafsal.video import check_pair, open_source

SHARED = Path(__file__).parents[3] / "shared"
CLIPS = ("bikes_640x272.mp4", "carphone_qcif.mp4", "foreman_cif.y4m", "seeking_ref.mp4")

pytestmark = [
    pytest.mark.oracle,
    pytest.mark.skipif(not SHARED.is_dir(), reason="the recorded clips are not here"),
]


@pytest.mark.parametrize("name", CLIPS)
def test_every_picture_that_a_plain_decoder_gives(name: str) -> None:
    clip = SHARED / "clips" / name
    with av.open(str(clip)) as file, open_source(str(clip)) as source:
        count = 0
        frames = source.frames()
        for picture, frame in zip(file.decode(video=0), frames, strict=True):
            samples = np.concatenate([plane.ravel() for plane in frame.planes])
            np.testing.assert_array_equal(picture.to_ndarray().ravel(), samples)
            assert frame.index == count
            count += 1
        assert source.count() == count
        assert source.notices == []


def test_a_pair_of_two_sizes_is_counted() -> None:
    with (
        open_source(str(SHARED / "clips" / "seeking_ref.mp4")) as reference,
        open_source(str(SHARED / "clips" / "seeking_dist.mp4")) as distorted,
    ):
        check_pair(reference, distorted)
        assert "is 720x480, " in distorted.notices[0]
        with pytest.raises(InputError, match="differ in size: 720x480 against 384x288"):
            check_pair(reference, distorted, pixels=True)


@pytest.mark.parametrize("side", ["ref", "dist"])
def test_y4m_and_raw_hold_the_same_pictures(side: str) -> None:
    stem = SHARED / "oracle" / "clips" / f"src01_{side}_576x324_420p8_3f"
    with (
        open_source(f"{stem}.y4m") as coded,
        open_source(f"{stem}.yuv", width=576, height=324) as raw,
    ):
        check_pair(coded, raw)
        for one, other in zip(coded.frames(), raw.frames(), strict=True):
            for plane, samples in zip(one.planes, other.planes, strict=True):
                np.testing.assert_array_equal(plane, samples)
