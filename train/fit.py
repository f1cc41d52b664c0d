"""The training loop, and everything that makes it resumable to the same bytes."""

from __future__ import annotations

import contextlib
import math
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.distributed import destroy_process_group, init_process_group
from torch.nn import functional as F
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader

from train.augment import Augment, resize_planes
from train.checkpoint import Checkpoint, load_checkpoint, refuse_other_options, save_checkpoint
from train.data import Dataset, Items, file_list_digest, kept_out, load_items, split_fold
from train.loss import bce_dice
from train.net import STRIDE, build
from train.samples import Samples
from vmafsal.errors import DeviceError, InputError, UsageError

__all__ = ["Recipe", "fit", "fold_iou", "normalise"]

MEAN = (0.485, 0.456, 0.406)
DEVIATION = (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class Recipe:
    """Every value that decides the resulting bytes."""

    arch: str
    epochs: int = 50
    batch: int = 32
    lr: float = 1e-3
    augment: Augment = Augment()
    composites: int = 0
    """Composites an epoch, beside the items."""
    soft_floor: float = 0.15
    fold: float = 0.05
    keep_out: int = 0
    """One stem in so many is never trained on (by its SHA-1); 0 keeps none out."""
    eval_side: int = 288
    """Short side at which the fold is measured."""
    seed: int = 42
    device: str = "auto"
    precision: str = "auto"
    """bfloat16, float32, or auto: bfloat16 where the device computes with it."""
    threads: int = 0
    """CPU threads of torch; 0 is torch's own choice."""

    def __post_init__(self) -> None:
        low, high = self.augment.short_side
        if not self.augment.crop <= low <= high:
            raise UsageError(
                f"A crop of {self.augment.crop} does not fit into images whose short side is "
                f"set to {low}; choose --crop {low} or less, or a larger --short-side."
            )
        if self.augment.crop % STRIDE:
            raise UsageError(f"--crop {self.augment.crop} is not a multiple of {STRIDE}.")


@dataclass(frozen=True)
class World:
    """This process among those that torchrun started; alone without torchrun."""

    rank: int
    size: int
    local_rank: int


def _world() -> World:
    read = os.environ.get
    return World(int(read("RANK", 0)), int(read("WORLD_SIZE", 1)), int(read("LOCAL_RANK", 0)))


def _device(name: str, world: World) -> torch.device:
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    device = torch.device(name)
    if device.type == "cuda":
        if not torch.cuda.is_available():
            raise DeviceError("--device cuda: torch finds no CUDA device here; use --device cpu.")
        if device.index is None:
            device = torch.device("cuda", world.local_rank)
        torch.cuda.set_device(device)
    return device


def _autocast_dtype(precision: str, device: torch.device) -> torch.dtype:
    if precision != "auto":
        return {"bfloat16": torch.bfloat16, "float32": torch.float32}[precision]
    if device.type == "cuda":
        fast = torch.cuda.is_bf16_supported()
    else:
        fast = torch.ops.mkldnn._is_mkldnn_bf16_supported()
    return torch.bfloat16 if fast else torch.float32


def normalise(rgb: torch.Tensor) -> torch.Tensor:
    """uint8 [N, 3, H, W] to float32, ImageNet-normalised, channels last."""
    mean = torch.tensor(MEAN, device=rgb.device).view(1, 3, 1, 1)
    deviation = torch.tensor(DEVIATION, device=rgb.device).view(1, 3, 1, 1)
    x = (rgb.float() / 255.0 - mean) / deviation
    return x.contiguous(memory_format=torch.channels_last)


@torch.no_grad()
def fold_iou(
    net: nn.Module, items: Items, side: int, device: torch.device, dtype: torch.dtype
) -> float:
    """Mean over images of the IoU at 0.5, the map resized to the mask; NaN without images.

    An image whose object and whose answer are both empty counts 1; border pixels count nowhere.
    """
    net.eval()
    scores = []
    for i in range(len(items)):
        item = items[i]
        height, width = item.label.shape
        scale = side / min(height, width)
        h, w = round(height * scale), round(width * scale)
        rgb = torch.from_numpy(resize_planes(item.image, h, w).transpose(2, 0, 1).copy())
        x = normalise(rgb[None].to(device))
        x = F.pad(x, (0, -w % STRIDE, 0, -h % STRIDE), mode="replicate")
        with torch.autocast(device.type, dtype, enabled=dtype != torch.float32):
            found = net(x, logits=True)[..., :h, :w]
        found = torch.sigmoid(found.float())
        found = F.interpolate(found, (height, width), mode="bilinear", align_corners=False)
        answer = (found[0, 0] >= 0.5).cpu().numpy()
        counted = item.weight > 0
        truth, answer = (item.label > 127) & counted, answer & counted
        union = np.count_nonzero(truth | answer)
        scores.append(np.count_nonzero(truth & answer) / union if union else 1.0)
    net.train()
    return float(np.mean(scores)) if scores else math.nan


@dataclass(frozen=True)
class Corpus:
    """Decoded data, split."""

    samples: Samples
    fold: Items
    facts: list[dict[str, Any]]
    """Of each set: root, counts, weight, digest of the file list."""


def load_corpus(
    recipe: Recipe, datasets: list[Dataset], say: Callable[[str], None] = lambda _: None
) -> Corpus:
    """Keep out, split off the fold, decode.

    Raises:
        InputError: as `load_items`, or if nothing is left to train on.
    """
    facts, pairs, weights = [], [], []
    for dataset in datasets:
        used = [p for p in dataset.pairs if not kept_out(p.stem, recipe.keep_out)]
        facts.append(
            {
                "root": str(dataset.root),
                "pairs": len(dataset.pairs),
                "kept_out": len(dataset.pairs) - len(used),
                "soft": dataset.soft,
                "weight": dataset.weight,
                "file_list_sha256": file_list_digest(dataset.pairs),
            }
        )
        pairs += used
        weights += [dataset.weight] * len(used)
    training, held = split_fold(pairs, recipe.fold, recipe.seed)
    items = load_items(training, recipe.soft_floor, say=say)
    fold = load_items(held, recipe.soft_floor, say=say)
    by_weight: dict[tuple[Path, float], list[int]] = {}
    weight_of = dict(zip(pairs, weights, strict=True))
    for i in range(len(items)):
        pair = items.pair(i)
        by_weight.setdefault((pair.label.parent, weight_of[pair]), []).append(i)
    sets = [(indices, weight) for (_, weight), indices in by_weight.items()]
    samples = Samples(
        items, sets, recipe.augment, recipe.seed, recipe.composites, recipe.soft_floor
    )
    per_epoch = len(samples.plan(0))
    if per_epoch < recipe.batch:
        raise InputError(
            f"An epoch holds {per_epoch} samples, fewer than one batch of {recipe.batch}; "
            "add data or choose a smaller --batch."
        )
    say(f"{len(items)} images to train on, {len(fold)} in the fold, {per_epoch} samples an epoch.")
    return Corpus(samples, fold, facts)


def _batches(samples: Samples, epoch: int, batch: int, world: World) -> list[list[tuple[int, int]]]:
    """Keys of this process's share of each batch; an incomplete last batch is dropped."""
    keys = [(epoch, i) for i in range(len(samples.plan(epoch)))]
    whole = range(0, len(keys) - batch + 1, batch)
    return [keys[start : start + batch][world.rank :: world.size] for start in whole]


def _learning_rate(recipe: Recipe, done: float) -> float:
    """Cosine from `lr` to 0; `done` is the share of all steps taken."""
    return recipe.lr * 0.5 * (1.0 + math.cos(math.pi * done))


@contextlib.contextmanager
def _distributed(world: World, device: torch.device) -> Iterator[None]:
    if world.size == 1:
        yield
        return
    init_process_group("nccl" if device.type == "cuda" else "gloo")
    try:
        yield
    finally:
        destroy_process_group()


def fit(
    recipe: Recipe,
    datasets: list[Dataset],
    out: Path,
    resume: bool = False,
    workers: int = 0,
    say: Callable[[str], None] = lambda _: None,
    progress: Callable[[int, int, int, float], None] = lambda *_: None,
) -> Checkpoint:
    """Train a student; `out/checkpoint.pt` is written before the first epoch and after each.

    Args:
        resume: go on from `out/checkpoint.pt`, to the bytes of a run never interrupted.
        workers: processes that draw samples; they do not change what is drawn.
        say: told facts in sentences; progress: told epoch, batch, batches, loss.
    Returns:
        the last checkpoint; `best` in it holds the weights of the best epoch.
    Raises:
        UsageError: options that differ from the checkpoint's, or contradict each other.
        InputError: data that cannot be used, or a loss or gradient that is not finite.
    """
    world = _world()
    device = _device(recipe.device, world)
    dtype = _autocast_dtype(recipe.precision, device)
    if recipe.threads:
        torch.set_num_threads(recipe.threads)
    torch.use_deterministic_algorithms(True, warn_only=True)
    torch.manual_seed(recipe.seed)
    net = build(recipe.arch).to(device, memory_format=torch.channels_last)
    adam = torch.optim.Adam(net.parameters(), lr=recipe.lr)
    corpus = load_corpus(recipe, datasets, say)
    config = {**asdict(recipe), "data": corpus.facts, "world_size": world.size}
    path = out / "checkpoint.pt"
    if resume:
        state = load_checkpoint(path)
        refuse_other_options(state.config, config)
        net.load_state_dict(state.model)
        adam.load_state_dict(state.optimizer)
        state.best = {k: v.to(device) for k, v in state.best.items()}
    else:
        state = Checkpoint.begin(config, net, adam)
        if world.rank == 0:
            save_checkpoint(state, path)
    with _distributed(world, device):
        model = DistributedDataParallel(net) if world.size > 1 else net
        for epoch in range(state.epoch, recipe.epochs):
            started = time.monotonic()
            batches = _batches(corpus.samples, epoch, recipe.batch, world)
            loader = DataLoader(
                corpus.samples,
                batch_sampler=batches,
                num_workers=workers,
                pin_memory=device.type == "cuda",
            )
            total = 0.0
            net.train()
            for step, planes in enumerate(loader):
                planes = planes.to(device, non_blocking=True)
                rate = _learning_rate(recipe, (epoch + step / len(batches)) / recipe.epochs)
                for group in adam.param_groups:
                    group["lr"] = rate
                with torch.autocast(device.type, dtype, enabled=dtype != torch.float32):
                    logits = model(normalise(planes[:, :3]), logits=True)
                loss = bce_dice(logits, planes[:, 3:4] / 255.0, planes[:, 4:5] / 255.0)
                adam.zero_grad(set_to_none=True)
                loss.backward()
                norm = nn.utils.get_total_norm([p.grad for p in net.parameters()])
                value = loss.item()
                if not (math.isfinite(value) and math.isfinite(norm.item())):
                    files = "; ".join(corpus.samples.names(key) for key in batches[step])
                    raise InputError(
                        f"The loss ({value}) or its gradient ({norm.item()}) is not finite in "
                        f"epoch {epoch + 1}, batch {step + 1}, made of: {files}. Look at these "
                        "files, or lower --lr; --resume goes on from the last whole epoch."
                    )
                adam.step()
                total += value
                progress(epoch, step + 1, len(batches), value)
            iou = fold_iou(net, corpus.fold, recipe.eval_side, device, dtype)
            state.finish_epoch(
                net,
                adam,
                loss=total / len(batches),
                iou=iou,
                lr=rate,
                seconds=time.monotonic() - started,
            )
            if world.rank == 0:
                save_checkpoint(state, path)
    return state
