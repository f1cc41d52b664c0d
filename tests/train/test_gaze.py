"""Evaluating models on where people look, and on a teacher's maps."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("PIL")
pytest.importorskip("scipy")

from numpy.typing import NDArray
from PIL import Image
from typer.testing import CliRunner

from tests.drawn_corpus import draw_pair, draw_set
from tests.train.test_evaluate import ROOT, brightness
from train.data import kept_out, read_rgb
from train.evaluate.command import app
from train.evaluate.gaze import ClassicModel, evaluate_gaze, open_sources
from train.evaluate.gaze_sets import (
    POINTS,
    Centre,
    draw_points,
    open_gaze_sets,
    pixels,
    read_density,
    read_points,
    survey,
)
from train.evaluate.models import SCHEMA
from train.evaluate.predict import Predictor, resize_map
from train.evaluate.scores import markdown_table, summarise_values
from train.label import label, open_teacher
from train.teachers import TEACHERS
from vmafsal.errors import InputError, OutputError, UsageError
from vmafsal.metrics import fixation
from vmafsal.models.model import load_model

HEIGHT, WIDTH = 48, 64


def run(*options: str | Path) -> Any:
    return CliRunner().invoke(app, ["gaze", *(str(option) for option in options)])


def blob(row: float, column: float, deviation: float = 6.0) -> NDArray[np.float64]:
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    drawn: NDArray[np.float64] = np.exp(-((y - row) ** 2 + (x - column) ** 2) / (2 * deviation**2))
    return drawn


def draw_gaze(root: Path, count: int) -> Path:
    """Pictures, each with a blurred map of people who looked at the drawn object."""
    draw_set(root, count, HEIGHT, WIDTH, masks=False)
    (root / "maps").mkdir()
    for i in range(count):
        _, mask = draw_pair(i, HEIGHT, WIDTH)
        row, column = np.argwhere(mask).mean(axis=0)
        gray = np.round(255 * blob(row, column)).astype(np.uint8)
        Image.fromarray(gray).save(root / "maps" / f"drawn_{i:04d}.png")
    return root


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw_gaze(tmp_path_factory.mktemp("gaze") / "looked", 24)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return brightness(tmp_path_factory.mktemp("model") / "bright.onnx")


def test_command_end_to_end(corpus: Path, model: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.json"
    options: list[str | Path] = ["--data", corpus]
    for name in (model, "classic:imsig", "centre"):
        options += ["--model", name]
    result = run(*options, "--json", out)
    assert result.exit_code == 0, result.exception
    document = json.loads(out.read_text())
    assert document["schema"] == SCHEMA
    (data,) = document["data"]
    assert (data["data"], data["pairs"], data["truth"]) == ("looked", 24, "fixations")
    assert data["fixations"] == {
        "given_for": 0,
        "drawn_for": 24,
        "drawn_per_picture": POINTS,
        "outside": 0,
    }
    rows = {row["model"]: row for row in document["results"]}
    assert list(rows) == ["bright", "classic:imsig", "centre"]
    assert rows["bright"]["sha256"] == load_model(str(model)).sha256
    assert rows["centre"]["sha256"] is None
    bright, centre = rows["bright"], rows["centre"]
    # People looked at the bright objects, which lie off the centre in most pictures.
    assert bright["cc"] > centre["cc"] > 0
    assert bright["nss"] > centre["nss"]
    assert bright["kl"] > 0
    assert 0.8 < bright["auc_judd"] <= 1.0
    assert bright["auc_judd"] == pytest.approx(bright["auc_borji"], abs=0.05)
    assert bright["auc_shuffled"] > 0.6
    assert centre["auc_shuffled"] == pytest.approx(0.5, abs=0.05)
    assert centre["information_gain"] == 0.0
    cc = [image["cc"] for image in bright["images"]]
    assert bright["cc"] == pytest.approx(np.mean(cc), abs=1e-6)
    assert bright["cc_std"] == pytest.approx(np.std(cc), abs=1e-6)
    assert bright["cc_ci"][0] < bright["cc"] < bright["cc_ci"][1]
    assert bright["worst"][0] == min(bright["images"], key=lambda one: one["cc"])["stem"]
    assert result.stdout.count("\n") == 2 + 3
    assert markdown_table(document["results"]) == result.stdout
    assert "worst CC of bright" in result.output
    again = tmp_path / "again.json"
    run(*options, "--json", again)
    assert json.loads(again.read_text())["results"] == document["results"]


def test_result_is_that_of_the_single_steps(corpus: Path, tmp_path: Path) -> None:
    """A model of another size than the picture is compared at the picture's size."""
    onnx = brightness(tmp_path / "small.onnx", {"input": {"size": [20, 40]}})
    predictor = Predictor(load_model(str(onnx)))
    sets = open_gaze_sets([corpus], limit=2)
    (row,) = evaluate_gaze([predictor], sets)["results"]
    known = survey(sets["looked"])
    for looked, found in zip(sets["looked"].chosen, row["images"], strict=True):
        saliency = resize_map(predictor(read_rgb(looked.image)), HEIGHT, WIDTH)
        density = read_density(looked.density)
        points = pixels(known.points[looked.stem], HEIGHT, WIDTH)
        baseline = known.centre.density(HEIGHT, WIDTH)
        others = np.concatenate([p for stem, p in known.points.items() if stem != looked.stem])
        expected = {
            "cc": fixation.correlation(saliency, density),
            "kl": fixation.kl_divergence(saliency, density),
            "sim": fixation.similarity(saliency, density),
            "nss": fixation.nss(saliency, points),
            "auc_judd": fixation.auc_judd(saliency, points),
            "auc_shuffled": fixation.shuffled_auc(saliency, points, pixels(others, HEIGHT, WIDTH)),
            "information_gain": fixation.information_gain(saliency, baseline, points),
        }
        assert len(others) == 23 * POINTS
        assert {key: found[key] for key in expected} == pytest.approx(expected, abs=1e-6)


def test_a_teachers_maps_as_truth(corpus: Path, model: Path, tmp_path: Path) -> None:
    """A student that is its own teacher agrees with it, up to the 8 bits of a label."""
    label(open_teacher(f"onnx:{model}"), corpus / "images", tmp_path / "labels")
    out = tmp_path / "out.json"
    options: list[str | Path] = ["--model", model, "--model", "centre", "--data", corpus]
    result = run(*options, "--truth", tmp_path / "labels" / "maps", "--json", out)
    assert result.exit_code == 0, result.exception
    document = json.loads(out.read_text())
    student, centre = document["results"]
    assert student["truth"] == "maps"
    assert document["data"][0]["truth"] == str(tmp_path / "labels" / "maps")
    assert student["cc"] > 0.9999
    assert student["kl"] < 0.01  # of two small values the ratio counts
    assert student["sim"] > 0.99
    assert student["cc_std"] < 1e-4
    assert centre["cc"] < 0.9
    # Nobody looked: there is nothing to draw fixations from.
    assert not {"nss", "auc_judd", "information_gain"} & student.keys()
    assert "| CC | KL | SIM |" in result.output


def test_points_drawn_from_a_density(corpus: Path) -> None:
    density = blob(12, 40, 4.0)
    many = pixels(draw_points(density, "a", 20_000), HEIGHT, WIDTH)
    mean, deviation = many.mean(axis=0), many.std(axis=0)
    np.testing.assert_allclose(mean, (12, 40), atol=0.15)
    np.testing.assert_allclose(deviation, (4, 4), atol=0.1)
    one = np.zeros((HEIGHT, WIDTH))
    one[5, 7] = 1.0
    assert (pixels(draw_points(one, "a"), HEIGHT, WIDTH) == (5, 7)).all()
    np.testing.assert_array_equal(draw_points(density, "a"), draw_points(density, "a"))
    assert (draw_points(density, "a") != draw_points(density, "b")).any()
    # What is drawn for a picture does not depend on the pictures beside it.
    all_of_it = survey(open_gaze_sets([corpus])["looked"])
    few = survey(open_gaze_sets([corpus], limit=2)["looked"])
    stem = "drawn_0012"
    np.testing.assert_array_equal(all_of_it.points[stem], few.points[stem])


def test_true_fixations_are_taken_where_a_set_has_them(tmp_path: Path, model: Path) -> None:
    root = draw_gaze(tmp_path / "true", 3)
    folder = root / "fixations"
    folder.mkdir()
    (folder / "drawn_0000.csv").write_text("subject,x,y\n1,10,20\n1,30.7,5.2\n2,64,3\n2,-1,0\n")
    np.save(folder / "drawn_0001.npy", np.array([[3, 4]], np.int64))
    out = tmp_path / "out.json"
    assert run("--model", model, "--data", root, "--json", out).exit_code == 0
    document = json.loads(out.read_text())
    facts = document["data"][0]["fixations"]
    assert (facts["given_for"], facts["drawn_for"], facts["outside"]) == (2, 1, 2)
    predictor = Predictor(load_model(str(model)))
    for stem, points in (("drawn_0000", [[20, 10], [5, 30]]), ("drawn_0001", [[4, 3]])):
        saliency = predictor(read_rgb(root / "images" / f"{stem}.jpg"))
        (image,) = (i for i in document["results"][0]["images"] if i["stem"] == stem)
        expected = fixation.nss(saliency, np.array(points))
        assert image["nss"] == pytest.approx(expected, abs=1e-6)
    (folder / "drawn_0002.csv").write_text("x,y\n")  # nobody looked at anything
    assert run("--model", model, "--data", root, "--json", out).exit_code == 0
    row = json.loads(out.read_text())["results"][0]
    assert row["images"][2]["nss"] is None
    assert row["nss"] == pytest.approx(np.mean([i["nss"] for i in row["images"][:2]]), abs=1e-6)


def test_points_as_files(tmp_path: Path) -> None:
    plain = tmp_path / "a.csv"
    plain.write_text("1,2\n3,4\n")
    assert read_points(plain).tolist() == [[1, 2], [3, 4]]
    plain.write_text("Y, X\n1,2\n")
    assert read_points(plain).tolist() == [[2, 1]]
    plain.write_text("")
    assert read_points(plain).shape == (0, 2)
    for text in ("1\n", "a,b\n", "x,y\n1,nan\n", "x,y,t\n1\n"):
        plain.write_text(text)
        with pytest.raises(InputError, match=r"a\.csv cannot be read as fixations"):
            read_points(plain)
    array = tmp_path / "a.npy"
    for bad in (np.zeros((3, 3)), np.zeros(4), np.array([["a", "b"]])):
        np.save(array, bad)
        with pytest.raises(InputError, match=r"a\.npy cannot be read as fixations"):
            read_points(array)
    np.save(array, np.zeros((0, 2)))
    assert read_points(array).shape == (0, 2)


def test_the_centre_is_fitted_on_pictures_that_are_not_kept_out(tmp_path: Path) -> None:
    root = draw_gaze(tmp_path / "fit", 24)
    for path in (root / "maps").iterdir():
        row, column, width = (4, 4, 1) if kept_out(path.stem) else (20, 34, 5)
        Image.fromarray(np.round(255 * blob(row, column, width)).astype(np.uint8)).save(path)
    stems = [path.stem for path in (root / "maps").iterdir()]
    centre = survey(open_gaze_sets([root])["fit"]).centre
    assert centre.fitted_on == sum(not kept_out(stem) for stem in stems) < 24
    np.testing.assert_allclose(centre.mean, (20.5 / HEIGHT, 34.5 / WIDTH), atol=0.002)
    np.testing.assert_allclose(centre.deviation, (5 / HEIGHT, 5 / WIDTH), atol=0.002)
    drawn = centre(np.zeros((HEIGHT, WIDTH, 3), np.uint8))
    assert np.argwhere(drawn == drawn.max()).tolist() == [[20, 34]]
    assert fixation.correlation(drawn, blob(20, 34, 5)) > 0.999


def test_classic_models_answer_as_they_teach(corpus: Path) -> None:
    path = corpus / "images" / "drawn_0000.jpg"
    found = ClassicModel("imsig")
    np.testing.assert_array_equal(found(read_rgb(path)), open_teacher("classic:imsig").answer(path))
    assert (found.id, found.sha256) == ("classic:imsig", None)
    assert found.runs_at == TEACHERS["imsig"].short_side
    with pytest.raises(UsageError, match="There is no teacher nothing"):
        ClassicModel("nothing")


def test_sources_by_name(model: Path) -> None:
    sources, files = open_sources(["centre", str(model), "classic:imsig"], ("native", 32))
    assert [(source.id, source.runs_at) for source in sources] == [
        ("centre", "native"),
        ("bright", "native"),
        ("bright", 32),
        ("classic:imsig", TEACHERS["imsig"].short_side),
    ]
    assert files == [model, model.with_suffix(".json")]


def test_kept_out_and_limit(corpus: Path) -> None:
    stems = [looked.stem for looked in open_gaze_sets([corpus])["looked"].chosen]
    few = open_gaze_sets([corpus], only_kept_out=True)["looked"]
    assert [one.stem for one in few.chosen] == [stem for stem in stems if kept_out(stem)]
    assert len(few.every) == 24
    limited = open_gaze_sets([corpus], limit=4)["looked"]
    assert [one.stem for one in limited.chosen] == stems[::6]
    (row,) = evaluate_gaze([Centre()], {"looked": few}, True)["results"]
    assert (row["kept_out"], row["n"]) == (True, len(few.chosen))


def test_means_leave_out_what_is_not_there() -> None:
    nothing = float("nan")
    row = summarise_values({"a": [1.0, 2.0, nothing], "b": [nothing] * 3})
    assert (row["n"], row["a"], row["a_std"]) == (3, 1.5, 0.5)
    assert row["a_ci"] == [1.0, 2.0]
    assert (row["b"], row["b_std"], row["b_ci"]) == (None, None, None)
    facts = {"model": "m", "sha256": None, "data": "d", "short_side": "native"}
    figures = summarise_values({"cc": [0.25, 0.75], "kl": [1.0, 1.0], "nss": [nothing] * 2})
    line = markdown_table([facts | figures]).splitlines()[2]
    assert line == "| d | 2 | m | native | 0.500 ± 0.250 [0.250, 0.750] | 1.000 ± 0.000 | – |"


def test_maps_of_half_the_size_are_compared(tmp_path: Path, model: Path) -> None:
    root = draw_gaze(tmp_path / "half", 2)
    (whole,) = evaluate_gaze(open_sources([str(model)])[0], open_gaze_sets([root]))["results"]
    for path in (root / "maps").iterdir():
        Image.open(path).resize((WIDTH // 2, HEIGHT // 2), Image.Resampling.BOX).save(path)
    (half,) = evaluate_gaze(open_sources([str(model)])[0], open_gaze_sets([root]))["results"]
    assert half["cc"] == pytest.approx(whole["cc"], abs=0.02)


def test_bad_input(corpus: Path, model: Path, tmp_path: Path) -> None:
    def says(*options: str | Path) -> str:
        result = run(*options)
        assert isinstance(result.exception, (InputError, UsageError)), result.output
        return str(result.exception)

    assert "There is no teacher saliency" in says("--model", "classic:saliency", "--data", corpus)
    plain = draw_set(tmp_path / "plain", 2, HEIGHT, WIDTH, masks=False)
    assert "is no gaze set: it has no maps/" in says("--model", "centre", "--data", plain)
    absent = tmp_path / "absent"
    assert "not a folder" in says("--model", "centre", "--data", absent)
    empty = tmp_path / "empty"
    empty.mkdir()
    truth: list[str | Path] = ["--model", "centre", "--data", corpus, "--truth"]
    assert "Check --truth" in says(*truth, absent)
    assert "has a map of the same stem" in says(*truth, empty)
    assert "give just one" in says(*truth, empty, "--data", plain)
    assert "the same name" in says("--model", "centre", "--data", corpus, "--data", corpus)

    root = draw_gaze(tmp_path / "bad", 1)
    data: list[str | Path] = ["--model", "centre", "--data", root]
    assert "kept out" in says(*data, "--kept-out")
    path = root / "maps" / "drawn_0000.png"
    Image.fromarray(np.zeros((HEIGHT, WIDTH), np.uint8)).save(path)
    assert "is 0 everywhere" in says(*data)
    Image.fromarray(np.full((HEIGHT, HEIGHT), 9, np.uint8)).save(path)
    assert "do not show the same section" in says(*data)
    Image.fromarray(np.full((HEIGHT, WIDTH), 9, np.uint8)).save(path)
    (root / "fixations").mkdir()
    (root / "fixations" / "drawn_0000.csv").write_text("x,y\n1,one\n")
    assert "drawn_0000.csv cannot be read as fixations" in says(*data)
    np.save(root / "fixations" / "drawn_0000.npy", np.zeros((1, 2)))
    assert "which one counts" in says(*data)


def test_no_output_replaces_an_input(corpus: Path, tmp_path: Path) -> None:
    onnx = brightness(tmp_path / "mine.onnx", {})
    density = corpus / "maps" / "drawn_0001.png"
    for target in (onnx, onnx.with_suffix(".json"), density):
        before = target.read_bytes()
        result = run("--model", onnx, "--data", corpus, "--limit", "1", "--json", target)
        assert isinstance(result.exception, OutputError)
        assert target.read_bytes() == before
    # The set does not exist either: the output is looked at before anything is read.
    result = run("--model", onnx, "--data", tmp_path / "none", "--json", tmp_path)
    assert isinstance(result.exception, OutputError)


def test_one_bad_picture_in_two_hundred_is_left_out(tmp_path: Path) -> None:
    root = draw_gaze(tmp_path / "many", 200)
    (root / "images" / "drawn_0007.jpg").write_bytes(b"rubbish")
    sets = open_gaze_sets([root])
    document = evaluate_gaze([Centre()], sets)
    assert document["results"][0]["n"] == 199
    assert "drawn_0007" in document["data"][0]["left_out"][0]
    for number in (8, 9):
        (root / "maps" / f"drawn_{number:04d}.png").write_bytes(b"rubbish")
    with pytest.raises(InputError, match="More than one pair in a hundred"):
        evaluate_gaze([Centre()], sets)


def test_the_default_centre_lies_in_the_middle() -> None:
    drawn = Centre().density(3, 5)
    assert np.argwhere(drawn == drawn.max()).tolist() == [[1, 2]]
    assert drawn[1, 2] == 1.0


def test_evaluate_gaze_does_not_need_torch(corpus: Path, model: Path) -> None:
    code = (
        "import sys; sys.modules['torch'] = None; sys.argv[0] = 'train'\n"
        "from train.evaluate.command import app; app()"
    )
    options: list[str | Path] = [
        "gaze",
        "--model",
        model,
        "--model",
        "classic:imsig",
        "--data",
        corpus,
    ]
    done = subprocess.run(
        [sys.executable, "-c", code, *options, "--limit", "2"],
        capture_output=True,
        text=True,
        cwd=ROOT,
    )
    assert done.returncode == 0, done.stderr
    assert "| looked | 2 | bright |" in done.stdout
    assert done.stderr.startswith("worst CC of bright")
