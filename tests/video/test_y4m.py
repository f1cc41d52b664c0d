"""Y4M: headers as programs write them, and files that are not whole."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import numpy as np
import pytest

from vmafsal.errors import InputError, UsageError
from vmafsal.video import open_source

CASES = Path(__file__).parents[3] / "shared" / "cases"
SAMPLES = bytes(range(192))  # 16x8 in 4:2:0


def y4m(tags: str, samples: bytes = SAMPLES, count: int = 3, marker: bytes = b"FRAME\n") -> bytes:
    return b"YUV4MPEG2 " + tags.encode() + b"\n" + (marker + samples) * count


@pytest.mark.parametrize("length", [80, 96, 97, 128, 184, 256, 600, 5000])
def test_a_header_of_any_length(tmp_path: Path, length: int) -> None:
    tags = "W16 H8 F25:1 Ip A1:1 C420jpeg XCOMMENT="
    clip = tmp_path / "clip.y4m"
    clip.write_bytes(y4m(tags + "x" * (length - len(tags) - 11)))
    with open_source(str(clip)) as source:
        assert (source.info.fps, source.count(), source.notices) == (25.0, 3, [])
        frames = list(source.frames())
    assert [frame.planes[0].tobytes() for frame in frames] == [SAMPLES[:128]] * 3
    assert [frame.time for frame in frames] == [0.0, 0.04, 0.08]


def test_a_long_header_through_a_pipe(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    content = y4m("W16 H8 F25:1 XCOMMENT=" + "x" * 2000)
    feeder = threading.Thread(target=pipe.write_bytes, args=(content,))
    feeder.start()
    with open_source(str(pipe)) as source:
        assert source.count() is None
        assert [frame.planes[0].tobytes() for frame in source.frames()] == [SAMPLES[:128]] * 3
    feeder.join()


@pytest.mark.parametrize(
    ("tags", "chroma", "depth", "samples"),
    [
        ("W15 H7 C420", "420", 8, 15 * 7 + 2 * 8 * 4),
        ("W15 H7 C422", "422", 8, 15 * 7 + 2 * 8 * 7),
        ("W15 H7 C411", "422", 8, 15 * 7 + 2 * 4 * 7),
        ("W15 H7 C444alpha", "444", 8, 4 * 15 * 7),
        ("W15 H7 C420p9", "420", 9, 2 * (15 * 7 + 2 * 8 * 4)),
        ("W15 H7 C444p14", "444", 14, 2 * 3 * 15 * 7),
        ("W15 H7 Cmono12", "400", 12, 2 * 15 * 7),
        ("W15 H7 XYSCSS=444", "444", 8, 3 * 15 * 7),
        ("H7 W15", "420", 8, 15 * 7 + 2 * 8 * 4),
    ],
)
def test_formats_of_odd_size(
    tmp_path: Path, tags: str, chroma: str, depth: int, samples: int
) -> None:
    content = (np.arange(samples) % (8 if depth > 8 else 256)).astype(np.uint8).tobytes()
    clip = tmp_path / "clip.y4m"
    clip.write_bytes(y4m(f"{tags} F25:1", content, 2))
    with open_source(str(clip)) as source:
        assert (source.info.chroma, source.info.bit_depth, source.count()) == (chroma, depth, 2)
        last = list(source.frames())[-1]
    word = np.uint8 if depth == 8 else np.dtype("<u2")
    luma = np.frombuffer(content, word)[: 15 * 7]
    np.testing.assert_array_equal(last.planes[0].ravel(), luma)
    if "411" in tags:
        stored = np.frombuffer(content, np.uint8)[15 * 7 : 15 * 7 + 28].reshape(7, 4)
        np.testing.assert_array_equal(last.planes[1], stored.repeat(2, axis=1)[:, :8])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"YUV4MPEG2 W16 H8 " + b"x" * 20000, "its header does not end"),
        (y4m("H8 F25:1"), "does not tell the size"),
        (y4m("W0 H8 F25:1"), "does not tell the size"),
        (y4m("Wx H8 F25:1"), "does not tell the size"),
        (y4m("W16 H8 C420p7"), "pixel format 420p7, which is not read"),
        (y4m("W16 H8 Cwhatever"), "pixel format whatever, which is not read"),
        (y4m("W16 H8", count=0), "holds no frame behind its header"),
        (y4m("W16 H8", SAMPLES[:100], 1), "holds no whole frame: 100 of 192 bytes"),
        (y4m("W16 H8", marker=b"FRAMES\n"), "after 0 frames no frame marker follows"),
        (y4m("W16 H8", marker=b"FRAME" + b"x" * 9), "after 0 frames no frame marker follows"),
        (y4m("W16 H8") + bytes(300), "after 3 frames no frame marker follows, though 300 bytes"),
    ],
)
def test_headers_and_markers_that_are_damaged(tmp_path: Path, content: bytes, message: str) -> None:
    clip = tmp_path / "clip.y4m"
    clip.write_bytes(content)
    with pytest.raises(InputError, match=message), open_source(str(clip)) as source:
        list(source.frames())


@pytest.mark.parametrize("cut", [1, 100, 191, 192, 193, 197])
@pytest.mark.parametrize("marker", [b"FRAME\n", b"FRAME Ip XCOMMENT=1\n"])
def test_a_cut_anywhere_in_the_last_frame(tmp_path: Path, cut: int, marker: bytes) -> None:
    content = y4m("W16 H8 F25:1", marker=marker)
    clip = tmp_path / "clip.y4m"
    clip.write_bytes(content[:-cut])
    # A marker with parameters that is itself cut cannot be told from damage.
    if cut > 192 and len(marker) > 6:
        return
    with open_source(str(clip)) as source:
        assert source.count() == 2
        assert sum(1 for _ in source.frames()) == 2
        assert source.truncated
        rest = len(marker) + 192 - cut
        assert source.notices == [
            f"{clip} holds 2 frames and {rest:,} bytes more; those bytes were left out."
        ]
        assert source.position_at(0.0) == 0


def test_steps_over_frames_with_parameters(tmp_path: Path) -> None:
    frames = b"".join(
        b"FRAME" + b" Ip" * (number % 3) + b"\n" + bytes([number]) * 192 for number in range(20)
    )
    clip = tmp_path / "clip.y4m"
    clip.write_bytes(b"YUV4MPEG2 W16 H8 F25:1\n" + frames)
    with open_source(str(clip)) as source:
        assert source.count() == 20
        got = [(int(f.planes[0][0, 0]), f.index) for f in source.frames(start=3, stop=17, step=4)]
    assert got == [(3, 0), (7, 4), (11, 8), (15, 12)]


def test_a_stream_number_means_nothing(tmp_path: Path) -> None:
    clip = tmp_path / "clip.y4m"
    clip.write_bytes(y4m("W16 H8"))
    with pytest.raises(UsageError, match="--stream is for containers"):
        open_source(str(clip), stream=1)


@pytest.mark.skipif(not CASES.is_dir(), reason="the recorded cases are not here")
def test_the_recorded_case() -> None:
    with open_source(str(CASES / "long_header.y4m")) as source:
        assert source.count() == sum(1 for _ in source.frames()) == 3
        assert source.info.fps == pytest.approx(30000 / 1001)
