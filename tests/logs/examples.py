"""Logs that several tests read, and how they call the reader."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from vmafsal.errors import InputError
from vmafsal.features.frame import FrameFeatures
from vmafsal.logs import Log, LogFormat
from vmafsal.logs.read import parse_log

GOLDEN = Path(__file__).parents[1] / "golden"
CLIP = "synthetic_64x48_yuv420p_8f__"
FORMATS: tuple[LogFormat, ...] = ("json", "xml", "csv", "sub")


def a_log(frames: list[FrameFeatures]) -> Log:
    return Log(version="vmafsal 0.1.0", fps=25.0, width=64, height=48, frames=frames)


def refused(text: str) -> str:
    """The sentence that a text gets."""
    with pytest.raises(InputError) as caught:
        parse_log(text, "some.log")
    message = str(caught.value)
    assert message.startswith("some.log ")
    assert message.endswith(".")
    return message


def json_log(frames: list[Any]) -> str:
    return json.dumps({"version": "3.0.0", "fps": 1.0, "frames": frames, "pooled_metrics": {}})
