"""Memory of a process with many threads: glibc gives every few of them an arena, and all of them grow."""

from __future__ import annotations

import ctypes
import sys

ARENA_MAX = -8  # of glibc's malloc.h
ARENAS = 2


def share_arenas() -> None:
    """Let all threads to come share few arenas; elsewhere than on glibc nothing is done."""
    if not sys.platform.startswith("linux"):
        return
    tell = getattr(ctypes.CDLL(None), "mallopt", None)
    if tell is not None:
        tell(ARENA_MAX, ARENAS)
