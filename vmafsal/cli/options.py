"""From the table of options to the parameters of a command."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Container, Mapping
from dataclasses import MISSING
from inspect import Parameter
from typing import Annotated, Any, TypeVar

import typer

from vmafsal.errors import UsageError
from vmafsal.job import FEATURE, OPTIONS, PSNR
from vmafsal.options import Option, Place
from vmafsal.post_spec import check_range

__all__ = ["MAP_OPTIONS", "check_one_map", "check_unused", "takes_options"]

MAP_OPTIONS = frozenset(
    [
        "width",
        "height",
        "pixel_format",
        "bitdepth",
        "framerate",
        "stream",
        "hwaccel",
        "feature",
        "feature_params",
        "device",
        "threads",
        "batch_size",
        "tf32",
        "post",
        "gpumask",
        "quiet",
    ]
)
"""What commands take that make something of the maps of whole videos."""


def check_one_map(given: Mapping[str, Any], wants: str | None = "This takes") -> None:
    """Refuse features of which a command that takes one map of each frame would leave some out.

    Args:
        given: options by name.
        wants: what needs values from 0 to 1, as check_range takes it; None where nothing does.
    Raises:
        UsageError: for psnr, for more than one feature, and for steps that leave that range.
    """
    names = [text.partition("=")[0] for text in given["feature"] or []]
    if PSNR in names:
        raise UsageError(f"--feature {PSNR} draws no map: give --feature {FEATURE}=… here.")
    if len(names) > 1:
        raise UsageError("This takes the maps of one model at a time: give one --feature.")
    if wants is not None:
        check_range(given["post"], wants)


def check_unused(given: Mapping[str, Any]) -> None:
    """Refuse options about a video where none is named, since they would do nothing.

    Args:
        given: options by name.
    Raises:
        UsageError: naming the first one that is not at its default.
    """
    for option in OPTIONS:
        value = given.get(option.name)
        if value and value not in (option.default, option.none):
            raise UsageError(
                f"{option.main_flag} is of use with --video alone: name the video too."
            )


ANY = frozenset(option.name for option in OPTIONS)

C = TypeVar("C", bound=Callable[..., None])

_KINDS: dict[str, Any] = {
    "number": int,
    "seconds": float,
    "rate": float,
    "text": str,
    "path": str,
    "flag": bool,
    "texts": list[str],
}


def takes_options(place: Place, only: Container[str] = ANY) -> Callable[[C], C]:
    """Give a command every option of the table that may be given in a place.

    Args:
        place: "score" or "batch".
        only: names of the options that the command takes of these.
    Returns:
        A decorator of a function with `**given`, which will hold the options by name.
    """

    def decorate(command: C) -> C:
        signature = inspect.signature(command, eval_str=True)
        own = [one for one in signature.parameters.values() if one.kind is not one.VAR_KEYWORD]
        table = [
            _parameter(option)
            for option in OPTIONS
            if place in option.places and option.name in only
        ]
        # Typer builds the command line from the signature.
        command.__signature__ = signature.replace(  # type: ignore[attr-defined]
            parameters=[one.replace(kind=one.KEYWORD_ONLY) for one in (*own, *table)]
        )
        return command

    return decorate


def _parameter(option: Option) -> Parameter:
    value = _KINDS[option.kind]
    default = None if option.default is MISSING else option.default
    if default is None:
        value = value | None
    described = typer.Option(
        *option.flags,
        parser=_parser(option) if option.kind in ("number", "seconds", "rate") else None,
        metavar=option.value_name or None,
        help=option.help,
        rich_help_panel=option.group,
    )
    return Parameter(
        option.name,
        Parameter.KEYWORD_ONLY,
        default=option.none if default is None else default,
        annotation=Annotated[value, described],
    )


def _parser(option: Option) -> Callable[[Any], Any]:
    def parse(value: Any) -> Any:
        try:
            return option.read(value)
        except ValueError as error:
            raise typer.BadParameter(f"it is {error}.") from None

    return parse
