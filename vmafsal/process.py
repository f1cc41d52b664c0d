"""Settings of a process that is ours alone: the command line's, or a batch worker's.

extract() changes nothing of the process that calls it.
"""

from __future__ import annotations

import os
from functools import cache

__all__ = ["limit_arenas", "own_process"]

_M_ARENA_MAX = -8
"""glibc, malloc.h."""
_ARENAS = 2


def own_process() -> None:
    """Set up a process that will score. Call it before there are threads.

    Malloc's arenas are limited, and ONNX Runtime's logger is silenced.
    """
    from vmafsal.infer.runtime import silence_runtime

    limit_arenas()
    silence_runtime()


@cache
def limit_arenas() -> None:
    """Let the threads that will be started share two arenas of glibc's malloc.

    By default, glibc makes an arena for each thread that runs beside others, up to eight a core,
    and what is freed in one is not used in another. Each clip has threads of its own, so that a
    process that scores many would grow from clip to clip. Where MALLOC_ARENA_MAX is set, that
    counts; where there is no glibc, nothing happens. Arenas that exist already stay.

    Source: mallopt(3).
    """
    chosen = "MALLOC_ARENA_MAX" in os.environ or "arena_max" in os.environ.get("GLIBC_TUNABLES", "")
    if chosen or not _on_glibc():
        return
    import ctypes

    ctypes.CDLL(None).mallopt(_M_ARENA_MAX, _ARENAS)


def _on_glibc() -> bool:
    try:
        return os.confstr("CS_GNU_LIBC_VERSION") is not None
    except (AttributeError, OSError, ValueError):  # Windows, musl, macOS
        return False
