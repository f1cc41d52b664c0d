"""Folders of images and labels, and the samples made of them."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("torch")

from tests.drawn_corpus import draw_duts, draw_pair
from train.augment import Augment, crop_resized, degrade, photometric
from train.compose import cut_out, paste
from train.data import (
    Items,
    Pair,
    decode,
    file_list_digest,
    find_pairs,
    kept_out,
    load_items,
    open_dataset,
    split_fold,
)
from train.samples import COMPOSITE, Samples
from vmafsal.errors import InputError, UsageError

pytestmark = pytest.mark.train


def write(path: Path, pixels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


@pytest.fixture
def duts(tmp_path: Path) -> Path:
    return draw_duts(tmp_path / "DUTS-TR", 20)


def test_duts_layout_is_read(duts: Path) -> None:
    found = find_pairs(duts)
    assert len(found.pairs) == 20
    assert [p.stem for p in found.pairs] == sorted(p.stem for p in found.pairs)
    assert found.pairs[3].image.parent.name == "DUTS-TR-Image"
    assert found.pairs[3].label.parent.name == "DUTS-TR-Mask"
    assert not found.soft
    assert not found.orphans


def test_orphans_are_named(duts: Path) -> None:
    (duts / "DUTS-TR-Mask" / "drawn_0003.png").unlink()
    write(duts / "DUTS-TR-Mask" / "stranger.png", np.zeros((4, 4), np.uint8))
    found = find_pairs(duts)
    assert len(found.pairs) == 19
    assert [p.name for p in found.orphans] == ["drawn_0003.jpg", "stranger.png"]


def test_trimap_border_weighs_nothing(tmp_path: Path) -> None:
    picture, mask = draw_pair(0, 40, 40)
    mask[18:22] = 128
    write(tmp_path / "images" / "a.jpg", picture)
    write(tmp_path / "masks" / "a.png", mask)
    item = decode(find_pairs(tmp_path).pairs[0])
    assert set(np.unique(item.label)) == {0, 255}
    assert (item.weight[18:22] == 0).all()
    assert (np.delete(item.weight, range(18, 22), axis=0) == 255).all()


def test_antialiased_mask_is_cut_in_the_middle(tmp_path: Path) -> None:
    write(tmp_path / "images" / "a.png", np.zeros((1, 4, 3), np.uint8))
    write(tmp_path / "masks" / "a.png", np.array([[1, 127, 129, 254]], np.uint8))
    item = decode(find_pairs(tmp_path).pairs[0])
    assert item.label.tolist() == [[0, 0, 255, 255]]


def test_soft_labels_weigh_by_how_sure_they_are(tmp_path: Path) -> None:
    write(tmp_path / "images" / "a.png", np.zeros((1, 4, 3), np.uint8))
    write(tmp_path / "soft" / "a.png", np.array([[0, 64, 128, 255]], np.uint8))
    found = find_pairs(tmp_path)
    assert found.soft
    item = decode(found.pairs[0], soft_floor=0.2)
    assert item.label.tolist() == [[0, 64, 128, 255]]
    assert item.weight.tolist() == [[255, 127, 51, 255]]


def test_soft_labels_may_name_images_elsewhere(tmp_path: Path) -> None:
    write(tmp_path / "photos" / "a.png", np.zeros((2, 2, 3), np.uint8))
    write(tmp_path / "labels" / "soft" / "a.png", np.zeros((2, 2), np.uint8))
    record = tmp_path / "labels" / "labels.json"
    record.write_text(json.dumps({"images": "../photos"}), "utf-8")
    assert find_pairs(tmp_path / "labels").pairs[0].image == tmp_path / "photos" / "a.png"
    record.write_text(json.dumps({"images": "../gone"}), "utf-8")
    with pytest.raises(InputError, match="pseudo-label"):
        find_pairs(tmp_path / "labels")


def test_folders_without_pairs_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is not a folder"):
        find_pairs(tmp_path / "missing")
    with pytest.raises(InputError, match=r"\*-Image/ and \*-Mask/"):
        find_pairs(tmp_path)
    write(tmp_path / "images" / "a.png", np.zeros((2, 2, 3), np.uint8))
    write(tmp_path / "masks" / "b.png", np.zeros((2, 2), np.uint8))
    with pytest.raises(InputError, match="holds no pair"):
        find_pairs(tmp_path)


def test_weights_of_sets(duts: Path) -> None:
    assert open_dataset(str(duts)).weight == 1.0
    assert open_dataset(f"{duts}=0.25").weight == 0.25
    odd = duts.rename(duts.with_name("a=2"))
    assert open_dataset(str(odd)).weight == 1.0
    assert open_dataset(f"{odd}=0").weight == 0.0
    for bad in ("x", "-1", "nan"):
        with pytest.raises(UsageError, match="not a number from 0 on"):
            open_dataset(f"{odd}={bad}")


def test_kept_out_stems_follow_their_sha1() -> None:
    stems = [f"stem{i}" for i in range(2000)]
    out = [s for s in stems if kept_out(s, 10)]
    assert out == [s for s in stems if int(hashlib.sha1(s.encode()).hexdigest(), 16) % 10 == 0]
    assert 150 < len(out) < 250
    assert not any(kept_out(s, 0) for s in stems)


def pairs(count: int, soft: bool = False) -> list[Pair]:
    return [Pair(Path(f"i/{i}.jpg"), Path(f"m/{i}.png"), soft) for i in range(count)]


def test_fold_of_duts_is_528_pairs_chosen_by_the_seed() -> None:
    corpus = pairs(10_553)
    training, fold = split_fold(corpus, 0.05, 42)
    assert len(fold) == 528
    assert set(training) | set(fold) == set(corpus)
    assert not set(training) & set(fold)
    assert split_fold(corpus, 0.05, 42)[1] == fold
    assert split_fold(corpus, 0.05, 43)[1] != fold


def test_fold_takes_no_soft_labels() -> None:
    _, fold = split_fold(pairs(50, soft=True) + pairs(50), 0.5, 1)
    assert len(fold) == 25
    assert not any(p.soft for p in fold)


def test_one_bad_pair_in_a_hundred_is_named_and_left_out(tmp_path: Path) -> None:
    found = find_pairs(draw_duts(tmp_path / "d", 100, 16, 16))
    found.pairs[5].image.write_bytes(b"\xff\xd8 no picture")
    said: list[str] = []
    assert len(load_items(found.pairs, say=said.append)) == 99
    assert "1 of 100 pairs were left out" in said[0]
    assert "drawn_0005.jpg" in said[0]
    found.pairs[6].label.write_bytes(b"")
    with pytest.raises(InputError, match=r"2 of 100 .*drawn_0005.jpg.*drawn_0006.png"):
        load_items(found.pairs)


def test_truncated_picture_and_mask_of_another_size_are_bad_pairs(tmp_path: Path) -> None:
    found = find_pairs(draw_duts(tmp_path / "d", 2, 64, 64))
    whole = found.pairs[0].image.read_bytes()
    found.pairs[0].image.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match=r"drawn_0000.jpg cannot be read"):
        decode(found.pairs[0])
    write(found.pairs[1].label, np.zeros((64, 32), np.uint8))
    with pytest.raises(InputError, match="32×64, but its image is 64×64"):
        decode(found.pairs[1])


def test_empty_masks_are_named_and_kept(tmp_path: Path) -> None:
    found = find_pairs(draw_duts(tmp_path / "d", 3, 16, 16))
    write(found.pairs[1].label, np.zeros((16, 16), np.uint8))
    said: list[str] = []
    assert len(load_items(found.pairs, say=said.append)) == 3
    assert "1 masks are empty" in said[0]
    assert "drawn_0001.png" in said[0]


def test_items_beyond_the_memory_budget_are_decoded_anew(duts: Path) -> None:
    found = find_pairs(duts).pairs
    kept, tight = load_items(found), load_items(found, budget=72 * 96 * 5 * 3)
    assert tight[2] is tight[2]
    assert tight[3] is not tight[3]
    for a, b in zip(kept, tight, strict=True):
        np.testing.assert_array_equal(a.image, b.image)
        np.testing.assert_array_equal(a.label, b.label)


def test_digest_changes_with_names_and_sizes(duts: Path) -> None:
    found = find_pairs(duts)
    digest = file_list_digest(found.pairs)
    assert digest == file_list_digest(find_pairs(duts).pairs)
    assert digest != file_list_digest(found.pairs[1:])
    with open(found.pairs[0].image, "ab") as file:
        file.write(b"x")
    assert digest != file_list_digest(found.pairs)


@pytest.fixture
def items(duts: Path) -> Items:
    return load_items(find_pairs(duts).pairs)


def test_crop_moves_picture_and_label_together(items: Items) -> None:
    options = Augment(crop=48, short_side=(56, 80), stretch=0.3)
    for i in range(20):
        planes = crop_resized(items[i], options, np.random.default_rng(i))
        assert planes.shape == (48, 48, 5)
        assert planes.dtype == np.uint8
        solid, empty = planes[..., 3] == 255, planes[..., 3] == 0
        if solid.any():  # the drawn shapes are brighter than every background
            assert planes[solid][:, :3].max(1).min() > planes[empty][:, :3].max(1).mean()


def test_whole_picture_is_reached_by_crops(items: Items) -> None:
    options = Augment(crop=72, short_side=(72, 72))
    lefts = {crop_resized(items[0], options, np.random.default_rng(i)).tobytes() for i in range(40)}
    assert len(lefts) > 10


@pytest.mark.parametrize("seed", range(12))
def test_damage_keeps_shape_and_stays_recognisable(items: Items, seed: int) -> None:
    rgb = items[seed].image[:64, :64]
    for changed in (
        degrade(rgb, np.random.default_rng(seed)),
        photometric(rgb, np.random.default_rng(seed)),
    ):
        assert changed.shape == rgb.shape
        assert changed.dtype == np.uint8
        assert not np.array_equal(changed, rgb)
        grey, before = changed.mean(2).ravel(), rgb.mean(2).ravel()
        assert np.corrcoef(grey, before)[0, 1] > 0.8


def test_cut_out_is_tight(items: Items) -> None:
    cut = cut_out(items[0])
    assert cut is not None
    alpha = cut[..., 3]
    assert alpha[0].any()
    assert alpha[-1].any()
    assert alpha[:, 0].any()
    assert alpha[:, -1].any()
    assert (alpha > 0).sum() == (items[0].label > 0).sum()


def test_paste_blends_all_planes_and_may_reach_over_the_edge() -> None:
    canvas = np.zeros((8, 8, 5), np.uint8)
    canvas[..., 4] = 40
    rgb, alpha = np.full((4, 4, 3), 200, np.uint8), np.full((4, 4), 255, np.uint8)
    alpha[0] = 51  # a fifth
    paste(canvas, rgb, alpha, -1, 6, 255)
    assert canvas[:3, 6:].reshape(-1, 5).tolist() == [[200, 200, 200, 255, 255]] * 6
    paste(canvas, rgb, alpha, 4, 0, 255)
    assert canvas[4, 0].tolist() == [40, 40, 40, 51, 83]
    before = canvas.copy()
    paste(canvas, rgb, alpha, 20, 20, 255)
    np.testing.assert_array_equal(canvas, before)


def samples(items: Items, **options: object) -> Samples:
    settings: dict[str, object] = {"composites": 10} | options
    return Samples(
        items,
        [(range(10), 1.0), (range(10, 20), 2.5)],
        Augment(48, (56, 80), True, 0.2, 0.7, 0.7),
        seed=3,
        **settings,  # type: ignore[arg-type]
    )


def test_epoch_draws_each_item_as_often_as_its_weight_says(items: Items) -> None:
    plan = samples(items).plan(0)
    assert (plan == COMPOSITE).sum() == 10
    counts = np.bincount(plan[plan >= 0], minlength=20)
    assert (counts[:10] == 1).all()
    assert counts[10:].sum() == 25
    assert set(counts[10:]) == {2, 3}
    assert not np.array_equal(plan, samples(items).plan(1))


def test_sample_depends_on_seed_epoch_and_position_alone(items: Items) -> None:
    one, other = samples(items), samples(items)
    for key in ((0, 0), (0, 7), (3, 7), (1, 30)):
        assert one[key].equal(other[key])
    other[5, 1]
    assert one[0, 7].equal(other[0, 7])
    assert not one[0, 7].equal(one[1, 7])


def test_samples_name_their_files(items: Items) -> None:
    drawn = samples(items)
    for position, index in enumerate(drawn.plan(0)):
        named = drawn.names((0, position))
        if index == COMPOSITE:
            assert "drawn_" in named
        else:
            assert named == str(items.pair(int(index)).image)


def test_composites_hold_an_object_or_none_and_weights_in_range(items: Items) -> None:
    drawn = samples(items, composites=60)
    shares = [
        float((drawn[0, i][3] > 127).float().mean())
        for i, index in enumerate(drawn.plan(0))
        if index == COMPOSITE
    ]
    assert len(shares) == 60
    assert max(shares) > 0.15
