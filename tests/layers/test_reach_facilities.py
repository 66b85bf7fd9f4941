"""Facilities on a map: what is not in order shows, in words and by shape."""

from __future__ import annotations

import geopandas as gpd
import pytest
from shapely import Point

from layers.facilities import CONDITIONS, facility_entries
from partition.texts import LANGUAGES


def facilities(*rows: tuple[str, str, str]) -> gpd.GeoDataFrame:
    """kind, name, condition; a metre or so apart."""
    return gpd.GeoDataFrame(
        {
            "kind": [row[0] for row in rows],
            "name": [row[1] for row in rows],
            "condition": [row[2] for row in rows],
        },
        geometry=[Point(110 + place / 1e5, 30) for place in range(len(rows))],
        crs=4326,
    )


def test_conditions_are_told_by_point_and_counted_by_kind() -> None:
    found = {
        entry["kind"]: entry
        for entry in facility_entries(
            facilities(
                ("hydrant", "", "blocked"), ("hydrant", "", ""), ("hydrant", "A", "good"), ("lamp", "", "")
            )
        )
    }
    assert found["hydrant"]["faults"] == 1
    assert found["hydrant"]["points"] == [
        [30.0, 110.0, "", "blocked"],
        [30.0, 110.00001],
        [30.0, 110.00002, "A", "good"],
    ]
    assert found["hydrant"]["conditions"] == {
        "good": {"zh": "完好", "en": "in order"},
        "blocked": {"zh": "被占用", "en": "blocked"},
    }
    assert found["hydrant"]["fault_words"] == {"zh": "1 处待处理", "en": "1 not in order"}
    assert (found["lamp"]["faults"], found["lamp"]["conditions"]) == (0, {})


def test_a_layer_without_conditions_is_drawn_as_before_and_words_of_others_are_not_known() -> None:
    plain = facilities(("clinic", "诊所", "")).drop(columns="condition")
    strange = facilities(("clinic", "诊所", "<b>?"))
    assert facility_entries(plain) == facility_entries(strange)
    assert facility_entries(plain)[0]["points"] == [[30.0, 110.0, "诊所"]]


@pytest.mark.parametrize("lang", LANGUAGES)
def test_every_condition_has_its_word(lang: str) -> None:
    entry = facility_entries(facilities(*(("lamp", "", state) for state in CONDITIONS)))[0]
    words = [entry["conditions"][state][lang] for state in CONDITIONS]
    assert len(set(words)) == len(CONDITIONS)
    assert entry["faults"] == len(CONDITIONS) - 1
