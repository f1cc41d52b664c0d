"""Small clips of moving texture, with audio where it is wanted."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

from vmafsal.video.frame import Chroma, Frame, chroma_size


def drawn_frames(
    width: int, height: int, count: int, chroma: Chroma = "420", bits: int = 8
) -> list[Frame]:
    """Texture that moves to the right by a pixel a frame."""
    random = np.random.default_rng(8)
    scale = 1 << (bits - 8)
    dtype = np.uint8 if bits == 8 else np.uint16
    coarse = random.integers(40, 200, (-(-height // 4), -(-width // 4))).repeat(4, 0).repeat(4, 1)
    texture = (coarse[:height, :width] + random.integers(0, 40, (height, width))) * scale
    flat = () if chroma == "400" else (chroma_size(height, width, chroma),) * 2
    return [
        Frame(
            (
                np.roll(texture, index, 1).astype(dtype),
                *(np.full(size, 128 * scale, dtype) for size in flat),
            ),
            chroma,
            bits,
            index,
        )
        for index in range(count)
    ]


def write_clip(
    path: Path, frames: list[Frame], audio: str | None = None, tags: dict[str, Any] | None = None
) -> None:
    """A clip of 4:2:0 frames of 8 bits at 25 a second, nearly as they are, with a tone."""
    with av.open(str(path), "w") as container:
        video: Any = container.add_stream("libx264", rate=25, options={"qp": "8", "preset": "fast"})
        video.width, video.height, video.pix_fmt = frames[0].width, frames[0].height, "yuv420p"
        for name, value in (tags or {}).items():
            setattr(video.codec_context, name, value)
        sound: Any = container.add_stream(audio, rate=44100) if audio else None
        for frame in frames:
            picture = av.VideoFrame(frame.width, frame.height, "yuv420p")
            for plane, samples in zip(picture.planes, frame.planes, strict=True):
                memory: Any = plane
                rows = np.frombuffer(memory, np.uint8).reshape(samples.shape[0], -1)
                rows[:, : samples.shape[1]] = samples
            picture.pts, picture.time_base = frame.index, Fraction(1, 25)
            container.mux(video.encode(picture))
        if sound is not None:
            seconds = len(frames) / 25
            tone = np.sin(np.arange(int(44100 * seconds)) * 0.06).astype(np.float32) * 0.2
            for begin in range(0, len(tone) - 1024, 1024):
                samples = tone[None, begin : begin + 1024]
                block = av.AudioFrame.from_ndarray(samples, "fltp", "mono")
                block.sample_rate, block.pts = 44100, begin
                block.time_base = Fraction(1, 44100)
                container.mux(sound.encode(block))
            container.mux(sound.encode())
        container.mux(video.encode())
