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
from typing import Literal

import numpy as np

from layers.statistics.comparison import compare
from layers.statistics.hot_spots import Method, hot_spots
from layers.statistics.neighbours import touching_cells
from layers.statistics.rates import smoothed_rates
from layers.statistics.recent import scan_recent
from layers.statistics.scan import Bounds, scan_circles
from layers.statistics.units import Floats, Units, Whole
from service.privacy.places import Places, divide_grids

RUNS = 199
DAYS = 30  # of the cases at places
LEAST = 8  # buildings of a place


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


# --- at places: what planners and the public are shown; and grid workers, but for their own grids ---


@dataclass(frozen=True)
class Town:
    """Buildings whose cases are told at places, and squares of 100 m. By building: households and, as the
    public may estimate them from the sums of grids, estimates. mine: grids of the worker who asks, whose
    cases are told where they happened.
    """

    points: Floats
    households: Floats
    estimates: Floats
    mine: tuple[int, ...]
    places: Places
    columns: Whole
    rows: Whole

    @property
    def middles(self) -> Floats:
        """Of the squares, metres."""
        middles: Floats = np.column_stack([self.columns, self.rows]) * 100.0
        return middles

    def exposure(self, values: Floats, least: float = 20.0) -> Floats:
        """What belongs to buildings, by the square in which their cases are told; NaN below `least`."""
        own = np.isin(grid_of(self.points), self.mine)
        points = np.where(own[:, None], self.points, self.places.of(self.points))
        sums = np.bincount(self._unit_of(points), weights=values, minlength=len(self.columns))
        return np.where(sums < least, np.nan, sums)

    def ground(self) -> Floats:
        """Hectares by square, dealt out as the cases are that fall on them."""
        dots = lattice(100, 100, 10.0) + 5.0
        return self.count(dots, np.zeros(len(dots), dtype=np.int64), rate=False).sum(axis=1) / 100.0

    def count(self, cases: Floats, days: Whole, *, rate: bool) -> Whole:
        """Cases by square and day as the service counts them: for rates where their place lies, else dealt
        out among its buildings; of the worker's own grids where they happened.
        """
        own = np.isin(grid_of(cases), self.mine)
        points = self.places.of(cases[~own], grid_of(cases[~own]).astype(str))
        numbers, steps = np.ones(len(points), dtype=np.int64), days[~own]
        if not rate:
            points, numbers, steps = self.places.deal(points, numbers, steps)
        counts = np.zeros((len(self.columns), DAYS), dtype=np.int64)
        np.add.at(counts, (self._unit_of(points), steps), numbers)
        np.add.at(counts, (self._unit_of(cases[own]), days[own]), 1)
        return counts

    def _unit_of(self, points: Floats) -> Whole:
        column, row = (points // 100).astype(np.int64).T
        unit: Whole = row * (self.columns.max() + 1) + column
        return unit


def grid_of(points: Floats) -> Whole:
    """Grids of four squares: two digits, east and north."""
    column, row = (points // 200).astype(np.int64).T
    grid: Whole = column * 10 + row
    return grid


def _town(mine: tuple[int, ...] = (), side: int = 10, to_a_square: int = 8) -> Town:
    """A kilometre square: in each square of 100 m towers among shops."""
    rng = np.random.default_rng(77)
    count = side * side * to_a_square
    points = rng.uniform(0, side * 100.0, (count, 2))
    towers = rng.random(count) < 0.15
    households = np.where(towers, rng.integers(60, 150, count), rng.integers(0, 9, count)).astype(np.float64)
    floors = rng.uniform(100, 900, count)
    grid = grid_of(points)
    estimates = np.bincount(grid, weights=households)[grid] * floors / np.bincount(grid, weights=floors)[grid]
    numbers = divide_grids(points, grid.astype(str), LEAST)
    places = np.array([points[numbers == number].mean(axis=0) for number in numbers])
    rows, columns = np.divmod(np.arange(side * side), side)
    return Town(points, households, estimates, mine, Places(points, places, grid.astype(str)), columns, rows)


def _at_places(
    maps: int,
    seed: int,
    cases: int,
    finds: Callable[[Town, Whole, int], bool],
    *,
    rate: bool = True,
    mine: tuple[int, ...] = (),
) -> int:
    """Maps on which `finds` sees something. Cases fall on households by chance and on all days alike; those
    that are not compared with households, on the ground.
    """
    rng, town, found = np.random.default_rng(seed), _town(mine), 0
    share = town.households / town.households.sum()
    for number in range(maps):
        if rate:
            at = town.points[np.repeat(np.arange(len(share)), rng.multinomial(cases, share))]
        else:
            at = rng.uniform(0, 1000, (cases, 2))
        found += finds(town, town.count(at, rng.integers(0, DAYS, cases), rate=rate), number)
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


def _spots_at_places(maps: int, method: Method, seed: int, by: str) -> int:
    def finds(town: Town, by_day: Whole, number: int) -> bool:
        exposure = town.exposure(town.households if by == "households" else town.estimates)
        units = Units(town.middles, by_day.sum(axis=1), exposure)
        spots = hot_spots(units, touching_cells(town.columns, town.rows), method=method, seed=number)
        return bool(spots.units["kind"].isin(["hot", "cold", "high", "low"]).any())

    return _at_places(maps, seed, 1500, finds)


def gi_rates_at_places(maps: int) -> int:
    """Gi* of rates by households of buildings, 1,500 cases at places."""
    return _spots_at_places(maps, "gi", 26, "households")


def gi_estimated_at_places(maps: int) -> int:
    """The same by households that are estimated."""
    return _spots_at_places(maps, "gi", 27, "estimates")


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


# --- the same by number: cases fall on the ground, of which none is richer than another ---

_ONE = (22,)  # a worker's grid, in the middle of the 25
_FIVE = (0, 1, 2, 3, 4)  # all along the western border


def _by_number(
    maps: int,
    seed: int,
    method: Method | Literal["scan", "own area", "recent", "compare"],
    cases: int,
    mine: tuple[int, ...] = (),
) -> int:
    ground = _town(mine).ground()

    def finds(town: Town, by_day: Whole, number: int) -> bool:
        counts = by_day.sum(axis=1)
        if method in ("scan", "own area"):
            area = ground if method == "scan" else np.ones_like(ground)
            units, bounds = Units(town.middles, counts, area, "area"), Bounds(0.25, side="both")
            return bool(scan_circles(units, bounds=bounds, runs=RUNS, seed=number).found)
        if method == "recent":
            return bool(scan_recent(town.middles, by_day, runs=RUNS, seed=number).found)
        if method == "compare":
            before, after = by_day[:, :15].sum(axis=1), by_day[:, 15:].sum(axis=1)
            return bool(compare(before, after, days=(15, 15)).areas["kind"].isin(["more", "fewer"]).any())
        near, units = touching_cells(town.columns, town.rows), Units(town.middles, counts)
        kinds = hot_spots(units, near, method=method, seed=number).units["kind"]
        return bool(kinds.isin(["hot", "cold", "high", "low"]).any())

    return _at_places(maps, seed, cases, finds, rate=False, mine=mine)


def circles_by_number_at_places(maps: int) -> int:
    """Circular scan by number, 1,500 cases at places."""
    return _by_number(maps, 41, "scan", 1500)


def few_circles_by_number_at_places(maps: int) -> int:
    """The same of 150 cases."""
    return _by_number(maps, 42, "scan", 150)


def circles_by_area_at_places(maps: int) -> int:
    """Of 1,500 cases against the squares' own area: why the ground is dealt out."""
    return _by_number(maps, 43, "own area", 1500)


def days_dealt_again_at_places(maps: int) -> int:
    """Scan of the last 7 of 30 days by permutation, 220 cases at places."""
    return _by_number(maps, 25, "recent", 220)


def gi_at_places(maps: int) -> int:
    """Gi* of 1,500 cases at places, by number."""
    return _by_number(maps, 31, "gi", 1500)


def moran_at_places(maps: int) -> int:
    """Local Moran of 1,500 cases at places, by number."""
    return _by_number(maps, 32, "moran", 1500)


def change_at_places(maps: int) -> int:
    """Squares before and after, 15 days each, 1,500 cases at places, nothing changed."""
    return _by_number(maps, 30, "compare", 1500)


# --- a grid worker: exact in his own grids, at places elsewhere. Rates are refused: they are of estimates ---


def circles_for_a_worker(maps: int) -> int:
    """Circular scan by number, 1,500 cases, for the worker of one grid of 25."""
    return _by_number(maps, 51, "scan", 1500, _ONE)


def circles_for_a_worker_of_five(maps: int) -> int:
    """The same for the worker of five."""
    return _by_number(maps, 52, "scan", 1500, _FIVE)


def few_circles_for_a_worker(maps: int) -> int:
    """Of 150 cases, for the worker of five."""
    return _by_number(maps, 53, "scan", 150, _FIVE)


def days_for_a_worker(maps: int) -> int:
    """Scan of the last 7 of 30 days by permutation, 220 cases, for the worker of one grid."""
    return _by_number(maps, 54, "recent", 220, _ONE)


def days_for_a_worker_of_five(maps: int) -> int:
    """The same for the worker of five."""
    return _by_number(maps, 55, "recent", 220, _FIVE)


def gi_for_a_worker(maps: int) -> int:
    """Gi* by number, 1,500 cases, for the worker of one grid."""
    return _by_number(maps, 56, "gi", 1500, _ONE)


def gi_for_a_worker_of_five(maps: int) -> int:
    """The same for the worker of five."""
    return _by_number(maps, 57, "gi", 1500, _FIVE)


def moran_for_a_worker(maps: int) -> int:
    """Local Moran by number, 1,500 cases, for the worker of one grid."""
    return _by_number(maps, 58, "moran", 1500, _ONE)


def moran_for_a_worker_of_five(maps: int) -> int:
    """The same for the worker of five."""
    return _by_number(maps, 59, "moran", 1500, _FIVE)


def change_for_a_worker(maps: int) -> int:
    """Squares before and after, 1,500 cases, for the worker of one grid."""
    return _by_number(maps, 60, "compare", 1500, _ONE)


def change_for_a_worker_of_five(maps: int) -> int:
    """The same for the worker of five."""
    return _by_number(maps, 61, "compare", 1500, _FIVE)


WORKERS: tuple[Callable[[int], int], ...] = (
    *(circles_for_a_worker, circles_for_a_worker_of_five, few_circles_for_a_worker),
    *(days_for_a_worker, days_for_a_worker_of_five),
    *(gi_for_a_worker, gi_for_a_worker_of_five, moran_for_a_worker, moran_for_a_worker_of_five),
    *(change_for_a_worker, change_for_a_worker_of_five),
)
EXPERIMENTS: tuple[Callable[[int], int], ...] = (
    *(circles, days_dealt_again, days_alike, gi, gi_sparse, gi_rates, moran, moran_rates),
    *(rates, few_rates),
    *(change, change_against_controls, change_of_restless_areas),
    *(circles_at_places, few_circles_at_places, estimated_circles_at_places),
    *(circles_by_number_at_places, few_circles_by_number_at_places, circles_by_area_at_places),
    *(days_alike_at_places, days_dealt_again_at_places),
    *(gi_at_places, gi_rates_at_places, gi_estimated_at_places),
    *(moran_at_places, moran_rates_at_places, moran_estimated_at_places),
    *(rates_at_places, change_at_places),
    *WORKERS,
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
