"""A clip is done again where something that its numbers depend on changed, and only there."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import onnx
import pytest

from tests.conftest import draw_yuv
from tests.networks import student
from vmafsal.errors import InputError
from vmafsal.job import Feature
from vmafsal.library.clips import Clip, read_clips
from vmafsal.library.identity import digest_inputs, is_current
from vmafsal.library.plan import load_models
from vmafsal.library.record import Digest, Record
from vmafsal.library.scorer import ClipScorer
from vmafsal.library.tasks import ScoreClip

SIZE = {"width": 64, "height": 48}


@pytest.fixture
def scored(tmp_path: Path) -> tuple[Clip, Record, Path]:
    """A clip, its record, and the folder of its log."""
    video = tmp_path / "d.yuv"
    video.write_bytes(draw_yuv(4, 48, 64))
    out = tmp_path / "out"
    (clip,) = read_clips([str(video)], str(out), {**SIZE, "csv": True})
    done = score(clip, out, None, "full")
    assert done is not None
    assert (done.status, done.frames) == ("done", 4)
    return clip, done, out


def score(clip: Clip, out: Path, known: Record | None, digest: Digest = "ends") -> Record | None:
    task = ScoreClip(clip, known, load_models([clip]).features[clip.job.features])
    answer = ClipScorer(str(out), digest, 1).do(task, lambda done, total, fps: None)
    assert answer is None or isinstance(answer, Record)
    return answer


def test_a_record_holds_until_something_changes(scored: tuple[Clip, Record, Path]) -> None:
    clip, done, out = scored
    assert score(clip, out, done) is None
    assert score(clip, out, done, "full") is None
    for other in (
        replace(clip, precision="max"),
        replace(clip, times=True),
        replace(clip, format="sub"),
        replace(clip, job=replace(clip.job, subsample=2)),
        replace(clip, job=replace(clip.job, frame_cnt=3)),
    ):
        assert score(other, out, done) is not None
    # The last of those left another log behind.
    assert score(clip, out, done) is not None


@pytest.mark.parametrize("damage", ["cut", "gone", "edited", "empty"])
def test_a_log_that_is_not_the_recorded_one(scored: tuple[Clip, Record, Path], damage: str) -> None:
    clip, done, out = scored
    log = out / clip.output
    text = log.read_text()
    log.write_text(
        {"cut": text[:-20], "edited": text.replace(",0.", ",0.9", 1)}.get(damage, ""),
    )
    if damage == "gone":
        log.unlink()
    again = score(clip, out, done)
    assert again is not None
    assert again.status == "done"
    assert log.read_text() == text


def test_everything_that_changes_a_number_counts(scored: tuple[Clip, Record, Path]) -> None:
    clip, done, out = scored
    features = load_models([clip]).features[clip.job.features]
    inputs = digest_inputs(clip.job, "ends")

    def current(record: Record | None, auto: str = "CPUExecutionProvider", **job: Any) -> bool:
        asked = replace(clip, job=replace(clip.job, **job))
        return is_current(record, asked, str(out), inputs, features, lambda: auto)

    assert current(done)
    model = features["saliency_mean"]
    for other in (
        replace(done, status="failed"),
        replace(done, versions={**done.versions, "vmafsal": "0.0.1"}),
        replace(done, versions={**done.versions, "onnxruntime": "0.0.1"}),
        replace(done, versions={**done.versions, "av": "0.0.1"}),
        replace(done, provider="CUDAExecutionProvider"),
        replace(done, provider=None),
        replace(done, features={"saliency_mean": {**model, "digest": "0"}}),
        replace(done, features={"saliency_mean": {**model, "output_name": "other"}}),
        replace(done, features={"saliency_mean": {**model, "range": "full"}}),
        replace(done, features={"saliency_mean": model, "saliency_mean_b": model}),
        replace(done, inputs={}),
        None,
    ):
        assert not current(other)
    assert not current(done, hwaccel="auto")


def test_what_changes_no_number_does_not_count(scored: tuple[Clip, Record, Path]) -> None:
    clip, done, out = scored
    features = load_models([clip]).features[clip.job.features]
    inputs = digest_inputs(clip.job, "ends")
    renamed = {"saliency_mean": {**features["saliency_mean"], "model": "another name"}}
    asked = replace(clip, job=replace(clip.job, threads=1), place="elsewhere")
    assert is_current(done, asked, str(out), inputs, renamed, lambda: str(done.provider))


def test_a_device_counts_by_the_provider_that_runs(scored: tuple[Clip, Record, Path]) -> None:
    clip, done, out = scored
    features = load_models([clip]).features[clip.job.features]
    inputs = digest_inputs(clip.job, "ends")

    def current(device: str, provider: str, auto: str = "") -> bool:
        asked = replace(clip, job=replace(clip.job, device=device))
        record = replace(done, provider=provider)
        return is_current(record, asked, str(out), inputs, features, lambda: auto)

    assert current("cpu", "CPUExecutionProvider")
    assert current("cuda:1", "CUDAExecutionProvider")
    assert current("tensorrt", "TensorrtExecutionProvider")
    assert current("auto", "CUDAExecutionProvider", "CUDAExecutionProvider")
    assert not current("cuda", "CPUExecutionProvider")
    assert not current("cpu", "CUDAExecutionProvider")
    assert not current("auto", "CUDAExecutionProvider", "CPUExecutionProvider")


def test_external_weights_count(scored: tuple[Clip, Record, Path], tmp_path: Path) -> None:
    clip, _, out = scored
    student(tmp_path / "my.onnx")
    proto = onnx.load(tmp_path / "my.onnx")
    onnx.save(
        proto,
        tmp_path / "my.onnx",
        save_as_external_data=True,
        location="my.bin",
        size_threshold=0,
    )
    clip = replace(
        clip, job=replace(clip.job, features=(Feature(model_path=str(tmp_path / "my.onnx")),))
    )
    done = score(clip, out, None)
    assert done is not None
    assert done.status == "done", done.error
    assert score(clip, out, done) is None
    weights = bytearray((tmp_path / "my.bin").read_bytes())
    weights[1] ^= 1
    (tmp_path / "my.bin").write_bytes(weights)
    assert score(clip, out, done) is not None


def test_changes_of_the_video_are_seen(tmp_path: Path) -> None:
    video = tmp_path / "d.yuv"
    data = bytearray(draw_yuv(1, 48, 64) * 700)  # 3 MiB
    video.write_bytes(data)
    (clip,) = read_clips([str(video)], str(tmp_path / "out"), SIZE)
    before = digest_inputs(clip.job, "full")
    times = os.stat(video)

    def change(place: int) -> None:
        data[place] ^= 1
        video.write_bytes(data)
        os.utime(video, ns=(times.st_atime_ns, times.st_mtime_ns))

    def differs(digest: Digest) -> bool:
        now = digest_inputs(clip.job, digest)["distorted"]
        return any(before["distorted"][key] != value for key, value in now.items())

    assert not differs("full")
    for place in (0, len(data) - 1):
        change(place)
        assert differs("ends")
        change(place)
    change(len(data) // 2)
    assert not differs("ends")  # which is why there is the other one
    assert differs("full")
    change(len(data) // 2)
    os.utime(video)
    assert differs("ends")


def test_a_touched_video_is_read_to_the_end_where_its_digest_is_known(
    scored: tuple[Clip, Record, Path],
) -> None:
    clip, full, out = scored
    ends = score(clip, out, None, "ends")
    assert ends is not None
    os.utime(clip.job.distorted, ns=(1, 1))
    assert score(clip, out, full, "full") is None
    assert score(clip, out, full, "ends") is None
    # Its middle may have changed, as far as this record tells.
    assert score(clip, out, ends, "ends") is not None


def test_a_record_without_the_full_digest_does_not_answer_for_it(
    scored: tuple[Clip, Record, Path],
) -> None:
    clip, _, out = scored
    short = score(clip, out, None, "ends")
    assert short is not None
    assert score(clip, out, short, "ends") is None
    assert score(clip, out, short, "full") is not None


def test_a_pipe_is_no_clip_that_can_be_done_again(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe.yuv"
    os.mkfifo(pipe)
    video = tmp_path / "d.yuv"
    video.touch()
    (clip,) = read_clips([str(video)], str(tmp_path / "out"), SIZE)
    with pytest.raises(InputError, match="not a regular file"):
        digest_inputs(replace(clip.job, distorted=str(pipe)), "ends")
