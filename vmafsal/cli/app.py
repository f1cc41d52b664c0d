"""The command line's frame: `vmafsal [OPTIONS] VIDEO` scores, `vmafsal COMMAND` does the rest."""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable
from typing import Any, ParamSpec

import typer
from typer.core import TyperGroup

from vmafsal.cli import batch, compose, explore, join, models, report, roi, score, stats, worst
from vmafsal.cli.console import say
from vmafsal.cli.map import map_command
from vmafsal.errors import VmafsalError
from vmafsal.streams import silence
from vmafsal.values import nearest

__all__ = ["app"]

P = ParamSpec("P")

_OWN_OPTIONS = ("--install-completion", "--show-completion")


class DefaultToScore(TyperGroup):
    """Takes a command line that begins with no command's name as one for `score`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put the command's name where it was left out."""
        named = bool(args) and (args[0] in self.commands or args[0].split("=")[0] in _OWN_OPTIONS)
        if args and not named and not ctx.resilient_parsing:
            args = self._mend(args)
        if not named and not (ctx.resilient_parsing and not args):
            args = ["score", *(args or ["--help"])]
        return super().parse_args(ctx, args)

    def _mend(self, args: list[str]) -> list[str]:
        """Catch a mistyped command, which would else be taken for a file, and vmaf's -h."""
        first = args[0]
        if first == "help" and not os.path.exists(first):
            return ["--help"]
        if args == ["-h"]:
            say("-h is the height and wants a number; help is --help.")
            raise typer.Exit(2)
        near = nearest(first, [name for name in self.commands if name != "score"])
        if near and "." not in first and not os.path.exists(first):
            say(f"There is no command {first} and no such file. Did you mean {near}?")
            raise typer.Exit(2)
        return args

    def invoke(self, ctx: Any) -> Any:
        """Run the command. For an unknown option, propose only one that is like it."""
        try:
            return super().invoke(ctx)
        except Exception as error:
            if not hasattr(error, "possibilities"):
                raise
            # Typer's NoSuchOption, which different versions keep in different modules.
            name, command = error.option_name, error.ctx  # type: ignore[attr-defined]
            near = nearest(name, [opt for param in command.command.params for opt in param.opts])
            hint = f"Did you mean {near}? " if near else ""
            say(f"There is no option {name}. {hint}{command.command_path} --help lists them all.")
            raise typer.Exit(2) from None

    def shell_complete(self, ctx: Any, incomplete: str) -> list[Any]:
        """Complete commands, and the options of `score` beside them."""
        score_command = self.commands["score"]
        with score_command.make_context("", [], parent=ctx, resilient_parsing=True) as inner:
            options = score_command.shell_complete(inner, incomplete)
        return [*super().shell_complete(ctx, incomplete), *options]


def sentences(command: Callable[P, None]) -> Callable[P, None]:
    """Print errors that the user can correct, and end with their exit status."""

    @functools.wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            command(*args, **kwargs)
            print(end="", flush=True)  # while what goes wrong can still be said
        except VmafsalError as error:
            say(str(error))
            raise typer.Exit(error.exit_code) from None
        except KeyboardInterrupt:
            say("Interrupted; nothing unfinished was left behind.")
            raise typer.Exit(130) from None
        except BrokenPipeError:
            # The reader of our standard output has seen enough.
            silence(sys.stdout.buffer)
            sys.stderr.close()
            raise typer.Exit(0) from None
        except OSError as error:
            from vmafsal.files import FULL, output_error

            if error.filename is None and error.errno in FULL:  # files are named
                silence(sys.stdout.buffer)
                say(str(output_error("-", error)))
                raise typer.Exit(1) from None
            # The system refused a file in a place that has no sentence of its own for it.
            say(f"{error.filename or 'A file'} cannot be used: {error.strerror or error}.")
            raise typer.Exit(1) from None

    return run


app = typer.Typer(
    cls=DefaultToScore,
    add_completion=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    no_args_is_help=False,
)
app.command("score", cls=score.ScoreCommand, epilog=score.EPILOG)(sentences(score.score))
app.command("batch")(sentences(batch.batch))
app.command("compose")(sentences(compose.compose))
app.command("join")(sentences(join.join))
app.command("stats")(sentences(stats.stats))
app.command("worst")(sentences(worst.worst))
app.command("report")(sentences(report.report))
app.command("map")(sentences(map_command))
app.command("roi")(sentences(roi.roi))
app.command("explore")(sentences(explore.explore))
app.add_typer(models.app(sentences), name="models")
