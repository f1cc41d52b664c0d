"""Encoding with regions of interest: what comes out is decoded and looked at."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from tests.roi.drawn import drawn_frames, write_clip
from vmafsal.errors import InputError, OutputError, UsageError
from vmafsal.roi.encode import (
    Encoded,
    OffsetStore,
    Original,
    container_format,
    encode,
    statistics_file,
)
from vmafsal.roi.encoder import BLOCK, CODECS, Encoding, Shape
from vmafsal.roi.mapping import BlockGrid
from vmafsal.roi.probe import check_effect
from vmafsal.roi.rectangles import rectangles
from vmafsal.roi.regions import Regions
from vmafsal.video import open_source
from vmafsal.video.frame import Chroma, Frame

DEMO = Path(__file__).parents[2] / "fixtures" / "yuv" / "demo_ref.mp4"

WIDTH, HEIGHT = 120, 88  # 7.5 by 5.5 blocks


def shape(pixel_format: str = "yuv420p", bits: int = 8) -> Shape:
    return Shape(WIDTH, HEIGHT, pixel_format, bits, Fraction(25))


def offsets() -> np.ndarray:
    """Finer on the left, coarser on the right."""
    grid = BlockGrid(WIDTH, HEIGHT, BLOCK)
    blocks = np.full((grid.rows, grid.columns), 6, np.int8)
    blocks[:, : grid.columns // 2] = -6
    return blocks


def encoded(
    path: Path,
    frames: list[Frame],
    blocks: np.ndarray | None,
    encoding: Encoding,
    of: Shape | None = None,
) -> Encoded:
    """In as many passes as the encoding needs, with the offsets in each."""
    of = of or shape()
    original = Original("")

    def marked() -> Iterator[tuple[Frame, np.ndarray | None]]:
        return ((frame, blocks) for frame in frames)

    if encoding.bitrate is None:
        return encode(marked(), of, encoding, str(path), original)
    with statistics_file() as file:
        encode(marked(), of, encoding, str(path), original, number=1, statistics=file)
        return encode(marked(), of, encoding, str(path), original, number=2, statistics=file)


def lumas(path: Path) -> list[np.ndarray]:
    with av.open(str(path)) as container:
        # Not to gray, which would also stretch the range.
        return [frame.to_ndarray()[: frame.height] for frame in container.decode(video=0)]


def error(path: Path, frames: list[Frame]) -> np.ndarray:
    """Mean squared error of the luma: [left, right] half."""
    pairs = zip(lumas(path), frames, strict=True)
    squared = np.mean([(out.astype(float) - frame.planes[0]) ** 2 for out, frame in pairs], 0)
    return np.array([squared[:, :48].mean(), squared[:, 48:].mean()])


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize(
    ("rate", "count"), [({"crf": 30.0}, 1), ({"crf": 30.0}, 12), ({"bitrate": 60_000}, 12)]
)
def test_bits_go_where_they_are_wanted(
    tmp_path: Path, codec: str, rate: dict[str, Any], count: int
) -> None:
    frames = drawn_frames(WIDTH, HEIGHT, count)
    encoding = Encoding(codec, preset="veryfast", **rate)
    encoded(tmp_path / "plain.mp4", frames, None, encoding)
    encoded(tmp_path / "roi.mp4", frames, offsets(), encoding)
    plain, roi = error(tmp_path / "plain.mp4", frames), error(tmp_path / "roi.mp4", frames)
    assert roi[0] < 0.8 * plain[0]
    assert roi[1] > 1.2 * plain[1]


def test_bitrate_that_cannot_be_met(tmp_path: Path) -> None:
    frames = drawn_frames(WIDTH, HEIGHT, 2)
    with pytest.raises(UsageError, match=r"cannot keep this video within 3 kb/s"):
        encoded(tmp_path / "a.mp4", frames, None, Encoding("libx264", bitrate=3000))


def block_qps(path: Path) -> np.ndarray:
    """QP of each 16x16 block of the first picture of an H.264 file."""
    with av.open(str(path)) as container:
        container.streams.video[0].codec_context.options = {"export_side_data": "venc_params"}
        for frame in container.decode(video=0):
            side_data: Any = frame.side_data
            return np.asarray(side_data.get("VIDEO_ENC_PARAMS").qp_map())
    raise AssertionError("no picture")


def test_qp_of_the_blocks(tmp_path: Path) -> None:
    frames = drawn_frames(WIDTH, HEIGHT, 1)
    encoding = Encoding("libx264", crf=30, options={"mbtree": "0", "aq-strength": "0.01"})
    encoded(tmp_path / "plain.mp4", frames, None, encoding)
    encoded(tmp_path / "roi.mp4", frames, offsets(), encoding)
    moved = block_qps(tmp_path / "roi.mp4").astype(int) - block_qps(tmp_path / "plain.mp4")
    assert np.array_equal(moved, offsets())


@pytest.mark.parametrize("codec", CODECS)
def test_zeros_change_no_byte(tmp_path: Path, codec: str) -> None:
    frames = drawn_frames(WIDTH, HEIGHT, 4)
    encoding = Encoding(codec, crf=30, preset="veryfast")
    plain = encoded(tmp_path / "plain.mkv", frames, None, encoding)
    zeros = encoded(tmp_path / "zeros.mkv", frames, np.zeros((6, 8), np.int8), encoding)
    assert zeros.size_bytes == plain.size_bytes
    for one, other in zip(
        lumas(tmp_path / "plain.mkv"), lumas(tmp_path / "zeros.mkv"), strict=True
    ):
        assert np.array_equal(one, other)


def attached(regions: Regions, picture: av.VideoFrame, blocks: np.ndarray) -> list[list[int]]:
    found = rectangles(blocks, BlockGrid(WIDTH, HEIGHT, BLOCK))
    side_data: Any = regions(picture, found).side_data
    fields = memoryview(side_data[0]).cast("B").cast("i").tolist()
    rows = [fields[begin + 1 : begin + 7] for begin in range(0, len(fields), 7)]
    return sorted(row for row in rows if row[:4] != [0, 0, 0, 0])


def test_side_data_of_the_kept_graph_can_be_written() -> None:
    # Where this fails, PyAV has changed: encoding still works, by a graph a picture, but slowly.
    kept = Regions(WIDTH, HEIGHT, "yuv420p")
    picture = av.VideoFrame(WIDTH, HEIGHT, "yuv420p")
    picture.pts, picture.time_base = 0, Fraction(1, 25)
    random = np.random.default_rng(6)
    for size in (1, 4, 2):  # more regions than a graph has, then fewer again
        blocks = random.integers(-size, size + 1, (6, 8)).astype(np.int8)
        fresh = Regions(WIDTH, HEIGHT, "yuv420p", kept=False)
        assert attached(kept, picture, blocks) == attached(fresh, picture, blocks)
    assert kept.kept


@pytest.mark.parametrize("codec", CODECS)
def test_a_graph_a_picture_gives_the_same_file(
    tmp_path: Path, codec: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    frames = drawn_frames(WIDTH, HEIGHT, 3)
    encoding = Encoding(codec, crf=30, preset="veryfast")
    encoded(tmp_path / "kept.mkv", frames, offsets(), encoding)
    monkeypatch.setattr(Regions, "_rewritten", lambda *_: None)
    encoded(tmp_path / "fresh.mkv", frames, offsets(), encoding)
    for one, other in zip(lumas(tmp_path / "kept.mkv"), lumas(tmp_path / "fresh.mkv"), strict=True):
        assert np.array_equal(one, other)


def test_two_passes_meet_the_bitrate(tmp_path: Path) -> None:
    with open_source(str(DEMO)) as source:
        info, frames = source.info, list(source.frames())
    grid = BlockGrid(info.width, info.height, BLOCK)
    blocks = np.full((grid.rows, grid.columns), 3, np.int8)
    blocks[3:8, 5:15] = -4
    of = Shape.of(info, "libx264", {})
    encoding = Encoding("libx264", bitrate=80_000, preset="fast")
    result = encoded(tmp_path / "a.mp4", frames, blocks, encoding, of)
    assert result.kbps == pytest.approx(80, rel=0.1)


@pytest.mark.parametrize(
    ("chroma", "bits", "pixel_format"),
    [("420", 10, "yuv420p10le"), ("422", 8, "yuv422p"), ("444", 8, "yuv444p"), ("400", 8, "gray")],
)
def test_layouts(tmp_path: Path, chroma: Chroma, bits: int, pixel_format: str) -> None:
    frames = drawn_frames(WIDTH, HEIGHT, 2, chroma, bits)
    encoding = Encoding("libx264", crf=24, preset="veryfast")
    of = shape(pixel_format, bits)
    encoded(tmp_path / "plain.mp4", frames, None, encoding, of)
    encoded(tmp_path / "roi.mp4", frames, offsets(), encoding, of)
    if chroma != "400":  # which decodes as 4:2:0
        with av.open(str(tmp_path / "roi.mp4")) as container:
            assert container.streams.video[0].codec_context.pix_fmt == pixel_format
    assert (tmp_path / "roi.mp4").read_bytes() != (tmp_path / "plain.mp4").read_bytes()


def test_a_missing_frame_is_shown_as_the_one_before(tmp_path: Path) -> None:
    frames = drawn_frames(WIDTH, HEIGHT, 6)
    encoded(tmp_path / "a.mp4", frames[:2] + frames[4:], None, Encoding("libx264", crf=10))
    shown = lumas(tmp_path / "a.mp4")
    assert len(shown) == 6
    for number, source in enumerate((0, 1, 1, 1, 4, 5)):
        assert np.abs(shown[number].astype(int) - frames[source].planes[0]).mean() < 2


def test_audio_is_copied_and_tags_are_kept(tmp_path: Path) -> None:
    clip = tmp_path / "in.mkv"
    write_clip(clip, drawn_frames(WIDTH, HEIGHT, 25), audio="aac", tags={"colorspace": 1})
    original = Original(str(clip))
    assert original.has_audio
    with av.open(str(clip)) as container:
        wanted = [bytes(packet) for packet in container.demux(audio=0) if packet.size]
    of = Shape(WIDTH, HEIGHT, "yuv420p", 8, Fraction(25), original.tags)
    frames = ((frame, None) for frame in drawn_frames(WIDTH, HEIGHT, 25))
    out = tmp_path / "out.mp4"
    encode(frames, of, Encoding("libx264", crf=30, preset="veryfast"), str(out), original)
    with av.open(str(out)) as container:
        assert [bytes(packet) for packet in container.demux(audio=0) if packet.size] == wanted
    with av.open(str(out)) as container:
        assert int(container.streams.video[0].codec_context.colorspace) == 1
        assert float(container.duration or 0) / 1e6 == pytest.approx(1, abs=0.1)


def test_audio_that_the_container_cannot_hold(tmp_path: Path) -> None:
    clip = tmp_path / "in.avi"
    write_clip(clip, drawn_frames(WIDTH, HEIGHT, 5), audio="pcm_u8")
    frames = ((frame, None) for frame in drawn_frames(WIDTH, HEIGHT, 5))
    with pytest.raises(OutputError, match=r"out\.mp4 cannot hold the audio of .* Write an \.mkv"):
        encode(
            frames,
            shape(),
            Encoding("libx264", crf=30),
            str(tmp_path / "out.mp4"),
            Original(str(clip)),
        )


def test_interlaced_video_is_refused(tmp_path: Path) -> None:
    clip = tmp_path / "in.y4m"
    frame = b"FRAME\n" + bytes(WIDTH * HEIGHT * 3 // 2)
    clip.write_bytes(f"YUV4MPEG2 W{WIDTH} H{HEIGHT} F25:1 It C420\n".encode() + frame * 2)
    with pytest.raises(InputError, match="interlaced"):
        Original(str(clip))


@pytest.mark.parametrize(
    ("codec", "settings"),
    [
        ("libx264", {"crf": 30, "preset": "ultrafast"}),
        ("libx264", {"crf": 30, "options": {"tune": "psnr"}}),
        ("libx264", {"crf": 30, "options": {"aq-mode": "0"}}),
        ("libx264", {"crf": 30, "options": {"x264-params": "aq-mode=0"}}),
        ("libx264", {"bitrate": 100_000, "preset": "ultrafast"}),
        ("libx264", {"crf": 0}),
        ("libx265", {"crf": 30, "preset": "ultrafast"}),
        ("libx265", {"crf": 30, "preset": "superfast"}),
        ("libx265", {"crf": 30, "options": {"tune": "grain"}}),
        ("libx265", {"crf": 30, "options": {"x265-params": "aq-mode=0"}}),
        ("libx265", {"crf": 30, "options": {"x265-params": "lossless=1"}}),
    ],
)
def test_settings_without_effect_are_refused(codec: str, settings: dict[str, Any]) -> None:
    encoding = Encoding(codec, **settings)
    with pytest.raises(UsageError, match=f"{codec} ignores regions of interest with --preset"):
        check_effect(encoding, shape(), "420")


@pytest.mark.parametrize("codec", CODECS)
def test_settings_with_effect_are_let_pass(codec: str) -> None:
    for settings in ({"crf": 40}, {"bitrate": 500_000}, {"crf": 20, "preset": "slow"}):
        check_effect(Encoding(codec, **settings), shape(), "420")
    check_effect(Encoding(codec, crf=26), shape("yuv420p10le", 10), "420")


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"codec": "libsvtav1", "crf": 30}, "libsvtav1 ignores .* --encoder svt-av1"),
        ({"codec": "libaom-av1", "crf": 30}, "ignores"),
        ({"codec": "vp8", "crf": 30}, "no codec vp8"),
        ({"codec": "libx264"}, "either --crf or --bitrate"),
        ({"codec": "libx264", "crf": 30, "bitrate": 5000}, "either --crf or --bitrate"),
        ({"codec": "libx264", "crf": 52}, "from 0 to 51, not 52"),
        ({"codec": "libx264", "bitrate": 800}, "less than 1 kb/s"),
        ({"codec": "libx264", "crf": 30, "preset": "quick"}, "no preset quick"),
        ({"codec": "libx264", "crf": 30, "options": {"qp": "30"}}, "constant QP"),
        ({"codec": "libx264", "crf": 30, "options": {"crf": "30"}}, "would undo"),
    ],
)
def test_settings_without_meaning(settings: dict[str, Any], sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        Encoding(**settings)


def test_unknown_option_of_an_encoder() -> None:
    with pytest.raises(UsageError, match="libx265 has no option aq-mod"):
        check_effect(Encoding("libx265", crf=30, options={"aq-mod": "1"}), shape(), "420")


def test_ending_without_a_container() -> None:
    assert container_format("a/B.MKV") == "matroska"
    with pytest.raises(UsageError, match=r"\.avi names no container"):
        container_format("clip.avi")


def test_kept_offsets_come_back_by_frame_number() -> None:
    frames = drawn_frames(WIDTH, HEIGHT, 3)
    store = OffsetStore()
    random = np.random.default_rng(7)
    grids = [random.integers(-8, 7, (6, 8)).astype(np.int8) for _ in frames]
    list(store.keeping(zip(frames, grids, strict=True)))
    again = list(store.again([frames[2], frames[0]]))
    assert [frame.index for frame, _ in again] == [2, 0]
    for (_, offsets), grid in zip(again, (grids[2], grids[0]), strict=True):
        assert offsets is not None
        assert np.array_equal(offsets, grid)
