"""vmafsal: a per-frame saliency column for any VMAF log."""

from __future__ import annotations

__version__ = "0.1.0"
