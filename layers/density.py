"""Density of cases: a kernel density in metres, corrected at the border, on coarse cells with a floor."""

from __future__ import annotations

import math
from dataclasses import dataclass

import geopandas as gpd
import numpy as np
import numpy.typing as npt
import shapely
from scipy.signal import fftconvolve
from scipy.spatial import KDTree
from shapely.geometry.base import BaseGeometry

from layers.view import Surface

Floats = npt.NDArray[np.float64]

DAYS_A_MONTH = 30.0
_PARTS = 4  # a cell is the mean of 4 × 4 points
_CLASSES = 5


@dataclass(frozen=True)
class Field:
    """A density on square cells, in the metric CRS it was computed in.

    cells: polygons, clipped to the area (object array). density: cases per m². reach: cases within the
    bandwidth of the cell's middle.
    """

    cells: npt.NDArray[np.object_]
    density: Floats
    reach: npt.NDArray[np.int64]


def case_surface(
    points: gpd.GeoSeries,
    community: BaseGeometry,
    *,
    days: int,
    bandwidth_m: float = 100.0,
    cell_m: float = 25.0,
    min_cases: int = 5,
) -> Surface:
    """The density of cases in a community, in cases per km² and 30 days.

    `points` (any CRS) are the cases of `days` days; those outside `community` (EPSG:4326) are left out.
    Cells are squares of `cell_m`, clipped to the community; one with fewer than `min_cases` cases within the
    bandwidth is left out. Breaks are five steps of the series 1, 2, 5, 10 … (`round_breaks`). The order of
    the points does not matter. Raises ValueError where `days`, `bandwidth_m` or `cell_m` is not positive.
    """
    if days <= 0 or bandwidth_m <= 0 or cell_m <= 0:
        raise ValueError("days, bandwidth_m and cell_m must be positive")
    outline = gpd.GeoSeries([community], crs=4326)
    crs = outline.estimate_utm_crs()
    area = outline.to_crs(crs).iloc[0]
    cases = points.to_crs(crs)
    inside = shapely.get_coordinates(cases[cases.intersects(area)].to_numpy())
    field = density_field(inside, area, bandwidth_m=bandwidth_m, cell_m=cell_m)
    shown = field.reach >= min_cases
    values = field.density[shown] * 1e6 * DAYS_A_MONTH / days
    cells = gpd.GeoDataFrame(
        {"value": values}, geometry=gpd.GeoSeries(field.cells[shown], crs=crs).to_crs(4326)
    )
    return Surface(
        cells=cells,
        breaks=round_breaks(float(values.max())) if len(values) else (),
        bandwidth_m=bandwidth_m,
        cell_m=cell_m,
        cases=len(inside),
        days=days,
        min_cases=min_cases,
    )


def density_field(points: Floats, area: BaseGeometry, *, bandwidth_m: float, cell_m: float) -> Field:
    """The density of `points` (n × 2, metres) within `area` on cells of `cell_m` metres, in points per m².

    Quartic kernel 3/(πh²)·(1 − d²/h²)² of radius h = `bandwidth_m` (Silverman 1986, 4.5). What would fall
    beyond the border is made up for by dividing by the kernel's mass within the area (Diggle 1985), computed
    on the same points, so that an even intensity stays even up to the border.
    """
    step = cell_m / _PARTS
    west, south, east, north = area.bounds
    margin = math.ceil(bandwidth_m / cell_m)
    first_column, first_row = math.floor(west / cell_m) - margin, math.floor(south / cell_m) - margin
    columns = math.ceil(east / cell_m) + margin - first_column
    rows = math.ceil(north / cell_m) + margin - first_row
    x = (first_column * cell_m) + (np.arange(columns * _PARTS) + 0.5) * step
    y = (first_row * cell_m) + (np.arange(rows * _PARTS) + 0.5) * step
    shapely.prepare(area)
    inside = shapely.contains_xy(area, *np.meshgrid(x, y))

    size = math.ceil(bandwidth_m / step)
    offsets = np.arange(-size, size + 1) * step
    kernel = _quartic(np.add.outer(offsets**2, offsets**2), bandwidth_m)
    mass = fftconvolve(inside.astype(float), kernel / kernel.sum(), mode="same")

    ordered = points[np.lexsort((points[:, 1], points[:, 0]))] if len(points) else points.reshape(0, 2)
    raw = np.zeros(inside.shape)
    reach = math.ceil(bandwidth_m / step) + 1
    for case_x, case_y in ordered:
        column, row = int((case_x - x[0]) / step), int((case_y - y[0]) / step)
        near_x = slice(max(0, column - reach), column + reach + 1)
        near_y = slice(max(0, row - reach), row + reach + 1)
        raw[near_y, near_x] += _quartic(
            np.add.outer((y[near_y] - case_y) ** 2, (x[near_x] - case_x) ** 2), bandwidth_m
        )
    fine = np.where(inside, raw / np.maximum(mass, 1e-6), 0.0)

    blocks = (rows, _PARTS, columns, _PARTS)
    count = inside.reshape(blocks).sum(axis=(1, 3))
    mean = fine.reshape(blocks).sum(axis=(1, 3)) / np.maximum(count, 1)
    corner_x, corner_y = np.meshgrid(
        (first_column + np.arange(columns)) * cell_m, (first_row + np.arange(rows)) * cell_m
    )
    squares = shapely.box(corner_x, corner_y, corner_x + cell_m, corner_y + cell_m).ravel()
    chosen = shapely.intersects(area, squares)
    cells = shapely.intersection(squares[chosen], area)
    real = shapely.area(cells) > 0
    cells, values, filled = cells[real], mean.ravel()[chosen][real], count.ravel()[chosen][real] > 0
    middles = shapely.get_coordinates(shapely.centroid(squares[chosen][real]))
    if filled.any() and not filled.all():
        # slivers at the border that hold none of the points take the value of the nearest cell that does
        values[~filled] = values[filled][KDTree(middles[filled]).query(middles[~filled])[1]]
    within = np.zeros(len(cells), dtype=np.int64)
    if len(ordered) and len(cells):
        within = np.asarray(
            KDTree(ordered).query_ball_point(middles, bandwidth_m, return_length=True), dtype=np.int64
        )
    return Field(cells=cells, density=values, reach=within)


def round_breaks(highest: float) -> tuple[float, ...]:
    """Upper bounds of five classes from the series 1, 2, 5, 10, 20, 50 …; the last one reaches `highest`.

    Steps by a factor of about two keep the everyday level readable beside a hot spot of ten times as much.
    """
    if highest <= 0:
        return (1.0,)
    power = math.floor(math.log10(highest))
    series = [digit * 10.0**exponent for exponent in range(power - 2, power + 2) for digit in (1, 2, 5)]
    last = next(position for position, bound in enumerate(series) if bound >= highest * (1 - 1e-12))
    return tuple(float(f"{bound:.0e}") for bound in series[last - _CLASSES + 1 : last + 1])


def _quartic(squared: Floats, bandwidth_m: float) -> Floats:
    inner = np.clip(1 - squared / bandwidth_m**2, 0.0, None)
    weights: Floats = 3 / (math.pi * bandwidth_m**2) * inner**2
    return weights
