"""A year of cases for the sample community: where, when and of what kind something is reported.

Each category has its own places (hot spots), hours, weekdays and months, so that maps and counts show what
people of a community would recognise.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray
from shapely.geometry import Point, Polygon

from data.town import House, Town, bend_point

FIRST_DAY = "2025-11-01"
DAYS = 365
ZONE = "+08:00"

Floats = NDArray[np.float64]

# Relative weight of each hour, as (first hour, last hour, weight): all other hours weigh 1.
Peaks = Sequence[tuple[int, int, float]]


@dataclass(frozen=True)
class Spot:
    """A hot spot on the plan's paper: middle, spread in metres, share of the category's cases."""

    place: tuple[float, float]
    spread_m: float
    share: float


@dataclass(frozen=True)
class Category:
    """How many cases a year, where and when; the rest of the cases, outside the spots, is at `elsewhere`."""

    name: str
    cases: int
    spots: Sequence[Spot]
    elsewhere: str  # "homes" (by households), "streets" (by length)
    hours: Peaks
    weekend: float  # weight of a Saturday or Sunday against a weekday
    months: Sequence[float]  # January to December
    tiers: tuple[float, float, float]  # shares of TIERS


TIERS = ("grid", "community", "street")
# Hours within which a case is to be closed, and those of all other categories.
LIMITS = {"refuse": 48, "street_light": 120, "safety": 168, "dispute": 240, "manhole": 72}
LIMIT = 96

EVEN = (1.0,) * 12
SUMMER = (0.6, 0.6, 0.8, 1.0, 1.3, 1.7, 2.0, 2.0, 1.5, 1.0, 0.7, 0.6)
RAIN = (0.5, 0.5, 0.8, 1.2, 1.6, 2.4, 2.6, 1.8, 1.2, 0.8, 0.6, 0.5)
WINTER = (2.0, 1.8, 1.2, 0.9, 0.7, 0.6, 0.6, 0.7, 0.8, 1.0, 1.4, 1.9)
DARK = (1.6, 1.4, 1.1, 0.9, 0.8, 0.7, 0.7, 0.8, 0.9, 1.1, 1.4, 1.6)

CATEGORIES = (
    Category(
        "refuse",
        760,
        (Spot((72, 62), 22, 0.24), (Spot((300, 130), 45, 0.30)), Spot((452, 128), 14, 0.08)),
        "homes",
        ((6, 9, 6.0), (10, 17, 2.5), (18, 20, 4.0), (0, 4, 0.2)),
        1.15,
        SUMMER,
        (0.78, 0.18, 0.04),
    ),
    Category(
        "parking",
        620,
        (
            Spot((20, 200), 30, 0.16),
            Spot((112, 440), 20, 0.18),
            Spot((98, 44), 14, 0.14),
            Spot((732, 304), 16, 0.10),
        ),
        "streets",
        ((7, 9, 6.0), (16, 19, 6.0), (10, 15, 2.0), (20, 22, 3.0), (0, 5, 0.3)),
        0.85,
        EVEN,
        (0.60, 0.30, 0.10),
    ),
    Category(
        "noise",
        480,
        (Spot((34, 290), 24, 0.26), Spot((624, 400), 22, 0.24), Spot((224, 276), 12, 0.10)),
        "homes",
        ((19, 22, 14.0), (23, 23, 8.0), (12, 14, 2.5), (3, 6, 0.3)),
        1.5,
        SUMMER,
        (0.62, 0.30, 0.08),
    ),
    Category(
        "street_light",
        230,
        (Spot((300, 206), 50, 0.30), Spot((626, 80), 25, 0.16)),
        "streets",
        ((18, 22, 12.0), (5, 6, 3.0), (9, 16, 0.5)),
        1.0,
        DARK,
        (0.30, 0.30, 0.40),
    ),
    Category(
        "manhole",
        170,
        (Spot((548, 60), 28, 0.26), Spot((360, 40), 40, 0.26)),
        "streets",
        ((7, 9, 4.0), (10, 18, 3.0), (0, 5, 0.4)),
        0.9,
        RAIN,
        (0.30, 0.25, 0.45),
    ),
    Category(
        "stall",
        300,
        (Spot((24, 96), 24, 0.40), Spot((112, 440), 18, 0.22), Spot((470, 308), 20, 0.14)),
        "streets",
        ((6, 9, 7.0), (16, 20, 7.0), (10, 15, 2.0), (0, 4, 0.1)),
        1.25,
        EVEN,
        (0.62, 0.26, 0.12),
    ),
    Category(
        "safety",
        270,
        (Spot((300, 130), 55, 0.34), Spot((452, 230), 30, 0.16)),
        "homes",
        ((9, 11, 5.0), (14, 17, 5.0), (18, 21, 2.5), (0, 5, 0.3)),
        0.6,
        WINTER,
        (0.55, 0.30, 0.15),
    ),
    Category(
        "dispute",
        150,
        (Spot((476, 220), 40, 0.30),),
        "homes",
        ((9, 11, 2.5), (18, 22, 6.0), (0, 6, 0.3)),
        1.4,
        EVEN,
        (0.45, 0.42, 0.13),
    ),
    Category(
        "domestic_violence",
        36,
        (),
        "homes",
        ((19, 23, 7.0), (0, 1, 3.0), (5, 8, 0.6)),
        1.7,
        (1.2, 1.6, *(1.0,) * 10),
        (0.0, 0.6, 0.4),
    ),
)


def _hour_weights(peaks: Peaks) -> Floats:
    weights = np.ones(24)
    for first, last, weight in peaks:
        weights[first : last + 1] = weight
    shares: Floats = weights / weights.sum()
    return shares


def _day_weights(category: Category, days: pd.DatetimeIndex) -> Floats:
    month = np.array(category.months)[np.asarray(days.month) - 1]
    week = np.where(np.asarray(days.day_of_week) >= 5, category.weekend, 1.0)
    weights: Floats = month * week
    shares: Floats = weights / weights.sum()
    return shares


def _draw(rng: np.random.Generator, weights: Floats, size: int) -> NDArray[np.intp]:
    """Indices drawn with the given relative weights; the last weight must not be 0."""
    drawn: NDArray[np.intp] = np.searchsorted(
        np.cumsum(weights[:-1]) / weights.sum(), rng.random(size), side="right"
    )
    return drawn


def _near(
    place: tuple[float, float], spread_m: float, ground: Polygon
) -> Callable[[np.random.Generator], Point]:
    middle = bend_point(place)

    def one(rng: np.random.Generator) -> Point:
        while True:
            dx, dy = rng.normal(0.0, spread_m, 2)
            point = Point(middle.x + dx, middle.y + dy)
            if ground.contains(point):
                return point

    return one


def _at_homes(houses: Sequence[House], households: Floats) -> Callable[[np.random.Generator], Point]:
    def one(rng: np.random.Generator) -> Point:
        house = houses[int(_draw(rng, households, 1)[0])]
        x0, y0, x1, y1 = house.shape.bounds
        while True:
            u, v = rng.random(2)
            point = Point(x0 + u * (x1 - x0), y0 + v * (y1 - y0))
            if house.shape.contains(point):
                return point

    return one


def _on_streets(town: Town) -> Callable[[np.random.Generator], Point]:
    weight = {"arterial": 0.6, "secondary": 1.4, "local": 1.3, "lane": 1.0, "path": 0.5}
    lines = [
        (line.intersection(town.border), weight[way.class_])
        for way, line in town.ways
        if way.class_ in weight and not way.tunnel
    ]
    lines = [(line, by) for line, by in lines if line.length > 1]
    lengths = np.array([line.length * by for line, by in lines])

    def one(rng: np.random.Generator) -> Point:
        while True:
            line, _ = lines[int(_draw(rng, lengths, 1)[0])]
            at = line.interpolate(rng.random(), normalized=True)
            dx, dy = rng.normal(0.0, 3.0, 2)
            if town.border.contains(point := Point(at.x + dx, at.y + dy)):
                return point

    return one


def write_cases(town: Town, households: Floats, rng: np.random.Generator) -> gpd.GeoDataFrame:
    """The year's cases in order of time: id, category, time, due, status, tier, point (metres of the plan).

    `households` by building weighs where people report from. Times carry +08:00 and whole minutes.
    """
    days = pd.date_range(FIRST_DAY, periods=DAYS, freq="D")
    ground = town.border.buffer(-2.0).difference(
        shapely.union_all([line.buffer(13.0) for way, line in town.ways if way.class_ == "water"])
    )
    open_air = ground.difference(shapely.union_all([house.shape for house in town.houses]))
    sources = {"homes": _at_homes(town.houses, households), "streets": _on_streets(town)}
    rows: list[tuple[pd.Timestamp, str, str, Point]] = []
    for category in CATEGORIES:
        day = _draw(rng, _day_weights(category, days), category.cases)
        hour = _draw(rng, _hour_weights(category.hours), category.cases)
        minute = rng.integers(0, 60, category.cases)
        tier = _draw(rng, np.array(category.tiers), category.cases)
        outside = category.elsewhere == "streets"
        spots = [_near(spot.place, spot.spread_m, open_air if outside else ground) for spot in category.spots]
        shares = [spot.share for spot in category.spots]
        where = _draw(rng, np.array([*shares, 1 - sum(shares)]), category.cases)
        places = [*spots, sources[category.elsewhere]]
        for k in range(category.cases):
            time = days[day[k]] + pd.Timedelta(hours=int(hour[k]), minutes=int(minute[k]))
            rows.append((time, category.name, TIERS[tier[k]], places[where[k]](rng)))
    rows.sort(key=lambda row: (row[0], row[1], row[3].x))
    times = pd.Series([row[0] for row in rows])
    limits = pd.to_timedelta([LIMITS.get(row[1], LIMIT) for row in rows], unit="h")
    statuses = pd.Series(_statuses(times, rng))
    # one that was returned has no limit until it is filed again
    due = (times + limits).where(statuses != "returned")
    return gpd.GeoDataFrame(
        {
            "id": [f"A{k:05d}" for k in range(1, len(rows) + 1)],
            "category": [row[1] for row in rows],
            "time": times.dt.tz_localize(ZONE).dt.as_unit("ms"),
            "due": due.dt.tz_localize(ZONE).dt.as_unit("ms"),
            "status": statuses,
            "tier": [row[2] for row in rows],
        },
        geometry=[row[3] for row in rows],
    )


def _statuses(times: pd.Series[pd.Timestamp], rng: np.random.Generator) -> list[str]:
    """Old cases are closed (a few returned); those of the last days stand anywhere on their way."""
    end = pd.Timestamp(FIRST_DAY) + pd.Timedelta(days=DAYS)
    on_the_way = ("discovered", "filed", "dispatched", "handled", "verified")
    ages, chances, steps = (end - times).dt.days, rng.random(len(times)), rng.random(len(times))
    result = []
    for age, chance, step in zip(ages, chances, steps, strict=True):
        if age < 10 and chance < 0.75 - 0.06 * age:
            result.append(on_the_way[min(4, int(step * (1.5 + 0.5 * age)))])
        elif chance > 0.985:
            result.append("returned")
        else:
            result.append("closed")
    return result
