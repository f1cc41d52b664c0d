"""Read a log: its content decides the format, not the ending of its name."""

from __future__ import annotations

import codecs
import os
import re
import sys
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

from vmafsal.errors import InputError
from vmafsal.features.frame import FrameFeatures
from vmafsal.logs.figures import AGAIN
from vmafsal.logs.log import Log
from vmafsal.logs.parquet import MAGIC, parse_parquet
from vmafsal.logs.parse_json import parse_json, parse_lines
from vmafsal.logs.parse_text import parse_csv, parse_sub, parse_xml

__all__ = ["parse_log", "read_log"]


def read_log(path: str | os.PathLike[str]) -> Log:
    """Read a log of libvmaf, ffmpeg's libvmaf filter, ffmpeg-quality-metrics or vmafsal.

    Args:
        path: of the file; "-" reads standard input.
    Returns:
        The log, its frames in ascending order. null and every spelling of nan and inf become NaN
        and infinity. Facts that its format does not hold are "", None or 0. Pooled figures are
        not read, since they follow from the frames.
    Raises:
        InputError: if it cannot be read, is damaged, is no log, or holds no frame, a frame twice
            or something that is no number.
    """
    text_path = os.fspath(path)
    name = "standard input" if text_path == "-" else text_path
    raw = _read_bytes(text_path, name)
    if raw.startswith(MAGIC):
        return _check(parse_parquet(raw, name), name)
    return parse_log(_decode_text(raw, name), name)


def _read_bytes(path: str, name: str) -> bytes:
    """The whole content of a file.

    Args:
        path: of the file; "-" reads standard input.
        name: what errors call it.
    Returns:
        Its bytes.
    Raises:
        InputError: if it cannot be read.
    """
    try:
        return sys.stdin.buffer.read() if path == "-" else Path(path).read_bytes()
    except FileNotFoundError:
        raise InputError(f"{name} does not exist: check its name.") from None
    except IsADirectoryError:
        raise InputError(f"{name} is a folder: name a file in it.") from None
    except OSError as error:
        raise InputError(f"{name} cannot be read: {error.strerror or error}.") from None
    except ValueError:  # a null character in the name
        raise InputError(f"{name!r} is no file name: check it.") from None


def _decode_text(raw: bytes, name: str) -> str:
    """Text from bytes: UTF-8, or UTF-16 with a byte order mark, as PowerShell's > writes it.

    Args:
        raw: the whole file.
        name: what errors call it.
    Returns:
        The text.
    Raises:
        InputError: if it is no text.
    """
    utf16 = raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        text = raw.decode("utf-16" if utf16 else "utf-8-sig")
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:
        remedy = "unpack it first" if raw.startswith(b"\x1f\x8b") else "name a log of vmaf"
        raise InputError(f"{name} is no text, and so no log: {remedy}.")
    return text


def parse_log(text: str, name: str) -> Log:
    """Read a log from its text.

    Args:
        text: the whole file.
        name: what errors call it.
    Returns:
        The log, as `read_log` says.
    Raises:
        InputError: as `read_log` says.
    """
    start = text.lstrip()
    if not start:
        raise InputError(f"{name} is empty: {AGAIN}.")
    if re.match(r"\{\d+\}\{", start):
        log = parse_sub(text, name)
    elif re.match(r'\{\s*"frameNum"', start):
        log = parse_lines(text, name)
    elif start[0] in "{[":
        log = parse_json(text, name)
    elif start[0] == "<":
        log = parse_xml(text, name)
    else:
        log = parse_csv(text, name)
    return _check(log, name)


def _check(log: Log, name: str) -> Log:
    """The log with its frames in order, if they are what a log needs."""
    if not log.frames:
        raise InputError(f"{name} holds no frame: the run that wrote it scored nothing.")
    if not any(frame.metrics for frame in log.frames):
        raise InputError(f"{name} holds frames without a single figure: {AGAIN}.")
    return replace(log, frames=_in_order(log.frames, name))


def _in_order(frames: list[FrameFeatures], name: str) -> list[FrameFeatures]:
    ordered = sorted(frames, key=lambda frame: frame.index)
    for end in (ordered[0].index, ordered[-1].index):
        if not 0 <= end < 10**18:  # tables of frames hold 64 bits, and a join may add an offset
            raise InputError(f"{name} holds a frame numbered {str(end)[:40]}: {AGAIN}.")
    for before, frame in pairwise(ordered):
        if before.index == frame.index:
            raise InputError(f"{name} holds frame {frame.index} more than once: keep one of each.")
    return ordered
