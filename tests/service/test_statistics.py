"""Statistics over HTTP: counted from what each role is shown, judged as the layers judge, refused plainly."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import geopandas as gpd
import httpx
import numpy as np
import pytest
import shapely
from shapely.geometry import Point, shape
from sqlalchemy import text

from layers.statistics import recent
from service import db
from service.access import Role
from service.centre import mesh
from service.centre import statistics as room
from service.centre.question import BEIJING
from service.centre.statistic_answer import KINDS
from service.centre.statistic_question import METHODS

from .api import HIDDEN, Served, fill, serve
from .towns import CODE

pytestmark = pytest.mark.database

ALL = "datetime=2020-01-01/2030-01-01"
HEAP = 40  # cases of one afternoon at one corner of the town


@pytest.fixture(scope="module")
def served(module_database: db.Database) -> Iterator[Served]:
    """The town, with a heap of cases at one corner in the last two days that there are any."""
    area = fill(module_database)
    with module_database.owner.begin() as connection:
        connection.execute(
            text("""
                insert into cases (division_code, case_id, category, time, status, geom, grid_code)
                select c.division_code, 'heap' || n, 'noise', m.newest + interval '1 hour' * (n % 24),
                       'filed', c.geom, c.grid_code
                from generate_series(1, :heap) n,
                     (select max(time) as newest from cases) m,
                     (select * from cases where grid_code is not null and category = 'rubbish'
                      order by st_x(geom) + st_y(geom), id limit 1) c
            """),
            {"heap": HEAP},
        )
    with serve(module_database, area) as town:
        yield town


@pytest.fixture(scope="module")
def clients(served: Served) -> dict[Role, httpx.Client]:
    """One a role; the worker's grid is the first."""
    own = served.rows("select min(code) from grids where valid_to is null and division_code = :c", c=CODE)[0][
        0
    ]
    return {
        role: served.client(role, grids=frozenset({own}) if role is Role.GRID_WORKER else frozenset())
        for role in Role
    }


def ask(client: httpx.Client, method: str, query: str = "", division: str = CODE) -> dict[str, Any]:
    """The answer, which must have the shape that is documented."""
    answer = client.get(f"/centre/{division}/statistics/{method}?{query}")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    assert found["method"] == method
    for name in ("title", "verdict", "words", "caveat"):
        assert set(found[name]) == {"zh", "en"}
        assert all(found[name].values())
    kinds = Counter(unit["properties"]["kind"] for unit in found["units"]["features"])
    assert kinds == {entry["kind"]: entry["units"] for entry in found["legend"]}
    assert set(kinds) <= set(KINDS[method])  # type: ignore[index]
    for unit in found["units"]["features"]:
        assert unit["geometry"]["type"] in ("Polygon", "MultiPolygon")
    assert found["links"][0]["rel"] == "self"
    return found


def refuse(client: httpx.Client, method: str, query: str, status: int = 400) -> str:
    answer = client.get(f"/centre/{CODE}/statistics/{method}?{query}&lang=en")
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    return str(answer.json()["detail"])


def items(client: httpx.Client) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = client.get("/collections/cases/items?limit=1000").json()["features"]
    return found


@pytest.mark.parametrize("role", list(Role))
@pytest.mark.parametrize("method", METHODS)
def test_every_role_has_its_cases_counted(clients: dict[Role, httpx.Client], role: Role, method: str) -> None:
    """Each case that the role is shown counts once; what it is not shown does not count."""
    found = ask(clients[role], method, f"{ALL}&units=grids")
    shown = [one for one in items(clients[role]) if one["properties"]["community"] == CODE]
    counted = [unit["properties"] for unit in found["units"]["features"]]
    total = sum(unit["cases"] for unit in counted)
    if method == "compare":
        total += sum(unit["before"] for unit in counted)
    assert 0 < total <= len(shown)
    if method != "recent":
        assert total == found["cases"] == len(shown)
    assert found["approximate"] == (role is not Role.CENTRE)


def test_cells_hold_the_cases_that_lie_in_them(clients: dict[Role, httpx.Client]) -> None:
    found = ask(clients[Role.CENTRE], "gi", f"{ALL}&cell=60")
    cases = [Point(one["geometry"]["coordinates"]) for one in items(clients[Role.CENTRE])]
    features = found["units"]["features"]
    assert len(features) > 30
    for unit in features:
        area = shape(unit["geometry"])
        inner, outer = area.buffer(-2e-6), area.buffer(2e-6)
        assert sum(inner.contains(case) for case in cases) <= unit["properties"]["cases"]
        assert unit["properties"]["cases"] <= sum(outer.contains(case) for case in cases)
    assert sum(unit["properties"]["cases"] for unit in features) == len(cases)
    assert found["answered"]


def test_the_heap_is_the_cluster(clients: dict[Role, httpx.Client]) -> None:
    for method in ("scan", "recent"):
        found = ask(
            clients[Role.CENTRE],
            method,
            f"{ALL}&cell=60&longest=3" if method == "recent" else f"{ALL}&cell=60",
        )
        first = found["clusters"]["features"][0]
        assert first["properties"]["found"]
        assert first["properties"]["p"] == 0.001
        assert first["properties"]["cases"] >= HEAP
        assert first["properties"]["number"] == 1
        inside = [u for u in found["units"]["features"] if u["properties"]["cluster"] == 1]
        assert all(u["properties"]["kind"] == "cluster" for u in inside)
        circle = shape(first["geometry"]).buffer(1e-6)
        assert all(circle.contains(shape(u["geometry"])) for u in inside)
        assert f"{first['properties']['cases']} cases" in found["verdict"]["en"]
        if method == "recent":
            assert first["properties"]["days"] in (1, 2, 3)
            assert found["history"]["days"] >= 6


def test_a_circle_with_too_few_is_not_one_with_too_many(clients: dict[Role, httpx.Client]) -> None:
    found = ask(clients[Role.CENTRE], "scan", f"{ALL}&cell=60&side=both&share=0.5")
    kinds = {
        circle["properties"]["number"]: "cluster" if circle["properties"]["high"] else "cluster_low"
        for circle in found["clusters"]["features"]
        if circle["properties"]["found"]
    }
    assert set(kinds.values()) == {"cluster", "cluster_low"}
    for unit in found["units"]["features"]:
        assert unit["properties"]["kind"] in (kinds.get(unit["properties"]["cluster"], "none"), "unknown")
    assert [entry["kind"] for entry in found["legend"]][:2] == ["cluster", "cluster_low"]


def test_filters_and_seeds_are_heard(clients: dict[Role, httpx.Client]) -> None:
    centre = clients[Role.CENTRE]
    noise = ask(centre, "scan", f"{ALL}&category=noise&cell=60")
    assert noise["cases"] == HEAP
    one, same = (ask(centre, "gi", f"{ALL}&cell=60&seed=4") for _ in range(2))
    other = ask(centre, "gi", f"{ALL}&cell=60&seed=5")
    assert one == same
    assert one["parameters"]["seed"] == 4
    assert [u["properties"]["p"] for u in one["units"]["features"]] != [
        u["properties"]["p"] for u in other["units"]["features"]
    ]
    assert [u["properties"]["score"] for u in one["units"]["features"]] == [
        u["properties"]["score"] for u in other["units"]["features"]
    ]
    again = centre.get(one["links"][0]["href"]).json()
    assert again == one


def test_few_cases_and_few_units_are_said_plainly(clients: dict[Role, httpx.Client]) -> None:
    none = ask(clients[Role.CENTRE], "scan", "datetime=2001-01-01/2001-02-01")
    assert not none["answered"]
    assert not none["clusters"]
    grids = ask(clients[Role.CENTRE], "gi", f"{ALL}&units=grids")
    assert not grids["answered"]
    assert "fewer than 30" in grids["verdict"]["en"]
    assert {u["properties"]["kind"] for u in grids["units"]["features"]} == {"none"}
    assert all(u["properties"]["p"] is None for u in grids["units"]["features"])


def test_rates_in_units_that_all_have_too_few_people(clients: dict[Role, httpx.Client]) -> None:
    """Cells of 60 m hold fewer than 20 estimated households, or fewer than 10 cases."""
    for role in (Role.PUBLIC, Role.CENTRE):
        ask(clients[role], "rates", f"{ALL}&units=cells&cell=60&rate=households")
    found = ask(clients[Role.CENTRE], "rates", f"{ALL}&units=buildings&category=rubbish")
    assert {unit["properties"]["kind"] for unit in found["units"]["features"]} <= {
        "hidden",
        "unknown",
        "none",
    }


def test_rates_are_hidden_below_ten_and_unstable_below_twenty(clients: dict[Role, httpx.Client]) -> None:
    for role in (Role.PUBLIC, Role.PLANNER, Role.CENTRE):
        for units in ("grids", "cells"):
            found = ask(clients[role], "rates", f"{ALL}&units={units}&cell=120")
            states = Counter()
            for unit in found["units"]["features"]:
                told = unit["properties"]
                states[told["state"]] += 1
                if told["kind"] == "unknown":
                    assert told["rate"] is None
                    assert told["smoothed"] is None
                    assert told["denominator"] is None
                    continue
                assert told["denominator"] >= 20
                expected = "hidden" if told["cases"] < 10 else "unstable" if told["cases"] < 20 else "stable"
                assert told["state"] == expected
                assert (told["rate"] is None) == (expected == "hidden")
                assert (told["smoothed"] is None) == (expected == "hidden")
                if told["rate"] is not None:
                    assert told["rate"] == pytest.approx(1000 * told["cases"] / told["denominator"], rel=0.03)
            assert states["stable"] or states["unstable"]
            smoothed = [unit["properties"]["smoothed"] for unit in found["units"]["features"]]
            shown = [value for value in smoothed if value is not None]
            for end in re.findall(
                r"smoothed from ([0-9]+[.][0-9]) to ([0-9]+[.][0-9])", found["verdict"]["en"]
            ):
                assert (min(shown), max(shown)) == pytest.approx(tuple(map(float, end)), rel=0.01, abs=0.06)


def test_denominators_are_those_of_the_collections(clients: dict[Role, httpx.Client], served: Served) -> None:
    """Grids: as published. Cells: the centre's add up to the buildings', the public's to the grids'."""
    for rate in ("households", "residents"):
        found = ask(clients[Role.PUBLIC], "rates", f"{ALL}&rate={rate}")
        published = {
            one["id"]: one["properties"][rate]
            for one in clients[Role.PUBLIC].get("/collections/grids/items?limit=100").json()["features"]
        }
        for unit in found["units"]["features"]:
            told = unit["properties"]
            assert told["denominator"] == pytest.approx(published[told["grid"]], abs=0.51)
    whole = served.rows(
        "select sum(households) from buildings where division_code = :c and not households_unknown", c=CODE
    )[0][0]
    cells = ask(clients[Role.PUBLIC], "rates", f"{ALL}&units=cells&cell=120")
    told = sum(unit["properties"]["denominator"] or 0 for unit in cells["units"]["features"])
    assert 0.8 * whole <= told <= whole + 10
    assert any("estimated" in note["en"] for note in cells["notes"])
    centre = ask(clients[Role.CENTRE], "rates", f"{ALL}&units=cells&cell=120")
    assert not any("estimated" in note["en"] for note in centre["notes"])


def test_rates_at_places_are_of_the_buildings_whose_cases_are_counted(
    clients: dict[Role, httpx.Client],
) -> None:
    """Planners: people and cases lie at the same places. Without households of buildings: no judgement."""
    for units in ("cells&cell=120", "grids"):
        found = ask(clients[Role.PLANNER], "scan", f"{ALL}&units={units}&rate=households")
        assert found["answered"]
        told = [unit["properties"] for unit in found["units"]["features"] if unit["properties"]["expected"]]
        assert sum(one["expected"] for one in told) == pytest.approx(
            sum(one["cases"] for one in told), rel=0.01
        )
        if units == "grids":  # households of grids are published, and cases count in their own or with it
            continue
        for method in ("scan", "recent", "gi", "moran"):
            for role in (Role.PUBLIC, Role.CONSUMER, Role.GRID_WORKER):
                refused = ask(
                    clients[role],
                    method,
                    f"{ALL}&units={units}&rate=residents&longest=3"
                    if method == "recent"
                    else f"{ALL}&units={units}&rate=residents",
                )
                assert not refused["answered"]
                assert "errors of the estimate" in refused["verdict"]["en"]
                assert "不作判断" in refused["verdict"]["zh"]
                assert not (refused["clusters"] or {"features": []})["features"]
                assert {u["properties"]["kind"] for u in refused["units"]["features"]} == {"none"}
                none = ("expected", "cluster") if method in ("scan", "recent") else ("score", "p", "q")
                assert all(
                    u["properties"][name] is None for u in refused["units"]["features"] for name in none
                )
    # a place's cases lie in one cell together with all households of its buildings
    exact, moved = (
        ask(clients[role], "gi", f"{ALL}&cell=60&rate=households")["units"]["features"]
        for role in (Role.CENTRE, Role.PLANNER)
    )
    holding = [sum(unit["properties"]["cases"] > 0 for unit in units) for units in (exact, moved)]
    assert holding[1] < holding[0]
    cells = f"{ALL}&units=cells&cell=120"
    assert "is not judged" in ask(clients[Role.PUBLIC], "rates", cells)["verdict"]["en"]
    for role, query in ((Role.PLANNER, cells), (Role.PUBLIC, ALL), (Role.PLANNER, ALL), (Role.CENTRE, ALL)):
        assert "is not judged" not in ask(clients[role], "rates", query)["verdict"]["en"]


def test_ground_goes_the_way_of_the_cases_on_it(clients: dict[Role, httpx.Client], served: Served) -> None:
    """By number a cell is expected to hold cases in proportion to the ground whose cases are counted in it:
    for who sees places none where no building is, for a worker that of his own grid as it is.
    """
    answers = {
        role: ask(clients[role], "scan", f"{ALL}&cell=60")
        for role in (Role.CENTRE, Role.PLANNER, Role.GRID_WORKER)
    }
    left = next(one for one in answers[Role.PLANNER]["legend"] if one["kind"] == "unknown")
    assert left["label"] == {"zh": "没有楼栋，未参与", "en": "no building: left out"}
    cells = {role: answer["units"]["features"] for role, answer in answers.items()}
    expected = {
        role: np.array([unit["properties"]["expected"] or 0.0 for unit in units])
        for role, units in cells.items()
    }
    for role, units in cells.items():
        told = [unit["properties"] for unit in units]
        assert expected[role].sum() == pytest.approx(
            sum(one["cases"] for one in told if one["kind"] != "unknown"), rel=0.01
        )
    degrees = gpd.GeoSeries([shape(unit["geometry"]) for unit in cells[Role.CENTRE]], crs=4326)
    homes = served.rows(
        "select st_asbinary(st_pointonsurface(geom)) as at from buildings where division_code = :c", c=CODE
    )
    points = shapely.MultiPoint([shapely.from_wkb(bytes(row[0])) for row in homes])
    built = degrees.intersects(points).to_numpy()
    assert (~built).sum() > 3
    kinds = np.array([unit["properties"]["kind"] for unit in cells[Role.PLANNER]])
    assert (kinds[~built] == "unknown").all()
    assert (expected[Role.PLANNER] > 0).sum() > 0.9 * built.sum()
    assert (expected[Role.CENTRE] > 0).all()

    area = degrees.to_crs(degrees.estimate_utm_crs()).area.to_numpy()
    own = served.rows(
        "select st_asbinary(geom) as shape from grids where valid_to is null and division_code = :c "
        "order by code limit 1",
        c=CODE,
    )
    mine = shapely.from_wkb(bytes(own[0][0]))
    inner = degrees.within(mine).to_numpy()
    assert inner.sum() >= 2
    # in his own grid as many cases are expected on a square metre as in all his ground
    worker = expected[Role.GRID_WORKER]
    assert worker[inner] / area[inner] == pytest.approx(
        np.full(inner.sum(), worker.sum() / area.sum()), rel=0.05
    )
    bare = ~built & (shapely.area(degrees.intersection(mine).to_numpy()) > 1e-8)  # about 100 m²
    assert bare.any()
    assert (worker[bare] > 0).all()


def test_days_are_expected_by_the_hours_looked_at(
    clients: dict[Role, httpx.Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Any] = []
    scanned = recent.scan_recent

    def spy(*told: Any, **named: Any) -> Any:
        seen.append(named["day_weights"])
        return scanned(*told, **named)

    monkeypatch.setattr(recent, "scan_recent", spy)
    ask(clients[Role.CENTRE], "recent", f"{ALL}&cell=60&rate=households&longest=3&weekdays=6,7&hours=8-18")
    assert seen[0].sum() / 10 == pytest.approx(len(seen[0]) * 2 / 7, abs=2)
    assert set(np.unique(np.round(seen[0], 6))) <= {0.0, 10.0} or seen[0].max() <= 10
    assert (seen[0] == 0).sum() > len(seen[0]) / 2


def test_before_and_after(clients: dict[Role, httpx.Client], served: Served) -> None:
    centre = clients[Role.CENTRE]
    newest = served.rows("select max(time) from cases where case_id not like 'heap%'")[0][0]
    newest = newest.astimezone(BEIJING)
    day = newest.date().isoformat()
    span = f"datetime={newest.replace(year=newest.year - 1).date().isoformat()}/2030-01-01"
    found = ask(centre, "compare", f"{span}&at={day}")
    assert datetime.fromisoformat(found["at"]) == datetime.fromisoformat(f"{day}T00:00:00+08:00")
    counted = served.rows(
        "select count(*) filter (where time < :day), count(*) filter (where time >= :day) from cases "
        "where division_code = :c and time >= :first",
        day=newest.replace(hour=0, minute=0, second=0, microsecond=0),
        first=newest.replace(year=newest.year - 1, hour=0, minute=0, second=0, microsecond=0),
        c=CODE,
    )[0]
    units = [unit["properties"] for unit in found["units"]["features"]]
    assert (sum(u["before"] for u in units), sum(u["cases"] for u in units)) == tuple(counted)
    assert found["at_because"] == "asked"
    assert ask(centre, "compare", span)["at_because"] == "half"
    codes = [unit["grid"] for unit in units]
    part = ask(centre, "compare", f"{span}&at={day}&areas={codes[0]},{codes[1]}")
    kinds = [unit["properties"]["kind"] for unit in part["units"]["features"]]
    assert kinds.count("control") == len(codes) - 2
    assert "control" in part["words"]["en"]
    assert part["overall"].keys() == {"ratio", "low", "high", "p"}
    assert "within" in refuse(centre, "compare", f"{span}&at=2001-01-01")
    assert "no grid in force" in refuse(centre, "compare", f"{span}&areas=nowhere")
    assert "some of the grids" in refuse(centre, "compare", f"{span}&areas={','.join(codes)}")
    refuse(centre, "compare", f"{span}&at=2026-01-01/2026-01-02")
    refuse(centre, "compare", f"{span}&at=yesterday")


def test_buildings_are_for_the_centre(clients: dict[Role, httpx.Client]) -> None:
    found = ask(clients[Role.CENTRE], "gi", f"{ALL}&units=buildings")
    assert len(found["units"]["features"]) > 100
    assert found["parameters"]["units"] == "buildings"
    ask(clients[Role.CENTRE], "recent", f"{ALL}&units=buildings&longest=1")
    for role in (Role.PUBLIC, Role.PLANNER, Role.CONSUMER, Role.GRID_WORKER):
        assert "cells, grids" in refuse(clients[role], "gi", "units=buildings")


@pytest.mark.parametrize(
    ("method", "query"),
    [
        ("gi", "units=parishes"),
        ("gi", "cell=10"),
        ("gi", "cell=nan"),
        ("gi", "cell=100&cell=200"),
        ("gi", "seed=-1"),
        ("gi", "runs=99"),
        ("rates", "runs=99"),
        ("scan", "runs=10"),
        ("scan", "runs=100000"),
        ("scan", "share=0.9"),
        ("scan", "side=up"),
        ("scan", "radius=0"),
        ("scan", "radius=1e9"),
        ("scan", "longest=3"),
        ("recent", "longest=0"),
        ("recent", "longest=99"),
        ("compare", "areas=" + ",".join(map(str, range(500)))),
        ("compare", "nothing=1"),
    ],
)
def test_what_cannot_be_asked(clients: dict[Role, httpx.Client], method: str, query: str) -> None:
    name = query.split("=")[0]
    assert name in refuse(clients[Role.CENTRE], method, query)


def test_what_is_not_there(clients: dict[Role, httpx.Client]) -> None:
    assert "gi, moran" in refuse(clients[Role.CENTRE], "kriging", "", 404)
    for division in (HIDDEN, "no such"):
        assert clients[Role.PUBLIC].get(f"/centre/{division}/statistics/gi").status_code == 404


def test_work_is_bounded(
    served: Served, clients: dict[Role, httpx.Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "WORK_MOST", 100_000)
    assert "fewer runs" in refuse(clients[Role.CENTRE], "scan", f"{ALL}&cell=50&runs=998", 413)
    monkeypatch.setattr(mesh, "UNITS_MOST", 20)
    assert "more than 20 units" in refuse(clients[Role.CENTRE], "gi", f"{ALL}&cell=51", 413)
    assert "more than 20 units" in refuse(clients[Role.CENTRE], "gi", f"{ALL}&units=buildings&seed=9", 413)


def test_without_the_extra_it_is_said(
    clients: dict[Role, httpx.Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "esda", None)
    found = ask(clients[Role.CENTRE], "gi", f"{ALL}&cell=77")
    assert not found["answered"]
    assert "wangge[statistics]" in found["verdict"]["en"]


def test_answers_are_kept_and_tagged(clients: dict[Role, httpx.Client]) -> None:
    href = f"/centre/{CODE}/statistics/scan?{ALL}&cell=60"
    first = clients[Role.CENTRE].get(href)
    again = clients[Role.CENTRE].get(href, headers={"If-None-Match": first.headers["etag"]})
    assert again.status_code == 304
    assert json.loads(first.content)["cases"] > HEAP
    assert np.isfinite(len(first.content))


def test_a_redraw_parts_before_from_after(clients: dict[Role, httpx.Client], served: Served) -> None:
    """Borders that changed within the time asked about part it; cases are counted where they lie."""
    newest = served.rows("select max(time) from cases where case_id not like 'heap%'")[0][0]
    with served.database.owner.begin() as connection:
        connection.execute(
            text("""
                insert into grids (division_code, code, tier, valid_from, valid_to, geom, households,
                                   residents, buildings, buildings_unknown, area_m2, plan_id)
                select division_code, division_code || '999', tier,
                       cast(:day as timestamptz) - interval '30 days', :day, geom,
                       households, residents, buildings, buildings_unknown, area_m2, plan_id
                from grids where valid_to is null order by code limit 1
            """),
            {"day": newest},
        )
    for role in (Role.PUBLIC, Role.CENTRE):
        found = ask(clients[role], "compare", ALL)
        assert found["at_because"] == "redraw"
        assert found["at"][:16] == newest.astimezone(UTC).isoformat()[:16]
        later = [unit["properties"]["cases"] for unit in found["units"]["features"]]
        earlier = [unit["properties"]["before"] for unit in found["units"]["features"]]
        shown = [one["properties"] for one in items(clients[role]) if one["properties"]["community"] == CODE]
        assert sum(later) == sum(datetime.fromisoformat(one["time"]) >= newest for one in shown)
        assert sum(later) + sum(earlier) == len(shown)
