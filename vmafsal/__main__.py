"""python -m vmafsal, and the vmafsal command."""

from __future__ import annotations

import signal
import sys
from typing import Any


def main() -> None:
    """Run the command line."""
    # A terminal that cannot print a file's name still gets the rest of the sentence.
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    # What a scheduler stops leaves as little behind as what a person interrupts.
    signal.signal(signal.SIGTERM, _end)
    from vmafsal.cli.app import app

    app(prog_name="vmafsal")


def _end(number: int, _: Any) -> None:
    raise SystemExit(128 + number)


if __name__ == "__main__":
    main()
