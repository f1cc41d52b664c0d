"""Sidecar: what a model says of itself beside its ONNX file, and how it wants its pictures."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, get_args

from vmafsal.errors import ModelError
from vmafsal.job import ColorMatrix, ColorRange
from vmafsal.models.fields import (
    known_keys,
    number,
    object_field,
    read_object,
    strings,
    text,
    whole_number,
)

__all__ = [
    "ColorMatrix",
    "ColorRange",
    "InputPolicy",
    "Sidecar",
    "is_model_id",
    "parse_sidecar",
    "read_sidecar",
]

# Means and standard deviations of ImageNet's R, G, B in [0, 1], as torchvision documents them.
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)

_KEYS = (
    *("id", "description", "stride", "parameters", "trained_on", "fold", "scores"),
    *("input", "output"),
)
_INPUT_KEYS = ("name", "short_side", "multiple", "size", "color", "range", "mean", "std")
_FIGURES = ("iou", "mae", "max_f", "mean_error")


def is_model_id(name: str) -> bool:
    """Whether a model may be called so: the name becomes part of file names and of columns."""
    return bool(re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}", name))


@dataclass(frozen=True, slots=True)
class InputPolicy:
    """How a frame becomes the tensor that the model sees."""

    short_side: int | None = None
    """Canonical short side in pixels; None runs the frame at its own size (native)."""

    multiple: int = 1
    """Height and width are edge-replicated on the right and bottom up to a multiple of this."""

    size: tuple[int, int] | None = None
    """(height, width) of a model that takes one size only; the frame is resampled to it."""

    color: ColorMatrix = "libvmaf"
    """Matrix from YUV to RGB; "auto" is the stream's tag, else bt709."""

    range: ColorRange = "limited"
    """Range of the samples; "auto" is the stream's tag, else limited."""

    mean: tuple[float, float, float] = IMAGENET_MEAN
    std: tuple[float, float, float] = IMAGENET_STD

    def with_options(
        self,
        color: ColorMatrix | None = None,
        range: ColorRange | None = None,
        short_side: int | Literal["native"] | None = None,
    ) -> InputPolicy:
        """The policy with what a person set by hand; None leaves the model's own choice.

        Raises:
            ModelError: if a short side is asked of a model that takes one size only.
        """
        policy = self
        if color is not None:
            # A matrix chosen by hand reads the stream's range; only libvmaf's own is fixed.
            policy = replace(policy, color=color, range="limited" if color == "libvmaf" else "auto")
        if range is not None:
            policy = replace(policy, range=range)
        if short_side is not None:
            if policy.size is not None:
                height, width = policy.size
                raise ModelError(
                    f"This model takes pictures of {width}x{height} only; leave short_side out."
                )
            policy = replace(policy, short_side=None if short_side == "native" else short_side)
        return policy


@dataclass(frozen=True, slots=True)
class Sidecar:
    """The facts in `<name>.json`, with defaults where there is no such file."""

    id: str
    description: str = ""
    stride: int | None = None
    """Sizes must be multiples of this; None lets the graph's downsampling decide."""
    parameters: int | None = None
    trained_on: tuple[str, ...] = ()
    scores: tuple[dict[str, Any], ...] = ()
    input_name: str = "input"
    output_name: str = "saliency_map"
    activation: Literal["none", "sigmoid"] = "none"
    """What still has to be applied to the model's output to make it a map in [0, 1]."""
    policy: InputPolicy = field(default_factory=InputPolicy)
    path: Path | None = None
    """The file it was read from; None where there was none."""


def read_sidecar(onnx_path: Path) -> Sidecar:
    """Read `<name>.json` beside `<name>.onnx`.

    Args:
        onnx_path: the model file; its sidecar need not exist.
    Returns:
        the sidecar; without a file, a native one named after the model.
    Raises:
        ModelError: if the file is no JSON object, or a value in it has no meaning.
    """
    path = onnx_path.with_suffix(".json")
    if not path.is_file():
        return Sidecar(id=onnx_path.stem)
    try:
        raw = read_object(path)
    except ValueError as error:
        raise ModelError(
            f"The sidecar {path} cannot be read ({error}). Correct it, or move it away to run the "
            "model without one."
        ) from error
    try:
        return replace(parse_sidecar(raw, onnx_path.stem), path=path)
    except ValueError as error:
        raise ModelError(
            f"The sidecar {path} has a wrong value: {error}. See docs/models.md."
        ) from error


def parse_sidecar(raw: Mapping[str, Any], stem: str) -> Sidecar:
    """Check the contents of a sidecar.

    Args:
        raw: the JSON object.
        stem: the model's id where the sidecar has none.
    Raises:
        ValueError: naming the field that is wrong.
    """
    known_keys(raw, "", _KEYS)
    given = object_field(raw, "input")
    output = object_field(raw, "output")
    known_keys(given, "input", _INPUT_KEYS)
    known_keys(output, "output", ("name", "activation"))
    stride, parameters = raw.get("stride"), raw.get("parameters")
    model_id = text(raw.get("id", stem), "id")
    if "id" in raw and not is_model_id(model_id):
        raise ValueError("id is made of letters, digits, '_', '.' and '-', at most 64")
    return Sidecar(
        id=model_id,
        description=text(raw.get("description", ""), "description"),
        stride=None if stride is None else whole_number(stride, "stride", 1, 256),
        parameters=None if parameters is None else whole_number(parameters, "parameters", 0),
        trained_on=strings(raw.get("trained_on", []), "trained_on"),
        scores=_scores(raw.get("scores", [])),
        input_name=text(given.get("name", "input"), "input.name"),
        output_name=text(output.get("name", "saliency_map"), "output.name"),
        activation=_choice(
            output.get("activation", "none"), "output.activation", ("none", "sigmoid")
        ),
        policy=_policy(given),
    )


def _scores(value: object) -> tuple[dict[str, Any], ...]:
    """Results of evaluation: `data`, `short_side`, `n`, and figures that are numbers or null."""
    if not isinstance(value, list):
        raise ValueError("scores is a list of objects")
    for place, score in enumerate(value):
        where = f"scores[{place}]"
        if not isinstance(score, dict):
            raise ValueError(f"{where} is an object")
        for key in ("data", "short_side", "n"):
            if key not in score:
                raise ValueError(f"{where} has no {key}")
        text(score["data"], f"{where}.data")
        whole_number(score["n"], f"{where}.n")
        if score["short_side"] != "native":
            whole_number(score["short_side"], f'{where}.short_side, if not "native",')
        for key in _FIGURES:
            if score.get(key) is not None:
                number(score[key], f"{where}.{key}")
    return tuple(value)


def _policy(given: Mapping[str, Any]) -> InputPolicy:
    size = None
    if "size" in given:
        if not isinstance(given["size"], list) or len(given["size"]) != 2:
            raise ValueError("input.size is [height, width]")
        height, width = given["size"]
        size = (
            whole_number(height, "input.size", 1, 8192),
            whole_number(width, "input.size", 1, 8192),
        )
    short_side = given.get("short_side", "native")
    short_side = (
        None
        if short_side == "native"
        else whole_number(short_side, 'input.short_side, if not "native",', 16, 4320)
    )
    # A model that resamples is of our own kind and wants true colour; one that runs at native
    # size answers as the C extractor does.
    canonical = size is not None or short_side is not None
    color = _choice(
        given.get("color", "auto" if canonical else "libvmaf"), "input.color", get_args(ColorMatrix)
    )
    sample_range = given.get("range", "limited" if color == "libvmaf" else "auto")
    return InputPolicy(
        short_side=short_side,
        multiple=whole_number(given.get("multiple", 1), "input.multiple", 1, 256),
        size=size,
        color=color,
        range=_choice(sample_range, "input.range", get_args(ColorRange)),
        mean=_triple(given.get("mean", list(IMAGENET_MEAN)), "input.mean"),
        std=_triple(given.get("std", list(IMAGENET_STD)), "input.std"),
    )


def _choice(value: object, name: str, choices: tuple[str, ...]) -> Any:
    if not isinstance(value, str) or value not in choices:
        raise ValueError(f"{name} is one of {', '.join(choices)}")
    return value


def _triple(values: object, name: str) -> tuple[float, float, float]:
    if not isinstance(values, list) or len(values) != 3:
        raise ValueError(f"{name} is three numbers, of red, green and blue")
    red, green, blue = (number(value, name) for value in values)
    if name.endswith("std") and not min(red, green, blue) > 0:
        raise ValueError(f"{name} divides the picture and cannot be 0 or less")
    return red, green, blue
