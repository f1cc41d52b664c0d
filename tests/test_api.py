"""extract() and what it returns."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import vmafsal
from tests.conftest import PLACEHOLDER, ROOT, draw_yuv
from tests.networks import student
from vmafsal import FrameFeatures, Run, extract
from vmafsal.errors import InputError, UsageError
from vmafsal.job import Job, build_job

DEMO = ROOT / "fixtures" / "yuv"


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    path = tmp_path / "clip.yuv"
    path.write_bytes(draw_yuv(5, 48, 64))
    return path


def test_facts_come_before_the_first_frame(clip: Path) -> None:
    with extract(clip, model=PLACEHOLDER, width=64, height=48) as result:
        assert isinstance(result, Run)
        assert (result.info.width, result.info.height, result.frame_count) == (64, 48, 5)
        assert result.provider == "CPUExecutionProvider"
        assert result.models["saliency_mean"].id == "mobilesal_placeholder_v0"
        assert result.frames == []
        first = next(iter(result))
        assert isinstance(first, FrameFeatures)
        assert first.index == 0
        assert result.frames == [first]
        # Going on takes up where it was left.
        assert [frame.index for frame in result] == [1, 2, 3, 4]


def test_to_json_is_the_log(clip: Path) -> None:
    result = extract(clip, model=PLACEHOLDER, width=64, height=48)
    log = json.loads(result.to_json("max"))
    assert [frame["metrics"] for frame in log["frames"]] == [f.metrics for f in result.frames]
    assert log["vmafsal"]["versions"]["vmafsal"] == vmafsal.__version__


def test_to_pandas(clip: Path) -> None:
    table = extract(clip, model=PLACEHOLDER, width=64, height=48, subsample=2).to_pandas()
    assert table.index.name == "frameNum"
    assert list(table.index) == [0, 2, 4]
    assert list(table.columns) == ["saliency_mean"]


def test_to_pandas_holds_times_where_they_are_known() -> None:
    table = extract(DEMO / "demo_dist.mp4", model=PLACEHOLDER, frame_cnt=2).to_pandas()
    assert list(table.columns) == ["pts_time", "saliency_mean"]
    assert table["pts_time"].tolist() == pytest.approx([0.0, 1 / 24])


def test_several_models(clip: Path, tmp_path: Path) -> None:
    models = {"": PLACEHOLDER, "b": student(tmp_path / "m.onnx")}
    frames = extract(clip, model=models, width=64, height=48).read().frames
    assert list(frames[0].metrics) == ["saliency_mean", "saliency_mean_b"]


def test_psnr_is_the_command_lines(clip: Path, tmp_path: Path) -> None:
    reference = tmp_path / "ref.yuv"
    reference.write_bytes(draw_yuv(5, 48, 64, seed=3))
    size: dict[str, Any] = {"width": 64, "height": 48, "model": PLACEHOLDER}
    run = extract(clip, reference, feature=["mobilesal", "psnr"], stats=True, **size)
    found = json.loads(run.to_json("max"))["frames"]
    path = str(PLACEHOLDER).replace(":", "\\:")
    features = [f"mobilesal=stats=true:model_path={path}", f"psnr=model_path={path}"]
    job = build_job(
        distorted=str(clip), reference=str(reference), width=64, height=48, feature=features
    )
    with Run(job) as other:
        assert found == json.loads(other.to_json("max"))["frames"]
    assert {"saliency_entropy", "psnr_y", "psnr_y_saliency"} <= set(found[1]["metrics"])
    alone = extract(clip, reference, feature="psnr=name=x", **size).read().frames
    assert list(alone[0].metrics) == [
        *("psnr_y_x", "psnr_y_saliency_x", "psnr_y_salient_x", "psnr_y_background_x")
    ]
    assert alone[2].metrics["psnr_y_x"] == found[2]["metrics"]["psnr_y"]


def test_what_a_feature_says_goes_before_the_options(
    clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VMAF_MOBILESAL_MODEL_PATH", str(PLACEHOLDER))
    network = student(tmp_path / "m.onnx")
    features = ["mobilesal=color=bt601", f"mobilesal=model_path={network}:name=b"]
    with extract(clip, feature=features, color="bt709", width=64, height=48) as run:
        assert [(one.color, one.name) for one in run.job.features] == [
            *(("bt601", None), ("bt709", "b"))
        ]
        assert [model.path for model in run.models.values()] == [PLACEHOLDER, network]
    with extract(clip, feature="mobilesal", model=network, width=64, height=48) as run:
        assert [model.path for model in run.models.values()] == [network]


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"feature": "psnr"}, "name it with --reference"),
        ({"feature": "vmaf"}, "The feature vmaf is not ours"),
        ({"feature": "mobilesal=colour=bt601"}, "no option 'colour'"),
        ({"feature": "psnr", "model": {"": PLACEHOLDER}}, "into each feature"),
    ],
)
def test_features_that_make_no_sense(clip: Path, wrong: dict[str, Any], sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        extract(clip, width=64, height=48, **wrong)


def test_options_that_make_no_sense(clip: Path) -> None:
    wrong: dict[str, Any]
    for wrong in ({"color": "sepia"}, {"range": "wide"}, {"short_side": 3}, {"subsample": 0}):
        with pytest.raises(UsageError):
            extract(clip, width=64, height=48, **wrong)
    with pytest.raises(InputError):
        extract("nowhere.yuv", width=64, height=48)


def test_times_rates_and_auto_may_be_written_as_on_the_command_line(clip: Path) -> None:
    size: dict[str, Any] = {"width": 64, "height": 48, "model": PLACEHOLDER}
    written: dict[str, Any] = {
        "framerate": "24000/1001",
        "start": "00:00:00.05",
        "batch_size": "auto",
    }
    with extract(clip, **size, **written) as run:
        assert (run.job.framerate, run.job.start) == (24000 / 1001, 0.05)
        assert run.job.batch_size is None
        assert run.frame_count == 3  # the third one is shown at 0.083 s
    with pytest.raises(UsageError, match="start is a time"):
        extract(clip, **size, start="soon")


def test_the_environment_names_the_model(
    clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VMAF_MOBILESAL_MODEL_PATH", str(student(tmp_path / "env.onnx")))
    assert extract(clip, width=64, height=48).read().models["saliency_mean"].id == "env"


def test_a_container_equals_the_raw_video_decoded_from_it(tmp_path: Path) -> None:
    import av

    raw = tmp_path / "decoded.yuv"
    with av.open(str(DEMO / "demo_dist.mp4")) as container, raw.open("wb") as file:
        for frame in container.decode(video=0):
            width, height = frame.width, frame.height
            assert frame.format.name == "yuv420p"
            file.write(frame.to_ndarray().tobytes())
    model = student(tmp_path / "m.onnx")
    from_container = extract(DEMO / "demo_dist.mp4", model=model).read().frames
    from_raw = extract(raw, model=model, width=width, height=height).read().frames
    assert len(from_container) == len(from_raw) > 0
    for one, other in zip(from_container, from_raw, strict=True):
        assert one.metrics["saliency_mean"] == pytest.approx(
            other.metrics["saliency_mean"], abs=1e-9
        )


def test_all_is_what_the_package_exports() -> None:
    assert sorted(vmafsal.__all__) == dir(vmafsal)
    for name in vmafsal.__all__:
        assert getattr(vmafsal, name) is not None
    with pytest.raises(AttributeError):
        _ = vmafsal.nothing


def test_repr_says_how_far_a_run_is(clip: Path) -> None:
    size: dict[str, Any] = {"width": 64, "height": 48}
    with extract(clip, model=PLACEHOLDER, **size) as run:
        assert repr(run).endswith("clip.yuv: saliency_mean, 0 of 5 frames scored>")
        next(iter(run))
        assert repr(run).endswith("1 of 5 frames scored>")
    assert repr(extract(clip, model=PLACEHOLDER, **size).read()).endswith(", 5 frames scored>")
    one = extract(clip, model=PLACEHOLDER, frame_cnt=1, **size)
    assert repr(one.read()).endswith(", 1 frame scored>")
    video = extract(DEMO / "demo_dist.mp4", model=PLACEHOLDER, frame_cnt=2)
    assert repr(video.read()).endswith(", 2 frames scored>")


def test_maps_of_chosen_frames_alone_are_made(clip: Path) -> None:
    job = Job(str(clip), width=64, height=48)
    with Run(job) as run:
        whole = {mapped.features.index: mapped for mapped in run.maps()}
    with Run(job) as run:
        chosen = list(run.maps(only={1, 3}))
    assert [mapped.features.index for mapped in chosen] == [1, 3]
    for mapped in chosen:
        assert (
            mapped.maps["saliency_mean"] == whole[mapped.frame.index].maps["saliency_mean"]
        ).all()
