"""--start and --duration, --framerate, and the time of each frame."""

from __future__ import annotations

import json
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from tests.command import invoke
from tests.conftest import PLACEHOLDER
from vmafsal import extract
from vmafsal.errors import InputError, UsageError
from vmafsal.job import Job
from vmafsal.values import read_rate, read_seconds

SIZE: dict[str, Any] = {"width": 64, "height": 48}
MODEL = f"--feature=mobilesal=model_path={PLACEHOLDER}"


def write_mp4(path: Path, stamps: Sequence[int], base: int = 1000) -> Path:
    """Noise with a key frame every 12 pictures and B-frames; stamps in 1/base s."""
    rng = np.random.default_rng(0)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=Fraction(25), options={"g": "12", "bf": "2"})
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.time_base = stream.codec_context.time_base = Fraction(1, base)
        for number, stamp in enumerate(stamps):
            pixels = rng.integers(0, 255, (48, 64, 3), np.uint8)
            pixels[:, : 1 + number] = 255
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            frame.pts, frame.time_base = stamp, Fraction(1, base)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


@pytest.fixture(scope="module")
def mp4(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_mp4(tmp_path_factory.mktemp("v") / "v.mp4", range(0, 50 * 40, 40))


def means(path: Path, **options: Any) -> list[float]:
    run = extract(path, model=PLACEHOLDER, **options).read()
    return [frame.metrics["saliency_mean"] for frame in run.frames]


@pytest.mark.parametrize(
    ("start", "duration", "first", "last"),
    [(0.5, 0.4, 13, 23), (0.52, None, 13, 50), (0.0, 0.2, 0, 5), (None, 1.0, 0, 25)],
)
def test_a_range_is_exact_to_the_frame(
    mp4: Path, start: float | None, duration: float | None, first: int, last: int
) -> None:
    run = extract(mp4, model=PLACEHOLDER, start=start, duration=duration).read()
    assert [frame.metrics["saliency_mean"] for frame in run.frames] == means(mp4)[first:last]
    assert [frame.index for frame in run.frames] == list(range(last - first))
    assert run.frames[0].pts_time == pytest.approx(first * 0.04)
    settings = run.provenance()["settings"]
    assert settings["frame_skip_dist"] == first
    assert (settings["start"], settings["duration"]) == (start, duration)


def test_a_variable_frame_rate_counts_by_its_own_clock(tmp_path: Path) -> None:
    stamps = [0, 40, 80, 120, 500, 900, 940, 980, 1500, 1540]
    path = write_mp4(tmp_path / "vfr.mp4", stamps)
    run = extract(path, model=PLACEHOLDER, start=0.2, duration=1.0).read()
    times = [frame.pts_time for frame in run.frames]
    assert times == pytest.approx([0.5, 0.9, 0.94, 0.98])


def test_raw_video_needs_its_rate(clip: Path) -> None:
    whole = means(clip, **SIZE)
    cut = extract(clip, model=PLACEHOLDER, framerate=25, start=0.08, duration=0.08, **SIZE).read()
    assert [frame.metrics["saliency_mean"] for frame in cut.frames] == whole[2:4]
    assert [frame.pts_time for frame in cut.frames] == pytest.approx([0.08, 0.12])
    with pytest.raises(InputError, match="give --framerate"):
        extract(clip, model=PLACEHOLDER, start=0.08, **SIZE)


def test_both_videos_begin_at_the_time(clip: Path, tmp_path: Path) -> None:
    reference = tmp_path / "ref.yuv"
    reference.write_bytes(clip.read_bytes())
    run = extract(clip, reference, model=PLACEHOLDER, framerate=25, start=0.12, **SIZE).read()
    assert run.provenance()["settings"]["frame_skip_ref"] == 3
    assert len(run.frames) == 3


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"start": 9.0}, "ends before --start 9 s"),
        ({"start": 0.001, "duration": 0.01}, r"No picture of .* is shown in the 0.01 s after"),
    ],
)
def test_a_range_without_a_picture_is_a_sentence(
    mp4: Path, options: dict[str, Any], says: str
) -> None:
    with pytest.raises(InputError, match=says):
        extract(mp4, model=PLACEHOLDER, **options)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"start": 1.0, "frame_skip_dist": 3}, "--start and --frame_skip_dist both say"),
        ({"start": 1.0, "frame_skip_ref": 3}, "--start and --frame_skip_ref both say"),
        ({"duration": 1.0, "frame_cnt": 3}, "--duration and --frame_cnt both say"),
        ({"duration": 0.0}, "--duration 0 leaves nothing"),
        ({"start": -1.0}, "--start is a time in seconds or as hh:mm:ss.ms, not -1.0"),
        ({"start": float("nan")}, "--start is a time"),
        ({"start": "1"}, "--start is a time"),
        ({"framerate": 0.0}, "--framerate is a frame rate such as 25 or 24000/1001, not 0.0"),
    ],
)
def test_options_that_make_no_sense(options: dict[str, object], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        Job("a.mp4", **options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90", 90),
        ("90.5", 90.5),
        (".5", 0.5),
        ("1:30", 90),
        ("00:01:30.500", 90.5),
        ("100:0:0", 36e4),
    ],
)
def test_times_are_read_as_people_write_them(text: str, seconds: float) -> None:
    assert read_seconds(text) == pytest.approx(seconds)


@pytest.mark.parametrize(
    "text", ["", "one", "1:60", "1:60:00", "1:2:3:4", "-1", "1e3", "1,5", "inf"]
)
def test_no_time_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no time"):
        read_seconds(text)


def test_rates_are_read_as_fractions_too() -> None:
    assert read_rate("24000/1001") == pytest.approx(23.976, abs=1e-3)
    assert read_rate("29.97") == 29.97
    for text in ("25/0", "x", "1/2/3", True):
        with pytest.raises((ValueError, ZeroDivisionError)):
            read_rate(text)


def test_the_command_line_takes_clocks_and_writes_times(mp4: Path, tmp_path: Path) -> None:
    log = tmp_path / "log.json"
    words: list[str | Path] = [
        mp4,
        MODEL,
        "--start",
        "00:00:01",
        "--duration",
        "0:0:0.12",
        "-q",
        "-o",
    ]
    assert invoke(*words, log, "--times")[0] == 0
    frames = json.loads(log.read_text())["frames"]
    assert [(frame["frameNum"], frame["pts_time"]) for frame in frames] == [
        (0, 1.0),
        (1, 1.04),
        (2, 1.08),
    ]
    assert list(frames[0]) == ["frameNum", "pts_time", "metrics"]
    # Without --times, the log has libvmaf's keys alone.
    assert invoke(*words, log)[0] == 0
    assert list(json.loads(log.read_text())["frames"][0]) == ["frameNum", "metrics"]
    lines = tmp_path / "log.ndjson"
    assert invoke(*words, lines)[0] == 0
    rows = [json.loads(line) for line in lines.read_text().splitlines()]
    assert [row["pts_time"] for row in rows] == [1.0, 1.04, 1.08]


def test_a_bad_time_on_the_command_line_is_wrong_usage(mp4: Path) -> None:
    status, _, said = invoke(mp4, "--start", "soon")
    assert status == 2
    assert "a time in seconds or as hh:mm:ss.ms" in " ".join(said.split())
