"""Where results go: in what format, and never over a file that the run reads."""

from __future__ import annotations

import os
from pathlib import Path

import onnx
import pytest

from tests.command import SIZE, invoke
from tests.networks import student

FILES = ("clip.yuv", "ref.yuv", "side.onnx", "side.json", "weights.bin")
"""What the run of the next test reads."""


@pytest.mark.parametrize("flags", [(), ("--ndjson", "-o", "-"), ("--csv",)])
@pytest.mark.parametrize("target", [*FILES, "symbolic.json", "hard.json", "new.ndjson"])
def test_no_output_replaces_an_input(
    target: str,
    flags: tuple[str, ...],
    clip: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("ref.yuv").write_bytes(clip.read_bytes())
    model = onnx.load(student(Path("side.onnx"), sidecar={"id": "side"}))
    onnx.save(
        model, "side.onnx", save_as_external_data=True, location="weights.bin", size_threshold=0
    )
    Path("symbolic.json").symlink_to("side.json")
    Path("hard.json").hardlink_to("side.onnx")
    Path("new.ndjson").symlink_to("weights.bin")
    before = {name: Path(name).read_bytes() for name in os.listdir()}
    video = ("-r", "ref.yuv", "-d", "clip.yuv", *SIZE, "-q")
    feature = ("--feature", "mobilesal=model_path=side.onnx")
    code, out, err = invoke(*video, *feature, *flags, "-o", target)
    assert (code, out) == (1, ""), err
    assert f"{target} is a file that this run reads" in err
    assert {name: Path(name).read_bytes() for name in os.listdir()} == before


def test_no_log_is_made_where_a_sidecar_is_looked_for(clip: Path, tmp_path: Path) -> None:
    model = student(tmp_path / "side.onnx")
    feature = ("--feature", f"mobilesal=model_path={model}")
    code, _, err = invoke(clip, *SIZE, *feature, "-o", tmp_path / "side.json")
    assert code == 1
    assert "would be lost" in err
    assert not (tmp_path / "side.json").exists()


@pytest.mark.parametrize(
    "wrong", [("--width", "640"), ("--feature", "mobilesal=model_path=no.onnx")]
)
def test_an_older_stream_is_not_emptied_by_a_run_that_cannot_begin(
    wrong: tuple[str, str], clip: Path, tmp_path: Path
) -> None:
    good = tmp_path / "good.ndjson"
    good.write_text("older")
    assert invoke(tmp_path / "missing.mp4", "-o", good)[0] == 1
    assert invoke(clip, *SIZE, *wrong, "-o", good)[0] in (1, 2)
    assert good.read_text() == "older"
    assert invoke(clip, *SIZE, "-q", "-o", good) == (0, "", "")
    assert len(good.read_text().splitlines()) == 6
