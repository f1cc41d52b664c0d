"""The text of --post: steps of post-processing between commas, each a name or name=value."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from vmafsal.errors import UsageError

__all__ = ["StepSpec", "change_paths", "check_range", "read_steps"]

_WIDEST, _WIDEST_SHARE = 1000, 100
"""Greatest deviation of a blur that a text may ask for, in pixels and in % of a side."""

_EXAMPLES = {
    "equalize": "equalize",
    "match": "match=mean.png",
    "smooth": "smooth=3 (pixels) or smooth=2% (of the longer side)",
    "centre-add": "centre-add=SPREAD:WEIGHT, such as centre-add=0.3:0.25",
    "centre-multiply": "centre-multiply=SPREAD:WEIGHT, such as centre-multiply=0.3:0.25",
    "minmax": "minmax",
    "zscore": "zscore",
    "logdensity": "logdensity or logdensity=1e-8",
}
"""Name of each step to how it is written."""

_INTO_RANGE = ("equalize", "match", "minmax")
_OUT_OF_RANGE = ("zscore", "logdensity")
_NUMBER = r"(\d+(?:\.\d*)?|\.\d+)(?:[eE]([-+]?\d{1,3}))?"


@dataclass(frozen=True, slots=True)
class StepSpec:
    """One step, as it was asked for."""

    name: str
    numbers: tuple[float, ...] = ()
    percent: bool = False
    """The number is a share of the longer side, in percent."""
    path: str | None = None
    """Of the file that it reads."""


def read_steps(text: str) -> tuple[StepSpec, ...]:
    r"""The steps of a text, in their order.

    Args:
        text: as --post; empty for none. A comma in a path is written `\,`.
    Raises:
        UsageError: naming the step that makes no sense.
    """
    return tuple(_read_step(part) for part in _split(text))


def check_range(text: str | None, wants: str) -> None:
    """Refuse a chain that ends with values outside [0, 1].

    Args:
        text: as --post.
        wants: what needs that range, as the beginning of a sentence: "A picture shows".
    Raises:
        UsageError: naming the step.
    """
    outside = None
    for step in read_steps(text or ""):
        if step.name in _OUT_OF_RANGE:
            outside = step.name
        elif step.name in _INTO_RANGE:
            outside = None
    if outside is not None:
        raise UsageError(
            f"{wants} saliency from 0 to 1, and {outside} gives other values. End --post with "
            "minmax."
        )


def change_paths(text: str, change: Callable[[str], str]) -> str:
    """The same text with other paths.

    Args:
        text: as --post.
        change: called with each path.
    """
    parts = []
    for part in _split(text):
        name, equals, value = part.partition("=")
        if name == "match" and equals:
            part = f"match={_escape(change(_unescape(value)))}"
        parts.append(part)
    return ",".join(parts)


def _split(text: str) -> list[str]:
    return [part.strip() for part in re.split(r"(?<!\\),", text) if part.strip()]


def _unescape(text: str) -> str:
    return text.replace("\\,", ",")


def _escape(text: str) -> str:
    return text.replace(",", "\\,")


def _read_step(text: str) -> StepSpec:
    name, equals, value = text.partition("=")
    if name not in _EXAMPLES:
        raise UsageError(f"There is no step {text!r}. Choose of {', '.join(_EXAMPLES)}.")
    spec = None
    if name in ("equalize", "minmax", "zscore") or (name == "logdensity" and not equals):
        spec = None if equals else StepSpec(name)
    elif name == "match":
        spec = StepSpec(name, path=_unescape(value)) if value else None
    elif name == "logdensity":
        epsilon = _number(value)
        spec = StepSpec(name, (epsilon,)) if epsilon is not None and 0 < epsilon <= 1 else None
    elif name == "smooth":
        percent = value.endswith("%")
        sigma = _number(value.removesuffix("%"))
        if sigma is not None and sigma > (_WIDEST_SHARE if percent else _WIDEST):
            raise UsageError(
                f"The step {text!r} blurs too widely: up to {_WIDEST} pixels, or "
                f"{_WIDEST_SHARE}% of the longer side."
            )
        spec = None if sigma is None else StepSpec(name, (sigma,), percent)
    else:
        spread, _, weight = (_number(part) for part in value.partition(":"))
        if spread and weight is not None and weight <= 1:
            spec = StepSpec(name, (spread, weight))
    if spec is None:
        more = ", with a spread above 0 and a weight up to 1" if name.startswith("centre") else ""
        raise UsageError(f"The step {text!r} is written {_EXAMPLES[name]}{more}.")
    return spec


def _number(text: str) -> float | None:
    """A number from 0 up, or None where it is none."""
    return float(text) if re.fullmatch(_NUMBER, text, re.ASCII) else None
