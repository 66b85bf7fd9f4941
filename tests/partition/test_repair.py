"""Shapes made fit for use, row by row, and what is told of each."""

from __future__ import annotations

import numpy as np
import pytest
import shapely
from shapely import LineString, MultiPolygon, Point, Polygon, box

from partition.intake.repair import are_slivers, clean_coverage, explode_lines, repair_polygons

BOW = Polygon([(0, 0), (2, 2), (2, 0), (0, 2)])  # two triangles of 1 m² each


def shapes(*rows: shapely.Geometry | None) -> np.ndarray:
    made = np.empty(len(rows), dtype=object)
    made[:] = rows
    return made


def test_polygons_by_row() -> None:
    square = box(0, 0, 1, 1)
    rows = shapes(
        square,
        None,
        Polygon(),
        Point(1, 1),
        Polygon([(0, 0, 5), (1, 0, 5), (1, 1, 5)]),
        BOW,
        Polygon([(0, 0), (1, 0), (2, 0)]),
        shapely.GeometryCollection([box(0, 0, 1, 1), box(1, 0, 2, 1)]),
        shapely.GeometryCollection([box(0, 0, 1, 1), Point(5, 5)]),
        Polygon([(0, 0), (1, 0), (np.inf, 1)]),
        Point(1, 1, 1),
    )
    given = rows.copy()
    made = repair_polygons(rows)
    flags = made.empty, made.wrong, made.flat, made.mended, made.vanished
    told = [
        "".join(letter for letter, flag in zip("ewfmv", flags, strict=True) if flag[row]) for row in range(11)
    ]
    assert told == ["", "e", "e", "w", "f", "m", "v", "", "w", "v", "w"]
    assert np.flatnonzero(made.usable).tolist() == [0, 4, 5, 7]
    assert np.nan_to_num(shapely.area(made.shapes)).tolist() == [1, 0, 0, 0, 0.5, 2, 0, 2, 0, 0, 0]
    assert [shape is None for shape in made.shapes] == [not usable for usable in made.usable]
    assert not shapely.has_z(made.shapes).any()
    assert made.shapes[7].equals(box(0, 0, 2, 1))
    assert isinstance(made.shapes[5], MultiPolygon)
    assert all(one is other for one, other in zip(rows, given, strict=True))


def test_a_spike_is_mended_and_of_a_bow_tie_with_a_line_the_ground_is_kept() -> None:
    spike = Polygon([(0, 0), (2, 0), (2, 1), (9, 1), (2, 1), (2, 2), (0, 2)])
    (made,) = repair_polygons(shapes(spike)).shapes
    assert made.equals(box(0, 0, 2, 2))
    assert made.geom_type == "Polygon"


def test_lines_by_row() -> None:
    rows = shapes(
        LineString([(0, 0), (3, 4)]),
        shapely.MultiLineString([[(0, 0), (1, 0)], [(5, 0), (7, 0)]]),
        box(0, 0, 1, 1),
        Point(1, 1),
        None,
        LineString([(1, 1), (1, 1)]),
        LineString([(0, 0, 9), (1, 0, 9)]),
        shapely.MultiPolygon([box(0, 0, 1, 1).difference(box(0.2, 0.2, 0.8, 0.8)), box(3, 0, 4, 1)]),
        LineString([(0, 0), (np.inf, 0)]),
        shapely.GeometryCollection([LineString([(0, 0), (0, 6)]), Point(3, 3)]),
        shapely.MultiLineString([[(0, 0), (8, 0)]]),
    )
    made = explode_lines(rows)
    assert made.rows.tolist() == [0, 1, 1, 2, 6, 7, 7, 7, 9, 10]
    assert shapely.length(made.shapes) == pytest.approx([5, 1, 2, 4, 1, 4, 2.4, 4, 6, 8])
    assert set(shapely.get_type_id(made.shapes).tolist()) == {1}
    assert not shapely.has_z(made.shapes).any()
    flags = made.empty, made.wrong, made.flat, made.several, made.outlines
    told = [
        "".join(letter for letter, flag in zip("ewfso", flags, strict=True) if flag[row]) for row in range(11)
    ]
    assert told == ["", "s", "o", "w", "e", "w", "f", "o", "w", "s", ""]


def test_an_overlap_is_a_sliver_where_it_is_narrow_and_small() -> None:
    field = box(0, 0, 100, 100)
    assert are_slivers(field, box(97.1, 0, 200, 100)) is True
    assert are_slivers(field, box(96.9, 0, 200, 100)) is False  # wider than 3 m
    assert are_slivers(field, box(98, 0, 130, 100)) is False  # more than a twentieth of the smaller one
    assert are_slivers(box(98, 0, 130, 100), field) is False
    assert are_slivers(field, box(98, 0, 140, 100)) is True
    assert are_slivers(field, box(100, 0, 200, 100)) is True


def test_polygons_are_made_to_meet_edge_to_edge() -> None:
    fine = shapes(box(0, 0, 100, 100), box(100, 0, 200, 100))
    made, *removed = clean_coverage(fine)
    assert made is fine
    assert removed == [0.0, 0.0]
    alone = shapes(box(0, 0, 1, 1))
    assert clean_coverage(alone)[1:] == (0.0, 0.0)
    over, overlaps, gaps = clean_coverage(shapes(box(0, 0, 101, 100), box(100, 0, 200, 100)))
    assert shapely.coverage_is_valid(over)
    assert (overlaps, gaps) == pytest.approx((100, 0))
    near, overlaps, gaps = clean_coverage(
        shapes(box(0, 0, 99, 100), box(100, 0, 200, 100), box(0, 100, 200, 200), box(0, -100, 200, 0))
    )
    assert shapely.coverage_is_valid(near, gap_width=3.0)
    assert (overlaps, gaps) == pytest.approx((0, 100))
    assert shapely.area(near).sum() == pytest.approx(60_000)
    apart, *_ = clean_coverage(shapes(box(0, 0, 90, 100), box(100, 0, 200, 100)))
    assert shapely.area(apart).sum() == 19_000
