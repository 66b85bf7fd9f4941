"""A worker process of `crew.Workers`: does what comes in on standard input, answers on standard output."""

from __future__ import annotations

import os
import pickle
import signal
from contextlib import suppress
from importlib import metadata

from partition.city.outcome import attempt
from partition.city.wire import receive, send


def answer(message: bytes) -> bytes:
    """Do the task of a message: the pickled task and item in, the pickled outcome out."""
    task, item = pickle.loads(message)  # noqa: S301 - from our own parent, or the Dask client that is ours
    return pickle.dumps(attempt(task, item))


def version() -> str:
    """The version of this package here."""
    return metadata.version("wangge")


def serve() -> None:
    """Answer messages until the parent is gone. Ctrl-C is the parent's to handle."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # nothing that a library prints may come between the messages
    inlet, outlet = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(2, 1)
    import partition.drawing  # noqa: F401 - loaded while the parent still reads its data

    with suppress(BrokenPipeError):
        while (message := receive(inlet)) is not None:
            send(outlet, answer(message))


if __name__ == "__main__":
    serve()
