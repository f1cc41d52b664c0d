"""--feature psnr: its columns, and whose map weights them."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from tests.command import DEMO, invoke
from tests.conftest import ORACLE
from vmafsal import extract
from vmafsal.features.psnr import psnr
from vmafsal.video import open_source

REFERENCE, DISTORTED = DEMO / "demo_ref.mp4", DEMO / "demo_dist.mp4"
COLUMNS = ["psnr_y", "psnr_y_saliency", "psnr_y_salient", "psnr_y_background"]


@pytest.mark.oracle
def test_psnr_y_is_that_of_the_c_tool(tmp_path: Path) -> None:
    output = tmp_path / "a.csv"
    clips = [ORACLE / "clips" / f"seek10_{side}_352x288_420p8_24f.yuv" for side in ("ref", "dist")]
    size = ("-w", "352", "-h", "288")
    code, _, _ = invoke(
        "-r", clips[0], "-d", clips[1], *size, "--feature", "psnr", "-o", output, "-q"
    )
    assert code == 0
    expected = ORACLE / "expected" / "seek10_352x288_420p8_24f__vmaf_psnr.csv"
    columns = []
    for path in (output, expected):
        with path.open() as file:
            columns.append([row["psnr_y"] for row in csv.DictReader(file)])
    assert columns[0] == columns[1]


def test_weights_are_the_references(tmp_path: Path) -> None:
    output = tmp_path / "a.json"
    features = ("--feature", "mobilesal", "--feature", "psnr=name=b")
    options = ("--precision", "max", "--frame_cnt", "6", "-o", output, "-q")
    assert invoke("-r", REFERENCE, "-d", DISTORTED, *features, *options)[0] == 0
    frames = [frame["metrics"] for frame in json.loads(output.read_text())["frames"]]
    assert list(frames[0]) == ["saliency_mean", *(f"{name}_b" for name in COLUMNS)]
    maps = [one.map for one in extract(REFERENCE, maps=True, frame_cnt=6)]
    with open_source(str(REFERENCE)) as one, open_source(str(DISTORTED)) as other:
        for metrics, saliency, left, right in zip(
            frames, maps, one.frames(stop=6), other.frames(stop=6), strict=True
        ):
            assert saliency is not None
            expected = psnr(left.planes[0], right.planes[0], saliency)
            for name in COLUMNS:
                assert metrics[f"{name}_b"] == pytest.approx(getattr(expected, name), abs=1e-6)


def test_a_part_that_is_empty_is_null(tmp_path: Path) -> None:
    clip, output = tmp_path / "gray.yuv", tmp_path / "a.json"
    clip.write_bytes(bytes([128]) * (64 * 48 * 3 // 2))
    size = ("-w", "64", "-h", "48", "-o", output, "-q")
    assert invoke("-r", clip, "-d", clip, "--feature", "psnr", *size)[0] == 0
    log = json.loads(output.read_text())
    assert log["frames"][0]["metrics"]["psnr_y"] == 60.0
    empty = [name for name in COLUMNS[2:] if log["frames"][0]["metrics"][name] is None]
    assert len(empty) == 1
    assert log["pooled_metrics"][empty[0]]["mean"] is None


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (["-d", DISTORTED, "--feature", "psnr"], 2, "name it with --reference"),
        (["-r", REFERENCE, "-d", DISTORTED, "--feature", "psnr=stats=true"], 2, "ask mobilesal"),
        (["-r", REFERENCE, "-d", DISTORTED, "--feature", "psnr=colour=auto"], 2, "psnr has no"),
        (["-r", REFERENCE, "-d", DISTORTED, *["--feature", "psnr"] * 2], 2, "column psnr_y"),
    ],
)
def test_refusals(arguments: list[str | Path], code: int, sentence: str) -> None:
    found, _, err = invoke(*arguments)
    assert found == code
    assert sentence in err


def test_videos_that_have_no_pixels_in_common_are_refused(tmp_path: Path) -> None:
    clips = []
    for width, chroma, size in ((64, "420", 64 * 72), (32, "420", 32 * 72), (64, "444", 64 * 144)):
        clips.append(tmp_path / f"{width}_{chroma}.y4m")
        header = f"YUV4MPEG2 W{width} H48 F25:1 Ip C{chroma}\nFRAME\n"
        clips[-1].write_bytes(header.encode() + bytes(size))
    for other in clips[1:]:
        for words in (("--feature", "psnr"), ("compose", "-o", tmp_path / "x.y4m")):
            code, _, err = invoke(*words, "-r", clips[0], "-d", other)
            assert code == 1
            assert "psnr and compose need the pixels of both" in err
            assert err.count("\n") == 1


def test_a_tag_that_makes_the_name_of_another_column_is_refused(tmp_path: Path) -> None:
    output = tmp_path / "a.json"
    features = ("--feature", "psnr", "--feature", "psnr=name=saliency")
    status, _, said = invoke("-r", REFERENCE, "-d", DISTORTED, *features, "-o", output, "-q")
    assert (status, "would write the column psnr_y_saliency" in said) == (2, True), said
    assert not output.exists()
