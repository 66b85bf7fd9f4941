"""Files of the solver's bench: what is read of them, and each fault by itself."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from partition.errors import InputError
from partition.findings import Finding
from partition.proof.instance import Instance, read_instance
from partition.solver.balance import Balance
from partition.solver.problem import Weights

# four units in a ring, the neighbours of each in any order
GOOD = {
    "hh": np.array([0, 5, 7, 9]), "area": np.array([1.0, 2.0, 3.0, 0.5]),
    "perim": np.array([9.0, 20.0, 5.0, 30.0]),
    "indptr": np.array([0, 2, 4, 6, 8]), "indices": np.array([3, 1, 0, 2, 1, 3, 2, 0]),
    "elen": np.array([4.0, 1.0, 1.0, 2.0, 2.0, 3.0, 3.0, 4.0]), "ecls": np.array([4, 0, 0, 1, 1, 2, 2, 4]),
    "target": 10, "lo": 5, "hi": 12.5, "k": 2,
}  # fmt: skip


def write(folder: Path, **changed: object) -> Path:
    path = folder / "ring.npz"
    np.savez(path, **{name: value for name, value in (GOOD | changed).items() if value is not None})
    return path


def fault(folder: Path, **changed: object) -> Finding:
    with pytest.raises(InputError) as caught:
        read_instance(write(folder, **changed))
    (finding,) = caught.value.findings
    assert finding.level == "refused"
    assert finding.file == str(folder / "ring.npz")
    return finding


def test_an_instance_is_read_with_its_neighbours_in_order(tmp_path: Path) -> None:
    found = read_instance(write(tmp_path))
    graph = found.graph
    assert (found.name, found.balance, found.grids) == ("ring", Balance(5.0, 10.0, 12.5), 2)
    assert read_instance(write(tmp_path, name="Ring 4")).name == "Ring 4"
    assert graph.households.tolist() == [0, 5, 7, 9]
    assert graph.area.tolist() == [1.0, 2.0, 3.0, 0.5]
    assert graph.indptr.tolist() == [0, 2, 4, 6, 8]
    assert graph.indices.tolist() == [1, 3, 0, 2, 1, 3, 0, 2]
    assert graph.length.tolist() == [1.0, 4.0, 1.0, 2.0, 2.0, 3.0, 4.0, 3.0]
    # by class: none 3, lane 1, secondary 0.5, arterial 0.2, a bridged barrier 0.1 a metre
    assert graph.cost == pytest.approx(np.array([3.0, 0.4, 3.0, 2.0, 2.0, 1.5, 0.4, 1.5]))
    assert graph.outer.tolist() == [4.0, 17.0, 0.0, 23.0]  # no outline is shorter than what it shares
    assert graph.walk.all()
    assert read_instance(write(tmp_path, ecls=np.full(8, 3))).graph.cost == pytest.approx(0.2 * graph.length)


def test_the_bench_s_problem_is_border_cost_alone(tmp_path: Path) -> None:
    found = read_instance(write(tmp_path))
    problem = found.problem()
    assert (problem.weights, problem.ranges) == (
        Weights(deviation_m=0.0, compactness_m=0.0),
        (found.balance,),
    )
    assert problem.load[:, 0].tolist() == [0, 5, 7, 9]
    assert found.problem(7.0).weights.deviation_m == 7.0


@pytest.mark.parametrize(
    ("lower", "upper", "narrow"),
    [
        (6, 11, (6, 10, 11)), (0, 99, (5, 10, 12.5)), (11, 12, (11, 11, 12)), (5, 8, (5, 8, 8)),
        (0, 11, (5, 10, 11)), (6, 99, (6, 10, 12.5)),
    ],
)  # fmt: skip
def test_a_narrower_range_lies_in_the_file_s(
    tmp_path: Path, lower: float, upper: float, narrow: tuple[float, float, float]
) -> None:
    found = read_instance(write(tmp_path)).narrowed(lower, upper)
    assert isinstance(found, Instance)
    assert found.balance == Balance(*narrow)
    assert found.grids == 2


@pytest.mark.parametrize(
    "changed",
    [
        {"lo": 0}, {"lo": 10, "hi": 10}, {"k": 1}, {"k": 4}, {"hh": np.zeros(4)}, {"ecls": np.zeros(8)},
        {"elen": GOOD["elen"] + 9e-7 * np.array([0, 1, 0, 0, 0, 0, 0, 0])}, {"lo": 0, "target": 0.5},
    ],
)  # fmt: skip
def test_what_is_just_good_is_read(tmp_path: Path, changed: dict[str, object]) -> None:
    assert len(read_instance(write(tmp_path, **changed)).graph) == 4


@pytest.mark.parametrize(
    ("changed", "code", "values"),
    [
        ({"lo": 11}, "instance_range", {"lower": 11.0, "target": 10.0, "upper": 12.5}),
        ({"lo": -1}, "instance_range", {"lower": -1.0}),
        ({"hi": 9}, "instance_range", {"upper": 9.0}),
        ({"hi": np.inf}, "instance_range", {"upper": np.inf}),
        ({"lo": 0, "target": 0}, "instance_range", {"target": 0.0}),
        ({"k": 0}, "instance_grids", {"grids": 0, "units": 4}),
        ({"k": 5}, "instance_grids", {"grids": 5, "units": 4}),
        ({"k": np.array([2])}, "instance_shape", {"shape": "(1,)"}),
        ({"hh": np.zeros((4, 1))}, "instance_shape", {"shape": "(4, 1)"}),
        ({"area": np.array(list("abcd"))}, "instance_shape", {"shape": "(4,)", "kind": "<U1"}),
        ({"elen": None}, "instance_lacks", {}),
        ({"lo": None}, "instance_lacks", {}),
        ({"perim": np.zeros(5)}, "instance_length", {"found": 5, "wanted": 4}),
        ({"ecls": np.zeros(7)}, "instance_length", {"found": 7, "wanted": 8}),
        ({"indptr": np.array([0, 2, 4, 8])}, "instance_length", {"found": 4, "wanted": 5}),
        ({"indptr": np.array([1, 2, 4, 6, 8])}, "instance_indptr", {}),
        ({"indptr": np.array([0, 2, 4, 6, 7])}, "instance_indptr", {}),
        ({"indptr": np.array([0, 4, 2, 6, 8])}, "instance_indptr", {}),
        ({"elen": np.array([4.0, 1.0, 1.00001, 2.0, 2.0, 3.0, 3.0, 4.0])}, "instance_asymmetric", {}),
        ({"indices": np.array([1, 1, 0, 0, 3, 3, 2, 2])}, "instance_asymmetric", {}),  # each neighbour twice
        ({"indices": np.array([3, 1, 0, 3, 1, 3, 2, 0])}, "instance_asymmetric", {}),
    ],
)  # fmt: skip
def test_each_fault_is_told_by_itself(
    tmp_path: Path, changed: dict[str, object], code: str, values: dict[str, object]
) -> None:
    found = fault(tmp_path, **changed)
    assert found.code == code
    assert {name: found.values[name] for name in values} == values
    assert found.rows == ()
    where = {"hi": "lo", "target": "lo", "elen": "indices" if code == "instance_asymmetric" else "elen"}
    name = next(iter(changed))
    assert found.column == where.get("target" if "target" in changed else name, name)


@pytest.mark.parametrize(
    ("name", "place", "wrong"),
    [
        ("hh", 1, -1), ("hh", 2, np.nan), ("hh", 3, np.inf), ("area", 0, 0.0), ("area", 3, np.inf),
        ("area", 2, -1.0),
        ("elen", 7, 0.0), ("elen", 0, np.nan), ("indices", 2, 4), ("indices", 5, -1), ("indices", 2, 1),
        ("ecls", 4, 5), ("ecls", 0, -1), ("ecls", 0, 0.5),
    ],
)  # fmt: skip
def test_values_that_cannot_be_are_told_with_their_places(
    tmp_path: Path, name: str, place: int, wrong: float
) -> None:
    array = np.array(GOOD[name], dtype=type(wrong) if isinstance(wrong, int) else float)
    array[place] = wrong
    found = fault(tmp_path, **{name: array})
    assert (found.code, found.column, found.rows) == ("instance_values", name, (f"#{place + 1}",))


def test_parts_that_do_not_touch_are_counted(tmp_path: Path) -> None:
    pairs = {"indptr": np.arange(5), "indices": np.array([1, 0, 3, 2])}
    found = fault(tmp_path, **pairs, elen=np.ones(4), ecls=np.zeros(4))
    assert (found.code, found.values["pieces"]) == ("instance_apart", 2)
    alone = {"hh": np.empty(0), "area": np.empty(0), "perim": np.empty(0), "indptr": np.zeros(1)}
    none = {"indices": np.empty(0), "elen": np.empty(0), "ecls": np.empty(0)}
    assert fault(tmp_path, **alone, **none).code == "instance_indptr"


def test_nothing_pickled_is_ever_loaded(tmp_path: Path) -> None:
    assert fault(tmp_path, hh=np.array([{}, 1, 2, 3], dtype=object)).code == "instance_unreadable"
