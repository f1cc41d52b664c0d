"""PySceneDetect's list of scenes."""

from __future__ import annotations

from pathlib import Path

import pytest

from vmafsal.errors import InputError
from vmafsal.logs.scenes import Scene, read_scenes

HEADER = (
    "Scene Number,Start Frame,Start Timecode,Start Time (seconds),End Frame,End Timecode,"
    "End Time (seconds),Length (frames),Length (timecode),Length (seconds)\n"
)
ROWS = (
    "1,1,00:00:00.000,0.000,90,00:00:03.600,3.600,90,00:00:03.600,3.600\n"
    "2,91,00:00:03.600,3.600,120,00:00:04.800,4.800,30,00:00:01.200,1.200\n"
)
SCENES = [Scene(1, 0, 89), Scene(2, 90, 119)]


@pytest.mark.parametrize("above", ["", "Timecode List:,00:00:03.600\n", "\ufeff"])
def test_frames_count_from_zero(tmp_path: Path, above: str) -> None:
    path = tmp_path / "scenes.csv"
    path.write_text(above + HEADER + ROWS + "\n", encoding="utf-8")
    assert read_scenes(str(path)) == SCENES


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "is no list of scenes"),
        ("frame,vmaf\n0,95\n", "Start Frame and End Frame"),
        (HEADER, "lists no scene"),
        (HEADER + "1,one,0,0,2\n", "Line 2 of"),
        (HEADER + "1,5,x,0,2,x,0,0,0,0\n", "a scene from frame 5 to 2 is none"),
        (HEADER + "1,0,x,0,2,x,0,0,0,0\n", "a scene from frame 0 to 2 is none"),
        (HEADER + "1,1\n", "names no frames"),
    ],
)
def test_anything_else_is_a_sentence(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "scenes.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=says):
        read_scenes(str(path))


def test_a_missing_file_and_bytes_are_sentences(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        read_scenes(str(tmp_path / "none.csv"))
    (tmp_path / "b.csv").write_bytes(b"\xff\xfe\x00\x80")
    with pytest.raises(InputError, match="is no CSV file"):
        read_scenes(str(tmp_path / "b.csv"))
