"""Reasons as findings: which text, with which figures."""

from __future__ import annotations

import pytest

from partition.findings import Finding, name_rows
from partition.reasons.explanation import explain, note_size, plain
from partition.solver.constraints import Reason, Shares
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
        "building": "",
        "community": "C1",
        "proven": True,
    }
    second = told(Reason("no_number", 700.254, measure=1)).values
    assert (second["measure"], second["held"], second["upper"]) == ("residents", 700.25, 600.5)
    assert (second["alone"], second["lower"]) == (700.25, 400)
    assert told(Reason("unproven", 1.0)).values["proven"] is False


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
    values = {"measure": "households", "held": 1, "community": "C1", "alone": 1, "lower": 150}
    one = Finding("size_too_few", "violated", "grids", "code", ("C1-001",), values, "plan.gpkg")
    assert one.text("en").startswith("plan.gpkg: grids.code: grid C1-001 holds 1 household:")
    assert one.text("zh").startswith("plan.gpkg: grids.code: 网格 C1-001 有 1 户")
    assert one.to_dict()["text"] == {"zh": one.text("zh"), "en": one.text("en")}
    assert one.to_dict()["values"] == values
    many = Finding("size_too_few", "violated", values=values | {"held": 21})
    assert many.text("en").startswith("grid  holds 21 households:")
