"""The summary survives crashes, and its table opens in a spreadsheet."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmafsal.errors import OutputError, UsageError
from vmafsal.library.record import Record
from vmafsal.library.summary import Summary, format_table, read_records


def record(output: str, frames: int = 1) -> Record:
    return Record(
        output=output, distorted="d.mp4", reference=None, status="done", frames=frames, inputs={}
    )


def test_records_are_appended_and_the_last_of_each_stays(tmp_path: Path) -> None:
    with Summary(str(tmp_path)) as summary:
        for frames, output in enumerate("bab"):
            summary.append(record(output, frames))
        lines = (tmp_path / "summary.jsonl").read_text().splitlines()
        assert [json.loads(line)["output"] for line in lines] == ["b", "a", "b"]
    lines = (tmp_path / "summary.jsonl").read_text().splitlines()
    assert [(json.loads(line)["output"], json.loads(line)["frames"]) for line in lines] == [
        *(("a", 1), ("b", 2)),
    ]


def test_a_torn_line_is_skipped_and_harms_no_other(tmp_path: Path) -> None:
    path = tmp_path / "summary.jsonl"
    with Summary(str(tmp_path)) as summary:
        summary.append(record("a"))
    whole = path.read_bytes()
    for rest in (b'{"output": "b", "dis', b"\xff\x00", b'{"output": 3}\n', b"[]\n3\n"):
        path.write_bytes(whole + rest)
        with Summary(str(tmp_path)) as summary:
            assert list(summary.records) == ["a"]
            summary.append(record("c"))
            assert set(read_records(tmp_path)) == {"a", "c"}
        assert len(path.read_text().splitlines()) == 2


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=6,
)


@given(st.dictionaries(st.sampled_from(sorted(json.loads(record("a").to_line()))), JSON))
def test_a_line_with_other_types_is_skipped(values: dict[str, object]) -> None:
    line = json.dumps(json.loads(record("a").to_line()) | values).encode()
    known = Record.from_line(line)
    if known is not None:
        format_table({known.output: known})


def test_two_runs_do_not_share_a_summary_but_shards_share_a_folder(tmp_path: Path) -> None:
    with Summary(str(tmp_path), "summary-1-of-2.jsonl") as first:
        first.append(record("a"))
        with pytest.raises(UsageError, match="Another run"):
            Summary(str(tmp_path), "summary-1-of-2.jsonl")
        with Summary(str(tmp_path), "summary-2-of-2.jsonl") as second:
            assert list(second.records) == ["a"]
            second.append(record("b"))
    with Summary(str(tmp_path)) as third:
        assert set(third.records) == {"a", "b"}
    # Each file keeps to its own clips; the table of the whole has all.
    assert len((tmp_path / "summary-2-of-2.jsonl").read_text().splitlines()) == 1
    assert len((tmp_path / "summary-2-of-2.csv").read_text().splitlines()) == 2
    assert len((tmp_path / "summary.csv").read_text().splitlines()) == 3


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="file"):
        Summary(str(tmp_path / "file"))


def test_a_table_that_cannot_be_written_is_found_out_before_the_run(tmp_path: Path) -> None:
    (tmp_path / "summary.csv").mkdir()
    with pytest.raises(OutputError, match=r"summary\.csv is a folder"):
        Summary(str(tmp_path))


def test_the_table_has_a_row_for_each_clip(tmp_path: Path) -> None:
    mean = {"min": 0.1, "max": 0.3, "mean": 0.2, "harmonic_mean": 0.2}
    done = record("ä, b.json", 48)
    done.pooled = {"saliency_mean": dict(mean), "psnr_y": {"mean": None}}
    other = record("c.json")
    other.pooled = {"saliency_mean_x": dict(mean)}
    failed = Record("bad.json", "bad.mp4", None, "failed", error='bad.mp4 "cannot", be\nread.')
    with Summary(str(tmp_path), outputs=["late.json", "c.json"]) as summary:
        for one in (done, other, failed):
            summary.append(one)
    raw = (tmp_path / "summary.csv").read_bytes()
    assert raw.startswith("\ufeff".encode()), "spreadsheets know UTF-8 by its mark"
    rows = list(csv.DictReader(io.StringIO(raw.decode("utf-8-sig"), newline="")))
    assert list(rows[0]) == [
        *("output", "distorted", "status", "frames", "saliency_mean_x", "saliency_mean"),
        *("psnr_y", "seconds", "error"),
    ]
    found = {row["output"]: row for row in rows}
    assert list(found) == ["bad.json", "c.json", "late.json", "ä, b.json"]
    assert found["bad.json"]["error"] == 'bad.mp4 "cannot", be\nread.'
    assert found["late.json"]["status"] == "not done"
    assert (found["ä, b.json"]["frames"], found["ä, b.json"]["saliency_mean"]) == ("48", "0.2")
    assert (found["ä, b.json"]["psnr_y"], found["c.json"]["saliency_mean"]) == ("", "")
