"""A worker beside the server: a process of its own, started again when lost, gone when the server is."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from service.jobs.worker import STALLED_S, work

AGAIN_S = 1.0
END_S = 15.0


@contextmanager
def worker_beside() -> Iterator[None]:
    """A worker on the database of the settings, for the time of the context."""
    keeper = _Keeper()
    try:
        yield
    finally:
        keeper.end()


class _Keeper:
    """Starts the worker, and starts it again when it ends without having been asked to."""

    def __init__(self) -> None:
        self._ending = threading.Event()
        self._process = _start()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def _watch(self) -> None:
        while True:
            self._process.wait()
            if self._ending.wait(AGAIN_S):
                return
            self._process = _start()

    def end(self) -> None:
        """Let it put its run back into the queue and end."""
        self._ending.set()
        self._thread.join(0)
        while self._thread.is_alive():
            process = self._process
            if process.stdin is not None:
                with suppress(OSError):
                    process.stdin.close()
            with suppress(subprocess.TimeoutExpired):
                process.wait(END_S)
            if process.poll() is None:
                process.kill()
            self._thread.join(AGAIN_S)


def _start() -> subprocess.Popen[bytes]:
    home = str(Path(__file__).resolve().parents[2])
    path = os.pathsep.join(filter(None, [home, os.environ.get("PYTHONPATH", "")]))
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "service.jobs.beside"],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        start_new_session=True,  # Ctrl-C is the server's to handle
        env={**os.environ, "PYTHONPATH": path},
    )


def end_with_parent() -> None:
    """Ask this process to end when standard input does."""

    def wait() -> None:
        while os.read(0, 1024):
            pass
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=wait, daemon=True).start()


def main(stalled: float = STALLED_S) -> None:
    """Work on the database of the settings until asked to end."""
    from service.db import database
    from service.settings import Settings
    from service.upkeep.logs import begin_logging

    settings = Settings()
    begin_logging(settings.log_format, settings.log_level)
    with database(settings) as opened:
        asyncio.run(work(opened.app, stalled=stalled))


if __name__ == "__main__":
    end_with_parent()
    main()
