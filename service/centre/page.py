"""What the centre's page itself holds: areas, grids, facilities, bands of groups, and the filters' choices.

Cases are none of it: the page asks for them, through the filters of its address.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from threading import Lock
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection

from partition.texts import LANGUAGES, Language
from service.access import Principal, access
from service.casework import TIERS
from service.centre.place import Division
from service.centre.question import OPEN
from service.centre.statistic_question import METHODS
from service.centre.summary import labels_of
from service.faults import UnknownError
from service.maps.colours import select_colours
from service.maps.community import draw_groups
from service.models.base import CASE_STATUSES
from service.registry import COLLECTIONS
from service.store import audit, figures, tiers
from service.store import centre as store
from service.store.freezing import uncleared

if TYPE_CHECKING:
    import geopandas as gpd

    from layers.centre_map import CentreView, Choice
    from layers.view import GroupSurface


Exact = Mapping[tuple[str, str], tuple[str, ...]]


@dataclass(frozen=True)
class Opened:
    """A page's view; and by community and group the grids whose exact figures stand in it, for the record."""

    view: CentreView
    exact: Exact


def mark_of(principal: Principal) -> str:
    """Equal for principals who see the same; of what they may see it tells nothing."""
    seen = (principal.role.value, sorted(principal.scope), sorted(principal.grids))
    return sha256(repr(seen).encode()).hexdigest()[:16]


class Pages:
    """Rendered pages, kept for as long as nothing that they hold themselves has changed."""

    def __init__(self, most: int = 32) -> None:
        self._kept: OrderedDict[tuple[Any, ...], tuple[str, Exact]] = OrderedDict()
        self._categories: OrderedDict[tuple[Any, ...], tuple[int, tuple[str, ...]]] = OrderedDict()
        self._most = most
        self._lock = Lock()

    def page(
        self, connection: Connection, principal: Principal, division: Division, address: str, lang: Language
    ) -> str:
        """The page of a division for the principal. Exact figures of groups in it go on record."""
        seen_as = (principal.role, principal.scope, principal.grids)
        categories = self._categories_of(connection, principal, division, (division.codes, *seen_as))
        with uncleared(connection):
            state = store.select_state(connection, division.codes)
        key = (division, address, state, categories, seen_as, lang)
        with self._lock:
            kept = self._kept.get(key)
            if kept is not None:
                self._kept.move_to_end(key)
        if kept is None:
            from layers.centre_map import render

            opened = open_page(connection, principal, division, address, categories)
            kept = (render(opened.view, lang=lang, assets="static"), opened.exact)
            with self._lock:
                self._kept[key] = kept
                while len(self._kept) > self._most:
                    self._kept.popitem(last=False)
        html, exact = kept
        for (code, group), grids in exact.items():
            audit.record_view(connection, principal, code, group, grids, "/centre")
        return html

    def _categories_of(
        self, connection: Connection, principal: Principal, division: Division, key: tuple[Any, ...]
    ) -> tuple[str, ...]:
        """The categories; every case is read for them, so only when something has changed."""
        version = store.select_version(connection)
        with self._lock:
            kept = self._categories.pop(key, None)
        if kept is None or kept[0] != version:
            kept = (version, find_categories(connection, principal, division))
        with self._lock:
            self._categories[key] = kept
            while len(self._categories) > self._most:
                self._categories.popitem(last=False)
        return kept[1]


def find_categories(connection: Connection, principal: Principal, division: Division) -> tuple[str, ...]:
    """The categories of the cases that the principal may see."""
    cases = access(principal, COLLECTIONS["cases"])
    return () if cases is None else tuple(store.select_categories(connection, cases, division.codes))


def open_page(
    connection: Connection,
    principal: Principal,
    division: Division,
    address: str,
    categories: tuple[str, ...],
) -> Opened:
    """The page of a division as the principal may see it. address: its own path."""
    import pandas as pd

    from layers.centre_map import AreaOfGrids, CentreView, method_choices, reach_choices

    frames = {name: _frame(connection, principal, name, division) for name in ("communities", "grids")}
    facilities = _frame(connection, principal, "facilities", division)
    grids = frames["grids"]
    surfaces: dict[str, list[GroupSurface]] = {}
    exact: dict[tuple[str, str], tuple[str, ...]] = {}
    published = ""
    heads = _heads(figures.select_staff(connection, division.codes))
    for code, groups in figures.select_groups_of(connection, principal, division.codes).items():
        mine = grids[grids["community"] == code].reset_index(drop=True)
        if mine.empty:
            continue
        found, counted = draw_groups(groups, mine)
        for surface in found:
            surfaces.setdefault(surface.group, []).append(surface)
        exact |= {(code, group): codes for group, codes in counted.items()}
    if len(grids):
        published = pd.Timestamp(grids["valid_from"].max()).date().isoformat()
    grids["head"] = [heads.get(code, "") for code in grids["code"]]
    columns = ["code", "community", "households", "residents", "head", "geometry"]
    if len(division.codes) == 1:  # grids of several communities border on each other
        colours = select_colours(connection, principal, division.codes[0])
        grids["colour"] = [colours[code] for code in grids["code"]]
        columns.append("colour")
    cases = access(principal, COLLECTIONS["cases"])
    knows_tiers = cases is not None and any(column.name == "tier" for column, _ in cases.columns)
    view = CentreView(
        code=division.code,
        name=division.name,
        address=address,
        communities=frames["communities"][["code", "name", "geometry"]],
        grids=grids[columns],
        areas=tuple(
            AreaOfGrids(
                key=row["key"],
                community=row["community"],
                level=row["level"],
                tier={lang: row[f"tier_{lang}"] for lang in LANGUAGES},
                name={lang: row[f"name_{lang}"] for lang in LANGUAGES},
                parent=row["parent"] or "",
                grids=tuple(row["grids"]),
            )
            for row in tiers.select_areas(connection, principal, division.codes)
        ),
        small_grids="/collections/tiers/items"
        if tiers.has_small_grids(connection, principal, division.codes)
        else "",
        facilities=facilities[["kind", "name", "condition", "geometry"]],
        groups=tuple(_joined(surfaces[group]) for group in sorted(surfaces)),
        categories=_choices("category", categories),
        statuses=_choices("case_status", (OPEN, *CASE_STATUSES)),
        tiers=_choices("tier", TIERS) if knows_tiers else (),
        cases=cases is not None,
        rates=tuple(name for name in ("households", "residents") if grids[name].notna().any()),
        statistics=method_choices(METHODS),
        reach=reach_choices(facilities),
        role=principal.role.value,
        seen_as=mark_of(principal),
        synthetic=division.synthetic,
        attribution=dict.fromkeys(LANGUAGES, division.attribution) if division.attribution else {},
        published=published,
    )
    return Opened(view, exact)


def _frame(connection: Connection, principal: Principal, name: str, division: Division) -> gpd.GeoDataFrame:
    collection = COLLECTIONS[name]
    allowed = access(principal, collection)
    if allowed is None:
        raise UnknownError("collection", name=name)
    return figures.select_frame(connection, collection, allowed, division.codes)


def _heads(staff: list[dict[str, str]]) -> dict[str, str]:
    """Who answers for each grid: its head, or else the first who is named."""
    found: dict[str, tuple[bool, str]] = {}
    for person in staff:
        name, head = person["name"].strip(), "长" in person["role"] or "head" in person["role"].lower()
        known = found.get(person["grid"])
        if name and (known is None or (head and not known[0])):
            found[person["grid"]] = (head, name)
    return {grid: name for grid, (_, name) in found.items()}


def _joined(surfaces: list[GroupSurface]) -> GroupSurface:
    """One group's areas in several communities as one surface."""
    from dataclasses import replace

    import pandas as pd

    first = surfaces[0]
    if len(surfaces) == 1:
        return first
    return replace(first, cells=pd.concat([one.cells for one in surfaces], ignore_index=True))


def _choices(group: str, values: Any) -> tuple[Choice, ...]:
    from layers.centre_map import Choice

    return tuple(Choice(value, labels_of(group, value)) for value in values)
