"""vmafsal batch: many clips, each with the log that it gets alone."""

from __future__ import annotations

import csv
import json
import os
import pty
import re
import shutil
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from tests.batch import (
    DEMO,
    draw_long_clip,
    logs,
    records,
)
from tests.command import SIZE
from tests.conftest import PLACEHOLDER, Run, draw_yuv

pytestmark = pytest.mark.usefixtures("placeholder_model")


def test_each_clip_gets_the_log_it_gets_alone(vmafsal: Run, tmp_path: Path) -> None:
    for name, seed in (("a.yuv", 1), ("b.yuv", 2)):
        (tmp_path / name).write_bytes(draw_yuv(5, 48, 64, seed=seed))
    shutil.copy(DEMO, tmp_path / "c.mp4")
    (tmp_path / "clips.csv").write_text(
        "distorted,reference,width,height,output,precision\n"
        "a.yuv,b.yuv,64,48,deep/a.csv,max\nb.yuv,,64,48,,\nc.mp4,,,,c.sub,3\n"
    )
    done = vmafsal("batch", "clips.csv", "--output-dir", "out", "--workers", "2")
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    assert "3 of 3 clips scored, 0 failed" in done.stderr
    assert "\x1b" not in done.stderr
    for args in (
        ("-r", "b.yuv", "-d", "a.yuv", *SIZE, "-o", "a.csv", "--precision", "max"),
        ("b.yuv", *SIZE, "-o", "b.json"),
        ("c.mp4", "-o", "c.sub", "--precision", "3"),
    ):
        assert vmafsal(*args).returncode == 0
    out = tmp_path / "out"
    assert (out / "deep" / "a.csv").read_bytes() == (tmp_path / "a.csv").read_bytes()
    assert (out / "c.sub").read_bytes() == (tmp_path / "c.sub").read_bytes()
    alone = json.loads((tmp_path / "b.json").read_text())
    log = json.loads((out / "b.json").read_text())
    for key in ("version", "frames", "pooled_metrics"):
        assert log[key] == alone[key]
    found = records(out)
    assert set(found) == {"deep/a.csv", "b.json", "c.sub"}
    assert found["c.sub"]["frames"] == 48
    assert found["b.json"]["pooled"]["saliency_mean"]["mean"] == pytest.approx(
        alone["pooled_metrics"]["saliency_mean"]["mean"], abs=1e-6
    )
    model = found["deep/a.csv"]["features"]["saliency_mean"]
    assert model["sha256"] == log["vmafsal"]["features"]["saliency_mean"]["sha256"]
    assert set(found["deep/a.csv"]["inputs"]) == {"distorted", "reference"}


def test_only_what_changed_is_done_again(vmafsal: Run, tmp_path: Path) -> None:
    for name in "abc":
        (tmp_path / f"{name}.yuv").write_bytes(draw_yuv(2, 48, 64))
    (tmp_path / "my.onnx").write_bytes(PLACEHOLDER.read_bytes())

    def scored(*more: str) -> list[str]:
        done = vmafsal("batch", "*.yuv", *SIZE, "-o", "out", "--workers", "1", *more)
        assert done.returncode == 0, done.stderr
        lines = [line.split()[2] for line in done.stderr.splitlines() if "[" in line]
        return sorted(line.rstrip(":") for line in lines)

    everything = ["a.json", "b.json", "c.json"]
    assert scored() == everything
    assert scored() == []
    (tmp_path / "b.yuv").write_bytes(draw_yuv(2, 48, 64, seed=1))
    (tmp_path / "out" / "c.json").unlink()
    assert scored() == ["b.json", "c.json"]
    assert scored("--threads", "1", "--workers", "2") == []
    assert scored("--feature", "mobilesal=color=bt601") == everything
    mine = ("--feature", "mobilesal=model_path=my.onnx")
    assert scored(*mine) == everything
    (tmp_path / "my.json").write_text('{"input": {"color": "bt709", "range": "full"}}')
    assert scored(*mine) == everything
    assert scored(*mine) == []


def test_a_clip_that_fails_is_recorded_and_the_rest_goes_on(vmafsal: Run, tmp_path: Path) -> None:
    (tmp_path / "good.mp4").write_bytes(DEMO.read_bytes())
    (tmp_path / "bad.mp4").write_bytes(b"no video")
    (tmp_path / "out" / "full.json").mkdir(parents=True)
    (tmp_path / "clips.csv").write_text(
        "distorted,output\nbad.mp4,\nmissing.mp4,\ngood.mp4,full.json\ngood.mp4,\n"
    )
    done = vmafsal("batch", "clips.csv", "-o", "out", "--workers", "1", "--quiet")
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 3
    found = records(tmp_path / "out")
    assert {name: record["status"] for name, record in found.items()} == {
        "bad.json": "failed",
        "missing.json": "failed",
        "full.json": "failed",
        "good.json": "done",
    }
    assert "cannot be read as video" in found["bad.json"]["error"]
    assert "missing.mp4 does not exist" in found["missing.json"]["error"]
    assert "is a folder" in found["full.json"]["error"]
    assert not (tmp_path / "out" / "bad.json").exists()
    # What failed is tried again, what is done is not.
    (tmp_path / "bad.mp4").write_bytes(DEMO.read_bytes())
    done = vmafsal("batch", "clips.csv", "-o", "out")
    assert done.returncode == 1
    assert "1 of 4 clips scored, 1 were done before, 2 failed" in done.stderr
    assert records(tmp_path / "out")["bad.json"]["status"] == "done"


@pytest.mark.parametrize(
    ("args", "word"),
    [
        (("clips.csv",), "--output-dir"),
        (("clips.csv", "-o", ""), "names no folder"),
        (("clips.csv", "-o", "out", "--workers", "0"), "workers"),
        (("clips.csv", "-o", "out", "--shard", "3/2"), "--shard"),
        (("clips.csv", "-o", "out", "--digest", "none"), "digest"),
        (("clips.csv", "-o", "out", "--json", "--csv"), "one format"),
        (("clips.csv", "-o", "out", "--precision", "x"), "--precision"),
        (("none.csv", "-o", "out"), "cannot be read"),
        (("clips.csv", "-o", "out", "--feature", "mobilesal=model_path=no.onnx"), "no.onnx"),
    ],
)
def test_mistakes_end_the_run_before_it_begins(
    vmafsal: Run, tmp_path: Path, args: tuple[str, ...], word: str
) -> None:
    (tmp_path / "clips.csv").write_text("distorted\na.mp4\n")
    done = vmafsal("batch", *args)
    assert done.returncode in (1, 2)
    assert word in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "out").exists()


def test_a_dry_run_says_what_is_done_and_writes_nothing(vmafsal: Run, tmp_path: Path) -> None:
    for name in ("a.yuv", "b.yuv"):
        (tmp_path / name).write_bytes(draw_yuv(2, 48, 64))
    (tmp_path / "clips.csv").write_text(
        "distorted,width,height\na.yuv,64,48\nb.yuv,64,48\nmissing.yuv,64,48\n"
    )
    dry = vmafsal("batch", "clips.csv", "-o", "out", "--dry-run")
    assert dry.returncode == 0, dry.stderr
    assert sorted(dry.stdout.splitlines())[1:] == ["score a.json", "score b.json"]
    assert "3 clips: 0 done before, 2 to score, 1 that would fail" in dry.stderr
    assert not (tmp_path / "out").exists()
    assert vmafsal("batch", "a.yuv", *SIZE, "-o", "out").returncode == 0
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").iterdir()}
    dry = vmafsal("batch", "clips.csv", "-o", "out", "--dry-run")
    assert sorted(dry.stdout.splitlines())[0] == "done a.json"
    assert "1 done before, 1 to score, 1 that would fail. Nothing was written." in dry.stderr
    after = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").iterdir()}
    assert after == before


def test_the_other_columns_come_out_of_a_batch_too(vmafsal: Run, tmp_path: Path) -> None:
    for name, seed in (("d.yuv", 1), ("r.yuv", 2)):
        (tmp_path / name).write_bytes(draw_yuv(3, 48, 64, seed=seed))
    row = {"distorted": "d.yuv", "reference": "r.yuv", "width": 64, "height": 48}
    row |= {"feature": ["mobilesal=stats=true", "psnr"]}
    (tmp_path / "clips.jsonl").write_text(json.dumps(row) + "\n")
    done = vmafsal("batch", "clips.jsonl", "-o", "out")
    assert done.returncode == 0, done.stderr
    frames = json.loads((tmp_path / "out" / "d.json").read_text())["frames"]
    columns = set(frames[1]["metrics"])
    assert {"saliency_mean", "saliency_change", "psnr_y", "psnr_y_saliency"} <= columns
    with open(tmp_path / "out" / "summary.csv", encoding="utf-8-sig", newline="") as file:
        (table,) = csv.DictReader(file)
    assert (table["output"], table["status"], table["frames"]) == ("d.json", "done", "3")
    assert columns <= set(table)
    assert float(table["psnr_y"]) == pytest.approx(
        sum(frame["metrics"]["psnr_y"] for frame in frames) / 3, abs=1e-6
    )
    assert "1 were done before" in vmafsal("batch", "clips.jsonl", "-o", "out").stderr


def test_shards_together_do_everything_once(vmafsal: Run, tmp_path: Path) -> None:
    for number in range(5):
        (tmp_path / f"{number}.yuv").write_bytes(draw_yuv(2, 48, 64, seed=number))
    for part in ("1/2", "2/2"):
        done = vmafsal("batch", "*.yuv", *SIZE, "-o", "out", "--shard", part)
        assert done.returncode == 0, done.stderr
    assert "2 of 2 clips scored" in done.stderr
    assert len(logs(tmp_path / "out")) == 5
    parts = [
        (tmp_path / "out" / f"summary-{part}-of-2.jsonl").read_text().splitlines()
        for part in (1, 2)
    ]
    assert [len(lines) for lines in parts] == [3, 2]
    # Another division, or none, finds what these did.
    done = vmafsal("batch", "*.yuv", *SIZE, "-o", "out")
    assert "0 of 5 clips scored, 5 were done before" in done.stderr


def test_a_terminal_shows_the_workers(tmp_path: Path) -> None:
    long_clip = draw_long_clip(tmp_path)
    (tmp_path / "clips.csv").write_text(
        f"distorted,width,height,output\n{long_clip},64,48,[a].json\n{DEMO},,,b.json\n"
    )
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "vmafsal", "batch", "clips.csv", "-o", "out", "--workers", "2"],
        cwd=tmp_path,
        stderr=theirs,
        stdout=subprocess.DEVNULL,
        env={**os.environ, "TERM": "xterm", "COLUMNS": "150"},
    )
    os.close(theirs)
    said = b""
    with suppress(OSError):
        while part := os.read(ours, 65536):
            said += part
    os.close(ours)
    assert process.wait(60) == 0
    text = said.decode()
    assert "worker" in text
    assert "of 2 clips" in text
    assert re.search(r"\[a\]\.json +│ frame \d+ of 4000, [\d.]+ fps", text)
    assert "[2/2]" in text
