"""The wheel, installed in an empty environment away from the checkout, scores a clip."""

from __future__ import annotations

import json
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

from tests.conftest import ROOT, draw_yuv


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    done = subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--outdir", folder, ROOT],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (path,) = folder.glob("*.whl")
    return path


def test_the_wheel_holds_the_package_and_the_models_and_nothing_else(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    packaged = {name.split("/")[-1] for name in names if name.startswith("vmafsal/tiny/")}
    assert packaged == {path.name for path in (ROOT / "model" / "tiny").iterdir()}
    assert {name.split("/")[0] for name in names if ".dist-info" not in name} == {"vmafsal"}
    assert "vmafsal/py.typed" in names


def test_an_installed_wheel_scores_a_clip(wheel: Path, tmp_path: Path) -> None:
    home = tmp_path / "venv"
    venv.create(home)
    pip = [sys.executable, "-m", "pip", "--python", str(home / "bin" / "python")]
    constraints = ["--no-compile", "-c", str(ROOT / "constraints.txt")]
    install = [*pip, "install", "-q", *constraints, str(wheel)]
    done = subprocess.run(install, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    clip = tmp_path / "clip.yuv"
    clip.write_bytes(draw_yuv(3, 46, 62))
    done = subprocess.run(
        [home / "bin" / "vmafsal", clip, "-w", "62", "-h", "46", "-o", "score.json"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    log = json.loads((tmp_path / "score.json").read_text())
    assert len(log["frames"]) == 3
    registry = json.loads((ROOT / "model" / "tiny" / "registry.json").read_text())
    assert log["vmafsal"]["features"]["saliency_mean"]["model"] == registry["default"]
    for args in (["models", "verify"], ["join", "score.json", "score.json", "--suffix", "x=y"]):
        done = subprocess.run(
            [home / "bin" / "vmafsal", *args], capture_output=True, text=True, cwd=tmp_path
        )
        assert "Traceback" not in done.stderr
    listed = subprocess.run([*pip, "list"], capture_output=True, text=True, check=True).stdout
    assert not {"torch", "pytest", "pandas"} & {line.split()[0] for line in listed.splitlines()}
