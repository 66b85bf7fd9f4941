"""Pages that ask nobody: assets from the wheels, unknown ones and requests to other hosts refused."""

from __future__ import annotations

import base64
import hashlib
import re

import folium
import pytest
from branca.element import Element
from folium.plugins import HeatMap

from layers import assets
from layers.errors import OutsideRequest, UnknownAsset
from layers.figure import OfflineFigure

CDN = "https://cdn.jsdelivr.net/npm/leaflet@1.9.3/dist/"


def figure(header: str = "", body: str = "", script: str = "", mode: str = "static") -> OfflineFigure:
    """A page with these texts in it."""
    made = OfflineFigure(title="t", assets=mode)  # type: ignore[arg-type]
    made.header.add_child(Element(header))
    made.html.add_child(Element(body))
    made.script.add_child(Element(script))
    return made


@pytest.mark.parametrize(
    ("name", "media_type", "start"),
    [
        ("leaflet/leaflet.js", "text/javascript", b"/* @preserve"),
        ("leaflet/leaflet.css", "text/css", b"/* required"),
        ("leaflet/images/layers.png", "image/png", b"\x89PNG"),
        ("font-awesome/webfonts/fa-solid-900.woff2", "font/woff2", b"wOF2"),
        ("jquery/jquery.min.js", "text/javascript", b"/*! jQuery v3"),
        ("wangge.css", "text/css", b"/* The look"),
        ("wangge.js", "text/javascript", b"// The page's core"),
    ],
)
def test_assets_by_name(name: str, media_type: str, start: bytes) -> None:
    """What the service serves under /static/."""
    content, kind = assets.read(name)
    assert kind == media_type
    assert content.startswith(start)


@pytest.mark.parametrize(
    "name",
    [
        "",
        "leaflet",
        "leaflet/",
        "leaflet/none.js",
        "../view.py",
        "leaflet/../../../leaflet/__init__.py",
        "leaflet/leaflet.js.map",
        "community_map.html",
        "/etc/passwd",
        "wangge.css\n",
        "wangge\0.css",
        "font-awesome/metadata/icons.json",
    ],
)
def test_everything_else_is_unknown(name: str) -> None:
    """No way out of the folders, and only files that a page may use."""
    with pytest.raises(UnknownAsset):
        assets.read(name)


def test_folium_names_map_to_assets() -> None:
    """What folium and its heat map name, as far as a wheel holds it; the rest is refused."""
    links = dict(folium.Map.default_js + folium.Map.default_css + HeatMap.default_js)
    held = {
        name: assets.asset_of(links[name]) for name in ("leaflet", "leaflet_css", "jquery", "leaflet-heat.js")
    }
    assert held["leaflet-heat.js"] == "folium/leaflet_heat.min.js"
    assert assets.asset_of(links["awesome_markers_font_css"]) == "font-awesome/css/all.min.css"
    for name in ("bootstrap", "bootstrap_css", "glyphicons_css", "awesome_markers", "awesome_rotate_css"):
        with pytest.raises(UnknownAsset):
            assets.asset_of(links[name])


def test_styles_carry_their_pictures() -> None:
    """A page that stands alone has no relative addresses."""
    style = assets.style_inlined("leaflet/leaflet.css")
    assert "url(data:image/png;base64," in style
    assert "url(images/" not in style


def test_icons_are_paths() -> None:
    """An icon is one path; an unknown one is an unknown asset."""
    box, path = assets.icon("video")
    assert re.fullmatch(r"[\d ]+", box)
    assert path.startswith("M")
    with pytest.raises(UnknownAsset):
        assets.icon("no-such-icon")


@pytest.mark.parametrize("mode", ["inline", "static"])
def test_links_are_rewritten(mode: str) -> None:
    """folium's addresses become the wheel's files, in the page or under /static/."""
    head = f'<script src="{CDN}leaflet.js"></script><link rel="stylesheet" href="{CDN}leaflet.css"/>'
    text = figure(head, mode=mode).render()
    assert "jsdelivr" not in text
    assert ("leaflet-container" in text) == (mode == "inline")
    assert ('src="/static/leaflet/leaflet.js"' in text) == (mode == "static")
    assert ('href="/static/leaflet/leaflet.css"' in text) == (mode == "static")


@pytest.mark.parametrize(
    "head",
    [
        '<script src="https://cdn.example/other.js"></script>',
        "<script async src='//cdn.example/other.js' ></script>",
        '<link href="https://cdn.example/a.css" rel="stylesheet">',
        '<link rel="stylesheet" href="none.css">',
    ],
)
def test_unknown_script_or_style_raises(head: str) -> None:
    """No page rather than a page that asks around."""
    with pytest.raises(UnknownAsset):
        figure(head).render()


@pytest.mark.parametrize(
    "body",
    [
        '<img src="https://tiles.example/1.png">',
        '<img srcset="a.png 1x, //tiles.example/2.png 2x">',
        '<iframe src="http://example.com"></iframe>',
        '<a href="https://example.com">x</a>',
        '<form action="https://example.com"></form>',
        '<link rel="preconnect" href="https://example.com">',
        '<p style="background:url(https://example.com/a.png)">x</p>',
        "<style>@import '//example.com/a.css';</style>",
        '<style>p{background:url( "http://example.com/a.png")}</style>',
        '<svg><image href="https://example.com/a.png"/></svg>',
        '<object data="https://example.com/a"></object>',
        '<a href="javascript:alert(1)">x</a>',
    ],
)
def test_a_request_elsewhere_raises(body: str) -> None:
    """Whatever way it would be asked."""
    with pytest.raises(OutsideRequest):
        figure(body=body).render()


@pytest.mark.parametrize(
    "script", ["fetch('https://example.com/x')", 'L.tileLayer("//{s}.tile.example/{z}.png")']
)
def test_a_script_that_names_a_host_raises(script: str) -> None:
    """Tiles are asked for by scripts."""
    with pytest.raises(OutsideRequest):
        figure(script=script).render()


def test_text_that_looks_like_an_address_is_text() -> None:
    """Attributions, names and data may contain addresses; namespaces are no requests."""
    body = (
        '<p>see https://example.com</p><script type=\'application/json\'>{"name": "http://example.com"}</script>'
        "<svg xmlns='http://www.w3.org/2000/svg'></svg><a href='?lang=en'>en</a><a href='tel:110'>110</a>"
    )
    text = figure(
        body=body, script="document.createElementNS('http://www.w3.org/2000/svg', 'g'); // see //x"
    ).render()
    assert "see https://example.com" in text


def test_folium_map_with_tiles_raises() -> None:
    """folium's own default would fetch from four hosts."""
    made = OfflineFigure(title="t")
    folium.Map().add_to(made)
    with pytest.raises((UnknownAsset, OutsideRequest)):
        made.render()


def test_policy_names_exactly_the_scripts() -> None:
    """The browser runs what was written here and nothing else."""
    text = figure(script="var a = 1;").render()
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', text)
    assert policy
    scripts = re.findall(r"<script>(.*?)</script>", text, re.S)
    digests = [base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts]
    assert re.findall(r"sha256-([\w+/=]+)", policy[1]) == digests
    assert "default-src &#x27;none&#x27;" in policy[1]
