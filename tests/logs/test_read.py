"""Reading logs: those of libvmaf and its relatives come back."""

from __future__ import annotations

import io
import json
import math
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.logs.examples import CLIP, FORMATS, GOLDEN, a_log, refused
from vmafsal.features.frame import FrameFeatures
from vmafsal.logs import LogFormat, format_log, parse_precision
from vmafsal.logs.read import parse_log, read_log
from vmafsal.logs.write import format_line

REAL = Path(__file__).parent / "real"
CASES = Path(__file__).parents[3] / "shared" / "cases" / "logs"


def test_three_formats_of_one_run_say_the_same() -> None:
    logs = [read_log(str(GOLDEN / f"{CLIP}vmaf_psnr.{fmt}")) for fmt in ("json", "xml", "csv")]
    assert logs[0].frames == logs[1].frames == logs[2].frames
    assert len(logs[0].frames) == 8
    assert len(logs[0].feature_names) == 18
    assert logs[0].frames[7].metrics["vmaf"] == 96.489387


def test_facts() -> None:
    xml = read_log(str(GOLDEN / f"{CLIP}vmaf_psnr.xml"))
    assert (xml.version, xml.fps, xml.width, xml.height) == ("3.0.0", 9708.74, 64, 48)
    log = read_log(str(GOLDEN / f"{CLIP}mobilesal.json"))
    assert (log.version, log.fps, log.width, log.height) == ("3.0.0", 1585.73, 0, 0)
    assert (log.aggregate, log.vmafsal) == ({}, None)
    assert read_log(str(GOLDEN / f"{CLIP}mobilesal.csv")).fps is None


def test_numbers_of_frames_are_kept() -> None:
    log = read_log(str(GOLDEN / f"{CLIP}mobilesal.subsample3.json"))
    assert [frame.index for frame in log.frames] == [0, 3, 6]


@pytest.mark.parametrize("fmt", FORMATS)
def test_own_log_comes_back(fmt: LogFormat) -> None:
    frames = [
        FrameFeatures(0, {"saliency_mean": 0.1 + 0.2, "saliency_mean_b": 1e-9}),
        FrameFeatures(7, {"saliency_mean": 1.0, "saliency_mean_b": -math.inf}),
    ]
    if fmt == "json":
        frames[1].metrics["saliency_mean_b"] = 2.5e-300
    log = a_log(frames)
    log.aggregate["whole"] = 0.5
    log.vmafsal = {"model": {"id": "x"}}
    back = parse_log(format_log(log, fmt, parse_precision("max")), "log")
    assert back.frames == frames
    if fmt == "json":
        assert back.vmafsal == log.vmafsal
        assert back.version == log.version
    if fmt in ("json", "xml"):
        assert back.aggregate == log.aggregate


@given(
    values=st.dictionaries(
        st.integers(0, 10**6),
        st.lists(st.floats(allow_nan=False), min_size=2, max_size=2),
        min_size=1,
        max_size=20,
    ),
    fmt=st.sampled_from(["xml", "csv", "sub"]),
)
def test_any_figures_come_back(values: dict[int, list[float]], fmt: LogFormat) -> None:
    frames = [FrameFeatures(n, {"a": x, "b_2": y}) for n, (x, y) in sorted(values.items())]
    text = format_log(a_log(frames), fmt, parse_precision("max"))
    assert parse_log(text, "log").frames == frames


@pytest.mark.parametrize("fmt", FORMATS)
def test_figures_that_are_not_finite(fmt: LogFormat) -> None:
    frames = [FrameFeatures(0, {"a": math.nan, "b": 1.0})]
    back = parse_log(format_log(a_log(frames), fmt, parse_precision(None)), "log")
    assert math.isnan(back.frames[0].metrics["a"])
    assert back.frames[0].metrics["b"] == 1.0


NAN = [
    *("nan", "-nan", "+nan", "NaN", "NAN", "nan(ind)", "-nan(ind)", "nan(snan)", "nan(0x8000)"),
    *("1.#QNAN", "-1.#QNAN0", "1.#SNAN", "-1.#IND", "-1.#IND00", "1.#R", "1.#J", "-1.$"),
]
INFINITE = {
    "inf": math.inf,
    "+inf": math.inf,
    "-inf": -math.inf,
    "INF": math.inf,
    "Infinity": math.inf,
    "-Infinity": -math.inf,
    "1.#INF": math.inf,
    "-1.#INF00": -math.inf,
}


def every_format(figure: str) -> dict[str, str]:
    """A log of three frames in each format; `a` of frame 1 is spelt as given."""
    values = ["1.0", figure, "3.0"]
    return {
        "json": '{"version": "2.1.1", "fps": '
        + figure
        + ', "frames": [\n'
        + ",\n".join(
            f'{{"frameNum": {n}, "metrics": {{"a": {value}, "nan, inf": {n}.5}}}}'
            for n, value in enumerate(values)
        )
        + '],\n"pooled_metrics": {"a": {"min": 1.0, "max": '
        + figure
        + '}}, "aggregate_metrics": {}}',
        "lines": "".join(
            f'{{"frameNum": {n}, "metrics": {{"a": {value}, "nan, inf": {n}.5}}}}\n'
            for n, value in enumerate(values)
        ),
        "xml": f'<VMAF version="2.1.1"><fyi fps="{figure}" /><frames>'
        + "".join(
            f'<frame frameNum="{n}" a="{value}" b="{n}.5" />' for n, value in enumerate(values)
        )
        + f'</frames><pooled_metrics><metric name="a" mean="{figure}" /></pooled_metrics></VMAF>',
        "csv": "Frame,a,b,\n" + "".join(f"{n},{v},{n}.5,\n" for n, v in enumerate(values)),
        "tidy": "Frame,a,b\n" + "".join(f"{n}, {v} ,{n}.5\n" for n, v in enumerate(values)),
        "sub": "".join(
            f"{{{n}}}{{{n + 1}}}frame: {n}|a: {value}|b: {n}.5|\n" for n, value in enumerate(values)
        ),
    }


@pytest.mark.parametrize("fmt", list(every_format("")))
def test_every_spelling_of_what_is_not_finite(fmt: str) -> None:
    for spelling in [*NAN, *INFINITE]:
        log = parse_log(every_format(spelling)[fmt], "log")
        assert log.column("a")[::2] == [1.0, 3.0]
        assert log.column(log.feature_names[1]) == [0.5, 1.5, 2.5]
        found = log.column("a")[1]
        if spelling in INFINITE:
            assert found == INFINITE[spelling]
        else:
            assert math.isnan(found), spelling
        written = format_log(log, "json", parse_precision(None))
        content = json.loads(written, parse_constant=lambda text: pytest.fail(text))
        assert content["fps"] is None
        assert content["frames"][1]["metrics"]["a"] is None
        assert content["frames"][2]["metrics"]["a"] == 3.0


@pytest.mark.parametrize("figure", ["nano", "information", "nan(", "- nan", "--inf", "x"])
@pytest.mark.parametrize("fmt", list(every_format("")))
def test_what_only_resembles_it(fmt: str, figure: str) -> None:
    message = refused(every_format(figure)[fmt])
    assert "is no number" in message or "damaged in line" in message


def test_strings_are_left_as_they_are() -> None:
    frames = '[{"frameNum": 0, "metrics": {"nan": nan, "a\\" inf": 1}}]'
    text = f'{{"frames": {frames}, "vmafsal": {{"f": "inf, nan"}}}}'
    log = parse_log(text, "log")
    assert log.feature_names == ["nan", 'a" inf']
    assert log.vmafsal == {"f": "inf, nan"}
    quoted = '{"frames": [{"frameNum": 0, "metrics": {"a": "NaN", "b": "-inf", "c": 1}}]}'
    metrics = parse_log(quoted, "log").frames[0].metrics
    assert math.isnan(metrics["a"])
    assert metrics["b"] == -math.inf


def test_damage_beside_nan_is_found_in_its_line() -> None:
    text = '{"fps": nan,\n"frames": [\n{"frameNum": 0, "metrics" {"a": nan}}]}'
    assert "damaged in line 3" in refused(text)
    assert "cut short in line 2" in refused(text[:22])


@pytest.mark.skipif(not CASES.is_dir(), reason="needs the recorded cases")
def test_logs_that_were_once_refused() -> None:
    assert read_log(CASES / "inffps.json").column("vmaf") == [60.5, 61.5, 64.5, 69.5]
    log = read_log(CASES / "nan.json")
    assert math.isnan(log.column("psnr_hvs")[1])
    assert log.column("vmaf") == [60.5, 61.5, 64.5, 69.5]
    log = read_log(CASES / "nanind.xml")
    assert (log.width, log.fps) == (640, 10.41)
    assert all(map(math.isnan, log.column("psnr_hvs_cb")))
    for name in ("blank.csv", "sep.csv"):
        assert read_log(CASES / name).column("vmaf") == [60.5, 61.5, 64.5, 69.5]


def test_null_without_its_newline_as_libvmaf_prints_it() -> None:
    text = (
        '{\n  "version": "3.0.0",\n  "fps": null,\n  "frames": [\n    {\n      "frameNum": 0,\n'
        '      "metrics": {\n        "a": null,        "b": 1.000000\n      }\n    }\n  ],\n'
        '  "pooled_metrics": {\n  },\n  "aggregate_metrics": {\n    "c": null\n  }\n}\n'
    )
    log = parse_log(text, "log")
    assert math.isnan(log.frames[0].metrics["a"])
    assert math.isnan(log.aggregate["c"])
    assert log.fps is None


def test_csv_with_and_without_the_comma_at_the_end() -> None:
    frames = [FrameFeatures(0, {"a": 1.0}), FrameFeatures(1, {"b": 2.0})]
    tidy = format_log(a_log(frames), "tidy", parse_precision(None))
    assert parse_log(tidy, "log").frames == frames
    assert parse_log(tidy.replace("\n", "\r\n"), "log").frames == frames
    assert parse_log(tidy.rstrip("\n"), "log").frames == frames
    assert (
        parse_log(format_log(a_log(frames), "csv", parse_precision(None)), "log").frames == frames
    )


@pytest.mark.parametrize(
    "text",
    [
        "sep=,\nFrame,a\n0,1.5\n1,2.5\n",
        "sep=,\r\nFrame,a,\r\n0,1.5,\r\n1,2.5,\r\n",
        '"sep=,"\nFrame,a\n0,1.5\n1,2.5\n',
        "SEP=,,,\nFrame,a\n0,1.5\n1,2.5\n",
        "\n\nFrame,a,\n\n0,1.5,\n,,\n1,2.5,\n,,\n\n",
        ",\n,,\nFrame,a\n , \n0,1.5\n1,2.5\n,\n",
    ],
)
def test_lines_that_spreadsheets_add(text: str) -> None:
    assert parse_log(text, "log").frames == [
        FrameFeatures(0, {"a": 1.5}),
        FrameFeatures(1, {"a": 2.5}),
    ]


def test_ffmpeg_quality_metrics_counts_from_1() -> None:
    written = read_log(REAL / "ffmpeg_quality_metrics.json")
    table = read_log(REAL / "ffmpeg_quality_metrics.csv")
    assert [frame.index for frame in written.frames] == list(range(8))
    assert {"vmaf", "psnr_avg", "ssim_avg"} < set(written.feature_names)
    assert written.column("vmaf")[0] == 95.375953
    assert {f.index: f.metrics for f in written.frames} == {
        f.index: f.metrics for f in table.frames
    }


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ('{"vmaf": [{"n": 0, "vmaf": 90.0}]}', "entry 1 of vmaf has no whole n from 1"),
        ('{"vmaf": [{"n": 1, "vmaf": 90.0}, {"vmaf": 1}]}', "entry 2 of vmaf has no whole n"),
        ('{"vmaf": [{"n": 1, "vmaf": 90.0}, 3]}', "entry 2 of vmaf has no whole n"),
        ('{"vmaf": [{"n": 1, "vmaf": "x"}]}', '"x" for vmaf in vmaf of n 1'),
        ('{"vmaf": [{"n": 1, "a": 1}, {"n": 1, "a": 2}, {"n": 1, "a": 3}]}', "n 1 of vmaf twice"),
        ('{"vmaf": [], "global": {}}', "no log that can be read here"),
        ("n,vmaf\n0,90\n", "counts from 1"),
        ("n,vmaf\n1,90\n1,91\n", "frame 0 more than once"),
    ],
)
def test_damaged_results_of_ffmpeg_quality_metrics(text: str, sentence: str) -> None:
    assert sentence in refused(text)


def test_one_name_in_two_metrics_of_ffmpeg_quality_metrics() -> None:
    log = parse_log('{"a": [{"n": 1, "x": 1.0}], "b": [{"n": 1, "x": 2.0}]}', "log")
    assert log.frames == [FrameFeatures(0, {"x": 1.0, "b_x": 2.0})]


def test_csv_as_pandas_writes_it() -> None:
    log = parse_log('frameNum,"psnr, luma"\n0,34.5\n', "log")
    assert log.frames == [FrameFeatures(0, {"psnr, luma": 34.5})]


def test_stream_of_lines() -> None:
    frames = [FrameFeatures(0, {"a": 0.1 + 0.2, "b": 1.0}), FrameFeatures(3, {"a": 2.0, "b": -1.0})]
    text = "".join(format_line(frame, parse_precision("max")) for frame in frames)
    assert parse_log(text, "log").frames == frames
    assert parse_log(text.replace("\n", "\r\n") + "\n", "log").frames == frames


def test_frames_in_any_order() -> None:
    log = parse_log("Frame,a,\n2,0.2,\n0,0.0,\n1,0.1,\n", "log")
    assert [frame.index for frame in log.frames] == [0, 1, 2]


def test_content_decides_not_the_ending(tmp_path: Path) -> None:
    path = tmp_path / "log.json"
    path.write_bytes((GOLDEN / f"{CLIP}mobilesal.xml").read_bytes())
    assert len(read_log(str(path)).frames) == 8


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
@pytest.mark.parametrize("fmt", FORMATS)
def test_marks_of_windows(tmp_path: Path, fmt: str, encoding: str) -> None:
    text = (GOLDEN / f"{CLIP}mobilesal.{fmt}").read_text().replace("\n", "\r\n")
    path = tmp_path / "log"
    path.write_bytes(text.encode(encoding))
    assert read_log(str(path)).frames == read_log(str(GOLDEN / f"{CLIP}mobilesal.{fmt}")).frames


def test_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = (GOLDEN / f"{CLIP}mobilesal.json").read_bytes()
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(raw)))
    assert len(read_log("-").frames) == 8


LIBVMAF_1 = """{
    "version":"1.3.15",
    "params":{"model":"vmaf_v0.6.1.pkl","scaledWidth":576,"scaledHeight":324,"subsample":1},
    "metrics":["adm2","motion2","vmaf"],
    "frames":[{"frameNum":0,"metrics":{"adm2":0.96,"motion2":0.0,"vmaf":83.85}}],
    "VMAF score":76.699271,
    "PSNR score":30.7550
}"""
LIBVMAF_1_XML = """<?xml version="1.0"?>
<VMAF version="1.3.15">
  <params model="vmaf_v0.6.1.pkl" scaledWidth="576" scaledHeight="324" subsample="1" />
  <fyi numOfFrames="1" aggregateVMAF="76.699271" execFps="10.1" />
  <frames><frame adm2="0.96" motion2="0.0" frameNum="0" vmaf="83.85" /></frames>
</VMAF>"""


@pytest.mark.parametrize("text", [LIBVMAF_1, LIBVMAF_1_XML])
def test_logs_of_libvmaf_1(text: str) -> None:
    log = parse_log(text, "log")
    assert log.version == "1.3.15"
    assert log.frames == [FrameFeatures(0, {"adm2": 0.96, "motion2": 0.0, "vmaf": 83.85})]


def test_parquet(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    from vmafsal.logs.parquet import format_parquet

    frames = [
        FrameFeatures(0, {"a": 0.1 + 0.2, "b": math.nan}, pts_time=0.0),
        FrameFeatures(3, {"a": 1e-300, "b": 1.0}, pts_time=0.12),
    ]
    log = a_log(frames)
    log.vmafsal = {"settings": {"frame_skip_dist": 5}}
    path = tmp_path / "log.bin"
    path.write_bytes(format_parquet(log))
    back = read_log(path)
    assert back.frames == [FrameFeatures(0, {"a": 0.1 + 0.2}, pts_time=0.0), frames[1]]
    assert (back.version, back.vmafsal) == (log.version, log.vmafsal)
