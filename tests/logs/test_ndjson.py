"""Lines of JSON that reach their reader frame by frame."""

from __future__ import annotations

import json
import os
import sys
import threading
from pathlib import Path

import pytest

from tests.process import check_reader_may_leave
from vmafsal.errors import OutputError
from vmafsal.features.frame import FrameFeatures
from vmafsal.logs import NumberFormat
from vmafsal.logs.ndjson import FrameStream


def test_stream_holds_each_line_as_soon_as_it_is_written(tmp_path: Path) -> None:
    path = tmp_path / "frames.ndjson"
    path.write_text("older")
    with FrameStream(str(path), NumberFormat()) as stream:
        stream.write(FrameFeatures(0, {"saliency_mean": 0.16118712, "saliency_mean_b": 1.0}))
        first = path.read_text()
        stream.write(FrameFeatures(3, {"saliency_mean": float("nan")}))
    assert first == (
        '{"frameNum": 0, "metrics": {"saliency_mean": 0.161187, "saliency_mean_b": 1.000000}}\n'
    )
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert lines[1] == {"frameNum": 3, "metrics": {"saliency_mean": None}}
    assert len(lines) == 2


def test_stream_refuses_a_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="does not exist"):
        FrameStream(str(tmp_path / "missing" / "frames.ndjson"), NumberFormat())


def test_an_input_is_not_overwritten(tmp_path: Path) -> None:
    clip = tmp_path / "clip.y4m"
    clip.write_text("pixels")
    with pytest.raises(OutputError, match="would be lost"):
        FrameStream(str(clip), NumberFormat(), inputs=[str(clip)])
    assert clip.read_text() == "pixels"


def test_an_older_file_stays_until_the_first_frame(tmp_path: Path) -> None:
    path = tmp_path / "frames.ndjson"
    path.write_text("older")
    with FrameStream(str(path), NumberFormat()) as stream:
        assert path.read_text() == "older"
        stream.write(FrameFeatures(0, {"saliency_mean": 0.5}))
    assert path.read_text().startswith('{"frameNum": 0')


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX files")
def test_a_named_pipe_is_opened_before_the_first_frame(tmp_path: Path) -> None:
    """Its reader may be the one who will write the input."""
    pipe = tmp_path / "frames.ndjson"
    os.mkfifo(pipe)
    opened = threading.Event()

    def read() -> None:
        with pipe.open():
            opened.set()

    reader = threading.Thread(target=read)
    reader.start()
    with FrameStream(str(pipe), NumberFormat()):
        assert opened.wait(10)
    reader.join()


@pytest.mark.skipif(sys.platform != "linux", reason="Linux devices")
def test_a_full_device() -> None:
    with (
        FrameStream("/dev/full", NumberFormat()) as stream,
        pytest.raises(OutputError, match="the disk is full"),
    ):
        stream.write(FrameFeatures(0, {"saliency_mean": 0.5}))


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX pipes")
def test_a_reader_that_leaves_is_no_error() -> None:
    program = (
        "import sys\n"
        "from vmafsal.features.frame import FrameFeatures\n"
        "from vmafsal.logs import NumberFormat\n"
        "from vmafsal.logs.ndjson import FrameStream\n"
        "with FrameStream('-', NumberFormat()) as stream:\n"
        "    index = 0\n"
        "    while not stream.reader_gone:\n"
        "        stream.write(FrameFeatures(index, {'saliency_mean': 0.5}))\n"
        "        index += 1\n"
        "    stream.write(FrameFeatures(index, {'saliency_mean': 0.5}))\n"
        "print('done', file=sys.stderr)\n"
    )
    check_reader_may_leave(program)
