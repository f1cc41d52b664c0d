"""The metrics against figures worked out by hand, their definitions, and another implementation."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

pytest.importorskip("scipy")

from tests.peer_package import python_with
from vmafsal.metrics.salient_object import (
    adaptive_threshold,
    block_counts,
    score_map,
    structure_measure,
    weighted_f,
)

Map = NDArray[np.float32]
Mask = NDArray[np.bool_]


def drawn(seed: int, height: int = 60, width: int = 84) -> tuple[Map, Mask]:
    """A soft map around an ellipse, off by a little, with noise."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    cy, cx = rng.uniform(0.3, 0.7, 2) * (height, width)
    radius = ((y - cy) / (height * 0.25)) ** 2 + ((x - cx) / (width * 0.2)) ** 2
    shifted = ((y - cy - 4) / (height * 0.28)) ** 2 + ((x - cx + 3) / (width * 0.18)) ** 2
    soft = 1 / (1 + np.exp(4 * (shifted - 1))) + rng.normal(0, 0.08, (height, width))
    return np.clip(soft, 0, 1).astype(np.float32), radius < 1


def test_hand_worked_four_pixels() -> None:
    saliency = np.array([[0.9, 0.6], [0.5, 0.0]], np.float32)
    mask = np.array([[True, False], [True, False]])
    scores = score_map(saliency, mask)
    assert scores.iou == pytest.approx(2 / 3)  # 0.5 counts as salient
    assert scores.mae == pytest.approx((0.1 + 0.6 + 0.5 + 0.0) / 4)
    assert scores.saliency_mean == pytest.approx(0.5)
    assert scores.object_share == 0.5
    assert scores.mean_error == pytest.approx(0.0)
    # Twice the mean is 1: nothing reaches it.
    assert scores.adaptive_f == 0.0
    # At 0.5 (level 127): three claimed, two of them right.
    precision, recall = 2 / 3, 1.0
    assert scores.f_curve[127] == pytest.approx(1.3 * precision * recall / (0.3 * precision + 1))
    # Everything is claimed at level 0.
    assert scores.f_curve[0] == pytest.approx(1.3 * 0.5 / (0.3 * 0.5 + 1))


def test_perfect_map() -> None:
    _, mask = drawn(1)
    scores = score_map(mask.astype(np.float32), mask)
    assert scores.iou == 1.0
    assert scores.mae == 0.0
    assert scores.adaptive_f == pytest.approx(1.0)
    assert scores.s_measure == pytest.approx(1.0)
    assert scores.weighted_f == pytest.approx(1.0)
    assert scores.f_curve[1:] == pytest.approx(1.0)
    assert scores.block_iou(16) == scores.block_iou(64) == 1.0


def test_e_curve_equals_its_definition_on_pictures() -> None:
    saliency, mask = drawn(2)
    levels = (saliency.astype(np.float64) * 255).astype(np.uint8)
    curve = score_map(saliency, mask).e_curve
    for level in (0, 1, 60, 127, 200, 255):
        binary = (levels >= level).astype(np.float64)
        a, b = binary - binary.mean(), mask - mask.mean()
        aligned = 2 * a * b / (a * a + b * b + np.spacing(1))
        assert curve[level] == pytest.approx(((aligned + 1) ** 2 / 4).sum() / (mask.size - 1))


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_masks_without_object_or_background(value: float) -> None:
    saliency, _ = drawn(3)
    flat = np.full(saliency.shape, value, np.float32)
    nothing, everything = np.zeros(flat.shape, bool), np.ones(flat.shape, bool)
    assert score_map(flat, nothing).iou == (1.0 if value == 0.0 else 0.0)
    assert score_map(flat, nothing).weighted_f == 0.0
    assert score_map(flat, nothing).s_measure == pytest.approx(1.0 - value)
    assert score_map(flat, everything).s_measure == pytest.approx(value)
    assert score_map(flat, everything).iou == value
    assert not score_map(saliency, nothing).f_curve.any()


def test_no_stretching() -> None:
    """A faint map stays faint: a stretch of each map would make both the same."""
    saliency, mask = drawn(4)
    assert score_map(saliency * np.float32(0.3), mask).iou == 0.0
    assert score_map(saliency, mask).iou > 0.5


def test_blocks_by_hand() -> None:
    mask = np.zeros((5, 7), bool)
    mask[0:2, 0:1] = True  # half of the first block of 2x2: salient at just 0.5
    mask[4, 6] = True  # a partial block of one pixel
    mask[2, 2] = True  # a quarter of a block: not salient
    saliency = mask.astype(np.float32)
    assert block_counts(saliency, mask, 2) == (2, 2)
    saliency[0, 0] = 0.9  # now just under one half
    assert block_counts(saliency, mask, 2) == (1, 2)
    assert block_counts(np.zeros((5, 7), np.float32), np.zeros((5, 7), bool), 2) == (0, 0)
    assert score_map(np.zeros((5, 7), np.float32), np.zeros((5, 7), bool)).block_iou(16) == 1.0


def test_block_without_a_valid_pixel_is_left_out() -> None:
    saliency, mask = np.ones((4, 4), np.float32), np.ones((4, 4), bool)
    valid = np.ones((4, 4), bool)
    valid[:2, :2] = False
    assert block_counts(saliency, mask, 2, valid) == (3, 3)
    valid[2, 2] = False  # the others of that block still decide
    assert block_counts(saliency, mask, 2, valid) == (3, 3)


def border_of(mask: Mask) -> Mask:
    """Everything but a rim of two pixels around the object."""
    from scipy.ndimage import binary_dilation, binary_erosion

    rim = binary_dilation(mask, iterations=2) & ~binary_erosion(mask, iterations=2)
    return np.asarray(~rim)


def everything(saliency: Map, mask: Mask, valid: Mask | None) -> list[float]:
    scores = score_map(saliency, mask, valid)
    return [
        scores.iou,
        scores.mae,
        scores.adaptive_f,
        scores.adaptive_e,
        scores.s_measure,
        scores.weighted_f,
        scores.mean_error,
        scores.block_iou(16),
        scores.block_iou(64),
        *scores.f_curve.tolist(),
        *scores.e_curve.tolist(),
    ]


def test_border_pixels_change_nothing() -> None:
    saliency, mask = drawn(5)
    valid = border_of(mask)
    other, other_mask = saliency.copy(), mask.copy()
    rng = np.random.default_rng(0)
    other[~valid] = rng.random(np.count_nonzero(~valid), np.float32)
    other_mask[~valid] = rng.random(np.count_nonzero(~valid)) < 0.5
    assert everything(saliency, mask, valid) == everything(other, other_mask, valid)
    assert everything(saliency, mask, valid) != everything(saliency, mask, None)


def test_valid_everywhere_is_no_border() -> None:
    saliency, mask = drawn(6)
    valid = np.ones(mask.shape, bool)
    assert everything(saliency, mask, valid) == pytest.approx(everything(saliency, mask, None))


def test_padding_that_is_not_valid_is_as_none() -> None:
    """Pixel metrics of a picture with a rim that does not count are those of the picture."""
    saliency, mask = drawn(7, 64, 128)
    valid = np.pad(np.ones(mask.shape, bool), 64)
    padded = score_map(np.pad(saliency, 64, constant_values=0.7), np.pad(mask, 64), valid)
    alone = score_map(saliency, mask)
    assert padded.iou == alone.iou
    assert padded.mae == pytest.approx(alone.mae)
    assert padded.s_measure == pytest.approx(alone.s_measure)
    assert padded.adaptive_e == pytest.approx(alone.adaptive_e)
    np.testing.assert_allclose(padded.f_curve, alone.f_curve)
    np.testing.assert_allclose(padded.e_curve, alone.e_curve)
    assert padded.blocks == alone.blocks


def test_weighted_f_minds_where_the_error_is() -> None:
    """The same number of false pixels costs more far from the object than beside it."""
    mask = np.zeros((60, 60), bool)
    mask[20:30, 20:30] = True
    near, far = mask.astype(np.float32), mask.astype(np.float32)
    near[20:30, 30:34] = 1.0
    far[46:56, 50:54] = 1.0
    assert weighted_f(far, mask) < weighted_f(near, mask) < 1.0


def test_s_measure_with_the_object_in_a_corner() -> None:
    """The regions beyond the centroid are empty there, and have no weight."""
    mask = np.zeros((8, 9), bool)
    mask[7, 8] = True
    assert structure_measure(mask.astype(np.float32), mask) == pytest.approx(1.0)
    assert adaptive_threshold(np.full(4, 0.8)) == 1.0


def test_refusals() -> None:
    saliency, mask = drawn(8)
    with pytest.raises(ValueError, match="cannot be measured on"):
        score_map(saliency[1:], mask)
    with pytest.raises(ValueError, match="all of it is border"):
        score_map(saliency, mask, np.zeros(mask.shape, bool))
    with pytest.raises(ValueError, match=r"lies in \[0, 1\]"):
        score_map(saliency + np.float32(0.5), mask)
    saliency[3, 3] = np.nan
    with pytest.raises(ValueError, match=r"lies in \[0, 1\]"):
        score_map(saliency, mask)


PEER = '''
import json, sys, types, warnings
import numpy as np

class Absent(types.ModuleType):
    """OpenCV, scikit-image and scikit-learn serve metrics that are not compared here."""
    def __getattr__(self, name):
        return None

for name in ("cv2", "skimage", "skimage.color", "sklearn", "sklearn.neighbors",
             "sklearn.preprocessing"):
    sys.modules[name] = Absent(name)
warnings.simplefilter("ignore")
from py_sod_metrics import MAE, Emeasure, Fmeasure, Smeasure, WeightedFmeasure

arrays, answers = np.load(sys.argv[1]), []
for i in range(len(arrays.files) // 2):
    answer = {}
    for name, metric in (("mae", MAE()), ("em", Emeasure()), ("fm", Fmeasure()),
                         ("sm", Smeasure()), ("wfm", WeightedFmeasure())):
        # normalize=False: no stretching between a map's own minimum and maximum
        metric.step(arrays[f"p{i}"].astype(np.float64), arrays[f"g{i}"], normalize=False)
        value = metric.get_results()[name]
        answer[name] = ({"adp": float(value["adp"]), "curve": value["curve"].tolist()}
                        if isinstance(value, dict) else float(value))
    answers.append(answer)
json.dump(answers, sys.stdout)
'''


@pytest.fixture(scope="session")
def peer_python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Python of a venv of its own with pysodmetrics, which pins an older numpy than ours."""
    folder = tmp_path_factory.mktemp("pysodmetrics")
    return python_with(folder, ["--no-deps", "pysodmetrics==1.6.2"], ["numpy<2.3.5", "scipy<2"])


def test_equal_to_pysodmetrics(peer_python: Path, tmp_path: Path) -> None:
    cases = [drawn(seed, *size) for seed, size in enumerate([(60, 84), (37, 53), (200, 150)])]
    saliency, mask = drawn(9)
    cases += [(np.zeros_like(saliency), mask), (np.ones_like(saliency), mask)]
    cases += [(saliency, np.zeros_like(mask)), (saliency, np.ones_like(mask))]
    arrays: dict[str, Any] = {f"p{i}": p for i, (p, _) in enumerate(cases)}
    arrays |= {f"g{i}": g for i, (_, g) in enumerate(cases)}
    np.savez(tmp_path / "cases.npz", **arrays)
    (tmp_path / "peer.py").write_text(PEER, encoding="utf-8")
    done = subprocess.run(
        [peer_python, tmp_path / "peer.py", tmp_path / "cases.npz"],
        capture_output=True,
        text=True,
    )
    assert not done.returncode, done.stderr
    answers = json.loads(done.stdout)
    assert len(answers) == len(cases)
    for (saliency, mask), answer in zip(cases, answers, strict=True):
        scores = score_map(saliency, mask)
        assert scores.mae == pytest.approx(answer["mae"], abs=1e-9)
        assert scores.s_measure == pytest.approx(answer["sm"], abs=1e-9)
        assert scores.weighted_f == pytest.approx(answer["wfm"], abs=1e-9)
        assert scores.adaptive_f == pytest.approx(answer["fm"]["adp"], abs=1e-9)
        assert scores.adaptive_e == pytest.approx(answer["em"]["adp"], abs=1e-9)
        # Theirs run from the highest threshold to the lowest.
        np.testing.assert_allclose(scores.f_curve[::-1], answer["fm"]["curve"], atol=1e-9)
        np.testing.assert_allclose(scores.e_curve[::-1], answer["em"]["curve"], atol=1e-9)
