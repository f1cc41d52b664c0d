"""How a run was trained, in words."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from train.data import holds_cutouts

__all__ = ["recipe_text"]


def _losses(config: dict[str, Any]) -> str:
    """Optimiser and loss; a checkpoint that says nothing of them had the plain ones."""
    text = f"Adam {config['lr']:g} falling to 0 as a cosine, "
    if config.get("optimizer", "adam") == "adamw":
        text = (
            f"AdamW {config['lr']:g} falling to 0 as a cosine, decay {config['weight_decay']:g}, "
        )
    if config.get("soft_iou"):
        return text + f"BCE + {config['soft_iou']:g} soft IoU"
    return text + "BCE + Dice"


def _composites(config: dict[str, Any]) -> str:
    how = config.get("composition", {"object_size": (0.15, 0.85)})
    low, high = how["object_size"]
    cut = "the hard labels"
    if how.get("by_set"):
        cut = "the hard labels and from confident soft ones"
    if any(holds_cutouts(Path(entry["root"])) for entry in config["data"]):
        cut += " and taken from cut-outs"
    quiet = "; the scenes are background too" if how.get("quiet_scenes") else ""
    if how.get("harmony"):
        quiet += (
            f"; the colours of what is pasted moved by up to {how['harmony']:.0%} to those of the "
            "scene under it"
        )
    size = f"{low:g} to {high:g} of the frame" + (
        ", small ones as often as large," if how.get("log_size") else ""
    )
    return (
        f"{config['composites']:,} composites an epoch: objects cut from {cut}, "
        f"pasted at {size} on the softly labelled scenes, beside blobs of "
        "foreign texture labelled background" + quiet
    )


def recipe_text(config: dict[str, Any], epochs: int) -> str:
    """A run's options as one sentence.

    Args:
        config: of its checkpoint; an option that an older one lacks had its default.
        epochs: how many there were.
    """
    augment = config["augment"]
    low, high = augment["short_side"]
    sides = f"{low}" if low == high else f"{low} to {high}"
    parts = [
        f"{epochs} epochs, batch {config['batch']}, {_losses(config)}, seed {config['seed']}",
        f"crops of {augment['crop']} after the short side was set to {sides}",
    ]
    if augment["flip"]:
        parts.append("mirrored half of the time")
    if augment["stretch"]:
        parts.append(f"aspect varied by up to exp(±{augment['stretch']:g})")
    if augment["photometric"]:
        parts.append(f"colours varied in {augment['photometric']:.0%} of the samples")
    if augment["degrade"]:
        parts.append(f"JPEG, noise, blur or rescaling in {augment['degrade']:.0%}")
    if config["composites"]:
        parts.append(_composites(config))
    if config.get("consistency"):
        parts.append(
            "each sample seen a second time with fewer lines, coded and noisy, the disagreement "
            f"of the two weighing {config['consistency']:g}"
        )
    if config.get("rescale"):
        sides = ", ".join(str(side) for side in config["rescale"])
        parts.append(f"each batch resized to a side drawn from {sides}")
    if config.get("ema"):
        parts.append(f"the weights are averages that decay by {config['ema']:g} a step")
    if config.get("init_sha256"):
        parts.append(
            f"begun with the best weights of the checkpoint `{config['init_sha256'][:8]}` of a run "
            "before"
        )
    return "; ".join(parts) + "."
