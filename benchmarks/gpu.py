"""python -m benchmarks.gpu: the tests for GPUs, every way to run on one, and its ceilings."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from benchmarks.clips import ClipSize, clip_path
from benchmarks.command import ROOT, Subject, worker
from benchmarks.machine import describe, revision, slug
from benchmarks.measure import subjects
from benchmarks.report import Column, table
from benchmarks.variant import query_gpu
from vmafsal.job import parse_device

Row = dict[str, Any]

_CUDA_SIZES = "1920x1080,3840x2160"
_CPU_SIZES = "192x108"
_CUDA_CEILINGS = {"copy_mib": 256, "side": 8192, "repeats": 20}
_CPU_CEILINGS = {"copy_mib": 16, "side": 512, "repeats": 5}
_CLIP_FRAMES = 100


def bench_gpu(
    device: Annotated[str, typer.Option(help="cuda, cuda:N, or cpu to try it out.")] = "cuda",
    sizes: Annotated[str, typer.Option(help=f"Otherwise {_CUDA_SIZES}; {_CPU_SIZES} on cpu.")] = "",
    models: Annotated[str, typer.Option(help="Of placeholder, v1, v2, default.")] = "v2,default",
    batches: Annotated[str, typer.Option(help="Frames in one inference.")] = "1,4,16",
    seconds: Annotated[float, typer.Option(help="Of each count, at least.")] = 1.0,
    tests: Annotated[bool, typer.Option(help="Run the tests that need a GPU first.")] = True,
    clips: Annotated[Path, typer.Option(help="Folder for the clips.")] = ROOT / "runs" / "bench",
    out: Annotated[
        Path | None,
        typer.Option(help="The figures, as .json and .md; in benchmarks/results otherwise."),
    ] = None,
) -> None:
    """Measure a GPU: with and without fused graph and TF32, beside its ceilings."""
    kind, index = parse_device(device)
    if kind not in ("cpu", "cuda"):
        raise typer.BadParameter(f"--device takes cuda, cuda:N or cpu, not {device}.")
    on_gpu = kind == "cuda"
    if on_gpu and query_gpu("name", index) is None:
        raise typer.BadParameter("nvidia-smi shows no such GPU. --device cpu tries the script out.")
    machine = describe()
    report: Row = {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": revision(ROOT),
        "machine": machine,
        "device": device,
        "gpu": {
            field: query_gpu(field, index) for field in ("name", "memory.total", "driver_version")
        }
        if on_gpu
        else None,
        "tests": _run_tests() if tests else None,
    }
    _tell("ceilings")
    ceilings = _CUDA_CEILINGS if on_gpu else _CPU_CEILINGS
    report["ceilings"] = worker("ceilings", device=device, **ceilings)
    wanted = models.split(",")
    chosen = [subject for subject in subjects() if subject.name in wanted]
    shapes = [_size(text) for text in (sizes or (_CUDA_SIZES if on_gpu else _CPU_SIZES)).split(",")]
    counts = [int(text) for text in batches.split(",")]
    report["rows"] = [
        row
        for size in shapes
        for subject in chosen
        for row in _rows(subject, size, counts, device, seconds, report["ceilings"])
    ]
    report["decoding"] = [
        row
        for size in shapes
        for subject in chosen
        for row in _decoding(subject, size, device, clips)
    ]
    text = _to_markdown(report)
    print(text)
    name = f"{report['commit']}_{slug(machine)}_{kind}"
    target = out or ROOT / "benchmarks" / "results" / name
    target.parent.mkdir(parents=True, exist_ok=True)
    # Not with_suffix: a commit's name may hold a dot.
    stem = str(target).removesuffix(".json").removesuffix(".md")
    Path(f"{stem}.json").write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    Path(f"{stem}.md").write_text(text, encoding="utf-8")


def _run_tests() -> Row:
    """The tests that need a GPU: the last line of pytest, and all of it where one failed."""
    _tell("tests")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-m", "gpu", "-q", "-rs", "tests"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    lines = done.stdout.strip().splitlines()
    return {
        "exit_code": done.returncode,
        "summary": lines[-1] if lines else done.stderr.strip(),
        "output": done.stdout if done.returncode else "",
    }


def _rows(
    subject: Subject,
    size: ClipSize,
    counts: list[int],
    device: str,
    seconds: float,
    ceilings: dict[str, float],
) -> Iterator[Row]:
    """Every variant of one model at one size, beside its bound and the reference's numbers."""
    case = {
        "model": subject.spec,
        "native": subject.native,
        "width": size.width,
        "height": size.height,
    }
    plain = {"fused": False, "tf32": False}
    _tell(f"{size} {subject.name}: reference")
    reference = worker("variant", **case, **plain, device="cpu", batch_size=2, seconds=0.0)
    for count in counts:
        for variant in _variants(device):
            _tell(f"{size} {subject.name} x{count}: {_name(variant)}")
            try:
                found = worker(
                    "variant", **case, **variant, device=device, batch_size=count, seconds=seconds
                )
            except RuntimeError as error:
                # Too little memory for the largest batches is worth a row, not the report.
                yield {**_case(subject, size, count, variant), "error": str(error)[-300:]}
                continue
            rate = ceilings["gflops_tf32" if variant["tf32"] else "gflops_float32"]
            copy = found["bytes_up"] / (ceilings["copy_gb_per_second"] * 1e9)
            product = found["flops"] / (rate * 1e9)
            # A batch of one shows the first frame alone.
            means = zip(found["means"], reference["means"], strict=False)
            yield {
                **_case(subject, size, count, variant),
                **found,
                "copy_seconds": copy,
                "product_seconds": product,
                "of_bound": max(copy, product) / found["frame_seconds"],
                "difference": max(abs(one - other) for one, other in means),
            }


def _case(subject: Subject, size: ClipSize, count: int, variant: dict[str, bool]) -> Row:
    return {"size": str(size), "subject": subject.name, "batch_size": count, "variant": variant}


def _variants(device: str) -> Iterator[dict[str, bool]]:
    on_gpu = device != "cpu"
    for tf32 in (False, True) if on_gpu else (False,):
        yield {"fused": False, "tf32": tf32}
        yield {"fused": True, "tf32": tf32}


def _decoding(subject: Subject, size: ClipSize, device: str, folder: Path) -> Iterator[Row]:
    """An H.264 clip from the file to its scores, decoded by software and by NVDEC."""
    frames = _CLIP_FRAMES if device != "cpu" else 4
    clip = ClipSize(size.width, size.height, frames)
    _tell(f"{size} {subject.name}: decoding")
    worker("clips", folder=str(folder), **asdict(clip))
    for hwaccel in ("none", "auto") if device != "cpu" else ("none",):
        yield {
            "size": str(size),
            "subject": subject.name,
            **worker(
                "decoding",
                path=str(clip_path(folder, clip, "mp4")),
                model=subject.spec,
                native=subject.native,
                device=device,
                hwaccel=hwaccel,
            ),
        }


def _size(text: str) -> ClipSize:
    width, height = text.split("x")
    return ClipSize(int(width), int(height), 0)


def _name(variant: dict[str, bool]) -> str:
    words = ["fused" if variant["fused"] else "apart"]
    return ", ".join([*words, *(["TF32"] if variant["tf32"] else [])])


_ROWS: list[Column] = [
    ("size", lambda row: row["size"]),
    ("model", lambda row: row["subject"]),
    ("batch", lambda row: str(row["batch_size"])),
    ("variant", lambda row: _name(row["variant"])),
    ("fps", lambda row: f"{1 / row['frame_seconds']:.1f}"),
    ("ms a frame", lambda row: f"{1e3 * row['frame_seconds']:.3f}"),
    ("session", lambda row: f"{1e3 * row['session_seconds']:.3f}"),
    ("copy", lambda row: f"{1e3 * row['copy_seconds']:.3f}"),
    ("product", lambda row: f"{1e3 * row['product_seconds']:.3f}"),
    ("of bound", lambda row: f"{row['of_bound']:.2f}"),
    ("MiB", lambda row: f"{row['memory_mib']:.0f}" if row["memory_mib"] is not None else "-"),
    ("difference", lambda row: f"{row['difference']:.1e}"),
]

_DECODING: list[Column] = [
    ("size", lambda row: row["size"]),
    ("model", lambda row: row["subject"]),
    ("decoded by", lambda row: {"none": "software", "cuda": "NVDEC"}[row["hwaccel"]]),
    ("fps", lambda row: f"{row['fps']:.1f}"),
]


def _to_markdown(report: Row) -> str:
    machine, ceilings, gpu = report["machine"], report["ceilings"], report["gpu"]
    versions = ", ".join(f"{name} {text}" for name, text in machine["versions"].items())
    title = gpu["name"] if gpu else f"{machine['processor']} (a try of the script, without a GPU)"
    facts = [f"{machine['processor']}, {machine['cores']} cores, {machine['memory_gib']} GiB"]
    if gpu:
        facts.append(f"{gpu['memory.total']} MiB on the GPU, driver {gpu['driver_version']}")
    rates = [f"{ceilings['copy_gb_per_second']:.1f} GB/s to the device"]
    rates += [
        f"{rate / 1e3:.2f} TFLOP/s in {name.removeprefix('gflops_')}"
        for name, rate in ceilings.items()
        if name.startswith("gflops_")
    ]
    failed = [row for row in report["rows"] if "error" in row]
    parts = [
        f"# {title}\n",
        f"Commit {report['commit']}, {report['date']}. {'; '.join(facts)}. {machine['system']}, "
        f"Python {machine['python']}, {versions}.",
        f"Tests for GPUs: {report['tests']['summary'] if report['tests'] else 'not run'}.",
        f"Ceilings through ONNX Runtime: {', '.join(rates)}.\n",
        "## From planes in memory to means\n",
        table(_ROWS, [row for row in report["rows"] if "error" not in row]),
        *(
            f"- {row['size']} {row['subject']} x{row['batch_size']}, {_name(row['variant'])} "
            f"failed: {row['error']}"
            for row in failed
        ),
        "## From an H.264 file to its log\n",
        table(_DECODING, report["decoding"]),
    ]
    return "\n".join(parts)


def _tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    typer.run(bench_gpu)
