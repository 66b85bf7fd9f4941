"""The grids: coloured so that neighbours differ, numbered, each with its card."""

from __future__ import annotations

import math
from typing import Any, ClassVar

from layers import palette
from layers.colouring import colour, neighbours
from layers.coordinates import points, polygons
from layers.element import Part
from layers.labels import label_points as label_points  # callers know it by this module
from layers.view import CommunityView
from partition.texts import LANGUAGES, catalogue

_FIGURES = ("households", "residents", "buildings", "buildings_unknown", "area_m2", "cases_30d")


class GridMap(Part):
    """The grids with borders, numbers and what their cards say."""

    scripts: ClassVar[tuple[str, ...]] = ("grid_map.js",)

    def __init__(self, view: CommunityView) -> None:
        super().__init__("grid_map", _data(view))


def _data(view: CommunityView) -> dict[str, Any]:
    grids = view.grids.sort_values("code").reset_index(drop=True)
    in_metres = grids.geometry.to_crs(grids.estimate_utm_crs()) if len(grids) else grids.geometry
    colours = colour(neighbours(in_metres)).colours
    centres, radii = label_points(in_metres)
    where = points(centres.to_crs(4326)) if len(grids) else []
    cards = []
    for position, row in enumerate(grids.to_dict("records")):
        cards.append(
            {
                "code": str(row["code"]),
                "label": str(row["code"])[-3:],
                "rings": polygons([row["geometry"]]),
                "centre": where[position],
                "radius": round(radii[position], 1),
                "colour": palette.GRIDS[colours[position] % len(palette.GRIDS)],
                "figures": {name: _number(row.get(name)) for name in _FIGURES},
                "bounds": {lang: str(row.get(f"bounds_{lang}") or "") for lang in LANGUAGES},
                "staff": _people(row.get("staff")),
                "groups": _plain_list(row.get("groups")),
                "ranged": bool(row.get("ranged", True)),
                "about": bool(row.get("cases_about", False)),
                "recent": _plain_list(row.get("recent")),
            }
        )
    return {"grids": cards, "range": list(view.size_range) if view.size_range else None}


def _number(value: Any) -> float | int | None:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    number = float(value)
    if math.isnan(number):
        return None
    return int(number) if number.is_integer() else round(number, 1)


def _plain_list(value: Any) -> list[dict[str, str]]:
    if not isinstance(value, (list, tuple)):
        return []
    return [{str(key): str(text) for key, text in entry.items() if text is not None} for entry in value]


def _people(value: Any) -> list[dict[str, str]]:
    """Staff with their roles in both languages where a role is a known one; known roles first."""
    texts = catalogue("layers")
    known = [texts[key] for key in texts if key.startswith("staff.")]
    people = []
    for person in _plain_list(value):
        named = {key: text.strip() for key, text in person.items()}
        role = named.get("role", "")
        place = next((n for n, words in enumerate(known) if role in words.values()), len(known))
        words = known[place] if place < len(known) else dict.fromkeys(LANGUAGES, role)
        entry = {f"role_{lang}": named.get(f"role_{lang}") or words[lang] for lang in LANGUAGES}
        people.append((place, entry | {key: named.get(key, "") for key in ("name", "phone")}))
    return [entry for _, entry in sorted(people, key=lambda pair: pair[0])]
