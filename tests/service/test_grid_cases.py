"""In which grid a case counts: what shares places counts together, and a redraw makes no rise."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text

from service import db
from service.access import Role
from service.store.grid_cases import Grids, join_grids
from service.store.place_grids import PlaceGrids, Spot
from service.store.places import place_cases

from .api import fill, serve
from .towns import CODE

TOWN = "town"
grids = st.lists(st.sampled_from("abcdefgh"), min_size=1, max_size=8, unique=True)
Places = dict[Spot, dict[str, int]]


@st.composite
def towns(draw: st.DrawFn) -> tuple[dict[str, str], Places, Places, set[str]]:
    """Grids, the places that cases get now, those of before, and the principal's own grids."""
    codes = draw(grids)
    counts = st.dictionaries(st.sampled_from([*codes, "gone"]), st.integers(1, 20), min_size=1, max_size=3)
    now = draw(st.lists(counts, max_size=8))
    before = draw(st.lists(counts, max_size=4))
    own = set(draw(st.lists(st.sampled_from(codes), max_size=2)))
    present = {(float(n), 0.0): told for n, told in enumerate(now)}
    former = {(float(n), 1.0): told for n, told in enumerate(before)}
    return dict.fromkeys(codes, TOWN), present, former, own


def nowhere(_: Sequence[str]) -> Grids:
    raise AssertionError("the place is known")


@given(towns())
def test_units_are_whole_and_each_place_counts_in_one(
    town: tuple[dict[str, str], Places, Places, set[str]],
) -> None:
    codes, present, former, own = town
    known = {TOWN: PlaceGrids(present, present | former)}
    units = join_grids(codes, known, own)
    assert sorted(code for unit in units.grids.values() for code in unit) == sorted(codes)
    assert all(first == members[0] == min(members) for first, members in units.grids.items())
    assert all(units.grids[code] == (code,) for code in own)
    for spot, counts in present.items():
        theirs = {units.of(code) for code in counts if code in codes and code not in own}
        assert len(theirs) <= 1
        if theirs:
            assert units.at([TOWN], np.array([spot]), nowhere) == list(theirs)
            assert units.crossing(TOWN, spot) == ()
    for spot, counts in former.items():
        sums = {
            unit: sum(counts.get(code, 0) for code in members)
            for unit, members in units.grids.items()
            if unit not in own
        }
        theirs = {unit for unit, count in sums.items() if count}
        assert set(units.crossing(TOWN, spot)) == (theirs if len(theirs) > 1 else set())
        if theirs:
            [unit] = units.at([TOWN], np.array([spot]), nowhere)
            assert unit is not None
            assert sums[unit] == max(sums.values())
    # grids are joined by nothing else: each unit hangs together by its places
    for first, whole in units.grids.items():
        reached, more = {first}, True
        while more:
            near = {
                code
                for counts in present.values()
                if reached & (counts.keys() - own)
                for code in counts
                if code in codes and code not in own
            }
            more, reached = bool(near - reached), reached | near
        assert reached >= set(whole)
    # used places join as well, and no order changes anything
    every = join_grids(codes, known, own, [(TOWN, spot) for spot in former])
    assert not any(every.crossing(TOWN, spot) for spot in [*present, *former])
    turned = {TOWN: PlaceGrids(dict(reversed(present.items())), dict(reversed((present | former).items())))}
    assert join_grids(dict(reversed(codes.items())), turned, own) == units


@pytest.mark.database
def test_a_redraw_is_no_rise(module_database: db.Database) -> None:
    """Cases from before it lie at places across its borders: all count, and nothing is said to rise."""
    area = fill(module_database)
    with serve(module_database, area) as served:
        public, centre = served.client(Role.PUBLIC), served.client(Role.CENTRE)
        path = f"/centre/{CODE}/cases?datetime=2026-02-01/2026-03-01&category=rubbish"
        before = public.get(path).json()
        assert all(row["crossing"] == 0 for row in before["by_grid"])
        with served.database.owner.begin() as connection:
            connection.execute(text("update cases set category = 'rubbish'"))
            # half of the buildings of a grid come to its neighbour, and the cases nearest to them
            half = """(select percentile_cont(0.5) within group (order by st_x(st_centroid(geom)))
                       from buildings where grid_code = :off)"""
            metres = "st_transform(st_pointonsurface(b.geom), 4527) <-> st_transform(c.geom, 4527)"
            for change in (
                f"""update cases c set grid_code = :to where grid_code = :off and (
                        select st_x(st_centroid(b.geom)) from buildings b where b.grid_code = :off
                        order by {metres} limit 1) > {half}""",  # noqa: S608  # the texts above
                f"""update buildings set grid_code = :to
                    where grid_code = :off and st_x(st_centroid(geom)) > {half}""",  # noqa: S608  # the same
            ):
                connection.execute(text(change), {"off": f"{CODE}004", "to": f"{CODE}005"})
            place_cases(connection, CODE)
        told, exact = public.get(path).json(), centre.get(path).json()
        # those at places that hold no longer are shown to nobody else
        assert 0 < told["total"] <= exact["total"]
        assert sum(row["cases"] for row in told["by_grid"]) == told["total"]
        crossing = {row["label"]: row for row in told["by_grid"] if row["crossing"]}
        assert crossing.keys() & {"004", "005"}
        many = [row for row in crossing.values() if row["crossing"] > 0.05 * (row["cases"] + row["previous"])]
        assert many
        assert {row["verdict"] for row in many} == {"withheld"}
        assert all(row["verdict"] != "withheld" for row in told["by_grid"] if not row["crossing"])
        assert all(row["crossing"] == 0 and row["verdict"] != "withheld" for row in exact["by_grid"])
        # statistics join what the places of these cases cross
        found = public.get(f"/centre/{CODE}/statistics/rates?datetime=2026-01-01/2026-03-01").json()
        units = [one["properties"]["grids"] for one in found["units"]["features"]]
        whole = [one["properties"]["cases"] for one in found["units"]["features"]]
        joined = next(unit for unit in units if f"{CODE}004" in unit)
        assert len(joined) > 1
        rows = served.rows(
            """
            select grid_code, count(*) from cases where place is not null and division_code = :code
            and time >= '2026-01-01 00:00+08' and time < '2026-03-02 00:00+08' group by 1
            """,
            code=CODE,
        )
        exactly = dict(rows)
        assert whole == [sum(exactly.get(code, 0) for code in unit) for unit in units]
        # where a measure was taken in one of them, none of them stands beside it as a control
        asked = f"datetime=2026-01-01/2026-03-01&at=2026-02-01&areas={joined[-1]}"
        found = public.get(f"/centre/{CODE}/statistics/compare?{asked}").json()
        kinds = {
            tuple(one["properties"]["grids"]): one["properties"]["kind"] for one in found["units"]["features"]
        }
        assert kinds.pop(tuple(joined)) != "control"
        assert set(kinds.values()) == {"control"}
