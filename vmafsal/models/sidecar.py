"""Sidecar: what a model says of itself beside its ONNX file, and how it wants its pictures."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, get_args

from vmafsal.errors import ModelError

__all__ = ["ColorMatrix", "ColorRange", "InputPolicy", "Sidecar", "read_sidecar"]

ColorMatrix = Literal["libvmaf", "bt709", "bt601", "bt2020", "auto"]
ColorRange = Literal["limited", "full", "auto"]

# Means and standard deviations of ImageNet's R, G, B in [0, 1], as torchvision documents them.
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


_KEYS = (
    *("id", "description", "stride", "parameters", "trained_on", "fold", "scores"),
    *("input", "output"),
)


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
        raw = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(
            f"The sidecar {path} cannot be read ({error}). Mend it, or move it away to run the "
            "model without one."
        ) from error
    if not isinstance(raw, dict):
        raise ModelError(f"The sidecar {path} holds no JSON object. Mend it or move it away.")
    try:
        return _parse(raw, onnx_path.stem, path)
    except (TypeError, ValueError, AttributeError) as error:
        raise ModelError(
            f"The sidecar {path} says something without meaning: {error}. See docs/models.md."
        ) from error


def _parse(raw: dict[str, Any], stem: str, path: Path) -> Sidecar:
    _known(raw, "", _KEYS)
    given = _object(raw, "input")
    output = _object(raw, "output")
    _known(
        given, "input", ("name", "short_side", "multiple", "size", "color", "range", "mean", "std")
    )
    _known(output, "output", ("name", "activation"))
    stride = raw.get("stride")
    activation = output.get("activation", "none")
    if activation not in ("none", "sigmoid"):
        raise ValueError(f'output.activation is "none" or "sigmoid", not {activation!r}')
    return Sidecar(
        id=str(raw.get("id", stem)),
        description=str(raw.get("description", "")),
        stride=None if stride is None else _positive(stride, "stride"),
        parameters=raw.get("parameters"),
        trained_on=tuple(raw.get("trained_on", ())),
        scores=tuple(raw.get("scores", ())),
        input_name=str(given.get("name", "input")),
        output_name=str(output.get("name", "saliency_map")),
        activation=activation,
        policy=_parse_policy(given),
        path=path,
    )


def _parse_policy(given: dict[str, Any]) -> InputPolicy:
    size = None
    if "size" in given:
        if not isinstance(given["size"], list) or len(given["size"]) != 2:
            raise ValueError(f"input.size is [height, width], not {given['size']!r}")
        height, width = given["size"]
        size = (_positive(height, "input.size"), _positive(width, "input.size"))
    short_side = given.get("short_side", "native")
    short_side = None if short_side == "native" else _positive(short_side, "input.short_side")
    # A model that resamples is of our own kind and wants true colour; one that runs at native
    # size answers as the C extractor does.
    canonical = size is not None or short_side is not None
    color = given.get("color", "auto" if canonical else "libvmaf")
    if color not in get_args(ColorMatrix):
        raise ValueError(f"input.color is one of {', '.join(get_args(ColorMatrix))}, not {color!r}")
    sample_range = given.get("range", "limited" if color == "libvmaf" else "auto")
    if sample_range not in get_args(ColorRange):
        raise ValueError(
            f"input.range is one of {', '.join(get_args(ColorRange))}, not {sample_range!r}"
        )
    return InputPolicy(
        short_side=short_side,
        multiple=_positive(given.get("multiple", 1), "input.multiple"),
        size=size,
        color=color,
        range=sample_range,
        mean=_triple(given.get("mean", IMAGENET_MEAN), "input.mean"),
        std=_triple(given.get("std", IMAGENET_STD), "input.std"),
    )


def _object(raw: dict[str, Any], key: str) -> dict[str, Any]:
    value = raw.get(key, {})
    if not isinstance(value, dict):
        raise TypeError(f"{key} is an object, not {value!r}")
    return value


def _known(given: dict[str, Any], where: str, names: tuple[str, ...]) -> None:
    for name in given:
        if name not in names:
            key = f"{where}.{name}" if where else name
            raise ValueError(f"{key} is unknown; {where or 'it'} takes {', '.join(names)}")


def _positive(value: object, name: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ValueError(f"{name} is a whole number from 1 up, not {value!r}")
    return value


def _triple(values: Any, name: str) -> tuple[float, float, float]:
    if not isinstance(values, list | tuple) or len(values) != 3:
        raise ValueError(f"{name} is three numbers, of red, green and blue, not {values!r}")
    red, green, blue = (float(value) for value in values)
    if name.endswith("std") and 0.0 in (red, green, blue):
        raise ValueError(f"{name} divides the picture and cannot be 0")
    return red, green, blue
