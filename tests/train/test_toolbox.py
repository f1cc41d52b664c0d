"""The examples of docs/toolbox.md: teachers whose weights are not here, as ONNX and as maps."""

from __future__ import annotations

import re
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")

import torch
from PIL import Image
from typer.testing import CliRunner

from tests.drawn_corpus import draw_set
from tests.train.test_evaluate import ROOT
from train.__main__ import build_app
from vmafsal.models.model import load_model
from vmafsal.verify import verify

pytestmark = pytest.mark.train

PAGE = (ROOT / "docs" / "toolbox.md").read_text(encoding="utf-8")


def examples(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.S | re.M)


def run(command: str) -> Any:
    words = command.removeprefix("python -m train ").split()
    result = CliRunner().invoke(build_app(), words)
    assert result.exit_code == 0, (command, result.exception, result.output)
    return result


def commands(what: str) -> str:
    """The one command of the page that holds these words."""
    lines = [line for block in examples("sh") for line in block.splitlines()]
    (found,) = (line for line in lines if what in line)
    return found


class LogDensity(torch.nn.Module):
    """A small network that answers log densities, as UniSal does."""

    def __init__(self) -> None:
        super().__init__()
        self.convolution = torch.nn.Conv2d(3, 1, 5, padding=2)

    def forward(self, picture: torch.Tensor) -> torch.Tensor:
        logits = self.convolution(picture)
        flat = torch.nn.functional.log_softmax(logits.flatten(1), dim=1)
        return flat.reshape(logits.shape)


@pytest.fixture
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    draw_set(tmp_path / "photos", 3, 48, 64, masks=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_network_of_log_densities_becomes_a_teacher(workplace: Path) -> None:
    torch.manual_seed(0)
    network = LogDensity()
    code, _ = examples("python")
    with warnings.catch_warnings():
        # torch announces the end of this exporter.
        warnings.simplefilter("ignore")
        exec(compile(code, "docs/toolbox.md", "exec"), {"network": network})
    (sidecar,) = examples("json")
    Path("unisal.json").write_text(sidecar, encoding="utf-8")
    assert [check for check in verify("unisal.onnx") if not check.passed] == []
    run(commands("onnx:unisal.onnx"))
    # The same steps in PyTorch.
    assert load_model("unisal.onnx").policy.size == (288, 384)
    with Image.open("photos/images/drawn_0001.jpg") as picture:
        rgb = np.asarray(picture)
    found = np.asarray(Image.open("labels/photos/maps/drawn_0001.png")) / 255.0
    assert found.shape == rgb.shape[:2]
    scaled = torch.nn.functional.interpolate(
        torch.from_numpy(rgb.copy()).permute(2, 0, 1)[None].float() / 255.0,
        (288, 384),
        mode="bilinear",
    )
    mean, std = (
        torch.tensor(v)[:, None, None] for v in ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
    )
    with torch.no_grad():
        density = network((scaled - mean) / std).exp()
    expected = torch.nn.functional.interpolate(density / density.max(), (48, 64), mode="area")
    correlation = np.corrcoef(found.ravel(), expected.numpy().ravel())[0, 1]
    assert correlation > 0.99


def test_log_densities_made_elsewhere_become_labels(workplace: Path) -> None:
    Path("deepgaze2").mkdir()
    y, x = np.mgrid[:24, :32]
    for stem, (row, column) in {"drawn_0000": (6, 8), "drawn_0002": (18, 20)}.items():
        log_density = -((y - row) ** 2 + (x - column) ** 2) / 50.0 - 12.0
        code = examples("python")[1]
        exec(compile(code, "docs/toolbox.md", "exec"), {"stem": stem, "log_density": log_density})
    result = run(commands("maps:deepgaze2"))
    assert "2 labels in" in result.output
    label = np.asarray(Image.open("labels/photos/maps/drawn_0002.png"))
    assert label.shape == (48, 64)
    assert label.max() > 250
    top = np.argwhere(label == label.max()).mean(axis=0)
    np.testing.assert_allclose(top, (36.5, 40.5), atol=1.0)


def test_every_classic_model_of_the_page_is_there() -> None:
    from train.teachers import TEACHERS

    rows = re.findall(r"^\|.*`classic:(\w+)`.*, at (\d+) \|$", PAGE, re.M)
    assert {name: int(side) for name, side in rows} == {
        name: teacher.short_side for name, teacher in TEACHERS.items()
    }
