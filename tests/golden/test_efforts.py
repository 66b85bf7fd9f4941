"""What proofs within budgets find, and what is reached round by round, as readable text. `make golden` renews
it; figures that got worse are read like a bug.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from partition.arrays import Numbers
from partition.proof.bound import QUICK, THOROUGH, Bound, Budget, prove
from partition.proof.shortfall import prove_shortfall
from partition.solver.balance import Balance
from partition.solver.evenness import settle_evenly
from partition.solver.joining import total_off
from partition.solver.plan import make_plan
from partition.solver.problem import Problem, Weights
from partition.solver.refine import refine_plan
from partition.solver.seed import seed_plan
from tests.golden.parts import compare_part
from tests.golden.test_searches import RANGE, WISHES, mark, uneven

GOLDEN = Path(__file__).with_name("efforts.txt")


def figure(value: float) -> str:
    return f"{round(value, 3) + 0.0:.3f}"  # no -0.000


def trace(bound: Bound) -> str:
    """A proof as one line."""
    return (
        f"{bound.status} {figure(bound.lower)} of {figure(bound.value)}, {bound.sets} sets, "
        f"{bound.rounds} rounds, {bound.nodes} nodes, {len(bound.certificate.tree)} in the tree, "
        + ("no plan" if bound.labels is None else mark(bound.labels))
    )


def budgets() -> Iterator[str]:
    """Proofs that may do only so much, of good plans and of bad ones, and where no plan is in range."""
    border = Weights(50.0, 0.0, 0.0)
    large = Problem.of_households(uneven(8, 6, 11), RANGE, border)
    good = make_plan(large, effort=200, seed=1).assignment
    for budget in (
        Budget(nodes=3_000), Budget(nodes=25_000), Budget(nodes=80_000, near=300), Budget(near=40),
        Budget(branches=1), Budget(near=2_000, branches=3), QUICK,
    ):  # fmt: skip
        yield f"border {budget}: {trace(prove(large, good, budget=budget))}"
    bad = np.arange(len(large)) % (int(good.max()) + 1)
    yield f"a bad plan: {trace(prove(large, bad))}"
    yield f"in a hurry: {trace(prove(large, bad, budget=QUICK))}"
    for seed in (3, 4):
        small = Problem.of_households(uneven(5, 5, seed), RANGE, WISHES)
        plan = make_plan(small, effort=100, seed=seed).assignment
        for budget in (Budget(columns=40), Budget(columns=400), Budget(branches=1), Budget(listed=100)):
            yield f"wishes {seed}, {budget}: {trace(prove(small, plan, budget=budget))}"
        yield f"a bad plan: {trace(prove(small, np.arange(25) % 4))}"
        yield f"one grid more: {trace(prove(small, plan, k=int(plan.max()) + 2))}"
    for seed in (5, 6, 7):
        tight = Problem.of_households(uneven(5, 4, seed), Balance(100, 105, 110), border)
        plan = seed_plan(tight, max(round(tight.load.sum() / 105), 2), seed=seed)
        for budget in (THOROUGH, QUICK, Budget(nodes=4_000, near=200)):
            found = prove_shortfall(tight, plan, budget=budget)
            beyond, edges = (found.outside, found.least_outside), (found.border, found.least_border)
            yield (
                f"shortfall {seed}: {found.status}, {' of '.join(map(figure, beyond))} outside at least, "
                f"{' of '.join(map(figure, edges))} of border at least, gap {found.gap:.4f}"
            )
            yield from (f"  {trace(proof)}" for proof in found.proofs)
    for seed in (8, 9):
        problem = Problem.of_households(uneven(5, 4, seed), RANGE, border)
        plan = make_plan(problem, effort=100, seed=seed).assignment
        off = total_off(problem, plan)
        for most in (0.4 * off, 0.7 * off, off):
            even = settle_evenly(problem, int(plan.max()) + 1, most + 1e-6, plan if most == off else None)
            yield f"even {seed}, {most:.1f}: {even.least:.3f} " + (
                "no plan"
                if even.labels is None
                else f"{total_off(problem, even.labels):.1f} off, {mark(even.labels)}"
            )


def rounds() -> Iterator[str]:
    """What is reached round by round: grids come and go, are put right in the end, or stay as many."""
    for seed in range(4):
        problem = Problem.of_households(uneven(14, 11, 40 + seed), RANGE, Weights(50.0, 100.0, 60.0))
        grids = (26, 24, 28, 10)[seed]
        for options in ({}, {"hot_m": 400.0, "resplit_share": 0.3}, {"firm": 0.0}, {"rounds": 3}):
            seen: list[str] = []

            def watch(labels: Numbers, temperature: float, seen: list[str] = seen) -> None:
                seen.append(f"{len(np.unique(labels))} at {temperature:.1f} m {mark(labels)}")

            start = seed_plan(problem, grids, seed=seed)
            told = {"rounds": 8, **options}
            done = refine_plan(problem, start, steps=6_000, seed=seed, watch=watch, **told)  # type: ignore[arg-type]
            yield f"{seed}, {options}: {done.value:.3f}, outside {done.outside:.3f}, {mark(done.labels)}"
            yield "  " + ", ".join(seen)


PARTS = {"budgets": budgets, "rounds": rounds}


@pytest.mark.parametrize("name", PARTS)
def test_what_is_found_with_so_much_effort(name: str, request: pytest.FixtureRequest) -> None:
    compare_part(GOLDEN, name, list(PARTS[name]()), request.config.getoption("--renew-golden"))
