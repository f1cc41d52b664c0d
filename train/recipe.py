"""Every option of a training run that decides its result."""

from __future__ import annotations

from dataclasses import dataclass, field

from train.augment import Augment
from train.net import STRIDE
from vmafsal.errors import UsageError

__all__ = ["Recipe"]


@dataclass(frozen=True)
class Recipe:
    """Every value that decides the resulting bytes."""

    arch: str
    epochs: int = 50
    batch: int = 32
    lr: float = 1e-3
    augment: Augment = field(default_factory=Augment)
    composites: int = 0
    """Composites an epoch, beside the items."""
    soft_floor: float = 0.15
    fold: float = 0.05
    keep_out: int = 0
    """One stem in so many is never trained on (by its SHA-1); 0 keeps none out."""
    eval_side: int = 288
    """Short side at which the fold is measured."""
    seed: int = 42
    device: str = "auto"
    precision: str = "auto"
    """bfloat16, float32, or auto: bfloat16 where the device computes with it."""
    threads: int = 0
    """CPU threads of torch; 0 is torch's own choice."""

    def __post_init__(self) -> None:
        low, high = self.augment.short_side
        if not self.augment.crop <= low <= high:
            raise UsageError(
                f"A crop of {self.augment.crop} does not fit into images whose short side is "
                f"set to {low}; choose --crop {low} or less, or a larger --short-side."
            )
        if self.augment.crop % STRIDE:
            raise UsageError(f"--crop {self.augment.crop} is not a multiple of {STRIDE}.")
