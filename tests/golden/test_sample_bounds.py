"""四至 of the sample community's grids as readable text. `make golden` renews it; read the difference like
code.
"""

from __future__ import annotations

from pathlib import Path

import geopandas as gpd
import pytest
from shapely import box

from data.sample import path as sample_path
from data.vector import read_area
from partition.area import Area
from partition.geometry.abuttals import find_abuttals
from partition.intake.frames import check_area
from partition.split import split_area
from partition.wishes.policy import load_profile

GOLDEN = Path(__file__).with_name("sample_bounds.txt")


@pytest.fixture(scope="module")
def area() -> Area:
    return check_area(read_area(sample_path()))


def test_the_bounds_of_the_sample(area: Area, request: pytest.FixtureRequest) -> None:
    grids = split_area(area, load_profile("yichang")).grids
    rows = zip(grids["code"], grids["bounds_zh"], grids["bounds_en"], strict=True)
    text = "\n".join(f"{code}\n  {zh}\n  {en}" for code, zh, en in rows) + "\n"
    if request.config.getoption("--renew-golden"):
        GOLDEN.write_text(text, encoding="utf-8")
    assert text.splitlines() == GOLDEN.read_text(encoding="utf-8").splitlines()


def test_the_whole_sample_lies_between_what_bounds_it(area: Area) -> None:
    whole = gpd.GeoDataFrame(
        {"code": ["1"], "community": area.communities["id"]}, geometry=area.communities.geometry, crs=area.crs
    )
    assert find_abuttals(whole, area)[0].text("zh") == "东至东环路，南至南门街，西至文昌大道，北至铁路。"
    assert whole.geometry.iloc[0].within(box(*area.streets.total_bounds))
