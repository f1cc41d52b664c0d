"""The machine that measured: its name, and the fp32 matrix rate that it reaches."""

from __future__ import annotations

import os
import platform
import re
import subprocess
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from vmafsal.infer.plan import available_cores

__all__ = ["describe", "main", "product_model", "revision", "slug"]

_SIDE = 2048
_BEST_OF = 8


def main(*, threads: int) -> dict[str, float]:
    """Measure the peak: the best rate of a product of two 2048x2048 float32 matrices.

    Args:
        threads: of ONNX Runtime. NumPy's BLAS takes one a core.
    Returns:
        GFLOP/s of each library that was tried; a product is 2 n^3 operations.
    """
    random = np.random.default_rng(0)
    left, right = (random.standard_normal((_SIDE, _SIDE), np.float32) for _ in range(2))
    session = _product_session(threads)
    rates = {}
    for name, product in (
        ("numpy", lambda: left @ right),
        ("onnxruntime", lambda: session.run(None, {"left": left, "right": right})),
    ):
        product()
        seconds = []
        for _ in range(_BEST_OF):
            begin = time.perf_counter()
            product()
            seconds.append(time.perf_counter() - begin)
        rates[name] = 2 * _SIDE**3 / min(seconds) / 1e9
    return rates


def _product_session(threads: int) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    return onnxruntime.InferenceSession(
        product_model(_SIDE), options, providers=["CPUExecutionProvider"]
    )


def product_model(side: int) -> bytes:
    """An ONNX model of the product of two square float32 matrices, `left` and `right`."""
    from onnx import TensorProto, helper

    left, right, product = (
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [side, side])
        for name in ("left", "right", "product")
    )
    node = helper.make_node("MatMul", ["left", "right"], ["product"])
    model = helper.make_model(
        helper.make_graph([node], "product", [left, right], [product]),
        opset_imports=[helper.make_opsetid("", 17)],
        ir_version=8,
    )
    return bytes(model.SerializeToString())


def describe() -> dict[str, Any]:
    """What the machine is, and the versions that ran on it."""
    return {
        "processor": _processor(),
        "cores": available_cores(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "versions": {name: version(name) for name in ("vmafsal", "av", "numpy", "onnx")}
        | {"onnxruntime": _runtime_version()},
    }


def revision(root: Path) -> str:
    """The commit of a checkout, with "-dirty" behind it where what is measured differs from it."""

    def git(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(["git", *words], cwd=root, capture_output=True, text=True)

    commit = git("rev-parse", "--short", "HEAD").stdout.strip()
    if not commit:
        return "unknown"
    changed = git("diff", "--quiet", "HEAD", "--", "vmafsal", "model").returncode
    return f"{commit}-dirty" if changed else commit


def slug(machine: dict[str, Any]) -> str:
    """A file name for a machine: "amd-epyc-2-cores"."""
    name = re.sub(r"[^a-z0-9]+", "-", machine["processor"].lower()).strip("-")
    return f"{name}-{machine['cores']}-cores"


def _processor() -> str:
    """The processor's name; Linux gives family and model too, which clouds leave out."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    facts = dict(line.split("\t: ", 1) for line in reversed(lines) if "\t: " in line)
    facts = {name.strip(): text for name, text in facts.items()}
    name = facts.get("model name", platform.machine())
    if "cpu family" not in facts:
        return name
    return f"{name} (family {facts['cpu family']}, model {facts['model']})"


def _runtime_version() -> str:
    import onnxruntime

    return str(onnxruntime.__version__)
