"""--feature, --feature_params, the environment, and what makes no sense."""

from __future__ import annotations

from pathlib import Path

import pytest

from vmafsal.errors import UsageError
from vmafsal.job import Feature, Job, parse_device, parse_features


def one(*features: str, params: tuple[str, ...] = (), variable: str | None = None) -> Feature:
    environment = {} if variable is None else {"VMAF_MOBILESAL_MODEL_PATH": variable}
    (feature,) = parse_features(features, params, environment)
    return feature


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("mobilesal", Feature()),
        ("mobilesal=", Feature()),
        ("mobilesal=model_path=", Feature()),
        ("mobilesal=model_path=a.onnx", Feature(model_path="a.onnx")),
        (
            "mobilesal=model_path=a.onnx:color=bt601:range=full:short_side=native:name=x",
            Feature("a.onnx", "bt601", "full", "native", "x"),
        ),
        ("mobilesal=short_side=224:model_path=a.onnx", Feature("a.onnx", short_side=224)),
        # Colons and equals signs in paths: escaped, or as the whole tail
        (r"mobilesal=model_path=C\:\models\a.onnx:name=x", Feature(r"C:\models\a.onnx", name="x")),
        (r"mobilesal=model_path=a\:b\=c.onnx:name=x", Feature("a:b=c.onnx", name="x")),
        (r"mobilesal=model_path=a\\b.onnx", Feature(r"a\b.onnx")),
        ("mobilesal=model_path=/d/a:b=c.onnx", Feature("/d/a:b=c.onnx")),
        ("mobilesal=model_path=C:\\models\\a.onnx", Feature("C:\\models\\a.onnx")),
        ("mobilesal=model_path=/d/12:30:00/a=b.onnx", Feature("/d/12:30:00/a=b.onnx")),
    ],
)
def test_feature(text: str, expected: Feature) -> None:
    assert one(text) == expected


def test_a_path_that_looks_like_options_is_taken_if_it_is_there(tmp_path: Path) -> None:
    path = tmp_path / "a:colour=b.onnx"
    path.touch()
    assert one(f"mobilesal=model_path={path}").model_path == str(path)


def test_the_order_of_model_paths() -> None:
    params = ("mobilesal:model_path=params",)
    assert one(variable="environment").model_path == "environment"
    assert one(params=params, variable="environment").model_path == "params"
    assert (
        one("mobilesal=model_path=own", params=params, variable="environment").model_path == "own"
    )
    # An empty option falls through to the next.
    empty = "mobilesal=model_path="
    assert one(empty, params=params).model_path == "params"
    assert one(empty, params=("mobilesal:model_path=",), variable="v").model_path == "v"
    assert one(variable="").model_path is None


def test_feature_params_without_their_feature_are_refused() -> None:
    with pytest.raises(UsageError, match="give --feature psnr too"):
        one(params=("psnr:short_side=native",))
    assert one("psnr", params=("psnr:short_side=64",)) == Feature(short_side=64, kind="psnr")


def test_feature_params_hold_for_every_feature() -> None:
    features = parse_features(
        ["mobilesal=model_path=a", "mobilesal=model_path=b:name=b:color=bt709"],
        ["mobilesal:color=bt601:range=full"],
        {},
    )
    assert features == (Feature("a", "bt601", "full"), Feature("b", "bt709", "full", name="b"))
    assert [feature.column for feature in features] == ["saliency_mean", "saliency_mean_b"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("float_ssim", "`vmaf`.*`vmafsal join`"),
        ("psrn", "Did you mean psnr"),
        ("mobilsal", "Did you mean mobilesal"),
        ("mobilesal=colour=bt601", "no option 'colour'.*Did you mean color"),
        ("mobilesal=model_path=a.onnx:colour=bt601", "Did you mean color"),
        ("mobilesal=model=a.onnx", "Did you mean model_path"),
        ("mobilesal=color", "needs a value"),
        ("mobilesal=color=bt610", "Did you mean bt601"),
        ("mobilesal=color=red", "Choose libvmaf, bt709"),
        ("mobilesal=range=ful", "Did you mean full"),
        ("mobilesal=short_side=0", "from 16 to 4320"),
        ("mobilesal=short_side=-8", "from 16 to 4320"),
        ("mobilesal=short_side=big", "native or a whole number"),
        ("mobilesal=name=a b", "letters, digits"),
        ("mobilesal=color=bt601:color=bt709", "given twice"),
    ],
)
def test_wrong_features_say_what_is_right(text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        one(text)
    with pytest.raises(UsageError, match=message):
        one(params=(text.replace("=", ":", 1),))


def test_each_spelling_has_its_separator() -> None:
    with pytest.raises(UsageError, match="After --feature mobilesal comes '='"):
        one("mobilesal:color=bt601")
    with pytest.raises(UsageError, match="After --feature_params mobilesal comes ':'"):
        one(params=("mobilesal=color=bt601",))


def test_two_features_of_one_name() -> None:
    with pytest.raises(UsageError, match=r"saliency_mean.*name=b"):
        Job("a.yuv", features=(Feature("a"), Feature("b")))


@pytest.mark.parametrize(
    "wrong",
    [
        {"frame_cnt": -1},
        {"frame_skip_ref": -1},
        {"frame_skip_dist": -2},
        {"subsample": 0},
        {"threads": 0},
        {"batch_size": 0},
        {"stream": -1},
        {"features": ()},
    ],
)
def test_numbers_out_of_range(wrong: dict[str, int]) -> None:
    with pytest.raises(UsageError):
        Job("a.yuv", **wrong)  # type: ignore[arg-type]


def test_standard_input_is_one_video() -> None:
    with pytest.raises(UsageError, match="Only one"):
        Job("-", "-")


@pytest.mark.parametrize(
    ("device", "expected"),
    [
        ("auto", ("auto", 0)),
        ("cpu", ("cpu", 0)),
        ("cuda", ("cuda", 0)),
        ("cuda:3", ("cuda", 3)),
        ("tensorrt", ("tensorrt", 0)),
    ],
)
def test_device_names(device: str, expected: tuple[str, int]) -> None:
    assert parse_device(device) == expected


@pytest.mark.parametrize("device", ["gpu", "cuda:", "cuda:x", "cpu:0", "", "CUDA"])
def test_unknown_devices(device: str) -> None:
    with pytest.raises(UsageError, match="Choose auto, cpu, cuda"):
        parse_device(device)
