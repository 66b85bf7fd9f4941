"""The sample community is the place it says it is, and the stored file is what the code makes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pyogrio
import pytest
import shapely
from pandas.testing import assert_frame_equal

from data import sample
from data.casebook import CATEGORIES
from data.town import HALF_WIDTH_M, bend_point, draw_town
from partition.area import STREET_CLASSES
from partition.intake.frames import RawFrames, check_area
from partition.intake.personal import find_personal

LAYERS = [
    "community",
    "streets",
    "buildings",
    "compounds",
    "facilities",
    "cases",
    "population_groups",
    "staff",
]
COLUMNS = {
    "community": {"id", "name", "code", "class", "source", "geometry"},
    "streets": {"id", "class", "bridge", "tunnel", "layer", "oneway", "name", "geometry"},
    "buildings": {"id", "households", "residents", "use", "floors", "name", "geometry"},
    "compounds": {"id", "name", "geometry"},
    "facilities": {"id", "kind", "name", "condition", "geometry"},
    "cases": {"id", "category", "time", "due", "status", "tier", "geometry"},
    "population_groups": {"building", "category", "count"},
    "staff": {"grid", "role", "name", "phone"},
}
# The provinces, autonomous regions, municipalities and special regions of GB/T 2260.
PROVINCES = {
    *range(11, 16),
    *range(21, 24),
    *range(31, 38),
    *range(41, 47),
    *range(50, 55),
    *range(61, 66),
    71,
    81,
    82,
}


@pytest.fixture(scope="module")
def made() -> sample.Frames:
    return sample.make_sample()


@pytest.fixture(scope="module")
def metric(made: sample.Frames) -> dict[str, gpd.GeoDataFrame]:
    return {name: frame.to_crs(sample.BELT) for name, frame in made.items() if "geometry" in frame}


@pytest.fixture(scope="module")
def cases(metric: dict[str, gpd.GeoDataFrame]) -> gpd.GeoDataFrame:
    frame = metric["cases"]
    return frame.assign(hour=frame["time"].dt.hour, month=frame["time"].dt.month)


def _border(metric: dict[str, gpd.GeoDataFrame]) -> shapely.Polygon:
    return metric["community"].geometry.iloc[0]


def test_figures_are_the_published_ones(made: sample.Frames, metric: dict[str, gpd.GeoDataFrame]) -> None:
    buildings = made["buildings"]
    assert len(buildings) == 226
    assert buildings["households"].sum() == 4413
    assert buildings["residents"].sum() == 12142
    assert len(made["compounds"]) == 3
    assert _border(metric).area == pytest.approx(480_000, rel=0.001)


def test_it_is_called_synthetic_and_its_county_is_nowhere(made: sample.Frames) -> None:
    community = made["community"].iloc[0]
    assert "合成" in community["name"]
    assert "合成" in community["source"]
    assert "synthetic" in community["source"]
    assert re.fullmatch(r"\d{12}", community["code"])
    assert int(community["code"][:2]) not in PROVINCES


def test_layers_and_columns(made: sample.Frames) -> None:
    assert list(made) == LAYERS
    assert {name: set(frame.columns) for name, frame in made.items()} == COLUMNS
    for name, frame in made.items():
        if name not in ("population_groups", "staff"):
            assert frame["id"].is_unique
            assert frame.crs == sample.CRS
            assert frame.geometry.is_valid.all()
            assert frame.geometry.is_simple.all()


def test_made_twice_it_is_the_same(made: sample.Frames) -> None:
    for name, frame in sample.make_sample().items():
        assert_frame_equal(pd.DataFrame(frame), pd.DataFrame(made[name]))


def test_another_generator_changes_people_and_not_places(made: sample.Frames) -> None:
    other = sample.make_sample(np.random.Generator(np.random.PCG64(7)))
    assert other["buildings"].geometry.equals(made["buildings"].geometry)
    assert other["buildings"]["households"].sum() == 4413
    assert not other["buildings"]["households"].equals(made["buildings"]["households"])
    assert not other["cases"]["time"].equals(made["cases"]["time"])


def test_stored_file_is_what_the_code_makes(made: sample.Frames) -> None:
    path = sample.path()
    assert path.stat().st_size <= 1_500_000
    assert [name for name, _ in pyogrio.list_layers(path)] == LAYERS
    for name, frame in made.items():
        stored = pyogrio.read_dataframe(path, layer=name)
        plain, expected = (pd.DataFrame(f).drop(columns="geometry", errors="ignore") for f in (stored, frame))
        if name == "cases":  # the same instants, kept in UTC
            for column in ("time", "due"):
                expected[column] = expected[column].dt.tz_convert("UTC")
        assert_frame_equal(plain, expected, check_dtype=False)
        if "geometry" in frame:
            assert stored.crs == frame.crs
            # Half a step of the rounding: another build of PROJ may differ in the last bits.
            assert stored.geometry.geom_equals_exact(frame.geometry, 1.5e-8).all()


def test_written_file_replaces_an_old_one_whole(tmp_path: object) -> None:
    target = sample.Path(str(tmp_path)) / "new" / "sample.gpkg"
    target.parent.mkdir()
    target.write_text("something else")
    sample.write_sample(target)
    assert len(pyogrio.read_dataframe(target, layer="buildings")) == 226
    assert [file.name for file in target.parent.iterdir()] == ["sample.gpkg"]


def test_nothing_in_it_needs_a_repair(made: sample.Frames) -> None:
    area = check_area(RawFrames(made, made["community"].crs))
    assert [finding.code for finding in area.findings] == []
    assert area.buildings["households"].sum() == 4413
    assert area.buildings["community"].eq(0).all()
    assert not area.buildings["unknown"].any()


def test_every_street_class_is_there(metric: dict[str, gpd.GeoDataFrame]) -> None:
    streets = metric["streets"]
    inside = streets[streets.intersection(_border(metric)).length > 20]
    assert set(inside["class"]) == set(STREET_CLASSES)
    assert streets["bridge"].any()
    assert streets["tunnel"].any()
    assert (streets.loc[streets["class"] == "arterial", "oneway"]).all()
    assert set(streets.loc[streets["bridge"], "layer"]) == {1}
    assert set(streets.loc[streets["tunnel"], "layer"]) == {-1}


def test_river_divides_the_community_and_one_bridge_crosses_it(metric: dict[str, gpd.GeoDataFrame]) -> None:
    border, streets = _border(metric), metric["streets"]
    river = streets.loc[streets["class"] == "water"].union_all()
    banks = shapely.get_parts(border.difference(river.buffer(1.0)))
    assert sum(bank.area > 50_000 for bank in banks) == 2
    crossing = streets[streets.crosses(river) & ~streets["class"].isin(["water", "rail"])]
    assert crossing["bridge"].tolist() == [True]
    assert crossing["class"].tolist() == ["secondary"]
    # The railway crosses it too, on the border.
    rails = streets[streets.crosses(river) & (streets["class"] == "rail")]
    assert rails["bridge"].tolist() == [True]
    assert border.boundary.distance(rails.geometry.iloc[0]) < 0.1


def test_border_runs_along_streets_and_railway(metric: dict[str, gpd.GeoDataFrame]) -> None:
    streets = metric["streets"]
    lines = streets[streets["class"] != "wall"].union_all()
    edge = _border(metric).boundary
    assert edge.intersection(lines.buffer(12)).length / edge.length > 0.95


def test_streets_meet_at_vertices(metric: dict[str, gpd.GeoDataFrame]) -> None:
    streets = metric["streets"]
    walked = streets[~streets["class"].isin(["water", "rail", "wall"])]
    vertices = {place for line in walked.geometry for place in line.coords}
    for i, one in enumerate(walked.geometry):
        for other in walked.geometry.iloc[i + 1 :]:
            for point in shapely.get_parts(one.intersection(other)):
                if point.is_empty:
                    continue
                assert min(point.distance(shapely.Point(place)) for place in vertices) < 0.005
    # Nobody's end stops just short of another street, and the dead ends are few and meant.
    dead = []
    for k, line in walked.geometry.items():
        for end in (line.coords[0], line.coords[-1]):
            gap = walked.geometry.drop(k).distance(shapely.Point(end)).min()
            assert gap < 0.005 or gap > 10 or line.is_ring
            if gap > 10 and _border(metric).contains(shapely.Point(end)):
                dead.append(walked["name"][k])
    assert {"豆腐巷", "染坊弄", "书包弄", "茶馆弄"} <= set(dead)
    assert len(dead) < 15


def test_walls_open_at_their_gates_and_only_there(metric: dict[str, gpd.GeoDataFrame]) -> None:
    streets, compounds = metric["streets"], metric["compounds"]
    walls = streets.loc[streets["class"] == "wall"].union_all()
    walked = streets[~streets["class"].isin(["wall", "water", "rail"])]
    assert not walked.intersects(walls).any()
    for ground in compounds.geometry:
        outline = ground.exterior
        gates = shapely.get_parts(outline.difference(walls.buffer(0.05)))
        assert 2 <= len(gates) <= 4
        for gate in gates:
            assert 8 < gate.length < 13
            assert walked.intersects(gate).any()


def test_buildings_stand_free(metric: dict[str, gpd.GeoDataFrame]) -> None:
    shapes, streets = metric["buildings"].geometry, metric["streets"]
    assert shapes.within(_border(metric)).all()
    pairs = shapely.STRtree(shapes.to_numpy()).query(shapes.to_numpy(), predicate="dwithin", distance=0.5)
    assert (pairs[0] == pairs[1]).all()
    for class_, width in HALF_WIDTH_M.items():
        lines = streets.loc[streets["class"] == class_].union_all()
        assert shapes.distance(lines).min() >= width - 0.01


def test_estates_hold_their_buildings_whole(metric: dict[str, gpd.GeoDataFrame]) -> None:
    buildings = metric["buildings"]
    held = []
    for ground in metric["compounds"].geometry:
        inside = buildings.within(ground)
        assert (inside == buildings.intersects(ground)).all()
        held.append(buildings.loc[inside, "households"].sum())
    assert min(held) > 300
    assert max(held) > 800


def test_households_are_plausible() -> None:
    houses = draw_town(sample.BUILDINGS).houses
    households = sample.make_sample()["buildings"]["households"].to_numpy()
    for house, count in zip(houses, households, strict=True):
        assert count <= house.floors * house.dwellings
        assert (count > 0) == (house.dwellings > 0)
        if house.quarter == "old":
            assert 1 <= count <= 3
        if house.quarter == "towers":
            assert 60 <= count <= 130
    assert households.max() <= 400


def test_a_town_too_small_for_its_buildings_says_so() -> None:
    with pytest.raises(ValueError, match="room for"):
        draw_town(400)


def test_no_personal_column_and_no_real_person(made: sample.Frames) -> None:
    assert {name: find_personal(frame, name) for name, frame in made.items()} == {name: {} for name in LAYERS}
    staff = made["staff"]
    assert staff["phone"].str.fullmatch(r"000-0000-\d{4}").all()
    assert staff["name"].str.fullmatch(r"网格[长员][甲乙丙丁戊己庚辛壬癸子丑寅卯辰]").all()
    assert staff["grid"].str.fullmatch(r"\d{3}").all()
    assert not staff.duplicated(["grid", "role"]).any()


def test_groups_fit_the_residents(made: sample.Frames) -> None:
    groups, buildings = made["population_groups"], made["buildings"].set_index("id")
    assert set(groups["category"]) == {
        "elderly_alone", "disabled", "low_income", "left_behind_children", "floating",
    }  # fmt: skip
    assert not groups.duplicated(["building", "category"]).any()
    assert (groups["count"] > 0).all()
    summed = groups.groupby("building")["count"].sum()
    assert (summed <= buildings.loc[summed.index, "residents"]).all()
    by_group = groups.groupby("category")["count"].sum()
    assert by_group["floating"] > by_group["elderly_alone"] > by_group["left_behind_children"] > 10


def test_a_year_of_cases(cases: gpd.GeoDataFrame, metric: dict[str, gpd.GeoDataFrame]) -> None:
    assert len(cases) == sum(category.cases for category in CATEGORIES) == 3016
    assert cases["time"].is_monotonic_increasing
    assert str(cases["time"].dt.tz) == "UTC+08:00"
    assert cases["time"].min() >= pd.Timestamp("2025-11-01T00:00+08:00")
    assert cases["time"].max() < pd.Timestamp("2026-11-01T00:00+08:00")
    assert cases["time"].dt.normalize().nunique() > 350
    assert cases.within(_border(metric)).all()
    assert "domestic_violence" in set(cases["category"])
    assert set(cases["tier"]) == {"grid", "community", "street"}
    assert (cases["status"] == "closed").mean() > 0.9
    open_ = cases[~cases["status"].isin(["closed", "returned"])]
    assert len(open_) > 10
    assert open_["time"].min() > pd.Timestamp("2026-10-20T00:00+08:00")
    # some are late when the year ends, most are not; what was returned has no limit
    late = open_["due"] < cases["time"].max()
    assert 5 < late.sum() < len(open_) / 2
    assert cases["due"].isna().equals(cases["status"] == "returned")
    assert (cases["due"] > cases["time"])[cases["due"].notna()].all()


def _share(hours: pd.Series[int], first: int, last: int) -> float:
    return float(hours.between(first, last).mean())


def test_cases_have_a_daily_and_a_weekly_rhythm(cases: gpd.GeoDataFrame) -> None:
    hour = {name: rows["hour"] for name, rows in cases.groupby("category")}
    assert _share(hour["noise"], 19, 23) > 0.7
    assert _share(hour["street_light"], 18, 22) > 0.6
    assert _share(hour["refuse"], 6, 9) > 0.35
    assert _share(hour["parking"], 7, 9) + _share(hour["parking"], 16, 19) > 0.55
    assert _share(cases["hour"], 2, 5) < 0.03
    weekend = cases["time"].dt.day_of_week >= 5
    by_day = cases.groupby("category")["time"].apply(lambda t: (t.dt.day_of_week >= 5).mean() / (2 / 7))
    assert by_day["noise"] > 1.1
    assert by_day["safety"] < 0.9
    assert 0.25 < weekend.mean() < 0.36


def test_cases_have_seasons(cases: gpd.GeoDataFrame) -> None:
    summer = cases["month"].isin([6, 7, 8]).groupby(cases["category"]).mean()
    assert summer["manhole"] > 0.35
    assert summer["refuse"] > 0.30
    assert summer["safety"] < 0.22


def _spots() -> Iterator[tuple[str, tuple[float, float], float, float]]:
    for category in CATEGORIES:
        for spot in category.spots:
            yield category.name, spot.place, spot.spread_m, spot.share


@pytest.mark.parametrize(("category", "place", "spread_m", "share"), list(_spots()))
def test_hot_spots_are_hot(
    cases: gpd.GeoDataFrame,
    metric: dict[str, gpd.GeoDataFrame],
    category: str,
    place: tuple[float, float],
    spread_m: float,
    share: float,
) -> None:
    middle = shapely.affinity.translate(bend_point(place), *sample.ORIGIN)
    circle = middle.buffer(1.6 * spread_m).intersection(_border(metric))
    own = cases[cases["category"] == category]
    inside = own.within(circle).mean()
    expected_if_even = circle.area / _border(metric).area
    assert inside > 0.5 * share
    assert inside > 3 * expected_if_even


def test_facilities_stand_in_the_community(made: sample.Frames, metric: dict[str, gpd.GeoDataFrame]) -> None:
    facilities, buildings = metric["facilities"], metric["buildings"]
    assert {
        "service_station", "clinic", "school", "kindergarten", "police", "market",
        "camera", "lamp", "hydrant", "manhole", "bin",
    } <= set(facilities["kind"])  # fmt: skip
    assert facilities.within(_border(metric)).all()
    station = facilities[facilities["kind"] == "service_station"]
    assert len(station) == 1
    home = buildings[buildings.contains(station.geometry.iloc[0])]
    assert home["use"].tolist() == ["service_station"]
    furniture = facilities[facilities["kind"].isin(["lamp", "hydrant", "manhole", "bin", "camera"])]
    assert shapely.distance(furniture.union_all(), buildings.union_all()) > 0
    river = metric["streets"].loc[metric["streets"]["class"] == "water"].union_all()
    assert facilities.distance(river).min() > 12


@pytest.mark.parametrize("name", ["README.md", "README.zh-CN.md"])
def test_the_examples_of_readme_lie_in_the_sample(name: str) -> None:
    text = (Path(__file__).resolve().parents[2] / name).read_text(encoding="utf-8")
    ground = gpd.read_file(sample.path(), layer="community").to_crs(4326).union_all()
    (box,) = re.findall(r"bbox=([\d.,]+)", text)
    (point,) = re.findall(r"lon=([\d.]+)&lat=([\d.]+)", text)
    assert shapely.box(*map(float, box.split(","))).intersects(ground)
    assert shapely.Point(*map(float, point)).within(ground)
