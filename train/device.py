"""Where training runs: the rank of this process, and its device."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch.distributed import destroy_process_group, init_process_group

from vmafsal.errors import DeviceError
from vmafsal.job import parse_device

__all__ = ["World", "choose_device", "distributed", "process_world"]


@dataclass(frozen=True)
class World:
    """This process among those that torchrun started; alone without torchrun."""

    rank: int
    size: int
    local_rank: int


def process_world() -> World:
    """Rank and world size as torchrun sets them in the environment; rank 0 of 1 without it."""
    read = os.environ.get
    return World(int(read("RANK", 0)), int(read("WORLD_SIZE", 1)), int(read("LOCAL_RANK", 0)))


def choose_device(name: str, world: World) -> torch.device:
    """The device that a name means for this process.

    Raises:
        DeviceError: if it is not available; there is no silent fallback.
    """
    kind, index = parse_device(name)
    if kind == "auto":
        kind = "cuda" if torch.cuda.is_available() else "cpu"
    if kind == "cpu":
        return torch.device("cpu")
    if kind != "cuda":
        raise DeviceError(f"--device {name}: training runs on cpu and cuda only.")
    if world.size > 1:
        index = world.local_rank
    if index >= torch.cuda.device_count():
        raise DeviceError(
            f"--device {name}: torch finds {torch.cuda.device_count()} CUDA devices here; "
            "use --device cpu, or start fewer processes."
        )
    device = torch.device("cuda", index)
    torch.cuda.set_device(device)
    return device


@contextlib.contextmanager
def distributed(world: World, device: torch.device) -> Iterator[None]:
    """torch's process group, where there is more than one process."""
    if world.size > 1:
        init_process_group("nccl" if device.type == "cuda" else "gloo")
    try:
        yield
    finally:
        if world.size > 1:
            destroy_process_group()
