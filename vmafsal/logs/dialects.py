"""Files that people take for libvmaf's log, so that an error can name what they hold."""

from __future__ import annotations

import re
from typing import NamedTuple

__all__ = ["Dialect", "recognise"]


class Dialect(NamedTuple):
    """A kind of file that is not read, how to tell it, and what to do instead."""

    name: str
    mark: re.Pattern[str]
    remedy: str


_SCORE_AGAIN = "score the clip again with libvmaf 2 or newer, for example vmaf --json -o vmaf.json"
_LIBVMAF_FILTER = (
    "let ffmpeg's libvmaf filter write the figures, "
    "libvmaf=feature=name=psnr|name=float_ssim:log_fmt=json:log_path=vmaf.json"
)

_DIALECTS = (
    Dialect(
        "a log of libvmaf 1.x",
        re.compile(
            r'"(?:VMAF|PSNR|SSIM|MS-SSIM) score"\s*:|"pooled metrics"\s*:|"metrics"\s*:\s*\['
            r"|<params\s[^>]*\bmodel=|<fyi\s[^>]*\b(?:aggregateVMAF|numOfFrames)="
        ),
        _SCORE_AGAIN,
    ),
    Dialect(
        "a result of VMAF's Python tools (run_vmaf)",
        re.compile(
            r'"aggregate"\s*:|"frames"\s*:\s*\[\s*\{[^{}]*"\w+_score"\s*:'
            r"|<asset\b|<result\b[^>]*\bexecutorId=|\AAsset \d+:|^Frame \d+: ?\w+:",
            re.MULTILINE,
        ),
        _SCORE_AGAIN,
    ),
    Dialect("a VMAF model", re.compile(r'"(?:model_dict|param_dict)"\s*:'), "name a log"),
    Dialect(
        "a stats file of ffmpeg's psnr filter",
        re.compile(r"\A(?:psnr_log_version:|n:\d+ mse_\w+:)"),
        _LIBVMAF_FILTER,
    ),
    Dialect(
        "a stats file of ffmpeg's ssim filter",
        re.compile(r"\An:\d+ (?:[YUVRGBA]:|All:)"),
        _LIBVMAF_FILTER,
    ),
    Dialect(
        "what ffmpeg's metadata filter printed",
        re.compile(r"\Aframe:\d+\s+pts:"),
        _LIBVMAF_FILTER,
    ),
    Dialect(
        "a report of ffprobe",
        re.compile(
            r'"(?:media_type|stream_index|codec_type|pkt_\w+)"\s*:|<ffprobe\b|\A\[(?:FRAME|STREAM)\]'
            r"|\A(?:frame|stream|packet),\w"
        ),
        "it says nothing about quality; name a log of vmaf or vmafsal",
    ),
    Dialect(
        "a result of ffmpeg-quality-metrics",
        re.compile(r'\A\s*\{\s*"(?:vmaf|psnr|ssim|vif|global)"\s*:|\An,(?:adm|mse|psnr|ssim|vmaf)'),
        _LIBVMAF_FILTER,
    ),
    Dialect(
        "a table separated by semicolons or tabs",
        re.compile(r"\A\"?frame(?:num)?\"?\s*[;\t]", re.IGNORECASE),
        "separate its cells by commas",
    ),
)

# Marks stand in the first frames or after the last; the middle can be long.
_EDGE = 8192


def recognise(text: str) -> Dialect | None:
    """Tell a file of another kind by its marks.

    Args:
        text: the whole file.
    Returns:
        The kind, or None for libvmaf's own logs since version 2 and for the unknown.
    """
    if '"pooled_metrics"' in text or "<pooled_metrics" in text:
        return None
    edges = text if len(text) <= 2 * _EDGE else f"{text[:_EDGE]}\n{text[-_EDGE:]}"
    return next((dialect for dialect in _DIALECTS if dialect.mark.search(edges)), None)
