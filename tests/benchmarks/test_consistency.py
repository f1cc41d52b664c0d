"""What the consistency figures say, found on pictures whose answer is known."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from benchmarks import consistency
from benchmarks.clips import ClipSize, clip_path
from benchmarks.clips import main as draw
from benchmarks.consistency import frames_of, noisy, planes_of, scaled, write_raw
from tests.benchmarks.test_benchmarks import app_of

SIZE = ClipSize(96, 64, 6)


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A drawn clip as H.264."""
    folder = tmp_path_factory.mktemp("clips")
    draw(folder=str(folder), width=SIZE.width, height=SIZE.height, frames=SIZE.frames)
    return clip_path(folder, SIZE, "mp4")


def test_frames_are_taken_in_steps(clip: Path) -> None:
    assert len(frames_of(clip, 4)) == 4
    stepped = frames_of(clip, 10, step=5)
    assert len(stepped) == 2
    last = planes_of(frames_of(clip, 6)[5])[0]
    np.testing.assert_array_equal(planes_of(stepped[1])[0], last)


def test_rungs_keep_the_shape_and_the_level(clip: Path) -> None:
    (frame,) = frames_of(clip, 1)
    for lines in (32, 128):
        rung = scaled(frame, lines)
        luma = planes_of(rung)[0]
        assert luma.shape == (lines, lines * 3 // 2)
        assert luma.mean() == pytest.approx(planes_of(frame)[0].mean(), abs=0.6)


def test_raw_file_holds_the_samples_without_padding(clip: Path, tmp_path: Path) -> None:
    frames = frames_of(clip, 2)
    path = tmp_path / "two.yuv"
    write_raw(path, map(planes_of, frames))
    assert path.stat().st_size == 2 * 96 * 64 * 3 // 2
    first = np.fromfile(path, np.uint8, 96 * 64).reshape(64, 96)
    np.testing.assert_array_equal(first, planes_of(frames[0])[0])


def test_noise_has_its_deviation() -> None:
    grey = tuple(np.full((200, 200), 128, np.uint8) for _ in range(3))
    drawn = noisy(grey, np.random.default_rng(1))
    assert drawn[0].std() == pytest.approx(2.02, abs=0.05)  # rounding adds 1/12 to the variance
    assert not np.array_equal(drawn[0], drawn[1])
    white = noisy((np.full((8, 8), 255, np.uint8),), np.random.default_rng(1))
    assert white[0].max() == 255


def test_command_measures_all_three(
    clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consistency, "LINES", (32, 64, 128))
    report = tmp_path / "out" / "figures.json"
    model = "mobilesal_placeholder_v0"
    words = ["--model", model, "--clip", str(clip), "--frames", "4", "--rung-frames", "2"]
    done = CliRunner().invoke(
        app_of(consistency.main), [*words, "--repeats", "3", "--json", str(report)]
    )
    assert done.exit_code == 0, done.output
    rows = {row["what"]: row for row in json.loads(report.read_text("utf-8"))["rows"]}
    means = rows["resolution"]["means"]
    assert list(means) == ["32", "64", "128"]
    assert rows["resolution"]["value"] == max(means.values()) - min(means.values())
    assert set(rows["coding"]["each"]) == {"CRF 23", "CRF 40", "half size"}
    assert 0 < rows["coding"]["each"]["CRF 23"] < rows["coding"]["each"]["CRF 40"]
    assert rows["flicker"]["value"] > 0
    assert f"| {model} | {clip.name} |" in done.output


def test_unknown_measure_is_refused(clip: Path) -> None:
    words = ["--model", "m", "--clip", str(clip), "--what", "colour"]
    done = CliRunner().invoke(app_of(consistency.main), words)
    assert done.exit_code == 2
    assert "resolution, coding, flicker" in done.output
