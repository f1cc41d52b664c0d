"""The training loop, which can be resumed from its checkpoints."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import nn
from torch.nn import functional as F
from torch.nn.parallel import DistributedDataParallel

from train.checkpoint import Checkpoint, load_checkpoint, refuse_other_options, save_checkpoint
from train.device import World, choose_device, distributed, process_world
from train.loss import disagreement, map_loss
from train.nets import ARCHITECTURES, build
from train.pictures import Corpus, Picture
from train.provenance import provenance
from train.recipe import Fit, Recipe
from train.samples import Samples
from vmafsal.errors import InputError, UsageError
from vmafsal.metrics.fixation import correlation
from vmafsal.models.sidecar import IMAGENET_MEAN, IMAGENET_STD

__all__ = ["fit", "held_out_scores", "learning_rate", "normalise"]

LOOKAHEAD = 3
"""Batches that are prepared ahead of the step that uses them."""


def normalise(pictures: np.ndarray | torch.Tensor, device: torch.device) -> torch.Tensor:
    """uint8 [N, H, W, 3] to float32 [N, 3, H, W], ImageNet-normalised, channels last."""
    x = torch.as_tensor(pictures, device=device).float()
    mean = torch.tensor(IMAGENET_MEAN, device=device) * 255.0
    deviation = torch.tensor(IMAGENET_STD, device=device) * 255.0
    return ((x - mean) / deviation).permute(0, 3, 1, 2)


@torch.no_grad()
def held_out_scores(
    net: nn.Module, pictures: list[Picture], side: int, device: torch.device, stride: int
) -> dict[str, dict[str, float]]:
    """Mean scores of each set's kept-out pictures.

    Args:
        pictures: with a mask or a map, at their own size.
        side: short side at which the network sees them, in pixels.
    Returns:
        "iou" (at 0.5, pictures with a mask) and "cc" (with a map alone), each by the name of the
        set's folder.
    """
    net.eval()
    scores: dict[str, dict[str, list[float]]] = {"iou": {}, "cc": {}}
    for picture in pictures:
        width, height = picture.image.size
        scale = side / min(height, width)
        w, h = round(width * scale), round(height * scale)
        small = np.asarray(picture.image.resize((w, h), Image.Resampling.BILINEAR))
        x = normalise(small[None].copy(), device)
        x = F.pad(x, (0, -w % stride, 0, -h % stride), mode="replicate")
        found = torch.sigmoid(net(x, logits=True)[..., :h, :w].float())
        found = F.interpolate(found, (height, width), mode="bilinear", align_corners=False)
        saliency = found[0, 0].cpu().numpy()
        if picture.mask is not None:
            kind, score = "iou", _iou(saliency, picture.mask, picture.border)
        else:
            kind, score = "cc", correlation(saliency, np.asarray(picture.teacher, np.float32))
        scores[kind].setdefault(picture.pair.image.parent.parent.name, []).append(score)
    net.train()
    return {
        kind: {name: float(np.mean(values)) for name, values in sets.items()}
        for kind, sets in scores.items()
    }


def _iou(saliency: np.ndarray, mask: Image.Image, border: Image.Image | None) -> float:
    answer, truth = saliency >= 0.5, np.asarray(mask) > 127
    if border is not None:
        counted = np.asarray(border) > 0
        truth, answer = truth & counted, answer & counted
    union = np.count_nonzero(truth | answer)
    return np.count_nonzero(truth & answer) / union if union else 1.0


def learning_rate(fit: Fit, step: int) -> float:
    """The learning rate of a step, counted from 0."""
    rate = fit.lr
    if fit.schedule == "cosine":
        rate *= 0.5 * (1.0 + math.cos(math.pi * step / fit.steps))
    elif fit.cooldown:
        rate *= min(1.0, (fit.steps - step) / fit.cooldown)
    return rate * min(1.0, (step + 1) / fit.warmup) if fit.warmup else rate


def _batches(samples: Samples, steps: range, world: World) -> Iterator[Any]:
    """The samples of each step, prepared by one thread a few steps ahead."""
    with ThreadPoolExecutor(1) as pool:
        waiting = []
        for step in steps:
            waiting.append(pool.submit(samples.draw, step, world.rank, world.size))
            if len(waiting) > LOOKAHEAD:
                yield waiting.pop(0).result()
        for future in waiting:
            yield future.result()


@torch.no_grad()
def _follow(average: nn.Module, net: nn.Module, decay: float, step: int) -> None:
    """Update the EMA of the weights; its decay is lower in the first steps."""
    share = 1.0 - min(decay, (1 + step) / (10 + step))
    now = net.state_dict()
    for name, value in average.state_dict().items():
        if value.is_floating_point():
            value.lerp_(now[name], share)
        else:
            value.copy_(now[name])


def _optimizer(fit: Fit, net: nn.Module) -> torch.optim.Optimizer:
    """Adam; with weight decay AdamW, whose decay spares biases and normalisations."""
    if not fit.weight_decay:
        return torch.optim.Adam(net.parameters(), lr=fit.lr)
    kernels = [p for p in net.parameters() if p.dim() > 1]
    others = [p for p in net.parameters() if p.dim() <= 1]
    groups: list[dict[str, Any]] = [
        {"params": kernels, "weight_decay": fit.weight_decay},
        {"params": others, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=fit.lr)


def _loss(
    fit: Fit, net: nn.Module, planes: np.ndarray, twins: np.ndarray | None, device: torch.device
) -> torch.Tensor:
    labels = torch.as_tensor(planes[..., 3:], device=device).permute(0, 3, 1, 2).float() / 255.0
    pictures = planes[..., :3] if twins is None else np.concatenate([planes[..., :3], twins])
    logits = net(normalise(np.ascontiguousarray(pictures), device), logits=True)

    target, weight = labels[:, :1], labels[:, 1:]
    shown = logits.chunk(1 if twins is None else 2)
    losses = [
        map_loss(maps, target, weight, fit.loss, fit.overlap, fit.mean_error) for maps in shown
    ]
    if twins is None:
        return losses[0]
    return (losses[0] + losses[1]) / 2 + fit.consistency * disagreement(*shown)


def fit(
    recipe: Recipe,
    corpus: Corpus,
    path: Path,
    device_name: str = "auto",
    init: dict[str, torch.Tensor] | None = None,
    say: Callable[[str], None] = lambda _: None,
) -> Checkpoint:
    """Train a student; resume from `path` where there is a checkpoint.

    Args:
        path: the checkpoint; written every `save_every` steps and after the last one.
        init: weights that a new run begins with.
        say: called with facts in sentences.
    Returns:
        the last checkpoint.
    Raises:
        UsageError: options that differ from the checkpoint's, or contradict each other.
        InputError: a loss or gradient that is not finite.
    """
    options, world = recipe.fit, process_world()
    if options.batch % world.size:
        raise UsageError(
            f"{world.size} processes cannot share a batch of {options.batch} evenly; "
            "start a number of processes that divides it."
        )
    device = choose_device(device_name, world)
    torch.set_num_threads(options.threads)
    torch.manual_seed(options.seed)
    known = ARCHITECTURES[recipe.arch]
    net = build(recipe.arch).to(device)
    net = net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    if init is not None:
        net.load_state_dict(init)
    average = copy.deepcopy(net) if options.ema else None
    adam = _optimizer(options, net)
    config = {**recipe.options(), "data": corpus.facts}
    state = Checkpoint(config, 0, net.state_dict(), adam.state_dict())
    if path.exists():
        state = load_checkpoint(path)
        refuse_other_options(state, config)
        net.load_state_dict(state.model)
        adam.load_state_dict(state.optimizer)
        if average is not None and state.average is not None:
            average.load_state_dict(state.average)
        say(f"Resuming from step {state.step:,} of {options.steps:,}.")
        state.config = config
    samples = Samples(corpus, options, known.stride)
    side = recipe.short_side or known.short_side or 288
    with distributed(world, device):
        model = DistributedDataParallel(net) if world.size > 1 else net
        net.train()
        losses: list[float] = []
        started = time.monotonic()
        steps = range(state.step, options.steps)
        for step, (planes, twins) in zip(steps, _batches(samples, steps, world), strict=True):
            rate = learning_rate(options, step)
            for group in adam.param_groups:
                group["lr"] = rate
            step_loss = _loss(options, model, planes, twins, device)
            adam.zero_grad(set_to_none=True)
            torch.autograd.backward(step_loss)
            norm = nn.utils.clip_grad_norm_(net.parameters(), options.clip or math.inf).item()
            losses.append(step_loss.item())
            if not (math.isfinite(losses[-1]) and math.isfinite(norm)):
                raise InputError(
                    f"The loss ({losses[-1]}) or its gradient ({norm}) is not finite in step "
                    f"{step + 1}. Lower lr; the run resumes from its last checkpoint."
                )
            adam.step()
            if average is not None:
                _follow(average, net, options.ema, step)
            done = step + 1
            if done % options.save_every and done < options.steps:
                continue
            answer = net if average is None else average
            held = held_out_scores(answer, corpus.held, side, device, known.stride)
            loss, seconds = float(np.mean(losses)), time.monotonic() - started
            facts = {"step": done, "loss": loss, "lr": rate, "seconds": seconds}
            state = Checkpoint(
                config,
                done,
                net.state_dict(),
                adam.state_dict(),
                None if average is None else average.state_dict(),
                [*state.history, {**facts, **held}],
                {"device": str(device), **provenance()},
            )
            if world.rank == 0:
                save_checkpoint(state, path)
            listed = [f"{kind} {name} {v:.3f}" for kind in held for name, v in held[kind].items()]
            say(
                f"step {done:,} of {options.steps:,}: loss {loss:.4f}, "
                f"{len(losses) * options.batch / seconds:.1f} samples a second; "
                f"kept out: {', '.join(listed)}"
            )
            losses, started = [], time.monotonic()
    return state
