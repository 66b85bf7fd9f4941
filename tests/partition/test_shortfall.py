"""How far out of range the best plan must be: against all partitions of lattices, and on a real graph."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from partition.arrays import Numbers
from partition.proof.bound import Bound, prove
from partition.proof.pricing import price_sets, rank_units
from partition.proof.proving import prove_plan
from partition.proof.shortfall import Shortfall, prove_shortfall
from partition.solver.balance import Balance
from partition.solver.graph import from_arcs
from partition.solver.pool import Leniency, Pool, column_costs
from partition.solver.problem import Problem, Weights
from partition.solver.refine import refine_plan
from tests import certificate_checker
from tests.partition.test_bound import BENCH, TWO, as_instance, every_partition, lattice

TIGHT_RANGE = (Balance(80, 85, 90),)


def outside_and_border(problem: Problem, labels: Numbers) -> tuple[float, float]:
    """What a plan has outside the ranges and what its borders cost, by adding up."""
    graph = problem.graph
    held = np.zeros((int(labels.max()) + 1, len(problem.ranges)))
    np.add.at(held, labels, np.minimum(problem.load, [balance.upper for balance in problem.ranges]))
    lower = np.array([balance.lower for balance in problem.ranges])
    upper = np.array([balance.upper for balance in problem.ranges])
    cut = labels[graph.rows()] != labels[graph.indices]
    return (
        float(np.maximum(np.maximum(lower - held, held - upper), 0.0).sum()),
        0.5 * float(graph.cost[cut].sum()),
    )


def connected(problem: Problem, labels: Numbers) -> bool:
    """Whether each grid hangs together."""
    return all(
        problem.graph.components(labels != grid)[labels == grid].max() == 0 for grid in np.unique(labels)
    )


def all_plans(problem: Problem, grids: int) -> list[Numbers]:
    plans = (np.array(labels) for labels in every_partition(len(problem)) if max(labels) + 1 == grids)
    return [labels for labels in plans if connected(problem, labels)]


def confirm(problem: Problem, bound: Bound) -> None:
    """Have a certificate checked, as read back from JSON."""
    document = json.loads(json.dumps(bound.certificate.document()))
    certificate_checker.check(as_instance(problem), document["labels"], document)


@settings(max_examples=20, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    shape=st.sampled_from([(2, 4), (3, 3)]),
    grids=st.integers(2, 5),
    two=st.booleans(),
    severed=st.sampled_from([0.0, 0.2]),
    paying=st.booleans(),
)
def test_shortfall_is_that_of_all_partitions(
    seed: int, shape: tuple[int, int], grids: int, two: bool, severed: float, paying: bool
) -> None:
    ranges = (TIGHT_RANGE[0], Balance(40, 50, 60)) if two else TIGHT_RANGE
    problem = lattice(*shape, seed, ranges=ranges, severed=severed, paying=paying)
    plans = all_plans(problem, grids)
    if not plans:
        return
    found = [outside_and_border(problem, labels) for labels in plans]
    least = min(outside for outside, _ in found)
    for start in (plans[0], plans[int(np.argmin([outside for outside, _ in found]))]):
        if outside_and_border(problem, start)[0] == 0.0:
            continue  # in range: nothing is missing
        shortfall = prove_shortfall(problem, start)
        assert connected(problem, shortfall.labels)
        assert outside_and_border(problem, shortfall.labels) == pytest.approx(
            (shortfall.outside, shortfall.border), abs=1e-6
        )
        assert shortfall.least_outside <= least + 1e-6 <= shortfall.outside + 2e-6
        cheapest = min(border for outside, border in found if outside <= shortfall.outside + 1e-6)
        assert shortfall.least_border <= cheapest + 1e-3
        if shortfall.status == "optimal":
            assert shortfall.outside == pytest.approx(least, abs=1e-6)
            assert shortfall.border == pytest.approx(cheapest, abs=1e-2)
        for proof in shortfall.proofs:
            confirm(problem, proof)


def loose_town() -> tuple[Problem, Shortfall]:
    """A lattice where no plan is in range, and the best is proven."""
    for seed in range(30):
        problem = lattice(4, 6, seed, ranges=TIGHT_RANGE)
        grids = round(float(np.minimum(problem.load, 90).sum() / 85))
        start = prove(replace(problem, ranges=(Balance(10, 85, 400),)), np.arange(24) % grids).labels
        assert start is not None
        if not connected(problem, start) or prove(problem, start).status != "infeasible":
            continue
        shortfall = prove_shortfall(problem, start)
        if shortfall.status == "optimal" and shortfall.outside > 0:
            return problem, shortfall
    raise AssertionError("no lattice of these has a proven shortfall")


@pytest.fixture(scope="module")
def town() -> tuple[Problem, Shortfall]:
    return loose_town()


def test_certificates_are_confirmed_and_forged_ones_refused(town: tuple[Problem, Shortfall]) -> None:
    problem, shortfall = town
    for proof in shortfall.proofs:
        confirm(problem, proof)
        document = json.loads(json.dumps(proof.certificate.document()))
        forged = {
            "dearer outside": {"outside_m": 2.0 * document["outside_m"]},
            "cheaper outside": {"outside_m": 0.5 * document["outside_m"]},
            "nothing outside": {"outside_m": None, "most_outside": 0.0},
            "less outside": {"most_outside": 0.5 * shortfall.outside},
            "a higher bound": {"lower": document["lower"] + 1.0, "cost": document["cost"] + 1.0},
        }
        for name, changes in forged.items():
            try:
                certificate_checker.check(as_instance(problem), document["labels"], document | changes)
            except certificate_checker.RefusedError:
                continue
            pytest.fail(f"{name} was not noticed")


def test_same_shortfall_whatever_the_threads(town: tuple[Problem, Shortfall]) -> None:
    problem, shortfall = town
    again = prove_shortfall(problem, shortfall.labels, threads=3)
    once = prove_shortfall(problem, shortfall.labels, threads=1)
    assert [proof.certificate.document() for proof in again.proofs] == [
        proof.certificate.document() for proof in once.proofs
    ]
    assert again.gap < 1e-6


def test_command_writes_a_certificate_for_each_claim(town: tuple[Problem, Shortfall], tmp_path: Path) -> None:
    problem, shortfall = town
    file = tmp_path / "proof.json"
    grids = shortfall.proofs[0].grids
    plan = refine_plan(problem, shortfall.labels, steps=0, seed=0)
    done, told = prove_plan(problem, plan, grids, seconds=np.inf, threads=2, certificate=file)
    assert done.outside == pytest.approx(shortfall.outside)
    assert not done.hurried
    assert [line.split(":")[0] for line in told] == ["infeasible", "optimal", "optimal"]
    assert f"{shortfall.outside:.0f} at least" in told[1]
    documents = [
        json.loads((tmp_path / f"proof{name}.json").read_text()) for name in ("", "-outside", "-border")
    ]
    assert [document["objective"] for document in documents][1:] == ["outside", "border"]
    for document in documents:
        certificate_checker.check(as_instance(problem), document["labels"], document)
    # in a range that holds for the plan one certificate is enough
    wide = replace(problem, ranges=(Balance(10, 85, 400),))
    done, told = prove_plan(wide, plan, grids, seconds=np.inf, threads=1, certificate=tmp_path / "wide.json")
    assert told == ["optimal: at most 0.00 % above the best possible"]
    assert done.outside == 0.0
    assert done.value <= plan.value + 1e-6
    assert not (tmp_path / "wide-border.json").exists()
    hurried, _ = prove_plan(wide, plan, grids, seconds=1e-9, threads=1, certificate=None)
    assert connected(wide, hurried.labels)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10_000), outside_m=st.sampled_from([0.3, 3.0, 300.0]), paying=st.booleans())
def test_pricing_beyond_the_range(seed: int, outside_m: float, paying: bool) -> None:
    """The cheapest set of each root with a price on what is outside, against all connected sets."""
    problem = lattice(3, 4, seed, ranges=TWO, paying=paying)
    rng = np.random.default_rng(seed)
    price, count_price = rng.uniform(-10.0, 90.0, 12), float(rng.uniform(-50.0, 50.0))
    leniency = Leniency(outside_m, 60.0, rng.uniform(-1.0, 1.0, 12), 5.0)
    sets = [
        np.flatnonzero([number >> unit & 1 for unit in range(12)])
        for number in range(1, 1 << 12)
    ]  # fmt: skip
    sets = [
        members
        for members in sets
        if connected(problem, np.where(np.isin(np.arange(12), members), 0, 1 + np.arange(12)))
    ]
    start = np.concatenate([[0], np.cumsum([len(members) for members in sets])])
    members = np.concatenate(sets).astype(np.int32)
    pool = Pool.of_sets(problem, start, members, leniency)
    fits = pool.feasible(problem, leniency)
    assert pool.cost == pytest.approx(column_costs(problem, start, members, leniency))
    reduced = pool.cost - count_price - np.add.reduceat(price[pool.members], pool.start[:-1])
    rank = rank_units(problem)
    roots = np.argsort(rank)[np.minimum.reduceat(rank[pool.members], pool.start[:-1])]
    least = np.zeros(12)
    np.minimum.at(least, roots[fits], reduced[fits])
    priced = price_sets(
        problem, price, count_price, np.arange(12), ceiling=0.0, each=3, most_nodes=100_000, leniency=leniency
    )
    assert priced.lower == pytest.approx(least, abs=1e-7)


@pytest.mark.skipif(not BENCH.exists(), reason="the real graphs lie beside the checkout")
def test_best_plan_of_monaco_out_of_range() -> None:
    """57 grids of 200 to 400 households cannot be; what is nearest is proven, and its least borders too."""
    instance = certificate_checker.read_instance(BENCH / "real_monaco_blocks.npz")
    households = instance.load[:, 0].astype(np.int64)
    rows = np.repeat(np.arange(len(households)), np.diff(instance.indptr))
    graph = from_arcs(
        households, instance.area, instance.outer, rows, instance.indices, instance.length, instance.cost,
        instance.walk,
    )  # fmt: skip
    problem = Problem.of_households(graph, Balance(200, 300, 400), Weights(50.0, 0.0, 0.0))
    first = prove_shortfall(problem, np.arange(len(problem)) % 57)
    shortfall = prove_shortfall(problem, first.labels)
    assert shortfall.status == "optimal"
    assert connected(problem, shortfall.labels)
    assert outside_and_border(problem, shortfall.labels) == pytest.approx(
        (shortfall.outside, shortfall.border)
    )
    assert shortfall.least_outside == pytest.approx(shortfall.outside, abs=1e-6)
    assert shortfall.gap < 1e-6


@pytest.mark.parametrize(
    ("outside", "least", "border", "least_border", "gap", "status"),
    [
        (5.0, 5.0, 100.0, 100.0, 0.0, "optimal"),
        (5.0, 5.0, 100.0, 90.0, 0.1, "gap"),
        (5.0, 5.0, -100.0, -110.0, 0.1, "gap"),
        (5.0, 5.0, 100.0, 120.0, 0.0, "optimal"),
        (5.0, 4.9, 100.0, 100.0, 0.0, "gap"),
        (0.0, 0.0, 0.0, 0.0, 0.0, "optimal"),
        (1e4, 1e4 - 0.009, 100.0, 100.0, 0.0, "optimal"),  # by a share of what is outside
        (1e4, 1e4 - 0.011, 100.0, 100.0, 0.0, "gap"),
        (0.5, 0.5 - 0.9e-6, 100.0, 100.0, 0.0, "optimal"),  # of one household at least
        (0.5, 0.5 - 1.1e-6, 100.0, 100.0, 0.0, "gap"),
        (5.0, 5.0, 100.0, 100.0 - 0.9e-4, 0.9e-6, "optimal"),
        (5.0, 5.0, 100.0, 100.0 - 1.1e-4, 1.1e-6, "gap"),
        (5.0, 5.0, 2e-9, 1e-9, 0.5, "gap"),
    ],
)
def test_a_shortfall_is_the_best_where_nothing_is_left_to_spare(
    outside: float, least: float, border: float, least_border: float, gap: float, status: str
) -> None:
    for ends, told in (
        (("optimal", "gap"), "gap"),
        (("gap", "stopped"), "stopped"),
        (("stopped", "gap"), "stopped"),
    ):
        proofs = tuple(SimpleNamespace(status=end) for end in ends)
        found = Shortfall(np.zeros(1, int), outside, least, border, least_border, proofs)  # type: ignore[arg-type]
        assert found.gap == pytest.approx(gap)
        assert found.status == ("optimal" if status == "optimal" else told)
