"""One option of a run: its names, its values and its meaning.

`vmafsal.job` holds the table of options. The command lines of `vmafsal` and `vmafsal batch`, the
columns of a manifest, `extract()`, the settings in a log, the identity of a scored clip and the
documentation are all made from it.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from dataclasses import MISSING, dataclass
from typing import Any, Literal

from vmafsal.errors import UsageError
from vmafsal.values import nearest, read_rate, read_seconds, whole_number

__all__ = [
    "ANYWHERE",
    "Kind",
    "Option",
    "Place",
    "option",
    "options_of",
]

Kind = Literal["number", "seconds", "rate", "text", "path", "flag", "texts"]
"""What an option's value is: int; float in seconds, also written as hh:mm:ss.ms; float in frames
per second, also written as a fraction; str; str that names a file; bool; or a list of str."""

Place = Literal["score", "batch", "manifest", "python"]
"""Where an option may be given: `vmafsal`, `vmafsal batch`, a manifest's column, `extract()`."""

ANYWHERE: frozenset[Place] = frozenset({"score", "batch", "manifest", "python"})

_DECIMALS: dict[str, tuple[str, Callable[[Any], float]]] = {
    "seconds": ("a time in seconds or as hh:mm:ss.ms", read_seconds),
    "rate": ("a frame rate such as 25 or 24000/1001", read_rate),
}
"""What each kind is called in errors, and what reads it."""

_FLAGS = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """A row of the table."""

    name: str = ""
    """In Python, in manifests and in logs."""
    type: str = ""
    """As in the source: "int | None"."""
    kind: Kind
    default: Any = None
    """MISSING where the option has to be given."""
    help: str
    group: str = ""
    """Heading under which the help lists it."""
    flag: str = ""
    """Its main spelling on the command line; `--<name>` otherwise."""
    letter: str | None = None
    """Short spelling on the command line, such as "-w"."""
    metavar: str | None = None
    """What stands for the value in help texts."""
    choices: tuple[str, ...] = ()
    """The only values of a text; words that a number may be besides."""
    least: int | None = None
    """Smallest value of a number."""
    most: int | None = None
    """Largest value of a number."""
    none: str | None = None
    """The word that stands for None, such as "auto"."""
    check: Callable[[Any], object] | None = None
    """Raises UsageError for a value that makes no sense."""
    places: frozenset[Place] = ANYWHERE
    identity: bool = True
    """It may change what a log says: a clip is scored again where it differs."""
    logged: bool = True
    """It stands among the settings in a log. The others are facts of the input there."""

    @property
    def main_flag(self) -> str:
        """Its main spelling on the command line."""
        return self.flag or f"--{self.name}"

    @property
    def flags(self) -> tuple[str, ...]:
        """Every spelling on the command line: with underscores, with hyphens, and the letter."""
        hyphens, underscores = self.name.replace("_", "-"), self.name
        spelt = (self.main_flag, f"--{underscores}", f"--{hyphens}", self.letter)
        return tuple(dict.fromkeys(name for name in spelt if name))

    @property
    def value_name(self) -> str:
        """What stands for the value in help texts: "420|422|444|400", "N", "FILE"."""
        return self.metavar or "|".join([*self.choices, *("N" if self.kind == "number" else "")])

    def read(self, value: Any) -> Any:
        """The value that a word of a command line or a cell of a manifest stands for.

        Args:
            value: a str, or what JSON can hold.
        Returns:
            A value of this option's kind, not checked yet.
        Raises:
            ValueError: saying what it should be.
        """
        if self.none is not None and value == self.none:
            return None
        if self.kind == "number":
            return value if value in self.choices else self._read_number(value)
        if self.kind in _DECIMALS:
            words, read = _DECIMALS[self.kind]
            try:
                return read(value)
            except (ValueError, ZeroDivisionError):
                raise ValueError(f"{words}, not {value!r}") from None
        if self.kind == "flag":
            if str(value).lower() not in _FLAGS:
                raise ValueError(f"true or false, not {value!r}")
            return _FLAGS[str(value).lower()]
        if self.kind == "texts":
            texts = value if isinstance(value, list) else [value]
            if not all(isinstance(text, str) for text in texts):
                raise ValueError(f"a text or a list of texts, not {value!r}")
            return texts
        if not isinstance(value, str | int) or isinstance(value, bool):
            raise ValueError(f"a text, not {value!r}")
        return str(value)

    def _read_number(self, value: Any) -> int:
        try:
            return whole_number(value)
        except ValueError:
            raise ValueError(f"{self._numbers}, not {value!r}") from None

    def parse(self, value: Any) -> Any:
        """As read, but with the name of the option in the error.

        Raises:
            UsageError: saying what it should be.
        """
        try:
            return self.read(value)
        except ValueError as error:
            raise UsageError(f"{self.name} is {error}.") from None

    def check_value(self, value: Any, owner: str = "") -> None:
        """Refuse a value that makes no sense.

        Args:
            value: as a Job or a Feature holds it.
            owner: what has the option, where that is not the command: "mobilesal".
        Raises:
            UsageError: saying what would make sense.
        """
        if value is None and self.default is None:
            return
        name = self.name if owner else self.main_flag
        if self.kind == "number":
            if value not in self.choices and not self._holds(value):
                raise UsageError(f"{name} is {self._numbers}, not {value!r}.")
        elif self.kind in _DECIMALS:
            self._check_decimal(name, value)
        elif self.kind == "flag":
            if not isinstance(value, bool):
                raise UsageError(f"{name} is true or false, not {value!r}.")
        elif not isinstance(value, str):
            raise UsageError(f"{name} is a text, not {value!r}.")
        elif self.choices and value not in self.choices:
            near = nearest(value, self.choices)
            hint = f"Did you mean {near}? " if near else ""
            has_no = f"{owner} has no" if owner else "There is no"
            raise UsageError(
                f"{has_no} {self.name.replace('_', ' ')} {value!r}. {hint}"
                f"Choose {', '.join(self.choices)}."
            )
        if self.check is not None:
            self.check(value)

    def _check_decimal(self, name: str, value: Any) -> None:
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        least = 0.0 if self.kind == "seconds" else 1e-3
        if not is_number or not math.isfinite(value) or value < least:
            raise UsageError(f"{name} is {_DECIMALS[self.kind][0]}, not {value!r}.")

    def _holds(self, value: Any) -> bool:
        """Whether it is a number, and in range."""
        return (
            isinstance(value, int)
            and not isinstance(value, bool)
            and (self.least is None or value >= self.least)
            and (self.most is None or value <= self.most)
        )

    @property
    def _numbers(self) -> str:
        """Which numbers it takes: "auto or a whole number from 1 up"."""
        words = [*self.choices, *([self.none] if self.none else []), "a whole number"]
        if self.least is not None:
            end = " up" if self.most is None else f" to {self.most}"
            words[-1] += f" from {self.least}{end}"
        return " or ".join(words)


def option(kind: Kind, default: Any, help: str, **facts: Any) -> Any:
    """A field of a dataclass that is an option, for example of Job.

    Args:
        kind: what its value is.
        default: MISSING where it has to be given.
        help: what it means, in a sentence.
        facts: the other fields of Option.
    Returns:
        what stands behind the `=` of the field.
    """
    row = Option(kind=kind, default=default, help=help, **facts)
    if default is MISSING:
        return dataclasses.field(metadata={"option": row})
    return dataclasses.field(default=default, metadata={"option": row})


def options_of(kind: type[Any]) -> tuple[Option, ...]:
    """The options among the fields of a dataclass, in order."""
    return tuple(
        dataclasses.replace(field.metadata["option"], name=field.name, type=str(field.type))
        for field in dataclasses.fields(kind)
        if "option" in field.metadata
    )
