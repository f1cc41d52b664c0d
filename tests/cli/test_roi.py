"""vmafsal roi: what it writes, encodes, says and refuses."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import av
import numpy as np
import pytest

from fixtures.yuv.draw import encode, numbered, picture
from tests.command import DEMO, invoke
from tests.roi.drawn import drawn_frames, write_clip
from tests.roi.validators import read_kvazaar, read_svt_av1
from tests.video.test_damage import disposable, overwrite

CLIP = DEMO / "demo_ref.mp4"
WIDTH, HEIGHT, FRAMES = 320, 180, 48


def test_svt_av1(tmp_path: Path) -> None:
    output = tmp_path / "clip.roi.txt"
    code, out, err = invoke("roi", CLIP, "--encoder", "svt-av1", "-o", output)
    assert (code, out) == (0, "")
    grids = read_svt_av1(output.read_text(), WIDTH, HEIGHT)
    assert max(grids) < FRAMES
    assert f"SvtAv1EncApp -i stdin --rc 0 --crf 35 --roi-map-file {output}" in err


def test_kvazaar_in_coding_order_as_text_and_binary(tmp_path: Path) -> None:
    grids = {}
    for gop, name in (("0", "a.txt"), ("8", "b.bin")):
        output = tmp_path / name
        code, _, err = invoke("roi", CLIP, "--encoder", "kvazaar", "--gop", gop, "-o", output)
        assert code == 0
        assert f"--gop {gop} " in err
        binary = name.endswith(".bin")
        grids[gop] = read_kvazaar(output.read_bytes(), WIDTH, HEIGHT, binary=binary)
    assert len(grids["0"]) == len(grids["8"]) == FRAMES
    assert np.array_equal(grids["8"][:5], [grids["0"][place] for place in (0, 8, 4, 2, 1)])
    # The last group of pictures is cut short: 41 to 47.
    tail = [44, 42, 41, 43, 46, 45, 47]
    assert np.array_equal(grids["8"][41:], [grids["0"][place] for place in tail])


def test_uvg266_to_standard_output() -> None:
    code, out, err = invoke("roi", CLIP, "--encoder", "uvg266", "-o", "-")
    assert code == 0
    assert len(read_kvazaar(out.encode(), WIDTH, HEIGHT)) == FRAMES
    assert "| uvg266 -i - " in err


def test_plain_grids(tmp_path: Path) -> None:
    output = tmp_path / "a.json"
    code, _, err = invoke("roi", CLIP, "--format", "json", "--block", "32", "-o", output)
    assert (code, err) == (0, "")
    grids = json.loads(output.read_text())
    assert (grids["block"], grids["columns"], grids["rows"]) == (32, 10, 6)
    frames = np.array([frame["offsets"] for frame in grids["frames"]])
    assert frames.shape == (FRAMES, 6, 10)
    assert frames.min() < -3
    assert frames.max() == 3  # -3 log2(1 - 0.5)


def test_share_and_smooth_reach_the_offsets(tmp_path: Path) -> None:
    def offsets(*options: str) -> np.ndarray:
        output = tmp_path / "a.json"
        assert invoke("roi", CLIP, "--format", "json", "-o", output, *options)[0] == 0
        return np.array([frame["offsets"] for frame in json.loads(output.read_text())["frames"]])

    usual, mild, alone = offsets(), offsets("--share", "0.25"), offsets("--smooth", "1")
    assert mild.max() == 1
    assert mild.min() > usual.min()
    assert np.array_equal(alone[0], usual[0])
    assert np.abs(np.diff(alone, axis=0)).sum() > np.abs(np.diff(usual, axis=0)).sum()


LINE = re.compile(
    r"(?P<name>[^:]*): (?P<bytes>[\d,]+) bytes, (?P<kbps>[\d.]+) kb/s, "
    r"psnr_y (?P<plain>[\d.]+) dB, psnr_y_saliency (?P<weighted>[\d.]+) dB\."
)


@pytest.mark.parametrize(
    ("codec", "rate"),
    [("libx264", ("--crf", "30")), ("libx265", ("--bitrate", "60k"))],
)
def test_encode_and_compare(tmp_path: Path, codec: str, rate: tuple[str, ...]) -> None:
    output, quick = tmp_path / "out.mp4", ("--preset", "veryfast")
    code, _, err = invoke(
        "roi", CLIP, "--encode", output, "--codec", codec, *rate, "--compare", *quick
    )
    assert code == 0
    ours, plain = [match.groupdict() for match in LINE.finditer(err)]
    assert ours["bytes"].replace(",", "") == str(output.stat().st_size)
    assert float(ours["kbps"]) == pytest.approx(float(plain["kbps"]), rel=0.12)
    assert float(ours["weighted"]) > float(plain["weighted"]) + 0.5
    with av.open(str(output)) as container:
        assert sum(1 for _ in container.decode(video=0)) == FRAMES
    assert [path.name for path in tmp_path.iterdir()] == ["out.mp4"]


def test_raw_video_is_encoded_and_quiet_says_nothing(tmp_path: Path) -> None:
    clip = tmp_path / "in.yuv"
    planes = [plane for frame in drawn_frames(64, 48, 3) for plane in frame.planes]
    clip.write_bytes(b"".join(plane.tobytes() for plane in planes))
    output = tmp_path / "out.mkv"
    size = ("--width", "64", "--height", "48")
    code, out, err = invoke("roi", clip, *size, "--encode", output, "--crf", "30", "-q")
    assert (code, out, err) == (0, "", "")
    with av.open(str(output)) as container:
        assert sum(1 for _ in container.decode(video=0)) == 3


def test_a_video_in_which_nothing_is_salient_is_measured(tmp_path: Path) -> None:
    clip = tmp_path / "in.yuv"
    clip.write_bytes(bytes(64 * 48 * 3 // 2 * 2))
    size = ("--width", "64", "--height", "48")
    code, _, err = invoke("roi", clip, *size, "--encode", tmp_path / "out.mp4", "--crf", "30")
    assert code == 0
    line = LINE.search(err)
    assert line is not None
    assert line["plain"] == "60.00"


def test_audio_is_copied(tmp_path: Path) -> None:
    clip = tmp_path / "in.mkv"
    write_clip(clip, drawn_frames(112, 80, 6), audio="aac")
    code, _, err = invoke("roi", clip, "--encode", tmp_path / "out.mp4", "--crf", "30")
    assert code == 0
    assert LINE.search(err)
    assert "left out" not in err
    with av.open(str(tmp_path / "out.mp4")) as container:
        assert len(container.streams.audio) == 1
    code, _, err = invoke("roi", clip, "--encode", tmp_path / "out.264", "--crf", "30")
    assert code == 0
    assert f"The sound of {clip} was left out" in err


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        ([], 2, "Say one thing to do"),
        (["--format", "json", "-o", "x", "--feature", "psnr"], 2, "psnr draws no map"),
        (
            ["--feature=mobilesal", "--feature=mobilesal=name=b", "--format=json", "-o=x"],
            2,
            "one model at a time",
        ),
        (["--encoder", "kvazaar", "--format", "json", "-o", "x"], 2, "Say one thing to do"),
        (["--encoder", "kvazaar"], 2, "Name the file to write"),
        (["--encoder", "x265", "-o", "x"], 2, "reads no file of regions.*--codec libx265"),
        (["--encoder", "vvenc", "-o", "x"], 2, "no encoder vvenc. Choose svt-av1, kvazaar"),
        (["--format", "xml", "-o", "x"], 2, "--format is json"),
        (["--encoder", "svt-av1", "-o", "x", "--gop", "8"], 2, "--gop does nothing here"),
        (["--encoder", "kvazaar", "-o", "x", "--gop", "4"], 2, "--gop is one of 0, lp, 8, 16"),
        (["--encoder", "kvazaar", "-o", "x", "--block", "16"], 2, "--block does nothing here"),
        (["--format", "json", "-o", "x", "--block", "5"], 2, "--block is 8, 16, 32 or 64"),
        (["--format", "json", "-o", "x", "--crf", "20"], 2, "--crf does nothing here"),
        (["--format", "json", "-o", "x", "--compare"], 2, "--compare does nothing here"),
        (["--format", "json", "-o", "x", "--share", "1"], 2, "--share is a number from 0 to 0.9"),
        (["--encode", "x.mp4", "--crf", "30", "-o", "y"], 2, "--output does nothing here"),
        (["--encode", "x.mp4"], 2, "Give either --crf or --bitrate"),
        (["--encode", "x.mp4", "--bitrate", "fast"], 2, "--bitrate is bits per second"),
        (["--encode", "x.mp4", "--crf", "30", "--codec-option", "tune"], 2, "is KEY=VALUE"),
        (["--encode", "x.mp4", "--crf", "30", "--codec", "libsvtav1"], 2, "--encoder svt-av1"),
        (["--encode", "x.mp4", "--crf", "30", "--preset", "ultrafast"], 2, "ignores regions"),
        (["--encode", "x.mp4", "--crf", "30", "--codec-option", "tune=psnr"], 2, "ignores"),
        (["--encode", "x.mp4", "--crf", "30", "--codec-option", "qp=30"], 2, "constant QP"),
        (
            ["--encode", "x.mp4", "--crf", "30", "--codec-option", "x264-params=aqmod=1"],
            2,
            "does not take --codec-option x264-params=aqmod=1: Error parsing option 'aqmod = 1'",
        ),
        (
            [
                *("--encode", "x.mp4", "--crf", "30", "--codec", "libx265"),
                *("--codec-option", "x265-params=aq-mode=banana"),
            ],
            2,
            "Invalid value for aq-mode: banana",
        ),
        (["--encode", "x.mp4", "--bitrate", "2k"], 2, "cannot keep this video within 2 kb/s"),
        (["--encode", "x.webm", "--crf", "30"], 2, "names no container"),
        (["--encode", "no/x.mp4", "--crf", "30"], 1, "folder no does not exist"),
    ],
)
def test_refusals(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    code: int,
    sentence: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    found, out, err = invoke("roi", CLIP, *arguments)
    assert (found, out) == (code, "")
    assert re.search(sentence, err)
    assert err.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_a_video_that_loses_a_picture_gets_no_file(tmp_path: Path) -> None:
    whole = tmp_path / "whole.mp4"
    encode(whole, [picture(numbered(number)) for number in range(120)], options={"bf": "3"})
    lost = disposable(whole)[9]
    clip = overwrite(whole, tmp_path / "clip.mp4", {lost})
    for encoder in ("svt-av1", "kvazaar"):
        code, _, err = invoke("roi", clip, "--encoder", encoder, "-o", tmp_path / "roi.txt")
        assert code == 1
        assert f"Picture {lost} of the video cannot be decoded. ffmpeg would leave it out" in err
        assert not (tmp_path / "roi.txt").exists()
    assert invoke("roi", clip, "--format", "json", "-o", tmp_path / "roi.json")[0] == 0
    frames = json.loads((tmp_path / "roi.json").read_text())["frames"]
    assert [one["frameNum"] for one in frames] == [n for n in range(120) if n != lost]


@pytest.mark.parametrize("way", [["--encoder", "svt-av1", "-o"], ["--crf", "30", "--encode"]])
def test_the_input_is_never_replaced(tmp_path: Path, way: list[str]) -> None:
    clip = tmp_path / "clip.mp4"
    shutil.copy(CLIP, clip)
    before = clip.read_bytes()
    code, _, err = invoke("roi", clip, *way, clip)
    assert code == 1
    assert "would be lost" in err
    assert clip.read_bytes() == before


def test_an_older_output_outlives_a_failure(tmp_path: Path) -> None:
    output = tmp_path / "out.mp4"
    output.write_bytes(b"older")
    code, _, _ = invoke("roi", CLIP, "--encode", output, "--bitrate", "2k")
    assert code == 2
    assert output.read_bytes() == b"older"
    assert [path.name for path in tmp_path.iterdir()] == ["out.mp4"]


def test_pictures_that_no_encoder_takes(tmp_path: Path) -> None:
    odd, colours = tmp_path / "odd.y4m", tmp_path / "colours.mov"
    odd.write_bytes(b"YUV4MPEG2 W63 H48 F25:1 Ip C420\nFRAME\n" + bytes(63 * 48 + 2 * 32 * 24))
    with av.open(str(colours), "w") as container:
        stream = container.add_stream("png", rate=25)
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "rgb24"
        container.mux(stream.encode(av.VideoFrame.from_ndarray(np.zeros((48, 64, 3), np.uint8))))
        container.mux(stream.encode())
    for clip, words in ((odd, "63x48.*even sides"), (colours, "rgb of 8 bits. Convert it first")):
        code, _, err = invoke("roi", clip, "--encode", tmp_path / "out.mp4", "--crf", "30")
        assert code == 1
        assert re.search(words, err)


def test_damaged_and_missing_videos(tmp_path: Path) -> None:
    output = tmp_path / "a.txt"
    code, _, err = invoke("roi", tmp_path / "none.mp4", "--encoder", "kvazaar", "-o", output)
    assert code == 1
    assert "none.mp4" in err
    (tmp_path / "bad.mp4").write_bytes(CLIP.read_bytes()[:2000])
    code, _, _ = invoke("roi", tmp_path / "bad.mp4", "--encoder", "kvazaar", "-o", output)
    assert code == 1
    assert not output.exists()
