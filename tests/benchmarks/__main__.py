"""Where the time of a partition goes, and how good the plan is: `make bench`.

Each area is split once to warm up and then RUNS times; the median of each step is printed. With momepy
(extra `bench`) its enclosures and tessellation run on the same input, for comparison. Then a small city is
divided from file to file by worker processes, and plans of 2,000 units are redrawn and edited. `--city N`
divides a synthetic city of N communities instead: 370 are 92,000 buildings, 4,030 a million.
"""

from __future__ import annotations

import argparse
import statistics
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

from data.sample import path as sample_path
from data.vector import read_area
from partition.area import Area
from partition.intake.frames import check_area
from partition.split import Split, split_area
from partition.wishes.policy import load_profile
from tests.benchmarks import redraw
from tests.benchmarks.cities import show_city
from tests.lattice import Town, make_town

RUNS = 5
SMALL_CITY = 40  # communities, 9,900 buildings
STEPS = ("blocks", "units", "graph", "plan", "grids", "join", "judge", "sum")
REAL = Path(__file__).parents[3] / "shared" / "data"


def areas() -> dict[str, Area]:
    """The areas measured: the sample, the real ones where they are at hand, and a generated town of 40
    communities.
    """
    found = {"sample": check_area(read_area(sample_path()))}
    found |= {file.stem: check_area(read_area(file)) for file in sorted(REAL.glob("*.gpkg"))}
    found["town"] = make_town(Town(columns=40, rows=10, communities=40, most_households=40, bend_m=10))
    return found


def measure(area: Area) -> tuple[Split, dict[str, float]]:
    """The split of an area and the median processor seconds by step."""
    profile = load_profile("yichang")
    split_area(area, profile)
    runs = [split_area(area, profile) for _ in range(RUNS)]
    return runs[0], {step: statistics.median(run.report.cpu_seconds[step] for run in runs) for step in STEPS}


def momepy_seconds(area: Area) -> dict[str, float]:
    """Processor seconds of momepy's enclosures and enclosed tessellation on the same input, as far as it
    gets; nothing where it is not installed.
    """
    try:
        import momepy
    except ModuleNotFoundError:
        return {}
    lines = area.streets[~area.streets["tunnel"]]
    start = time.process_time()
    enclosures = momepy.enclosures(lines[["geometry"]], limit=area.communities[["geometry"]])
    seconds = {"enclosures": time.process_time() - start}
    start = time.process_time()
    houses = area.buildings[["geometry"]].explode(ignore_index=True)
    try:
        momepy.enclosed_tessellation(houses, enclosures.geometry, n_jobs=1)
    except TypeError:  # momepy 0.11 trips over cells of the generated town that are no polygons
        return seconds
    return seconds | {"tessellation": time.process_time() - start}


def main() -> None:
    parser = argparse.ArgumentParser(prog="make bench ARGS=…", description=__doc__)
    parser.add_argument("--city", type=int, action="append", metavar="N", help="a city of N communities too")
    parser.add_argument("--jobs", type=int, default=4, help="worker processes of the city")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="keep the city and its plan there")
    parser.add_argument("--no-peer", action="store_true", help="without momepy, which is slow on a city")
    wanted = parser.parse_args()
    console = Console()
    console.width = max(console.width, 150)
    if not wanted.city:
        show_areas(console)
    for communities in wanted.city or (SMALL_CITY,):
        run, area = show_city(communities, wanted.jobs, wanted.keep, console)
        peer = {} if wanted.no_peer else momepy_seconds(area)
        for step, seconds in peer.items():
            console.print(f"momepy's {step} on the same input: {seconds:.1f} processor s")
        if peer:
            ours = run.split.report.cpu_seconds
            same = ", ".join(f"{step} {ours[step]:.1f}" for step in ("blocks", "units"))
            console.print(f"ours that do the like: {same} processor s")
    if not wanted.city:
        console.print("\nredraws and edits of 2,000 units")
        redraw.main()


def show_areas(console: Console) -> None:
    """Print the steps and the quality of each of the small areas."""
    table = Table(title=f"processor seconds by step, median of {RUNS} runs", title_justify="left")
    columns = ("area", "communities", "buildings", *STEPS, "total", "momepy encl.", "momepy tess.")
    for column in columns:
        table.add_column(column, justify="left" if column == "area" else "right")
    quality = Table(title="quality", title_justify="left")
    for column in (
        "area",
        "grids",
        "in range",
        "variation",
        "Polsby-Popper",
        "along streets",
        "max deviation",
    ):
        quality.add_column(column, justify="left" if column == "area" else "right")
    for name, area in areas().items():
        split, seconds = measure(area)
        peer = momepy_seconds(area)
        table.add_row(
            name,
            str(len(area.communities)),
            str(len(area.buildings)),
            *(f"{seconds[step]:.3f}" for step in STEPS),
            f"{sum(seconds.values()):.3f}",
            *(f"{peer[step]:.3f}" if step in peer else "–" for step in ("enclosures", "tessellation")),
        )
        figures = split.report.judgement.figures
        quality.add_row(
            name,
            str(figures["grids"]),
            f"{figures['share_in_range']:.1%}",
            f"{figures['variation']:.3f}",
            f"{figures['polsby_popper']:.3f}",
            f"{figures['along_streets']:.1%}",
            f"{figures['max_deviation']:.1%}",
        )
    console.print(table)
    console.print(quality)


if __name__ == "__main__":
    main()
