"""What tags tell: they change with what is shown, at once, and with nothing else."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest
from sqlalchemy import text

from service.access import PUBLIC, Principal, Role, access, may_know_versions
from service.postgres.cluster import Cluster
from service.registry import COLLECTIONS
from service.routes import items as item_routes
from service.routes import tiles as tile_routes
from service.store.items import select_version
from service.tiles.cache import TileCache
from service.web.shown import Shown
from service.web.tags import digest, page_tag

from .api import HIDDEN, Served, fill, serve
from .conftest import own_database
from .towns import CODE

pytestmark = pytest.mark.database

# by who asks: changes of which nothing is shown to them
UNSEEN = {
    "public": (
        "update buildings set households = households + 1, floors = 3 where households > 0",
        "update buildings set use = 'school' where division_code = :hidden",
        "update streets set name = name || '路' where division_code = :hidden",
        "insert into facilities (division_code, facility_id, kind, geom)"
        " select code, 'new', 'clinic', st_centroid(geom) from divisions where code = :hidden",
        "delete from facilities where division_code = :hidden",
        "update divisions set name = name || '！' where code = :hidden",
        "update cases set category = category, updated_at = now()",
        "update plans set reason = reason || '。' where status = 'published'",
    ),
    "planner of one community": (
        "update buildings set floors = 2 where division_code = :hidden",
        "update streets set name = name || '路' where division_code = :hidden",
        "update divisions set name = name || '！' where code = :hidden",
    ),
}
# a column of each collection that everybody sees
SEEN = {
    "buildings": "use",
    "streets": "name",
    "facilities": "name",
    "communities": "name",
    "cases": "category",
}
LEVEL = 15


@pytest.fixture(scope="module")
def town(cluster: Cluster) -> Iterator[Served]:
    with contextmanager(own_database)(cluster) as database, serve(database, fill(database)) as running:
        yield running


def client_of(town: Served, who: str) -> httpx.Client:
    return town.client() if who == "public" else town.client(Role.PLANNER, scope=CODE)


def change(town: Served, statement: str) -> None:
    values = {"hidden": HIDDEN, "code": CODE}
    with town.database.owner.begin() as connection:
        done = connection.execute(
            text(statement), {name: one for name, one in values.items() if f":{name}" in statement}
        )
        assert done.rowcount or "delete" in statement


def tile_of(town: Served) -> str:
    west, south, east, north = town.rows(
        "select st_xmin(g), st_ymin(g), st_xmax(g), st_ymax(g)"
        " from (select geom g from divisions where code = :code) d",
        code=CODE,
    )[0]
    column = int(((west + east) / 2 + 180) / 360 * 2**LEVEL)
    row = int((1 - math.asinh(math.tan(math.radians((south + north) / 2))) / math.pi) / 2 * 2**LEVEL)
    return f"WebMercatorQuad/{LEVEL}/{row}/{column}"


def addresses(town: Served) -> list[str]:
    """Everything that bears a tag."""
    tile = tile_of(town)
    built = [f"/collections/{name}" for name in COLLECTIONS]
    found = [f"/tiles/{tile}", f"/centre/{CODE}/base", f"/centre/{CODE}/reach?kind=camera", "/plans/1"]
    found += [f"{one}/items?limit=500&f=geojson" for one in built] + [f"{one}/tiles/{tile}" for one in built]
    found += [f"{one}/items?f=html&limit=3" for one in built]
    found += [f"{one}/export?f=csv" for one in built] + ["/collections/buildings/export?f=gpkg"]
    for path in [f"{one}/items?limit=1" for one in built]:
        features = town.client().get(path).json()["features"]
        found += [f"{path.partition('?')[0]}/{one['id']}" for one in features]
    return found


def tags_of(client: httpx.Client, paths: list[str]) -> dict[str, tuple[int, str]]:
    answers = {path: client.get(path) for path in paths}
    return {path: (one.status_code, one.headers.get("etag", "")) for path, one in answers.items()}


def forget(town: Served) -> None:
    """As after a start, or on another server."""
    town.app.state.shown = Shown()
    town.app.state.tiles = TileCache()
    town.app.state.views = TileCache()


@pytest.mark.parametrize("who", UNSEEN)
def test_a_change_that_is_not_shown_changes_no_tag(town: Served, who: str) -> None:
    client, paths = client_of(town, who), addresses(town)
    before = tags_of(client, paths)
    assert sum(tag != "" for _, tag in before.values()) > 20
    for statement in UNSEEN[who]:
        change(town, statement)
        assert tags_of(client, paths) == before, statement
        forget(town)
        assert tags_of(client, paths) == before, statement
        for path, (status, tag) in before.items():
            if status == 200 and tag and not path.startswith("/plans"):  # these are sent whole
                assert client.get(path, headers={"if-none-match": tag}).status_code == 304, (statement, path)


@pytest.mark.parametrize("who", UNSEEN)
@pytest.mark.parametrize("name", SEEN)
def test_a_change_that_is_shown_changes_the_tags_at_once(town: Served, who: str, name: str) -> None:
    client, tile = client_of(town, who), tile_of(town)
    paths = [f"/collections/{name}/items?limit=500", f"/collections/{name}/tiles/{tile}", f"/tiles/{tile}"]
    before = tags_of(client, paths)
    table, column = COLLECTIONS[name].table, SEEN[name]
    change(town, f"update {table} set {column} = {column} || '二' where division_code = :code")  # noqa: S608
    for path, (_, tag) in before.items():
        answer = client.get(path, headers={"if-none-match": tag})
        assert answer.status_code == 200, path
        assert answer.headers["etag"] != tag


def test_while_nothing_changed_nothing_is_made_anew(town: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    client, tile = town.client(), tile_of(town)
    paths = [
        "/collections/buildings/items?limit=500",
        f"/collections/buildings/tiles/{tile}",
        f"/tiles/{tile}",
    ]
    tags = tags_of(client, paths)

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("made anew")

    monkeypatch.setattr(item_routes.items, "select_page", refuse)
    monkeypatch.setattr(tile_routes, "select_tile", refuse)
    town.app.state.tiles = TileCache()  # the bytes are no longer needed
    for path, (_, tag) in tags.items():
        assert client.get(path, headers={"if-none-match": tag}).status_code == 304


def test_a_version_cannot_be_guessed(town: Served) -> None:
    """Were a version as tag answered by 304, whoever tries numbers would learn it."""
    collection, path = COLLECTIONS["buildings"], f"/collections/buildings/tiles/{tile_of(town)}"
    allowed = access(PUBLIC, collection)
    assert allowed is not None
    version = select_version(town.database.app, PUBLIC, collection.sources)
    mark = digest(allowed, collection.table, path, "")
    guessed = {"if-none-match": page_tag(version, mark)}
    assert town.client().get(path, headers=guessed).status_code == 200
    # whoever sees all of it has that very tag
    planner = Principal(Role.PLANNER)
    allowed = access(planner, collection)
    assert allowed is not None
    mark = digest(allowed, collection.table, path, "")
    assert town.client(Role.PLANNER).get(path).headers["etag"] == page_tag(version, mark)


def test_versions_are_for_those_who_see_every_change() -> None:
    def known(role: Role, scope: str = "") -> set[str]:
        principal = Principal(role, (scope,))
        return {name for name, one in COLLECTIONS.items() if may_know_versions(principal, one)}

    for role in (Role.PUBLIC, Role.CONSUMER, Role.GRID_WORKER):
        assert known(role) == set()
    for role in (Role.PLANNER, Role.PRIVACY_OFFICER, Role.ADMIN):
        assert known(role) == set(COLLECTIONS) - {"cases"}
        assert known(role, CODE) == set()
    assert known(Role.CENTRE) == set(COLLECTIONS)
    assert known(Role.CENTRE, CODE) == set()


def test_what_was_shown_is_remembered_in_bounds_and_never_by_an_older_version() -> None:
    shown = Shown(most=3)
    shown.keep("a", 7, "later")
    shown.keep("a", 6, "earlier")
    assert shown.find("a") == (7, "later")
    for mark in "bcd":
        shown.keep(mark, 1, mark)
    assert len(shown) == 3
    assert shown.find("a") is None
