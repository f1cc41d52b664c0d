"""The training loop: the same weights each time, whatever interrupts it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

pytest.importorskip("torch")

import torch

from tests.drawn_corpus import draw_pair, draw_set, write_recipe
from train.chain import Places, fit_recipe
from train.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from train.device import World, choose_device
from train.fit import learning_rate
from train.recipe import Calibration, Fit, Recipe, Stage, read_recipe
from vmafsal.errors import DeviceError, InputError, OutputError, UsageError

pytestmark = pytest.mark.train

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the set `drawn`, 30 pictures."""
    root = tmp_path_factory.mktemp("data")
    draw_set(root / "drawn", 30)
    return root


def small(folder: Path, **values: object) -> Recipe:
    return read_recipe(write_recipe(folder / "recipe.toml", **values))  # type: ignore[arg-type]


def train(recipe: Recipe, data: Path, work: Path, said: list[str] | None = None) -> Checkpoint:
    places = Places(data, work, work)
    return fit_recipe(recipe, places, "cpu", (said if said is not None else []).append)


def start(recipe: Path, data: Path, work: Path, *launcher: str) -> subprocess.Popen[str]:
    options = ["-m", "train", "fit", str(recipe), "--data", str(data), "--work", str(work)]
    return subprocess.Popen(
        [sys.executable, *launcher, *options],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def same(one: Checkpoint, other: Checkpoint) -> bool:
    return all(torch.equal(one.answer[name], other.answer[name]) for name in one.answer)


@pytest.fixture(scope="module")
def whole(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Checkpoint:
    """What 12 steps give that nothing interrupted."""
    folder = tmp_path_factory.mktemp("whole")
    return train(small(folder), data, folder)


def test_the_loss_falls_and_kept_out_masks_are_measured(whole: Checkpoint) -> None:
    first, last = whole.history[0], whole.history[-1]
    assert [row["step"] for row in whole.history] == [4, 8, 12]
    assert last["loss"] < first["loss"]
    assert set(last["iou"]) == {"drawn"}
    assert whole.run["device"] == "cpu"
    assert "torch" in whole.run["versions"]


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_an_interrupted_run_goes_on_to_the_same_weights(
    data: Path, whole: Checkpoint, tmp_path: Path, how: signal.Signals
) -> None:
    recipe = write_recipe(tmp_path / "recipe.toml")
    process = start(recipe, data, tmp_path)
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("step 4 of"):
            process.send_signal(how)
            break
    _, err = process.communicate(timeout=300)
    assert "Traceback" not in err
    if how == signal.SIGINT:
        assert process.returncode == 130
        assert "the last checkpoint" in err
    path = tmp_path / "runs" / "small_v1" / "checkpoint.pt"
    assert 4 <= load_checkpoint(path).step < 12
    said: list[str] = []
    assert same(train(read_recipe(recipe), data, tmp_path, said), whole)
    assert any("Resuming from step" in sentence for sentence in said)


def test_two_processes_share_a_batch(data: Path, tmp_path: Path) -> None:
    recipe = write_recipe(tmp_path / "recipe.toml", arch="v3", ema=0.9)
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    process = start(recipe, data, tmp_path, *launcher)
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    assert out.count("step 12 of 12") == 1  # one process speaks
    together = load_checkpoint(tmp_path / "runs" / "small_v3" / "checkpoint.pt")
    alone = train(read_recipe(recipe), data, tmp_path / "alone")
    # Without batch normalisation the shares of a batch add up to the whole one.
    for name, value in alone.answer.items():
        torch.testing.assert_close(together.answer[name], value, rtol=1e-2, atol=1e-3)


def test_a_batch_that_processes_cannot_share_is_refused(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "3")
    with pytest.raises(UsageError, match="3 processes cannot share a batch of 8"):
        train(small(tmp_path), data, tmp_path)


def test_resume_with_other_options_lists_the_difference(data: Path, tmp_path: Path) -> None:
    recipe = small(tmp_path, steps=4)
    train(recipe, data, tmp_path)
    with pytest.raises(UsageError, match=r"lr was 0\.004, is now 0\.1.*seed was 42, is now 7"):
        train(replace(recipe, fit=replace(recipe.fit, seed=7, lr=0.1)), data, tmp_path)
    with pytest.raises(UsageError, match=r"weight was 1\.0, is now 0\.5"):
        train(replace(recipe, sets=(replace(recipe.sets[0], weight=0.5),)), data, tmp_path)
    # Texts for the card change no weight, and a finished run may be calibrated.
    train(replace(recipe, sets=(replace(recipe.sets[0], what="shapes"),)), data, tmp_path)
    calibrated = train(replace(recipe, calibration=Calibration(2.0, 0.5)), data, tmp_path)
    assert calibrated.config["calibration"] == {"scale": 2.0, "shift": 0.5}


def test_resume_sees_that_a_file_changed_and_kept_its_size(tmp_path: Path) -> None:
    root = draw_set(tmp_path / "drawn", 12)
    (root / "masks" / "drawn_0002.png").unlink()
    mask = draw_pair(2, 72, 96)[1]
    path = root / "masks" / "drawn_0002.bmp"
    Image.fromarray(mask).save(path)
    recipe = small(tmp_path, steps=2)
    train(recipe, tmp_path, tmp_path)
    size = path.stat().st_size
    Image.fromarray(255 - mask).save(path)
    assert path.stat().st_size == size
    with pytest.raises(UsageError, match=r"data\.0\.sha256 was"):
        train(recipe, tmp_path, tmp_path)


def test_steps_may_change_while_the_rate_is_held(data: Path, tmp_path: Path) -> None:
    values: dict[str, object] = {"schedule": "hold", "cooldown": 2, "save_every": 2}
    longer = small(tmp_path, steps=40, **values)
    with pytest.raises(InputError, match="stop here"):
        fit_recipe(longer, Places(data, tmp_path, tmp_path), "cpu", _stop_at("step 2 "))
    shorter = small(tmp_path, steps=6, **values)
    assert train(shorter, data, tmp_path).step == 6
    with pytest.raises(UsageError, match=r"fit\.steps was 6, is now 8"):
        train(small(tmp_path, steps=8, **values), data, tmp_path)


def _stop_at(words: str) -> Callable[[str], None]:
    def say(sentence: str) -> None:
        if sentence.startswith(words):
            raise InputError("stop here")

    return say


def test_learning_rates() -> None:
    stages = (Stage(1.0, (32,)),)
    cosine = Fit(100, stages, lr=1.0)
    assert [round(learning_rate(cosine, step), 3) for step in (0, 50, 100)] == [1.0, 0.5, 0.0]
    hold = Fit(100, stages, lr=1.0, schedule="hold", cooldown=20, warmup=10)
    rates = [round(learning_rate(hold, step), 3) for step in (0, 9, 50, 80, 90, 99)]
    assert rates == [0.1, 1.0, 1.0, 1.0, 0.5, 0.05]


def test_a_checkpoint_that_is_cut_off_is_refused(data: Path, tmp_path: Path) -> None:
    path = tmp_path / "runs" / "small_v1" / "checkpoint.pt"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"PK\x03\x04 cut")
    with pytest.raises(InputError, match="not a whole checkpoint"):
        train(small(tmp_path), data, tmp_path)
    with pytest.raises(InputError, match="There is no checkpoint"):
        load_checkpoint(tmp_path / "absent.pt")


def test_a_loss_that_is_not_finite_stops(data: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"not finite in step \d+"):
        train(small(tmp_path, lr=1e30), data, tmp_path)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_a_device_that_is_not_there_is_an_error() -> None:
    with pytest.raises(DeviceError, match="use --device cpu"):
        choose_device("cuda", World(0, 1, 0))
    with pytest.raises(UsageError, match="no device called"):
        choose_device("toaster", World(0, 1, 0))
    assert choose_device("auto", World(0, 1, 0)).type == "cpu"


def test_full_disk_leaves_the_previous_checkpoint(tmp_path: Path) -> None:
    resource = pytest.importorskip("resource")
    weights = {"w": torch.zeros(4000)}
    state = Checkpoint({"arch": "v1"}, 0, weights, {})
    path = tmp_path / "checkpoint.pt"
    save_checkpoint(state, path)
    before = path.read_bytes()
    state.step = 1
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        # A limit on the size of files fails a write half way, as a full disk does.
        resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) // 2, hard))
        with pytest.raises(OutputError, match="disk is full"):
            save_checkpoint(state, path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, handler)
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["checkpoint.pt"]


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        (["fit", "recipe.toml", "--data", "nowhere"], 1, "nowhere/drawn is not a folder"),
        (["fit", "absent.toml", "--data", "."], 1, "absent.toml cannot be read as a recipe"),
        (["label", "--teacher", "x", "--images", ".", "--out", "o"], 2, "onnx:FILE"),
    ],
)
def test_wrong_options_are_one_sentence(
    tmp_path: Path,
    options: Sequence[str],
    code: int,
    words: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    from train.__main__ import main

    write_recipe(tmp_path / "recipe.toml")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["train", *options])
    with pytest.raises(SystemExit) as stopped:
        main()
    assert stopped.value.code == code
    err = capsys.readouterr().err
    assert words in err
    assert len(err.strip().splitlines()) == 1
