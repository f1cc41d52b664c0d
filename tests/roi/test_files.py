"""The files of SVT-AV1, kvazaar and uvg266, and our own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.roi.validators import read_kvazaar, read_svt_av1
from vmafsal.errors import InputError
from vmafsal.roi import files, kvazaar, svt_av1
from vmafsal.roi import grid as plain_grid
from vmafsal.roi.mapping import BlockGrid
from vmafsal.video.base import SourceInfo


def random_offsets(count: int, rows: int, columns: int) -> list[np.ndarray]:
    random = np.random.default_rng(5)
    return [random.integers(-8, 7, (rows, columns)).astype(np.int8) for _ in range(count)]


def test_svt_av1_is_accepted_whatever_the_offsets() -> None:
    frames = random_offsets(12, 3, 5)
    text = "".join(svt_av1.lines(enumerate(frames)))
    grids = read_svt_av1(text, 300, 190)
    assert sorted(grids) == list(range(12))
    for number, offsets in enumerate(frames):
        # Coarser stays coarser: the order of the blocks is kept.
        finer, coarser = grids[number][offsets <= -4], grids[number][offsets >= 4]
        assert finer.max(initial=-255) < coarser.min(initial=255)


def test_svt_av1_unit_sign_and_limit() -> None:
    offsets = np.array([[-8, -3, -2, -1, 0, 1, 3]], np.int8)
    assert svt_av1.to_qindex(offsets).tolist() == [[-20, -20, -14, -7, 0, 7, 21]]


def test_svt_av1_never_has_more_than_eight_values() -> None:
    every = np.arange(-8, 7, dtype=np.int8)[None]
    values = svt_av1.to_qindex(every)[0].tolist()
    assert len(set(values)) <= 8
    assert values == sorted(values)


def test_svt_av1_leaves_out_lines_that_repeat() -> None:
    one, other = np.zeros((1, 1), np.int8), np.full((1, 1), 2, np.int8)
    text = "".join(svt_av1.lines([(0, one), (1, one), (2, other), (3, other), (5, one)]))
    assert text == "0 0\n2 14\n5 0\n"


def test_svt_av1_negative_values_never_stand_alone() -> None:
    assert svt_av1.to_qindex(np.full((2, 2), -2, np.int8)).tolist() == [[0, 0], [0, 0]]


@pytest.mark.parametrize("binary", [False, True])
def test_kvazaar_is_accepted_whatever_the_offsets(binary: bool) -> None:
    frames = random_offsets(7, 3, 5)
    one = kvazaar.binary_map if binary else kvazaar.text_map
    read = read_kvazaar(b"".join(map(one, frames)), 300, 190, binary=binary)
    assert np.array_equal(read, frames)


def test_kvazaar_text() -> None:
    assert kvazaar.text_map(np.array([[1, -2], [0, 3]], np.int8)) == b"2 2\n1 -2\n0 3\n"


def test_kvazaar_refuses_steps_that_abort_it() -> None:
    with pytest.raises(ValueError, match="abort"):
        kvazaar.text_map(np.array([[13]], np.int8))


@pytest.mark.parametrize(
    ("gop", "frames", "order"),
    [
        ("0", 4, [0, 1, 2, 3]),
        ("lp", 4, [0, 1, 2, 3]),
        ("8", 10, [0, 8, 4, 2, 1, 3, 6, 5, 7, 9]),
        # A last group that is cut short codes what is there, in the same order.
        ("8", 14, [0, 8, 4, 2, 1, 3, 6, 5, 7, 12, 10, 9, 11, 13]),
        ("8", 1, [0]),
        ("8", 0, []),
        ("16", 17, [0, 16, 8, 4, 2, 1, 3, 6, 5, 7, 12, 10, 9, 11, 14, 13, 15]),
    ],
)
def test_coding_order(gop: str, frames: int, order: list[int]) -> None:
    assert list(kvazaar.in_coding_order(range(frames), gop)) == order


@pytest.mark.parametrize("count", [0, 1, 3])
def test_plain_grid(count: int) -> None:
    blocks = BlockGrid(100, 40, 16)
    frames = random_offsets(count, blocks.rows, blocks.columns)
    text = "".join(plain_grid.pieces(blocks, enumerate(frames)))
    read = json.loads(text)
    assert read.pop("frames") == [
        {"frameNum": number, "offsets": offsets.tolist()} for number, offsets in enumerate(frames)
    ]
    assert read == {
        "format": "vmafsal-roi",
        "version": 1,
        "unit": "qp",
        "width": 100,
        "height": 40,
        "block": 16,
        "columns": 7,
        "rows": 3,
    }


def info(**facts: Any) -> SourceInfo:
    defaults = {"path": "a clip.mp4", "kind": "container", "width": 640, "height": 272}
    return SourceInfo(**{**defaults, "chroma": "420", "bit_depth": 8, "fps": 24000 / 1001, **facts})


@pytest.mark.parametrize("kind", [*files.ENCODERS, "json"])
def test_contents_have_a_block_for_each(kind: str) -> None:
    grid = BlockGrid(300, 190, files.block_of(kind))
    frames = list(enumerate(random_offsets(3, grid.rows, grid.columns)))
    pieces = list(files.contents(kind, grid, frames, gop="0"))
    whole = b"".join(piece if isinstance(piece, bytes) else piece.encode() for piece in pieces)
    if kind == "json":
        assert (grid.rows, grid.columns) == (12, 19)
        assert len(json.loads(whole)["frames"]) == 3
    elif kind == "svt-av1":
        assert len(read_svt_av1(whole.decode(), 300, 190)) == 3
    else:
        read = read_kvazaar(whole, 300, 190)
        assert np.array_equal(read, [offsets for _, offsets in frames])


@pytest.mark.parametrize("kind", files.ENCODERS)
def test_a_map_is_never_that_of_another_picture(kind: str) -> None:
    zeros, grid = np.zeros((1, 1), np.int8), BlockGrid(64, 64, 64)
    frames = [(number, zeros) for number in (0, 1, 3)]
    with pytest.raises(InputError, match="Picture 2 of the video cannot be decoded"):
        list(files.contents(kind, grid, frames))
    assert list(files.contents(kind, grid, frames[:2]))
    assert '"frameNum":3' in "".join(map(str, files.contents("json", grid, frames)))


def test_command_lines_name_what_the_file_was_written_for() -> None:
    line = files.command_line("svt-av1", info(), "my roi.txt")
    assert "--rc 0 --crf" in line
    assert "--roi-map-file 'my roi.txt'" in line
    # The stream and the orientation that the maps are of.
    assert "ffmpeg -noautorotate -i 'a clip.mp4' -map 0:V:0 -fps_mode passthrough" in line
    line = files.command_line("svt-av1", info(path="10:30.mkv"), "r.txt", stream=1)
    assert "-i file:10:30.mkv -map 0:V:1 " in line
    line = files.command_line("kvazaar", info(bit_depth=10), "r.bin", gop="lp")
    assert "--gop lp-g4d3t1 " in line
    assert "--input-res 640x272 --input-bitdepth 10 --input-fps 24000/1001" in line
    line = files.command_line("uvg266", info(kind="raw", chroma="422", fps=None), "r.txt", "16")
    assert "-f rawvideo -video_size 640x272 -pix_fmt yuv422p -i" in line
    assert "| uvg266 -i - --input-res 640x272 --input-fps 25/1 --gop 16 " in line
    assert line.endswith("--roi r.txt -o encoded.vvc")


def test_the_command_line_of_an_image_sequence_begins_with_its_first_number(
    tmp_path: Path,
) -> None:
    for number in (100, 101):
        (tmp_path / f"i_{number:04d}.png").touch()
    line = files.command_line("svt-av1", info(path=str(tmp_path / "i_%04d.png")), "r.txt")
    assert f"-start_number 100 -i {tmp_path}/i_%04d.png -fps_mode" in line
