"""Geometries as Leaflet reads them: nested lists of [latitude, longitude], rounded to a decimetre."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import shapely
from shapely.geometry.base import BaseGeometry

_DECIMALS = 6  # of a degree: 0.11 m

Ring = list[list[float]]


def points(geometries: Iterable[BaseGeometry]) -> Ring:
    """[lat, lng] of each point (a representative one for other geometries); EPSG:4326."""
    array = np.asarray(list(geometries), dtype=object)
    return _pairs(shapely.get_coordinates(shapely.point_on_surface(array)))


def lines(geometries: Iterable[BaseGeometry | None]) -> list[Ring]:
    """The line strings of all geometries, each as [lat, lng] pairs; EPSG:4326."""
    parts = shapely.get_parts(np.asarray(list(geometries), dtype=object))
    return [_pairs(shapely.get_coordinates(part)) for part in parts if not part.is_empty]


def polygons(geometries: Iterable[BaseGeometry | None]) -> list[list[Ring]]:
    """The polygons of all geometries, each as its rings, outer first, not closed; EPSG:4326."""
    parts = shapely.get_parts(np.asarray(list(geometries), dtype=object))
    found = []
    for part in parts:
        if part is None or part.is_empty or part.geom_type != "Polygon":
            continue
        rings = [part.exterior, *part.interiors]
        found.append([_pairs(shapely.get_coordinates(ring))[:-1] for ring in rings])
    return found


def packed(geometries: Iterable[BaseGeometry | None]) -> list[list[list[int]]]:
    """As `polygons`, in a fourth of the characters: each ring as whole numbers of 0.000001 degrees.

    A ring is lat, lng of its first vertex, then the steps from vertex to vertex.
    """
    found = []
    for rings in polygons(geometries):
        found.append([_steps(np.asarray(ring)) for ring in rings])
    return found


def packed_lines(geometries: Iterable[BaseGeometry | None]) -> list[list[int]]:
    """As `lines`, each in whole numbers as a ring of `packed`."""
    parts = shapely.get_parts(np.asarray(list(geometries), dtype=object))
    return [_steps(shapely.get_coordinates(part)[:, ::-1]) for part in parts if not part.is_empty]


def _steps(coordinates: np.ndarray) -> list[int]:
    whole = np.round(coordinates * 10**_DECIMALS).astype(np.int64)
    steps: list[int] = np.vstack([whole[:1], np.diff(whole, axis=0)]).ravel().tolist()
    return steps


def _pairs(coordinates: np.ndarray) -> Ring:
    rounded: Ring = np.round(coordinates[:, ::-1], _DECIMALS).tolist()
    return rounded
