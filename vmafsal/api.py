"""`extract()`: the same options as the command line, and the same Job."""

from __future__ import annotations

import inspect
import operator
import os
import re
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import replace
from inspect import Parameter
from typing import Any

from vmafsal.errors import UsageError
from vmafsal.job import FEATURE_OPTIONS, JOB_OPTIONS, PSNR, Feature, Job, parse_features
from vmafsal.options import Option
from vmafsal.run import Run
from vmafsal.values import nearest

__all__ = ["PYTHON_OPTIONS", "extract"]

_VIDEOS = ("distorted", "reference")
"""The two that have parameters of their own."""

PYTHON_OPTIONS: tuple[Option, ...] = tuple(
    option
    for option in (*FEATURE_OPTIONS, *JOB_OPTIONS)
    if "python" in option.places and option.name not in _VIDEOS
)
"""The options that extract() takes by name."""


def extract(
    path: str | os.PathLike[str],
    reference: str | os.PathLike[str] | None = None,
    *,
    model: str | os.PathLike[str] | Mapping[str, str | os.PathLike[str]] | None = None,
    feature: str | Sequence[str] | None = None,
    maps: bool = False,
    **options: Any,
) -> Run:
    """Per-frame saliency of a video.

    Args:
        path: the (distorted) video: raw YUV, Y4M or a container; "-" is standard input.
        reference: checked against it, and ends the run where it is shorter.
        model: path or registry id; or several by tag, {"": first, "b": second}, each of which
            gets a column (saliency_mean, saliency_mean_b). None is VMAF_MOBILESAL_MODEL_PATH,
            else the packaged default.
        feature: one text or several as those of --feature: "psnr" for PSNR weighted by the
            saliency of the reference, ["mobilesal", "psnr"] for both. What a text does not say,
            model and the options of this function do. None is "mobilesal".
        maps: put the first model's saliency map into each FrameFeatures as it is yielded. They
            are not kept in the run's `frames`.
        options: those of the command line, under the same names; see PYTHON_OPTIONS.
    Returns:
        A run with the facts about the video; iterating it scores the frames.
    Raises:
        VmafsalError: with a message that names the remedy.
    """
    _check_names(options)
    rows = {option.name: option for option in PYTHON_OPTIONS}
    values = {key: _read(rows[key], value) for key, value in options.items()}
    names = {option.name for option in FEATURE_OPTIONS}
    choices = {key: value for key, value in values.items() if key in names}
    return Run(
        Job(
            distorted=os.fspath(path),
            reference=None if reference is None else os.fspath(reference),
            features=_features(model, feature, choices),
            **{key: value for key, value in values.items() if key not in names},
        ),
        maps=maps,
    )


def _features(
    model: str | os.PathLike[str] | Mapping[str, str | os.PathLike[str]] | None,
    feature: str | Sequence[str] | None,
    choices: Mapping[str, Any],
) -> tuple[Feature, ...]:
    if isinstance(model, Mapping):
        if feature is not None:
            raise UsageError(
                "model names several models, and feature several columns: write model_path=… into "
                "each feature instead."
            )
        return tuple(
            Feature(model_path=os.fspath(spec), name=tag or None, **choices)
            for tag, spec in model.items()
        )
    texts = [feature] if isinstance(feature, str) else feature or ()
    chosen = {} if model is None else {"model_path": os.fspath(model)}
    # A model that is named here goes before the environment's.
    parsed = parse_features(texts, environment=os.environ if model is None else {})
    return tuple(_filled(one, {**choices, **chosen}) for one in parsed)


def _filled(feature: Feature, choices: Mapping[str, Any]) -> Feature:
    """A feature with the choices that it leaves open."""
    blank = Feature()
    taken = {
        key: value
        for key, value in choices.items()
        if getattr(feature, key) == getattr(blank, key)
        # One call may ask for statistics of maps and for PSNR.
        and not (key == "stats" and feature.kind == PSNR)
    }
    return replace(feature, **taken)


def _check_names(options: Mapping[str, Any]) -> None:
    known = [option.name for option in PYTHON_OPTIONS]
    for name in options:
        if name not in known:
            near = nearest(name, known)
            hint = f". Did you mean {near!r}?" if near else ""
            raise TypeError(f"extract() got an unexpected keyword argument {name!r}{hint}")


def _read(option: Option, value: Any) -> Any:
    """A value as a Job holds it; times, rates and "auto" may be written as on the command line."""
    written = isinstance(value, str) and (
        option.kind in ("seconds", "rate") or value == option.none
    )
    return option.parse(value) if written else _plain(value)


def _plain(value: Any) -> Any:
    """A number of NumPy's as an int, which a log can hold."""
    if isinstance(value, bool | str) or not hasattr(value, "__index__"):
        return value
    return operator.index(value)


def _describe() -> None:
    """Write the options of the table into the signature and the docstring, as help() shows them."""
    signature = inspect.signature(extract)
    own = [one for one in signature.parameters.values() if one.kind is not one.VAR_KEYWORD]
    table = [
        Parameter(
            option.name, Parameter.KEYWORD_ONLY, default=option.default, annotation=option.type
        )
        for option in PYTHON_OPTIONS
    ]
    extract.__signature__ = signature.replace(parameters=[*own, *table])  # type: ignore[attr-defined]
    if extract.__doc__:  # python -OO has none
        extract.__doc__ = re.sub(
            r"^( *)options: .*$",
            lambda found: "\n".join(_line(option, found[1]) for option in PYTHON_OPTIONS),
            extract.__doc__,
            flags=re.M,
        )


def _line(option: Option, indent: str) -> str:
    return textwrap.fill(
        f"{option.name}: {option.help}",
        96,
        initial_indent=indent,
        subsequent_indent=indent + "    ",
    )


_describe()
