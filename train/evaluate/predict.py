"""From a picture to its saliency map, through the extractor's own steps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from vmafsal.infer.network import Network
from vmafsal.infer.session import Session
from vmafsal.picture.tensors import Preparer
from vmafsal.video.frame import Frame

if TYPE_CHECKING:
    from vmafsal.models.model import Model

__all__ = ["MapSource", "Predictor", "ShortSide", "resize_map"]

ShortSide = int | Literal["native", "model"]
"""In pixels; "native" is the picture's own size, "model" the size in the model's sidecar."""


class MapSource(Protocol):
    """Anything that answers a picture with a map, and can be named in a result."""

    @property
    def id(self) -> str:
        """What results call it."""

    @property
    def sha256(self) -> str | None:
        """Of its file; None where there is none."""

    @property
    def runs_at(self) -> str | int:
        """The short side in pixels, "native", or "HxW"."""

    def __call__(self, rgb: NDArray[np.uint8]) -> NDArray[np.float32]:
        """From uint8 [H, W, 3] to float32 [h, w], the larger the more salient."""


class Predictor:
    """A model that answers pictures with maps.

    Args:
        model: what vmafsal.models.model.load_model returned.
        short_side: what the picture is resampled to.
        threads: of ONNX Runtime on the CPU.
        device: as vmafsal.infer.session.Session takes it.
    Raises:
        ModelError: if a short side is given for a model that takes one size only.
        DeviceError: if the device is not there.
    """

    def __init__(
        self,
        model: Model,
        short_side: ShortSide = "model",
        threads: int | None = None,
        device: str = "cpu",
    ) -> None:
        self.id, self.sha256 = model.id, model.sha256
        policy = model.policy
        if short_side != "model":
            policy = policy.with_options(short_side=short_side)
        fixed = "x".join(map(str, policy.size or ()))
        self.runs_at: str | int = fixed or policy.short_side or "native"
        # A fused graph would be made anew for every size of picture.
        session = Session(model, device=device, threads=threads, fused=False)
        self._network = Network(session, policy)
        self._prepare = Preparer(self._network.view, 1)

    def __call__(self, rgb: NDArray[np.uint8]) -> NDArray[np.float32]:
        """The saliency map of one picture.

        Args:
            rgb: uint8 [H, W, 3].
        Returns:
            float32 [h, w] in [0, 1], at the size that the picture was resampled to.
        Raises:
            InputError: if the picture is too narrow for the short side.
            ModelError: if the model cannot run it, or its answer is no saliency.
        """
        planes = tuple(np.ascontiguousarray(rgb[..., channel]) for channel in range(3))
        frame = Frame(planes=planes, chroma="rgb", bit_depth=8, index=0)
        (saliency,) = self._network.maps(self._prepare([frame]))
        # float32 arithmetic may pass 1 by a rounding.
        clipped: NDArray[np.float32] = np.clip(saliency, 0.0, 1.0)
        return clipped


def resize_map(saliency: NDArray[np.float32], height: int, width: int) -> NDArray[np.float32]:
    """Resize a map bilinearly, pixel centres aligned; where it shrinks, over the whole footprint.

    Args:
        saliency: float32 [h, w] in [0, 1].
    Returns:
        float32 [height, width] in [0, 1].
    """
    if saliency.shape == (height, width):
        return saliency
    picture = Image.fromarray(np.ascontiguousarray(saliency))
    resized = picture.resize((width, height), Image.Resampling.BILINEAR)
    # The weights' rounding may leave [0, 1] by one unit in the last place.
    return np.clip(np.asarray(resized, np.float32), 0.0, 1.0)
