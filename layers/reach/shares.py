"""Shares of households within so many minutes' walk of the nearest facility."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from layers.reach.ground import Ground, Walks
from partition.arrays import Flags
from partition.geometry.walking import WALK_M_PER_MINUTE

MINUTES = (5, 10, 15)


@dataclass(frozen=True)
class Share:
    """Households of a grid ("": of all) by their walk.

    households: all whose number is known. within: those within each of `minutes`. beyond: those that reach a
    facility later than the last of `minutes`; cut_off: those that no way leads from. buildings_unknown:
    buildings whose households are not known, which count nowhere else.
    """

    grid: str
    minutes: tuple[float, ...]
    households: float
    within: tuple[float, ...]
    beyond: float
    cut_off: float
    buildings_unknown: int

    @property
    def shares(self) -> tuple[float, ...] | None:
        """The part of the households within each of `minutes`, 0 to 1; None where none are known."""
        if self.households <= 0:
            return None
        return tuple(value / self.households for value in self.within)


def reach_limits(minutes: Sequence[float], metres_per_minute: float = WALK_M_PER_MINUTE) -> tuple[float, ...]:
    """Metres for each of `minutes`. Raises ValueError unless they ascend from 0, and the pace is positive."""
    ascending = all(a < b for a, b in zip((0.0, *minutes), minutes, strict=False))
    if not minutes or not ascending or not metres_per_minute > 0:
        raise ValueError("minutes must ascend from above 0, and the pace be positive")
    return tuple(value * metres_per_minute for value in minutes)


def measure_shares(
    ground: Ground,
    walks: Walks,
    *,
    minutes: Sequence[float] = MINUTES,
    metres_per_minute: float = WALK_M_PER_MINUTE,
) -> tuple[Share, tuple[Share, ...]]:
    """The share of all homes, and of each grid by its code; homes without a grid count in the first alone."""
    limits = reach_limits(minutes, metres_per_minute)
    grid = ground.homes["grid"].to_numpy().astype(str)
    whole = _share("", np.ones(len(grid), dtype=bool), ground, walks, tuple(minutes), limits)
    codes = [code for code in np.unique(grid).tolist() if code]
    return whole, tuple(_share(code, grid == code, ground, walks, tuple(minutes), limits) for code in codes)


def _share(
    grid: str,
    which: Flags,
    ground: Ground,
    walks: Walks,
    minutes: tuple[float, ...],
    limits: tuple[float, ...],
) -> Share:
    metres, held = walks.metres[which], ground.households[which]
    return Share(
        grid=grid,
        minutes=minutes,
        households=float(held.sum()),
        within=tuple(float(held[metres <= limit].sum()) for limit in limits),
        beyond=float(held[(metres > limits[-1]) & np.isfinite(metres)].sum()),
        cut_off=float(held[np.isinf(metres)].sum()),
        buildings_unknown=int(ground.unknown[which].sum()),
    )


def find_unreached(ground: Ground, walks: Walks, limit_m: float) -> list[str]:
    """The ids of buildings where households live, or may live, that reach no facility within the limit."""
    lived_in = (ground.households > 0) | ground.unknown
    far = walks.metres > limit_m
    return sorted(set(ground.homes["id"].to_numpy()[lived_in & far].tolist()))
