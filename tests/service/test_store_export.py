"""Plans as files."""

from __future__ import annotations

import json
from pathlib import Path

import pyogrio
import pytest
from sqlalchemy import Connection

from partition.area import Area
from partition.errors import InputError
from partition.split import split_area
from partition.wishes.policy import Profile, Size
from service.exports.plans import write_export
from service.operating import OperatingError
from service.store.communities import load_area
from service.store.plans import PlanFrames, read_plan, save_plan

from .towns import CODE, make_layers, make_town, shapes_of

pytestmark = pytest.mark.database


@pytest.fixture(scope="module")
def area() -> Area:
    return make_town()


@pytest.fixture
def frames(connection: Connection, area: Area) -> PlanFrames:
    """A stored plan."""
    load_area(connection, area, make_layers(area))
    plan = save_plan(connection, CODE, split_area(area, Profile("test", Size("households", 200, 300, 400))))
    return read_plan(connection, plan)


def test_a_geopackage_has_grids_and_buildings_in_the_input_crs(
    frames: PlanFrames, area: Area, tmp_path: Path
) -> None:
    out = tmp_path / "plan.gpkg"
    out.write_text("what was there before")
    write_export(out, frames)
    grids, buildings = (pyogrio.read_dataframe(out, layer=layer) for layer in ("grids", "buildings"))
    assert grids.crs == area.source_crs
    assert shapes_of(grids) == shapes_of(frames.grids)
    assert list(grids.columns) == [
        *(
            "code",
            "community",
            "kind",
            "households",
            "residents",
            "buildings",
            "buildings_unknown",
            "area_m2",
            "bounds_zh",
            "bounds_en",
            "geometry",
        )
    ]
    assert set(buildings["grid"]) == set(grids["code"])
    assert len(buildings) == len(area.buildings)
    assert not {"elderly_alone", "category", "count"} & set(buildings.columns)
    assert [path.name for path in tmp_path.iterdir()] == ["plan.gpkg"]


def test_geojson_is_in_degrees(frames: PlanFrames, tmp_path: Path) -> None:
    write_export(tmp_path / "plan.geojson", frames)
    data = json.loads((tmp_path / "plan.geojson").read_text(encoding="utf-8"))
    assert len(data["features"]) == len(frames.grids)
    lon, lat = data["features"][0]["geometry"]["coordinates"][0][0][:2]
    assert (round(lon), round(lat)) == (117, 31)
    assert sum(f["properties"]["households"] for f in data["features"]) == frames.grids["households"].sum()


@pytest.mark.parametrize("encoding", ["UTF-8", "GBK"])
def test_a_shapefile_says_its_encoding(frames: PlanFrames, encoding: str, tmp_path: Path) -> None:
    named = PlanFrames(frames.grids.assign(community="测试社区"), frames.buildings)
    out = tmp_path / "网格.shp"
    write_export(out, named, encoding=encoding)
    assert out.with_suffix(".cpg").read_text() == encoding
    assert "测试社区".encode(encoding) in out.with_suffix(".dbf").read_bytes()
    back = pyogrio.read_dataframe(out)
    assert set(back["community"]) == {"测试社区"}
    assert back["bldg_unkn"].sum() == frames.grids["buildings_unknown"].sum() > 0
    assert max(map(len, back.columns.drop("geometry"))) <= 10
    assert {path.stem for path in tmp_path.iterdir()} == {"网格"}


def test_what_cannot_be_written_is_refused_and_nothing_replaced(frames: PlanFrames, tmp_path: Path) -> None:
    with pytest.raises(OperatingError, match="cannot be written"):
        write_export(tmp_path / "plan.dwg", frames)
    with pytest.raises(OperatingError, match="--encoding"):
        write_export(tmp_path / "plan.gpkg", frames, encoding="GBK")
    with pytest.raises(InputError):
        write_export(tmp_path / "nowhere" / "plan.gpkg", frames)
    old = tmp_path / "plan.gpkg"
    old.write_text("old")
    broken = PlanFrames(frames.grids, None)  # fails when the grids are written already
    with pytest.raises(ValueError, match="DataFrame"):
        write_export(old, broken)
    assert old.read_text() == "old"
    assert list(tmp_path.iterdir()) == [old]
