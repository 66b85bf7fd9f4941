"""The queue: procrastinate's, whose jobs hold nothing but the number of a run."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from sqlalchemy import Connection, text

from service.store.merge import driver_of

if TYPE_CHECKING:
    from procrastinate import App

QUEUE = "runs"
TASK = "service.jobs.run"


@lru_cache(maxsize=1)
def _app() -> App:
    # never opened: whoever puts a job in the queue does so within his own transaction
    from procrastinate import App, SyncPsycopgConnector

    return App(connector=SyncPsycopgConnector())


def enqueue(connection: Connection, run: int, division: str) -> int:
    """Put a run in the queue, in the caller's transaction; returns the job's number. Runs of one division
    follow one another.
    """
    deferrer = _app().configure_task(
        TASK, queue=QUEUE, lock=f"division {division}", connection=driver_of(connection)
    )
    return int(deferrer.defer(run=run))


def withdraw(connection: Connection, job: int) -> None:
    """Take a job out of the queue, and let the worker that has it stop."""
    connection.execute(text("select procrastinate_cancel_job_v1(:job, true, false)"), {"job": job})
