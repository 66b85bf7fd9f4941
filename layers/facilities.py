"""Kinds of facilities: icon, colour and words of each; and facilities by kind as a page draws them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from layers.assets import icon
from partition.texts import LANGUAGES, catalogue

if TYPE_CHECKING:
    import geopandas as gpd


@dataclass(frozen=True)
class Kind:
    """A kind of facility: group, icon (solid Font Awesome), colour.

    Minor ones are dots. They and the group `other` are off at first.
    """

    group: str
    icon: str
    colour: str
    minor: bool = False
    words: tuple[str, ...] = ()


CONDITIONS = ("good", "damaged", "blocked", "missing", "disused")
GROUPS = ("service", "safety", "street", "other")
KINDS = {
    "service_station": Kind(
        "service", "house-flag", "#0f6b70", words=("党群服务", "服务站", "服务中心", "community_centre")
    ),
    "clinic": Kind(
        "service",
        "house-medical",
        "#b23a48",
        words=("卫生", "卫生服务", "医院", "诊所", "中医", "hospital", "doctors"),
    ),
    "school": Kind(
        "service",
        "graduation-cap",
        "#8a5a14",
        words=("学校", "小学", "中学", "大学", "university", "college"),
    ),
    "kindergarten": Kind("service", "child-reaching", "#a3641c", words=("幼儿园", "托儿")),
    "elderly_care": Kind("service", "person-cane", "#6b4e9b", words=("养老", "日间照料", "care")),
    "market": Kind(
        "service",
        "basket-shopping",
        "#4b7a2b",
        words=("菜市场", "市场", "超市", "marketplace", "supermarket"),
    ),
    "park": Kind("service", "tree", "#3f7d4e", words=("公园", "广场", "garden", "playground")),
    "police": Kind("safety", "shield-halved", "#2a4b8d", words=("警务", "派出所", "police_station")),
    "fire_station": Kind("safety", "fire-flame-curved", "#b5391f", words=("消防站", "微型消防")),
    "shelter": Kind("safety", "person-shelter", "#2f6f62", words=("避难", "assembly_point")),
    "camera": Kind("safety", "video", "#3b5b92", True, ("摄像", "监控", "cctv", "surveillance")),
    "hydrant": Kind("safety", "fire-extinguisher", "#c2412d", True, ("消火栓", "消防栓", "fire_hydrant")),
    "lamp": Kind("street", "lightbulb", "#b8860b", True, ("路灯", "street_lamp", "streetlight")),
    "manhole": Kind("street", "circle-dot", "#5d6470", True, ("井盖", "窨井", "manhole_cover")),
    "waste": Kind("street", "trash-can", "#5b7553", True, ("垃圾", "环卫", "bin", "recycling")),
    "toilet": Kind("street", "restroom", "#586b86", words=("公厕", "厕所", "toilets")),
    "charging": Kind("street", "charging-station", "#2e7d6b", words=("充电", "charging_station")),
    "parking": Kind("street", "square-parking", "#44658c", words=("停车",)),
    "bus_stop": Kind("street", "bus", "#44658c", words=("公交", "车站")),
    "government": Kind("other", "landmark", "#59636e", words=("政府", "办事处", "townhall")),
    # sells medicine and treats nobody: who walks to one has not reached a clinic
    "pharmacy": Kind("other", "pills", "#59636e", words=("药店", "药房", "chemist")),
    "post_office": Kind("other", "envelope", "#59636e", words=("邮政", "邮局", "快递")),
    "bank": Kind("other", "building-columns", "#59636e", words=("银行",)),
    "library": Kind("other", "book", "#59636e", words=("图书馆", "阅览室")),
    "sports": Kind("other", "person-running", "#59636e", words=("体育", "健身", "sports_centre", "gym")),
    "shop": Kind("other", "shop", "#59636e", words=("商店", "便利店", "convenience")),
    "restaurant": Kind(
        "other", "utensils", "#59636e", words=("餐饮", "餐馆", "饭店", "cafe", "fast_food", "bar")
    ),
    "fuel": Kind("other", "gas-pump", "#59636e", words=("加油",)),
    "worship": Kind("other", "place-of-worship", "#59636e", words=("宗教", "寺", "place_of_worship")),
}
_OTHER = Kind("other", "location-dot", "#59636e")


def kind_of(value: object) -> str:
    """The key in KINDS that a file's word for a kind means, or "" where it is none of them."""
    text = str(value).strip().lower().replace(" ", "_").replace("-", "_")
    if text in KINDS:
        return text
    found = [
        (len(word), key)
        for key, kind in KINDS.items()
        for word in kind.words
        if word == text or (not word.isascii() and word in text)
    ]
    if found:
        return max(found)[1]  # 卫生服务站 is a 卫生服务 rather than a 服务站
    for key in KINDS:
        if text in (f"{key}s", f"street_{key}", f"{key}_cover", f"fire_{key}", f"bus_{key}"):
            return key
    return ""


def facility_entries(facilities: gpd.GeoDataFrame) -> list[dict[str, Any]]:
    """One entry a kind, in the order of the panels.

    facilities: kind, name, geometry (EPSG:4326), and condition where there is one (CONDITIONS; "" or absent:
    not known). A point is [lat, lng], [lat, lng, name] or [lat, lng, name, condition]; `faults` counts those
    that are not in order.
    """
    import pandas as pd

    from layers.coordinates import points

    texts = catalogue("layers")
    if facilities.empty:
        return []
    keys = facilities["kind"].map(lambda value: kind_of(value) or f"={str(value).strip()}")
    entries = []
    for key, rows in facilities.groupby(keys, sort=True):
        kind = KINDS.get(key, _OTHER)
        box, path = icon(kind.icon)
        names = rows["name"] if "name" in rows else pd.Series("", index=rows.index)
        states = rows["condition"] if "condition" in rows else pd.Series("", index=rows.index)
        states = states.where(states.isin(CONDITIONS), "")
        ordered = rows.assign(
            _name=names.fillna("").astype(str), _state=states, _x=rows.geometry.x, _y=rows.geometry.y
        )
        ordered = ordered.sort_values(["_name", "_x", "_y", "_state"])
        where = points(ordered.geometry)
        faults = int((~ordered["_state"].isin(("", "good"))).sum())
        label = (
            {lang: texts.say(f"kind.{key}", lang) for lang in LANGUAGES}
            if key in KINDS
            else key.removeprefix("=").replace("_", " ")
        )
        entries.append(
            {
                "kind": key,
                "group": kind.group,
                "label": label if isinstance(label, dict) else dict.fromkeys(LANGUAGES, label),
                "minor": kind.minor,
                "shown": kind.group != "other" and not kind.minor,
                "colour": kind.colour,
                "icon": {"box": box, "path": path},
                "points": [
                    [*at, name, state] if state else [*at, name] if name else at
                    for at, name, state in zip(where, ordered["_name"], ordered["_state"], strict=True)
                ],
                "faults": faults,
                "fault_words": {
                    lang: texts.say("facilities.faults", lang, count=faults) for lang in LANGUAGES
                },
                "conditions": {
                    state: {lang: texts.say(f"condition.{state}", lang) for lang in LANGUAGES}
                    for state in CONDITIONS
                    if (ordered["_state"] == state).any()
                },
            }
        )
    order = {key: position for position, key in enumerate(KINDS)}
    entries.sort(
        key=lambda entry: (GROUPS.index(entry["group"]), order.get(entry["kind"], len(order)), entry["kind"])
    )
    return entries
