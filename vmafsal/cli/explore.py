"""vmafsal explore [VIDEO|IMAGE]: a page in the browser to look at maps, models and logs."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Annotated, Any

import typer

from vmafsal.cli.console import say
from vmafsal.cli.options import check_unused, takes_options
from vmafsal.errors import UsageError

__all__ = ["explore"]

_OPTIONS = frozenset(
    ["width", "height", "pixel_format", "bitdepth", "framerate", "stream", "device", "threads"]
)
_OF_MODELS = ("device", "threads")
_LOCAL = ("127.0.0.1", "localhost", "::1")

# One line a paragraph, since typer keeps the line breaks that it finds.
_HELP = (
    "Serve a page to look at maps of any model, steps of post-processing, curves and scores.\n\n"
    "Nothing leaves this machine. Uploads lie in a temporary folder that is removed at the end. "
    "Needs vmafsal\\[explore].\n\n"
    "Example: vmafsal explore clip.mp4 --log vmaf.json"
)


@takes_options("score", _OPTIONS)
def explore(
    video: Annotated[
        str | None,
        typer.Argument(
            metavar="VIDEO|IMAGE", help="What to open; without it, upload something on the page."
        ),
    ] = None,
    log: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FILE", help="A log to draw beside the curve of saliency. May be repeated."
        ),
    ] = None,
    host: Annotated[
        str,
        typer.Option(
            metavar="ADDRESS",
            help="Address to listen at. Whoever reaches another than 127.0.0.1 can use the page.",
        ),
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(metavar="N", min=1, max=65535, help="Port.")] = 8501,
    **given: Any,
) -> None:
    if find_spec("streamlit") is None or find_spec("plotly") is None:
        raise UsageError("The page needs Streamlit: pip install 'vmafsal[explore]'")
    from vmafsal.explore.clip import Clip
    from vmafsal.explore.serve import check_port, serve
    from vmafsal.logs.read import read_log
    from vmafsal.process import own_process

    own_process()
    if video is None:
        check_unused({name: given[name] for name in given if name not in _OF_MODELS})
    else:
        Clip(video, given)  # a file that cannot be opened is said here
    logs = {name: read_log(name) for name in log or []}
    check_port(host, port)
    if host not in _LOCAL:
        say(f"Whoever reaches {host}:{port} can use this page and upload files to it.")
    shown = f"[{host}]" if ":" in host else host
    say(f"Open http://{shown}:{port} in a browser; Ctrl-C ends it.")
    serve(host, port, video, given, logs)


explore.__doc__ = _HELP
