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
from vmafsal.logs.csv import format_csv
from vmafsal.logs.ndjson import format_line
from vmafsal.logs.read import parse_log, read_log

GOLDEN = Path(__file__).parents[1] / "golden"
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
    tidy = format_csv(a_log(frames), parse_precision(None), tidy=True)
    assert parse_log(tidy, "log").frames == frames
    assert parse_log(tidy.replace("\n", "\r\n"), "log").frames == frames
    assert parse_log(tidy.rstrip("\n"), "log").frames == frames
    assert parse_log(format_csv(a_log(frames), parse_precision(None)), "log").frames == frames


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
  <frames><frame adm2="0.96" frameNum="0" vmaf="83.85" /></frames>
</VMAF>"""
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
    ("text", "name", "remedy"),
    [
        (LIBVMAF_1, "a log of libvmaf 1.x", "libvmaf 2 or newer"),
        (LIBVMAF_1_XML, "a log of libvmaf 1.x", "libvmaf 2 or newer"),
        (RUN_VMAF, "VMAF's Python tools", "libvmaf 2 or newer"),
        (RUN_VMAF_XML, "VMAF's Python tools", "libvmaf 2 or newer"),
        ("Asset 0: {}\nExecutor: VMAF\n", "VMAF's Python tools", "libvmaf 2 or newer"),
        ('{"param_dict": {}, "model_dict": {"model": "svm_type"}}', "a VMAF model", "name a log"),
        (
            "n:1 mse_avg:10.0 mse_y:14.1 psnr_avg:38.1 psnr_y:36.6 \n",
            "ffmpeg's psnr filter",
            "log_fmt=json",
        ),
        (
            "psnr_log_version:2 fields:n,mse_avg,psnr_avg\nn:1 mse_avg:10.0 psnr_avg:38.1\n",
            "ffmpeg's psnr filter",
            "log_fmt=json",
        ),
        (
            "n:1 Y:0.98 U:0.99 V:0.99 All:0.98 (18.1)\n",
            "ffmpeg's ssim filter",
            "name=float_ssim",
        ),
        (
            "frame:0    pts:0       pts_time:0\nlavfi.psnr.psnr_avg=40.1\n",
            "ffmpeg's metadata filter",
            "log_fmt=json",
        ),
        (
            '{"frames": [{"media_type": "video", "stream_index": 0, "pts": 0}]}',
            "ffprobe",
            "quality",
        ),
        ('<?xml version="1.0"?>\n<ffprobe>\n</ffprobe>', "ffprobe", "quality"),
        ("[FRAME]\nmedia_type=video\n[/FRAME]\n", "ffprobe", "quality"),
        ("frame,video,0,1,0,0.000000\n", "ffprobe", "quality"),
        ('{"vmaf": [{"n": 1, "vmaf": 90.0}]}', "ffmpeg-quality-metrics", "log_fmt=json"),
        ("Frame;vmaf;\n0;90,5;\n", "semicolons", "commas"),
    ],
)
def test_other_dialects_are_named(text: str, name: str, remedy: str) -> None:
    message = refused(text)
    assert name in message
    assert remedy in message


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
        ("hello\nworld\n", "no log of vmaf that is known here"),
        ("a,b\n1,2\n", "no log of vmaf that is known here"),
        ("Frame,\n0,\n", "no log of vmaf that is known here"),
        ("[1, 2]", "JSON without a list of frames"),
        ('{"a": 1}', "JSON without a list of frames"),
        ('{"frames": {}}', "JSON without a list of frames"),
        ('{"frames": [,\n{"frameNum": 0}]}', "damaged in line 1"),
        ("[" * 100_000, "JSON, but no log"),
        ('{"frames": ' + "9" * 5000 + "}", "JSON, but no log"),
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
        ("<html></html>", "XML of <html>"),
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


@settings(deadline=None)
@given(st.data())
def test_any_damage_is_read_or_refused(data: st.DataObject) -> None:
    fmt = data.draw(st.sampled_from(FORMATS))
    text = (GOLDEN / f"{CLIP}mobilesal.{fmt}").read_text()
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, min(len(text), start + 40)))
    damaged = text[:start] + data.draw(st.text(max_size=5)) + text[end:]
    check_read_or_refused(damaged)


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist: check its name"):
        read_log(str(tmp_path / "missing.json"))


def test_folder(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is a folder: name a log in it"):
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
