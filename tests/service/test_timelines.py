"""Once a database was brought back to an earlier state, nothing that is kept of the lost time line is taken
for the state that is now, though the counts of changes are the same again.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from sqlalchemy import Connection, text

from service import db
from service.access import Principal, Role, access
from service.centre.place import find_division
from service.centre.reach import Footing
from service.centre.surface import Grounds
from service.maps.community import introduce
from service.postgres.timelines import NAME
from service.registry import COLLECTIONS
from service.routes.plans import tag
from service.routes.plans import version_of as version_of_plan
from service.store import centre, communities, figures, items, notes, places
from service.store.catalogue import Catalogues
from service.store.errors import OutdatedError
from service.store.networks import Networks
from service.store.seals import seals_of
from service.store.timelines import begin_timeline
from service.tiles.cache import MadeTile, TileCache
from service.web.tags import feature_tag, row_versions

from .api import fill
from .towns import CODE

pytestmark = pytest.mark.database

CENTRE = Principal(Role.CENTRE, ("",), subject="c")
SOURCES = ("divisions", "grids", "streets", "buildings")


@pytest.fixture(scope="module")
def town(module_database: db.Database) -> db.Database:
    """The service's database with a published town."""
    fill(module_database)
    return module_database


def version_of(database: db.Database, *sources: str) -> int:
    return items.select_version(database.app, CENTRE, sources)


def lose(database: db.Database, change: str) -> None:
    """A change that a restore takes back, and another one after it, so that the counts are as they were."""
    with database.owner.begin() as connection:
        connection.execute(text(change))
        begin_timeline(connection)
    database.app.dispose()  # a restore ends all connections


def test_equal_counts_of_two_time_lines_are_two_versions(town: db.Database) -> None:
    before = version_of(town, "facilities")
    with town.owner.connect() as connection:
        begin_timeline(connection)
        lost = connection.execute(text(items.version_sql("true")), {"sources": ["facilities"]}).scalar_one()
        begin_timeline(connection)
        second = connection.execute(text(items.version_sql("true")), {"sources": ["facilities"]}).scalar_one()
        connection.rollback()
    assert before < lost < second < 10**18  # tags hold 18 digits
    assert version_of(town, "facilities") == before


def test_a_clock_that_was_set_back_begins_a_later_time_line_all_the_same(town: db.Database) -> None:
    with town.owner.connect() as connection:
        begin_timeline(connection)
        ahead = 10**17
        mark = {"ahead": ahead, "name": NAME}
        connection.execute(
            text("update collection_versions set version = :ahead where collection = :name"), mark
        )
        begin_timeline(connection)
        query = text("select version from collection_versions where collection = :name")
        assert connection.scalar(query, mark) > ahead
        connection.rollback()


def test_a_tag_of_a_row_is_of_one_time_line(town: db.Database) -> None:
    first = seals_of(town.app)
    tag = feature_tag(first, 7, 3, "0" * 20)
    assert row_versions(seals_of(town.app), tag) == {(7, 3)}
    lose(town, "select 1")
    with town.app.connect() as connection:
        connection.execute(text("select 1"))
    second = seals_of(town.app)
    assert second.mark != first.mark
    assert row_versions(second, tag) == set()
    assert row_versions(second, feature_tag(second, 7, 3, "0" * 20)) == {(7, 3)}


def test_the_seals_are_read_again_whichever_kind_of_connection_comes_first(town: db.Database) -> None:
    first = seals_of(town.app)
    lose(town, "select 1")
    with db.keyed(town.app).connect() as connection:  # as a single feature is read
        connection.execute(text("select 1"))
    assert seals_of(town.app).mark != first.mark


def test_a_tile_of_a_new_time_line_is_kept_in_the_place_of_the_lost_one(town: db.Database) -> None:
    cache = TileCache()
    old = version_of(town, "facilities")
    cache.keep("key", MadeTile(old + 5, b"lost"))
    lose(town, "select 1")
    version = version_of(town, "facilities")
    assert cache.take("key", version) is None
    cache.keep("key", MadeTile(version, b"now"))
    kept = cache.take("key", version)
    assert kept is not None
    assert kept.content == b"now"


@pytest.fixture
def asking(town: db.Database) -> Callable[[Callable[[Connection], Any]], Any]:
    """Asks something in a transaction in which the policies know the centre."""

    def ask(question: Callable[[Connection], Any]) -> Any:
        with town.app.connect() as connection:
            introduce(connection, CENTRE)
            return question(connection)

    return ask


def counts_back(database: db.Database, change: str, name: str) -> None:
    """The change, with the count of its collection as if there had been none, in a new time line."""
    with database.owner.begin() as connection:
        kept = connection.execute(
            text("select shard, version from collection_versions where collection = :name"), {"name": name}
        ).all()
        connection.execute(text(change))
        connection.execute(text("delete from collection_versions where collection = :name"), {"name": name})
        for row in kept:
            connection.execute(
                text("insert into collection_versions values (:name, :shard, :version)"),
                {"name": name, "shard": row.shard, "version": row.version},
            )
        begin_timeline(connection)


def test_what_is_kept_of_the_ground_is_laid_anew(
    town: db.Database, asking: Callable[[Callable[[Connection], Any]], Any]
) -> None:
    """Networks, grounds of surfaces, of reach, and places of new cases, whose k = 8 buildings must exist."""
    streets = access(CENTRE, COLLECTIONS["streets"])
    assert streets is not None
    networks, grounds, footing = Networks(500.0), Grounds(), Footing()
    point = asking(
        lambda connection: connection.execute(
            text(
                "select st_x(p), st_y(p) from (select st_centroid(geom) p from divisions where code = :c) d"
            ),
            {"c": CODE},
        ).one()
    )

    def look(connection: Connection) -> tuple[Any, ...]:
        version = centre.select_version(connection, ("buildings",))
        division = find_division(connection, CENTRE, CODE)
        ((_, kept),) = places.places_of(connection, [CODE], version)
        return (
            networks.around(connection, streets, *point),
            grounds.of(connection, CENTRE, (CODE,)),
            footing.of(connection, CENTRE, division),
            kept.of_buildings(np.array([point], dtype=float))[0].tolist(),
        )

    first = asking(look)
    assert [one is other for one, other in zip(first[:3], asking(look)[:3], strict=True)] == [True] * 3
    counts_back(
        town,
        "update buildings set geom = st_translate(geom, 0.001, 0.001)",
        "buildings",
    )
    second = asking(look)
    assert [one is other for one, other in zip(first[:3], second[:3], strict=True)] == [False] * 3
    assert second[3] != first[3]


def test_the_share_of_a_community_that_new_cases_take_knows_the_time_line(town: db.Database) -> None:
    from service.store.cases import _VERSION

    asked = {"sources": ["buildings"]}
    with town.owner.connect() as connection:
        before = connection.scalar(_VERSION, asked)
        assert before == centre.select_version(connection, ("buildings",))
        begin_timeline(connection)
        after = connection.scalar(_VERSION, asked)
        assert after == centre.select_version(connection, ("buildings",)) > before
        connection.rollback()


def test_collections_that_were_added_are_read_again(town: db.Database) -> None:
    catalogues = Catalogues(town.app)
    first = catalogues.current()
    assert catalogues.current() is first
    counts_back(town, "select 1", "added_collections")
    assert catalogues.current() is not first


def test_a_plan_of_the_same_version_in_another_time_line_is_another(town: db.Database) -> None:
    with town.owner.connect() as connection:
        (plan,) = connection.execute(text("select min(id) from plans")).one()
        row = notes.lock_plan(connection, plan)
        assert version_of_plan(tag(row)) == (row["version"], notes.changed_of(row))
        assert notes.lock_plan(connection, plan, *version_of_plan(tag(row)))["id"] == plan
        lost = {**row, "updated_at": row["updated_at"] + timedelta(seconds=1)}
        with pytest.raises(OutdatedError):
            notes.lock_plan(connection, plan, *version_of_plan(tag(lost)))  # type: ignore[arg-type]
        assert notes.lock_plan(connection, plan, *version_of_plan(f'"{row["version"]}"'))["id"] == plan
        connection.rollback()


def test_pages_whose_rows_were_taken_out_know_the_time_line(
    town: db.Database, asking: Callable[[Callable[[Connection], Any]], Any]
) -> None:
    """Counts, sums and the last change are the same whichever row is gone; so is what a plan is made from."""

    def look(connection: Connection) -> tuple[str, ...]:
        return (
            centre.select_state(connection, (CODE,)),
            figures.select_state(connection, CODE),
            communities.fingerprint(connection, CODE),
        )

    first = asking(look)
    assert asking(look) == first
    with town.owner.begin() as connection:
        begin_timeline(connection)
    assert not set(asking(look)) & set(first)


def test_readers_and_a_new_time_line_do_not_wait_for_each_other(town: db.Database) -> None:
    """It is one row, which nobody else writes."""
    found: list[int] = []
    with town.owner.begin() as connection:
        begin_timeline(connection)
        thread = threading.Thread(target=lambda: found.append(version_of(town, "facilities")))
        thread.start()
        thread.join(10)
    assert found
