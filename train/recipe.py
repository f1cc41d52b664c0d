"""Every option of a training run that decides its result."""

from __future__ import annotations

from dataclasses import dataclass, field

from train.architectures import architecture
from train.augment import Augment
from train.compose import Composition
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
    optimizer: str = "adam"
    """adam, or adamw with `weight_decay`."""
    weight_decay: float = 0.0
    warmup: int = 0
    """Steps over which the learning rate rises to `lr`."""
    ema: float = 0.0
    """Decay of the moving average of the weights, which then is what is measured and exported;
    0 exports the weights themselves."""
    soft_iou: float = 0.0
    """Weight of 1 - soft IoU beside BCE; 0 is BCE + Dice."""
    rescale: tuple[int, ...] = ()
    """Sides that a batch of crops is resized to, one of them drawn for each step."""
    consistency: float = 0.0
    """Weight of the disagreement between a sample and its picture as a low rung of a ladder
    shows it, which then is learnt from too; 0 makes no such twins."""
    gaze_top: float = 0.0
    """How often the gaze drawn for a teacher goes to an object's top alone."""
    composition: Composition = field(default_factory=Composition)
    init_sha256: str | None = None
    """Of the checkpoint whose best weights the run begins with; None begins at random."""

    def __post_init__(self) -> None:
        low, high = self.augment.short_side
        if not self.augment.crop <= low <= high:
            raise UsageError(
                f"A crop of {self.augment.crop} does not fit into images whose short side is "
                f"set to {low}; choose --crop {low} or less, or a larger --short-side."
            )
        if self.consistency and architecture(self.arch).gaze:
            raise UsageError(f"--consistency is for students; {self.arch} is a teacher.")
        if self.gaze_top and not architecture(self.arch).gaze:
            raise UsageError(f"--gaze-top is for --arch gaze; {self.arch} is told no gaze.")
        stride = architecture(self.arch).stride
        for option, side in [("crop", self.augment.crop), *(("rescale", s) for s in self.rescale)]:
            if side % stride:
                raise UsageError(f"--{option} {side} is not a multiple of {stride}.")
