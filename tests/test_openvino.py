"""--compute fast: OpenVINO's numbers, where it runs, what is recorded, and what is refused."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks.compute import compare, picture_shape, time_both
from tests.batch import records
from tests.command import DEMO, SIZE, invoke
from tests.conftest import ORACLE, draw_yuv
from tests.networks import convolution, node, save, student
from vmafsal import extract
from vmafsal.errors import ModelError, UsageError
from vmafsal.model import load_model
from vmafsal.options import Job
from vmafsal.registry import packaged_registry
from vmafsal.session import Session

installed = pytest.mark.skipif(
    subprocess.run([sys.executable, "-c", "import openvino"], capture_output=True).returncode != 0,
    reason="OpenVINO is not installed",
)

MODELS = [entry.id for entry in packaged_registry().entries]
REAL = ("bikes_640x272.mp4", "carphone_qcif.mp4", "foreman_cif.y4m", "seeking_dist.mp4")
TOLERANCE = 1e-5
"""Of a mean. Both runtimes compute in float32; what is promised is 1e-3."""


def worst(clip: Path, model: str, **options: Any) -> float:
    """Largest difference of a frame's mean between the two ways to compute."""
    exact, fast = (
        extract(clip, model=model, device="cpu", compute=compute, **options).read()
        for compute in ("exact", "fast")
    )
    assert len(exact.frames) > 1
    return max(
        abs(one.metrics["saliency_mean"] - other.metrics["saliency_mean"])
        for one, other in zip(exact.frames, fast.frames, strict=True)
    )


@installed
@pytest.mark.parametrize("model", MODELS)
def test_means_are_those_of_exact(model: str, tmp_path: Path) -> None:
    assert worst(DEMO / "demo_dist.mp4", model, subsample=24) <= TOLERANCE
    deep = tmp_path / "deep.yuv"
    deep.write_bytes(draw_yuv(3, 90, 130, "422", 10))
    options = {"width": 130, "height": 90, "pixel_format": "422", "bitdepth": 10}
    assert worst(deep, model, **options) <= TOLERANCE


@installed
@pytest.mark.oracle
@pytest.mark.parametrize("clip", REAL)
def test_means_are_those_of_exact_on_real_clips(clip: str) -> None:
    for model in MODELS:
        path = ORACLE.parent / "clips" / clip
        assert worst(path, model, frame_cnt=10, subsample=9) <= TOLERANCE


@installed
def test_the_log_says_what_ran(clip: Path) -> None:
    result = extract(clip, width=64, height=48, device="cpu", compute="fast").read()
    facts = result.provenance()
    (feature,) = facts["features"].values()
    if load_model().policy.short_side:
        pytest.skip("the packaged default is canonical")
    assert (facts["provider"], feature["compute"]) == ("OpenVINO", "fast")
    assert facts["versions"]["openvino"]
    exact = extract(clip, width=64, height=48, device="cpu").read().provenance()
    assert exact["features"]["saliency_mean"]["compute"] == "exact"
    assert "openvino" not in exact["versions"]


@installed
def test_small_pictures_are_left_to_onnx_runtime(tmp_path: Path, clip: Path) -> None:
    path = student(tmp_path / "m.onnx", sidecar={"input": {"short_side": 32}})
    options: dict[str, Any] = {"width": 64, "height": 48, "model": path, "device": "cpu"}
    fast = extract(clip, compute="fast", **options).read()
    assert fast.provenance()["features"]["saliency_mean"]["compute"] == "exact"
    assert any("--compute fast changes nothing for m" in notice for notice in fast.notices)
    assert fast.frames == extract(clip, **options).read().frames


@installed
def test_what_openvino_cannot_run_is_a_sentence(tmp_path: Path) -> None:
    path = save(
        tmp_path / "odd.onnx",
        [node("Conv", ["input", "w"], "x", pads=[1] * 4), node("Sigmoid", ["x"], "saliency_map")],
        weights={"w": convolution(0, 1, 3)},
    )
    session = Session(load_model(str(path)), "cpu", compute="fast")
    channels = extract_noise(1, 5, 16, 16)
    with pytest.raises(ModelError, match=r"OpenVINO cannot run odd\.onnx on a batch of \[1, 5,"):
        session.run(channels)


def extract_noise(*shape: int) -> Any:
    import numpy as np

    return np.random.default_rng(0).standard_normal(shape, np.float32)


def test_values_without_meaning_are_refused(clip: Path) -> None:
    status, _, said = invoke(clip, *SIZE, "--compute", "quick")
    assert (status, "There is no compute 'quick'. Choose exact, fast." in said) == (2, True)
    status, _, said = invoke(clip, *SIZE, "--compute", "fast", "--device", "cuda:1")
    assert (status, "--device names cuda:1" in said) == (2, True)
    with pytest.raises(UsageError, match="--tf32"):
        Job("a.mp4", device="tensorrt", compute="fast")
    Job("a.mp4", device="auto", compute="fast")


def test_without_openvino_a_sentence_names_the_extra(clip: Path, tmp_path: Path) -> None:
    program = (
        "import sys; sys.modules['openvino'] = None; "
        "from vmafsal.__main__ import main; sys.exit(main())"
    )
    words = [str(clip), *SIZE, "--compute", "fast", "-o", str(tmp_path / "log.json")]
    done = subprocess.run([sys.executable, "-c", program, *words], capture_output=True, text=True)
    assert done.returncode == 1
    assert "pip install 'vmafsal[openvino]', or leave --compute out." in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "log.json").exists()


@installed
def test_the_benchmark_compares_both_ways(tmp_path: Path) -> None:
    path = student(tmp_path / "m.onnx", sidecar={"input": {"short_side": 90, "multiple": 32}})
    model = load_model(str(path))
    assert picture_shape(model) == (96, 160)
    assert all(seconds > 0 for seconds in time_both(model, (96, 160), 0))
    worst_mean, frames = compare(str(path), [str(DEMO / "demo_dist.mp4")], 24)
    assert (worst_mean, frames) == (0.0, 2)  # canonical: both are ONNX Runtime


@installed
def test_nobody_is_told_over_the_network(clip: Path) -> None:
    # OpenVINO by itself forks a process that reports the import.
    program = (
        "import sys; from vmafsal import extract; told = [];"
        "sys.addaudithook(lambda event, _: told.append(event) if event in {'os.fork', 'os.exec',"
        " 'os.posix_spawn', 'socket.connect', 'socket.getaddrinfo'} else None);"
        "result = extract(sys.argv[1], width=64, height=48, device='cpu', compute='fast',"
        " model='saliency_student_v1');"
        "print(len(result.read().frames), result.provider, told)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(clip)], capture_output=True, text=True, check=True
    )
    assert done.stdout == "6 OpenVINO []\n"


@installed
def test_another_compute_is_done_again(clip: Path, tmp_path: Path) -> None:
    manifest = tmp_path / "clips.jsonl"
    row = {"distorted": str(clip), "width": 64, "height": 48, "output": "a.json"}
    manifest.write_text(json.dumps(row) + "\n")
    out = tmp_path / "out"

    def batch(*options: str) -> str:
        status, _, said = invoke(
            "batch", manifest, "-o", out, "--device", "cpu", "--workers", "1", *options
        )
        assert status == 0, said
        return said

    assert "1 of 1 clips scored" in batch()
    assert records(out)["a.json"]["settings"]["compute"] == "exact"
    assert "1 were done before" in batch("--compute", "exact")
    assert "1 of 1 clips scored" in batch("--compute", "fast")
    assert records(out)["a.json"]["settings"]["compute"] == "fast"
    manifest.write_text(json.dumps(row | {"compute": "fast"}) + "\n")
    assert "1 were done before" in batch()
