"""Reasons as findings: which text, with which figures."""

from __future__ import annotations

import pytest

from partition.findings import Finding, name_rows
from partition.geometry.zones import Mixing
from partition.reasons.explanation import explain, explain_wholes, note_size, plain
from partition.reasons.sizes import Share, tell_why
from partition.solver.constraints import Allowed, Reason, Shares
from partition.solver.partings import Parting
from partition.wishes.rules import Size

SIZES = (Size("households", 150, 200, 300), Size("residents", 400, 500, 600.5))


def told(reason: Reason, *buildings: str) -> Finding:
    """The finding on a grid of 420 households and 700.25 residents."""
    found = explain(
        reason,
        code="C1-007",
        households=420,
        held=[420.0, 700.25],
        sizes=SIZES,
        measures=["households", "residents"],
        community="C1",
        buildings=buildings,
    )
    assert (found.level, found.layer, found.rows) == ("violated", "grids", ("C1-007",))
    assert found.text("zh") != found.text("en")
    return found


def test_a_reason_is_told_in_its_measure() -> None:
    first = told(Reason("too_few", 99.0))
    assert first.code == "size_too_few"
    assert first.values == {
        "households": 420,
        "measure": "households",
        "held": 420,
        "lower": 150,
        "upper": 300,
        "alone": 99,
        "measure_alone": "households",
        "lower_alone": 150,
        "upper_alone": 300,
        "building": "",
        "community": "C1",
        "proven": True,
    }
    second = told(Reason("no_number", 700.254, measure=1)).values
    assert (second["measure"], second["held"], second["upper"]) == ("residents", 700.25, 600.5)
    assert (second["alone"], second["lower"]) == (700.25, 400)
    assert told(Reason("unproven", 1.0)).values["proven"] is False


def test_a_grid_is_told_by_the_range_that_it_misses_whatever_the_cause_is_in() -> None:
    """Too few households in the community; this grid has enough of them, and too many residents."""
    found = explain(
        Reason("no_number", 310.0),
        code="C1-001",
        households=250,
        held=[250.0, 700.0],
        sizes=SIZES,
        measures=["households", "residents"],
        community="C1",
    )
    assert found.text() == (
        "grids: grid C1-001 holds 700 residents, outside 400–600.5: no number of grids divides the 310 "
        "households here so that all are in range."
    )
    assert "310 户，无论分成几个网格" in found.text("zh")


def test_two_ranges_name_the_numbers_that_each_allows() -> None:
    allowed = Allowed((900.0, 1150.5), ((3, 6), (2, 2)))
    for cause in ("two_ranges", "pocket_ranges"):
        found = told(Reason(cause, 1150.5, measure=1, allowed=allowed))  # type: ignore[arg-type]
        assert found.code == f"size_{cause}"
        assert "the 900 households and 1150.5 residents" in found.text()
        assert "allow 3–6 and 2 grids; no number suits both ranges" in found.text()
        assert "900 户、1150.5 人，前者要求分成 3–6 个网格，后者要求 2 个" in found.text("zh")
    free = told(Reason("two_ranges", 1.0, allowed=Allowed((900.0, 1150.5), ((3, None), (2, 2)))))
    assert free.values["possible_first"] == "≥3"


@pytest.mark.parametrize(
    ("parting", "code", "words"),
    [
        (Parting("E1", "compound", "zone"), "zone", "stands apart"),
        (Parting("E1", "compound", "apart"), "apart", "nobody can walk"),
        (Parting("E1", "compound", "weighed"), "weighed", "weighed more"),
        (Parting("E1", "compound", "large", 1, 640.0), "crowded", "640 residents"),
        (Parting("E1", "village_group", "shared", 0, 310.5), "shared", "310.5 households"),
        (Parting("E1", "compound", "range", 0, kept=40.0, made=2.0), "range", "40 households beyond"),
        (Parting("E1", "village_group", "number", kept=3, made=5), "number", "would have 3 grids; the 5"),
    ],
)
def test_why_a_whole_is_divided_is_told_with_its_figures(parting: Parting, code: str, words: str) -> None:
    wholes = explain_wholes([parting], [], SIZES, ["households", "residents"])
    why = wholes[(parting.what, "E1")]
    figures = {"large": ["held", "upper", "measure"], "shared": ["held", "upper", "measure"],
               "range": ["kept", "made", "measure"], "number": ["kept", "made"]}  # fmt: skip
    assert list(why.values) == ["cause", *figures.get(parting.cause, [])]
    assert why.values["cause"] == parting.cause
    load = {"households": (100.0, 300.0, 100.0)}
    found = Share(parting.what, frozenset({"a", "b"}), load, why=why).finding("E1")
    assert (found.code, found.values["grids"]) == (f"{parting.what}_split_{code}", "a, b")
    assert words in found.text()
    assert found.text("zh") != found.text()
    # what holds too much by itself, or lies across a border, has its own reason
    large = Share(parting.what, frozenset({"a", "b"}), {"households": (400.0, 300.0, 400.0)}, why=why)
    assert large.finding("E1").code == f"{parting.what}_split_large"
    other = Share(parting.what, frozenset({"c"}), {})
    assert large.joined(other).why == other.joined(large).why == why


def test_why_a_zone_is_mixed_is_told_with_its_figures() -> None:
    mixed = [Mixing("Z1", "houses", ("B1", "B2")), Mixing("Z2", "ground", share=0.125), Mixing("Z3", "drawn")]
    wholes = explain_wholes([], mixed, SIZES, ["households", "residents"])
    found = [
        tell_why(
            Finding("zone_mixed", "violated", rows=(zone,), values={"grids": "a"}), wholes[("zone", zone)]
        )
        for zone in ("Z1", "Z2", "Z3")
    ]
    assert [finding.code for finding in found] == [
        "zone_mixed_houses",
        "zone_mixed_ground",
        "zone_mixed_drawn",
    ]
    assert "buildings B1, B2 outside it" in found[0].text()
    assert "12.5 % of it" in found[1].text()
    assert all(finding.text("zh") != finding.text() for finding in found)
    bare = Finding("zone_mixed", "violated", rows=("Z1",), values={"grids": "a"})
    assert tell_why(bare, None) is bare


def test_one_building_or_several_are_to_blame() -> None:
    assert told(Reason("building", 420.0), "B1", "B1").code == "size_building"
    both = told(Reason("building", 420.0), "B1", "B2", "B1")
    assert (both.code, both.values["building"]) == ("size_buildings", "B1, B2")
    assert told(Reason("pocket", 420.0), "B1", "B2").code == "size_pocket"


def test_a_range_that_is_too_narrow_is_told_with_the_division() -> None:
    narrow = told(Reason("unproven", 900.0, division=Shares(2, 410.0, 490.0, 3, 5)))
    assert narrow.code == "size_narrow"
    assert {key: narrow.values[key] for key in ("grids", "mean", "least", "greatest", "possible")} == {
        "grids": 2,
        "mean": 450,
        "least": 410,
        "greatest": 490,
        "possible": "3–5",
    }
    only = told(Reason("unproven", 900.0, division=Shares(2, 410.0, 490.0, 3, 3)))
    assert only.values["possible"] == "3"
    assert told(Reason("unproven", 900.0, division=Shares(1, 900.0, 900.0, 3, 5))).code == "size_unproven"


def test_of_two_sizes_that_are_a_guide_the_one_missed_by_more_is_noted() -> None:
    note = note_size("C1-007", 420, [210.0, 450.0], SIZES, ["households", "residents"], "shigu")
    assert (note.code, note.level, note.values["measure"]) == ("size_soft", "noted", "residents")
    assert (note.values["held"], note.values["lower"], note.values["upper"]) == (450, 400, 600.5)
    even = note_size("C1-007", 420, [220.0, 450.0], SIZES, ["households", "residents"], "shigu")
    assert even.values["measure"] == "households"
    assert even.values["profile"] == "shigu"


@pytest.mark.parametrize(
    ("value", "shown"), [(3.0, "3"), (3.004, "3"), (2.996, "3"), (2.5, "2.5"), (2.347, "2.35"), (-0.001, "0")]
)
def test_figures_are_whole_where_they_are(value: float, shown: str) -> None:
    assert str(plain(value)) == shown


def test_at_most_ten_rows_are_named() -> None:
    names = [f"B{n}" for n in range(12)]
    assert name_rows(names[:10]) == ", ".join(names[:10])
    assert name_rows(names) == ", ".join(names[:10]) + " … (+2)"
    assert name_rows(()) == ""


def test_a_sentence_says_where_and_counts_one_as_one() -> None:
    values = {
        "measure": "households", "held": 1, "community": "C1", "alone": 1,
        "measure_alone": "households", "lower_alone": 150,
    }  # fmt: skip
    one = Finding("size_too_few", "violated", "grids", "code", ("C1-001",), values, "plan.gpkg")
    assert one.text("en").startswith("plan.gpkg: grids.code: grid C1-001 holds 1 household:")
    assert one.text("zh").startswith("plan.gpkg: grids.code: 网格 C1-001 有 1 户")
    assert one.to_dict()["text"] == {"zh": one.text("zh"), "en": one.text("en")}
    assert one.to_dict()["values"] == values
    many = Finding("size_too_few", "violated", values=values | {"held": 21})
    assert many.text("en").startswith("grid  holds 21 households:")
