"""Whatever is spoilt in an area: it is refused with findings, or an area comes out whose promises hold."""

from __future__ import annotations

import random
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely
from geopandas.testing import assert_geodataframe_equal

from partition.area import STREET_CLASSES, Area
from partition.errors import InputError
from partition.findings import Finding
from partition.intake.frames import RawFrames, check_area
from tests.frames import CRS, X, Y, box, buildings, frame, line, streets

VALUES: list[Any] = [
    None, np.nan, "", "x", -1, 1.5, 10**30, True, "１２", "1e400", b"x", 3 + 0j, [1, 2], pd.NA, pd.NaT,
    np.inf, "13800001234", {"a": 1}, pd.Timestamp("2020-01-01"),
]  # fmt: skip
SHAPES: list[Any] = [
    None,
    shapely.Point(),
    shapely.Polygon(),
    shapely.Point(X, Y),
    line((0, 0), (5, 5)),
    shapely.GeometryCollection([box(0, 0, 5, 5), shapely.Point(X, Y)]),
    shapely.GeometryCollection([box(0, 0, 5, 5), box(3, 3, 9, 9)]),
    shapely.MultiLineString(),
    shapely.box(0, 0, 0, 0),
    shapely.Polygon([(X, Y), (X + 9, Y + 9), (X + 9, Y), (X, Y + 9)]),
    shapely.from_wkt("POLYGON Z ((0 0 1, 0 1 nan, 1 1 1, 0 0 1))"),
    shapely.box(-1e9, -1e9, 1e9, 1e9),
    shapely.box(X, Y, X + 1e-9, Y + 1e-9),
]


def town() -> dict[str, gpd.GeoDataFrame]:
    """Two communities and a far third, streets, twice four buildings, compounds."""
    return {
        "community": frame(
            [box(0, 0, 200.4, 300), box(200, 0, 400, 300), box(500, 0, 600, 9)],
            id=["C1", "C2", "C3"],
            code=[None, "429999001001", ""],
            **{"class": ["urban", None, "rural"]},
        ),
        "streets": streets(layer=[0, 1], bridge=["yes", None]),
        "buildings": pd.concat([buildings(), buildings(id=["B1", "N1", "N2", "N2"])], ignore_index=True),
        "compounds": frame([box(0, 0, 100, 100), box(90, 0, 120, 50)], id=["E1", "E2"], name=["甲", "乙"]),
    }


def spoil(layers: dict[str, gpd.GeoDataFrame], rng: random.Random) -> None:
    """Put something odd into one cell."""
    layer = rng.choice(sorted(layers))
    one = layers[layer]
    column, row = rng.choice(list(one.columns)), rng.randrange(len(one))
    cells = list(one[column])
    cells[row] = rng.choice(SHAPES if column == "geometry" else VALUES)
    if column == "geometry":
        layers[layer] = one.set_geometry(gpd.GeoSeries(cells, crs=CRS))
    else:
        layers[layer] = one.assign(**{column: pd.Series(cells, dtype=object)})


def assert_promises(area: Area, rows: int) -> None:
    for one in (area.communities, area.buildings, area.compounds):
        assert one.geometry.is_valid.all()
        assert one.geom_type.isin(["Polygon", "MultiPolygon"]).all()
        assert not one.geometry.has_z.any()
    shapes = area.communities.geometry.to_numpy()
    assert shapely.coverage_is_valid(shapes)
    assert (area.streets.geom_type == "LineString").all()
    assert area.streets["class"].isin(STREET_CLASSES).all()
    assert area.buildings["households"].ge(0).all()
    assert (area.buildings.groupby("atom")["community"].nunique() == 1).all()
    told = {row for finding in area.findings for row in finding.rows}
    ids = area.original_buildings["id"].astype(str)
    assert all(row in set(area.buildings["row"]) or ids[row] in told for row in range(rows))


@pytest.mark.parametrize("seed", range(150))
def test_a_spoilt_area_is_refused_or_mended(seed: int) -> None:
    rng = random.Random(seed)  # noqa: S311 - for tests
    layers = town()
    for _ in range(rng.randint(1, 3)):
        spoil(layers, rng)
    refused: tuple[Finding, ...] = ()
    try:
        area = check_area(
            RawFrames(layers, layers["community"].crs), missing="estimate" if seed % 2 else "zero"
        )
    except InputError as error:
        refused = error.findings
    else:
        assert_promises(area, len(layers["buildings"]))
    assert all(finding.to_dict()["text"]["zh"] and finding.level == "refused" for finding in refused)


@pytest.mark.parametrize("seed", range(25))
def test_the_order_of_rows_changes_nothing(seed: int) -> None:
    rng = random.Random(seed)  # noqa: S311 - for tests
    layers = town()
    houses = layers["buildings"]
    households = [rng.choice([10, None, 30]) for _ in range(len(houses))]
    layers["buildings"] = houses.assign(
        households=households, id=rng.choices(["B1", "B2", "N1", "N2"], k=len(houses))
    )
    turned = {
        name: one.iloc[rng.sample(range(len(one)), len(one))].reset_index(drop=True)
        for name, one in layers.items()
    }
    first, second = (
        check_area(RawFrames(some, some["community"].crs), missing="estimate") for some in (layers, turned)
    )
    for name in ("communities", "streets", "buildings", "compounds"):
        one, other = (getattr(area, name).drop(columns="row", errors="ignore") for area in (first, second))
        assert_geodataframe_equal(one, other)
