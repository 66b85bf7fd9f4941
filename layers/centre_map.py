"""The command centre's page: a map that fills the screen, with filters, figures and lists that stay live.

The page itself holds what seldom changes (areas, grids, facilities, bands of population groups); everything
about cases it asks for below its own address, with the filters that stand in that address, and asks anew when
`/events` tells of a change. So whatever a view shows, the server has cleared for this very principal.

Addresses that the page asks, all relative to `view.address` (`/centre/{division}`):

- `cases?…`      figures, matrix of hours, lists, summary
- `surface?…`    density on a lattice (`frames=N` for the animation)
- `base`, `base?bbox=w,s,e,n`  streets, water and names; with a box the buildings in it too
- `grids/{code}/card`          what the card of a grid says
- `statistics/{method}?…`, `reach?kind=…`, `siting?kind=…`

In the page's own address stand besides the filters: `theme`, `at` (latitude,longitude,zoom), `grid`, `wall`
and `lang`. They are the page's own; the server passes over them.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, ClassVar

import geopandas as gpd
import numpy as np
import shapely

from layers import palette
from layers.assets import icon
from layers.choropleth import classes
from layers.colouring import colour, neighbours
from layers.coordinates import packed, points
from layers.element import Part
from layers.facility_map import GROUPS, facility_entries
from layers.figure import Assets, OfflineFigure
from layers.grid_map import label_points
from layers.heat_map import GroupHeat
from layers.leaflet_map import LeafletMap
from layers.legend import both
from layers.utm import utm_crs
from layers.view import GroupSurface
from partition.texts import LANGUAGES, Language, catalogue

_TEXTS = ("centre.", "card.", "map.", "legend.")
_MEASURES = {
    "count": "cases",
    "households": "case_rate_households",
    "residents": "case_rate_residents",
    "previous": "cases_change",
    "previous_households": "case_rate_households_change",
    "previous_residents": "case_rate_residents_change",
}
# Up to so many grids, how large a corner may be that is left out (the root of its area in metres: the measure
# of Visvalingam and Whyatt 1993). Neighbours stay neighbours: shared edges are drawn alike.
_SIMPLIFIED: tuple[tuple[float, float], ...] = ((150, 0.0), (600, 2.5), (2_000, 5.0), (math.inf, 10.0))
_ICONS = {
    "heat": "fire",
    "grids": "border-all",
    "statistics": "magnifying-glass-chart",
    "people": "people-group",
    "reach": "person-walking",
}


@dataclass(frozen=True)
class Choice:
    """One value of a filter: as the address has it, and in words by language."""

    value: str
    label: Mapping[str, str]


@dataclass(frozen=True)
class AreaOfGrids:
    """An area above the grids, which is made of some of them. level: -1 is next to the grids. parent: key of
    the area that holds it, or "".
    """

    key: str
    community: str
    level: int
    tier: Mapping[str, str]
    name: Mapping[str, str]
    parent: str
    grids: Sequence[str]


@dataclass(frozen=True)
class CentreView:
    """What the page holds from the start, cleared for one principal. Frames in EPSG:4326.

    code: the division, a community's code or a prefix of several. address: the page's own path, without a
    slash at its end. communities: code, name, geometry. grids: code, community, households, residents
    (numbers or NaN), head (name of who answers for it, or ""), geometry; their figures as this principal may
    see them. facilities: kind, name, geometry (points). groups: as on a community's map.
    areas: what the grids make up, the largest first. small_grids: address of the features into which grids
    are divided, "" if they are not.

    categories, statuses and tiers are those that the principal may filter by (empty: no such filter).
    cases: whether it may see cases at all. rates: denominators that are known ("households", "residents").
    statistics: methods that `statistics/{method}` answers, with their names. reach: kinds of facilities that
    `reach` and `siting` answer, with their names.
    events, nearby: addresses of server-sent events and of what is near a point. card: whether
    `grids/{code}/card` is there. seen_as: what answers bear in `Wangge-Seen-As` that are for the same
    principal as this page.
    """

    code: str
    name: Mapping[str, str]
    address: str
    communities: gpd.GeoDataFrame
    grids: gpd.GeoDataFrame
    facilities: gpd.GeoDataFrame
    areas: Sequence[AreaOfGrids] = ()
    small_grids: str = ""
    groups: tuple[GroupSurface, ...] = ()
    categories: Sequence[Choice] = ()
    statuses: Sequence[Choice] = ()
    tiers: Sequence[Choice] = ()
    cases: bool = True
    rates: Sequence[str] = ("households", "residents")
    statistics: Sequence[Choice] = ()
    reach: Sequence[Choice] = ()
    events: str = "/events"
    nearby: str = "/nearby"
    card: bool = True
    role: str = "public"
    seen_as: str = ""
    synthetic: bool = False
    attribution: Mapping[str, str] = field(default_factory=dict)
    published: str = ""


def reach_choices(facilities: gpd.GeoDataFrame) -> tuple[Choice, ...]:
    """The kinds among `facilities` (kind, name, geometry) that people walk to, with their names."""
    return tuple(
        Choice(entry["kind"], entry["label"])
        for entry in facility_entries(facilities)
        if entry["group"] in ("service", "safety") and not entry["minor"]
    )


def method_choices(methods: Iterable[str]) -> tuple[Choice, ...]:
    """The statistics that are asked for by these names, in words short enough for a row of them."""
    return tuple(Choice(method, both(f"centre.method_{method}")) for method in methods)


class _Frame(Part):
    """Bar, panels, sheets and the places that the scripts fill."""

    template: ClassVar[str] = "centre/page.html"


class _Start(Part):
    """Brings the page to life when the map is there."""

    template: ClassVar[str] = "centre/start.html"


def render(
    view: CentreView, *, lang: Language = "zh", assets: Assets = "static", static: str = "/static/"
) -> str:
    """The page of `view` as HTML text, in `lang` first; both languages are in it.

    Raises OutsideRequest if the page would ask another host. The same view gives the same text.
    """
    texts = catalogue("layers")
    title = {tongue: texts.say("centre.title", tongue, name=view.name[tongue]) for tongue in LANGUAGES}
    figure = OfflineFigure(title=title[lang], lang=lang, assets=assets, static=static)
    figure.add_child(_Frame("frame", _frame(view, lang, title)))
    page = LeafletMap(
        view.communities.total_bounds,
        scripts=("centre.js",),
        styles=("wangge.css", "map.css", "card.css", "centre/page.css"),
        position="absolute",
    )
    figure.add_child(page)
    page.add_child(_Start("start"))
    return figure.render()


def _frame(view: CentreView, lang: Language, title: Mapping[Language, str]) -> dict[str, Any]:
    texts = catalogue("layers")
    facilities = facility_entries(view.facilities)
    drawn = _drawn(view.grids)
    page = {
        "lang": lang,
        "title": dict(title),
        "texts": {
            language: {key: texts[key][language] for key in texts if key.startswith(_TEXTS)}
            for language in LANGUAGES
        },
        "code": view.code,
        "address": view.address,
        "events": view.events if view.cases else "",
        "card": view.card,
        "nearby": view.nearby,
        "role": view.role,
        "seen_as": view.seen_as,
        "cases": view.cases,
        "rates": list(view.rates),
        "words": {
            "category": _words(view.categories),
            "status": _words(view.statuses),
            "tier": _words(view.tiers),
        },
        "statistics": _words(view.statistics),
        "reach": _words(view.reach),
        "communities": _communities(view.communities),
        "bounds": np.round(view.communities.total_bounds, 6).tolist(),
        "grids": _grids(drawn, len(view.communities) == 1),
        "areas": _areas(view.areas, drawn),
        "small_grids": view.small_grids,
        "groups": [GroupHeat(group).data for group in view.groups],
        "facilities": facilities,
        "classes": {name: classes(measure).specification() for name, measure in _MEASURES.items()},
        "ground": {"ground": palette.GROUND, "water": palette.WATER, "buildings": palette.BUILDINGS},
        "colours": {
            "cases": list(palette.CASES),
            "density": list(palette.DENSITY),
            "groups": list(palette.GROUPS),
            "change": list(palette.CHANGE),
            "spots": dict(palette.SPOTS),
            "walks": list(palette.WALKS),
        },
    }
    return {
        "lang": lang,
        "languages": [("zh", "中文"), ("en", "English")],
        "name": dict(view.name),
        "synthetic": view.synthetic,
        "published": both("map.published", date=view.published[:10]) if view.published else None,
        "themes": _themes(view),
        "filters": [
            {"name": name, "choices": _words(choices)}
            for name, choices in (
                ("category", view.categories),
                ("status", view.statuses),
                ("tier", view.tiers),
            )
            if choices
        ],
        "rates": list(view.rates),
        "cases": view.cases,
        "facilities": [
            {
                "group": group,
                "label": both(f"facilities.{group}"),
                "kinds": [kind for kind in facilities if kind["group"] == group],
            }
            for group in GROUPS
            if any(kind["group"] == group for kind in facilities)
        ],
        "role": {
            language: texts.say("map.role", language, role=texts.say(f"role.{view.role}", language))
            for language in LANGUAGES
        },
        "attribution": dict(view.attribution),
        "page": page,
        "texts": page["texts"],
    }


def _themes(view: CentreView) -> list[dict[str, Any]]:
    """The themes that this view can show, each with its choices (methods, groups, kinds) and an icon."""
    found: list[tuple[str, list[dict[str, Any]]]] = []
    if view.cases:
        found.append(("heat", []))
    found.append(("grids", []))
    if view.cases and view.statistics:
        found.append(("statistics", _words(view.statistics)))
    if view.groups:
        groups = [Choice(group.group, group.label) for group in view.groups]
        found.append(("people", _words(groups)))
    if view.reach:
        found.append(("reach", _words(view.reach)))
    themes = []
    for name, choices in found:
        box, path = icon(_ICONS[name])
        label = both(f"centre.theme_{name}")
        themes.append({"name": name, "label": label, "choices": choices, "icon": {"box": box, "path": path}})
    return themes


def _words(choices: Sequence[Choice]) -> list[dict[str, Any]]:
    return [{"value": choice.value, "label": dict(choice.label)} for choice in choices]


def _drawn(grids: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    """The grids by code, with colours, places of their labels, and as fine as can be seen."""
    if not len(grids):
        return grids
    ordered = grids.sort_values("code").reset_index(drop=True)
    in_metres = ordered.geometry.to_crs(utm_crs(ordered))
    colours = ordered["colour"] if "colour" in ordered else colour(neighbours(in_metres)).colours
    centres, radii = label_points(in_metres)
    # from so far away that hundreds of grids are seen at once, a metre is less than a pixel
    finest = next(metres for most, metres in _SIMPLIFIED if len(ordered) <= most)
    if finest:
        thin = shapely.coverage_simplify(in_metres.to_numpy(), finest, simplify_boundary=True)
        ordered = ordered.set_geometry(gpd.GeoSeries(thin, crs=in_metres.crs).to_crs(4326))
    return ordered.assign(colour=list(colours), centre=points(centres.to_crs(4326)), radius=list(radii))


def _grids(drawn: gpd.GeoDataFrame, one: bool) -> list[dict[str, Any]]:
    """The grids as the page reads them; `one`: of a single community, so that three digits name them."""
    return [
        {
            "code": str(row["code"]),
            "community": str(row.get("community") or ""),
            "label": str(row["code"])[-3:],
            "rings": packed([row["geometry"]]),
            "centre": row["centre"],
            "radius": round(row["radius"], 1),
            "colour": palette.GRIDS[row["colour"] % len(palette.GRIDS)],
            "households": _count(row.get("households")),
            "residents": _count(row.get("residents")),
            "head": str(row.get("head") or ""),
        }
        for row in drawn.to_dict("records")
    ]


def _areas(areas: Sequence[AreaOfGrids], drawn: gpd.GeoDataFrame) -> list[dict[str, Any]]:
    """The areas as the page reads them: their outlines are those of their grids as drawn."""
    if not areas:
        return []
    shapes = dict(zip(drawn["code"], drawn.geometry, strict=True))
    return [
        {
            **asdict(area),
            "tier": dict(area.tier),
            "name": dict(area.name),
            "grids": sorted(area.grids),
            "rings": packed([shapely.union_all([shapes[code] for code in area.grids if code in shapes])]),
        }
        for area in areas
        if any(code in shapes for code in area.grids)
    ]


def _communities(communities: gpd.GeoDataFrame) -> list[dict[str, Any]]:
    """The communities as the page reads them; centre and radius: of the largest inscribed circle."""
    ordered = communities.sort_values("code").reset_index(drop=True)
    centres, radii = label_points(ordered.geometry.to_crs(utm_crs(ordered)))
    where = points(centres.to_crs(4326))
    return [
        {
            "code": str(row["code"]),
            "name": str(row["name"] or ""),
            "rings": packed([row["geometry"]]),
            "centre": where[place],
            "radius": round(radii[place], 1),
        }
        for place, row in enumerate(ordered.to_dict("records"))
    ]


def _count(value: Any) -> int | None:
    return None if value is None or value != value else round(float(value))
