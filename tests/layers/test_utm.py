"""The zone that is drawn in is the one that geopandas finds by searching."""

from __future__ import annotations

import geopandas as gpd
import pytest
from shapely.geometry import box

from layers.utm import utm_crs


@pytest.mark.parametrize(
    ("west", "south"),
    [
        (111.3, 30.7),
        (126.9, 37.5),
        (7.42, 43.73),
        (-0.2, 51.5),
        (-179.9, 10.0),
        (179.7, -0.3),
        (18.4, -33.9),
        (-58.4, -34.6),
    ],
)
def test_the_zone_is_the_one_that_a_search_finds(west: float, south: float) -> None:
    shapes = gpd.GeoSeries([box(west, south, west + 0.01, south + 0.02)], crs=4326)
    assert utm_crs(shapes) == shapes.estimate_utm_crs()
    assert utm_crs(gpd.GeoDataFrame(geometry=shapes)) == shapes.estimate_utm_crs()
