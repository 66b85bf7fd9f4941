"""One run in a process of its own: it can be ended at any moment, and leaves no memory behind.

Started by the worker as `python -m service.jobs.runner RUN`; ends by itself when the worker is gone. A run
makes at most one plan: the plan and the run's success are one transaction, and a run that ended never does so
again. While a run is worked on, a lock of the database stands for it, which is gone with the process.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import OperationalError

from partition.errors import InputError, PartitionError
from partition.texts import LANGUAGES
from service import db
from service.operating import OperatingError
from service.store import runs
from service.store.errors import StoreError

if TYPE_CHECKING:
    from partition.tiers.tower import Tiers

SPACE = 0x7768  # the first key of the advisory locks that stand for runs
TOLD_EVERY_S = 0.5
BUSY = 75  # the exit status where another process has the run
# how much of a run each step is, from where to where
SHARES = {
    "read": (0, 5),
    "divide": (5, 85),
    "grids": (85, 87),
    "judge": (87, 96),
    "tiers_above": (96, 97),
    "tiers_below": (97, 98),
    "store": (98, 99),
}

Begin = Callable[[], AbstractContextManager[Connection]]


class Gone(BaseException):  # like KeyboardInterrupt, no error
    """The run was dismissed meanwhile."""


def perform(engine: Engine, run: int) -> int:
    """Work on a run until it has ended; returns the process's exit status."""
    with db.transaction(engine, role="planner", scope=[db.EVERYWHERE]) as connection:
        row = runs.get_run(connection, run)
    if row is None or row["status"] in runs.ENDED:
        return 0
    division = row["division_code"]

    def begin() -> AbstractContextManager[Connection]:
        # who asked was allowed to plan this division; the run may do no more
        return db.transaction(engine, role="planner", scope=[division], principal=row["requester"])

    with _holding(engine, run) as held:
        if not held:
            return BUSY
        with begin() as connection:
            if not runs.start_run(connection, run):
                return 0
        try:
            _work(begin, row, Teller(begin, run))
        except Gone:
            return 0
        except (PartitionError, StoreError, OperatingError) as error:
            with begin() as connection:
                runs.fail(connection, run, reason_of(error))
    return 0


def _work(begin: Begin, row: Any, teller: Teller) -> None:
    from partition.tiers.levels import read_ask
    from partition.wishes.policy import load_profile
    from service.plans.drafts import profile_of
    from service.plans.planning import plan_community, redraw_community
    from service.store.plans import get_plan

    inputs = row["inputs"]

    def keep(connection: Connection, plan: int, tiers: Tiers | None = None) -> None:
        told = {} if tiers is None else {"tiers": tiers.told()}
        if not runs.succeed(connection, row["id"], {"plan": plan, **told}):
            raise Gone

    profile = None
    if "policy" in inputs:
        profile = profile_of(inputs["policy"])
    elif inputs.get("profile"):
        profile = load_profile(inputs["profile"])
    if profile is None:
        with begin() as connection:
            profile = profile_of(get_plan(connection, inputs["base_plan"])["policy"])
    shared = {
        "seed": inputs.get("seed", 0),
        "author": row["requester"],
        "reason": inputs.get("reason", ""),
        "progress": teller,
        "kept": keep,
    }
    if row["process"] == "redraw":
        redraw_community(
            begin,
            row["division_code"],
            profile,
            base=inputs["base_plan"],
            locked=inputs.get("locked", ()),
            most_moved=inputs.get("most_moved"),
            **shared,
        )
    else:
        plan_community(
            begin,
            row["division_code"],
            profile,
            grids=inputs.get("grids"),
            effort=inputs.get("effort"),
            tiers=[ask for entry in inputs.get("tiers", ()) if (ask := read_ask(entry)) is not None],
            **shared,
        )


class Teller:
    """Writes how far the run is, at most twice a second, and notices that it was dismissed."""

    def __init__(self, begin: Begin, run: int) -> None:
        self.begin, self.run, self.told = begin, run, 0.0

    def __call__(self, step: str, share: float) -> None:
        now = time.monotonic()
        if now - self.told < TOLD_EVERY_S:
            return
        self.told = now
        first, last = SHARES.get(step, (0, 99))
        with self.begin() as connection:
            if not runs.tell_progress(
                connection, self.run, int(first + (last - first) * min(max(share, 0.0), 1.0)), step
            ):
                raise Gone


def reason_of(error: Exception) -> dict[str, str]:
    """What went wrong, in each language."""
    if isinstance(error, InputError):
        return {lang: "\n".join(one.text(lang) for one in error.findings) for lang in LANGUAGES}
    if isinstance(error, OperatingError):
        return {lang: error.text(lang) for lang in LANGUAGES}
    return {lang: str(error) for lang in LANGUAGES}


@contextmanager
def _holding(engine: Engine, run: int) -> Iterator[bool]:
    """Whether nobody else works on the run; as long as the context lasts nobody does."""
    values = {"space": SPACE, "run": run % 2**31}
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        yield bool(connection.scalar(text("select pg_try_advisory_lock(:space, :run)"), values))
        with suppress(OperationalError):  # a lost connection holds nothing
            connection.execute(text("select pg_advisory_unlock_all()"))


def end_with_parent() -> None:
    """End this process at once when standard input does: its writer is the worker, and is gone."""

    def wait() -> None:
        while os.read(0, 1024):
            pass
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()


def main() -> int:
    """Work on the run whose number is the argument."""
    from service.settings import Settings
    from service.upkeep.logs import begin_logging

    end_with_parent()
    settings = Settings()
    begin_logging(settings.log_format, settings.log_level)
    with db.database(settings) as opened:
        return perform(opened.app, int(sys.argv[1]))


if __name__ == "__main__":
    sys.exit(main())
