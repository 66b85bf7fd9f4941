"""Better a plan by simulated annealing: units change grid, neighbouring grids are joined and split anew."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass
from typing import NamedTuple

import numba
import numpy as np

from partition.arrays import Numbers
from partition.solver.ground import SLACK, make_ground, measure, sum_up
from partition.solver.moves import could_be, divide, flip, resplit, third_grid
from partition.solver.patches import count_patches, make_patches
from partition.solver.problem import Problem
from partition.solver.rng import draw, make_state, word
from partition.solver.trees import make_room

HOT_M, COLD_M = 100.0, 3.0  # temperatures at the start and at the end, in weighted metres
RESPLIT_SHARE = 0.02  # of the proposals join two grids and split them anew
FEW_GRIDS = 6  # fewer never change in number on the way
FIRM = 50.0  # nor do they where a grid at twice its target costs more than so many times the heat
DIVIDE_BELOW, JOIN_BELOW = (
    0.25,
    0.5,
)  # where the number may change: the share of either, of resplits
SPARE = 2  # grids that a patch may have more or fewer for a while
LONGEST = 10_000_000  # proposals in a round at most: the clock is looked at in between
EXTRA = 300  # proposals by unit in each round that is needed beyond, to put the number of grids right
MINGLE_UNTIL = 0.6  # of the search: then the number of grids is put right and stays
PRICE_STEPS = 60.0, 12.0  # mean costs of a grid that twice as many grids add to the price: now, for good
PRICE_LEAST = 0.05  # the same for any surplus when the number is put right
HARDENING = 1000.0  # so much dearer than at the start is a household outside the range at the end
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


class Stage(NamedTuple):
    """One round of the search: the temperature falls from `hot` to `cold` (weighted m), a household outside
    the range costs `outside_m`, so great a share of the proposals `resplits`, one more grid has its `price`.
    """

    hot: float
    cold: float
    outside_m: float
    resplits: float
    price: float


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
    firm: float = FIRM,
    seconds: float = math.inf,
    watch: Callable[[Numbers, float], None] | None = None,
) -> Refined:
    """Better a plan by `steps` proposals, while the temperature falls from `hot_m` to `cold_m` (weighted m).

    Grids stay connected and none gets empty. With a previous plan or frozen units labels keep their meaning
    and may have holes, and frozen units stay where `labels` puts them; otherwise grids come and go on the way
    (in the end there are as many as in the beginning) and are numbered anew, unless evenness is worth more
    than `firm` times the heat. A unit above an upper bound counts as that bound, so that it stays alone. The
    best of the plans after each of the `rounds` is returned, the given one among them. Same arguments, same
    result, whatever `threads`; unless `seconds` are too few: then the search cools faster. `watch` is called
    after each round with labels and temperature.
    """
    ground, k = make_ground(problem), len(np.unique(labels))
    number = count_patches(k)
    mingles = problem.previous is None and problem.frozen is None and k >= FEW_GRIDS
    mingles = mingles and problem.weights.deviation_m <= firm * hot_m
    spare = SPARE * number if mingles else 0
    tally, outside, value = measure(ground, labels, int(labels.max()) + 1 + spare)
    best = Refined(labels.astype(np.int64), outside, value)
    if steps <= 0 or k < 2:
        return best
    mark, place = np.empty(len(labels), np.int64), np.empty(len(labels), np.int32)
    start, done, progress, hurried = time.perf_counter(), 0, 0.0, False
    surplus, price = 0, -value / (2 * k)  # of one more grid; all borders grow with the root of k
    turn = 0
    with ThreadPoolExecutor(threads) if number > 1 else nullcontext() as pool:
        run = map if pool is None else pool.map
        while progress < 1.0 or (surplus and turn < 2 * rounds):
            part = min(-(-steps // rounds), LONGEST)
            part = min(part, steps - done) if progress < 1.0 else min(part, EXTRA * len(labels))
            spent = (time.perf_counter() - start) / seconds
            after = max((done + part) / steps, spent * (1 + part / done) if done else 0.0)
            after = min(after, 1.0)
            hurried = hurried or after > (done + part) / steps + 1e-9
            stage = Stage(
                hot=hot_m * (cold_m / hot_m) ** progress,
                cold=hot_m * (cold_m / hot_m) ** after,
                outside_m=ground.outside_m * HARDENING**progress,
                resplits=resplit_share,
                price=price + PRICE_STEPS[0] * surplus / k * value / k,
            )
            free = mingles and progress < MINGLE_UNTIL
            patches = make_patches(ground, tally, number, make_state(seed, done))
            mark[:] = -1
            tasks = [
                (
                    ground, tally, stage, patches.units[patches.start[i] : patches.start[i + 1]],
                    patches.of_grid, i, _share(patches.start, i, part),
                    SPARE if free else _quota(-surplus, i, number),
                    SPARE if free else _quota(surplus, i, number),
                    mark, place, LOGS, make_state(seed, done, i + 1),
                )
                for i in range(number)
            ]  # fmt: skip
            list(run(lambda task: _anneal(*task), tasks))
            done, progress = done + part, after
            outside, value = sum_up(ground, tally)
            surplus = int(np.count_nonzero(tally.grids["units"])) - k
            shift = PRICE_STEPS[1] * abs(surplus) / k
            shift = shift if free else max(shift, PRICE_LEAST)
            price += np.sign(surplus) * shift * value / k
            turn += 1
            if surplus == 0 and _is_better(outside, value, best):
                best = Refined(tally.labels.astype(np.int64), float(outside), float(value))
            if watch is not None:
                watch(tally.labels.astype(np.int64), stage.cold)
    final = np.unique(best.labels, return_inverse=True)[1].reshape(-1) if mingles else best.labels
    return Refined(final, best.outside, best.value, hurried)


def _quota(grids: int, i: int, number: int) -> int:
    """How many of so many grids patch `i` may bring (none if fewer than none). Where there are many, more
    patches may try than are needed, since few succeed.
    """
    grids = max(grids, 0)
    return min(3 * grids, number) > i if 8 < grids < number else grids // number + (i < grids % number)


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
    ground, tally, stage, units, patch_of, patch, steps, many, few, mark, place, logs, state
):
    """Propose `steps` moves within one patch. It may come to have so `many` more grids or so `few` less."""
    every, arcs, load, bounds = ground.units, ground.arcs, ground.load, ground.bounds
    outside_m, ragged_m, price = stage.outside_m, ground.ragged_m, stage.price
    labels, grids, held = tally.labels, tally.grids, tally.held
    borders = 0
    for u in units:
        borders += every[u + 1].first - every[u].first
    room = make_room(mark, place, len(units), borders // 2 + 1, load.shape[1])
    queue = room.members
    choices = np.uint64(len(units))
    coin = np.uint64(stage.resplits * 4096)
    spare = np.empty(len(grids) if many + few > 0 else 1, np.int32)
    free = 0
    if many + few > 0:
        for g in range(len(grids)):
            if grids[g].units == 0 and patch_of[g] == patch:
                spare[free] = g
                free += 1
    more = 0
    stamp = patch * (np.int64(1) << np.int64(40))
    heat = stage.hot
    cooling = (stage.cold / stage.hot) ** (256.0 / max(steps, 1))
    for step in range(steps):
        if step % 256 == 255:
            heat *= cooling
        bits = word(state)  # 28 for the unit, 12 each for the border, for chance and for the kind of move
        u = units[((bits >> np.uint64(36)) * choices) >> np.uint64(28)]
        first = every[u].first
        degree = np.uint64(every[u + 1].first - first)
        at = first + np.int64((((bits >> np.uint64(24)) & np.uint64(4095)) * degree) >> np.uint64(12))
        if degree == 0 or not arcs[at].walk:
            continue
        b = labels[arcs[at].unit]
        if b == labels[u] or patch_of[b] != patch:
            continue
        threshold = heat * logs[(bits >> np.uint64(12)) & np.uint64(4095)]
        stamp += 2
        if (bits & np.uint64(4095)) < coin:
            kind = draw(state) if many + few > 0 else 1.0
            if kind < (0.5 if few == 0 else DIVIDE_BELOW if many > 0 else 0.0):
                possible = free > 0 and more < many and could_be(3, held, bounds, labels[u], b, -1)
                c = spare[free - 1]
                if possible and divide(
                    ground, tally, u, b, c, threshold - price, outside_m, EVEN_M, room, stamp, state
                ):  # fmt: skip
                    free -= 1
                    more += 1
            elif kind < 0.5:
                c = third_grid(every, arcs, labels, u, arcs[at].unit, state)
                possible = c >= 0 and patch_of[c] == patch and -more < few
                possible = possible and could_be(2, held, bounds, labels[u], b, c)
                if possible and resplit(
                    ground, tally, u, b, c, threshold + price, outside_m, EVEN_M, room, stamp, state
                ):  # fmt: skip
                    spare[free] = c
                    free += 1
                    more -= 1
            else:
                resplit(ground, tally, u, b, -1, threshold, outside_m, EVEN_M, room, stamp, state)
        else:
            flip(
                every, arcs, load, bounds, outside_m, ragged_m, labels, grids, held,
                u, b, threshold, mark, queue, stamp,
            )  # fmt: skip
