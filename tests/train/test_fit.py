"""The training loop: the same bytes each time, whatever interrupts it."""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("torch")

import torch

from tests.drawn_corpus import draw_duts
from train.__main__ import main
from train.augment import Augment
from train.checkpoint import (
    Checkpoint,
    load_checkpoint,
    refuse_other_options,
    save_checkpoint,
)
from train.data import find_pairs
from train.device import World, choose_device
from train.fit import fit
from train.net import build
from train.provenance import sha256_of
from train.recipe import Recipe
from vmafsal.errors import DeviceError, InputError, OutputError, UsageError

pytestmark = pytest.mark.train

ROOT = Path(__file__).resolve().parents[2]
SMALL = Recipe(
    "v1", epochs=2, batch=8, lr=2e-3, augment=Augment(48, (48, 64)), fold=0.2, eval_side=64,
    threads=1,
)  # fmt: skip


@pytest.fixture(scope="module")
def duts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw_duts(tmp_path_factory.mktemp("corpus") / "DUTS-TR", 40)


def command(duts: Path, out: Path, *more: str) -> list[str]:
    options = "--arch v1 --epochs 4 --batch 8 --crop 48 --short-side 48,64 --fold 0.2"
    extra = "--composites 8 --photometric 0.5 --degrade 0.5 --threads 1 --precision float32"
    data = ["--data", str(duts), "--out", str(out)]
    return ["-m", "train", "fit", *options.split(), *extra.split(), *data, *more]


def start(arguments: Sequence[str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, *arguments],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(arguments: Sequence[str]) -> tuple[int, str, str]:
    process = start(arguments)
    out, err = process.communicate(timeout=300)
    return process.returncode, out, err


def stop_after_first_epoch(arguments: Sequence[str], how: signal.Signals) -> tuple[int, str]:
    process = start(arguments)
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("epoch 1 of"):
            process.send_signal(how)
            break
    _, err = process.communicate(timeout=300)
    return process.returncode, err


@pytest.fixture(scope="module")
def whole_run(duts: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("whole")
    code, _, err = finish(command(duts, out))
    assert code == 0, err
    return out


def test_killed_run_resumes_to_the_same_bytes(duts: Path, whole_run: Path, tmp_path: Path) -> None:
    code, _ = stop_after_first_epoch(command(duts, tmp_path), signal.SIGKILL)
    assert code == -signal.SIGKILL
    assert 1 <= load_checkpoint(tmp_path / "checkpoint.pt").epoch < 4
    code, said, err = finish(command(duts, tmp_path, "--resume"))
    assert code == 0, err
    assert "epoch 1 of" not in said
    name = "saliency_student_v1.onnx"
    assert sha256_of(tmp_path / name) == sha256_of(whole_run / name)


def test_interrupted_run_leaves_a_checkpoint_and_says_so(duts: Path, tmp_path: Path) -> None:
    code, err = stop_after_first_epoch(command(duts, tmp_path), signal.SIGINT)
    assert code == 130
    assert "--resume" in err
    assert "Traceback" not in err
    assert load_checkpoint(tmp_path / "checkpoint.pt").epoch >= 1


def test_sampling_processes_change_nothing(duts: Path, whole_run: Path, tmp_path: Path) -> None:
    code, _, err = finish(command(duts, tmp_path, "--workers", "2"))
    assert code == 0, err
    name = "saliency_student_v1.onnx"
    assert sha256_of(tmp_path / name) == sha256_of(whole_run / name)


def test_metrics_tell_how_the_model_came_to_be(duts: Path, whole_run: Path) -> None:
    record = json.loads((whole_run / "metrics.json").read_text("utf-8"))
    assert record["parameters"] == 112_841
    assert [row["epoch"] for row in record["history"]] == [1, 2, 3, 4]
    assert record["history"][-1]["loss"] < record["history"][0]["loss"]
    assert record["best_iou"] == max(row["iou"] for row in record["history"])
    assert record["wall_time_s"] > 0
    assert record["command"][:4] == ["python", "-m", "train", "fit"]
    assert record["options"]["seed"] == 42
    assert record["options"]["lr"] == 1e-3
    assert record["options"]["data"][0]["root"] == str(duts)
    assert len(record["options"]["data"][0]["file_list_sha256"]) == 64
    assert record["device"] == "cpu"
    assert record["dtype"] == "float32"
    assert "torch" in record["versions"]
    model = whole_run / record["output"]["file"]
    assert record["output"]["sha256"] == sha256_of(model)
    assert (whole_run / "metrics.png").read_bytes().startswith(b"\x89PNG")


def test_torchrun_trains_on_two_processes(duts: Path, tmp_path: Path) -> None:
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    code, said, err = finish([*launcher, *command(duts, tmp_path)])
    assert code == 0, err
    assert said.count("epoch 4 of 4") == 1  # one process speaks
    state = load_checkpoint(tmp_path / "checkpoint.pt")
    assert state.config["world_size"] == 2
    assert state.history[-1]["loss"] < state.history[0]["loss"]


def test_resume_with_other_options_lists_the_difference(duts: Path, tmp_path: Path) -> None:
    data = [find_pairs(duts)]
    fit(replace(SMALL, epochs=1), data, tmp_path)
    with pytest.raises(UsageError, match=r"epochs was 1, is now 2; seed was 42, is now 7"):
        fit(replace(SMALL, epochs=2, seed=7), data, tmp_path, resume=True)
    with pytest.raises(UsageError, match=r"data\.0\.weight was 1\.0, is now 0\.5"):
        fit(replace(SMALL, epochs=1), [replace(data[0], weight=0.5)], tmp_path, resume=True)


def test_an_earlier_run_is_not_overwritten(duts: Path, tmp_path: Path) -> None:
    fit(replace(SMALL, epochs=1), [find_pairs(duts)], tmp_path)
    before = (tmp_path / "checkpoint.pt").read_bytes()
    with pytest.raises(UsageError, match="--resume, or choose another --out"):
        fit(replace(SMALL, epochs=1), [find_pairs(duts)], tmp_path)
    assert (tmp_path / "checkpoint.pt").read_bytes() == before


def test_resume_needs_a_whole_checkpoint(duts: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no checkpoint"):
        fit(SMALL, [find_pairs(duts)], tmp_path, resume=True)
    (tmp_path / "checkpoint.pt").write_bytes(b"PK\x03\x04 cut")
    with pytest.raises(InputError, match="not a whole checkpoint"):
        fit(SMALL, [find_pairs(duts)], tmp_path, resume=True)


def test_loss_that_is_not_finite_stops_and_names_the_files(duts: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"not finite in epoch 1, batch \d+.*drawn_\d+\.jpg"):
        fit(replace(SMALL, lr=1e30), [find_pairs(duts)], tmp_path)
    assert load_checkpoint(tmp_path / "checkpoint.pt").epoch == 0


def test_kept_out_and_fold_are_never_trained_on(duts: Path, tmp_path: Path) -> None:
    state = fit(replace(SMALL, epochs=1, keep_out=3), [find_pairs(duts)], tmp_path)
    facts = state.config["data"][0]
    assert facts["pairs"] == 40
    assert facts["kept_out"] == sum(
        int.from_bytes(bytes.fromhex(_sha1(p.stem)), "big") % 3 == 0 for p in find_pairs(duts).pairs
    )


def _sha1(text: str) -> str:
    import hashlib

    return hashlib.sha1(text.encode()).hexdigest()


def test_without_a_fold_the_last_epoch_is_kept(duts: Path, tmp_path: Path) -> None:
    state = fit(replace(SMALL, fold=0.0), [find_pairs(duts)], tmp_path)
    assert math.isnan(state.best_iou)
    assert state.best_epoch == 2
    assert all(torch.equal(state.best[name], state.model[name]) for name in state.model)


def test_too_few_images_for_a_batch(tmp_path: Path) -> None:
    few = find_pairs(draw_duts(tmp_path / "few", 5))
    with pytest.raises(InputError, match="fewer than one batch of 8"):
        fit(SMALL, [few], tmp_path / "out")


def test_composites_need_objects(tmp_path: Path) -> None:
    soft = draw_duts(tmp_path / "set", 12)
    (soft / "DUTS-TR-Image").rename(soft / "images")
    (soft / "DUTS-TR-Mask").rename(soft / "soft")
    with pytest.raises(UsageError, match="--composites"):
        fit(replace(SMALL, composites=4), [find_pairs(soft)], tmp_path / "out")


def test_crop_must_fit_into_the_picture() -> None:
    with pytest.raises(UsageError, match="--crop 200 or less"):
        Recipe("v1", augment=Augment(256, (200, 288)))
    with pytest.raises(UsageError, match="multiple of 8"):
        Recipe("v1", augment=Augment(100, (200, 288)))


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_a_device_that_is_not_there_is_an_error() -> None:
    with pytest.raises(DeviceError, match="use --device cpu"):
        choose_device("cuda", World(0, 1, 0))
    with pytest.raises(UsageError, match="no device called"):
        choose_device("toaster", World(0, 1, 0))
    assert choose_device("auto", World(0, 1, 0)).type == "cpu"


def test_full_disk_leaves_the_previous_checkpoint(tmp_path: Path) -> None:
    resource = pytest.importorskip("resource")
    net = build("v1")
    state = Checkpoint.begin({"arch": "v1"}, net, torch.optim.Adam(net.parameters()))
    path = tmp_path / "checkpoint.pt"
    save_checkpoint(state, path)
    before = path.read_bytes()
    state.epoch = 1
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        # A limit on the size of files fails a write half way, as a full disk does.
        resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) // 2, hard))
        with pytest.raises(OutputError, match="previous one is kept"):
            save_checkpoint(state, path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, handler)
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["checkpoint.pt"]
    assert load_checkpoint(path).epoch == 0


@pytest.mark.parametrize(
    ("more", "code", "words"),
    [
        (["--data", "nowhere"], 1, "nowhere is not a folder"),
        (["--crop", "288"], 2, "--crop 48 or less"),
        (["--short-side", "a"], 2, "numbers separated by commas"),
        (["--precision", "int3"], 2, "float32"),
        (["--arch", "v9"], 2, "v1, v2"),
    ],
)
def test_wrong_options_are_one_sentence(
    duts: Path,
    tmp_path: Path,
    more: list[str],
    code: int,
    words: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(sys, "argv", command(duts, tmp_path, *more)[1:])
    with pytest.raises(SystemExit) as stopped:
        main()
    assert stopped.value.code == code
    assert words in capsys.readouterr().err
    assert not (tmp_path / "checkpoint.pt").exists()


def test_options_that_a_checkpoint_knows_nothing_of_were_the_defaults() -> None:
    defaults = {"lr": 1e-3, "composition": {"log_size": False, "quiet_scenes": False}}
    saved = {"lr": 2e-3, "composition": {"log_size": True}}
    now = {"lr": 2e-3, "composition": {"log_size": True, "quiet_scenes": False}}
    refuse_other_options(saved, now, defaults)
    now["composition"] = {"log_size": True, "quiet_scenes": True}
    with pytest.raises(UsageError, match="quiet_scenes was False, is now True"):
        refuse_other_options(saved, now, defaults)
