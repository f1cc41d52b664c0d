"""Labels of a teacher: made once, gone on with, never mixed with those of another."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from tests.drawn_corpus import draw_set
from tests.train.test_evaluate import brightness
from train.data import read_rgb
from train.evaluate.predict import Predictor
from train.label import label, open_teacher
from train.teachers import teach
from vmafsal.errors import InputError, OutputError, UsageError
from vmafsal.models.model import load_model

SIZE = {"input": {"size": [40, 40]}}


@pytest.fixture
def images(tmp_path: Path) -> Path:
    return draw_set(tmp_path / "set", 4, 48, 64, masks=False) / "images"


def test_a_label_is_the_teachers_map_at_the_pictures_size(images: Path, tmp_path: Path) -> None:
    onnx = brightness(tmp_path / "teacher.onnx", SIZE)
    out = tmp_path / "labels"
    assert label(open_teacher(f"onnx:{onnx}"), images, out) == 4
    read = np.asarray(Image.open(out / "maps" / "drawn_0001.png"))
    assert read.shape == (48, 64)
    found = Predictor(load_model(str(onnx)))(read_rgb(images / "drawn_0001.jpg"))
    resized = Image.fromarray(found).resize((64, 48), Image.Resampling.BILINEAR)
    np.testing.assert_allclose(read / 255, np.asarray(resized), atol=0.51 / 255)
    record = json.loads((out / "labels.json").read_text("utf-8"))
    assert record["sha256"] == load_model(str(onnx)).sha256
    assert record["size"] == "40x40"


def test_labels_that_are_there_are_kept(images: Path, tmp_path: Path) -> None:
    teacher = open_teacher(f"onnx:{brightness(tmp_path / 'teacher.onnx')}")
    out = tmp_path / "labels"
    label(teacher, images, out)
    kept, removed = out / "maps" / "drawn_0001.png", out / "maps" / "drawn_0002.png"
    kept.write_bytes(b"mine")
    before = removed.read_bytes()
    removed.unlink()
    assert label(teacher, images, out) == 4
    assert kept.read_bytes() == b"mine"
    assert removed.read_bytes() == before


def test_another_teachers_labels_are_not_mixed_in(images: Path, tmp_path: Path) -> None:
    out = tmp_path / "labels"
    label(open_teacher(f"onnx:{brightness(tmp_path / 'a.onnx')}"), images, out)
    other = open_teacher(f"onnx:{brightness(tmp_path / 'b.onnx', SIZE)}")
    with pytest.raises(UsageError, match="labels of another teacher"):
        label(other, images, out)


def test_maps_made_elsewhere_are_paired_by_stem(images: Path, tmp_path: Path) -> None:
    maps, out = tmp_path / "maps", tmp_path / "labels"
    maps.mkdir()
    np.save(maps / "drawn_0000.npy", np.full((24, 32), 0.5, np.float32))
    Image.fromarray(np.full((48, 64), 51, np.uint8)).save(maps / "drawn_0003.png")
    assert label(open_teacher(f"maps:{maps}"), images, out) == 2
    assert sorted(p.name for p in (out / "maps").iterdir()) == ["drawn_0000.png", "drawn_0003.png"]
    read = np.asarray(Image.open(out / "maps" / "drawn_0000.png"))
    assert read.shape == (48, 64)
    assert set(np.unique(read)) == {128}
    assert set(np.unique(np.asarray(Image.open(out / "maps" / "drawn_0003.png")))) == {51}


def test_a_classic_model_labels_as_its_function_answers(images: Path, tmp_path: Path) -> None:
    out = tmp_path / "labels"
    assert label(open_teacher("classic:imsig"), images, out) == 4
    read = np.asarray(Image.open(out / "maps" / "drawn_0001.png"))
    found = teach("imsig", Image.open(images / "drawn_0001.jpg"))
    resized = Image.fromarray(found).resize((64, 48), Image.Resampling.BILINEAR)
    np.testing.assert_allclose(read / 255, np.asarray(resized), atol=0.51 / 255)
    record = json.loads((out / "labels.json").read_text("utf-8"))
    assert record == {"teacher": "imsig", "short_side": 320}
    with pytest.raises(UsageError, match="There is no teacher unisal"):
        open_teacher("classic:unisal")


def test_bad_input(images: Path, tmp_path: Path) -> None:
    for source in ("u2netp", "onnx:", "torch:a.pt", "classic:"):
        with pytest.raises(UsageError, match="give onnx:FILE, onnx:ID, maps:DIR or classic:NAME"):
            open_teacher(source)
    with pytest.raises(InputError, match="is no folder"):
        open_teacher(f"maps:{tmp_path / 'absent'}")
    teacher = open_teacher(f"onnx:{brightness(tmp_path / 'teacher.onnx')}")
    with pytest.raises(InputError, match="no picture to label"):
        label(teacher, tmp_path / "absent", tmp_path / "out")
    (images / "drawn_0001.jpg").write_bytes(b"\xff\xd8 no picture")
    with pytest.raises(InputError, match=r"drawn_0001\.jpg cannot be read"):
        label(teacher, images, tmp_path / "out")


@pytest.mark.parametrize("suffix", [".npy", ".png"])
def test_no_label_is_written_where_maps_or_pictures_are_read(
    images: Path, tmp_path: Path, suffix: str
) -> None:
    maps = tmp_path / "labels" / "maps"
    maps.mkdir(parents=True)
    values = np.full((24, 32), 51, np.uint8)
    np.save(maps / "drawn_0000.npy", values)
    if suffix == ".png":
        (maps / "drawn_0000.npy").unlink()
        Image.fromarray(values).save(maps / "drawn_0000.png")
    before = {path: path.read_bytes() for path in tmp_path.rglob("*.*")}
    link = tmp_path / "link"
    link.symlink_to("labels")
    for out in (tmp_path / "labels", link):
        with pytest.raises(OutputError, match="which this run reads: choose another folder"):
            label(open_teacher(f"maps:{maps}"), images, out)
    images.rename(images.parent / "maps")
    teacher = open_teacher(f"onnx:{brightness(tmp_path / 'teacher.onnx')}")
    with pytest.raises(OutputError, match="which this run reads: choose another folder"):
        label(teacher, images.parent / "maps", images.parent)
    (images.parent / "maps").rename(images)
    found = {path: path.read_bytes() for path in tmp_path.rglob("*.*")}
    assert {path: found[path] for path in before} == before
    assert not {path.name for path in found.keys() - before.keys()} - {
        "teacher.onnx", "teacher.json",
    }  # fmt: skip


def test_no_label_is_written_over_the_teacher(images: Path, tmp_path: Path) -> None:
    (tmp_path / "labels").mkdir()
    onnx = brightness(tmp_path / "labels" / "labels.onnx")
    with pytest.raises(OutputError, match=r"labels\.json, which this run reads"):
        label(open_teacher(f"onnx:{onnx}"), images, onnx.parent)
    assert not (onnx.parent / "maps").exists()


def test_a_damaged_record_is_not_replaced(images: Path, tmp_path: Path) -> None:
    teacher = open_teacher(f"onnx:{brightness(tmp_path / 'teacher.onnx')}")
    (tmp_path / "labels.json").write_text("{")
    with pytest.raises(UsageError, match="labels of another teacher"):
        label(teacher, images, tmp_path)
    assert (tmp_path / "labels.json").read_text() == "{"


def test_command(images: Path, tmp_path: Path) -> None:
    from train.__main__ import build_app

    onnx = brightness(tmp_path / "teacher.onnx")
    options = [
        "label",
        "--teacher",
        f"onnx:{onnx}",
        "--images",
        str(images),
        "--out",
        str(tmp_path),
    ]
    result = CliRunner().invoke(build_app(), options)
    assert result.exit_code == 0, result.exception
    assert "4 labels in" in result.output
