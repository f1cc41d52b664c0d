"""Which video stream of a container is scored, and what is said about the others."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import cast

import av
import pytest
from av.stream import Disposition
from av.video.stream import VideoStream

from fixtures.yuv.draw import encode, number_in, numbered, picture
from tests.process import as_stdin
from vmafsal.errors import InputError, UsageError
from vmafsal.video import Source, open_source

CASES = Path(__file__).parents[3] / "shared" / "cases"
recorded = pytest.mark.skipif(not CASES.is_dir(), reason="the recorded cases are not here")


def numbers_of(source: Source) -> list[int]:
    return [number_in(frame.planes[0]) for frame in source.frames()]


def two_streams(path: Path, codecs: tuple[str, str], disposition: Disposition) -> Path:
    """A file whose first stream shows pictures 0 to 7, and whose second shows 100 to 105."""
    with av.open(str(path), "w") as file:
        streams = []
        for codec, size in zip(codecs, ((128, 96), (160, 96)), strict=True):
            stream = cast("VideoStream", file.add_stream(codec, rate=25))
            stream.width, stream.height = size
            stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
            streams.append(stream)
        streams[1].disposition = disposition
        for stream, numbers in zip(streams, (range(8), range(100, 106)), strict=True):
            for time, number in enumerate(numbers):
                planes = numbered(number, stream.width, stream.height)
                frame = picture(planes, stream.pix_fmt or "")
                frame.pts, frame.time_base = time, Fraction(1, 25)
                file.mux(stream.encode(frame))
            file.mux(stream.encode(None))
    return path


@pytest.mark.parametrize("name", ["clip.mkv", "clip.mp4", "clip.ts"])
@pytest.mark.parametrize("disposition", [Disposition.default, Disposition(0)])
def test_the_first_stream_is_scored_and_the_others_are_named(
    tmp_path: Path, name: str, disposition: Disposition
) -> None:
    clip = two_streams(tmp_path / name, ("libx264", "libx264"), disposition)
    with open_source(str(clip)) as source:
        assert source.notices == [
            f"{clip} has 2 video streams. The first is scored (h264 128x96); --stream N chooses "
            "another: 1 (h264 160x96)."
        ]
        assert numbers_of(source) == list(range(8))
    for stream, numbers in ((0, range(8)), (1, range(100, 106))):
        with open_source(str(clip), stream=stream) as source:
            assert numbers_of(source) == list(numbers)
            assert source.notices == []
    with pytest.raises(UsageError, match=r"--stream 2: .* has 2 video streams"):
        open_source(str(clip), stream=2)


def one_after_the_other(tmp_path: Path) -> Path:
    """A transport stream in which the video goes on under another number."""
    first = [picture(numbered(number)) for number in range(30)]
    second = [picture(numbered(number)) for number in range(100, 125)]
    one = encode(tmp_path / "one.ts", first)
    other = encode(tmp_path / "other.ts", second, container_options={"mpegts_start_pid": "800"})
    clip = tmp_path / "clip.ts"
    clip.write_bytes(one.read_bytes() + other.read_bytes())
    return clip


def test_a_video_that_goes_on_in_another_stream(tmp_path: Path) -> None:
    clip = one_after_the_other(tmp_path)
    with open_source(str(clip)) as source:
        assert source.count() == 30
        assert "has 2 video streams" in source.notices[0]
        assert numbers_of(source) == list(range(30))
        assert len(source.notices) == 1
    with open_source(str(clip), stream=1) as source:
        assert source.count() == 25
        assert numbers_of(source) == list(range(100, 125))


def test_a_stream_that_begins_in_a_pipe(tmp_path: Path) -> None:
    clip = one_after_the_other(tmp_path)
    with as_stdin(clip), open_source("-") as source:
        assert numbers_of(source) == list(range(30))
        assert source.notices == [
            "Another stream begins in standard input after 30 pictures. If the video goes on "
            "there, --stream 1 scores it."
        ]


@recorded
def test_recorded_streams() -> None:
    for name, first, second in (
        ("pid_change.ts", 30, 30),
        ("two_programs.ts", 60, 60),
        ("thumb_first.mp4", 1, 60),
    ):
        with open_source(str(CASES / name)) as source:
            assert "--stream N" in source.notices[0]
            assert sum(1 for _ in source.frames()) == first
        with open_source(str(CASES / name), stream=1) as source:
            assert source.count() == sum(1 for _ in source.frames()) == second


@recorded
def test_recorded_tiles() -> None:
    with pytest.raises(InputError, match="is one picture in 4 tiles, which are not put together"):
        open_source(str(CASES / "grid.heic"))
