"""vmafsal stats: what it computes, prints, writes and refuses."""

from __future__ import annotations

import csv
import io
import json
import statistics
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.command import invoke
from vmafsal.errors import InputError
from vmafsal.logs.read import read_log
from vmafsal.logs.scenes import read_scenes
from vmafsal.logs.stats import summarise

GOLDEN = Path(__file__).parents[1] / "golden"
SCENES = Path(__file__).parents[1] / "logs" / "real" / "pyscenedetect_scenes.csv"
VMAF = GOLDEN / "synthetic_64x48_yuv420p_8f__vmaf_psnr.json"


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """130 frames, as many as the scenes have; the figure of frame n is n."""
    path = tmp_path / "log.csv"
    path.write_text("Frame,vmaf,gap,\n" + "".join(f"{n},{n},nan,\n" for n in range(130)))
    return path


def rows(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(path.read_text())))


def test_summary_by_hand() -> None:
    values = [3.0, 1.0, float("nan"), 2.0, float("inf"), 6.0]
    found = summarise(values)
    finite = [3.0, 1.0, 2.0, 6.0]
    assert (found.n, found.min, found.max, found.mean, found.median) == (4, 1.0, 6.0, 3.0, 2.5)
    assert found.harmonic == pytest.approx(4 / (1 / 4 + 1 / 2 + 1 / 3 + 1 / 7) - 1)
    assert found.stdev == pytest.approx(statistics.pstdev(finite))
    # Between the first two values, 1 and 2, at 0.01 and 0.05 of the way from first to last.
    assert found.p1 == pytest.approx(1.03)
    assert found.p5 == pytest.approx(1.15)
    assert found.p95 == pytest.approx(np.quantile(finite, 0.95))
    assert summarise([float("nan")]) == (0, *[None] * 9)


def test_table_has_a_row_a_column() -> None:
    code, out, err = invoke("stats", VMAF)
    assert (code, err) == (0, "")
    row = next(line for line in out.splitlines() if " vmaf " in line)
    cells = [cell.strip() for cell in row.strip("│").split("│")]
    pooled = read_log(VMAF).pooled()["vmaf"]
    assert cells[:5] == [
        *("vmaf", "8", f"{pooled['mean']:.4f}"),
        *(f"{pooled['harmonic_mean']:.4f}", f"{pooled['min']:.4f}"),
    ]
    assert len(cells) == 11
    heads = [cell.strip() for cell in out.splitlines()[1].strip("┃").split("┃")]
    assert heads == [
        *("column", "n", "mean", "harmonic", "min", "p1", "p5", "median", "p95", "max", "stdev")
    ]


def test_csv_and_json_say_the_same(log: Path, tmp_path: Path) -> None:
    assert invoke("stats", VMAF, log, "-q", "-o", tmp_path / "a.csv") == (0, "", "")
    assert invoke("stats", VMAF, log, "-q", "-o", tmp_path / "a.json") == (0, "", "")
    table, entries = rows(tmp_path / "a.csv"), json.loads((tmp_path / "a.json").read_text())
    assert len(table) == len(entries) == 20
    for row, entry in zip(table, entries, strict=True):
        assert row == {key: "" if value is None else str(value) for key, value in entry.items()}
    last = entries[-1]
    assert (last["log"], last["column"], last["n"], last["mean"]) == (str(log), "gap", 0, None)
    assert entries[-2]["mean"] == 64.5


def test_scenes(log: Path, tmp_path: Path) -> None:
    output = tmp_path / "a.csv"
    code, out, err = invoke("stats", log, "--by", SCENES, "-o", output)
    assert (code, err) == (0, "")
    found = [row for row in rows(output) if row["column"] == "vmaf"]
    assert [(row["scene"], row["n"], row["min"], row["max"]) for row in found] == [
        ("1", "50", "0.0", "49.0"),
        ("2", "30", "50.0", "79.0"),
        ("3", "50", "80.0", "129.0"),
        ("", "130", "0.0", "129.0"),
    ]
    assert "scene 2 (frames 50-79)\n" in out
    assert "all frames\n" in out


def test_scenes_of_a_log_that_skipped_frames(log: Path, tmp_path: Path) -> None:
    cut = tmp_path / "cut.json"
    frames = [{"frameNum": n, "metrics": {"vmaf": n + 60}} for n in range(70)]
    facts = {"settings": {"frame_skip_dist": 60, "frame_skip_ref": 0}}
    cut.write_text(json.dumps({"frames": frames, "vmafsal": facts}))
    code, _, err = invoke("stats", cut, "--by", SCENES, "-o", tmp_path / "a.csv")
    assert (code, err) == (0, f"vmafsal: {cut} holds no frame of scene 1 (frames 0-49).\n")
    found = rows(tmp_path / "a.csv")
    assert [(row["n"], row["min"]) for row in found] == [
        ("0", ""),
        ("20", "60.0"),
        ("50", "80.0"),
        ("70", "60.0"),
    ]


def test_standard_output(log: Path) -> None:
    code, out, err = invoke("stats", log, "-o", "-")
    assert code == 0
    assert out.startswith("log,scene,first_frame,last_frame,column,n,mean,harmonic,min,p1,p5,")
    assert "┃" in err
    for words in (("-o", "-"), ()):
        code, out, _ = invoke("stats", log, *words, "--format", "json", "-q")
        assert json.loads(out)[0]["n"] == 130


def test_wrong_usage(log: Path, tmp_path: Path) -> None:
    before = log.read_bytes()
    for arguments, code, sentence in (
        ((log, log), 2, "named twice"),
        ((log, "-o", tmp_path / "a.xml"), 2, "use .csv or .json"),
        ((log, "-o", log), 1, "would be lost"),
        ((tmp_path / "none.json",), 1, "does not exist"),
        ((SCENES,), 1, "no log that can be read here"),
        ((log, "--by", log), 1, "is no list of scenes"),
        ((log, "--by", tmp_path / "none.csv", "-o", tmp_path / "b.csv"), 1, "cannot be read"),
        ((), 2, ""),
    ):
        found, _, err = invoke("stats", *arguments)
        assert found == code
        assert sentence in err
    assert log.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["log.csv"]


@settings(max_examples=60)
@given(st.data())
def test_any_list_of_scenes_is_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    text = SCENES.read_text()
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, min(len(text), start + 40)))
    damaged = text[:start] + data.draw(st.text(max_size=5)) + text[end:]
    path = tmp_path_factory.getbasetemp() / "scenes.csv"
    path.write_bytes(damaged.encode("utf-8", "surrogatepass"))
    message = ""
    try:
        assert read_scenes(str(path))
    except InputError as error:
        message = str(error)
    assert message == "" or str(path) in message
