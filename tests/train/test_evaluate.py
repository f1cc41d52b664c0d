"""Evaluating models: the same steps as the extractor, the right means, intervals that cover."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("PIL")
pytest.importorskip("scipy")

from PIL import Image
from typer.testing import CliRunner

from tests.drawn_corpus import draw_duts, draw_pair, draw_set
from tests.networks import convolution, node, save
from train.data import Pair, kept_out
from train.evaluate.command import app
from train.evaluate.models import SCHEMA, parse_short_sides
from train.evaluate.predict import Predictor, ShortSide, resize_map
from train.evaluate.scores import markdown_table, summarise
from train.evaluate.sets import evaluate_sets, open_sets
from train.evaluate.sheet import choose_cases, draw_sheet
from train.maps import read_mask
from vmafsal.errors import InputError, ModelError, OutputError, UsageError
from vmafsal.metrics.salient_object import ImageScores, score_map
from vmafsal.models.model import load_model
from vmafsal.picture.color import normalise

ROOT = Path(__file__).resolve().parents[2]


def brightness(path: Path, sidecar: dict[str, Any] | None = None) -> Path:
    """A network whose map is bright where the picture is: the drawn objects, mostly."""
    weights = {"w": np.full((1, 3, 1, 1), 2.0, np.float32), "b": np.array([-1.5], np.float32)}
    nodes = [node("Conv", ["input", "w", "b"], "a"), node("Sigmoid", ["a"], "saliency_map")]
    return save(path, nodes, weights=weights, sidecar=sidecar)


def halving(path: Path) -> Path:
    """A network of stride 2 that looks at neighbours."""
    nodes = [
        node("Conv", ["input", "w"], "a", pads=[1] * 4),
        node("MaxPool", ["a"], "b", kernel_shape=[2, 2], strides=[2, 2]),
        node("Resize", ["b", "", "scales"], "c", mode="nearest"),
        node("Sigmoid", ["c"], "saliency_map"),
    ]
    scales = np.array([1, 1, 2, 2], np.float32)
    return save(path, nodes, weights={"w": convolution(0, 1, 3), "scales": scales})


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw_duts(tmp_path_factory.mktemp("data") / "drawn", 24, 48, 64)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return brightness(tmp_path_factory.mktemp("model") / "bright.onnx")


def run(*options: str | Path) -> Any:
    return CliRunner().invoke(app, [str(option) for option in options])


def open_pairs(root: Path, only_kept_out: bool = False, limit: int | None = None) -> list[Pair]:
    (pairs,) = open_sets([root], only_kept_out, limit).values()
    return pairs


def evaluated(model: Path, pairs: list[Pair], short_side: ShortSide = "model") -> dict[str, Any]:
    """The row of results of a model on a few pictures, without what says which they are."""
    document = evaluate_sets([Predictor(load_model(str(model)), short_side)], {"some": pairs})
    assert document["data"][0]["left_out"] == []
    row: dict[str, Any]
    (row,) = document["results"]
    return row


def test_native_is_the_network_itself(model: Path) -> None:
    rgb, _ = draw_pair(1, 48, 64)
    saliency = Predictor(load_model(str(model)), "native")(rgb)
    tensor = normalise(np.ascontiguousarray(rgb.transpose(2, 0, 1)))
    expected = 1 / (1 + np.exp(-(2.0 * tensor.sum(axis=0) - 1.5)))
    np.testing.assert_allclose(saliency, expected, atol=1e-5)


def test_sizes_off_the_stride_are_replicated_and_cropped(tmp_path: Path) -> None:
    predictor = Predictor(load_model(str(halving(tmp_path / "half.onnx"))), "native")
    rgb, _ = draw_pair(2, 47, 63)
    saliency = predictor(rgb)
    assert saliency.shape == (47, 63)
    padded = np.pad(rgb, ((0, 1), (0, 1), (0, 0)), mode="edge")
    np.testing.assert_array_equal(saliency, predictor(padded)[:47, :63])


def test_short_side_and_the_sidecars_own(tmp_path: Path, model: Path) -> None:
    rgb, _ = draw_pair(3, 48, 64)
    loaded = load_model(str(model))
    small = Predictor(loaded, 24)
    assert small(rgb).shape == (24, 32)
    assert small.runs_at == 24
    assert Predictor(loaded).runs_at == "native"
    own = load_model(str(brightness(tmp_path / "a.onnx", {"input": {"short_side": 36}})))
    assert Predictor(own)(rgb).shape == (36, 48)
    assert Predictor(own, "native")(rgb).shape == (48, 64)
    fixed = load_model(str(brightness(tmp_path / "b.onnx", {"input": {"size": [20, 40]}})))
    assert Predictor(fixed)(rgb).shape == (20, 40)
    assert Predictor(fixed).runs_at == "20x40"
    with pytest.raises(ModelError, match="40x20 only"):
        Predictor(fixed, 224)


def test_resizing_a_map_is_bilinear_with_centres_aligned() -> None:
    ramp = np.tile(np.linspace(0, 1, 4, dtype=np.float32), (3, 1))
    resized = resize_map(ramp, 3, 8)
    centres = np.clip((np.arange(8) + 0.5) / 2 - 0.5, 0, 3) / 3
    np.testing.assert_allclose(resized, np.tile(centres, (3, 1)), atol=1e-6)
    assert resize_map(ramp, 3, 4) is ramp


def test_short_sides() -> None:
    assert parse_short_sides("native, 224,native") == ("native", 224)
    for text in ("", "big", "224,", "4", "-3", "99999"):
        with pytest.raises(UsageError, match="--short-side"):
            parse_short_sides(text)


def test_command_end_to_end(corpus: Path, model: Path, tmp_path: Path) -> None:
    half = halving(tmp_path / "half.onnx")
    out, sheet = tmp_path / "out.json", tmp_path / "sheet.png"
    options: list[str | Path] = ["--model", model, "--model", half, "--data", corpus]
    options += ["--short-side", "native,32"]
    result = run(*options, "--json", out, "--sheet", sheet)
    assert result.exit_code == 0, result.exception
    document = json.loads(out.read_text())
    assert document["schema"] == SCHEMA
    (data,) = document["data"]
    assert (data["data"], data["pairs"], data["left_out"]) == ("drawn", 24, [])
    assert document["provenance"]["versions"]["numpy"] == np.__version__
    rows = document["results"]
    assert [(row["model"], row["short_side"]) for row in rows] == [
        ("bright", "native"),
        ("bright", 32),
        ("half", "native"),
        ("half", 32),
    ]
    native = rows[0]
    assert native["sha256"] == load_model(str(model)).sha256
    assert native["n"] == 24
    assert native["iou"] > 0.9  # bright shapes on dull texture
    assert native["iou_ci"][0] <= native["iou"] <= native["iou_ci"][1]
    assert native["iou"] == pytest.approx(
        np.mean([image["iou"] for image in native["images"]]), abs=1e-6
    )
    lowest = min(native["images"], key=lambda image: image["iou"])
    assert native["worst"][0] == lowest["stem"]
    assert rows[2]["iou"] < native["iou"]
    assert result.stdout.count("\n") == 2 + 4
    assert markdown_table(rows) == result.stdout
    with Image.open(sheet) as picture:
        assert picture.width == 240 * (2 + 4)
        assert np.asarray(picture).std() > 10

    again = tmp_path / "again.json"
    run(*options, "--json", again)
    assert json.loads(again.read_text())["results"] == rows


def test_result_is_that_of_the_single_steps(corpus: Path, model: Path) -> None:
    pairs = open_pairs(corpus, limit=3)
    predictor = Predictor(load_model(str(model)), 32)
    for pair, image in zip(pairs, evaluated(model, pairs, 32)["images"], strict=True):
        assert pair.mask is not None
        mask, valid = read_mask(pair.mask)
        with Image.open(pair.image) as picture:
            saliency = resize_map(predictor(np.asarray(picture)), *mask.shape)
        assert image["iou"] == pytest.approx(score_map(saliency, mask, valid).iou, abs=1e-6)


def test_a_trimaps_border_counts_nowhere(tmp_path: Path, model: Path) -> None:
    rgb, mask = draw_pair(5, 48, 64)
    for name, border in (("object", 255), ("background", 0)):
        gray = mask.copy()
        gray[20:28] = border
        for folder, pixels in (("images", rgb), ("masks", gray)):
            (tmp_path / name / folder).mkdir(parents=True)
            Image.fromarray(pixels).save(tmp_path / name / folder / "a.png")
    results = {}
    for name in ("object", "background"):
        path = tmp_path / name / "masks" / "a.png"
        for kind in ("hard", "trimap"):
            if kind == "trimap":
                gray = np.asarray(Image.open(path)).copy()
                gray[20:28] = 128
                Image.fromarray(gray).save(path)
            results[name, kind] = evaluated(model, open_pairs(tmp_path / name))
    assert results["object", "hard"] != results["background", "hard"]
    assert results["object", "trimap"] == results["background", "trimap"]


def test_kept_out_and_limit(corpus: Path, model: Path, tmp_path: Path) -> None:
    stems = [pair.stem for pair in open_pairs(corpus)]
    wanted = [stem for stem in stems if kept_out(stem)]
    assert 0 < len(wanted) < len(stems)
    assert [pair.stem for pair in open_pairs(corpus, only_kept_out=True)] == wanted
    assert [pair.stem for pair in open_pairs(corpus, limit=4)] == stems[::6]
    out = tmp_path / "out.json"
    assert run("--model", model, "--data", corpus, "--kept-out", "--json", out).exit_code == 0
    (row,) = json.loads(out.read_text())["results"]
    assert [image["stem"] for image in row["images"]] == wanted
    assert row["kept_out"] is True


def scores_of(values: list[float]) -> list[ImageScores]:
    """Scores that differ in IoU alone."""
    rgb, mask = draw_pair(0, 24, 32)
    base = score_map(np.asarray(rgb[..., 0] / 255.0), mask > 128)
    return [replace(base, iou=value) for value in values]


def test_bootstrap_interval_is_that_of_the_mean() -> None:
    values = np.random.default_rng(0).normal(0.5, 0.1, 400).tolist()
    row = summarise(scores_of(values))
    low, high = row["iou_ci"]
    assert low < row["iou"] < high
    standard_error = np.std(values) / 20
    assert high - low == pytest.approx(2 * 1.96 * standard_error, rel=0.1)
    assert summarise(scores_of(values)) == row
    # What does not vary has no width.
    assert row["mae_ci"] == [row["mae"], row["mae"]]


def test_frames_of_a_sequence_are_not_independent() -> None:
    values = [0.2] * 50 + [0.8] * 50
    single = summarise(scores_of(values))
    whole = summarise(scores_of(values), groups=["a"] * 50 + ["b"] * 50)
    assert single["iou"] == whole["iou"]
    assert whole["iou_ci"] == [0.2, 0.8]
    assert single["iou_ci"][1] - single["iou_ci"][0] < 0.25


def test_by_sequence(tmp_path: Path, model: Path) -> None:
    root = draw_duts(tmp_path / "frames", 6, 24, 32)  # drawn_0000 ... are one sequence
    out = tmp_path / "out.json"
    assert run("--model", model, "--data", root, "--by-sequence", "--json", out).exit_code == 0
    (row,) = json.loads(out.read_text())["results"]
    assert row["intervals"] == "sequences"
    assert row["iou_ci"] == [row["iou"], row["iou"]]


def test_curves_are_averaged_before_their_maximum_is_taken() -> None:
    first, second = scores_of([0.5, 0.5])
    high, low = np.zeros(256), np.zeros(256)
    high[200], low[50] = 1.0, 1.0
    row = summarise([replace(first, f_curve=high), replace(second, f_curve=low)])
    assert row["max_f"] == 0.5
    assert row["mean_f"] == pytest.approx(1 / 256, abs=1e-6)


def test_micro_and_macro_block_iou() -> None:
    first, second = scores_of([0.5, 0.5])
    row = summarise([replace(first, blocks={16: (1, 1)}), replace(second, blocks={16: (0, 9)})])
    assert row["block_iou_16"] == 0.5
    assert row["block_iou_16_micro"] == 0.1
    empty = summarise([replace(first, blocks={16: (0, 0)})])
    assert empty["block_iou_16"] == empty["block_iou_16_micro"] == 1.0


def test_markdown() -> None:
    facts = {"model": "m", "sha256": "1" * 64, "data": "d", "short_side": 224}
    row = facts | summarise(scores_of([0.25, 0.75]))
    head, rule, line = markdown_table([row]).splitlines()
    assert head.count("|") == rule.count("|") == line.count("|")
    assert "| 0.500 [0.250, 0.750] |" in line
    assert head.endswith("| IoU 16² | IoU 64² |")
    # Two files of one id, ours and somebody else's, are told apart.
    other = markdown_table([row, row | {"sha256": "2" * 64}])
    assert "| m 11111111 |" in other
    assert "| m 22222222 |" in other


def test_a_model_that_answers_logits_is_refused_with_its_remedy(tmp_path: Path) -> None:
    rgb, _ = draw_pair(4, 24, 32)
    weights = {"w": np.full((1, 3, 1, 1), 9.0, np.float32)}
    nodes = [node("Conv", ["input", "w"], "saliency_map")]
    path = save(tmp_path / "logits.onnx", nodes, weights=weights)
    with pytest.raises(ModelError, match="activation"):
        Predictor(load_model(str(path)))(rgb)
    (tmp_path / "logits.json").write_text('{"output": {"activation": "sigmoid"}}')
    saliency = Predictor(load_model(str(path)))(rgb)
    assert 0.0 <= saliency.min() < saliency.max() <= 1.0


def test_results_that_cannot_be_written_are_found_out_first(
    corpus: Path, model: Path, tmp_path: Path
) -> None:
    for option in ("--json", "--sheet"):
        for target in (tmp_path / "absent" / "file", tmp_path):
            # The set does not exist either: the output is looked at before anything is read.
            result = run("--model", model, "--data", tmp_path / "none", option, target)
            assert isinstance(result.exception, OutputError), option


def test_two_sets_of_one_name_are_refused(corpus: Path, model: Path) -> None:
    result = run("--model", model, "--data", corpus, "--data", corpus)
    assert isinstance(result.exception, UsageError)


def test_cases_of_a_sheet() -> None:
    cases = choose_cases([0.1, 0.9, 0.5, 0.7, 0.3, 0.6, 0.2, 0.8, 0.4], 2)
    assert list(cases.items()) == [
        (1, "best"),
        (7, "best"),
        (5, "median"),
        (2, "median"),
        (6, "worst"),
        (0, "worst"),
    ]
    assert choose_cases([0.5], 4) == {0: "best"}
    assert sorted(choose_cases([0.5, 0.6], 4)) == [0, 1]


def test_sheet_shows_the_map_unstretched(tmp_path: Path) -> None:
    """A map that is 0.5 everywhere is middle gray on the sheet, not black or white."""
    weights = {"w": np.zeros((1, 3, 1, 1), np.float32)}
    nodes = [node("Conv", ["input", "w"], "a"), node("Sigmoid", ["a"], "saliency_map")]
    flat = load_model(str(save(tmp_path / "flat.onnx", nodes, weights=weights)))
    sets = open_sets([draw_duts(tmp_path / "one", 1, 48, 64)])
    rows = evaluate_sets([Predictor(flat)], sets)["results"]
    (tmp_path / "sheet.png").write_bytes(draw_sheet([Predictor(flat)], rows, sets))
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.convert("RGB").getpixel((2 * 240 + 120, 120)) == (128, 128, 128)


def test_one_bad_pair_in_two_hundred_is_left_out(tmp_path: Path, model: Path) -> None:
    root = draw_duts(tmp_path / "many", 200, 8, 12)
    (root / "DUTS-TR-Image" / "drawn_0007.jpg").write_bytes(b"rubbish")
    out = tmp_path / "out.json"
    result = run("--model", model, "--data", root, "--json", out)
    assert result.exit_code == 0, result.exception
    document = json.loads(out.read_text())
    assert document["results"][0]["n"] == 199
    assert "drawn_0007" in document["data"][0]["left_out"][0]
    for number in (8, 9):
        (root / "DUTS-TR-Mask" / f"drawn_{number:04d}.png").write_bytes(b"rubbish")
    result = run("--model", model, "--data", root)
    assert isinstance(result.exception, InputError)
    assert "More than one pair in a hundred" in str(result.exception)


def test_bad_input(corpus: Path, model: Path, tmp_path: Path) -> None:
    def says(*options: str | Path) -> str:
        result = run(*options)
        assert isinstance(result.exception, (InputError, ModelError, UsageError)), result.output
        return str(result.exception)

    assert "Give --model and --data" in says()
    assert "Give --model and --data" in says("--model", model)
    assert "not a folder" in says("--model", model, "--data", tmp_path / "absent")
    assert "does not exist" in says("--model", tmp_path / "no.onnx", "--data", corpus)
    few = draw_duts(tmp_path / "few", 1, 24, 32)
    assert "kept out" in says("--model", model, "--data", few, "--kept-out")
    mask = few / "DUTS-TR-Mask" / "drawn_0000.png"
    Image.fromarray(np.zeros((32, 32), np.uint8)).save(mask)
    assert "do not show the same section" in says("--model", model, "--data", few)
    Image.fromarray(np.full((24, 32), 128, np.uint8)).save(mask)
    assert "border all over" in says("--model", model, "--data", few)
    unlabelled = draw_set(tmp_path / "unlabelled", 1, masks=False)
    assert "holds no labelled picture" in says("--model", model, "--data", unlabelled)


def test_no_output_replaces_an_input(corpus: Path, tmp_path: Path) -> None:
    model = brightness(tmp_path / "mine.onnx", {})
    mask = corpus / "DUTS-TR-Mask" / "drawn_0000.png"
    for target in (model, model.with_suffix(".json"), mask):
        before = target.read_bytes()
        result = run("--model", model, "--data", corpus, "--limit", "1", "--json", target)
        assert isinstance(result.exception, OutputError)
        assert f"{target} would replace {target}, which this run reads" in str(result.exception)
        assert target.read_bytes() == before


def test_a_mask_of_half_the_size_is_evaluated(tmp_path: Path, model: Path) -> None:
    root = draw_duts(tmp_path / "half", 1, 48, 64)
    path = root / "DUTS-TR-Mask" / "drawn_0000.png"
    Image.open(path).resize((32, 24), Image.Resampling.NEAREST).save(path)
    assert evaluated(model, open_pairs(root))["iou"] > 0.8


def test_an_image_without_an_object_keeps_its_place(tmp_path: Path, model: Path) -> None:
    root = draw_duts(tmp_path / "empty", 2, 24, 32)
    path = root / "DUTS-TR-Mask" / "drawn_0000.png"
    Image.fromarray(np.zeros((24, 32), np.uint8)).save(path)
    out = tmp_path / "out.json"
    assert run("--model", model, "--data", root, "--json", out).exit_code == 0
    document = json.loads(out.read_text())
    assert document["data"][0]["without_object"] == 1
    assert document["results"][0]["images"][0]["iou"] == 0.0  # the map does show one
    assert document["results"][0]["n"] == 2


def test_evaluate_does_not_need_torch(corpus: Path, model: Path) -> None:
    code = (
        "import sys; sys.modules['torch'] = None; sys.argv[0] = 'train'\n"
        "from train.evaluate.command import app; app()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "--model", model, "--data", corpus, "--limit", "2"],
        capture_output=True,
        text=True,
        cwd=ROOT,
    )
    assert done.returncode == 0, done.stderr
    assert "| drawn | 2 | bright |" in done.stdout
    assert done.stderr.startswith("worst IoU of bright")  # no bar where there is no terminal
