"""Places of cases in the database: given in grids, kept, and joined whole when grids or buildings change."""

from __future__ import annotations

from dataclasses import replace
from itertools import chain, combinations
from weakref import WeakKeyDictionary

import numpy as np
import pytest
from sqlalchemy import Connection, event, text

from partition.area import Area
from service.db import Database, downgrade, migrate
from service.intake.layers import Layers
from service.privacy.places import Places, find_places
from service.store.cases import locate_cases
from service.store.communities import load_area
from service.store.grids import publish_plan
from service.store.places import place_cases, places_of, spread_cases

from .test_store_grids import FINER, propose
from .towns import CODE, make_layers, make_town

pytestmark = pytest.mark.database

Homes = dict[str, frozenset[str]]


def unnamed(area: Area) -> Layers:
    layers = make_layers(area)
    assert layers.cases is not None
    return replace(layers, cases=layers.cases.assign(building=""))


@pytest.fixture
def town(connection: Connection) -> Area:
    """A published town with cases that name no buildings: those that they name are not beside them."""
    area = make_town()
    load_area(connection, area, unnamed(area))
    publish_plan(connection, propose(connection))
    return area


def shown(connection: Connection) -> dict[str, str]:
    """The place of each case that has one."""
    return dict(
        connection.execute(text("select case_id, st_astext(place) from cases where place is not null")).all()
    )


def homes(connection: Connection) -> Homes:
    """The buildings that there are, of those that the place of each case stands for."""
    found: dict[str, set[str]] = {}
    for case, building in connection.execute(
        text("""
            select c.case_id, b.building_id from cases c
            join case_places p on (p.division_code, p.era, p.place) = (c.division_code, c.place_era, c.place)
            join buildings b on b.building_id = p.building_id and b.part = 0
        """)
    ):
        found.setdefault(case, set()).add(building)
    return {case: frozenset(of) for case, of in found.items()}


def check_workers(connection: Connection) -> None:
    """Who sees all cases of one or two grids finds none of the others among fewer than eight buildings."""
    grid_of = dict(
        connection.execute(text("select building_id, grid_code from buildings where part = 0")).all()
    )
    case_in = dict(connection.execute(text("select case_id, grid_code from cases")).all())
    found = homes(connection)
    assert found.keys() == shown(connection).keys()
    codes = sorted(set(grid_of.values()))
    for known in chain(combinations(codes, 1), combinations(codes, 2)):
        for case, of in found.items():
            if case_in[case] not in known:
                assert sum(grid_of[building] not in known for building in of) >= 8, (known, case)


def test_cases_get_their_places_with_the_first_grids(connection: Connection) -> None:
    area = make_town()
    load_area(connection, area, make_layers(area))
    assert not shown(connection)
    assert not connection.scalar(text("select count(*) from case_places"))
    assert not connection.scalar(text("select count(*) from cases where grid_code is not null"))
    publish_plan(connection, propose(connection))
    assert len(shown(connection)) == 60
    check_workers(connection)
    sets = homes(connection)
    assert max(map(len, sets.values())) < 16
    # of the building that a case names
    named = connection.execute(text("select case_id, building_id from cases where building_id <> ''")).all()
    grid_of = dict(connection.execute(text("select building_id, grid_code from buildings")).all())
    for case, building in named:
        assert {grid_of[one] for one in sets[case]} == {grid_of[building]}


def test_nothing_changes_where_nothing_changed(connection: Connection, town: Area) -> None:
    state = text("select id, version from case_places union all select id, version from cases order by 1, 2")
    before = connection.execute(state).all()
    load_area(connection, town, unnamed(town))
    place_cases(connection, CODE)
    assert connection.execute(state).all() == before


def test_after_a_redraw_each_case_is_where_it_was_or_among_more_buildings(
    connection: Connection, town: Area
) -> None:
    first, before = homes(connection), shown(connection)
    publish_plan(connection, propose(connection, FINER))
    check_workers(connection)
    then, after = homes(connection), shown(connection)
    # hardly any lies beside buildings of other grids than its own now
    assert len(after) >= 0.9 * len(before)
    assert after.keys() <= before.keys()
    for case in after:
        assert first[case] <= then[case]
        assert (after[case] == before[case]) == (first[case] == then[case])
    assert any(after[case] != before[case] for case in after)
    # what comes from now on gets a place in the grids of now
    connection.execute(
        text("""insert into cases (division_code, case_id, category, time, geom)
                select division_code, 'new-' || case_id, category, time, geom from cases""")
    )
    locate_cases(connection, CODE)
    place_cases(connection, CODE)
    check_workers(connection)
    now = homes(connection)
    assert max(len(of) for case, of in now.items() if case.startswith("new-")) < 16
    assert {case: now[case] for case in then} == then
    # back to the grids of before: joined places do not part
    publish_plan(connection, propose(connection))
    check_workers(connection)
    last = homes(connection)
    assert all(now[case] <= of for case, of in last.items())


def test_a_case_keeps_its_place_when_buildings_go_until_it_is_elsewhere(
    connection: Connection, town: Area
) -> None:
    """A place found anew at each load would, together with the old one, leave fewer addresses than either."""
    before, first = shown(connection), homes(connection)
    gone = set(town.buildings["id"][::12])
    fewer = replace(town, buildings=town.buildings[~town.buildings["id"].isin(gone)].reset_index(drop=True))
    load_area(connection, fewer)
    check_workers(connection)
    then, after = homes(connection), shown(connection)
    assert after.keys() == before.keys()
    for case, of in then.items():
        assert first[case] - gone <= of
        assert (after[case] == before[case]) == (first[case] - gone == of)
    assert any(after[case] == before[case] for case in after)  # eight are left
    assert any(after[case] != before[case] for case in after)
    moved = unnamed(town).cases
    assert moved is not None
    moved.geometry = moved.geometry.where(moved["id"] != "k7", moved.geometry.translate(150, 0))
    load_area(connection, fewer, Layers(cases=moved))
    assert {case for case, place in shown(connection).items() if place != after[case]} == {"k7"}
    check_workers(connection)


def test_a_file_with_other_ids_changes_no_place(connection: Connection, town: Area) -> None:
    before, first = shown(connection), homes(connection)
    buildings = town.buildings.copy()
    buildings["id"] = "new-" + buildings["id"]
    load_area(connection, replace(town, buildings=buildings))
    assert shown(connection) == before
    assert homes(connection) == {case: frozenset(f"new-{one}" for one in of) for case, of in first.items()}


def test_where_too_few_are_left_nothing_is_shown_again(connection: Connection, town: Area) -> None:
    connection.execute(text("delete from buildings where ordinal > 9"))
    place_cases(connection, CODE)
    assert not shown(connection)
    load_area(connection, town)
    assert not shown(connection)  # they had a place; another would tell more than either


def test_a_case_that_is_in_no_grid_of_its_place_is_not_shown_any_longer(
    connection: Connection, town: Area
) -> None:
    """A border was drawn between it and the buildings beside it: their worker knows that it is not there."""
    before = shown(connection)
    other = text("""
        update cases c set grid_code = (select max(code) from grids g
                                        where g.valid_to is null and g.code <> c.grid_code)
        where case_id = 'k7'
    """)
    connection.execute(other)
    for _ in range(2):
        place_cases(connection, CODE)
        assert shown(connection) == {case: place for case, place in before.items() if case != "k7"}


def test_each_case_is_where_the_buildings_of_its_place_are_now(connection: Connection, town: Area) -> None:
    """Worked out here case by case, there for all alike at once; whatever becomes of one is one change."""
    changes = """
        update cases set place = null where case_id = 'k1';
        update cases set place = null, place_era = null where case_id = 'k2';
        update cases set geom = place where case_id like 'k3_';
        update cases c set grid_code = (
            select max(code) from grids g where g.valid_to is null and g.code <> c.grid_code
        ) where case_id like 'k3_' or case_id like 'k4_';
        update cases set grid_code = null where case_id = 'k7';
        delete from buildings where ordinal % 12 = 0;
    """
    for change in changes.split(";")[:-1]:
        connection.execute(text(change))
    cases = text("""
        select case_id, version, place_era, st_astext(place), grid_code, geom = place from cases
    """)
    held = text("select era, st_astext(place), building_id from case_places")
    grid_of = dict(connection.execute(text("select building_id, grid_code from buildings")).all())
    before = connection.execute(cases).all()
    homes_of: dict[tuple[int, str], set[str]] = {}
    for era, place, building in connection.execute(held):
        homes_of.setdefault((era, place), set()).add(building)
    assert place_cases(connection, CODE) == 1
    after = {row[0]: tuple(row[1:4]) for row in connection.execute(cases)}
    now = {(era, building): place for era, place, building in connection.execute(held)}
    grids_of: dict[tuple[int, str], set[str]] = {}
    for (era, building), place in now.items():
        if building in grid_of:
            grids_of.setdefault((era, place), set()).add(grid_of[building])
    fates = set()
    for case, version, era, place, grid, exact in before:
        if case == "k2":
            assert after[case][1] == max(era for era, _ in now)
            assert after[case][2] is not None
            continue
        there = None
        if place is not None:
            left = {now.get((era, one)) for one in homes_of[era, place] if one in grid_of}
            assert len(left) == 1
            (there,) = left
            grids = grids_of[era, there]
            if not (len(grids) > 2 or grid in grids or (exact and there == place)):
                there = None
        assert after[case] == (version + (there != place), era, there), case
        fates.add((exact, there == place, there is None))
    assert {(False, *fate) for fate in ((True, False), (False, False), (False, True))} < fates
    assert {(True, True, False), (None, True, True)} < fates


def test_many_first_places_are_found_a_part_at_a_time(
    connection: Connection, town: Area, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = shown(connection)
    connection.execute(text("update cases set place = null, place_era = null"))
    monkeypatch.setattr("service.store.places.CASES_AT_ONCE", 7)
    assert place_cases(connection, CODE) == len(before) == 60
    assert shown(connection) == before


def earlier(connection: Connection) -> dict[str, set[str]]:
    """Put each case where an earlier release did, across grids; returns the buildings of its place."""
    rows = connection.execute(
        text("""select building_id, avg(st_x(p)) as x, avg(st_y(p)) as y from
                (select building_id, st_pointonsurface(geom) as p from buildings) b group by 1""")
    ).all()
    points = np.array([(row.x, row.y) for row in rows])
    stretch = np.array([np.cos(np.radians(points[:, 1].mean())), 1.0])
    order = np.lexsort((points[:, 1], points[:, 0]))
    places = np.empty_like(points)
    places[order] = np.round(find_places((points * stretch)[order], 8) / stretch, 7)
    old: dict[tuple[float, ...], set[str]] = {}
    for row, place in zip(rows, places.tolist(), strict=True):
        old.setdefault(tuple(place), set()).add(row.building_id)
    cases = connection.execute(text("select case_id, st_x(geom) as x, st_y(geom) as y from cases")).all()
    near = Places(points * stretch, places).of(np.array([(row.x, row.y) for row in cases]) * stretch)
    at = {row.case_id: (x, y) for row, (x, y) in zip(cases, near.tolist(), strict=True)}
    connection.execute(
        text("""update cases c set place = st_setsrid(st_makepoint(x, y), 4326)
                from unnest(cast(:ids as text[]), cast(:xs as float8[]), cast(:ys as float8[])) as n(id, x, y)
                where c.case_id = n.id"""),
        {"ids": list(at), "xs": [x for x, _ in at.values()], "ys": [y for _, y in at.values()]},
    )
    return {case: old[place] for case, place in at.items()}


def test_places_of_an_earlier_release_are_joined_by_the_migration(scratch: Database) -> None:
    """What they stand for is found from the buildings."""
    area = make_town()
    with scratch.owner.begin() as connection:
        load_area(connection, area, unnamed(area))
        publish_plan(connection, propose(connection))
        before, first = shown(connection), homes(connection)
    downgrade(scratch.owner, "0005")
    told: list[tuple[str, float]] = []
    migrate(scratch.owner, progress=lambda step, share: told.append((step, share)))
    assert told == [("places", 0.0)]
    with scratch.owner.connect() as connection:
        assert (shown(connection), homes(connection)) == (before, first)
    downgrade(scratch.owner, "0005")
    with scratch.owner.begin() as connection:
        old = earlier(connection)
        # of this one nobody knows what it stood for
        connection.execute(text("update cases set place = st_translate(place, 1e-5, 0) where case_id = 'k7'"))
    migrate(scratch.owner)
    with scratch.owner.connect() as connection:
        check_workers(connection)
        then = homes(connection)
    assert "k7" not in then
    assert len(then) >= 54
    for case, of in then.items():
        assert old[case] <= of


def test_cases_at_joined_places_are_spread_over_all_their_buildings(
    connection: Connection, town: Area
) -> None:
    first = homes(connection)
    publish_plan(connection, propose(connection, FINER))
    then = homes(connection)
    case = max(then, key=lambda one: (len(then[one]) - len(first[one]), one))
    assert len(then[case]) > len(first[case])
    at = np.array(
        connection.execute(
            text("select st_x(place), st_y(place) from cases where case_id = :case"), {"case": case}
        ).all()
    )
    count = 3 * len(then[case])
    nothing = np.zeros(1, dtype=np.int64)
    ((_, kept),) = places_of(connection, [CODE], version=-1)
    points, numbers, _ = kept.deal(at, np.array([count]), nothing)
    assert (len(points), set(numbers.tolist())) == (len(then[case]), {3})
    single = spread_cases(connection, CODE, np.repeat(at, count, axis=0))
    np.testing.assert_allclose(np.unique(single, axis=0), np.unique(points, axis=0))
    # people are counted at the places that cases get now
    assert np.isfinite(kept.of_buildings(points)).all()


def test_places_of_many_communities_are_read_at_once(
    connection: Connection, town: Area, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.store.places._kept", WeakKeyDictionary())
    asked: list[str] = []

    def note(conn: object, cursor: object, statement: str, *rest: object) -> None:
        asked.append(statement)

    event.listen(connection, "before_cursor_execute", note)
    others = [f"{CODE[:-3]}{number}" for number in range(100, 140)]
    wanted = [*others[:20], CODE, *others[20:]]
    found = dict(places_of(connection, wanted, version=1))
    assert list(found) == wanted
    assert dict(places_of(connection, [CODE], version=1))[CODE] is found[CODE]
    assert len(asked) == 2  # buildings, and their places
    rows = connection.execute(
        text("""select st_x(geom) as x, st_y(geom) as y, grid_code, st_x(place) as px, st_y(place) as py
                from cases""")
    ).all()
    points, grids = np.array([(row.x, row.y) for row in rows]), [row.grid_code for row in rows]
    np.testing.assert_array_equal(found[CODE].of(points, grids), [(row.px, row.py) for row in rows])
    assert found[others[0]].era == 0
    assert np.isnan(found[others[0]].of(points, grids)).all()
