"""The main command, as a person or a script calls it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.conftest import PLACEHOLDER, ROOT, Run, draw_yuv
from tests.networks import convolution, node, save, student, u2netp
from vmafsal import __version__
from vmafsal.cli.app import app

SIZE = ("--width", "64", "--height", "48")
DEMO = ROOT / "fixtures" / "yuv"


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    path = tmp_path / "clip.yuv"
    path.write_bytes(draw_yuv(6, 48, 64))
    return path


def scores(path: Path, column: str = "saliency_mean") -> dict[int, float]:
    frames = json.loads(path.read_text())["frames"]
    return {frame["frameNum"]: frame["metrics"][column] for frame in frames}


def invoke(*args: str | Path, env: dict[str, str] | None = None) -> tuple[int, str, str]:
    """In this process: quicker than a new one where nothing depends on it."""
    done = CliRunner().invoke(app, [str(arg) for arg in args], env=env)
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done.exit_code, done.stdout, done.stderr


def test_the_line_that_everybody_comes_with(vmafsal: Run, clip: Path, tmp_path: Path) -> None:
    done = vmafsal("--reference", clip, "--distorted", clip, *SIZE, "--output", "score.json")
    assert done.returncode == 0
    assert done.stdout == ""
    log = json.loads((tmp_path / "score.json").read_text())
    assert list(log) == [
        *("version", "fps", "frames", "pooled_metrics", "aggregate_metrics", "vmafsal"),
    ]
    assert [frame["frameNum"] for frame in log["frames"]] == list(range(6))
    assert list(log["pooled_metrics"]["saliency_mean"]) == ["min", "max", "mean", "harmonic_mean"]
    ours = log["vmafsal"]
    assert ours["provider"] == "CPUExecutionProvider"
    assert ours["input"]["width"] == 64
    assert len(ours["features"]["saliency_mean"]["sha256"]) == 64
    # A closing line, and nothing that a terminal alone understands.
    last = done.stderr.splitlines()[-1]
    assert last.startswith("vmafsal: 6 frames, saliency_mean 0.")
    assert "fps on CPU" in last
    assert "\x1b" not in done.stderr
    assert sorted(os.listdir(tmp_path)) == ["clip.yuv", "score.json"]


def test_a_video_alone_prints_the_pooled_value(clip: Path) -> None:
    code, out, _ = invoke(clip, *SIZE)
    assert code == 0
    assert out.startswith("saliency_mean: 0.")
    assert len(out.splitlines()) == 1
    assert invoke("--distorted", clip, *SIZE, "--quiet") == (0, out, "")


def test_every_spelling_of_an_option(clip: Path, tmp_path: Path) -> None:
    output = tmp_path / "a.json"
    common = ("-d", clip, "-w", "0x40", "-h", "48", "-o", output, "-q")
    for extra in (
        ("--pixel_format", "420", "--frame_cnt", "4", "--frame_skip_dist", "1"),
        ("--pixel-format", "420", "--frame-cnt", "4", "--frame-skip-dist", "1"),
        ("-p", "420", "-b", "8", "--frame_cnt", "0x4", "--frame_skip_dist", "01"),
    ):
        assert invoke(*common, *extra) == (0, "", "")
        assert list(scores(output)) == [0, 1, 2, 3]


def test_vmafs_other_options_get_one_notice(clip: Path, tmp_path: Path) -> None:
    ignored = ("--model", "version=vmaf_v0.6.1", "--cpumask", "-1", "--no_prediction")
    code, _, err = invoke("-d", clip, *SIZE, "-o", tmp_path / "a.json", *ignored)
    assert code == 0
    (notice,) = (line for line in err.splitlines() if "ignored" in line)
    assert notice.startswith("vmafsal: --model, --cpumask, --no_prediction mean nothing here")


@pytest.mark.parametrize(
    ("flags", "name", "begin"),
    [
        ((), "a.json", '{\n  "version": "vmafsal '),
        ((), "a.xml", '<VMAF version="vmafsal '),
        ((), "a.csv", "Frame,saliency_mean,\n0,"),
        ((), "a.sub", "{0}{1}frame: 0|saliency_mean: "),
        ((), "a.txt", "{\n"),
        (("--csv",), "a.json", "Frame,"),
        (("--xml",), "a", "<VMAF"),
        (("--sub",), "a", "{0}{1}"),
        (("--json",), "a.csv", "{\n"),
    ],
)
def test_formats(flags: tuple[str, ...], name: str, begin: str, clip: Path, tmp_path: Path) -> None:
    assert invoke(clip, *SIZE, "-q", "-o", tmp_path / name, *flags) == (0, "", "")
    assert (tmp_path / name).read_text().startswith(begin)


def test_standard_output(clip: Path) -> None:
    code, out, _ = invoke(clip, *SIZE, "-q", "-o", "-")
    assert code == 0
    assert len(json.loads(out)["frames"]) == 6
    for place in ("/dev/null", "/dev/stdout"):
        assert invoke(clip, *SIZE, "-q", "-o", place)[0] == 0
    code, out, _ = invoke(clip, *SIZE, "-q", "--csv")
    assert (code, out.splitlines()[0]) == (0, "Frame,saliency_mean,")


def test_precision(clip: Path, tmp_path: Path) -> None:
    output = tmp_path / "a.json"
    printed = {}
    for precision in ("max", "full", "legacy", "3"):
        assert invoke(clip, *SIZE, "-q", "-o", output, "--precision", precision)[0] == 0
        printed[precision] = scores(output)[0]
    assert printed["max"] == printed["full"]
    assert printed["legacy"] == round(printed["max"], 6)
    assert printed["3"] == float(f"{printed['max']:.3g}")
    assert invoke(clip, *SIZE, "--precision", "many")[0] == 2


def test_ndjson_comes_frame_by_frame(tmp_path: Path) -> None:
    """The first line is there while the input is still open: nothing waits for the end."""
    process = subprocess.Popen(
        [sys.executable, "-m", "vmafsal", "-", *SIZE, "--ndjson", "-q", "--batch-size", "1"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=tmp_path,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    data = draw_yuv(8, 48, 64)
    process.stdin.write(data[: len(data) // 2])
    process.stdin.flush()
    first = json.loads(process.stdout.readline())
    assert first["frameNum"] == 0
    process.stdin.write(data[len(data) // 2 :])
    process.stdin.close()
    rest = [json.loads(line)["frameNum"] for line in process.stdout]
    assert rest == list(range(1, 8))
    assert process.wait(30) == 0
    process.stdout.close()


def test_ndjson_beside_a_log_and_into_a_file(clip: Path, tmp_path: Path) -> None:
    log, stream = tmp_path / "a.json", tmp_path / "a.ndjson"
    code, out, _ = invoke(clip, *SIZE, "-q", "-o", log, "--ndjson", "--precision", "max")
    assert code == 0
    lines = [json.loads(line) for line in out.splitlines()]
    assert {line["frameNum"]: line["metrics"]["saliency_mean"] for line in lines} == scores(log)
    assert invoke(clip, *SIZE, "-q", "-o", stream, "--precision", "max") == (0, "", "")
    assert [json.loads(line) for line in stream.read_text().splitlines()] == lines
    assert invoke(clip, *SIZE, "--ndjson", "--json")[0] == 2


def test_a_reader_that_has_seen_enough(tmp_path: Path, clip: Path) -> None:
    command = f"{sys.executable} -m vmafsal {clip} -w 64 -h 48 -q --ndjson | head -n 1"
    done = subprocess.run(
        command, shell=True, capture_output=True, cwd=tmp_path, timeout=60, check=True
    )
    assert json.loads(done.stdout)["frameNum"] == 0
    assert done.stderr == b""


def test_standard_input_and_named_pipes(vmafsal: Run, clip: Path, tmp_path: Path) -> None:
    done = vmafsal("-", *SIZE, "-q", "-o", "a.json", stdin=clip.read_bytes())
    assert (done.returncode, done.stderr) == (0, "")
    pipe = tmp_path / "pipe.yuv"
    os.mkfifo(pipe)
    writer = threading.Thread(target=lambda: pipe.write_bytes(clip.read_bytes()))
    writer.start()
    done = vmafsal("-d", pipe, "-r", clip, *SIZE, "-q", "-o", "b.json")
    writer.join(10)
    assert (done.returncode, done.stderr) == (0, "")
    assert scores(tmp_path / "a.json") == scores(tmp_path / "b.json")


def test_the_shorter_of_the_two_ends_the_run(clip: Path, tmp_path: Path) -> None:
    short = tmp_path / "short.yuv"
    short.write_bytes(draw_yuv(4, 48, 64))
    output = tmp_path / "a.json"
    for pair in (("-r", short, "-d", clip), ("-r", clip, "-d", short)):
        code, _, err = invoke(*pair, *SIZE, "-o", output)
        assert code == 0
        assert len(scores(output)) == 4
        (notice,) = (line for line in err.splitlines() if "shorter" in line)
        assert f"{short} is the shorter of the two" in notice
    # Through a pipe its length is not known before the end.
    assert len(scores(output)) == 4
    code, _, err = invoke("-r", short, "-d", clip, *SIZE, "-o", output, "--frame_cnt", "3")
    assert (code, "shorter" in err) == (0, False)


def test_a_reference_whose_length_shows_at_its_end(
    vmafsal: Run, clip: Path, tmp_path: Path
) -> None:
    done = vmafsal("-r", "-", "-d", clip, *SIZE, "-o", "a.json", stdin=draw_yuv(4, 48, 64))
    assert done.returncode == 0
    assert len(scores(tmp_path / "a.json")) == 4
    assert "standard input is the shorter of the two" in done.stderr
    done = vmafsal("-r", "-", "-d", clip, *SIZE, "-o", "a.json", stdin=draw_yuv(9, 48, 64))
    assert len(scores(tmp_path / "a.json")) == 6
    assert "clip.yuv is the shorter of the two" in done.stderr


def test_skips_and_subsampling(clip: Path, tmp_path: Path) -> None:
    output = tmp_path / "a.json"

    def run(*extra: str) -> dict[int, float]:
        code, _, _ = invoke(clip, *SIZE, "-q", "-o", output, "--precision", "max", *extra)
        assert code == 0
        return scores(output)

    whole = run()
    assert run("--subsample", "2") == {number: whole[number] for number in (0, 2, 4)}
    assert run("--frame_skip_dist", "2") == {number - 2: whole[number] for number in (2, 3, 4, 5)}
    assert run("--frame_cnt", "4", "--subsample", "3") == {n: whole[n] for n in (0, 3)}


# --- models -------------------------------------------------------------------------------------


def test_ways_to_name_the_model(clip: Path, tmp_path: Path) -> None:
    path = student(tmp_path / "a b:c=d.onnx")
    output = tmp_path / "a.json"
    expected = None
    for extra, environment in (
        (("--feature", f"mobilesal=model_path={path}"), {}),
        (("--feature_params", f"mobilesal:model_path={path}"), {}),
        (("--feature-params", f"mobilesal:model_path={path}", "--feature", "mobilesal"), {}),
        ((), {"VMAF_MOBILESAL_MODEL_PATH": str(path)}),
    ):
        code, _, err = invoke(clip, *SIZE, "-o", output, *extra, env=environment)
        assert code == 0, err
        features = json.loads(output.read_text())["vmafsal"]["features"]
        assert features["saliency_mean"]["model"] == path.stem
        expected = expected or scores(output)
        assert scores(output) == expected


def test_the_placeholder_says_so_once(clip: Path, tmp_path: Path) -> None:
    code, _, err = invoke(
        clip, *SIZE, "-o", tmp_path / "a.json", "--feature", f"mobilesal=model_path={PLACEHOLDER}"
    )
    assert code == 0
    assert err.count("is a placeholder that has learnt nothing") == 1
    by_id = "mobilesal=model_path=mobilesal_placeholder_v0"
    assert invoke(clip, *SIZE, "--feature", by_id)[0] == 0


def test_two_models_in_one_pass(clip: Path, tmp_path: Path) -> None:
    path = student(tmp_path / "m.onnx")
    a, b = f"mobilesal=model_path={PLACEHOLDER}", f"mobilesal=model_path={path}"
    both, one, other = (tmp_path / f"{name}.json" for name in ("both", "one", "other"))
    for output, features in ((both, (a, f"{b}:name=new")), (one, (a,)), (other, (b,))):
        options = [word for feature in features for word in ("--feature", feature)]
        assert invoke(clip, *SIZE, "-q", "-o", output, *options)[0] == 0
    assert scores(both) == scores(one)
    assert scores(both, "saliency_mean_new") == scores(other)
    assert list(json.loads(both.read_text())["pooled_metrics"]) == [
        *("saliency_mean", "saliency_mean_new"),
    ]


def test_a_third_party_model_beside_its_sidecar(clip: Path, tmp_path: Path) -> None:
    path = u2netp(tmp_path / "u2netp.onnx")
    output = tmp_path / "a.json"
    code, _, err = invoke(clip, *SIZE, "-o", output, "--feature", f"mobilesal=model_path={path}")
    assert code == 0, err
    assert len(scores(output)) == 6
    assert all(0 < score < 1 for score in scores(output).values())


def test_a_canonical_model_sees_the_same_picture_at_every_size(tmp_path: Path) -> None:
    sidecar = {"input": {"short_side": 48, "multiple": 32, "color": "auto"}}
    feature = f"mobilesal=model_path={student(tmp_path / 'm.onnx', sidecar=sidecar)}"
    means = []
    for scale in (1, 2, 4):
        clip = tmp_path / f"{scale}.yuv"
        clip.write_bytes(draw_yuv(1, 48 * scale, 64 * scale))
        size = ("-w", str(64 * scale), "-h", str(48 * scale))
        output = tmp_path / "a.json"
        assert invoke(clip, *size, "-q", "-o", output, "--feature", feature)[0] == 0
        means.append(scores(output)[0])
        settings = json.loads(output.read_text())["vmafsal"]["features"]["saliency_mean"]
        assert (settings["short_side"], settings["color"]) == (48, "auto")
    assert max(means) - min(means) < 0.02
    native = ("-q", "-o", output, "--feature", f"{feature}:short_side=native")
    assert invoke(tmp_path / "4.yuv", "-w", "256", "-h", "192", *native)[0] == 0
    assert scores(output)[0] != means[2]


def test_color_options_move_the_numbers(clip: Path, tmp_path: Path) -> None:
    path = student(tmp_path / "m.onnx")
    output = tmp_path / "a.json"
    seen = set()
    for options in ("", ":color=bt601", ":color=bt709", ":color=bt2020", ":color=bt709:range=full"):
        feature = f"mobilesal=model_path={path}{options}"
        assert invoke(clip, *SIZE, "-q", "-o", output, "--feature", feature)[0] == 0
        seen.add(scores(output)[0])
    assert len(seen) == 5


# --- what goes wrong ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("args", "code", "message"),
    [
        ((), 0, "Usage"),
        (("--output", "a.json"), 2, "No video was given"),
        (("clip.yuv", "--distorted", "clip.yuv", *SIZE), 2, "One video"),
        (("clip.yuv", "other.yuv", *SIZE), 2, "behind --reference"),
        (("clip.yuv", *SIZE, "-o", ""), 2, "names no file"),
        (("jion", "a.json", "b.json", "-o", "c.json"), 2, "Did you mean join"),
        (("modles", "-o", "c.json"), 2, "Did you mean models"),
        (("clip.yuv", *SIZE, "--widht", "3"), 2, "--width"),
        (("clip.yuv", *SIZE, "--frame-count", "3"), 2, "--frame"),
        (("clip.yuv", "-w", "wide", "-h", "48"), 2, "no whole number"),
        (("clip.yuv", "-w", "64"), 2, "height"),
        (("clip.yuv",), 2, "--width"),
        (("clip.yuv", *SIZE, "-p", "421"), 2, "Choose 420"),
        (("clip.yuv", *SIZE, "-b", "9"), 2, "10"),
        (("clip.yuv", *SIZE, "--json", "--xml"), 2, "--xml and --json"),
        (("clip.yuv", *SIZE, "--feature", "psnr"), 2, "vmafsal join"),
        (("clip.yuv", *SIZE, "--feature", "mobilesal=colour=bt601"), 2, "Did you mean color"),
        (("clip.yuv", *SIZE, "--subsample", "0"), 2, "--subsample"),
        (("clip.yuv", *SIZE, "--threads", "0"), 2, "--threads"),
        (("clip.yuv", *SIZE, "--batch-size", "0"), 2, "--batch-size"),
        (("clip.yuv", *SIZE, "--batch-size", "big"), 2, "auto"),
        (("clip.yuv", *SIZE, "--device", "gpu"), 2, "Choose auto"),
        (("clip.yuv", *SIZE, "--device", "cuda:63"), 1, "cannot be used here"),
        (("clip.yuv", *SIZE, "--gpumask", "x"), 2, "--gpumask is a number"),
        (("demo.mp4", "-p", "444"), 1, "holds 420, which --pixel_format 444 contradicts"),
        (("demo.mp4", "-b", "10"), 1, "holds 8, which --bitdepth 10 contradicts"),
        (("demo.mp4", *SIZE), 1, "leave out --width and --height"),
        (("clip.yuv", *SIZE, "--gpumask", "1", "--device", "cuda"), 2, "--gpumask"),
        (("-", "--reference", "-", *SIZE), 2, "Only one"),
        (("nowhere.yuv", *SIZE), 1, "does not exist"),
        (("clip.yuv", "-w", "0", "-h", "48"), 2, "width"),
        (("clip.yuv", "-w", "-64", "-h", "48"), 2, "width"),
        (("clip.yuv", "-w", "999999999", "-h", "48"), 2, "width"),
        (("clip.yuv", "-w", "640", "-h", "480"), 1, "less than one frame|shorter than one frame"),
        (("clip.yuv", *SIZE, "--frame_skip_dist", "6"), 1, "leaves nothing"),
        (("-r", "clip.yuv", "-d", "clip.yuv", *SIZE, "--frame_skip_ref", "9"), 1, "leaves nothing"),
        (("clip.yuv", *SIZE, "--feature", "mobilesal=model_path=no.onnx"), 1, "does not exist"),
        (("clip.yuv", *SIZE, "--feature", "mobilesal=model_path=."), 1, "is a directory"),
        (("clip.yuv", *SIZE, "--feature", "mobilesal=model_path=clip.yuv"), 1, "not an ONNX"),
        (("clip.yuv", *SIZE, "--feature", "mobilesal=model_path=nan.onnx"), 1, "NaN"),
        (("clip.yuv", *SIZE, "-o", "no/folder/a.json"), 1, "folder"),
        (("clip.yuv", *SIZE, "-o", "."), 1, "folder"),
        (("clip.yuv", *SIZE, "-o", "clip.yuv"), 1, "another name"),
        (("clip.yuv", *SIZE, "-o", "/dev/full"), 1, "full"),
        ((".", *SIZE), 1, "directory|folder"),
        (("empty.yuv", *SIZE), 1, "empty"),
        (("model.onnx",), 1, "video"),
    ],
)
def test_mistakes_get_a_sentence_and_leave_no_log(
    args: tuple[str, ...],
    code: int,
    message: str,
    clip: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import re

    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty.yuv").touch()
    shutil.copy(DEMO / "demo_dist.mp4", tmp_path / "demo.mp4")
    student(tmp_path / "model.onnx")
    nan = [node("Sub", ["x", "x"], "z"), node("Div", ["z", "z"], "saliency_map")]
    save(
        tmp_path / "nan.onnx",
        [node("Conv", ["input", "w"], "x"), *nan],
        weights={"w": convolution(0, 1, 3, 1)},
    )
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    output = () if "-o" in args or "--output" in args or not args else ("-o", "a.json")
    exit_code, out, err = invoke(*args, *output)
    assert exit_code == code, err
    text = " ".join((out + err).replace("│", " ").split())
    assert re.search(message, text), text
    assert "Traceback" not in text
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_partial_last_frame(clip: Path, tmp_path: Path) -> None:
    clip.write_bytes(clip.read_bytes() + b"x" * 1000)
    code, _, err = invoke(clip, *SIZE, "-o", tmp_path / "a.json")
    assert code == 0
    assert len(scores(tmp_path / "a.json")) == 6
    (notice,) = (line for line in err.splitlines() if "1,000" in line or "1000" in line)
    assert "left out" in notice


def test_ctrl_c_leaves_nothing(tmp_path: Path) -> None:
    reader, writer = os.pipe()
    process = subprocess.Popen(
        [sys.executable, "-m", "vmafsal", "-", *SIZE, "--ndjson", "-o", "a.json"],
        stdin=reader,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=tmp_path,
    )
    os.write(writer, draw_yuv(20, 48, 64)[:60_000])
    assert process.stdout is not None
    deadline = time.monotonic() + 60
    while not list(tmp_path.glob(".vmafsal-*")) and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(1.0)
    # The input stays open: the reading thread sits in a read that does not return.
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    os.close(reader)
    os.close(writer)
    assert process.returncode == 130
    assert b"Interrupted" in err
    assert b"Traceback" not in err
    assert os.listdir(tmp_path) == []


# --- comfort ------------------------------------------------------------------------------------


def test_version_and_help(vmafsal: Run) -> None:
    for flag in ("--version", "-v"):
        done = vmafsal(flag)
        assert (done.returncode, done.stdout) == (0, f"vmafsal {__version__}\n")
    text = vmafsal("--help").stdout
    assert "--feature_params" in text
    assert "vmafsal join" in text
    assert "Examples" in text
    assert vmafsal("help").stdout == text
    height = vmafsal("-h")
    assert (height.returncode, "help is --help" in height.stderr) == (2, True)
    for command in ("join", "models"):
        assert "xample" in vmafsal(command, "--help").stdout


def test_heavy_libraries_are_loaded_when_they_are_needed() -> None:
    code = (
        "import sys; sys.argv = ['vmafsal', '--version']\n"
        "from vmafsal.__main__ import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "heavy = {'numpy', 'onnx', 'onnxruntime', 'av', 'torch'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


def test_completion_knows_the_options_of_the_main_command(vmafsal: Run) -> None:
    for words, expected in (
        ("vmafsal --refer", "--reference"),
        ("vmafsal clip.mp4 --sub", "--subsample"),
        ("vmafsal jo", "join"),
    ):
        done = vmafsal(
            env={
                "_VMAFSAL_COMPLETE": "complete_bash",
                "COMP_WORDS": words,
                "COMP_CWORD": str(len(words.split()) - 1),
            }
        )
        assert expected in done.stdout.split()
    assert "_vmafsal_completion" in vmafsal("--show-completion", "bash").stdout.replace("-", "_")


def test_a_terminal_gets_a_progress_bar(clip: Path, tmp_path: Path) -> None:
    import pty

    big = tmp_path / "big.yuv"
    big.write_bytes(clip.read_bytes() * 40)
    main, side = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "vmafsal", str(big), *SIZE, "-o", "a.json", "--batch-size", "1"],
        stderr=side,
        stdout=subprocess.DEVNULL,
        cwd=tmp_path,
        env={**os.environ, "TERM": "xterm", "COLUMNS": "120"},
    )
    os.close(side)
    seen = b""
    try:
        while chunk := os.read(main, 4096):
            seen += chunk
    except OSError:  # Linux's way to say that the other side is closed
        pass
    os.close(main)
    assert process.wait(60) == 0
    assert b"240" in seen
    assert b"fps" in seen


def test_memory_is_bounded_by_a_few_frames() -> None:
    """Sixty frames of 2160p through a pipe, with the placeholder, under 1 GiB."""
    width, height, frames = 3840, 2160, 60
    code = (
        "import resource, sys\n"
        "from vmafsal import extract\n"
        f"model = {str(PLACEHOLDER)!r}\n"
        f"result = extract('-', model=model, width={width}, height={height}).read()\n"
        f"assert len(result.frames) == {frames}\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdin is not None
    picture = os.urandom(width * height * 3 // 2)
    for _ in range(frames):
        process.stdin.write(picture)
    out, _ = process.communicate(timeout=120)
    assert process.returncode == 0
    assert int(out) * 1024 < 2**30  # ru_maxrss is in KiB on Linux


def test_the_demo_clip(vmafsal: Run, tmp_path: Path) -> None:
    done = vmafsal(
        *("--reference", DEMO / "demo_ref.mp4", "--distorted", DEMO / "demo_dist.mp4"),
        *("--output", "demo.json"),
    )
    assert done.returncode == 0
    assert len(scores(tmp_path / "demo.json")) >= 24
