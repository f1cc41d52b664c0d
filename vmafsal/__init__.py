"""vmafsal: a per-frame saliency column for any VMAF log."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vmafsal.api import extract
    from vmafsal.features.frame import FrameFeatures
    from vmafsal.logs.log import Log
    from vmafsal.logs.read import read_log
    from vmafsal.run import Run

__all__ = ["FrameFeatures", "Log", "Run", "__version__", "extract", "read_log"]

__version__ = "0.1.0"

_HOMES = {
    "FrameFeatures": "vmafsal.features.frame",
    "Log": "vmafsal.logs.log",
    "Run": "vmafsal.run",
    "extract": "vmafsal.api",
    "read_log": "vmafsal.logs.read",
}


def __getattr__(name: str) -> Any:
    # Loaded on first use: `vmafsal --version` must not wait for numpy.
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
