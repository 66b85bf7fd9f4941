"""How often each statistic sees something where there is nothing: `python -m tests.benchmarks.chance [MAPS]`.

`python -m tests.benchmarks.chance speed` tells the processor seconds of one question instead.

Every experiment makes maps by chance alone and counts those on which the statistic, at a level of 5 %, finds
at least one cluster, hot spot, changed area or difference: under pure chance the false-discovery rate, too.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from layers.statistics.comparison import compare
from layers.statistics.hot_spots import Method, hot_spots
from layers.statistics.neighbours import touching_cells
from layers.statistics.rates import smoothed_rates
from layers.statistics.recent import scan_recent
from layers.statistics.scan import Bounds, scan_circles
from layers.statistics.units import Floats, Units, Whole
from service.privacy.places import Places

RUNS = 199
DAYS = 30  # of the cases at places


def lattice(columns: int, rows: int, step: float = 100.0) -> Floats:
    """Middles of square cells, n × 2, row by row."""
    x, y = np.meshgrid(np.arange(columns) * step, np.arange(rows) * step)
    return np.column_stack([x.ravel(), y.ravel()])


def circles(maps: int) -> int:
    """Circular scan of 100 cells with 5 to 199 households each, about 300 cases."""
    rng, found = np.random.default_rng(20261122), 0
    for seed in range(maps):
        people = rng.integers(5, 200, 100).astype(np.float64)
        units = Units(lattice(10, 10), rng.poisson(people * 0.03), people)
        found += bool(scan_circles(units, runs=RUNS, seed=seed).found)
    return found


def days_dealt_again(maps: int) -> int:
    """Scan of the last 7 of 42 days by permutation, in 64 cells and on days that differ for good."""
    rng, found = np.random.default_rng(11), 0
    for seed in range(maps):
        risk = rng.integers(5, 200, 64) * rng.gamma(2, 0.5, 64)
        by_day = rng.poisson(0.004 * np.outer(risk, rng.gamma(4, 0.25, 42)))
        found += bool(scan_recent(lattice(8, 8), by_day, runs=RUNS, seed=seed).found)
    return found


def days_alike(maps: int) -> int:
    """Scan of the last 7 of 42 days against a denominator, in 64 cells."""
    rng, found = np.random.default_rng(12), 0
    for seed in range(maps):
        people = rng.integers(5, 200, 64).astype(np.float64)
        by_day = rng.poisson(0.004 * people[:, None] * np.ones(42))
        found += bool(scan_recent(lattice(8, 8), by_day, exposure=people, runs=RUNS, seed=seed).found)
    return found


def _spots(maps: int, method: Method, seed: int, mean: float, people: bool) -> int:
    rng, found = np.random.default_rng(seed), 0
    rows, columns = np.divmod(np.arange(144), 12)
    near = touching_cells(columns, rows)
    for number in range(maps):
        at_risk = rng.integers(5, 200, 144).astype(np.float64) if people else None
        counts = rng.poisson(mean if at_risk is None else mean * at_risk / 100, 144)
        spots = hot_spots(Units(lattice(12, 12), counts, at_risk), near, method=method, seed=number)
        found += bool(spots.units["kind"].isin(["hot", "cold", "high", "low"]).any())
    return found


def gi(maps: int) -> int:
    """Gi* of 144 cells, 3 cases each on average."""
    return _spots(maps, "gi", 1, 3.0, people=False)


def gi_sparse(maps: int) -> int:
    """Gi* of 144 cells, one case in five of them: nearly all are ties."""
    return _spots(maps, "gi", 2, 0.2, people=False)


def gi_rates(maps: int) -> int:
    """Gi* of rates in 144 cells with 5 to 199 households."""
    return _spots(maps, "gi", 3, 3.0, people=True)


def moran(maps: int) -> int:
    """Local Moran of 144 cells, 3 cases each on average."""
    return _spots(maps, "moran", 4, 3.0, people=False)


def moran_rates(maps: int) -> int:
    """Local Moran of rates in 144 cells with 5 to 199 households."""
    return _spots(maps, "moran", 5, 3.0, people=True)


def rates(maps: int) -> int:
    """Whether 40 grids of 100 to 400 households, 6 cases for 100 on average, are said to differ."""
    rng, found = np.random.default_rng(60), 0
    for _ in range(maps):
        people = rng.integers(100, 400, 40).astype(np.float64)
        found += smoothed_rates(Units(lattice(8, 5), rng.poisson(people * 0.06), people)).p <= 0.05
    return found


def few_rates(maps: int) -> int:
    """The same where all have 15 cases together."""
    rng, found = np.random.default_rng(61), 0
    for seed in range(maps):
        people = rng.integers(100, 400, 40).astype(np.float64)
        counts = rng.multinomial(15, people / people.sum())
        found += smoothed_rates(Units(lattice(8, 5), counts, people), seed=seed).p <= 0.05
    return found


def _changes(maps: int, seed: int, *, controls: bool, unrest: float) -> int:
    """`unrest`: variance of the areas' own ups and downs, as a part of 1."""
    rng, found = np.random.default_rng(seed), 0
    flags = np.arange(40) >= 10
    for _ in range(maps):
        level = rng.gamma(4, 8, 40)
        own = rng.gamma(1 / unrest, unrest, (2, 40)) if unrest else np.ones((2, 40))
        before, after = rng.poisson(level * own[0]), rng.poisson(level * own[1] * (1.5 if controls else 1.0))
        result = compare(before, after, days=(30, 30), controls=flags if controls else None)
        found += bool(result.areas["kind"].isin(["more", "fewer"]).any())
    return found


def change(maps: int) -> int:
    """40 areas before and after, nothing changed."""
    return _changes(maps, 7, controls=False, unrest=0.0)


def change_against_controls(maps: int) -> int:
    """10 areas against 30 control areas, all of them half as high again after."""
    return _changes(maps, 8, controls=True, unrest=0.0)


def change_of_restless_areas(maps: int) -> int:
    """The same where each area goes up and down by itself (by 20 %): what the dispersion is for."""
    return _changes(maps, 9, controls=True, unrest=0.04)


# --- at places: what planners and the public are shown ---


@dataclass(frozen=True)
class Town:
    """Buildings whose cases are told at places, and squares of 100 m. households and, as the public may
    estimate them from the sums of blocks, estimates: by building.
    """

    points: Floats
    households: Floats
    estimates: Floats
    places: Places
    columns: Whole
    rows: Whole

    @property
    def middles(self) -> Floats:
        """Of the squares, metres."""
        middles: Floats = np.column_stack([self.columns, self.rows]) * 100.0
        return middles

    def exposure(self, values: Floats, least: float = 20.0) -> Floats:
        """What belongs to buildings, by the square in which their place lies; NaN below `least`."""
        unit = self._unit_of(self.places.of(self.points))
        sums = np.bincount(unit, weights=values, minlength=len(self.columns))
        return np.where(sums < least, np.nan, sums)

    def count(self, homes: Whole, days: Whole, *, rate: bool) -> Whole:
        """Cases (their building and day) by square and day as the service counts them: for rates where their
        place lies, else dealt out among its buildings.
        """
        points, numbers, steps = self.places.of(self.points[homes]), np.ones_like(homes), days
        if not rate:
            points, numbers, steps = self.places.deal(points, numbers, days)
        counts = np.zeros((len(self.columns), DAYS), dtype=np.int64)
        np.add.at(counts, (self._unit_of(points), steps), numbers)
        return counts

    def _unit_of(self, points: Floats) -> Whole:
        column, row = (points // 100).astype(np.int64).T
        unit: Whole = row * (self.columns.max() + 1) + column
        return unit


def _town(side: int = 10, to_a_square: int = 8) -> Town:
    """A kilometre square: in each square of 100 m towers among shops, and blocks of four squares."""
    rng = np.random.default_rng(77)
    count = side * side * to_a_square
    points = rng.uniform(0, side * 100.0, (count, 2))
    column, row = (points // 100).astype(np.int64).T
    towers = rng.random(count) < 0.15
    households = np.where(towers, rng.integers(60, 150, count), rng.integers(0, 9, count)).astype(np.float64)
    ground = rng.uniform(100, 900, count)
    block = column // 2 * side + row // 2
    sums = np.bincount(block, weights=households, minlength=side * side)
    estimates = sums[block] * ground / np.bincount(block, weights=ground, minlength=side * side)[block]
    rows, columns = np.divmod(np.arange(side * side), side)
    return Town(points, households, estimates, Places(points, 8), columns, rows)


def _at_places(
    maps: int, seed: int, cases: int, finds: Callable[[Town, Whole, int], bool], *, rate: bool = True
) -> int:
    """Maps on which `finds` sees something. Cases fall on households by chance and on all days alike; those
    that are not compared with households, on the ground.
    """
    rng, town, found = np.random.default_rng(seed), _town(), 0
    share, tree = town.households / town.households.sum(), cKDTree(town.points)
    for number in range(maps):
        if rate:
            homes = np.repeat(np.arange(len(share)), rng.multinomial(cases, share))
        else:
            homes = tree.query(rng.uniform(0, 1000, (cases, 2)))[1].astype(np.int64)
        found += finds(town, town.count(homes, rng.integers(0, DAYS, cases), rate=rate), number)
    return found


def circles_at_places(maps: int) -> int:
    """Circular scan by households of buildings, 1,500 cases at places."""

    def finds(town: Town, by_day: Whole, seed: int) -> bool:
        units = Units(town.middles, by_day.sum(axis=1), town.exposure(town.households))
        return bool(scan_circles(units, bounds=Bounds(0.25, side="both"), runs=RUNS, seed=seed).found)

    return _at_places(maps, 21, 1500, finds)


def few_circles_at_places(maps: int) -> int:
    """The same of 150 cases."""

    def finds(town: Town, by_day: Whole, seed: int) -> bool:
        units = Units(town.middles, by_day.sum(axis=1), town.exposure(town.households))
        return bool(scan_circles(units, bounds=Bounds(0.25, side="both"), runs=RUNS, seed=seed).found)

    return _at_places(maps, 22, 150, finds)


def estimated_circles_at_places(maps: int) -> int:
    """The same of 1,500 cases by households that are estimated: why the service refuses it."""

    def finds(town: Town, by_day: Whole, seed: int) -> bool:
        units = Units(town.middles, by_day.sum(axis=1), town.exposure(town.estimates))
        return bool(scan_circles(units, bounds=Bounds(0.25, side="both"), runs=RUNS, seed=seed).found)

    return _at_places(maps, 23, 1500, finds)


def days_alike_at_places(maps: int) -> int:
    """Scan of the last 7 of 30 days by households of buildings, 220 cases at places."""

    def finds(town: Town, by_day: Whole, seed: int) -> bool:
        exposure = town.exposure(town.households)
        return bool(scan_recent(town.middles, by_day, exposure=exposure, runs=RUNS, seed=seed).found)

    return _at_places(maps, 24, 220, finds)


def days_dealt_again_at_places(maps: int) -> int:
    """Scan of the last 7 of 30 days by permutation, 220 cases at places."""

    def finds(town: Town, by_day: Whole, seed: int) -> bool:
        return bool(scan_recent(town.middles, by_day, runs=RUNS, seed=seed).found)

    return _at_places(maps, 25, 220, finds, rate=False)


def _spots_at_places(maps: int, method: Method, seed: int, by: str) -> int:
    def finds(town: Town, by_day: Whole, number: int) -> bool:
        values = {"households": town.households, "estimates": town.estimates}
        exposure = town.exposure(values[by]) if by else None
        units = Units(town.middles, by_day.sum(axis=1), exposure)
        spots = hot_spots(units, touching_cells(town.columns, town.rows), method=method, seed=number)
        return bool(spots.units["kind"].isin(["hot", "cold", "high", "low"]).any())

    return _at_places(maps, seed, 1500, finds, rate=by != "")


def gi_at_places(maps: int) -> int:
    """Gi* of 1,500 cases at places, by number."""
    return _spots_at_places(maps, "gi", 31, "")


def gi_rates_at_places(maps: int) -> int:
    """Gi* of rates by households of buildings, 1,500 cases at places."""
    return _spots_at_places(maps, "gi", 26, "households")


def gi_estimated_at_places(maps: int) -> int:
    """The same by households that are estimated."""
    return _spots_at_places(maps, "gi", 27, "estimates")


def moran_at_places(maps: int) -> int:
    """Local Moran of 1,500 cases at places, by number."""
    return _spots_at_places(maps, "moran", 32, "")


def moran_rates_at_places(maps: int) -> int:
    """Local Moran of rates by households of buildings, 1,500 cases at places."""
    return _spots_at_places(maps, "moran", 28, "households")


def moran_estimated_at_places(maps: int) -> int:
    """The same by households that are estimated."""
    return _spots_at_places(maps, "moran", 29, "estimates")


def rates_at_places(maps: int) -> int:
    """Whether squares are said to differ by households of buildings, 1,500 cases at places."""

    def finds(town: Town, by_day: Whole, seed: int) -> bool:
        units = Units(town.middles, by_day.sum(axis=1), town.exposure(town.households))
        return smoothed_rates(units, seed=seed).p <= 0.05

    return _at_places(maps, 33, 1500, finds)


def change_at_places(maps: int) -> int:
    """Squares before and after, 15 days each, 1,500 cases at places, nothing changed."""

    def finds(town: Town, by_day: Whole, seed: int) -> bool:
        before, after = by_day[:, :15].sum(axis=1), by_day[:, 15:].sum(axis=1)
        kinds = compare(before, after, days=(15, 15)).areas["kind"]
        return bool(kinds.isin(["more", "fewer"]).any())

    return _at_places(maps, 30, 1500, finds, rate=False)


EXPERIMENTS: tuple[Callable[[int], int], ...] = (
    *(circles, days_dealt_again, days_alike, gi, gi_sparse, gi_rates, moran, moran_rates),
    *(rates, few_rates),
    *(change, change_against_controls, change_of_restless_areas),
    *(circles_at_places, few_circles_at_places, estimated_circles_at_places),
    *(days_alike_at_places, days_dealt_again_at_places),
    *(gi_at_places, gi_rates_at_places, gi_estimated_at_places),
    *(moran_at_places, moran_rates_at_places, moran_estimated_at_places),
    *(rates_at_places, change_at_places),
)


def show_speed() -> None:
    """Print processor seconds of one question by number of cells, compiled before."""
    rng = np.random.default_rng(0)
    for side in (10, 20, 32, 50):
        cells = side * side
        units = Units(lattice(side, side), rng.poisson(3, cells))
        by_day = rng.poisson(0.1, (cells, 30))
        rows, columns = np.divmod(np.arange(cells), side)
        near = touching_cells(columns, rows)
        questions: dict[str, Callable[[], object]] = {
            "gi": lambda units=units, near=near: hot_spots(units, near),  # type: ignore[misc]
            "scan, 999 runs": lambda units=units: scan_circles(units),  # type: ignore[misc]
        }
        if side < 50:
            questions["recent, 7 days, 999 runs"] = lambda units=units, by_day=by_day: scan_recent(  # type: ignore[misc]
                units.places, by_day, longest=7
            )
        for name, question in questions.items():
            if side == 10:
                question()
            began = time.process_time()
            question()
            print(f"{cells:5} cells  {name:25} {time.process_time() - began:6.2f} s", flush=True)  # noqa: T201


def main() -> int:
    """Print the share of maps with a finding, for each experiment."""
    if sys.argv[1:] == ["speed"]:
        show_speed()
        return 0
    maps = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    for experiment in EXPERIMENTS:
        found = experiment(maps)
        words = (experiment.__doc__ or "").split("\n")[0]
        print(f"{experiment.__name__:26} {found:5} of {maps} = {found / maps:.1%}  {words}", flush=True)  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main())
