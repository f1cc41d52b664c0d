"""A recipe: what a model is trained on and how, read from one TOML file."""

from __future__ import annotations

import tomllib
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from vmafsal.errors import InputError, UsageError
from vmafsal.models.registry import FAMILIES

__all__ = ["Fit", "PictureSet", "Recipe", "Stage", "read_recipe"]

STRICT = ConfigDict(extra="forbid")
SETS = "sets.toml"
"""Beside the recipes: what each set is, and its licence."""


@dataclass(frozen=True, config=STRICT)
class PictureSet:
    """One set of pictures."""

    name: str
    """Its folder below --data."""
    weight: float = 1.0
    """How often a picture of it is drawn, beside those of the other sets."""
    labels: Literal["masks", "teacher", "both", "maps"] = "both"
    """masks, teacher, both where a picture has both, or maps: the set's own, of where people
    looked."""
    what: str = ""
    """The pictures, with their source; for the card."""
    licence: str = "none stated"


@dataclass(frozen=True, config=STRICT)
class Teacher:
    """The model whose maps are the labels of pictures without masks."""

    source: str
    """onnx:FILE, onnx:ID of a model that was added, maps:DIR or classic:NAME."""
    sha256: str | None = None
    """Of the ONNX file; another one is refused."""
    what: str = ""
    """Its name, citation and licence; for the card."""

    @property
    def name(self) -> str:
        """What its folder of labels is called."""
        return Path(self.source.partition(":")[2]).stem


@dataclass(frozen=True, config=STRICT)
class Init:
    """The weights that a run begins with."""

    sha256: str
    """Of the ONNX file or checkpoint that --init names; another one is refused."""
    what: str = ""
    """Where they come from; for the card."""


@dataclass(frozen=True, config=STRICT)
class Calibration:
    """A change of the finished model's logits z to scale · (z - shift), part of its last layer."""

    scale: float
    shift: float


@dataclass(frozen=True, config=STRICT)
class Stage:
    """A part of the run with its own picture sizes."""

    until: float
    """Share of all steps at which the stage ends."""
    sides: Annotated[tuple[int, ...], Field(min_length=1)]
    """Short sides in pixels; each step draws one."""
    twins: float = 0.0
    """Share of steps that also show each picture degraded, for the consistency loss."""


@dataclass(frozen=True, config=STRICT)
class Fit:
    """The hyperparameters."""

    steps: int
    stages: Annotated[tuple[Stage, ...], Field(min_length=1)]
    batch: int = 16
    lr: float = 1e-3
    schedule: Literal["cosine", "hold"] = "cosine"
    """cosine: from lr to 0 over all steps; hold: lr, then linearly to 0 over `cooldown` steps."""
    cooldown: int = 0
    warmup: int = 0
    """Steps over which the learning rate rises to lr."""
    weight_decay: float = 0.0
    clip: float = 0.0
    """Largest norm of the gradient; 0 does not clip."""
    ema: float = 0.0
    """Decay of the exponential moving average of the weights, which is exported; 0: no average."""
    loss: Literal["dice", "iou", "cc_kl"] = "dice"
    """Term beside BCE: dice, iou (soft IoU), or cc_kl (1 - CC + KL, for soft maps)."""
    overlap: float = 1.0
    """Weight of that term."""
    mean_error: float = 0.0
    """Weight of |mean of the map - mean of the label|."""
    consistency: float = 0.0
    """Weight of the consistency loss between the maps of a picture and of its degraded copy."""
    aspects: tuple[float, ...] = (1.0,)
    """Width over height of the training rectangles."""
    crop: float = 0.8
    """Smallest share of a side that a crop keeps; 1: pictures are stretched and never cut, as a
    map that depends on the whole picture is not that of a part."""
    photometric: float = 0.0
    """Share of samples with varied brightness, contrast, gamma and colour balance."""
    degrade: float = 0.0
    """Share of samples that pass through JPEG, noise, blur or a lower resolution."""
    seed: int = 42
    threads: int = 1
    """CPU threads of torch."""
    save_every: int = 1000
    """Steps between two checkpoints."""


@dataclass(frozen=True, config=STRICT)
class Evaluation:
    """One evaluation of the finished model."""

    data: tuple[str, ...]
    """Names of sets."""
    truth: Literal["masks", "teacher", "maps"] = "masks"
    """masks; teacher: its maps, as labels; or maps: the set's own, of where people looked."""
    kept_out: bool = False
    """Only the stems that training leaves out."""
    by_sequence: bool = False
    """Intervals over sequences instead of single images."""
    short_side: str = "model"
    """As of `evaluate --short-side`."""


@dataclass(frozen=True, config=STRICT)
class Recipe:
    """Everything between pictures and a model."""

    id: str
    arch: Literal["v1", "v2", "v3", "v3n"]
    sets: Annotated[tuple[PictureSet, ...], Field(min_length=1)]
    fit: Fit
    teacher: Teacher | None = None
    init: Init | None = None
    calibration: Calibration | None = None
    evaluations: tuple[Evaluation, ...] = ()
    short_side: int | None = None
    """At which the model sees the frame, in pixels; the architecture's own by default."""
    family: str = "salient-object"
    """What its map stands for: one of vmafsal.models.registry.FAMILIES."""
    notes: tuple[str, ...] = ()
    """Sentences for the card."""

    def __post_init__(self) -> None:
        from train.nets import ARCHITECTURES

        known = ARCHITECTURES[self.arch]
        if self.short_side is not None and known.short_side is None:
            raise UsageError(f"{self.arch} runs at the picture's own size; leave short_side out.")
        if self.family not in FAMILIES:
            raise UsageError(f"The family {self.family} is none of {', '.join(FAMILIES)}.")
        for side in (self.short_side or 0, *(s for stage in self.fit.stages for s in stage.sides)):
            if side % known.stride:
                raise UsageError(
                    f"The side {side} is not a multiple of {known.stride}, which {self.arch} needs."
                )

    def options(self) -> dict[str, Any]:
        """What the weights depend on, and the texts for the card, for the checkpoint."""
        return {k: v for k, v in asdict(self).items() if k != "evaluations"}


def _toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read as a recipe ({error}).") from None


def read_recipe(path: Path) -> Recipe:
    """Read a recipe, and what `sets.toml` beside it says of its sets.

    `base = "FILE"` names a file beside it with the tables that several recipes share; what the
    recipe says itself goes before, value by value.

    Raises:
        InputError: if it cannot be read, or is no recipe.
        UsageError: if values contradict each other.
    """
    document = _toml(path)
    if isinstance(base := document.pop("base", None), str):
        shared = _toml(path.with_name(base))
        for key, value in document.items():
            both = isinstance(value, dict) and isinstance(shared.get(key), dict)
            shared[key] = {**shared[key], **value} if both else value
        document = shared
    described = _toml(path.with_name(SETS)) if path.with_name(SETS).exists() else {}
    try:
        fit = dict(document["fit"])
        fit["stages"] = fit.pop("stage")
        sets = [{**described.get(one["name"], {}), **one} for one in document.pop("set")]
        document |= {"fit": fit, "sets": sets, "evaluations": document.pop("evaluate", [])}
        return TypeAdapter(Recipe).validate_python(document)
    except ValidationError as error:
        found = [f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors()]
        raise InputError(f"{path} is no whole recipe: {'; '.join(found)}.") from None
    except (KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{path} is no whole recipe ({error}).") from None
