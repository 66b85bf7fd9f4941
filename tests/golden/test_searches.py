"""What the searches find, as readable text: the same problem, seed and effort give the same plan everywhere.
`make golden` renews it; figures that got worse are read like a bug.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from partition.alternatives import find_alternatives
from partition.arrays import Lengths, Numbers
from partition.changes.adjustment import adjust_plan, settle_pieces
from partition.changes.edits import move_units, open_draft, rebalance, split_grid
from partition.proof.bound import prove
from partition.proof.instance import Instance
from partition.proof.pricing import price_sets
from partition.proof.settling import settle
from partition.solve import solve, solve_within
from partition.solver.balance import Balance
from partition.solver.enumeration import list_sets
from partition.solver.graph import Graph, from_arcs
from partition.solver.joining import total_off
from partition.solver.plan import make_plan
from partition.solver.problem import Problem, Weights
from partition.solver.refine import refine_plan
from partition.solver.seed import seed_plan
from tests.golden.parts import compare_part

GOLDEN = Path(__file__).with_name("searches.txt")
RANGE, SECOND = Balance(90, 120, 150), Balance(150, 300, 460)
WISHES = Weights(50.0, 400.0, 60.0, 2.0)


def uneven(columns: int, rows: int, seed: int) -> Graph:
    """A lattice of units of uneven size on streets of uneven cost; some cannot be crossed, some pay."""
    rng = np.random.default_rng(seed)
    n = columns * rows
    number = np.arange(n).reshape(rows, columns)
    a = np.concatenate([number[:, :-1].ravel(), number[:-1].ravel()])
    b = np.concatenate([number[:, 1:].ravel(), number[1:].ravel()])
    length = rng.uniform(20.0, 90.0, len(a)).round(1)
    cost = (length * rng.choice([2.0, 1.0, 0.5, 0.2, -0.1], len(a), p=[0.2, 0.3, 0.3, 0.15, 0.05])).round(1)
    households = np.where(rng.random(n) < 0.1, 0, rng.integers(8, 40, n))
    return from_arcs(
        households.astype(np.int64), rng.uniform(900.0, 6000.0, n).round(), rng.uniform(0.0, 40.0, n).round(),
        np.concatenate([a, b]), np.concatenate([b, a]), np.tile(length, 2), np.tile(cost, 2),
        np.tile(rng.random(len(a)) >= 0.06, 2),
    )  # fmt: skip


def both(graph: Graph, seed: int, weights: Weights = WISHES) -> Problem:
    """Two ranges at once."""
    more = graph.households * np.random.default_rng(seed).uniform(2.0, 3.0, len(graph))
    load = np.stack([graph.households.astype(np.float64), more.round()], axis=1)
    return Problem(graph, load, (RANGE, SECOND), weights)


def mark(labels: Numbers) -> str:
    """Tells plans apart, whatever their grids are numbered."""
    first = np.unique(labels, return_index=True)[1]
    rank = np.empty(int(labels.max()) + 1, dtype=np.int64)
    rank[labels[np.sort(first)]] = np.arange(len(first))
    return f"{zlib.crc32(rank[labels].astype('<i8').tobytes()):08x}"


def spread(problem: Problem, labels: Numbers) -> str:
    held = np.bincount(labels, weights=problem.graph.households)
    held = held[np.bincount(labels) > 0]
    return f"{len(held)} grids of {held.min():.0f} to {held.max():.0f}"


def total(values: Lengths | Numbers) -> str:
    return f"{float(np.asarray(values, dtype=np.float64).sum()):.3f}"


def plans() -> Iterator[str]:
    for seed in range(2):
        problem = Problem.of_households(uneven(9, 8, seed), RANGE, WISHES if seed % 2 else Weights())
        for threads in (1, 2):
            labels = seed_plan(problem, 12, seed=seed, threads=threads)
            yield f"first plan {seed}, {threads}: {spread(problem, labels)}, {mark(labels)}"
            done = refine_plan(problem, labels, steps=20_000, seed=seed, threads=threads)
            yield f"bettered: {done.value:.3f}, outside {done.outside:.3f}, {mark(done.labels)}"
        plan = make_plan(problem, effort=200, seed=seed)
        yield f"plan: {plan.value:.3f}, outside {plan.outside:.3f}, {mark(plan.assignment)}"
    for seed in (5, 6):
        problem = both(uneven(10, 9, seed), seed)
        plan = make_plan(problem, effort=200, seed=seed)
        yield f"two ranges {seed}: {plan.value:.3f}, outside {plan.outside:.3f}, {mark(plan.assignment)}"
        rng = np.random.default_rng(seed)
        later = replace(
            problem,
            load=problem.load + rng.integers(0, 9, problem.load.shape),
            previous=plan.assignment,
            frozen=plan.assignment == plan.assignment[40],
        )
        new = refine_plan(later, plan.assignment, steps=20_000, seed=seed, hot_m=60.0)
        away = int((new.labels != plan.assignment).sum())
        yield f"kept close: {new.value:.3f}, outside {new.outside:.3f}, {away} units elsewhere"
        again = make_plan(later, effort=150, seed=seed)
        yield f"renewed: {again.value:.3f}, {again.grids}, {mark(again.assignment)}"
    large = Problem.of_households(uneven(30, 20, 7), RANGE, WISHES)
    for threads in (1, 3):
        plan = make_plan(large, effort=30, seed=7, threads=threads)
        yield f"large: {plan.value:.3f}, outside {plan.outside:.3f}, {mark(plan.assignment)}"


def proofs() -> Iterator[str]:
    for seed in range(2):
        problem = Problem.of_households(uneven(5, 5, seed), RANGE, Weights(50.0, 0.0, 0.0))
        plan = make_plan(problem, effort=200, seed=seed)
        listed = list_sets(problem)
        yield f"sets {seed}: {sum(len(block) for block in listed.blocks)}, " + total(
            np.concatenate([block.cost for block in listed.blocks])
        )
        for name, one in {"border": problem, "all": replace(problem, weights=WISHES)}.items():
            bound = prove(one, plan.assignment)
            yield (
                f"{name}: {bound.status} {bound.lower:.3f} of {bound.value:.3f}, {bound.sets} sets, "
                f"{bound.rounds} rounds, {bound.nodes} nodes"
            )
        settled = settle(Problem.of_households(uneven(4, 4, seed), RANGE))
        yield f"settled: {settled.proven} " + ("" if settled.labels is None else mark(settled.labels))
    problem = Problem.of_households(uneven(8, 6, 11), RANGE, Weights(50.0, 0.0, 0.0))
    plan = make_plan(problem, effort=200, seed=1)
    bound = prove(problem, plan.assignment)
    yield (
        f"generated: {bound.status} {bound.lower:.3f} of {bound.value:.3f}, {bound.sets} sets, "
        f"{bound.rounds} rounds, {bound.nodes} nodes"
    )
    for seed in range(4):
        problem = both(uneven(8, 7, 20 + seed), seed, Weights(50.0, 0.0, 0.0))
        price = problem.graph.households * np.random.default_rng(seed).uniform(0.3, 1.6, len(problem))
        priced = price_sets(
            problem, price, 10.0 * seed, np.arange(len(problem)), ceiling=0.0, each=4, most_nodes=400
        )
        yield (
            f"priced {seed}: {total(priced.lower)}, {priced.nodes.sum()} nodes, {priced.count.sum()} sets, "
            f"{zlib.crc32(priced.members.astype('<i4').tobytes()):08x}"
        )


def changes() -> Iterator[str]:
    """Growth, demolition, new ground in plans of before; grids far out of range, frozen units."""
    for seed in range(6):
        graph = uneven(7, 6, 30 + seed)
        problem = both(graph, seed) if seed % 2 else Problem.of_households(graph, RANGE)
        old = refine_plan(problem, seed_plan(problem, 6, seed=seed), steps=10_000, seed=seed).labels
        rng = np.random.default_rng(seed)
        n = len(graph)
        grown = graph.households + np.where(rng.random(n) < 0.15, rng.integers(10, 60, n), 0)
        grown = np.where((old == seed) & (rng.random(n) < 0.8), grown * (3 * (seed % 2)), grown)
        previous = np.where(rng.random(n) < 0.08, -1, old)
        now = both(replace(graph, households=grown), seed) if seed % 2 else problem
        if not seed % 2:
            now = Problem.of_households(replace(graph, households=grown), RANGE)
        now = replace(now, previous=previous, frozen=(previous == (seed + 1) % 6) if seed > 3 else None)
        yield f"settled {seed}: {mark(settle_pieces(now, 7))}, {mark(settle_pieces(now, 6, found=False))}"
        for options in ({}, {"most_moved": 60.0}, {"same_number": True}, {"spare": 0.6}, {"before": 8}):
            found = adjust_plan(now, seed=seed, limit=30_000, **options)  # type: ignore[arg-type]
            yield (
                f"adjusted {options}: {found.moved} moved, outside {found.outside:.3f}, {found.price:.3f}, "
                f"{found.founded.tolist()} new, {found.dissolved.tolist()} gone, {mark(found.labels)}"
            )
        codes = [f"C1-{number:03d}" for number in range(1, int(old.max()) + 2)]
        draft = open_draft(Problem.of_households(now.graph, RANGE), old, codes, prefix="C1-")
        draft = split_grid(draft, codes[0], seed=seed)
        draft = rebalance(move_units(draft, [int(np.flatnonzero(old == 1)[0])], codes[1]), seed=seed)
        yield f"rebalanced: {len(draft.violations)} faults, {mark(draft.labels)}"
    problem = Problem.of_households(uneven(8, 6, 2), RANGE)
    for one in find_alternatives(problem, 3, effort=100, seed=2):
        differs = " ".join(f"{share:.4f}" for share in one.differs)
        yield f"alternative: {one.plan.value:.3f}, differs {differs}, {mark(one.plan.assignment)}"


def benches() -> Iterator[str]:
    """What the bench's command finds; with a mean deviation, and with all its proposals."""
    graph = uneven(12, 10, 3)
    instance = Instance("town", graph, Balance(170, 250, 330), round(graph.households.sum() / 250))
    for effort, balance in ((500, 0.0), (5_000, 0.0), (9_000, 40_000.0)):
        done = solve(instance, seed=1, effort=effort, balance=balance, threads=2)
        yield f"solved {effort}: {done.value:.3f}, outside {done.outside:.3f}, {mark(done.labels)}"
    for mean in (24.0, 9.0, 0.5):
        done, least = solve_within(instance, mean, effort=900, seed=1)
        off = total_off(instance.problem(), done.labels) / instance.grids
        yield f"within {mean}: {done.value:.3f}, outside {done.outside:.3f}, off {off:.4f}, {least:.3f}"
    tiny = Instance("tiny", uneven(5, 4, 5), RANGE, round(uneven(5, 4, 5).households.sum() / 120))
    done = solve(tiny, seed=2)
    yield f"all proposals: {done.value:.3f}, outside {done.outside:.3f}, {mark(done.labels)}"
    for mean in (22.0, 2.0):
        done, least = solve_within(tiny, mean, effort=400)
        yield f"proven within {mean}: {done.value:.3f}, outside {done.outside:.3f}, {least:.3f}"


@pytest.mark.parametrize("name", ["plans", "proofs", "changes", "benches"])
def test_what_the_searches_find(name: str, request: pytest.FixtureRequest) -> None:
    lines = list({"plans": plans, "proofs": proofs, "changes": changes, "benches": benches}[name]())
    compare_part(GOLDEN, name, lines, request.config.getoption("--renew-golden"))
