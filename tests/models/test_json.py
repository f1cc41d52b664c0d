"""Sidecars and registries that people write: a model, or a sentence; never anything else."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.conftest import ROOT
from vmafsal.errors import ModelError
from vmafsal.models.registry import read_registry
from vmafsal.models.sidecar import read_sidecar

T = TypeVar("T")

scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.just(10**400)
    | st.floats()
    | st.text(max_size=8)
    | st.just("\ud800")
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=6,
)
KEYS = ("id", "description", "stride", "parameters", "trained_on", "fold", "scores")
INPUT = ("name", "short_side", "multiple", "size", "color", "range", "mean", "std")
scores = st.lists(
    st.dictionaries(st.sampled_from(("data", "short_side", "n", "iou", "mae")), values), max_size=2
)
sidecars = values | st.fixed_dictionaries(
    {},
    optional={
        **dict.fromkeys(KEYS, values),
        "scores": values | scores,
        "input": values | st.fixed_dictionaries({}, optional=dict.fromkeys(INPUT, values)),
        "output": values
        | st.fixed_dictionaries({}, optional=dict.fromkeys(("name", "activation"), values)),
    },
)
REGISTRY = json.loads((ROOT / "model" / "tiny" / "registry.json").read_text())
ENTRY, EXTERNAL = REGISTRY["models"][0], REGISTRY["external"][0]
entries = values | st.fixed_dictionaries({name: st.just(ENTRY[name]) | values for name in ENTRY})
externals = values | st.fixed_dictionaries(
    {name: st.just(EXTERNAL[name]) | values for name in EXTERNAL}
)
registries = values | st.fixed_dictionaries(
    {},
    optional={
        "default": values,
        "models": values | st.lists(entries, max_size=2),
        "external": values | st.lists(externals, max_size=2),
    },
)
quick = settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])


def attempt(read: Callable[[], T]) -> tuple[T | None, str]:
    """What was read, or the sentence that says why not."""
    try:
        return read(), ""
    except ModelError as error:
        return None, str(error).encode().decode()


@quick
@given(raw=sidecars)
def test_any_json_as_a_sidecar(raw: Any, tmp_path: Path) -> None:
    (tmp_path / "m.json").write_text(json.dumps(raw))
    sidecar, sentence = attempt(lambda: read_sidecar(tmp_path / "m.onnx"))
    if sidecar is None:
        assert str(tmp_path / "m.json") in sentence
        return
    f"{sidecar.id} {sidecar.description} {sidecar.trained_on}".encode()
    assert isinstance(sidecar.parameters, int | None)
    assert all(isinstance(score["data"], str) for score in sidecar.scores)
    assert min(sidecar.policy.std) > 0


@quick
@given(raw=st.binary(max_size=40))
def test_any_bytes_as_a_sidecar(raw: bytes, tmp_path: Path) -> None:
    (tmp_path / "m.json").write_bytes(raw)
    sidecar, sentence = attempt(lambda: read_sidecar(tmp_path / "m.onnx"))
    assert sidecar is not None or "m.json" in sentence


@quick
@given(raw=registries)
def test_any_json_as_a_registry(raw: Any, tmp_path: Path) -> None:
    (tmp_path / "registry.json").write_text(json.dumps(raw))
    registry, sentence = attempt(lambda: read_registry(tmp_path))
    if registry is None:
        assert "registry.json cannot be read" in sentence
        return
    for entry in registry.entries:
        assert Path(entry.onnx).name == entry.onnx
        assert isinstance(entry.smoke, bool)
    for external in registry.externals:
        f"{external.id} {external.license} {external.source} {external.url}".encode()
        assert external.bytes > 0


@pytest.mark.parametrize(
    ("sidecar", "message"),
    [
        ('{"parameters": "many"}', "parameters is a whole number from 0"),
        ('{"parameters": true}', "parameters is a whole number from 0"),
        ('{"trained_on": "pets"}', "trained_on is a list of texts"),
        ('{"trained_on": [1]}', r"trained_on\[0\] is a text"),
        ('{"scores": {"iou": 1}}', "scores is a list of objects"),
        ('{"scores": [1]}', r"scores\[0\] is an object"),
        ('{"scores": [{"data": "a", "n": 1}]}', r"scores\[0\] has no short_side"),
        (
            '{"scores": [{"data": "a", "n": 1, "short_side": 9, "iou": "high"}]}',
            r"scores\[0\].iou is a number",
        ),
        ('{"description": 3}', "description is a text"),
        ('{"id": "a/b"}', "id is made of letters"),
        ('{"input": {"mean": [1, 2, NaN]}}', "input.mean is a number"),
        ('{"input": {"std": [1, 1, -1]}}', "cannot be 0 or less"),
        ('{"input": {"short_side": true}}', "short_side, .* is a whole number"),
        ("[" * 100_000, "nested too deeply"),
        ('{"stride": ' + "1" * 5000 + "}", "cannot be read"),
    ],
)
def test_a_wrong_value_is_named(sidecar: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "m.json").write_text(sidecar)
    with pytest.raises(ModelError, match=message):
        read_sidecar(tmp_path / "m.onnx")


def test_a_registry_names_files_of_its_own_folder_only(tmp_path: Path) -> None:
    raw = {"default": "a", "models": [ENTRY | {"onnx": "../x.onnx"}]}
    (tmp_path / "registry.json").write_text(json.dumps(raw))
    with pytest.raises(ModelError, match=r"models\[0\].onnx is the name of a file in the same"):
        read_registry(tmp_path)
