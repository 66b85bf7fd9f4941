"""How many exports are made at once: in all, for one client, and for all that nobody knows.

Places are few, and whoever has many addresses could take them all: so the public as a whole gets half.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from service.faults import BusyError, RateError

AT_ONCE = 4
EACH = 2
PUBLIC = 2
PUBLIC_EACH = 1
RETRY_S = 20


class Desk:
    """Lets exports in, and counts them. public, public_each: as at_once and each, for those not logged in."""

    def __init__(
        self,
        at_once: int = AT_ONCE,
        each: int = EACH,
        public: int = PUBLIC,
        public_each: int = PUBLIC_EACH,
    ) -> None:
        self.at_once, self.each, self.public, self.public_each = at_once, each, public, public_each
        self._lock = threading.Lock()
        self._running: Counter[str] = Counter()
        self._public = 0

    @property
    def running(self) -> int:
        """How many exports are under way."""
        return self._running.total()

    @contextmanager
    def place(self, client: str, *, public: bool = False) -> Iterator[None]:
        """A place for one export of the client; public: of one not logged in.

        Raises RateError or BusyError if there is none.
        """
        each = self.public_each if public else self.each
        with self._lock:
            if self._running[client] >= each:
                raise RateError("export-many", RETRY_S, most=each)
            if public and self._public >= self.public:
                raise BusyError("export-public", most=self.public)
            if self._running.total() >= self.at_once:
                raise BusyError("export-busy", most=self.at_once)
            self._running[client] += 1
            self._public += public
        try:
            yield
        finally:
            with self._lock:
                self._running[client] -= 1
                self._public -= public
                if not self._running[client]:
                    del self._running[client]
