"""python -m vmafsal, and the vmafsal command."""

from __future__ import annotations


def main() -> None:
    """Run the command line."""
    from vmafsal.cli.app import app

    app(prog_name="vmafsal")


if __name__ == "__main__":
    main()
