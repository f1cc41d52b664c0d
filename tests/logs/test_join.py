"""Join: nothing shifts, nothing is overwritten, and the figures are right."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from vmafsal.errors import InputError, UsageError
from vmafsal.features.frame import FrameFeatures
from vmafsal.logs import Log
from vmafsal.logs.join import join_logs
from vmafsal.logs.read import read_log
from vmafsal.logs.stats import correlations

GOLDEN = Path(__file__).parents[1] / "golden"
CLIP = "synthetic_64x48_yuv420p_8f__"
SALIENCY = str(GOLDEN / f"{CLIP}mobilesal.json")
STUDENT = str(GOLDEN / f"{CLIP}saliency_student_v1.json")
VMAF = str(GOLDEN / f"{CLIP}vmaf_psnr.json")


def log_of(column: str, values: dict[int, float], **facts: Any) -> Log:
    frames = [FrameFeatures(index, {column: value}) for index, value in values.items()]
    return Log(**({"version": "x", "fps": None, "width": 0, "height": 0, "frames": frames} | facts))


def test_columns_of_all_logs_stand_side_by_side() -> None:
    joined = join_logs({"score.json": read_log(SALIENCY), "vmaf.json": read_log(VMAF)})
    assert joined.feature_names[:2] == ["saliency_mean", "integer_adm2"]
    assert len(joined.feature_names) == 19
    assert [frame.index for frame in joined.frames] == list(range(8))
    assert joined.frames[3].metrics["saliency_mean"] == 0.494051
    assert joined.frames[3].metrics["vmaf"] == 100.0


def test_pooled_values_are_those_of_the_parts() -> None:
    parts = {"a": read_log(SALIENCY), "b": read_log(VMAF)}
    pooled = join_logs(parts).pooled()
    assert pooled == parts["a"].pooled() | parts["b"].pooled()
    recorded = json.loads(Path(VMAF).read_text())["pooled_metrics"]
    for name, figures in recorded.items():
        assert pooled[name] == pytest.approx(figures, abs=1.5e-6)


def test_pooled_values_cover_the_joined_frames_alone() -> None:
    joined = join_logs(
        {
            "a": log_of("saliency_mean", {1: 0.0, 2: 0.5, 3: 1.0}),
            "b": log_of("vmaf", {2: 50.0, 3: 70.0, 4: 90.0}),
        },
        how="inner",
    )
    assert [frame.index for frame in joined.frames] == [2, 3]
    assert joined.pooled()["vmaf"]["mean"] == 60.0
    assert joined.pooled()["saliency_mean"]["min"] == 0.5


def test_frames_join_by_number_not_by_place() -> None:
    joined = join_logs(
        {
            "a": log_of("a", {0: 0.0, 3: 3.0, 6: 6.0}),
            "b": log_of("b", {index: 10.0 + index for index in range(9)}),
        },
        how="inner",
    )
    assert [frame.metrics for frame in joined.frames] == [
        {"a": 0.0, "b": 10.0},
        {"a": 3.0, "b": 13.0},
        {"a": 6.0, "b": 16.0},
    ]


def test_missing_frames_are_listed() -> None:
    logs = {
        "a.json": log_of("a", dict.fromkeys(range(10), 0.0)),
        "b.json": log_of("b", {index: 0.0 for index in range(12) if index not in (2, 3, 4, 7)}),
    }
    with pytest.raises(InputError) as caught:
        join_logs(logs)
    assert str(caught.value) == (
        "The logs do not hold the same frames: a.json lacks frames 10-11; "
        "b.json lacks frames 2-4, 7. Use --how inner to join the 6 that all of them hold."
    )


@pytest.mark.parametrize("how", ["exact", "inner"])
def test_no_common_frame(how: Any) -> None:
    logs = {"a.json": log_of("a", {0: 0.0}), "b.json": log_of("b", {1: 0.0, 2: 0.0})}
    with pytest.raises(InputError, match=r"a\.json holds frame 0; b\.json holds frames 1-2"):
        join_logs(logs, how=how)


def test_collision_is_refused_even_of_equal_values() -> None:
    logs = {"a.json": read_log(SALIENCY), "b.json": read_log(SALIENCY)}
    with pytest.raises(InputError) as caught:
        join_logs(logs)
    assert str(caught.value) == (
        "a.json and b.json hold the same columns: saliency_mean. Tell them apart with "
        "--suffix b.json=TAG, or keep one with --take saliency_mean=a.json."
    )


def test_many_collisions_are_counted() -> None:
    logs = {"a.json": read_log(VMAF), "s.json": read_log(SALIENCY), "b.json": read_log(VMAF)}
    with pytest.raises(InputError, match=r"a\.json and b\.json hold .* and 13 more columns\. Tell"):
        join_logs(logs)


def test_suffix() -> None:
    logs = {"a": read_log(SALIENCY), "b": read_log(STUDENT), "c": read_log(VMAF)}
    joined = join_logs(logs, suffix={"b": "v1", "c": "low"})
    assert joined.feature_names[:3] == ["saliency_mean", "saliency_mean_v1", "integer_adm2_low"]
    assert joined.frames[0].metrics["saliency_mean_v1"] == logs["b"].column("saliency_mean")[0]


def test_take() -> None:
    logs = {
        "a": log_of("psnr_y", {0: 30.0}),
        "b": log_of("psnr_y", {0: 31.0}),
        "c": log_of("psnr_y", {0: 32.0}),
    }
    assert join_logs(logs, take={"psnr_y": "b"}).frames[0].metrics == {"psnr_y": 31.0}
    with pytest.raises(InputError, match="b and c hold the same columns: psnr_y"):
        join_logs(logs, suffix={"a": "x"})


def test_rename() -> None:
    logs = {"a": log_of("saliency_mean", {0: 0.5}), "b": log_of("vmaf", {0: 90.0})}
    joined = join_logs(logs, rename={"vmaf": "vmaf_salient"})
    assert joined.frames[0].metrics == {"saliency_mean": 0.5, "vmaf_salient": 90.0}
    assert joined.vmafsal is not None
    assert joined.vmafsal["join"]["logs"][1]["rename"] == {"vmaf": "vmaf_salient"}


def test_rename_in_one_log() -> None:
    logs = {"a": log_of("vmaf", {0: 80.0}), "b": log_of("vmaf", {0: 90.0})}
    joined = join_logs(logs, rename={"b:vmaf": "vmaf_salient"})
    assert joined.frames[0].metrics == {"vmaf": 80.0, "vmaf_salient": 90.0}
    with pytest.raises(UsageError) as caught:
        join_logs(logs, rename={"vmaf": "vmaf_salient"})
    assert str(caught.value) == (
        "a and b hold a column vmaf: say which one is meant with --rename b:vmaf=vmaf_salient."
    )
    joined = join_logs(logs, suffix={"b": "x"}, rename={"vmaf_x": "y"})
    assert joined.frames[0].metrics == {"vmaf": 80.0, "y": 90.0}


def test_rename_of_what_is_not_there_or_to_what_is() -> None:
    logs = {"a": log_of("x", {0: 0.0}), "b": log_of("y", {0: 0.0})}
    with pytest.raises(UsageError, match="--rename names z, and no log holds a column"):
        join_logs(logs, rename={"z": "w"})
    logs["a"].frames[0].metrics["w"] = 1.0
    with pytest.raises(UsageError, match="a would hold two columns named w"):
        join_logs(logs, rename={"x": "w"})
    with pytest.raises(InputError, match="a and b hold the same columns: x"):
        join_logs(logs, rename={"y": "x"})


def test_times_are_kept() -> None:
    a, b = log_of("x", {0: 0.0, 1: 1.0}), log_of("y", {0: 0.0, 1: 1.0})
    b.frames = [FrameFeatures(f.index, f.metrics, pts_time=f.index / 25) for f in b.frames]
    joined = join_logs({"a": a, "b": b})
    assert [frame.pts_time for frame in joined.frames] == [0.0, 0.04]


def test_names_that_are_not_there() -> None:
    logs = {"a": log_of("x", {0: 0.0}), "b": log_of("y", {0: 0.0})}
    with pytest.raises(UsageError, match="--suffix names c, which is none of the logs: a, b"):
        join_logs(logs, suffix={"c": "tag"})
    with pytest.raises(UsageError, match="--take names c"):
        join_logs(logs, take={"x": "c"})
    with pytest.raises(UsageError, match="b has no column x to take"):
        join_logs(logs, take={"x": "b"})
    with pytest.raises(UsageError, match="two logs or more"):
        join_logs({"a": logs["a"]})


def test_facts() -> None:
    joined = join_logs(
        {
            "a": log_of("x", {0: 0.0}, version="3.0.0"),
            "b": log_of("y", {0: 0.0}, fps=5.0, width=64, height=48, vmafsal={"model": "m"}),
        },
        suffix={"a": "t"},
    )
    assert (joined.fps, joined.width, joined.height) == (5.0, 64, 48)
    assert joined.version.startswith("vmafsal ")
    assert joined.vmafsal == {
        "join": {
            "how": "exact",
            "logs": [
                {"file": "a", "version": "3.0.0", "frames": 1, "suffix": "t"},
                {"file": "b", "version": "x", "frames": 1, "vmafsal": {"model": "m"}},
            ],
        }
    }


def test_figures_of_the_whole_clip() -> None:
    a = log_of("x", {0: 0.0, 1: 0.0}, aggregate={"whole": 1.0})
    b = log_of("y", {0: 0.0, 1: 0.0}, aggregate={"whole": 2.0})
    assert join_logs({"a": a, "b": b}, suffix={"b": "t"}).aggregate == {"whole": 1, "whole_t": 2}
    with pytest.raises(InputError, match="different figures of the whole clip named whole"):
        join_logs({"a": a, "b": b})
    b.frames.pop()
    assert join_logs({"a": a, "b": b}, how="inner").aggregate == {}


def test_a_frame_without_one_of_the_figures() -> None:
    a = log_of("x", {0: 0.0, 1: 1.0})
    a.frames[0].metrics.clear()
    joined = join_logs({"a": a, "b": log_of("y", {0: 5.0, 1: 6.0})})
    assert [frame.metrics for frame in joined.frames] == [{"y": 5.0}, {"x": 1.0, "y": 6.0}]
    assert joined.pooled()["x"]["min"] == 1.0


# --- correlations


def test_correlations_of_each_saliency_column_with_each_other_column() -> None:
    log = Log(
        version="x",
        fps=None,
        width=0,
        height=0,
        frames=[
            FrameFeatures(n, {"vmaf": y, "saliency_mean": x, "saliency_mean_b": 4 - x, "zero": 0})
            for n, (x, y) in enumerate([(1, 3), (2, 5), (3, 4), (4, 8)])
        ],
    )
    pairs = correlations(log)
    assert [(pair.saliency, pair.other) for pair in pairs] == [
        ("saliency_mean", "vmaf"),
        ("saliency_mean", "saliency_mean_b"),
        ("saliency_mean", "zero"),
        ("saliency_mean_b", "vmaf"),
        ("saliency_mean_b", "zero"),
    ]
    # By hand: 7 / sqrt(5 * 14), and 1 - 6 * 2 / (4 * 15).
    assert pairs[0].correlation.pearson == pytest.approx(7 / math.sqrt(70))
    assert pairs[0].correlation.spearman == pytest.approx(0.8)
    assert pairs[1].correlation.pearson == pytest.approx(-1.0)
    assert pairs[2].correlation == (None, None, 4)


def test_no_saliency_column() -> None:
    assert correlations(read_log(VMAF)) == []


def test_agrees_with_pandas_on_real_logs() -> None:
    pandas = pytest.importorskip("pandas")
    joined = join_logs({"a": read_log(SALIENCY), "b": read_log(VMAF)})
    table = pandas.DataFrame([frame.metrics for frame in joined.frames])
    pairs = correlations(joined)
    assert len(pairs) == 18
    for pair in pairs:
        ranks = table.rank()
        pearson = table[pair.saliency].corr(table[pair.other])
        spearman = ranks[pair.saliency].corr(ranks[pair.other])
        assert pair.correlation.pearson == pytest.approx(pearson, abs=1e-9)
        assert pair.correlation.spearman == pytest.approx(spearman, abs=1e-9)
