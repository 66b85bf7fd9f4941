"""Labels: none shown overlaps another at any scale; near enough, all are shown; the browser agrees."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st
from playwright.sync_api import Page

from layers.assets import read
from layers.community_map import render
from layers.labels import Box, Label, Placed, label_points, place_labels
from tests.layers.views import grids, view

sizes = st.floats(8, 120)
labels_drawn = st.lists(
    st.builds(
        Label,
        x=st.floats(0, 600),
        y=st.floats(0, 400),
        radius=st.floats(1, 80),
        width=sizes,
        height=st.floats(8, 40),
        priority=st.integers(0, 3).map(float),
    ),
    max_size=25,
)
boxes_drawn = st.lists(
    st.tuples(st.floats(0, 600), st.floats(0, 400), sizes, sizes).map(
        lambda box: (box[0], box[1], box[0] + box[2], box[1] + box[3])
    ),
    max_size=5,
)


def box_of(label: Label, at: Placed) -> Box:
    """What the label covers."""
    half, tall = label.width / 2, label.height / 2
    return (at.x - half, at.y - tall, at.x + half, at.y + tall)


def overlap(one: Box, other: Box) -> bool:
    """Whether two boxes share ground."""
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def meets(line: Box, box: Box) -> bool:
    """Whether a line enters a box: its points, close together."""
    share = np.linspace(0, 1, 400)
    x, y = line[0] + share * (line[2] - line[0]), line[1] + share * (line[3] - line[1])
    return bool(((box[0] < x) & (x < box[2]) & (box[1] < y) & (y < box[3])).any())


@given(labels=labels_drawn, obstacles=boxes_drawn, scale=st.sampled_from((0.25, 0.5, 1.0, 2.0, 4.0)))
def test_nothing_shown_overlaps(labels: list[Label], obstacles: list[Box], scale: float) -> None:
    """No label another, an obstacle, or another's line, at any of five scales."""
    scaled = [
        Label(one.x * scale, one.y * scale, one.radius * scale, one.width, one.height, one.priority)
        for one in labels
    ]
    placed = place_labels(scaled, obstacles)
    shown = [(label, at) for label, at in zip(scaled, placed, strict=True) if at is not None]
    boxes = [box_of(label, at) for label, at in shown]
    assert not any(overlap(one, other) for one, other in combinations(boxes, 2))
    assert not any(overlap(box, other) for box in boxes for other in obstacles)
    for n, (_, at) in enumerate(shown):
        if at.line is not None:
            assert not any(meets(at.line, box) for m, box in enumerate(boxes) if m != n)


@given(labels=labels_drawn, obstacles=boxes_drawn)
def test_nothing_is_moved_out_of_the_frame(labels: list[Label], obstacles: list[Box]) -> None:
    """A label whose place is seen is moved to where all of it is seen."""
    frame = (100.0, 60.0, 460.0, 330.0)
    for label, at in zip(labels, place_labels(labels, obstacles, frame), strict=True):
        seen = frame[0] <= label.x <= frame[2] and frame[1] <= label.y <= frame[3]
        if at is None or not seen or (at.x, at.y) == (label.x, label.y):
            continue
        west, north, east, south = box_of(label, at)
        assert west >= frame[0]
        assert north >= frame[1]
        assert east <= frame[2]
        assert south <= frame[3]


@given(labels=labels_drawn)
def test_a_label_is_hidden_only_for_a_reason(labels: list[Label]) -> None:
    """Alone it is shown, unless its area is too small for a line even; by its place, or with a line to it."""
    for label in labels:
        at = place_labels([label])[0]
        assert (at is None) == (label.radius < 5 and not fits(label))
        if at is not None:
            assert (at.line is None) == fits(label)
            if at.line is None:
                assert (at.x, at.y) == (label.x, label.y)


def fits(label: Label) -> bool:
    """Whether the label stands in its own area."""
    return label.width / 2 <= label.radius * 1.1 and label.height / 2 <= label.radius * 1.1


def test_the_more_important_label_stands() -> None:
    """Of two at one place the one with priority; of equals the one with more room."""
    one, other = Label(100, 100, 4, 30, 20), Label(101, 100, 30, 30, 20)
    assert [at is not None for at in place_labels([one, other])] == [False, True]
    urgent = Label(100, 100, 25, 30, 20, priority=1.0)
    placed = place_labels([other, urgent])
    assert placed[1] == Placed(100, 100)
    assert placed[0] is not None
    assert (placed[0].x, placed[0].y) != (101, 100)


def test_all_are_shown_near_enough() -> None:
    """What is hidden from afar comes with the zoom."""
    points, radii = label_points(grids().geometry)
    shown = []
    for scale in (0.02, 0.1, 0.3, 1.0):  # pixels a metre
        placed = place_labels(
            [
                Label(point.x * scale, -point.y * scale, radius * scale, 36, 24)
                for point, radius in zip(points, radii, strict=True)
            ]
        )
        shown.append(sum(at is not None for at in placed))
    assert shown == sorted(shown)
    assert shown[0] < shown[-1] == len(points)


def test_labels_lie_within() -> None:
    """The number's place is inside the polygon, as far from its border as can be."""
    centres, radii = label_points(grids().geometry)
    assert centres.within(grids().geometry).all()
    assert radii == pytest.approx([100] * 6, abs=1.5)


@pytest.mark.browser
def test_the_browser_places_alike(page: Page, tmp_path: Path) -> None:
    """Forty crowded maps, to the last digit."""
    scripts = [read(name)[0].decode() for name in ("wangge.js", "labels.js")]
    path = tmp_path / "page.html"
    path.write_text("".join(f"<script>{script}</script>" for script in scripts), encoding="utf-8")
    page.goto(path.as_uri())
    asked, wanted = [], []
    for seed in range(40):
        rng = np.random.default_rng(seed)
        many = int(rng.integers(3, 60))
        labels = [
            Label(*map(float, rng.uniform((0, 0, 2, 14, 12), (700, 500, 60, 110, 30))), float(n % 3))
            for n in range(many)
        ]
        corners = rng.uniform((0, 0, 5, 5), (600, 400, 90, 60), (6, 4)).tolist()
        obstacles: list[Box] = [(x, y, x + width, y + height) for x, y, width, height in corners]
        frame: Box | None = None if seed % 2 else (150.0, 100.0, 520.0, 380.0)
        asked.append([[vars(label) for label in labels], obstacles, frame])
        wanted.append(
            [
                None if at is None else {"x": at.x, "y": at.y, "line": at.line and list(at.line)}
                for at in place_labels(labels, obstacles, frame)
            ]
        )
    found = page.evaluate(
        "asked => asked.map(([labels, boxes, frame]) => wangge.place_labels(labels, boxes, frame))", asked
    )
    assert found == wanted
    kinds = {"hidden" if at is None else "line" if at["line"] else "in place" for one in found for at in one}
    assert kinds == {"hidden", "line", "in place"}


def crowded() -> gpd.GeoDataFrame:
    """Seventy grids of very different size on the ground of six."""
    rng = np.random.default_rng(11)
    ground = shapely.box(*grids().total_bounds)
    west, south, east, north = ground.bounds
    points = np.vstack(
        [
            rng.uniform((west, south), (east, north), (25, 2)),
            rng.normal((west + 400, south + 250), 22, (45, 2)),
        ]
    )
    cells = shapely.get_parts(shapely.voronoi_polygons(shapely.multipoints(points), extend_to=ground))
    shapes = [cell.intersection(ground) for cell in cells]
    order = np.argsort([shape.centroid.x for shape in shapes])
    return gpd.GeoDataFrame(
        {"code": [f"990101001001{n:03d}" for n in range(1, 71)], "households": 300},
        geometry=[shapes[n] for n in order],
        crs=grids().crs,
    )


@pytest.mark.browser
def test_no_two_numbers_overlap_on_the_page_at_any_zoom(page: Page, tmp_path: Path) -> None:
    """From afar few are shown, with lines where there is no room; near enough, all of them."""
    path = tmp_path / "map.html"
    path.write_text(render(view(grids=crowded().to_crs(4326)), lang="zh", assets="inline"), encoding="utf-8")
    page.goto(path.as_uri())
    shown, lines = [], 0
    for zoom in np.arange(15, 21, 0.5).tolist():
        page.evaluate(
            """zoom => Object.values(window).find(value => value instanceof L.Map)
                 .setZoom(zoom, { animate: false })""",
            zoom,
        )
        boxes = page.evaluate(
            """() => [...document.querySelectorAll(".wg-number:not([hidden])")].map(node => {
                 const box = node.getBoundingClientRect();
                 return [box.left, box.top, box.right, box.bottom];
               })"""
        )
        assert not [pair for pair in combinations(boxes, 2) if overlap(*pair)]
        shown.append(len(boxes))
        drawn = page.locator(".leaflet-wg-leaders-pane path").first.get_attribute("d") or ""
        lines = max(lines, drawn.count("M"))
    assert lines > 3
    assert shown[0] < 30
    assert shown[-1] == 70
