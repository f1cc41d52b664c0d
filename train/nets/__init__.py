"""The architectures and their properties."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from torch import nn

from train.nets.canonical import Canonical
from train.nets.normalised import Normalised
from train.nets.students import BilinearUp, Student

__all__ = ["ARCHITECTURES", "Architecture", "build"]


@dataclass(frozen=True)
class Architecture:
    """A network and the input it takes."""

    make: Callable[[], nn.Module]
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
        lambda: Student(partial(nn.ConvTranspose2d, kernel_size=2, stride=2, bias=False)),
        8,
        "an encoder of three levels and a decoder that doubles the size by 2×2 transposed "
        "convolutions of stride 2",
        "decoder of 2×2 transposed convolutions of stride 2; native size",
        field_of_view=68,
    ),
    "v2": Architecture(
        lambda: Student(BilinearUp),
        8,
        "an encoder of three levels and a decoder that doubles the size by bilinear ×2 followed "
        "by a 3×3 convolution",
        "decoder of bilinear ×2 followed by a 3×3 convolution; native size",
        field_of_view=100,
    ),
    "v3": Architecture(
        Canonical,
        32,
        "inverted residuals with 5×5 kernels down to stride 32, the mean of the whole frame added "
        "at each place, and an additive decoder; the map is computed at half size and doubled "
        "bilinearly",
        "sees the whole frame at one short side, so that its number holds at every resolution",
        short_side=192,
    ),
    "v3n": Architecture(
        Normalised,
        16,
        "inverted residuals with 5×5 kernels and instance normalisation down to stride 16, the "
        "mean of the whole frame added at each place, and an additive decoder; the map is "
        "computed at half size and doubled bilinearly",
        "compares each place with the whole frame, which it sees at one short side",
        short_side=96,
    ),
}


def build(name: str) -> nn.Module:
    """A freshly initialised network of ARCHITECTURES; torch's seed decides the weights."""
    return ARCHITECTURES[name].make()
