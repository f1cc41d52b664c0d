"""vmafsal batch: its processes, whoever ends them."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from tests.batch import (
    DEMO,
    Start,
    draw_long_clip,
    logs,
    records,
    starting,
    wait_for,
    write_manifest,
    written,
)
from tests.command import SIZE
from tests.conftest import Run

pytestmark = pytest.mark.usefixtures("placeholder_model")


@pytest.fixture(scope="module")
def long_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw_long_clip(tmp_path_factory.mktemp("long"))


@pytest.fixture
def clips(tmp_path: Path, long_clip: Path) -> Path:
    return write_manifest(tmp_path, long_clip)


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    with starting(tmp_path) as start:
        yield start


def workers_of(process: subprocess.Popen[bytes]) -> list[psutil.Process]:
    """The worker processes; multiprocessing's own tracker is none."""
    found = []
    with suppress(psutil.NoSuchProcess):
        for child in psutil.Process(process.pid).children():
            with suppress(psutil.NoSuchProcess):
                if "spawn_main" in " ".join(child.cmdline()):
                    found.append(child)
    return found


def kill_a_worker(run: subprocess.Popen[bytes], chance: random.Random) -> None:
    workers = wait_for(lambda: workers_of(run), run)
    time.sleep(chance.uniform(0.3, 1.5))
    with suppress(psutil.NoSuchProcess):
        chance.choice(workers).kill()


def test_killed_ten_times_the_logs_are_those_of_a_run_never_disturbed(
    vmafsal: Run, start: Start, clips: Path, tmp_path: Path
) -> None:
    done = vmafsal("batch", clips, "-o", "calm", "--workers", "2")
    assert done.returncode == 0, done.stderr
    calm = logs(tmp_path / "calm")
    assert len(calm) == 15
    chance = random.Random(7)
    folder = tmp_path / "out"
    for number in range(10):
        run = start(clips, "-o", "out", "--workers", "2")
        if number % 2:  # a worker, then all at once
            kill_a_worker(run, chance)
            time.sleep(chance.uniform(0, 0.5))
        else:
            time.sleep(chance.uniform(0.8, 2.5))
        orphans = workers_of(run)
        run.kill()
        run.communicate()
        alive = psutil.wait_procs(orphans, timeout=10)[1]
        assert not alive, "workers outlived their run"
        if folder.exists():
            # Whatever stands there by its name is whole, at any moment.
            assert all(calm[name] == log for name, log in logs(folder).items())
    (folder / ".vmafsal-0123.tmp").write_bytes(b"what a dead run left")
    done = vmafsal("batch", clips, "-o", "out", "--workers", "2")
    assert done.returncode == 0, done.stderr
    assert logs(folder) == calm
    assert not list(folder.rglob("*.tmp"))
    assert set(records(folder)) == set(calm)
    assert all(record["status"] == "done" for record in records(folder).values())
    assert "0 of 15 clips scored" in vmafsal("batch", clips, "-o", "out").stderr


@pytest.mark.parametrize("more", [(), ("--segment", "2000")], ids=["whole", "parts"])
def test_a_clip_that_kills_its_worker_is_tried_twice(
    start: Start, tmp_path: Path, more: tuple[str, ...]
) -> None:
    killer = tmp_path / "killer.yuv"
    with open(killer, "wb") as file:
        file.truncate(64 * 48 * 3 // 2 * 200_000)  # nothing on the disk, and long
    (tmp_path / "good.mp4").write_bytes(DEMO.read_bytes())
    (tmp_path / "clips.csv").write_text("distorted,width,height\nkiller.yuv,64,48\ngood.mp4,,\n")
    run = start("clips.csv", "-o", "out", "--workers", "1", *more)

    def at_it() -> psutil.Process | None:
        for worker in workers_of(run):
            with suppress(psutil.Error):
                if any(file.path == str(killer) for file in worker.open_files()):
                    return worker
        return None

    kills = 0
    end = time.monotonic() + 60
    while run.poll() is None and time.monotonic() < end:
        worker = at_it()
        if worker is None:
            time.sleep(0.01)
            continue
        worker.send_signal(signal.SIGKILL if kills else signal.SIGSEGV)
        worker.wait(10)
        kills += 1
    # The first may have hit it while it was being divided, which is a task of its own.
    assert kills == 2 or (more and kills == 3)
    _, said = run.communicate(timeout=60)
    assert run.returncode == 1
    assert "its worker ended with signal" in said.decode()
    assert "killer.json failed" in said.decode()
    found = records(tmp_path / "out")
    assert found["good.json"]["status"] == "done"
    assert found["killer.json"]["status"] == "failed"
    assert "ended its worker process twice, last with signal 9" in found["killer.json"]["error"]
    assert not (tmp_path / "out" / "killer.json").exists()


def test_ctrl_c_keeps_what_is_finished(start: Start, clips: Path, tmp_path: Path) -> None:
    run = start(clips, "-o", "out", "--workers", "1")
    folder = tmp_path / "out"
    wait_for(lambda: len(written(folder)) >= 2, run)
    # As the terminal does: to every process of the group.
    os.killpg(run.pid, signal.SIGINT)
    _, said = run.communicate(timeout=60)
    assert run.returncode == 130
    assert "Interrupted after" in said.decode()
    assert "Traceback" not in said.decode()
    assert not list(folder.rglob("*.tmp"))
    done = records(folder)
    assert 1 <= len(done) < 15
    assert set(done) <= set(logs(folder))


def test_the_end_of_a_terminal_leaves_no_temporary_files(
    start: Start, clips: Path, tmp_path: Path
) -> None:
    run = start(clips, "-o", "out", "--workers", "1")
    folder = tmp_path / "out"
    wait_for(lambda: written(folder), run)
    os.killpg(run.pid, signal.SIGHUP)
    _, said = run.communicate(timeout=60)
    assert run.returncode == 128 + signal.SIGHUP
    assert "Traceback" not in said.decode()
    assert not list(folder.rglob("*.tmp"))
    assert (folder / "summary.csv").exists()


def test_the_log_of_a_running_command_is_left_alone(
    vmafsal: Run, start: Start, long_clip: Path, tmp_path: Path
) -> None:
    """`vmafsal … -o out/x.json` writes a temporary file in the folder that a batch cleans."""
    folder = tmp_path / "out"
    folder.mkdir()
    pipe = tmp_path / "pipe.yuv"
    os.mkfifo(pipe)
    running = subprocess.Popen(
        [sys.executable, "-m", "vmafsal", pipe, *SIZE, "-o", folder / "x.json"],
        cwd=tmp_path,
        stderr=subprocess.PIPE,
    )
    try:
        data = long_clip.read_bytes()
        with open(pipe, "wb") as file:
            file.write(data[: len(data) // 2])
            file.flush()
            wait_for(lambda: list(folder.glob("*.tmp")), running)
            (tmp_path / "good.mp4").write_bytes(DEMO.read_bytes())
            (folder / ".vmafsal-dead.tmp").write_bytes(b"what a dead run left")
            done = vmafsal("batch", "good.mp4", "-o", "out")
            assert done.returncode == 0, done.stderr
            assert not (folder / ".vmafsal-dead.tmp").exists()
            file.write(data[len(data) // 2 :])
        _, said = running.communicate(timeout=120)
    finally:
        running.kill()
    assert running.returncode == 0, said.decode()
    assert len(json.loads((folder / "x.json").read_text())["frames"]) == 4000
    assert not list(folder.glob("*.tmp"))


def test_workers_keep_to_their_share_of_the_cores(
    start: Start, clips: Path, tmp_path: Path
) -> None:
    cores = sorted(os.sched_getaffinity(0))
    run = start(clips, "-o", "out", "--workers", "2")

    def shares() -> list[list[int]]:
        with suppress(psutil.Error):
            found = [sorted(worker.cpu_affinity() or ()) for worker in workers_of(run)]
            if len(found) == 2 and all(len(one) < len(cores) for one in found):
                return sorted(found)
        return []

    if len(cores) > 1:
        one, other = wait_for(shares, run)
        assert sorted(one + other) == cores
