"""From a path or an id to a network that may be run: found, hashed, held to the contract."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from vmafsal.errors import ModelError
from vmafsal.models.added import RECORD, added_entry, added_ids, models_folder, owner
from vmafsal.models.contract import check_contract, check_operators
from vmafsal.models.graph import derive_stride, dimensions, operators, parameter_count
from vmafsal.models.registry import REGISTRY, Entry, packaged_registry
from vmafsal.models.sidecar import InputPolicy, Sidecar, read_sidecar
from vmafsal.models.weights import digest_model, external_weights

if TYPE_CHECKING:
    from onnx import ModelProto

__all__ = ["Model", "load_model", "read_network", "resolve_model"]


@dataclass(frozen=True)
class Model:
    """A network that passed every check, ready for a session."""

    id: str
    path: Path
    sha256: str
    """Of the ONNX file."""
    digest: str
    """Of the ONNX file and its external weights; the sha256 where there are none."""
    weights: tuple[Path, ...]
    """Files beside it that hold weights of it."""
    proto: ModelProto
    """As in the file, external weights loaded."""
    sidecar: Sidecar
    entry: Entry | None
    """What a registry or the record of an added model says of it; None for any other file."""

    @property
    def files(self) -> tuple[Path, ...]:
        """Every file that was read or looked for: network, external weights, sidecar, record."""
        records = [self.path.with_name(name) for name in (REGISTRY, RECORD)] if self.entry else []
        return (self.path, *self.weights, self.path.with_suffix(".json"), *records)

    @property
    def policy(self) -> InputPolicy:
        """How it wants its pictures."""
        return self.sidecar.policy

    @property
    def smoke(self) -> bool:
        """True for a placeholder, whose numbers mean nothing."""
        return self.entry is not None and self.entry.smoke

    @cached_property
    def stride(self) -> int:
        """Height and width must be multiples of this: from the sidecar, else from the graph.

        1 for a model of one size, which is the size that it needs.
        """
        if self.policy.size is not None:
            return 1
        return self.sidecar.stride or derive_stride(self.proto, self.sidecar.input_name)

    @cached_property
    def fixed_batch(self) -> bool:
        """True where the file fixes the batch at 1."""
        (picture,) = (v for v in self.proto.graph.input if v.name == self.sidecar.input_name)
        return dimensions(picture)[0] == 1

    @cached_property
    def parameters(self) -> int:
        """Learnt numbers in the file (batch norms are folded in most exports)."""
        return parameter_count(self.proto)

    @cached_property
    def operator_names(self) -> tuple[str, ...]:
        """The operators that the network uses, sorted."""
        return tuple(sorted({name for _, name in operators(self.proto.graph)}))


def resolve_model(spec: str | None) -> tuple[Path, Entry | None]:
    """Find the file behind a path, an id, or nothing (the packaged default).

    Args:
        spec: path of an ONNX file, or the id of a packaged or added model; None or "" for the
            default.
    Returns:
        its path and, for a packaged or added model, its entry.
    Raises:
        ModelError: if there is no such file and no such id.
    """
    registry = packaged_registry()
    if not spec:
        entry = registry.find(registry.default)
        return registry.folder / entry.onnx, entry
    # os.path: pathlib raises where a name is too long for the disk.
    path = Path(os.path.expanduser(spec))
    added = added_ids()
    if os.path.isfile(path) or (os.path.exists(path) and spec not in (*registry.ids, *added)):
        return path, registry.owner(path) or owner(path)
    if path.name != spec or path.suffix == ".onnx":
        raise ModelError(
            f"The model {spec} does not exist. Give the path of an ONNX file or one of the ids "
            "that `vmafsal models` lists."
        )
    if spec in added and (own := added_entry(spec)):
        return models_folder() / spec / own.onnx, own
    if spec not in registry.ids and (external := registry.external(spec)):
        raise ModelError(
            f"{spec} is not part of vmafsal. `vmafsal models add {spec}` fetches it "
            f"(licence {external.license}, {external.bytes / 1e6:.1f} MB)."
        )
    entry = registry.find(spec, added)
    return registry.folder / entry.onnx, entry


def load_model(spec: str | None = None) -> Model:
    """Load a model and check it before anything runs it.

    Args:
        spec: as resolve_model takes it.
    Returns:
        the model; it matched the sha256 on record, if it is a packaged or added one.
    Raises:
        ModelError: if it is missing, damaged, not allowed, or does not keep the contract.
    """
    path, entry = resolve_model(spec)
    proto, sha256, weights = read_network(path)
    digest = digest_model(sha256, weights)
    if entry is not None and digest != entry.sha256:
        remedy = (
            f"Add it again after `vmafsal models remove {entry.id}`."
            if entry.status == "added"
            else "Install vmafsal again."
        )
        raise ModelError(
            f"The model {path.name} is not the one in the registry: its sha256 is {digest}, not "
            f"{entry.sha256}. {remedy}"
        )
    sidecar = read_sidecar(path)
    _load_weights(proto, path)
    check_operators(proto, path.name)
    check_contract(proto, sidecar, path.name)
    return Model(
        id=entry.id if entry else sidecar.id,
        path=path,
        sha256=sha256,
        digest=digest,
        weights=tuple(weights.values()),
        proto=proto,
        sidecar=sidecar,
        entry=entry,
    )


def read_network(path: Path) -> tuple[ModelProto, str, dict[str, Path]]:
    """Read an ONNX file, its external weights left where they are.

    Args:
        path: of the file.
    Returns:
        the network, the sha256 of its file, and what external_weights finds.
    Raises:
        ModelError: if it is missing, damaged, or wants weights from outside its folder.
    """
    data = _read(path)
    proto = _parse(data, path)
    return proto, hashlib.sha256(data).hexdigest(), external_weights(proto, path)


def _read(path: Path) -> bytes:
    if path.is_dir():
        raise ModelError(f"The model {path} is a directory. Give the path of an ONNX file.")
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ModelError(f"The model {path} cannot be read: {error.strerror}.") from error
    if not data:
        raise ModelError(f"The model {path} is empty. Get the file again.")
    return data


def _parse(data: bytes, path: Path) -> ModelProto:
    import onnx
    from google.protobuf.message import DecodeError

    damaged = ModelError(
        f"{path} is not an ONNX model, or it was cut off on its way. Get the file again."
    )
    try:
        proto = onnx.load_model_from_string(data)
    except DecodeError as error:
        raise damaged from error
    if not proto.graph.node or not proto.opset_import:
        raise damaged
    return proto


def _load_weights(proto: ModelProto, path: Path) -> None:
    """Put the external weights into the network, and let ONNX check the whole."""
    import onnx
    from onnx.external_data_helper import load_external_data_for_model

    try:
        load_external_data_for_model(proto, str(path.parent))
        onnx.checker.check_model(proto)
    except (onnx.checker.ValidationError, ValueError, OSError) as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ModelError(f"{path.name} is no valid ONNX model: {reason}") from error
