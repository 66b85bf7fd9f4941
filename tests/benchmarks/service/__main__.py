"""The service beside tipg and the bare SQL: `python -m tests.benchmarks.service` (needs the extra `bench`).

Builds a city in a private cluster in a temporary folder (by default 200,000 buildings, 5,000 grids and
1,000,000 cases), starts our server and tipg on the same tables, one process each, and prints a table in
Markdown: processor time of one request, of the server and PostgreSQL together, medians of rounds in which all
take turns. Nobody has parallel workers. What writes comes last, by the clock.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psycopg
from sqlalchemy import URL

from service import db
from service.access import Principal, Role
from service.identity.accounts import make_key
from service.postgres.cluster import Cluster
from service.store.accounts import add_key
from service.tiles.matrices import Tile
from tests.benchmarks.pages import table
from tests.benchmarks.service import bulk
from tests.benchmarks.service.contest import Contestant, Spent, conditional, measure, request, statement
from tests.benchmarks.service.ground import COLUMNS, GRID_M, ROWS, Ground, across, code_of, fill, to_degrees
from tests.benchmarks.service.processes import Meter, Server, ask, ours, tipg

DATABASE = "speed"
SCHEMA = "plain"
# what the public sees of a building, as ours answers it
COLUMNS_SEEN = "t.building_id, t.division_code as community, t.use, t.grid_code as grid"
KEY = "t.division_code || ':' || t.building_id || case when t.part > 0 then '~' || t.part::text else '' end"
ENVELOPE = "st_makeenvelope(%(w)s, %(s)s, %(e)s, %(n)s, 4326)"
PAGE = f"""
    select string_agg(st_asgeojson(x, 'geom', 15), ',') from (
        select t.geom, {KEY} as id, {COLUMNS_SEEN} from buildings t
        where st_intersects(t.geom, {ENVELOPE}) order by t.id limit %(limit)s
    ) x
"""  # noqa: S608  # no value is in it
ITEM = f"""
    select st_asgeojson(x, 'geom', 15) from (
        select t.geom, {KEY} as id, {COLUMNS_SEEN} from buildings t
        where t.division_code = %(division)s and t.building_id = %(building)s and t.part = 0
    ) x
"""  # noqa: S608
TILE = f"""
    select st_asmvt(m, 'buildings', 4096, 'drawn', 'row') from (
        select st_asmvtgeom(st_transform(t.geom, 3857), st_tileenvelope(%(z)s, %(x)s, %(y)s), 4096, 64, true)
               as drawn, {KEY} as id, {COLUMNS_SEEN}, t.id as row
        from buildings t where t.geom && {ENVELOPE}
    ) m
"""  # noqa: S608

Row = tuple[str, str, str, str]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--communities", type=int, default=250, help="of 800 buildings and 20 grids each")
    parser.add_argument("--cases", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", choices=["reads", "writes"])
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="keep the city there, and use it again")
    wanted = parser.parse_args()
    with _folder(wanted.keep) as folder, Cluster(folder / "state", folder / "run").running() as cluster:
        known = folder / "ground.json"
        if known.exists():
            ground = Ground(**json.loads(known.read_text()))
        else:
            cluster.drop_database(DATABASE)
            cluster.create_database(DATABASE)
            engine = db.open_owner(cluster.url("owner", DATABASE))
            db.migrate(engine)
            ground = fill(engine, wanted.communities, wanted.cases)
            engine.dispose()
            known.write_text(json.dumps(vars(ground)))
        about = (
            f"{ground.buildings:,} buildings, {ground.grids:,} grids, {ground.cases:,} cases; "
            f"{os.cpu_count()} cores, Python {platform.python_version()}, tipg {version('tipg')}, "
            f"{datetime.now(UTC):%Y-%m-%d}"
        )
        head = table(("", "ms a request (server + PostgreSQL)", "goal", "reached"), [])
        sys.stdout.write(f"{about}\n\n{head}\n")
        for row in _rows(cluster, folder, ground, wanted.rounds, wanted.only):
            sys.stdout.write("| " + " | ".join(row) + " |\n")
            sys.stdout.flush()


@contextmanager
def _folder(kept: Path | None) -> Iterator[Path]:
    if kept is not None:
        kept.mkdir(mode=0o755, parents=True, exist_ok=True)
        yield kept
        return
    made = Path(tempfile.mkdtemp(prefix="wangge-speed-"))
    made.chmod(0o755)  # root's PostgreSQL is another user
    try:
        yield made
    finally:
        shutil.rmtree(made)


def _rows(cluster: Cluster, folder: Path, ground: Ground, rounds: int, only: str | None) -> Iterator[Row]:
    owner, app = cluster.url("owner", DATABASE), cluster.url("app", DATABASE)
    meter = Meter.of(folder / "state")
    with _bare(owner) as bare:
        _prepare(bare)
        keys = _keys(owner)
        if only != "writes":
            with ours("wangge", app, owner) as wangge, tipg(owner, SCHEMA, "id") as peer:
                yield from _reads(ground, wangge, peer, bare, meter, rounds)
                yield from _layer(wangge, ground)
            with ours("wangge", app, owner) as wangge, ours("without policies", owner, owner) as open_:
                yield from _rules(ground, wangge, open_, keys, meter, rounds)
        if only != "reads":
            with ours("wangge", app, owner) as wangge:
                yield from bulk.posts(wangge, meter, keys[Role.CENTRE], ground)
            yield from bulk.imported(app, owner, folder, ground)


@contextmanager
def _bare(owner: URL) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(
        host=str(owner.query["host"]),
        port=int(str(owner.query["port"])),
        user=owner.username,
        dbname=owner.database,
        autocommit=True,
        options="-c jit=off -c plan_cache_mode=force_custom_plan",
    ) as connection:
        yield connection


def _prepare(bare: psycopg.Connection[Any]) -> None:
    """The plain views for tipg; and nothing else is to be at work meanwhile."""
    bare.execute(f"create schema if not exists {SCHEMA}")
    view = f"select t.id, {COLUMNS_SEEN}, t.geom from public.buildings t"  # noqa: S608
    bare.execute(f"create or replace view {SCHEMA}.buildings as {view}")  # type: ignore[arg-type]
    # processor time of parallel workers would go with them; ours uses none
    name = bare.info.dbname
    bare.execute(f'alter database "{name}" set max_parallel_workers_per_gather = 0')  # type: ignore[arg-type]
    bare.execute("set max_parallel_workers_per_gather = 0")
    for name in ("buildings", "grids", "cases"):
        bare.execute(f"alter table {name} set (autovacuum_enabled = false)")  # type: ignore[arg-type]


def _keys(owner: URL) -> dict[Role, dict[str, str]]:
    """Headers of one who may come in, by role."""
    engine = db.open_owner(owner)
    found = {}
    with engine.begin() as connection:
        for role in (Role.PLANNER, Role.ADMIN, Role.CENTRE):
            secret, hint = make_key()
            scope = (code_of(0)[:6],) if role is Role.PLANNER else ("",)
            add_key(
                connection,
                secret,
                Principal(role, scope, subject="bench"),
                hint=hint,
                name="bench",
                issued_by="bench",
                expires_at=datetime.now(UTC) + timedelta(days=1),
            )
            found[role] = {"Authorization": f"Bearer {secret}"}
    engine.dispose()
    return found


# --- questions ---


def _boxes(ground: Ground, east: int, north: int) -> list[tuple[float, float, float, float]]:
    """Boxes of so many whole grids, in turn over the city, a hand's breadth inside."""
    wide = across(ground.communities) * COLUMNS
    high = ground.communities // across(ground.communities) * ROWS
    found = []
    for turn in range(12):
        x = (turn * 7) % max(1, wide - east)
        y = (turn * 3) % max(1, high - north)
        corners = to_degrees(
            [(x * GRID_M + 1, y * GRID_M + 1), ((x + east) * GRID_M - 1, (y + north) * GRID_M - 1)]
        )
        (west, south), (right, top) = corners
        found.append((round(west, 7), round(south, 7), round(right, 7), round(top, 7)))
    return found


def _named(boxes: list[tuple[float, float, float, float]], **more: object) -> list[dict[str, object]]:
    return [{**dict(zip("wsen", box, strict=True)), **more} for box in boxes]


def _tiles(ground: Ground) -> list[Tile]:
    """Tiles of level 14 in the middle of the city."""
    from morecantile import tms

    middle = tms.get("WebMercatorQuad").tile(
        (ground.west + ground.east) / 2, (ground.south + ground.north) / 2, 14
    )
    return [Tile(14, middle.x + dx, middle.y + dy) for dx in (-2, -1, 0, 1) for dy in (-1, 0)]


def _reads(
    ground: Ground,
    wangge: Server,
    peer: Server,
    bare: psycopg.Connection[Any],
    meter: Meter,
    rounds: int,
) -> Iterator[Row]:
    for limit, boxes, times in ((1000, _boxes(ground, 5, 5), 60), (10_000, _boxes(ground, 25, 10), 8)):
        paths = [f"items?bbox={','.join(map(str, box))}&limit={limit}" for box in boxes]
        who = (
            Contestant(
                "ours", request(wangge, [f"/collections/buildings/{p}" for p in paths]), times, wangge
            ),
            Contestant(
                "tipg",
                request(peer, [f"/collections/{SCHEMA}.buildings/{p}&f=geojson" for p in paths]),
                max(2, times // 8),
                peer,
            ),
            Contestant("bare", statement(bare, PAGE, _named(boxes, limit=limit)), times),
        )
        found = measure(who, meter, rounds)
        goal = {1000: "10 × less", 10_000: "20 × less"}[limit]
        yield _against(f"{limit:,} features by bbox: ours, tipg", found, "ours", "tipg", goal)
        yield _of(f"{limit:,} features by bbox: ours, bare SQL", found, "ours", "bare", "≤ 1.25 ×")
    numbers = range(0, ground.buildings, ground.buildings // 400)
    each = ground.buildings // ground.communities
    homes = [{"division": code_of(n // each), "building": f"B{n:06d}"} for n in numbers]
    first = bare.execute("select min(id) from buildings").fetchone()
    who = (
        Contestant(
            "ours",
            request(wangge, [f"/collections/buildings/items/{h['division']}:{h['building']}" for h in homes]),
            400,
            wangge,
        ),
        Contestant(
            "tipg",
            request(peer, [f"/collections/{SCHEMA}.buildings/items/{first[0] + n}" for n in numbers]),  # type: ignore[index]
            400,
            peer,
        ),
        Contestant("bare", statement(bare, ITEM, homes), 400),
    )
    found = measure(who, meter, rounds)
    yield _against("one feature: ours, tipg", found, "ours", "tipg", "5 × less")
    path = "/collections/buildings/items?limit=1000"
    deep = 0.75 * ground.buildings
    connection = wangge.connect()
    page = json.loads(ask(connection, f"{path}&offset={int(deep) - 1000}", {})[1])
    following = next(link["href"] for link in page["links"] if link["rel"] == "next")
    following = following[following.index("/collections") :]
    there = f"/collections/{SCHEMA}.buildings/items?limit=1000&f=geojson&offset={int(deep)}"
    who = (
        Contestant("first", request(wangge, [path]), 40, wangge),
        Contestant("deep", request(wangge, [following]), 40, wangge),
        Contestant("tipg", request(peer, [there]), 3, peer),
    )
    found = measure(who, meter, rounds)
    yield _of(f"page at {int(deep):,} by next, page 1", found, "deep", "first", "≤ 1.2 ×")
    yield _against(f"page at {int(deep):,}: ours by next, tipg by offset", found, "deep", "tipg", "–")
    yield from _of_tiles(ground, wangge, peer, bare, meter, rounds)


def _of_tiles(
    ground: Ground,
    wangge: Server,
    peer: Server,
    bare: psycopg.Connection[Any],
    meter: Meter,
    rounds: int,
) -> Iterator[Row]:
    tiles = _tiles(ground)
    paths = [
        f"/collections/buildings/tiles/WebMercatorQuad/{tile.level}/{tile.row}/{tile.column}"
        for tile in tiles
    ]
    theirs = [
        f"/collections/{SCHEMA}.buildings/tiles/WebMercatorQuad/{tile.level}/{tile.column}/{tile.row}"
        for tile in tiles
    ]
    values = [
        {
            **dict(zip("wsen", tile.bounds(64 / 4096), strict=True)),
            "z": tile.level,
            "x": tile.column,
            "y": tile.row,
        }
        for tile in tiles
    ]

    def change() -> None:
        bare.execute("update buildings set use = use where false")  # the version counts statements

    def know() -> None:
        once = request(wangge, paths)
        for _ in paths:
            once()

    know()
    who = (
        Contestant("uncached", request(wangge, paths), len(paths), wangge, change),
        Contestant("bare", statement(bare, TILE, values), len(paths)),
        Contestant("tipg", request(peer, theirs), len(paths), peer),
        Contestant("cached", request(wangge, paths), 200, wangge, know),
        Contestant("304", conditional(wangge, paths), 200, wangge, know),
    )
    # the tags are of now: nothing may change once they are taken
    known = who[-1]
    found = measure(who[:-1], meter, rounds)
    know()
    again = Contestant("304", conditional(wangge, paths), known.times, wangge)
    found |= measure([again], meter, rounds)
    yield _of("tile z14, uncached: ours, bare SQL", found, "uncached", "bare", "≤ 1.15 ×")
    yield _against("tile z14, uncached: ours, tipg", found, "uncached", "tipg", "–")
    yield _against("tile z14: cached, uncached", found, "cached", "uncached", "20 × less")
    yield _against("tile z14: 304, uncached", found, "304", "uncached", "20 × less")


def _rules(
    ground: Ground,
    wangge: Server,
    open_: Server,
    keys: dict[Role, dict[str, str]],
    meter: Meter,
    rounds: int,
) -> Iterator[Row]:
    boxes = _boxes(ground, 5, 5)
    plain = [f"items?bbox={','.join(map(str, box))}&limit=1000" for box in boxes]
    for name, more, roles in (
        ("buildings", "&properties=building_id,community,use,grid", (None, Role.PLANNER, Role.ADMIN)),
        ("cases", "&properties=case_id,community,category,time,status", (Role.CENTRE,)),
    ):
        paths = [f"/collections/{name}/{one}{more}" for one in plain]
        least = Role.CENTRE if name == "cases" else Role.ADMIN
        who = [Contestant("off", request(open_, paths, keys[least]), 40, open_)]
        for role in roles:
            # one who may come in is asked for the key besides; the others are given one of nobody's rules
            headers = {} if role is None else keys[role]
            who.append(Contestant(role or "public", request(wangge, paths, headers), 40, wangge))
        found = measure(who, meter, rounds)
        for role in roles:
            on, off = found[role or "public"], found["off"]
            yield (
                f"access rules on 1,000 {name}, {role or 'public'}: on, off",
                f"{on}; {off}",
                "≤ 10 %",
                f"{on.whole / off.whole - 1:+.0%}",
            )


def _layer(wangge: Server, ground: Ground) -> Iterator[Row]:
    seconds, memory, features = bulk.whole_layer(wangge, "buildings")
    yield (
        f"whole layer of {features:,} buildings as a stream",
        f"{1000 * seconds:,.0f} (by the clock)",
        "100,000/s in 100 MB",
        f"{features / seconds:,.0f}/s, {memory:+.0f} MB",
    )


# --- rows ---


def _of(name: str, found: dict[str, Spent], one: str, other: str, goal: str) -> Row:
    return name, f"{found[one]}; {found[other]}", goal, f"{found[one].whole / found[other].whole:.2f} ×"


def _against(name: str, found: dict[str, Spent], one: str, other: str, goal: str) -> Row:
    return name, f"{found[one]}; {found[other]}", goal, f"{found[other].whole / found[one].whole:.1f} × less"


if __name__ == "__main__":
    main()
