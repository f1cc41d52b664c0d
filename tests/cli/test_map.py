"""vmafsal map: maps of videos and pictures as PNG files, numbers and videos."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from tests.conftest import PLACEHOLDER, ROOT, draw_yuv
from vmafsal import extract
from vmafsal.cli.app import app
from vmafsal.maps.post import min_max, smooth

RAW = ("-w", "64", "-h", "48")
MODEL = ("--feature", "mobilesal=model_path=mobilesal_placeholder_v0")
DEMO = ROOT / "fixtures" / "yuv" / "demo_dist.mp4"


def invoke(*args: str | Path) -> tuple[int, str, str]:
    done = CliRunner().invoke(app, ["map", *map(str, args), *MODEL])
    return done.exit_code, done.stdout, done.stderr


def picture(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image)


def maps_of(clip: Path) -> list[np.ndarray]:
    run = extract(clip, model="mobilesal_placeholder_v0", width=64, height=48, maps=True)
    return [frame.map for frame in run if frame.map is not None]


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize(("bits", "top"), [("8", 255), ("16", 65535)])
def test_a_folder_of_png_files(bits: str, top: int, clip: Path, tmp_path: Path) -> None:
    code, out, err = invoke(clip, *RAW, "-o", tmp_path / "maps", "--png-bits", bits)
    assert (code, out) == (0, "")
    assert err.splitlines()[-1] == f"vmafsal: {tmp_path / 'maps'} holds the maps of 6 frames."
    assert names(tmp_path / "maps") == [f"clip_{index:06d}.png" for index in range(6)]
    for index, saliency in enumerate(maps_of(clip)):
        read = picture(tmp_path / "maps" / f"clip_{index:06d}.png")
        assert read.shape == (48, 64)
        assert np.abs(read / top - saliency).max() <= 0.5 / top + 1e-6


def test_ranges_keep_the_numbers_of_the_video(clip: Path, tmp_path: Path) -> None:
    code, _, _ = invoke(clip, *RAW, "-o", tmp_path / "m", "--frames", "1:6", "--every", "2", "-q")
    assert code == 0
    assert names(tmp_path / "m") == ["clip_000001.png", "clip_000003.png", "clip_000005.png"]
    whole = maps_of(clip)
    read = picture(tmp_path / "m" / "clip_000003.png")
    assert np.abs(read / 255 - whole[3]).max() <= 0.5 / 255 + 1e-6


def test_numbers(clip: Path, tmp_path: Path) -> None:
    code, _, _ = invoke(clip, *RAW, "-o", tmp_path / "m.npz", "--frames", "2:")
    assert code == 0
    with np.load(tmp_path / "m.npz") as read:
        assert read["frames"].tolist() == [2, 3, 4, 5]
        np.testing.assert_array_equal(read["maps"], maps_of(clip)[2:])
    assert names(tmp_path) == ["clip.yuv", "m.npz"]


@pytest.mark.parametrize(
    ("name", "view", "wide"), [("o.mp4", "overlay", 1), ("s.mkv", "side-by-side", 2)]
)
def test_a_video(name: str, view: str, wide: int, tmp_path: Path) -> None:
    path = tmp_path / name
    code, _, err = invoke(DEMO, "-o", path, "--view", view, "--frames", "4:10", "--every", "2")
    assert code == 0
    assert err.endswith(f"vmafsal: {path} holds the maps of 3 frames.\n")
    with av.open(str(DEMO)) as container:
        stream = container.streams.video[0]
        size, rate = (stream.width, stream.height), stream.average_rate
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        frames = list(container.decode(stream))
        assert (stream.width, stream.height) == (size[0] * wide, size[1])
        assert rate is not None
        steps = np.diff([frame.time or 0.0 for frame in frames])
        assert np.abs(steps - 2 / float(rate)).max() < 2e-3
    assert len(frames) == 3


def with_sound(path: Path) -> Path:
    """A clip of four pictures and a tone."""
    with av.open(str(path), "w") as container:
        video = container.add_stream("mpeg4", rate=25)
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        audio = container.add_stream("aac", rate=44100)
        for shade in range(4):
            flat = np.full((48, 64, 3), 60 * shade, np.uint8)
            container.mux(video.encode(av.VideoFrame.from_ndarray(flat, format="rgb24")))
        tone = np.zeros((1, 4096), np.float32)
        sound = av.AudioFrame.from_ndarray(tone, format="fltp", layout="mono")
        sound.sample_rate = 44100
        container.mux(audio.encode(sound))
        container.mux(video.encode(None))
        container.mux(audio.encode(None))
    return path


def test_sound_is_left_out_and_said_so(tmp_path: Path) -> None:
    source = with_sound(tmp_path / "loud.mp4")
    code, _, err = invoke(source, "-o", tmp_path / "m.mp4")
    assert code == 0
    assert f"The sound of {source} was left out." in err
    assert "The sound of" not in invoke(source, "-o", tmp_path / "m.npz")[2]
    with av.open(str(tmp_path / "m.mp4")) as container:
        assert not container.streams.audio


def test_pictures(tmp_path: Path) -> None:
    for name, shade in (("a.png", 40), ("b.png", 200)):
        Image.fromarray(np.full((50, 66, 3), shade, np.uint8)).save(tmp_path / name)
    code, _, _ = invoke(tmp_path / "a.png", tmp_path / "b.png", "-o", tmp_path / "maps", "-q")
    assert code == 0
    assert names(tmp_path / "maps") == ["a.png", "b.png"]
    code, _, _ = invoke(tmp_path / "a.png", "-o", tmp_path / "one.png", "--view", "overlay", "-q")
    assert code == 0
    assert picture(tmp_path / "one.png").shape == (50, 66, 3)


BAD: dict[str, tuple[tuple[str, ...], int, str]] = {
    "ending": (("-o", "m.txt"), 2, "not written as .txt"),
    "nothing": (("-o", ""), 2, "names nothing"),
    "view": (("-o", "m.mp4", "--view", "heat"), 2, "no view 'heat'"),
    "colour map": (("-o", "m.mp4", "--colormap", "jet"), 2, "no colour map 'jet'"),
    "alpha": (("-o", "m.mp4", "--alpha", "2"), 2, "from 0 to 1"),
    "alpha of a map": (("-o", "maps", "--alpha", "0.5"), 2, "it does nothing"),
    "bits": (("-o", "maps", "--png-bits", "12"), 2, "8 or 16"),
    "bits of colour": (
        ("-o", "maps", "--view", "overlay", "--png-bits", "16"),
        2,
        "leave --png-bits out",
    ),
    "drawn numbers": (("-o", "m.npz", "--view", "map"), 2, "holds the numbers"),
    "span": (("-o", "maps", "--frames", "5:2"), 2, "A below B"),
    "no span": (("-o", "maps", "--frames", "7"), 2, "A below B"),
    "every": (("-o", "maps", "--every", "0"), 2, "--every"),
    "standard output": (("-o", "-"), 2, "names standard output"),
    "bits of numbers": (("-o", "m.npz", "--png-bits", "16"), 2, "holds the numbers"),
    "step": (("-o", "maps", "--post", "smooth=2%,sharpen"), 2, "no step 'sharpen'"),
    "step of a wide blur": (("-o", "maps", "--post", "smooth=99999999"), 2, "up to"),
    "psnr": (("-o", "maps", "--feature", "psnr"), 2, "psnr draws no map"),
    "too many frames": (("-o", "m.png"), 2, "more than one frame"),
    "beyond the end": (("-o", "m.npz", "--frames", "90:"), 1, "leaves nothing"),
    "no folder": (("-o", "no/m.npz"), 1, "does not exist"),
    "two models": (
        ("-o", "m.npz", "--feature", "mobilesal=name=b"),
        2,
        "one model at a time",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_what_cannot_be_is_a_sentence(
    case: str, clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    args, status, sentence = BAD[case]
    code, _, err = invoke(clip, *RAW, *args)
    assert code == status, err
    assert any(part in err for part in sentence.split("|")), err
    assert names(tmp_path) == ["clip.yuv"]


def test_several_inputs_need_a_folder_and_names_of_their_own(clip: Path, tmp_path: Path) -> None:
    code, _, err = invoke(clip, clip, *RAW, "-o", tmp_path / "m.npz")
    assert (code, "Name a folder" in err) == (2, True)
    code, _, err = invoke(clip, clip, *RAW, "-o", tmp_path / "maps")
    assert (code, "same names" in err) == (2, True)


def test_no_output_replaces_an_input(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    Image.fromarray(np.zeros((48, 64, 3), np.uint8)).save(path)
    before = path.read_bytes()
    for output in (path, tmp_path):
        code, _, err = invoke(path, "-o", output)
        assert code == 1
        assert "would be lost" in err
    assert path.read_bytes() == before


def test_no_output_replaces_an_input_of_another_run(clip: Path, tmp_path: Path) -> None:
    # Its name is that of the first picture of the clip's maps.
    path = tmp_path / "clip_000000.png"
    Image.fromarray(np.zeros((48, 64, 3), np.uint8)).save(path)
    before = path.read_bytes()
    for other in (path, tmp_path / "clip_%06d.png"):
        code, _, err = invoke(clip, other, *RAW, "-o", tmp_path)
        assert code != 0, err
        assert path.read_bytes() == before


def test_an_image_sequence_has_numbered_maps(tmp_path: Path) -> None:
    for number in (1, 2):
        shade = np.full((48, 64, 3), 80 * number, np.uint8)
        Image.fromarray(shade).save(tmp_path / f"img_{number:04d}.png")
    code, _, err = invoke(tmp_path / "img_%04d.png", "-o", tmp_path / "maps", "-q")
    assert code == 0, err
    assert names(tmp_path / "maps") == ["img_000000.png", "img_000001.png"]


def test_steps_change_what_is_written(clip: Path, tmp_path: Path) -> None:
    steps = ("--post", "smooth=2,minmax")
    assert invoke(clip, *RAW, "-o", tmp_path / "m.npz", *steps, "-q")[0] == 0
    assert invoke(clip, *RAW, "-o", tmp_path / "maps", *steps, "-q")[0] == 0
    wanted = [min_max(smooth(one, 2.0)) for one in maps_of(clip)]
    with np.load(tmp_path / "m.npz") as read:
        np.testing.assert_array_equal(read["maps"], wanted)
    for index, one in enumerate(wanted):
        drawn = picture(tmp_path / "maps" / f"clip_{index:06d}.png")
        assert np.abs(drawn / 255 - one).max() <= 0.5 / 255 + 1e-6


@pytest.mark.parametrize("name", ["m.npz", "m.mp4", "maps"])
def test_an_interrupt_leaves_whole_files_or_none(name: str, tmp_path: Path) -> None:
    frame = b"FRAME\n" + draw_yuv(1, 48, 64)
    read, write = os.pipe()
    output = tmp_path / name
    running = subprocess.Popen(
        [
            *(sys.executable, "-m", "vmafsal", "map", "-", "-o", output),
            *("--feature", f"mobilesal=model_path={PLACEHOLDER}"),
        ],
        stdin=read,
        stderr=subprocess.PIPE,
        cwd=ROOT,
    )
    os.close(read)
    os.write(write, b"YUV4MPEG2 W64 H48 F25:1 C420\n" + frame * 4)
    # Its folder holds something as soon as it works.
    until = time.monotonic() + 60
    while not any(tmp_path.iterdir()) and time.monotonic() < until:
        time.sleep(0.05)
    running.send_signal(signal.SIGINT)
    _, err = running.communicate(timeout=60)
    os.close(write)
    assert running.returncode == 130, err
    left = list(tmp_path.rglob("*"))
    if name == "maps":
        for path in left:
            if path.is_file():
                picture(path)
    else:
        assert left == []
