"""The A3 map of several communities: a street office at a glance, before its communities one by one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import geopandas as gpd
import numpy as np

from layers.colouring import colour, neighbours
from layers.grid_map import label_points
from layers.paper.furniture import (
    HEAD,
    Entry,
    draw_legend,
    footer,
    neat_line,
    north_arrow,
    scale_bar,
    synthetic_mark,
)
from layers.paper.grid_sheet import (
    FOOTER,
    HEADER,
    MARGIN,
    ROW,
    ClosePage,
    Layout,
    begin_page,
    choose_layout,
    heading,
)
from layers.paper.ground import COMMUNITY_BORDER, GRID_BORDER, PAPER, TINTS
from layers.paper.imprint import Imprint, plain_number
from layers.paper.labels import Taken, draw_labels, place_labels
from layers.paper.pen import QUIET, Pen, mixed
from layers.paper.scale import Plot, local_crs
from layers.view import CommunityView


@dataclass(frozen=True)
class Office:
    """Several communities, EPSG:4326.

    communities: code, name, grids (their number), households (or none), geometry, by code. grids: code,
    geometry. view: attribution, role, synthetic and the like of any of them, for the footer.
    """

    code: str
    name: str
    communities: gpd.GeoDataFrame
    grids: gpd.GeoDataFrame
    view: CommunityView


def draw_overview(pen: Pen, office: Office, imprint: Imprint, page: int, close: ClosePage) -> None:
    """The map with a table, and pages for what of the table has no room there; `close` ends each page."""
    west, south, east, north = office.communities.total_bounds
    crs = local_crs((west + east) / 2, (south + north) / 2)
    communities = office.communities.to_crs(crs)
    layout, plot = choose_layout(tuple(communities.total_bounds))
    begin_page(pen, layout)
    _draw_head(pen, office, layout, imprint)
    _draw_map(pen, communities, office.grids.to_crs(crs), plot)
    neat_line(pen, plot)
    left, top, width, bottom = layout.columns[0]
    height = 21.0
    pen.box(left, top - height, width, height, edge="#c3c9cc", line=0.25, round_=1.2)
    north_arrow(pen, left + 9.5, top - height / 2 - 0.5, 15.0, imprint)
    pen.text(left + 20.0, top - 7.4, imprint.say("paper.ratio", ratio=f"{plot.ratio:,}"), 12.0, bold=True)
    scale_bar(pen, left + 21.5, top - height + 4.6, width - 36.0, plot.ratio)
    top = heading(pen, left, top - height - 4.0, width, imprint.say("legend.title"))
    entries = [
        Entry("border-community", imprint.say("legend.community_border")),
        Entry("border-grid", imprint.say("legend.grid_border")),
    ]
    top = draw_legend(pen, left, top, width, entries, columns=2, step=5.5) - 4.0
    columns = [(left, top, width, bottom), *layout.columns[1:]]
    rows = list(office.communities.to_dict("records"))
    rows = _draw_table(pen, rows, columns, imprint, total=office)
    _foot(pen, office, layout, imprint, page)
    close(imprint)
    while rows:
        page += 1
        begin_page(pen, layout)
        _draw_head(pen, office, layout, imprint)
        top, third = layout.height - MARGIN - HEADER, (layout.width - 2 * MARGIN - 10.0) / 3
        columns = [(MARGIN + number * (third + 5.0), top, third, MARGIN + FOOTER) for number in range(3)]
        rows = _draw_table(pen, rows, columns, imprint, total=office)
        _foot(pen, office, layout, imprint, page)
        close(imprint)


def _foot(pen: Pen, office: Office, layout: Layout, imprint: Imprint, page: int) -> None:
    footer(pen, office.view, imprint, (MARGIN, MARGIN, layout.width - 2 * MARGIN), page, size=8.0)


def _draw_head(pen: Pen, office: Office, layout: Layout, imprint: Imprint) -> None:
    top, right = layout.height - MARGIN, layout.width - MARGIN
    if office.view.synthetic:
        right = synthetic_mark(pen, right, top - 9.2, imprint, size=13.0) - 4
    words, size = pen.fit(
        imprint.say("paper.office_title", name=office.name or office.code), 25.0, right - MARGIN, 13.0
    )
    pen.text(MARGIN, top - 9.0, words, size, colour=HEAD, bold=True)
    about = imprint.say(
        "paper.office_about",
        communities=len(office.communities),
        grids=int(office.communities["grids"].sum()),
    )
    pen.text(MARGIN, top - 15.0, f"{office.code}　{about}", 10.0, colour=QUIET)


def _draw_map(pen: Pen, communities: gpd.GeoDataFrame, grids: gpd.GeoDataFrame, plot: Plot) -> None:
    numbers = colour(neighbours(communities.geometry.reset_index(drop=True))).colours
    tints = [TINTS[number % len(TINTS)] for number in numbers]
    taken = Taken((plot.left, plot.bottom, plot.left + plot.width, plot.bottom + plot.height))
    centres, radii = label_points(communities.geometry)
    entries = [
        (str(name or code), str(code), centre, radius, shape)
        for name, code, centre, radius, shape in zip(
            communities["name"], communities["code"], centres, radii, communities.geometry, strict=True
        )
    ]
    labels = place_labels(pen, plot, entries, taken, sizes=(16.0, 8.0))
    with pen.window(plot.left, plot.bottom, plot.width, plot.height):
        pen.box(plot.left, plot.bottom, plot.width, plot.height, fill=PAPER)
        for shape, tint in zip(plot.place(communities.geometry.to_numpy()), tints, strict=True):
            pen.fill([shape], tint)
        pen.lines(plot.place(grids.geometry.boundary.to_numpy()), mixed(GRID_BORDER, "#ffffff", 0.35), 0.2)
        rings = plot.place(communities.geometry.boundary.to_numpy())
        pen.lines(rings, "#ffffff", 1.6)
        pen.lines(rings, COMMUNITY_BORDER, 0.7)
        draw_labels(pen, labels)


def _draw_table(
    pen: Pen,
    rows: list[dict[str, object]],
    columns: Sequence[tuple[float, float, float, float]],
    imprint: Imprint,
    *,
    total: Office,
) -> list[dict[str, object]]:
    """As many rows as the columns hold, the total below the last; returns the rows that are left."""
    for left, column_top, width, bottom in columns:
        if not rows:
            break
        top = heading(pen, left, column_top, width, imprint.say("paper.communities"))
        at = (left + 1.0, left + width * 0.72, left + width - 1.0)
        for x, align, key in zip(at, (0.0, 1.0, 1.0), ("community", "grids", "households"), strict=True):
            pen.text(x, top - 3.6, imprint.say(f"paper.column_{key}"), 8.0, align=align, colour=QUIET)
        top -= ROW
        fits = int((top - bottom) / ROW) - 1
        for number, row in enumerate(rows[:fits]):
            if number % 2 == 0:
                pen.box(left, top - ROW, width, ROW, fill="#f1f4f5")
            words, size = pen.fit(str(row["name"] or row["code"]), 9.5, at[1] - at[0] - 14.0, 6.5)
            pen.text(at[0], top - 3.6, words, size)
            pen.text(at[1], top - 3.6, plain_number(row["grids"]), 9.5, align=1.0)
            pen.text(at[2], top - 3.6, plain_number(row["households"]), 9.5, align=1.0)
            top -= ROW
        rows = rows[fits:]
        pen.rule(left, top, width, colour=HEAD, width=0.3)
        if not rows:
            pen.text(at[0], top - 3.8, imprint.say("paper.total"), 9.0, colour=QUIET)
            pen.text(
                at[1], top - 3.8, plain_number(total.communities["grids"].sum()), 9.5, align=1.0, bold=True
            )
            households = total.communities["households"]
            if households.notna().all():
                pen.text(at[2], top - 3.8, plain_number(np.sum(households)), 9.5, align=1.0, bold=True)
    return rows
