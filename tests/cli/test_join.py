"""vmafsal join: which columns it joins, and what it prints and refuses."""

from __future__ import annotations

from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from tests.command import invoke
from tests.conftest import ORACLE, PLACEHOLDER, ROOT
from vmafsal.cli.join import join
from vmafsal.errors import InputError, UsageError, VmafsalError
from vmafsal.features.frame import FrameFeatures
from vmafsal.logs import format_log, parse_precision
from vmafsal.logs.read import read_log

GOLDEN = Path(__file__).parents[1] / "golden"
DOCS = Path(__file__).parents[2] / "docs"
CLIP = "synthetic_64x48_yuv420p_8f__"
SALIENCY = str(GOLDEN / f"{CLIP}mobilesal.json")
STUDENT = str(GOLDEN / f"{CLIP}saliency_student_v1.json")
VMAF = str(GOLDEN / f"{CLIP}vmaf_psnr.json")


def run(*arguments: str | Path) -> Result:
    """`vmafsal join` with these arguments, its errors left to the caller."""
    app = typer.Typer()
    app.command()(join)
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    if isinstance(result.exception, VmafsalError):
        raise result.exception
    return result


def test_json_is_written_and_the_table_printed(tmp_path: Path) -> None:
    output = tmp_path / "combined.json"
    result = run(SALIENCY, VMAF, "-o", output)
    assert result.exit_code == 0
    log = read_log(str(output))
    assert log.feature_names[-1] == "vmaf"
    text = output.read_text()
    assert text == format_log(log, "json", parse_precision(None))
    row = next(line for line in result.stdout.splitlines() if "psnr_y" in line)
    # As scipy.stats.pearsonr and spearmanr say of the two columns.
    assert [cell.strip() for cell in row.strip("│").split("│")] == [
        "saliency_mean",
        "psnr_y",
        "0.9066",
        "0.8810",
        "8",
    ]
    assert "8 frames, 19 columns, 2 logs." in result.stdout
    # (95.375953 + 100) / 2 of frames 0 and 1, the most salient ones.
    quarter = (
        "vmaf over the most salient quarter of the frames (2 of 8, by saliency_mean): 97.6880;"
    )
    assert quarter in result.stdout


def rows(result: Result) -> list[str]:
    return [line.split("│")[2].strip() for line in result.stdout.splitlines() if "│" in line]


def test_table_shows_the_main_columns_first() -> None:
    result = run(SALIENCY, VMAF)
    assert rows(result) == ["vmaf", "psnr_y", "psnr_cb", "psnr_cr"]
    assert "14 more rows with --all." in result.stdout
    everything = run(SALIENCY, VMAF, "--all")
    assert len(rows(everything)) == 18
    assert "--all" not in everything.stdout


def test_table_of_other_columns_alone_shows_them(tmp_path: Path) -> None:
    path = tmp_path / "other.csv"
    path.write_text("Frame,ciede2000,motion\n" + "".join(f"{n},{n},{n}\n" for n in range(8)))
    assert rows(run(SALIENCY, path)) == ["ciede2000", "motion"]
    text = "Frame,cambi,float_ssim,ciede2000,float_ms_ssim,psnr_hvs,vmaf_low\n"
    path.write_text(text + "".join(f"{n},1,2,3,4,5,{n}\n" for n in range(8)))
    shown = ["vmaf_low", "psnr_hvs", "float_ssim", "float_ms_ssim", "cambi"]
    assert rows(run(SALIENCY, path)) == shown


def test_logs_of_vmafsal_align_by_what_they_skipped(tmp_path: Path) -> None:
    clip = ROOT / "fixtures" / "yuv" / "demo_dist.mp4"
    feature = f"mobilesal=model_path={PLACEHOLDER}"
    ranges = {"whole": (), "skip": ("--frame_skip_dist", "5"), "start": ("--start", "0.5")}
    for name, options in ranges.items():
        flags = ("--feature", f"{feature}:name={name}", *options)
        assert invoke(clip, *flags, "-q", "-o", tmp_path / f"{name}.json") == (0, "", "")
    logs = {name: tmp_path / f"{name}.json" for name in ranges}
    output = tmp_path / "all.json"
    result = run(*logs.values(), "-o", output)
    # 0.5 s at 24 fps is frame 12.
    assert f"{logs['skip']} begins with frame 5 of its video" in result.stderr
    assert f"{logs['start']} begins with frame 12 of its video" in result.stderr
    joined = read_log(output)
    assert [frame.index for frame in joined.frames] == list(range(12, 48))
    whole = joined.column("saliency_mean_whole")
    assert len(set(whole)) > 30
    assert whole == joined.column("saliency_mean_skip") == joined.column("saliency_mean_start")


def test_offset_and_notices(tmp_path: Path) -> None:
    cut = tmp_path / "cut.json"
    log = read_log(VMAF)
    log.frames = [FrameFeatures(f.index - 3, f.metrics) for f in log.frames[3:]]
    cut.write_text(format_log(log, "json", parse_precision(None)))
    with pytest.raises(InputError, match=rf"join with --offset {cut}=3\. If it was cut at its end"):
        run(SALIENCY, cut)
    output = tmp_path / "all.json"
    result = run(SALIENCY, cut, "-o", output, "--offset", "cut.json=3")
    assert "frames 0-2 left out, which not all logs hold.\n" in result.stderr
    by_number = {f.index: f.metrics["vmaf"] for f in read_log(VMAF).frames}
    joined = read_log(output).frames
    assert [f.index for f in joined] == [3, 4, 5, 6, 7]
    assert all(f.metrics["vmaf"] == by_number[f.index] for f in joined)
    assert run(SALIENCY, cut, "-q", "--offset", f"{cut}=+3").output == ""


@pytest.mark.parametrize(
    "text", ["cut.json", "cut.json=", "=3", f"{SALIENCY}=x", f"{SALIENCY}=1.5"]
)
def test_offset_of_another_shape(text: str) -> None:
    with pytest.raises(UsageError, match="--offset takes FILE=N"):
        run(SALIENCY, VMAF, "--offset", text)


def test_rename(tmp_path: Path) -> None:
    output = tmp_path / "all.json"
    run(SALIENCY, VMAF, "--rename", "vmaf=vmaf_salient", "-o", output)
    assert read_log(output).feature_names[-1] == "vmaf_salient"
    other = tmp_path / "whole.csv"
    other.write_text("Frame,vmaf\n" + "".join(f"{n},{n}\n" for n in range(8)))
    run(SALIENCY, VMAF, other, "--rename", "whole.csv:vmaf=vmaf_whole", "-o", output)
    assert read_log(output).column("vmaf_whole") == list(range(8))
    other.write_text("Frame,x:y,z\n" + "".join(f"{n},{n},0\n" for n in range(8)))
    for column in ("x:y", "whole.csv:x:y"):
        run(SALIENCY, other, "--rename", f"{column}=c", "-o", output)
        assert read_log(output).column("c") == list(range(8))
    with pytest.raises(UsageError, match=r"--rename takes \[FILE:\]COLUMN=NAME"):
        run(SALIENCY, VMAF, "--rename", "vmaf")
    with pytest.raises(UsageError, match="--rename names x, which is none"):
        run(SALIENCY, VMAF, "--rename", "x:vmaf=y")


def test_without_output_the_table_is_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    result = run(SALIENCY, VMAF)
    assert "Spearman" in result.stdout
    assert list(tmp_path.iterdir()) == []
    result = run(SALIENCY, VMAF, "--tidy", "--precision", "3")
    assert result.stdout == run(SALIENCY, VMAF, "-o", "-", "--tidy", "--precision", "3").stdout
    assert result.stdout.startswith("Frame,")


def test_constant_column_has_no_coefficient(tmp_path: Path) -> None:
    path = tmp_path / "constant.csv"
    path.write_text("Frame,a,\n" + "".join(f"{n},0.1,\n" for n in range(8)))
    result = run(SALIENCY, path)
    row = next(line for line in result.stdout.splitlines() if "saliency_mean" in line)
    assert [cell.strip() for cell in row.strip("│").split("│")[2:]] == ["–", "–", "8"]


def test_nothing_to_correlate() -> None:
    assert (
        "nothing to correlate"
        in run(VMAF, VMAF.replace(".json", ".xml"), "--suffix", f"{VMAF}=a").stdout
    )


def test_names_with_brackets_are_printed_as_they_are(tmp_path: Path) -> None:
    path = tmp_path / "odd.csv"
    path.write_text("Frame,[bold]x[/bold],\n" + "".join(f"{n},{n},\n" for n in range(8)))
    assert "[bold]x[/bold]" in run(SALIENCY, path).stdout


def test_three_logs_of_three_formats(tmp_path: Path) -> None:
    output = tmp_path / "combined.xml"
    vmaf = VMAF.replace(".json", ".csv")
    run(
        SALIENCY.replace(".json", ".sub"),
        vmaf,
        STUDENT,
        "-o",
        output,
        "--suffix",
        f"{Path(STUDENT).name}=v1",
    )
    log = read_log(str(output))
    assert len(log.feature_names) == 20
    assert log.feature_names[-1] == "saliency_mean_v1"


def test_take_and_suffix_by_path_or_name(tmp_path: Path) -> None:
    output = tmp_path / "combined.json"
    run(SALIENCY, STUDENT, "--take", f"saliency_mean={STUDENT}", "-o", output)
    assert read_log(str(output)).frames == read_log(STUDENT).frames
    other = tmp_path / Path(STUDENT).name
    other.write_bytes(Path(STUDENT).read_bytes())
    with pytest.raises(UsageError, match="name the whole path"):
        run(other, STUDENT, "--suffix", f"{other.name}=a")


def test_file_name_with_an_equals_sign(tmp_path: Path) -> None:
    path = tmp_path / "crf=23.json"
    path.write_bytes(Path(SALIENCY).read_bytes())
    result = run(SALIENCY, path, "--suffix", f"{path}=crf23")
    assert "saliency_mean_crf23" in result.stdout


@pytest.mark.parametrize("text", ["tag", "=tag", f"{SALIENCY}="])
def test_suffix_of_another_shape(text: str) -> None:
    with pytest.raises(UsageError, match="--suffix takes FILE=TAG"):
        run(SALIENCY, VMAF, "--suffix", text)


def test_wrong_usage(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="named twice"):
        run(SALIENCY, SALIENCY)
    with pytest.raises(UsageError, match="two logs or more"):
        run(SALIENCY)
    with pytest.raises(UsageError, match="significant digits"):
        run(SALIENCY, VMAF, "--precision", "18")
    for words in (["--precision", "3"], ["--times"]):
        with pytest.raises(UsageError, match=f"{words[0]} is about the log that is written"):
            run(SALIENCY, VMAF, *words)
    with pytest.raises(UsageError, match="--take names"):
        run(SALIENCY, VMAF, "--take", "vmaf=other.json")
    for option, one, other in (
        ("--rename", "vmaf=x", "vmaf=y"),
        ("--suffix", f"{VMAF}=a", f"{VMAF}=b"),
        ("--offset", f"{VMAF}=1", f"{VMAF}=2"),
        ("--take", f"vmaf={VMAF}", f"vmaf={SALIENCY}"),
    ):
        with pytest.raises(UsageError, match=f"{option} names .*vmaf.* twice: keep one"):
            run(SALIENCY, VMAF, option, one, option, other)
    assert run(SALIENCY, VMAF, "--how", "outer").exit_code == 2
    assert run(SALIENCY, VMAF, "--format", "yaml").exit_code == 2
    assert run().exit_code == 2


def test_docs_show_what_is_printed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = (DOCS / "logs.md").read_text("utf-8")
    monkeypatch.chdir(tmp_path)
    Path("score.json").write_bytes(Path(SALIENCY).read_bytes())
    Path("vmaf.json").write_bytes(Path(VMAF).read_bytes())
    Path("every3rd.json").write_bytes((GOLDEN / f"{CLIP}mobilesal.subsample3.json").read_bytes())
    with pytest.raises(InputError) as caught:
        run("vmaf.json", "every3rd.json", "-o", "combined.json")
    assert f"every3rd.json -o combined.json\nvmafsal: {caught.value}\n" in text
    inner = run("score.json", "every3rd.json", "--how", "inner", "--suffix", "every3rd.json=3rd")
    assert f"vmafsal: {inner.stderr.splitlines()[0].removeprefix('vmafsal: ')}\n" in text


def test_docs_name_every_option() -> None:
    text = (DOCS / "logs.md").read_text("utf-8")
    app = typer.Typer()
    app.command()(join)
    for parameter in typer.main.get_command(app).params:
        for name in parameter.opts:
            assert not name.startswith("--") or "completion" in name or f"`{name}" in text


@pytest.mark.oracle
def test_every_recorded_pair_joins(tmp_path: Path) -> None:
    joined = 0
    for vmaf in sorted((ORACLE / "expected").glob("*__vmaf_psnr.*")):
        clip = vmaf.name.partition("__")[0]
        for score in sorted((ORACLE / "expected").glob(f"{clip}__*")):
            if "vmaf_psnr" in score.name or any(
                option in score.name for option in ("skip2", "frame_cnt5", "subsample3")
            ):
                continue
            output = tmp_path / "combined.json"
            run(score, vmaf, "-o", output, "-q")
            log = read_log(str(output))
            assert log.feature_names == ["saliency_mean", *read_log(str(vmaf)).feature_names]
            joined += 1
    assert joined >= 80
