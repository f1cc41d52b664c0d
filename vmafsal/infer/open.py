"""From the name of a model to a session that runs it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from vmafsal.infer.session import Session
from vmafsal.models.model import load_model

__all__ = ["OpenSession", "open_session"]

OpenSession = Callable[..., Session]
"""Called as open_session is."""


def open_session(
    model: str | None,
    device: str,
    threads: int | None,
    *,
    tf32: bool = False,
    short_side: int | Literal["native"] | None = None,
) -> Session:
    """Load a model and start a session for it.

    Args:
        model: as load_model takes it.
        device, threads, tf32: as Session takes them.
        short_side: instead of the model's own choice.
    Raises:
        ModelError, DeviceError: as those two say.
    """
    loaded = load_model(model)
    policy = loaded.policy.with_options(short_side=short_side)
    seen = min(policy.size) if policy.size else policy.short_side
    return Session(loaded, device, threads, tf32=tf32, short_side=seen)
