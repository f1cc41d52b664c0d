"""How numbers are printed: libvmaf's rule, and the choices of --precision."""

from __future__ import annotations

import math
from dataclasses import dataclass

from vmafsal.errors import UsageError

__all__ = ["NumberFormat", "parse_precision"]


@dataclass(frozen=True, slots=True)
class NumberFormat:
    """One way to print every number of a log."""

    style: str = "%.6f"
    """printf conversion for a finite value."""

    keep_tiny: bool = True
    """Print 16 decimals where the fractional part is not zero, but six would show zeros."""

    def format(self, value: float) -> str:
        """The number as text.

        Args:
            value: any float.
        Returns:
            Its digits, or "nan", "inf", "-inf", as C's printf and Python's float() spell them.
        Source: libvmaf 3.1: "%.16f" where 0 < |fractional part| < 1e-6, else "%.6f".
        """
        if not math.isfinite(value):
            return str(value)
        if self.keep_tiny and 0.0 < abs(math.modf(value)[0]) < 1e-6:
            return f"{value:.16f}"
        return self.style % value

    def format_json(self, value: float) -> str:
        """The number as JSON, which knows neither NaN nor infinity: those are null."""
        return self.format(value) if math.isfinite(value) else "null"


def parse_precision(text: str | None) -> NumberFormat:
    """Turn --precision into a number format.

    Args:
        text: None for libvmaf's default, "1" to "17" for that many significant digits, "max" or
            "full" for 17 (enough to read every double back unchanged), "legacy" for six decimals
            always, as libvmaf before 3.1.
    Returns:
        The number format.
    Raises:
        UsageError: for anything else.
    """
    if text is None:
        return NumberFormat()
    if text == "legacy":
        return NumberFormat(keep_tiny=False)
    digits = "17" if text in ("max", "full") else text
    if digits.isascii() and digits.isdigit() and 1 <= int(digits) <= 17:
        return NumberFormat(style=f"%.{int(digits)}g", keep_tiny=False)
    raise UsageError(
        f"--precision takes 1 to 17 significant digits, max, full or legacy; it got '{text}'."
    )
