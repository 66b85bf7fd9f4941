"""Better a plan by simulated annealing: units change grid, neighbouring grids are joined and split anew."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numba
import numpy as np

from partition.arrays import Numbers
from partition.ground import SLACK, make_ground, measure, sum_up
from partition.moves import flip, resplit
from partition.patches import count_patches, make_patches
from partition.problem import Problem
from partition.rng import make_state, word
from partition.trees import make_room

HOT_M, COLD_M = 150.0, 1.0  # temperatures at the start and at the end, in weighted metres
RESPLIT_SHARE = 0.02  # of the proposals join two grids and split them anew
HARDENING = 30.0  # so much dearer than at the start is a household outside the range at the end
EVEN_M = 1.0  # how evenly spanning trees are drawn, in weighted metres (see `trees.grow_tree`)
ROUNDS = 64  # the patches are drawn anew so many times
LOGS = -np.log((np.arange(4096) + 0.5) / 4096)  # what chance lets pass, in units of the temperature


@dataclass(frozen=True)
class Refined:
    """Labels, households outside the range in all, and the value of the objective (weighted m; the range left
    out). `hurried`: the clock cut the search short, so that it will not repeat.
    """

    labels: Numbers
    outside: float
    value: float
    hurried: bool = False


def refine_plan(
    problem: Problem,
    labels: Numbers,
    *,
    steps: int,
    seed: int,
    threads: int = 1,
    hot_m: float = HOT_M,
    cold_m: float = COLD_M,
    resplit_share: float = RESPLIT_SHARE,
    rounds: int = ROUNDS,
    seconds: float = math.inf,
    watch: Callable[[Numbers, float], None] | None = None,
) -> Refined:
    """Better a plan by `steps` proposals, while the temperature falls from `hot_m` to `cold_m` (weighted m).

    Grids stay connected and none gets empty; labels keep their meaning, and may have holes. Frozen units stay
    where `labels` puts them. A unit above an upper bound counts as that bound, so that it stays alone. The
    best of the plans after each of the `rounds` is returned, the given one among them. Same arguments, same
    result, whatever `threads`; unless `seconds` are too few: then the search cools faster. `watch` is called
    after each round with labels and temperature.
    """
    ground = make_ground(problem)
    tally, outside, value = measure(ground, labels, int(labels.max()) + 1)
    best = Refined(labels.astype(np.int64), outside, value)
    if steps <= 0 or np.count_nonzero(tally.grids["units"]) < 2:
        return best
    number = count_patches(int(np.count_nonzero(tally.grids["units"])))
    mark, place = np.empty(len(labels), np.int64), np.empty(len(labels), np.int32)
    start, done, progress, hurried = time.perf_counter(), 0, 0.0, False
    with ThreadPoolExecutor(threads) as pool:
        while progress < 1.0:
            part = min(max(-(-steps // rounds), 1), steps - done)
            spent = (time.perf_counter() - start) / seconds
            after = max((done + part) / steps, min(spent * (1 + part / max(done, 1)), 1.0))
            hurried = hurried or after > (done + part) / steps
            heat = [hot_m * (cold_m / hot_m) ** share for share in (progress, after)]
            stage = ground._replace(outside_m=ground.outside_m * HARDENING**progress)
            patches = make_patches(ground, tally, number, make_state(seed, done))
            mark[:] = -1
            tasks = [
                pool.submit(
                    _anneal, stage, tally, patches.units[patches.start[i] : patches.start[i + 1]],
                    patches.of_grid, i, _share(patches.start, i, part), heat[0], heat[1], resplit_share,
                    mark, place, LOGS, make_state(seed, done, i + 1),
                )
                for i in range(number)
            ]  # fmt: skip
            for task in tasks:
                task.result()
            done, progress = done + part, after
            outside, value = sum_up(ground, tally)
            if _is_better(outside, value, best):
                best = Refined(tally.labels.astype(np.int64), float(outside), float(value))
            if watch is not None:
                watch(tally.labels.astype(np.int64), heat[1])
    return Refined(best.labels, best.outside, best.value, hurried)


def _is_better(outside: float, value: float, best: Refined) -> bool:
    """The range first, then the value."""
    if abs(outside - best.outside) > SLACK:
        return outside < best.outside
    return value < best.value - SLACK


def _share(start: Numbers, i: int, steps: int) -> int:
    """The part of the steps that patch `i` gets: by its units, all parts together are `steps`."""
    return int(steps * start[i + 1] // start[-1] - steps * start[i] // start[-1])


@numba.njit(cache=True, nogil=True)
def _anneal(  # type: ignore[no-untyped-def]
    ground, tally, units, patch_of, patch, steps, hot, cold, resplit_share, mark, place, logs, state
):
    """Propose `steps` moves within one patch while the temperature falls from `hot` to `cold`."""
    ground_units, arcs, load, bounds = ground.units, ground.arcs, ground.load, ground.bounds
    outside_m, ragged_m = ground.outside_m, ground.ragged_m
    labels, grids, held = tally.labels, tally.grids, tally.held
    borders = 0
    for u in units:
        borders += ground_units[u + 1].first - ground_units[u].first
    room = make_room(mark, place, len(units), borders // 2 + 1, load.shape[1])
    queue = room.members
    choices = np.uint64(len(units))
    coin = np.uint64(resplit_share * 4096)
    stamp = patch * (np.int64(1) << np.int64(40))
    heat = hot
    cooling = (cold / hot) ** (256.0 / max(steps, 1))
    for step in range(steps):
        if step % 256 == 255:
            heat *= cooling
        bits = word(state)  # 28 for the unit, 12 each for the border, for chance and for the kind of move
        u = units[((bits >> np.uint64(36)) * choices) >> np.uint64(28)]
        first = ground_units[u].first
        degree = np.uint64(ground_units[u + 1].first - first)
        at = first + np.int64((((bits >> np.uint64(24)) & np.uint64(4095)) * degree) >> np.uint64(12))
        if degree == 0 or not arcs[at].walk:
            continue
        b = labels[arcs[at].unit]
        if b == labels[u] or patch_of[b] != patch:
            continue
        threshold = heat * logs[(bits >> np.uint64(12)) & np.uint64(4095)]
        stamp += 2
        if (bits & np.uint64(4095)) < coin:
            resplit(ground, tally, u, b, threshold, EVEN_M, room, stamp, state)
        else:
            flip(
                ground_units, arcs, load, bounds, outside_m, ragged_m, labels, grids, held,
                u, b, threshold, mark, queue, stamp,
            )  # fmt: skip
