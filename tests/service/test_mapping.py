"""What a map says of the sizes of grids: what the plan's judgement found, by every range of its profile."""

from __future__ import annotations

import dataclasses
import json
from datetime import UTC, datetime

import pytest

from partition.split import Split, split_area
from partition.wishes.policy import load_profile
from service.maps import community as mapping
from service.store.figures import Publication
from tests.lattice import Town, make_town


def published(split: Split, kind: str) -> Publication:
    """The split as the store gives it back."""
    report = json.loads(json.dumps(split.report.to_dict()))
    policy = json.loads(json.dumps(dataclasses.asdict(split.profile)))
    lines = {line["code"]: line for line in report["grids"]}
    return Publication(1, datetime.now(UTC), policy, kind, report["figures"], lines)


@pytest.mark.parametrize(("profile", "kind"), [("shigu", "urban"), ("yantai", "rural"), ("xiqing", "urban")])
def test_the_share_in_range_is_that_of_the_judgement(profile: str, kind: str) -> None:
    town = Town(columns=6, rows=5, classes=(kind,), zones=((1, 1, 1, 1),), people=(1.5, 3.5), most_shops=5)
    split = split_area(make_town(town), load_profile(profile), effort=300)
    plan = published(split, kind)
    share = mapping._in_range(split.grids, plan)
    assert share == pytest.approx(split.report.judgement.figures["share_in_range"], abs=1e-4)


def test_all_ranges_are_told_and_those_of_the_country_in_the_country() -> None:
    town = Town(columns=5, rows=4, classes=("rural",), zones=((1, 1, 1, 1),))
    split = split_area(make_town(town), load_profile("yantai"), effort=300)
    country, urban = published(split, "rural"), published(split, "urban")
    rural, size = split.profile.rural, split.profile.size
    assert rural is not None
    assert mapping.size_range(country) == (rural.lower, rural.upper)
    assert mapping.size_range(urban) == (size.lower, size.upper)
    kinds = split.grids.set_index("code")["kind"]
    ranged = {code: mapping.is_ranged(country.grids[code]) for code in kinds.index}
    assert ranged == {code: kind == "basic" for code, kind in kinds.items()}
    assert set(ranged.values()) == {True, False}
    both = published(split_area(make_town(town), load_profile("shigu"), effort=300), "rural")
    assert mapping._size_words(both) == {
        "zh": "200–300 户、800–1,000 人",
        "en": "200–300 households, 800–1,000 residents",
    }
    assert mapping._size_words(None) == {}


def test_without_a_range_of_households_no_grid_is_held_against_one() -> None:
    split = split_area(make_town(Town(columns=4, rows=4, most_shops=9)), load_profile("xiqing"), effort=300)
    plan = published(split, "urban")
    assert mapping.size_range(plan) is None
    assert not any(mapping.is_ranged(line) for line in plan.grids.values())
