"""--engine ray: the same job on the actors of a cluster, two nodes of which run here."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import psutil
import pytest

from tests.batch import (
    DEMO,
    draw_long_clip,
    logs,
    records,
    starting,
    wait_for,
    write_manifest,
    written,
)
from tests.conftest import ROOT, Run
from vmafsal.errors import UsageError, VmafsalError
from vmafsal.library.ray_pool import ActorSetup, ClipActor, RayPool, Share, share_nodes
from vmafsal.library.record import runtime_versions
from vmafsal.library.scheduler import PoolRequest

RAY = ("--engine", "ray")


@dataclass(frozen=True, slots=True)
class Cluster:
    """Where it is, and how to reach it."""

    address: str
    process: psutil.Process
    env: dict[str, str]

    def actors(self, busy: bool = False) -> list[psutil.Process]:
        """The processes of our actors, or those that are at a task."""
        found = []
        for process in self.process.children(recursive=True):
            with suppress(psutil.Error):
                title = process.cmdline()[:1]
                if title == ["ray::ClipActor.do"] or (not busy and title == ["ray::ClipActor"]):
                    found.append(process)
        return found


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    # Not pytest's folder: the path of a socket may be 107 bytes long.
    with tempfile.TemporaryDirectory(prefix="ray", ignore_cleanup_errors=True) as folder:
        env = {
            "RAY_TMPDIR": folder,
            "RAY_USAGE_STATS_ENABLED": "0",
            # On a busy machine: time to start, and turns like anybody else's, which is 15 else.
            "RAY_raylet_start_wait_time_s": "120",
            "RAY_worker_niceness": "0",
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN": secrets.token_hex(16),
            "VMAF_MOBILESAL_MODEL_PATH": "mobilesal_placeholder_v0",
        }
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.ray_cluster"],
            cwd=ROOT,
            env={**os.environ, **env},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            address = process.stdout.readline().decode().strip()
            assert address, "the cluster did not start"
            yield Cluster(address, psutil.Process(process.pid), env)
        finally:
            process.communicate(timeout=120)


def test_killed_the_logs_are_those_of_the_local_engine(
    vmafsal: Run, cluster: Cluster, tmp_path: Path
) -> None:
    clips = write_manifest(tmp_path, draw_long_clip(tmp_path))
    done = vmafsal("batch", clips, "-o", "calm", "--workers", "2", env=cluster.env)
    assert done.returncode == 0, done.stderr
    out = tmp_path / "out"
    with starting(tmp_path, cluster.env) as start:
        run = start(clips, "-o", "out", *RAY, "--address", cluster.address)
        wait_for(lambda: written(out), run)
        orphans = cluster.actors()
        assert orphans
        run.kill()
        run.communicate()
        assert not psutil.wait_procs(orphans, timeout=30)[1], "actors outlived their run"
        run = start(clips, "-o", "out", *RAY)
        known = len(written(out))
        wait_for(lambda: len(written(out)) > known, run)
        victim = wait_for(lambda: cluster.actors(busy=True), run)[0]
        victim.kill()
        said = run.communicate(timeout=120)[1].decode()
    assert run.returncode == 0, said
    assert "15 clips scored" in said
    assert "its worker ended with the loss of its Ray actor on" in said
    assert {line[:8] for line in said.splitlines()} == {"vmafsal:"}, "Ray speaks too"
    assert logs(out) == logs(tmp_path / "calm")
    assert set(records(out)) == set(logs(out))
    assert not list(out.rglob("*.tmp"))
    assert not cluster.actors()


def test_a_clip_that_kills_its_actor_is_tried_twice(cluster: Cluster, tmp_path: Path) -> None:
    killer = tmp_path / "killer.yuv"
    with open(killer, "wb") as file:
        file.truncate(64 * 48 * 3 // 2 * 400_000)  # nothing on the disk, and long
    (tmp_path / "good.mp4").write_bytes(DEMO.read_bytes())
    (tmp_path / "clips.csv").write_text("distorted,width,height\nkiller.yuv,64,48\ngood.mp4,,\n")
    kills = 0
    with starting(tmp_path, cluster.env) as start:
        run = start("clips.csv", "-o", "out", *RAY, "--quiet")
        end = time.monotonic() + 120
        while run.poll() is None and time.monotonic() < end:
            for actor in cluster.actors(busy=True):
                with suppress(psutil.Error):
                    if any(file.path == str(killer) for file in actor.open_files()):
                        actor.kill()
                        actor.wait(10)
                        kills += 1
            time.sleep(0.01)
        said = run.communicate(timeout=120)[1].decode()
    assert kills == 2
    assert run.returncode == 1
    assert "killer.json failed" in said
    found = records(tmp_path / "out")
    assert found["good.json"]["status"] == "done"
    assert "ended its worker process twice, last with the loss" in found["killer.json"]["error"]
    assert not (tmp_path / "out" / "killer.json").exists()


def test_parts_go_to_all_nodes_and_are_joined(
    vmafsal: Run, cluster: Cluster, tmp_path: Path
) -> None:
    draw_long_clip(tmp_path)
    job = ("batch", "long.yuv", "-w", "64", "-h", "48", "--csv")
    done = vmafsal(*job, "-o", "whole", "--batch-size", "1", env=cluster.env)
    assert done.returncode == 0, done.stderr
    parts = (*RAY, "--segment", "40", "--batch-size", "1", "--shard", "1/1")
    done = vmafsal(*job, "-o", "parts", *parts, env=cluster.env)
    assert done.returncode == 0, done.stderr
    assert logs(tmp_path / "parts") == logs(tmp_path / "whole")
    done = vmafsal(*job, "-o", "parts", "--batch-size", "1", env=cluster.env)
    assert "0 of 1 clips scored, 1 were done before" in done.stderr


@pytest.mark.parametrize(
    ("args", "word"),
    [
        (("--address", "auto"), "give --engine ray"),
        ((*RAY, "--address", "ray://head:10001"), "host and port"),
        ((*RAY, "--address", "localhost"), "host and port"),
        ((*RAY, "--address", "127.0.0.1:1"), "Connection refused. Start one"),
        ((*RAY, "--device", "cuda:1"), "write cuda in place"),
    ],
)
def test_mistakes_end_the_run_before_it_begins(
    vmafsal: Run, tmp_path: Path, args: tuple[str, ...], word: str
) -> None:
    (tmp_path / "clips.csv").write_text("distorted\na.mp4\n")
    done = vmafsal("batch", "clips.csv", "-o", "out", *args)
    assert done.returncode == 2
    assert word in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "out").exists()


def test_without_ray_the_remedy_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(UsageError, match=r"pip install 'vmafsal\[ray\]'"):
        RayPool(PoolRequest("out", "ends", None, 1, gpu=False, named_gpu=False), "auto")


def test_a_node_that_cannot_take_part_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    mark = tmp_path / "mark"
    mark.touch()
    setup = ActorSetup(str(tmp_path), "ends", 1, str(tmp_path), str(mark), runtime_versions())
    kind, place = next(ClipActor().prepare(setup))
    assert kind == "ready"
    assert str(os.getpid()) in place
    for other, word in (
        (replace(setup, versions={"av": "0.0.1"}), "install the same version"),
        (replace(setup, marker=str(tmp_path / "none")), "does not see the output folder"),
        (replace(setup, directory=str(tmp_path / "none")), "in a folder that all nodes share"),
    ):
        with pytest.raises(VmafsalError, match=word):
            next(ClipActor().prepare(other))


@pytest.mark.parametrize(
    ("nodes", "workers", "gpu", "share"),
    [
        ([(8, 0), (8, 0)], 16, False, Share(1, 0)),
        ([(8, 0), (8, 0)], 4, False, Share(4, 0)),
        # 16 / 3 is 5, but a node of 8 holds only one of those.
        ([(8, 0), (8, 0)], 3, False, Share(4, 0)),
        ([(8, 0), (2, 0)], 3, False, Share(2, 0)),
        ([(1, 0), (1, 0)], 5, False, Share(0.3333, 0)),
        ([(16, 2), (16, 0)], 2, True, Share(8, 1)),
        ([(16, 2), (16, 2)], 5, True, Share(5, 0.5)),
        ([(1, 4)], 4, True, Share(0.25, 1)),
        ([(0, 1)], 1, True, Share(0, 1)),
    ],
)
def test_each_actor_gets_the_largest_share_that_all_can_have(
    nodes: list[tuple[float, float]], workers: int, gpu: bool, share: Share
) -> None:
    assert share_nodes(nodes, workers, gpu) == share
