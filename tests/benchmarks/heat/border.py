"""An even scatter of cases as a plain leaflet.heat page draws it and as ours does, up to the border."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import folium
import folium.plugins
import geopandas as gpd
import numpy as np
import numpy.typing as npt
import shapely
from playwright.sync_api import Browser

from data.sample import path as sample_path
from layers import palette
from layers.density import Ground, Lattice, case_lattice, lay_ground
from layers.figure import OfflineFigure
from tests.browser import Trouble, chromium, closed_page

Floats = npt.NDArray[np.float64]

CASES = 20_000
ZOOM = 17
SIZE = 900, 700
BANDS_M = (0, 10, 20, 30, 40, 50, 60, 80, 100, 120, 150, 180)
SCATTERS = 300  # of 2,000 cases each, to tell bias from chance


@dataclass(frozen=True)
class Dots:
    """How leaflet.heat is asked to draw: pixels, and a weight of a case faint enough not to saturate."""

    radius: int
    blur: int
    weight: float


USUAL = Dots(25, 15, 0.006)  # folium's own
WIDE = Dots(58, 39, 0.002)  # 97 pixels: 100 m at this zoom and latitude, as wide as our kernel


@dataclass(frozen=True)
class Profile:
    """Mean intensity by distance to the border, and spread over places; 1 is the true one.

    middles: metres from the border to the middle of each band.
    """

    middles: tuple[float, ...]
    means: tuple[float, ...]
    spreads: tuple[float, ...]


@dataclass(frozen=True)
class Comparison:
    """Both pages' pictures and profiles.

    theirs: leaflet.heat as wide as ours; usual: with folium's own radius. ours: of the same scatter;
    on_average: the mean over SCATTERS scatters. by_zoom: leaflet.heat deep inside, against that at ZOOM.
    """

    theirs: Profile
    usual: Profile
    ours: Profile
    on_average: Profile
    by_zoom: Mapping[int, float]
    pictures: tuple[Path, Path]
    lattice: Lattice


def even_cases(community: shapely.Geometry, seed: int = 11) -> Floats:
    """CASES places drawn evenly in the community; longitude and latitude."""
    rng = np.random.default_rng(seed)
    west, south, east, north = community.bounds
    at = rng.uniform((west, south), (east, north), (4 * CASES, 2))
    return at[shapely.contains_xy(community, at)][:CASES]


def compare(folder: Path) -> Comparison:
    """Draw both pages with the network closed, and measure what they show."""
    community = gpd.read_file(sample_path(), layer="community").to_crs(4326).geometry.iloc[0]
    places = even_cases(community)
    ground = lay_ground(community)
    lattice = case_lattice(ground, places, days=30)
    truth = CASES / ground.area_km2
    middle = [
        (community.bounds[1] + community.bounds[3]) / 2,
        (community.bounds[0] + community.bounds[2]) / 2,
    ]
    plain, usual = folder / "leaflet-heat.html", folder / "leaflet-heat-usual.html"
    plain.write_text(_plain_page(community, places, middle, WIDE), encoding="utf-8")
    usual.write_text(_plain_page(community, places, middle, USUAL), encoding="utf-8")
    own = folder / "ours.html"
    own.write_text(_own_page(community, lattice, middle), encoding="utf-8")
    pictures = folder / "leaflet-heat.png", folder / "ours.png"
    with chromium() as browser:
        wide = _by_distance(ground, *_alphas(browser, plain, ZOOM, pictures[0]))
        zooms = {zoom: _by_distance(ground, *_alphas(browser, usual, zoom)) for zoom in (16, 17, 18)}
        _alphas(browser, own, ZOOM, pictures[1])
    inner = {zoom: float(value[far > 60].mean()) for zoom, (far, value) in zooms.items()}
    far, value = _cells(ground, lattice)
    return Comparison(
        theirs=_profile(wide[0], wide[1] / wide[1][wide[0] > 110].mean()),
        usual=_profile(zooms[ZOOM][0], zooms[ZOOM][1] / inner[ZOOM]),
        ours=_profile(far, value / truth),
        on_average=_average(ground, community),
        by_zoom={zoom: mean / inner[ZOOM] for zoom, mean in inner.items()},
        pictures=pictures,
        lattice=lattice,
    )


def _average(ground: Ground, community: shapely.Geometry) -> Profile:
    """Ours over many scatters: chance averages out, bias stays."""
    truth = 2_000 / ground.area_km2
    surfaces = []
    for seed in range(SCATTERS):
        lattice = case_lattice(ground, even_cases(community, 100 + seed)[:2_000], days=30, min_cases=0)
        surfaces.append(lattice.values)
    mean = replace(lattice, values=np.mean(surfaces, axis=0))
    far, value = _cells(ground, mean)
    return _profile(far, value / truth)


def _map(middle: Sequence[float]) -> tuple[OfflineFigure, folium.Map]:
    figure = OfflineFigure(title="border")
    page = folium.Map(
        location=list(middle), zoom_start=ZOOM, tiles=None, zoom_control=False, attribution_control=False
    )
    figure.add_child(page)
    return figure, page


def _outline(community: shapely.Geometry) -> folium.GeoJson:
    border = shapely.geometry.mapping(community.boundary)
    return folium.GeoJson(border, style_function=lambda _: {"color": "#333333", "weight": 2, "fill": False})


def _plain_page(community: shapely.Geometry, places: Floats, middle: Sequence[float], dots: Dots) -> str:
    """folium's own HeatMap."""
    figure, page = _map(middle)
    data = [[latitude, longitude, dots.weight] for longitude, latitude in np.round(places, 6).tolist()]
    folium.plugins.HeatMap(data, min_opacity=0, radius=dots.radius, blur=dots.blur).add_to(page)
    _outline(community).add_to(page)
    return str(figure.render())


def _own_page(community: shapely.Geometry, lattice: Lattice, middle: Sequence[float]) -> str:
    """The lattice stretched over its bounds and clipped, in the colours of its classes."""
    figure, page = _map(middle)
    colours = palette.ramp(palette.CASES, len(lattice.breaks))
    rank = np.searchsorted(lattice.breaks, np.nan_to_num(lattice.values), side="left").clip(
        0, len(colours) - 1
    )
    picture = np.zeros((lattice.rows, lattice.columns, 4), dtype=np.uint8)
    for index, colour in enumerate(colours):
        picture[rank == index, :3] = [int(colour[n : n + 2], 16) for n in (1, 3, 5)]
    picture[~np.isnan(lattice.values), 3] = 219
    west, south, east, north = lattice.bounds
    picture = picture.repeat(8, axis=0).repeat(8, axis=1)
    x = west + (np.arange(picture.shape[1]) + 0.5) * (east - west) / picture.shape[1]
    y = north - (np.arange(picture.shape[0]) + 0.5) * (north - south) / picture.shape[0]
    picture[~shapely.contains_xy(community, *np.meshgrid(x, y)), 3] = 0
    folium.raster_layers.ImageOverlay(picture, [[south, west], [north, east]], pixelated=True).add_to(page)
    _outline(community).add_to(page)
    return str(figure.render())


_READ = """(zoom) => {
  const map = Object.values(window).find((value) => value instanceof L.Map);
  map.setZoom(zoom, { animate: false });
  return new Promise((done) => setTimeout(() => {
    const canvas = document.querySelector("canvas.leaflet-heatmap-layer");
    if (!canvas) return done(null);
    const dots = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
    const found = [];
    for (let y = 2; y < canvas.height; y += 4) for (let x = 2; x < canvas.width; x += 4) {
      const at = map.containerPointToLatLng([x + 0.5, y + 0.5]);
      found.push([at.lng, at.lat, dots[4 * (y * canvas.width + x) + 3]]);
    }
    done(found);
  }, 600));
}"""


def _alphas(
    browser: Browser, page_file: Path, zoom: int, picture: Path | None = None
) -> tuple[Floats, Floats]:
    """Places on the screen and how opaque leaflet.heat's canvas is there (0 to 1)."""
    trouble = Trouble()
    with closed_page(browser, trouble, *SIZE) as page:
        page.goto(page_file.as_uri())
        page.wait_for_function("window.L && Object.values(window).some((value) => value instanceof L.Map)")
        found: list[list[float]] | None = page.evaluate(_READ, zoom)
        if picture is not None:
            page.screenshot(path=str(picture))
    if trouble != Trouble():
        raise RuntimeError(f"the page is not whole: {trouble}")
    seen = np.array(found or [], dtype=float).reshape(-1, 3)
    return seen[:, :2], seen[:, 2] / 255


def _by_distance(ground: Ground, places: Floats, alphas: Floats) -> tuple[Floats, Floats]:
    """Distance to the border of the places inside, and what was added up there.

    Dots are laid one over the other: two of half opacity make three quarters, not one. The logarithm
    undoes that, so that what is left is what the method makes of the cases, not how it is painted.
    """
    inside = shapely.contains_xy(ground.area, places)
    far = _distance(ground, ground.to_metres(places[inside]))
    return far, -np.log1p(-np.minimum(alphas[inside], 0.995))


def _cells(ground: Ground, lattice: Lattice) -> tuple[Floats, Floats]:
    """Distance to the border and value of the cells whose middle is inside."""
    x = lattice.origin[0] + (np.arange(lattice.columns) + 0.5) * lattice.cell_m
    y = lattice.origin[1] - (np.arange(lattice.rows) + 0.5) * lattice.cell_m
    middles = np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)
    inside = shapely.contains_xy(_metric(ground), middles) & ~np.isnan(lattice.values.ravel())
    return _distance(ground, middles[inside]), lattice.values.ravel()[inside]


def _metric(ground: Ground) -> shapely.Geometry:
    return shapely.transform(ground.area, ground.to_metres)


def _distance(ground: Ground, metres: Floats) -> Floats:
    border = _metric(ground).boundary
    shapely.prepare(border)
    distance: Floats = shapely.distance(border, shapely.points(metres))
    return distance


def _profile(far: Floats, value: Floats) -> Profile:
    middles, means, spreads = [], [], []
    for low, high in pairwise(BANDS_M):
        within = (far >= low) & (far < high)
        middles.append((low + high) / 2)
        means.append(float(value[within].mean()))
        spreads.append(float(value[within].std()))
    return Profile(tuple(middles), tuple(means), tuple(spreads))
