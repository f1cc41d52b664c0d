"""The cost of the classic models."""

from __future__ import annotations

import re

import numpy as np
import pytest

pytest.importorskip("PIL")
pytest.importorskip("scipy")

from benchmarks import teachers
from train.teachers import TEACHERS


def test_every_teacher_is_timed(capsys: pytest.CaptureFixture[str]) -> None:
    teachers.report(rounds=1, height=128, width=160)
    lines = capsys.readouterr().out.splitlines()
    rows = (re.fullmatch(r"\| `(\w+)` \| \d+\.\d\d \| \d+\.\d\d \|", line) for line in lines)
    timed = [row[1] for row in rows if row]
    assert timed == list(TEACHERS)
    assert "160x128" in lines[0]


def test_the_picture_has_the_spectrum_of_a_photograph() -> None:
    rgb = teachers.picture(128, 160)
    assert rgb.shape == (128, 160, 3)
    assert rgb.dtype == np.uint8
    assert (rgb.min(), rgb.max()) == (0, 255)
    # Neighbours are alike, pixels that lie apart are not.
    gray = rgb.mean(axis=2) - rgb.mean()
    near = (gray[:, 1:] * gray[:, :-1]).mean() / gray.var()
    far = (gray[:, 60:] * gray[:, :-60]).mean() / gray.var()
    assert near > 0.8 > 0.5 > far
