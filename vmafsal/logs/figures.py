"""Numbers as logs spell them: finite ones, and NaN and infinity in every spelling."""

from __future__ import annotations

import json
import math
import re
from typing import Any

from vmafsal.errors import InputError

__all__ = ["AGAIN", "NOT_FINITE", "no_number", "read_figure", "read_index"]

AGAIN = "write it again with the tool that made it"

NOT_FINITE = r"[+-]?(?:nan(?:\(\w*\))?|inf(?:inity)?|1\.[#$]\w*)"
"""Pattern, to be used without regard to case: nan, -nan(ind), inf, 1.#QNAN, -1.#IND00, ….

glibc and musl print nan and -nan, Microsoft's C library -nan(ind) and, before 2015, 1.#QNAN,
-1.#IND and 1.#INF, which a precision of few decimals cuts and rounds to 1.#J or 1.$.
"""

_NOT_FINITE = re.compile(NOT_FINITE, re.ASCII | re.IGNORECASE)
_NO_VALUE = ("null", "none", "n/a", "na")


def read_figure(text: str) -> float | None:
    """The number that a cell or an attribute holds.

    Args:
        text: for example "0.5", "1e-07", "-nan(ind)" or "null".
    Returns:
        The number, NaN or an infinity; None if the text is no number.
    """
    text = text.strip()
    try:
        value = float(text)
    except ValueError:
        if text.lower() in _NO_VALUE:
            return math.nan
        if not _NOT_FINITE.fullmatch(text):
            return None
        if "inf" not in text.lower():
            return math.nan
        return -math.inf if text.startswith("-") else math.inf
    # float() takes 1_000 and digits of other scripts too, which no log holds.
    return value if text.isascii() and "_" not in text else None


def read_index(text: str, name: str) -> int:
    """The frame number that a text holds.

    Args:
        text: ASCII digits.
        name: what errors call the log.
    Returns:
        The number, from 0.
    Raises:
        InputError: if the text is anything else.
    """
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        raise InputError(f"{name} holds a frame numbered '{text[:40]}': {AGAIN}.")
    return int(text)


def no_number(name: str, where: str, key: str, value: Any) -> InputError:
    """The error for a value that is no number.

    Args:
        name: what errors call the log.
        where: place in the log, for example "frame 3".
        key: the column.
        value: what stands there.
    """
    shown = json.dumps(value)[:40]
    remedy = (
        "decimal commas come from the locale, so set LC_ALL=C and score again"
        if isinstance(value, str) and re.fullmatch(r"-?\d+,\d+", value)
        else AGAIN
    )
    return InputError(f"{name} holds {shown} for {key} in {where}, which is no number: {remedy}.")
