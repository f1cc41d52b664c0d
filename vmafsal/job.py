"""The Job: the options of a run, checked before anything is opened.

The fields of Job and Feature, and the tuples below them, are the table of options: each option
is defined here once. See vmafsal.options for the fields of a row and for what is made from it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import MISSING, dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, get_args

from vmafsal.errors import UsageError
from vmafsal.feature_spec import FEATURE, MODEL_VARIABLE, PSNR, read_features
from vmafsal.options import Option, Place, option, options_of
from vmafsal.post_spec import change_paths, check_range, read_steps

if TYPE_CHECKING:
    from vmafsal.video.frame import Chroma

__all__ = [
    "ACCEPTED",
    "FEATURE",
    "FEATURE_OPTIONS",
    "FORMATS",
    "JOB_OPTIONS",
    "LOG_OPTIONS",
    "MODEL_VARIABLE",
    "OPTIONS",
    "PSNR",
    "ColorMatrix",
    "ColorRange",
    "Feature",
    "Hwaccel",
    "Job",
    "build_job",
    "parse_device",
    "parse_features",
]

ColorMatrix = Literal["libvmaf", "bt709", "bt601", "bt2020", "auto"]
"""Matrix from YUV to RGB."""

ColorRange = Literal["limited", "full", "auto"]
"""Range of the samples."""

Hwaccel = Literal["none", "cuda", "auto"]
"""What decodes, in ffmpeg's words: software, NVDEC, or NVDEC where it can."""

INPUT = "Input"
MODEL = "Model and device"
LOG = "Log"
ACCEPTED = "Accepted for compatibility with vmaf's command lines, without effect"

_POST_TAG = "post"
"""Tag of the columns of a changed map, where they have none."""

_DEVICE = re.compile(r"(auto|cpu|(cuda|tensorrt)(?::(\d+))?)")

_input = partial(option, group=INPUT)
_model = partial(option, group=MODEL)

_VIDEOS: frozenset[Place] = frozenset({"score", "manifest", "python"})
_COMMANDS: frozenset[Place] = frozenset({"score", "batch", "manifest"})

_chooses = partial(Option, group=MODEL, places=_COMMANDS)
_log = partial(Option, group=LOG, places=_COMMANDS)
_accepted = partial(Option, group=ACCEPTED, places=frozenset({"score"}))


def _check_name(name: str) -> None:
    if not re.fullmatch(r"[A-Za-z0-9_.-]+", name):
        raise UsageError(
            f"The name {name!r} becomes part of a column's name: use letters, digits, "
            "'_', '.' and '-'."
        )


@dataclass(frozen=True, slots=True)
class Feature:
    """One column: a model and how it is to be run. None leaves a choice to the model."""

    model_path: str | None = option(
        "text",
        None,
        "The model: the path of an ONNX file, or an id that `vmafsal models` lists.",
        metavar="PATH|ID",
        places=_COMMANDS,
    )
    color: ColorMatrix | None = option(
        "text",
        None,
        "Matrix from YUV to RGB. `auto` is the one that the stream is tagged with, else `bt709`.",
        choices=get_args(ColorMatrix),
    )
    range: ColorRange | None = option(
        "text",
        None,
        "Range of the samples. `auto` is the one that the stream is tagged with, else limited.",
        choices=get_args(ColorRange),
    )
    short_side: int | Literal["native"] | None = option(
        "number",
        None,
        "Pixels of the shorter side that the model sees; `native` is the size of the video.",
        choices=("native",),
        least=16,
        most=4320,
    )
    name: str | None = option(
        "text",
        None,
        "Tag of the column: `name=a` gives saliency_mean_a.",
        metavar="TAG",
        check=_check_name,
        places=_COMMANDS,
    )
    stats: bool = option(
        "flag",
        False,
        "Write a column for each of the map's standard deviation, area, peak, entropy, centroid "
        "and change too.",
        choices=("true", "false"),
    )

    kind: Literal["mobilesal", "psnr"] = "mobilesal"
    """What is computed: numbers of the distorted video's map, or PSNR weighted by the
    reference's."""

    def __post_init__(self) -> None:
        for row in FEATURE_OPTIONS:
            row.check_value(getattr(self, row.name), self.kind)
        if self.kind == PSNR and self.stats:
            raise UsageError(f"stats describes a map of the distorted video: ask {FEATURE} for it.")

    @property
    def column(self) -> str:
        """Name of the feature's first column in the log."""
        first = "psnr_y" if self.kind == PSNR else "saliency_mean"
        return f"{first}_{self.name}" if self.name else first


FEATURE_OPTIONS = options_of(Feature)
"""What may follow --feature mobilesal=, as key=value."""


@dataclass(frozen=True, slots=True)
class Job:
    """One run of the extractor."""

    distorted: str = _input(
        "path",
        MISSING,
        "Video to score: raw YUV, Y4M, or anything ffmpeg reads (mp4, mkv, webm, mov, …); - is "
        "standard input.",
        letter="-d",
        metavar="FILE",
        places=_VIDEOS,
        identity=False,
        logged=False,
    )
    reference: str | None = _input(
        "path",
        None,
        "Reference video. It is checked against the distorted one, and the shorter of the two "
        "ends the run; no saliency is computed on it.",
        letter="-r",
        metavar="FILE",
        places=_VIDEOS,
        identity=False,
        logged=False,
    )
    width: int | None = _input(
        "number", None, "Width of raw YUV.", letter="-w", metavar="PIXELS", logged=False
    )
    height: int | None = _input(
        "number", None, "Height of raw YUV.", letter="-h", metavar="PIXELS", logged=False
    )
    pixel_format: Chroma | None = _input(
        "text",
        None,
        "Chroma format of raw YUV, 420 otherwise; 400 is gray. A file that states it must agree.",
        letter="-p",
        choices=("420", "422", "444", "400"),
        logged=False,
    )
    bitdepth: int | None = _input(
        "number",
        None,
        "Bits per sample of raw YUV, 8 otherwise; above 8, samples are 16-bit little-endian. A "
        "file that states it must agree.",
        letter="-b",
        metavar="8|10|12|16",
        logged=False,
    )
    stream: int | None = _input(
        "number",
        None,
        "Which video stream of a container, from 0. The first one otherwise.",
        least=0,
    )
    hwaccel: Hwaccel = _input(
        "text",
        "none",
        "What decodes the distorted video: software, an NVIDIA GPU (NVDEC), or that GPU where it "
        "can.",
        choices=get_args(Hwaccel),
    )
    frame_cnt: int = _input("number", 0, "Compare this many frames; 0 is all.", least=0)
    frame_skip_ref: int = _input(
        "number", 0, "Leave out the first N frames of the reference.", least=0
    )
    frame_skip_dist: int = _input(
        "number", 0, "Leave out the first N frames of the distorted video.", least=0
    )
    start: float | None = _input(
        "seconds",
        None,
        "Begin with the first picture shown at this time or later, in both videos.",
        metavar="SECONDS|HH:MM:SS.MS",
    )
    duration: float | None = _input(
        "seconds",
        None,
        "End so long after that.",
        metavar="SECONDS|HH:MM:SS.MS",
    )
    framerate: float | None = _input(
        "rate",
        None,
        "Frames per second of raw YUV, which --start, --duration and the times in logs need. A "
        "file that states them must agree.",
        metavar="FPS",
        logged=False,
    )
    subsample: int = _input(
        "number", 1, "Score every N-th frame; frames keep their numbers.", least=1
    )
    features: tuple[Feature, ...] = field(default_factory=lambda: (Feature(),))
    device: str = _model(
        "text",
        "auto",
        "Where the model runs. A device that is named and not there is an error.",
        metavar="auto|cpu|cuda[:N]|tensorrt",
        check=lambda device: parse_device(device),
        identity=False,  # what counts is the provider that runs
    )
    threads: int | None = _model(
        "number",
        None,
        "Threads of the CPU for the model; one a core otherwise.",
        least=1,
        identity=False,
    )
    batch_size: int | None = _model(
        "number",
        None,
        "Frames in one inference; auto chooses by their size.",
        flag="--batch-size",
        metavar="auto|N",
        least=1,
        none="auto",
    )
    tf32: bool = _model(
        "flag",
        False,
        "Let CUDA round the factors of products to TF32, with 10 bits of mantissa, which is faster "
        "and moves each frame's mean a little.",
    )
    post: str | None = _model(
        "text",
        None,
        "Change each map by steps between commas before anything is made of it, which tags its "
        "columns: saliency_mean_post. Steps: equalize, match=mean.png, smooth=3 (pixels), "
        "smooth=2%, centre-add=0.3:0.25, centre-multiply=0.3:0.25, minmax, zscore, logdensity.",
        metavar="STEPS",
        check=read_steps,
    )

    def __post_init__(self) -> None:
        for row in JOB_OPTIONS:
            row.check_value(getattr(self, row.name))
        if self.distorted == "-" and self.reference == "-":
            raise UsageError(
                "Only one of reference and distorted can be standard input; give a path for the "
                "other one."
            )
        self._check_range()
        if self.post:
            # As libvmaf names a feature by the options that change its number.
            tagged = (replace(one, name=one.name or _POST_TAG) for one in self.features)
            object.__setattr__(self, "features", tuple(tagged))
        if not self.features:
            raise UsageError("There is no feature to extract.")
        if self.reference is None and any(feature.kind == PSNR for feature in self.features):
            raise UsageError(
                f"--feature {PSNR} compares with a reference: name it with --reference."
            )
        if any(feature.kind == PSNR for feature in self.features):
            check_range(self.post, f"{PSNR} weights the error by")
        columns = [feature.column for feature in self.features]
        for column in columns:
            if columns.count(column) > 1:
                raise UsageError(
                    f"Two features would write the column {column}. Give all but one of them a "
                    f"name: --feature {FEATURE}=model_path=…:name=b"
                )

    def _check_range(self) -> None:
        """Times and frame counts say the same thing in two ways: one of them is taken."""
        for time, counts in (
            ("start", ("frame_skip_dist", "frame_skip_ref")),
            ("duration", ("frame_cnt",)),
        ):
            for count in counts:
                if getattr(self, time) is not None and getattr(self, count):
                    raise UsageError(
                        f"--{time} and --{count} both say which frames are compared. Leave one of "
                        "them out."
                    )
        if self.duration == 0:
            raise UsageError("--duration 0 leaves nothing to compare. Leave it out for all.")

    def settings(self) -> dict[str, Any]:
        """The options that a log names among its settings, by name."""
        return {row.name: getattr(self, row.name) for row in JOB_OPTIONS if row.logged}

    def identity(self) -> dict[str, Any]:
        """The options that may change what a log says, besides videos and features, by name."""
        found = {row.name: getattr(self, row.name) for row in JOB_OPTIONS if row.identity}
        # What a reference holds counts, not where it lies.
        return found | {"post": change_paths(self.post, lambda _: "*") if self.post else None}

    @property
    def post_files(self) -> list[str]:
        """The files that --post names, which are inputs as the videos are."""
        return [step.path for step in read_steps(self.post or "") if step.path]


JOB_OPTIONS = options_of(Job)

_FEATURES = (
    _chooses(
        name="feature",
        kind="texts",
        metavar=f"{FEATURE}|{PSNR}[=KEY=VALUE:…]",
        help=f"What to compute: {FEATURE} is saliency, and {PSNR} is PSNR of the luma, whole and "
        f"weighted by saliency. Keys: {', '.join(o.name for o in FEATURE_OPTIONS)}. "
        "Repeat it with another name for another column.",
    ),
    _chooses(
        name="feature_params",
        kind="texts",
        metavar=f"{FEATURE}:KEY=VALUE:…",
        help="The same keys in the other spelling; --feature goes first.",
    ),
)
_GPUMASK = _chooses(
    name="gpumask",
    kind="text",
    default="0",
    metavar="MASK",
    help="As vmaf's: anything but 0 means --device cpu.",
)

FORMATS = {
    "json": "Write JSON.",
    "xml": "Write XML.",
    "csv": "Write CSV.",
    "tidy": "Write CSV without the comma at the end of each line.",
    "sub": "Write subtitles (MicroDVD).",
}
"""The flags that name a log's format, and what they mean."""

LOG_OPTIONS = (
    _log(
        name="output",
        kind="text",
        letter="-o",
        metavar="FILE",
        help="Where the log goes; - is standard output. Its ending names the format: .json, .xml, "
        ".csv, .sub, .ndjson, .jsonl, .parquet, .pq. Without it the pooled value is printed, or "
        "the log where a flag names its format.",
        places=frozenset({"score", "manifest"}),
    ),
    *(_log(name=name, kind="flag", default=False, help=help) for name, help in FORMATS.items()),
    _log(
        name="ndjson",
        kind="flag",
        default=False,
        help="Print a line of JSON for each frame as soon as it is scored: to --output if that "
        "ends in .ndjson or .jsonl, else to standard output.",
        places=frozenset({"score"}),
    ),
    _log(
        name="times",
        kind="flag",
        default=False,
        help="Write pts_time, in seconds from the first picture shown, into JSON. Tidy CSV, "
        "Parquet and JSON lines hold it anyway.",
    ),
    _log(
        name="precision",
        kind="text",
        metavar="N|max|full|legacy",
        help="Digits of the numbers: N significant ones, all 17 (max, full), or six decimals "
        "always (legacy).",
    ),
    _log(
        name="maps",
        kind="text",
        choices=("npz", "png", "mp4", "mkv"),
        help="Write the saliency maps of each clip too: of clip.json, numbers as clip_maps.npz, a "
        "folder clip_maps of PNG files, or a video.",
        places=frozenset({"batch", "manifest"}),
    ),
    _log(
        name="view",
        kind="text",
        choices=("map", "overlay", "side-by-side"),
        help="What the pictures of --maps show: overlay in a video, else the map.",
        places=frozenset({"batch", "manifest"}),
    ),
    _log(
        name="quiet",
        kind="flag",
        default=False,
        letter="-q",
        help="Print no progress, notices or closing line.",
        places=frozenset({"score", "batch"}),
    ),
)
"""How the log is written; not part of a Job."""

_ACCEPTED = (
    _accepted(
        name="model",
        kind="texts",
        letter="-m",
        metavar="…",
        help="VMAF's model.",
    ),
    _accepted(
        name="cpumask",
        kind="text",
        metavar="…",
        help="CPU features.",
    ),
    _accepted(
        name="no_prediction",
        kind="flag",
        default=False,
        letter="-n",
        help="There is no VMAF prediction here.",
    ),
)

OPTIONS: tuple[Option, ...] = tuple(
    sorted(
        (*_FEATURES, *JOB_OPTIONS, _GPUMASK, *LOG_OPTIONS, *_ACCEPTED),
        key=lambda row: (INPUT, MODEL, LOG, ACCEPTED).index(row.group),
    )
)
"""Every option of a run, as help texts list them."""


def build_job(
    *,
    feature: Iterable[str] | None = None,
    feature_params: Iterable[str] | None = None,
    gpumask: str = "0",
    device: str = "auto",
    **options: Any,
) -> Job:
    """The Job that options describe, under the names that they have in the table.

    Args:
        feature, feature_params, gpumask: the options that are not fields of a Job.
        device, options: fields of a Job.
    Raises:
        UsageError: if an option makes no sense, or two contradict each other.
    """
    return Job(
        features=parse_features(feature or (), feature_params or ()),
        device=_choose_device(device, gpumask),
        **options,
    )


def _choose_device(device: str, gpumask: str) -> str:
    try:
        mask = int(gpumask, 0)
    except ValueError:
        raise UsageError(f"--gpumask is a number, not {gpumask!r}.") from None
    if mask == 0:
        return device
    if device not in ("auto", "cpu"):
        raise UsageError(f"--gpumask {gpumask} keeps off the GPU, but --device names {device}.")
    return "cpu"


def parse_device(device: str) -> tuple[str, int]:
    """Split a device name.

    Args:
        device: "auto", "cpu", "cuda", "cuda:1" or "tensorrt".
    Returns:
        (kind, index of the GPU).
    Raises:
        UsageError: if it is none of them.
    """
    match = _DEVICE.fullmatch(device)
    if match is None:
        raise UsageError(
            f"There is no device called {device!r}. Choose auto, cpu, cuda, cuda:N or tensorrt."
        )
    return match[2] or match[1], int(match[3] or 0)


def parse_features(
    features: Iterable[str] = (),
    feature_params: Iterable[str] = (),
    environment: Mapping[str, str] = os.environ,
) -> tuple[Feature, ...]:
    """Read --feature, --feature_params and the environment.

    A model is taken from --feature, else --feature_params, else the environment, else the
    package; an empty option falls through to the next.

    Args:
        features, feature_params, environment: as read_features takes them.
    Returns:
        At least one feature.
    Raises:
        UsageError: for another feature, an unknown key or a value that makes no sense.
    """
    rows = {row.name: row for row in FEATURE_OPTIONS}
    read = read_features(features, feature_params, environment, tuple(rows))
    return tuple(
        Feature(
            **{key: rows[key].parse(value) for key, value in options.items()},
            kind="psnr" if name == PSNR else "mobilesal",
        )
        for name, options in read
    )
