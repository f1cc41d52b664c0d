"""How numbers are printed."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmafsal.errors import UsageError
from vmafsal.logs import parse_precision


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0.000000"),
        (-0.0, "-0.000000"),
        (1.0, "1.000000"),
        (0.5169019810661363, "0.516902"),
        (100.0, "100.000000"),
        (-3.25, "-3.250000"),
        (1e-6, "0.000001"),
        (9.99e-7, "0.0000009990000000"),
        (1e-9, "0.0000000010000000"),
        (-1e-9, "-0.0000000010000000"),
        (1e-20, "0.0000000000000000"),
        (0.9999999, "1.000000"),
        # 2**-21 = 4.76837158203125e-07, exactly
        (3.0 + 2.0**-21, "3.0000004768371582"),
        (12345678.125, "12345678.125000"),
    ],
)
def test_default_rule(value: float, text: str) -> None:
    assert parse_precision(None).format(value) == text


def test_legacy_prints_six_decimals_always() -> None:
    legacy = parse_precision("legacy")
    assert legacy.format(1e-9) == "0.000000"
    assert legacy.format(0.5169019810661363) == "0.516902"


@pytest.mark.parametrize(
    ("precision", "text"),
    [
        ("1", "0.5"),
        ("6", "0.516902"),
        ("06", "0.516902"),
        ("17", "0.51690198106613627"),
        ("max", "0.51690198106613627"),
        ("full", "0.51690198106613627"),
    ],
)
def test_significant_digits(precision: str, text: str) -> None:
    assert parse_precision(precision).format(0.51690198106613627) == text


def test_significant_digits_use_exponents_as_printf_does() -> None:
    assert parse_precision("3").format(0.0000123456) == "1.23e-05"
    assert parse_precision("3").format(98765.0) == "9.88e+04"
    assert parse_precision("max").format(100.0) == "100"


@pytest.mark.parametrize(
    "precision", ["0", "18", "-1", "", " 6", "6.0", "MAX", "six", "1e1", "٣", "²", "999999999999"]
)
def test_other_precisions_are_refused(precision: str) -> None:
    with pytest.raises(UsageError, match="1 to 17 significant digits, max, full or legacy"):
        parse_precision(precision)


@pytest.mark.parametrize("precision", [None, "legacy", "6", "max"])
def test_not_finite(precision: str | None) -> None:
    number = parse_precision(precision)
    values = [math.nan, -math.nan, math.inf, -math.inf]
    assert [number.format(value) for value in values] == ["nan", "nan", "inf", "-inf"]
    assert [number.format_json(value) for value in values] == ["null"] * 4


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_max_reads_back_unchanged(value: float) -> None:
    text = parse_precision("max").format_json(value)
    assert float(text) == value
    assert json.loads(text) == value


@given(st.floats(min_value=-1e6, max_value=1e6))
def test_default_is_within_half_a_last_digit(value: float) -> None:
    assert abs(float(parse_precision(None).format(value)) - value) <= 0.5000001e-6
