"""Bounds and proofs: against all partitions of tiny lattices, and against a checker that shares no code."""

from __future__ import annotations

import copy
import itertools
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from partition.arrays import Numbers
from partition.proof.bound import Bound, Budget, Clock, _Optimum, known_plan, prove
from partition.proof.certificate import fingerprint
from partition.proof.generation import border_problem, generate
from partition.proof.pricing import price_sets, rank_units
from partition.solver.balance import Balance
from partition.solver.enumeration import TooManySetsError, list_sets
from partition.solver.graph import from_arcs
from partition.solver.master import Master, Relaxed, choose_sets, improve
from partition.solver.pool import Buffer, Pool, column_costs, is_noted, note_grid
from partition.solver.problem import Problem, Weights
from tests import certificate_checker

BORDER = Weights(50.0, 0.0, 0.0)
BENCH = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "graphs"


def lattice(
    rows: int,
    columns: int,
    seed: int,
    *,
    ranges: tuple[Balance, ...] = (Balance(60, 90, 120),),
    weights: Weights = BORDER,
    severed: float = 0.0,
    empty: float = 0.15,
    paying: bool = False,
) -> Problem:
    """A lattice of units with streets of uneven cost; some borders cannot be walked across, some pay."""
    rng = np.random.default_rng(seed)
    units = rows * columns
    number = np.arange(units).reshape(rows, columns)
    a = np.concatenate([number[:, :-1].ravel(), number[:-1].ravel()])
    b = np.concatenate([number[:, 1:].ravel(), number[1:].ravel()])
    length = rng.uniform(20.0, 80.0, len(a)).round(3)
    cost = (length * rng.choice([3.0, 1.0, 0.5, 0.2], len(a))).round(3)
    if paying:
        cost[rng.random(len(a)) < 0.1] *= -0.3
    walk = rng.random(len(a)) >= severed
    households = np.where(rng.random(units) < empty, 0, rng.integers(10, 60, units))
    households[rng.integers(units)] = 150  # above the upper bound by itself
    graph = from_arcs(
        households.astype(np.int64), rng.uniform(400.0, 4000.0, units), rng.uniform(0.0, 60.0, units),
        np.concatenate([a, b]), np.concatenate([b, a]), np.tile(length, 2), np.tile(cost, 2),
        np.tile(walk, 2),
    )  # fmt: skip
    load = np.stack([households, rng.integers(0, 50, units)], axis=1)[:, : len(ranges)].astype(np.float64)
    return Problem(graph, load, ranges, weights)


def every_partition(units: int) -> Iterator[list[int]]:
    """All ways to part the units, as labels in order of first use."""

    def grow(labels: list[int], used: int) -> Iterator[list[int]]:
        if len(labels) == units:
            yield labels
            return
        for label in range(used + 1):
            yield from grow([*labels, label], max(used, label + 1))

    yield from grow([0], 1)


def brute_force(problem: Problem, grids: int) -> float:
    """The least cost of a plan by trying all, infinite where there is none."""
    graph, best = problem.graph, np.inf
    upper = np.array([balance.upper for balance in problem.ranges])
    lower = np.array([balance.lower for balance in problem.ranges])
    load = np.minimum(problem.load, upper)
    neighbours: list[list[int]] = [[] for _ in range(len(graph))]
    for u, v, open_here in zip(graph.rows(), graph.indices, graph.walk, strict=True):
        if open_here:
            neighbours[u].append(int(v))
    fine: dict[frozenset[int], float] = {}
    for labels in every_partition(len(graph)):
        if max(labels) + 1 != grids:
            continue
        total = 0.0
        for grid in range(grids):
            members = frozenset(u for u, label in enumerate(labels) if label == grid)
            if members not in fine:
                fine[members] = _grid_cost(problem, members, load, lower, upper, neighbours)
            total += fine[members]
            if total == np.inf:
                break
        best = min(best, total)
    return float(best)


def _grid_cost(
    problem: Problem, members: frozenset[int], load: Any, lower: Any, upper: Any, neighbours: list[list[int]]
) -> float:
    held = load[sorted(members)].sum(axis=0)
    reached, queue = {min(members)}, [min(members)]
    while queue:
        for v in neighbours[queue.pop()]:
            if v in members and v not in reached:
                reached.add(v)
                queue.append(v)
    if reached != members or (held > upper + 1e-9).any() or (held < lower - 1e-9).any():
        return np.inf
    graph, weights = problem.graph, problem.weights
    cut = perimeter = 0.0
    for u in members:
        perimeter += graph.outer[u]
        for arc in range(graph.indptr[u], graph.indptr[u + 1]):
            if int(graph.indices[arc]) not in members:
                cut += graph.cost[arc]
                perimeter += graph.length[arc]
    target = np.array([balance.target for balance in problem.ranges])
    deviation = float((((held - target) / target) ** 2).sum())
    area = float(graph.area[sorted(members)].sum())
    raggedness = perimeter**2 / (4.0 * np.pi * area) - 1.0
    return float(0.5 * cut + weights.deviation_m * deviation + weights.compactness_m * raggedness)


def as_instance(problem: Problem) -> certificate_checker.Instance:
    """The problem as the checker knows it."""
    graph = problem.graph
    return certificate_checker.Instance(
        problem.load, graph.indptr, graph.indices, graph.cost, graph.length, graph.walk, graph.area,
        graph.outer, [[float(b.lower), float(b.target), float(b.upper)] for b in problem.ranges],
    )  # fmt: skip


def confirm(problem: Problem, bound: Bound) -> dict[str, Any]:
    """Have the certificate checked, as read back from JSON."""
    document = json.loads(json.dumps(bound.certificate.document()))
    return certificate_checker.check(as_instance(problem), bound.labels, document)


TWO = (Balance(60, 90, 120), Balance(10, 60, 130))


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    shape=st.sampled_from([(2, 4), (3, 3)]),
    grids=st.integers(2, 4),
    wishes=st.booleans(),
    two=st.booleans(),
    severed=st.sampled_from([0.0, 0.25]),
    paying=st.booleans(),
)
def test_optimum_is_that_of_all_partitions(
    seed: int, shape: tuple[int, int], grids: int, wishes: bool, two: bool, severed: float, paying: bool
) -> None:
    weights = Weights(50.0, 400.0, 60.0) if wishes else BORDER
    problem = lattice(
        *shape, seed, ranges=TWO if two else TWO[:1], weights=weights, severed=severed, paying=paying
    )
    bound = prove(problem, np.arange(len(problem)) % grids)
    best = brute_force(problem, grids)
    if best == np.inf:
        assert bound.status == "infeasible"
        assert bound.labels is None
        assert confirm(problem, bound)["status"] == "infeasible"
        return
    assert bound.status == "optimal"
    assert bound.value == pytest.approx(best, abs=1e-3)
    assert bound.lower <= best + 1e-6
    assert known_plan(problem, bound.labels, grids) is not None  # type: ignore[arg-type]
    assert confirm(problem, bound)["cost"] == pytest.approx(best, abs=1e-3)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10_000), severed=st.sampled_from([0.0, 0.2]), paying=st.booleans())
def test_both_ways_of_proof_agree(seed: int, severed: float, paying: bool) -> None:
    """The list of all sets and column generation: the same optimum, or both find that there is no plan."""
    problem = lattice(4, 7, seed, severed=severed, paying=paying)
    grids = max(round(float(np.minimum(problem.load, 120).sum() / 90)), 2)
    labels = np.arange(len(problem)) % grids
    listed = prove(problem, labels)
    import partition.proof.bound

    few = partition.proof.bound.FEW_UNITS
    try:
        partition.proof.bound.FEW_UNITS = 0
        priced = prove(problem, labels)
    finally:
        partition.proof.bound.FEW_UNITS = few
    assert listed.objective == "all"
    assert priced.objective == "border"
    assert priced.lower <= listed.value + 1e-3
    if priced.status == "optimal":
        assert listed.status == "optimal"
        assert priced.value == pytest.approx(listed.value, abs=1e-2)
    if priced.status == "infeasible":
        assert listed.status == "infeasible"
    assert confirm(problem, listed)["status"] == listed.status
    assert confirm(problem, priced)["status"] == priced.status
    if listed.status == "optimal":
        # prices that are no good prove less, but never too much
        rough = generate(
            border_problem(problem), labels, grids, Pool.empty(),
            enough=np.inf, stop=np.zeros(1, dtype=np.bool_), rounds=3,
        )  # fmt: skip
        assert rough.lower <= listed.value + 1e-6


def small_town() -> tuple[Problem, Bound]:
    """A lattice whose LP is not tight, so that the certificate has a tree."""
    for seed in range(40):
        problem = lattice(5, 7, seed, weights=Weights(50.0, 300.0, 30.0))
        grids = round(float(np.minimum(problem.load, 120).sum() / 90))
        bound = prove(problem, np.arange(len(problem)) % grids)
        if bound.status == "optimal" and len(bound.certificate.tree) > 1:
            return problem, bound
    raise AssertionError("no lattice of these has a tree")


@pytest.fixture(scope="module")
def town() -> tuple[Problem, Bound]:
    return small_town()


def test_certificate_is_confirmed(town: tuple[Problem, Bound]) -> None:
    problem, bound = town
    proven = confirm(problem, bound)
    assert proven["leaves"] > 1
    assert proven["sets"] == len(list_sets(problem))


def _tampered(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """What a forger might try."""
    forged: dict[str, dict[str, Any]] = {}

    def forge(name: str, **changes: Any) -> dict[str, Any]:
        forged[name] = copy.deepcopy(document) | changes
        return forged[name]

    forge("cost lower", cost=document["cost"] - 5.0, lower=document["lower"] - 5.0)
    forge("bound higher", lower=document["lower"] + 5.0)
    forge("price of a unit", price=[document["price"][0] + 40.0, *document["price"][1:]])
    forge("price of the count", count_price=document["count_price"] + 5.0)
    forge("another instance", fingerprint="0" * 64)
    forge("another range", ranges=[[0.0, 90.0, 120.0]])
    forge("another number of grids", grids=document["grids"] - 1)
    forge("another status", status="infeasible")
    forge("labels", labels=[document["labels"][-1], *document["labels"][1:]])
    forge("last node missing", tree=document["tree"][:-1])
    fork = next(i for i, node in enumerate(document["tree"]) if "pair" in node)
    leaf = next(i for i, node in enumerate(document["tree"]) if "price" in node)
    forge("one branch twice")["tree"][fork]["same"] = document["tree"][fork]["apart"]
    forge("another pair")["tree"][fork]["pair"] = [0, 0]
    forge("price of a leaf")["tree"][leaf]["price"][0] -= 40.0
    forge("no tree", tree=[{"price": document["price"], "count_price": document["count_price"]}])
    return forged


def test_tampered_certificates_are_refused(town: tuple[Problem, Bound]) -> None:
    problem, bound = town
    document = json.loads(json.dumps(bound.certificate.document()))
    for name, forged in _tampered(document).items():
        try:
            certificate_checker.check(as_instance(problem), bound.labels, forged)
        except certificate_checker.RefusedError:
            continue
        pytest.fail(f"{name} was not noticed")


def test_changed_labels_are_refused(town: tuple[Problem, Bound]) -> None:
    problem, bound = town
    assert bound.labels is not None
    document = json.loads(json.dumps(bound.certificate.document()))
    changed = bound.labels.copy()
    changed[0] = changed[-1]
    with pytest.raises(certificate_checker.RefusedError):
        certificate_checker.check(as_instance(problem), changed, document)


def test_same_proof_whatever_the_threads() -> None:
    problem = lattice(6, 9, 3)
    grids = round(float(np.minimum(problem.load, 120).sum() / 90))
    labels = np.arange(len(problem)) % grids
    one, three = prove(problem, labels, threads=1), prove(problem, labels, threads=3)
    assert one.certificate.document() == three.certificate.document()
    assert one.nodes == three.nodes


def test_stopped_by_the_clock_says_so_and_stays_valid() -> None:
    problem = lattice(9, 12, 4)
    grids = round(float(np.minimum(problem.load, 120).sum() / 90))
    labels = np.arange(len(problem)) % grids
    stopped = prove(problem, labels, time_limit=1e-3)
    assert stopped.status == "stopped"
    done = prove(problem, labels)
    assert done.status in ("optimal", "infeasible")
    assert stopped.lower <= done.value + 1e-6


def test_border_alone_where_wishes_are_too_many_to_list() -> None:
    problem = lattice(6, 9, 3, weights=Weights(50.0, 300.0, 30.0))
    grids = round(float(np.minimum(problem.load, 120).sum() / 90))
    least = prove(border_problem(problem), np.arange(len(problem)) % grids)
    assert least.status == "optimal"
    assert least.labels is not None
    bound = prove(problem, least.labels, budget=Budget(listed=10))
    assert bound.objective == "border"
    assert bound.status == "gap"
    assert bound.value == pytest.approx(least.value)
    assert bound.gap < 1e-4


def test_frozen_units_stay_together() -> None:
    problem = lattice(3, 4, 12, empty=0.0, ranges=(Balance(40, 120, 220),))
    free = prove(problem, np.arange(12) % 4)
    assert free.status == "optimal"
    assert free.labels is not None
    first = int(np.flatnonzero(free.labels != free.labels[0])[0])
    frozen = np.zeros(12, dtype=np.bool_)
    frozen[[0, first]] = True  # of two grids: they stay apart
    kept = prove(replace(problem, frozen=frozen), free.labels)
    assert kept.value == pytest.approx(free.value, abs=1e-4)
    joined = free.labels.copy()
    joined[first] = joined[0]  # now they are to stay in one grid
    bound = prove(replace(problem, frozen=frozen), joined)
    assert bound.status in ("optimal", "infeasible")
    if bound.labels is not None:
        assert bound.labels[0] == bound.labels[first]
        assert bound.value >= free.value - 1e-4
    assert confirm(problem, bound)["status"] == bound.status


def test_too_many_or_too_few_grids_are_refused_by_arithmetic() -> None:
    problem = lattice(4, 5, 7)
    for grids in (1, 19):
        bound = prove(problem, np.arange(20) % grids)
        assert bound.status == "infeasible"
        assert bound.rounds == 0
        assert confirm(problem, bound)["status"] == "infeasible"


def test_too_many_sets_are_refused() -> None:
    problem = lattice(5, 6, 1)
    with pytest.raises(TooManySetsError):
        list_sets(problem, most=20)


def test_list_holds_each_connected_set_in_range_once() -> None:
    problem = lattice(3, 4, 5, severed=0.2)
    load = np.minimum(problem.load[:, 0], 120)
    expected = set()
    for size in range(1, 13):
        for members in itertools.combinations(range(12), size):
            inside = np.zeros(12, dtype=np.bool_)
            inside[list(members)] = True
            connected = len(np.unique(problem.graph.components(~inside)[inside])) == 1
            if connected and 60 <= load[list(members)].sum() <= 120:
                expected.add(members)
    found = []
    for threads in (1, 2):
        catalogue = list_sets(problem, threads=threads)
        for block in catalogue.blocks:
            sets = [
                tuple(sorted(block.members[block.start[i] : block.start[i + 1]].tolist()))
                for i in range(len(block))
            ]
            if threads == 1:
                found += sets
            start, members = block.start, block.members.astype(np.int32)
            assert column_costs(problem, start, members) == pytest.approx(block.cost)
    assert len(found) == len(set(found))
    assert set(found) == expected


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10_000), nodes=st.sampled_from([1, 5, 100_000]), paying=st.booleans())
def test_pricing_finds_the_cheapest_set_of_each_root(seed: int, nodes: int, paying: bool) -> None:
    problem = lattice(4, 5, seed, paying=paying, ranges=TWO)
    rng = np.random.default_rng(seed)
    price, count_price = rng.uniform(-10.0, 90.0, 20), float(rng.uniform(-50.0, 50.0))
    rank = rank_units(problem)
    root_of = np.argsort(rank)
    least = np.zeros(20)
    for block in list_sets(problem).blocks:
        reduced = block.cost - count_price - np.add.reduceat(price[block.members], block.start[:-1])
        roots = root_of[np.minimum.reduceat(rank[block.members], block.start[:-1])]
        np.minimum.at(least, roots, reduced)
    priced = price_sets(
        problem, price, count_price, np.arange(20), ceiling=0.0, each=3, most_nodes=nodes, threads=2
    )
    assert (priced.lower <= least + 1e-7).all()
    if nodes > 5:
        assert priced.lower == pytest.approx(least, abs=1e-7)


def test_pool_keeps_each_set_once() -> None:
    problem = lattice(3, 3, 2)
    pool = Pool.of_sets(problem, np.array([0, 2, 4, 5]), np.array([1, 0, 0, 1, 4], dtype=np.int32))
    assert len(pool) == 2
    assert pool.members.tolist() == [0, 1, 4]
    other = Pool.of_plan(problem, np.array([0, 0, 1, 1, 1, 1, 2, 2, 2]))
    both = pool.merged(other)
    assert len(both) == 4
    assert other.cost.sum() == pytest.approx(
        0.5 * sum(
            problem.graph.cost[arc]
            for u in range(9)
            for arc in range(problem.graph.indptr[u], problem.graph.indptr[u + 1])
            if [0, 0, 1, 1, 1, 1, 2, 2, 2][u] != [0, 0, 1, 1, 1, 1, 2, 2, 2][problem.graph.indices[arc]]
        )
    )  # fmt: skip
    assert both.labels(np.array([0, 2]), 9).tolist() == [0, 0, 1, 1, 1, 1, -1, -1, -1]


def test_buffer_notes_what_is_new_while_there_is_room() -> None:
    problem = lattice(3, 3, 2)
    buffer = Buffer.of(9, 2)

    def note(*units: int) -> bool:
        members = np.array(units, dtype=np.int64)
        key = np.bitwise_xor.reduce(buffer.keys[members])
        return bool(
            note_grid(
                key, members, len(units), buffer.start, buffer.members, buffer.hash, buffer.table, buffer.used
            )
        )

    assert note(3, 4)
    assert not note(4, 3)
    assert note(0, 1, 2)
    assert not note(5)  # full
    assert is_noted(buffer.keys[3] ^ buffer.keys[4], buffer.hash, buffer.table)
    assert not is_noted(buffer.keys[5], buffer.hash, buffer.table)
    pool = Pool.of_buffer(problem, buffer)
    assert pool.members.tolist() == [3, 4, 0, 1, 2]
    assert pool.cost == pytest.approx(column_costs(problem, pool.start, pool.members))


def _striped(problem: Problem, rows: int, columns: int) -> Numbers:
    return np.repeat(np.arange(rows), columns).astype(np.int64)


def test_improve_puts_the_best_plan_together() -> None:
    """Two good halves seen in different plans, and many windows: the pool's grids are recombined."""
    problem = lattice(8, 8, 21, ranges=(Balance(0, 200, 600),), empty=0.0)
    labels = _striped(problem, 8, 8)
    catalogue = list_sets(replace(problem, ranges=(Balance(150, 200, 260),)), most=3_000_000)
    start, members, _ = catalogue.pick([np.arange(0, len(block), 97) for block in catalogue.blocks])
    pool = Pool.of_sets(problem, start, members).merged(Pool.of_plan(problem, labels.reshape(8, 8).T.ravel()))
    before = Pool.of_plan(problem, labels).cost.sum()
    whole = improve(problem, labels, pool)
    windows = improve(problem, labels, pool, window=3)
    for better in (whole, windows):
        after = Pool.of_plan(problem, better).cost.sum()
        assert len(np.unique(better)) == 8
        assert known_plan(problem, better, 8) is not None
        assert after <= before + 1e-6
    assert Pool.of_plan(problem, whole).cost.sum() <= Pool.of_plan(problem, windows).cost.sum() + 1e-6
    assert Pool.of_plan(problem, whole).cost.sum() < before - 1.0
    assert (improve(replace(problem, previous=labels), labels, pool) == labels).all()


def test_master_and_choice_agree_on_a_tight_lp() -> None:
    problem = lattice(3, 3, 4)
    catalogue = list_sets(problem)
    start, members, cost = catalogue.pick([np.arange(len(block)) for block in catalogue.blocks])
    bound = prove(problem, np.arange(9) % 3)
    master = Master(9, 3, 1e4)
    master.add(start, members, cost)
    relaxed = master.solve()
    chosen = choose_sets(9, 3, start, members, cost)
    if bound.status == "infeasible":
        assert chosen is None
    else:
        assert chosen is not None
        assert cost[chosen].sum() == pytest.approx(bound.value, abs=1e-3)
        assert relaxed.value <= bound.value + 1e-6
        assert relaxed.price.sum() + 3 * relaxed.count_price == pytest.approx(relaxed.value)


def test_fingerprint_tells_instances_apart() -> None:
    problem = lattice(3, 3, 4)
    other = replace(problem, graph=replace(problem.graph, cost=problem.graph.cost + 0.001))
    assert fingerprint(problem) != fingerprint(other)
    assert fingerprint(problem) == fingerprint(replace(problem, weights=Weights()))


@pytest.mark.skipif(not BENCH.exists(), reason="the real graphs lie beside the checkout")
def test_no_number_of_grids_suits_monaco() -> None:
    """Eleven blocks of Monaco hold more than 400 households, and what lies between them cannot be grouped."""
    instance = certificate_checker.read_instance(BENCH / "real_monaco_blocks.npz")
    households = instance.load[:, 0].astype(np.int64)
    rows = np.repeat(np.arange(len(households)), np.diff(instance.indptr))
    graph = from_arcs(
        households, instance.area, instance.outer, rows, instance.indices, instance.length, instance.cost,
        instance.walk,
    )  # fmt: skip
    problem = Problem.of_households(graph, Balance(200, 300, 400), BORDER)
    for grids in (29, 32, 57):
        bound = prove(problem, np.arange(len(problem)) % grids)
        assert bound.status == "infeasible"
        assert bound.lower > 0


# --- by arithmetic ---


def test_what_prices_prove_is_what_they_leave_over() -> None:
    """Of three grids each may save what the cheapest set lacks."""
    prices = Relaxed(0.0, np.array([10.0, 20.0, 30.0]), 5.0, np.empty(0), 0.0)
    exact, short, over = (_Optimum(prices, least, 1, 3) for least in (0.0, -2.0, 4.0))
    assert [one.lower for one in (exact, short, over)] == [75.0, 69.0, 75.0]
    # with two others at their least, a set in a plan of less than 80 may cost so much more than its prices
    assert [one.limit(80.0) for one in (exact, short, over)] == [5.0, 9.0, 5.0]


def test_a_clock_strikes_when_its_time_is_over_and_never_without_one() -> None:
    with Clock(None) as clock:
        assert clock.left() is None
        assert not clock.over()
        assert not clock.over(1e9)
        assert not clock.stop[0]
    with Clock(1e5) as clock:
        left = clock.left()
        assert left is not None
        assert 9e4 < left <= 1e5
        assert not clock.over()
        assert not clock.over(9e4)
        assert clock.over(1.1e5)
        assert not clock.stop[0]
    with Clock(0.0) as clock:
        assert clock.left() == 0.0
        assert clock.over(1e-3)
    assert clock.over()


def even_row(count: int, each: int, *ranges: Balance) -> Problem:
    a = np.arange(count - 1)
    ones = np.full(2 * (count - 1), 10.0)
    graph = from_arcs(
        np.full(count, each), np.full(count, 100.0), np.full(count, 20.0),
        np.concatenate([a, a + 1]), np.concatenate([a + 1, a]), ones, ones, np.ones(len(ones), dtype=bool),
    )  # fmt: skip
    return Problem(graph, np.full((count, len(ranges)), float(each)), ranges, BORDER)


@pytest.mark.parametrize(
    ("grids", "ranges", "lower"),
    [
        # six units of 20: by sums alone three grids hold 60 to 180, in all
        (3, (Balance(40, 40, 40),), None),
        (3, (Balance(41, 50, 60),), 3 - 120 / 41),
        (3, (Balance(10, 20, 39),), 120 / 39 - 3),
        (3, (Balance(0, 20, 39),), 120 / 39 - 3),
        (3, (Balance(0, 20, 40), Balance(50, 60, 90)), 3 - 120 / 50),
        (2, (Balance(20, 30, 50),), 120 / 50 - 2),
    ],
)
def test_sums_of_loads_prove_that_there_is_no_plan(
    grids: int, ranges: tuple[Balance, ...], lower: float | None
) -> None:
    problem = even_row(6, 20, *ranges)
    bound = prove(problem, np.arange(6) % grids)
    assert (bound.rounds == 0) == (lower is not None)
    if lower is None:
        assert bound.status == "optimal"
        assert bound.value == 20.0
    else:
        assert bound.status == "infeasible"
        assert bound.lower == pytest.approx(lower)
        assert (bound.sets, bound.nodes, bound.labels, bound.gap) == (0, 0, None, np.inf)
        assert confirm(problem, bound)["status"] == "infeasible"


def test_a_plan_is_known_where_its_grids_hang_together_and_are_in_range() -> None:
    problem = even_row(6, 20, Balance(40, 40, 60))
    plan = np.array([0, 0, 1, 1, 2, 2])
    known = known_plan(problem, plan, 3)
    assert known is not None
    assert known.cost.sum() == 20.0
    assert known_plan(problem, plan, 4) is None
    assert known_plan(problem, np.array([0, 1, 0, 1, 2, 2]), 3) is None
    assert known_plan(problem, np.array([0, 0, 0, 0, 1, 1]), 2) is None
    assert known_plan(problem, np.array([0, 0, 0, 1, 1, 1]), 2) is not None
    apart = replace(problem, graph=replace(problem.graph, walk=np.zeros(10, dtype=bool)))
    assert known_plan(apart, plan, 3) is None
