"""Every script and style that folium and its plugins name: a wheel's file, left out, or refused."""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections.abc import Iterator
from pathlib import Path

import folium
import folium.plugins
import pytest
from folium.elements import JSCSSMixin
from playwright.sync_api import expect

from layers import assets
from layers.errors import OutsideRequest, UnknownAsset
from layers.figure import OfflineFigure
from tests.browser import Page

MAPPED = {
    "leaflet.js": "leaflet/leaflet.js",
    "leaflet.css": "leaflet/leaflet.css",
    "jquery-3.7.1.min.js": "jquery/jquery.min.js",
    "jquery.min.js": "jquery/jquery.min.js",
    "all.min.css": "font-awesome/css/all.min.css",
    "leaflet_heat.min.js": "folium/leaflet_heat.min.js",
    "pa7_hm.min.js": "folium/pa7_hm.min.js",
    "pa7_leaflet_hm.min.js": "folium/pa7_leaflet_hm.min.js",
}
LEFT_OUT = {
    "bootstrap.min.css",
    "bootstrap.bundle.min.js",
    "bootstrap-glyphicons.css",
    "leaflet.awesome-markers.css",
    "leaflet.awesome-markers.js",
    "leaflet.awesome.rotate.min.css",
}
# plugins and features whose links, if any, are all there
WORKING = {"Map", "HeatMap"}


def with_links() -> list[type[JSCSSMixin]]:
    """Every class of folium that names scripts or styles."""
    for module in pkgutil.walk_packages(folium.__path__, "folium."):
        importlib.import_module(module.name)

    def below(kind: type[JSCSSMixin]) -> Iterator[type[JSCSSMixin]]:
        for child in kind.__subclasses__():
            yield child
            yield from below(child)

    found = {kind for kind in below(JSCSSMixin) if kind.__module__.startswith("folium.")}
    return sorted((kind for kind in found if links(kind)), key=lambda kind: kind.__name__)


def links(kind: type[JSCSSMixin]) -> list[str]:
    """The addresses a class names, as it is made."""
    return [address for _, address in [*kind.default_js, *kind.default_css]]


def written() -> set[str]:
    """Every address of a script or style in folium's own source, whoever names it and wherever."""
    folder = Path(folium.__file__).parent
    found = set()
    for file in folder.rglob("*.py"):
        text = file.read_text(encoding="utf-8")
        found |= set(re.findall(r"https?://[^\s\"'<>()]+?\.(?:js|css)(?=[\"'])", text))
        found |= set(re.findall(r"https?://[^\s\"'<>()]+/npm//?[^\s\"'<>()]+(?=[\"'])", text))
    return found


def fate(address: str) -> str:
    """Mapped to a file that is there, left out, or refused in words."""
    if assets.dropped(address):
        assert address.rpartition("/")[2] in LEFT_OUT
        return "left out"
    if not any(pattern.match(address) for pattern, _ in assets.ADDRESSES):
        with pytest.raises(UnknownAsset) as refused:
            assets.asset_of(address)
        assert str(refused.value) == (
            f"no installed package holds {address}, so a page that works without internet cannot use it"
        )
        return "refused"
    name = assets.asset_of(address)
    assert assets.read(name)[0]
    assert name == MAPPED[address.rpartition("/")[2]]
    return "mapped"


def test_every_link_has_one_fate() -> None:
    """Of the classes, and of the source; what a new release of folium names besides is refused."""
    addresses = {address for kind in with_links() for address in links(kind)}
    assert len(with_links()) > 30
    assert len(addresses) > 60
    fates = {address: fate(address) for address in addresses | written()}
    last = {address.rpartition("/")[2]: found for address, found in fates.items()}
    assert {name for name, found in last.items() if found == "mapped"} == set(MAPPED)
    assert {name for name, found in last.items() if found == "left out"} == LEFT_OUT
    assert sum(found == "refused" for found in fates.values()) > 60


def test_what_works_is_known() -> None:
    """A class works offline exactly if none of its links is refused."""
    working = {
        kind.__name__
        for kind in with_links()
        if all(fate(address) in ("mapped", "left out") for address in links(kind))
    }
    assert working == WORKING


def test_left_out_has_a_reason() -> None:
    for known in assets.DROPPED:
        assert known.reason
        assert known.needed_by
    assert assets.dropped("https://cdn.jsdelivr.net/npm/bootstrap@5.2.2/dist/js/other.js") is None
    assert assets.dropped("leaflet/leaflet.js") is None


def drawn(*children: folium.elements.MacroElement) -> str:
    """A plain folium map with these on it, offline."""
    figure = OfflineFigure(title="folium")
    page = folium.Map(location=[30.7, 111.3], zoom_start=15, tiles=None)
    page.add_to(figure)
    for child in children:
        child.add_to(page)
    return str(figure.render())


@pytest.mark.parametrize(
    "child",
    [
        lambda: folium.Marker([30.7, 111.3], icon=folium.Icon(icon="flag")),
        lambda: folium.plugins.MarkerCluster(),
        lambda: folium.plugins.MiniMap(),
        lambda: folium.plugins.Fullscreen(),
        lambda: folium.plugins.HeatMapWithTime([[[30.7, 111.3]]]),
        lambda: folium.plugins.Draw(),
        lambda: folium.plugins.ScrollZoomToggler(),
        lambda: folium.TileLayer("OpenStreetMap"),
    ],
)
def test_what_would_not_work_is_no_page(child: object) -> None:
    """In words, and at once: not a page with a hole in it."""
    with pytest.raises((UnknownAsset, OutsideRequest), match=r"without internet|other hosts"):
        drawn(child())  # type: ignore[operator]


@pytest.mark.browser
def test_a_plain_folium_map_with_what_works(page: Page, tmp_path: Path) -> None:
    """folium's own map, its heat map, shapes, circles, popups and tooltips: drawn with the network closed."""
    square = {
        "type": "Polygon",
        "coordinates": [[[111.299, 30.699], [111.301, 30.699], [111.3, 30.701], [111.299, 30.699]]],
    }
    text = drawn(
        folium.plugins.HeatMap([[30.7 + n / 9000, 111.3] for n in range(9)]),
        folium.GeoJson(square, tooltip="一个三角形"),
        folium.CircleMarker([30.701, 111.301], popup="点"),
        folium.LayerControl(),
    )
    for name in LEFT_OUT:
        assert name not in text
    path = tmp_path / "map.html"
    path.write_text(text, encoding="utf-8")
    page.goto(path.as_uri())
    expect(page.locator("canvas.leaflet-heatmap-layer")).to_have_count(1)
    inked = """() => {
        const canvas = document.querySelector("canvas.leaflet-heatmap-layer");
        const dots = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
        return dots.some((value, place) => place % 4 === 3 && value > 0);
    }"""
    page.wait_for_function(inked)
    expect(page.locator("path.leaflet-interactive")).to_have_count(2)
