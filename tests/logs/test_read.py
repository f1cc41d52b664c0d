"""Reading logs: those of libvmaf come back, and everything else gets a sentence."""

from __future__ import annotations

import gzip
import io
import json
import math
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vmafsal.errors import InputError
from vmafsal.features.frame import FrameFeatures
from vmafsal.logs import Log, LogFormat, format_log, parse_precision
from vmafsal.logs.read import parse_log, read_log
from vmafsal.logs.write import format_line

GOLDEN = Path(__file__).parents[1] / "golden"
REAL = Path(__file__).parent / "real"
CASES = Path(__file__).parents[3] / "shared" / "cases" / "logs"
CLIP = "synthetic_64x48_yuv420p_8f__"
FORMATS: tuple[LogFormat, ...] = ("json", "xml", "csv", "sub")


def a_log(frames: list[FrameFeatures]) -> Log:
    return Log(version="vmafsal 0.1.0", fps=25.0, width=64, height=48, frames=frames)


def refused(text: str) -> str:
    """The sentence that a text gets."""
    with pytest.raises(InputError) as caught:
        parse_log(text, "some.log")
    message = str(caught.value)
    assert message.startswith("some.log ")
    assert message.endswith(".")
    return message


def json_log(frames: list[Any]) -> str:
    return json.dumps({"version": "3.0.0", "fps": 1.0, "frames": frames, "pooled_metrics": {}})


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


@settings(deadline=None)
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


RUN_VMAF = """{
    "aggregate": {"VMAF_feature_adm2_score": 0.93, "VMAF_score": 76.7, "method": "mean"},
    "frames": [{"VMAF_feature_adm2_score": 0.96, "VMAF_score": 83.8, "frameNum": 0}]
}"""
RUN_VMAF_XML = """<?xml version="1.0" ?>
<result executorId="VMAF_V0.6.1">
  <asset identifier="test_0_0_src01_576x324_vs_src01_576x324_q_576x324"/>
  <frames><frame VMAF_score="83.8" frameNum="0"/></frames>
  <aggregate VMAF_score="76.7" method="mean"/>
</result>"""


@pytest.mark.parametrize(
    "text",
    [
        RUN_VMAF_XML,
        "Asset 0: {}\nExecutor: VMAF\n",
        '{"param_dict": {}, "model_dict": {"model": "svm_type"}}',
        "n:1 mse_avg:10.0 mse_y:14.1 psnr_avg:38.1 psnr_y:36.6 \n",
        "psnr_log_version:2 fields:n,mse_avg,psnr_avg\nn:1 mse_avg:10.0 psnr_avg:38.1\n",
        "n:1 Y:0.98 U:0.99 V:0.99 All:0.98 (18.1)\n",
        "frame:0    pts:0       pts_time:0\nlavfi.psnr.psnr_avg=40.1\n",
        '<?xml version="1.0"?>\n<ffprobe>\n</ffprobe>',
        "Frame;vmaf;\n0;90,5;\n",
        "sep=;\nFrame;vmaf\n0;90\n",
    ],
)
def test_another_kind_of_file(text: str) -> None:
    message = refused(text)
    assert "no log that can be read here" in message
    assert "separated by commas" in message
    assert "libvmaf=log_fmt=json" in message


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (RUN_VMAF, "entry 1 of its frames has no whole frameNum with metrics"),
        ('{"frames": [{"media_type": "video", "pts": 0}]}', "entry 1 of its frames"),
        ("[FRAME]\nmedia_type=video\n[/FRAME]\n", "damaged in line 1"),
        ("frame,video,0,1,0,0.000000\n", "two columns named '0'"),
        ("frame,video,0\n", "holds no frame"),
        ("frame,video,0\nframe,video,1\n", "numbered 'frame'"),
    ],
)
def test_a_file_that_resembles_a_log(text: str, sentence: str) -> None:
    assert sentence in refused(text)


def test_figures_called_like_another_dialect_do_no_harm() -> None:
    text = json_log([{"frameNum": 0, "metrics": {"VMAF score": 1.0, "SSIM_score": 0.5}}])
    assert parse_log(text, "log").feature_names == ["VMAF score", "SSIM_score"]


@pytest.mark.parametrize("fmt", ["json", "xml", "csv", "sub"])
@pytest.mark.parametrize("share", [0.02, 0.3, 0.7, 0.95])
def test_cut_short(fmt: str, share: float) -> None:
    text = (GOLDEN / f"{CLIP}mobilesal.{fmt}").read_text()
    cut = text[: int(len(text) * share)]
    # Not at the end of a line, which no reader of CSV and SUB can tell from a shorter log.
    message = refused(cut.rstrip("\n,|}"))
    assert fmt in ("csv", "sub") or "cut short" in message


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "is empty"),
        ("  \n\t\n", "is empty"),
        ("hello\nworld\n", "no log that can be read here"),
        ("a,b\n1,2\n", "no log that can be read here"),
        ("Frame,\n0,\n", "no log that can be read here"),
        ("[1, 2]", "no log that can be read here"),
        ('{"a": 1}', "no log that can be read here"),
        ('{"frames": {}}', "no log that can be read here"),
        ('{"frames": [,\n{"frameNum": 0}]}', "damaged in line 1"),
        ("[" * 100_000, "no log that can be read here"),
        ('{"frames": ' + "9" * 5000 + "}", "no log that can be read here"),
        (json_log([]), "holds no frame"),
        (json_log([1]), "entry 1 of its frames"),
        (json_log([{"frameNum": 0, "metrics": {"a": 1}}, {"frameNum": 1}]), "entry 2"),
        (json_log([{"frameNum": "0", "metrics": {"a": 1}}]), "entry 1"),
        (json_log([{"frameNum": True, "metrics": {"a": 1}}]), "entry 1"),
        (json_log([{"frameNum": 0.5, "metrics": {"a": 1}}]), "entry 1"),
        (json_log([{"frameNum": -1, "metrics": {"a": 1}}]), "a frame numbered -1"),
        (json_log([{"frameNum": 0, "metrics": {}}]), "without a single figure"),
        (json_log([{"frameNum": 2, "metrics": {"a": "1"}}]), '"1" for a in frame 2'),
        (json_log([{"frameNum": 2, "metrics": {"a": True}}]), "true for a in frame 2"),
        (json_log([{"frameNum": 2, "metrics": {"a": [1]}}]), "[1] for a in frame 2"),
        (json_log([{"frameNum": 5, "metrics": {"a": 1}}] * 2), "frame 5 more than once"),
        ('{"frames": [{"frameNum": 0, "metrics": {"a": 1, "a": 2}}]}', "'a' twice"),
        ('{"frameNum": 0, "metrics": {"a": 1}}\n{"frameNum": 1, "me', "cut short in line 2"),
        ('{"frameNum": 0, "metrics": {"a": 1}}\n\n{"frameNum" 1}\n', "damaged in line 3"),
        ('{"frameNum": 0, "metrics": {"a": 1}}\n[]\n', "entry 2 of its frames"),
        ('{"frameNum": 0, "metrics": {"a": 1}}\n' * 2, "frame 0 more than once"),
        ("<html></html>", "its XML begins with <html>"),
        ("<VMAF><frames></frames></VMAF>", "holds no frame"),
        ("<VMAF></VMAF>", "holds no frame"),
        ('<VMAF><frames><frame a="1" /></frames></VMAF>', "numbered ''"),
        ('<VMAF><frames><frame frameNum="-1" a="1" /></frames></VMAF>', "numbered '-1'"),
        ('<VMAF><frames><frame frameNum="1e1" a="1" /></frames></VMAF>', "numbered '1e1'"),
        ('<VMAF><frames><frame frameNum="0" a="x" /></frames></VMAF>', '"x" for a in frame 0'),
        ('<VMAF><frames><frame frameNum="0" a="1_0" /></frames></VMAF>', '"1_0" for a'),
        ('<VMAF><frames><frame frameNum="0" a="0,5" /></frames></VMAF>', "LC_ALL=C"),
        ('<VMAF><frames><frame frameNum="0" a="1" a="2" /></frames></VMAF>', "damaged in line 1"),
        ('<VMAF><fyi fps="x" /><frames/></VMAF>', '"x" for fps in <fyi>'),
        ("Frame,a,a,\n0,1,2,\n", "two columns named 'a'"),
        ("Frame,a,,b,\n0,1,2,3,\n", "a column without a name"),
        ("Frame,a,\n", "holds no frame"),
        ("Frame,a,\nx,1,\n", "numbered 'x'"),
        ("Frame,a,\n0.0,1,\n", "numbered '0.0'"),
        ("Frame,a,\n٣,1,\n", "numbered '٣'"),
        ("Frame,a,\n0,x,\n", '"x" for a in frame 0'),
        ("Frame,a,\n0,1,\n0,1,\n", "frame 0 more than once"),
        ("Frame,a,b,\n0,1,2,\n1,1,\n", "1 values for 2 columns in frame 1"),
        ("Frame,a,b,\n0,1,2,3,\n", "3 values for 2 columns in frame 0"),
        ("Frame,a,\n0,0,5,\n", "2 values for 1 columns"),
        ('Frame,a\n0,"1\n', "is damaged (unexpected end of data)"),
        ("{0}{1}frame: 0|a: 1|\n{1}{2}fra", "cut short or damaged in line 2"),
        ("{0}{1}frame: 1|a: 1|\n", "damaged in line 1"),
        ("{0}{1}frame: 0|a: x|\n", '"x" for a'),
        ("{0}{1}frame: 0|a: 1|a: 2|\n", "damaged in frame 0"),
        ("{0}{1}frame: 0|1|\n", "damaged in frame 0"),
        ("{0}{1}frame: 0|a: 1|\n{0}{1}frame: 0|a: 1|\n", "frame 0 more than once"),
        ("{0}{1}Subtitle of a film\n", "damaged in line 1"),
    ],
)
def test_bad_input(text: str, sentence: str) -> None:
    assert sentence in refused(text)


def check_read_or_refused(text: str) -> None:
    """No other exception gets out."""
    message = ""
    try:
        assert parse_log(text, "log").frames
    except InputError as error:
        message = str(error)
    assert message == "" or message.startswith("log ")


@settings(deadline=None)
@given(st.text())
def test_any_text_is_read_or_refused(text: str) -> None:
    check_read_or_refused(text)


@settings(deadline=None)
@given(st.text(alphabet='Frame,a0123456789.-"\r\n ;', max_size=60))
def test_any_table_is_read_or_refused(text: str) -> None:
    check_read_or_refused("Frame,a" + text)


JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-3, 3)
    | st.integers()
    | st.floats()
    | st.text(max_size=3)
    | st.sampled_from(["nan", "x"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["frames", "frameNum", "metrics", "n", "a", "fps", "version", "pts_time"]
            )
            | st.text(max_size=3),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@settings(deadline=None)
@given(
    st.fixed_dictionaries(
        {},
        optional={
            "version": JSON_VALUES,
            "fps": JSON_VALUES,
            "frames": JSON_VALUES
            | st.lists(
                st.fixed_dictionaries(
                    {"frameNum": st.integers(-1, 4) | JSON_VALUES},
                    optional={"metrics": JSON_VALUES, "pts_time": JSON_VALUES},
                ),
                max_size=3,
            ),
            "vmaf": st.lists(
                st.fixed_dictionaries({"n": st.integers(0, 3) | JSON_VALUES, "a": JSON_VALUES}),
                max_size=3,
            ),
            "aggregate_metrics": JSON_VALUES,
            "vmafsal": JSON_VALUES,
        },
    )
)
def test_any_json_is_read_or_refused(content: dict[str, Any]) -> None:
    check_read_or_refused(json.dumps(content))


@settings(deadline=None)
@given(
    st.lists(
        st.lists(st.sampled_from(["frame", "Frame", "frameNum", "a", "0", "1", "x"]), max_size=3),
        max_size=3,
    )
)
def test_any_xml_is_read_or_refused(frames: list[list[str]]) -> None:
    rows = "".join(
        f"<frame {' '.join(f'{name}={chr(34)}{n}{chr(34)}' for n, name in enumerate(row))} />"
        for row in frames
    )
    check_read_or_refused(f"<VMAF><frames>{rows}</frames></VMAF>")


@settings(deadline=None)
@given(st.data())
def test_any_damage_is_read_or_refused(data: st.DataObject) -> None:
    fmt = data.draw(st.sampled_from(FORMATS))
    text = (GOLDEN / f"{CLIP}mobilesal.{fmt}").read_text()
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, min(len(text), start + 40)))
    damaged = text[:start] + data.draw(st.text(max_size=5)) + text[end:]
    check_read_or_refused(damaged)


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


def test_damaged_parquet(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    import pyarrow
    import pyarrow.parquet

    from vmafsal.logs.parquet import format_parquet

    path = tmp_path / "log.parquet"
    whole = format_parquet(a_log([FrameFeatures(0, {"a": 1.0})]))
    for raw in (b"PAR1", whole[:-20], whole[:60] + b"x" * 40 + whole[100:]):
        path.write_bytes(raw)
        with pytest.raises(InputError, match=r"log\.parquet is a damaged Parquet file"):
            read_log(path)
    wrong: tuple[dict[str, list[Any]], ...] = (
        {"a": [1.0]},
        {"frameNum": [None, 1]},
        {"frameNum": [0.5]},
        {"frameNum": ["0"]},
    )
    for columns in wrong:
        pyarrow.parquet.write_table(pyarrow.table(columns), path)
        with pytest.raises(InputError, match="without whole frameNum"):
            read_log(path)
    pyarrow.parquet.write_table(
        pyarrow.table({"frameNum": [0, 0], "a": [1, 2], "s": ["", ""]}), path
    )
    with pytest.raises(InputError, match="frame 0 more than once"):
        read_log(path)


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist: check its name"):
        read_log(str(tmp_path / "missing.json"))


def test_folder(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is a folder: name a file in it"):
        read_log(str(tmp_path))


def test_file_as_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be read"):
        read_log(str(tmp_path / "file" / "log.json"))


def test_packed_log(tmp_path: Path) -> None:
    path = tmp_path / "log.json.gz"
    path.write_bytes(gzip.compress((GOLDEN / f"{CLIP}mobilesal.json").read_bytes()))
    with pytest.raises(InputError, match="no text, and so no log: unpack it first"):
        read_log(str(path))


@pytest.mark.parametrize(
    "raw", [bytes(range(256)), b"\0\0\0\x20ftypisom", b"Frame\0", b"\xff\xfe\0"]
)
def test_binary_file(tmp_path: Path, raw: bytes) -> None:
    path = tmp_path / "clip.mp4"
    path.write_bytes(raw)
    with pytest.raises(InputError, match="no text, and so no log"):
        read_log(str(path))


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX permissions")
def test_no_permission() -> None:
    program = (
        "import os, sys\n"
        "from vmafsal.errors import InputError\n"
        "from vmafsal.logs.read import read_log\n"
        "if os.geteuid() == 0: os.seteuid(65534)\n"
        "try: read_log(sys.argv[1])\n"
        "except InputError as error: print(error)\n"
    )
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        path = Path(folder) / "log.json"
        path.write_text(json_log([]))
        path.chmod(0)
        done = subprocess.run(
            [sys.executable, "-c", program, str(path)], capture_output=True, text=True, check=True
        )
    assert "cannot be read: Permission denied" in done.stdout
