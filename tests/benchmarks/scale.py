"""What one unit more costs, and what a nation would ask: `python -m tests.benchmarks.scale`.

Two made-up cities, the second five times the first, in a private cluster: bytes of every kind of row, and CPU
of the same questions in both. Then cases in partitions by division, a replica that streams, and the keys that
tables distributed by division would have to change.
"""

from __future__ import annotations

import argparse
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import psycopg
from sqlalchemy import Engine, text

from service import db
from service.access import PUBLIC, Principal, Role, access
from service.postgres.cluster import DATABASE, Cluster
from service.query.question import read_question
from service.registry import COLLECTIONS
from service.store import items
from tests.benchmarks.service import ground
from tests.benchmarks.service.ground import Ground

TABLES = ("divisions", "grids", "buildings", "cases", "case_steps", "events")
TIMES = 60
PARTS = 16
SAMPLE = 100_000
CENTRE = Principal(Role.CENTRE, ("",), subject="scale")


class Streaming(Cluster):
    """A cluster whose changes another may follow."""

    def _write_settings(self) -> Path:
        conf = super()._write_settings()
        with conf.open("a", encoding="utf-8") as more:
            more.write("wal_level = 'replica'\nmax_wal_senders = '4'\n")
        with (self.home / "hba.conf").open("a", encoding="utf-8") as more:
            more.write("local replication all peer map=wangge\n")
        return conf


def say(line: str) -> None:
    """A line of the report."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


@contextmanager
def city(
    cluster: Cluster, name: str, communities: int, cases: int
) -> Iterator[tuple[Engine, Engine, Ground]]:
    """A city in a database of its own: the owner's engine and the app's."""
    cluster.drop_database(name)
    cluster.create_database(name)
    owner, app = db.open_owner(cluster.url("owner", name)), db.open_app(cluster.url("app", name))
    try:
        db.migrate(owner)
        began = time.perf_counter()
        made = ground.fill(owner, communities, cases)
        say(f"\n{made.grids} grids, {made.buildings} buildings, {made.cases} cases: "
            f"written in {time.perf_counter() - began:.0f} s")  # fmt: skip
        yield owner, app, made
    finally:
        owner.dispose()
        app.dispose()


def sizes(owner: Engine) -> Iterator[str]:
    """Bytes of a row, with its part of the indexes."""
    # counted by the vacuum just before
    query = """select reltuples as rows, pg_total_relation_size(oid) as whole, pg_indexes_size(oid) as indexes
               from pg_class where oid = cast(:name as regclass)"""
    with owner.connect() as connection:
        for table in TABLES:
            rows, whole, indexes = connection.execute(text(query), {"name": table}).one()
            if rows:
                share = f"{indexes / rows:.0f} of them in indexes"
                yield f"{table:12} {rows:9.0f} rows {whole / rows:7.0f} bytes each, {share}"


def questions(app: Engine, made: Ground) -> dict[str, Callable[[], Any]]:
    """The same questions in a city of any size: each is answered from a small part of it."""
    x, y = (made.west + made.east) / 2, (made.south + made.north) / 2
    box = f"{x - 0.002},{y - 0.002},{x + 0.002},{y + 0.002}"

    def page(name: str, who: Principal, **more: str) -> Callable[[], Any]:
        collection = COLLECTIONS[name]
        allowed = access(who, collection)
        assert allowed is not None
        asked = read_question({"bbox": box, "limit": "100", **more}, collection, allowed)
        return lambda: items.select_page(app, who, collection, allowed, asked)

    grids, seen = COLLECTIONS["grids"], access(PUBLIC, COLLECTIONS["grids"])
    assert seen is not None
    return {
        "buildings, page of 100": page("buildings", PUBLIC),
        "cases, page of 100": page("cases", CENTRE),
        "locate a point": lambda: items.select_at(app, PUBLIC, grids, seen, lon=x, lat=y),
    }


def spent(app: Engine, ask: Callable[[], Any]) -> float:
    """Milliseconds of PostgreSQL's CPU a question."""
    for _ in range(10):
        ask()
    with app.connect() as connection:
        pids = [pid for (pid,) in connection.execute(text(
            "select pid from pg_stat_activity where usename = current_user and datname = current_database()"
        ))]  # fmt: skip
    before = sum(map(_cpu, pids))
    for _ in range(TIMES):
        ask()
    return (sum(map(_cpu, pids)) - before) / TIMES / 1e6


def _cpu(pid: int) -> int:
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0])  # nanoseconds


MAKE = f"""
    create table whole (like cases including defaults including indexes);
    create table parted (like cases including defaults, primary key (division_code, id))
        partition by hash (division_code);
    do $$ begin for part in 0 .. {PARTS - 1} loop
        execute 'create table parted_' || part || ' partition of parted for values with (modulus {PARTS},'
            || ' remainder ' || part || ')';
    end loop; end $$;
    create unique index on parted (division_code, case_id);
    create index on parted (division_code, time);
    create index on parted (grid_code, time);
    create index on parted (time);
    create index on parted using gist (geom);
    create index on parted using gist (place)
"""
# the same columns in the same order
COPY = {
    table: f"insert into {table} overriding system value select * from cases order by id limit {SAMPLE}"  # noqa: S608
    for table in ("whole", "parted")
}
KNOWN = "explain (costs off) select * from parted where division_code = '990100001100' and time > now()"


def partitions(owner: Engine) -> Iterator[str]:
    """Cases as they are, and in partitions by division: how fast they are written, what is looked at."""
    with owner.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql(MAKE)
        for table, copy in COPY.items():
            began = time.perf_counter()
            written = connection.exec_driver_sql(copy).rowcount
            yield f"{table:8} {written / (time.perf_counter() - began):8.0f} cases/s written"
        plan = connection.exec_driver_sql(KNOWN).scalars()
        scanned = len({found for line in plan for found in re.findall(r"on (parted_\d+)", line)})
        yield f"one community's cases: {scanned} of {PARTS} partitions are looked at"
        connection.exec_driver_sql("drop table whole, parted")


def obstacles(owner: Engine) -> Iterator[str]:
    """Keys of tables with a division that do not hold it: distribution by it asks that they do."""
    query = """
        select c.conrelid::regclass::text as name, c.contype::text, count(*) as number
        from pg_constraint c join pg_attribute a on a.attrelid = c.conrelid and a.attname = 'division_code'
        where c.contype in ('p', 'u', 'f', 'x') and not a.attnum = any (c.conkey)
          and c.connamespace = 'public'::regnamespace
        group by 1, 2 order by 1, 2
    """
    kinds = {"p": "primary keys", "u": "unique", "f": "foreign keys", "x": "exclusions"}
    with owner.connect() as connection:
        found = connection.execute(text(query)).all()
        for kind, name in kinds.items():
            tables = [f"{row.name}" for row in found if row.contype == kind]
            yield f"{name}: {len(tables)} tables: {', '.join(tables)}"


@contextmanager
def replica(cluster: Cluster, folder: Path) -> Iterator[Cluster]:
    """Another cluster that follows this one."""
    other = Streaming(folder / "replica", folder / "run")
    other.home.mkdir(parents=True)
    cluster.user.own(other.home)
    socket = cluster.status().socket
    done = cluster.user.run(
        [
            *(cluster.programs.path("pg_basebackup"), "-h", socket, "-U", "postgres", "-D", other.data),
            *("-R", "-X", "stream", "--checkpoint=fast"),
        ]
    )
    if done.returncode:
        raise SystemExit(done.stderr.decode())
    with other.running():
        yield other


NOTHING_NEW = """insert into events (division_code, kind, collection)
                 select min(code), 'changed', 'cases' from divisions"""
SEEN = "select pg_last_wal_replay_lsn() >= %s::pg_lsn"


def follow(cluster: Cluster, other: Cluster, made: Ground, name: str) -> Iterator[str]:
    """Whether it tells the same, how far behind it is, and what it refuses."""
    app, behind = db.open_app(cluster.url("app", name)), db.open_app(other.url("app", name))
    try:
        ours, theirs = questions(app, made), questions(behind, made)
        same = sum(ours[one]() == theirs[one]() for one in ours)
        yield f"{same} of {len(ours)} questions are answered by the replica to the same byte"
        lags = []
        with (
            closing(psycopg.connect(**_parameters(cluster, name), autocommit=True)) as first,
            closing(psycopg.connect(**_parameters(other, name), autocommit=True)) as second,
        ):
            for _ in range(50):
                first.execute(NOTHING_NEW)
                [place] = first.execute("select pg_current_wal_insert_lsn()").fetchone()  # type: ignore[misc]
                began = time.perf_counter()
                while second.execute(SEEN, [place]).fetchone() != (True,):
                    time.sleep(0.0005)
                lags.append(1000 * (time.perf_counter() - began))
        lags.sort()
        yield f"a write is seen there after {lags[25]:.1f} ms (median), {lags[-1]:.1f} ms (longest of 50)"
    finally:
        app.dispose()
        behind.dispose()


def _parameters(cluster: Cluster, name: str) -> dict[str, Any]:
    return {"host": str(cluster.status().socket), "user": "postgres", "dbname": name}


def main() -> int:
    """Print all of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--communities", type=int, default=50, help="of the smaller city")
    parser.add_argument("--cases", type=int, default=100_000, help="of the smaller city")
    wanted = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="wangge-scale-"))
    folder.chmod(0o755)
    try:
        with Streaming(folder / "state", folder / "run").running() as cluster:
            for size in (1, 5):
                name = f"{DATABASE}_{size}"
                with city(cluster, name, size * wanted.communities, size * wanted.cases) as (
                    owner,
                    app,
                    made,
                ):
                    for line in sizes(owner):
                        say(line)
                    for what, ask in questions(app, made).items():
                        say(f"{what:24} {spent(app, ask):6.2f} ms of PostgreSQL's CPU")
                    if size == 5:
                        say("")
                        for line in (*partitions(owner), *obstacles(owner)):
                            say(line)
                        with replica(cluster, folder) as other:
                            for line in follow(cluster, other, made, name):
                                say(line)
    finally:
        shutil.rmtree(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
