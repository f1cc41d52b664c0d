"""True logs of ffmpeg's libvmaf filter, made here and now, and joined."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.command import invoke
from tests.conftest import ROOT
from vmafsal.logs.read import read_log

CLIPS = ROOT / "fixtures" / "yuv"
SALIENCY = ROOT / "tests" / "golden" / "synthetic_64x48_yuv420p_8f__mobilesal.json"


@pytest.fixture(scope="module")
def ffmpeg() -> str:
    """An ffmpeg with libvmaf: that of the wheel imageio-ffmpeg."""
    wheel = pytest.importorskip("imageio_ffmpeg")
    try:
        path = str(wheel.get_ffmpeg_exe())
    except RuntimeError:
        pytest.skip("the wheel holds no ffmpeg for this system")
    filters = subprocess.run([path, "-hide_banner", "-filters"], capture_output=True, text=True)
    if " libvmaf " not in filters.stdout:
        pytest.skip("this ffmpeg has no libvmaf")
    return path


def score(ffmpeg: str, log: Path, skip_seconds: float = 0.0) -> Path:
    """Score the synthetic pair, 8 frames at 25 fps, from a time on."""
    arguments = [ffmpeg, "-hide_banner", "-loglevel", "error", "-nostdin"]
    for role in ("dist", "ref"):
        clip = CLIPS / f"synthetic_64x48_yuv420p_8f_{role}.yuv"
        arguments += ["-f", "rawvideo", "-s", "64x48", "-pix_fmt", "yuv420p", "-r", "25"]
        arguments += ["-ss", str(skip_seconds), "-i", str(clip)]
    fmt = log.suffix[1:]
    graph = f"libvmaf=feature=name=psnr:log_fmt={fmt}:log_path={log.name}:n_threads=1"
    arguments += ["-lavfi", graph, "-f", "null", "-"]
    subprocess.run(arguments, check=True, timeout=60, cwd=log.parent)
    return log


def test_every_format_joins(ffmpeg: str, tmp_path: Path) -> None:
    logs = [score(ffmpeg, tmp_path / f"vmaf.{fmt}") for fmt in ("json", "xml", "csv", "sub")]
    columns = [read_log(log).column("vmaf") for log in logs]
    assert all(column == columns[0] for column in columns)
    # libvmaf 3 and its recorded log of the same pair agree but for the last digits.
    recorded = read_log(CLIPS / "expected" / "synthetic_64x48_yuv420p_8f__vmaf_psnr.json")
    assert columns[0] == pytest.approx(recorded.column("vmaf"), abs=1e-3)
    for log in logs:
        output = tmp_path / "all.json"
        code, out, err = invoke("join", SALIENCY, log, "-o", output)
        assert (code, err) == (0, "")
        assert "Mean of vmaf over the most salient quarter" in out
        assert read_log(output).column("vmaf") == columns[0]


def test_a_log_of_ffmpeg_ss_joins_at_its_offset(ffmpeg: str, tmp_path: Path) -> None:
    whole = score(ffmpeg, tmp_path / "whole.json")
    cut = score(ffmpeg, tmp_path / "cut.json", skip_seconds=0.12)
    code, _, err = invoke("join", SALIENCY, cut)
    assert code == 1
    assert f"--offset {cut}=3. If it was cut at its end" in err
    output = tmp_path / "all.json"
    assert invoke("join", SALIENCY, cut, "--offset", "cut.json=3", "-q", "-o", output)[0] == 0
    joined = read_log(output)
    assert [frame.index for frame in joined.frames] == [3, 4, 5, 6, 7]
    assert joined.column("psnr_y") == read_log(whole).column("psnr_y")[3:]
    assert joined.column("saliency_mean") == read_log(SALIENCY).column("saliency_mean")[3:]
