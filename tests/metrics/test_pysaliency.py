"""Eye-fixation metrics beside those of pysaliency, which runs in an environment of its own."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.peer_package import python_with
from vmafsal.metrics import fixation

PEER = """
import importlib.util, json, pathlib, sys
import numpy as np

# The package's own import wants torch; these two modules stand for themselves.
folder = pathlib.Path(importlib.util.find_spec("pysaliency").origin).parent

def module(name):
    spec = importlib.util.spec_from_file_location(name, folder / f"{name}.py")
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded

metrics, roc = module("metrics"), module("numba_utils")
arrays, answers = np.load(sys.argv[1]), []
for i in range(len(arrays.files) // 5):
    s, q, at, others, base = (arrays[f"{name}{i}"] for name in "sqfob")
    free = np.ones(s.shape, bool)
    free[at[:, 0], at[:, 1]] = False
    positives = s[at[:, 0], at[:, 1]]
    def area(negatives):
        return float(roc.general_rocs_per_positive_numba(positives, negatives).mean())
    def log2_at(values):
        density = metrics.convert_saliency_map_to_density(values, minimum_value=1e-20)
        return np.log2(density[at[:, 0], at[:, 1]])
    answers.append({
        "cc": float(metrics.CC(s, q)),
        "kl": float(metrics.image_based_kl_divergence(s, q)),
        "sim": float(metrics.SIM(s, q)),
        "nss": float(metrics.NSS(s, at[:, 1], at[:, 0]).mean()),
        "auc_judd": area(s[free]),
        "auc_uniform": area(s.ravel()),
        "auc_shuffled": area(s[others[:, 0], others[:, 1]]),
        "information_gain": float((log2_at(s) - log2_at(base)).mean()),
    })
json.dump(answers, sys.stdout)
"""


@pytest.fixture(scope="module")
def peer_python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Python with pysaliency and what the two modules import."""
    folder = tmp_path_factory.mktemp("pysaliency")
    return python_with(folder, ["--no-deps", "pysaliency==0.2.22"], ["numpy", "numba"])


def drawn(seed: int, height: int, width: int) -> tuple[np.ndarray, ...]:
    """Map, density, fixations, fixations elsewhere, baseline; 8-bit, so that values tie."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]

    def blobs(count: int) -> np.ndarray:
        total = np.zeros((height, width))
        for _ in range(count):
            cy, cx = rng.uniform(0, height), rng.uniform(0, width)
            total += np.exp(-((y - cy) ** 2 + (x - cx) ** 2) / (2 * (width / 12) ** 2))
        return total

    density, saliency = blobs(4), blobs(3)
    saliency = np.round(255 * saliency / saliency.max())
    density = np.round(255 * density / density.max())
    points = np.stack([rng.integers(0, height, 60), rng.integers(0, width, 60)], axis=1)
    others = np.stack([rng.integers(0, height, 400), rng.integers(0, width, 400)], axis=1)
    baseline = np.exp(-((y / height - 0.5) ** 2 + (x / width - 0.5) ** 2) / 0.08)
    return saliency, density, points, others, baseline


def test_equal_to_pysaliency(peer_python: Path, tmp_path: Path) -> None:
    cases = [drawn(seed, *size) for seed, size in enumerate([(60, 84), (37, 53), (120, 90)])]
    saliency, density, *rest = drawn(9, 48, 64)
    cases += [(saliency - 300.0, density, *rest), (np.full_like(saliency, 7.0), density, *rest)]
    cases += [(density, density, *rest)]
    arrays: dict[str, Any] = {
        f"{name}{i}": array
        for i, case in enumerate(cases)
        for name, array in zip("sqfob", case, strict=True)
    }
    np.savez(tmp_path / "cases.npz", **arrays)
    (tmp_path / "peer.py").write_text(PEER, encoding="utf-8")
    done = subprocess.run(
        [peer_python, tmp_path / "peer.py", tmp_path / "cases.npz"], capture_output=True, text=True
    )
    assert not done.returncode, done.stderr
    answers = json.loads(done.stdout)
    assert len(answers) == len(cases)
    apart: dict[str, float] = {}
    for (saliency, density, points, others, baseline), answer in zip(cases, answers, strict=True):
        ours = {
            "cc": fixation.correlation(saliency, density),
            "kl": fixation.kl_divergence(saliency, density),
            "sim": fixation.similarity(saliency, density),
            "nss": fixation.nss(saliency, points),
            "auc_judd": fixation.auc_judd(saliency, points),
            "auc_shuffled": fixation.shuffled_auc(saliency, points, others),
            "information_gain": fixation.information_gain(saliency, baseline, points),
        }
        for name, value in ours.items():
            apart[name] = max(apart.get(name, 0.0), abs(value - answer[name]))
        # Theirs counts every pixel, of which ours draws: 100 draws of 60 pixels.
        borji = fixation.auc_borji(saliency, points, np.random.default_rng(0))
        assert borji == pytest.approx(answer["auc_uniform"], abs=0.02)
    assert max(apart.values()) < 1e-12, apart
