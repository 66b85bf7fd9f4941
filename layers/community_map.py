"""A community's map: one page with its grids, heat maps, facilities and base map, in Chinese and English."""

from __future__ import annotations

from typing import Any, ClassVar

from layers.base_map import BaseMap
from layers.element import Part
from layers.facility_map import GROUPS, FacilityMap
from layers.figure import Assets, OfflineFigure
from layers.grid_map import GridMap
from layers.heat_map import CaseHeat, GroupHeat
from layers.leaflet_map import LeafletMap
from layers.legend import both, legends
from layers.view import CommunityView
from partition.texts import LANGUAGES, Language, catalogue


class _Frame(Part):
    """Title bar, panels and card round the map."""

    template: ClassVar[str] = "community_map.html"


class _Start(Part):
    """Brings the panels to life when every layer is drawn."""

    template: ClassVar[str] = "start.html"


def render(
    view: CommunityView, *, lang: Language = "zh", assets: Assets = "inline", static: str = "/static/"
) -> str:
    """The page of `view` as HTML text.

    Both languages are in the page; `lang` is the one shown first. `assets="inline"` makes a file that stands
    alone, `"static"` one that takes its scripts from `static` of the same server (from `layers.assets.read`).
    The same view gives the same text. Raises OutsideRequest if the page would ask another host.
    """
    name = str(view.community["name"].iloc[0] or view.community["code"].iloc[0])
    figure = OfflineFigure(
        title=catalogue("layers").say("map.title", lang, name=name), lang=lang, assets=assets, static=static
    )
    facilities = FacilityMap(view)
    figure.add_child(_Frame("frame", _frame(view, name, lang, assets, facilities.data)))
    page = LeafletMap(
        view.community.total_bounds,
        scripts=("wangge.js",),
        styles=("wangge.css", "map.css", "card.css", "community_map.css"),
        position="absolute",
    )
    figure.add_child(page)
    page.add_child(BaseMap(view))
    page.add_child(GridMap(view))
    if view.cases is not None:
        page.add_child(CaseHeat(view.cases))
    for group in view.groups:
        page.add_child(GroupHeat(group))
    page.add_child(facilities)
    page.add_child(_Start("start"))
    return figure.render()


def _frame(
    view: CommunityView, name: str, lang: Language, assets: Assets, facilities: list[dict[str, Any]]
) -> dict[str, Any]:
    grids = view.grids
    figures: list[dict[str, Any]] = [
        {"label": both("map.figure_grids"), "value": f"{len(grids):,}", "title": None}
    ]
    for column in ("households", "residents"):
        if column in grids and len(grids) and grids[column].notna().all():
            total = f"{round(float(grids[column].sum())):,}"
            figures.append({"label": both(f"map.figure_{column}"), "value": total, "title": None})
    if view.in_range is not None:
        words = view.size_words
        wanted = {lang: both("map.range", sizes=words[lang])[lang] for lang in words} or None
        share = f"{100 * view.in_range:.0f}%"
        figures.append({"label": both("map.figure_in_range"), "value": share, "title": wanted})
    themes = [{"id": "grids", "label": both("map.theme_grids"), "section": None}]
    if view.cases is not None:
        themes.append({"id": "cases", "label": both("map.theme_cases"), "section": None})
    for position, group in enumerate(view.groups):
        section = both("map.theme_groups") if position == 0 else None
        themes.append({"id": f"group:{group.group}", "label": dict(group.label), "section": section})
    subtitle = []
    if view.version:
        subtitle.append(both("map.version", version=view.version))
    if view.published:
        subtitle.append(both("map.published", date=view.published[:10]))
    texts = catalogue("layers")
    return {
        "lang": lang,
        "languages": [("zh", "中文"), ("en", "English")],
        "name": name,
        "code": str(view.community["code"].iloc[0] or ""),
        "subtitle": subtitle,
        "synthetic": view.synthetic,
        "figures": figures,
        "themes": themes,
        "legends": legends(view),
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
        "texts": {
            language: {key: texts[key][language] for key in texts if key.startswith(("card.", "map."))}
            for language in LANGUAGES
        },
        "title": {language: texts.say("map.title", language, name=name) for language in LANGUAGES},
    }
