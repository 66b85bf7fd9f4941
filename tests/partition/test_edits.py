"""Edits of a draft: the bookkeeping is that of a fresh reckoning, locks refuse, the old draft stays."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from partition.changes.edits import (
    Draft,
    lock_grids,
    merge_grids,
    move_units,
    open_draft,
    rebalance,
    release_units,
    split_grid,
    swap_units,
    unlock_grids,
)
from partition.errors import EditError
from partition.findings import Finding
from partition.solver.balance import Balance
from partition.solver.problem import Problem
from tests.unit_lattice import lattice

BALANCE = Balance(80, 110, 150)


def drafted(seed: int = 0) -> Draft:
    """Six columns of four units, a grid each."""
    rng = np.random.default_rng(seed)
    graph = lattice(6, 4, rng.integers(20, 36, 24))
    labels = np.repeat(np.arange(6), 4).reshape(6, 4).T.ravel()
    codes = [f"C1-{number:03d}" for number in range(1, 7)]
    return open_draft(Problem.of_households(graph, BALANCE), labels, codes, prefix="C1-", issued=["C1-008"])


def check(draft: Draft) -> None:
    """Figures and violations against a reckoning unit by unit."""
    graph, figures = draft.problem.graph, draft.figures
    wrong = set()
    cost = 0.0
    for grid, code in enumerate(draft.codes):
        members = [u for u in range(len(graph)) if draft.labels[u] == grid]
        around, inner = 0.0, 0
        for u in members:
            around += graph.outer[u]
            for arc in range(graph.indptr[u], graph.indptr[u + 1]):
                if draft.labels[graph.indices[arc]] != grid:
                    around += graph.length[arc]
                    cost += graph.cost[arc] / 2
        left = set(members)
        while left:
            inner += 1
            stack = [left.pop()]
            while stack:
                u = stack.pop()
                for v in graph.indices[graph.indptr[u] : graph.indptr[u + 1]].tolist():
                    if v in left:
                        left.remove(v)
                        stack.append(v)
        held = int(graph.households[members].sum())
        assert figures.units[grid] == len(members)
        assert figures.households[grid] == held == figures.held[grid, 0]
        assert figures.perimeter_m[grid] == pytest.approx(around)
        assert figures.area_m2[grid] == pytest.approx(1e4 * len(members))
        assert figures.pieces[grid] == inner
        if members and held > BALANCE.upper:
            wrong.add(("draft_above", code))
        if members and held < BALANCE.lower:
            wrong.add(("draft_below", code))
        if inner > 1:
            wrong.add(("fragment", code))
    assert figures.cost == pytest.approx(cost)
    assert draft.problem.previous is not None
    away = draft.labels != draft.problem.previous
    assert figures.moved == graph.households[away].sum()
    assert {(finding.code, finding.rows[0]) for finding in draft.violations} == wrong
    assert all(finding.text("zh") and finding.text("en") for finding in draft.violations)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000))
def test_any_edits_keep_the_books_and_the_old_drafts(seed: int) -> None:
    rng = np.random.default_rng(seed)
    draft = drafted(seed)
    kept: list[tuple[Draft, np.ndarray, tuple[str, ...]]] = []
    for _ in range(6):
        kept.append((draft, draft.labels.copy(), draft.codes))
        there = [code for code in draft.codes if len(np.flatnonzero(draft.labels == draft.codes.index(code)))]
        one, other = (
            (str(code) for code in rng.choice(there, 2, replace=False)) if len(there) > 1 else (there[0],) * 2
        )
        kind = rng.integers(0, 6)
        refused: tuple[Finding, ...] = ()
        try:
            if kind == 0:
                draft = move_units(draft, rng.choice(24, 2, replace=False), one)
            elif kind == 1:
                draft = merge_grids(draft, [one, other])
            elif kind == 2:
                draft = split_grid(draft, one, seed=seed)
            elif kind == 3:
                draft = swap_units(draft, draft.units_of(one)[:1], draft.units_of(other)[:1])
            elif kind == 4:
                draft = lock_grids(draft, [one])
            else:
                before = draft
                draft = rebalance(draft, seed=seed, limit=20_000)
                still = before.held | np.isin(before.labels, [before.codes.index(c) for c in before.locked])
                assert (draft.labels == before.labels)[still].all()
        except EditError as error:
            refused = error.findings
        check(draft)
        assert all(finding.level == "refused" and finding.text("zh") for finding in refused)
        assert len(set(draft.codes)) == len(draft.codes)
        assert "C1-008" not in draft.codes
    for old, labels, codes in kept:  # undo is keeping the old one
        assert (old.labels == labels).all()
        assert old.codes == codes


def test_a_merger_and_a_split_keep_the_code_of_the_larger() -> None:
    draft = drafted()
    size = draft.figures.households
    larger, smaller = (0, 1) if size[0] >= size[1] else (1, 0)
    merged = merge_grids(draft, ["C1-001", "C1-002"])
    assert merged.figures.households[larger] == size[0] + size[1]
    assert merged.figures.units[smaller] == 0
    again = split_grid(merged, draft.codes[larger])
    assert again.codes[-1] == "C1-009"  # 008 was issued elsewhere; the code that ended is not given again
    assert again.figures.households[larger] >= again.figures.households[-1] > 0
    part = split_grid(draft, "C1-001", [0])
    assert part.labels[0] == 6
    assert part.figures.units.tolist() == [3, 4, 4, 4, 4, 4, 1]


def test_locks_refuse_and_say_so() -> None:
    draft = lock_grids(drafted(), ["C1-002"])
    attempts = [
        lambda: move_units(draft, [0], "C1-002"),
        lambda: move_units(draft, [1], "C1-001"),
        lambda: merge_grids(draft, ["C1-002", "C1-003"]),
        lambda: split_grid(draft, "C1-002"),
        lambda: swap_units(draft, [0], [1]),
    ]
    for attempt in attempts:
        with pytest.raises(EditError, match="C1-002") as caught:
            attempt()
        assert caught.value.findings[0].code == "edit_locked"
    assert move_units(unlock_grids(draft, ["C1-002"]), [0], "C1-002").labels[0] == 1


@pytest.mark.parametrize(
    ("attempt", "code"),
    [
        (lambda draft: move_units(draft, [0], "C1-099"), "edit_no_grid"),
        (lambda draft: move_units(draft, [24], "C1-001"), "edit_no_unit"),
        (lambda draft: move_units(draft, [], "C1-001"), "edit_no_unit"),
        (lambda draft: merge_grids(draft, ["C1-001", "C1-001"]), "edit_merge"),
        (lambda draft: split_grid(draft, "C1-001", [0, 6, 12, 18]), "edit_split"),
        (lambda draft: split_grid(draft, "C1-001", [1]), "edit_split"),
        (lambda draft: swap_units(draft, [0], [6]), "edit_swap"),
        (lambda draft: lock_grids(draft, ["C1-099"]), "edit_no_grid"),
    ],
)
def test_what_cannot_be_is_refused(attempt, code: str) -> None:
    with pytest.raises(EditError) as caught:
        attempt(drafted())
    assert [finding.code for finding in caught.value.findings] == [code]


def test_the_rest_is_balanced_round_an_edit() -> None:
    graph = replace(drafted().problem.graph, households=np.full(24, 30, dtype=np.int64))
    draft = open_draft(Problem.of_households(graph, BALANCE), drafted().labels, drafted().codes, prefix="C1-")
    edited = move_units(draft, [1, 7], "C1-001")  # 180 and 60
    assert [finding.code for finding in edited.violations] == ["draft_above", "draft_below"]
    balanced = rebalance(edited)
    check(balanced)
    assert balanced.violations == ()
    assert (balanced.labels[[1, 7]] == 0).all()
    free = rebalance(release_units(edited))
    assert free.violations == ()
    held = rebalance(lock_grids(edited, ["C1-001"]))
    assert [finding.code for finding in held.violations] == ["draft_above"]
    assert (held.labels == 0).sum() == 6


def test_a_balance_neither_founds_grids_nor_tears_them_from_their_place() -> None:
    graph = replace(drafted().problem.graph, households=np.full(24, 30, dtype=np.int64))
    draft = open_draft(Problem.of_households(graph, BALANCE), drafted().labels, drafted().codes, prefix="C1-")
    far = move_units(draft, [11], "C1-001")  # at the other end
    balanced = rebalance(far)
    assert balanced.labels[11] == 0
    assert (balanced.labels[[0, 6, 12, 18]] == 0).sum() >= 3
    # a piece that hangs on nothing but locked grids stays in its grid
    alone = lock_grids(move_units(draft, [10], "C1-001"), ["C1-004", "C1-005", "C1-006"])
    kept = rebalance(release_units(alone))
    assert kept.codes == alone.codes
    assert kept.labels[10] == 0


def test_what_a_draft_holds_cannot_be_written_over() -> None:
    draft = drafted()
    moved = move_units(draft, draft.units_of(draft.codes[1])[:1], draft.codes[0])
    split = split_grid(moved, moved.codes[2])
    for held in (draft.labels, moved.labels, moved.held, split.labels, split.held, release_units(moved).held):
        with pytest.raises(ValueError, match="read-only"):
            held[0] = held[1]
