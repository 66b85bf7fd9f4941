"""The centre's page as text: what it holds and what it must not, its texts, the same page each time."""

from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pytest
import shapely

from layers import assets
from layers.centre_map import reach_choices, render
from layers.coordinates import packed, packed_lines, polygons
from partition.texts import LANGUAGES, catalogue
from tests.layers.centre_town import centre_view
from tests.layers.test_community_map import EVIL
from tests.layers.views import METRIC, SOUTH, WEST, view, with_names

SCRIPTS = assets.JOINED["centre.js"]
FOLDER = Path(assets.__file__).parent / "templates"


def data_of(page: str) -> dict[str, Any]:
    """The data that lie in the page."""
    found = re.search(r'<script type="application/json" id="wangge-page">(.*?)</script>', page, re.DOTALL)
    assert found is not None
    told: dict[str, Any] = json.loads(found[1])
    return told


def said_by(name: str) -> set[str]:
    """Keys of texts that a script names; those it puts together end with an underscore."""
    text = (FOLDER / name).read_text(encoding="utf-8")
    return set(re.findall(r'"((?:centre|card|map|legend)\.[a-z0-9_]+)"', text))


def test_every_text_that_the_scripts_name_is_there() -> None:
    """Whole keys, and at least one for each beginning of a key."""
    texts = set(catalogue("layers"))
    named = {key for script in SCRIPTS for key in said_by(script)}
    assert len(named) > 90
    for key in named:
        if key.endswith("_"):
            assert any(text.startswith(key) for text in texts), key
        else:
            assert key in texts, key


def test_every_text_of_the_page_is_used() -> None:
    """No text for nobody: each key of ours is named by the page's scripts or its template."""
    named = {key for script in SCRIPTS for key in said_by(script)}
    named |= said_by("centre/page.html")
    begun = tuple(key for key in named if key.endswith("_"))
    # named in Python: the title, and each theme's name; by their buttons: those of the player
    named |= {"centre.title", "centre.hours_all"}
    named |= {f"centre.{name}" for name in ("play", "pause", "back", "forward", "stop")}
    begun = (
        *begun,
        "centre.theme_",
        "centre.filter_",
        "centre.measure_",
        "centre.weekday_",
        "centre.method_",
    )
    ours = {key for key in catalogue("layers") if key.startswith("centre.")}
    assert {key for key in ours if key not in named and not key.startswith(begun)} == set()


def test_the_page_holds_both_languages() -> None:
    """So that the language changes without a network."""
    told = data_of(render(centre_view()))
    assert set(told["texts"]) == set(LANGUAGES)
    assert told["texts"]["zh"].keys() == told["texts"]["en"].keys()
    assert "choropleth.cases" not in told["texts"]["zh"]


def test_the_same_view_gives_the_same_page() -> None:
    """And whatever the order of its rows."""
    first = render(centre_view())
    whole = centre_view()
    turned = dataclasses.replace(whole, grids=whole.grids.iloc[::-1], facilities=whole.facilities.iloc[::-1])
    assert render(turned) == first


def test_names_from_files_stay_text() -> None:
    """Markup and template marks in names are no part of the page's markup."""
    whole = centre_view()
    evil = dataclasses.replace(
        whole,
        name=dict.fromkeys(LANGUAGES, EVIL),
        communities=with_names(whole.communities, EVIL),
        grids=whole.grids.assign(head=EVIL),
        facilities=with_names(whole.facilities, EVIL),
        attribution=dict.fromkeys(LANGUAGES, EVIL),
    )
    page = render(evil)
    assert "<img" not in page
    assert "<script>alert" not in page
    assert "1337" not in page  # 7 * 191
    assert data_of(page)["grids"][0]["head"] == EVIL


def test_only_our_own_server_is_asked() -> None:
    """No address of another host; the page may speak with its own server, and runs no other script."""
    page = render(centre_view())
    assert not re.search(r"(?:src|href)=[\"'](?:https?:)?//", page)
    policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]+)"', page)
    assert policy is not None
    assert "connect-src &#x27;self&#x27;" in policy[1]
    assert "unsafe-eval" not in policy[1]
    assert "script-src &#x27;self&#x27; &#x27;sha256-" in policy[1]
    assert not re.search(r"\son[a-z]+\s*=\s*[\"']", page)
    assert re.findall(r'<script src="([^"]+)"', page) == ["/static/leaflet/leaflet.js", "/static/centre.js"]


def test_the_scripts_are_sent_as_one() -> None:
    """One request for all of them, in their order; and every script in the folder is one of them."""
    content, kind = assets.read("centre.js")
    assert kind == "text/javascript"
    places = [content.find((FOLDER / script).read_bytes()) for script in SCRIPTS]
    assert -1 not in places
    assert places == sorted(places)
    assert {f"centre/{path.name}" for path in (FOLDER / "centre").glob("*.js")} <= set(SCRIPTS)


def test_who_sees_no_cases_is_offered_none() -> None:
    """No heat, no filters, no events; grids and groups all the same."""
    told = centre_view(cases=False, categories=(), statuses=(), tiers=(), role="consumer")
    page = render(told)
    assert 'value="heat"' not in page
    assert 'value="statistics"' not in page
    assert 'name="category"' not in page
    assert data_of(page)["events"] == ""
    assert 'value="grids"' in page


def test_without_tiers_no_filter_of_tiers() -> None:
    """A role that does not know of tiers has no filter by them."""
    page = render(centre_view(tiers=(), role="public"))
    assert 'data-filter="tier"' not in page
    assert 'data-filter="category"' in page


def test_what_is_not_known_is_null() -> None:
    """Residents of one grid are not known; nought would be a lie."""
    grids = data_of(render(centre_view()))["grids"]
    assert [grid["residents"] for grid in grids].count(None) == 1
    assert all(grid["households"] > 0 for grid in grids)


def test_neighbours_differ() -> None:
    """Grids that share a border have different colours."""
    grids = {grid["label"]: grid["colour"] for grid in data_of(render(centre_view()))["grids"]}
    for one, other in (("001", "002"), ("002", "003"), ("001", "004"), ("002", "005"), ("005", "006")):
        assert grids[one] != grids[other]


def unpacked(rings: list[list[int]]) -> list[list[list[float]]]:
    """As the page's script reads them."""
    found = []
    for steps in rings:
        lat, lng, ring = 0, 0, []
        for north, east in zip(steps[::2], steps[1::2], strict=True):
            lat, lng = lat + north, lng + east
            ring.append([lat / 1e6, lng / 1e6])
        found.append(ring)
    return found


def test_packed_outlines_are_the_same() -> None:
    """Whole numbers and steps lose nothing of what six decimals tell, and take a fraction of the room."""
    shapes = view().grids.geometry
    plain = polygons(shapes)
    assert [unpacked(rings) for rings in packed(shapes)] == [
        [[pytest.approx(at, abs=1e-9) for at in ring] for ring in rings] for rings in plain
    ]
    assert len(json.dumps(packed(shapes))) < len(json.dumps(plain))
    lines = packed_lines(view().streets.geometry)
    assert all(len(line) % 2 == 0 for line in lines)


def test_one_walks_to_services_not_to_lamps() -> None:
    """The kinds offered for reach: service and safety, no street furniture, nothing unknown."""
    facilities: gpd.GeoDataFrame = view().facilities
    assert [choice.value for choice in reach_choices(facilities)] == ["service_station", "clinic"]
    assert reach_choices(facilities.iloc[:0]) == ()


def test_page_without_grids_and_facilities() -> None:
    """A division of which nothing is published yet still has a page."""
    whole = centre_view()
    bare = dataclasses.replace(
        whole, grids=whole.grids.iloc[:0], facilities=whole.facilities.iloc[:0], groups=()
    )
    told = data_of(render(bare))
    assert told["grids"] == []
    assert told["groups"] == []


def test_many_grids_are_drawn_with_less_and_stay_neighbours() -> None:
    """Hundreds of grids are simplified together: shared borders stay the same from both sides."""
    bend = 6 * np.sin(np.arange(0, 200, 5) / 15)
    rows = []
    for number in range(240):
        column, row = number % 20, number // 20
        west, south = 200.0 * column, 200.0 * row
        edge = np.arange(0, 200, 5)
        ring = np.vstack(
            [
                np.column_stack([west + edge, south + bend]),
                np.column_stack([west + 200 + bend, south + edge]),
                np.column_stack([west + 200 - edge, south + 200 + bend[(40 - np.arange(40)) % 40]]),
                np.column_stack([west + bend[(40 - np.arange(40)) % 40], south + 200 - edge]),
            ]
        )
        rows.append(shapely.Polygon(ring + np.array([WEST, SOUTH])))
    code = [f"990101001001{number:03d}" for number in range(240)]
    grids = gpd.GeoDataFrame({"code": code, "households": 300, "head": ""}, geometry=rows, crs=METRIC)
    assert shapely.coverage_is_valid(grids.geometry.to_numpy())
    told = data_of(render(centre_view(grids=grids.to_crs(4326))))["grids"]
    shapes = [shapely.Polygon(unpacked(grid["rings"][0])[0]) for grid in told]
    assert sum(shapely.get_num_coordinates(shapes)) < 0.6 * sum(shapely.get_num_coordinates(rows))
    assert shapely.coverage_is_valid(shapes)
    few = data_of(render(centre_view(grids=grids.iloc[:100].to_crs(4326))))["grids"]
    kept = [shapely.Polygon(unpacked(grid["rings"][0])[0]) for grid in few]
    assert sum(shapely.get_num_coordinates(kept)) == sum(shapely.get_num_coordinates(rows[:100]))
