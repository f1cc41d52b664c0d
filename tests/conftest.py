"""What several tests share: where things are, and small models and clips that they draw."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import chdir
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, settings

from tests.browser import open_browser

ROOT = Path(__file__).resolve().parent.parent
ORACLE = ROOT.parent / "shared" / "oracle"
PLACEHOLDER = ROOT / "model" / "tiny" / "mobilesal.onnx"

# Nothing is asserted on time, as a busy machine may run the tests.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")

# Programs that tests start would compile the package anew each.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

Run = Callable[..., "subprocess.CompletedProcess[str]"]


LONGEST = (
    *("train/test_fit", "train/test_chain", "train/test_run", "test_wheel"),
    *("library/test_ray_pool", "cli/test_batch", "explore/test_page", "benchmarks/test_benchmarks"),
)
"""Files that begin first, so that no process is left alone with one at the end."""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: not item.nodeid.removeprefix("tests/").startswith(LONGEST))
    offline = pytest.mark.skip(reason="downloads something: run it with -m network")
    for item in items:
        if item.get_closest_marker("network") and "network" not in config.option.markexpr:
            item.add_marker(offline)
    missing = pytest.mark.skip(reason="the C tool's recorded outputs are not here")
    for item in items:
        if item.get_closest_marker("oracle") and not ORACLE.is_dir():
            item.add_marker(missing)


@pytest.fixture(autouse=True)
def _no_model_from_outside(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    monkeypatch.delenv("VMAF_MOBILESAL_MODEL_PATH", raising=False)
    monkeypatch.setenv("VMAFSAL_MODELS", str(tmp_path_factory.getbasetemp() / "no-models"))


@pytest.fixture
def placeholder_model(monkeypatch: pytest.MonkeyPatch) -> None:
    """The model that costs next to nothing, where a test names none."""
    monkeypatch.setenv("VMAF_MOBILESAL_MODEL_PATH", "mobilesal_placeholder_v0")


@pytest.fixture
def vmafsal(tmp_path: Path) -> Run:
    """Runs the command in an empty folder.

    In this process, which spares the start of another; in one of its own where standard input or
    variables of the environment are given.
    """
    from tests.command import invoke

    def run(
        *args: str | Path, stdin: bytes | None = None, env: dict[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        if stdin is None and env is None:
            with chdir(tmp_path):
                return subprocess.CompletedProcess(args, *invoke(*args, env={"COLUMNS": "200"}))
        done = subprocess.run(
            [sys.executable, "-m", "vmafsal", *map(str, args)],
            input=stdin,
            capture_output=True,
            cwd=tmp_path,
            env={**os.environ, "COLUMNS": "200", **(env or {})},
            timeout=120,
        )
        return subprocess.CompletedProcess(
            done.args, done.returncode, done.stdout.decode(), done.stderr.decode()
        )

    return run


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Any]:
    with open_browser(tmp_path / "profile") as found:
        yield found


def draw_yuv(
    frames: int, height: int, width: int, chroma: str = "420", bit_depth: int = 8, seed: int = 0
) -> bytes:
    """A bright disc that wanders over a gradient with noise, as raw planar YUV."""
    from vmafsal.video.frame import Chroma, chroma_size

    names: dict[str, Chroma] = {"420": "420", "422": "422", "444": "444", "400": "400"}
    noise = np.random.default_rng(seed)
    rows, columns = np.mgrid[:height, :width]
    planes = []
    for number in range(frames):
        centre = (height / 2, width * (number + 1) / (frames + 1))
        inside = np.hypot(rows - centre[0], columns - centre[1]) < min(height, width) / 4
        luma = 40 + 120 * columns / width + 70 * inside + noise.normal(0, 3, (height, width))
        parts = [luma]
        if chroma != "400":
            down = chroma_size(height, width, names[chroma])
            tint = inside[:: -(-height // down[0]), :: -(-width // down[1])]
            parts += [np.full(down, 118.0), 128 + 60.0 * np.resize(tint, down)]
        planes += [
            np.clip(part * 2 ** (bit_depth - 8), 0, 2**bit_depth - 1)
            .astype("u1" if bit_depth == 8 else "<u2")
            .tobytes()
            for part in parts
        ]
    return b"".join(planes)


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    """Six frames of 64x48, 4:2:0, 8 bits."""
    path = tmp_path / "clip.yuv"
    path.write_bytes(draw_yuv(6, 48, 64))
    return path
