"""glibc's malloc, told to keep the threads of this process in few arenas."""

from __future__ import annotations

import os
from functools import cache

__all__ = ["limit_arenas"]

_M_ARENA_MAX = -8
"""glibc, malloc.h."""
_ARENAS = 2


@cache
def limit_arenas() -> None:
    """Let the threads that will be started share two arenas.

    Left alone, glibc makes one for each thread that runs beside others, up to eight a core, and
    what is freed in one is not used in another. Each clip has threads of its own, so that a
    process that scores many would grow from clip to clip as another thread meets a large frame in
    another arena. Where MALLOC_ARENA_MAX is set, that counts; where there is no glibc, nothing
    happens. Call it before there are threads: arenas that are there stay.

    Source: mallopt(3).
    """
    told = "MALLOC_ARENA_MAX" in os.environ or "arena_max" in os.environ.get("GLIBC_TUNABLES", "")
    if told or not _on_glibc():
        return
    import ctypes

    ctypes.CDLL(None).mallopt(_M_ARENA_MAX, _ARENAS)


def _on_glibc() -> bool:
    try:
        return os.confstr("CS_GNU_LIBC_VERSION") is not None
    except (AttributeError, OSError, ValueError):  # Windows, musl, macOS
        return False
