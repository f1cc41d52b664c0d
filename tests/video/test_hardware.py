"""NVDEC: what is said where there is none, and pictures in its layouts."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from av.codec.hwaccel import HWAccel

from fixtures.yuv.draw import picture
from tests.conftest import PLACEHOLDER, ROOT, Run
from vmafsal.errors import DeviceError, UsageError
from vmafsal.job import Job
from vmafsal.video import open_source
from vmafsal.video.files import open_bytes
from vmafsal.video.frame import Frame
from vmafsal.video.hardware import AcceleratedSource

CLIP = ROOT / "fixtures" / "yuv" / "demo_dist.mp4"


def has_nvdec() -> bool:
    try:
        av.open(str(CLIP), hwaccel=HWAccel("cuda", allow_software_fallback=False)).close()
    except (av.error.FFmpegError, OSError):
        return False
    return True


HAS_NVDEC = has_nvdec()
without_gpu = pytest.mark.skipif(HAS_NVDEC, reason="there is a GPU")


def planes_of_all(frames: Iterator[Frame]) -> list[tuple[Any, ...]]:
    return [frame.planes for frame in frames]


def assert_same(ours: list[tuple[Any, ...]], theirs: list[tuple[Any, ...]]) -> None:
    assert len(ours) == len(theirs) > 0
    for one, other in zip(ours, theirs, strict=True):
        for plane, expected in zip(one, other, strict=True):
            assert plane.dtype == expected.dtype
            np.testing.assert_array_equal(plane, expected)


def software(path: Path) -> list[tuple[Any, ...]]:
    with open_source(str(path)) as source:
        assert source.hwaccel == "none"
        return planes_of_all(source.frames())


@without_gpu
def test_auto_says_why_software_decodes(capfd: pytest.CaptureFixture[str]) -> None:
    with open_source(str(CLIP), hwaccel="auto") as source:
        (notice,) = source.notices
        assert "is decoded in software: no NVIDIA GPU" in notice
        assert source.hwaccel == "none"
        ours = planes_of_all(source.frames())
    assert capfd.readouterr() == ("", "")  # ffmpeg's own complaints stay out of sight
    assert_same(ours, software(CLIP))


@without_gpu
def test_a_gpu_asked_for_by_name_is_an_error() -> None:
    with pytest.raises(DeviceError, match=r"no NVIDIA GPU.*Use --hwaccel auto"):
        open_source(str(CLIP), hwaccel="cuda")


@without_gpu
def test_the_command(vmafsal: Run, tmp_path: Path) -> None:
    clip = shutil.copy(CLIP, tmp_path / "clip.mp4")
    feature = ("--feature", f"mobilesal=model_path={PLACEHOLDER}", "--frame_cnt", "3")
    named = vmafsal(clip, *feature, "--hwaccel", "cuda", "-o", "log.json")
    assert named.returncode == 1
    assert "cannot be decoded on a GPU" in named.stderr
    assert not (tmp_path / "log.json").exists()
    auto = vmafsal(clip, *feature, "--hwaccel", "auto", "--precision", "max")
    none = vmafsal(clip, *feature, "--precision", "max")
    assert (auto.returncode, auto.stdout) == (0, none.stdout)
    assert "is decoded in software" in auto.stderr


def test_another_hwaccel_is_wrong_usage() -> None:
    with pytest.raises(UsageError, match="Choose none, cuda, auto"):
        Job(distorted="a.mp4", hwaccel="vaapi")  # type: ignore[arg-type]


@pytest.mark.parametrize("hwaccel", ["cuda", "auto"])
def test_what_needs_no_decoding_is_read_as_ever(hwaccel: Any, tmp_path: Path) -> None:
    path = tmp_path / "clip.y4m"
    samples = np.arange(6 * 4 * 3 // 2, dtype=np.uint8).tobytes()
    path.write_bytes(b"YUV4MPEG2 W6 H4 F25:1 C420\nFRAME\n" + samples)
    with open_source(str(path), hwaccel=hwaccel) as source:
        assert not source.notices
        assert len(planes_of_all(source.frames())) == 1
    raw = tmp_path / "clip.yuv"
    raw.write_bytes(samples)
    with open_source(str(raw), width=6, height=4, hwaccel=hwaccel) as raw_source:
        assert len(planes_of_all(raw_source.frames())) == 1


def test_a_codec_without_a_gpu_decoder(tmp_path: Path) -> None:
    path = encode(tmp_path / "clip.mkv", "ffv1", "yuv420p")
    with open_source(str(path), hwaccel="auto") as source:
        assert "ffmpeg decodes ffv1 without a GPU" in source.notices[0]
        assert_same(planes_of_all(source.frames()), software(path))
    with pytest.raises(DeviceError, match="ffmpeg decodes ffv1 without a GPU"):
        open_source(str(path), hwaccel="cuda")


def encode(path: Path, codec: str, pixel_format: str, frames: int = 12) -> Path:
    """Noise that moves, of an odd width in chroma samples."""
    noise = np.random.default_rng(1).integers(40, 200, (70, 110), np.uint8)
    with av.open(str(path), "w") as file:
        stream: Any = file.add_stream(codec, rate=25)
        stream.width, stream.height, stream.pix_fmt = 74, 58, pixel_format
        for number in range(frames):
            luma = noise[number // 2 :, number:][:58, :74]
            chroma = luma[::2, ::2]
            frame = picture([luma, chroma, 255 - chroma], matrix=1, limited=True)
            file.mux(stream.encode(frame.reformat(format=pixel_format)))
        file.mux(stream.encode(None))
    return path


class Downloaded:
    """A container and its stream whose pictures come in the layouts that a GPU sends them in.

    Everything but the layout is software's: swscale interleaves the chroma and shifts 10 bits up,
    which changes no sample.
    """

    def __init__(self, container: Any, stream: Any, layout: str, shift: int = 0) -> None:
        self.container, self.stream, self.layout, self.shift = container, stream, layout, shift

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream if hasattr(self.stream, name) else self.container, name)

    def __enter__(self) -> Downloaded:
        return self

    def __exit__(self, *_: object) -> None:
        self.container.close()

    def close(self) -> None:
        self.container.close()

    def demux(self, _: object) -> Any:
        return self.container.demux(self.stream)

    def decode(self, what: Any) -> list[Any]:
        packets = self.demux(None) if what is self else [what]
        pictures = []
        for packet in packets:
            pictures += [p.reformat(format=self.layout) for p in self.stream.decode(packet)]
        for one in pictures if self.shift else ():
            plane = np.frombuffer(one.planes[0], np.uint8)
            plane[:] = np.roll(plane, self.shift)
        return pictures


class Stand(AcceleratedSource):
    """Software in NVDEC's place."""

    layout = "nv12"
    shift = 0

    def _open_accelerated(self, gpu: int) -> Any:
        both = Downloaded(*self._open(), self.layout, self.shift)
        return both, both


@pytest.mark.parametrize(
    ("codec", "pixel_format", "layout"),
    [("libx264", "yuv420p", "nv12"), ("libx265", "yuv420p10le", "p010le")],
)
def test_pictures_from_a_gpu_end_as_the_same_planes(
    codec: str, pixel_format: str, layout: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = encode(tmp_path / "clip.mp4", codec, pixel_format)
    monkeypatch.setattr(Stand, "layout", layout)
    with Stand(open_bytes(str(path)), None, "cuda") as source:
        assert (source.hwaccel, source.notices) == ("cuda", [])
        assert source.count() == 12
        assert_same(planes_of_all(source.frames()), software(path))


def test_a_first_picture_that_differs_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = encode(tmp_path / "clip.mp4", "libx264", "yuv420p")
    monkeypatch.setattr(Stand, "shift", 2)
    opened = open_bytes(str(path))
    with pytest.raises(DeviceError, match="first picture comes out otherwise"):
        Stand(opened, None, "cuda")
    opened.close()
    with Stand(open_bytes(str(path)), None, "auto") as source:
        assert "first picture comes out otherwise" in source.notices[0]
        assert_same(planes_of_all(source.frames()), software(path))


@pytest.mark.gpu
@pytest.mark.skipif(not HAS_NVDEC, reason="there is no GPU with NVDEC")
@pytest.mark.parametrize("pixel_format", ["yuv420p", "yuv420p10le"])
def test_nvdec_gives_what_software_gives(pixel_format: str, tmp_path: Path) -> None:
    path = encode(tmp_path / "clip.mp4", "libx265", pixel_format, frames=40)
    with open_source(str(path), hwaccel="auto") as source:
        if source.hwaccel == "none":
            pytest.skip(source.notices[0])
        assert_same(planes_of_all(source.frames()), software(path))
