"""Who reaches what on foot, and where one more would help: `/centre/{division}/reach` and `…/siting`.

`GET /centre/{division}/reach?kind=service_station&minutes=5,10,15` (also `pace=80`, metres a minute); every
text is `{"zh": …, "en": …}`:

    {"division": "990101001001", "name": {…}, "kind": "service_station", "label": {…},
     "minutes": [5, 10, 15], "metres_per_minute": 80.0,
     "approximate": false,          # true: households were estimated from what this role sees, see `method`
     "facilities": [{"id": "990101001001:F0012", "name": "…", "condition": "good", "serves": true,
                     "inside": true, "lng": 111.3, "lat": 31.2}, …],    # within reach of the division too
     "isochrones": {"type": "FeatureCollection", "features": [          # the longest first, to be drawn so;
         {"type": "Feature", "properties": {"minutes": 15, "area_m2": 479626.0},    # each holds the next
          "geometry": {"type": "MultiPolygon", …}}, …]},
     "total": {"households": 4413 | null, "within": [2126, 3955, 4413] | null,      # null: not for this role
               "percent": [48.2, 89.6, 100.0] | null,                   # null: households not known or told
               "beyond_percent": 0.0 | null, "cut_off_percent": 0.0 | null,
               "buildings_unknown": 0},                                 # buildings that are not counted
     "by_grid": [{"grid": "990101001001001", "community": "990101001001", …as `total`}, …],
     "unreached": [{"id": "B12", "minutes": 17.3 | null, "lng": …, "lat": …}, …] | null,
                       # homes beyond the last of `minutes`, null: no way; the farthest 200; null: not told
     "summary": {…}, "method": {…}, "links": [{"rel": "self", …}, {"rel": "related", …siting}]}

`GET /centre/{division}/siting?kind=service_station&add=1&minutes=15` (also `aim=coverage | walk | farthest`,
`places=both | buildings | corners`, `pace`; without `minutes` the longest of 15, 10 and 5 within which not
everybody reaches one):

    {"division": "…", "name": {…}, "kind": "…", "label": {…}, "aim": "coverage", "add": 1, "minutes": 15,
     "metres_per_minute": 80.0, "places": "both", "approximate": false, "candidates": 108,
     "reason": "found",             # or why there are no sites: all_within, nothing_gained, no_sites,
                                    # no_homes, too_large, unsettled, extra_missing; see the summary
     "sites": [{"rank": 1, "id": "corner:36", "place": "corner" | "building", "label": {…},
                "lng": …, "lat": …, "households": 1555 | null, "percent": 35.2}, …],   # what each adds
     "before": {"households": 2126 | null, "percent": 48.2 | null, "mean_minutes": 5.9 | null,
                "farthest_minutes": 11.7 | null},                       # minutes: aims walk and farthest only
     "after": {…},
     "isochrone": null | Feature,   # what lies within `minutes` with the new sites
     "summary": {…}, "method": {…}, "links": […]}

Who sees the households of buildings is told exact figures. Everybody else is told figures reckoned from what
they see themselves: households of grids as published (none below 20), spread over homes by footprint. So no
question, however it is put, tells more than the collections do.
"""

from __future__ import annotations

import threading
from collections import Counter, OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from sqlalchemy import Connection

from partition.texts import LANGUAGES, catalogue
from service.access import Access, Principal, access
from service.centre.place import Division
from service.faults import BusyError, MalformedError, RateError, TooLargeError, UnknownError
from service.links import JSON, link
from service.query.box import Box, short
from service.registry import COLLECTIONS, Collection
from service.store import centre as store
from service.store import walks

if TYPE_CHECKING:
    import geopandas as gpd

    from layers.reach.ground import Ground, Walks
    from layers.reach.shares import Share
    from layers.reach.siting import Siting

AROUND_M = 1500.0  # beyond the division's border, ways and facilities still count
DEGREE_M = 110_500.0  # of latitude, where it is shortest
BUILDINGS_MOST = 100_000
GROUNDS_MOST = 8  # kept
AT_ONCE = 2  # reckoned at the same time
QUEUE_MOST = 16  # others that wait, each so long; more are told to come again
PATIENCE_S = 15.0
# of one asker at once, waiting or reckoned: of somebody who is known, and of an address that brings no key
EACH, PUBLIC_EACH = 12, 4
RETRY_S = 10
UNREACHED_MOST = 200
MINUTES_MOST = 60
STEPS_MOST = 4  # isochrones of one answer
DEFAULT_MINUTES = (5, 10, 15)
DEFAULT_PACE = 80.0
PACES = (30.0, 130.0)
ADD_MOST = 5
AIMS = ("coverage", "walk", "farthest")
PLACES = ("both", "buildings", "corners")


@dataclass(frozen=True)
class Question:
    """What is asked of reach: a kind of facility, minutes ascending, metres a minute.

    Of siting one number of minutes, or none: then `telling_minutes`.
    """

    kind: str
    minutes: tuple[int, ...] = DEFAULT_MINUTES
    pace: float = DEFAULT_PACE

    def query(self, **more: object) -> str:
        """The same as a query of an address."""
        told: dict[str, object] = {"kind": self.kind}
        if self.minutes:
            told["minutes"] = ",".join(map(str, self.minutes))
        if self.pace != DEFAULT_PACE:
            told["pace"] = f"{self.pace:g}"
        return urlencode({**told, **more}, safe=",")


def read_minutes(value: str, most: int = STEPS_MOST) -> tuple[int, ...]:
    """Whole minutes, ascending, with commas between. Raises MalformedError."""
    parts = value.split(",")
    minutes = tuple(int(part) for part in parts if part.isascii() and part.isdigit() and len(part) <= 3)
    ascending = all(a < b for a, b in zip((0, *minutes), minutes, strict=False))
    if len(minutes) != len(parts) or len(parts) > most or not ascending or minutes[-1] > MINUTES_MOST:
        raise MalformedError("reach-minutes", value=short(value), steps=most, most=MINUTES_MOST)
    return minutes


def matching(kind: str, known: Sequence[str]) -> list[str]:
    """Those of the data's kinds that mean `kind`: a word of ours stands for all of its words."""
    from layers.facilities import kind_of

    key = kind_of(kind)
    return [one for one in known if (kind_of(one) == key if key else one.strip() == kind.strip())]


@dataclass(frozen=True)
class Place:
    """A division's ground as a principal sees it, of one version of the data.

    exact: whether households are those of the buildings. box: within which ways and facilities count.
    """

    ground: Ground
    streets: gpd.GeoDataFrame
    outline: gpd.GeoSeries
    box: Box
    exact: bool


class Footing:
    """Grounds that were laid last, each of one version of the data; and how many are reckoned on at once."""

    def __init__(
        self,
        most: int = GROUNDS_MOST,
        at_once: int = AT_ONCE,
        queue: int = QUEUE_MOST,
        patience: float = PATIENCE_S,
    ) -> None:
        self._kept: OrderedDict[tuple[object, ...], tuple[int, Place]] = OrderedDict()
        self._most, self._queue, self._patience = most, queue, patience
        self._lock = threading.Lock()
        self._turn = threading.Condition()
        # by whether they are of the public, whose share leaves a place for those who are known
        self._places = {True: max(1, at_once - 1), False: at_once}
        self._running, self._waiting = {True: 0, False: 0}, {True: 0, False: 0}
        self._askers: Counter[str] = Counter()

    @property
    def waiting(self) -> int:
        """How many wait now."""
        return self._waiting[True] + self._waiting[False]

    @contextmanager
    def room(self, asker: str = "", *, public: bool = False) -> Iterator[None]:
        """Time of the processor for one answer. asker: whose; public: whether nobody in particular asks.

        However many of the public ask, a place is left for the others. Raises RateError where one asks for
        too much at once, BusyError where too many wait, or none gets free.
        """
        each = PUBLIC_EACH if public else EACH
        with self._turn:
            if asker and self._askers[asker] >= each:
                raise RateError("turn-many", RETRY_S, most=each)
            if self._waiting[public] >= self._queue:
                raise BusyError("busy")
            self._askers[asker] += 1
            self._waiting[public] += 1
            mine = False
            try:
                mine = self._turn.wait_for(lambda: self._free(public), self._patience)
            finally:
                self._waiting[public] -= 1
                if not mine:
                    self._leave(asker)
            if not mine:
                raise BusyError("busy")
            self._running[public] += 1
        try:
            yield
        finally:
            with self._turn:
                self._running[public] -= 1
                self._leave(asker)
                self._turn.notify_all()

    def _free(self, public: bool) -> bool:
        running = self._running[True] + self._running[False]
        return running < self._places[False] and (not public or self._running[True] < self._places[True])

    def _leave(self, asker: str) -> None:
        self._askers[asker] -= 1
        if not self._askers[asker]:
            del self._askers[asker]

    def of(self, connection: Connection, principal: Principal, division: Division) -> Place:
        """The ground of the division. Raises TooLargeError, UnknownError."""
        version = store.select_version(connection, walks.GROUND_SOURCES)
        seen = [
            _allowed(principal, COLLECTIONS[name]).fingerprint for name in ("buildings", "streets", "grids")
        ]
        key = (division.codes, *seen)
        with self._lock:
            kept = self._kept.get(key)
        if kept is None or kept[0] != version:
            kept = (version, lay_place(connection, principal, division))
            with self._lock:
                self._kept[key] = kept
                self._kept.move_to_end(key)
                while len(self._kept) > self._most:
                    self._kept.popitem(last=False)
        return kept[1]


def _allowed(principal: Principal, collection: Collection) -> Access:
    allowed = access(principal, collection)
    if allowed is None:
        raise UnknownError("collection", name=collection.name)
    return allowed


def lay_place(connection: Connection, principal: Principal, division: Division) -> Place:
    """Read what the principal sees of the division, and lay its ground."""
    import geopandas as gpd
    import shapely

    from layers.reach.estimate import estimate_households
    from layers.reach.ground import lay_ground, local_crs

    if walks.count_buildings(connection, principal, division.codes) > BUILDINGS_MOST:
        raise TooLargeError("reach-large", most=BUILDINGS_MOST)
    outline = gpd.GeoSeries(
        list(shapely.from_wkb(store.select_outlines(connection, principal, division.codes))), crs=4326
    )
    box = _around(outline)
    streets = walks.select_ways(connection, _allowed(principal, COLLECTIONS["streets"]), box)
    homes, exact = walks.select_homes(connection, principal, division.codes)
    crs = local_crs(outline)
    if not exact:
        rows = store.select_grid_rows(connection, principal, division.codes)
        totals = {row.code: float(row.households) for row in rows if row.households is not None}
        homes["households"] = estimate_households(homes.to_crs(crs), totals)
    return Place(lay_ground(streets, homes, crs=crs), streets, outline, box, exact)


def _around(outline: gpd.GeoSeries) -> Box:
    """The box round the division in which ways and facilities count."""
    import numpy as np

    west, south, east, north = (float(value) for value in outline.total_bounds)
    high = AROUND_M / DEGREE_M
    wide = high / max(float(np.cos(np.radians(max(abs(south), abs(north))))), 0.01)
    return Box(
        max(west - wide, -180.0), max(south - high, -90.0), min(east + wide, 180.0), min(north + high, 90.0)
    )


# --- reach ---


def draw_reach(
    question: Question,
    connection: Connection,
    principal: Principal,
    division: Division,
    footing: Footing,
    path: str,
) -> dict[str, Any]:
    """The answer of `/reach`. path: the division's address."""
    from layers.reach.ground import walk_to_facilities
    from layers.reach.isochrones import draw_isochrones
    from layers.reach.shares import measure_shares
    from layers.reach.words import say_reach

    place = footing.of(connection, principal, division)
    facilities = _facilities(connection, principal, place, question.kind)
    found = walk_to_facilities(place.ground, facilities)
    whole, grids = measure_shares(
        place.ground, found, minutes=question.minutes, metres_per_minute=question.pace
    )
    shapes = draw_isochrones(
        place.ground, found, place.outline, minutes=question.minutes, metres_per_minute=question.pace
    )
    by_grid = {share.grid: share for share in grids}
    rows = store.select_grid_rows(connection, principal, division.codes)
    say = catalogue("layers").say
    known = whole.households or 1.0
    return {
        **_head(division, question),
        "minutes": list(question.minutes),
        "approximate": not place.exact,
        "facilities": _points(facilities, place),
        "isochrones": {
            "type": "FeatureCollection",
            "features": [
                _feature(row.geometry, {"minutes": _plain(row.minutes), "area_m2": row.area_m2})
                for row in list(shapes.itertuples())[::-1]
            ],
        },
        "total": _share(whole, place.exact),
        "by_grid": [
            {"grid": row.code, "community": row.community, **_share(by_grid.get(row.code), place.exact)}
            for row in rows
        ],
        "unreached": _unreached(place, found, question) if place.exact else None,
        "summary": dict(
            say_reach(
                question.kind,
                question.minutes,
                whole.shares,
                beyond=whole.beyond / known,
                cut_off=whole.cut_off / known,
                unknown=whole.buildings_unknown,
                facilities=len(found.facilities),
            )
        ),
        "method": _method(
            {lang: say("reach.method", lang, pace=f"{question.pace:g}") for lang in LANGUAGES}, place.exact
        ),
        "links": [
            link(f"{path}/reach?{question.query()}", "self", JSON),
            link(
                f"{path}/siting?{Question(question.kind, question.minutes[-1:], question.pace).query()}",
                "related",
                JSON,
            ),
        ],
    }


def _facilities(connection: Connection, principal: Principal, place: Place, kind: str) -> gpd.GeoDataFrame:
    """The facilities of a kind round the division, by id."""
    allowed = _allowed(principal, COLLECTIONS["facilities"])
    kinds = matching(kind, walks.select_kinds_near(connection, allowed, place.box))
    return walks.select_facilities(connection, allowed, place.box, kinds)


def _head(division: Division, question: Question) -> dict[str, Any]:
    from layers.reach.words import kind_words

    return {
        "division": division.code,
        "name": dict(division.name),
        "kind": question.kind,
        "label": dict(kind_words(question.kind)),
        "metres_per_minute": question.pace,
    }


def _points(facilities: gpd.GeoDataFrame, place: Place) -> list[dict[str, Any]]:
    from layers.reach.ground import serving

    inside = facilities.intersects(place.outline.union_all()).tolist()
    serves = serving(facilities).tolist()
    return [
        {
            "id": row.id,
            "name": row.name,
            "condition": row.condition,
            "serves": serves[number],
            "inside": inside[number],
            "lng": round(row.geometry.x, 6),
            "lat": round(row.geometry.y, 6),
        }
        for number, row in enumerate(
            facilities[["id", "name", "condition", "geometry"]].itertuples(index=False)
        )
    ]


def _feature(shape: Any, properties: Mapping[str, Any]) -> dict[str, Any]:
    import shapely
    from shapely.geometry import mapping

    rounded = shapely.transform(shape, lambda xy: xy.round(6))
    return {"type": "Feature", "properties": dict(properties), "geometry": mapping(rounded)}


def _share(share: Share | None, exact: bool) -> dict[str, Any]:
    """A share as the answer has it: households only where those of buildings are seen."""
    if share is None:
        unknown = dict.fromkeys(("households", "within", "percent", "beyond_percent", "cut_off_percent"))
        return {**unknown, "buildings_unknown": 0}
    told = share.shares is not None
    return {
        "households": round(share.households) if exact else None,
        "within": [round(value) for value in share.within] if exact else None,
        "percent": [_percent(value, exact) for value in share.shares] if share.shares is not None else None,
        "beyond_percent": _percent(share.beyond / share.households, exact) if told else None,
        "cut_off_percent": _percent(share.cut_off / share.households, exact) if told else None,
        "buildings_unknown": share.buildings_unknown,
    }


def _percent(share: float, exact: bool) -> float:
    return round(100 * share, 1 if exact else 0)


def _plain(minutes: float) -> float | int:
    return int(minutes) if float(minutes).is_integer() else minutes


def _unreached(place: Place, found: Walks, question: Question) -> list[dict[str, Any]]:
    """Homes beyond the last of the minutes, the farthest first."""
    import numpy as np

    ground = place.ground
    limit = question.minutes[-1] * question.pace
    far = np.flatnonzero((found.metres > limit) & ((ground.households > 0) | ground.unknown))
    far = far[np.argsort(-found.metres[far], kind="stable")][:UNREACHED_MOST]
    spots = ground.homes.geometry.iloc[far].to_crs(4326)
    return [
        {
            "id": ground.homes["id"].iloc[row],
            "minutes": round(float(found.metres[row]) / question.pace, 1)
            if np.isfinite(found.metres[row])
            else None,
            "lng": round(spot.x, 6),
            "lat": round(spot.y, 6),
        }
        for row, spot in zip(far.tolist(), spots, strict=True)
    ]


def _method(method: Mapping[Any, str], exact: bool) -> dict[str, str]:
    """The method, with a caveat where households were estimated."""
    say = catalogue("service").say
    return {
        lang: method[lang] if exact else method[lang] + say("reach.approximate", lang) for lang in LANGUAGES
    }


# --- siting ---


def telling_minutes(place: Place, found: Walks, pace: float) -> int:
    """The longest of the usual minutes within which not everybody reaches a facility; else the shortest."""
    lived_in = place.ground.households > 0
    for minutes in DEFAULT_MINUTES[::-1]:
        if (found.metres[lived_in] > minutes * pace).any():
            return minutes
    return DEFAULT_MINUTES[0]


@dataclass(frozen=True)
class Wish:
    """What is asked of siting besides: how many more, to which end, and where they may stand."""

    add: int = 1
    aim: str = "coverage"
    places: str = "both"


def draw_siting(
    question: Question,
    wish: Wish,
    connection: Connection,
    principal: Principal,
    division: Division,
    footing: Footing,
    path: str,
) -> dict[str, Any]:
    """The answer of `/siting`."""
    import geopandas as gpd
    import pandas as pd

    from layers.reach.ground import walk_to_facilities
    from layers.reach.isochrones import draw_isochrones
    from layers.reach.sites import list_sites
    from layers.reach.siting import choose_sites
    from layers.reach.words import say_siting

    isochrone = None
    place = footing.of(connection, principal, division)
    facilities = _facilities(connection, principal, place, question.kind)
    found = walk_to_facilities(place.ground, facilities)
    minutes = question.minutes[-1] if question.minutes else telling_minutes(place, found, question.pace)
    sites = list_sites(place.ground, place.streets, place.outline, places=wish.places)  # type: ignore[arg-type]
    siting = choose_sites(
        place.ground,
        found,
        sites,
        add=wish.add,
        minutes=minutes,
        aim=wish.aim,  # type: ignore[arg-type]
        metres_per_minute=question.pace,
    )
    chosen = sites.frame.iloc[[gain.site for gain in siting.gains]]
    if siting.gains:
        more = pd.concat([facilities, chosen.to_crs(4326)[["id", "geometry"]].assign(condition="")])
        after = walk_to_facilities(place.ground, gpd.GeoDataFrame(more, crs=4326))
        shapes = draw_isochrones(
            place.ground, after, place.outline, minutes=(minutes,), metres_per_minute=question.pace
        )
        isochrone = _feature(
            shapes.geometry.iloc[0], {"minutes": minutes, "area_m2": float(shapes["area_m2"].iloc[0])}
        )
    labels = [sites.label(gain.site) for gain in siting.gains]
    say = catalogue("layers").say
    method = {
        lang: say(f"siting.method_{wish.aim}", lang, candidates=siting.candidates) for lang in LANGUAGES
    }
    own = {"add": wish.add, "aim": wish.aim, "places": wish.places}
    return {
        **_head(division, question),
        **own,
        "minutes": minutes,
        "approximate": not place.exact,
        "candidates": siting.candidates,
        "reason": siting.reason,
        "sites": _sites(siting, chosen, labels, place.exact),
        "before": _state(siting, 0, place.exact),
        "after": _state(siting, 1, place.exact),
        "isochrone": isochrone,
        "summary": dict(say_siting(question.kind, siting, labels, households=place.exact)),
        "method": _method(method, place.exact),
        "links": [
            link(f"{path}/siting?{question.query(**own)}", "self", JSON),
            link(f"{path}/reach?{urlencode({'kind': question.kind})}", "related", JSON),
        ],
    }


def _sites(
    siting: Siting, chosen: gpd.GeoDataFrame, labels: Sequence[Mapping[Any, str]], exact: bool
) -> list[dict[str, Any]]:
    spots = chosen.geometry.to_crs(4326)
    return [
        {
            "rank": rank,
            "id": row.id,
            "place": row.place,
            "label": dict(label),
            "lng": round(spot.x, 6),
            "lat": round(spot.y, 6),
            "households": round(gain.households) if exact else None,
            "percent": _percent(gain.households / siting.households, exact) if siting.households else None,
        }
        for rank, (row, spot, gain, label) in enumerate(
            zip(chosen[["id", "place"]].itertuples(index=False), spots, siting.gains, labels, strict=True),
            start=1,
        )
    ]


def _state(siting: Siting, which: int, exact: bool) -> dict[str, Any]:
    timed = siting.aim != "coverage" and siting.reason == "found"
    return {
        "households": round(siting.within[which]) if exact and siting.households else None,
        "percent": _percent(siting.shares[which], exact) if siting.households else None,
        "mean_minutes": round(siting.mean[which], 1) if timed else None,
        "farthest_minutes": round(siting.farthest[which], 1) if timed else None,
    }
