"""Mistakes, accidents and interruptions: a sentence, an exit status, nothing left behind."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.command import DEMO, SIZE, invoke, scores
from tests.conftest import draw_yuv
from tests.networks import convolution, node, save, student


@pytest.mark.parametrize(
    ("args", "code", "message"),
    [
        ((), 0, "Usage"),
        (("--output", "a.json"), 2, "No video was given"),
        (("clip.yuv", "--distorted", "clip.yuv", *SIZE), 2, "One video"),
        (("clip.yuv", "other.yuv", *SIZE), 2, "vmafsal batch.*behind --reference"),
        (("a.mp4", "b.mp4", "c.mp4", "d.mp4", "e.mp4"), 2, "a.mp4, b.mp4, c.mp4 and 2 more"),
        (("clips/*.mp4",), 2, r"vmafsal batch 'clips/\*\.mp4'"),
        (("clip.yuv", *SIZE, "-o", ""), 2, "names no file"),
        (("jion", "a.json", "b.json", "-o", "c.json"), 2, "Did you mean join"),
        (("modles", "-o", "c.json"), 2, "Did you mean models"),
        (("clip.yuv", *SIZE, "--widht", "3"), 2, "--width"),
        (("clip.yuv", *SIZE, "--frame-count", "3"), 2, "Did you mean --frame.cnt"),
        (("clip.yuv", *SIZE, "--overlay", "3"), 2, r"no option --overlay\. \S+ --help lists"),
        (("clip.yuv", *SIZE, "--ref", "a.yuv"), 2, "Did you mean --reference"),
        (
            ("join", "a.json", "b.json", "--suffx", "a.json=b"),
            2,
            "Did you mean --suffix.*join --help",
        ),
        (("x" * 300,), 1, "^vmafsal: x+"),
        (("clip.yuv", *SIZE, "--feature", f"mobilesal=model_path={'x' * 300}"), 1, "model.*x+"),
        (("clip.yuv", *SIZE, "--feature", f"mobilesal=model_path=/{'x' * 300}/a.onnx"), 1, "x+"),
        (("models", "verify", "x" * 300), 1, "File name too long|x+"),
        (("clip.yuv", *SIZE, "--feature", ""), 2, "--feature names no feature"),
        (("clip.yuv", "-w", "wide", "-h", "48"), 2, "a whole number, not .wide"),
        (("clip.yuv", "-w", "64"), 2, "height"),
        (("clip.yuv",), 2, "--width"),
        (("clip.yuv", *SIZE, "-p", "421"), 2, "Choose 420"),
        (("clip.yuv", *SIZE, "-b", "9"), 2, "10"),
        (("clip.yuv", *SIZE, "--json", "--xml"), 2, "--xml and --json"),
        (("clip.yuv", *SIZE, "--feature", "float_ssim"), 2, "vmafsal join"),
        (("clip.yuv", *SIZE, "--feature", "psnr"), 2, "name it with --reference"),
        (("clip.yuv", *SIZE, "--feature", "mobilesal=colour=bt601"), 2, "Did you mean color"),
        (("clip.yuv", *SIZE, "--subsample", "0"), 2, "--subsample"),
        (("clip.yuv", *SIZE, "--threads", "0"), 2, "--threads"),
        (("clip.yuv", *SIZE, "--batch-size", "0"), 2, "--batch-size"),
        (("clip.yuv", *SIZE, "--batch-size", "big"), 2, "auto"),
        (("clip.yuv", *SIZE, "--device", "gpu"), 2, "Choose auto"),
        (("clip.yuv", *SIZE, "--device", "cuda:63"), 1, "cannot be used here"),
        (("clip.yuv", *SIZE, "--gpumask", "x"), 2, "--gpumask is a number"),
        (("demo.mp4", "-p", "444"), 1, "holds 420, which --pixel_format 444 contradicts"),
        (("demo.mp4", "-b", "10"), 1, "holds 8, which --bitdepth 10 contradicts"),
        (("demo.mp4", *SIZE), 1, "leave out --width and --height"),
        (("clip.yuv", *SIZE, "--gpumask", "1", "--device", "cuda"), 2, "--gpumask"),
        (("-", "--reference", "-", *SIZE), 2, "Only one"),
        (("nowhere.yuv", *SIZE), 1, "does not exist"),
        (("clip.yuv", "-w", "0", "-h", "48"), 2, "width"),
        (("clip.yuv", "-w", "-64", "-h", "48"), 2, "width"),
        (("clip.yuv", "-w", "999999999", "-h", "48"), 2, "width"),
        (("clip.yuv", "-w", "640", "-h", "480"), 1, "less than one frame|shorter than one frame"),
        (("clip.yuv", *SIZE, "--frame_skip_dist", "6"), 1, "leaves nothing"),
        (("-r", "clip.yuv", "-d", "clip.yuv", *SIZE, "--frame_skip_ref", "9"), 1, "leaves nothing"),
        (("clip.yuv", *SIZE, "--feature", "mobilesal=model_path=no.onnx"), 1, "does not exist"),
        (("clip.yuv", *SIZE, "--feature", "mobilesal=model_path=."), 1, "is a directory"),
        (("clip.yuv", *SIZE, "--feature", "mobilesal=model_path=clip.yuv"), 1, "not an ONNX"),
        (("clip.yuv", *SIZE, "--feature", "mobilesal=model_path=nan.onnx"), 1, "NaN"),
        (("clip.yuv", *SIZE, "-o", "no/folder/a.json"), 1, "folder"),
        (("clip.yuv", *SIZE, "-o", "."), 1, "folder"),
        (("clip.yuv", *SIZE, "-o", "clip.yuv"), 1, "another name"),
        (("clip.yuv", *SIZE, "-o", "/dev/full"), 1, "full"),
        ((".", *SIZE), 1, "directory|folder"),
        (("empty.yuv", *SIZE), 1, "empty"),
        (("model.onnx",), 1, "video"),
    ],
)
def test_mistakes_get_a_sentence_and_leave_no_log(
    args: tuple[str, ...],
    code: int,
    message: str,
    clip: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty.yuv").touch()
    shutil.copy(DEMO / "demo_dist.mp4", tmp_path / "demo.mp4")
    student(tmp_path / "model.onnx")
    nan = [node("Sub", ["x", "x"], "z"), node("Div", ["z", "z"], "saliency_map")]
    save(
        tmp_path / "nan.onnx",
        [node("Conv", ["input", "w"], "x"), *nan],
        weights={"w": convolution(0, 1, 3, 1)},
    )
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    named = {"-o", "--output", "models", "join"} & set(args)
    output = () if named or not args else ("-o", "a.json")
    exit_code, out, err = invoke(*args, *output)
    assert exit_code == code, err
    text = " ".join((out + err).replace("│", " ").split())
    assert re.search(message, text), text
    assert "Traceback" not in text
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_partial_last_frame(clip: Path, tmp_path: Path) -> None:
    clip.write_bytes(clip.read_bytes() + b"x" * 1000)
    code, _, err = invoke(clip, *SIZE, "-o", tmp_path / "a.json")
    assert code == 0
    assert len(scores(tmp_path / "a.json")) == 6
    (notice,) = (line for line in err.splitlines() if "1,000" in line or "1000" in line)
    assert "left out" in notice


def test_ctrl_c_leaves_nothing(tmp_path: Path) -> None:
    reader, writer = os.pipe()
    process = subprocess.Popen(
        [sys.executable, "-m", "vmafsal", "-", *SIZE, "--ndjson", "-o", "a.json"],
        stdin=reader,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=tmp_path,
    )
    os.write(writer, draw_yuv(20, 48, 64)[:60_000])
    assert process.stdout is not None
    deadline = time.monotonic() + 60
    while not list(tmp_path.glob(".vmafsal-*")) and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(1.0)
    # The input stays open: the reading thread sits in a read that does not return.
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    os.close(reader)
    os.close(writer)
    assert process.returncode == 130
    assert b"Interrupted" in err
    assert b"Traceback" not in err
    assert os.listdir(tmp_path) == []


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP"])
def test_a_signal_that_ends_the_run_leaves_nothing(name: str, tmp_path: Path) -> None:
    process, writer = _start_on_a_pipe(tmp_path)
    number = signal.Signals[name]
    process.send_signal(number)
    _, err = process.communicate(timeout=30)
    os.close(writer)
    assert (process.returncode, err) == (128 + number, b"")
    assert os.listdir(tmp_path) == []


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
def test_nohup_lets_a_run_outlive_its_terminal(clip: Path, tmp_path: Path) -> None:
    process, writer = _start_on_a_pipe(tmp_path, preexec_fn=_ignore_hangups)
    process.send_signal(signal.SIGHUP)
    os.write(writer, clip.read_bytes())
    os.close(writer)
    process.communicate(timeout=60)
    assert process.returncode == 0
    assert (tmp_path / "a.json").is_file()


def _ignore_hangups() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)


def _start_on_a_pipe(folder: Path, **how: Any) -> tuple[subprocess.Popen[bytes], int]:
    """A run that waits for the rest of its first frames, and the pipe's other end."""
    reader, writer = os.pipe()
    process = subprocess.Popen(
        [sys.executable, "-m", "vmafsal", "-", *SIZE, "-q", "-o", "a.json"],
        stdin=reader,
        stderr=subprocess.PIPE,
        cwd=folder,
        **how,
    )
    os.close(reader)
    os.write(writer, draw_yuv(20, 48, 64)[: 64 * 48 * 3 // 2 * 4])
    deadline = time.monotonic() + 60
    while not list(folder.glob(".vmafsal-*")) and time.monotonic() < deadline:
        time.sleep(0.05)
    return process, writer


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX shells")
@pytest.mark.parametrize("closed", ["2>&-", "<&- 2>&-", "<&- >&- 2>&-"])
def test_closed_standard_streams(closed: str, clip: Path, tmp_path: Path) -> None:
    """As cron and some service managers start a program."""
    command = f"{sys.executable} -m vmafsal {clip} -w 64 -h 48 -o a.json {closed}"
    done = subprocess.run(command, shell=True, cwd=tmp_path, timeout=60, check=False)
    assert done.returncode == 0
    assert len(scores(tmp_path / "a.json")) == 6
    assert sorted(os.listdir(tmp_path)) == ["a.json", "clip.yuv"]


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX shells")
@pytest.mark.parametrize("where", ["", "-o -", "--ndjson"])
def test_a_result_for_a_closed_standard_output(where: str, clip: Path, tmp_path: Path) -> None:
    command = f"{sys.executable} -m vmafsal {clip} -w 64 -h 48 {where} >&-"
    done = subprocess.run(
        command, shell=True, cwd=tmp_path, capture_output=True, timeout=60, check=False
    )
    assert done.returncode == 1
    assert b"standard output cannot be written" in done.stderr


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="a device of Linux")
@pytest.mark.parametrize("buffered", ["", "1"])
@pytest.mark.parametrize("command", ["{clip} -w 64 -h 48 -q", "models"])
def test_a_full_disk_behind_standard_output(command: str, buffered: str, clip: Path) -> None:
    words = command.format(clip=clip).split()
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            [sys.executable, "-m", "vmafsal", *words],
            env=os.environ | {"PYTHONUNBUFFERED": buffered},
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
            check=False,
        )
    said = "vmafsal: standard output could not be written, because the disk is full"
    assert (done.returncode, done.stderr.startswith(said), done.stderr.count("\n")) == (1, True, 1)
