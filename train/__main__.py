"""`python -m train`: the commands of training, from data to a checked model."""

from __future__ import annotations

import sys

import typer

from vmafsal.errors import VmafsalError

__all__ = ["build_app", "main"]

EXTRA = ("torch", "PIL", "scipy", "jinja2", "matplotlib", "pydantic")
"""Modules that the extra `train` installs."""


def build_app() -> typer.Typer:
    """The app with every command; torch is imported by the commands that need it, when they run."""
    from train import commands, prepare
    from train.evaluate.command import app as evaluate
    from train.validate import validate

    app = typer.Typer(
        name="train",
        help="Train, export, evaluate and validate saliency students.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode="markdown",
    )
    for command in (commands.run, commands.label, commands.fit, commands.export, validate):
        app.command()(command)
    app.add_typer(prepare.app, name="prepare")
    app.add_typer(evaluate, name="evaluate")
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
    except (KeyboardInterrupt, SystemExit) as end:
        if isinstance(end, SystemExit) and end.code != 130:  # typer's for KeyboardInterrupt
            raise
        resumed = "run and fit resume from the last checkpoint, label keeps what is there"
        print(f"train: interrupted; {resumed}.", file=sys.stderr)
        sys.exit(130)


if __name__ == "__main__":
    main()
