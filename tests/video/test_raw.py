"""Raw YUV: samples where they should be, and a clear word where they cannot."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.command import PRINT_PEAK
from vmafsal.errors import InputError, UsageError
from vmafsal.video import open_source
from vmafsal.video.frame import Frame, chroma_size
from vmafsal.video.planar import PlanarLayout
from vmafsal.video.raw import RAW_CHROMAS, RAW_DEPTHS


def frames_of(path: Path, **options: Any) -> list[Frame]:
    with open_source(str(path), **options) as source:
        return list(source.frames())


@pytest.mark.parametrize("depth", RAW_DEPTHS)
@pytest.mark.parametrize("chroma", RAW_CHROMAS)
@pytest.mark.parametrize("size", [(16, 8), (17, 8), (16, 9), (17, 9), (1, 1)])
def test_planes_of_every_format_depth_and_odd_size(
    tmp_path: Path, size: tuple[int, int], chroma: str, depth: int
) -> None:
    width, height = size
    random = np.random.default_rng(3)
    shapes = [(height, width)]
    if chroma != "400":
        shapes += [chroma_size(height, width, chroma)] * 2  # type: ignore[arg-type]
    dtype = np.dtype(np.uint8 if depth == 8 else "<u2")
    wanted = [
        [random.integers(0, 1 << depth, shape).astype(dtype) for shape in shapes] for _ in range(3)
    ]
    clip = tmp_path / "clip.yuv"
    clip.write_bytes(b"".join(plane.tobytes() for planes in wanted for plane in planes))
    frames = frames_of(clip, width=width, height=height, chroma=chroma, bit_depth=depth)
    assert len(frames) == 3
    for frame, planes in zip(frames, wanted, strict=True):
        for plane, samples in zip(frame.planes, planes, strict=True):
            np.testing.assert_array_equal(plane, samples)


@pytest.mark.parametrize("depth", [8, 10])
def test_memory_of_frames_that_are_gone_is_used_again(tmp_path: Path, depth: int) -> None:
    shape = (24, 20)
    clip = tmp_path / "clip.yuv"
    dtype = np.dtype(np.uint8 if depth == 8 else "<u2")
    clip.write_bytes(b"".join(np.full(shape, number, dtype).tobytes() for number in range(40)))
    kept = []
    places = set()
    with open_source(str(clip), width=20, height=24, chroma="400", bit_depth=depth) as source:
        for frame in source.frames():
            places.add(frame.planes[0].ctypes.data)
            if frame.index % 10 == 3:
                # A part of a plane is enough to keep all of it.
                kept.append(frame.planes[0][5:7])
    # The one in hand, the one being read, and those that are kept.
    assert len(places) <= 2 + len(kept)
    assert [int(part.max()) for part in kept] == [int(part.min()) for part in kept]
    assert [int(part.max()) for part in kept] == [3, 13, 23, 33]


def test_a_partial_last_frame_is_left_out_with_its_byte_count(tmp_path: Path) -> None:
    clip = tmp_path / "dist.yuv"
    clip.write_bytes(bytes(12 * 3456 + 1024))
    with open_source(str(clip), width=64, height=36) as source:
        assert source.count() == 12
        assert sum(1 for _ in source.frames()) == 12
        assert source.truncated
        assert source.notices == [
            f"{clip} holds 12 frames and 1,024 bytes more; those bytes were left out."
        ]


@pytest.mark.parametrize(
    ("size", "options", "fits"),
    [
        # 10 frames of 64x36 4:2:2 taken for 4:2:0
        (10 * 4608, {"chroma": "420"}, "64x36 422 8-bit"),
        # 3 frames of 8-bit 4:2:0 taken for 10-bit
        (3 * 3456, {"bit_depth": 10}, "64x36 420 8-bit"),
        # one frame of 352x288 taken for 100x50
        (352 * 288 * 3 // 2, {"width": 100, "height": 50}, "352x288 420 8-bit"),
    ],
)
def test_a_size_that_fits_another_format_is_an_error_that_names_it(
    tmp_path: Path, size: int, options: dict[str, Any], fits: str
) -> None:
    clip = tmp_path / "clip.yuv"
    clip.write_bytes(bytes(size))
    with pytest.raises(InputError, match=rf"no whole number.*fits.*{fits}.*Check --width"):
        open_source(str(clip), **{"width": 64, "height": 36, **options})


@pytest.mark.parametrize(("value", "said"), [(1023, False), (1024, True)])
def test_samples_beyond_their_depth_are_said(tmp_path: Path, value: int, said: bool) -> None:
    clip = tmp_path / "clip.yuv"
    clip.write_bytes(np.full(2 * 24, value, "<u2").tobytes())
    with open_source(str(clip), width=4, height=4, bit_depth=10) as source:
        assert sum(1 for _ in source.frames()) == 2
        assert len(source.notices) == int(said)
        assert not said or "samples above 1,023, the largest of 10 bits" in source.notices[0]


def test_less_than_one_frame_is_an_error(tmp_path: Path) -> None:
    clip = tmp_path / "clip.yuv"
    clip.write_bytes(bytes(3455))
    with pytest.raises(InputError, match=r"holds 3,455 bytes, less than one frame .*3,456 bytes"):
        open_source(str(clip), width=64, height=36)


@pytest.mark.parametrize("value", [0, -1, -1920, 32769, 10**12])
@pytest.mark.parametrize("option", ["width", "height"])
def test_sides_that_no_video_has_are_wrong_usage(tmp_path: Path, option: str, value: int) -> None:
    clip = tmp_path / "clip.yuv"
    clip.write_bytes(bytes(3456))
    options: dict[str, Any] = {"width": 64, "height": 36, option: value}
    with pytest.raises(UsageError, match=f"--{option} must be between 1 and 32768, not {value}"):
        open_source(str(clip), **options)


@pytest.mark.parametrize("options", [{}, {"width": 64}, {"height": 36}])
def test_raw_video_needs_its_size(tmp_path: Path, options: dict[str, Any]) -> None:
    clip = tmp_path / "clip.yuv"
    clip.write_bytes(bytes(3456))
    with pytest.raises(UsageError, match="give --width and --height"):
        open_source(str(clip), **options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"chroma": "411"}, "--pixel_format must be one of 420, 422, 444, 400, not 411"),
        ({"bit_depth": 9}, "--bitdepth must be one of 8, 10, 12, 16, not 9"),
        ({"stream": 1}, "--stream is for containers"),
    ],
)
def test_options_that_raw_video_does_not_have(
    tmp_path: Path, options: dict[str, Any], message: str
) -> None:
    clip = tmp_path / "clip.yuv"
    clip.write_bytes(bytes(3456))
    with pytest.raises(UsageError, match=message):
        open_source(str(clip), width=64, height=36, **options)


@pytest.mark.parametrize("change", [-3456, 3456])
def test_a_file_that_changes_its_size_midway_is_an_error(tmp_path: Path, change: int) -> None:
    clip = tmp_path / "clip.yuv"
    clip.write_bytes(bytes(10 * 3456))
    with open_source(str(clip), width=64, height=36) as source:
        frames = source.frames()
        next(frames)
        os.truncate(clip, 10 * 3456 + change)
        with pytest.raises(
            InputError, match=r"changed its size from 34,560 to .* while it was read"
        ):
            list(frames)


@pytest.mark.parametrize(
    ("size", "count"), [(5 * 3456 + 7, 5), (3455, None)], ids=["partial", "short"]
)
def test_a_pipe_that_ends_within_a_frame(tmp_path: Path, size: int, count: int | None) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    feeder = threading.Thread(target=pipe.write_bytes, args=(bytes(size),))
    feeder.start()
    with open_source(str(pipe), width=64, height=36) as source:
        if count is None:
            with pytest.raises(InputError, match="ended after 3,455 bytes, less than one frame"):
                list(source.frames())
        else:
            assert sum(1 for _ in source.frames()) == count
            assert source.truncated
            assert "5 frames and 7 bytes more" in source.notices[0]
    feeder.join()


def test_memory_stays_at_a_few_frames(tmp_path: Path) -> None:
    """300 frames of 2160p, 3.7 GB of a sparse file, read in a process of its own."""
    clip = tmp_path / "large.yuv"
    with clip.open("wb") as file:
        file.truncate(300 * PlanarLayout(3840, 2160, "420", 8).frame_bytes)
    program = (
        "import sys\n"
        "from vmafsal.video import open_source\n"
        "source = open_source(sys.argv[1], width=3840, height=2160)\n"
        "assert sum(1 for _ in source.frames(step=5)) == 60\n" + PRINT_PEAK
    )
    run = subprocess.run(
        [sys.executable, "-c", program, str(clip)], capture_output=True, text=True, check=True
    )
    assert int(run.stdout) < 200 * 1024, "kilobytes at the peak"
