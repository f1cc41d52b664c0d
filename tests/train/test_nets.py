"""The networks, and the loss that trains them."""

from __future__ import annotations

import math

import numpy as np
import pytest

pytest.importorskip("torch")

import torch

from train.loss import disagreement, map_loss
from train.nets import ARCHITECTURES, build
from vmafsal.metrics.fixation import correlation, kl_divergence

pytestmark = pytest.mark.train


@pytest.mark.parametrize(
    ("arch", "count"), [("v1", 112_841), ("v2", 123_721), ("v3", 262_897), ("v3n", 249_841)]
)
def test_parameters_are_exactly_the_published_ones(arch: str, count: int) -> None:
    assert sum(p.numel() for p in build(arch).parameters() if p.requires_grad) == count


@pytest.mark.parametrize("arch", ["v3", "v3n"])
def test_canonical_students_have_no_batch_normalisation(arch: str) -> None:
    net = build(arch)
    assert not any(isinstance(m, torch.nn.BatchNorm2d) for m in net.modules())


def test_students_differ_in_the_decoder_alone() -> None:
    shapes = [{n: p.shape for n, p in build(a).named_parameters()} for a in ("v1", "v2")]
    common = shapes[0].keys() & shapes[1].keys()
    assert all(shapes[0][name] == shapes[1][name] for name in common)
    assert {n.split(".")[0] for n in shapes[0].keys() ^ shapes[1].keys()} == {"up1", "up2", "up3"}


@pytest.mark.parametrize("arch", ARCHITECTURES)
@pytest.mark.parametrize("size", [(2, 2), (3, 5)])
def test_map_has_the_size_of_the_picture_and_lies_in_0_1(arch: str, size: tuple[int, int]) -> None:
    height, width = (side * ARCHITECTURES[arch].stride for side in size)
    with torch.no_grad():
        saliency = build(arch).eval()(torch.randn(2, 3, height, width))
    assert saliency.shape == (2, 1, height, width)
    assert 0 <= saliency.min() <= saliency.max() <= 1


@pytest.mark.parametrize("arch", ["v1", "v2"])
def test_field_of_view(arch: str) -> None:
    """How far a pixel of the map sees, found from what moves it; the cards state it."""
    torch.manual_seed(0)
    net = build(arch).eval().double()
    for p in net.parameters():
        p.data.abs_()  # no path may cancel another, no ReLU may close one
    net.pool = torch.nn.AvgPool2d(2)  # lets every pixel through, where the maximum picks one
    x = torch.rand(1, 3, 160, 16, dtype=torch.double, requires_grad=True)
    widest = 0
    for centre in range(80, 88):
        x.grad = None
        net(x, logits=True)[0, 0, centre, 8].backward()
        assert x.grad is not None
        rows = x.grad.abs().sum((0, 1, 3)).nonzero()
        widest = max(widest, int(rows.max() - rows.min()) + 1)
    assert widest == ARCHITECTURES[arch].field_of_view


@pytest.mark.parametrize("arch", ["v3", "v3n"])
def test_every_place_of_a_canonical_student_sees_the_whole_frame(arch: str) -> None:
    torch.manual_seed(0)
    net = build(arch).eval()
    x = torch.rand(1, 3, 128, 192, requires_grad=True)
    net(x, logits=True)[0, 0, 3, 3].backward()
    assert x.grad is not None
    assert (x.grad.abs().sum(1)[0, -16:, -16:] > 0).any()


def test_a_flat_picture_has_a_finite_map_and_gradient() -> None:
    torch.manual_seed(0)
    net = build("v3n")
    saliency = net(torch.full((2, 3, 96, 128), 0.5))
    saliency.mean().backward()
    assert torch.isfinite(saliency).all()
    assert all(torch.isfinite(p.grad).all() for p in net.parameters() if p.grad is not None)


def planes(*values: float) -> torch.Tensor:
    return torch.tensor(values).view(1, 1, 1, -1)


def test_loss_equals_its_formula() -> None:
    logits, target = planes(2.0, -1.0, 0.5), planes(1.0, 0.0, 1.0)
    p = [1 / (1 + math.exp(-z)) for z in (2.0, -1.0, 0.5)]
    bce = -(math.log(p[0]) + math.log(1 - p[1]) + math.log(p[2])) / 3
    dice = 1 - (2 * (p[0] + p[2]) + 1) / (sum(p) + 2 + 1)
    assert map_loss(logits, target, torch.ones_like(logits)).item() == pytest.approx(bce + dice)


def test_soft_iou_and_the_error_of_the_mean_equal_their_formulas() -> None:
    p = [1 / (1 + math.exp(-z)) for z in (2.0, -1.0)]
    bce = -(math.log(p[0]) + math.log(1 - p[1])) / 2
    iou = (p[0] + 1) / (1 + p[1] + 1)
    # The third pixel weighs nothing.
    three = planes(2.0, -1.0, 9.0), planes(1.0, 0.0, 0.0), planes(1.0, 1.0, 0.0)
    found = map_loss(*three, "iou", 0.6).item()
    assert found == pytest.approx(bce + 0.6 * (1 - iou))
    apart = abs(sum(p) - 1.0) / 2
    assert map_loss(*three, "iou", 0.6, 3.0).item() == pytest.approx(found + 3.0 * apart)


def test_similarity_is_cc_and_kl_as_the_metrics_have_them() -> None:
    rng = np.random.default_rng(0)
    answer, truth = rng.uniform(0.05, 0.95, (2, 6, 8))
    whole = torch.tensor(np.log(answer / (1 - answer)))[None, None], torch.tensor(truth)[None, None]
    weight = torch.ones_like(whole[0])
    bce = -(truth * np.log(answer) + (1 - truth) * np.log(1 - answer)).mean()
    expected = 1 - correlation(answer, truth) + kl_divergence(answer, truth)
    assert map_loss(*whole, weight, "cc_kl", 0.0).item() == pytest.approx(bce, rel=1e-5)
    found = map_loss(*whole, weight, "cc_kl", 0.5).item()
    assert found == pytest.approx(bce + 0.5 * expected, rel=1e-4)
    # A pixel without weight counts nowhere.
    logits, target = (torch.cat([p, torch.full((1, 1, 6, 1), 0.7)], dim=3) for p in whole)
    weight = torch.cat([weight, torch.zeros(1, 1, 6, 1)], dim=3)
    assert map_loss(logits, target, weight, "cc_kl", 0.5).item() == pytest.approx(found, rel=1e-5)


def test_a_flat_label_has_a_finite_loss_and_gradient() -> None:
    logits = planes(0.0, 0.0, 0.0).requires_grad_()
    for value in (0.0, 1.0):
        loss = map_loss(logits, planes(value, value, value), torch.ones_like(logits), "cc_kl")
        (gradient,) = torch.autograd.grad(loss, logits)
        assert torch.isfinite(loss)
        assert torch.isfinite(gradient).all()


def test_disagreement_is_the_difference_of_the_mean_and_of_the_map() -> None:
    clear, coded = torch.full((2, 1, 4, 4), -30.0), torch.full((2, 1, 4, 4), -30.0)
    assert float(disagreement(clear, coded)) == 0.0
    coded[0, 0, :2] = 30.0  # one picture of two: half of its map from 0 to 1
    assert float(disagreement(clear, coded)) == pytest.approx((0.5 + 0.5) / 2)


def test_pixels_without_weight_count_nowhere() -> None:
    inner = map_loss(planes(2.0, -1.0), planes(1.0, 0.0), planes(1.0, 1.0))
    for z, y in ((9.0, 0.0), (-9.0, 1.0)):
        border = map_loss(planes(2.0, -1.0, z), planes(1.0, 0.0, y), planes(1.0, 1.0, 0.0))
        assert border.item() == pytest.approx(inner.item())


def test_an_image_that_is_border_all_over_has_a_finite_loss_and_no_gradient() -> None:
    logits = planes(3.0, -2.0).requires_grad_()
    loss = map_loss(logits, planes(1.0, 0.0), planes(0.0, 0.0))
    loss.backward()  # type: ignore[no-untyped-call]
    assert math.isfinite(loss.item())
    assert logits.grad is not None
    assert not logits.grad.any()


def test_an_empty_mask_still_teaches() -> None:
    logits = planes(1.0, 1.0).requires_grad_()
    map_loss(logits, planes(0.0, 0.0), planes(1.0, 1.0)).backward()  # type: ignore[no-untyped-call]
    assert logits.grad is not None
    assert (logits.grad > 0).all()


def test_each_image_counts_the_same() -> None:
    a = (planes(1.0, -1.0), planes(1.0, 0.0), planes(1.0, 1.0))
    b = (planes(-3.0, 2.0), planes(0.0, 1.0), planes(1.0, 0.2))
    logits, target, weight = (torch.cat(pair) for pair in zip(a, b, strict=True))
    mean = (map_loss(*a).item() + map_loss(*b).item()) / 2
    assert map_loss(logits, target, weight).item() == pytest.approx(mean)
