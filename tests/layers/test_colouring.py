"""Colours of grids: neighbours differ, few colours, colours that stay apart for colour-blind readers."""

from __future__ import annotations

from itertools import pairwise

import geopandas as gpd
import numpy as np
import pytest
import shapely

from layers import palette
from layers.colouring import colour, neighbours
from tests.layers.views import grids


def differ(adjacent: list[set[int]], colours: list[int]) -> bool:
    """Whether no two neighbours share a colour."""
    return all(colours[a] != colours[b] for a, near in enumerate(adjacent) for b in near)


def test_rook_neighbours_only() -> None:
    """In two rows of three, cells that touch at a corner are no neighbours."""
    found = neighbours(grids().geometry)
    assert found == [{1, 3}, {0, 2, 4}, {1, 5}, {0, 4}, {1, 3, 5}, {2, 4}]


def test_a_chequerboard_takes_two_colours() -> None:
    """As few as needed."""
    assert sorted(set(colour(neighbours(grids().geometry)))) == [0, 1]


def test_an_odd_wheel_takes_four() -> None:
    """A hub with five neighbours round it cannot do with three."""
    wheel = [{1, 2, 3, 4, 5}, {0, 2, 5}, {0, 1, 3}, {0, 2, 4}, {0, 3, 5}, {0, 1, 4}]
    found = colour(wheel)
    assert differ(wheel, found)
    assert len(set(found)) == 4


@pytest.mark.parametrize("seed", range(6))
def test_maps_take_at_most_four(seed: int) -> None:
    """Random tessellations, the plane's neighbours."""
    rng = np.random.default_rng(seed)
    cells = shapely.get_parts(
        shapely.voronoi_polygons(
            shapely.multipoints(rng.uniform(0, 1000, (60, 2))), extend_to=shapely.box(0, 0, 1, 1)
        )
    )
    adjacent = neighbours(gpd.GeoSeries(cells, crs="EPSG:32650"))
    found = colour(adjacent)
    assert sum(len(near) for near in adjacent) > 200
    assert differ(adjacent, found)
    assert max(found) <= 3


def test_more_than_four_where_the_map_is_not_plane() -> None:
    """Five parts that all meet, as grids of several parts may: five colours, and the palette has five."""
    complete = [set(range(5)) - {n} for n in range(5)]
    found = colour(complete)
    assert sorted(found) == [0, 1, 2, 3, 4]
    assert len(set(palette.GRIDS)) == 5


def test_no_grids_no_colours() -> None:
    """An empty community is drawn too."""
    assert colour([]) == []


# Machado, Oliveira, Fernandes 2009: how the full lack of one cone sees linear RGB
CONES = {
    "all": np.eye(3),
    "no red cone": np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    ),
    "no green cone": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    ),
}


def lab(code: str, cones: np.ndarray) -> np.ndarray:
    """CIE L*a*b* (D65) of #rrggbb as seen with these cones."""
    rgb = np.array([int(code[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    seen = np.clip(cones @ linear, 0, 1)
    xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]) @ seen
    scaled = xyz / np.array([0.9505, 1.0, 1.089])
    root = np.where(scaled > 0.008856, np.cbrt(scaled), 7.787 * scaled + 16 / 116)
    return np.array([116 * root[1] - 16, 500 * (root[0] - root[1]), 200 * (root[1] - root[2])])


@pytest.mark.parametrize("cones", CONES)
def test_grid_colours_stay_apart(cones: str) -> None:
    """Any two of the grids' colours differ by at least 15 of CIE 1976's units, whichever cone is lacking."""
    seen = [lab(code, CONES[cones]) for code in palette.GRIDS]
    gaps = [float(np.linalg.norm(a - b)) for i, a in enumerate(seen) for b in seen[:i]]
    assert min(gaps) >= 15


@pytest.mark.parametrize("ramp", [palette.CASES, palette.GROUPS])
def test_ramps_darken(ramp: tuple[str, ...]) -> None:
    """More is darker, by steps one can see."""
    lightness = [lab(code, CONES["all"])[0] for code in ramp]
    assert all(a - b >= 5 for a, b in pairwise(lightness))


def test_ramp_spreads_over_classes() -> None:
    """Two classes take the two ends, five take all."""
    assert palette.ramp(palette.CASES, 2) == (palette.CASES[0], palette.CASES[-1])
    assert palette.ramp(palette.CASES, 5) == palette.CASES
    assert palette.ramp(palette.CASES, 0) == ()
