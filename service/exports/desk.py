"""How many exports are made at once: in all, and for one client."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from service.faults import BusyError, RateError

AT_ONCE = 4
EACH = 2
RETRY_S = 20


class Desk:
    """Lets exports in, and counts them."""

    def __init__(self, at_once: int = AT_ONCE, each: int = EACH) -> None:
        self.at_once, self.each = at_once, each
        self._lock = threading.Lock()
        self._running: Counter[str] = Counter()

    @property
    def running(self) -> int:
        """How many exports are under way."""
        return self._running.total()

    @contextmanager
    def place(self, client: str) -> Iterator[None]:
        """A place for one export of the client. Raises RateError or BusyError if there is none."""
        with self._lock:
            if self._running[client] >= self.each:
                raise RateError("export-many", RETRY_S, most=self.each)
            if self._running.total() >= self.at_once:
                raise BusyError("export-busy", most=self.at_once)
            self._running[client] += 1
        try:
            yield
        finally:
            with self._lock:
                self._running[client] -= 1
                if not self._running[client]:
                    del self._running[client]
