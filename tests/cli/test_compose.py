"""vmafsal compose: what it writes and refuses."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from tests.command import DEMO, invoke
from vmafsal.video import open_source

REFERENCE, DISTORTED = DEMO / "demo_ref.mp4", DEMO / "demo_dist.mp4"
PAIR = ("-r", REFERENCE, "-d", DISTORTED, "--frame_cnt", "4")


def columns(distorted: Path, place: Path) -> dict[str, float]:
    output = place / "psnr.json"
    arguments = ("-r", REFERENCE, "-d", distorted, "--frame_cnt", "4", "--feature", "psnr")
    assert invoke(*arguments, "-o", output, "-q")[0] == 0
    return {
        name: pooled["mean"]
        for name, pooled in json.loads(output.read_text())["pooled_metrics"].items()
    }


def test_the_salient_part_stays_and_the_rest_becomes_perfect(tmp_path: Path) -> None:
    whole = columns(DISTORTED, tmp_path)
    for keep, kept, other in (
        ("salient", "psnr_y_salient", "psnr_y_background"),
        ("background", "psnr_y_background", "psnr_y_salient"),
    ):
        output = tmp_path / f"{keep}.y4m"
        assert invoke("compose", *PAIR, "--keep", keep, "--threshold", "0.5", "-o", output)[0] == 0
        part = columns(output, tmp_path)
        # Within the blend, a little of each is left.
        assert part[kept] == pytest.approx(whole[kept], abs=1.0)
        assert part[other] > whole[other] + 5


def test_raw_and_y4m_hold_the_same_samples(tmp_path: Path) -> None:
    raw, y4m = tmp_path / "a.yuv", tmp_path / "a.y4m"
    for output in (raw, y4m):
        assert invoke("compose", *PAIR, "-o", output)[:2] == (0, "")
    with open_source(str(y4m)) as one, open_source(str(raw), width=320, height=180) as other:
        assert one.info.fps == 24
        for left, right in zip(one.frames(), other.frames(), strict=True):
            for plane, same in zip(left.planes, right.planes, strict=True):
                assert np.array_equal(plane, same)


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (["-r", REFERENCE, "-o", "x.y4m"], 2, "Name both videos"),
        ([*PAIR, "-o", "x.mp4"], 2, "neither .y4m nor .yuv"),
        ([*PAIR, "-o", "x.y4m", "--keep", "faces"], 2, "--keep is salient or background"),
        ([*PAIR, "-o", "x.y4m", "--fade", "2"], 2, "--fade is a number from 0 to 1"),
        ([*PAIR, "-o", "no/x.y4m"], 1, "does not exist"),
        (["-r", REFERENCE, "-d", "none.mp4", "-o", "x.y4m"], 1, "none.mp4"),
    ],
)
def test_refusals(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str | Path],
    code: int,
    sentence: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    found, out, err = invoke("compose", *arguments)
    assert (found, out) == (code, "")
    assert sentence in err
    assert not list(tmp_path.iterdir())
