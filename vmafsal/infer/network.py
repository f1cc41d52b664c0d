"""Network: a model on a device, from a batch of pictures to saliency maps."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vmafsal.errors import ModelError
from vmafsal.infer.session import Session
from vmafsal.models.model import Model
from vmafsal.models.sidecar import InputPolicy
from vmafsal.picture.tensors import Batch, View

__all__ = ["Network", "check_range"]

_ROUNDING = 1e-6
"""A sigmoid in lower precision may exceed 1 by a rounding error."""


class Network:
    """A session, and the view of a frame that its model takes."""

    def __init__(self, session: Session, policy: InputPolicy) -> None:
        """
        Args:
            session: of the model.
            policy: size, colour and normalisation, in which a person may have overridden the
                model's own choice.
        """
        self.session = session
        self.view = View.of(policy, session.model.stride, session.fused)

    @property
    def model(self) -> Model:
        """What is run."""
        return self.session.model

    def maps(self, batch: Batch) -> NDArray[np.float32]:
        """The saliency maps of a batch.

        Args:
            batch: made for this network's view.
        Returns:
            float32 [N, H, W], cropped to the pictures, each pixel in [0, 1].
        Raises:
            ModelError: if the model fails on it, or its answer is no saliency.
        """
        if batch.planes is not None:
            saliency = self.session.run_planes_to_maps(batch.planes, self.view.policy)
            saliency = saliency[: batch.count]
        else:
            assert batch.tensor is not None
            saliency = self.session.run(batch.tensor)[:, 0, : batch.height, : batch.width]
        check_range(float(saliency.min()), float(saliency.max()), self.model)
        return saliency

    def means(self, batch: Batch) -> NDArray[np.float64]:
        """The mean of each map of a fused batch; the maps stay on the device.

        Args:
            batch: of planes.
        Returns:
            float64 [N].
        Raises:
            ModelError: as maps() says.
        """
        assert batch.planes is not None
        scalars = self.session.run_planes(batch.planes, self.view.policy)[: batch.count]
        means, highs = scalars[:, 0], scalars[:, 2]
        # Unlike numpy's, a runtime's minimum may pass over NaN; a mean never does.
        lows = np.where(np.isfinite(means), scalars[:, 1], np.nan)
        check_range(float(lows.min()), float(highs.max()), self.model)
        return means


def check_range(low: float, high: float, model: Model) -> None:
    """Refuse what is no saliency map.

    Args:
        low, high: least and greatest value of a map; NaN where it holds one.
        model: that answered it.
    Raises:
        ModelError: unless both lie in [0, 1], within a rounding.
    """
    if low >= -_ROUNDING and high <= 1 + _ROUNDING:
        return
    if np.isfinite((low, high)).all():
        raise ModelError(
            f"{model.path.name} answered values from {low:g} to {high:g}; saliency lies between 0 "
            "and 1. If its output needs a sigmoid, say so in its sidecar: "
            '{"output": {"activation": "sigmoid"}}'
        )
    raise ModelError(
        f"{model.path.name} answered NaN or infinity, which is no saliency. "
        "Check it with `vmafsal models verify`, or choose another model."
    )
