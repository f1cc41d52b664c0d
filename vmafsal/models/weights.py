"""Weights that a model keeps in other files: where they are, and one digest over all of it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from vmafsal.errors import ModelError

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto, TensorProto

__all__ = ["digest_model", "external_weights"]


def external_weights(proto: ModelProto, path: Path) -> dict[str, Path]:
    """The files beside a model that hold weights of it.

    Args:
        proto: the network as in its file, the external weights not loaded yet.
        path: its file.
    Returns:
        each location as the model names it, in order, with the file it stands for.
    Raises:
        ModelError: if a location lies outside the model's folder, or is no file there.
    """
    found: dict[str, Path] = {}
    for tensor in _tensors(proto.graph):
        for item in tensor.external_data:
            if item.key != "location" or item.value in found:
                continue
            location = PurePosixPath(item.value.replace("\\", "/"))
            if (
                not location.parts
                or location.is_absolute()
                or ".." in location.parts
                or ":" in location.parts[0]
                or "\0" in item.value
            ):
                raise ModelError(
                    f"{path.name} wants to read {item.value!r}, which lies outside its own folder. "
                    "Such a model is not run; put the weights beside it or inside it."
                )
            found[item.value] = path.parent / location
    for location_text, file in found.items():
        if not file.is_file():
            raise ModelError(
                f"{path.name} keeps weights in another file that is not there: {location_text}. "
                "Put it beside the model."
            )
    return dict(sorted(found.items()))


def digest_model(sha256: str, weights: dict[str, Path]) -> str:
    """One digest over a model and its external weights.

    Args:
        sha256: of the ONNX file, in hex.
        weights: what external_weights returned.
    Returns:
        the sha256 itself where there are no external weights; else the sha256 of a text with one
        line for the ONNX file and one for each other file, in hex.
    Raises:
        ModelError: if a file cannot be read.
    """
    if not weights:
        return sha256
    lines = [f"{sha256}\n"]
    for location, file in weights.items():
        try:
            with file.open("rb") as opened:
                lines.append(f"{hashlib.file_digest(opened, 'sha256').hexdigest()} {location}\n")
        except OSError as error:
            raise ModelError(f"The weights {file} cannot be read: {error.strerror}.") from error
    return hashlib.sha256("".join(lines).encode("utf-8", "surrogatepass")).hexdigest()


def _tensors(graph: GraphProto) -> Iterator[TensorProto]:
    """Every stored tensor of a graph: weights, and constants of its nodes and nested graphs."""
    yield from graph.initializer
    for sparse in graph.sparse_initializer:
        yield from (sparse.values, sparse.indices)
    for node in graph.node:
        for attribute in node.attribute:
            yield from attribute.tensors
            if attribute.HasField("t"):
                yield attribute.t
            for nested in (*attribute.graphs, *([attribute.g] if attribute.HasField("g") else [])):
                yield from _tensors(nested)
