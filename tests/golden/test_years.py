"""Plans redrawn year after year on towns that change, and communities merged, as readable text. `make golden`
renews it; read the difference like code.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
import shapely
from shapely import Point

from partition.changes.former import Former
from partition.changes.redraw import Redraw, redraw_area
from partition.merging.merge import merge_communities
from partition.split import split_area
from partition.wishes.rules import Size
from tests.golden.parts import compare_part
from tests.lattice import CRS, Town, make_town
from tests.partition.test_merging import street_office
from tests.properties.test_redraw import PROFILE, a_year_later, recalled

GOLDEN = Path(__file__).with_name("years.txt")
TOWNS = {
    "river": (Town(columns=4, rows=3, river=True, seed=1), ("both", "polygons")),
    "careless": (Town(columns=3, rows=4, careless=True, seed=2), ("buildings", "both")),
    "two": (Town(columns=4, rows=3, communities=2, wall=True, seed=3), ("polygons", "both")),
    "dense": (Town(columns=3, rows=3, most_households=110, dual=True, seed=4), ("both", "both")),
}


def laid(former: Former) -> Iterator[str]:
    yield f"  new {former.fresh.sum()}, gone {former.demolished}, drawn anew {former.redrawn}"
    yield f"  led round {sorted(former.led_round)}, fitted {sorted(former.fitted)}"
    away = np.flatnonzero(former.was != former.before)
    yield "  moved already: " + ", ".join(f"{former.was[i]}>{former.before[i]}" for i in away)
    around = former.grids.geometry.length
    yield f"  {len(former.grids)} grids of {former.grids.geometry.area.sum():.1f} m2, {around.sum():.1f} m"


def made_of(made: Redraw) -> Iterator[str]:
    yield f"  kept {sorted(made.kept)}"
    for table in (made.register.flows, made.register.grids):
        for row in table.itertuples(index=False):
            yield "    " + " ".join(str(value) for value in row)
    for grid in made.split.grids.itertuples(index=False):
        shape = grid.geometry
        yield (
            f"  {grid.code} {grid.kind} {grid.households} of {grid.buildings}, {shape.area:.1f} m2, "
            f"{shape.length:.1f} m, {shapely.get_num_coordinates(shape)} vertices"
        )
    units = made.split.units
    yield f"  {len(units)} units, {units['households'].sum()} households, {units.geometry.length.sum():.1f} m"
    figures = made.split.report.judgement.figures
    yield "  " + ", ".join(
        f"{key} {figures[key]}" for key in ("share_in_range", "fragments", "buildings_cut")
    )
    for finding in (*made.split.report.findings, *made.split.report.violations):
        yield f"  {finding.level}: {finding.text('en')}"


def story(name: str) -> Iterator[str]:
    town, ways = TOWNS[name]
    rng = np.random.default_rng(town.seed)
    area = make_town(town)
    plan = split_area(area, PROFILE, effort=200)
    ever = set(plan.grids["code"])
    for year, way in enumerate(ways):
        area = a_year_later(area, year, rng)
        former = recalled(area, plan, way)
        yield f"{year}, by {way}:"
        yield from laid(former)
        codes = former.grids["code"].to_list()
        cap = 40.0 if year and name in ("river", "two") else None
        made = redraw_area(
            area, former, PROFILE, issued=ever, seed=year, staff={codes[0]: "Li", codes[-1]: "Wang"},
            locked=codes[:1] if year == 1 else (), most_moved=cap,
        )  # fmt: skip
        yield from made_of(made)
        ever |= set(made.split.grids["code"])
        plan = made.split


def mergers() -> Iterator[str]:
    area = street_office(5, 3, seed=5)
    bounds = shapely.bounds(area.communities.geometry.to_numpy())
    points = [Point(x0 + 90 + 20 * n, y0 + 110) for n, (x0, y0, _, _) in enumerate(bounds.tolist())]
    facilities = gpd.GeoDataFrame(
        {"id": [f"S{n}" for n in range(len(points))], "name": "站", "kind": "居委会"},
        geometry=points,
        crs=CRS,
    )
    codes = [
        code if n % 5 < 3 else f"110101002{code[-3:]}" for n, code in enumerate(area.communities["code"])
    ]
    offices = replace(area, communities=area.communities.assign(code=codes))
    people = area.buildings["households"] * 2.4
    unknown = replace(area, buildings=area.buildings.assign(residents=people.where(people.index % 9 > 0)))
    two = (Size("residents", 2600, 4000, 5400), Size("area", 120_000, 260_000, 400_000))
    for what, into, options in (
        (area, 5, {}), (area, 4, {"facilities": facilities[::3], "limit_m": 500.0}), (offices, 5, {}),
        (unknown, 6, {"sizes": two, "seed": 3}), (area, 14, {}), (area, 3, {"facilities": facilities[:2]}),
    ):  # fmt: skip
        made = merge_communities(what, into, effort=200, **options)
        yield f"into {into}: " + ", ".join(f"{key} {value}" for key, value in made.figures.items())
        for frame in (made.communities, made.stations):
            for row in frame.drop(columns="geometry").itertuples(index=False):
                yield "  " + " ".join(str(value) for value in row)
            shapes = frame.geometry
            yield f"  {shapes.area.sum():.1f} m2, {shapes.length.sum():.1f} m, {frame.total_bounds.round(1)}"
        yield "  " + " ".join(
            f"{old[-2:]}>{new[-2:]}" for old, new in made.lineage[["old_id", "new_id"]].values
        )
        walks = made.walks.groupby(["community", "station", "reason"])[
            ["households", "walk_m", "minutes"]
        ].sum()
        for place, row in walks.iterrows():
            yield (
                "    "
                + " ".join(map(str, place))
                + f": {row['households']:.0f}, {row['walk_m']:.1f} m, {row['minutes']:.1f}"
            )
        for finding in (*made.findings, *made.violations):
            yield f"  {finding.level}: {finding.text('en')}"


@pytest.mark.parametrize("name", sorted(TOWNS))
def test_years_of_a_town(name: str, request: pytest.FixtureRequest) -> None:
    compare_part(GOLDEN, name, list(story(name)), request.config.getoption("--renew-golden"))


def test_mergers_of_a_street_office(request: pytest.FixtureRequest) -> None:
    compare_part(GOLDEN, "mergers", list(mergers()), request.config.getoption("--renew-golden"))
