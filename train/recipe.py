"""A recipe: what a model is trained on and how, read from one TOML file."""

from __future__ import annotations

import tomllib
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, TypeVar

from vmafsal.errors import InputError, UsageError
from vmafsal.models.registry import FAMILIES

__all__ = [
    "Calibration",
    "Evaluation",
    "Fit",
    "Init",
    "PictureSet",
    "Recipe",
    "Stage",
    "Teacher",
    "read_recipe",
    "recipe_files",
]

SCHEDULES = ("cosine", "hold")
LABELS = ("masks", "teacher", "both", "maps")
LOSSES = ("dice", "iou", "cc_kl")
TRUTHS = ("masks", "teacher", "maps")
SETS = "sets.toml"
"""Beside the recipes: what each set is, and its licence."""


@dataclass(frozen=True)
class PictureSet:
    """One set of pictures."""

    name: str
    """Its folder below --data."""
    weight: float = 1.0
    """How often a picture of it is drawn, beside those of the other sets."""
    labels: str = "both"
    """masks, teacher, both where a picture has both, or maps: the set's own, of where people
    looked."""
    what: str = ""
    """The pictures, with their source; for the card."""
    licence: str = "none stated"


@dataclass(frozen=True)
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


@dataclass(frozen=True)
class Init:
    """The weights that a run begins with."""

    sha256: str
    """Of the ONNX file or checkpoint that --init names; another one is refused."""
    what: str = ""
    """Where they come from; for the card."""


@dataclass(frozen=True)
class Calibration:
    """A change of the finished model's logits z to scale · (z - shift), part of its last layer."""

    scale: float
    shift: float


@dataclass(frozen=True)
class Stage:
    """A part of the run with its own picture sizes."""

    until: float
    """Share of all steps at which the stage ends."""
    sides: tuple[int, ...]
    """Short sides in pixels; each step draws one."""
    twins: float = 0.0
    """Share of steps that also show each picture degraded, for the consistency loss."""


@dataclass(frozen=True)
class Fit:
    """The hyperparameters."""

    steps: int
    stages: tuple[Stage, ...]
    batch: int = 16
    lr: float = 1e-3
    schedule: str = "cosine"
    """cosine: from lr to 0 over all steps; hold: lr, then linearly to 0 over `cooldown` steps."""
    cooldown: int = 0
    warmup: int = 0
    """Steps over which the learning rate rises to lr."""
    weight_decay: float = 0.0
    clip: float = 0.0
    """Largest norm of the gradient; 0 does not clip."""
    ema: float = 0.0
    """Decay of the exponential moving average of the weights, which is exported; 0: no average."""
    loss: str = "dice"
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


@dataclass(frozen=True)
class Evaluation:
    """One evaluation of the finished model."""

    data: tuple[str, ...]
    """Names of sets."""
    truth: str = "masks"
    """masks; teacher: its maps, as labels; or maps: the set's own, of where people looked."""
    kept_out: bool = False
    """Only the stems that training leaves out."""
    by_sequence: bool = False
    """Intervals over sequences instead of single images."""
    short_side: str = "model"
    """As of `evaluate --short-side`."""


@dataclass(frozen=True)
class Recipe:
    """Everything between pictures and a model."""

    id: str
    arch: str
    sets: tuple[PictureSet, ...]
    fit: Fit
    teacher: Teacher | None = None
    init: Init | None = None
    calibration: Calibration | None = None
    evaluations: tuple[Evaluation, ...] = ()
    short_side: int | None = None
    """At which the model sees the frame, in pixels; the architecture's own by default."""
    family: str = "salient-object"
    """What its map stands for: one of vmafsal.models.registry.FAMILIES."""
    keep_out: int = 10
    """One stem in so many is never trained on (by its SHA-1)."""
    notes: tuple[str, ...] = ()
    """Sentences for the card."""

    def __post_init__(self) -> None:
        from train.nets import architecture

        known = architecture(self.arch)
        stride = known.stride
        if self.short_side is not None and known.short_side is None:
            raise UsageError(f"{self.arch} runs at the picture's own size; leave short_side out.")
        if not self.sets:
            raise UsageError(f"The recipe of {self.id} names no [[set]].")
        if not self.fit.stages:
            raise UsageError(f"The recipe of {self.id} has no [[fit.stage]].")
        own = () if self.short_side is None else (self.short_side,)
        for side in (*own, *(side for stage in self.fit.stages for side in stage.sides)):
            if side % stride:
                raise UsageError(
                    f"The side {side} is not a multiple of {stride}, which {self.arch} needs."
                )
        _choose("schedule", self.fit.schedule, SCHEDULES)
        _choose("family", self.family, tuple(FAMILIES))
        _choose("loss", self.fit.loss, LOSSES)
        for wanted in self.evaluations:
            _choose("truth of an evaluation", wanted.truth, TRUTHS)
        for listed in self.sets:
            _choose(f"labels of {listed.name}", listed.labels, LABELS)

    def options(self) -> dict[str, Any]:
        """What the weights depend on, for the checkpoint: lists instead of tuples."""
        table = asdict(self)
        for key in ("evaluations", "notes"):
            del table[key]
        return table


def _choose(what: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise UsageError(f"The {what} is {value!r}; choose one of {', '.join(known)}.")


T = TypeVar("T")


def _read(kind: type[T], table: dict[str, Any], where: str) -> T:
    names = {f.name for f in fields(kind)}  # type: ignore[arg-type]
    if unknown := sorted(table.keys() - names):
        raise InputError(f"{where} has no {', '.join(unknown)}; it has {', '.join(sorted(names))}.")
    return kind(**{k: tuple(v) if isinstance(v, list) else v for k, v in table.items()})


def _toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read as a recipe ({error}).") from None


def recipe_files(path: Path) -> list[Path]:
    """Every file that read_recipe reads."""
    return [path, path.with_name(SETS)]


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
        table = dict(document.pop("fit"))
        stages = tuple(_read(Stage, s, "[[fit.stage]]") for s in table.pop("stage"))
        sets = [
            _read(PictureSet, {**described.get(s["name"], {}), **s}, "[[set]]")
            for s in document.pop("set")
        ]
        evaluations = [_read(Evaluation, e, "[[evaluate]]") for e in document.pop("evaluate", [])]
        parts = {"teacher": Teacher, "init": Init, "calibration": Calibration}
        optional = {key: document.pop(key) for key in parts if key in document}
        return _read(
            Recipe,
            {
                **document,
                "sets": sets,
                "fit": _read(Fit, {**table, "stages": stages}, "[fit]"),
                "evaluations": evaluations,
                **{key: _read(parts[key], table, f"[{key}]") for key, table in optional.items()},
            },
            "A recipe",
        )
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise InputError(f"{path} is no whole recipe ({error}).") from None
