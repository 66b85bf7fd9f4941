"""The metric CRS of an area."""

from __future__ import annotations

import geopandas as gpd
import pyproj
import pytest
import shapely

from partition.intake.crs import centre, choose_metric_crs, is_cgcs2000, is_usable, to_crs

WUHAN = (114.30, 30.50, 114.32, 30.52)


def in_crs(epsg: int, bounds: tuple[float, float, float, float]) -> tuple[float, float, float, float]:
    box = gpd.GeoSeries([shapely.box(*bounds)], crs=4326).to_crs(epsg)
    return tuple(float(v) for v in box.total_bounds)  # type: ignore[return-value]


@pytest.mark.parametrize(
    ("source", "bounds", "expected"),
    [
        (4490, WUHAN, 4547),  # meridian 114
        (4490, (121.4, 37.4, 121.5, 37.5), 4549),  # 120
        (4490, (121.6, 37.4, 121.7, 37.5), 4550),  # 123 is nearer
        (4490, (75.9, 39.4, 76.0, 39.5), 4534),  # 75
        (4490, (134.5, 48.3, 134.6, 48.4), 4554),  # 135
        (4326, WUHAN, 32650),
        (4326, (-70.7, -33.5, -70.6, -33.4), 32719),
        (4979, WUHAN, 32650),
        (2263, (-74.0, 40.7, -73.9, 40.8), 26918),  # feet
    ],
)
def test_the_choice(source: int, bounds: tuple[float, float, float, float], expected: int) -> None:
    crs = pyproj.CRS.from_epsg(source)
    given = bounds if crs.is_geographic else in_crs(source, bounds)
    assert choose_metric_crs(crs, given).to_epsg() == expected
    assert choose_metric_crs(crs, given) == choose_metric_crs(crs, given)


@pytest.mark.parametrize("source", [4547, 4526, 4507, 4508, 32649])
def test_a_true_metric_crs_is_kept(source: int) -> None:
    bounds = WUHAN if source != 4507 else (106.3, 30.5, 106.4, 30.6)
    bounds = (112.3, 30.5, 112.4, 30.6) if source in (4508, 32649) else bounds
    crs = pyproj.CRS.from_epsg(source)
    assert choose_metric_crs(crs, in_crs(source, bounds)) == crs


def test_web_mercator_stretches_too_much() -> None:
    assert choose_metric_crs(pyproj.CRS.from_epsg(3857), in_crs(3857, WUHAN)).to_epsg() == 32650


def test_a_far_belt_is_left() -> None:
    chosen = choose_metric_crs(pyproj.CRS.from_epsg(4549), in_crs(4549, WUHAN))
    assert chosen.to_epsg() == 4547


def test_another_datum_keeps_its_own() -> None:
    beijing = pyproj.CRS.from_epsg(4214)
    chosen = choose_metric_crs(beijing, WUHAN)
    assert chosen.geodetic_crs == beijing
    assert chosen.axis_info[0].unit_name == "metre"


def test_esri_wording_is_known() -> None:
    wkt = pyproj.CRS.from_epsg(4547).to_wkt("WKT1_ESRI")
    crs = pyproj.CRS.from_wkt(wkt)
    assert is_cgcs2000(crs)
    assert choose_metric_crs(crs, in_crs(4547, WUHAN)) == crs
    assert not is_cgcs2000(pyproj.CRS.from_epsg(4326))


def test_x_comes_first_there_and_back() -> None:
    point = gpd.GeoDataFrame(geometry=[shapely.Point(114.31, 30.51)], crs=4490)
    there = to_crs(point, choose_metric_crs(point.crs, WUHAN))
    assert there.geometry.iloc[0].x == pytest.approx(500_000 + 29_750, abs=300)  # east of 114
    assert there.geometry.iloc[0].y == pytest.approx(3_376_500, abs=2000)
    back = to_crs(there, point.crs)
    assert back.geometry.iloc[0].distance(point.geometry.iloc[0]) < 1e-9
    assert centre(there.crs, tuple(there.total_bounds)) == pytest.approx((114.31, 30.51))


def test_what_is_no_crs() -> None:
    assert not is_usable(None)
    undefined = 'LOCAL_CS["Undefined Cartesian SRS",UNIT["metre",1]]'
    assert not is_usable(pyproj.CRS.from_wkt(undefined))
    assert is_usable(pyproj.CRS.from_epsg(4526))


@pytest.mark.parametrize(
    ("epsg", "metric"),
    [(4547, True), (32650, True), (4326, False), (3857, False), (2263, False)],  # degrees, Mercator, feet
)
def test_what_can_be_measured_in(epsg: int, metric: bool) -> None:
    """Near 114° E, 30° N."""
    from partition.intake.crs import is_metric, to_lonlat

    crs = pyproj.CRS.from_epsg(epsg)
    back = pyproj.Transformer.from_crs(4326, crs, always_xy=True)
    x, y = back.transform([114.0, 114.01], [30.0, 30.01])
    assert is_metric(crs, (x[0], y[0], x[1], y[1])) is metric
    assert to_lonlat(crs).transform(x[0], y[0]) == pytest.approx((114.0, 30.0), abs=1e-6)


def test_nothing_can_be_measured_where_the_projection_has_no_place() -> None:
    from partition.intake.crs import is_metric

    assert is_metric(pyproj.CRS.from_epsg(4547), (0.0, 0.0, 1e9, 1e9)) is False


@pytest.mark.parametrize(
    ("lon", "lat", "belt"),
    [
        (73.0, 40.0, 4534), (136.0, 48.0, 4554), (114.0, 3.0, 4547), (114.0, 54.0, 4547),
        (72.98, 40.0, None), (136.02, 48.0, None), (114.0, 2.98, None), (114.0, 54.02, None),
    ],
)  # fmt: skip
def test_belts_are_those_of_china(lon: float, lat: float, belt: int | None) -> None:
    chosen = choose_metric_crs(pyproj.CRS.from_epsg(4490), (lon - 0.01, lat - 0.01, lon + 0.01, lat + 0.01))
    if belt is None:
        assert "UTM zone" in chosen.name
    else:
        assert chosen.to_epsg() == belt
