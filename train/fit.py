"""The training loop, and everything that makes it resumable to the same bytes."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader

from train.architectures import architecture, begin_with, build
from train.augment import resize_planes
from train.checkpoint import Checkpoint, load_checkpoint, refuse_other_options, save_checkpoint
from train.corpus import load_corpus
from train.data import Dataset, Items
from train.device import World, autocast_dtype, choose_device, distributed, process_world
from train.gaze import simulated
from train.loss import bce_dice, bce_iou, disagreement
from train.output import Progress
from train.recipe import Recipe
from train.samples import Key, Samples
from vmafsal.errors import InputError, UsageError
from vmafsal.models.sidecar import IMAGENET_MEAN, IMAGENET_STD

__all__ = ["fit", "fold_iou", "normalise"]


def normalise(planes: torch.Tensor) -> torch.Tensor:
    """uint8 [N, 3, H, W] to float32, ImageNet-normalised, channels last; a gaze after it to 0-1."""
    extra = planes.shape[1] - 3
    mean = torch.tensor((*IMAGENET_MEAN, *[0.0] * extra), device=planes.device)
    deviation = torch.tensor((*IMAGENET_STD, *[1.0] * extra), device=planes.device)
    x = (planes.float() / 255.0 - mean.view(1, -1, 1, 1)) / deviation.view(1, -1, 1, 1)
    return x.contiguous(memory_format=torch.channels_last)


@torch.no_grad()
def fold_iou(
    net: nn.Module,
    items: Items,
    side: int,
    device: torch.device,
    dtype: torch.dtype,
    stride: int = 8,
    gaze: bool = False,
) -> float:
    """Mean over images of the IoU at 0.5, the map resized to the mask; NaN without images.

    With `gaze` the network is told fixations that are drawn for the mask, the same every time.

    An image whose object and whose answer are both empty counts 1; border pixels count nowhere.
    """
    net.eval()
    scores = []
    for i in range(len(items)):
        item = items[i]
        height, width = item.label.shape
        scale = side / min(height, width)
        h, w = round(height * scale), round(width * scale)
        planes = item.image
        if gaze:
            planes = np.dstack([planes, simulated(item.label, np.random.default_rng(i))])
        small = torch.from_numpy(resize_planes(planes, h, w).transpose(2, 0, 1).copy())
        x = normalise(small[None].to(device))
        x = F.pad(x, (0, -w % stride, 0, -h % stride), mode="replicate")
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


def _batches(samples: Samples, epoch: int, batch: int, world: World) -> list[list[Key]]:
    """Keys of this process's share of each batch; an incomplete last batch is dropped."""
    keys = [(epoch, i) for i in range(len(samples.plan(epoch)))]
    whole = range(0, len(keys) - batch + 1, batch)
    return [keys[start : start + batch][world.rank :: world.size] for start in whole]


def _load(
    samples: Samples, batches: list[list[Key]], workers: int, device: torch.device
) -> Iterator[torch.Tensor]:
    """The batches on the device, uint8 [N, planes, H, W], as Samples draws them."""
    pinned = device.type == "cuda"
    for planes in DataLoader(
        samples, batch_sampler=batches, num_workers=workers, pin_memory=pinned
    ):
        yield planes.to(device, non_blocking=True)


def _learning_rate(recipe: Recipe, done: float) -> float:
    """Cosine from `lr` to 0; `done` is the share of all steps taken."""
    return recipe.lr * 0.5 * (1.0 + math.cos(math.pi * done))


def _optimizer(recipe: Recipe, net: nn.Module) -> torch.optim.Optimizer:
    """Adam, or AdamW whose decay spares biases and normalisations."""
    if recipe.optimizer == "adam":
        return torch.optim.Adam(net.parameters(), lr=recipe.lr)
    kernels = [p for p in net.parameters() if p.dim() > 1]
    others = [p for p in net.parameters() if p.dim() <= 1]
    groups: list[dict[str, Any]] = [
        {"params": kernels, "weight_decay": recipe.weight_decay},
        {"params": others, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=recipe.lr)


@torch.no_grad()
def _follow(average: nn.Module, net: nn.Module, decay: float, step: int) -> None:
    """Move an average of the weights towards them; the first steps count more than later ones."""
    share = 1.0 - min(decay, (1 + step) / (10 + step))
    now = net.state_dict()
    for name, value in average.state_dict().items():
        if value.is_floating_point():
            value.lerp_(now[name], share)
        else:
            value.copy_(now[name])


def _rescaled(planes: torch.Tensor, recipe: Recipe, epoch: int, step: int) -> torch.Tensor:
    """A batch resized to the side that its step draws."""
    side = int(np.random.default_rng([recipe.seed, epoch, step, 1]).choice(recipe.rescale))
    return F.interpolate(
        planes.float(), (side, side), mode="bilinear", align_corners=False, antialias=True
    )


def _loss(
    recipe: Recipe, logits: torch.Tensor, target: torch.Tensor, weight: torch.Tensor
) -> torch.Tensor:
    """What a batch costs; with twins `logits` holds twice as many maps as `target`."""

    def wrong(maps: torch.Tensor) -> torch.Tensor:
        if recipe.soft_iou:
            return bce_iou(maps, target, weight, recipe.soft_iou)
        return bce_dice(maps, target, weight)

    if not recipe.consistency:
        return wrong(logits)
    clear, coded = logits.chunk(2)
    return (wrong(clear) + wrong(coded)) / 2 + recipe.consistency * disagreement(clear, coded)


def fit(
    recipe: Recipe,
    datasets: list[Dataset],
    out: Path,
    resume: bool = False,
    workers: int = 0,
    say: Callable[[str], None] = lambda _: None,
    progress: Progress | None = None,
    init: Checkpoint | None = None,
) -> Checkpoint:
    """Train a student; `out/checkpoint.pt` is written before the first epoch and after each.

    Args:
        resume: go on from `out/checkpoint.pt`, to the bytes of a run never interrupted.
        workers: processes that draw samples; they do not change what is drawn.
        say: told facts in sentences.
        progress: told how far an epoch is.
        init: its best weights are what the run begins with.
    Returns:
        the last checkpoint; `best` in it holds the weights of the best epoch.
    Raises:
        UsageError: options that differ from the checkpoint's, or contradict each other.
        InputError: data that cannot be used, or a loss or gradient that is not finite.
    """
    world = process_world()
    path = out / "checkpoint.pt"
    if world.rank == 0 and path.exists() and not resume:
        raise UsageError(
            f"{path} is there already; go on from it with --resume, or choose another --out."
        )
    device = choose_device(recipe.device, world)
    dtype = autocast_dtype(recipe.precision, device)
    if recipe.threads:
        torch.set_num_threads(recipe.threads)
    torch.use_deterministic_algorithms(True, warn_only=True)
    torch.manual_seed(recipe.seed)
    net = build(recipe.arch).to(device)
    net = net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    if init is not None:
        begin_with(net, recipe.arch, init.best, init.config["arch"])
    average = copy.deepcopy(net) if recipe.ema else None
    known = architecture(recipe.arch)
    adam = _optimizer(recipe, net)
    corpus = load_corpus(recipe, datasets, say)
    config = {**asdict(recipe), "data": corpus.facts, "world_size": world.size}
    if resume:
        state = load_checkpoint(path)
        refuse_other_options(state.config, config, asdict(Recipe(recipe.arch)))
        net.load_state_dict(state.model)
        if average is not None and state.average is not None:
            average.load_state_dict(state.average)
        adam.load_state_dict(state.optimizer)
    else:
        state = Checkpoint.begin(config, net, adam)
        if world.rank == 0:
            save_checkpoint(state, path)
    with distributed(world, device):
        model = DistributedDataParallel(net) if world.size > 1 else net
        for epoch in range(state.epoch, recipe.epochs):
            started = time.monotonic()
            keys = _batches(corpus.samples, epoch, recipe.batch, world)
            losses = []
            net.train()
            for step, planes in enumerate(_load(corpus.samples, keys, workers, device)):
                rate = _learning_rate(recipe, (epoch + step / len(keys)) / recipe.epochs)
                taken = epoch * len(keys) + step
                if taken < recipe.warmup:
                    rate *= (taken + 1) / recipe.warmup
                if recipe.rescale:
                    planes = _rescaled(planes, recipe, epoch, step)
                for group in adam.param_groups:
                    group["lr"] = rate
                pictures = planes[:, :3]
                if known.gaze:
                    pictures = torch.cat([pictures, planes[:, 5:6]], dim=1)
                if recipe.consistency:
                    pictures = torch.cat([pictures, planes[:, 5:]])
                with torch.autocast(device.type, dtype, enabled=dtype != torch.float32):
                    logits = model(normalise(pictures), logits=True)
                loss = _loss(recipe, logits, planes[:, 3:4] / 255.0, planes[:, 4:5] / 255.0)
                adam.zero_grad(set_to_none=True)
                torch.autograd.backward(loss)
                losses.append(loss.item())
                norm = nn.utils.get_total_norm([p.grad for p in net.parameters()]).item()
                if not (math.isfinite(losses[-1]) and math.isfinite(norm)):
                    files = "; ".join(corpus.samples.names(key) for key in keys[step])
                    raise InputError(
                        f"The loss ({losses[-1]}) or its gradient ({norm}) is not finite in epoch "
                        f"{epoch + 1}, batch {step + 1}, made of: {files}. Look at these files, or "
                        "lower --lr; --resume goes on from the last whole epoch."
                    )
                adam.step()
                if average is not None:
                    _follow(average, net, recipe.ema, taken)
                if progress is not None:
                    progress(f"epoch {epoch + 1} of {recipe.epochs}", step + 1, len(keys))
            answer = net if average is None else average
            iou = fold_iou(
                answer, corpus.fold, recipe.eval_side, device, dtype, known.stride, known.gaze
            )
            seconds = time.monotonic() - started
            mean = sum(losses) / len(losses)
            state.finish_epoch(
                net, adam, loss=mean, iou=iou, lr=rate, seconds=seconds, average=average
            )
            if world.rank == 0:
                save_checkpoint(state, path)
            say(
                f"epoch {state.epoch} of {recipe.epochs}: loss {mean:.4f}, fold IoU {iou:.4f}, "
                f"{seconds:.0f} s"
            )
    return state
