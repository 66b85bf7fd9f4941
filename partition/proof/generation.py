"""A lower bound where there are too many possible grids to list: column generation with a box on the prices.

For any prices the least reduced cost of each root's sets, or a bound of it, gives a bound of all plans; the
prices are bettered by the LP over the sets found so far. Alone that LP's prices swing wildly; here they must
stay in a box round the best prices yet, which grows when they prove good and shrinks when not (Marsten, Hogan
and Blankenship 1975).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from partition.arrays import Flags, Lengths, Numbers
from partition.proof.pricing import price_sets
from partition.solver.master import Master, Relaxed
from partition.solver.pool import STRICT, Leniency, Pool, capped_load
from partition.solver.problem import Problem, Weights

ROUNDS = 120  # of pricing, at most
ROOT_NODES = 10_000  # of the search of a root, at first
MOST_ROOT_NODES = 640_000
FEWEST_NODES = 100  # of a root, however little is to be spent
CEILING = 0.02  # of a grid's mean cost: sets with a reduced cost up to this join the LP
NARROWEST = 0.01  # of the mean price: the box is never narrower
TAIL = 0.15  # of what lies between bound and plan: what the LP can still give may be left to the branching
CLOSE = 1e-4  # of the bound: an LP value this near to it cannot lift it much


@dataclass(frozen=True)
class Generated:
    """`lower` bounds the cost of every plan; `prices` prove it: no set has a negative reduced cost. The sets
    found on the way are in `pool`. `complete`: the bound is (nearly) the LP's, no round was cut off.
    """

    lower: float
    prices: Relaxed
    pool: Pool
    rounds: int
    nodes: int
    complete: bool


def border_problem(problem: Problem) -> Problem:
    """The same problem with the border cost alone."""
    return replace(problem, weights=Weights(problem.weights.range_m, 0.0, 0.0))


def generate(
    problem: Problem,
    labels: Numbers,
    grids: int,
    pool: Pool,
    *,
    enough: float,
    stop: Flags,
    rounds: int = ROUNDS,
    threads: int = 1,
    leniency: Leniency = STRICT,
    most_nodes: float = math.inf,
) -> Generated:
    """Bound the border cost of all plans of `grids` grids in range. `labels` (any plan) gives first prices.
    Where `leniency` lets grids be out of range, what is outside is part of the cost.

    Stops when the bound reaches `enough`, when the LP gives no more, after `rounds`, when `stop[0]` is set,
    and when about `most_nodes` of the search for sets are spent.
    """
    units = len(problem)
    price, count_price = _first_prices(problem, labels, grids, leniency)
    scale = max(float(np.abs(price).mean()), 1e-6)
    width = np.append(np.full(units, 0.3 * scale), 0.3 * max(abs(count_price), scale))
    narrowest = NARROWEST / 0.3 * width
    center = np.append(price, count_price)
    now, expected = center, np.inf
    ceiling = CEILING * max(float(price.sum()) / grids + count_price, 1e-6)
    master = Master(units, grids, 1.0)
    master.add(pool.start, pool.members, pool.cost)
    most_cap = int(min(MOST_ROOT_NODES, max(most_nodes / units, FEWEST_NODES)))
    lower, nodes, cap = -np.inf, 0, min(ROOT_NODES, most_cap)
    roots = np.arange(units)
    complete = False
    done = 0
    while done < rounds:
        found = price_sets(
            problem, now[:-1].copy(), float(now[-1]), roots,
            ceiling=ceiling, most_nodes=cap, threads=threads, stop=stop, leniency=leniency,
        )  # fmt: skip
        done += 1
        nodes += int(found.nodes.sum())
        # a root that is charged what its best set lacks leaves no set with a negative reduced cost
        mended = now.copy()
        mended[roots] += found.lower
        value = float(mended[:-1].sum()) + grids * float(mended[-1])
        if (found.nodes >= cap).any():
            cap = min(2 * cap, most_cap)
        if value > lower:
            if value - lower > 0.5 * (expected - lower):
                width = width * 1.5
            lower, center = value, mended
        else:
            width = np.maximum(width * 0.6, narrowest)
        if lower >= enough or stop[0] or nodes > most_nodes:
            complete = lower >= enough
            break
        more = Pool.of_sets(problem, found.start, found.members, leniency)
        known = len(pool)
        pool = pool.merged(more)
        master.add(pool.start[known:], pool.members, pool.cost[known:])
        master.box(center - width, center + width)
        relaxed = master.solve()
        now = np.append(relaxed.price, relaxed.count_price)
        expected = relaxed.value
        roots = roots[np.argsort(-found.nodes, kind="stable")]  # the long ones first, for the threads' sake
        room = max(CLOSE * abs(lower), TAIL * (enough - lower) if lower > -np.inf else 0.0)
        if expected - lower <= room and relaxed.uncovered < 1e-6:
            complete = True
            break
    prices = Relaxed(lower, center[:-1], float(center[-1]), np.empty(0), 0.0)
    return Generated(lower, prices, pool, done, nodes, complete)


def near_sets(
    problem: Problem,
    prices: Relaxed,
    limit: float,
    *,
    each: int,
    root_nodes: int,
    stop: Flags,
    threads: int = 1,
    leniency: Leniency = STRICT,
) -> tuple[Pool, int, bool]:
    """The sets with a reduced cost up to `limit` at these prices, the nodes of the search, and whether these
    are surely all: no root had more than `each` or needed more than `root_nodes`.
    """
    found = price_sets(
        problem, prices.price, prices.count_price, np.arange(len(problem)),
        ceiling=limit, most_nodes=root_nodes, each=each, threads=threads, stop=stop,
        leniency=leniency,
    )  # fmt: skip
    every = not stop[0] and bool((found.nodes < root_nodes).all() and (found.count < each).all())
    return Pool.of_sets(problem, found.start, found.members, leniency), int(found.nodes.sum()), every


def _first_prices(problem: Problem, labels: Numbers, grids: int, leniency: Leniency) -> tuple[Lengths, float]:
    """Each grid's cost shared out among its units, by load for the most part, and a price of the count."""
    cost = Pool.of_plan(problem, labels, leniency).cost
    if not cost.any():  # borders cost nothing where it is only asked whether there is a plan
        cost = np.ones(len(cost))
    load = capped_load(problem)[:, 0]
    size, held = np.bincount(labels), np.bincount(labels, load)
    count_price = 0.4 * float(cost.sum()) / grids
    share = 0.7 * load / np.maximum(held, 1e-9)[labels] + 0.3 / size[labels]
    return np.asarray((cost - count_price)[labels] * share), count_price
