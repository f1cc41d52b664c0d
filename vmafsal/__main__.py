"""python -m vmafsal, and the vmafsal command."""

from __future__ import annotations

import os
import signal
import sys
from typing import Any


def main() -> None:
    """Run the command line."""
    _reserve_descriptors()
    for stream in (sys.stdout, sys.stderr):
        # A terminal that cannot print a file's name still gets the rest of the sentence.
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    # A run that is ended by a scheduler, or by its terminal, removes its temporary files too.
    for name in ("SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)  # Windows has no SIGHUP
        if number is not None and signal.getsignal(number) is signal.SIG_DFL:  # not under nohup
            signal.signal(number, _end)
    from vmafsal.cli.app import app

    app(prog_name="vmafsal")


def _end(number: int, _: Any) -> None:
    raise SystemExit(128 + number)


def _reserve_descriptors() -> None:
    """Give the null device to standard streams that are closed, as cron may start a program.

    The next file that is opened would get the descriptor of the closed stream, and what libraries
    print would go into that file.
    """
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            # Read-only: what is written to a closed standard output fails, as it should.
            null = os.open(os.devnull, os.O_RDONLY if descriptor < 2 else os.O_WRONLY)
            os.set_inheritable(null, True)  # workers of a batch need it as much
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w")  # noqa: SIM115  # for as long as the program lasts


if __name__ == "__main__":
    main()
