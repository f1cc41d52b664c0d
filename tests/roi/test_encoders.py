"""Our files, given to the real programs where they are on the PATH."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from tests.roi.drawn import drawn_frames
from vmafsal.maps.compose import frame_bytes, y4m_header
from vmafsal.roi.files import ENCODERS, block_of, contents
from vmafsal.roi.mapping import BlockGrid
from vmafsal.video.base import SourceInfo

pytestmark = pytest.mark.encoder

PROGRAMS = {"svt-av1": "SvtAv1EncApp", "kvazaar": "kvazaar", "uvg266": "uvg266"}
WIDTH, HEIGHT, FRAMES = 264, 200, 20


@pytest.mark.parametrize("kind", ENCODERS)
def test_the_program_reads_the_file_and_its_output_changes(kind: str, tmp_path: Path) -> None:
    program = shutil.which(PROGRAMS[kind])
    if program is None:
        pytest.skip(f"{PROGRAMS[kind]} is not on the PATH")
    frames = drawn_frames(WIDTH, HEIGHT, FRAMES)
    info = SourceInfo("clip", "y4m", WIDTH, HEIGHT, "420", 8, fps=25)
    samples = [b"".join(frame_bytes(frame.planes)) for frame in frames]
    y4m, raw = tmp_path / "clip.y4m", tmp_path / "clip.yuv"
    y4m.write_bytes(y4m_header(info) + b"".join(b"FRAME\n" + frame for frame in samples))
    raw.write_bytes(b"".join(samples))
    grid = BlockGrid(WIDTH, HEIGHT, block_of(kind))
    random = np.random.default_rng(10)
    offsets = [random.integers(-8, 7, (grid.rows, grid.columns)).astype(np.int8) for _ in frames]
    file = tmp_path / "clip.roi.txt"
    pieces = contents(kind, grid, enumerate(offsets), gop="8")
    file.write_bytes(b"".join(p if isinstance(p, bytes) else p.encode() for p in pieces))
    if kind == "svt-av1":
        command = [program, "-i", y4m.name, "--rc", "0", "--crf", "40", "--preset", "10"]
        switch, out = "--roi-map-file", "-b"
    else:
        command = [program, "-i", raw.name, "--input-res", f"{WIDTH}x{HEIGHT}", "--gop", "8"]
        command += ["--qp", "32", "--preset", "ultrafast"]
        switch, out = "--roi", "-o"
    # Short names: kvazaar 2.3.1 aborts where that of the file of regions is long.
    for arguments in ([out, "plain"], [switch, file.name, out, "roi"]):
        subprocess.run([*command, *arguments], check=True, capture_output=True, cwd=tmp_path)
    assert (tmp_path / "roi").read_bytes() != (tmp_path / "plain").read_bytes()
