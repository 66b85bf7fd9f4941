"""Statistics of a division's cases that hold: what is more than chance, said plainly.

`GET /centre/{division}/statistics/{method}`: the filters of the page (`service.centre`), and of the method

    method       what it tells                                        parameters
    gi           hot and cold spots (Getis-Ord Gi*)                   units, cell, seed
    moran        units like or unlike their surroundings              units, cell, seed
    rates        smoothed rates (`rate=`, households by default)      units, cell, seed
    scan         clusters: circles with too many (or few) cases       units, cell, seed, runs, share,
                                                                      radius, side
    recent       circles that rose in the last days                   units, cell, seed, runs, share,
                                                                      radius, longest
    compare      after against before                                 units, cell, at, areas

    units=cells | grids | buildings      grids for rates and compare, else cells; buildings: centre only
    cell=100                             metres, 50 … 500
    seed=0                               another one draws another chance
    runs=999                             of the Monte Carlo test, 99 … 1999
    share=0.25                           the most that one circle holds of what is expected, up to 0.5
    radius=300                           metres, the most; else any
    side=high | low | both
    longest=7                            days, 1 … 30; the longest rise looked for, until the end of the time
                                         asked about, within four times as many days before it or more
    at=2026-10-01                        the day of the measure; else when borders were last changed
                                         (`at_because`: redraw), else half-way (half)
    areas=CODE,CODE                      grids where the measure was taken; all others are the control areas

answers (every text is `{"zh": …, "en": …}`)

    {"division": "990101001001", "name": {…}, "query": "last=30d", "as_of": "…Z", "anchor": "now" | "newest",
     "span": {…}, "method": "gi", "title": {…},
     "answered": true,                    # false: no result, the verdict says why; draw no classes
     "verdict": {…},                      # the plain sentence, to be shown first and large
     "words": {…},                        # one line: method and parameters
     "caveat": {…},                       # one line: what it cannot say
     "notes": [{…}, …],                   # what was left out, and why
     "parameters": {"units": "cells", "cell_m": 100, "seed": 0, …},
     "cases": 231,                        # that took part
     "approximate": false,                # true: places near the cases' own points
     "legend": [{"kind": "hot", "label": {…}, "units": 12}, …],    # all kinds there are, in order
     "units": {"type": "FeatureCollection", "features": [{"type": "Feature", "id": 17, "geometry": {…},
        "properties": {"kind": "hot", "grid": grid code | null (cells, buildings),
                       "grids": codes of the grids that count together as this unit | null,
                       "cases": 12,                # counted in it (compare: after)
                       …}}, …]},                   # by method, see below; only units inside the division
     "clusters": {"type": "FeatureCollection", "features": […]} | null,   # scan, recent: circles
     "explained": {"notebook": "/guide/notebooks/03_hot_spots.ipynb",
                   "docs": {"zh": "/guide/docs/statistics.zh-CN.md", …}},
     "links": [{"rel": "self", "href": …}]}

Properties of a unit besides these, `null` where there is none:

    gi, moran    score, p, q                              kinds: hot cold (moran: high low) none alone unknown
    rates        denominator, rate, smoothed, state       kinds: 1 … 5 (classes of `smoothed`, bounds in the
                 (stable | unstable | hidden)             label) hidden unknown
    scan         expected, cluster (its number)           kinds: cluster cluster_low none unknown
    recent       expected, cluster                        kinds: cluster none unknown
    compare      before, ratio, low, high, p, q           kinds: more fewer none few control

Properties of a cluster: number (from 1), found (more than chance; draw others faintly or not at all), high,
cases, expected, relative_risk (null: no case elsewhere), radius_m, p, ratio (log likelihood), days (recent),
label {…}.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt
from sqlalchemy import Connection

from service.access import Access, Principal, Role
from service.centre.answer import write_interval
from service.centre.figures import View
from service.centre.mesh import Floats, Mesh, Whole, count_cases, ground_of, lay_mesh, people_of
from service.centre.question import BEIJING, Interval, Per, write_time
from service.centre.statistic_answer import Found, plain, plain_list, write_found
from service.centre.statistic_question import Ask
from service.faults import MalformedError, TooLargeError
from service.privacy.disclosure import rules
from service.query.box import short
from service.query.span import read_span
from service.store import centre as store
from service.store.redraws import select_redraw

if TYPE_CHECKING:
    from layers.statistics.errors import MissingExtra
    from layers.statistics.scan import Bounds, Scan
    from layers.statistics.statement import Both
    from layers.statistics.units import Units

# windows × runs of a scan; as many take some seven seconds of one processor
WORK_MOST = 12_000_000_000
THREADS = 2
_HISTORY = 4  # times `longest`: what the last days are held against, at least
_HISTORY_MOST = 366


@dataclass(frozen=True)
class Desk:
    """Everything that a method works with."""

    connection: Connection
    principal: Principal
    cases: Access
    view: View
    ask: Ask
    mesh: Mesh

    def count(self, begin: Interval, end: Interval | None = None, steps: int = 1) -> Whole:
        """Cases by unit and step in an interval; with `end`, those of `begin` are the last column's."""
        asked = self.view.filters.condition({column.name: sql for column, sql in self.cases.columns})
        main = end or begin
        points = store.select_points(
            self.connection,
            self.principal,
            self.cases,
            self.view.division.codes,
            asked,
            (begin.begin, main.begin, main.end),
            steps,
        )
        return count_cases(self.connection, self.mesh, points, steps, whole=self.per != "" and end is None)

    @property
    def per(self) -> Per:
        """What rates are of; empty: numbers alone are compared."""
        if self.ask.method == "rates":
            return self.view.filters.rate or "households"
        return self.view.filters.rate

    @property
    def at_places(self) -> bool:
        """Whether cases lie at places of several buildings."""
        return not self.principal.reaches(Role.CENTRE)

    def units(self, counts: Whole) -> tuple[Units, tuple[Both, ...], bool]:
        """The units with what their cases are compared with, notes on that, and whether that is of the very
        buildings whose cases are counted.
        """
        from layers.statistics.statement import both
        from layers.statistics.units import Units

        if not self.per:
            note = both("statistics.note_counts")
            if self.mesh.kind == "buildings":
                return Units(self.mesh.middles, counts), (note,), True
            area = self.mesh.area_m2
            # areas that are dealt out are alike within a place: no matter for circles, but for neighbours
            if self.at_places and self.mesh.kind == "cells" and self.ask.method == "scan":
                area = ground_of(self.connection, self.principal, self.view.division, self.mesh)
            return Units(self.mesh.middles, counts, area / 1e4, "area"), (note,), True
        people, exact = people_of(self.connection, self.principal, self.view.division, self.mesh, self.per)
        notes = [both(f"statistics.note_{self.per}", least=rules().floor.households)]
        if not exact:
            notes.append(both("statistics.note_estimated"))
        if self.at_places and self.mesh.kind != "grids":
            notes.append(both("statistics.note_places"))
        return Units(self.mesh.middles, counts, people), tuple(notes), exact


def draw_statistic(
    connection: Connection,
    principal: Principal,
    cases: Access,
    view: View,
    ask: Ask,
    path: str,
) -> dict[str, Any]:
    """The answer. path: the division's address. Raises MalformedError, TooLargeError."""
    from layers.statistics.errors import MissingExtra

    used: Sequence[tuple[str, tuple[float, float]]] = ()
    if ask.units == "grids":
        looked_at = view.interval
        if ask.method == "recent":
            looked_at = _history(connection, cases, view, ask)
        times = (looked_at.begin, looked_at.end)
        used = store.select_places(connection, principal, cases, view.division.codes, times)
    mesh = lay_mesh(connection, principal, view.division, ask.units, ask.cell_m, used)
    desk = Desk(connection, principal, cases, view, ask, mesh)
    try:
        found = _METHODS[ask.method](desk)
    except MissingExtra as missing:
        found = _missing(desk, missing)
    return write_found(found, mesh, view, ask, principal, path)


def _missing(desk: Desk, missing: MissingExtra) -> Found:
    """That a package is not installed, as a plain answer; the cases are counted all the same."""
    from layers.statistics.statement import Statement, both

    counts = desk.count(desk.view.interval)[:, 0]
    words = both(f"statistics.title_{desk.ask.method}")
    return Found(Statement(words, missing.text, missing.text, False), counts, ["none"] * len(counts), {})


def _hot_spots(desk: Desk) -> Found:
    from layers.statistics.hot_spots import hot_spots

    counts = desk.count(desk.view.interval)[:, 0]
    units, notes, matching = desk.units(counts)
    if not matching:
        return _unmatched(desk, counts, notes)
    method: Literal["gi", "moran"] = "moran" if desk.ask.method == "moran" else "gi"
    spots = hot_spots(units, desk.mesh.neighbours(), method=method, seed=desk.ask.seed, threads=THREADS)
    table = spots.units
    columns = {name: plain_list(table[name]) for name in ("score", "p", "q")}
    return Found(spots.statement, counts, list(table["kind"]), columns, notes=notes)


def _rates(desk: Desk) -> Found:
    from layers.density import round_breaks
    from layers.statistics.rates import smoothed_rates
    from layers.statistics.statement import both

    counts = desk.count(desk.view.interval)[:, 0]
    units, notes, matching = desk.units(counts)
    per = desk.per
    rates = smoothed_rates(
        units, whom=per, least_cases=rules().floor.rate_hidden, judged=matching, seed=desk.ask.seed
    )
    table, floor = rates.units, rules().floor
    known = (table["kind"] == "known").to_numpy()
    states = np.where(
        counts < floor.rate_hidden, "hidden", np.where(counts < floor.rate_unstable, "unstable", "stable")
    )
    smoothed = table["smoothed"].to_numpy(dtype=np.float64)
    shown = known & (states != "hidden") & np.isfinite(smoothed)
    breaks = round_breaks(float(smoothed[shown].max())) if shown.any() else ()
    group = np.searchsorted(np.array(breaks), np.where(shown, smoothed, 0.0) * (1 - 1e-12)) + 1
    kinds = [
        "unknown" if not k else str(min(int(g), len(breaks))) if s else "hidden"
        for k, s, g in zip(known, shown, group, strict=True)
    ]
    lowers = (0.0, *breaks)[: len(breaks)]
    labels = {
        str(number): both("statistics.kind_range", lower=f"{lower:g}", upper=f"{upper:g}")
        for number, (lower, upper) in enumerate(zip(lowers, breaks, strict=True), start=1)
    }
    columns: dict[str, Sequence[Any]] = {
        "denominator": [
            round(value) if k else None for k, value in zip(known, table["exposure"], strict=True)
        ],
        "rate": plain_list(table["rate"].where(shown)),
        "smoothed": plain_list(table["smoothed"].where(shown)),
        "state": [str(state) if k else None for k, state in zip(known, states, strict=True)],
    }
    more: dict[str, Any] = {"per": per, "breaks": list(breaks)}
    return Found(rates.statement, counts, kinds, columns, labels=labels, more=more, notes=notes)


def _scan(desk: Desk) -> Found:
    from layers.statistics.scan import scan_circles
    from layers.statistics.statement import both

    counts = desk.count(desk.view.interval)[:, 0]
    units, notes, matching = desk.units(counts)
    if not matching:
        return _unmatched(desk, counts, notes)
    ask = desk.ask
    _bounded(len(desk.mesh), ask.runs)
    scan = scan_circles(units, bounds=_bounds(ask), runs=ask.runs, seed=ask.seed, threads=THREADS)
    total = int(counts[units.known()].sum())
    exposure = np.ones(len(units)) if units.exposure is None else np.nan_to_num(units.exposure)
    expected = np.where(units.known(), exposure / max(exposure.sum(), 1e-12) * total, np.nan)
    found = _clustered(scan, counts, units, expected, notes)
    bare = {} if units.tested == "rates" else {"unknown": both("statistics.kind_bare")}
    return replace(found, labels=bare)


def _recent(desk: Desk) -> Found:
    from layers.statistics.recent import LEAST_CASES, scan_recent
    from layers.statistics.statement import Statement, both

    ask, view = desk.ask, desk.view
    history = _history(desk.connection, desk.cases, view, ask)
    days = math.floor(history.days + 1e-9)
    if days < 2 * ask.longest:
        counts = np.zeros(len(desk.mesh), dtype=np.int64)
        method = both("statistics.recent_short", longest=ask.longest, days=days)
        statement = Statement(method, both("statistics.recent_permutation_caveat", every=20), method, False)
        empty: dict[str, Sequence[Any]] = {"expected": [None] * len(counts), "cluster": [None] * len(counts)}
        return Found(statement, counts, ["none"] * len(counts), empty)
    by_day = desk.count(history, steps=days)[:, :days]
    counts = by_day.sum(axis=1)
    units, notes, matching = desk.units(counts)
    if not matching:
        return _unmatched(desk, counts, notes)
    _bounded(len(desk.mesh), ask.runs * ask.longest)
    people = units.exposure if units.tested == "rates" else None
    scan = scan_recent(
        desk.mesh.middles,
        by_day,
        exposure=people,
        day_weights=np.array([view.filters.exposure(day) for day in history.split(days)]),
        longest=ask.longest,
        bounds=replace(_bounds(ask), least_cases=LEAST_CASES),
        runs=ask.runs,
        seed=ask.seed,
        threads=THREADS,
    )
    found = _clustered(scan, counts, units if people is not None else replace(units, exposure=None), None, ())
    return replace(
        found, notes=notes if people is not None else (), more={"history": write_interval(history)}
    )


def _history(connection: Connection, cases: Access, view: View, ask: Ask) -> Interval:
    """The days against which the last ones are held, so far as there are cases."""
    reach = store.select_reach(connection, cases, view.division.codes)
    # a span may end in times to come, of which nobody knows yet
    end = min(view.interval.end, view.clock.now.replace(second=0, microsecond=0) + timedelta(minutes=1))
    known = max(0, (end - (reach.oldest or end)).days)
    days = min(max(_HISTORY * ask.longest, math.ceil(view.interval.days - 1e-9)), known, _HISTORY_MOST)
    return Interval(end - timedelta(days=days), end)


def _unmatched(desk: Desk, counts: Whole, notes: tuple[Both, ...]) -> Found:
    """That nothing is looked for: estimated people err, and the errors would look like clusters."""
    from layers.statistics.statement import Statement, both

    words = both("statistics.not_at_places", per=both(f"statistics.whom_{desk.per}"))
    estimated = both("statistics.note_estimated")
    kind = "recent_poisson" if desk.ask.method == "recent" else desk.ask.method
    statement = Statement(estimated, both(f"statistics.{kind}_caveat", every=20), words, False)
    notes = tuple(note for note in notes if note != estimated)
    columns = ("score", "p", "q") if desk.ask.method in ("gi", "moran") else ("expected", "cluster")
    empty: dict[str, Sequence[Any]] = {name: [None] * len(counts) for name in columns}
    return Found(statement, counts, ["none"] * len(counts), empty, notes=notes)


def _clustered(
    scan: Scan, counts: Whole, units: Units, expected: Floats | None, notes: tuple[Both, ...]
) -> Found:
    """Units by the cluster they lie in, of those that are more than chance."""
    of = np.where(scan.cluster_of < len(scan.clusters), scan.cluster_of, -1)
    told = ["cluster" if cluster.high else "cluster_low" for cluster in scan.clusters]
    found = [
        kind if cluster.p <= scan.level else "none" for kind, cluster in zip(told, scan.clusters, strict=True)
    ]
    kinds = np.where(~units.known(), "unknown", np.array([*found, "none"])[of])
    columns: dict[str, Sequence[Any]] = {
        "expected": [None] * len(counts) if expected is None else plain_list(expected),
        "cluster": [int(number) + 1 if number >= 0 else None for number in of],
    }
    return Found(scan.statement, counts, [str(kind) for kind in kinds], columns, scan=scan, notes=notes)


def _compare(desk: Desk) -> Found:
    from layers.statistics.comparison import compare

    ask, interval, filters = desk.ask, desk.view.interval, desk.view.filters
    redrawn = select_redraw(
        desk.connection, desk.principal, desk.view.division.codes, interval.begin, interval.end
    )
    at, because = interval.begin + interval.length / 2, "half"
    if redrawn is not None:
        at, because = redrawn, "redraw"
    if ask.at:
        told = read_span(ask.at, BEIJING)
        if "/" in ask.at or told.begin is None:
            raise MalformedError("datetime", value=short(ask.at))
        at, because = told.begin, "asked"
    if not interval.begin < at < interval.end:
        raise MalformedError(
            "statistics-at",
            value=short(ask.at),
            begin=write_time(interval.begin),
            end=write_time(interval.end),
        )
    parts = Interval(interval.begin, at), Interval(at, interval.end)
    days = filters.exposure(parts[0]) / 24, filters.exposure(parts[1]) / 24
    if min(days) <= 0:
        raise MalformedError(
            "statistics-at",
            value=short(ask.at),
            begin=write_time(interval.begin),
            end=write_time(interval.end),
        )
    counts = desk.count(*parts)
    controls = _controls(desk)
    result = compare(counts[:, 1], counts[:, 0], days=days, controls=controls)
    table = result.areas
    columns: dict[str, Sequence[Any]] = {"before": [int(value) for value in counts[:, 1]]}
    columns |= {name: plain_list(table[name]) for name in ("ratio", "low", "high", "p", "q")}
    overall = result.overall
    more: dict[str, Any] = {
        "at": write_time(at),
        "at_because": because,
        "overall": {name: plain(getattr(overall, name)) for name in ("ratio", "low", "high", "p")},
        "dispersion": round(result.dispersion, 3),
    }
    return Found(result.statement, counts[:, 0], list(table["kind"]), columns, more=more)


def _controls(desk: Desk) -> npt.NDArray[np.bool_] | None:
    """Units outside the areas where the measure was taken; None where there are no such areas."""
    if not desk.ask.areas:
        return None
    for code in desk.ask.areas:
        if code not in desk.mesh.in_force.codes:
            raise MalformedError("statistics-area", value=short(code))
    areas = set(desk.ask.areas)
    if desk.mesh.kind == "grids":  # which bear the first code of those that count together
        areas = {desk.mesh.units.of(code) for code in areas}
    treated = np.isin(np.array(desk.mesh.grids, dtype=object), np.array(sorted(areas), dtype=object))
    if treated.all() or not treated.any():
        raise MalformedError("statistics-controls")
    return ~treated


def _bounds(ask: Ask) -> Bounds:
    from layers.statistics.scan import Bounds

    return Bounds(ask.share, ask.radius_m, side=ask.side)


def _bounded(units: int, runs: int) -> None:
    if units * units * runs > WORK_MOST:
        raise TooLargeError("statistics-work", units=units)


_METHODS = {
    "gi": _hot_spots,
    "moran": _hot_spots,
    "rates": _rates,
    "scan": _scan,
    "recent": _recent,
    "compare": _compare,
}
