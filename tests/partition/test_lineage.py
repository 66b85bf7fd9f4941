"""The change register, and which code lives on where."""

from __future__ import annotations

import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from partition.changes.lineage import keep_codes, name_staff, trace_changes


def buildings(rows) -> pd.DataFrame:
    """Rows of (households, before, grid), each a building."""
    frame = pd.DataFrame(rows, columns=["households", "before", "grid"])
    return frame.assign(atom=np.arange(len(frame)))


def test_a_code_goes_with_most_of_the_households() -> None:
    old = np.array([0, 0, 0, 1, 1, -1])
    new = np.array([2, 2, 0, 2, 2, 0])
    # the merger of both is carried by the one that brought most; the small rest of grid 0 gets no old code
    assert keep_codes(old, new, np.array([50.0, 40, 30, 100, 20, 70])) == {2: 1}
    assert keep_codes(old, new, np.array([500.0, 40, 30, 100, 20, 70])) == {2: 0}
    assert keep_codes(old, old, np.zeros(6)) == {0: 0, 1: 1}
    assert keep_codes(np.array([-1]), np.array([0]), np.ones(1)) == {}


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000))
def test_the_register_adds_up(seed: int) -> None:
    rng = np.random.default_rng(seed)
    codes = np.array(["A", "B", "C", "D"], dtype=object)
    count = int(rng.integers(1, 30))
    before = codes[rng.integers(0, 3, count)].copy()
    before[rng.random(count) < 0.2] = ""
    grid = np.where((rng.random(count) < 0.5) & (before != ""), before, codes[rng.integers(1, 4, count)])
    frame = buildings(list(zip(rng.integers(0, 50, count), before, grid, strict=True)))
    register = trace_changes(frame, ["A"], ["B"])
    flows, grids = register.flows, register.grids.set_index("code")
    listed = set(grids.index)
    for code in listed:
        was = frame[frame["before"] == code]
        now = frame[frame["grid"] == code]
        gone = code == "A"
        assert flows.loc[flows["old_code"] == code, "households"].sum() == was["households"].sum()
        assert flows.loc[flows["old_code"] == code, "buildings"].sum() == len(was) + gone
        assert flows.loc[flows["new_code"] == code, "households"].sum() == now["households"].sum()
        assert grids.loc[code, "households"] == now["households"].sum()
        assert grids.loc[code, "buildings"] == len(now)
    moved = (frame["before"] != "") & (frame["before"] != frame["grid"])
    assert register.moved_households == frame.loc[moved, "households"].sum()
    assert register.moved_buildings == moved.sum()
    # what is not listed did not change
    rest = frame[~frame["grid"].isin(listed)]
    assert (rest["before"] == rest["grid"]).all()


def test_split_merger_and_boards() -> None:
    frame = buildings(
        [
            (100, "A", "A"), (90, "A", "N"),  # N parts from A
            (60, "B", "C"), (80, "C", "C"),  # B is merged into C
            (70, "D", "D"), (5, "", "D"),  # a new building in D
            (40, "E", "E"),  # nothing happens
        ]
    )  # fmt: skip
    register = trace_changes(frame, ["D"], ["A", "N", "C"], {"A": "Li", "C": "Wang", "B": "Wang"})
    rows = {(row.old_code, row.new_code): row for row in register.flows.itertuples()}
    assert {key: row.change for key, row in rows.items()} == {
        ("A", "A"): "kept", ("A", "N"): "split", ("B", "C"): "merged", ("C", "C"): "kept",
        ("D", "D"): "kept", ("", "D"): "built", ("D", ""): "demolished",
    }  # fmt: skip
    assert rows["A", "N"].boards == "A renew; N new"
    assert rows["B", "C"].boards == "B remove; C renew"
    assert rows["D", "D"].boards == ""
    assert rows["A", "N"].staff == "Li"
    assert rows["B", "C"].staff == "Wang; Wang"
    grids = register.grids.set_index("code")
    assert grids["board"].to_dict() == {"A": "renew", "B": "remove", "C": "renew", "D": "", "N": "new"}
    assert grids["change"].to_dict() == {
        "A": "redrawn", "B": "merged", "C": "redrawn", "D": "kept", "N": "split",
    }  # fmt: skip


def test_a_grid_without_buildings_is_told_too() -> None:
    frame = buildings([(60, "B", "C"), (80, "C", "C")])
    register = trace_changes(frame, {}, ["C", "P"], grids_before=["B", "C", "P", "Q"], grids_now=["C", "P"])
    assert register.flows["change"].to_list() == ["merged", "kept"]
    grids = register.grids.set_index("code")
    assert grids["board"].to_dict() == {"B": "remove", "C": "renew", "P": "renew", "Q": "remove"}
    assert grids["change"].to_dict() == {"B": "merged", "C": "redrawn", "P": "redrawn", "Q": "demolished"}


def test_buildings_that_left_with_their_ground_are_there_still() -> None:
    frame = buildings([(60, "A", ""), (80, "B", ""), (20, "B", "B"), (5, "", "")])
    register = trace_changes(frame, ["B"], ["B"], grids_before=["A", "B"], grids_now=["B"])
    told = register.flows[["old_code", "new_code", "change", "buildings", "households"]].to_numpy().tolist()
    assert told == [
        ["A", "", "left", 1, 60],
        ["B", "", "demolished", 1, 0],
        ["B", "", "left", 1, 80],
        ["B", "B", "kept", 1, 20],
    ]
    assert register.moved_households == 0
    grids = register.grids.set_index("code")
    assert grids["change"].to_dict() == {"A": "left", "B": "redrawn"}
    assert grids["board"].to_dict() == {"A": "remove", "B": "renew"}


def test_staff_by_number_where_codes_ended() -> None:
    table = pd.DataFrame({"grid": ["2", "003", "1"], "name": ["Wang", "Zhao", "Nobody"]})
    assert name_staff(table, ["C1-002", "C1-003"]) == {"C1-002": "Wang", "C1-003": "Zhao"}
    # of several communities the one that is named; none where that is not said
    named = table.assign(community=["C2", "C1", ""])
    codes = ["C1-001", "C1-002", "C1-003", "C2-001", "C2-002", "C2-003"]
    assert name_staff(named, codes) == {"C2-002": "Wang", "C1-003": "Zhao"}
    assert name_staff(table, ["A", "B", "C"]) == {"B": "Wang", "C": "Zhao", "A": "Nobody"}


def test_staff_by_code_and_by_place() -> None:
    table = pd.DataFrame(
        {
            "grid": ["C1-002", "1", "003", "9", "1"],
            "name": ["Li", "Wang", "Zhao", "Nobody", "Wang"],
            "role": ["leader", "worker", "", "worker", "worker"],
        }
    )
    codes = ["C1-003", "C1-001", "C1-002"]
    assert name_staff(table, codes) == {"C1-002": "Li (leader)", "C1-001": "Wang (worker)", "C1-003": "Zhao"}


def test_figures_are_whole_numbers_and_told_as_plain_data() -> None:
    frame = buildings([(10.0, "A", "B"), (20.0, "B", "B")])
    register = trace_changes(frame, ["A", "A"], [])
    told = register.to_dict()
    assert (told["moved_households"], told["moved_buildings"]) == (10, 1)
    assert register.flows["households"].dtype == register.flows["buildings"].dtype == np.int64
    assert [list(row.values()) for row in told["flows"]] == [
        ["A", "", "demolished", 2, 0, "", "A remove"],
        ["A", "B", "merged", 1, 10, "", "A remove"],
        ["B", "B", "kept", 1, 20, "", ""],
    ]
    assert [list(row.values()) for row in told["grids"]] == [
        ["A", "merged", 10, 0, 3, 0, "", "remove"],
        ["B", "kept", 20, 30, 1, 2, "", ""],
    ]


def test_rows_of_one_building_count_once_and_none_without_a_grid() -> None:
    frame = pd.DataFrame(
        {
            "atom": [3, 3, 5, 7],
            "households": [4, 6, 9, 50],
            "before": ["A", "A", "A", ""],
            "grid": ["B", "B", "A", ""],
        }
    )
    register = trace_changes(frame, [], [])
    assert (register.moved_buildings, register.moved_households) == (1, 10)
    assert register.flows["households"].sum() == 19


def test_every_kind_of_change_has_its_word() -> None:
    frame = buildings(
        [
            (1, "A", "A"), (1, "A", "B"), (1, "B", "B"),  # a border is redrawn
            (1, "C", "D"),  # the same grid with another code
            (1, "", "E"),  # built on new ground
        ]
    )  # fmt: skip
    register = trace_changes(frame, ["F"], ["A"], {"A": "Li", "B": "Li", "F": "Wu"}, grids_now=["G"])
    rows = {(row.old_code, row.new_code): row for row in register.flows.itertuples()}
    assert {key: row.change for key, row in rows.items()} == {
        ("", "E"): "built", ("A", "A"): "kept", ("A", "B"): "redrawn", ("B", "B"): "kept",
        ("C", "D"): "renumbered", ("F", ""): "demolished",
    }  # fmt: skip
    assert rows["A", "B"].boards == "A renew"
    assert rows["C", "D"].boards == "C remove; D new"
    assert rows["A", "A"].staff == "Li"
    assert rows["F", ""].staff == "Wu"
    grids = register.grids.set_index("code")
    assert grids["change"].to_dict() == {
        "A": "redrawn", "B": "kept", "C": "renumbered", "D": "renumbered", "E": "built",
        "F": "demolished", "G": "built",
    }  # fmt: skip
    assert grids["staff"].to_dict() == {"A": "Li", "B": "Li", "F": "Wu"} | dict.fromkeys("CDEG", "")


def test_codes_where_nobody_lives_go_by_buildings_and_to_one_grid_each() -> None:
    old, new = np.array([0, 0, 0, 1, 1]), np.array([5, 5, 6, 6, 6])
    assert keep_codes(old, new, np.zeros(5)) == {5: 0, 6: 1}
    # both halves of grid 0 hold as many: one of them carries the code
    assert len(keep_codes(np.array([0, 0]), np.array([1, 2]), np.array([7.0, 7.0]))) == 1
    assert keep_codes(np.array([0, 0, 1]), np.array([1, 2, 2]), np.array([7.0, 7.0, 3.0])) == {1: 0, 2: 1}
    assert keep_codes(np.array([0, -1]), np.array([-1, 0]), np.ones(2)) == {}


def test_staff_whose_grid_is_not_known_is_left_out() -> None:
    codes = ["C1-001", "C1-012"]
    rows = [
        ("12", "Li"), ("000012", "Wu"), ("0000012", "too long"), ("C1-012", " "), ("x", "no grid"),
        (" 1 ", " He "),
        ("C1-002", "none such"), ("13", "none such"),
    ]  # fmt: skip
    table = pd.DataFrame(rows, columns=["grid", "name"])
    assert name_staff(table, codes) == {"C1-012": "Li, Wu", "C1-001": "He"}
    # a grid whose code is a number is itself, whatever its place
    assert name_staff(pd.DataFrame({"grid": ["2"], "name": ["Li"], "role": [" "]}), ["2", "1"]) == {"2": "Li"}
    several = ["C1-001", "C2-001"]
    table = pd.DataFrame(
        {"grid": ["1", "1"], "name": ["Li", "Wu"], "community": [" C2 ", "C3"], "role": ["a", "b"]}
    )
    assert name_staff(table, several) == {"C2-001": "Li (a)"}
