"""Disclosure control against somebody who keeps every answer and subtracts them from each other."""

from __future__ import annotations

import dataclasses
import random
import statistics
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import combinations
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text

from partition.wishes.policy import Profile, Size
from service.access import Role
from service.db import Database
from service.plans.planning import plan_community
from service.postgres.cluster import Cluster
from service.privacy.continuity import Basis, Members, difference, freeze
from service.privacy.disclosure import rules
from service.privacy.perturbation import SCALE, Part, noise, noisy_sum
from service.store.cases import locate_cases
from service.store.communities import load_area
from service.store.grids import publish_plan
from service.store.places import place_cases

from .api import PROFILE, Served, fill, serve
from .conftest import own_database
from .towns import CODE

RULE = rules().groups["disabled"]
SECRET = b"a secret of this installation"


# --- two publications (pure) ---


@st.composite
def plans(draw: st.DrawFn) -> tuple[dict[str, dict[str, tuple[int, int]]], str]:
    """A community of a few grids in a row, and one of its buildings."""
    counts = draw(st.lists(st.lists(st.integers(0, 9), min_size=2, max_size=9), min_size=2, max_size=5))
    grids = {
        f"{place:03d}": {f"{place}-{n}": (count, 8) for n, count in enumerate(of)}
        for place, of in enumerate(counts, start=1)
    }
    return grids, draw(st.sampled_from([one for of in grids.values() for one in of]))


def _published(grids: dict[str, Any], bases: list[Basis]) -> tuple[dict[tuple[str, ...], int], list[Basis]]:
    codes = sorted(grids)
    beside = {code: {codes[i] for i in (p - 1, p + 1) if 0 <= i < len(codes)} for p, code in enumerate(codes)}
    households = dict.fromkeys(grids, 200)
    frozen = freeze(grids, households, beside, RULE, bases)
    return {cell.codes: cell.rank for cell in frozen.cells}, [*bases, *frozen.bases]


@given(plans(), st.integers(0, 9))
def test_two_plans_that_differ_by_one_building_publish_the_same(
    plan: tuple[dict[str, dict[str, tuple[int, int]]], str], count: int
) -> None:
    grids, building = plan
    first, bases = _published(grids, [])
    codes = sorted(grids)
    home = next(code for code in codes if building in grids[code])
    other = codes[(codes.index(home) + 1) % len(codes)]
    moved = {code: dict(of) for code, of in grids.items()}
    moved[other][building] = moved[home].pop(building)
    if moved[home]:  # a grid of which nothing is left is another grid
        assert _published(moved, bases)[0] == first
    recounted = {code: dict(of) for code, of in grids.items()}
    recounted[home][building] = (count, 8)
    assert _published(recounted, bases)[0] == first
    # and by way of a plan that is quite another: what was published once is not told more finely later
    whole = {"900": {one: of for members in grids.values() for one, of in members.items()}}
    _, more = _published(whole, bases)
    assert _published(recounted, more)[0] == first


@given(plans())
def test_figures_do_change_when_enough_people_did(
    plan: tuple[dict[str, dict[str, tuple[int, int]]], str],
) -> None:
    grids, _ = plan
    _, bases = _published(grids, [])
    grown = {
        code: {one: (count + 40, homes) for one, (count, homes) in of.items()} for code, of in grids.items()
    }
    changed = {code: difference(grown[code], of) for code, of in grids.items()}
    figures = freeze(grown, dict.fromkeys(grids, 200), {}, RULE, bases)
    told = {cell.codes[0]: cell.count for cell in figures.cells if len(cell.codes) == 1}
    for code, apart in changed.items():
        if RULE.safe(apart.count, apart.households) and code in told:
            assert told[code] == sum(count for count, _ in grown[code].values())


def test_small_steps_add_up_until_they_may_be_told() -> None:
    members: Members = {f"b{n}": (1, 30) for n in range(15)}
    told = []
    bases: list[Basis] = []
    for step in range(30):
        now = dict(members) | {f"new{n}": (1, 30) for n in range(step)}
        frozen = freeze({"001": now}, {"001": 500}, {}, RULE, bases)
        bases += frozen.bases
        told.append(frozen.cells[0].count)
    assert told == [15] * 10 + [25] * 10 + [35] * 10


# --- sums in areas that the reader draws (pure) ---


def test_the_difference_of_two_sums_is_the_same_noisy_figure_whatever_else_is_in_them() -> None:
    chance = random.Random(7)  # noqa: S311 - no secret hangs on it
    parts = [Part(f"b{n}", float(chance.randint(0, 40))) for n in range(300)]
    target = Part("target", 23.0)
    wrong = noise(SECRET, "households", target)
    found = []
    for _ in range(400):
        others = chance.sample(parts, 100)
        found.append(
            noisy_sum(SECRET, "households", [*others, target]) - noisy_sum(SECRET, "households", others)
        )
    # rounding averages out, the noise of the building does not: no number of questions takes it away
    assert statistics.mean(found) == pytest.approx(target.value + wrong, abs=1.0)
    assert noise(SECRET, "households", dataclasses.replace(target, value=24.0)) != wrong
    assert noise(b"another", "households", target) != wrong


def test_noise_has_the_spread_that_is_promised() -> None:
    for measure, scale in SCALE.items():
        drawn = [noise(SECRET, measure, Part(f"b{n}", 20.0)) for n in range(20_000)]
        assert statistics.mean(drawn) == pytest.approx(0.0, abs=scale / 20)
        assert statistics.pstdev(drawn) == pytest.approx(2**0.5 * scale, rel=0.05)


# --- the service ---


@pytest.fixture(scope="module")
def town(cluster: Cluster) -> Iterator[Served]:
    with contextmanager(own_database)(cluster) as database, serve(database, fill(database)) as served:
        yield served


def _figures(served: Served, role: Role, **asked: str) -> dict[str, Any]:
    answer = served.client(role).get("/figures", params={"division": CODE, "lang": "en", **asked})
    assert answer.status_code == 200
    return {group["category"]: group for group in answer.json()["groups"]}


@pytest.mark.database
def test_published_bands_hold_the_raw_counts_and_never_too_few(town: Served) -> None:
    counts = {
        (category, grid): int(count)
        for category, grid, count in town.rows(
            "select p.category, b.grid_code, sum(p.count) from population_groups p join"
            " (select distinct division_code, building_id, grid_code from buildings) b"
            " using (division_code, building_id) group by 1, 2"
        )
    }
    households = dict(town.rows("select code, households from grids where valid_to is null"))
    for role in (Role.PUBLIC, Role.CONSUMER, Role.PLANNER, Role.PRIVACY_OFFICER, Role.ADMIN):
        for name, group in _figures(town, role).items():
            assert group["counts"] == []
            assert sorted(code for area in group["areas"] for code in area["grids"]) == sorted(households)
            for area in group["areas"]:
                count = sum(counts.get((name, code), 0) for code in area["grids"])
                if area["withheld"]:
                    assert len(area["grids"]) == len(households)
                    assert count < group["k"] or sum(households.values()) < 20
                    continue
                assert count >= group["k"] >= {"sensitive": 10, "ordinary": 5}[group["class"]]
                assert sum(households[code] for code in area["grids"]) >= 20
                assert area["lower"] <= count <= (area["upper"] or count)


@pytest.mark.database
def test_exact_counts_are_for_the_centre_and_go_on_record(town: Served) -> None:
    before = town.rows("select coalesce(max(id), 0) from audit")[0][0]
    found = _figures(town, Role.CENTRE, category="disabled")
    assert set(found) == {"disabled"}
    exact = {one["grid"]: one["count"] for one in found["disabled"]["counts"]}
    raw = dict(
        town.rows(
            "select g.code, coalesce(sum(p.count), 0) from grids g left join"
            " (select distinct division_code, building_id, grid_code from buildings) b"
            " on b.grid_code = g.code left join population_groups p on p.division_code = b.division_code"
            " and p.building_id = b.building_id and p.category = 'disabled'"
            " where g.valid_to is null group by 1"
        )
    )
    assert exact == {code: int(count) for code, count in raw.items()}
    rows = town.rows("select * from audit where id > :before", before=before)
    assert [(row.action, row.group_code, row.role, row.division_code) for row in rows] == [
        ("view", "disabled", "centre", CODE)
    ]
    assert rows[0].place.split() == sorted(exact)
    assert rows[0].details["route"] == "/figures"


@pytest.mark.database
def test_a_worker_cannot_take_his_own_count_from_a_sum(town: Served) -> None:
    joined = next(
        area["grids"]
        for area in _figures(town, Role.CONSUMER)["elderly_alone"]["areas"]
        if len(area["grids"]) > 1
    )
    client = town.client(Role.GRID_WORKER, grids=frozenset(joined[:-1]))
    found = client.get("/figures", params={"division": CODE, "category": "elderly_alone"}).json()["groups"][0]
    assert {one["grid"] for one in found["counts"]} == set(joined[:-1])
    area = next(area for area in found["areas"] if joined[-1] in area["grids"])
    assert area["withheld"]
    assert area["lower"] is area["upper"] is area["label"] is None


@pytest.mark.database
def test_a_republication_with_one_building_moved_tells_nothing(town: Served) -> None:
    from service.plans.planning import plan_community
    from service.store.grids import publish_plan

    before = {role: _figures(town, role) for role in (Role.PUBLIC, Role.CONSUMER, Role.PLANNER)}
    planned = plan_community(town.database.owner, CODE, PROFILE)
    with town.database.owner.begin() as connection:
        # a count changes too, by fewer people than may be told
        connection.execute(
            text("""update population_groups set count = count + 2 where id =
                    (select min(id) from population_groups where category = 'disabled')""")
        )
        publish_plan(connection, planned.plan)
    for role, was in before.items():
        now = _figures(town, role)
        assert {name: group["areas"] for name, group in now.items()} == {
            name: group["areas"] for name, group in was.items()
        }
    published = town.rows("select distinct plan_id from published_figures")
    assert [row.plan_id for row in published] == [planned.plan]  # archived plans have none


def _box(served: Served, share: float) -> dict[str, Any]:
    west, south, east, north = served.rows(
        "select st_xmin(e), st_ymin(e), st_xmax(e), st_ymax(e) from"
        " (select st_extent(geom) e from grids where valid_to is null) g"
    )[0]
    east = west + (east - west) * share
    ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    return {"type": "Polygon", "coordinates": [ring]}


@pytest.mark.database
def test_sums_in_an_area_are_exact_for_planners_and_noisy_for_others(town: Served) -> None:
    whole = {"geometry": _box(town, 1.0)}
    truth = town.rows("select sum(households) from buildings where division_code = :code", code=CODE)[0][0]
    exact = town.client(Role.PLANNER).post("/figures/area", json=whole).json()
    assert exact["exact"]
    assert exact["households"] == truth
    answers = {
        town.client(role).post("/figures/area", json=body).text
        for role in (Role.PUBLIC, Role.CONSUMER, Role.GRID_WORKER)
        for body in (whole, whole, whole | {"filter": "building_id IS NOT NULL"})
    }
    assert len(answers) == 1  # asked again, by somebody else, in other words: the same
    client = town.client()
    for share in (0.02, 0.1, 0.3, 0.7):
        told = client.post("/figures/area", json={"geometry": _box(town, share)}).json()
        assert not told["exact"]
        if told["buildings"] < 8:
            assert told["households"] is told["residents"] is None
        else:
            assert told["households"] % 10 == 0
    one = client.post("/figures/area", json={"filter": "building_id = '001-03-1'"}).json()
    assert one["buildings"] == 1
    assert one["households"] is None


@pytest.mark.database
@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"filter": "households > 10"}, 400),
        ({"filter": "zebra > 10"}, 400),
        ({"filter": {"op": "=", "args": [{"property": "residents"}, 1]}}, 400),
        ({"filter": "category = 'disabled'"}, 400),
        ({"geometry": {"type": "Point", "coordinates": [1, 2]}}, 400),
        ({"geometry": {"type": "Polygon", "coordinates": [[[0, 0], [1, 1], [1, 0], [0, 1], [0, 0]]]}}, 400),
        ({"category": "disabled", "filter": "use = 'school'"}, 400),
        ({}, 400),
        ([], 400),
    ],
)
def test_an_area_that_cannot_be_asked_for(town: Served, body: Any, status: int) -> None:
    answer = town.client().post("/figures/area", json=body)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.database
def test_rates_are_hidden_on_few_cases_and_marked_on_some(town: Served) -> None:
    for role in (Role.PUBLIC, Role.CENTRE):
        found = town.client(role).get("/figures/rates", params={"division": CODE}).json()["rates"]
        assert found
        for one in found:
            if one["rate"] is None:
                assert one["cases"] is one["households"] is None
            else:
                assert one["cases"] >= 10
                assert one["unstable"] == (one["cases"] < 20)
                assert one["rate"] == pytest.approx(1000 * one["cases"] / one["households"], abs=0.01)
    few = (
        town.client()
        .get("/figures/rates", params={"division": CODE, "datetime": "2026-01-01/2026-01-03"})
        .json()["rates"]
    )
    assert all(one["rate"] is None for one in few)


@pytest.mark.database
def test_the_secret_is_for_disclosure_control_alone(town: Served) -> None:
    from service import db

    for role in (*(role.value for role in Role), "gate", ""):
        with db.transaction(town.database.app, role=role, scope=[db.EVERYWHERE]) as connection:
            for table in ("secrets", "figure_bases"):
                assert connection.scalar(text(f"select count(*) from {table}")) == 0  # noqa: S608
    with db.transaction(town.database.app, role="disclosure", scope=[db.EVERYWHERE]) as connection:
        assert len(bytes(connection.scalar(text("select bits from secrets")))) == 32


# --- places: a worker who asks for what everybody sees, too, and keeps it ---


def _pages(client: Any) -> list[dict[str, Any]]:
    answer = client.get("/collections/cases/items", params={"limit": 10000})
    assert answer.status_code == 200
    return list(answer.json()["features"])


def _homes(town: Served) -> dict[str, set[str]]:
    """The buildings of each case that everybody sees: who has the footprints and our rules works it out."""
    of: dict[str, set[str]] = {}
    for key, x, y, building in town.rows(
        "select c.division_code || ':' || c.case_id, st_x(c.place), st_y(c.place), p.building_id from cases c"
        " join case_places p on (p.division_code, p.era, p.place) = (c.division_code, c.place_era, c.place)"
        " join buildings b on (b.division_code, b.building_id) = (p.division_code, p.building_id)"
    ):
        of.setdefault(key, set()).add(building)
        of.setdefault(f"{x:.6f} {y:.6f}", set()).add(building)
    shown = {}
    for one in _pages(town.client()):
        x, y = one["geometry"]["coordinates"]
        assert of[one["id"]] <= of[f"{x:.6f} {y:.6f}"]
        shown[one["id"]] = of[one["id"]]
    return shown


class Worker:
    """Sees every case of his grids, writes down which they were, and what buildings there are in them."""

    def __init__(self, *grids: str) -> None:
        self.grids = frozenset(grids)
        self.seen: set[str] = set()
        self.known: set[str] = set()

    def look(self, town: Served) -> None:
        found = _pages(town.client(Role.GRID_WORKER, grids=self.grids))
        self.seen |= {one["id"] for one in found if one["properties"]["grid"] in self.grids}
        self.known |= {
            building
            for (building,) in town.rows(
                "select building_id from buildings where grid_code = any(:grids)", grids=sorted(self.grids)
            )
        }

    def narrow(self, homes: dict[str, set[str]]) -> dict[str, int]:
        """In how many buildings a case may be that everybody sees and he never saw whole."""
        return {case: len(of - self.known) for case, of in homes.items() if case not in self.seen}


def _codes(town: Served) -> list[str]:
    return [code for (code,) in town.rows("select code from grids where valid_to is null order by 1")]


@pytest.mark.database
def test_a_worker_finds_no_case_of_others_among_few_buildings(town: Served) -> None:
    homes = _homes(town)
    assert len(homes) > 50
    assert max(map(len, homes.values())) < 16
    codes = _codes(town)
    for several in [(code,) for code in codes] + list(combinations(codes, 2)):
        worker = Worker(*several)
        worker.look(town)
        assert worker.seen
        assert worker.known
        left = worker.narrow(homes)
        assert left
        assert min(left.values()) >= 8, (several, left)


def _redraw(town: Served, size: int) -> None:
    planned = plan_community(
        town.database.owner, CODE, Profile(f"{size}", Size("households", 180, size, 450))
    )
    with town.database.owner.begin() as connection:
        publish_plan(connection, planned.plan)


@pytest.mark.database
def test_redrawn_borders_tell_a_worker_no_more(town: Served) -> None:
    """Borders move, and buildings go; who keeps his post sees first one grid whole, then another."""
    first = _homes(town)
    old = {code: Worker(code) for code in _codes(town)}
    kept = dict(first)
    for worker in old.values():
        worker.look(town)
    for size in (350, 250):
        _redraw(town, size)
        homes = _homes(town)
        # nearly all are still shown, and none where two answers meet in fewer buildings than the first had
        assert len(homes) >= 0.95 * len(kept)
        assert all(kept[case] <= of for case, of in homes.items())
        for code in _codes(town):
            for worker in (Worker(code), old.setdefault(code, Worker(code))):
                worker.look(town)
                left = worker.narrow(homes)
                assert not left or min(left.values()) >= 8, (code, left)
        kept = homes
    assert kept != first
    with town.database.owner.begin() as connection:
        # buildings that are one in the next file: fewer are left at each place
        connection.execute(
            text("""delete from buildings b using (
                        select distinct on (era, place) building_id from case_places
                        order by era, place, building_id) m where b.building_id = m.building_id""")
        )
        place_cases(connection, CODE)
    homes = _homes(town)
    assert len(homes) >= 0.95 * len(kept)
    there = {building for (building,) in town.rows("select building_id from buildings")}
    assert all(kept[case] & there <= of for case, of in homes.items())
    for code in _codes(town):
        worker = Worker(code)
        worker.look(town)
        assert min(worker.narrow(homes).values()) >= 8


@pytest.mark.database
def test_a_point_that_is_told_better_stays_at_its_place(town: Served) -> None:
    """By the centre, or by the same file with other digits; one that is told elsewhere is shown elsewhere."""
    older = (
        "select division_code || ':' || case_id, st_x(geom), st_y(geom) from cases"
        " where place is not null and place_era < (select max(era) from case_places) order by id limit 25"
    )
    if not town.rows(older):
        _redraw(town, 350)
    before, client = _homes(town), town.client(Role.CENTRE)
    rows = town.rows(older)
    assert len(rows) == 25  # of before the last redraw

    def tell(case: str, x: float, y: float) -> None:
        where = f"/collections/cases/items/{case}"
        answer = client.patch(
            where,
            json={"geometry": {"type": "Point", "coordinates": [x, y]}},
            headers={
                "if-match": client.get(where).headers["etag"],
                "content-type": "application/merge-patch+json",
            },
        )
        assert answer.status_code in (200, 204), answer.text

    for case, x, y in rows:
        tell(case, x + 1e-9, y)
    assert _homes(town) == before
    with town.database.owner.begin() as connection:
        connection.execute(text("update cases set geom = st_snaptogrid(geom, 1e-7)"))
        place_cases(connection, CODE)
    after = _homes(town)
    assert {case: after[case] for case in before if case in after} == before
    case, x, y = next(row for row in rows if row[0] in before)
    _, far_x, far_y = max(rows, key=lambda row: abs(row[1] - x))
    tell(case, far_x, far_y)
    assert _homes(town)[case] != before[case]
    tell(case, x, y)


@pytest.mark.database
@pytest.mark.parametrize("shift", [0.0, 0.005])
def test_a_place_stands_for_the_same_buildings_whatever_they_are_called(
    scratch: Database, shift: float
) -> None:
    """A file that gives its ids anew in another order; or the same, all of them elsewhere (another datum)."""
    area = fill(scratch)
    where = text(
        "select building_id, st_x(geom), st_y(geom), st_x(place) from case_places where era = 1 order by 2, 3"
    )
    count = text("select count(*) from cases where place is not null")
    with scratch.owner.begin() as connection:
        connection.execute(text("update cases set building_id = ''"))  # it would be another's, too
        locate_cases(connection, CODE)
        place_cases(connection, CODE)
        before, shown = connection.execute(where).all(), connection.scalar(count)
        if shift:
            connection.execute(text("update buildings set geom = st_translate(geom, :by, 0)"), {"by": shift})
            place_cases(connection, CODE)
        else:
            ids = sorted(area.buildings["id"].unique())
            others = dict(zip(ids, np.random.default_rng(3).permutation(ids), strict=True))
            renamed = area.buildings.assign(id=area.buildings["id"].map(others))
            load_area(connection, dataclasses.replace(area, buildings=renamed), None)
        after = connection.execute(where).all()
        assert connection.scalar(count) == shown
        assert [row[1:] for row in after] == [row[1:] for row in before]
        if shift:
            assert after == before
            return
        assert [row[0] for row in after] == [others[row[0]] for row in before]


@pytest.mark.database
def test_a_case_that_comes_later_is_no_easier_to_find(town: Served) -> None:
    """Reported one by one, on either side of a border, after all that was published here."""
    client = town.client(Role.CENTRE)
    beside = town.rows(
        "select st_x(p), st_y(p) from (select st_lineinterpolatepoint(st_exteriorring("
        "st_buffer(g.geom, -2e-6)), s / 12.0) as p"
        " from grids g, generate_series(0, 11) s where valid_to is null) o"
    )
    features = [
        {
            "type": "Feature",
            "geometry": {"type": "Point", "coordinates": [x, y]},
            "properties": {"category": "rubbish", "case_id": f"late{number}"},
        }
        for number, (x, y) in enumerate(beside)
    ]
    answer = client.post(
        "/collections/cases/items",
        json={"type": "FeatureCollection", "features": features},
        headers={"content-type": "application/geo+json"},
    )
    assert answer.status_code == 201, answer.text
    homes = _homes(town)
    late = {case for case in homes if ":late" in case}
    assert len(late) == len(features)
    for code in _codes(town):
        worker = Worker(code)
        worker.look(town)
        left = worker.narrow(homes)
        assert late & left.keys()
        assert min(left.values()) >= 8
