"""What the card of a grid says, as plain data: on the maps, and as the service's JSON, the same.

    {"code": "990101001001003", "label": "003", "name": "", "kind": "basic",
     "bounds": {"zh": "东至…", "en": "east: …"},                      # "": not known
     "figures": {"households": 331, "residents": 902, "buildings": 16, "buildings_unknown": 0,
                 "area_m2": 51234.5},                                 # null: not known, or not to be told
     "range": {"lower": 200, "upper": 400} | null,                    # of households, where it holds
     "staff": {"vacancies": 1 | null, "posts": [{"title": {"zh": …, "en": …}, "vacancies": 0,
               "people": [{"name": "…", "phone": "…", "role": {…}}]}, …]},
     "facilities": [{"kind": "camera", "label": {…}, "count": 12}, …],   # most first
     "groups": [{"label": {…}, "value": {…}}, …],
     "cases": {"about": false, "together": "", "last_30_days": 12 | null,
               "months": [{"month": "2026-09", "cases": 31, "whole": true}, …],
               "recent": [{"date": "2026-10-30", "category": {…}, "status": {…}}, …]} | null,
     "freshness": [{"layer": "buildings", "label": {…}, "at": "2026-10-01"}, …],
     "links": [{"rel": "items", "href": …, "title": {…}}, …]}

`together`: the grids that are counted with it, itself among them (`001–004`), where its cases cannot be told
from theirs. `about`: some are from before a redraw, so the number is approximate. `whole`: false for a month
that is not over, or of which cases are known only in part. Phones are "" where they may not be told.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from layers.codes import short_codes
from layers.facilities import KINDS, kind_of
from layers.legend import Both, both
from partition.texts import LANGUAGES, catalogue

LAYERS = ("grid", "buildings", "facilities", "staff", "cases")
_FIGURES = ("households", "residents", "buildings", "buildings_unknown", "area_m2")


def describe_grid(row: Mapping[str, Any], size_range: tuple[int, int] | None = None) -> dict[str, Any]:
    """The card of a grid; `row` has the columns of `CommunityView.grids`, the optional ones too.

    `size_range`: of households, for grids for which `ranged` is not false.
    """
    code = str(row["code"])
    ranged = size_range is not None and bool(row.get("ranged", True))
    return {
        "code": code,
        "label": code[-3:],
        "name": _words(row.get("name")),
        "kind": _words(row.get("kind")),
        "bounds": {lang: _words(row.get(f"bounds_{lang}")) for lang in LANGUAGES},
        "figures": {name: plain_number(row.get(name)) for name in _FIGURES},
        "range": {"lower": size_range[0], "upper": size_range[1]} if size_range and ranged else None,
        "staff": _staff(row.get("staff"), row.get("posts")),
        "facilities": count_facilities(_list(row.get("facilities"))),
        "groups": [_in_both(group, "label", "value") for group in _list(row.get("groups"))],
        "cases": _cases(row),
        "freshness": [
            {"layer": layer, "label": both(f"card.layer_{layer}"), "at": str(row["freshness"][layer])}
            for layer in LAYERS
            if isinstance(row.get("freshness"), Mapping) and row["freshness"].get(layer)
        ],
        "links": [_plain(link) for link in _list(row.get("links"))],
    }


def plain_number(value: Any) -> float | int | None:
    """A number as JSON has it, to a tenth; None where it is missing."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    number = float(value)
    if math.isnan(number):
        return None
    return int(number) if number.is_integer() else round(number, 1)


def count_facilities(kinds: Iterable[object]) -> list[dict[str, Any]]:
    """How many of each kind, most first; words that mean a known kind are counted as that."""
    counts = Counter(kind_of(kind) or f"={str(kind).strip()}" for kind in kinds)
    order = {kind: place for place, kind in enumerate(KINDS)}
    return [
        {
            "kind": key.removeprefix("="),
            "label": both(f"kind.{key}")
            if key in KINDS
            else dict.fromkeys(LANGUAGES, key.removeprefix("=").replace("_", " ")),
            "count": count,
        }
        for key, count in sorted(
            counts.items(), key=lambda pair: (-pair[1], order.get(pair[0], len(order)), pair[0])
        )
    ]


def _cases(row: Mapping[str, Any]) -> dict[str, Any] | None:
    recent, months = _list(row.get("recent")), _list(row.get("months"))
    count = plain_number(row.get("cases_30d"))
    if count is None and not recent and not months:
        return None
    return {
        "about": bool(row.get("cases_about", False)),
        "together": short_codes(_list(row.get("cases_together"))),
        "last_30_days": count,
        "months": [_plain(month) for month in months],
        "recent": [
            {"date": str(case.get("date") or ""), **_in_both(case, "category", "status")} for case in recent
        ],
    }


def _staff(people: Any, posts: Any) -> dict[str, Any]:
    """The posts as the service asks for them with their vacancies, else one for each role that is held."""
    if isinstance(posts, list | tuple):
        told = [
            {
                "title": _titled(post),
                "vacancies": int(post.get("vacancies") or 0),
                "people": [_person(person) for person in _list(post.get("people"))],
            }
            for post in posts
        ]
        return {"vacancies": sum(post["vacancies"] for post in told), "posts": told}
    told = []
    for person in sorted(_list(people), key=lambda one: _place(_words(one.get("role")))):
        entry = _person(person)
        told.append(
            {
                "title": entry["role"],
                "vacancies": int(not entry["name"]),
                "people": [entry] if entry["name"] else [],
            }
        )
    return {"vacancies": sum(post["vacancies"] for post in told) if told else None, "posts": told}


def _person(person: Mapping[str, Any]) -> dict[str, Any]:
    role = _words(person.get("role"))
    known = _roles()
    place = _place(role)
    words = known[place] if place < len(known) else dict.fromkeys(LANGUAGES, role)
    named = {lang: _words(person.get(f"role_{lang}")) or words[lang] for lang in LANGUAGES}
    return {"role": named, "name": _words(person.get("name")), "phone": _words(person.get("phone"))}


def _titled(post: Mapping[str, Any]) -> Both:
    title = post.get("title")
    return {lang: _words(title.get(lang)) for lang in LANGUAGES} if isinstance(title, Mapping) else {}


def _place(role: str) -> int:
    """Known roles come first, in the order of the catalogue."""
    known = _roles()
    return next((place for place, words in enumerate(known) if role in words.values()), len(known))


def _roles() -> list[Mapping[str, str]]:
    texts = catalogue("layers")
    return [texts[key] for key in texts if key.startswith("staff.")]


def _in_both(entry: Mapping[str, Any], *names: str) -> dict[str, Both]:
    found: dict[str, Both] = {}
    for name in names:
        found[name] = {lang: _words(entry.get(f"{name}_{lang}")) for lang in LANGUAGES}
        if written := _words(entry.get(f"{name}_written")):
            found[name]["written"] = written
    return found


def _words(value: Any) -> str:
    missing = value is None or (isinstance(value, float) and math.isnan(value))
    return "" if missing else str(value).strip()


def _list(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else []


def _plain(entry: Any) -> dict[str, Any]:
    return {str(key): value for key, value in dict(entry).items()}
