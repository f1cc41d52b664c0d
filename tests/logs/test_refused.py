"""What is no log, or a damaged one, gets a sentence that says what to do."""

from __future__ import annotations

import gzip
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest

from tests.logs.examples import CLIP, GOLDEN, a_log, json_log, refused
from tests.process import run_python
from vmafsal.errors import InputError
from vmafsal.features.frame import FrameFeatures
from vmafsal.logs.read import parse_log, read_log

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
        (json_log([{"frameNum": 2**63, "metrics": {"a": 1}}]), f"a frame numbered {2**63}"),
        (json_log([{"frameNum": 0, "metrics": {}}]), "without a single figure"),
        (json_log([{"frameNum": 2, "metrics": {"a": "1"}}]), '"1" for a in frame 2'),
        (json_log([{"frameNum": 2, "metrics": {"a": True}}]), "true for a in frame 2"),
        (json_log([{"frameNum": 2, "metrics": {"a": [1]}}]), "[1] for a in frame 2"),
        (json_log([{"frameNum": 5, "metrics": {"a": 1}}] * 2), "frame 5 more than once"),
        ('{"frames": [{"frameNum": 0, "metrics": {"a": 1, "a": 2}}]}', "'a' twice"),
        (json_log([{"frameNum": 0, "metrics": {"a\ud800": 1}}]), r'the name "a\ud800", no text'),
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
        done = run_python(program, path)
    assert "cannot be read: Permission denied" in done.stdout
