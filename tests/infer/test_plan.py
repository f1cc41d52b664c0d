"""The policy of threads and batches."""

from __future__ import annotations

import pytest

from vmafsal.infer.plan import Plan, batch_size_of, plan


@pytest.mark.parametrize(
    ("short_side", "on_cpu", "expected"),
    [
        (192, True, Plan(4, 1, 4, 2, 1 << 16)),
        (512, True, Plan(4, 1, 4, 2, 1 << 16)),
        (513, True, Plan(2, 4, 1, 1, 1 << 19)),
        (None, True, Plan(2, 4, 1, 1, 1 << 19)),
        (192, False, Plan(2, 4, 1, 2, 1 << 19)),
    ],
)
def test_small_pictures_get_a_thread_each(
    short_side: int | None, on_cpu: bool, expected: Plan
) -> None:
    assert plan(short_side, on_cpu=on_cpu, threads=4) == expected


@pytest.mark.parametrize(
    ("height", "width", "batch_pixels", "expected"),
    [
        (48, 64, 1 << 19, 16),
        (360, 640, 1 << 19, 2),
        (1080, 1920, 1 << 19, 1),
        (48, 64, 1 << 16, 16),
        (120, 213, 1 << 16, 2),
        (224, 398, 1 << 16, 1),
    ],
)
def test_the_batch_size_follows_the_picture(
    height: int, width: int, batch_pixels: int, expected: int
) -> None:
    assert batch_size_of(height * width, batch_pixels) == expected
