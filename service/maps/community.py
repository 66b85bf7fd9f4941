"""A community's map for one principal: from the store through access and disclosure control to a view.

Nothing else fills a `CommunityView`; whatever a map shows has passed here.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Engine

from layers.view import CommunityView, GroupSurface, Surface
from partition.texts import LANGUAGES, Language, catalogue
from service.access import Principal, Role, access, may_see_phone
from service.db import EVERYWHERE, Database, declare
from service.faults import UnknownError
from service.maps.cards import (
    CARD_COLUMNS,
    card_columns,
    counted_of,
    counted_with,
    group_lines,
    recent_case,
)
from service.maps.colours import select_colours
from service.privacy.disclosure import Cell, GroupRule, band_label, rank
from service.registry import COLLECTIONS
from service.store import audit, figures, tiers
from service.store.cards import Months, select_months
from service.store.freezing import uncleared

if TYPE_CHECKING:
    import geopandas as gpd

RECENT_DAYS = 30
RECENT_SHOWN = 5
_TICK = timedelta(microseconds=1)


@dataclass(frozen=True)
class Drawn:
    """A view, and the groups whose exact figures stand in it with the grids' codes, for the record."""

    view: CommunityView
    exact: Mapping[str, tuple[str, ...]]


def draw(connection: Connection, principal: Principal, division: str, *, heat: bool = True) -> Drawn:
    """The map of a community as `principal` may see it. Raises UnknownError if it may not know of it.

    heat: with cases and groups; a map on paper has neither, and nothing of them is read for it.
    The row policies must know the principal; they are told again before this returns.
    """
    frames = {}
    for name in ("communities", "grids", "streets", "buildings", "facilities"):
        collection = COLLECTIONS[name]
        allowed = access(principal, collection)
        if allowed is None:
            raise UnknownError("community", code=division[:60])
        frames[name] = figures.select_frame(connection, collection, allowed, division)
    if frames["communities"].empty:
        raise UnknownError("community", code=division[:60])
    publication = figures.select_publication(connection, division)
    grids = frames["grids"]
    grids["staff"] = _staff(figures.select_staff(connection, division), grids, principal)
    cases, counted, recent, newest = (
        _cases(connection, principal, division, frames["communities"], grids)
        if heat
        else (None, None, {}, None)
    )
    # nought is a figure only where cases may be seen, and no figure is shown of a handful of households
    shown = grids["households"].notna() if cases is not None else [False] * len(grids)
    grids["cases_30d"] = [
        counted_of(counted, code) if show else None for code, show in zip(grids["code"], shown, strict=True)
    ]
    grids["cases_together"] = [counted_with(counted, code) for code in grids["code"]]
    grids["cases_about"] = grids["code"].isin(frozenset() if counted is None else counted.about)
    grids["recent"] = [recent.get(code, []) for code in grids["code"]]
    groups, on_cards, exact = group_surfaces(connection, principal, division, grids) if heat else ([], {}, {})
    grids["groups"] = [on_cards.get(code, []) for code in grids["code"]]
    told = card_columns(connection, principal, division, list(grids["code"]), newest)
    for name in CARD_COLUMNS:
        grids[name] = [told[code][name] for code in grids["code"]]
    grids["months"] = [
        months if show else []
        for months, show in zip(grids["months"], grids["households"].notna(), strict=True)
    ]
    colours = select_colours(connection, principal, division)
    grids["colour"] = [colours[code] for code in grids["code"]]
    community = frames["communities"]
    lines = {} if publication is None else publication.grids
    grids["ranged"] = [is_ranged(lines.get(code)) for code in grids["code"]]
    view = CommunityView(
        community=community[["code", "name", "geometry"]],
        grids=grids,
        streets=frames["streets"][["class", "name", "bridge", "tunnel", "geometry"]],
        buildings=frames["buildings"][["use", "geometry"]],
        facilities=frames["facilities"][["kind", "name", "condition", "geometry"]],
        cases=cases,
        groups=tuple(groups),
        role=principal.role.value,
        synthetic=bool(community["synthetic"].iloc[0]),
        attribution=_attribution(str(community["attribution"].iloc[0] or "")),
        version="" if publication is None else str(publication.plan),
        published="" if publication is None else publication.published.date().isoformat(),
        size_range=size_range(publication),
        size_words=_size_words(publication),
        in_range=_in_range(grids, publication),
        areas=tuple(
            ({lang: row[f"name_{lang}"] for lang in LANGUAGES}, tuple(row["grids"]))
            for row in tiers.select_areas(connection, principal, [division])
            if row["level"] == -1
        ),
    )
    return Drawn(view, exact)


def _attribution(text: str) -> Mapping[str, str]:
    return dict.fromkeys(LANGUAGES, text) if text else {}


def _sizes(publication: figures.Publication | None) -> list[Mapping[str, Any]]:
    """The ranges that hold in the community, the first one first."""
    if publication is None:
        return []
    policy = publication.policy
    first = policy.get("rural") if publication.community_class == "rural" else None
    return [size for size in (first or policy.get("size"), policy.get("second")) if size]


def size_range(publication: figures.Publication | None) -> tuple[int, int] | None:
    """The range of households, where the rule has one."""
    held = [size for size in _sizes(publication) if size["measure"] == "households"]
    return (int(held[0]["lower"]), int(held[0]["upper"])) if held else None


def _size_words(publication: figures.Publication | None) -> Mapping[str, str]:
    """All ranges in words."""
    say = catalogue("partition").say
    found: dict[str, str] = {}
    for lang in LANGUAGES:
        words = [
            f"{size['lower']:,.10g}–{size['upper']:,.10g} {say('measure.' + size['measure'], lang)}"
            for size in _sizes(publication)
        ]
        found[lang] = ("、" if lang == "zh" else ", ").join(words)
    return found if any(found.values()) else {}


def _in_range(grids: gpd.GeoDataFrame, publication: figures.Publication | None) -> float | None:
    """The share of grids in range as the plan was judged: by all ranges, without those exempt from them."""
    if publication is None or grids.empty or grids["households"].isna().any():
        return None
    counted = [line["in_range"] for line in publication.grids.values() if not line.get("exempt")]
    return sum(counted) / len(counted) if counted else None


def is_ranged(line: Mapping[str, Any] | None) -> bool:
    """Whether the range of households is one for this grid, and for its households as they are counted."""
    if line is None or line.get("exempt"):
        return False
    return bool(line.get("held", {}).get("households") == line["households"])


def _staff(
    rows: list[dict[str, str]], grids: gpd.GeoDataFrame, principal: Principal
) -> list[list[dict[str, str]]]:
    shows_phone = may_see_phone(principal)
    by_grid: dict[str, list[dict[str, str]]] = {}
    for row in rows:
        person = {"role": row["role"], "name": row["name"], "phone": row["phone"] if shows_phone else ""}
        by_grid.setdefault(row["grid"], []).append(person)
    return [by_grid.get(code, []) for code in grids["code"]]


def _cases(
    connection: Connection,
    principal: Principal,
    division: str,
    community: gpd.GeoDataFrame,
    grids: gpd.GeoDataFrame,
) -> tuple[Surface | None, Months | None, dict[str, list[dict[str, str]]], datetime | None]:
    """The density of the cases that the principal may see, their numbers by grid in the last 30 days and the
    newest of each, and when the newest of all was.

    Outside the centre cases are at places of several buildings, among which they are spread, and are counted
    by grid as places are: their own grid would tell on which side of a border they are. Single cases are
    listed on a grid's card only where the principal may see their grid.
    """
    allowed = access(principal, COLLECTIONS["cases"])
    if allowed is None:
        return None, None, {}, None
    frame = figures.select_frame(connection, COLLECTIONS["cases"], allowed, division)
    if frame.empty:
        return None, None, {}, None
    import geopandas as gpd
    import numpy as np
    import shapely

    from layers.density import case_surface
    from service.store.places import spread_cases

    points = shapely.get_coordinates(frame.geometry.to_numpy())
    moved = frame["grid"].isna().to_numpy() if "grid" in frame else np.ones(len(frame), dtype=bool)
    newest = frame["time"].max().to_pydatetime()
    begin = newest - timedelta(days=RECENT_DAYS) + _TICK
    recently = frame[frame["time"] >= begin]
    counted = select_months(connection, principal, division, begin, newest + _TICK)
    if moved.any() and not principal.reaches(Role.CENTRE):
        points[moved] = spread_cases(connection, division, points[moved])
    where = gpd.GeoSeries(shapely.points(points), crs=4326)
    # "recent" ends with the newest report, so that a community loaded once still shows its last weeks
    days = max((frame["time"].max().date() - frame["time"].min().date()).days + 1, 1)
    surface = case_surface(where, community.geometry.iloc[0], days=days)
    recent: dict[str, list[dict[str, str]]] = {}
    if "grid" in frame:
        newest_first = recently.sort_values(["time", "key"], ascending=[False, True])
        for row in newest_first.to_dict("records"):
            listed = recent.setdefault(row["grid"], [])
            if row["grid"] and len(listed) < RECENT_SHOWN:
                listed.append(recent_case(row))
    return surface, counted, recent, newest


def group_surfaces(
    connection: Connection, principal: Principal, division: str, grids: gpd.GeoDataFrame
) -> tuple[list[GroupSurface], dict[str, list[dict[str, str]]], dict[str, tuple[str, ...]]]:
    """Published figures: a surface a group, each grid's lines for its card, and exact grids by group.

    Exact ones go on record: see `service.store.audit.record_view`.
    """
    if grids.empty:
        return [], {}, {}
    found = figures.select_groups(connection, principal, division)
    surfaces, exact = draw_groups(found, grids)
    return surfaces, group_lines(found, set(grids["code"])), exact


def draw_groups(
    found: Sequence[figures.Group], grids: gpd.GeoDataFrame
) -> tuple[list[GroupSurface], dict[str, tuple[str, ...]]]:
    """A surface a group on a community's grids, and exact grids by group."""
    surfaces: list[GroupSurface] = []
    exact: dict[str, tuple[str, ...]] = {}
    for seen in found:
        rule, own = seen.rule, seen.counts
        if own:
            exact[rule.name] = tuple(sorted(own))
        if not seen.areas:
            continue
        whole = own.keys() >= set(grids["code"])
        cells = [Cell((code,), own[code], rank(own[code], rule)) for code in sorted(own)]
        surfaces.append(_surface(rule, cells if whole else seen.areas, grids, exact=whole))
    return surfaces, exact


@contextmanager
def one_state(engine: Engine) -> Iterator[Connection]:
    """A transaction that sees one state of the database throughout; committed at its end."""
    connecting = engine.connect().execution_options(isolation_level="REPEATABLE READ")
    with connecting as connection, connection.begin():
        yield connection


def introduce(connection: Connection, principal: Principal) -> None:
    """Tell the row policies who asks, until the transaction ends."""
    declare(
        connection,
        role=principal.role.value,
        scope=[prefix or EVERYWHERE for prefix in principal.scope],
        grids=sorted(principal.grids),
        principal=principal.subject,
    )


def _surface(rule: GroupRule, cells: Sequence[Cell], grids: gpd.GeoDataFrame, *, exact: bool) -> GroupSurface:
    import geopandas as gpd
    import shapely

    shapes = dict(zip(grids["code"], grids.geometry, strict=True))
    rows: dict[str, list[Any]] = {
        name: [] for name in ("label_zh", "label_en", "why_zh", "why_en", "rank", "grids", "codes")
    }
    say = catalogue("service").say
    for cell in cells:
        # colours stand for bands even where the cards have exact figures; rank 0 is drawn as withheld
        for lang in LANGUAGES:
            rows[f"label_{lang}"].append(band_label(cell.count, rule, lang))
            # only where all grids together are too few
            why = say("group.why", lang, grids=len(cell.codes), k=rule.k, households=rule.households)
            rows[f"why_{lang}"].append("" if exact or cell.rank else why)
        # the first class is "fewer than k", for exact roles alone: so a band has one colour for all roles
        rows["rank"].append(cell.rank + 1 if exact or cell.rank else 0)
        rows["grids"].append(" ".join(code[-3:] for code in cell.codes))
        rows["codes"].append(" ".join(cell.codes))
    geometry = [shapely.union_all([shapes[code] for code in cell.codes]) for cell in cells]
    bands: tuple[Mapping[str, str], ...] = tuple(
        {lang: band_label(lower, rule, lang) for lang in LANGUAGES} for lower in (0, *rule.bands)
    )
    note: dict[str, str] = {
        lang: say("group.note_exact", lang)
        if exact
        else say("group.note_bands", lang, k=rule.k, households=rule.households)
        for lang in LANGUAGES
    }
    cells_shown = gpd.GeoDataFrame(rows, geometry=geometry, crs=4326)
    return GroupSurface(rule.name, rule.label, note, cells_shown, bands)


class Maps:
    """Rendered maps, kept for as long as nothing on them has changed."""

    def __init__(self, most: int = 32) -> None:
        self._pages: OrderedDict[tuple[Any, ...], tuple[str, Mapping[str, tuple[str, ...]]]] = OrderedDict()
        self._most = most
        self._lock = Lock()

    def page(self, connection: Connection, principal: Principal, division: str, lang: Language) -> str:
        """A community's map for `principal`, a page with scripts from `/static`. Exact views are recorded."""
        seen_as = (principal.role, principal.scope, principal.grids)
        with uncleared(connection):
            state = figures.select_state(connection, division)
        key = (division, state, seen_as, lang)
        with self._lock:
            kept = self._pages.get(key)
            if kept is not None:
                self._pages.move_to_end(key)
        if kept is None:
            from layers.community_map import render

            drawn = draw(connection, principal, division)
            kept = (render(drawn.view, lang=lang, assets="static"), drawn.exact)
            with self._lock:
                self._pages[key] = kept
                while len(self._pages) > self._most:
                    self._pages.popitem(last=False)
        html, exact = kept
        _record(connection, principal, division, exact, "/maps")
        return html


def write_map(
    database: Database, principal: Principal, division: str, file: Path, *, lang: Language = "zh"
) -> None:
    """Write a community's map as `principal` sees it to a file of its own; exact views are recorded."""
    from data.plan_file import replacing
    from layers.community_map import render

    with replacing(file) as part, one_state(database.app) as connection:
        introduce(connection, principal)
        drawn = draw(connection, principal, division)
        _record(connection, principal, division, drawn.exact, "map file")
        part.write_text(render(drawn.view, lang=lang, assets="inline"), encoding="utf-8")


def _record(
    connection: Connection,
    principal: Principal,
    division: str,
    exact: Mapping[str, tuple[str, ...]],
    route: str,
) -> None:
    for group, codes in exact.items():
        audit.record_view(connection, principal, division, group, codes, route)
