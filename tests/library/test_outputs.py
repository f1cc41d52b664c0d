"""Names of logs: unique on every disk, and inside the output folder on every system."""

from __future__ import annotations

from pathlib import PurePath

import pytest

from vmafsal.errors import UsageError
from vmafsal.library.outputs import check_output_name, find_clashes, name_outputs


def names(*videos: str, ending: str = ".json") -> list[str]:
    return list(name_outputs([PurePath(video) for video in videos], [ending] * len(videos)))


def test_a_log_is_named_after_its_video() -> None:
    assert names("a.mp4", "x/b.mp4", "x/b.mkv") == ["a.json", "x/b.mp4.json", "x/b.mkv.json"]
    assert names("summary.mp4", ending=".csv") == ["summary.mp4.csv"]
    assert names("summary.mp4") == ["summary.json"]


def test_names_that_differ_by_case_are_numbered() -> None:
    assert names("A.mp4", "a.mp4", "a-2.mp4") == ["A.json", "a-3.json", "a-2.json"]
    assert names("X/a.mp4", "x/a.mp4") == ["X/a.json", "x/a-2.json"]
    composed, combining = "\u00e9.mp4", "e\u0301.mp4"  # one name on a disk of a Mac
    assert names(composed, combining) == ["\u00e9.json", "e\u0301-2.json"]


@pytest.mark.parametrize(
    "output",
    [
        *("../x.json", "/x.json", ".", "", "a/../..", "x\0.json"),
        *(
            "C:x.json",
            "C:\\x.json",
            "\\x.json",
            "\\\\host\\share\\x.json",
            "..\\x.json",
        ),
        *("summary.jsonl", "./summary.csv", "SUMMARY.CSV", "summary-1-of-2.csv"),
    ],
)
def test_names_that_are_refused_on_every_system(output: str) -> None:
    with pytest.raises(UsageError, match="output"):
        check_output_name(output)


def test_names_that_are_taken() -> None:
    for output in ("x.json", "a/b/x.json", "a/../x.json", "10:30.json", "deep/summary.csv"):
        assert check_output_name(output) in (output, "x.json")


def test_outputs_that_are_one_file_on_some_disk_clash() -> None:
    assert find_clashes([("a.json", "1"), ("b/a.json", "2"), ("ab.json", "3")]) == []
    (said,) = find_clashes([("x.json", "line 2"), ("X.json", "line 3")])
    assert "line 3" in said
    assert "ignores case" in said
    (said,) = find_clashes([("X", "line 2"), ("x/y.json", "line 3")])
    assert "line 3: x/y.json needs a folder where X is an output" in said
