"""Kernel densities of cases on the lattice of an area: one, several in time, the change between two periods.

The estimate at a place is the sum of the cases' quartic kernels 3/(πh²)·(1 − d²/h²)² (Silverman 1986, 4.5)
over the kernel's mass within the area (the uniform edge correction: Diggle 1985; `edge=TRUE` of spatstat),
so that an even intensity is estimated without bias up to the border. A cell shows the mean over its part
inside.

Cases are shared out among the four nodes round them (linear binning), then spread by a Fourier transform. The
binned kernel is the bilinear interpolation of the true one: it differs from it by at most (s/h)² of
a case's own peak for nodes s apart, that is by at most 1 % of the peak of a single case; s ≤ h/10. The shares
are whole 4,096ths, so that their sums are exact whatever the order of the cases.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import shapely

from layers.density.breaks import change_breaks, round_breaks
from layers.density.ground import Ground
from layers.density.lattice import DAYS_A_MONTH, Counts, Floats, Lattice

MIN_CASES = 5
_SHARES = 64  # places between two nodes that are told apart


@dataclass(frozen=True)
class Estimate:
    """What the cases tell, before any floor.

    density: cases per m² by cell, rows × columns, first row northernmost, nan outside. near: cases within the
    bandwidth of the cell's middle. cases: all within the area.
    """

    density: Floats
    near: Counts
    cases: int


def case_lattice(
    ground: Ground,
    places: npt.ArrayLike,
    *,
    days: float,
    counts: npt.ArrayLike | None = None,
    min_cases: int = MIN_CASES,
    breaks: Sequence[float] | None = None,
) -> Lattice:
    """The density of cases in cases per km² and 30 days.

    `places`: longitude and latitude of the cases of `days` days, n × 2, EPSG:4326; those outside the area are
    left out. `counts`: cases at each place, for cases that are already counted by bins (whole numbers,
    default 1 each): a bin's middle stands for its cases, which moves them by d at most, and so their kernel
    by at most 1.54·d/h of its peak. Cells with fewer than `min_cases` cases within the bandwidth are nan.
    `breaks`: to use instead of those of this lattice. The order of the places does not matter, to the last
    digit. Raises ValueError where `days` is not positive, `counts` is negative or shapes differ.
    """
    _check_days(days)
    estimate = estimate_density(ground, places, counts)
    values = _monthly(estimate, days, min_cases)
    chosen = tuple(breaks) if breaks is not None else _breaks([values])
    return _lattice(ground, values, estimate.near, chosen, estimate.cases, days, min_cases)


def case_frames(
    ground: Ground,
    places: npt.ArrayLike,
    steps: npt.ArrayLike,
    *,
    frames: int,
    days: float,
    counts: npt.ArrayLike | None = None,
    min_cases: int = MIN_CASES,
    breaks: Sequence[float] | None = None,
) -> tuple[Lattice, ...]:
    """One lattice for each of `frames` steps in time, all with the same breaks.

    `steps`: the step of each place, 0 to `frames` − 1; others are left out. `days` is the length of one step.
    The rest is as for `case_lattice`.
    """
    _check_days(days)
    at, of = _arrays(places, counts)
    step = np.asarray(steps)
    if step.shape != (len(at),):
        raise ValueError("one step is needed for each place")
    estimates = [estimate_density(ground, at[step == n], of[step == n]) for n in range(frames)]
    values = [_monthly(estimate, days, min_cases) for estimate in estimates]
    chosen = tuple(breaks) if breaks is not None else _breaks(values)
    return tuple(
        _lattice(ground, shown, estimate.near, chosen, estimate.cases, days, min_cases)
        for shown, estimate in zip(values, estimates, strict=True)
    )


def case_change(
    ground: Ground,
    now: npt.ArrayLike,
    before: npt.ArrayLike,
    *,
    days: float,
    days_before: float | None = None,
    counts: npt.ArrayLike | None = None,
    counts_before: npt.ArrayLike | None = None,
    min_cases: int = MIN_CASES,
) -> Lattice:
    """How much denser cases are than in the period before (cases per km² and 30 days; negative: fewer).

    Periods of `days` and `days_before` days (the same length by default). Cells are nan where both periods
    have fewer than `min_cases` cases within the bandwidth; one that had enough and has none now shows the
    fall.
    Breaks are even on both sides of nought (`change_breaks`).
    """
    earlier = days if days_before is None else days_before
    _check_days(days)
    _check_days(earlier)
    one, other = estimate_density(ground, now, counts), estimate_density(ground, before, counts_before)
    shown = np.maximum(one.near, other.near) >= min_cases
    change = _monthly(one, days, 0) - _monthly(other, earlier, 0)
    values = np.where(shown, change, np.nan)
    greatest = float(np.nanmax(np.abs(values))) if np.isfinite(values).any() else 0.0
    breaks = change_breaks(greatest) if greatest > 0 else ()
    return _lattice(ground, values, one.near + other.near, breaks, one.cases, days, min_cases)


def estimate_density(ground: Ground, places: npt.ArrayLike, counts: npt.ArrayLike | None = None) -> Estimate:
    """The density at the cells of `ground`, without a floor; see `case_lattice`."""
    at, of = _arrays(places, counts)
    metres = ground.to_metres(at)
    inside = _inside(ground, at, metres)
    at, of, metres = at[inside], of[inside], metres[inside]
    linear, whole = bin_cases(ground, metres, of)
    raw = ground.spread(linear, ground.kernel)
    raw[raw < 1e-12 * raw.max(initial=0.0)] = 0.0  # what rounding leaves where there are no cases
    fine = np.divide(raw, ground.mass, out=np.zeros_like(raw), where=(ground.cover > 0) & (ground.mass > 0))
    cover = _by_cell(ground, ground.cover)
    total = _by_cell(ground, fine * ground.cover)
    density = np.divide(total, cover, out=np.full_like(total, np.nan), where=cover > 0)
    density *= ((ground.scale / ground.step_m) ** 2)[:, None]
    middle = 1 + ground.parts // 2
    near = ground.spread(whole, ground.disc)[middle :: ground.parts, middle :: ground.parts]
    near = near[: ground.rows, : ground.columns]
    return Estimate(density[::-1], np.rint(near[::-1]).astype(np.int64), int(of.sum()))


def _arrays(places: npt.ArrayLike, counts: npt.ArrayLike | None) -> tuple[Floats, Counts]:
    at = np.asarray(places, dtype=float)
    if at.size == 0:
        at = at.reshape(0, 2)
    if at.ndim != 2 or at.shape[1] != 2:
        raise ValueError("places must be pairs of longitude and latitude")
    of = np.ones(len(at), dtype=np.int64) if counts is None else np.asarray(counts, dtype=np.int64)
    if of.shape != (len(at),) or (of < 0).any():
        raise ValueError("one count, not negative, is needed for each place")
    return at, of


def _inside(ground: Ground, places: Floats, metres: Floats) -> npt.NDArray[np.bool_]:
    """Which places lie in the area or on its border: by square, and exactly where the border is near."""
    rows, columns = ground.cover.shape
    west, south = ground.corner
    column, row = (metres[:, 0] - west) / ground.step_m, (metres[:, 1] - south) / ground.step_m
    inside: npt.NDArray[np.bool_] = (column >= 0) & (row >= 0) & (column < columns) & (row < rows)
    square = np.zeros(len(places), dtype=np.int64)
    square[inside] = row[inside].astype(np.int64) * columns + column[inside].astype(np.int64)
    doubtful = inside & ground.near_border.ravel()[square]
    inside &= ground.cover.ravel()[square] > 0.5
    inside[doubtful] = shapely.intersects_xy(ground.area, places[doubtful])
    return inside


def bin_cases(ground: Ground, metres: Floats, of: Counts) -> tuple[Floats, Floats]:
    """The cases shared out among the four nodes round them, and counted by square."""
    shape = ground.cover.shape
    west, south = ground.corner
    column, row = (metres[:, 0] - west) / ground.step_m, (metres[:, 1] - south) / ground.step_m
    square = np.floor(row).astype(np.int64) * shape[1] + np.floor(column).astype(np.int64)
    whole: Floats = np.bincount(square, of, minlength=shape[0] * shape[1]).astype(float)
    column, row = np.rint((column - 0.5) * _SHARES), np.rint((row - 0.5) * _SHARES)
    first_column, first_row = column // _SHARES, row // _SHARES
    east, north = (column - first_column * _SHARES) / _SHARES, (row - first_row * _SHARES) / _SHARES
    node = (first_row * shape[1] + first_column).astype(np.int64)
    linear: Floats = np.zeros(shape[0] * shape[1])
    for offset, share in (
        (0, (1 - north) * (1 - east)),
        (1, (1 - north) * east),
        (shape[1], north * (1 - east)),
        (shape[1] + 1, north * east),
    ):
        linear += np.bincount(node + offset, of * share, minlength=len(linear))
    return linear.reshape(shape), whole.reshape(shape)


def _by_cell(ground: Ground, nodes: Floats) -> Floats:
    """Sums over the nodes of each cell."""
    blocks = nodes[1:-1, 1:-1].reshape(ground.rows, ground.parts, ground.columns, ground.parts)
    sums: Floats = blocks.sum(axis=(1, 3))
    return sums


def _monthly(estimate: Estimate, days: float, min_cases: int) -> Floats:
    """Cases per km² and 30 days, nan where too few cases are near."""
    values = estimate.density * (1e6 * DAYS_A_MONTH / days)
    return np.where(estimate.near >= min_cases, values, np.nan)


def _breaks(values: Sequence[Floats]) -> tuple[float, ...]:
    highest = max((float(np.nanmax(one)) for one in values if np.isfinite(one).any()), default=0.0)
    return round_breaks(highest) if highest > 0 else ()


def _lattice(
    ground: Ground,
    values: Floats,
    near: Counts,
    breaks: tuple[float, ...],
    cases: int,
    days: float,
    min_cases: int,
) -> Lattice:
    return Lattice(
        crs=ground.crs,
        origin=ground.origin,
        cell_m=ground.cell_m,
        columns=ground.columns,
        rows=ground.rows,
        values=values,
        near=near,
        bounds=ground.bounds,
        breaks=breaks,
        bandwidth_m=ground.bandwidth_m,
        cases=cases,
        days=days,
        min_cases=min_cases,
    )


def _check_days(days: float) -> None:
    if not days > 0:
        raise ValueError("days must be positive")
