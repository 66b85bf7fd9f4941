"""Files that were made, kept a while for those who fetch them in parts or go on after a broken connection.

They are open and unlinked, so nobody finds them on the disk, and they are gone with this process. A file that
is not here is made again: the same rows make the same bytes, so a part of the one goes on with the other.
"""

from __future__ import annotations

import os
import threading
import time
from collections import OrderedDict
from pathlib import Path

KEPT_S = 900.0
BYTES_MOST = 1 << 30
FILES_MOST = 16


class KeptFile:
    """A file's bytes, for any number of readers at once. told: who is on record for having it."""

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_RDONLY)
        self.size = os.fstat(self._descriptor).st_size
        self.told: set[str] = set()
        self.used = time.monotonic()
        self._readers = 1
        self._lock = threading.Lock()

    def read(self, place: int, size: int) -> bytes:
        """So many bytes from there on, fewer at the end."""
        return os.pread(self._descriptor, size, place)

    def hold(self) -> KeptFile:
        """One reader more, who lets go in the end."""
        with self._lock:
            self._readers += 1
            self.used = time.monotonic()
        return self

    def let_go(self) -> None:
        """One reader fewer; the last one gives the disk back."""
        with self._lock:
            self._readers -= 1
            self.used = time.monotonic()
            if not self._readers:
                os.close(self._descriptor)


class Shelf:
    """The files used last. most: bytes of them all; seconds: after their last use they go."""

    def __init__(self, most: int = BYTES_MOST, *, files: int = FILES_MOST, seconds: float = KEPT_S) -> None:
        self._most, self._files, self._seconds = most, files, seconds
        self._kept: OrderedDict[str, KeptFile] = OrderedDict()
        self._lock = threading.Lock()
        self._timer: threading.Timer | None = None

    def __len__(self) -> int:
        return len(self._kept)

    def take(self, name: str) -> KeptFile | None:
        """The file of that name, held for the caller."""
        with self._lock:
            found = self._kept.get(name)
            if found is None:
                return None
            self._kept.move_to_end(name)
            return found.hold()

    def put(self, name: str, file: KeptFile) -> None:
        """Keep the file, which the caller holds on to; those not used for longest make room."""
        if file.size > self._most:
            return
        with self._lock:
            self._drop(name)
            self._kept[name] = file.hold()
            while len(self._kept) > self._files or sum(one.size for one in self._kept.values()) > self._most:
                self._drop(next(iter(self._kept)))
            self._wait()

    def clear(self) -> bool:
        """Give the disk back, as far as nobody reads; whether there was anything to give."""
        with self._lock:
            had = bool(self._kept)
            for name in list(self._kept):
                self._drop(name)
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None
            return had

    def expire(self) -> None:
        """Let go of what nobody used for long."""
        with self._lock:
            self._timer = None
            now = time.monotonic()
            for name, one in list(self._kept.items()):
                if now - one.used >= self._seconds:
                    self._drop(name)
            if self._kept:
                self._wait()

    def _wait(self) -> None:
        if self._timer is None:
            self._timer = threading.Timer(self._seconds, self.expire)
            self._timer.daemon = True
            self._timer.start()

    def _drop(self, name: str) -> None:
        gone = self._kept.pop(name, None)
        if gone is not None:
            gone.let_go()
