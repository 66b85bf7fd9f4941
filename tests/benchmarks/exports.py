"""Downloads of a large layer: `python -m tests.benchmarks.exports` (`--rows 200000`).

Makes a private database with a layer of made-up footprints, serves it in a process of its own, and downloads
the whole layer in each format on loopback. Prints features a second of CPU (server, PostgreSQL and, for
files, the writing process), of the clock, and the most memory that server and writing process held.
"""

from __future__ import annotations

import argparse
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil
from sqlalchemy import text

from service import db
from service.exports.formats import FORMATS
from service.postgres.cluster import Cluster
from service.store.added import Declaration, add_collection

LAYER = "footprints"
SERVER = """
import socket, sys
from service import db
from service.main import create_app
from service.web.serving import make_server
from sqlalchemy import make_url
app = create_app(db.Database(db.open_owner(make_url(sys.argv[1])), db.open_app(make_url(sys.argv[2]))))
make_server(app).run(sockets=[socket.socket(fileno=int(sys.argv[3]))])
"""


@dataclass
class Run:
    """One download: bytes, seconds of the clock and of CPU, megabytes at most of server and writer."""

    size: int
    clock: float
    cpu: float
    server_mb: float
    writer_mb: float


def fill(database: db.Database, rows: int) -> None:
    """A layer of footprints of five points in a lattice, with the columns that buildings have."""
    import geopandas as gpd
    import shapely

    one = gpd.GeoDataFrame(
        {
            "building_id": ["0"],
            "community": ["990101001001"],
            "use": ["residential"],
            "floors": [6.0],
            "households": [18],
            "note": ["号楼"],
        },
        geometry=[shapely.box(117, 31, 117.0001, 31.0001)],
        crs=4326,
    )
    with database.owner.begin() as connection:
        add_collection(connection, one, Declaration(LAYER, "open"))
        table = connection.scalar(text("select table_name from added_collections"))
        connection.execute(
            text(f"""
                insert into {table} (c1, c2, c3, c4, c5, c6, geom)
                select n::text, '990101001001', 'residential', 1 + n % 30, n % 120, n || '号楼',
                       st_setsrid(st_rotate(st_makeenvelope(x, y, x + 1.37e-4, y + 1.13e-4), n, x, y), 4326)
                from (select n, 117 + (n % 1000) * 3.1e-4 as x, 31 + (n / 1000) * 2.7e-4 as y
                      from generate_series(2, :rows) n) g
            """),  # noqa: S608 - the table of the layer above
            {"rows": rows},
        )
        connection.execute(text(f"analyze {table}"))


@contextmanager
def served(owner: str, app: str) -> Iterator[tuple[str, psutil.Process]]:
    """The service in a process of its own."""
    with socket.create_server(("127.0.0.1", 0)) as bound:
        address = f"http://127.0.0.1:{bound.getsockname()[1]}"
        command = [sys.executable, "-c", SERVER, owner, app, str(bound.fileno())]
        process = subprocess.Popen(command, pass_fds=[bound.fileno()])  # noqa: S603
        try:
            while True:
                try:
                    httpx.get(f"{address}/healthz", timeout=60).raise_for_status()
                    break
                except httpx.HTTPError:
                    time.sleep(0.2)
            yield address, psutil.Process(process.pid)
        finally:
            process.terminate()
            process.wait()


def change(database: db.Database) -> None:
    """Let no file that was made before be as good."""
    with database.owner.begin() as connection:
        table = connection.scalar(text("select table_name from added_collections"))
        connection.execute(text(f"update {table} set c4 = c4 + 1 where c1 = '0'"))  # noqa: S608  # of the layer above
    database.owner.dispose()


def spent(server: psutil.Process, postgres: psutil.Process) -> float:
    """CPU seconds of the server, the writers that it started, and PostgreSQL."""
    total = 0.0
    for one in (server, *server.children(recursive=True), postgres, *postgres.children(recursive=True)):
        try:
            times = one.cpu_times()
        except psutil.NoSuchProcess:
            continue
        total += times.user + times.system
    total += postgres.cpu_times().children_user + postgres.cpu_times().children_system
    return total


def peak(process: psutil.Process) -> float:
    """The most megabytes that the process held since `forget`."""
    for line in Path(f"/proc/{process.pid}/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) / 1024
    return 0.0


def forget(process: psutil.Process) -> None:
    """Begin to count the most memory anew."""
    Path(f"/proc/{process.pid}/clear_refs").write_text("5")


def download(
    address: str, query: str, server: psutil.Process, postgres: psutil.Process, out: Path
) -> tuple[Run, int]:
    """Download once into a file; how it went, and how many features there were."""
    for one in (server, *server.children()):
        forget(one)
    before, begun = spent(server, postgres), time.perf_counter()
    size, features = 0, 0
    with (
        httpx.stream("GET", f"{address}/collections/{LAYER}/export?{query}", timeout=600) as answer,
        out.open("wb") as file,
    ):
        answer.raise_for_status()
        features = int(answer.headers["ogc-numbermatched"])
        for part in answer.iter_raw():
            size += file.write(part)
    clock = time.perf_counter() - begun
    writers = [peak(one) for one in server.children()]
    run = Run(size, clock, spent(server, postgres) - before, peak(server), max(writers, default=0.0))
    return run, features


def main() -> int:
    """Measure each format, the best of some runs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--runs", type=int, default=3)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="wangge-exports-") as name:
        root = Path(name)
        root.chmod(0o755)  # root's PostgreSQL is another user
        with Cluster(root / "state", root / "run").running() as cluster:
            cluster.create_database("exports")
            database = db.Database(
                db.open_owner(cluster.url("owner", "exports")), db.open_app(cluster.url("app", "exports"))
            )
            db.migrate(database.owner)
            fill(database, given.rows)
            (pid,) = {
                row.pid for row in database.owner.connect().execute(text("select pg_backend_pid() as pid"))
            }
            postgres = psutil.Process(pid).parent()
            database.owner.dispose()
            database.app.dispose()
            if postgres is None:
                raise RuntimeError("PostgreSQL is gone")
            owner, app = (
                cluster.url(role, "exports").render_as_string(hide_password=False)
                for role in ("owner", "app")
            )
            with served(owner, app) as (address, server):
                download(address, "f=gpkg&bbox=117,31,117.001,31.001", server, postgres, root / "warm")
                idle = server.memory_info().rss / 2**20
                sys.stdout.write(f"{given.rows} footprints; the server alone holds {idle:.0f} MB\n")
                heads = ("format", "MB", "features/s of CPU", "features/s", "server, MB", "writer, MB")
                sys.stdout.write(f"| {' | '.join(heads)} |\n|{'---|' * len(heads)}\n")
                for form in FORMATS.values():
                    best: Run | None = None
                    for _ in range(given.runs):
                        change(database)
                        run, features = download(
                            address, f"f={form.name}", server, postgres, root / f"out{form.suffix}"
                        )
                        if features != given.rows:
                            raise RuntimeError(f"{features} features")
                        best = run if best is None or run.cpu < best.cpu else best
                    if best is None:
                        raise ValueError("no runs")
                    writer = f"{best.writer_mb:.0f}" if not form.streamed else "–"
                    sys.stdout.write(
                        f"| {form.title} | {best.size / 1e6:.1f} | {given.rows / best.cpu:,.0f} "
                        f"| {given.rows / best.clock:,.0f} | {best.server_mb:.0f} | {writer} |\n"
                    )
    return 0


if __name__ == "__main__":
    # PostgreSQL's own tools look for a home
    os.environ.setdefault("HOME", tempfile.gettempdir())
    sys.exit(main())
