"""Who does the work on the communities of a city: this process, or several worker processes of this machine.

(`partition.city.scheduler` has a third crew: the workers of a Dask scheduler.)
"""

from __future__ import annotations

import os
import pickle
import queue
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import suppress
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

from partition.city.outcome import Outcome, attempt
from partition.city.wire import receive, send

TRIES = 2  # a community whose worker was lost is tried again once
AHEAD = 2  # communities cut out in advance for each worker


class Crew(Protocol):
    """Does one task on many items.

    Tasks are functions of a module (or partials of one), so that another process finds them by name.
    """

    threads: int  # which one task may use for itself

    def run(self, task: Callable[[Any], Any], items: Iterable[Any]) -> Iterator[tuple[int, Outcome]]:
        """Do the task on each item. Yields position and outcome as they are done, in any order."""
        ...


class Alone:
    """One item after the other, in this process.

    threads: that a task may use. fence: whether what breaks one item leaves the others alone; without, it
    goes through to the caller.
    """

    def __init__(self, threads: int = 1, *, fence: bool = True) -> None:
        self.threads = threads
        self.fence = fence

    def run(self, task: Callable[[Any], Any], items: Iterable[Any]) -> Iterator[tuple[int, Outcome]]:
        """As in `Crew`."""
        for number, item in enumerate(items):
            yield number, attempt(task, item) if self.fence else Outcome(task(item))


class Workers:
    """Several worker processes, each of them with one item at a time.

    They begin to load their modules at once, so that it pays to make the crew before the data is read. A
    worker that is lost (killed for want of memory, say) is replaced, and its item done again, TRIES times in
    all. Leaving the context ends them; they also end by themselves when this process is gone.
    """

    threads = 1

    def __init__(self, count: int) -> None:
        self._hands = [_Hand() for _ in range(count)]
        self._free: queue.SimpleQueue[_Hand] = queue.SimpleQueue()
        for hand in self._hands:
            self._free.put(hand)
        self._threads = ThreadPoolExecutor(count)

    def __len__(self) -> int:
        return len(self._hands)

    @property
    def pids(self) -> list[int]:
        """The process numbers of the workers."""
        return [hand.pid for hand in self._hands]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End all workers, whatever they are doing."""
        for hand in self._hands:
            hand.end()
        self._threads.shutdown(wait=True, cancel_futures=True)

    def run(self, task: Callable[[Any], Any], items: Iterable[Any]) -> Iterator[tuple[int, Outcome]]:
        """As in `Crew`."""
        coming = enumerate(items)
        waiting: dict[Future[bytes | int], int] = {}
        while True:
            for number, item in islice(coming, AHEAD * len(self) - len(waiting)):
                waiting[self._threads.submit(self._do, pickle.dumps((task, item)))] = number
            if not waiting:
                return
            done, _ = wait(waiting, return_when=FIRST_COMPLETED)
            for future in sorted(done, key=waiting.__getitem__):
                answer = future.result()
                outcome = Outcome.lost(answer) if isinstance(answer, int) else pickle.loads(answer)  # noqa: S301
                yield waiting.pop(future), outcome

    def _do(self, message: bytes) -> bytes | int:
        """The answer to a message; the status of the worker where it was lost each time."""
        hand = self._free.get()
        try:
            for _ in range(TRIES):
                answer = hand.ask(message)
                if answer is not None:
                    return answer
            return hand.status
        finally:
            self._free.put(hand)


class _Hand:
    """One worker process, and its replacement when it is lost."""

    def __init__(self) -> None:
        self.status = 0
        self._ended = False
        self._lock = threading.Lock()
        self._process = _start()

    @property
    def pid(self) -> int:
        return self._process.pid

    def ask(self, message: bytes) -> bytes | None:
        """The answer to a message, None where the worker was lost (then another one is started)."""
        process = self._process
        assert process.stdin is not None  # noqa: S101 - a pipe
        assert process.stdout is not None  # noqa: S101 - a pipe
        answer = None
        with suppress(OSError, ValueError):  # the pipe broke, or was closed by `end`
            send(process.stdin, message)
            answer = receive(process.stdout)
        if answer is None:
            with self._lock:
                process.kill()
                self.status = process.wait()
                if not self._ended:
                    _close(process)
                    self._process = _start()
        return answer

    def end(self) -> None:
        """Kill the process; it is not started again."""
        with self._lock:
            self._ended = True
            self._process.kill()
            self._process.wait()
            _close(self._process)


def _close(process: subprocess.Popen[bytes]) -> None:
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            with suppress(OSError):  # unsent bytes to a process that is gone
                pipe.close()


def _start() -> subprocess.Popen[bytes]:
    """A process of its own that runs `partition.city.worker`: no fork of this one, whose threads and open
    files would go along; and no second import of the caller's main module.
    """
    one = {f"{library}_NUM_THREADS": "1" for library in ("OMP", "OPENBLAS", "MKL", "NUMBA")}
    home = str(Path(__file__).resolve().parents[2])
    path = os.pathsep.join(filter(None, [home, os.environ.get("PYTHONPATH", "")]))
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "partition.city.worker"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, **one, "PYTHONPATH": path},
        bufsize=-1,
    )
