"""References for histogram matching, read from every kind of file, and refused with a sentence."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from vmafsal.errors import InputError
from vmafsal.maps.reference import Reference, read_reference

VALUES = np.array([[0.0, 0.2, 0.2], [0.4, 1.0, 1.0]])


def test_values_from_pictures_and_arrays(tmp_path: Path) -> None:
    Image.fromarray(np.round(VALUES * 255).astype(np.uint8)).save(tmp_path / "8.png")
    Image.fromarray(np.round(VALUES * 65535).astype(np.uint16)).save(tmp_path / "16.png")
    np.save(tmp_path / "v.npy", VALUES)
    np.savez(tmp_path / "maps.npz", maps=VALUES[None].astype(np.float32), frames=np.array([7]))
    for name in ("8.png", "16.png", "v.npy", "maps.npz"):
        found = read_reference(str(tmp_path / name))
        np.testing.assert_allclose(found.values, np.sort(VALUES.ravel()), atol=1e-6)
        np.testing.assert_allclose(found.shares, (np.arange(6) + 0.5) / 6)


def test_a_histogram(tmp_path: Path) -> None:
    counts, edges = np.histogram(VALUES, bins=4, range=(0, 1))
    np.savez(tmp_path / "h.npz", counts=counts, edges=edges)
    found = read_reference(str(tmp_path / "h.npz"))
    np.testing.assert_allclose(found.shares, [0, 3 / 6, 4 / 6, 4 / 6, 1])
    np.testing.assert_allclose(found.values, [0, 0.25, 0.5, 0.75, 1])


def test_many_values_are_kept_as_quantiles() -> None:
    values = np.random.default_rng(0).random(300_000) ** 2
    found = Reference.of_values(values)
    assert len(found.values) == 1 << 16
    for share in (0.01, 0.5, 0.99):
        kept = np.interp(share, found.shares, found.values)
        assert kept == pytest.approx(np.quantile(values, share), abs=1e-4)


BAD: dict[str, tuple[Any, str]] = {
    "text.png": (b"no picture at all", "it is no picture"),
    "empty.png": (b"", "it is no picture"),
    "cut.npy": (b"\x93NUMPY\x01\x00", "no values that can be read"),
    "cut.npz": (b"PK\x03\x04 and no more", "no values that can be read"),
    "color.png": (np.zeros((4, 5, 3), np.uint8), "in colour"),
    "outside.npy": (VALUES * 3, "from 0 to 3"),
    "nan.npy": (np.array([0.1, np.nan]), "from nan to nan"),
    "none.npy": (np.array([]), "holds no numbers"),
    "words.npy": (np.array(["a", "b"]), "holds no numbers"),
    "pickled.npy": (np.array([{}], dtype=object), "no values that can be read"),
    "other.npz": ({"x": VALUES}, "neither maps nor counts"),
    "zero.npz": ({"counts": np.zeros(2), "edges": np.array([0, 0.5, 1])}, "holds no histogram"),
    "long.npz": ({"counts": np.ones(3), "edges": np.array([0, 0.5, 1])}, "holds no histogram"),
    "back.npz": ({"counts": np.ones(2), "edges": np.array([0, 0.6, 0.5])}, "holds no histogram"),
    "far.npz": ({"counts": np.ones(2), "edges": np.array([0, 1, 2])}, "from 0 to 2"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_no_reference_is_a_sentence(name: str, tmp_path: Path) -> None:
    content, sentence = BAD[name]
    path = tmp_path / name
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif isinstance(content, dict):
        np.savez(path, **content)
    elif name.endswith(".png"):
        Image.fromarray(content).save(path)
    else:
        np.save(path, content)
    with pytest.raises(InputError, match=sentence) as error:
        read_reference(str(path))
    assert name in str(error.value)


def test_no_file_and_a_folder(tmp_path: Path) -> None:
    for path, reason in ((tmp_path / "no.png", "No such file"), (tmp_path, "Is a directory")):
        with pytest.raises(InputError, match=reason):
            read_reference(str(path))
