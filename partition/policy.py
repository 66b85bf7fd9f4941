"""Profiles: the rules by which a city sizes its grids. The numbers stand in `profiles/*.toml`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

Measure = Literal["households", "residents", "area", "workload"]


@dataclass(frozen=True)
class Size:
    """A range wanted of one measure, bounds inclusive; `target` lies within."""

    measure: Measure
    lower: float
    target: float
    upper: float


# Border and crossing cost per metre by what runs there; see the design, part 3.
BORDER_COST = {
    "none": 3.0,
    "path": 1.5,
    "lane": 1.0,
    "local": 0.8,
    "wall": 0.8,
    "secondary": 0.5,
    "arterial": 0.2,
    "water": 0.1,
    "rail": 0.1,
}
CROSSING_COST = {"arterial": 0.5}


@dataclass(frozen=True)
class Profile:
    """How a city wants its grids: sizes and costs, named after where the rule comes from."""

    name: str
    size: Size
    border_cost: dict[str, float] = field(default_factory=lambda: dict(BORDER_COST))
    crossing_cost: dict[str, float] = field(default_factory=lambda: dict(CROSSING_COST))
