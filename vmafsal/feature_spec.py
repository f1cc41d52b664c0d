"""The texts of --feature and --feature_params: a feature's name, and its options as key=value."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, Sequence

from vmafsal.errors import UsageError
from vmafsal.values import nearest

__all__ = ["FEATURE", "FEATURES", "MODEL_VARIABLE", "PSNR", "read_features"]

FEATURE = "mobilesal"
"""Saliency of the distorted video; its name in libvmaf."""

PSNR = "psnr"
"""PSNR of the luma, also weighted by the saliency of the reference."""

FEATURES = (FEATURE, PSNR)

MODEL_VARIABLE = "VMAF_MOBILESAL_MODEL_PATH"
"""The environment variable that names a model, as the C extractor reads it."""


def read_features(
    features: Iterable[str],
    feature_params: Iterable[str],
    environment: Mapping[str, str],
    keys: Sequence[str],
) -> list[tuple[str, dict[str, str]]]:
    """Read the names and options of features.

    Args:
        features: texts such as "mobilesal=model_path=X:color=bt601:name=a".
        feature_params: texts such as "mobilesal:model_path=X"; they hold for every feature of
            that name that does not say otherwise.
        environment: where VMAF_MOBILESAL_MODEL_PATH is looked up.
        keys: that a feature may have; "model_path" is one of them.
    Returns:
        For each feature, and at least once, its name and the values that are not empty, by key.
    Raises:
        UsageError: for another feature or an unknown key.
    """
    shared: dict[str, dict[str, str]] = {name: {} for name in FEATURES}
    given = []
    for text in feature_params:
        name, _, options = text.partition(":")
        _check_feature(name, "--feature_params", ":")
        given.append(name)
        shared[name] |= _read_options(name, options, keys)
    for values in shared.values():
        values["model_path"] = values.get("model_path") or environment.get(MODEL_VARIABLE, "")
    read = []
    for text in features or (FEATURE,):
        name, _, options = text.partition("=")
        _check_feature(name, "--feature", "=")
        own = {key: value for key, value in _read_options(name, options, keys).items() if value}
        read.append((name, {key: value for key, value in (shared[name] | own).items() if value}))
    for name in given:
        if name not in {feature for feature, _ in read}:
            raise UsageError(
                f"--feature_params {name}: does nothing alone: give --feature {name} too."
            )
    return read


def _check_feature(name: str, option: str, separator: str) -> None:
    if name in FEATURES:
        return
    if match := re.match(rf"({'|'.join(FEATURES)})[:=]", name):
        raise UsageError(
            f"After {option} {match[1]} comes {separator!r}: "
            f"{option} {match[1]}{separator}model_path=…"
        )
    if not name:
        raise UsageError(f"{option} names no feature: give {option} {FEATURE}, or leave it out.")
    if near := nearest(name, FEATURES):
        raise UsageError(f"There is no feature {name}. Did you mean {near}?")
    raise UsageError(
        f"The feature {name} is not ours: vmafsal computes {FEATURE} and {PSNR}. Score {name} with "
        "`vmaf`, then put the two logs together with `vmafsal join`."
    )


def _read_options(feature: str, text: str, keys: Sequence[str]) -> dict[str, str]:
    r"""key=value pairs between colons; `\:`, `\=` and `\\` stand for themselves."""
    if not text:
        return {}
    pieces = _split(text)
    first, _, path = text.partition("=")
    others_known = any(piece.partition("=")[0] in keys for piece in pieces[1:])
    if first == "model_path" and not others_known:
        # A path may hold colons and equals signs, so that a lone model_path is the whole text.
        # Where there is no such file, a piece that looks like key=value is a misspelt option.
        misspelt = any(
            nearest(piece.partition("=")[0], keys) or re.fullmatch(r"[a-z_]+=[^/\\.]*", piece)
            for piece in pieces[1:]
        )
        if os.path.exists(path):  # False for what cannot be a path
            return {"model_path": path}
        if not misspelt:
            return {"model_path": _unescape(path)}
    options: dict[str, str] = {}
    for piece in pieces:
        key, equals, value = piece.partition("=")
        if key not in keys:
            near = nearest(key, keys)
            hint = (
                f"Did you mean {near}?"
                if near
                else f"It takes {', '.join(keys)}; a colon in a path is written \\: ."
            )
            raise UsageError(f"{feature} has no option {key!r}. {hint}")
        if not equals:
            raise UsageError(f"The option {key} of {feature} needs a value: {key}=…")
        if key in options:
            raise UsageError(f"The option {key} of {feature} is given twice.")
        options[key] = _unescape(value)
    return options


def _split(text: str) -> list[str]:
    """Split at colons that no backslash protects, leaving the escapes in place."""
    pieces = [""]
    position = 0
    while position < len(text):
        if text[position] == "\\" and text[position + 1 : position + 2] in (":", "=", "\\"):
            pieces[-1] += text[position : position + 2]
            position += 2
            continue
        if text[position] == ":":
            pieces.append("")
        else:
            pieces[-1] += text[position]
        position += 1
    return pieces


def _unescape(text: str) -> str:
    return re.sub(r"\\([:=\\])", r"\1", text)
