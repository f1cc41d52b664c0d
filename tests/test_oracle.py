"""The C extractor's own outputs, met to the digit."""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tests.command import invoke
from tests.conftest import ORACLE
from vmafsal import extract
from vmafsal.job import Job, parse_features
from vmafsal.logs import Log, choose_format, format_log, parse_precision
from vmafsal.run import Run

pytestmark = pytest.mark.oracle

EXPECTED = sorted((ORACLE / "expected").glob("*")) if ORACLE.is_dir() else []
SCORES = [path for path in EXPECTED if "vmaf_psnr" not in path.name]
FULL = [path for path in SCORES if path.name.endswith(".max.json")]
PRINTED = [path for path in SCORES if not path.name.endswith(".max.json")]


def ids(path: Path) -> str:
    return path.name


OPTIONS: dict[str, dict[str, int]] = {
    "skip2": {"frame_skip_ref": 2, "frame_skip_dist": 2},
    "subsample3": {"subsample": 3},
    "frame_cnt5": {"frame_cnt": 5},
}
"""What a variant of a recorded output was asked for, by its name."""


def job_of(expected: Path) -> tuple[Path, dict[str, Any]]:
    """The distorted video of a recorded output, and the other arguments of extract()."""
    clip, rest = expected.name.split("__")
    model, *variant = rest.split(".")[:-1]
    match = re.match(r"(\w+?)_(\d+)x(\d+)_(?:yuv)?(\d{3})", clip)
    assert match
    name, width, height, chroma = match.groups()
    clips = ORACLE / "clips"
    if name == "synthetic":
        reference, distorted = clips / f"{clip}_ref.yuv", clips / f"{clip}_dist.yuv"
    else:
        tail = clip.removeprefix(name)
        reference, distorted = clips / f"{name}_ref{tail}.yuv", clips / f"{name}_dist{tail}.yuv"
    options: dict[str, Any] = {
        "reference": reference,
        "model": str(ORACLE / "peer_models" / f"{model}.onnx"),
        "width": int(width),
        "height": int(height),
        "pixel_format": chroma,
    }
    for word in variant:
        options |= OPTIONS.get(word, {})
    return distorted, options


@cache
def scored(distorted: Path, options: str) -> Log:
    """The log of a job, which several recorded outputs of one job share."""
    return extract(distorted, **json.loads(options)).log()


def log_of(expected: Path) -> Log:
    distorted, options = job_of(expected)
    return scored(distorted, json.dumps(options, default=str))


@pytest.mark.parametrize("expected", FULL, ids=ids)
def test_scores_agree_with_the_c_extractor(expected: Path) -> None:
    wanted = [
        (frame["frameNum"], frame["metrics"]["saliency_mean"])
        for frame in json.loads(expected.read_text())["frames"]
    ]
    frames = log_of(expected).frames
    assert [frame.index for frame in frames] == [number for number, _ in wanted]
    differences = [
        abs(frame.metrics["saliency_mean"] - score)
        for frame, (_, score) in zip(frames, wanted, strict=True)
    ]
    assert max(differences) <= 1e-6


@pytest.mark.parametrize("expected", PRINTED, ids=ids)
def test_logs_agree_with_the_c_tool_byte_for_byte(expected: Path, tmp_path: Path) -> None:
    if expected.name.startswith("synthetic"):
        written = command_writes(expected, tmp_path)
    else:  # larger: one run for all formats
        written = format_log(log_of(expected), choose_format(expected.name), parse_precision(None))
    ours, theirs = comparable(written), comparable(expected.read_text())
    assert ours[0] == theirs[0]
    assert len(ours[1]) == len(theirs[1])
    # The last of six printed decimals may differ by one.
    assert all(abs(a - b) <= 1 for a, b in zip(ours[1], theirs[1], strict=True))


def command_writes(expected: Path, folder: Path) -> str:
    distorted, options = job_of(expected)
    output = folder / f"score{expected.suffix}"
    feature = f"mobilesal=model_path={options.pop('model')}"
    words = [str(word) for key, value in options.items() for word in (f"--{key}", value)]
    done = invoke("-d", distorted, *words, "--feature", feature, "-o", output, "--quiet")
    assert done == (0, "", "")
    return output.read_text()


def comparable(text: str) -> tuple[str, list[int]]:
    """The text without what differs by nature, and its six-decimal numbers in millionths."""
    text = re.sub(r',\n  "vmafsal": \{.*\n  \}\n\}$', "\n}", text.rstrip("\n"), flags=re.DOTALL)
    text = re.sub(r'("version": |version=)"[^"]*"', r"\1", text)
    text = re.sub(r'("fps": |fps=)"?[\d.]+"?', r"\1", text)
    numbers = [int(a + b) for a, b in re.findall(r"(\d+)\.(\d{6})\b", text)]
    return re.sub(r"\d+\.\d{6}\b", "x", text), numbers


@pytest.mark.parametrize("student", ["saliency_student_v1", "saliency_student_v2"])
def test_students_score_sizes_that_the_c_tool_cannot(student: str, tmp_path: Path) -> None:
    """576x324, 353x287, and every remainder of the stride from 17x17 on."""
    import numpy as np

    from vmafsal.infer.session import Session
    from vmafsal.models.model import load_model

    path = str(ORACLE / "peer_models" / f"{student}.onnx")
    clips = ORACLE / "clips"
    for name, width, height, frames in (
        ("src01_dist_576x324_420p8_3f.yuv", 576, 324, 1),
        ("seek10_dist_353x287_420p8_12f.yuv", 353, 287, 2),
    ):
        result = extract(
            clips / name, model=path, width=width, height=height, frame_cnt=frames
        ).read()
        scores = [frame.metrics["saliency_mean"] for frame in result.frames]
        assert len(scores) == frames
        assert all(0.01 < score < 0.99 for score in scores)

    noise = np.random.default_rng(0)
    session = Session(load_model(path), "cpu")
    for size in (*range(17, 26), 40):
        clip = tmp_path / "square.yuv"
        half = (size + 1) // 2
        clip.write_bytes(noise.integers(0, 256, size * size + 2 * half * half, np.uint8).tobytes())
        job = Job(
            str(clip),
            width=size,
            height=size,
            features=parse_features([f"mobilesal=model_path={path}"]),
        )
        (frame,) = Run(job).read().frames
        # By hand: convert, replicate the last row and column up to a multiple of 8, crop the map.
        from vmafsal.picture.color import frame_to_tensor
        from vmafsal.video import open_source

        with open_source(str(clip), width=size, height=size) as source:
            (picture,) = source.frames()
        tensor = np.empty((3, size, size), np.float32)
        frame_to_tensor(picture, session.model.policy, tensor)
        padding = -size % 8
        padded = np.pad(tensor, ((0, 0), (0, padding), (0, padding)), mode="edge")
        saliency = session.run(padded[None])[0, 0, :size, :size]
        assert frame.metrics["saliency_mean"] == pytest.approx(
            float(saliency.mean(dtype=np.float64)), abs=1e-9
        )
