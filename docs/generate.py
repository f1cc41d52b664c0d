"""Writes the parts of the documentation that follow from the program.

`python -m docs.generate` (or `make docs`) fills every place between two markers

    <!-- generated: NAME -->
    <!-- end: NAME -->

in README.md and docs/*.md; `--check` writes nothing and exits with 1 where a part is out of date.
Speeds and last digits differ from machine to machine and do not count as changes.
"""

from __future__ import annotations

import inspect
import os
import re
import shutil
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import Enum
from functools import partial
from pathlib import Path
from typing import Any

from typer.main import get_command

from benchmarks.sizing import newest_reports, size_up
from vmafsal.api import extract
from vmafsal.job import FEATURE_OPTIONS, MODEL_VARIABLE, OPTIONS
from vmafsal.models.contract import OPERATORS
from vmafsal.models.model import load_model
from vmafsal.models.registry import FAMILIES, packaged_registry
from vmafsal.picture.color import MATRICES

__all__ = ["PARTS", "command_tree", "fill", "main", "pages", "same", "training_tree"]

ROOT = Path(__file__).resolve().parent.parent
VMAF_LOG = "fixtures/yuv/expected/synthetic_64x48_yuv420p_8f__vmaf_psnr.json"
JOINED_CLIP = "fixtures/yuv/synthetic_64x48_yuv420p_8f_dist.yuv"
"""A clip of the repository, and what vmaf printed for it."""

_PART = re.compile(
    r"(<!-- generated: (?P<name>[\w-]+) -->\n)(?P<text>.*?)(<!-- end: (?P=name) -->)", re.S
)
_PLACES = {
    "batch": "scaling.md",
    "compose": "weighted-quality.md#vmafsal-compose",
    "join": "logs.md#joining",
    "stats": "logs.md#statistics",
    "worst": "logs.md#worst-frames",
    "report": "logs.md#one-page",
    "map": "maps.md",
    "roi": "roi.md",
    "explore": "explore.md",
    "models": "models.md#commands",
}
"""Where docs/usage.md leads for a command other than its own."""

_RATE = re.compile(r'[\d.]+ fps on \w+|"fps": [\d.]+')
_NUMBER = re.compile(r"\d+\.\d+")
_TOLERANCE = 2e-6
"""Of a printed figure: one in the last of six decimals, on either side."""


def main(args: list[str]) -> int:
    """Fill the pages, or check them.

    Args:
        args: nothing, or ["--check"].
    Returns:
        the exit status: 1 where --check found a part out of date.
    """
    if args not in ([], ["--check"]):
        print("usage: python -m docs.generate [--check]", file=sys.stderr)
        return 2
    stale = []
    for page in pages():
        old = page.read_text(encoding="utf-8")
        new = fill(old)
        if new == old:
            continue
        stale.append(page.relative_to(ROOT))
        if not args:
            page.write_text(new, encoding="utf-8")
    for path in stale:
        print(f"{path} {'is out of date: run `make docs`' if args else 'was written'}.")
    return 1 if stale and args else 0


def pages() -> list[Path]:
    """Every page that a reader may open, README.md first."""
    return [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def fill(page: str) -> str:
    """A page with every generated part as it is now.

    Args:
        page: its text.
    Returns:
        the text; a part with the same content keeps its bytes.
    """

    def renew(match: re.Match[str]) -> str:
        text = PARTS[match["name"]]()
        return match[1] + (match["text"] if same(match["text"], text) else text) + match[4]

    return _PART.sub(renew, page)


def same(old: str, new: str) -> bool:
    """True where two texts differ by speeds, devices and last digits alone."""
    old, new = (_RATE.sub("fps", text) for text in (old, new))
    if _NUMBER.sub("#", old) != _NUMBER.sub("#", new):
        return False
    pairs = zip(_NUMBER.findall(old), _NUMBER.findall(new), strict=True)
    return all(abs(float(one) - float(other)) <= _TOLERANCE for one, other in pairs)


def command_tree() -> dict[str, Any]:
    """Every command of vmafsal by its full name, such as "vmafsal models show"."""
    from vmafsal.cli.app import app

    return dict(_walk(get_command(app), "vmafsal"))


def training_tree() -> dict[str, Any]:
    """Every command of `python -m train` by its full name."""
    from train.__main__ import build_app

    return dict(_walk(get_command(build_app()), "python -m train"))


def _walk(command: Any, name: str) -> Iterator[tuple[str, Any]]:
    """A command and those below it; groups that do nothing by themselves are left out."""
    nested = getattr(command, "commands", {})
    if command.params and (not nested or command.invoke_without_command):
        yield name, command
    for part, child in nested.items():
        # `vmafsal VIDEO` is the command named score.
        yield from _walk(child, name if part == "score" else f"{name} {part}")


def commands() -> str:
    """Every command with its arguments, the first sentence of its help, and the page about it."""
    text = ""
    for name, command in command_tree().items():
        if "models " not in name:
            words, what = _summary(name, command).split(": ", 1)
            place = _PLACES.get(name.split()[-1], "#options")
            text += f"- [{words}]({place}): {what}\n"
    return text


def _summary(name: str, command: Any) -> str:
    """A command with its arguments, and the first sentence of its help."""
    arguments = (param for param in command.params if not param.opts[0].startswith("-"))
    words = [_value(one) if one.required else f"[{_value(one)}]" for one in arguments]
    what = re.split(r"[.:]\s", " ".join(command.help.split()))[0].removesuffix(".")
    return f"`{' '.join([name, *words])}`: {_escape(what)}."


def training_options() -> str:
    """The commands of training, each with its options; what an earlier one has is named alone."""
    text, seen = "", set[str]()
    for name, command in training_tree().items():
        what = command.help.split("\n\n")[0].replace("\n", " ")
        items = options(command).splitlines(keepends=True)
        known = [re.findall(r"`[^`]+`", item)[0] for item in items if item in seen]
        text += f"`{name}`: {_escape(what)}\n\n"
        text += "".join(item for item in items if item not in seen)
        text += f"- As above: {', '.join(known)}.\n\n" if known else "\n"
        seen.update(item for item in items if item.startswith("- "))
    return text


def models_options() -> str:
    """The commands of `vmafsal models`, each with its options."""
    text = ""
    for name, command in command_tree().items():
        if name.startswith("vmafsal models"):
            text += f"{_summary(name, command)}\n\n{options(command)}\n"
    return text


def options(command: Any) -> str:
    """A list of options for each panel of a command's help.

    The options that other commands share with `vmafsal` are described there alone.
    """
    panels: dict[str, list[str]] = {}
    everywhere = {option.help for option in OPTIONS if "score" in option.places}
    shared = () if command.name == "score" else everywhere
    for param in command.params:
        if param.help in shared:
            continue
        is_option = param.opts[0].startswith("-")
        panel = (param.rich_help_panel or "Other") if is_option else ""
        panels.setdefault(panel, []).append(_item(param, is_option))
    if "Other" in panels:
        panels["Other"] = panels.pop("Other")  # the last
    several = sum(bool(panel) for panel in panels) > 1
    text = ""
    for panel, items in panels.items():
        text += f"\n**{panel}**\n\n" if panel and several else ""
        text += "".join(items)
    return text


def _item(param: Any, is_option: bool) -> str:
    """An argument or an option with its value, its default and its help."""
    value = "" if getattr(param, "is_flag", False) else _value(param)
    shown = f"`{value}`"
    if is_option:
        names = [*param.opts, *param.secondary_opts]
        # Long names first, each spelling of them, then the letter.
        spelt = ", ".join(f"`{name}`" for name in sorted(names, key=_letter_last))
        shown = f"{spelt} `{value}`" if value else spelt
    default = "yes" if param.default is True else param.default
    if default is not None and default is not False and default != "":
        shown += f" (`{default}`)"
    return f"- {shown}: {_escape(param.help or '')}\n"


def _letter_last(name: str) -> bool:
    return not name.startswith("--")


def _value(param: Any) -> str:
    """What stands for an option's value: its metavar, its choices, or its kind."""
    if param.metavar:
        return str(param.metavar)
    kind = param.type_descriptor.annotation
    if isinstance(kind, type) and issubclass(kind, Enum):
        return "|".join(choice.value for choice in kind)
    kinds = {int: "N", float: "X", Path: "PATH", list[Path]: "PATH", list[int]: "N"}
    return kinds.get(kind, "TEXT")


def _escape(text: str) -> str:
    """A text as Markdown, on one line."""
    return text.replace("<", "\\<").replace("\n", " ")


def _cell(text: str) -> str:
    """A text in a cell of a table."""
    return _escape(text).replace("|", "\\|")


def feature_options() -> str:
    """What may follow --feature mobilesal=."""
    rows = "".join(
        f"| `{row.name}` | {_cell(f'`{row.value_name}`')} | {_cell(row.help)} |\n"
        for row in FEATURE_OPTIONS
    )
    return f"| key | value | meaning |\n|---|---|---|\n{rows}"


def extract_signature() -> str:
    """The parameters of extract(), without their types."""
    parts = []
    for name, parameter in inspect.signature(extract).parameters.items():
        if parameter.kind is parameter.KEYWORD_ONLY and "*" not in parts:
            parts.append("*")
        default = repr(parameter.default).replace("'", '"')
        parts.append(name if parameter.default is parameter.empty else f"{name}={default}")
    text = textwrap.fill(", ".join(parts), 100, initial_indent=" " * 8, subsequent_indent=" " * 8)
    return f"```\nextract({text.strip()}) -> Run\n```\n"


def operators() -> str:
    """The allowlist, as a paragraph."""
    return ", ".join(f"`{name}`" for name in sorted(OPERATORS)) + ".\n"


def matrices() -> str:
    """The factors of each colour matrix."""
    rows = "".join(
        f"| `{name}` | " + " | ".join(f"{factor:.5f}" for factor in factors) + " |\n"
        for name, factors in MATRICES.items()
    )
    return "| matrix | R from V | G from U | G from V | B from U |\n|---|---|---|---|---|\n" + rows


def models() -> str:
    """The packaged models, one row each, with what their descriptions begin with."""
    registry = packaged_registry()
    text = "| id | family | status | what it is | sees the picture |\n|---|---|---|---|---|\n"
    for entry in sorted(registry.entries, key=lambda one: list(FAMILIES).index(one.family)):
        model = load_model(entry.id)
        policy = model.policy
        sight = (
            f"at {policy.size[1]}x{policy.size[0]}"
            if policy.size
            else f"at short side {policy.short_side}"
            if policy.short_side
            else "at its own size"
        )
        cells = (
            f"[`{entry.id}`](../model/tiny/{Path(entry.onnx).stem}.md)",
            entry.family,
            f"{entry.status}{', the default' if entry.id == registry.default else ''}",
            re.split(r"\.? \(|\.(?: |$)", model.sidecar.description)[0],
            f"{sight}, matrix `{policy.color}`",
        )
        text += "| " + " | ".join(_cell(cell) for cell in cells) + " |\n"
    return text


def students() -> str:
    """How near the packaged students come to their teachers' maps, one row each, set by set."""
    rows: dict[str, dict[str, str]] = {}
    for entry in packaged_registry().entries:
        for row in load_model(entry.id).sidecar.scores:
            if row.get("truth") == "maps":
                figures = [f"{row[key]:.3f}±{row[f'{key}_std']:.3f}" for key in ("cc", "kl", "sim")]
                cells = rows.setdefault(f"`{entry.id}`", {})
                which = f"{row['n']} kept out" if row["kept_out"] else f"all {row['n']}"
                cells[f"{row['data']}, {which}"] = " ".join(figures)
    heads = list(dict.fromkeys(head for cells in rows.values() for head in cells))
    text = f"| student | {' | '.join(heads)} |\n|---|{'---|' * len(heads)}\n"
    for name, cells in rows.items():
        text += f"| {name} | {' | '.join(cells.get(head, '') for head in heads)} |\n"
    return text


def default_model() -> str:
    """Which model runs when none is named, in a sentence."""
    model = load_model()
    warning = (
        " It is a **placeholder** that shows how bright a picture is, not where anybody looks:"
        " good for wiring things up, and for nothing else."
        if model.smoke
        else ""
    )
    return f"The packaged default is `{model.id}`. {model.sidecar.description}{warning}\n"


def demo() -> str:
    """The main command on the demo clip."""
    command = (
        "vmafsal --reference fixtures/yuv/demo_ref.mp4 "
        "--distorted fixtures/yuv/demo_dist.mp4 --output demo.json"
    )
    with _workplace() as place:
        return f"```console\n$ {command}\n{_run(command, place)}```\n"


def join_demo() -> str:
    """A join with a log of vmaf."""
    score = "vmafsal dist.yuv --width 64 --height 48 --quiet --output score.json"
    join = "vmafsal join score.json vmaf.json --output combined.json"
    with _workplace() as place:
        shutil.copy(ROOT / JOINED_CLIP, place / "dist.yuv")
        shutil.copy(ROOT / VMAF_LOG, place / "vmaf.json")
        _run(score, place)
        return f"```console\n$ {score}\n$ {join}\n{_run(join, place)}```\n"


@contextmanager
def _workplace() -> Iterator[Path]:
    """A folder of its own with the repository's clips in it."""
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree(ROOT / "fixtures", Path(folder) / "fixtures")
        yield Path(folder)


def _run(command: str, place: Path) -> str:
    """What a command that begins with vmafsal prints, errors and all."""
    # The figures shown are those of the packaged default.
    inherited = {name: value for name, value in os.environ.items() if name != MODEL_VARIABLE}
    done = subprocess.run(
        [sys.executable, "-m", *command.split()],
        cwd=place,
        env={**inherited, "PYTHONPATH": str(ROOT), "COLUMNS": "100", "PYTHONIOENCODING": "utf-8"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        check=True,
    )
    return done.stdout


PARTS: dict[str, Callable[[], str]] = {
    "commands": commands,
    **{
        f"{'score' if name == 'vmafsal' else name.split()[-1]}-options": partial(options, command)
        for name, command in command_tree().items()
        if not name.startswith("vmafsal models")
    },
    "models-options": models_options,
    "feature-options": feature_options,
    "extract-signature": extract_signature,
    "training-options": training_options,
    "operators": operators,
    "matrices": matrices,
    "models": models,
    "students": students,
    "default-model": default_model,
    "demo": demo,
    "join-demo": join_demo,
    "sizing": lambda: size_up(newest_reports()),
}
"""Name of each generated part, and what writes it."""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
