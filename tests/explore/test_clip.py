"""Frames in any order are those of the video read through, and maps those of a run."""

from __future__ import annotations

import base64
import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.command import DEMO
from tests.conftest import PLACEHOLDER, draw_yuv
from tests.test_ranges import write_mp4
from vmafsal import extract
from vmafsal.errors import InputError, UsageError, VmafsalError
from vmafsal.explore.clip import Clip
from vmafsal.explore.kept import Kept
from vmafsal.explore.look import Chain, data_url, encode_maps, list_models, stretched
from vmafsal.explore.truth import read_truth
from vmafsal.job import Job
from vmafsal.models.registry import FAMILIES, packaged_registry
from vmafsal.post_spec import read_steps
from vmafsal.video import open_source

MODEL = str(PLACEHOLDER)
RAW: dict[str, Any] = {"width": 64, "height": 48}


@pytest.fixture(scope="module")
def mp4(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """150 frames with a key frame every 12, so that it is read in pieces."""
    return write_mp4(tmp_path_factory.mktemp("v") / "v.mp4", range(0, 150 * 40, 40))


def test_frames_in_any_order_are_those_of_the_video(mp4: Path) -> None:
    clip = Clip(str(mp4))
    assert clip.count == 150
    with open_source(str(mp4)) as video:
        through = list(video.frames())
    for position in (149, 0, 70, 71, 3, 149):
        frame = clip.frame(position)
        assert frame.time == through[position].time == pytest.approx(position * 0.04)
        for one, other in zip(frame.planes, through[position].planes, strict=True):
            np.testing.assert_array_equal(one, other)
    with pytest.raises(InputError, match="ends before frame 150"):
        clip.frame(150)


def test_a_stream_whose_packets_do_not_tell_is_read_from_its_beginning(tmp_path: Path) -> None:
    import av

    path = tmp_path / "old.avi"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for number in range(30):
            pixels = np.full((48, 64, 3), 8 * number, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode(None))
    clip = Clip(str(path))
    with open_source(str(path)) as video:
        through = list(video.frames())
    assert clip.count == len(through) == 30
    np.testing.assert_array_equal(clip.frame(21).planes[0], through[21].planes[0])


@pytest.mark.parametrize("kind", ["raw", "y4m", "png", "sequence"])
def test_other_kinds_of_files(kind: str, tmp_path: Path) -> None:
    raw = draw_yuv(3, 48, 64)
    path, count = tmp_path / "clip.yuv", 3
    options: dict[str, Any] = {}
    if kind == "raw":
        path.write_bytes(raw)
        options = RAW
    elif kind == "y4m":
        frames = (raw[place : place + 4608] for place in range(0, len(raw), 4608))
        data = b"".join(b"FRAME\n" + frame for frame in frames)
        path.write_bytes(b"YUV4MPEG2 W64 H48 F25:1 C420\n" + data)
    elif kind == "png":
        path, count = tmp_path / "a.png", 1
        Image.fromarray(np.zeros((48, 64, 3), np.uint8)).save(path)
    else:
        path = tmp_path / "img_%02d.png"
        for number in range(3):
            shade = np.full((48, 64, 3), 60 * number, np.uint8)
            Image.fromarray(shade).save(tmp_path / f"img_{number:02d}.png")
    clip = Clip(str(path), options)
    assert clip.count == count
    assert (clip.frame(count - 1).height, clip.frame(count - 1).width) == (48, 64)
    assert clip.saliency(count - 1, MODEL).shape == (48, 64)


def test_maps_and_scores_are_those_of_a_run(clip: Path) -> None:
    with extract(clip, model=PLACEHOLDER, maps=True, **RAW) as run:
        expected = [frame.map for frame in run if frame.map is not None]
    shown = Clip(str(clip), RAW)
    for position in (4, 0):
        found = shown.saliency(position, MODEL)
        np.testing.assert_allclose(found, expected[position], atol=1e-6)
        assert shown.saliency(position, MODEL) is found
    seen: list[tuple[int, int]] = []
    log = shown.score([MODEL], "zscore", lambda done, of: seen.append((done, of)))
    assert seen == [(done, 6) for done in range(1, 7)]
    assert log.feature_names == ["saliency_mean_post"]
    ids = ["mobilesal_placeholder_v0", "saliency_student_v2"]
    both = shown.score(ids, None, lambda done, of: None)
    assert both.feature_names == [f"saliency_mean_{name}" for name in ids]


def test_a_run_ends_where_the_page_is_left(clip: Path) -> None:
    class Left(BaseException):
        pass

    def leave(done: int, of: int) -> None:
        raise Left

    shown = Clip(str(clip), RAW)
    with pytest.raises(Left):
        shown.score([MODEL], None, leave)
    assert shown.saliency(0, MODEL).shape == (48, 64)


@pytest.mark.parametrize("content", [b"just some text\n" * 20, b"", b"\0" * 5000])
def test_what_is_no_video_is_a_sentence(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "video-1"
    path.write_bytes(content)
    with pytest.raises(VmafsalError) as error:
        Clip(str(path))
    assert "\n" not in str(error.value)


def test_a_pipe_and_a_file_that_is_not_there() -> None:
    with pytest.raises(UsageError, match="more than once"):
        Clip("-")
    with pytest.raises(InputError, match="does not exist"):
        Clip("no.mp4")


def test_what_is_kept_is_bounded() -> None:
    kept: Kept[bytes] = Kept(10, len)
    made: list[int] = []

    def make(key: int) -> bytes:
        def value() -> bytes:
            made.append(key)
            return bytes(4)

        return kept.get(key, value)

    for key in (1, 2, 1, 3, 1, 2):
        make(key)
        assert kept.bytes <= 10
    assert made == [1, 2, 3, 2]
    assert kept.get("large", lambda: bytes(99)) == bytes(99)
    assert kept.bytes == 99


def test_models_are_listed_by_family_and_none_is_loaded() -> None:
    listed = list_models()
    assert set(listed) == set(packaged_registry().ids)
    places = [list(FAMILIES).index(family) for family in listed.values()]
    assert places == sorted(places)
    assert next(iter(listed)) == packaged_registry().default


def test_a_chain_is_what_post_takes() -> None:
    assert Chain().text() == ""
    full = Chain("equalize", None, 2.5, "add", 0.3, 0.25, "zscore").text()
    assert full == "equalize,smooth=2.5%,centre-add=0.3:0.25,zscore"
    assert len(read_steps(full)) == 4
    matched = Chain("match", "/tmp/a,b/reference-1", prior="multiply").text()
    assert read_steps(matched)[0].path == "/tmp/a,b/reference-1"
    with pytest.raises(UsageError, match="upload a gray picture"):
        Chain("match").text()
    Job("a.mp4", post=full)


def test_only_a_map_that_leaves_the_range_is_stretched() -> None:
    saliency = np.array([[0.2, 0.4]], np.float32)
    assert stretched(saliency, "smooth=2%")[0] is saliency
    drawn, was = stretched(saliency - 3, "zscore")
    assert (drawn.tolist(), was) == ([[0.0, 1.0]], True)


def test_what_is_handed_out_can_be_read() -> None:
    maps = {"a": np.zeros((4, 5), np.float32), "b": np.ones((2, 3), np.float32)}
    with np.load(io.BytesIO(encode_maps(maps, 7))) as archive:
        assert int(archive["frame"]) == 7
        np.testing.assert_array_equal(archive["b"], maps["b"])
    head, data = data_url(np.zeros((1000, 2000, 3), np.uint8)).split(",")
    assert head == "data:image/png;base64"
    with Image.open(io.BytesIO(base64.b64decode(data))) as image:
        assert image.size == (960, 480)


def test_scores_by_a_mask_and_by_fixations(tmp_path: Path) -> None:
    mask = np.zeros((4, 8), np.uint8)
    mask[:, :4] = 255
    Image.fromarray(mask).save(tmp_path / "mask.png")
    truth = read_truth(str(tmp_path / "mask.png"), "mask", 4, 8)
    saliency = np.zeros((4, 8), np.float32)
    saliency[:, :6] = 0.75
    found = truth.scores(saliency)
    assert found == pytest.approx(
        {"precision": 2 / 3, "recall": 1.0, "F": 1.3 * (2 / 3) / (0.3 * 2 / 3 + 1), "IoU": 2 / 3}
    )
    assert truth.scores(np.zeros((2, 4), np.float32))["IoU"] == 0.0
    Image.fromarray((mask / 255 * 9000).astype(np.uint16)).save(tmp_path / "gaze.png")
    gaze = read_truth(str(tmp_path / "gaze.png"), "fixation map", 4, 8)
    exact = gaze.scores((mask / 255).astype(np.float32))
    assert exact == pytest.approx({"CC": 1.0, "KL": 0.0, "SIM": 1.0}, abs=1e-6)


@pytest.mark.parametrize(
    ("name", "kind", "sentence"),
    [
        ("text.png", "mask", "no picture that can be read"),
        ("small.png", "mask", "is 8x4, and the video 64x48"),
        ("black.png", "fixation map", "black everywhere"),
    ],
)
def test_what_is_no_truth_is_a_sentence(
    name: str, kind: str, sentence: str, tmp_path: Path
) -> None:
    (tmp_path / "text.png").write_text("no picture")
    Image.fromarray(np.zeros((4, 8), np.uint8)).save(tmp_path / "small.png")
    Image.fromarray(np.zeros((48, 64), np.uint8)).save(tmp_path / "black.png")
    with pytest.raises(InputError, match=sentence):
        read_truth(str(tmp_path / name), kind, 48, 64)  # type: ignore[arg-type]


def test_the_demo_opens(tmp_path: Path) -> None:
    assert Clip(str(DEMO / "demo_dist.mp4")).count == 48
