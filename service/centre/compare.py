"""Two plans, or two periods, compared for one principal: `GET /centre/{division}/compare`.

Plans: what `/plans` and, for those who see drafts, `/plans/{plan}/grids` tell; of buildings whose grid
differs only those hear who see the figures of buildings. No figure of a population group is compared: two
plans that differ by one building would reveal it. Periods: what `/centre/{division}/cases` counts, by the
grids in force.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, RowMapping

from layers.codes import short_codes
from partition.texts import LANGUAGES, catalogue
from service.access import Access, Principal, Role, access
from service.centre.base import draw_ground
from service.centre.change import Change, compare
from service.centre.figures import Figures, View, compare_grids, count_cases, counting, kinds
from service.centre.page import mark_of
from service.centre.periods import name_period, offer_months, propose_sides, read_period, write_ends
from service.centre.place import Clock, Division, clock_of, find_division
from service.centre.question import BEIJING, Filters, Interval
from service.centre.silence import Silence, find_silence
from service.centre.stretch import MONTH_DAYS, Stretch, align
from service.centre.summary import labels_of, silent_words, write_day
from service.faults import MalformedError, UnknownError
from service.privacy.disclosure import rules
from service.query.box import short
from service.registry import COLLECTIONS
from service.store import centre as store
from service.store import figures
from service.store.comparison import select_homes
from service.store.plans import PlanFilter, read_plan, select_plan, select_plans

if TYPE_CHECKING:
    import geopandas as gpd

    from layers.compare_map import Choice, CompareView, Difference, Figure, Side

Both = dict[str, str]

PLANS_MOST = 50
TRANSFERS_SHOWN = 20
RENAMED_SHOWN = 3
CATEGORIES_SHOWN = 10
# borders nearer than this are one: full digits go through degrees
_SAME_M = 0.2
_LEAST_M = 2.0
_NOTHING = "–"


def both(key: str, /, **values: object) -> Both:
    """A text of the catalogue in both languages; values that are `Both` take the language's own."""
    say = catalogue("service").say
    told: Both = {}
    for lang in LANGUAGES:
        given = {name: value[lang] if isinstance(value, dict) else value for name, value in values.items()}
        told[lang] = say(f"compare.{key}", lang, **given)
    return told


def draw_comparison(
    connection: Connection,
    principal: Principal,
    code: str,
    sides: tuple[str, str],
    filters: Filters,
    cases: Access | None,
    address: str,
) -> CompareView:
    """What the page shows. sides: left and right as the address has them, "" where it has none.

    UnknownError: the division or a plan is not for the principal. MalformedError: a side says nothing, or the
    two are not of one kind.
    """
    division = find_division(connection, principal, code)
    plans = [side.startswith("plan:") for side in sides]
    if any(plans):
        if not all(plans):
            raise MalformedError("compare-kinds")
        return _compare_plans(connection, principal, division, sides, address)
    if cases is None:
        raise UnknownError("collection", name="cases")
    return _compare_periods(connection, principal, cases, division, sides, filters, address)


def _common(connection: Connection, principal: Principal, division: Division, address: str) -> dict[str, Any]:
    return {
        "code": division.code,
        "name": dict(division.name),
        "address": address,
        "communities": _frame(connection, principal, "communities", division.codes)[["code", "geometry"]],
        "ground": draw_ground(connection, principal, division),
        "role": principal.role.value,
        "seen_as": mark_of(principal),
        "synthetic": division.synthetic,
        "attribution": dict.fromkeys(LANGUAGES, division.attribution) if division.attribution else {},
    }


def _frame(connection: Connection, principal: Principal, name: str, codes: Sequence[str]) -> gpd.GeoDataFrame:
    allowed = access(principal, COLLECTIONS[name])
    if allowed is None:
        raise UnknownError("collection", name=name)
    return figures.select_frame(connection, COLLECTIONS[name], allowed, codes)


# --- plans ---


@dataclass(frozen=True)
class _Plan:
    """A plan as the principal sees it. grids: code, households, residents, buildings, area_m2, geometry
    (EPSG:4326). homes: building → grid and households; None: not for this role.
    """

    number: int
    row: RowMapping
    grids: gpd.GeoDataFrame
    buildings: gpd.GeoDataFrame | None


def _compare_plans(
    connection: Connection,
    principal: Principal,
    division: Division,
    sides: tuple[str, str],
    address: str,
) -> CompareView:
    from layers.compare_map import CompareView

    left, right = (_plan(connection, principal, division, side) for side in sides)
    community = str(left.row["division_code"])
    if right.row["division_code"] != community:
        raise MalformedError("compare-communities", left=left.number, right=right.number)
    division = replace(
        division, communities=tuple(one for one in division.communities if one.code == community)
    )
    twins, flows, moved = _match(connection, left, right)
    gone, come, lengths = _borders(left.grids, right.grids)
    columns = [both("households"), both("residents"), both("buildings"), both("hectares")]
    return CompareView(
        kind="plans",
        left=_plan_side(left, gone),
        right=_plan_side(right, come),
        twins=twins,
        columns=columns,
        figures=_plan_figures(left, right, flows, lengths),
        differences=_plan_differences(left, right, twins, flows),
        none=both("plans_same"),
        moved=moved,
        choices=_plan_choices(connection, principal, community),
        notes=[both("plans_note")],
        **_common(connection, principal, division, address),
    )


def _plan(connection: Connection, principal: Principal, division: Division, side: str) -> _Plan:
    told = re.fullmatch(r"plan:(\d{1,18})", side, re.ASCII)
    if told is None:
        raise MalformedError("parameter-value", name="left, right", value=short(side), choice="plan:12")
    number = int(told[1])
    row = select_plan(connection, principal, number)
    if row is None or row["division_code"] not in division.codes:
        raise UnknownError("plan", plan=number)
    if principal.reaches(Role.PLANNER):
        frames = read_plan(connection, number)
        return _Plan(number, row, frames.grids.to_crs(4326), frames.buildings.to_crs(4326))
    # whoever sees published plans only sees their grids as the collection shows them
    return _Plan(number, row, _frame(connection, principal, "grids", [row["division_code"]]), None)


def _plan_side(plan: _Plan, borders: gpd.GeoSeries) -> Side:
    from layers.compare_map import Side

    grids = plan.grids.copy()
    grids["cells"] = [
        [
            _unit("cell_households", row["households"]),
            _number(row["residents"]),
            _number(row["buildings"]),
            f"{row['area_m2'] / 10_000:.2f}",
        ]
        for row in grids.to_dict("records")
    ]
    status = both(f"status_{plan.row['status']}")
    day = plan.row["published_at"] or plan.row["updated_at"]
    note = both("plan_note", status=status, date=day.astimezone(BEIJING).date(), grids=len(grids))
    return Side(
        f"plan:{plan.number}",
        both("plan", plan=plan.number),
        note,
        grids[["code", "cells", "geometry"]],
        borders,
    )


def _match(
    connection: Connection, left: _Plan, right: _Plan
) -> tuple[dict[str, str], list[tuple[str, str, int, int]] | None, gpd.GeoSeries | None]:
    """Which grid of the right is which of the left, by most households in common; what goes from grid to grid
    (left code, right code, buildings, households; None: not for this role); and the buildings that do.
    """
    import numpy as np

    from partition.changes.lineage import keep_codes

    if left.buildings is None or right.buildings is None:
        shared = set(left.grids["code"]) & set(right.grids["code"])
        return {code: code for code in sorted(shared)}, None, None
    homes = select_homes(connection, left.number, right.number)
    left_codes, right_codes = sorted(left.grids["code"]), sorted(right.grids["code"])
    place = ({code: n for n, code in enumerate(left_codes)}, {code: n for n, code in enumerate(right_codes)})
    old = np.array([place[0][home.old] for home in homes], dtype=np.int64)
    new = np.array([place[1][home.new] for home in homes], dtype=np.int64)
    households = np.array([float(home.households) for home in homes])
    kept = keep_codes(old, new, households) if homes else {}
    twins = {right_codes[b]: left_codes[a] for b, a in kept.items()}
    changed = np.array([kept.get(int(b)) != int(a) for a, b in zip(old, new, strict=True)], dtype=bool)
    flows: dict[tuple[str, str], tuple[int, int]] = {}
    for n in np.flatnonzero(changed).tolist():
        pair = (left_codes[old[n]], right_codes[new[n]])
        buildings, people = flows.get(pair, (0, 0))
        flows[pair] = (buildings + 1, people + round(households[n]))
    ids = {homes[n].building_id for n in np.flatnonzero(changed).tolist()}
    moved = right.buildings[right.buildings["id"].isin(ids)].geometry
    told = [(before, now, *counted) for (before, now), counted in flows.items()]
    return dict(sorted(twins.items())), sorted(told, key=lambda one: (-one[3], -one[2], one[:2])), moved


def _borders(
    left: gpd.GeoDataFrame, right: gpd.GeoDataFrame
) -> tuple[gpd.GeoSeries, gpd.GeoSeries, tuple[float, float]]:
    """The borders that only one side has, in degrees, and how long the borders of both are, in metres."""
    import geopandas as gpd
    import shapely

    from layers.utm import utm_crs

    crs = utm_crs(left)
    lines = [shapely.union_all(side.to_crs(crs).boundary.to_numpy()) for side in (left, right)]
    outline = shapely.union_all(left.to_crs(crs).geometry.to_numpy()).boundary
    inner = [shapely.difference(line, shapely.buffer(outline, _SAME_M)) for line in lines]
    only = []
    for one, other in ((inner[0], inner[1]), (inner[1], inner[0])):
        rest = shapely.line_merge(shapely.difference(one, shapely.buffer(other, _SAME_M)))
        parts = [part for part in shapely.get_parts(rest) if part.length >= _LEAST_M]
        only.append(gpd.GeoSeries(parts, crs=crs).to_crs(4326))
    return only[0], only[1], (float(inner[0].length), float(inner[1].length))


def _plan_figures(
    left: _Plan, right: _Plan, flows: list[tuple[str, str, int, int]] | None, lengths: tuple[float, float]
) -> list[Figure]:
    from layers.compare_map import Figure

    rows = [Figure(both("grids"), *_pair(len(left.grids), len(right.grids)))]
    for name, least in (("households", True), ("residents", False)):
        one, other = left.grids[name], right.grids[name]
        if not (one.notna().all() and other.notna().all() and len(one) and len(other)):
            continue
        rows.append(Figure(both(name), *_pair(round(one.sum()), round(other.sum()))))
        if least:
            rows.append(Figure(both("smallest"), *_pair(round(one.min()), round(other.min()))))
            rows.append(Figure(both("largest"), *_pair(round(one.max()), round(other.max()))))
            rows.append(Figure(both("spread"), *_pair(_spread(one), _spread(other), form="{:,.1f}")))
    shares = [plan.row["figures"].get("share_in_range") for plan in (left, right)]
    if all(share is not None for share in shares) and left.buildings is not None:
        before, after = (100 * float(share) for share in shares)
        rows.append(Figure(both("in_range"), *_pair(before, after, form="{:,.0f}")))
    rows.append(Figure(both("borders"), *_pair(lengths[0] / 1000, lengths[1] / 1000, form="{:,.2f}")))
    if flows is not None:
        rows.append(Figure(both("moved_buildings"), "", _number(sum(flow[2] for flow in flows)) or ""))
        rows.append(Figure(both("moved_households"), "", _number(sum(flow[3] for flow in flows)) or ""))
    return rows


def _spread(households: Any) -> float:
    """Standard deviation as a share of the mean, in per cent."""
    mean = float(households.mean())
    return 100 * float(households.std(ddof=0)) / mean if mean else 0.0


def _plan_differences(
    left: _Plan, right: _Plan, twins: Mapping[str, str], flows: list[tuple[str, str, int, int]] | None
) -> list[Difference]:
    from layers.compare_map import Difference

    found = []
    there = set(twins.values())
    for code in sorted(set(left.grids["code"]) - there):
        found.append(Difference(both("only_left", label=code[-3:]), (code,)))
    for code in sorted(set(right.grids["code"]) - set(twins)):
        found.append(Difference(both("only_right", label=code[-3:]), (code,)))
    for old, new, buildings, households in (flows or [])[:TRANSFERS_SHOWN]:
        text = both("flow", left=old[-3:], right=new[-3:], buildings=buildings, households=f"{households:,}")
        found.append(Difference(text, (new, old)))
    rest = (flows or [])[TRANSFERS_SHOWN:]
    if rest:
        found.append(Difference(both("more_flows", count=len(rest))))
    renamed = [(other, code) for code, other in twins.items() if code != other]
    if len(renamed) > RENAMED_SHOWN:
        found.append(Difference(both("renamed_many", count=len(renamed))))
    else:
        for other, code in renamed:
            found.append(Difference(both("renamed", left=other[-3:], right=code[-3:]), (code,)))
    return found


def _plan_choices(connection: Connection, principal: Principal, community: str) -> list[Choice]:
    from layers.compare_map import Choice

    rows, _ = select_plans(connection, principal, PlanFilter(community), limit=PLANS_MOST, offset=0)
    return [
        Choice(
            f"plan:{row['id']}",
            both("plan_choice", plan=row["id"], status=both(f"status_{row['status']}")),
        )
        for row in rows
        if row["division_code"] == community
    ]


# --- periods ---


def _compare_periods(
    connection: Connection,
    principal: Principal,
    cases: Access,
    division: Division,
    sides: tuple[str, str],
    filters: Filters,
    address: str,
) -> CompareView:
    from layers.choropleth import classes
    from layers.compare_map import CompareView

    clock = clock_of(division, store.select_reach(connection, cases, division.codes))
    sides = propose_sides(sides, clock)
    asked = (read_period(sides[0], clock), read_period(sides[1], clock))
    stretch = align(filters, asked, clock.end, clock.oldest)
    if stretch is None:
        raise MalformedError("compare-empty")
    told = [
        count_cases(connection, principal, cases, View(division, filters, clock, interval, None))
        for interval in stretch.intervals
    ]
    condition = filters.condition({column.name: sql for column, sql in cases.columns})
    count = counting(connection, cases, division.codes, condition)
    silences = _silences(told, stretch.intervals, count)
    silent = any(one is not None for one in silences)
    judged = stretch.comparable and not silent
    both_sides = list(zip(told[1].grids, told[0].grids, strict=True))
    changes = compare_grids(
        [(after.cases, before.cases) for after, before in both_sides],
        [after.crossing + before.crossing for after, before in both_sides],
        stretch.share,
    )
    grids = _frame(connection, principal, "grids", division.codes)
    names = [name_period(side, interval) for side, interval in zip(sides, asked, strict=True)]
    left, right = (
        _period_side(sides[place], names[place], told[place], stretch, place, grids) for place in (0, 1)
    )
    return CompareView(
        kind="periods",
        left=left,
        right=right,
        twins={code: code for code in grids["code"]},
        columns=_period_columns(filters, stretch),
        figures=_period_figures(told, stretch, judged=judged),
        differences=_period_differences(told, changes, stretch) if judged else [],
        none=both(
            "periods_silent" if silent else "periods_same" if stretch.comparable else "periods_unknown"
        ),
        measure=classes(_measure(filters, stretch)),
        choices=_period_choices(sides, clock),
        basis=_basis(names, stretch, clock),
        changed=None if stretch.even else both("change_by_day"),
        notes=_period_notes(filters, stretch, any(one.approximate for one in told), silences),
        # a period that has not ended by the clock goes on
        events="/events" if any(one.begin < clock.end <= one.end for one in asked) else "",
        **_common(connection, principal, division, address),
    )


def _measure(filters: Filters, stretch: Stretch) -> str:
    name = f"case_rate_{filters.rate}" if filters.rate else "cases"
    return name if stretch.even else f"{name}_30_days"


def _period_columns(filters: Filters, stretch: Stretch) -> list[Both]:
    """Heads of a grid's cells: what its colour says and, if that is another figure, its cases."""
    name = f"rate_{filters.rate}" if filters.rate else "cases"
    head = name if stretch.even else f"{name}_30_days"
    return [both(head)] if head == "cases" else [both(head), both("cases")]


def _in_a_month(number: float, stretch: Stretch, place: int) -> float:
    """As many of a side as there would be in thirty days."""
    return number * MONTH_DAYS / stretch.days[place]


def _period_side(
    value: str, title: Both, told: Figures, stretch: Stretch, place: int, grids: gpd.GeoDataFrame
) -> Side:
    from layers.compare_map import Side

    rows = told.by_code
    cells: list[list[str | Both | None]] = []
    values: list[float | None] = []
    states: list[str] = []
    for code in grids["code"]:
        grid = rows[code]
        # no figure is shown of a handful of households
        known = grid.grid.households is not None
        count = _unit("cell_cases", grid.cases) if known else None
        state = "shown" if known else "withheld"
        figure: float | None = float(grid.cases) if known else None
        if grid.rate is not None and known:
            figure = grid.rate.value
            state = {"stable": "shown", "unstable": "unstable", "hidden": "few"}[grid.rate.state]
        if figure is not None and not stretch.even:
            figure = _in_a_month(figure, stretch, place)
        if grid.rate is None and stretch.even:
            cells.append([count])
        else:
            cells.append([None if figure is None else f"{figure:,.1f}", count])
        values.append(figure)
        states.append(state)
    shown = grids[["code", "geometry"]].assign(cells=cells, value=values, state=states)
    interval = stretch.intervals[place]
    first, last = write_ends(interval)
    part = stretch.running[place] or stretch.cut[place]
    note = both(
        "period_part" if part else "period_note",
        first=first,
        last=last,
        cases=f"{told.total:,}",
        long=_lasting(interval),
    )
    return Side(value, title, note, shown)


def _lasting(interval: Interval) -> Both:
    """How long a time is: 21.7 days, or hours if it is short."""
    if interval.days < 1:
        return both("hours", count=f"{interval.days * 24:.2g}")
    return both("days", count=_short(interval.days))


def _short(days: float) -> str:
    """Days to a tenth, and whole ones from a hundred on."""
    return f"{days:,.0f}" if days >= 100 else f"{days:.1f}".removesuffix(".0")


def _basis(names: Sequence[Both], stretch: Stretch, clock: Clock) -> list[Both]:
    """Which parts of the periods are compared, and how, unless both are over and equally long."""
    told: list[Both] = []
    if any(stretch.running):
        period = names[1 if stretch.running[1] else 0]
        first, second = stretch.intervals
        if first.length == second.length and any(stretch.cut):
            told.append(both("same_stretch", period=period, long=_lasting(first)))
        else:
            told.append(both("so_far", period=period))
    if not stretch.even and stretch.comparable:
        first, second = stretch.intervals
        if first.length == second.length:
            hours = [f"{one:,.0f}" for one in stretch.hours]
            told.append(both("uneven_hours", left=hours[0], right=hours[1]))
        else:
            left, right = (_short(one) for one in stretch.days)
            told.append(both("uneven", left=left, right=right))
    day = None if clock.oldest is None else {lang: write_day(clock.oldest, lang) for lang in LANGUAGES}
    for name, known in zip(("left", "right"), stretch.known, strict=True):
        if not known and day is not None:
            told.append(both(f"unknown_{name}", day=day))
    return told


def _period_figures(told: Sequence[Figures], stretch: Stretch, *, judged: bool) -> list[Figure]:
    """Cases of both periods, in all and by category. judged: whether a rise or fall is told."""
    from layers.compare_map import Figure

    left, right = told
    days = stretch.days
    total = compare([right.total], [left.total], stretch.share)[0]
    one, other, difference = _pair(left.total / days[0], right.total / days[1], form="{:,.1f}")
    rows = [
        Figure(
            both("cases"),
            _number(left.total) or "",
            _number(right.total) or "",
            _changed(total, stretch, judged=judged),
        ),
        Figure(both("a_day"), one, other, difference if stretch.comparable else _NOTHING),
    ]
    before = {name: pair[0] for name, pair in kinds(left)}
    after = {name: pair[0] for name, pair in kinds(right)}
    names = sorted(
        set(before) | set(after), key=lambda name: (-before.get(name, 0) - after.get(name, 0), name)
    )[:CATEGORIES_SHOWN]
    changes = compare(
        [after.get(name, 0) for name in names], [before.get(name, 0) for name in names], stretch.share
    )
    for name, change in zip(names, changes, strict=True):
        label = labels_of("category", name)
        rows.append(
            Figure(
                label,
                _number(change.before) or "",
                _number(change.now) or "",
                _changed(change, stretch, judged=judged),
            )
        )
    return rows


def _period_differences(
    told: Sequence[Figures], changes: Sequence[Change], stretch: Stretch
) -> list[Difference]:
    """The grids whose number changed by more than chance, the surest first."""
    from layers.compare_map import Difference

    found = []
    rows = zip(told[1].grids, changes, strict=True)
    for grid, change in sorted(rows, key=lambda pair: (pair[1].p, pair[0].grid.code)):
        verdict = change.verdict
        if verdict not in ("more", "fewer") or grid.grid.households is None:
            continue
        label = short_codes(grid.grid.grids)
        if stretch.even:
            text = both(verdict, label=label, left=change.before, right=change.now)
        else:
            before, now = _in_a_month(change.before, stretch, 0), _in_a_month(change.now, stretch, 1)
            text = both(f"{verdict}_30_days", label=label, left=f"{before:,.1f}", right=f"{now:,.1f}")
        found.append(Difference(text, grid.grid.grids, verdict))
    return found


def _period_choices(sides: tuple[str, str], clock: Clock) -> list[Choice]:
    from layers.compare_map import Choice

    return [Choice(side, name_period(side, read_period(side, clock))) for side in offer_months(clock, sides)]


def _silences(
    told: Sequence[Figures], intervals: Sequence[Interval], count: Callable[[Interval], int]
) -> list[Silence | None]:
    """Of each side the stretch in which data may be missing, if there is one."""
    hours = [{hour: pair[0] for hour, pair in one.tallies.hours.items()} for one in told]
    found = []
    for mine, other in ((0, 1), (1, 0)):
        one = find_silence(hours[mine], told[mine].covered, hours[other], intervals[other], count)
        found.append(one if one is not None and one.part == "now" else None)
    return found


def _period_notes(
    filters: Filters, stretch: Stretch, approximate: bool, silences: Sequence[Silence | None]
) -> list[Both]:
    notes = [both("periods_note"), both("fixed")]
    for name, silence in zip(("left", "right"), silences, strict=True):
        if silence is not None:
            words = {lang: silent_words(silence, lang) for lang in LANGUAGES}
            notes.insert(0, {lang: both(f"silent_{name}", words=words[lang])[lang] for lang in LANGUAGES})
    if filters.rate:
        notes.append(both("rates" if stretch.even else "rates_30_days"))
    if approximate:
        notes.append(both("approximate"))
    return notes


# --- how figures are written ---


def _number(value: Any) -> str | None:
    return None if value is None or value != value else f"{round(float(value)):,}"


def _unit(key: str, value: Any) -> Both | None:
    told = _number(value)
    return None if told is None else both(key, count=told)


def _pair(left: float, right: float, form: str = "{:,.0f}") -> tuple[str, str, str]:
    """Two figures and their difference, with its sign."""
    one, other = form.format(left), form.format(right)
    digits = len(one.rpartition(".")[2]) if "." in one else 0
    difference = round(right, digits) - round(left, digits)
    return one, other, _signed(difference, form)


def _changed(change: Change, stretch: Stretch, *, judged: bool) -> str:
    """The difference; of unequal lengths the change by the day in per cent. Of unknown times: none."""
    if not stretch.comparable:
        return _NOTHING
    mark = {"more": " ▲", "fewer": " ▼"}.get(change.verdict, "") if judged else ""
    if stretch.even:
        return _signed(change.difference, "{:,}") + mark
    if not change.before or change.before + change.now < rules().floor.rate_hidden:
        return _NOTHING + mark  # so few cases are no rate
    ratio = change.now / change.before * stretch.days[0] / stretch.days[1]
    return _signed(round(100 * (ratio - 1)), "{:,}%") + mark


def _signed(number: float, form: str) -> str:
    sign = "+" if number > 0 else "−" if number < 0 else "±"
    return sign + form.format(abs(number))
