"""Reach on foot, measured: `python -m tests.benchmarks.reach`.

Processor seconds of each step on the sample community and on a synthetic city of 92,000 buildings; beside
them networkx (with the same answer) and pandana on the same network, where they are installed. Then how many
homes each way to draw an isochrone puts on the wrong side: ours, buffers of 25 m round the streets reached,
and hulls of the nodes reached. `--picture FILE.png --lang zh` draws the sample's isochrones instead.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import geopandas as gpd
import numpy as np
import shapely
from rich.console import Console
from rich.table import Table

from data.sample import path as sample_path
from data.vector import read_area
from layers.reach.estimate import estimate_households
from layers.reach.ground import Ground, Walks, lay_ground, walk_to_facilities
from layers.reach.isochrones import draw_isochrones
from layers.reach.shares import MINUTES, measure_shares
from layers.reach.sites import list_sites
from layers.reach.siting import choose_sites
from partition.geometry.walking import Access, build_network, find_access, walk_distances, walk_to_nearest
from partition.intake.frames import check_area
from partition.split import split_area
from partition.texts import LANGUAGES, Language
from partition.wishes.policy import load_profile
from tests.benchmarks.city import City, draw_city

COMMUNITIES = 370
STATIONS = 185  # in the city, half as many as communities
REAL = Path(__file__).parents[3] / "shared" / "data"
BUFFER_M = 25.0
RUNS = 3

BARRIERS = {"wall": ("#5b2a1f", 1.6, "-"), "rail": ("#222222", 1.4, "--"), "water": ("#2b6cb0", 3.5, "-")}
WORDS: dict[Language, dict[str, str]] = {
    "zh": {
        "minutes": "分钟",
        "wall": "围墙",
        "rail": "铁路",
        "water": "河流",
        "station": "党群服务站",
        "site": "再设一处最佳地点（5 分钟）",
    },
    "en": {
        "minutes": "min",
        "wall": "wall",
        "rail": "railway",
        "water": "river",
        "station": "service station",
        "site": "best site for one more (5 min)",
    },
}

T = TypeVar("T")


@dataclass(frozen=True)
class Case:
    """What is measured on: frames as files have them."""

    name: str
    streets: gpd.GeoDataFrame
    buildings: gpd.GeoDataFrame
    division: gpd.GeoSeries
    facilities: gpd.GeoDataFrame


def cases() -> list[Case]:
    """The sample with its service station, the real areas with a station in each, and the city."""
    layers = {
        name: gpd.read_file(sample_path(), layer=name)
        for name in ("community", "streets", "buildings", "facilities")
    }
    station = layers["facilities"][layers["facilities"]["kind"] == "service_station"]
    found = [Case("sample", layers["streets"], layers["buildings"], layers["community"].geometry, station)]
    for file in sorted(REAL.glob("*.gpkg")):
        found.append(_real(file))
    frames = draw_city(City(COMMUNITIES))
    streets = frames["streets"].assign(bridge=False, tunnel=False, layer=0)
    spots = _spread(frames["buildings"], STATIONS)
    return [*found, Case("city", streets, frames["buildings"], frames["community"].geometry, spots)]


def _real(file: Path) -> Case:
    area = check_area(read_area(file))
    inside = area.buildings[area.buildings["community"] >= 0]
    return Case(file.stem, area.streets, inside, area.communities.geometry, _spread(inside, 3))


def _spread(buildings: gpd.GeoDataFrame, count: int) -> gpd.GeoDataFrame:
    """So many stations, in buildings taken at even steps of their order."""
    rows = np.linspace(0, len(buildings) - 1, count + 2).astype(int)[1:-1]
    return gpd.GeoDataFrame(
        {"kind": ["station"] * count},
        geometry=list(buildings.geometry.iloc[rows].centroid),
        crs=buildings.crs,
    )


def seconds(work: Callable[[], T]) -> tuple[T, float]:
    """What the work returns, and its processor seconds: the least of RUNS."""
    best = np.inf
    for _ in range(RUNS):
        begin = time.process_time()
        result = work()
        best = min(best, time.process_time() - begin)
    return result, float(best)


# --- time ---


def measure(case: Case) -> tuple[Ground, Walks, dict[str, float]]:
    """Ours, step by step."""
    took = {}
    ground, took["network and doors"] = seconds(lambda: lay_ground(case.streets, case.buildings))
    walks, took["walks"] = seconds(lambda: walk_to_facilities(ground, case.facilities))
    _, took["shares"] = seconds(lambda: measure_shares(ground, walks))
    _, took["isochrones"] = seconds(lambda: draw_isochrones(ground, walks, case.division))
    return ground, walks, took


def peers(ground: Ground, walks: Walks) -> dict[str, float]:
    """Processor seconds of others for the walk from every node to the nearest station, on our network.

    The answer of networkx is compared with ours at the homes' doors; more than a metre apart is an error.
    """
    net, took = ground.network, {}
    nodes, metres = _entries(walks.places, net.length, net.start, net.end)
    try:
        import networkx as nx

        graph = nx.Graph()
        graph.add_weighted_edges_from(
            zip(net.start.tolist(), net.end.tolist(), net.length.tolist(), strict=True)
        )
        source = len(net)
        graph.add_weighted_edges_from((source, node, m) for node, m in zip(nodes, metres, strict=True))
        found, took["networkx"] = seconds(lambda: nx.single_source_dijkstra_path_length(graph, source))
        far = np.array([found.get(node, np.inf) for node in range(len(net))])
        _agree(ground, walks, far)
    except ModuleNotFoundError:
        pass
    try:
        import pandana
        import pandas as pd

        # pandana knows places at nodes only: stations stand at the nodes nearest to them
        edges = pd.DataFrame({"a": net.start, "b": net.end, "m": net.length})
        built, took["pandana, preparing"] = seconds(
            lambda: pandana.Network(
                pd.Series(net.nodes[:, 0]), pd.Series(net.nodes[:, 1]), edges["a"], edges["b"], edges[["m"]]
            )
        )
        spots = shapely.get_coordinates(walks.facilities.geometry.to_numpy())
        built.set_pois("station", 1e5, 1, pd.Series(spots[:, 0]), pd.Series(spots[:, 1]))
        _, took["pandana, asking"] = seconds(lambda: built.nearest_pois(1e5, "station"))
    except ModuleNotFoundError:
        pass
    return took


def _entries(
    places: Access, length: np.ndarray, start: np.ndarray, end: np.ndarray
) -> tuple[list[int], list[float]]:
    """The nodes by which stations get on the network, and the metres to there."""
    best: dict[int, float] = {}
    for edge, along, away in zip(places.edge, places.along, places.away, strict=True):
        for node, m in ((start[edge], along + away), (end[edge], length[edge] - along + away)):
            best[int(node)] = min(best.get(int(node), np.inf), max(float(m), 1e-6))
    return list(best), list(best.values())


def _agree(ground: Ground, walks: Walks, far: np.ndarray) -> None:
    """The homes' walks from those of the nodes are ours, but on edges that a station stands on."""
    net, doors = ground.network, ground.doors
    known = np.isfinite(walks.metres) & ~np.isin(doors.edge, walks.places.edge)
    edge, along = doors.edge[known], doors.along[known]
    reach = np.minimum(far[net.start[edge]] + along, far[net.end[edge]] + net.length[edge] - along)
    worst = np.abs(reach + doors.away[known] - walks.metres[known]).max()
    if worst > 1.0:
        raise SystemExit(f"the answers differ by {worst:.1f} m")


# --- right and wrong ---


def wrong_sides(case: Case, ground: Ground, walks: Walks) -> dict[str, list[float]]:
    """The share of households on the wrong side of isochrones of 5, 10 and 15 minutes, by way of drawing."""
    ours = draw_isochrones(ground, walks, case.division).to_crs(ground.crs).geometry
    net, area = ground.network, case.division.to_crs(ground.crs).union_all()
    ends = find_access(net, shapely.points(net.nodes))
    far, _ = walk_to_nearest(net, walks.places, ends)
    points, held = ground.homes.geometry.to_numpy(), ground.households
    inside = shapely.intersects(area, points)
    found: dict[str, list[float]] = {"ours": [], "buffers": [], "convex hulls": [], "concave hulls": []}
    for minutes, own in zip(MINUTES, ours, strict=True):
        near = far <= 80 * minutes
        both = near[net.start] & near[net.end]
        lines = shapely.linestrings(np.stack([net.nodes[net.start[both]], net.nodes[net.end[both]]], axis=1))
        reached = shapely.multipoints(net.nodes[near])
        shapes = {
            "ours": own,
            "buffers": shapely.union_all(shapely.buffer(lines, BUFFER_M)),
            "convex hulls": shapely.convex_hull(reached),
            "concave hulls": shapely.concave_hull(reached, ratio=0.3),
        }
        true = walks.metres <= 80 * minutes
        for name, shape in shapes.items():
            wrong = (shapely.intersects(shape, points) != true) & inside
            found[name].append(float(held[wrong].sum() / held[inside].sum()))
    return found


def estimate_errors() -> dict[str, tuple[float, float]]:
    """How far shares from estimated households are off on the sample, in points: of the whole, of a grid.

    The most over six kinds of facilities and 5, 10, 15 minutes; with floors, and by footprint alone.
    """
    area = check_area(read_area(sample_path()))
    split = split_area(area, load_profile("yichang"))
    grid = split.buildings.set_index("id").loc[area.buildings["id"], "grid"].to_numpy()
    buildings = area.buildings.assign(grid=grid, households=area.buildings["households"].astype(float))
    totals = buildings.groupby("grid")["households"].sum().to_dict()
    every = gpd.read_file(sample_path(), layer="facilities")
    ways = {"with floors": buildings, "by footprint": buildings.drop(columns="floors")}
    found = {}
    for way, seen in ways.items():
        estimated = seen.assign(households=estimate_households(seen, totals))
        whole, single = 0.0, 0.0
        for kind in ("service_station", "clinic", "police", "elderly_care", "toilet", "market"):
            told = []
            for homes in (buildings, estimated):
                ground = lay_ground(area.streets, homes)
                shares = measure_shares(ground, walk_to_facilities(ground, every[every["kind"] == kind]))
                told.append(np.array([share.shares for share in (shares[0], *shares[1])]))
            off = 100 * np.abs(told[0] - told[1]).max(axis=1)
            whole, single = max(whole, float(off[0])), max(single, float(off[1:].max()))
        found[way] = (whole, single)
    return found


def nearby_seconds(case: Case) -> dict[str, float]:
    """Seconds to make the network round a point for one walk of 2 km, for a square, and to walk on it."""
    from shapely import Point

    streets, homes = case.streets, case.buildings.geometry.centroid
    middle = Point(*np.mean(np.array(streets.total_bounds).reshape(2, 2), axis=0))
    near = homes[homes.within(middle.buffer(2000))].to_numpy()[:2000]
    took = {}
    once = streets[streets.intersects(middle.buffer(2500))]
    square = streets[streets.intersects(middle.buffer(3100))]
    _, took["made for one question"] = seconds(lambda: build_network(once))
    network, took["made for a square"] = seconds(lambda: build_network(square))
    for count in (200, 2000):
        points = np.concatenate([[middle], near[:count]])

        def ask(points: np.ndarray = points) -> np.ndarray:
            doors = find_access(network, points)
            start, goals = doors.take(slice(0, 1)), doors.take(slice(1, None))
            return walk_distances(network, start, goals, limit_m=2000)

        _, took[f"asked of {count}"] = seconds(ask)
    return took


def draw(file: Path, lang: Language) -> None:
    """The sample's isochrones and its best further site, as a picture."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    say = WORDS[lang]
    plt.rcParams["font.family"] = ["DejaVu Sans", "WenQuanYi Micro Hei"]
    case = cases()[0]
    ground = lay_ground(case.streets, case.buildings)
    walks = walk_to_facilities(ground, case.facilities)
    shapes = draw_isochrones(ground, walks, case.division).to_crs(ground.crs)
    sites = list_sites(ground, case.streets, case.division)
    best = choose_sites(ground, walks, sites, minutes=5)
    fig, ax = plt.subplots(figsize=(11, 6.9))
    colours = ("#1f7a8c", "#7fb7be", "#dfeef0")
    for shape, colour in list(zip(shapes.geometry, colours, strict=True))[::-1]:
        gpd.GeoSeries([shape], crs=ground.crs).plot(ax=ax, color=colour, edgecolor="white", linewidth=1)
    for minutes, colour in zip(shapes["minutes"], colours, strict=True):
        ax.fill([], [], color=colour, label=f"{minutes:g} {say['minutes']}")
    case.buildings.to_crs(ground.crs).plot(ax=ax, color="#3b4a54", alpha=0.45, linewidth=0)
    streets = case.streets.to_crs(ground.crs)
    streets[~streets["class"].isin(list(BARRIERS))].plot(ax=ax, color="white", linewidth=1.1)
    for name, (colour, width, style) in BARRIERS.items():
        own = streets[streets["class"] == name]
        own.plot(ax=ax, color=colour, linewidth=width, linestyle=style, label=say[name])
    mark = {"ax": ax, "zorder": 9}
    stations = case.facilities.to_crs(ground.crs)
    stations.plot(color="#b3261e", edgecolor="white", markersize=130, label=say["station"], **mark)
    chosen = sites.frame.iloc[[gain.site for gain in best.gains]]
    chosen.plot(color="#f2b705", edgecolor="black", marker="*", markersize=260, label=say["site"], **mark)
    outline = case.division.to_crs(ground.crs)
    outline.boundary.plot(ax=ax, color="#17384a", linewidth=1.2)
    west, south, east, north = outline.total_bounds
    ax.set(xlim=(west - 25, east + 25), ylim=(south - 25, north + 25))
    ax.set_axis_off()
    ax.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), frameon=False)
    fig.savefig(file, dpi=110, bbox_inches="tight")


def main() -> None:
    """Print the tables, or draw the picture."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--picture", type=Path)
    parser.add_argument("--lang", choices=LANGUAGES, default="en")
    asked = parser.parse_args()
    if asked.picture:
        draw(asked.picture, asked.lang)
        return
    console = Console()
    times, sides = Table(title="processor seconds"), Table(title="households on the wrong side, %")
    for name in ("area", "buildings", "nodes", "step", "seconds"):
        times.add_column(name)
    for name in ("area", "drawn by", *(f"{minutes} min" for minutes in MINUTES)):
        sides.add_column(name)
    for case in cases():
        ground, walks, took = measure(case)
        took |= peers(ground, walks)
        for step, value in took.items():
            times.add_row(
                case.name, f"{len(case.buildings):,}", f"{len(ground.network):,}", step, f"{value:.3f}"
            )
        for way, shares in wrong_sides(case, ground, walks).items():
            sides.add_row(case.name, way, *(f"{100 * share:.1f}" for share in shares))
    console.print(times)
    console.print(sides)
    for way, (whole, single) in estimate_errors().items():
        console.print(f"estimated {way}: at most {whole:.1f} points off, {single:.1f} in a grid")
    for step, value in nearby_seconds(case).items():
        console.print(f"/nearby in the city, {step}: {value:.3f} s")


if __name__ == "__main__":
    main()
