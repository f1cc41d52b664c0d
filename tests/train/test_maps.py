"""Maps on disk in every format, good and bad, and the command that measures them."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("PIL")
pytest.importorskip("scipy")

from PIL import Image
from typer.testing import CliRunner

from train.evaluate.command import app
from train.maps import pair_maps, read_map, read_mask
from vmafsal.errors import InputError
from vmafsal.metrics.salient_object import score_map

RAMP = np.arange(12, dtype=np.uint8).reshape(3, 4) * 23
"""uint8 [3, 4], 0 to 253."""


def write(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def test_npy_kinds(tmp_path: Path) -> None:
    path = tmp_path / "a.npy"
    wanted = RAMP / 255
    for array in (
        wanted,
        wanted.astype(np.float32),
        wanted.astype(np.float32)[None, None],
        RAMP,
        RAMP.astype(np.uint16) * 257,
    ):
        np.save(path, array)
        read = read_map(path)
        assert read.shape == (3, 4)
        assert read.dtype == np.float32
        np.testing.assert_allclose(read, wanted, atol=1e-6)
    np.save(path, np.asfortranarray(wanted))
    np.testing.assert_allclose(read_map(path), wanted, atol=1e-6)


def test_pgm_binary_ascii_and_deep(tmp_path: Path) -> None:
    body = RAMP.tobytes()
    text = " ".join(str(v) for v in RAMP.ravel()).encode()
    deep = (RAMP.astype(np.uint16) * 16).astype(">u2").tobytes()
    for data, maximum in (
        (b"P5\n4 3\n255\n" + body, 255),
        (b"P5 4 3 255 " + body, 255),
        (b"P5\n# drawn\n4 # wide\n3\n# high\n255\n" + body, 255),
        (b"P2\n4 3\n255\n" + text + b"\n", 255),
        (b"P2\n# drawn\n4 3 255\n# samples\n" + text, 255),
        (b"P5\n4 3\n4080\n" + deep, 255),
        (b"P5\n4 3\n253\n" + body, 253),
    ):
        read = read_map(write(tmp_path / "a.pgm", data))
        # Pillow rounds the samples of an odd maximum to 8 or 16 bits.
        atol = 1e-6 if maximum == 255 and b"4080" not in data else 0.5 / 255
        np.testing.assert_allclose(read, RAMP / maximum, atol=atol, err_msg=repr(data[:30]))


def test_a_pgm_whose_first_sample_is_white_space(tmp_path: Path) -> None:
    """One white-space byte ends the header; the next one is a sample, whatever it looks like."""
    body = bytes([10, 32, 35, 9, 200, 201, 202, 203, 204, 205, 206, 207])
    read = read_map(write(tmp_path / "a.pgm", b"P5\n4 3\n255\n" + body))
    np.testing.assert_allclose(read.ravel(), np.frombuffer(body, np.uint8) / 255, atol=1e-6)


def test_pgm_that_pillow_wrote(tmp_path: Path) -> None:
    Image.fromarray(RAMP).save(tmp_path / "a.pgm")
    np.testing.assert_allclose(read_map(tmp_path / "a.pgm"), RAMP / 255, atol=1e-6)


def test_png_of_eight_and_sixteen_bits(tmp_path: Path) -> None:
    Image.fromarray(RAMP).save(tmp_path / "a.png")
    np.testing.assert_allclose(read_map(tmp_path / "a.png"), RAMP / 255, atol=1e-6)
    deep = RAMP.astype(np.uint16) * 257 + 3
    Image.fromarray(deep).save(tmp_path / "b.png")
    np.testing.assert_allclose(read_map(tmp_path / "b.png"), deep / 65535, atol=1e-6)


def npy(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def archive() -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, a=RAMP)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("name", "data", "says"),
    [
        ("a.npy", npy(np.array([[0.2, 1.5]])), r"a saliency map lies in \[0, 1\]"),
        ("a.npy", npy(np.array([[0.2, np.nan]])), r"a saliency map lies in \[0, 1\]"),
        ("a.npy", npy(np.array([[0.2, -0.1]])), r"a saliency map lies in \[0, 1\]"),
        ("a.npy", npy(np.zeros((3, 4, 3))), "one plane"),
        ("a.npy", npy(np.zeros((0, 4))), "one plane"),
        ("a.npy", npy(np.zeros((3, 4), np.int32)), "float, unsigned or bool"),
        ("a.npy", npy(np.zeros((3, 4)))[:-5], "cannot be read"),
        ("a.npy", archive(), "archive of arrays"),
        ("a.npy", b"", "cannot be read"),
        ("a.npy", npy(np.array([[{}]], dtype=object)), "cannot be read"),
        ("a.pgm", b"P5\n4 3\n", "cannot be read"),
        ("a.pgm", b"P5\n4 3\n255\nabc", "cannot be read"),
        ("a.pgm", b"P2\n4 3\n255\n1 2 3", "cannot be read"),
        ("a.pgm", b"P2\n2 1\n255\n1 x", "cannot be read"),
        ("a.pgm", b"P2\n2 1\n255\n1 -2", "negative"),
        ("a.pgm", b"P2\n2 1\n200\n1 201", "too large"),
        ("a.pgm", b"P5\n2 1\n70000\nabcd", "less than 65536"),
        ("a.pgm", b"P5\n0 1\n255\n", "cannot be read"),
        ("a.png", b"\x89PNG\r\n\x1a\nrubbish", "cannot be read"),
        ("a.png", b"", "cannot be read"),
    ],
)
def test_bad_maps(tmp_path: Path, name: str, data: bytes, says: str) -> None:
    with pytest.raises(InputError, match=says):
        read_map(write(tmp_path / name, data))


def test_masks_and_trimaps(tmp_path: Path) -> None:
    gray = np.array([[0, 127, 128], [129, 255, 0]], np.uint8)
    Image.fromarray(gray).save(tmp_path / "a.png")
    mask, valid = read_mask(tmp_path / "a.png")
    assert valid is not None
    assert mask.tolist() == [[False, False, False], [True, True, False]]
    assert valid.tolist() == [[True, True, False], [True, True, True]]
    for array in (mask, mask.astype(np.float32), mask.astype(np.uint8) * np.uint8(255)):
        np.save(tmp_path / "a.npy", array)
        read, everywhere = read_mask(tmp_path / "a.npy")
        assert (read == mask).all()
        assert everywhere is None
    np.save(tmp_path / "a.npy", np.full((2, 2), 128, np.uint8))
    with pytest.raises(InputError, match="border all over"):
        read_mask(tmp_path / "a.npy")


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    """Three maps in three formats with their masks."""
    pred, gt = tmp_path / "pred", tmp_path / "gt"
    pred.mkdir()
    gt.mkdir()
    y, x = np.mgrid[:48, :64]
    for number, centre in enumerate((20, 32, 44)):
        mask = np.hypot(y - 24, x - centre) < 12
        soft = 1 / (1 + np.exp((np.hypot(y - 24, x - centre - 3) - 12) / 3))
        Image.fromarray(mask.astype(np.uint8) * 255).save(gt / f"clip_{number}.png")
        if number == 0:
            np.save(pred / "clip_0.npy", soft.astype(np.float32))
        elif number == 1:
            Image.fromarray(np.uint8(soft * 255)).save(pred / "clip_1.pgm")
        else:  # half the size: resized to the mask
            Image.fromarray(np.uint8(soft[::2, ::2] * 255)).save(pred / "clip_2.png")
    return pred, gt


def test_command(folders: tuple[Path, Path], tmp_path: Path) -> None:
    pred, gt = folders
    (pred / "alone.png").write_bytes((gt / "clip_0.png").read_bytes())
    out = tmp_path / "out.json"
    options = ["maps", "--pred", str(pred), "--gt", str(gt), "--json"]
    result = CliRunner().invoke(app, [*options, str(out)])
    assert result.exit_code == 0, result.exception
    assert "| gt | 3 | pred | as given |" in result.output
    document = json.loads(out.read_text())
    (row,) = document["results"]
    assert row["n"] == 3
    assert [image["stem"] for image in row["images"]] == ["clip_0", "clip_1", "clip_2"]
    mask, _ = read_mask(gt / "clip_0.png")
    alone = score_map(read_map(pred / "clip_0.npy"), mask)
    assert row["images"][0]["iou"] == pytest.approx(alone.iou, abs=1e-6)
    assert row["images"][0]["block_iou_16"] == pytest.approx(alone.block_iou(16), abs=1e-6)
    assert row["block_iou_16"] == pytest.approx(
        np.mean([image["block_iou_16"] for image in row["images"]]), abs=1e-6
    )
    assert any("alone.png has no mask" in sentence for sentence in document["data"][0]["left_out"])


def test_stems_that_do_not_match(folders: tuple[Path, Path], tmp_path: Path) -> None:
    pred, gt = folders
    other = tmp_path / "other"
    other.mkdir()
    np.save(other / "else.npy", np.zeros((2, 2)))
    with pytest.raises(InputError, match="no two have the same stem"):
        pair_maps(other, gt)
    with pytest.raises(InputError, match="--pred"):
        pair_maps(tmp_path / "absent", gt)
    np.save(pred / "clip_1.npy", np.zeros((48, 64)))
    with pytest.raises(InputError, match="which one counts cannot be known"):
        pair_maps(pred, gt)


def test_a_map_of_another_section_is_refused(folders: tuple[Path, Path]) -> None:
    pred, gt = folders
    np.save(pred / "clip_0.npy", np.zeros((48, 48)))
    result = CliRunner().invoke(app, ["maps", "--pred", str(pred), "--gt", str(gt)])
    assert isinstance(result.exception, InputError)
    assert "do not show the same section" in str(result.exception)
