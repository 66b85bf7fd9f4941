"""The page as text: complete texts, escaped names, the same page for the same view, a size one can send."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from string import Formatter

import geopandas as gpd
import numpy as np
import pytest
import shapely

from data.sample import path as sample_path
from layers.base_map import street_names, use_group
from layers.community_map import render
from layers.density import case_surface
from layers.facility_map import GROUPS, KINDS, kind_of
from layers.grid_map import GridMap
from layers.legend import legends
from partition.texts import catalogue
from tests.layers.views import streets, to_degrees, view, with_names

SAMPLE_LAYERS = ("community", "streets", "buildings", "facilities", "cases")
EVIL = "</script><script>alert(1)</script><img src=x onerror=alert(2)>{{ 7*191 }}{% raw %}\"'&"


def test_texts_have_the_same_placeholders() -> None:
    """A placeholder in one language is in the other, and no text is empty."""
    texts = catalogue("layers")
    for key, entry in texts.items():
        fields = {
            lang: {name.split("|")[0] for _, name, _, _ in Formatter().parse(text) if name}
            for lang, text in entry.items()
        }
        assert fields["zh"] == fields["en"], key
        assert all(text.strip() for text in entry.values()), key


def test_every_text_asked_for_is_there() -> None:
    """Kinds, groups and what the scripts say."""
    texts = catalogue("layers")
    asked = {f"kind.{kind}" for kind in KINDS} | {f"facilities.{group}" for group in GROUPS}
    page = render(view(), lang="zh", assets="inline")
    asked |= set(re.findall(r'wangge\.say\("([\w.]+\w)"', page))
    asked |= {f"card.{state}" for state in ("below_range", "in_range", "above_range")}
    assert "card.staff" in asked
    assert asked <= set(texts)


def test_a_number_of_moved_cases_is_marked_as_approximate() -> None:
    whole = view()
    moved = replace(whole, grids=whole.grids.assign(cases_about=whole.grids["code"].str.endswith("002")))
    page = render(moved, lang="zh", assets="inline")
    found = re.search(r'id="grid_map_\d+-data">(.*?)</script>', page, re.DOTALL)
    assert found is not None
    assert [
        card["label"] for card in json.loads(found[1])["grids"] if card["cases"] and card["cases"]["about"]
    ] == ["002"]


def test_names_from_files_stay_text() -> None:
    """Markup, scripts and template marks in any name come out as they were, as data or escaped."""
    whole = view()
    evil_grids = whole.grids.assign(
        staff=[[{"role": EVIL, "name": EVIL, "phone": EVIL}]] * len(whole.grids),
        groups=[[{"label_zh": EVIL, "label_en": EVIL, "value_zh": EVIL, "value_en": EVIL}]]
        * len(whole.grids),
        recent=[[{"date": EVIL, "category_zh": EVIL, "category_en": EVIL}]] * len(whole.grids),
    )
    facilities = with_names(whole.facilities, EVIL)
    facilities["kind"] = facilities["kind"].where(facilities["kind"] != "邮筒", EVIL)
    text = render(
        view(
            community=with_names(whole.community, EVIL),
            grids=evil_grids,
            streets=with_names(whole.streets, EVIL),
            facilities=facilities,
            attribution={"zh": EVIL, "en": EVIL},
        ),
        lang="en",
        assets="static",
    )
    assert "alert(1)</script>" not in text
    assert "<img" not in text
    assert "{{ 7*191 }}" in text
    assert "1337" not in text
    data = json.loads(re.search(r'id="grid_map[^"]*-data">(.*?)</script>', text, re.S)[1])  # type: ignore[index]
    assert data["grids"][0]["staff"]["posts"][0]["people"][0]["name"] == EVIL.strip()


def test_same_view_same_page() -> None:
    """Also with the rows in another order."""
    whole = view()
    turned = view(grids=whole.grids.iloc[::-1], facilities=whole.facilities.iloc[::-1])
    one = render(whole, lang="zh", assets="inline")
    assert one == render(view(), lang="zh", assets="inline")
    assert one == render(turned, lang="zh", assets="inline")


def test_page_has_both_languages() -> None:
    """The language asked for comes first; the other is there without a network."""
    zh, en = (render(view(), lang=lang, assets="static") for lang in ("zh", "en"))  # type: ignore[arg-type]
    assert '<html lang="zh-CN">' in zh
    assert '<html lang="en">' in en
    for page in (zh, en):
        assert "事件热力" in page
        assert "Case density" in page
    assert ">事件热力</span>" in zh
    assert ">Case density</span>" in en


def test_page_shows_figures_only_where_known() -> None:
    """A sum with an unknown part is no sum."""
    page = render(view(), lang="en", assets="static")
    assert "2,115" in page
    assert ">Residents</span></dt>" not in page
    assert "83%" in page


def test_public_view_without_cases_and_groups() -> None:
    """What a role may not see is not in the page."""
    page = render(view(cases=None, groups=(), role="public"), lang="en", assets="static")
    assert 'value="cases"' not in page
    assert 'value="group:' not in page
    assert "Viewing as: public" in page


def test_empty_frames_are_drawn() -> None:
    """A community without grids, streets, buildings or facilities yet."""
    whole = view()
    page = render(
        view(
            grids=whole.grids.iloc[:0],
            streets=whole.streets.iloc[:0],
            buildings=whole.buildings.iloc[:0],
            facilities=whole.facilities.iloc[:0],
            groups=(),
        ),
        lang="zh",
        assets="static",
    )
    assert "柳湾社区" in page


def test_too_few_cases_are_said_plainly() -> None:
    """Never a blank legend."""
    none = case_surface(gpd.GeoSeries([], crs=4326), view().community.geometry.iloc[0], days=30)
    legend = next(entry for entry in legends(view(cases=none)) if entry["theme"] == "cases")
    assert legend["notes"][0]["en"].startswith("Too few cases for a density: 0 in 30 days")


def test_legend_states_unit_and_bandwidth() -> None:
    """What a colour means, in words."""
    legend = next(entry for entry in legends(view()) if entry["theme"] == "cases")
    assert legend["title"]["en"] == "Cases per km² per month (30 days)"
    assert "bandwidth 100 m" in legend["notes"][0]["en"]
    assert legend["entries"][-1]["label"]["en"].startswith("fewer than 5 cases")


def test_withheld_areas_are_hatched_and_named() -> None:
    """Rank 0 has no colour, but a name."""
    legend = next(entry for entry in legends(view()) if entry["theme"].startswith("group:"))
    assert [entry["symbol"] for entry in legend["entries"]] == ["fill", "fill", "hatch"]
    assert legend["entries"][-1]["label"]["zh"] == "不公布"
    assert "少于 10 人，不公布" in [note["zh"] for note in legend["notes"]]


def test_page_is_small() -> None:
    """The hand-made view, all inlined, is under half a megabyte."""
    assert len(render(view(), lang="zh", assets="inline").encode()) < 500_000


def test_street_names_are_joined() -> None:
    """One entry a street, its pieces merged; unnamed streets have none."""
    names = street_names(to_degrees(streets()))
    assert [entry["name"] for entry in names][:2] == ["柳河", "迎宾大道"]
    assert len(names) == 5
    assert next(len(entry["lines"]) for entry in names if entry["name"] == "柳湾路") == 1


@pytest.mark.parametrize(
    ("word", "kind"),
    [
        ("lamp", "lamp"),
        ("Street Lamp", "lamp"),
        ("路灯", "lamp"),
        ("社区卫生服务站", "clinic"),
        ("pharmacy", "pharmacy"),
        ("大药房", "pharmacy"),
        ("党群服务站", "service_station"),
        ("cameras", "camera"),
        ("fire_hydrant", "hydrant"),
        ("消防栓", "hydrant"),
        ("fast_food", "restaurant"),
        ("townhall", "government"),
        ("university", "school"),
        ("post_box", ""),
        (np.nan, ""),
    ],
)
def test_kinds_are_understood(word: object, kind: str) -> None:
    """What files call them."""
    assert kind_of(word) == kind


@pytest.mark.parametrize(
    ("use", "group"),
    [
        ("住宅", "residential"),
        ("apartments", "residential"),
        ("商业", "commercial"),
        ("小学", "public"),
        ("mixed", "commercial"),
        ("barn", "other"),
        (None, "other"),
    ],
)
def test_uses_are_grouped(use: object, group: str) -> None:
    """For the soft greys of the buildings."""
    assert use_group(use) == group


def test_the_sample_page_is_light_and_holds_no_case() -> None:
    """Thousands of cases, hundreds of facilities: under 1.5 MB, and no case's place in the page."""
    layers = {name: gpd.read_file(sample_path(), layer=name).to_crs(4326) for name in SAMPLE_LAYERS}
    community = layers["community"]
    west, south, east, north = community.total_bounds
    strips = [
        shapely.box(west + (east - west) * n / 15, south, west + (east - west) * (n + 1) / 15, north)
        for n in range(15)
    ]
    whole = gpd.GeoDataFrame(
        {"code": [f"{n:03d}" for n in range(15)], "households": 300, "residents": 800.0, "buildings": 15},
        geometry=[strip.intersection(community.geometry.iloc[0]) for strip in strips],
        crs=4326,
    )
    cases = layers["cases"].geometry
    made = view(
        community=community,
        grids=whole,
        cases=case_surface(cases, community.geometry.iloc[0], days=365),
        **{name: layers[name] for name in ("streets", "buildings", "facilities")},
    )
    page = render(made, lang="zh", assets="inline")
    assert len(page.encode()) < 1_500_000
    assert len(cases) > 1000
    written = set(re.findall(r"\[(-?[\d.]+), (-?[\d.]+)[],]", page))

    def stand(points: gpd.GeoSeries) -> int:
        places = [(str(float(np.round(at.y, 6))), str(float(np.round(at.x, 6)))) for at in points]
        return sum(place in written for place in places)

    assert stand(layers["facilities"].geometry) == len(layers["facilities"])
    assert stand(cases) == 0


def test_known_roles_are_translated_and_ordered() -> None:
    """A file's 网格员 is a grid worker for an English reader, after the head; other roles stay."""
    staff = [{"role": role, "name": "甲", "phone": ""} for role in ("河长", "网格员", "Grid head")]
    whole = view()
    made = view(grids=whole.grids.assign(staff=[staff] * len(whole.grids)))
    titles = [post["title"] for post in GridMap(made).data["grids"][0]["staff"]["posts"]]
    assert [title["en"] for title in titles] == ["Grid head", "Grid worker", "河长"]
    assert [title["zh"] for title in titles] == ["网格长", "网格员", "河长"]
