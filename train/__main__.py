"""`python -m train`: the commands of training, from data to a checked model."""

from __future__ import annotations

import importlib
import sys
from typing import Any

import typer

from vmafsal.errors import VmafsalError

__all__ = ["build_app", "main"]

COMMANDS = {
    "run": "train.commands:run",
    "label": "train.commands:label",
    "fit": "train.commands:fit",
    "export": "train.commands:export",
    "validate": "train.validate:validate",
}
"""Where each command's function is."""

GROUPS = {"prepare": "train.prepare:app", "evaluate": "train.evaluate.command:app"}
"""Where each group's app is."""

EXTRA = ("torch", "PIL", "scipy")
"""Modules that only the extra `train` installs."""


def _find(where: str) -> Any:
    module, _, name = where.partition(":")
    return getattr(importlib.import_module(module), name)


def build_app() -> typer.Typer:
    """The app with every command; torch is imported by the commands that need it, when they run."""
    app = typer.Typer(
        name="train",
        help="Train, export, evaluate and validate saliency students.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode="markdown",
    )
    for name, where in COMMANDS.items():
        app.command(name)(_find(where))
    for name, where in GROUPS.items():
        app.add_typer(_find(where), name=name)
    return app


def main() -> None:
    """Run a command; an error of the user is reported as one sentence and an exit status."""
    try:
        build_app()()
    except VmafsalError as error:
        print(f"train: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    except ModuleNotFoundError as error:
        if error.name not in EXTRA:
            raise
        print(f"train: {error.name} is missing; pip install 'vmafsal[train]'.", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        print("train: interrupted.", file=sys.stderr)
        sys.exit(130)


if __name__ == "__main__":
    main()
