"""The options that scoring one video and scoring many share, each said once."""

from __future__ import annotations

from typing import Annotated

import typer

from vmafsal.job import whole_number

__all__ = [
    "CSV",
    "JSON",
    "NDJSON",
    "SUB",
    "TF32",
    "XML",
    "BatchSize",
    "Bitdepth",
    "Cpumask",
    "Device",
    "Distorted",
    "Feature",
    "FeatureParams",
    "FrameCnt",
    "FrameSkipDist",
    "FrameSkipRef",
    "Gpumask",
    "Height",
    "Hwaccel",
    "NoPrediction",
    "Output",
    "PixelFormat",
    "Precision",
    "Quiet",
    "Reference",
    "Stream",
    "Subsample",
    "Threads",
    "VmafModel",
    "Width",
]

_VIDEO = "Input"
_MODEL = "Model and device"
_LOG = "Log"
_ACCEPTED = "Accepted for the sake of vmaf's command lines, without effect"

Reference = Annotated[
    str | None,
    typer.Option(
        "--reference",
        "-r",
        metavar="FILE",
        help="Reference video. It is checked against the distorted one, and the shorter of the "
        "two ends the run; no saliency is computed on it.",
        rich_help_panel=_VIDEO,
    ),
]

Distorted = Annotated[
    str | None,
    typer.Option(
        "--distorted",
        "-d",
        metavar="FILE",
        help="Video to score: raw YUV, Y4M, or anything ffmpeg reads (mp4, mkv, webm, mov, …).",
        rich_help_panel=_VIDEO,
    ),
]

Width = Annotated[
    int | None,
    typer.Option(
        "--width",
        "-w",
        parser=whole_number,
        metavar="PIXELS",
        help="Width of raw YUV.",
        rich_help_panel=_VIDEO,
    ),
]

Height = Annotated[
    int | None,
    typer.Option(
        "--height",
        "-h",
        parser=whole_number,
        metavar="PIXELS",
        help="Height of raw YUV.",
        rich_help_panel=_VIDEO,
    ),
]

PixelFormat = Annotated[
    str | None,
    typer.Option(
        "--pixel_format",
        "--pixel-format",
        "-p",
        metavar="420|422|444|400",
        help="Chroma format of raw YUV, 420 otherwise; 400 is gray.",
        rich_help_panel=_VIDEO,
    ),
]

Bitdepth = Annotated[
    int | None,
    typer.Option(
        "--bitdepth",
        "-b",
        parser=whole_number,
        metavar="8|10|12|16",
        help="Bits per sample of raw YUV, 8 otherwise; above 8, samples are 16-bit little-endian.",
        rich_help_panel=_VIDEO,
    ),
]

Stream = Annotated[
    int | None,
    typer.Option(
        "--stream",
        parser=whole_number,
        metavar="N",
        help="Which video stream of a container, from 0. The first one otherwise.",
        rich_help_panel=_VIDEO,
    ),
]

Hwaccel = Annotated[
    str,
    typer.Option(
        "--hwaccel",
        metavar="none|cuda|auto",
        help="Who decodes the distorted video: software, an NVIDIA GPU (NVDEC), or that GPU where "
        "it can.",
        rich_help_panel=_VIDEO,
    ),
]

FrameCnt = Annotated[
    int,
    typer.Option(
        "--frame_cnt",
        "--frame-cnt",
        parser=whole_number,
        metavar="N",
        help="Compare this many frames; 0 is all.",
        rich_help_panel=_VIDEO,
    ),
]

FrameSkipRef = Annotated[
    int,
    typer.Option(
        "--frame_skip_ref",
        "--frame-skip-ref",
        parser=whole_number,
        metavar="N",
        help="Leave out the first N frames of the reference.",
        rich_help_panel=_VIDEO,
    ),
]

FrameSkipDist = Annotated[
    int,
    typer.Option(
        "--frame_skip_dist",
        "--frame-skip-dist",
        parser=whole_number,
        metavar="N",
        help="Leave out the first N frames of the distorted video.",
        rich_help_panel=_VIDEO,
    ),
]

Subsample = Annotated[
    int,
    typer.Option(
        "--subsample",
        parser=whole_number,
        metavar="N",
        help="Score every N-th frame; frames keep their numbers.",
        rich_help_panel=_VIDEO,
    ),
]

Feature = Annotated[
    list[str] | None,
    typer.Option(
        "--feature",
        metavar="mobilesal[=KEY=VALUE:…]",
        help="How to compute saliency: model_path (a file or a model's id), color, range, "
        "short_side, name. Repeat it with another name for another column.",
        rich_help_panel=_MODEL,
    ),
]

FeatureParams = Annotated[
    list[str] | None,
    typer.Option(
        "--feature_params",
        "--feature-params",
        metavar="mobilesal:KEY=VALUE:…",
        help="The same options in the other spelling; --feature goes first.",
        rich_help_panel=_MODEL,
    ),
]

Device = Annotated[
    str,
    typer.Option(
        "--device",
        metavar="auto|cpu|cuda[:N]|tensorrt",
        help="Where the model runs. A device that is named and not there is an error.",
        rich_help_panel=_MODEL,
    ),
]

Threads = Annotated[
    int | None,
    typer.Option(
        "--threads",
        parser=whole_number,
        metavar="N",
        help="Threads of the CPU for the model; one a core otherwise.",
        rich_help_panel=_MODEL,
    ),
]

BatchSize = Annotated[
    str,
    typer.Option(
        "--batch-size",
        "--batch_size",
        metavar="auto|N",
        help="Frames in one inference.",
        rich_help_panel=_MODEL,
    ),
]

TF32 = Annotated[
    bool,
    typer.Option(
        "--tf32",
        help="Let CUDA round the factors of products to TF32, which is faster and moves each "
        "frame's mean a little.",
        rich_help_panel=_MODEL,
    ),
]

Gpumask = Annotated[
    str,
    typer.Option(
        "--gpumask",
        metavar="MASK",
        help="As vmaf's: anything but 0 keeps off the GPU.",
        rich_help_panel=_MODEL,
    ),
]

Output = Annotated[
    str | None,
    typer.Option(
        "--output",
        "-o",
        metavar="FILE",
        help="Where the log goes; - is standard output. Without it the pooled value is "
        "printed, or the log where a format is named.",
        rich_help_panel=_LOG,
    ),
]

JSON = Annotated[bool, typer.Option("--json", help="Write JSON.", rich_help_panel=_LOG)]

XML = Annotated[bool, typer.Option("--xml", help="Write XML.", rich_help_panel=_LOG)]

CSV = Annotated[bool, typer.Option("--csv", help="Write CSV.", rich_help_panel=_LOG)]

SUB = Annotated[
    bool,
    typer.Option("--sub", help="Write subtitles (MicroDVD).", rich_help_panel=_LOG),
]

NDJSON = Annotated[
    bool,
    typer.Option(
        "--ndjson",
        help="Print a line of JSON for each frame as soon as it is scored: to --output if that "
        "ends in .ndjson or .jsonl, else to standard output.",
        rich_help_panel=_LOG,
    ),
]

Precision = Annotated[
    str | None,
    typer.Option(
        "--precision",
        metavar="N|max|full|legacy",
        help="Digits of the numbers: N significant ones, all 17 (max, full), or six decimals "
        "always (legacy).",
        rich_help_panel=_LOG,
    ),
]

Quiet = Annotated[
    bool,
    typer.Option(
        "--quiet", "-q", help="No progress, notices or closing line.", rich_help_panel=_LOG
    ),
]

VmafModel = Annotated[
    list[str] | None,
    typer.Option("--model", "-m", metavar="…", rich_help_panel=_ACCEPTED, help="VMAF's model."),
]

Cpumask = Annotated[
    str | None,
    typer.Option("--cpumask", metavar="…", rich_help_panel=_ACCEPTED, help="CPU features."),
]

NoPrediction = Annotated[
    bool,
    typer.Option(
        "--no_prediction",
        "--no-prediction",
        "-n",
        rich_help_panel=_ACCEPTED,
        help="There is no VMAF prediction here.",
    ),
]
