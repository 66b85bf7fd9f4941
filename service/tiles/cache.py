"""Tiles that were made, kept in the memory of this process as long as the data is what they were made of.

A tile is kept with the version of its collection, which the database counts in the transaction that changes
it (DECISIONS 19). Whoever takes one out brings the version that is now; another version finds nothing. So
nothing need be told to the cache when data changes, and several servers need not know of each other.
"""

from __future__ import annotations

import gzip
import hashlib
import threading
from collections import OrderedDict
from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property

BYTES_MOST = 256 * 1024 * 1024
OVERHEAD = 600  # bytes that a key and its entry take besides
PATIENCE_S = 5.0


@dataclass(frozen=True)
class MadeTile:
    """A tile's bytes, of one version of its collection. thinned: some features were left out for its size.

    packed: its bytes by gzip, where somebody asked for them so.
    """

    version: int
    content: bytes
    thinned: bool = False
    packed: bytes = b""

    @property
    def size(self) -> int:
        """Bytes of memory that the tile takes."""
        return len(self.content) + len(self.packed) + OVERHEAD

    @cached_property
    def digest(self) -> bytes:
        """SHA-256 of the bytes, for the tags of those who may not know the version."""
        return hashlib.sha256(self.content).digest()

    def pack(self) -> MadeTile:
        """The tile with its bytes by gzip, at a level that costs less than making the tile."""
        return self if self.packed else replace(self, packed=gzip.compress(self.content, 1, mtime=0))


@dataclass
class _Turn:
    lock: threading.Lock
    waiting: int = 0


class TileCache:
    """The tiles last used, up to a number of bytes."""

    def __init__(self, most: int = BYTES_MOST, *, patience: float = PATIENCE_S) -> None:
        self.most, self.patience = most, patience
        self.held = 0
        self._tiles: OrderedDict[Hashable, MadeTile] = OrderedDict()
        self._turns: dict[Hashable, _Turn] = {}
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._tiles)

    def holds(self, key: Hashable) -> bool:
        """Whether there is a tile of some version: worth asking for the version that is now."""
        return key in self._tiles

    def take(self, key: Hashable, version: int) -> MadeTile | None:
        """The tile, if it is of that very version."""
        with self._lock:
            tile = self._tiles.get(key)
            if tile is None or tile.version != version:
                return None
            self._tiles.move_to_end(key)
            return tile

    @contextmanager
    def turn(self, key: Hashable) -> Iterator[bool]:
        """Whoever makes the tile does so alone; the rest wait, and are told so: it may be there.

        Nobody waits long: a tile that takes too long fails each who makes it, one after the other.
        """
        with self._lock:
            turn = self._turns.setdefault(key, _Turn(threading.Lock()))
            waited = turn.waiting > 0
            turn.waiting += 1
        try:
            mine = turn.lock.acquire(timeout=self.patience)
            try:
                yield waited
            finally:
                if mine:
                    turn.lock.release()
        finally:
            with self._lock:
                turn.waiting -= 1
                if not turn.waiting:
                    del self._turns[key]

    def keep(self, key: Hashable, tile: MadeTile) -> None:
        """Keep the tile, unless a later version is there; those not used for longest make room."""
        if tile.size > self.most:
            return
        with self._lock:
            before = self._tiles.get(key)
            if before is not None:
                if before.version > tile.version:
                    return
                self.held -= before.size
            self._tiles[key] = tile
            self._tiles.move_to_end(key)
            self.held += tile.size
            while self.held > self.most:
                _, gone = self._tiles.popitem(last=False)
                self.held -= gone.size
