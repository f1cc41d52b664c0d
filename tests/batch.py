"""What tests of `vmafsal batch` share: clips, runs in the background, and what they left."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.conftest import ROOT, draw_yuv

DEMO = ROOT / "fixtures" / "yuv" / "demo_dist.mp4"

Start = Callable[..., "subprocess.Popen[bytes]"]


def draw_long_clip(folder: Path) -> Path:
    """About a second of work."""
    path = folder / "long.yuv"
    path.write_bytes(draw_yuv(50, 48, 64) * 80)
    return path


def write_manifest(folder: Path, long_clip: Path) -> Path:
    """A manifest of unlike clips in all four formats."""
    lines = ["distorted,width,height,frame_skip_dist,frame_cnt,output"]
    for number in range(14):
        ending = ("csv", "sub", "json", "xml")[number % 4]
        cut = f"{number},{1000 + 40 * number}"
        lines.append(f"{long_clip},64,48,{cut},{number % 3}/{number}.{ending}")
    lines.append(f"{DEMO},,,,,demo.csv")
    path = folder / "clips.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


def records(folder: Path) -> dict[str, dict[str, Any]]:
    """The summary's records, by output."""
    lines = (folder / "summary.jsonl").read_text().splitlines()
    found = {record["output"]: record for record in map(json.loads, lines)}
    assert len(found) == len(lines)
    return found


def written(folder: Path) -> list[Path]:
    """The logs that are there; what is under a temporary name, or in such a folder, is not."""
    return [
        path
        for path in sorted(folder.rglob("*"))
        if path.is_file()
        and not path.name.startswith("summary")
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    ]


def logs(folder: Path) -> dict[str, bytes]:
    """Every log, by its path, less its own speed."""
    return {
        path.relative_to(folder).as_posix(): re.sub(
            rb'^(  "fps": |.*<fyi fps=")[0-9.]+', rb"\1", path.read_bytes(), flags=re.M
        )
        for path in written(folder)
    }


@contextmanager
def starting(folder: Path, env: Mapping[str, str] | None = None) -> Generator[Start]:
    """Starts batches, each in a session of its own, which do not outlive the test."""
    started: list[subprocess.Popen[bytes]] = []

    def start(*args: str | Path) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            [sys.executable, "-m", "vmafsal", "batch", *map(str, args)],
            cwd=folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": str(ROOT), **(env or {})},
            start_new_session=True,
        )
        started.append(process)
        return process

    try:
        yield start
    finally:
        for process in started:
            if process.poll() is None:
                process.kill()
                process.communicate()


def wait_for(what: Callable[[], Any], process: subprocess.Popen[bytes]) -> Any:
    """What a function returns at last, while a run goes on."""
    end = time.monotonic() + 120  # a busy machine
    while time.monotonic() < end:
        assert process.poll() is None, process.communicate()[1].decode()
        if found := what():
            return found
        time.sleep(0.05)
    raise AssertionError("it never came")
