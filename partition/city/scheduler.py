"""A crew of many machines: the workers of a Dask scheduler that runs already (the extra `cluster`)."""

from __future__ import annotations

import pickle
import socket
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import CancelledError
from itertools import islice
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

from partition.city.crew import AHEAD
from partition.city.outcome import Failure, Outcome
from partition.city.worker import answer, version
from partition.errors import InputError
from partition.findings import Finding

CONNECT_SECONDS = 10.0
IDLE_SECONDS = 60.0  # without any worker for so long, nobody will come


class Scheduler:
    """Sends items to the workers of a scheduler. The items of a lost worker go to others, as often as the
    scheduler's `allowed-failures` says.

    Every machine needs this package in the same version. Nothing is left on the scheduler when the context
    is left; the workers go on. Raises InputError where the extra is not installed, nobody answers at
    `address`, there is no worker, or the workers have another version.
    """

    threads = 1

    def __init__(self, address: str) -> None:
        try:
            import distributed
        except ModuleNotFoundError:
            raise _fault("scheduler_extra") from None
        self._address = address
        try:
            _knock(address)
            self._client = distributed.Client(address, timeout=CONNECT_SECONDS, set_as_default=False)
        except (OSError, TimeoutError, ValueError) as error:
            raise _fault("scheduler_unreachable", address=address, error=str(error)) from None
        try:
            self._greet()
        except InputError:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of what is not done, and leave."""
        self._client.close()

    def run(self, task: Callable[[Any], Any], items: Iterable[Any]) -> Iterator[tuple[int, Outcome]]:
        """As in `crew.Crew`. Raises InputError where the scheduler or all of its workers are gone."""
        coming = enumerate(items)
        waiting: dict[Any, int] = {}
        try:
            while True:
                ahead = max(AHEAD * self._hands(), 1)
                for number, item in islice(coming, max(ahead - len(waiting), 0)):
                    message = pickle.dumps((task, item))
                    waiting[self._client.submit(answer, message, pure=False)] = number
                if not waiting:
                    return
                for future in sorted(self._done(list(waiting)), key=waiting.__getitem__):
                    yield waiting.pop(future), _outcome(future)
        except CancelledError:
            raise _fault("scheduler_lost", address=self._address) from None

    def _done(self, waiting: list[Any]) -> set[Any]:
        """Those that are done, at least one."""
        from distributed import wait

        while True:
            try:
                with self._client.as_current():
                    ready = wait(waiting, timeout=IDLE_SECONDS, return_when="FIRST_COMPLETED")
            except TimeoutError:
                if not self._hands():
                    raise _fault("scheduler_idle", address=self._address) from None
            else:
                done: set[Any] = ready.done
                return done

    def _hands(self) -> int:
        """Threads of all workers."""
        return sum(self._client.nthreads().values())

    def _greet(self) -> None:
        """There are workers, and they are of our version."""
        if not self._hands():
            raise _fault("scheduler_idle", address=self._address)
        ours = version()
        theirs = self._client.run(version, on_error="return")
        strange = {worker: said for worker, said in theirs.items() if said != ours}
        if strange:
            worker, said = min(strange.items())
            raise _fault("scheduler_version", address=self._address, worker=worker, found=said, ours=ours)


def _knock(address: str) -> None:
    """Raise OSError or ValueError where nobody can be at the address: a client would try again and again."""
    place = urlsplit(address if "://" in address else f"tcp://{address}")
    if not place.hostname or not place.port:
        raise ValueError("tcp://HOST:PORT")
    socket.create_connection((place.hostname, place.port), CONNECT_SECONDS).close()


def _outcome(future: Any) -> Outcome:
    from distributed.scheduler import KilledWorker

    error = future.exception()
    if error is None:
        outcome: Outcome = pickle.loads(future.result())  # noqa: S301 - our own `answer`
        return outcome
    if isinstance(error, CancelledError):
        raise error
    lost = isinstance(error, KilledWorker)
    return Outcome(failure=Failure("KilledWorker" if lost else f"{type(error).__name__}: {error}", lost=lost))


def _fault(code: str, **values: object) -> InputError:
    return InputError([Finding(code, "refused", values=values)])
