"""The summary survives crashes, and a record holds only for what it was made of."""

from __future__ import annotations

import json
import os
import time
from dataclasses import replace
from pathlib import Path

import pytest

from tests.conftest import draw_yuv
from vmafsal.errors import InputError, OutputError, UsageError
from vmafsal.library.manifest import Clip, read_clips
from vmafsal.library.record import Digest, Record, digest_inputs, still_holds
from vmafsal.library.run import describe_models, take_shard
from vmafsal.library.score import ClipScorer, ScoreClip
from vmafsal.library.summary import Summary, read_records

SIZE = {"width": 64, "height": 48}


def record(output: str, frames: int = 1) -> Record:
    return Record(
        output=output, distorted="d.mp4", reference=None, status="done", frames=frames, inputs={}
    )


def test_records_are_appended_and_the_last_of_each_stays(tmp_path: Path) -> None:
    with Summary(str(tmp_path)) as summary:
        for frames, output in enumerate("bab"):
            summary.append(record(output, frames))
        lines = (tmp_path / "summary.jsonl").read_text().splitlines()
        assert [json.loads(line)["output"] for line in lines] == ["b", "a", "b"]
    lines = (tmp_path / "summary.jsonl").read_text().splitlines()
    assert [(json.loads(line)["output"], json.loads(line)["frames"]) for line in lines] == [
        *(("a", 1), ("b", 2)),
    ]


def test_a_torn_line_is_passed_over_and_spoils_nothing(tmp_path: Path) -> None:
    path = tmp_path / "summary.jsonl"
    with Summary(str(tmp_path)) as summary:
        summary.append(record("a"))
    whole = path.read_bytes()
    for rest in (b'{"output": "b", "dis', b"\xff\x00", b'{"output": 3}\n', b"[]\n3\n"):
        path.write_bytes(whole + rest)
        with Summary(str(tmp_path)) as summary:
            assert list(summary.records) == ["a"]
            summary.append(record("c"))
            assert set(read_records(tmp_path)) == {"a", "c"}
        assert len(path.read_text().splitlines()) == 2


def test_two_runs_do_not_share_a_summary_but_shards_share_a_folder(tmp_path: Path) -> None:
    with Summary(str(tmp_path), "summary-1-of-2.jsonl") as first:
        first.append(record("a"))
        with pytest.raises(UsageError, match="Another run"):
            Summary(str(tmp_path), "summary-1-of-2.jsonl")
        with Summary(str(tmp_path), "summary-2-of-2.jsonl") as second:
            assert list(second.records) == ["a"]
            second.append(record("b"))
    with Summary(str(tmp_path)) as third:
        assert set(third.records) == {"a", "b"}
    # Each file keeps to its own clips.
    assert len((tmp_path / "summary-2-of-2.jsonl").read_text().splitlines()) == 1


def test_leftovers_of_dead_runs_go_those_of_live_ones_stay(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    left = [tmp_path / ".vmafsal-1.tmp", tmp_path / "deep" / ".vmafsal-2.tmp"]
    kept = tmp_path / "notes.tmp"
    for path in (*left, kept):
        path.touch()
    shard = "summary-1-of-2.jsonl"
    with Summary(str(tmp_path), shard), Summary(str(tmp_path)) as summary:
        summary.remove_leftovers(["deep/x.json"])
        assert all(path.exists() for path in left)
    with Summary(str(tmp_path)) as summary:
        summary.remove_leftovers(["deep/x.json"], shared=True)
        assert all(path.exists() for path in left)
        os.utime(left[0], (0, time.time() - 7200))
        summary.remove_leftovers(["deep/x.json"], shared=True)
        assert [path.exists() for path in left] == [False, True]
        summary.remove_leftovers(["deep/x.json"])
        assert not left[1].exists()
    assert kept.exists()


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="file"):
        Summary(str(tmp_path / "file"))


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
    task = ScoreClip(clip, known, describe_models([clip])[clip.job.features])
    answer = ClipScorer(str(out), digest, 1).do(task, lambda done, total, fps: None)
    assert answer is None or isinstance(answer, Record)
    return answer


def test_a_record_holds_until_something_changes(scored: tuple[Clip, Record, Path]) -> None:
    clip, done, out = scored
    assert score(clip, out, done) is None
    assert score(clip, out, done, "full") is None
    for other in (
        replace(clip, precision="max"),
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


def test_a_log_that_agrees_in_bytes_alone(scored: tuple[Clip, Record, Path]) -> None:
    clip, done, out = scored
    features = describe_models([clip])[clip.job.features]
    inputs = digest_inputs(clip.job, "ends")
    assert still_holds(done, clip, str(out), inputs, features)
    shifted = {name: {**values, "mean": 0.9} for name, values in done.pooled.items()}
    for wrong in (
        replace(done, frames=3),
        replace(done, pooled=shifted),
        replace(done, pooled={}),
        replace(done, status="failed"),
        replace(done, version="0.0.1"),
        replace(done, features={**features, "saliency_mean": {"sha256": "0"}}),
        None,
    ):
        assert not still_holds(wrong, clip, str(out), inputs, features)


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
    with pytest.raises(InputError, match="no regular file"):
        digest_inputs(replace(clip.job, distorted=str(pipe)), "ends")


def test_shards_share_out_every_clip_once(tmp_path: Path) -> None:
    for number in range(7):
        (tmp_path / f"{number}.mp4").touch()
    clips = read_clips([str(tmp_path / "*.mp4")], "out")
    parts = [take_shard(clips, f"{part}/3") for part in (1, 2, 3)]
    assert [len(part) for part in parts] == [3, 2, 2]
    assert sorted(clip.output for part in parts for clip in part) == [clip.output for clip in clips]
    for text in ("0/3", "4/3", "1", "1/", "a/b", "1/0", "-1/3", ""):
        with pytest.raises(UsageError, match="--shard"):
            take_shard(clips, text)
