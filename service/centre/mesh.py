"""The units of a division that a statistic compares: square cells, grids or buildings, with cases and
people in each.

Nothing goes in but what the principal is shown: cases at their points or places, households of buildings
or, for who does not see those, of grids as published, spread over homes by footprint.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt
from sqlalchemy import Connection

from service.access import Principal, Role
from service.centre.place import Division
from service.centre.surface import deal_points
from service.faults import TooLargeError
from service.privacy.disclosure import rules
from service.store import centre as store
from service.store import walks
from service.store.grid_cases import Grids, Units, members, select_grids, select_units
from service.store.places import places_of

if TYPE_CHECKING:
    import geopandas as gpd

    from layers.statistics.neighbours import Neighbours

Kind = Literal["cells", "grids", "buildings"]
Floats = npt.NDArray[np.float64]
Whole = npt.NDArray[np.int64]

UNITS_MOST = 2500
BUILDING_REACH_M = 50.0  # a case farther from every building counts at none
BUILDINGS_BAND_M = 100.0  # buildings so near are neighbours
_DOTS = 8  # to a cell's side, for the ground that is dealt out


@dataclass(frozen=True)
class Mesh:
    """Units in metres and degrees, by the same position in each.

    shapes: metres in `crs`; degrees: the same in EPSG:4326. middles: n × 2, metres. grids: a grid's code by
    unit (of those that count together the first, `units.grids` has all), or the grid in which the unit's
    middle lies, "" for none. lattice: column and row by cell, None for others.
    """

    kind: Kind
    crs: Any
    shapes: npt.NDArray[np.object_]
    degrees: npt.NDArray[np.object_]
    middles: Floats
    area_m2: Floats
    grids: tuple[str, ...]
    in_force: Grids
    units: Units
    lattice: tuple[Whole, Whole] | None = None

    def __len__(self) -> int:
        return len(self.shapes)

    def neighbours(self) -> Neighbours:
        """Who is whose neighbour: cells and grids that touch, buildings within 100 m."""
        import geopandas as gpd

        from layers.statistics.neighbours import touching, touching_cells, within

        if self.lattice is not None:
            return touching_cells(*self.lattice)
        if self.kind == "grids":
            # published borders share their vertices, which degrees keep and a projection might not
            return touching(gpd.GeoSeries(self.degrees))
        return within(self.middles, BUILDINGS_BAND_M)


def lay_mesh(
    connection: Connection,
    principal: Principal,
    division: Division,
    kind: Kind,
    cell_m: float,
    used: Iterable[tuple[str, tuple[float, float]]] = (),
) -> Mesh:
    """The units of the division. Raises TooLargeError where there are more than `UNITS_MOST`.

    used: places by community at which cases to be counted are; grids that share one are one unit.
    """
    import geopandas as gpd
    import shapely

    from layers.reach.ground import local_crs
    from layers.statistics.cells import area_of_points, square_cells

    outlines = gpd.GeoSeries(
        list(shapely.from_wkb(store.select_outlines(connection, principal, division.codes))), crs=4326
    )
    crs = local_crs(outlines)
    in_force = select_grids(connection, principal, division.codes)
    units = select_units(connection, principal, division.codes, used)
    codes: tuple[str, ...] | None = None
    lattice = None
    if kind == "cells":
        whole = shapely.union_all(shapely.make_valid(outlines.to_crs(crs).to_numpy()))
        west, south, east, north = whole.bounds
        # a long thin division has many squares beside it, which cost memory alone
        if whole.area > UNITS_MOST * cell_m**2 or (east - west) * (north - south) > 1e6 * cell_m**2:
            raise TooLargeError("statistics-large", most=UNITS_MOST)
        cells = square_cells(whole, cell_m)
        shapes = cells.geometry.set_crs(crs)
        degrees = shapes.to_crs(4326)
        lattice = (cells["column"].to_numpy(), cells["row"].to_numpy())
    elif kind == "grids":
        shape_of = dict(zip(in_force.codes, in_force.shapes, strict=True))
        codes = tuple(units.grids)
        joined = [
            shape_of[of[0]] if len(of) == 1 else shapely.union_all([shape_of[code] for code in of])
            for of in units.grids.values()
        ]
        degrees = gpd.GeoSeries(joined, crs=4326)
        shapes = degrees.to_crs(crs)
    else:
        if walks.count_buildings(connection, principal, division.codes) > UNITS_MOST:
            raise TooLargeError("statistics-large", most=UNITS_MOST)
        homes, _ = walks.select_homes(connection, principal, division.codes)
        degrees = homes.geometry
        shapes = degrees.to_crs(crs)
    if len(shapes) > UNITS_MOST:
        raise TooLargeError("statistics-large", most=UNITS_MOST)
    middles = shapes.centroid
    if codes is None:
        at = area_of_points(
            gpd.GeoSeries(list(in_force.shapes), crs=4326).to_crs(crs), middles.reset_index(drop=True)
        )
        codes = tuple(in_force.codes[k] if k >= 0 else "" for k in at.tolist())
    return Mesh(
        kind,
        crs,
        shapes.to_numpy(),
        degrees.to_numpy(),
        np.column_stack([middles.x, middles.y]).reshape(-1, 2),
        shapes.area.to_numpy(dtype=np.float64),
        codes,
        in_force,
        units,
        lattice,
    )


def count_cases(
    connection: Connection,
    mesh: Mesh,
    points: store.Points,
    steps: int,
    *,
    whole: bool = False,
) -> Whole:
    """Cases by unit and step, units × (steps + 1): the last column are those of step −1, the time before.

    Cases at places are dealt out among the buildings of their place first, or with `whole` all counted where
    the place lies, as `people_of` counts its people: neighbours that share a place's cases are like each
    other without any cause. In grids they count as everywhere in the service (`service.store.grid_cases`). A
    case outside all units counts nowhere.
    """
    counts = np.zeros((len(mesh), steps + 1), dtype=np.int64)
    if mesh.kind == "grids":
        unit = _in_grids(mesh, points)
        numbers, step = points.counts, points.steps
    elif whole:
        unit = _in_shapes(mesh, points.places)
        numbers, step = points.counts, points.steps
    else:
        places, numbers, step = deal_points(connection, points)
        unit = _in_shapes(mesh, places)
    found = unit >= 0
    np.add.at(counts, (unit[found], step[found]), numbers[found])
    return counts


def _in_grids(mesh: Mesh, points: store.Points) -> Whole:
    unit = np.full(len(points.counts), -1, dtype=np.int64)
    exact = ~points.moved
    unit[exact] = _in_shapes(mesh, points.places[exact])
    position = {code: number for number, code in enumerate(mesh.grids)}
    moved = np.flatnonzero(points.moved)
    told = mesh.units.at(list(points.communities[moved]), points.places[moved], lambda _: mesh.in_force)
    unit[moved] = [-1 if code is None else position[code] for code in told]
    return unit


def _in_shapes(mesh: Mesh, places: Floats) -> Whole:
    import geopandas as gpd
    import shapely

    from layers.statistics.cells import area_of_points

    points = gpd.GeoSeries(shapely.points(places), crs=4326).to_crs(mesh.crs)
    if mesh.kind != "buildings":
        return area_of_points(gpd.GeoSeries(mesh.shapes), points)
    unit = np.full(len(places), -1, dtype=np.int64)
    point, building = shapely.STRtree(mesh.shapes).query_nearest(
        points.to_numpy(), max_distance=BUILDING_REACH_M
    )
    order = np.argsort(-building, kind="stable")  # of several as near, the first
    unit[point[order]] = building[order]
    return unit


def people_of(
    connection: Connection,
    principal: Principal,
    division: Division,
    mesh: Mesh,
    per: str,
) -> tuple[Floats, bool]:
    """Households or residents by unit, NaN where they are not known or fewer than may stand behind a
    figure; and whether the households are those of the buildings.

    Of grids these are the published ones. Who is shown cases at places gets the people of a place in the cell
    where its cases count. Residents of a cell or a building are its households times the mean size of its
    grid's.
    """
    single = store.select_grid_rows(connection, principal, division.codes)
    rows = {row.code: row for row in single}
    totals = {code: float(row.households) for code, row in rows.items() if row.households is not None}
    at_places = not principal.reaches(Role.CENTRE)
    if mesh.kind == "grids":
        rows = {row.code: row for row in store.join_rows(single, mesh.units)}
        known = [rows[code].households if code in rows else None for code in mesh.grids]
        households, exact = np.array([np.nan if one is None else float(one) for one in known]), True
    else:
        homes, exact = walks.select_homes(connection, principal, division.codes)
        metric = homes.to_crs(mesh.crs)
        values = homes["households"].to_numpy(dtype=np.float64) if exact else _estimate(metric, totals)
        if at_places:
            households = _sum_up_at_places(connection, principal, division, mesh, homes, values)
        else:
            households = _sum_up(mesh, metric, values)
    size = np.ones(len(mesh))
    if per == "residents":
        size = np.array([_mean_size(rows.get(code)) for code in mesh.grids], dtype=np.float64)
    few = np.nan_to_num(households) < rules().floor.households
    return np.where(few & (np.nan_to_num(households, nan=-1.0) != 0), np.nan, households * size), exact


def _estimate(homes: gpd.GeoDataFrame, totals: dict[str, float]) -> Floats:
    from layers.reach.estimate import estimate_households

    return estimate_households(homes, totals)


def _sum_up(mesh: Mesh, homes: gpd.GeoDataFrame, values: Floats) -> Floats:
    """Households by unit; one building that is not known makes its unit so."""
    import geopandas as gpd

    from layers.statistics.cells import area_of_points

    if mesh.kind == "buildings":
        return values
    unit = area_of_points(gpd.GeoSeries(mesh.shapes), homes.representative_point().reset_index(drop=True))
    inside = unit >= 0
    sums = np.bincount(unit[inside], weights=values[inside], minlength=len(mesh))
    return np.asarray(sums, dtype=np.float64)


def ground_of(connection: Connection, principal: Principal, division: Division, mesh: Mesh) -> Floats:
    """Square metres of ground by cell whose cases `count_cases` counts in it, where these are dealt out among
    the buildings of their place: the ground goes the way of its cases. 0: no case can lie there.

    Against their own area cells without a building would be lacking cases, and those with many have too many.
    """
    import geopandas as gpd
    import shapely

    from layers.statistics.cells import area_of_points

    bounds = shapely.bounds(mesh.shapes)
    steps = (np.arange(_DOTS) + 0.5) / _DOTS
    across = bounds[:, None, 0] + (bounds[:, 2] - bounds[:, 0])[:, None] * np.tile(steps, _DOTS)
    along = bounds[:, None, 1] + (bounds[:, 3] - bounds[:, 1])[:, None] * np.repeat(steps, _DOTS)
    dots = shapely.points(across.ravel(), along.ravel())
    cell = np.repeat(np.arange(len(mesh)), _DOTS**2)
    inside = shapely.intersects(mesh.shapes[cell], dots)
    # a sliver between the dots has one of its own
    missed = np.flatnonzero(np.bincount(cell[inside], minlength=len(mesh)) == 0)
    dots = np.concatenate([dots[inside], shapely.point_on_surface(mesh.shapes[missed])])
    cell = np.concatenate([cell[inside], missed])
    metres = np.rint(mesh.area_m2 / np.bincount(cell, minlength=len(mesh))).astype(np.int64)[cell]

    degrees = gpd.GeoSeries(dots, crs=mesh.crs).to_crs(4326)
    grid = area_of_points(gpd.GeoSeries(list(mesh.in_force.shapes), crs=4326), degrees)
    outlines = store.select_outlines(connection, principal, division.codes)
    community = area_of_points(gpd.GeoSeries(list(shapely.from_wkb(outlines)), crs=4326), degrees)
    known = (grid >= 0) | (community >= 0)
    owners = np.array(sorted(division.codes), dtype=object)[community]
    owners[grid >= 0] = mesh.in_force.communities[grid[grid >= 0]]
    own = np.isin(np.array([*mesh.in_force.codes, ""], dtype=object)[grid], list(principal.grids))
    points = np.column_stack([degrees.x, degrees.y])
    moved = _move(connection, points, owners, np.flatnonzero(known & ~own))
    shown = np.flatnonzero(known & np.isfinite(points).all(axis=1))
    told = store.Points(points[shown], owners[shown], metres[shown], moved[shown], np.zeros_like(shown))
    return count_cases(connection, mesh, told, 1)[:, 0].astype(np.float64)


def _move(
    connection: Connection, points: Floats, owners: npt.NDArray[np.object_], rows: Whole
) -> npt.NDArray[np.bool_]:
    """Move these rows of points (degrees), each in the community beside it, to the places at which cases
    there are told, NaN for none. Returns which rows were moved.
    """
    moved = np.zeros(len(points), dtype=bool)
    moved[rows] = True
    version = store.select_version(connection, ("buildings",))
    apart = members(owners[rows])
    for community, kept in places_of(connection, apart, version):
        mine = rows[apart[community]]
        points[mine] = kept.of_buildings(points[mine])
    return moved


def _sum_up_at_places(
    connection: Connection,
    principal: Principal,
    division: Division,
    mesh: Mesh,
    homes: gpd.GeoDataFrame,
    values: Floats,
) -> Floats:
    """Households by the unit in which the cases of a home are counted: in a worker's own grids where it
    stands, else where its place lies.
    """
    inner = homes.representative_point()
    points = np.column_stack([inner.x, inner.y]).reshape(-1, 2)
    where = points.copy()
    codes = division.codes
    # where there are several communities, ids begin with theirs (`select_homes`)
    several = len(codes) > 1
    owners = np.array([name.split(":")[0] if several else codes[0] for name in homes["id"]], dtype=object)
    _move(connection, points, owners, np.flatnonzero(~homes["grid"].isin(principal.grids)))
    nowhere = ~np.isfinite(points).all(axis=1)
    points[nowhere] = where[nowhere]
    unit = _in_shapes(mesh, points)
    inside = unit >= 0
    sums = np.bincount(unit[inside], weights=values[inside], minlength=len(mesh))
    return np.asarray(sums, dtype=np.float64)


def _mean_size(row: store.GridRow | None) -> float:
    if row is None or not row.households or row.residents is None:
        return float("nan")
    return float(row.residents) / row.households
