"""The A3 map of a community's grids, and the table of grids on pages of its own where the map has no room."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from layers.paper.furniture import (
    HEAD,
    draw_legend,
    facility_entries,
    footer,
    legend_entries,
    neat_line,
    north_arrow,
    scale_bar,
    seen_points,
    synthetic_mark,
)
from layers.paper.ground import Ground, draw_borders, draw_ground, known_kind
from layers.paper.imprint import Duty, Imprint, plain_number, version_words
from layers.paper.labels import (
    Taken,
    draw_labels,
    draw_signs,
    draw_street_names,
    draw_tags,
    place_labels,
    place_signs,
    place_tags,
)
from layers.paper.pen import INK, MM, POINT, QUIET, Pen
from layers.paper.scale import Plot, plot_of
from partition.texts import Language

A3 = (297.0, 420.0)
MARGIN = 10.0
HEADER = 19.0
FOOTER = 8.0
SIDE = 88.0  # beside the map on a landscape sheet
BELOW = 110.0  # below it on a portrait one
SIGN = 4.4  # mm
ROW = 5.4


@dataclass(frozen=True)
class Layout:
    """A sheet: its size, the map's window, and the columns (left, top, width, bottom) beside or below it."""

    width: float
    height: float
    window: tuple[float, float, float, float]
    columns: tuple[tuple[float, float, float, float], ...]

    @property
    def landscape(self) -> bool:
        """Whether the sheet lies on its long side."""
        return self.width > self.height


def layouts() -> tuple[Layout, Layout]:
    """Landscape and portrait."""
    short, long = A3
    low, gap = MARGIN + FOOTER, 5.0
    top = short - MARGIN - HEADER
    side = long - MARGIN - SIDE
    landscape = Layout(
        long,
        short,
        (MARGIN + 1.5, low, side - gap - MARGIN - 3.0, top - low),
        ((side, top + 1.1, SIDE, low),),
    )
    top = long - MARGIN - HEADER
    third = (short - 2 * MARGIN - 2 * gap) / 3
    portrait = Layout(
        short,
        long,
        (MARGIN + 1.5, low + BELOW, short - 2 * MARGIN - 3.0, top - low - BELOW),
        tuple((MARGIN + number * (third + gap), low + BELOW - gap, third, low) for number in range(3)),
    )
    return landscape, portrait


def choose_layout(bounds: tuple[float, float, float, float]) -> tuple[Layout, Plot]:
    """The sheet on which the ground (metres) is larger; landscape if it is the same."""
    plots = [(layout, plot_of(bounds, layout.window, margin_mm=5.0)) for layout in layouts()]
    return min(plots, key=lambda pair: pair[1].ratio)


ClosePage = Callable[[Imprint], None]


def draw_grid_sheet(pen: Pen, ground: Ground, imprint: Imprint, page: int, close: ClosePage) -> None:
    """The map on one page and, if the table of grids has no room there, more pages; `close` ends each."""
    view = ground.view
    layout, plot = choose_layout(tuple(ground.community.total_bounds))
    begin_page(pen, layout)
    name = community_name(ground)
    title = imprint.say("paper.draft_title" if imprint.draft else "map.title", name=name)
    draw_header(pen, ground, layout, imprint, title)
    kinds = _draw_map(pen, ground, plot, imprint.lang)
    neat_line(pen, plot)
    whole = _draw_side(pen, ground, layout, plot, imprint, kinds)
    footer(pen, view, imprint, (MARGIN, MARGIN, layout.width - 2 * MARGIN), page, size=8.0)
    close(imprint)
    if not whole:
        draw_table_pages(pen, ground, layout, imprint, page + 1, close)


def begin_page(pen: Pen, layout: Layout) -> None:
    """A page of the layout's size."""
    pen.canvas.setPageSize((layout.width * MM, layout.height * MM))


def community_name(ground: Ground) -> str:
    """The community's name, else its code."""
    row = ground.community.iloc[0]
    return str(row["name"] or row["code"] or "")


def draw_header(pen: Pen, ground: Ground, layout: Layout, imprint: Imprint, title: str) -> None:
    """Title, code, version; the notice of synthetic data to the right."""
    view, top = ground.view, layout.height - MARGIN
    right = layout.width - MARGIN
    if view.synthetic:
        right = synthetic_mark(pen, right, top - 9.2, imprint, size=13.0) - 4
        words = imprint.say("map.synthetic_long")
        pen.text(layout.width - MARGIN, top - 15.0, words, 8.0, align=1.0, colour=QUIET)
    words, size = pen.fit(title, 25.0, right - MARGIN, 13.0)
    pen.text(MARGIN, top - 9.0, words, size, colour=HEAD, bold=True)
    about = [str(ground.community["code"].iloc[0] or ""), version_words(view, imprint)]
    range_ = view.size_words.get(imprint.lang, "")
    if range_:
        about.append(imprint.say("map.range", sizes=range_))
    pen.text(MARGIN, top - 15.0, "　".join(part for part in about if part), 10.0, colour=QUIET)


def _draw_map(pen: Pen, ground: Ground, plot: Plot, lang: Language) -> set[str]:
    """The map in its window; returns the kinds of facilities on it."""
    grids = ground.grids
    fills = dict(zip(grids["code"], grids["colour"], strict=True))
    taken = Taken(
        (plot.left + 0.6, plot.bottom + 0.6, plot.left + plot.width - 0.6, plot.bottom + plot.height - 0.6)
    )
    under = [_households_words(value, ground) for value in grids["households"]]
    labels = place_labels(
        pen,
        plot,
        list(zip(grids["label"], under, ground.centres, ground.radii, grids.geometry, strict=True)),
        taken,
        sizes=(17.0, 9.0),
    )
    tags = place_tags(
        pen, plot, [(area.called(lang), area.shape) for area in ground.areas], taken, sizes=(15.0, 9.0)
    )
    facilities = ground.facilities
    shown = facilities[[known_kind(kind) for kind in facilities["known"]]] if len(facilities) else facilities
    places = shown[seen_points(plot, shown.geometry.to_numpy())] if len(shown) else shown
    signs = place_signs(
        list(zip(places["known"], plot.place(places.geometry.to_numpy()), strict=True)), taken, size=SIGN
    )
    with pen.window(plot.left, plot.bottom, plot.width, plot.height):
        draw_ground(pen, ground, plot, fills=fills)
        draw_borders(pen, ground, plot, areas=True)
        draw_street_names(pen, ground, plot, taken)
        draw_signs(pen, signs, size=SIGN)
        draw_tags(pen, tags)
        draw_labels(pen, labels)
    return {sign.kind for sign in signs}


def _households_words(value: Any, ground: Ground) -> str:
    # under each number of the map; the language has no part in it where the unit is a sign of its own
    number = plain_number(value)
    return "" if number == "—" else number


def _draw_side(
    pen: Pen, ground: Ground, layout: Layout, plot: Plot, imprint: Imprint, kinds: set[str]
) -> bool:
    """Scale, legend, notes and table; False if the table must go on a page of its own."""
    left, top, width, bottom = layout.columns[0]
    top = _draw_scale(pen, left, top, width, plot, imprint) - 4.0
    top = heading(pen, left, top, width, imprint.say("legend.title"))
    lines = legend_entries(ground, plot, imprint)
    places = facility_entries(kinds, imprint)
    # on a portrait sheet nothing but the notes comes below
    room = top - bottom - (14.0 if not layout.landscape else 70.0)
    step = min(5.5, room / (-(-len(lines) // 2) + -(-len(places) // 2)))
    top = draw_legend(pen, left, top, width, lines, columns=2, step=step) - 1.0
    if places:
        top = draw_legend(pen, left, top, width, places, columns=2, step=step) - 1.0
    top = _draw_notes(pen, ground, left, top - 0.5, width, imprint) - 4.0
    boxes = [(left, top, width, bottom)] if layout.landscape else list(layout.columns[1:])
    return _draw_small_table(pen, ground, boxes, imprint)


def heading(pen: Pen, x: float, top: float, width: float, words: str) -> float:
    """A heading with a line below; returns where it ends."""
    pen.text(x, top - 4.2, words, 11.0, colour=HEAD, bold=True)
    pen.rule(x, top - 6.0, width, colour=HEAD, width=0.4)
    return top - 7.2


def _draw_scale(pen: Pen, x: float, top: float, width: float, plot: Plot, imprint: Imprint) -> float:
    height = 21.0
    pen.box(x, top - height, width, height, edge="#c3c9cc", line=0.25, round_=1.2)
    north_arrow(pen, x + 9.5, top - height / 2 - 0.5, 15.0, imprint)
    ratio = imprint.say("paper.ratio", ratio=f"{plot.ratio:,}")
    pen.text(x + 20.0, top - 7.4, ratio, 12.0, bold=True)
    scale_bar(pen, x + 21.5, top - height + 4.6, width - 36.0, plot.ratio)
    return top - height


def _draw_notes(pen: Pen, ground: Ground, x: float, top: float, width: float, imprint: Imprint) -> float:
    notes = [imprint.say("paper.grids_note")]
    if ground.grids["households"].notna().any():
        notes.append(imprint.say("paper.households_note"))
    if ground.grids["households"].isna().any():
        notes.append(imprint.say("paper.withheld_note"))
    for note in notes:
        top = pen.paragraph(x, top, note, 8.0, width, colour=QUIET) - 0.6
    return top


# --- tables ---


def grid_rows(ground: Ground, imprint: Imprint) -> list[tuple[str, str, str]]:
    """Number, households and staff of each grid."""
    rows = []
    for row in ground.grids.to_dict("records"):
        people = _people_words(imprint.of_grid(row), imprint)
        rows.append((str(row["label"]), plain_number(row.get("households")), people))
    return rows


def _people_words(duties: Sequence[Duty], imprint: Imprint) -> str:
    stop = "、" if imprint.lang == "zh" else ", "
    names = [duty.name for duty in duties if duty.name]
    vacant = sum(not duty.name for duty in duties)
    if not duties:
        return imprint.say("paper.none")
    if vacant:
        names.append(imprint.say("paper.vacancies", count=vacant))
    return stop.join(names)


def _draw_small_table(
    pen: Pen, ground: Ground, boxes: Sequence[tuple[float, float, float, float]], imprint: Imprint
) -> bool:
    """The table in one box after the other (left, top, width, bottom); False if they do not hold it."""
    rows = grid_rows(ground, imprint)
    room = [int((top - bottom - 7.2) / ROW) - 1 for _, top, _, bottom in boxes]
    title = imprint.say("paper.table", count=len(rows))
    if len(rows) + 1 > sum(room):
        left, top, width, _ = boxes[0]
        top = heading(pen, left, top, width, title)
        pen.paragraph(left, top - 1.0, imprint.say("paper.table_next"), 9.0, width, colour=QUIET)
        return False
    total = ground.grids["households"]
    even = -(-(len(rows) + 1) // len(boxes))  # as long in one box as in the next, where the first holds it
    room = [min(fits, max(even, len(rows) + 1 - sum(room[1:]))) for fits in room[:1]] + room[1:]
    for (left, top, width, _), fits in zip(boxes, room, strict=True):
        top = heading(pen, left, top, width, title)
        top = _draw_rows(pen, rows[:fits], left, top, width, imprint)
        rows = rows[fits:]
        if not rows:
            if total.notna().all():
                base = top - ROW + ROW * 0.34
                pen.text(left + 1.0, base, imprint.say("paper.total"), 9.0, colour=QUIET)
                pen.text(left + width * 0.32, base, plain_number(total.sum()), 9.5, align=1.0, bold=True)
            break
        title = imprint.say("paper.continued")
    return True


def _draw_rows(
    pen: Pen, rows: Sequence[tuple[str, str, str]], left: float, top: float, width: float, imprint: Imprint
) -> float:
    at = (left + 1.0, left + width * 0.32, left + width * 0.36)
    middle = ROW * 0.34
    for x, align, key in zip(at, (0.0, 1.0, 0.0), ("number", "households", "staff"), strict=True):
        pen.text(x, top - ROW + middle, imprint.say(f"paper.column_{key}"), 8.0, align=align, colour=QUIET)
    top -= ROW
    for number, (label, households, people) in enumerate(rows):
        if number % 2 == 0:
            pen.box(left, top - ROW, width, ROW, fill="#f1f4f5")
        base = top - ROW + middle
        pen.text(at[0], base, label, 9.5, bold=True)
        pen.text(at[1], base, households, 9.5, align=1.0)
        words, size = pen.fit(people, 9.0, left + width - 1.0 - at[2], 6.5)
        pen.text(at[2], base, words, size)
        top -= ROW
    pen.rule(left, top, width, colour=HEAD, width=0.3)
    return top


_COLUMNS = (
    ("number", 0.055, 0.0),
    ("code", 0.125, 0.0),
    ("households", 0.06, 1.0),
    ("residents", 0.065, 1.0),
    ("buildings", 0.06, 1.0),
    ("area", 0.065, 1.0),
    ("bounds", 0.34, 0.0),
    ("staff", 0.23, 0.0),
)


def draw_table_pages(
    pen: Pen, ground: Ground, layout: Layout, imprint: Imprint, page: int, close: ClosePage
) -> None:
    """The whole table, with the four bounds, on pages of the map's size."""
    rows = ground.grids.to_dict("records")
    width = layout.width - 2 * MARGIN
    title = imprint.say("paper.table_title", name=community_name(ground))
    while rows:
        begin_page(pen, layout)
        draw_header(pen, ground, layout, imprint, title)
        top = layout.height - MARGIN - HEADER - 2.0
        top = _draw_table_head(pen, top, width, imprint)
        drawn = 0
        for row in rows:
            cells = _cells(row, imprint)
            lines = _wrapped(pen, cells, width)
            height = max(len(text) for text in lines) * 9.0 * POINT * 1.3 + 2.6
            if drawn and top - height < MARGIN + FOOTER:
                break
            if drawn % 2 == 0:
                pen.box(MARGIN, top - height, width, height, fill="#f1f4f5")
            _draw_row(pen, lines, top, width)
            top -= height
            drawn += 1
        rows = rows[drawn:]
        pen.rule(MARGIN, top, width, colour=HEAD, width=0.3)
        if not rows and ground.grids["households"].notna().all():
            total = plain_number(ground.grids["households"].sum())
            pen.text(
                MARGIN + 1, top - 5.0, imprint.say("paper.total_households", count=total), 10.0, bold=True
            )
        footer(pen, ground.view, imprint, (MARGIN, MARGIN, width), page, size=8.0)
        close(imprint)
        page += 1


def _draw_table_head(pen: Pen, top: float, width: float, imprint: Imprint) -> float:
    x = MARGIN
    pen.box(MARGIN, top - 7.0, width, 7.0, fill=HEAD)
    for key, share, align in _COLUMNS:
        field = share * width
        at = x + 1.2 + align * (field - 3.4)
        words, size = pen.fit(imprint.say(f"paper.column_{key}"), 9.0, field - 1.6, 6.0)
        pen.text(at, top - 4.8, words, size, align=align, colour="#ffffff", bold=True)
        x += field
    return top - 7.0


def _cells(row: dict[str, Any], imprint: Imprint) -> dict[str, str]:
    area = row.get("area_m2")
    people = [
        f"{duty.role[imprint.lang]} {duty.name or imprint.say('card.vacant')} {duty.phone}".strip()
        for duty in imprint.of_grid(row)
    ]
    return {
        "number": str(row["label"]),
        "code": f"{row['code']} {str(row.get('name') or '').strip()}".strip(),
        "households": plain_number(row.get("households")),
        "residents": plain_number(row.get("residents")),
        "buildings": plain_number(row.get("buildings")),
        "area": "—" if area is None or area != area else f"{float(area) / 1e4:.1f}",
        "bounds": str(row.get(f"bounds_{imprint.lang}") or "—"),
        "staff": ("；" if imprint.lang == "zh" else "; ").join(people) or imprint.say("paper.none"),
    }


def _wrapped(pen: Pen, cells: dict[str, str], width: float) -> list[list[str]]:
    return [pen.wrap(cells[key], 9.0, share * width - 2.4) or [""] for key, share, _ in _COLUMNS]


def _draw_row(pen: Pen, lines: list[list[str]], top: float, width: float) -> None:
    x, step = MARGIN, 9.0 * POINT * 1.3
    for (key, share, align), texts in zip(_COLUMNS, lines, strict=True):
        field = share * width
        for number, words in enumerate(texts):
            at = x + 1.2 + align * (field - 3.4)
            base = top - 1.3 - (number + 0.78) * step
            pen.text(at, base, words, 9.0, align=align, colour=INK, bold=key == "number")
        x += field
