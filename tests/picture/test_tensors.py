"""From frames to batches: sizes, padding, buffers."""

from __future__ import annotations

import numpy as np
import pytest

from vmafsal.errors import InputError
from vmafsal.models.sidecar import InputPolicy
from vmafsal.picture.padding import padded_size
from vmafsal.picture.tensors import Preparer, View
from vmafsal.video.frame import Frame


def noise(height: int, width: int, index: int = 0) -> Frame:
    plane = np.random.default_rng(index).integers(0, 256, (height, width), np.uint8)
    return Frame((plane,), "400", 8, index)


@pytest.mark.parametrize(
    ("size", "multiple", "expected"),
    [((13, 17), 1, (13, 17)), ((13, 17), 12, (24, 24)), ((24, 48), 12, (24, 48))],
)
def test_padded_size(size: tuple[int, int], multiple: int, expected: tuple[int, int]) -> None:
    assert padded_size(*size, multiple) == expected


def test_edges_are_replicated_up_to_the_stride() -> None:
    view = View.of(InputPolicy(multiple=6), 4)
    assert view.multiple == 12
    batch = Preparer(view, 2)([noise(13, 17), noise(13, 17, 1)])
    assert batch.tensor is not None
    assert batch.tensor.shape == (2, 3, 24, 24)
    assert (batch.count, batch.height, batch.width) == (2, 13, 17)
    inner = batch.tensor[:, :, :13, :17]
    padding = ((0, 0), (0, 0), (0, 11), (0, 7))
    np.testing.assert_array_equal(batch.tensor, np.pad(inner, padding, mode="edge"))


def test_a_shorter_batch_has_the_same_pictures() -> None:
    preparer = Preparer(View.of(InputPolicy(short_side=24), 1), 3)
    frames = [noise(40, 60, index) for index in range(3)]
    together = preparer(frames).tensor
    assert together is not None
    kept = together.copy()
    for frame, expected in zip(frames, kept, strict=True):
        batch = preparer([frame])
        assert batch.tensor is not None
        # In the buffer of the batch before.
        assert np.shares_memory(batch.tensor, together)
        np.testing.assert_array_equal(batch.tensor[0], expected)


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        (InputPolicy(), (1080, 1920)),
        (InputPolicy(short_side=192), (192, 341)),
        (InputPolicy(size=(320, 320)), (320, 320)),
    ],
)
def test_the_size_of_a_picture_is_known_before_it_is_there(
    policy: InputPolicy, expected: tuple[int, int]
) -> None:
    view = View.of(policy, 8)
    assert view.picture_size(1080, 1920) == expected
    batch = Preparer(view, 1)([noise(1080, 1920)])
    assert (batch.height, batch.width) == expected


def test_too_narrow() -> None:
    with pytest.raises(InputError, match="too narrow"):
        View.of(InputPolicy(short_side=192), 1).picture_size(2, 4000)
