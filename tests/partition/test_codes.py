from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from partition.area import Area
from partition.codes import code_prefix, codes_of_buildings, issue_below, issue_codes, reading_order
from partition.errors import CodeError, InputError
from tests.lattice import Town, make_town


def test_reading_order_is_west_to_east_in_bands_from_north_to_south() -> None:
    x = np.array([0.0, 100, 200, 0, 100, 200])
    y = np.array([205.0, 195, 202, 100, 104, 97])
    shuffled = np.array([4, 1, 5, 0, 3, 2])
    order = shuffled[reading_order(x[shuffled], y[shuffled], np.full(6, 8000.0))]
    assert order.tolist() == [0, 1, 2, 3, 4, 5]


def test_codes_continue_after_those_ever_issued() -> None:
    prefix = code_prefix("C1", "420502001001")
    assert issue_codes(prefix, 2) == ["420502001001001", "420502001001002"]
    assert issue_codes(prefix, 2, ["420502001001007", "420502001002009"]) == [
        "420502001001008",
        "420502001001009",
    ]
    assert issue_codes(code_prefix("C1", ""), 1) == ["C1-001"]


def test_malformed_and_exhausted_codes_are_errors() -> None:
    for code in ("42050200100", "4205020010011", "42050200100x", "４２０５０２００１００１"):
        with pytest.raises(CodeError, match="12 digits"):
            code_prefix("C1", code)
    with pytest.raises(CodeError, match="do not fit"):
        issue_codes("C1-", 2, ["C1-998"])


def homes(*pairs: tuple[str, int]) -> Area:
    """Buildings of two communities, by id and community."""
    area = make_town(Town(columns=4, rows=2, communities=2))
    buildings = area.buildings.iloc[: len(pairs)].assign(
        id=[name for name, _ in pairs], community=[number for _, number in pairs]
    )
    return replace(area, buildings=buildings)


def test_a_shared_id_has_the_code_of_its_own_community() -> None:
    area = homes(("1", 0), ("1", 1), ("2", 0), ("3", 1), ("4", -1))
    west, east = (code_prefix(c.id, c.code) for c in area.communities.itertuples())
    said = {"1": (f"{east}002", f"{west}001"), "2": ("other",), "3": (), "5": (f"{east}003",)}
    found, left = codes_of_buildings(area, said)
    assert found.tolist() == [f"{west}001", f"{east}002", "other", "", ""]
    assert left == (("5", f"{east}003"),)


def test_a_shared_id_that_the_plan_knows_in_one_community_is_new_in_the_other() -> None:
    area = homes(("1", 0), ("1", 1))
    east = code_prefix(area.communities["id"].iloc[1], area.communities["code"].iloc[1])
    assert codes_of_buildings(area, {"1": (f"{east}002",)})[0].tolist() == ["", f"{east}002"]


def test_codes_that_do_not_tell_which_building_is_meant_are_refused() -> None:
    area = homes(("1", 0), ("1", 1), ("2", 0))
    west = code_prefix(area.communities["id"].iloc[0], area.communities["code"].iloc[0])
    for said, code in (
        ({"1": ("A",)}, "plan_building_ambiguous"),
        ({"2": ("A", "B")}, "plan_building_twice"),
        ({"2": (f"{west}001", f"{west}002")}, "plan_building_twice"),
    ):
        with pytest.raises(InputError) as caught:
            codes_of_buildings(area, said)
        assert [finding.code for finding in caught.value.findings] == [code]


def test_bands_begin_at_the_north() -> None:
    """Two grids 30 m apart in a band of 40 m: one row counted from the north, two counted from the south."""
    x, y = np.array([50.0, 0.0, 0.0]), np.array([100.0, 70.0, 30.0])
    assert reading_order(x, y, np.full(3, 1600.0)).tolist() == [1, 0, 2]
    assert reading_order(np.empty(0), np.empty(0), np.empty(0)).tolist() == []


def test_codes_below_a_stem_have_its_digits_and_never_come_twice() -> None:
    tier = {"zh": "微网格", "en": "small grid"}
    assert issue_below("C1-001", 2, 2, [], tier) == ["C1-00101", "C1-00102"]
    issued = ["C1-00104", "C1-0019", "C1-001123", "C1-001xx", "C1-00207"]  # only the first is one of these
    assert issue_below("C1-001", 2, 2, issued, tier) == ["C1-00105", "C1-00106"]
    assert issue_below("C1-", 1, 1, ["C1-8"], tier) == ["C1-9"]
    with pytest.raises(CodeError) as error:
        issue_below("C1-", 2, 1, ["C1-8"], tier)
    fault = error.value.findings[0]
    assert fault.code == "tier_codes_exhausted"
    assert fault.rows == ("C1-",)
    assert (fault.values["number"], fault.values["left"]) == (2, 1)
    with pytest.raises(CodeError) as error:
        issue_codes("C1-", 3, ["C1-998"])
    assert error.value.findings[0].values["left"] == 1
    assert error.value.findings[0].rows == ("C1",)
