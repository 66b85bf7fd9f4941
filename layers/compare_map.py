"""Two plans, or two periods, side by side: two maps in step, what differs in words, figures in a table.

The service fills a `CompareView`; everything in it has been cleared for one principal.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

import folium
import geopandas as gpd
import numpy as np

from layers import palette
from layers.choropleth import Classes
from layers.colouring import colour, neighbours
from layers.coordinates import packed, packed_lines, points
from layers.element import Part
from layers.figure import Assets, OfflineFigure
from layers.labels import label_points
from layers.leaflet_map import LeafletMap
from layers.legend import Both, both
from layers.utm import utm_crs
from partition.texts import LANGUAGES, Language, catalogue

SCRIPTS = (
    "wangge.js",
    "base_map.js",
    "choropleth.js",
    "labels.js",
    "events.js",
    "session.js",
    "compare/page.js",
)
SIDES = ("left", "right")
_TEXTS = ("compare.", "map.", "card.", "centre.session_", "centre.log_in")


@dataclass(frozen=True)
class Side:
    """One of the two. value: as the address has it.

    grids: code, geometry (EPSG:4326), cells (one for each of the view's columns: a text, one in both
    languages, or None: not to be told), and for a choropleth value (float or None) and state
    (`layers.choropleth.State`). borders: lines of this side that the other does not have (EPSG:4326).
    """

    value: str
    title: Both
    note: Both
    grids: gpd.GeoDataFrame
    borders: gpd.GeoSeries | None = None


@dataclass(frozen=True)
class Difference:
    """One thing that differs, in words; grids: codes of either side that it is about."""

    text: Both
    grids: tuple[str, ...] = ()
    trend: Literal["", "more", "fewer"] = ""


@dataclass(frozen=True)
class Figure:
    """A line of the table of figures; texts as they are to be shown."""

    label: Both
    left: str
    right: str
    change: str = ""


@dataclass(frozen=True)
class Choice:
    """A value that a side may have instead."""

    value: str
    label: Both


@dataclass(frozen=True)
class CompareView:
    """What the page holds. Frames in EPSG:4326.

    twins: which grid of the right side is which of the left (right code → left code). measure: classes of the
    choropleth; None: grids have colours that tell neighbours apart, twins the same one. columns: heads of the
    grids' cells; the first cell stands below a grid's number. moved: buildings whose grid is another one on
    the other side; None: not for this role. ground: as `/centre/{division}/base` answers, or None.
    events: address of server-sent events, where a side goes on; "": both are over. basis: which parts of two
    periods are compared, and how, where that does not go without saying. changed: what the last column of the
    figures says; None: plain differences. seen_as: what answers for the same reader bear in
    `Wangge-Seen-As`.
    """

    kind: Literal["plans", "periods"]
    code: str
    name: Both
    address: str
    left: Side
    right: Side
    communities: gpd.GeoDataFrame
    twins: Mapping[str, str]
    columns: Sequence[Both]
    figures: Sequence[Figure]
    differences: Sequence[Difference]
    none: Both
    measure: Classes | None = None
    moved: gpd.GeoSeries | None = None
    ground: Mapping[str, Any] | None = None
    choices: Sequence[Choice] = ()
    notes: Sequence[Both] = ()
    role: str = "public"
    seen_as: str = ""
    synthetic: bool = False
    attribution: Mapping[str, str] = field(default_factory=dict)
    events: str = ""
    basis: Sequence[Both] = ()
    changed: Both | None = None


class _Frame(Part):
    """Bar and opening of the stage."""

    template: ClassVar[str] = "compare/frame.html"


class _Open(Part):
    """The opening of a side; its map follows."""

    template: ClassVar[str] = "compare/open.html"


class _Close(Part):
    """The end of a side."""

    template: ClassVar[str] = "compare/close.html"


class _Panel(Part):
    """What differs, beside the maps, and the script that brings the page to life."""

    template: ClassVar[str] = "compare/panel.html"

    def __init__(self, data: dict[str, Any], maps: Sequence[folium.Map]) -> None:
        super().__init__("panel", data)
        self.maps = tuple(maps)


def render(
    view: CompareView, *, lang: Language = "zh", assets: Assets = "static", static: str = "/static/"
) -> str:
    """The page of `view` as HTML text, in `lang` first; both languages are in it.

    Raises OutsideRequest if the page would ask another host. The same view gives the same text.
    """
    texts = catalogue("layers")
    title = {tongue: texts.say("compare.title", tongue, name=view.name[tongue]) for tongue in LANGUAGES}
    figure = OfflineFigure(title=title[lang], lang=lang, assets=assets, static=static)
    data = _data(view, lang, title)
    figure.add_child(_Frame("frame", data))
    maps = []
    for name in SIDES:
        figure.add_child(_Open(f"open_{name}", {"side": name, "lang": lang, **_heads(view, name)}))
        made = LeafletMap(
            view.communities.total_bounds,
            scripts=SCRIPTS,
            styles=("wangge.css", "map.css", "compare/page.css"),
            zoom_start=15,
            zoom_animation=False,
            fade_animation=False,
        )
        figure.add_child(made)
        maps.append(made)
        figure.add_child(_Close(f"close_{name}"))
    figure.add_child(_Panel(data, maps))
    return figure.render()


def _heads(view: CompareView, name: str) -> dict[str, Any]:
    side: Side = getattr(view, name)
    return {
        "title": dict(side.title),
        "note": dict(side.note),
        "label": both(f"compare.side_{name}"),
        "measure": _measure(view),
    }


def _measure(view: CompareView) -> dict[str, Any] | None:
    if view.measure is None:
        return None
    return {"title": dict(view.measure.title), "unit": dict(view.measure.unit)}


def _data(view: CompareView, lang: Language, title: Mapping[Language, str]) -> dict[str, Any]:
    texts = catalogue("layers")
    left_colours, right_colours = _colours(view)
    page = {
        "lang": lang,
        "title": dict(title),
        "texts": {
            language: {key: texts[key][language] for key in texts if key.startswith(_TEXTS)}
            for language in LANGUAGES
        },
        "kind": view.kind,
        "address": view.address,
        "selected": {name: getattr(view, name).value for name in SIDES},
        "community": packed(view.communities.geometry),
        "bounds": np.round(view.communities.total_bounds, 6).tolist(),
        "ground": dict(view.ground) if view.ground is not None else None,
        "colours": {
            "ground": palette.GROUND,
            "water": palette.WATER,
            "buildings": palette.BUILDINGS,
        },
        "measure": None if view.measure is None else view.measure.specification(),
        "columns": [dict(column) for column in view.columns],
        "twins": dict(view.twins),
        "left": _side(view.left, left_colours),
        "right": _side(view.right, right_colours, shaped=view.kind == "plans"),
        "moved": [] if view.moved is None else packed(view.moved),
        "code": view.code,
        "events": view.events,
        "role": view.role,
        "seen_as": view.seen_as,
        "none": dict(view.none),
    }
    return {
        "lang": lang,
        "languages": [("zh", "中文"), ("en", "English")],
        "page": page,
        "texts": page["texts"],
        "kind": view.kind,
        "name": dict(view.name),
        "address": view.address,
        "centre": view.address.removesuffix("/compare"),
        "synthetic": view.synthetic,
        "selected": page["selected"],
        "sides": {name: _heads(view, name) for name in SIDES},
        "choices": [{"value": choice.value, "label": dict(choice.label)} for choice in view.choices],
        **_told(view),
        "changed": dict(view.changed) if view.changed else both("compare.change"),
        "legend": view.measure is not None,
        "measure": _measure(view),
        "role": {
            language: texts.say("map.role", language, role=texts.say(f"role.{view.role}", language))
            for language in LANGUAGES
        },
        "attribution": dict(view.attribution),
        "moved": view.moved is not None,
    }


def _told(view: CompareView) -> dict[str, Any]:
    """What stands in the panel: differences, figures and notes."""
    return {
        "differences": [
            {"text": dict(one.text), "grids": list(one.grids), "trend": one.trend} for one in view.differences
        ],
        "none": dict(view.none),
        "figures": [
            {"label": dict(one.label), "left": one.left, "right": one.right, "change": one.change}
            for one in view.figures
        ],
        "notes": [dict(note) for note in view.notes],
        "basis": [dict(line) for line in view.basis],
    }


def current(view: CompareView) -> dict[str, Any]:
    """Two periods as they are by now, for a page that shows them already: figures, words, no shapes."""

    def side(told: Side) -> dict[str, Any]:
        grids = _side(told, [""] * len(told.grids), shaped=False)["grids"]
        kept = [{name: grid[name] for name in ("code", "cells", "value", "state")} for grid in grids]
        return {"title": dict(told.title), "note": dict(told.note), "grids": kept}

    measure = "" if view.measure is None else view.measure.name
    return {"measure": measure, "left": side(view.left), "right": side(view.right), **_told(view)}


def _colours(view: CompareView) -> tuple[list[str], list[str]]:
    """Colours that tell neighbours apart; a grid has that of its twin wherever that can be."""
    left, right = (_ordered(side.grids) for side in (view.left, view.right))
    if view.measure is not None:
        return [""] * len(left), [""] * len(right)
    first = colour(neighbours(_metric(left))).colours if len(left) else ()
    had = dict(zip(left["code"], first, strict=True))
    before = [had.get(view.twins.get(code, "")) for code in right["code"]]
    second = colour(neighbours(_metric(right)), before).colours if len(right) else ()
    many = len(palette.GRIDS)
    return [palette.GRIDS[n % many] for n in first], [palette.GRIDS[n % many] for n in second]


def _ordered(grids: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    return grids.sort_values("code").reset_index(drop=True)


def _metric(grids: gpd.GeoDataFrame) -> gpd.GeoSeries:
    return grids.geometry.to_crs(utm_crs(grids))


def _side(side: Side, colours: Sequence[str], *, shaped: bool = True) -> dict[str, Any]:
    """A side as the page reads it. shaped: else its grids are those of the left side, shapes and all."""
    grids = _ordered(side.grids)
    shapes: list[dict[str, Any]] = [{} for _ in range(len(grids))]
    if shaped and len(grids):
        centres, radii = label_points(_metric(grids))
        where = points(centres.to_crs(4326))
        shapes = [
            {"rings": packed([shape]), "centre": where[place], "radius": round(radii[place], 1)}
            for place, shape in enumerate(grids.geometry)
        ]
    return {
        "title": dict(side.title),
        "borders": [] if side.borders is None else packed_lines(side.borders),
        "grids": [
            {
                "code": str(row["code"]),
                "label": str(row["code"])[-3:],
                **shapes[place],
                "colour": colours[place],
                "cells": list(row["cells"]),
                "value": None if row.get("value") is None or row["value"] != row["value"] else row["value"],
                "state": str(row.get("state") or "shown"),
            }
            for place, row in enumerate(grids.to_dict("records"))
        ],
    }
