"""The student that sees the whole frame, and what its training adds."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("torch")

import torch

from tests.drawn_corpus import draw_duts
from train.architectures import ARCHITECTURES, architecture, build
from train.augment import Augment
from train.checkpoint import load_checkpoint
from train.compose import Composer, Composition, cut_confident
from train.data import Item, Pair, find_pairs, load_items
from train.export import export_student
from train.fit import fit
from train.loss import bce_iou, disagreement
from train.net import build as build_student
from train.pseudo import Gate, gated
from train.recipe import Recipe
from train.samples import Samples
from vmafsal import extract
from vmafsal.errors import UsageError
from vmafsal.models.model import load_model

pytestmark = pytest.mark.train

SMALL = Recipe(
    "v3", epochs=2, batch=8, lr=2e-3, augment=Augment(64, (64, 80)), composites=8, fold=0.2,
    eval_side=64, threads=1, optimizer="adamw", weight_decay=0.02, warmup=3, ema=0.9,
    soft_iou=0.6, rescale=(32, 64), consistency=0.5,
    composition=Composition((0.2, 0.9), True, True),
)  # fmt: skip


@pytest.fixture(scope="module")
def duts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw_duts(tmp_path_factory.mktemp("corpus") / "DUTS-TR", 40)


@pytest.fixture(scope="module")
def trained(duts: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("whole")
    fit(SMALL, [find_pairs(duts)], out)
    return out / "checkpoint.pt"


def test_parameters_are_the_stated_ones_and_few() -> None:
    count = sum(p.numel() for p in build("v3").parameters())
    assert count == architecture("v3").parameters <= 300_000


def test_the_older_students_come_out_of_the_same_table() -> None:
    for name in ("v1", "v2"):
        torch.manual_seed(5)
        ours = build(name).state_dict()
        torch.manual_seed(5)
        theirs = build_student(name).state_dict()
        assert all(torch.equal(ours[key], theirs[key]) for key in theirs)


def test_unknown_architecture_is_refused() -> None:
    with pytest.raises(ValueError, match="v1, v2, v3"):
        build("v9")


def test_every_place_sees_the_whole_frame() -> None:
    torch.manual_seed(0)
    net = build("v3").eval()
    x = torch.rand(1, 3, 128, 192, requires_grad=True)
    net(x, logits=True)[0, 0, 3, 3].backward()
    assert x.grad is not None
    assert (x.grad.abs().sum(1)[0, -16:, -16:] > 0).any()


@pytest.mark.parametrize("size", [(32, 32), (96, 160)])
def test_map_has_the_size_of_the_picture_and_lies_in_0_1(size: tuple[int, int]) -> None:
    with torch.no_grad():
        saliency = build("v3").eval()(torch.randn(2, 3, *size))
    assert saliency.shape == (2, 1, *size)
    assert 0 <= saliency.min() <= saliency.max() <= 1


def row(*values: float) -> torch.Tensor:
    return torch.tensor(values).view(1, 1, 1, -1)


def test_loss_equals_its_formula() -> None:
    p = [1 / (1 + math.exp(-z)) for z in (2.0, -1.0)]
    bce = -(math.log(p[0]) + math.log(1 - p[1])) / 2
    iou = (p[0] + 1) / (1 + p[1] + 1)
    # The third pixel weighs nothing.
    found = bce_iou(row(2.0, -1.0, 9.0), row(1.0, 0.0, 0.0), row(1.0, 1.0, 0.0), 0.6)
    assert found.item() == pytest.approx(bce + 0.6 * (1 - iou))


def test_disagreement_is_the_step_of_the_mean_and_of_the_map() -> None:
    clear, coded = torch.full((2, 1, 4, 4), -30.0), torch.full((2, 1, 4, 4), -30.0)
    assert float(disagreement(clear, coded)) == 0.0
    coded[0, 0, :2] = 30.0  # one picture of two: half of its map from 0 to 1
    assert float(disagreement(clear, coded)) == pytest.approx((0.5 + 0.5) / 2)


def test_a_twin_is_the_same_picture_seen_worse(duts: Path) -> None:
    pairs = find_pairs(duts).pairs
    items, augment = load_items(pairs, 0.15), Augment(64, (64, 80))
    indices = [(range(len(pairs)), 1.0)]
    alone = Samples(items, indices, augment, 42)
    both = Samples(items, indices, augment, 42, twins=True)
    plain, twin = alone[0, 3].numpy(), both[0, 3].numpy()
    assert twin.shape == (8, 64, 64)
    np.testing.assert_array_equal(twin[:5], plain)
    assert not np.array_equal(twin[5:], plain[:3])
    assert np.corrcoef(twin[5:].ravel(), plain[:3].ravel())[0, 1] > 0.8


def test_resumed_run_ends_in_the_same_weights(duts: Path, trained: Path, tmp_path: Path) -> None:
    data = [find_pairs(duts)]
    whole = load_checkpoint(trained)

    def stop(sentence: str) -> None:
        if sentence.startswith("epoch 1 "):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit(SMALL, data, tmp_path, say=stop)
    again = fit(SMALL, data, tmp_path, resume=True)
    assert again.average is not None
    assert whole.average is not None
    for name, value in whole.average.items():
        assert torch.equal(again.average[name], value), name
    assert again.best_iou == whole.best_iou


def test_the_average_is_what_is_kept(duts: Path, tmp_path: Path) -> None:
    state = fit(replace(SMALL, epochs=1), [find_pairs(duts)], tmp_path)
    assert state.average is not None
    name = "head.weight"
    assert torch.equal(state.best[name], state.average[name])
    assert not torch.equal(state.best[name], state.model[name])


def test_a_run_begins_with_the_weights_of_another(duts: Path, trained: Path) -> None:
    before = load_checkpoint(trained)
    recipe = replace(SMALL, epochs=1, lr=0.0, weight_decay=0.0)
    state = fit(recipe, [find_pairs(duts)], trained.parent / "second", init=before)
    assert torch.equal(state.model["head.weight"], before.best["head.weight"])


def test_weights_of_another_architecture_are_refused(
    duts: Path, trained: Path, tmp_path: Path
) -> None:
    recipe = Recipe("v1", epochs=1, batch=8, augment=Augment(64, (64, 64)))
    with pytest.raises(UsageError, match="--init is a v3"):
        fit(recipe, [find_pairs(duts)], tmp_path, init=load_checkpoint(trained))


def test_sides_off_the_stride_are_refused() -> None:
    with pytest.raises(UsageError, match="--crop 48 is not a multiple of 32"):
        Recipe("v3", augment=Augment(48, (48, 48)))
    with pytest.raises(UsageError, match="--rescale 100 is not a multiple of 32"):
        replace(SMALL, rescale=(64, 100))


def test_exported_file_asks_for_its_canonical_size(trained: Path, tmp_path: Path) -> None:
    exported = export_student(load_checkpoint(trained), tmp_path, "student")
    model = load_model(str(exported.onnx))
    assert model.stride == 32
    assert (model.policy.short_side, model.policy.multiple) == (192, 32)
    assert model.policy.color == "auto"
    assert max(exported.parity.values()) <= 1e-5
    assert "short side 192" in (tmp_path / "student.md").read_text("utf-8")


def test_the_number_holds_from_rung_to_rung(trained: Path, tmp_path: Path) -> None:
    exported = export_student(load_checkpoint(trained), tmp_path, "student")
    y, x = np.mgrid[:1080, :1440] / 1080
    luma = np.where((x - 0.6) ** 2 + (y - 0.5) ** 2 < 0.06, 190, 60 + 30 * y + 20 * x)
    found = []
    for lines in (270, 540, 1080):
        size = (lines * 4 // 3, lines)
        small = Image.fromarray(luma.astype(np.uint8)).resize(size, Image.Resampling.BOX)
        path = tmp_path / f"{lines}.yuv"
        gray = bytes([128]) * (size[0] // 2 * (lines // 2) * 2)
        path.write_bytes(np.asarray(small).tobytes() + gray)
        (scored,) = extract(path, model=exported.onnx, width=size[0], height=lines, device="cpu")
        found.append(scored.metrics["saliency_mean"])
    assert max(found) - min(found) < 0.005
    assert 0.01 < found[0] < 0.99


def soft_item(label: np.ndarray) -> Item:
    weight = np.full(label.shape, 255, np.uint8)
    image = np.dstack([label] * 3)
    return Item(Pair(Path("a.jpg"), Path("a.png"), soft=True), image, label, weight)


def test_confident_piece_is_cut_and_a_doubtful_one_is_not() -> None:
    label = np.zeros((40, 60), np.uint8)
    label[10:20, 5:20] = 240
    label[30:33, 50:53] = 255
    cut = cut_confident(soft_item(label))
    assert cut is not None
    assert cut.shape == (10, 15, 4)
    assert (cut[..., 3] == 255).all()
    assert cut_confident(soft_item(np.where(label == 240, 150, 0).astype(np.uint8))) is None
    assert cut_confident(soft_item(np.full((40, 60), 255, np.uint8))) is None
    assert cut_confident(soft_item(np.zeros((40, 60), np.uint8))) is None


def test_small_objects_come_as_often_as_large_ones(duts: Path) -> None:
    items = load_items(find_pairs(duts).pairs)
    composer = Composer(items, [0], [1], 0.15, Composition((0.1, 0.8), log_size=True))
    rng = np.random.default_rng(0)
    sizes = [composer._size(rng) for _ in range(4000)]
    assert 0.1 <= min(sizes) <= max(sizes) <= 0.8
    assert np.mean(np.array(sizes) < math.sqrt(0.08)) == pytest.approx(0.5, abs=0.03)


def test_objects_are_drawn_by_their_odds(duts: Path) -> None:
    items = load_items(find_pairs(duts).pairs)
    composer = Composer(items, [3, 4], [1], 0.15, Composition(by_set=True), odds=[0.0, 2.0])
    rng = np.random.default_rng(0)
    used = {i for _ in range(40) for i in composer.draw(Augment(64, (64, 64)), rng)[1]}
    assert used == {1, 4}


def test_a_quiet_scene_is_background_and_its_objects_are_doubted() -> None:
    label = np.zeros((80, 80), np.uint8)
    label[:40] = 255
    items = load_items(())
    items.append(soft_item(label), keep=True)
    found = {}
    for quiet in (False, True):
        composer = Composer(items, [0], [0], 0.15, Composition(quiet_scenes=quiet))
        rng = np.random.default_rng(1)
        drawn = [composer.draw(Augment(64, (64, 64)), rng) for _ in range(60)]
        found[quiet] = [planes for planes, used in drawn if used == [0]]
    assert len(found[True]) >= 2
    for planes in found[True]:
        assert not planes[..., 3].any()
        assert (planes[:20, :, 4] == round(0.15 * 255)).all()
        assert (planes[-20:, :, 4] == 255).all()
    assert all((planes[:20, :, 3] == 255).all() for planes in found[False])


def test_what_people_watched_and_the_label_denies_is_doubted() -> None:
    density = np.zeros((64, 64), np.uint8)
    density[20:28, 20:28] = 255
    label = np.zeros((64, 64), np.float32)
    label[22:24, 22:24] = 0.9
    gate = Gate(Path(), blur=0.02)
    plain = gated(label, density, gate)
    doubted = gated(label, density, replace(gate, doubt=(0.2, 0.5)))
    assert plain[26, 26] == 0
    assert doubted[26, 26] == 0.5
    assert doubted[23, 23] == plain[23, 23] == np.float32(0.9)
    assert doubted[60, 60] == 0


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_a_recipe_needs_the_architecture_alone(name: str) -> None:
    assert Recipe(name).augment.crop % architecture(name).stride == 0
