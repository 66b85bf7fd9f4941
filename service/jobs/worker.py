"""The worker: takes runs from the queue, one at a time, and gives each a process of its own.

A worker that is killed leaves its job marked as being done. Workers beat every few seconds; one that did not
for `stalled` seconds is taken for lost, and any other worker puts its job back into the queue. Should it live
after all, the run's lock keeps a second process off it.
"""

from __future__ import annotations

import asyncio
import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from partition.texts import LANGUAGES, catalogue
from service import db
from service.jobs.queue import QUEUE, TASK
from service.jobs.runner import BUSY
from service.store import runs

if TYPE_CHECKING:
    from procrastinate import App, JobContext
    from procrastinate.jobs import Job
    from sqlalchemy import Engine

STALLED_S = 20.0
TRIES = 3  # a run whose process is lost more often is given up
AGAIN_S = 2
GRACE_S = 1.0
LOOK_S = 5.0


class LostError(Exception):
    """The process of a run ended without having done it."""


class HeldError(Exception):
    """Another process has the run; if that one is lost, it is done again."""


async def work(engine: Engine, *, stalled: float = STALLED_S, look: float = LOOK_S) -> None:
    """Work until asked to end (Ctrl-C, SIGTERM); a run that is not done by then begins anew elsewhere."""
    app = make_app(engine)
    async with app.open_async():
        rescue = asyncio.create_task(_rescue(app, stalled))
        try:
            await app.run_worker_async(
                queues=[QUEUE],
                name=f"{os.getpid()}",
                fetch_job_polling_interval=look,
                abort_job_polling_interval=look,
                shutdown_graceful_timeout=GRACE_S,
                update_heartbeat_interval=stalled / 4,
                stalled_worker_timeout=stalled,
            )
        finally:
            rescue.cancel()
            with suppress(asyncio.CancelledError):
                await rescue


def make_app(engine: Engine) -> App:
    """procrastinate on the database of `engine`, which is the app's."""
    from procrastinate import App, BaseRetryStrategy, PsycopgConnector, RetryDecision

    class Again(BaseRetryStrategy):
        """A lost process, or a worker that ends, is no reason to give up; being dismissed is."""

        def get_retry_decision(self, *, exception: BaseException, job: Job) -> RetryDecision | None:
            if isinstance(exception, LostError) and job.attempts + 1 >= TRIES:
                return None
            return RetryDecision(retry_in={"seconds": AGAIN_S})

    url = engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
    app = App(connector=PsycopgConnector(conninfo=url, min_size=1, max_size=4))

    @app.task(name=TASK, queue=QUEUE, pass_context=True, retry=Again())
    async def run_job(context: JobContext, run: int) -> None:
        status = await _run_process(run)
        if status == 0:
            return
        if status == BUSY:
            raise HeldError(f"run {run} is held")
        if context.job.attempts + 1 >= TRIES:
            await asyncio.to_thread(_give_up, engine, run)
        raise LostError(f"run {run}: status {status}")

    return app


async def _run_process(run: int) -> int:
    """The exit status of the run's process, which is killed if this is cancelled."""
    home = str(Path(__file__).resolve().parents[2])
    path = os.pathsep.join(filter(None, [home, os.environ.get("PYTHONPATH", "")]))
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-m", "service.jobs.runner", str(run)),
        stdin=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": path},
    )
    try:
        return await process.wait()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


def _give_up(engine: Engine, run: int) -> None:
    texts = catalogue("service")
    with db.transaction(engine, role="planner", scope=[db.EVERYWHERE]) as connection:
        runs.fail(connection, run, {lang: texts.say("job-stopped", lang) for lang in LANGUAGES})


async def _rescue(app: Any, stalled: float) -> None:
    """Put jobs of lost workers back into the queue, again and again."""
    from datetime import UTC, datetime

    from procrastinate.exceptions import ConnectorException

    while True:
        with suppress(ConnectorException):  # the database is away for a moment; the next round will do it
            for job in await app.job_manager.get_stalled_jobs(queue=QUEUE, seconds_since_heartbeat=stalled):
                await app.job_manager.retry_job(job, retry_at=datetime.now(UTC))
        await asyncio.sleep(stalled / 4)
