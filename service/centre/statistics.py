"""Statistics of a division's cases that hold: what is more than chance, said plainly.

`GET /centre/{division}/statistics/{method}`: the filters of the page (`service.centre`), and of the method

    method       what it tells                                        parameters
    gi           hot and cold spots (Getis-Ord Gi*)                   units, cell, seed
    moran        units like or unlike their surroundings              units, cell, seed
    rates        smoothed rates (`rate=`, households by default)      units, cell
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
    at=2026-10-01                        the day of the measure or the new borders; else half-way
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
                       "cases": 12,                # counted in it (compare: after)
                       …}}, …]},                   # by method, see below; only units inside the division
     "clusters": {"type": "FeatureCollection", "features": […]} | null,   # scan, recent: circles
     "explained": {"notebook": "notebooks/03_hot_spots.ipynb", "docs": {"zh": "docs/statistics.zh-CN.md", …}},
     "links": [{"rel": "self", "href": …}]}

Properties of a unit besides these, `null` where there is none:

    gi, moran    score, p, q                              kinds: hot cold (moran: high low) none alone unknown
    rates        denominator, rate, smoothed, state       kinds: 1 … 5 (classes of `smoothed`, bounds in the
                 (stable | unstable | hidden)             label) hidden unknown
    scan         expected, cluster (its number)           kinds: cluster none unknown
    recent       expected, cluster                        kinds: cluster none unknown
    compare      before, ratio, low, high, p, q           kinds: more fewer none few control

Properties of a cluster: number (from 1), found (more than chance; draw others faintly or not at all), high,
cases, expected, relative_risk (null: no case elsewhere), radius_m, p, ratio (log likelihood), days (recent),
label {…}.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
import numpy.typing as npt
from sqlalchemy import Connection

from partition.texts import LANGUAGES
from service.access import Access, Principal, Role
from service.centre.answer import write_interval, write_view
from service.centre.figures import View
from service.centre.mesh import Floats, Kind, Mesh, Whole, count_cases, lay_mesh, people_of
from service.centre.question import Interval, write_time
from service.centre.reach import Footing
from service.centre.summary import few_words
from service.faults import MalformedError, TooLargeError, UnknownError
from service.links import JSON, link
from service.privacy.disclosure import rules
from service.query.box import read_number, short
from service.query.question import read_whole
from service.query.span import read_span
from service.store import centre as store

if TYPE_CHECKING:
    import pandas as pd

    from layers.statistics.errors import MissingExtra
    from layers.statistics.scan import Bounds, Scan
    from layers.statistics.statement import Both, Statement
    from layers.statistics.units import Units

Method = Literal["gi", "moran", "rates", "scan", "recent", "compare"]
Side = Literal["high", "low", "both"]
METHODS: tuple[Method, ...] = get_args(Method)
_SCANS = ("seed", "runs", "share", "radius")
PARAMETERS: Mapping[Method, frozenset[str]] = {
    "gi": frozenset({"units", "cell", "seed"}),
    "moran": frozenset({"units", "cell", "seed"}),
    "rates": frozenset({"units", "cell"}),
    "scan": frozenset({"units", "cell", *_SCANS, "side"}),
    "recent": frozenset({"units", "cell", *_SCANS, "longest"}),
    "compare": frozenset({"units", "cell", "at", "areas"}),
}
KINDS: Mapping[Method, tuple[str, ...]] = {
    "gi": ("hot", "cold", "none", "alone", "unknown"),
    "moran": ("hot", "cold", "high", "low", "none", "alone", "unknown"),
    "rates": ("5", "4", "3", "2", "1", "hidden", "unknown"),
    "scan": ("cluster", "none", "unknown"),
    "recent": ("cluster", "none", "unknown"),
    "compare": ("more", "fewer", "none", "few", "control"),
}
CELLS = (50.0, 500.0)
RUNS = (99, 1999)
LONGEST_MOST = 30
RADIUS_MOST = 100_000.0
AREAS_MOST = 200
# windows × runs of a scan; as many take some ten seconds of one processor
WORK_MOST = 12_000_000_000
THREADS = 2
# the scan's own default is half; a circle round half of a community tells nobody where to go
SHARE = 0.25
_HISTORY = 4  # times `longest`: what the last days are held against, at least
_HISTORY_MOST = 366
_CORNERS = 48


@dataclass(frozen=True)
class Ask:
    """What is asked besides the view. radius_m: None is any. areas: codes, ascending. at: as written."""

    method: Method
    units: Kind
    cell_m: float = 100.0
    seed: int = 0
    runs: int = 999
    share: float = SHARE
    radius_m: float | None = None
    side: Side = "high"
    longest: int = 7
    at: str = ""
    areas: tuple[str, ...] = ()

    def written(self) -> dict[str, Any]:
        """The parameters of the method and their values."""
        told = {
            "units": self.units,
            "cell_m": self.cell_m if self.units == "cells" else None,
            "seed": self.seed,
            "runs": self.runs,
            "share": self.share,
            "radius_m": self.radius_m,
            "side": self.side,
            "longest": self.longest,
            "areas": list(self.areas),
        }
        names = {"cell": "cell_m", "radius": "radius_m"}
        return {
            names.get(name, name): told[names.get(name, name)]
            for name in sorted(PARAMETERS[self.method] - {"at"})
        }


def read_method(name: str) -> Method:
    """The method of that name. Raises UnknownError."""
    for method in METHODS:
        if name == method:
            return method
    raise UnknownError("statistic", name=short(name), choice=", ".join(METHODS))


def read_ask(method: Method, given: Iterable[tuple[str, str]], principal: Principal) -> Ask:
    """The method's parameters among names and values of an address; others are passed over.

    Raises MalformedError.
    """
    told: dict[str, str] = {}
    for name, value in given:
        if name in PARAMETERS[method]:
            if name in told:
                raise MalformedError("parameter-repeated", name=name)
            told[name] = value
    kinds: tuple[Kind, ...] = ("cells", "grids", "buildings")
    if not principal.reaches(Role.CENTRE):
        kinds = ("cells", "grids")
    default: Kind = "grids" if method in ("rates", "compare") else "cells"
    units = told.get("units", default)
    _one_of("units", units, kinds)
    side = told.get("side", "high")
    _one_of("side", side, get_args(Side))
    areas = tuple(sorted({code.strip() for code in told["areas"].split(",")})) if "areas" in told else ()
    if len(areas) > AREAS_MOST:
        raise MalformedError("centre-many", name="areas", most=AREAS_MOST)
    return Ask(
        method,
        next(kind for kind in kinds if kind == units),
        _number(told, "cell", 100.0, *CELLS),
        read_whole(told, "seed", 0, most=2**31 - 1),
        read_whole(told, "runs", 999, least=RUNS[0], most=RUNS[1]),
        _number(told, "share", SHARE, 0.01, 0.5),
        _number(told, "radius", 0.0, 1.0, RADIUS_MOST) if "radius" in told else None,
        next(one for one in get_args(Side) if one == side),
        read_whole(told, "longest", 7, least=1, most=LONGEST_MOST),
        told.get("at", ""),
        areas,
    )


def _one_of(name: str, value: str, choice: Sequence[str]) -> None:
    if value not in choice:
        raise MalformedError("parameter-value", name=name, value=short(value), choice=", ".join(choice))


def _number(told: Mapping[str, str], name: str, default: float, least: float, most: float) -> float:
    if name not in told:
        return default
    number = read_number(told[name])
    if number is None or not least <= number <= most:
        raise MalformedError(
            "number-range", name=name, value=short(told[name]), lower=f"{least:g}", upper=f"{most:g}"
        )
    return number


# --- the answer ---


@dataclass(frozen=True)
class Found:
    """What a method found. kinds: by unit. columns: properties of units by name, lists of their values.

    labels: of the kinds, where they are not those of the method.
    """

    statement: Statement
    counts: Whole
    kinds: Sequence[str]
    columns: Mapping[str, Sequence[Any]]
    scan: Scan | None = None
    labels: Mapping[str, Both] | None = None
    more: Mapping[str, Any] | None = None
    notes: tuple[Both, ...] = ()


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
        return count_cases(self.connection, self.principal, self.mesh, points, steps)

    def units(self, counts: Whole) -> tuple[Units, tuple[Both, ...]]:
        """The units with what their cases are compared with, and notes on that."""
        from layers.statistics.statement import both
        from layers.statistics.units import Units

        rate = self.view.filters.rate
        if self.ask.method == "rates" and not rate:
            rate = "households"
        if not rate:
            note = both("statistics.note_counts")
            if self.mesh.kind == "buildings":
                return Units(self.mesh.middles, counts), (note,)
            return Units(self.mesh.middles, counts, self.mesh.area_m2 / 1e4, "area"), (note,)
        people, exact = people_of(self.connection, self.principal, self.view.division, self.mesh, rate)
        notes = [both(f"statistics.note_{rate}", least=rules().floor.households)]
        if not exact:
            notes.append(both("statistics.note_estimated"))
        return Units(self.mesh.middles, counts, people), tuple(notes)


def draw_statistic(
    connection: Connection,
    principal: Principal,
    cases: Access,
    view: View,
    ask: Ask,
    footing: Footing,
    path: str,
) -> dict[str, Any]:
    """The answer. path: the division's address. Raises MalformedError, TooLargeError, BusyError."""
    from layers.statistics.errors import MissingExtra

    with footing.room():
        mesh = lay_mesh(connection, principal, view.division, ask.units, ask.cell_m)
        desk = Desk(connection, principal, cases, view, ask, mesh)
        try:
            found = _METHODS[ask.method](desk)
        except MissingExtra as missing:
            found = _missing(desk, missing)
    return _write(found, mesh, view, ask, principal, path)


def _missing(desk: Desk, missing: MissingExtra) -> Found:
    """That a package is not installed, as a plain answer; the cases are counted all the same."""
    from layers.statistics.statement import Statement, both

    counts = desk.count(desk.view.interval)[:, 0]
    words = both(f"statistics.title_{desk.ask.method}")
    return Found(Statement(words, missing.text, missing.text, False), counts, ["none"] * len(counts), {})


def _hot_spots(desk: Desk) -> Found:
    from layers.statistics.hot_spots import hot_spots

    counts = desk.count(desk.view.interval)[:, 0]
    units, notes = desk.units(counts)
    method: Literal["gi", "moran"] = "moran" if desk.ask.method == "moran" else "gi"
    spots = hot_spots(units, desk.mesh.neighbours(), method=method, seed=desk.ask.seed, threads=THREADS)
    table = spots.units
    columns = {name: _numbers(table[name]) for name in ("score", "p", "q")}
    return Found(spots.statement, counts, list(table["kind"]), columns, notes=notes)


def _rates(desk: Desk) -> Found:
    from layers.density import round_breaks
    from layers.statistics.rates import smoothed_rates
    from layers.statistics.statement import both

    counts = desk.count(desk.view.interval)[:, 0]
    units, notes = desk.units(counts)
    per = desk.view.filters.rate or "households"
    rates = smoothed_rates(units, whom=per, least_cases=rules().floor.rate_hidden)
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
        "rate": _numbers(table["rate"].where(shown)),
        "smoothed": _numbers(table["smoothed"].where(shown)),
        "state": [str(state) if k else None for k, state in zip(known, states, strict=True)],
    }
    more: dict[str, Any] = {"per": per, "breaks": list(breaks)}
    return Found(rates.statement, counts, kinds, columns, labels=labels, more=more, notes=notes)


def _scan(desk: Desk) -> Found:
    from layers.statistics.scan import scan_circles

    counts = desk.count(desk.view.interval)[:, 0]
    units, notes = desk.units(counts)
    ask = desk.ask
    _bounded(len(desk.mesh), ask.runs)
    scan = scan_circles(units, bounds=_bounds(ask), runs=ask.runs, seed=ask.seed, threads=THREADS)
    total = int(counts[units.known()].sum())
    exposure = np.ones(len(units)) if units.exposure is None else np.nan_to_num(units.exposure)
    expected = np.where(units.known(), exposure / max(exposure.sum(), 1e-12) * total, np.nan)
    return _clustered(scan, counts, units, expected, notes)


def _recent(desk: Desk) -> Found:
    from layers.statistics.recent import scan_recent
    from layers.statistics.statement import Statement, both

    ask, view = desk.ask, desk.view
    reach = store.select_reach(desk.connection, desk.cases, view.division.codes)
    # a span may end in times to come, of which nobody knows yet
    end = min(view.interval.end, view.clock.now.replace(second=0, microsecond=0) + timedelta(minutes=1))
    first = reach.oldest or end
    known = max(0, (end - first).days)
    days = min(max(_HISTORY * ask.longest, math.ceil(view.interval.days - 1e-9)), known, _HISTORY_MOST)
    history = Interval(end - timedelta(days=days), end)
    if days < 2 * ask.longest:
        counts = np.zeros(len(desk.mesh), dtype=np.int64)
        method = both("statistics.recent_short", longest=ask.longest, days=days)
        statement = Statement(method, both("statistics.recent_permutation_caveat", every=20), method, False)
        empty: dict[str, Sequence[Any]] = {"expected": [None] * len(counts), "cluster": [None] * len(counts)}
        return Found(statement, counts, ["none"] * len(counts), empty)
    by_day = desk.count(history, steps=days)[:, :days]
    counts = by_day.sum(axis=1)
    units, notes = desk.units(counts)
    _bounded(len(desk.mesh), ask.runs * ask.longest)
    people = units.exposure if units.tested == "rates" else None
    scan = scan_recent(
        desk.mesh.middles,
        by_day,
        exposure=people,
        longest=ask.longest,
        bounds=_bounds(ask),
        runs=ask.runs,
        seed=ask.seed,
        threads=THREADS,
    )
    found = _clustered(scan, counts, units if people is not None else replace(units, exposure=None), None, ())
    return replace(
        found, notes=notes if people is not None else (), more={"history": write_interval(history)}
    )


def _clustered(
    scan: Scan, counts: Whole, units: Units, expected: Floats | None, notes: tuple[Both, ...]
) -> Found:
    """Units by the cluster they lie in, of those that are more than chance."""
    of = np.where(scan.cluster_of < len(scan.clusters), scan.cluster_of, -1)
    found = np.array([cluster.p <= scan.level for cluster in scan.clusters] + [False])
    inside = found[of]
    kinds = np.where(~units.known(), "unknown", np.where(inside, "cluster", "none"))
    columns: dict[str, Sequence[Any]] = {
        "expected": [None] * len(counts) if expected is None else _numbers(expected),
        "cluster": [int(number) + 1 if number >= 0 else None for number in of],
    }
    return Found(scan.statement, counts, [str(kind) for kind in kinds], columns, scan=scan, notes=notes)


def _compare(desk: Desk) -> Found:
    from layers.statistics.comparison import compare

    ask, interval, filters = desk.ask, desk.view.interval, desk.view.filters
    at = interval.begin + interval.length / 2
    if ask.at:
        told = read_span(ask.at)
        if "/" in ask.at or told.begin is None:
            raise MalformedError("datetime", value=short(ask.at))
        at = told.begin
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
    columns |= {name: _numbers(table[name]) for name in ("ratio", "low", "high", "p", "q")}
    overall = result.overall
    more: dict[str, Any] = {
        "at": write_time(at),
        "overall": {name: _number_or_none(getattr(overall, name)) for name in ("ratio", "low", "high", "p")},
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
    treated = np.isin(np.array(desk.mesh.grids, dtype=object), np.array(desk.ask.areas, dtype=object))
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


# --- as JSON ---


def _write(found: Found, mesh: Mesh, view: View, ask: Ask, principal: Principal, path: str) -> dict[str, Any]:
    from layers.statistics.statement import both

    statement = found.statement
    total = int(found.counts.sum()) + sum(found.columns.get("before", ()))
    few = statement.answered and total < rules().floor.rate_hidden
    answered = statement.answered and not few
    kinds = list(found.kinds) if answered else ["none"] * len(mesh)
    columns = found.columns if answered else {name: [None] * len(mesh) for name in found.columns}
    query = view.filters.address()
    asked = _address(ask)
    whole = "&".join(part for part in (query, asked) if part)
    return {
        **write_view(view),
        "method": ask.method,
        "title": dict(both(f"statistics.title_{ask.method}")),
        "answered": answered,
        "verdict": {lang: few_words(total, lang) for lang in LANGUAGES} if few else dict(statement.verdict),
        "words": dict(statement.method),
        "caveat": dict(statement.caveat),
        "notes": [dict(note) for note in (*found.notes, *statement.notes)],
        "parameters": ask.written(),
        **(found.more or {}),
        "cases": total,
        "approximate": not principal.reaches(Role.CENTRE),
        "legend": [
            {
                "kind": kind,
                "label": dict((found.labels or {}).get(kind) or both(f"statistics.kind_{kind}")),
                "units": kinds.count(kind),
            }
            for kind in KINDS[ask.method]
            if kind in kinds
        ],
        "units": {
            "type": "FeatureCollection",
            "features": [
                {
                    "type": "Feature",
                    "id": number,
                    "geometry": _geometry(mesh.degrees[number]),
                    "properties": {
                        "kind": kinds[number],
                        "grid": mesh.grids[number] if mesh.kind == "grids" else None,
                        "cases": int(found.counts[number]),
                        **{name: values[number] for name, values in columns.items()},
                    },
                }
                for number in range(len(mesh))
            ],
        },
        "clusters": _clusters(found.scan, mesh, ask) if answered and found.scan is not None else None,
        "explained": {
            "notebook": "notebooks/03_hot_spots.ipynb",
            "docs": {"zh": "docs/statistics.zh-CN.md", "en": "docs/statistics.md"},
        },
        "links": [link(f"{path}/statistics/{ask.method}" + (f"?{whole}" if whole else ""), "self", JSON)],
    }


def _address(ask: Ask) -> str:
    """The parameters as in an address; what is as by default is left out."""
    from urllib.parse import urlencode

    plain = Ask(ask.method, "grids" if ask.method in ("rates", "compare") else "cells")
    pairs: list[tuple[str, object]] = [
        ("units", ask.units if ask.units != plain.units else None),
        ("cell", f"{ask.cell_m:g}" if ask.cell_m != plain.cell_m else None),
        ("seed", ask.seed or None),
        ("runs", ask.runs if ask.runs != plain.runs else None),
        ("share", f"{ask.share:g}" if ask.share != plain.share else None),
        ("radius", None if ask.radius_m is None else f"{ask.radius_m:g}"),
        ("side", ask.side if ask.side != plain.side else None),
        ("longest", ask.longest if ask.longest != plain.longest else None),
        ("at", ask.at or None),
        ("areas", ",".join(ask.areas) or None),
    ]
    return urlencode([(name, value) for name, value in pairs if value is not None], safe=",/:")


def _clusters(scan: Scan, mesh: Mesh, ask: Ask) -> dict[str, Any]:
    """The clusters' circles, each round the whole of its units."""
    import geopandas as gpd
    import shapely

    from layers.statistics.statement import both

    circles = []
    for cluster in scan.clusters:
        middle = shapely.Point(cluster.centre)
        reach = float(shapely.hausdorff_distance(middle, shapely.union_all(mesh.shapes[cluster.units])))
        angles = np.linspace(0, 2 * np.pi, _CORNERS, endpoint=False)
        # corners on a circle a little larger, so that the sides do not cut into it
        turned = np.column_stack([np.cos(angles), np.sin(angles)])
        ring = turned * reach / math.cos(math.pi / _CORNERS) + np.array(cluster.centre)
        circles.append(shapely.Polygon(ring))
    degrees = gpd.GeoSeries(circles, crs=mesh.crs).to_crs(4326).to_numpy() if circles else []
    features = []
    for number, (cluster, shape) in enumerate(zip(scan.clusters, degrees, strict=True), start=1):
        span = "" if cluster.days is None else "_days"
        label = both(
            f"statistics.cluster_label{span}",
            days=cluster.days or 0,
            cases=cluster.cases,
            expected=f"{cluster.expected:.1f}",
        )
        features.append(
            {
                "type": "Feature",
                "id": number,
                "geometry": _geometry(shape),
                "properties": {
                    "number": number,
                    "found": cluster.p <= scan.level,
                    "high": cluster.high,
                    "cases": cluster.cases,
                    "expected": round(cluster.expected, 2),
                    "relative_risk": _number_or_none(cluster.relative_risk),
                    "radius_m": round(cluster.radius_m, 1),
                    "p": cluster.p,
                    "ratio": round(cluster.ratio, 3),
                    "days": cluster.days,
                    "label": dict(label),
                },
            }
        )
    return {"type": "FeatureCollection", "features": features}


def _geometry(shape: Any) -> dict[str, Any]:
    import shapely
    from shapely.geometry import mapping

    told: dict[str, Any] = mapping(shapely.transform(shape, lambda xy: xy.round(6)))
    return told


def _numbers(values: pd.Series[float] | Floats, digits: int = 4) -> list[float | None]:
    return [_number_or_none(float(value), digits) for value in values]


def _number_or_none(value: float, digits: int = 4) -> float | None:
    """A number with `digits` significant digits; None for none, and for an infinite one."""
    return float(f"{value:.{digits}g}") if math.isfinite(value) else None
