"""How far a community's plan is from the best possible, in figures and in words."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from data.vector import read_area
from partition.clock import Clock
from partition.division import Division, divide_community
from partition.intake.frames import check_area
from partition.parcels import cut_parcels
from partition.proof.bound import QUICK, prove
from partition.proof.generation import border_problem
from partition.proof.optimality import Optimality, weigh_up
from partition.solver.atoms import contract
from partition.solver.pool import Pool
from partition.split import split_area
from partition.wishes.policy import load_profile
from service.cli import app
from service.commands import register
from service.commands.terminal import terminal

register(app)

SAMPLE = Path(__file__).resolve().parents[2] / "data" / "sample" / "community.gpkg"


def divided(**size: float) -> Division:
    parcel = next(iter(cut_parcels(check_area(read_area(SAMPLE)))))
    profile = load_profile("yichang").with_size(size.get("lower"), size.get("target"), size.get("upper"))
    return divide_community(parcel, 0, profile, seed=0, grids=None, effort=300, clock=Clock())


@pytest.fixture(scope="module")
def division() -> Division:
    return divided()


def test_plan_of_the_sample_is_weighed_by_all_wishes(division: Division) -> None:
    found = weigh_up(division, "c1")
    assert found.objective == "all"
    assert found.outside == 0.0
    assert found.grids == division.plan.grids
    assert found.cost_m == pytest.approx(division.plan.value, abs=1e-3)
    assert 0 < found.least_m <= found.cost_m + 1e-6
    # what was kept together is so in the problem that the bound is of
    problem = contract(division.problem, division.atom)
    best = prove(problem, division.plan.assignment[np.unique(division.atom, return_index=True)[1]])
    assert best.status == "optimal"
    assert found.least_m == pytest.approx(best.value, abs=1e-2)
    assert weigh_up(division, "c1", threads=3) == found


def test_a_worse_plan_is_further_from_the_best(division: Division) -> None:
    graph, labels = division.graph, division.plan.assignment
    best = weigh_up(division, "c1")
    for unit in np.flatnonzero(np.bincount(division.atom)[division.atom] == 1):
        for other in np.unique(labels[graph.indices[graph.indptr[unit] : graph.indptr[unit + 1]]]):
            moved = labels.copy()
            moved[unit] = other
            worse = weigh_up(replace(division, plan=replace(division.plan, assignment=moved)), "c1")
            if other != labels[unit] and worse.outside == 0.0 and worse.grids == best.grids:
                assert worse.cost_m > worse.least_m == pytest.approx(best.least_m, abs=1e-2)
                assert worse.above > best.above
                assert not worse.proven
                assert f"{worse.above * 100:.0f}"[0] in worse.finding().text("en")
                return
    raise AssertionError("no unit of the sample can change its grid")


def test_borders_alone_where_not_all_grids_can_be_listed(division: Division) -> None:
    found = weigh_up(division, "c1", budget=replace(QUICK, listed=10))
    assert found.objective == "border"
    problem = border_problem(contract(division.problem, division.atom))
    first = np.unique(division.atom, return_index=True)[1]
    own = Pool.of_plan(problem, division.plan.assignment[first])
    assert found.cost_m == pytest.approx(own.cost.sum())
    exact = prove(problem, division.plan.assignment[first])
    assert exact.status == "optimal"
    assert found.least_m <= exact.value + 1e-3
    assert found.least_m == pytest.approx(exact.value, rel=0.02)
    poor = weigh_up(division, "c1", budget=replace(QUICK, listed=10, nodes=1))
    assert poor.least_m <= found.least_m + 1e-3  # less work proves less, never too much


def test_what_is_out_of_range_is_weighed_first() -> None:
    division = divided(lower=396, target=398, upper=400)
    assert division.plan.outside > 0
    found = weigh_up(division, "c1")
    assert found.outside == pytest.approx(division.plan.outside)
    assert 0 < found.least_outside <= found.found + 1e-6 <= found.outside + 2e-6
    said = found.finding()
    assert said.code in ("optimality_outside", "optimality_avoidable")
    assert f"{found.outside:,.0f}" in said.text("zh")


@pytest.mark.parametrize(
    ("found", "code", "word"),
    [
        (Optimality("a", 3, "all", 100.0, 100.0, 0.0, 0.0, 0.0), "best", "没有比本方案更好"),
        (Optimality("a", 3, "all", 100.0, 98.0, 0.0, 0.0, 0.0), "all", "2.1%"),
        (Optimality("a", 3, "border", 100.0, 80.0, 0.0, 0.0, 0.0), "border", "25.0%"),
        (Optimality("a", 3, "border", 100.0, -20.0, 0.0, 0.0, 0.0), "spare", "120 加权米"),
        (Optimality("a", 3, "border", 100.0, 80.0, 9.0, 9.0, 7.6), "outside", "不会少于 8"),
        (Optimality("a", 3, "border", 100.0, -20.0, 9.0, 9.0, 7.6), "least", "不会少于 8（已证明）。"),
        (Optimality("a", 3, "border", 100.0, -20.0, 9.0, 9.0, 0.0), "open", "尚未证明"),
        (Optimality("a", 3, "all", 9.0, 9.0, 0.0, 0.0, 0.0, 2), "best", "2 个因不可拆分的建筑超限"),
        (Optimality("a", 3, "border", 9.0, 8.0, 0.0, 0.0, 0.0, 1), "border", "1 个因不可拆分的建筑超限"),
        (Optimality("a", 3, "border", 100.0, 80.0, 9.0, 8.0, 7.0), "avoidable", "减到 8"),
    ],
)
def test_each_case_has_its_sentence(found: Optimality, code: str, word: str) -> None:
    said = found.finding()
    assert said.code == f"optimality_{code}"
    assert word in said.text("zh")
    assert "{" not in said.text("en") + said.text("zh")
    assert found.proven == (code == "best")


def test_report_tells_it_where_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    area = check_area(read_area(SAMPLE))
    plain, proven = (
        split_area(area, load_profile("yichang"), effort=300, prove=ask) for ask in (False, True)
    )
    assert "optimality" not in plain.report.to_dict()
    (told,) = proven.report.to_dict()["optimality"]
    assert told["grids"] == len(proven.grids)
    assert told["above"] >= 0
    assert proven.grids["code"].tolist() == plain.grids["code"].tolist()
    monkeypatch.setenv("WANGGE_LANG", "en")
    monkeypatch.setenv("COLUMNS", "300")
    terminal.cache_clear()  # it holds the streams of the last call
    told = CliRunner().invoke(app, ["partition", str(SAMPLE), "--out", str(tmp_path / "p.gpkg"), "--prove"])
    assert told.exit_code == 0
    assert "(proven)" in told.output


@pytest.mark.parametrize(
    ("cost", "least", "above"),
    [
        (100.0, 100.0, 0.0),
        (100.0, 99.99995, 0.0),  # a millionth of the cost is nothing
        (100.0, 99.9998, 0.0002 / 99.9998),
        (100.0, 101.0, 0.0),
        (100.0, 80.0, 0.25),
        (0.5, 0.499999, 0.0),  # a millionth of a metre at least
        (0.5, 0.49, 0.01 / 0.49),
        (-100.0, -100.00009, 0.0),
        (-100.0, -120.0, float("inf")),
        (5.0, 0.0, float("inf")),
        (0.0, 0.0, 0.0),
    ],
)
def test_how_far_a_plan_is_above_the_best(cost: float, least: float, above: float) -> None:
    found = Optimality("a", 3, "all", cost, least, 0.0, 0.0, 0.0)
    assert found.above == pytest.approx(above)
    assert found.proven == (above == 0.0)
    told = found.to_dict()
    assert told["above"] == (None if above == float("inf") else round(above, 6))
    assert told["text"] == found.finding().to_dict()["text"]
    assert (told["cost_m"], told["least_m"]) == (round(cost, 3), round(least, 3))


def test_what_is_outside_must_be_proven_too() -> None:
    for outside, least, proven in (
        (2.0, 2.0, True),
        (2.0, 1.0, False),
        (0.5, 0.4999995, True),
        (2e6, 2e6 - 1, True),
    ):
        found = Optimality("a", 3, "border", 9.0, 9.0, outside, outside, least)
        assert found.proven == proven, outside
        assert found.finding().code == "optimality_outside"
    assert Optimality("a", 3, "border", 9.0, 9.0, 2.0, 2.0 - 1e-7, 2.0).finding().code == "optimality_outside"
    assert Optimality("a", 3, "border", 9.0, 9.0, 2.0, 1.9, 1.0).finding().code == "optimality_avoidable"
    for least, said in ((7.00005, "不会少于 7"), (7.001, "不会少于 8"), (6.9, "不会少于 7")):
        assert said in Optimality("a", 3, "border", 9.0, 9.0, 9.0, 9.0, least).finding().text("zh")
    # tenths of a per cent, rounded up
    for cost, said in ((100.05, "0.1%"), (100.1, "0.1%"), (100.11, "0.2%"), (101.0, "1.0%")):
        assert said in Optimality("a", 3, "all", cost, 100.0, 0.0, 0.0, 0.0).finding().text("zh")


def test_without_a_basic_grid_there_is_nothing_to_weigh(division: Division) -> None:
    none = weigh_up(replace(division, kinds=["dedicated"] * len(division.kinds)), "c9")
    assert none == Optimality("c9", 0, "all", 0.0, 0.0, 0.0, 0.0, 0.0)
    assert none.proven
    assert (none.to_dict()["outside"], none.to_dict()["found"], none.to_dict()["large"]) == (0.0, 0.0, 0)


def test_grids_that_stand_apart_are_left_out(division: Division) -> None:
    kinds = list(division.kinds)
    apart = int(np.argmax(np.bincount(division.plan.assignment)))
    kinds[apart] = "dedicated"
    found = weigh_up(replace(division, kinds=kinds), "c1")
    assert found.grids == division.plan.grids - 1
    assert found.outside == found.found == found.least_outside == 0.0
    assert found.cost_m < weigh_up(division, "c1").cost_m
