"""The commands `fit`, `export` and `pseudo-label`: options in, one call, sentences out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, TypeVar

import typer

from vmafsal.errors import InputError, UsageError

__all__ = ["export", "fit", "pseudo_label"]


T = TypeVar("T", int, float)


def _numbers(text: str, kind: type[T], option: str) -> list[T]:
    """Numbers separated by commas."""
    try:
        return [kind(part) for part in text.split(",")]
    except ValueError:
        raise UsageError(f"{option} {text}: numbers separated by commas are expected.") from None


def _pair(text: str, kind: type[T], option: str) -> tuple[T, T]:
    """`A,B` with A below B."""
    numbers = _numbers(text, kind, option)
    if len(numbers) != 2 or not numbers[0] < numbers[1]:
        raise UsageError(f"{option} {text}: two rising numbers are expected, as A,B.")
    return numbers[0], numbers[1]


def fit(
    arch: Annotated[str, typer.Option(help="v1, v2, v3, or gaze: a teacher for labels.")],
    data: Annotated[
        list[str],
        typer.Option(
            help="A data set, DIR or DIR=WEIGHT; give it once for each. WEIGHT is how often "
            "each pair is drawn in an epoch, 1 by default."
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option(help="Folder of checkpoint, model, metrics, curves; runs/ARCH by default."),
    ] = None,
    epochs: Annotated[int, typer.Option(min=1)] = 50,
    batch: Annotated[int, typer.Option(min=1, help="Samples a step, over all processes.")] = 32,
    lr: Annotated[float, typer.Option(min=0.0, help="Adam's, falling to 0 as a cosine.")] = 1e-3,
    crop: Annotated[int, typer.Option(min=8, help="Side of the random crop.")] = 256,
    short_side: Annotated[
        str,
        typer.Option(help="Short side that an image is set to before the crop; A,B draws it."),
    ] = "288",
    flip: Annotated[bool, typer.Option(help="Mirror half of the samples.")] = True,
    stretch: Annotated[float, typer.Option(min=0.0, help="Aspect varies by exp(±this).")] = 0.0,
    photometric: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="Share of samples with colours varied.")
    ] = 0.0,
    degrade: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="Share with JPEG, noise, blur or rescaling.")
    ] = 0.0,
    composites: Annotated[
        int, typer.Option(min=0, help="Objects pasted on scenes: so many samples an epoch.")
    ] = 0,
    soft_floor: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="What a soft label of one half weighs.")
    ] = 0.15,
    fold: Annotated[float, typer.Option(min=0.0, max=0.5, help="Held-out share.")] = 0.05,
    keep_out: Annotated[
        int, typer.Option(min=0, help="Never train on one stem in so many (SHA-1); 0: on all.")
    ] = 0,
    eval_side: Annotated[
        int, typer.Option(min=0, help="Short side for measuring the fold; 0: the crop's upper.")
    ] = 0,
    seed: Annotated[int, typer.Option(min=0)] = 42,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")] = "auto",
    precision: Annotated[str, typer.Option(help="auto, bfloat16 or float32.")] = "auto",
    threads: Annotated[int, typer.Option(min=0, help="CPU threads; 0: torch's choice.")] = 0,
    workers: Annotated[int, typer.Option(min=0, help="Processes that draw samples.")] = 0,
    optimizer: Annotated[str, typer.Option(help="adam or adamw.")] = "adam",
    weight_decay: Annotated[float, typer.Option(min=0.0, help="AdamW's, of kernels alone.")] = 0.0,
    warmup: Annotated[int, typer.Option(min=0, help="Steps until --lr is reached.")] = 0,
    ema: Annotated[
        float,
        typer.Option(min=0.0, max=0.99999, help="Decay of averaged weights; 0 averages none."),
    ] = 0.0,
    soft_iou: Annotated[
        float, typer.Option(min=0.0, help="BCE + this · (1 - soft IoU); 0: BCE + Dice.")
    ] = 0.0,
    rescale: Annotated[
        str, typer.Option(help="Sides to resize a batch of crops to, one drawn a step: 128,192.")
    ] = "",
    consistency: Annotated[
        float,
        typer.Option(
            min=0.0,
            help="Show each sample a second time, fewer lines and coded; this is what "
            "disagreement between the two costs.",
        ),
    ] = 0.0,
    object_size: Annotated[
        str, typer.Option(help="Longest side of a pasted object, as shares of the crop's.")
    ] = "0.15,0.85",
    log_size: Annotated[
        bool, typer.Option("--log-size", help="Draw that size log-uniformly: more small ones.")
    ] = False,
    by_set: Annotated[
        bool,
        typer.Option(
            "--by-set",
            help="Cut objects as often as the sets' weights say, and from confident soft labels.",
        ),
    ] = False,
    quiet_scenes: Annotated[
        bool,
        typer.Option(
            "--quiet-scenes", help="In composites nothing but the pasted objects is labelled one."
        ),
    ] = False,
    harmony: Annotated[
        float,
        typer.Option(
            min=0.0, max=1.0, help="How far pasted colours may move to those of the scene."
        ),
    ] = 0.0,
    gaze_top: Annotated[
        float,
        typer.Option(
            min=0.0,
            max=1.0,
            help="Of --arch gaze: share of drawn gazes that go to an object's top, as to faces.",
        ),
    ] = 0.0,
    init: Annotated[
        Path | None, typer.Option(help="Begin with the best weights of this checkpoint.pt.")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the checkpoint.")] = False,
    metrics_out: Annotated[
        Path | None, typer.Option(help="Metrics as JSON; OUT/metrics.json by default.")
    ] = None,
) -> None:
    """Train a student; the best epoch by IoU at 0.5 on the fold is kept.

    Examples:

        python -m train fit --arch v2 --data DUTS-TR --out runs/v2

        torchrun --nproc-per-node 4 -m train fit --arch v2 --data DUTS-TR --out runs/v2

        python -m train fit --arch v2 --data DUTS-TR --out runs/v2 --resume
    """
    from train.architectures import ARCHITECTURES
    from train.augment import Augment
    from train.compose import Composition
    from train.data import open_dataset
    from train.provenance import sha256_of
    from train.recipe import Recipe
    from train.record import run_and_record

    if arch not in ARCHITECTURES:
        raise UsageError(f"--arch {arch}: there are {', '.join(ARCHITECTURES)}.")
    if precision not in ("auto", "bfloat16", "float32"):
        raise UsageError(f"--precision {precision}: choose auto, bfloat16 or float32.")
    if optimizer not in ("adam", "adamw"):
        raise UsageError(f"--optimizer {optimizer}: choose adam or adamw.")
    smallest, largest = _pair(object_size, float, "--object-size")
    if not 0.0 < smallest < largest <= 2.0:
        raise UsageError(f"--object-size {object_size}: shares above 0 and up to 2 are expected.")
    if init is not None and not init.is_file():
        raise InputError(f"There is no checkpoint {init} to begin with.")
    sides = _numbers(short_side, int, "--short-side")
    if len(sides) > 2:
        raise UsageError(f"--short-side {short_side}: one or two sizes are expected, as 160,288.")
    recipe = Recipe(
        arch=arch,
        epochs=epochs,
        batch=batch,
        lr=lr,
        augment=Augment(crop, (sides[0], sides[-1]), flip, stretch, photometric, degrade),
        composites=composites,
        soft_floor=soft_floor,
        fold=fold,
        keep_out=keep_out,
        eval_side=eval_side or sides[-1],
        seed=seed,
        device=device,
        precision=precision,
        threads=threads,
        optimizer=optimizer,
        weight_decay=weight_decay,
        warmup=warmup,
        ema=ema,
        soft_iou=soft_iou,
        rescale=tuple(_numbers(rescale, int, "--rescale")) if rescale else (),
        consistency=consistency,
        gaze_top=gaze_top,
        composition=Composition((smallest, largest), log_size, by_set, quiet_scenes, harmony),
        init_sha256=None if init is None else sha256_of(init),
    )
    datasets = [open_dataset(spec) for spec in data]
    out = out or Path("runs") / arch
    try:
        record = metrics_out or out / "metrics.json"
        run_and_record(recipe, datasets, out, resume, workers, record, init)
    except KeyboardInterrupt:
        typer.echo(
            f"Interrupted. {out / 'checkpoint.pt'} holds every finished epoch; the same command "
            "with --resume goes on from there.",
            err=True,
        )
        raise typer.Exit(130) from None


def export(
    checkpoint: Annotated[Path, typer.Argument(help="checkpoint.pt of a run of fit.")],
    model_id: Annotated[
        str | None, typer.Option("--id", help="saliency_student_ARCH by default.")
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder of the registry.")] = Path("model/tiny"),
    scores: Annotated[
        list[Path] | None,
        typer.Option(help="Result of `evaluate --json` with this model; may be repeated."),
    ] = None,
    metrics: Annotated[
        Path | None,
        typer.Option(help="The run's metrics; metrics.json beside the checkpoint by default."),
    ] = None,
    status: Annotated[str, typer.Option(help="production or superseded.")] = "production",
    default: Annotated[
        bool, typer.Option("--default", help="Make it the default, if its gate is passed.")
    ] = False,
    note: Annotated[
        list[str] | None,
        typer.Option(help="A sentence for the card's part on data; may be repeated."),
    ] = None,
    not_below: Annotated[
        Path | None,
        typer.Option(help="Checkpoint of v1: a v2 below it on the fold fails its gate."),
    ] = None,
) -> None:
    """Write a checkpoint's best epoch as ONNX, with sidecar, card and registry entry.

    Nothing is written where ONNX Runtime differs from PyTorch by more than 1e-5.

    Examples:

        python -m train export runs/v2/checkpoint.pt --out model/tiny --default

        python -m train export runs/v2/checkpoint.pt --scores davis.json --scores kept_out.json
    """
    import json

    from train.checkpoint import load_checkpoint
    from train.export import export_student

    if status not in ("production", "superseded"):
        raise UsageError(f"--status {status}: choose production or superseded.")
    state = load_checkpoint(checkpoint)
    record = metrics or checkpoint.with_name("metrics.json")
    run = None
    if metrics is not None or record.exists():
        try:
            run = json.loads(record.read_text("utf-8"))
        except (OSError, ValueError) as error:
            raise InputError(f"The metrics {record} cannot be read ({error}).") from None
    exported = export_student(
        state,
        out,
        model_id or f"saliency_student_{state.config['arch']}",
        scores or (),
        status,
        default,
        None if not_below is None else load_checkpoint(not_below),
        run,
        note or (),
    )
    for size, value in exported.parity.items():
        typer.echo(f"PyTorch and ONNX Runtime differ by {value:.1e} at {size}.")
    typer.echo(f"{exported.onnx} sha256 {exported.sha256}")
    if exported.gate:
        typer.echo(f"Gate failed: {exported.gate}", err=True)
        if default:
            typer.echo("It is written, but is not the default.", err=True)
            raise typer.Exit(1)


def pseudo_label(
    model: Annotated[
        list[str],
        typer.Option(
            help="ONNX file, registry id, or checkpoint.pt of --arch gaze; several are averaged."
        ),
    ],
    images: Annotated[Path, typer.Option(help="Folder of images.")],
    out: Annotated[Path, typer.Option(help="Gets soft/*.png and labels.json.")],
    scales: Annotated[str, typer.Option(help="Short sides to look at, in pixels.")] = "160,224,288",
    flip: Annotated[bool, typer.Option(help="Look at the mirror image too.")] = True,
    gaze: Annotated[
        Path | None,
        typer.Option(
            help="Folder of fixation maps: keep a label only there, or tell a teacher of them."
        ),
    ] = None,
    gaze_blur: Annotated[float, typer.Option(help="Gaussian, share of the short side.")] = 0.04,
    gaze_ramp: Annotated[
        str, typer.Option(help="Shares of the gaze map's peak: no label below, full above.")
    ] = "0.06,0.18",
    gaze_doubt: Annotated[
        str | None,
        typer.Option(
            help="Shares of the gaze map's peak, as 0.3,0.6: where people looked and the models "
            "see nothing, the label becomes one half, which weighs little."
        ),
    ] = None,
    threads: Annotated[int, typer.Option(min=0, help="CPU threads; 0: one a core.")] = 0,
) -> None:
    """Write soft labels for a folder of images, averaged over models, scales and flips.

    A label that is there already is kept, so a run that broke off goes on where it was.

    Examples:

        python -m train pseudo-label --model teacher.onnx --images photos --out runs/photos

        python -m train fit --arch v2 --data DUTS-TR --data runs/photos=0.5
    """
    from train.output import progress_bar
    from train.pseudo import Gate, pseudo_label

    gate = None
    if gaze is not None:
        low, high = _pair(gaze_ramp, float, "--gaze-ramp")
        doubt = None if gaze_doubt is None else _pair(gaze_doubt, float, "--gaze-doubt")
        gate = Gate(gaze, gaze_blur, low, high, doubt)
    sides = tuple(_numbers(scales, int, "--scales"))
    if min(sides) < 8:
        raise UsageError(f"--scales {scales}: a short side of at least 8 pixels is expected.")
    with progress_bar() as bar:
        count = pseudo_label(model, images, out, sides, flip, gate, threads, bar)
    typer.echo(f"{count} labels in {out / 'soft'}. Train on them with --data {out}")
