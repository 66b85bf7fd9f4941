"""Personal columns, by name and by what stands in them; no value of theirs is ever said."""

from __future__ import annotations

import json
from datetime import date

import numpy as np
import pandas as pd
import pytest

from partition.errors import InputError
from partition.intake.frames import check_area, clear_personal
from partition.intake.personal import (
    find_personal,
    holds_identity_number,
    holds_personal_number,
    is_personal_name,
)
from tests.frames import buildings, community, raw, refusal, streets

MOBILE = "13800001234"


def with_check_digit(first: str) -> str:
    weights = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
    return first + "10X98765432"[sum(w * int(d) for w, d in zip(weights, first, strict=True)) % 11]


@pytest.mark.parametrize(
    "name",
    ["姓名", "户主姓名", "身份证号码", "手机号", "联系电话", "业主", "联系人", "出生日期",
     "phone", "Contact_Phone", "contact:phone",
     "ID_Card", "idCard", "sfzh", "LXDH", "owner_name", "mobile", "E-mail", "full name"],
)  # fmt: skip
def test_personal_names(name: str) -> None:
    assert is_personal_name(name)


@pytest.mark.parametrize(
    "name",
    ["名称", "name", "楼栋名称", "小区名称", "户数", "业主户数", "出生人数", "id", "osm_id", "use", "用途",
     "religion", "mobility",
     "telecom", "households", "常住人口", "address"],
)  # fmt: skip
def test_names_that_are_not_personal(name: str) -> None:
    assert not is_personal_name(name)


def test_the_check_digit_decides() -> None:
    right = with_check_digit("11010119900307774")
    wrong = right[:-1] + ("1" if right[-1] != "1" else "2")
    assert holds_identity_number(right)
    assert holds_identity_number(f"证件{right}，备注")
    assert not holds_identity_number(wrong)
    assert not holds_identity_number(with_check_digit("11010119901307774"))  # no thirteenth month
    assert not holds_identity_number("9" + right)


@pytest.mark.parametrize(
    ("values", "rows"),
    [
        ([None, with_check_digit("42060219851224123"), "x", None], [1]),
        (["a", f"张三 {MOBILE}", "b", "c"], [1]),
        (["a", "+86 138-0000-1234", "138 0000 1234", "c"], [1, 2]),
        (np.array([1, 13_800_001_234, 3, 4]), [1]),
        (np.array([1.0, 13_800_001_234.0, np.nan, 4]), [1]),
        (np.array([1.0, 420602198512241236.0, np.nan, 4]), [1]),
        (["10", "12345678901", "23800001234", "138000012345"], []),
        (np.array([0.5, 13_800_001_234.5, np.nan, 4]), []),
        (["n13800001234", "w13900001234", "a", "b"], []),
    ],
)
def test_personal_content(values: object, rows: list[int]) -> None:
    found = find_personal(pd.DataFrame({"备注": values}), "buildings")
    assert (np.flatnonzero(found["备注"]).tolist() if found else []) == rows


def test_a_few_ids_may_look_like_mobiles_by_chance() -> None:
    few = pd.DataFrame({"osm_id": [13_100_000_001, 9_000_000_001, 8_000_000_001]})
    assert find_personal(few, "facilities") == {}
    most = pd.DataFrame({"osm_id": [13_100_000_001, 15_900_000_001, 8_000_000_001]})
    assert set(find_personal(most, "facilities")) == {"osm_id"}


def test_staff_may_be_named_and_called() -> None:
    staff = pd.DataFrame({"grid": ["001"], "role": ["网格员"], "name": ["李四"], "phone": [MOBILE]})
    assert find_personal(staff, "staff", {"name": "姓名", "phone": "手机号"}) == {}
    assert set(find_personal(staff.assign(身份证=["x"]), "staff")) == {"身份证"}
    assert set(find_personal(staff.assign(name=[with_check_digit("42060219851224123")]), "staff")) == {"name"}
    assert set(find_personal(staff, "buildings")) == {"phone"}


def test_a_persons_name_behind_another_name_is_seen() -> None:
    named = pd.DataFrame({"name": ["张三"]})
    assert find_personal(named, "buildings") == {}
    assert set(find_personal(named, "buildings", {"name": "户主姓名"})) == {"name"}
    assert set(find_personal(named, "cases")) == {"name"}


@pytest.mark.parametrize(
    "layer", ["community", "streets", "buildings", "facilities", "cases", "population_groups"]
)
def test_every_layer_is_looked_at(layer: str) -> None:
    small = {"community": community(), "streets": streets(), "buildings": buildings()}
    spoilt = small.get(layer, pd.DataFrame({"id": ["1"]}))
    spoilt = spoilt.assign(联系电话=[MOBILE] * len(spoilt))
    with pytest.raises(InputError) as caught:
        check_area(raw(**{layer: spoilt}))
    assert refusal(caught.value) == {("personal_refused", layer, "联系电话")}
    assert "联系电话" not in clear_personal(raw(**{layer: spoilt}), drop_personal=True).frames[layer]


def test_dropped_columns_are_gone_and_told() -> None:
    secret = buildings(姓名=["张三", "李四", None, "王五"], 备注=["", MOBILE, "", ""])
    area = check_area(raw(buildings=secret), drop_personal=True)
    assert {(f.code, f.level, f.column, f.rows) for f in area.findings} == {
        ("personal_dropped", "repaired", "姓名", ("B1", "B2", "B4")),
        ("personal_dropped", "repaired", "备注", ("B2",)),
    }
    assert not {"姓名", "备注"} & set(area.original_buildings.columns)


def test_no_value_is_ever_said() -> None:
    number = with_check_digit("42060219851224123")
    secret = buildings(
        id=[number, number, MOBILE, "B4"], households=[MOBILE, "张三", -1, 4], 姓名=["张三"] * 4
    )
    for drop in (False, True):
        with pytest.raises(InputError) as caught:
            check_area(raw(buildings=secret), drop_personal=drop)
        said = str(caught.value) + json.dumps(
            [f.to_dict() for f in caught.value.findings], ensure_ascii=False
        )
        assert not [word for word in (number, MOBILE, "张三") if word in said]
    lanes = streets(**{"class": [f"张三{MOBILE}", "lane"]})
    with pytest.raises(InputError) as caught:
        check_area(raw(streets=lanes))
    assert MOBILE not in str(caught.value)


class Today(date):
    """The date class on the first of March 2024."""

    @classmethod
    def today(cls) -> Today:
        return cls(2024, 3, 1)


@pytest.mark.parametrize(
    ("first", "personal"),
    [
        ("11010119000101777", True),
        ("11010118991231777", False),  # nobody alive was born before 1900
        ("11010120240301777", True),
        ("11010120240302777", False),  # nor tomorrow
        ("11010120230229777", False),
        ("83010119900307777", True),
        ("84010119900307777", False),  # no such province
        ("10010119900307777", False),
    ],
)
def test_the_province_and_the_birth_date_must_be_possible(
    first: str, personal: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("partition.intake.personal.date", Today)
    number = with_check_digit(first)
    assert holds_identity_number(number) == personal
    # as a float, which has lost its last digits, the birth date alone tells
    found = find_personal(pd.DataFrame({"remark": [float(first + "0"), 3.0]}), "buildings")
    assert bool(found) == (personal or first.startswith(("84", "10")))


@pytest.mark.parametrize("name", ["building_id", "id", "uuid", "楼栋编号", "备注"])
@pytest.mark.parametrize(("mobiles", "others", "personal"), [(2, 2, True), (1, 2, False), (1, 0, True)])
def test_of_identifiers_half_must_look_like_mobiles(
    name: str, mobiles: int, others: int, personal: bool
) -> None:
    texts = [MOBILE] * mobiles + [f"K{n}" for n in range(others)] + [""]
    found = find_personal(pd.DataFrame({name: texts}), "buildings")
    named = name not in ("备注",)
    assert bool(found) == (personal or not named)
    if found:
        assert found[name].tolist() == [True] * mobiles + [False] * (others + 1)
    numbers = [float(MOBILE)] * mobiles + [7.0] * others + [np.nan, np.inf][: 1 + (others == 0)]
    assert bool(find_personal(pd.DataFrame({name: numbers}), "buildings")) == (personal or not named)


@pytest.mark.parametrize(
    ("number", "personal"),
    [(13_000_000_000, True), (12_999_999_999, False), (19_999_999_999, True), (2e10, False)],
)
def test_which_numbers_are_mobiles(number: float, personal: bool) -> None:
    assert bool(find_personal(pd.DataFrame({"x": [float(number), np.nan]}), "buildings")) == personal
    assert bool(find_personal(pd.DataFrame({"x": [str(int(number))]}), "buildings")) == personal


@pytest.mark.parametrize(
    ("number", "personal"),
    [
        (110_101_199_001_011_234.0, True),
        (11_010_119_900_101_123.0, False),  # 17 digits
        (1_101_011_990_010_112_345.0, False),  # 19
        (110_101_199_013_011_234.0, False),  # a thirteenth month
    ],
)
def test_which_whole_numbers_may_be_of_persons(number: float, personal: bool) -> None:
    assert bool(find_personal(pd.DataFrame({"x": [number, np.nan]}), "buildings")) == personal


def test_neither_yes_and_no_nor_dates_are_personal() -> None:
    frame = pd.DataFrame(
        {
            "geometry": [MOBILE],
            "gated": [True],
            "since": pd.to_datetime(["2020-01-01"]),
            "addr:phone": ["none"],
            "tel": [None],
            "phone": [13_800_001_234.0],
        }
    )
    found = find_personal(frame, "staff")
    assert {name: rows.tolist() for name, rows in found.items()} == {"addr:phone": [True], "tel": [False]}
    assert find_personal(frame, "buildings")["phone"].tolist() == [True]


def test_either_number_in_a_text_is_seen() -> None:
    right = with_check_digit("11010119900307774")
    for text, seen in ((right, True), (MOBILE, True), (f"a {MOBILE} b", True), (MOBILE[:-1], False)):
        assert holds_personal_number(text) == seen
    assert holds_personal_number(f"{right} {MOBILE}")
