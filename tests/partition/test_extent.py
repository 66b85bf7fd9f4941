"""Coordinates that can be what their CRS says, at every bound, and those that cannot."""

from __future__ import annotations

import math

import numpy as np
import pyproj
import pytest

from partition.intake.extent import _in_use, _possible, find_out_of_range

WGS84, CHINA, BELT, UTM = (pyproj.CRS.from_epsg(code) for code in (4326, 4490, 4547, 32650))
HERE = [114.3, 30.5, 114.4, 30.6]


def judged(crs: pyproj.CRS, *bounds: list[float]) -> tuple[list[bool], str] | None:
    found = find_out_of_range(crs, np.array(bounds, dtype=float))
    return None if found is None else (found.rows.tolist(), found.hint)


def test_degrees_end_where_the_earth_does() -> None:
    assert judged(WGS84, HERE, [-180, -90, 180, 90]) is None
    assert judged(WGS84, HERE, [179, 0, 180.5, 1]) == ([False, True], "")
    assert judged(WGS84, HERE, [170, 89, 171, 90.5]) == ([False, True], "")
    assert judged(WGS84, [30.5, 114.3, 30.6, 114.4]) == ([True], "_swapped")
    assert judged(WGS84, [30.5, 114.3, 30.6, 114.4], [200, 0, 201, 1]) == ([True, True], "")
    assert judged(WGS84, HERE, [500000, 3.3e6, 500100, 3.4e6]) == ([False, True], "_metres")
    assert judged(WGS84, [500, 900, 600, 1000]) == ([True], "")
    assert judged(WGS84, [500, 900, 600, 1001]) == ([True], "_metres")
    assert judged(WGS84, [500, 900, 600, 1001], [500, 900, 600, 950]) == ([True, True], "")


def test_what_is_nowhere_is_told_and_what_is_not_there_is_not_judged() -> None:
    nan, inf = math.nan, math.inf
    assert judged(WGS84, [nan] * 4) is None
    assert judged(WGS84, [nan] * 4, HERE) is None
    assert judged(WGS84, [0, 0, inf, 1]) == ([True], "")
    assert judged(WGS84, HERE, [nan] * 4, [0, -inf, 1, 1]) == ([False, False, True], "")
    assert judged(WGS84, [nan] * 4, [200, 0, 201, 1], [0, 0, 1, inf]) == ([False, True, True], "")


def test_degrees_in_a_plane_of_metres_lie_close_together() -> None:
    assert judged(BELT, HERE) == ([True], "_degrees")
    assert judged(BELT, [0, 0, 4.9, 4.9]) == ([True], "_degrees")
    assert judged(BELT, [0, 0, 5, 4]) is None  # a few houses, in metres
    assert judged(BELT, [0, 0, 4, 5]) is None
    assert judged(BELT, [0, 0, 4, 4], [0, 90.5, 4, 91]) is None
    assert judged(BELT, [179, 1, 179.5, 2], [180.5, 1, 181, 2]) is None


def test_a_plane_is_not_used_where_it_stretches() -> None:
    for metres, fits in ((1_270_000, True), (1_290_000, False)):
        for x in (500_000 - metres, 500_000 + metres):
            corner = np.array([[[x, 3.4e6], [500_000, 3.4e6]]])
            assert _possible(BELT, corner).tolist() == [fits]
            assert _possible(BELT, corner[:, ::-1]).tolist() == [fits]
    assert judged(BELT, [3.4e6, 5e5, 3.41e6, 5.1e5]) == ([True], "_swapped")
    assert judged(UTM, [3.4e6, 5e5, 3.41e6, 5.1e5], [5e5, 3.4e6, 5.1e5, 3.41e6]) == (
        [True, False],
        "_swapped",
    )


def test_what_would_fit_the_other_way_round_only() -> None:
    assert judged(CHINA, [40, 80, 41, 81]) == ([True], "_swapped")
    assert judged(CHINA, [40, 80, 41, 81], HERE) is None
    assert judged(CHINA, [40, 80, 41, 81], [0, 0, 1, 1]) is None
    assert judged(CHINA, [0, 0, 1, 1]) is None


@pytest.mark.parametrize("code", [4490, 4547])
def test_the_area_of_use_has_a_margin_on_every_side(code: int) -> None:
    crs = pyproj.CRS.from_epsg(code)
    use = crs.area_of_use
    to = pyproj.Transformer.from_crs(crs.geodetic_crs, crs, always_xy=True)
    middle = ((use.west + use.east) / 2, (use.south + use.north) / 2)
    for lon, lat in ((use.west - 5, middle[1]), (use.east + 5, middle[1]), (middle[0], use.south - 5),
                     (middle[0], use.north + 5)):  # fmt: skip
        for beyond, inside in ((-0.01, True), (0.01, False)):
            point = [
                of + (beyond if of > mid else -beyond if of < mid else 0.0)
                for of, mid in zip((lon, lat), middle, strict=True)
            ]
            corners = np.array([[to.transform(*middle), to.transform(*point)]])
            assert _in_use(crs, corners).tolist() == [inside]


def test_the_area_of_use_is_found_behind_another_wording() -> None:
    esri = pyproj.CRS.from_wkt(BELT.to_wkt("WKT1_ESRI"))
    assert esri.area_of_use is None
    near, far = (np.array([[[5e5, y], [5.1e5, y]]]) for y in (3.4e6, 1e5))
    assert [_in_use(esri, one).tolist() for one in (near, far)] == [[True], [False]]
    local = pyproj.CRS.from_proj4("+proj=aeqd +lat_0=30 +lon_0=114 +ellps=krass +units=m")
    assert _in_use(local, far).tolist() == [True]  # nobody knows where it may be used
