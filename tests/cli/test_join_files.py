"""vmafsal join: the files that it writes."""

from __future__ import annotations

import csv
import io
import json
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.cli.test_join import CLIP, GOLDEN, SALIENCY, VMAF, run
from vmafsal.errors import InputError, OutputError, UsageError
from vmafsal.logs import format_log, parse_precision
from vmafsal.logs.join import join_logs
from vmafsal.logs.read import read_log


def test_times(tmp_path: Path) -> None:
    timed = tmp_path / "timed.ndjson"
    timed.write_text(
        "".join(
            f'{{"frameNum": {n}, "pts_time": {n / 25}, "metrics": {{"a": {n}}}}}\n'
            for n in range(8)
        )
    )
    output = tmp_path / "all.json"
    run(SALIENCY, timed, "-o", output)
    assert "pts_time" not in output.read_text()
    run(SALIENCY, timed, "-o", output, "--times")
    assert [frame.pts_time for frame in read_log(output).frames][:2] == [0.0, 0.04]
    run(SALIENCY, timed, "-o", tmp_path / "all.csv", "--tidy")
    assert (tmp_path / "all.csv").read_text().startswith("Frame,pts_time,saliency_mean,a\n")


def test_unknown_ending(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"names no log format: use \.json, \.xml"):
        run(SALIENCY, VMAF, "-o", tmp_path / "all.txt")
    with pytest.raises(UsageError, match="--tidy is CSV, but --format is xml"):
        run(SALIENCY, VMAF, "-o", tmp_path / "all.csv", "--tidy", "--format", "xml")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("fmt", ["json", "xml", "csv", "sub"])
def test_ending_decides(tmp_path: Path, fmt: Any) -> None:
    output = tmp_path / f"combined.{fmt}"
    run(SALIENCY, VMAF, "-o", output)
    joined = read_log(str(output))
    assert joined.frames == join_logs({"a": read_log(SALIENCY), "b": read_log(VMAF)}).frames
    if fmt != "json":
        assert output.read_text() == format_log(joined, fmt, parse_precision(None))


def test_libvmaf_csv_and_tidy_csv(tmp_path: Path) -> None:
    run(SALIENCY, VMAF, "-o", tmp_path / "vmaf.csv")
    run(SALIENCY, VMAF, "-o", tmp_path / "tidy.csv", "--format", "tidy")
    ours = (tmp_path / "vmaf.csv").read_text()
    tidy = (tmp_path / "tidy.csv").read_text()
    assert ours == tidy.replace("\n", ",\n")
    rows = list(csv.DictReader(io.StringIO(tidy)))
    assert len(rows) == 8
    assert float(rows[7]["vmaf"]) == 96.489387


def test_parquet(tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    output = tmp_path / "combined.parquet"
    full = GOLDEN / f"{CLIP}mobilesal.max.json"
    run(full, VMAF, "-o", output)
    table = parquet.read_table(output)
    assert table.column_names[:3] == ["frameNum", "saliency_mean", "integer_adm2"]
    assert table["frameNum"].to_pylist() == list(range(8))
    assert table["saliency_mean"].to_pylist() == read_log(str(full)).column("saliency_mean")
    provenance = json.loads(table.schema.metadata[b"vmafsal"])
    assert provenance["join"]["logs"][1]["file"] == VMAF
    with pytest.raises(UsageError, match="leave --precision out"):
        run(SALIENCY, VMAF, "-o", output, "--precision", "max")


def test_parquet_without_pyarrow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [])
    monkeypatch.delitem(sys.modules, "pyarrow", raising=False)
    with pytest.raises(OutputError, match=r"pip install 'vmafsal\[parquet\]'"):
        run(SALIENCY, VMAF, "-o", tmp_path / "combined.parquet")
    assert list(tmp_path.iterdir()) == []


def test_standard_output_holds_the_log_alone() -> None:
    result = run(SALIENCY, VMAF, "-o", "-")
    assert json.loads(result.stdout)["frames"][0]["metrics"]["saliency_mean"] == 0.516902
    assert "Spearman" in result.stderr


def test_quiet(tmp_path: Path) -> None:
    result = run(SALIENCY, VMAF, "-o", tmp_path / "combined.json", "--quiet")
    assert result.output == ""
    assert (tmp_path / "combined.json").exists()


def test_precision(tmp_path: Path) -> None:
    output = tmp_path / "combined.csv"
    run(GOLDEN / f"{CLIP}mobilesal.max.json", VMAF, "-o", output, "--precision", "max")
    assert output.read_text().splitlines()[1].startswith("0,0.51690198106613627,")


def test_input_is_not_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "score.json"
    path.write_bytes(Path(SALIENCY).read_bytes())
    with pytest.raises(OutputError, match="would be lost"):
        run(path, VMAF, "-o", path)
    assert path.read_bytes() == Path(SALIENCY).read_bytes()


def test_nothing_is_left_when_it_fails(tmp_path: Path) -> None:
    output = tmp_path / "combined.json"
    with pytest.raises(InputError, match="does not exist"):
        run(SALIENCY, tmp_path / "missing.json", "-o", output)
    subsampled = GOLDEN / f"{CLIP}mobilesal.subsample3.json"
    with pytest.raises(
        InputError, match=r"lacks frames 1-2, 4-5, 7\. Use --how inner to join the 3"
    ):
        run(VMAF, subsampled, "-o", output)
    assert list(tmp_path.iterdir()) == []
    run(VMAF, subsampled, "-o", output, "--how", "inner")
    assert [frame.index for frame in read_log(str(output)).frames] == [0, 3, 6]


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX pipes")
@pytest.mark.parametrize("words", [("join", SALIENCY, VMAF), ("models",), ("stats", VMAF)])
def test_reader_that_leaves_is_no_error(words: tuple[str | Path, ...]) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "vmafsal", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    process.stdout.close()
    assert process.wait() == 0
    assert process.stderr is not None
    assert process.stderr.read() == b""
    process.stderr.close()


def test_name_that_the_format_cannot_carry(tmp_path: Path) -> None:
    path = tmp_path / "odd.csv"
    path.write_text("Frame,PSNR (dB)\n" + "".join(f"{n},{n}\n" for n in range(8)))
    with pytest.raises(OutputError, match=r"'PSNR \(dB\)': give it another name"):
        run(SALIENCY, path, "-o", tmp_path / "combined.xml")
    assert [entry.name for entry in tmp_path.iterdir()] == ["odd.csv"]


def test_long_logs(tmp_path: Path) -> None:
    draw = random.Random(0)
    count = 30_000
    for name, columns in {"score": ["saliency_mean"], "vmaf": ["vmaf", "psnr_y"]}.items():
        rows = (
            ",".join([str(n), *(f"{draw.random():.6f}" for _ in columns)]) for n in range(count)
        )
        text = ",".join(["Frame", *columns]) + ",\n" + ",\n".join(rows) + ",\n"
        (tmp_path / f"{name}.csv").write_text(text)
    output = tmp_path / "combined.csv"
    result = run(tmp_path / "score.csv", tmp_path / "vmaf.csv", "-o", output)
    assert f"{count} frames, 3 columns, 2 logs." in result.stdout
    lines = output.read_text().splitlines()
    assert len(lines) == count + 1
    left = (tmp_path / "score.csv").read_text().splitlines()
    right = (tmp_path / "vmaf.csv").read_text().splitlines()
    assert lines[-1] == left[-1] + right[-1].partition(",")[2]
