"""A run's state on disk."""

from __future__ import annotations

import io
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch

from train.output import make_folder
from vmafsal.errors import InputError, UsageError
from vmafsal.files import write_whole

__all__ = ["Checkpoint", "load_checkpoint", "refuse_other_options", "save_checkpoint"]

FREE = ("what", "licence", "family", "notes", "calibration", "save_every", "threads", "keep_out")
"""Options that training does not depend on; keep_out, always 10, is of earlier checkpoints."""


@dataclass
class Checkpoint:
    """The state of a run; it needs no random state (see samples)."""

    config: dict[str, Any]
    """The recipe, and facts of the data it was run on."""
    step: int
    """Steps finished."""
    model: dict[str, torch.Tensor]
    optimizer: dict[str, Any]
    average: dict[str, torch.Tensor] | None = None
    """The moving average of the weights; None where the run keeps none."""
    history: list[dict[str, Any]] = field(default_factory=list)
    """Step, loss, learning rate, seconds and IoU on kept-out masks, at each checkpoint."""
    run: dict[str, Any] = field(default_factory=dict)
    """Device, CPU, versions and commit, for the card."""

    @property
    def answer(self) -> dict[str, torch.Tensor]:
        """The weights that are measured and exported."""
        return self.model if self.average is None else self.average


def save_checkpoint(state: Checkpoint, path: Path) -> None:
    """Write a checkpoint whole; after a failure the previous one is still there.

    Raises:
        OutputError: if it cannot be written, for example on a full disk.
    """
    buffer = io.BytesIO()
    torch.save(asdict(state), buffer)
    make_folder(path.parent)
    write_whole(path, buffer.getvalue())


def load_checkpoint(path: Path) -> Checkpoint:
    """Read a checkpoint.

    Raises:
        InputError: if there is none, or it is no checkpoint of this program.
    """
    if not path.exists():
        raise InputError(f"There is no checkpoint {path}.")
    try:
        fields = torch.load(path, map_location="cpu", weights_only=True)
        return Checkpoint(**fields)
    except Exception as error:
        raise InputError(f"{path} is not a whole checkpoint ({type(error).__name__}).") from None


def refuse_other_options(state: Checkpoint, now: dict[str, Any]) -> None:
    """Refuse to resume under options that lead to other weights.

    The number of steps, the stages and the cool-down may change while the learning rate is still
    constant, since they affect later steps only.

    Args:
        now: what the checkpoint's config would be.
    Raises:
        UsageError: listing every difference.
    """
    free: tuple[str, ...] = FREE
    fits = state.config["fit"], now["fit"]
    if all(f["schedule"] == "hold" and state.step <= f["steps"] - f["cooldown"] for f in fits):
        free = (*FREE, "steps", "cooldown", "stages")
    before, after = _flat(state.config, free), _flat(now, free)
    differing = [k for k in sorted(before.keys() | after.keys()) if before.get(k) != after.get(k)]
    if differing:
        listed = "; ".join(f"{k} was {before.get(k)}, is now {after.get(k)}" for k in differing)
        raise UsageError(
            f"The checkpoint was made with other options: {listed}. "
            "Resume with the same ones, or begin anew in another --work."
        )


def _flat(value: Any, free: tuple[str, ...], name: str = "") -> dict[str, Any]:
    """Nested options by their full names, without those that may differ."""
    if isinstance(value, list | tuple):
        value = dict(enumerate(value))
    if not isinstance(value, dict):
        return {name: value}
    flat: dict[str, Any] = {}
    for key, part in value.items():
        if key not in free:
            flat |= _flat(part, free, f"{name}.{key}" if name else str(key))
    return flat
