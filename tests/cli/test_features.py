"""Models and their options on the command line."""

from __future__ import annotations

import json
from pathlib import Path

from tests.command import SIZE, invoke, scores
from tests.conftest import PLACEHOLDER, draw_yuv
from tests.networks import student, u2netp


def test_ways_to_name_the_model(clip: Path, tmp_path: Path) -> None:
    path = student(tmp_path / "a b:c=d.onnx")
    output = tmp_path / "a.json"
    expected = None
    for extra, environment in (
        (("--feature", f"mobilesal=model_path={path}"), {}),
        (("--feature_params", f"mobilesal:model_path={path}"), {}),
        (("--feature-params", f"mobilesal:model_path={path}", "--feature", "mobilesal"), {}),
        ((), {"VMAF_MOBILESAL_MODEL_PATH": str(path)}),
    ):
        code, _, err = invoke(clip, *SIZE, "-o", output, *extra, env=environment)
        assert code == 0, err
        features = json.loads(output.read_text())["vmafsal"]["features"]
        assert features["saliency_mean"]["model"] == path.stem
        expected = expected or scores(output)
        assert scores(output) == expected


def test_the_placeholder_says_so_once(clip: Path, tmp_path: Path) -> None:
    code, _, err = invoke(
        clip, *SIZE, "-o", tmp_path / "a.json", "--feature", f"mobilesal=model_path={PLACEHOLDER}"
    )
    assert code == 0
    assert err.count("is a placeholder that has learnt nothing") == 1
    by_id = "mobilesal=model_path=mobilesal_placeholder_v0"
    assert invoke(clip, *SIZE, "--feature", by_id)[0] == 0


def test_two_models_in_one_pass(clip: Path, tmp_path: Path) -> None:
    path = student(tmp_path / "m.onnx")
    a, b = f"mobilesal=model_path={PLACEHOLDER}", f"mobilesal=model_path={path}"
    both, one, other = (tmp_path / f"{name}.json" for name in ("both", "one", "other"))
    for output, features in ((both, (a, f"{b}:name=new")), (one, (a,)), (other, (b,))):
        options = [word for feature in features for word in ("--feature", feature)]
        assert invoke(clip, *SIZE, "-q", "-o", output, *options)[0] == 0
    assert scores(both) == scores(one)
    assert scores(both, "saliency_mean_new") == scores(other)
    assert list(json.loads(both.read_text())["pooled_metrics"]) == [
        *("saliency_mean", "saliency_mean_new"),
    ]


def test_a_third_party_model_beside_its_sidecar(clip: Path, tmp_path: Path) -> None:
    path = u2netp(tmp_path / "u2netp.onnx")
    output = tmp_path / "a.json"
    code, _, err = invoke(clip, *SIZE, "-o", output, "--feature", f"mobilesal=model_path={path}")
    assert code == 0, err
    assert len(scores(output)) == 6
    assert all(0 < score < 1 for score in scores(output).values())


def test_a_canonical_model_sees_the_same_picture_at_every_size(tmp_path: Path) -> None:
    sidecar = {"input": {"short_side": 48, "multiple": 32, "color": "auto"}}
    feature = f"mobilesal=model_path={student(tmp_path / 'm.onnx', sidecar=sidecar)}"
    means = []
    for scale in (1, 2, 4):
        clip = tmp_path / f"{scale}.yuv"
        clip.write_bytes(draw_yuv(1, 48 * scale, 64 * scale))
        size = ("-w", str(64 * scale), "-h", str(48 * scale))
        output = tmp_path / "a.json"
        assert invoke(clip, *size, "-q", "-o", output, "--feature", feature)[0] == 0
        means.append(scores(output)[0])
        settings = json.loads(output.read_text())["vmafsal"]["features"]["saliency_mean"]
        assert (settings["short_side"], settings["color"]) == (48, "auto")
    assert max(means) - min(means) < 0.02
    native = ("-q", "-o", output, "--feature", f"{feature}:short_side=native")
    assert invoke(tmp_path / "4.yuv", "-w", "256", "-h", "192", *native)[0] == 0
    assert scores(output)[0] != means[2]


def test_color_options_move_the_numbers(clip: Path, tmp_path: Path) -> None:
    path = student(tmp_path / "m.onnx")
    output = tmp_path / "a.json"
    seen = set()
    for options in ("", ":color=bt601", ":color=bt709", ":color=bt2020", ":color=bt709:range=full"):
        feature = f"mobilesal=model_path={path}{options}"
        assert invoke(clip, *SIZE, "-q", "-o", output, "--feature", feature)[0] == 0
        seen.add(scores(output)[0])
    assert len(seen) == 5
