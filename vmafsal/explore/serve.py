"""Serves the page: what it needs to know, its folder for uploads, and Streamlit's own settings."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from vmafsal.errors import UsageError
from vmafsal.explore.uploads import LIMIT_BYTES
from vmafsal.logs import Log

__all__ = ["Settings", "check_port", "serve", "settings"]


@dataclass(frozen=True, slots=True)
class Settings:
    """What the command line says to the page."""

    folder: str = ""
    """Where uploads go."""
    video: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    """Of the video, as fields of Job."""
    logs: Mapping[str, Log] = field(default_factory=dict)
    """By their names."""


_settings = Settings()


def settings() -> Settings:
    """Those of the page that is served."""
    return _settings


def check_port(host: str, port: int) -> None:
    """Find out whether a page can be served at an address.

    Raises:
        UsageError: if it cannot.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        with socket.socket(family, kind, protocol) as server:
            server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            server.bind(address)
    except OSError as error:
        raise UsageError(
            f"{host}:{port} cannot be listened at: {error.strerror}. Choose another --port or "
            "--host."
        ) from None


def serve(
    host: str, port: int, video: str | None, options: Mapping[str, Any], logs: Mapping[str, Log]
) -> None:
    """Serve the page until the process is interrupted or told to end.

    Args:
        host, port: where to listen.
        video, options, logs: see Settings.
    Raises:
        UsageError: if Streamlit is not installed.
    """
    global _settings
    try:
        from streamlit.web.cli import main
    except ImportError:
        raise UsageError("The page needs Streamlit: pip install 'vmafsal[explore]'") from None
    chosen = {
        "server.address": host,
        "server.port": port,
        "server.headless": True,  # opens no browser, and asks for no e-mail address
        "server.maxUploadSize": LIMIT_BYTES >> 20,
        "server.fileWatcherType": "none",
        "server.enableStaticServing": False,
        "browser.gatherUsageStats": False,
        "client.toolbarMode": "minimal",
        "client.showErrorDetails": "none",
        "client.showErrorLinks": False,
        "runner.magicEnabled": False,
        "logger.hideWelcomeMessage": True,
        "logger.level": "error",
    }
    flags = [f"--{name}={str(value).lower()}" for name, value in chosen.items()]
    page = Path(__file__).with_name("page.py")
    with (
        TemporaryDirectory(prefix="vmafsal-", ignore_cleanup_errors=True) as folder,
        open(os.devnull, "w") as nowhere,
        # Streamlit prints before it stops, and would not stop where nobody reads that any more.
        redirect_stdout(nowhere),
    ):
        _settings = Settings(folder, video, options, logs)
        main(["run", os.fspath(page), *flags], standalone_mode=False)
