"""`vmafsal VIDEO`: options, outputs and streams."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from pathlib import Path

from tests.command import DEMO, PRINT_PEAK, SIZE, invoke, scores
from tests.conftest import PLACEHOLDER, Run, draw_yuv
from vmafsal import __version__


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
    """Each line is there before the next frame is written: nothing waits for what comes after."""
    command = [sys.executable, "-m", "vmafsal", "-", *SIZE, "--ndjson", "-q", "--batch-size", "1"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=tmp_path
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        data = draw_yuv(8, 48, 64)
        size = len(data) // 8
        for number in range(8):
            process.stdin.write(data[number * size : (number + 1) * size])
            process.stdin.flush()
            assert json.loads(process.stdout.readline())["frameNum"] == number
        process.stdin.close()
        assert process.stdout.read() == b""
        assert process.wait(30) == 0


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
    except OSError:  # on Linux, the other side is closed
        pass
    os.close(main)
    assert process.wait(60) == 0
    assert b"240" in seen
    assert b"fps" in seen


def test_memory_is_bounded_by_a_few_frames() -> None:
    """Sixty frames of 2160p through a pipe, with the placeholder, under 1 GiB."""
    width, height, frames = 3840, 2160, 60
    code = (
        "from vmafsal import extract\n"
        f"model = {str(PLACEHOLDER)!r}\n"
        f"result = extract('-', model=model, width={width}, height={height}).read()\n"
        f"assert len(result.frames) == {frames}\n" + PRINT_PEAK
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
    assert int(out) * 1024 < 2**30


def test_the_demo_clip(vmafsal: Run, tmp_path: Path) -> None:
    done = vmafsal(
        *("--reference", DEMO / "demo_ref.mp4", "--distorted", DEMO / "demo_dist.mp4"),
        *("--output", "demo.json"),
    )
    assert done.returncode == 0
    assert len(scores(tmp_path / "demo.json")) >= 24
