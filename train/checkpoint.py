"""A run's state between epochs, on disk."""

from __future__ import annotations

import io
import math
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from vmafsal.errors import InputError, OutputError, UsageError

__all__ = ["Checkpoint", "load_checkpoint", "refuse_other_options", "save_checkpoint"]


@dataclass
class Checkpoint:
    """Everything that the next epoch needs; samples need no generator's state (see samples)."""

    config: dict[str, Any]
    epoch: int
    """Epochs finished."""
    model: dict[str, torch.Tensor]
    optimizer: dict[str, Any]
    best: dict[str, torch.Tensor]
    """Weights of the epoch with the best IoU on the fold; of the last one without a fold."""
    best_epoch: int
    best_iou: float
    history: list[dict[str, float]]
    average: dict[str, torch.Tensor] | None = None
    """The moving average of the weights; None where the run keeps none."""

    @classmethod
    def begin(
        cls, config: dict[str, Any], net: nn.Module, optimizer: torch.optim.Optimizer
    ) -> Checkpoint:
        """Before the first epoch."""
        weights = _copy(net)
        return cls(config, 0, weights, optimizer.state_dict(), weights, 0, math.nan, [])

    def finish_epoch(
        self,
        net: nn.Module,
        optimizer: torch.optim.Optimizer,
        *,
        loss: float,
        iou: float,
        lr: float,
        seconds: float,
        average: nn.Module | None = None,
    ) -> None:
        """Take over the state after an epoch; `iou` is that of the average where there is one."""
        self.epoch += 1
        self.model, self.optimizer = _copy(net), optimizer.state_dict()
        if math.isnan(iou) or self.best_epoch == 0 or iou > self.best_iou:
            answer = self.model if average is None else _copy(average)
            self.best, self.best_epoch, self.best_iou = answer, self.epoch, iou
        self.average = None if average is None else _copy(average)
        self.history.append(
            {"epoch": self.epoch, "loss": loss, "iou": iou, "lr": lr, "seconds": seconds}
        )


def _copy(net: nn.Module) -> dict[str, torch.Tensor]:
    return {k: v.detach().cpu().clone() for k, v in net.state_dict().items()}


def save_checkpoint(state: Checkpoint, path: Path) -> None:
    """Write a checkpoint whole; what was there before survives a failure.

    Raises:
        OutputError: if it cannot be written, for example on a full disk.
    """
    buffer = io.BytesIO()
    torch.save(asdict(state), buffer)
    partial = path.with_name(path.name + ".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(partial, "wb") as file:
            file.write(buffer.getbuffer())
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except OSError as error:
        partial.unlink(missing_ok=True)
        kept = " The previous one is kept." if path.exists() else ""
        raise OutputError(
            f"The checkpoint {path} cannot be written ({error.strerror}).{kept} "
            "Free some space or choose another --out, then --resume."
        ) from None


def load_checkpoint(path: Path) -> Checkpoint:
    """Read a checkpoint.

    Raises:
        InputError: if there is none, or it is no checkpoint of this program.
    """
    if not path.exists():
        raise InputError(f"There is no checkpoint {path} to go on from; leave --resume out.")
    try:
        fields = torch.load(path, map_location="cpu", weights_only=True)
        return Checkpoint(**fields)
    except Exception as error:
        raise InputError(f"{path} is not a whole checkpoint ({type(error).__name__}).") from None


def refuse_other_options(
    saved: dict[str, Any], now: dict[str, Any], defaults: dict[str, Any]
) -> None:
    """Refuse to resume under options that would lead to other bytes.

    Args:
        defaults: what options were that the checkpoint knows nothing of.
    Raises:
        UsageError: listing every difference.
    """
    before, after = _flat(defaults) | _flat(saved), _flat(now)
    differing = [k for k in sorted(before.keys() | after.keys()) if before.get(k) != after.get(k)]
    if differing:
        listed = "; ".join(f"{k} was {before.get(k)}, is now {after.get(k)}" for k in differing)
        raise UsageError(
            f"The checkpoint was made with other options: {listed}. "
            "Resume with the same ones, or begin anew in another --out."
        )


def _flat(value: Any, name: str = "") -> dict[str, Any]:
    if isinstance(value, list | tuple):
        value = dict(enumerate(value))
    if not isinstance(value, dict):
        return {name: value}
    flat: dict[str, Any] = {}
    for key, part in value.items():
        flat |= _flat(part, f"{name}.{key}" if name else str(key))
    return flat
