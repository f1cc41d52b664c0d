"""The four formats, byte for byte as the C tool printed them."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from vmafsal.errors import OutputError, UsageError
from vmafsal.features.frame import FrameFeatures
from vmafsal.logs import Log, LogFormat, choose_format, format_log, parse_precision
from vmafsal.logs.read import read_log
from vmafsal.logs.write import ENDINGS, format_line

GOLDEN = Path(__file__).parents[1] / "golden"
DOCS = Path(__file__).parents[2] / "docs"
ORACLE = Path("../shared/oracle/expected")
FORMATS: tuple[LogFormat, ...] = ("json", "xml", "csv", "sub")


def small_log(**changes: Any) -> Log:
    facts: dict[str, Any] = {
        "version": "vmafsal 0.1.0",
        "fps": 12.5,
        "width": 64,
        "height": 48,
        "frames": [
            FrameFeatures(0, {"saliency_mean": 0.25}),
            FrameFeatures(3, {"saliency_mean": 0.75}),
        ],
    }
    return Log(**(facts | changes))


def golden_files(folder: Path) -> list[Path]:
    return sorted(folder.glob("*__*")) if folder.is_dir() else []


def check_same_but_for_pooling(path: Path) -> None:
    """What is read and written again is the same file.

    The C tool pooled all digits, we pool those that it printed: half a last digit of each frame
    may move a pooled figure by one in the last digit.
    """
    fmt = choose_format(path.name)
    precision = "max" if path.name.endswith(".max.json") else None
    expected = path.read_text()
    written = format_log(read_log(str(path)), fmt, parse_precision(precision))
    marker = {"json": '"pooled_metrics"', "xml": "<pooled_metrics>"}.get(fmt)
    if marker is None or precision == "max":
        assert written == expected
        return
    frames, pooled = written.split(marker)
    expected_frames, expected_pooled = expected.split(marker)
    assert frames == expected_frames
    figure = re.compile(r"\d+\.\d{6}")
    assert figure.sub("#", pooled) == figure.sub("#", expected_pooled)
    for ours, theirs in zip(figure.findall(pooled), figure.findall(expected_pooled), strict=True):
        assert abs(float(ours) - float(theirs)) < 1.5e-6


@pytest.mark.parametrize("path", golden_files(GOLDEN), ids=lambda path: path.name)
def test_golden_files_come_back(path: Path) -> None:
    check_same_but_for_pooling(path)


def test_golden_files_are_there() -> None:
    assert len(golden_files(GOLDEN)) >= 10


@pytest.mark.oracle
@pytest.mark.skipif(not ORACLE.is_dir(), reason="needs the C tool's recorded outputs")
def test_every_recorded_file_comes_back() -> None:
    paths = golden_files(ORACLE)
    assert len(paths) >= 60
    for path in paths:
        check_same_but_for_pooling(path)


def full_precision_pairs(folder: Path) -> list[tuple[Path, Path]]:
    """(17 digits, default digits) of the same frames."""
    return [
        (path, default)
        for path in sorted(folder.glob("*.max.json"))
        for fmt in FORMATS
        if (default := path.with_name(path.name.removesuffix("max.json") + fmt)).is_file()
    ]


def check_default_from_full(full: Path, default: Path) -> None:
    expected = default.read_text()
    log = read_log(str(full))
    size = re.search(r"_(\d+)x(\d+)_", full.name)
    fps = re.search(r'fps="([\d.]+)"|"fps": ([\d.]+)', expected)
    assert size is not None
    log.width, log.height = int(size[1]), int(size[2])
    log.fps = float(fps[1] or fps[2]) if fps else None
    assert format_log(log, choose_format(default.name), parse_precision(None)) == expected


@pytest.mark.parametrize("pair", full_precision_pairs(GOLDEN), ids=lambda pair: pair[1].name)
def test_default_digits_from_full_ones_byte_for_byte(pair: tuple[Path, Path]) -> None:
    check_default_from_full(*pair)


@pytest.mark.oracle
@pytest.mark.skipif(not ORACLE.is_dir(), reason="needs the C tool's recorded outputs")
def test_every_recorded_default_from_full_digits_byte_for_byte() -> None:
    pairs = full_precision_pairs(ORACLE)
    assert len(pairs) >= 24
    for full, default in pairs:
        check_default_from_full(full, default)


def test_provenance_is_the_last_key_of_json_alone() -> None:
    provenance = {"model": {"id": "x", "mean": [0.485, math.nan]}, "note": "Gerät \U0001f600"}
    log = small_log(vmafsal=provenance)
    plain = format_log(small_log(), "json", parse_precision(None))
    text = format_log(log, "json", parse_precision(None))
    assert text.startswith(plain.removesuffix("\n}\n") + ',\n  "vmafsal": {\n    "model": {\n')
    content = json.loads(text)
    assert list(content) == [
        "version",
        "fps",
        "frames",
        "pooled_metrics",
        "aggregate_metrics",
        "vmafsal",
    ]
    assert content["vmafsal"]["model"] == {"id": "x", "mean": [0.485, None]}
    assert content["vmafsal"]["note"] == "Gerät \U0001f600"
    for fmt in ("xml", "csv", "sub"):
        number = parse_precision(None)
        assert format_log(log, fmt, number) == format_log(small_log(), fmt, number)


def test_aggregate_metrics() -> None:
    log = small_log(aggregate={"bd_rate": -1.5, "none": math.nan})
    text = format_log(log, "json", parse_precision(None))
    assert text.endswith(
        '  "aggregate_metrics": {\n    "bd_rate": -1.500000,\n    "none": null\n  }\n}\n'
    )
    xml = format_log(log, "xml", parse_precision(None))
    assert '  <aggregate_metrics bd_rate="-1.500000" none="nan" />\n</VMAF>\n' in xml


def test_figures_that_are_not_finite() -> None:
    frames = [
        FrameFeatures(0, {"a": math.nan, "b": math.inf}),
        FrameFeatures(1, {"a": 1.0, "b": -math.inf}),
    ]
    log = small_log(frames=frames, fps=math.inf)
    content = json.loads(format_log(log, "json", parse_precision(None)))
    assert content["fps"] is None
    assert content["frames"][0]["metrics"] == {"a": None, "b": None}
    names = ("min", "max", "mean", "harmonic_mean")
    # NaN is a frame without a value; infinity is one.
    assert content["pooled_metrics"]["a"] == dict.fromkeys(names, 1.0)
    pooled = content["pooled_metrics"]["b"]
    assert [pooled[name] for name in names[:3]] == [None, None, None]
    assert format_log(log, "csv", parse_precision(None)) == (
        "Frame,a,b,\n0,nan,inf,\n1,1.000000,-inf,\n"
    )
    assert '<frame frameNum="0" a="nan" b="inf" />' in format_log(log, "xml", parse_precision(None))


def test_speed_that_is_not_known() -> None:
    log = small_log(fps=None)
    assert '"fps": null,' in format_log(log, "json", parse_precision(None))
    assert '<fyi fps="nan" />' in format_log(log, "xml", parse_precision(None))


def test_frames_without_a_value_do_not_shift_columns() -> None:
    frames = [FrameFeatures(0, {"a": 1.0}), FrameFeatures(1, {"a": 2.0, "b": 3.0})]
    text = format_log(small_log(frames=frames), "csv", parse_precision("max"))
    assert text == "Frame,a,b,\n0,1,,\n1,2,3,\n"
    content = json.loads(format_log(small_log(frames=frames), "json", parse_precision(None)))
    assert content["frames"][0]["metrics"] == {"a": 1.0}
    assert content["pooled_metrics"]["b"]["mean"] == 3.0


def test_tidy_csv_has_no_comma_at_the_end() -> None:
    text = format_log(small_log(), "tidy", parse_precision("max"))
    assert text == "Frame,saliency_mean\n0,0.25\n3,0.75\n"


def test_xml_escapes_what_it_quotes() -> None:
    text = format_log(small_log(version='<&">\n'), "xml", parse_precision(None))
    assert text.startswith('<VMAF version="&lt;&amp;&quot;&gt;&#10;">')
    assert ElementTree.fromstring(text).get("version") == '<&">\n'


@pytest.mark.parametrize(
    ("fmt", "name"),
    [
        ("xml", "PSNR (dB)"),
        ("xml", "2nd"),
        ("xml", "frameNum"),
        ("xml", 'a"b'),
        ("xml", "ns:a"),
        ("csv", "a,b"),
        ("csv", 'a"b'),
        ("csv", "a\nb"),
        ("csv", ""),
        ("sub", "a|b"),
        ("sub", "a\nb"),
    ],
)
def test_names_that_a_format_cannot_carry(fmt: LogFormat, name: str) -> None:
    log = small_log(frames=[FrameFeatures(0, {name: 1.0})])
    with pytest.raises(OutputError, match=f"{fmt.upper()} log cannot hold a column"):
        format_log(log, fmt, parse_precision(None))
    content = json.loads(format_log(log, "json", parse_precision(None)))
    assert content["frames"][0]["metrics"] == {name: 1.0}


@pytest.mark.parametrize("fmt", FORMATS)
def test_names_of_other_scripts(fmt: LogFormat, tmp_path: Path) -> None:
    log = small_log(frames=[FrameFeatures(0, {"saliency_mean_größe_視": 0.5})])
    path = tmp_path / "log"
    path.write_text(format_log(log, fmt, parse_precision(None)), encoding="utf-8")
    assert read_log(str(path)).frames == log.frames


def test_log_without_frames_keeps_libvmafs_shape() -> None:
    log = small_log(frames=[])
    assert format_log(log, "json", parse_precision(None)) == (
        '{\n  "version": "vmafsal 0.1.0",\n  "fps": 12.50,\n  "frames": [\n  ],\n'
        '  "pooled_metrics": {\n  },\n  "aggregate_metrics": {\n  }\n}\n'
    )
    assert format_log(log, "csv", parse_precision(None)) == "Frame,\n"
    assert format_log(log, "sub", parse_precision(None)) == ""


@pytest.mark.parametrize(
    ("output", "fmt"),
    [
        (None, "json"),
        ("-", "json"),
        ("score.json", "json"),
        ("score.XML", "xml"),
        ("a.b/score.csv", "csv"),
        ("score.sub", "sub"),
        ("score.ndjson", "ndjson"),
        ("score.jsonl", "ndjson"),
        ("score.Parquet", "parquet"),
        ("score", "json"),
        ("score.", "json"),
        ("csv", "json"),
        (".csv", "json"),
        ("folder.csv/score", "json"),
    ],
)
def test_format_by_ending(output: str | None, fmt: LogFormat) -> None:
    assert choose_format(output) == fmt


@pytest.mark.parametrize("output", ["score.txt", "score.json.gz", "vmaf.log", "a.b/score.yaml"])
def test_unknown_ending(output: str) -> None:
    with pytest.raises(
        UsageError, match=r"has an ending that names no log format: use \.json, "
    ) as it:
        choose_format(output)
    assert all(ending in str(it.value) for ending in ENDINGS)
    assert choose_format(output, json=True) == "json"


@pytest.mark.parametrize("fmt", [*FORMATS, "tidy"])
def test_flag_beats_ending(fmt: str) -> None:
    assert choose_format("score.xml", **{fmt: True}) == fmt


def test_two_flags() -> None:
    with pytest.raises(UsageError, match="--xml and --csv"):
        choose_format("score.json", xml=True, csv=True)


def timed_log() -> Log:
    return small_log(
        frames=[
            FrameFeatures(0, {"saliency_mean": 0.25}, pts_time=0.0),
            FrameFeatures(3, {"saliency_mean": 0.75}, pts_time=0.1001),
        ]
    )


@pytest.mark.parametrize("fmt", ["json", "xml", "csv", "sub"])
def test_libvmafs_formats_have_no_times_unless_asked_for(fmt: LogFormat) -> None:
    number = parse_precision(None)
    assert format_log(timed_log(), fmt, number) == format_log(small_log(), fmt, number)


def test_times(tmp_path: Path) -> None:
    number = parse_precision("max")
    content = json.loads(format_log(timed_log(), "json", number, times=True))
    assert list(content["frames"][1].items()) == [
        ("frameNum", 3),
        ("pts_time", 0.1001),
        ("metrics", {"saliency_mean": 0.75}),
    ]
    assert format_log(timed_log(), "ndjson", number) == (
        '{"frameNum": 0, "pts_time": 0.000000, "metrics": {"saliency_mean": 0.25}}\n'
        '{"frameNum": 3, "pts_time": 0.100100, "metrics": {"saliency_mean": 0.75}}\n'
    )
    assert format_log(timed_log(), "tidy", number) == (
        "Frame,pts_time,saliency_mean\n0,0.000000,0.25\n3,0.100100,0.75\n"
    )
    kinds: tuple[LogFormat, ...] = ("json", "ndjson", "tidy")
    for fmt in kinds:
        path = tmp_path / "log"
        path.write_text(format_log(timed_log(), fmt, number, times=True))
        assert read_log(path).frames == timed_log().frames


def test_to_pandas() -> None:
    pandas = pytest.importorskip("pandas")
    log = timed_log()
    log.frames[0].metrics["vmaf"] = 50.0
    table = log.to_pandas()
    assert isinstance(table, pandas.DataFrame)
    assert list(table.columns) == ["pts_time", "saliency_mean", "vmaf"]
    assert table.index.name == "frameNum"
    assert table.index.tolist() == [0, 3]
    assert table["vmaf"].isna().tolist() == [False, True]
    assert table["saliency_mean"].tolist() == [0.25, 0.75]
    assert list(small_log().to_pandas().columns) == ["saliency_mean"]


def code_blocks(path: Path) -> list[str]:
    return re.findall(r"^```\w*\n(.*?)^```$", path.read_text("utf-8"), re.MULTILINE | re.DOTALL)


def test_docs_show_what_is_written() -> None:
    frames = [
        FrameFeatures(0, {"saliency_mean": 0.516902}),
        FrameFeatures(1, {"saliency_mean": 0.510262}),
    ]
    log = small_log(frames=frames, fps=41.53)
    number = parse_precision(None)
    written = [format_log(log, fmt, number) for fmt in FORMATS]
    written.append("".join(format_line(frame, number) for frame in frames))
    assert code_blocks(DOCS / "log-formats.md") == written


def test_docs_show_how_numbers_are_printed() -> None:
    text = (DOCS / "log-formats.md").read_text("utf-8")
    for precision, words in {
        None: "not given",
        "legacy": "`legacy`",
        "4": "`4` (1 to 17)",
        "max": "`max`, `full`",
    }.items():
        values = (0.51690198106613627, 0.0000004, 100.0)
        cells = [f"`{parse_precision(precision).format(value)}`" for value in values]
        assert " | ".join([f"| {words}", *cells]) + " |\n" in text
