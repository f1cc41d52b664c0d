"""A manifest with anything in it gives clips or a sentence."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmafsal.errors import VmafsalError
from vmafsal.library.clips import read_clips
from vmafsal.library.manifest import COLUMNS

TEXTS = st.text(max_size=12) | st.sampled_from(
    [
        *("", ".", "..", "/", "a/..", "-", "C:x.json", "\\x.json", "a.mp4", "x/y.json"),
        *("1", "0x40", "1e999", "-1", "true", "mobilesal=model_path=", "\0", "\ud800"),
    ]
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXTS,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(TEXTS, inner, max_size=2),
    max_leaves=4,
)
ROWS = st.dictionaries(st.sampled_from(COLUMNS) | TEXTS, VALUES, max_size=5)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("manifests")


def read(path: Path) -> None:
    """Read a manifest; any error but ours fails the test."""
    with suppress(VmafsalError):
        for clip in read_clips([str(path)], str(path.parent / "out")):
            assert clip.output
            assert not Path(clip.output).is_absolute()


@given(st.lists(ROWS | VALUES, max_size=3), st.booleans())
def test_json_lines(folder: Path, rows: list[Any], complete: bool) -> None:
    for row in rows:
        if complete and isinstance(row, dict):
            row.setdefault("distorted", "a.mp4")
    path = folder / "clips.jsonl"
    path.write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")
    read(path)


@given(st.binary(max_size=60), st.sampled_from([".csv", ".jsonl"]))
def test_any_bytes(folder: Path, data: bytes, ending: str) -> None:
    path = folder / f"bytes{ending}"
    path.write_bytes(data)
    read(path)


@given(st.lists(st.sampled_from(COLUMNS), max_size=3), st.lists(st.lists(TEXTS, max_size=4)))
def test_csv(folder: Path, columns: list[str], rows: list[list[str]]) -> None:
    lines = [["distorted", *columns], *rows]
    text = "\n".join(",".join(cells) for cells in lines)
    path = folder / "clips.csv"
    path.write_text(text, encoding="utf-8", errors="surrogatepass")
    read(path)


def test_json_that_is_nested_deeply(folder: Path) -> None:
    path = folder / "deep.jsonl"
    path.write_text("[" * 100_000)
    read(path)
