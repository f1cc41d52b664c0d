"""Folders of pictures and labels, and the samples made of them."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.drawn_corpus import draw_duts, draw_pair, draw_set, write_recipe
from train.data import find_pictures, kept_out, orphans, pairs_digest
from train.pictures import Corpus, load_corpus, load_picture
from train.recipe import Fit, Stage, read_recipe
from train.samples import Samples, degrade, photometric, stage_at
from vmafsal.errors import InputError

pytestmark = pytest.mark.train


def write(path: Path, pixels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def test_duts_layout_is_read(tmp_path: Path) -> None:
    pairs = find_pictures(draw_duts(tmp_path / "DUTS-TR", 20))
    assert len(pairs) == 20
    assert [p.stem for p in pairs] == sorted(p.stem for p in pairs)
    assert pairs[3].image.parent.name == "DUTS-TR-Image"
    assert pairs[3].mask is not None
    assert pairs[3].mask.parent.name == "DUTS-TR-Mask"


def test_pictures_without_masks_need_a_teachers_labels(tmp_path: Path) -> None:
    root = draw_set(tmp_path / "set", 5, masks=False)
    with pytest.raises(InputError, match="holds no labelled picture"):
        find_pictures(root)
    write(tmp_path / "labels" / "drawn_0002.png", np.zeros((72, 96), np.uint8))
    (pair,) = find_pictures(root, tmp_path / "labels")
    assert pair.mask is None
    assert pair.teacher == tmp_path / "labels" / "drawn_0002.png"
    assert pair.files == [pair.image, pair.teacher]


def test_orphans_are_named(tmp_path: Path) -> None:
    root = draw_duts(tmp_path / "DUTS-TR", 6)
    (root / "DUTS-TR-Mask" / "drawn_0003.png").unlink()
    write(root / "DUTS-TR-Mask" / "stranger.png", np.zeros((4, 4), np.uint8))
    assert len(find_pictures(root)) == 5
    assert [p.name for p in orphans(root)] == ["drawn_0003.jpg", "stranger.png"]


def test_folders_without_pictures_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is not a folder"):
        find_pictures(tmp_path / "missing")
    with pytest.raises(InputError, match=r"\*-Image/ and \*-Mask/"):
        find_pictures(tmp_path)


def test_kept_out_stems_follow_their_sha1() -> None:
    stems = [f"stem{i}" for i in range(2000)]
    out = [s for s in stems if kept_out(s)]
    assert out == [s for s in stems if int(hashlib.sha1(s.encode()).hexdigest(), 16) % 10 == 0]
    assert 150 < len(out) < 250


def test_the_digest_is_of_names_and_contents(tmp_path: Path) -> None:
    pairs = find_pictures(draw_set(tmp_path / "set", 5))
    digest = pairs_digest(pairs)
    assert digest == pairs_digest(find_pictures(tmp_path / "set"))
    assert digest != pairs_digest(pairs[1:])
    content = pairs[0].image.read_bytes()
    pairs[0].image.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    assert digest != pairs_digest(pairs)


def test_a_trimaps_border_counts_nowhere(tmp_path: Path) -> None:
    picture, mask = draw_pair(0, 40, 40)
    mask[18:22] = 128
    write(tmp_path / "images" / "a.png", picture)
    write(tmp_path / "masks" / "a.png", mask)
    loaded = load_picture(find_pictures(tmp_path)[0], None)
    assert loaded.mask is not None
    assert loaded.border is not None
    assert set(np.unique(np.asarray(loaded.mask))) == {0, 255}
    assert (np.asarray(loaded.border)[18:22] == 0).all()
    assert (np.delete(np.asarray(loaded.border), range(18, 22), axis=0) == 255).all()


def test_pictures_are_kept_small(tmp_path: Path) -> None:
    (pair,) = find_pictures(draw_set(tmp_path / "set", 1, 90, 120))
    assert load_picture(pair, 45).image.size == (60, 45)
    assert load_picture(pair, 500).image.size == (120, 90)
    assert load_picture(pair, None).aspect == pytest.approx(4 / 3)


def test_truncated_picture_and_mask_of_another_size_are_refused(tmp_path: Path) -> None:
    one, other = find_pictures(draw_duts(tmp_path / "d", 2, 64, 64))
    whole = one.image.read_bytes()
    one.image.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match=r"drawn_0000.jpg cannot be read"):
        load_picture(one, None)
    assert other.mask is not None
    write(other.mask, np.zeros((64, 32), np.uint8))
    with pytest.raises(InputError, match="32×64, but its picture is 64×64"):
        load_picture(other, None)


def corpus_of(folder: Path, count: int = 12, height: int = 72, width: int = 96) -> Corpus:
    draw_set(folder / "drawn", count, height, width)
    recipe = read_recipe(write_recipe(folder / "recipe.toml"))
    return load_corpus(recipe, folder, folder / "labels")


def test_kept_out_stems_are_never_trained_on(tmp_path: Path) -> None:
    corpus = corpus_of(tmp_path, 30)
    stems = {p.pair.stem for p in corpus.pictures}
    held = {p.pair.stem for p in corpus.held}
    assert len(stems) + len(held) == 30
    assert all(kept_out(stem) for stem in held)
    assert not any(kept_out(stem) for stem in stems)
    (facts,) = corpus.facts
    assert (facts["pictures"], facts["kept_out"]) == (len(stems), len(held))


def test_one_bad_picture_in_a_hundred_is_named_and_left_out(tmp_path: Path) -> None:
    root = draw_set(tmp_path / "drawn", 130, 16, 16)
    recipe = read_recipe(write_recipe(tmp_path / "recipe.toml"))
    (root / "images" / "drawn_0002.jpg").write_bytes(b"\xff\xd8 no picture")
    said: list[str] = []
    load_corpus(recipe, tmp_path, tmp_path, said.append)
    assert "1 pictures were left out" in said[0]
    assert "drawn_0002.jpg" in said[0]
    for i in (3, 4):
        (root / "images" / f"drawn_{i:04d}.jpg").write_bytes(b"")
    with pytest.raises(InputError, match=r"3 pictures cannot be read.*drawn_0002.jpg"):
        load_corpus(recipe, tmp_path, tmp_path)


FIT = Fit(
    100, (Stage(0.5, (32,)), Stage(1.0, (64,), twins=1.0)), batch=6, aspects=(1.0, 1.333),
    photometric=0.5, degrade=0.5,
)  # fmt: skip


def test_a_step_depends_on_the_seed_and_its_number_alone(tmp_path: Path) -> None:
    corpus = corpus_of(tmp_path)
    one, other = Samples(corpus, FIT, 8), Samples(corpus, FIT, 8)
    other.draw(5)
    for step in (0, 7, 60):
        np.testing.assert_array_equal(one.draw(step)[0], other.draw(step)[0])
    assert not np.array_equal(one.draw(0)[0], one.draw(1)[0])
    assert not np.array_equal(one.draw(0)[0], Samples(corpus, replace(FIT, seed=1), 8).draw(0)[0])


def test_processes_share_a_step(tmp_path: Path) -> None:
    samples = Samples(corpus_of(tmp_path), FIT, 8)
    whole = samples.draw(3)[0]
    for rank in (0, 1):
        np.testing.assert_array_equal(samples.draw(3, rank, 2)[0], whole[rank::2])


def test_sizes_follow_the_stage_and_the_pictures_aspect(tmp_path: Path) -> None:
    samples = Samples(corpus_of(tmp_path), FIT, 8)
    assert stage_at(FIT, 49).sides == (32,)
    assert stage_at(FIT, 50).sides == (64,)
    shapes = {samples.draw(step)[0].shape for step in range(20)}
    assert shapes == {(6, 32, 32, 5), (6, 32, 40, 5)}
    planes, twins = samples.draw(70)
    assert planes.shape[1] == 64
    assert twins is not None
    assert twins.shape == (*planes.shape[:3], 3)
    assert samples.draw(10)[1] is None


def test_crops_move_the_picture_and_its_label_together(tmp_path: Path) -> None:
    fit = replace(FIT, photometric=0.0, degrade=0.0)
    samples = Samples(corpus_of(tmp_path), fit, 8)
    for step in range(10):
        for planes in samples.draw(step)[0]:
            solid, empty = planes[..., 3] == 255, planes[..., 3] == 0
            # The drawn shapes are brighter than their backgrounds.
            assert planes[solid][:, :3].max(1).mean() > planes[empty][:, :3].max(1).mean()


def test_labels_are_the_mask_or_the_mean_with_the_teachers(tmp_path: Path) -> None:
    root = draw_set(tmp_path / "drawn", 12)
    maps = tmp_path / "labels" / "drawn" / "maps"
    maps.mkdir(parents=True)
    for path in (root / "images").iterdir():
        write(maps / f"{path.stem}.png", np.full((72, 96), 100, np.uint8))

    def labels(kind: str) -> set[int]:
        recipe = read_recipe(
            write_recipe(tmp_path / "recipe.toml", sets=f'labels = "{kind}"', crop=1.0)
        )
        samples = Samples(load_corpus(recipe, tmp_path, tmp_path / "labels"), FIT, 8)
        corner = [samples.draw(step)[0][:, 0, 0, 3] for step in range(8)]
        return set(np.concatenate(corner).tolist())

    assert labels("masks") == {0}
    assert labels("teacher") == {100}
    assert labels("both") == {0, 50}


@pytest.mark.parametrize("seed", range(12))
def test_damage_keeps_the_size_and_stays_recognisable(seed: int) -> None:
    before = draw_pair(seed, 64, 64)[0]
    for changed in (
        degrade(Image.fromarray(before), np.random.default_rng(seed)),
        photometric(Image.fromarray(before), np.random.default_rng(seed)),
    ):
        after = np.asarray(changed)
        assert after.shape == before.shape
        assert not np.array_equal(after, before)
        assert np.corrcoef(after.mean(2).ravel(), before.mean(2).ravel())[0, 1] > 0.8
