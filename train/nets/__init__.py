"""The architectures and their properties."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import nn

from train.nets.canonical import Canonical
from train.nets.normalised import Normalised
from train.nets.students import FIELD_OF_VIEW, PARAMETERS, STRIDE, Student

__all__ = ["ARCHITECTURES", "Architecture", "architecture", "build"]


@dataclass(frozen=True)
class Architecture:
    """A network and the input it takes."""

    make: Callable[[], nn.Module]
    parameters: int
    """Trainable ones; `build` refuses to return a network with another count."""
    stride: int
    """Height and width of an input are multiples of this."""
    what: str
    """Encoder and decoder, for cards."""
    summary: str
    """How it differs from the others, for lists."""
    short_side: int | None = None
    """At which it sees the frame, in pixels, where a recipe names no other; None is native size
    with the C extractor's colour."""
    field_of_view: int | None = None
    """Width in pixels of what can move one pixel of the map; None is the whole frame."""


ARCHITECTURES = {
    "v1": Architecture(
        lambda: Student("v1"),
        PARAMETERS["v1"],
        STRIDE,
        "an encoder of three levels and a decoder that doubles the size by 2×2 transposed "
        "convolutions of stride 2",
        "decoder of 2×2 transposed convolutions of stride 2; native size",
        field_of_view=FIELD_OF_VIEW["v1"],
    ),
    "v2": Architecture(
        lambda: Student("v2"),
        PARAMETERS["v2"],
        STRIDE,
        "an encoder of three levels and a decoder that doubles the size by bilinear ×2 followed "
        "by a 3×3 convolution",
        "decoder of bilinear ×2 followed by a 3×3 convolution; native size",
        field_of_view=FIELD_OF_VIEW["v2"],
    ),
    "v3": Architecture(
        Canonical,
        262_897,
        32,
        "inverted residuals with 5×5 kernels down to stride 32, the mean of the whole frame added "
        "at each place, and an additive decoder; the map is computed at half size and doubled "
        "bilinearly",
        "sees the whole frame at one short side, so that its number holds at every resolution",
        short_side=192,
    ),
    "v3n": Architecture(
        Normalised,
        249_841,
        16,
        "inverted residuals with 5×5 kernels and instance normalisation down to stride 16, the "
        "mean of the whole frame added at each place, and an additive decoder; the map is "
        "computed at half size and doubled bilinearly",
        "compares each place with the whole frame, which it sees at one short side",
        short_side=96,
    ),
}


def architecture(name: str) -> Architecture:
    """An architecture by its name.

    Raises:
        ValueError: if it is unknown.
    """
    if name not in ARCHITECTURES:
        raise ValueError(f"no architecture {name!r}; there are {', '.join(ARCHITECTURES)}")
    return ARCHITECTURES[name]


def build(name: str) -> nn.Module:
    """A freshly initialised network; torch's seed decides the weights.

    Raises:
        ValueError: if `name` is unknown or the count of parameters is not the stated one.
    """
    known = architecture(name)
    net = known.make()
    count = sum(p.numel() for p in net.parameters() if p.requires_grad)
    if count != known.parameters:
        raise ValueError(f"{name} has {count:,} parameters, not {known.parameters:,}")
    return net
