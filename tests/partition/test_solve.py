from __future__ import annotations

import math
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from partition.arrays import Numbers
from partition.errors import InputError
from partition.proof.instance import Instance, read_instance
from partition.solve import FIRM, _is_small, _search, _unevenness, main, solve, solve_within
from partition.solver.balance import Balance
from partition.solver.joining import Seen, total_off
from partition.solver.problem import Problem
from partition.solver.refine import HOT_M, Refined, refine_plan
from tests.partition.test_plan import connected
from tests.partition.test_refine import town
from tests.unit_lattice import lattice


def arrays(side: int = 10) -> dict[str, object]:
    graph = town(side, seed=1).graph
    return {
        "name": "town", "hh": graph.households, "area": graph.area, "perim": np.full(side**2, 400.0),
        "x": np.zeros(side**2), "y": np.zeros(side**2), "indptr": graph.indptr, "indices": graph.indices,
        "elen": graph.length, "ecls": np.ones(len(graph.indices), dtype=np.int8),
        "target": 300, "lo": 200, "hi": 400, "k": round(graph.households.sum() / 300),
    }  # fmt: skip


def write(folder: Path, **changed: object) -> Path:
    path = folder / "town.npz"
    np.savez(path, **{name: value for name, value in (arrays() | changed).items() if value is not None})
    return path


def test_the_command_writes_a_plan_and_repeats(tmp_path: Path) -> None:
    path = write(tmp_path)
    out = [tmp_path / f"{i}.npy" for i in range(2)]
    for threads, file in enumerate(out, start=1):
        subprocess.run(  # noqa: S603 - the command under test
            [sys.executable, "-m", "partition.solve", path, file, "--effort=500", f"--threads={threads}"],
            check=True, capture_output=True, text=True,
        )  # fmt: skip
    labels = [np.load(file) for file in out]
    instance = read_instance(path)
    assert labels[0].tolist() == labels[1].tolist()
    assert len(np.unique(labels[0])) == instance.grids
    assert connected(instance.graph, labels[0])
    held = np.bincount(labels[0], weights=instance.graph.households)
    assert held.min() >= 200
    assert held.max() <= 400


def test_balance_makes_grids_more_even(tmp_path: Path) -> None:
    instance = read_instance(write(tmp_path))
    spread = [
        np.bincount(
            solve(instance, effort=3000, balance=weight).labels, weights=instance.graph.households
        ).std()
        for weight in (0.0, 100_000.0)
    ]
    assert spread[1] < spread[0] / 2


def test_a_narrower_range_is_kept_and_never_wider_than_the_file_s(tmp_path: Path) -> None:
    instance = read_instance(write(tmp_path))
    narrow = instance.narrowed(260, 1000)
    assert (narrow.balance.lower, narrow.balance.upper) == (260, 400)
    narrow = instance.narrowed(260, 340)
    done = solve(narrow, effort=3000)
    held = np.bincount(done.labels, weights=instance.graph.households)
    assert done.outside == 0
    assert held.min() >= 260
    assert held.max() <= 340


def test_searches_side_by_side_are_joined_the_same_for_any_number_of_threads(tmp_path: Path) -> None:
    instance = read_instance(write(tmp_path))
    alone, together = (solve(instance, effort=10_000, threads=threads) for threads in (1, 3))
    assert alone.labels.tolist() == together.labels.tolist()
    assert alone.value < solve(instance, effort=500).value


def test_the_least_border_cost_at_a_mean_deviation(tmp_path: Path) -> None:
    instance = read_instance(write(tmp_path))
    free = solve(instance, effort=5_000)
    assert total_off(instance.problem(), free.labels) > 30 * instance.grids
    costs = []
    for mean in (30.0, 12.0):
        even, _ = solve_within(instance, mean, effort=5_000, threads=2)
        assert even.outside == 0
        assert connected(instance.graph, even.labels)
        assert len(np.unique(even.labels)) == instance.grids
        assert total_off(instance.problem(), even.labels) <= mean * instance.grids + 1e-6
        costs.append(even.value)
    assert free.value < costs[0] < costs[1]
    heavy = solve(instance, effort=5_000, balance=100_000.0)
    cut = heavy.labels[instance.graph.rows()] != heavy.labels[instance.graph.indices]
    assert costs[1] < instance.graph.cost[cut].sum() / 2


def test_a_mean_that_cannot_be_is_answered_with_the_nearest_plan(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path, out = write(tmp_path), tmp_path / "labels.npy"
    command = ["solve", str(path), str(out), "--effort=500", "--mean-within=0"]
    monkeypatch.setattr(sys, "argv", command)
    assert main() == 0
    assert "off their target in the mean, not within 0" in capsys.readouterr().err
    assert len(np.unique(np.load(out))) == read_instance(path).grids


def test_a_range_in_place_of_the_file_s(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, out = write(tmp_path), tmp_path / "labels.npy"
    monkeypatch.setattr(sys, "argv", ["solve", str(path), str(out), "--effort=5000", "--range", "0", "900"])
    assert main() == 0
    held = np.bincount(np.load(out), weights=read_instance(path).graph.households)
    assert held.min() < 200 or held.max() > 400


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--range", "310", "400"], "--range: the target 300 must lie between"),
        (["--range", "200", "inf"], "--range: the target 300 must lie between"),
        (["--range", "-1", "400"], "--range: the target 300 must lie between"),
        (["--mean-within=9", "--certificate=c.json"], "--certificate does not go with --mean-within"),
    ],
)
def test_options_that_make_no_sense_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
    options: list[str], said: str,
) -> None:  # fmt: skip
    monkeypatch.setattr(sys, "argv", ["solve", str(write(tmp_path)), str(tmp_path / "labels.npy"), *options])
    with pytest.raises(SystemExit) as stop:
        main()
    assert stop.value.code == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"hh": None}, "hh: the file lacks this array"),
        ({"hh": np.full(100, -1)}, "hh: 100 values cannot be (#1, #2"),
        ({"area": np.ones(99)}, "area: the array has 99 values where 100 are needed"),
        ({"hh": np.array(["a"] * 100)}, "hh: the array has shape"),
        ({"k": 101}, "k: 101 grids cannot be made"),
        ({"lo": 500}, "lo: the range must be"),
        ({"elen": np.arange(1.0, 361.0)}, "indices: adjacency must be symmetric"),
        ({"indptr": np.zeros(101, np.int64)}, "indptr: indptr must start with 0"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_with_one_reason(
    tmp_path: Path, changed: dict[str, object], said: str
) -> None:
    path = write(tmp_path, **changed)
    with pytest.raises(InputError) as caught:
        read_instance(path)
    assert len(caught.value.findings) == 1
    assert str(caught.value).startswith(f"{path}: {said}")


def test_units_apart_are_refused(tmp_path: Path) -> None:
    path = write(
        tmp_path, hh=np.ones(4), area=np.ones(4), perim=np.ones(4) * 400, indptr=np.arange(5),
        indices=np.array([1, 0, 3, 2]), elen=np.ones(4), ecls=np.zeros(4), k=2,
    )  # fmt: skip
    with pytest.raises(InputError, match="2 parts that do not touch"):
        read_instance(path)


def test_what_is_no_instance_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "notes.npz"
    path.write_text("not an archive")
    with pytest.raises(InputError, match="cannot be read as an"):
        read_instance(path)
    with pytest.raises(InputError, match="cannot be read"):
        read_instance(tmp_path / "none.npz")


def test_an_instance_of_one_unit_is_one_grid(tmp_path: Path) -> None:
    none = np.empty(0, dtype=np.int64)
    path = write(
        tmp_path, hh=np.full(1, 300), area=np.ones(1), perim=np.full(1, 4.0), indptr=np.zeros(2, np.int64),
        indices=none, elen=none.astype(float), ecls=none, k=1,
    )  # fmt: skip
    instance = read_instance(path)
    assert instance.graph.outer.tolist() == [4.0]
    assert instance.grids == len(instance.graph) == 1


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"area": np.append(np.ones(99), 0.0)}, "area: 1 values cannot be (#100)"),
        ({"hh": np.append(np.ones(99), np.nan)}, "hh: 1 values cannot be (#100)"),
        ({"elen": np.append(np.ones(359), 0.0)}, "elen: 1 values cannot be (#360)"),
        ({"ecls": np.append(np.ones(359), 99)}, "ecls: 1 values cannot be (#360)"),
        ({"ecls": np.append(np.ones(359), -1)}, "ecls: 1 values cannot be (#360)"),
        ({"indices": np.append(arrays()["indices"][:-1], 100)}, "indices: 1 values cannot be (#360)"),  # type: ignore[index]
        ({"indices": np.append(arrays()["indices"][:-1], 99)}, "indices: 1 values cannot be (#360)"),  # type: ignore[index]
        ({"k": 0}, "k: "),
        ({"lo": -1}, "lo: the range must be"),
    ],
)
def test_each_array_is_checked(tmp_path: Path, changed: dict[str, object], said: str) -> None:
    path = write(tmp_path, **changed)
    with pytest.raises(InputError) as caught:
        read_instance(path)
    assert str(caught.value).startswith(f"{path}: {said}")


def test_what_a_unit_has_of_the_outer_edge_is_what_no_neighbour_shares(tmp_path: Path) -> None:
    graph = read_instance(write(tmp_path)).graph
    shared = np.bincount(graph.rows(), weights=graph.length, minlength=100)
    assert graph.outer == pytest.approx(np.maximum(400.0 - shared, 0.0))


# --- what the command says ---


def small(folder: Path) -> Path:
    """A town of 36 units and 12 grids, about three a grid: small enough that its plan is proven."""
    return write(folder, **(arrays(6) | {"target": 90, "lo": 40, "hi": 160, "k": 12}))


def run_main(
    path: Path, out: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *options: str
) -> tuple[list[str], np.ndarray]:
    """The lines that the command says, and its labels."""
    monkeypatch.setattr(sys, "argv", ["solve", str(path), str(out), "--effort=300", "--threads=1", *options])
    assert main() == 0
    return capsys.readouterr().err.splitlines(), np.load(out)


def test_a_small_instance_is_proven_and_what_is_larger_only_if_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path, out, proof = small(tmp_path), tmp_path / "labels.npy", tmp_path / "proof.json"
    said, labels = run_main(path, out, monkeypatch, capsys)
    assert said == ["optimal: at most 0.00 % above the best possible"]
    again, same = run_main(path, out, monkeypatch, capsys, f"--certificate={proof}")
    assert again == said
    assert proof.exists()
    assert same.tolist() == labels.tolist()
    large = write(tmp_path)
    said, _ = run_main(large, out, monkeypatch, capsys)
    assert said == []
    # a plan of few grids is proven where it is asked for
    fewer = write(tmp_path, **(arrays(4) | {"target": 160, "lo": 100, "hi": 300, "k": 2}))
    assert run_main(fewer, out, monkeypatch, capsys)[0] == []
    said, _ = run_main(fewer, out, monkeypatch, capsys, f"--certificate={proof}")
    assert said == ["optimal: at most 0.00 % above the best possible"]


def test_bounds_of_the_command_narrow_those_of_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path, out = write(tmp_path), tmp_path / "labels.npy"
    households = read_instance(path).graph.households
    for options, lower, upper in (
        (["--within=60"], 240, 360),
        (["--within=80", "--lower=250"], 250, 380),
        (["--within=80", "--upper=350"], 220, 350),
        (["--within=1e6", "--lower=230"], 230, 400),
        (["--range", "100", "310"], 100, 310),
    ):
        said, labels = run_main(path, out, monkeypatch, capsys, "--effort=1500", *options)
        held = np.bincount(labels, weights=households)
        assert said == []
        assert lower <= held.min()
        assert held.max() <= upper
    said, labels = run_main(path, out, monkeypatch, capsys, "--within=0.5")
    held = np.bincount(labels, weights=households)
    outside = np.maximum(np.abs(held - 300) - 0.5, 0).sum()
    assert said == [f"{outside:.0f} households are outside the range"]


def test_without_a_lower_bound_a_grid_may_hold_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(
        tmp_path, hh=np.array([0, 300]), area=np.ones(2), perim=np.full(2, 4.0), indptr=np.arange(3),
        indices=np.array([1, 0]), elen=np.ones(2), ecls=np.zeros(2), target=150, lo=0, hi=300, k=2,
    )  # fmt: skip
    said, labels = run_main(path, tmp_path / "labels.npy", monkeypatch, capsys)
    assert sorted(labels.tolist()) == [0, 1]
    assert said == ["optimal: at most 0.00 % above the best possible"]
    said, _ = run_main(path, tmp_path / "labels.npy", monkeypatch, capsys, "--lower=2")
    assert said[-1] == "2 households are outside the range"


def test_the_seed_and_the_weight_of_evenness_are_heard(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path, out = write(tmp_path), tmp_path / "labels.npy"
    instance = read_instance(path)
    _, first = run_main(path, out, monkeypatch, capsys)
    _, other = run_main(path, out, monkeypatch, capsys, "--seed=3")
    assert first.tolist() == solve(instance, effort=300).labels.tolist()
    assert other.tolist() == solve(instance, effort=300, seed=3).labels.tolist()
    assert first.tolist() != other.tolist()
    _, even = run_main(path, out, monkeypatch, capsys, "--balance=90000")
    assert even.tolist() == solve(instance, effort=300, balance=90_000.0).labels.tolist()
    assert total_off(instance.problem(), even) < total_off(instance.problem(), first) / 2


def test_who_is_stopped_by_the_clock_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path, out = write(tmp_path), tmp_path / "labels.npy"
    for more in ([], ["--mean-within=200"]):
        said, labels = run_main(path, out, monkeypatch, capsys, "--effort=10000", "--time-limit=1e-9", *more)
        assert said[-1] == "stopped by the clock: this result will not repeat"
        assert len(np.unique(labels)) == 10


def test_a_proven_mean_deviation_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path, out = small(tmp_path), tmp_path / "labels.npy"
    instance = read_instance(path)
    problem = instance.problem()
    free = solve(instance, effort=2000)
    mean = total_off(problem, free.labels) / instance.grids
    even, least = solve_within(instance, 0.3 * mean, effort=300)
    assert total_off(problem, even.labels) <= 0.3 * mean * instance.grids + 1e-6
    assert free.value < least == pytest.approx(even.value, abs=0.01)
    assert not even.hurried
    said, labels = run_main(path, out, monkeypatch, capsys, f"--mean-within={0.3 * mean}")
    assert said == [f"proven: any plan as even as that costs {int(least)} at least"]
    assert labels.tolist() == even.labels.tolist()
    loose, least = solve_within(instance, 1000.0, effort=300)
    assert loose.value == pytest.approx(least, abs=0.01)
    assert least <= free.value + 0.01
    said, _ = run_main(path, out, monkeypatch, capsys, "--mean-within=0.01")
    assert said[0].endswith("off their target in the mean, not within 0.01")
    assert said[1:] == ["proven: no plan in range is as even as that"]
    # what is not listed is not proven
    _, least = solve_within(read_instance(write(tmp_path)), 60.0, effort=200)
    assert least == -math.inf


def test_a_file_that_is_refused_ends_with_status_2(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path, out = write(tmp_path, k=101), tmp_path / "labels.npy"
    monkeypatch.setattr(sys, "argv", ["solve", str(path), str(out)])
    assert main() == 2
    assert "101 grids cannot be made" in capsys.readouterr().err
    assert not out.exists()


def test_how_much_hotter_a_search_for_even_grids_begins(tmp_path: Path) -> None:
    instance = read_instance(write(tmp_path))
    load = instance.graph.households
    usual = float(np.median(load[load > 0]))
    border = float(instance.graph.cost.mean())
    assert _unevenness(instance.problem()) == 0.0
    for weight in (1_000.0, 5_000.0):
        expected = 2.0 * weight * (usual / 300.0) ** 2 / border
        assert _unevenness(instance.problem(weight)) == pytest.approx(expected)
    problem = instance.problem(1_000.0)
    paying = replace(problem, graph=replace(problem.graph, cost=-problem.graph.cost))
    assert _unevenness(paying) == pytest.approx(_unevenness(problem))
    for empty in (
        replace(problem, graph=replace(problem.graph, cost=0.0 * problem.graph.cost)),
        replace(problem, load=0.0 * problem.load),
        problem.subset(np.array([0])),
    ):
        assert _unevenness(empty) == 0.0


@pytest.mark.parametrize(
    ("side", "effort", "runs", "each"),
    [
        ((25, 20), None, 128, 2_500),
        ((167, 3), None, 32, 2_500),
        ((73, 137), None, 4, 1_000),
        ((25, 20), 1_000, 1, 1_000),  # less than one search
        ((25, 20), 3_600, 1, 3_600),
        ((25, 20), 6_000, 2, 3_000),  # 2.4 searches
        ((73, 137), 2_600, 3, 2_600 / 3),
        ((100, 50), None, 32, 2_500),
        ((250, 200), None, 4, 1_000),
        ((16_667, 3), None, 1, 3_000),
    ],
)
def test_how_many_searches_of_how_many_proposals(
    monkeypatch: pytest.MonkeyPatch, side: tuple[int, int], effort: int | None, runs: int, each: float
) -> None:
    asked: list[tuple[int, dict[str, Any]]] = []

    def hurry(problem: Problem, labels: Numbers, *, steps: int, **options: Any) -> Refined:
        asked.append((steps, options))
        return refine_plan(problem, labels, steps=1, **options)

    monkeypatch.setattr("partition.solve.refine_plan", hurry)
    units = side[0] * side[1]
    instance = Instance("row", lattice(*side, 10), Balance(10.0, 60.0, 90.0), 2)
    seen = Seen(instance.problem())
    found = _search(instance, 0.0, seen, 7, effort, math.inf, 1)
    assert len(found) == len(asked) == runs
    assert [steps for steps, _ in asked] == [int(each * units)] * runs
    assert [options["seed"] for _, options in asked] == list(range(7, 7 + runs))
    assert {(options["hot_m"], options["firm"], options["threads"]) for _, options in asked} == {
        (HOT_M, FIRM, 1)
    }
    assert all((options["watch"] is None) == (runs == 1) for _, options in asked)


@pytest.mark.parametrize(("units", "grids", "small"), [(28, 4, True), (29, 4, False), (350, 60, True)])
def test_which_instances_are_small(units: int, grids: int, small: bool) -> None:
    instance = Instance("row", lattice(units, 1, 10), Balance(10.0, 60.0, 90.0), grids)
    assert _is_small(instance) == small
    assert not _is_small(replace(instance, graph=lattice(351, 1, 10)))
