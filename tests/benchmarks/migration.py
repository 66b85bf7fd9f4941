"""How long the upgrade takes that finds the places of all cases: `python -m tests.benchmarks.migration`.

The benchmark city (`tests.benchmarks.service.ground`) in a private cluster, taken back to the release before
places were written down with their buildings (0005), and migrated again: each case is given its era. By the
clock, and processor seconds of the command and of PostgreSQL.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

from sqlalchemy import text

from service import db
from service.postgres.cluster import Cluster
from tests.benchmarks.service.ground import fill
from tests.benchmarks.service.processes import Meter

BEFORE = "0005"


def main() -> None:
    """Build the city, take it back, migrate it, say what that took."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--communities", type=int, default=250, help="of 800 buildings and 20 grids each")
    parser.add_argument("--cases", type=int, default=1_000_000)
    told = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="wangge-migration-") as folder:
        root = Path(folder)
        root.chmod(0o755)
        with Cluster(root / "state", root / "run").running() as cluster:
            engine = db.open_owner(cluster.url("owner"))
            db.migrate(engine)
            fill(engine, told.communities, told.cases)
            db.downgrade(engine, BEFORE)
            meter = Meter.of(root / "state")
            backend, command, clock = meter.seconds(), time.process_time(), time.perf_counter()
            db.migrate(engine, progress=lambda step, share: sys.stderr.write(f"\r{step} {share:4.0%}"))
            backend = meter.seconds() - backend
            command, clock = time.process_time() - command, time.perf_counter() - clock
            with engine.connect() as connection:
                count = connection.scalar(text("select count(*) from cases where place_era is not null"))
            engine.dispose()
    speed = count / (backend + command)
    sys.stdout.write(
        f"\n{count:,} cases, {told.communities:,} communities: {clock:.0f} s; "
        f"CPU: PostgreSQL {backend:.0f} s, command {command:.0f} s; {speed:,.0f} cases a CPU second\n"
    )


if __name__ == "__main__":
    main()
