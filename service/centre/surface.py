"""The density of cases of a view, on the lattice of its division: the answer of `/centre/{division}/surface`.

Cases at places are dealt out among the buildings of their place first, so that a place is no hot spot. The
ground of a division (its lattice and what its border takes away) is kept as long as its outlines are the
same.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from sqlalchemy import Connection

from partition.texts import LANGUAGES, catalogue
from service.access import Access, Principal
from service.centre.answer import write_few, write_interval, write_view
from service.centre.figures import View
from service.privacy.disclosure import rules
from service.store import centre as store
from service.store.grid_cases import members
from service.store.places import places_of

if TYPE_CHECKING:
    from layers.density import Ground, Lattice

FRAMES_MOST = 24
GROUNDS_KEPT = 32

Places = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]


class Grounds:
    """The grounds that were laid last, each of one version of the divisions' outlines."""

    def __init__(self, most: int = GROUNDS_KEPT) -> None:
        self._kept: OrderedDict[tuple[str, ...], tuple[int, Ground]] = OrderedDict()
        self._most = most
        self._lock = threading.Lock()

    def of(self, connection: Connection, principal: Principal, codes: tuple[str, ...]) -> Ground:
        """The ground of the communities, which the principal may see."""
        import shapely

        from layers.density import lay_ground

        version = store.select_version(connection, ("divisions",))
        with self._lock:
            kept = self._kept.get(codes)
        if kept is None or kept[0] != version:
            outlines = shapely.from_wkb(store.select_outlines(connection, principal, codes))
            kept = (version, lay_ground(list(outlines)))
            with self._lock:
                self._kept[codes] = kept
                self._kept.move_to_end(codes)
                while len(self._kept) > self._most:
                    self._kept.popitem(last=False)
        return kept[1]


def draw_surface(
    connection: Connection,
    principal: Principal,
    cases: Access,
    view: View,
    grounds: Grounds,
    frames: int = 0,
) -> dict[str, Any]:
    """The surface as the answer has it, but for its links. frames: steps in time besides, of 2 or more.

    Densities and steps are of the part of the time asked about that can have cases.
    """
    from layers.density import CHANGE_LADDER, LADDER, case_change, case_frames, case_lattice

    ground = grounds.of(connection, principal, view.division.codes)
    filters = view.filters
    interval = view.covered if view.covered.days else view.interval
    earlier = view.earlier if filters.previous else None
    asked = filters.condition({column.name: sql for column, sql in cases.columns})
    begin = interval.begin if earlier is None else earlier.begin
    points = store.select_points(
        connection,
        principal,
        cases,
        view.division.codes,
        asked,
        (begin, interval.begin, interval.end),
        max(frames, 1),
    )
    places, counts, steps = deal_points(connection, points)
    now = steps >= 0
    lattice = case_lattice(ground, places[now], days=interval.days, counts=counts[now], breaks=LADDER)
    # the cases that the figures count and the surface does not: it ends at the border
    outside = int(counts[now].sum()) - lattice.cases
    few = _few(lattice, outside)
    told = lattice.as_json()
    if few:
        told |= {"values": None, "breaks": []}
    told |= {
        **write_view(view),
        "previous_span": None if earlier is None else write_interval(earlier),
        "few": few,
        "outside": None if not outside else {"cases": outside, "words": _outside_words(outside)},
        "difference": None,
        "frames": [],
    }
    if earlier is not None:
        change = case_change(
            ground,
            places[now],
            places[~now],
            days=interval.days,
            # as many days as its hours are that pass the filters: thirty days hold four Sundays or five
            days_before=interval.days * filters.exposure(earlier) / filters.exposure(interval),
            counts=counts[now],
            counts_before=counts[~now],
        )
        if not change.few and lattice.cases + int(counts[~now].sum()) >= rules().floor.rate_hidden:
            shown = change.as_json()
            told["difference"] = {
                "values": shown["values"],
                "breaks": list(CHANGE_LADDER),
                "previous_cases": int(counts[~now].sum()),
            }
    if frames and few is None:
        parts = interval.split(frames)
        moving = case_frames(
            ground,
            places[now],
            steps[now],
            frames=frames,
            days=parts[0].days,
            counts=counts[now],
            breaks=LADDER,
        )
        told["frames"] = [
            {
                "begin": write_interval(part)["begin"],
                "end": write_interval(part)["end"],
                "cases": frame.cases,
                "values": frame.as_json()["values"],
            }
            for part, frame in zip(parts, moving, strict=True)
        ]
    return told


def deal_points(connection: Connection, points: store.Points) -> tuple[Places, Counts, Counts]:
    """Points, numbers and steps of the cases, those at places dealt out among its buildings.

    All steps together are what the cases of all times dealt at once are (`Places.deal`).
    """
    exact = ~points.moved
    places, counts, steps = [points.places[exact]], [points.counts[exact]], [points.steps[exact]]
    version = store.select_version(connection, ("buildings",)) if points.moved.any() else 0
    moved = np.flatnonzero(points.moved)
    rows = members(points.communities[moved])
    for community, kept in places_of(connection, rows, version):
        mine = moved[rows[community]]
        dealt, numbers, at = kept.deal(points.places[mine], points.counts[mine], points.steps[mine])
        places.append(dealt)
        counts.append(numbers)
        steps.append(at)
    return np.concatenate(places), np.concatenate(counts), np.concatenate(steps)


def _few(lattice: Lattice, outside: int) -> dict[str, Any] | None:
    """Why there is no surface; None where there is one. outside: cases beyond the border."""
    if lattice.cases < rules().floor.rate_hidden:
        told = write_few(lattice.cases)
        if outside:
            words = _outside_words(outside)
            space = {"zh": "", "en": " "}
            told["words"] = {lang: f"{told['words'][lang]}{space[lang]}{words[lang]}" for lang in LANGUAGES}
        return told
    if not lattice.few:
        return None
    say = catalogue("service").say
    words = {
        lang: say("centre.few_near", lang, bandwidth=round(lattice.bandwidth_m), least=lattice.min_cases)
        for lang in LANGUAGES
    }
    return {"cases": lattice.cases, "least": lattice.min_cases, "words": words}


def _outside_words(cases: int) -> dict[str, str]:
    """That so many more cases lie outside the border."""
    return {lang: catalogue("service").say("centre.outside", lang, cases=cases) for lang in LANGUAGES}
