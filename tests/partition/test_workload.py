"""Expressions of workload: what they are worth, and that nothing but the grammar is ever understood."""

from __future__ import annotations

import tomllib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from partition.intake.groups import is_group_count
from partition.texts import catalogue
from partition.wishes.workload import DEEPEST, LONGEST, ExpressionError, parse_expression

COLUMNS = {"households": np.array([10.0, 20.0, 0.0]), "shops": np.array([4.0, 0.0, 8.0])}


def weigh(text: str) -> list[float]:
    expression = parse_expression(text)
    return expression.weigh({name: COLUMNS[name] for name in expression.columns}, 3).tolist()


@pytest.mark.parametrize(
    ("text", "worth"),
    [
        ("households", [10, 20, 0]),
        ("households + 0.5*shops", [12, 20, 4]),
        ("households - shops / 2 * 3", [4, 20, -12]),
        ("2 * (households + shops)", [28, 40, 16]),
        ("-households", [-10, -20, 0]),
        ("- -3", [3, 3, 3]),
        ("max(households, shops, 5)", [10, 20, 8]),
        ("min(households, 15) + max(0, 1)", [11, 16, 1]),
        ("8 - 4 - 2", [2, 2, 2]),
        ("8 / 4 / 2", [1, 1, 1]),
        (".5 + 1. + 1e1", [11.5, 11.5, 11.5]),
        ("households　×　（1＋shops÷4）", [20, 20, 0]),
    ],
)
def test_worth_of_expressions(text: str, worth: list[float]) -> None:
    assert weigh(text) == worth


def test_division_by_zero_is_no_crash() -> None:
    assert not np.isfinite(weigh("households / shops")[1])


def test_columns_are_named_once_in_their_order() -> None:
    assert parse_expression("shops + 商铺 * households + shops").columns == ("shops", "商铺", "households")


@pytest.mark.parametrize(
    ("text", "code", "place"),
    [
        ("", "unfinished", None),
        ("households +", "unfinished", None),
        ("(households", "unfinished", None),
        ("households)", "unexpected", 11),
        ("households shops", "unexpected", 12),
        ("households ** 2", "unexpected", 13),
        ("households % 2", "unexpected", 12),
        ("households.shape", "unexpected", 11),
        ("households[0]", "unexpected", 11),
        ("'households'", "unexpected", 1),
        ("1 if shops else 2", "unexpected", 3),
        ("lambda: 1", "unexpected", 7),
        ("__import__('os')", "function", None),
        ("exec(households)", "function", None),
        ("abs(households)", "function", None),
        ("max(households)", "arguments", None),
        ("max()", "unexpected", 5),
        ("(" * (DEEPEST + 1) + "1" + ")" * (DEEPEST + 1), "deep", None),
        ("1+(1)+" * 20 + "(" * DEEPEST + "1" + ")" * DEEPEST, "deep", None),
        ("1+" * LONGEST + "1", "long", None),
        ("1" * (LONGEST + 1), "long", None),
        ("-" * DEEPEST + "1", "deep", None),
    ],
)
def test_what_is_no_expression_is_told_with_its_place(text: str, code: str, place: int | None) -> None:
    with pytest.raises(ExpressionError) as told:
        parse_expression(text)
    assert told.value.code == code
    assert told.value.values.get("place") == place


pieces = st.one_of(
    st.sampled_from(["households", "shops", "min", "max", "(", ")", ",", "+", "-", "*", "/", "1", ".5", " "]),
    st.sampled_from(
        ["__import__", "eval", "os", ".", "[", "]", "'", '"', ":", "=", "lambda", "import", "\n"]
    ),
    st.text(max_size=3),
)


@settings(max_examples=600, deadline=None, derandomize=True)
@given(st.lists(pieces, max_size=25).map("".join))
def test_any_text_is_read_or_told(text: str) -> None:
    try:
        expression = parse_expression(text)
    except ExpressionError as error:
        code = error.code
    else:
        code = ""
    if code:
        key = {"key": "workload", "name": "", "most": 0, "place": 0, "word": ""}
        assert catalogue("partition").say(f"finding.expression_{code}", "zh", **key)
        return
    columns = dict.fromkeys(expression.columns, np.ones(2))
    assert expression.weigh(columns, 2).shape == (2,)


numbers = st.integers(1, 99).map(str)
sums = st.recursive(
    numbers | st.sampled_from(["households", "shops"]),
    lambda inner: st.tuples(inner, st.sampled_from("+-*/"), inner).map(
        lambda three: "({}{}{})".format(*three)
    ),
    max_leaves=12,
)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(sums)
def test_sums_are_worth_what_python_says(text: str) -> None:
    with np.errstate(all="ignore"):
        names = {name: values.copy() for name, values in COLUMNS.items()}
        # generated from the grammar above, nothing foreign is in it
        expected = np.broadcast_to(np.float64(1.0) * eval(text, {"__builtins__": {}}, names), 3)  # noqa: S307
    assert np.allclose(weigh(text), expected, equal_nan=True)


@pytest.mark.parametrize(
    "name",
    [
        "独居老人数",
        "残疾人",
        "低保户数",
        "elderly_alone",
        "low income",
        "刑满释放人员",
        "退休人员",
        "60岁以上人口",
        "senior_count",
        "aged_80",
        "over 65",
        "65+",
        "dibao",
    ],
)
def test_counts_of_groups_are_known_by_their_names(name: str) -> None:
    assert is_group_count(name)


@pytest.mark.parametrize(
    "name",
    [
        "households",
        "户数",
        "商铺数",
        "lifts",
        "managed_flats",
        "层数",
        "出租屋数",
        "age",
        "over_ground_floors",
    ],
)
def test_other_columns_are_no_counts_of_groups(name: str) -> None:
    assert not is_group_count(name)


def test_the_groups_of_the_service_are_known_and_the_usual_columns_are_none() -> None:
    root = Path(__file__).parents[2]
    rules = root / "service" / "privacy" / "groups.toml"
    groups = tomllib.loads(rules.read_text(encoding="utf-8"))["groups"]
    for key, group in groups.items():
        assert is_group_count(key)
        assert is_group_count(group["label"]["zh"])
    usual = tomllib.loads((root / "data" / "aliases.toml").read_text(encoding="utf-8"))["columns"][
        "buildings"
    ]
    assert [name for names in usual.values() for name in names if is_group_count(name)] == []


@pytest.mark.parametrize(
    "text",
    ["(" * (DEEPEST - 1) + "1" + ")" * (DEEPEST - 1), "-" * (DEEPEST - 2) + "1", "0" * (LONGEST - 1) + "1"],
)  # fmt: skip
def test_what_is_just_deep_or_long_enough_is_read(text: str) -> None:
    assert parse_expression(text).weigh({}, 1).tolist() == [1.0]
