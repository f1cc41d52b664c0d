"""Two pipes that one process writes in turns."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from fixtures.yuv.draw import encode, number_in, numbered, picture
from tests.conftest import PLACEHOLDER
from vmafsal.video import open_pipes, open_source
from vmafsal.video.pipe import PipePair

COUNT = 8
WIDTH, HEIGHT = 320, 240  # one frame is more than the 64 KiB that a pipe holds


@pytest.fixture
def pipes(tmp_path: Path) -> tuple[Path, Path]:
    """Named pipes for the reference and the distorted video."""
    paths = tmp_path / "r.fifo", tmp_path / "d.fifo"
    for path in paths:
        os.mkfifo(path)
    return paths


def parts_of_y4m(folder: Path) -> list[bytes]:
    """A Y4M file in pieces: its header, then its frames."""
    drawn = [picture(numbered(number, WIDTH, HEIGHT)) for number in range(COUNT)]
    content = encode(folder / "clip.y4m", drawn, "rawvideo").read_bytes()
    head, *frames = content.split(b"FRAME\n")
    return [head, *(b"FRAME\n" + frame for frame in frames)]


def in_turns(parts: list[bytes]) -> Iterator[tuple[int, bytes]]:
    for part in parts:
        yield from ((0, part), (1, part))


def one_far_ahead(parts: list[bytes]) -> Iterator[tuple[int, bytes]]:
    yield from ((0, part) for part in parts)
    yield from ((1, part) for part in parts)


def write_both(
    paths: tuple[Path, Path], parts: list[bytes], order: Callable[..., Iterator[tuple[int, bytes]]]
) -> threading.Thread:
    """One thread that opens the reference's pipe first, and writes as one process would."""

    def write() -> None:
        with suppress(BrokenPipeError), paths[0].open("wb") as ref, paths[1].open("wb") as dist:
            for which, part in order(parts):
                (ref, dist)[which].write(part)
                (ref, dist)[which].flush()

    thread = threading.Thread(target=write, daemon=True)
    thread.start()
    return thread


@pytest.mark.parametrize("order", [in_turns, one_far_ahead])
def test_no_pipe_holds_up_the_other(
    pipes: tuple[Path, Path],
    tmp_path: Path,
    order: Callable[..., Iterator[tuple[int, bytes]]],
) -> None:
    writer = write_both(pipes, parts_of_y4m(tmp_path), order)
    ref, dist = map(str, pipes)
    pair = open_pipes(dist, ref)
    with open_source(dist, pipes=pair) as distorted, open_source(ref, pipes=pair) as reference:
        pair.close()
        others = reference.frames()
        numbers = [
            (number_in(frame.planes[0]), number_in(next(others).planes[0]))
            for frame in distorted.frames()
        ]
        assert next(others, None) is None
    writer.join(10)
    assert numbers == [(number, number) for number in range(COUNT)]


def test_the_command_with_one_writer_of_two_pipes(pipes: tuple[Path, Path], tmp_path: Path) -> None:
    writer = write_both(pipes, parts_of_y4m(tmp_path), in_turns)
    run = subprocess.run(
        [
            *(sys.executable, "-m", "vmafsal", "-r", "r.fifo", "-d", "d.fifo", "-o", "log.json"),
            *("--feature", f"mobilesal=model_path={PLACEHOLDER}"),
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert run.returncode == 0, run.stderr
    writer.join(10)
    assert (tmp_path / "log.json").read_text().count('"frameNum"') == COUNT


def test_raw_video_in_two_pipes(pipes: tuple[Path, Path]) -> None:
    parts = [b"".join(plane.tobytes() for plane in numbered(n, WIDTH, HEIGHT)) for n in range(5)]
    writer = write_both(pipes, parts, in_turns)
    size: dict[str, Any] = {"width": WIDTH, "height": HEIGHT}
    ref, dist = map(str, pipes)
    with (
        open_pipes(dist, ref) as pair,
        open_source(dist, pipes=pair, **size) as one,
        open_source(ref, pipes=pair, **size) as other,
    ):
        count = sum(1 for _ in zip(one.frames(), other.frames(), strict=True))
    writer.join(10)
    assert count == 5


def test_leaving_early_ends_the_reading(pipes: tuple[Path, Path], tmp_path: Path) -> None:
    writer = write_both(pipes, parts_of_y4m(tmp_path), in_turns)
    ref, dist = map(str, pipes)
    before = threading.active_count()
    with open_pipes(dist, ref) as pair, open_source(dist, pipes=pair) as one:
        assert number_in(next(one.frames()).planes[0]) == 0
    assert threading.active_count() <= before
    writer.join(10)  # its pipes are closed, which it hears
    assert not writer.is_alive()


@pytest.mark.parametrize("name", ["clip.yuv", "missing.fifo"])
def test_only_two_pipes_are_read_ahead(pipes: tuple[Path, Path], tmp_path: Path, name: str) -> None:
    (tmp_path / "clip.yuv").write_bytes(bytes(100))
    for other in (str(tmp_path / name), None, str(pipes[0])):
        with open_pipes(str(pipes[0]), other) as pair:
            assert isinstance(pair, PipePair)
            assert pair.take(str(pipes[0])) is None
