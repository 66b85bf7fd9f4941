"""Runs: what their clients see of jobs."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, RowMapping, func, insert, select, text, update

from service import models

ENDED = ("successful", "failed", "dismissed")
_R = models.runs.c


def add_run(
    connection: Connection, division: str, process: str, inputs: Mapping[str, Any], *, requester: str
) -> RowMapping:
    """A run that is accepted."""
    return (
        connection.execute(
            insert(models.runs)
            .values(
                division_code=division,
                key=str(uuid.uuid4()),
                process=process,
                inputs=dict(inputs),
                requester=requester,
            )
            .returning(models.runs)
        )
        .mappings()
        .one()
    )


def note_job(connection: Connection, run: int, job: int) -> None:
    """Remember the queue's job of a run."""
    connection.execute(update(models.runs).where(_R.id == run).values(job_id=job))


def find_run(connection: Connection, key: str, *, lock: bool = False) -> RowMapping | None:
    """The run whose public id is `key`."""
    query = select(models.runs).where(_R.key == key)
    return connection.execute(query.with_for_update() if lock else query).mappings().first()


def get_run(connection: Connection, run: int) -> RowMapping | None:
    """The run of that number."""
    return connection.execute(select(models.runs).where(_R.id == run)).mappings().first()


def select_runs(
    connection: Connection, *, status: str | None, process: str | None, limit: int, offset: int
) -> tuple[list[RowMapping], int]:
    """A page of the runs that the principal sees, newest first, and how many there are."""
    query = select(models.runs)
    if status is not None:
        query = query.where(_R.status == status)
    if process is not None:
        query = query.where(_R.process == process)
    matched = connection.scalar(select(func.count()).select_from(query.subquery())) or 0
    page = query.order_by(_R.id.desc()).limit(limit).offset(offset)
    return list(connection.execute(page).mappings()), int(matched)


def read_queue(connection: Connection) -> RowMapping:
    """The queue as it is: jobs waiting and worked on, how long the oldest has waited, workers that live."""
    return (
        connection.execute(
            text("""
                select count(*) filter (where j.status = 'todo') as waiting,
                    count(*) filter (where j.status = 'doing') as doing,
                    coalesce(extract(
                        epoch from now() - min(r.created_at) filter (where j.status = 'todo')
                    ), 0) as oldest_s,
                    (select count(*) from procrastinate_workers
                     where last_heartbeat > now() - interval '30 seconds') as workers
                from procrastinate_jobs j left join runs r on r.job_id = j.id
                where j.status in ('todo', 'doing')
            """)
        )
        .mappings()
        .one()
    )


# --- what happens to a run; each tells whether it did ---


def start_run(connection: Connection, run: int) -> bool:
    """It is worked on, for the first time or again; not if it has ended."""
    return _change(
        connection,
        run,
        status="running",
        progress=0,
        message="read",
        started_at=func.coalesce(_R.started_at, text("clock_timestamp()")),
    )


def tell_progress(connection: Connection, run: int, progress: int, message: str) -> bool:
    """How far it is; not if it was dismissed."""
    return _change(connection, run, progress=progress, message=message)


def succeed(connection: Connection, run: int, result: Mapping[str, Any]) -> bool:
    """It made what it was to make."""
    return _end(connection, run, "successful", progress=100, message="", result=dict(result))


def fail(connection: Connection, run: int, reason: Mapping[str, Any]) -> bool:
    """It ended without a result. reason: sentences by language."""
    return _end(connection, run, "failed", message="", result={"reason": dict(reason)})


def dismiss(connection: Connection, run: int) -> bool:
    """Nobody wants it any more."""
    return _end(connection, run, "dismissed", message="")


def _end(connection: Connection, run: int, status: str, **values: Any) -> bool:
    return _change(connection, run, status=status, finished_at=text("clock_timestamp()"), **values)


def _change(connection: Connection, run: int, **values: Any) -> bool:
    """A run that has ended stays as it is: a result is kept once."""
    changed = update(models.runs).where(_R.id == run, _R.status.not_in(ENDED)).values(**values)
    return connection.execute(changed).rowcount == 1
