"""How long each step takes, and how much work it is."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass
class Clock:
    """Seconds by step: as they pass, and of processors (which do not grow when the machine is busy)."""

    seconds: dict[str, float] = field(default_factory=dict)
    cpu: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        start, work = time.perf_counter(), time.process_time()
        try:
            yield
        finally:
            self._note(name, time.perf_counter() - start, time.process_time() - work)

    def add(self, other: Clock) -> None:
        """Add what another clock measured, be it in another process."""
        for name, seconds in other.seconds.items():
            self._note(name, seconds, other.cpu[name])

    def _note(self, name: str, seconds: float, cpu: float) -> None:
        self.seconds[name] = self.seconds.get(name, 0.0) + seconds
        self.cpu[name] = self.cpu.get(name, 0.0) + cpu
