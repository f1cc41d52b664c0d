"""Which frames of several logs belong together."""

from __future__ import annotations

from typing import Any

import pytest

from vmafsal.errors import InputError
from vmafsal.features.frame import FrameFeatures
from vmafsal.logs import Log, format_log, parse_precision
from vmafsal.logs.align import How, align, frames_skipped, shorten_ranges
from vmafsal.logs.join import join_logs
from vmafsal.logs.read import parse_log


def log_of(column: str, first: int, last: int, step: int = 1, **facts: Any) -> Log:
    """A log whose figure of frame n is n."""
    frames = [FrameFeatures(n, {column: float(n)}) for n in range(first, last + 1, step)]
    return Log(
        **({"version": "3.0.0", "fps": None, "width": 0, "height": 0} | facts), frames=frames
    )


def own(
    column: str,
    count: int,
    skip: int = 0,
    skip_ref: int = 0,
    step: int = 1,
    distorted: str = "dist.mp4",
    reference: str | None = None,
) -> Log:
    """A log of vmafsal of frames 0 to count - 1, whose figure is the frame of the video."""
    log = log_of(column, 0, count - 1, step, version="vmafsal 0.1.0")
    for frame in log.frames:
        frame.metrics[column] += skip
    log.vmafsal = {
        "settings": {"frame_skip_dist": skip, "frame_skip_ref": skip_ref},
        "input": {"reference": reference, "distorted": distorted},
    }
    return log


def refused(logs: dict[str, Log], how: How = "exact", **offset: int) -> str:
    with pytest.raises(InputError) as caught:
        align(logs, offset, how)
    return str(caught.value)


def test_own_logs_align_by_what_was_skipped() -> None:
    joined = join_logs({"cut": own("saliency_mean", 10, skip=5), "whole": own("psnr_y", 15)})
    assert [frame.index for frame in joined.frames] == list(range(5, 15))
    assert all(f.metrics == {"saliency_mean": f.index, "psnr_y": f.index} for f in joined.frames)
    assert joined.vmafsal is not None
    assert joined.vmafsal["join"]["logs"][0]["offset"] == 5
    assert joined.vmafsal["join"]["notices"] == [
        "cut begins with frame 5 of its video, so its frame 0 was joined as frame 5.",
        "whole: frames 0-4 left out, which not all logs hold.",
    ]


def test_own_logs_that_skip_the_same_need_nothing() -> None:
    alignment = align({"a": own("a", 10, skip=5), "b": own("b", 10, skip=5)}, {}, "exact")
    assert alignment.offsets == {"a": 0, "b": 0}
    assert alignment.notices == []


def test_a_join_of_own_logs_says_what_it_skips() -> None:
    first = join_logs({"a": own("a", 10, skip=5), "b": own("b", 12, skip=3)})
    assert [frame.index for frame in first.frames] == list(range(2, 12))
    assert frames_skipped(first) == {"distorted": 3, "reference": 0 - 2}
    text = format_log(first, "json", parse_precision(None))
    again = join_logs({"ab": parse_log(text, "ab"), "c": own("c", 20)})
    assert [frame.index for frame in again.frames] == list(range(5, 15))
    assert all(f.metrics == {"a": f.index, "b": f.index, "c": f.index} for f in again.frames)


def test_logs_of_two_encodes_align_by_their_reference() -> None:
    low = own("low", 10, skip=7, skip_ref=2, distorted="low.mp4", reference="/videos/ref.mp4")
    high = own("high", 12, distorted="high.mp4", reference="ref.mp4")
    assert align({"low": low, "high": high}, {}, "exact").offsets == {"low": 2, "high": 0}
    high.vmafsal = own("high", 12, distorted="high.mp4").vmafsal
    assert align({"low": low, "high": high}, {}, "exact").offsets == {"low": 7, "high": 0}


@pytest.mark.parametrize("how", ["exact", "inner"])
def test_own_cut_log_beside_a_whole_log_of_vmaf(how: How) -> None:
    logs = {"score.json": own("saliency_mean", 250, skip=50), "vmaf.json": log_of("vmaf", 0, 299)}
    assert refused(logs, how) == (
        "score.json begins with frame 50 of its video, and vmaf.json holds 50 frames more. "
        "If vmaf.json is of the whole video, join with --offset score.json=50. "
        "If both begin with the same frame, join with --offset score.json=0 --how inner."
    )
    joined = join_logs(logs, how, offset={"score.json": 50})
    assert [frame.index for frame in joined.frames] == list(range(50, 300))
    assert all(f.metrics == {"saliency_mean": f.index, "vmaf": f.index} for f in joined.frames)
    assert joined.vmafsal is not None
    assert joined.vmafsal["join"]["notices"] == [
        "vmaf.json: frames 0-49 left out, which not all logs hold."
    ]
    kept = join_logs(logs, "inner", offset={"score.json": 0})
    assert [frame.index for frame in kept.frames] == list(range(250))


def test_own_cut_log_beside_a_log_of_vmaf_that_was_cut_too() -> None:
    logs = {"score.json": own("saliency_mean", 250, skip=50), "vmaf.json": log_of("vmaf", 0, 249)}
    alignment = align(logs, {}, "exact")
    assert alignment.frames == list(range(250))
    assert alignment.notices == [
        "score.json begins with frame 50 of its video, and vmaf.json was taken to begin there too. "
        "If it is of the whole video, join with --offset score.json=50."
    ]
    logs["score.json"] = own("saliency_mean", 250, skip=50, step=3)
    assert align(logs, {}, "inner").frames == list(range(0, 250, 3))


def test_log_of_ffmpeg_ss_beside_a_whole_one() -> None:
    logs = {"score.json": own("saliency_mean", 300), "vmaf.json": log_of("vmaf", 0, 249)}
    assert refused(logs) == (
        "The logs do not hold the same frames: vmaf.json lacks frames 250-299. "
        "If vmaf.json was cut at its beginning (ffmpeg -ss, --frame_skip_dist), join with "
        "--offset vmaf.json=50. If it was cut at its end: use --how inner to join the 250 that "
        "all of them hold."
    )
    moved = align(logs, {"vmaf.json": 50}, "exact")
    assert moved.frames == list(range(50, 300))
    assert moved.notices == ["score.json: frames 0-49 left out, which not all logs hold."]
    inner = align(logs, {}, "inner")
    assert inner.frames == list(range(250))
    assert inner.notices == [
        "score.json: frames 250-299 left out, which not all logs hold.",
        "If vmaf.json was cut at its beginning (ffmpeg -ss, --frame_skip_dist), join with "
        "--offset vmaf.json=50.",
    ]


def test_gaps_are_still_refused_where_a_log_is_moved() -> None:
    cut = log_of("vmaf", 0, 20)
    del cut.frames[4]
    message = refused({"a": own("a", 31), "b": cut}, b=10)
    assert message.startswith("The logs do not hold the same frames: b lacks frame 14. Use --how")


@pytest.mark.parametrize("how", ["exact", "inner"])
@pytest.mark.parametrize("step", [1, 3])
def test_log_that_counts_from_1(how: How, step: int) -> None:
    logs = {"score.json": own("s", 10, step=step), "n.csv": log_of("vmaf", 1, 10, step, version="")}
    assert refused(logs, how) == (
        "n.csv counts frames from 1, and score.json from 0, so that figures would stand one frame "
        "off. Join with --offset n.csv=-1."
    )
    joined = join_logs(logs, how, offset={"n.csv": -1})
    assert [frame.index for frame in joined.frames] == list(range(0, 10, step))
    assert all(f.metrics == {"s": f.index, "vmaf": f.index + 1} for f in joined.frames)


def test_several_logs_that_count_from_1() -> None:
    message = refused({"a": own("a", 10), "b": log_of("b", 1, 10), "c": log_of("c", 1, 10)})
    assert message.endswith("Join with --offset b=-1 --offset c=-1.")
    both = {"b": log_of("b", 1, 10), "c": log_of("c", 1, 10)}
    assert align(both, {}, "exact").frames == list(range(1, 11))


@pytest.mark.parametrize("how", ["exact", "inner"])
def test_log_that_may_count_from_1(how: How) -> None:
    logs = {"a.json": own("a", 10), "b.csv": log_of("b", 1, 9)}
    assert refused(logs, how) == (
        "b.csv begins with frame 1, and a.json with frame 0. If it counts from 1, join with "
        "--offset b.csv=-1. If it only lacks frame 0, join with --offset b.csv=0 --how inner."
    )
    assert align(logs, {"b.csv": 0}, "inner").frames == list(range(1, 10))
    assert "lacks frame 0. Use --how inner" in refused(logs, "exact", **{"b.csv": 0})


def test_own_log_without_its_first_frame_does_not_count_from_1() -> None:
    damaged = own("a", 10)
    del damaged.frames[0]
    assert align({"a": damaged, "b": own("b", 10)}, {}, "inner").frames == list(range(1, 10))


def test_offset_that_leaves_numbers_below_0() -> None:
    logs = {"a": log_of("a", 0, 9), "b": log_of("b", 0, 9)}
    assert "begin at -3" in refused(logs, a=-3, b=-3)
    assert "no frame in common" in refused(logs, a=100)


@pytest.mark.parametrize(
    "facts",
    [
        {"settings": None},
        {"settings": {"frame_skip_dist": "5"}},
        {"settings": {"frame_skip_dist": True}},
        {"settings": {"frame_skip_dist": -5}},
        {"join": {"logs": None}},
        {"join": {"logs": [None, 3, {"vmafsal": 3}, {"vmafsal": {}, "offset": "x"}]}},
        {"settings": [], "input": 3, "join": "x"},
    ],
)
def test_provenance_of_another_shape_says_nothing(facts: dict[str, Any]) -> None:
    log = log_of("a", 0, 9, vmafsal=facts)
    assert frames_skipped(log) == {}
    assert align({"a": log, "b": own("b", 10)}, {}, "exact").frames == list(range(10))


@pytest.mark.parametrize(
    ("numbers", "text"),
    [
        ([4], "frame 4"),
        ([5, 4], "frames 4-5"),
        ([0, 2, 3, 9], "frames 0, 2-3, 9"),
        ([0, 2, 4, 6, 8], "frames 0, 2, 4, 6, 8"),
        ([0, 2, 4, 6, 8, 10, 11], "frames 0, 2, 4, 6, 8 and 2 more"),
        (range(1, 3000, 3), "frames 1, 4, 7, 10, 13 and 995 more"),
    ],
)
def test_ranges_are_shortened(numbers: Any, text: str) -> None:
    assert shorten_ranges(numbers) == text
