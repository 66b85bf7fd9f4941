"""What disclosure control promises, on generated communities. No database."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.privacy.disclosure import (
    Cell,
    Figure,
    Floor,
    GroupRule,
    Table,
    band_label,
    exact_cells,
    merge_upward,
    rank,
    rate,
    read_rules,
    rules,
    suppress,
)

SENSITIVE = rules().groups["disabled"]
ORDINARY = rules().groups["floating"]
RESTRICTED = GroupRule("r", {"zh": "某", "en": "r"}, "restricted", 10, (10, 20), "centre", 20)
FLOOR = Floor(20, 8, 10, 20)

rule_choice = st.sampled_from([SENSITIVE, ORDINARY])
figure = st.builds(
    Figure,
    st.one_of(st.integers(0, 30), st.integers(0, 400)),
    st.one_of(st.integers(0, 30), st.integers(0, 500)),
)


@st.composite
def communities(draw: st.DrawFn) -> tuple[dict[str, Figure], dict[str, list[str]]]:
    figures = draw(st.lists(figure, min_size=1, max_size=12))
    codes = [f"{number:03d}" for number in range(1, len(figures) + 1)]
    pairs = draw(st.lists(st.tuples(st.sampled_from(codes), st.sampled_from(codes)), max_size=30))
    neighbours: dict[str, list[str]] = {}
    for one, other in pairs:
        neighbours.setdefault(one, []).append(other)
    return dict(zip(codes, figures, strict=True)), neighbours


@given(communities(), rule_choice)
def test_merged_areas_cover_each_grid_once_and_show_only_safe_sums(
    community: tuple[dict[str, Figure], dict[str, list[str]]], rule: GroupRule
) -> None:
    figures, neighbours = community
    cells = merge_upward(figures, neighbours, rule)
    assert sorted(code for cell in cells for code in cell.codes) == sorted(figures)
    for cell in cells:
        count = sum(figures[code].count for code in cell.codes)
        households = sum(figures[code].households for code in cell.codes)
        if cell.count is None:
            assert cells == (Cell(tuple(sorted(figures)), None, 0),)
            assert count < rule.k or households < 20
        else:
            assert cell.count == count
            assert count >= rule.k
            assert households >= 20
            assert cell.rank == rank(count, rule) >= 1


@given(communities(), rule_choice)
def test_a_map_is_blank_only_if_the_whole_community_is_below(
    community: tuple[dict[str, Figure], dict[str, list[str]]], rule: GroupRule
) -> None:
    figures, neighbours = community
    total = sum(f.count for f in figures.values())
    households = sum(f.households for f in figures.values())
    shown = any(cell.rank for cell in merge_upward(figures, neighbours, rule))
    assert shown == (total >= rule.k and households >= 20)


@given(communities(), rule_choice, st.randoms(use_true_random=False))
def test_the_order_of_rows_changes_nothing(
    community: tuple[dict[str, Figure], dict[str, list[str]]], rule: GroupRule, random: object
) -> None:
    figures, neighbours = community
    items = list(figures.items())
    random.shuffle(items)  # type: ignore[attr-defined]
    mirrored = {code: [c for c in figures if code in neighbours.get(c, ())] for code, _ in items}
    assert merge_upward(dict(items), mirrored, rule) == merge_upward(figures, neighbours, rule)
    assert suppress(dict(items), rule) == suppress(figures, rule)


def test_an_unsafe_grid_joins_the_neighbour_of_fewest_households() -> None:
    figures = {"001": Figure(3, 200), "002": Figure(40, 300), "003": Figure(25, 250), "004": Figure(60, 10)}
    cells = merge_upward(figures, {"001": ["003"], "002": ["003", "004"], "003": ["004"]}, SENSITIVE)
    assert cells == (Cell(("001", "003"), 28, 2), Cell(("002", "004"), 100, 4))


def test_a_restricted_group_never_shows_below_the_community() -> None:
    figures = {"001": Figure(50, 200), "002": Figure(40, 300)}
    assert merge_upward(figures, {"001": ["002"]}, RESTRICTED) == (Cell(("001", "002"), 90, 2),)
    with pytest.raises(ValueError, match="restricted"):
        exact_cells(figures, RESTRICTED)


def _worked_out(table: Table, figures: dict[str, Figure], rule: GroupRule) -> None:
    """Fail if a reader of `table` can work out something unsafe."""
    withheld = [code for code, value in table.values.items() if value is None]
    for code, value in table.values.items():
        if value is not None:
            assert value == figures[code].count
            assert rule.safe(figures[code].count, figures[code].households)
    if table.total is None:
        assert len(withheld) == len(figures)
        return
    assert rule.safe(table.total, sum(f.households for f in figures.values()))
    if not withheld:
        return
    rest = table.total - sum(value for value in table.values.values() if value is not None)
    assert len(withheld) >= 2
    assert rest >= rule.k
    assert sum(figures[code].households for code in withheld) >= 20
    # nobody who believes every withheld entry to be below k can force one above zero
    if all(figures[code].count < rule.k for code in withheld):
        assert rest - (len(withheld) - 1) * (rule.k - 1) <= 0


@given(communities(), rule_choice)
def test_a_table_with_its_total_gives_no_withheld_entry_away(
    community: tuple[dict[str, Figure], dict[str, list[str]]], rule: GroupRule
) -> None:
    figures, _ = community
    _worked_out(suppress(figures, rule), figures, rule)


def test_a_single_unsafe_entry_takes_the_smallest_other_with_it() -> None:
    figures = {"a": Figure(3, 100), "b": Figure(50, 100), "c": Figure(12, 100), "d": Figure(30, 100)}
    assert suppress(figures, SENSITIVE) == Table({"a": None, "b": 50, "c": None, "d": 30}, 95)


def test_two_entries_whose_sum_betrays_them_take_a_third() -> None:
    figures = {"a": Figure(9, 100), "b": Figure(9, 100), "c": Figure(50, 100), "d": Figure(60, 100)}
    assert suppress(figures, SENSITIVE).values == {"a": None, "b": None, "c": None, "d": 60}


def test_a_safe_table_is_published_whole() -> None:
    figures = {"a": Figure(10, 20), "b": Figure(50, 100)}
    assert suppress(figures, SENSITIVE) == Table({"a": 10, "b": 50}, 60)


@given(st.integers(0, 1000), rule_choice)
def test_a_band_names_its_count_and_nothing_below_k(count: int, rule: GroupRule) -> None:
    label = band_label(count, rule, "en")
    if count < rule.k:
        assert label == f"fewer than {rule.k}"
    elif "or more" in label:
        assert count >= int(label.split()[0]) == rule.bands[-1]
    else:
        lower, upper = (int(part) for part in label.split("–"))
        assert rule.k <= lower <= count <= upper
    assert band_label(None, rule, "zh") == f"不足 {rule.k} 人"


@pytest.mark.parametrize(
    ("cases", "households", "value", "unstable"),
    [(9, 300, None, True), (10, 300, 100 / 3, True), (19, 300, 190 / 3, True), (20, 300, 200 / 3, False),
     (50, 19, None, True)],
)  # fmt: skip
def test_rates_rest_on_enough_cases(cases: int, households: int, value: float | None, unstable: bool) -> None:
    found = rate(cases, households, FLOOR)
    assert found.value == pytest.approx(value)
    assert found.unstable == unstable
    assert (found.cases is None) == (value is None)


HEAD = """
[floor]
households = 20
addresses = 8
rate_hidden = 10
rate_unstable = 20
[cases]
sensitive = []
[groups.g]
least_role = "public"
label = { zh = "某", en = "g" }
"""


@pytest.mark.parametrize(
    ("rest", "complaint"),
    [
        ('class = "sensitive"\nk = 5\nbands = [5, 10]', "below 10"),
        ('class = "ordinary"\nk = 4\nbands = [4, 10]', "below 5"),
        ('class = "secret"\nk = 10\nbands = [10, 20]', "none of"),
        ('class = "sensitive"\nk = 10\nbands = [5, 10]', "begin with k"),
        ('class = "sensitive"\nk = 10\nbands = [10, 50, 20]', "ascend"),
    ],
)
def test_a_rule_laxer_than_its_class_is_refused(rest: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        read_rules(HEAD + rest)


def test_every_group_in_use_has_a_rule() -> None:
    assert set(rules().groups) >= {
        "elderly_alone", "disabled", "low_income", "left_behind_children", "floating",
    }  # fmt: skip
    assert all(rule.households == 20 for rule in rules().groups.values())
