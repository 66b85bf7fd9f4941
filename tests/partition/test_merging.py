"""Merging communities: in one piece, in range, within the walk or explained, every code accounted for."""

from __future__ import annotations

import json
from dataclasses import replace

import geopandas as gpd
import numpy as np
import pytest
import shapely
from shapely import LineString, Point, box

from partition.area import Area
from partition.errors import InputError
from partition.geometry.walking import build_network, find_access, walk_distances
from partition.intake.inner import inner_points
from partition.merging.merge import merge_communities
from partition.merging.successors import Merger
from partition.wishes.rules import Size
from tests.lattice import CRS, make_area

BLOCK_M = 250.0
EFFORT = 500


def street_office(
    columns: int = 10, rows: int = 7, *, block_m: float = BLOCK_M, seed: int = 0, drop: int = 1
) -> Area:
    """Communities of one block each, streets around them, four buildings in each; the last `drop` are not
    there.
    """
    rng = np.random.default_rng(seed)
    places = [(c, r) for r in range(rows) for c in range(columns)][: columns * rows - drop]
    shapes = [box(c * block_m, r * block_m, (c + 1) * block_m, (r + 1) * block_m) for c, r in places]
    width, height = columns * block_m, rows * block_m
    lines = [LineString([(x * block_m, 0), (x * block_m, height)]) for x in range(columns + 1)]
    lines += [LineString([(0, y * block_m), (width, y * block_m)]) for y in range(rows + 1)]
    houses = [
        box(c * block_m + x, r * block_m + y, c * block_m + x + 20, r * block_m + y + 15)
        for c, r in places
        for x in (40, block_m - 60)
        for y in (40, block_m - 60)
    ]
    classes = rng.choice(["local", "lane", "secondary", "arterial"], len(lines)).tolist()
    area = make_area(shapes, lines, classes, houses, rng.integers(60, 260, len(houses)))
    codes = [f"110101001{number + 1:03d}" for number in range(len(shapes))]
    return replace(
        area,
        communities=area.communities.assign(
            id=codes, code=codes, name=[f"社区{n}" for n in range(len(codes))]
        ),
    )


def assert_merged(area: Area, made: Merger, limit_m: float = 1200.0) -> None:
    """What always holds: seamless, in one piece, nothing lost, lineage whole, walks as measured anew."""
    new, lineage = made.communities, made.lineage
    polygons = new.geometry.to_numpy()
    assert shapely.is_valid(polygons).all()
    assert shapely.coverage_is_valid(polygons)
    assert shapely.area(polygons).sum() == pytest.approx(
        shapely.area(area.communities.geometry.to_numpy()).sum()
    )
    assert (shapely.get_type_id(polygons) == 3).all()
    assert new["households"].sum() == area.buildings["households"].sum()
    assert new["merged"].sum() == len(area.communities)
    assert lineage["old_id"].to_list() == area.communities["id"].to_list()
    assert set(lineage["new_id"]) == set(new["id"])
    kept = lineage[lineage["fate"] == "kept"]
    assert sorted(kept["old_id"]) == sorted(new["id"])
    assert (kept["old_code"] == kept["new_code"]).all()
    gone = lineage["old_code"][(lineage["fate"] == "dissolved") & (lineage["old_code"] != "")]
    assert not set(gone) & set(new["code"]), "a code that was dissolved is in use"
    for _, group in lineage.groupby("new_id"):
        most = group[group["households"] == group["households"].max()]["old_id"]
        assert group["new_id"].iloc[0] in set(most), "the code that stays is not that of most households"
    network = build_network(area.streets)
    points = dict(zip(made.stations["id"], made.stations.geometry, strict=True))
    inner = dict(zip(area.buildings["id"], inner_points(area.buildings.geometry.to_numpy()), strict=True))
    for walk in made.walks.iloc[::17].itertuples():
        doors = [find_access(network, np.array([point])) for point in (points[walk.station], inner[walk.id])]
        metres = walk_distances(network, *doors)[0, 0]
        assert walk.walk_m == pytest.approx(metres, abs=0.06)
        assert (walk.reason == "") == (metres <= limit_m)
    assert new["unreached"].sum() == made.walks["households"][made.walks["reason"] != ""].sum()


def test_69_communities_become_30() -> None:
    area = street_office()
    assert len(area.communities) == 69
    made = merge_communities(area, 30, effort=EFFORT)
    assert_merged(area, made)
    assert len(made.communities) == 30
    figures = made.figures
    assert figures["share_in_range"] == 1.0
    assert figures["share_within_walk"] == 1.0
    assert figures["unreached"] == 0
    assert (figures["kept"], figures["dissolved"]) == (30, 39)
    assert figures["gap"] is not None
    assert figures["gap"] < 0.02
    assert made.violations == ()
    assert made.sound


def test_residents_and_area_hold_at_once() -> None:
    area = street_office(6, 5, drop=0)
    people = float(area.buildings["residents"].sum())
    ground = float(area.communities.geometry.area.sum())
    sizes = (
        Size("residents", 0.5 * people / 12, people / 12, 1.6 * people / 12),
        Size("area", 0.0, ground / 12, 3 * BLOCK_M**2),
    )
    made = merge_communities(area, 12, sizes=sizes, effort=EFFORT)
    assert_merged(area, made)
    assert made.figures["share_in_range"] == 1.0
    assert made.communities["merged"].max() <= 3
    assert made.communities["residents"].between(sizes[0].lower, sizes[0].upper).all()


def test_the_walk_decides_which_communities_merge() -> None:
    """Four in a row, 900 m apart; by size any two neighbours may merge, on foot only 1+2 and 3+4."""
    shapes = [box(x, 0, x + 900, 300) for x in (0, 900, 1800, 2700)]
    houses = [box(x + 20 * n, 40, x + 20 * n + 10, 60) for x in (700, 950, 2500, 2750) for n in range(4)]
    area = make_area(shapes, [LineString([(0, 0), (3600, 0)])], ["local"], houses, [100] * len(houses))
    made = merge_communities(area, 2, effort=EFFORT)
    assert_merged(area, made)
    assert made.lineage["new_id"].to_list() == ["C1", "C1", "C3", "C3"]
    assert made.figures["unreached"] == 0
    # between C2 and C3 lie 1.5 km: were they one, with 1.2 km to walk, half of them would not reach
    pairs = merge_communities(area, 3, sizes=(Size("households", 300, 500, 900),), effort=EFFORT)
    assert_merged(area, pairs)
    assert pairs.lineage["new_id"].iloc[1] != pairs.lineage["new_id"].iloc[2]


def test_households_that_no_station_serves_are_told_with_the_reason() -> None:
    shapes = [box(x, 0, x + 3000, 300) for x in (0, 3000)]
    houses = [box(x, 40, x + 10, 60) for x in (100, 200, 300, 2900, 3100, 3200, 3300)]
    area = make_area(shapes, [LineString([(0, 0), (6000, 0)])], ["local"], houses, [100] * 7)
    stations = gpd.GeoDataFrame(
        {"id": ["S1", "S2", "P"], "kind": ["service_station", "党群服务中心", "police"], "name": ""},
        geometry=[Point(200, 5), Point(3200, 5), Point(2000, 5)],
        crs=CRS,
    )
    made = merge_communities(area, 2, facilities=stations, effort=EFFORT)
    assert_merged(area, made)
    (fault,) = made.violations
    assert (fault.code, fault.rows, fault.values["households"]) == ("reach_grouping", ("B0003",), 100)
    assert fault.values["least"] == 100
    assert "服务站" in fault.text("zh")
    assert made.sound
    assert set(made.stations["id"]) == {"S1", "S2"}
    alone = merge_communities(area, 1, facilities=stations, effort=EFFORT)
    by_code = {fault.code: fault for fault in alone.violations}
    assert by_code["reach_grouping"].values["least"] == 300  # S2 serves four of seven
    far = replace(area, buildings=area.buildings.iloc[[0, 1, 2, 4, 5, 6]].reset_index(drop=True))
    moved = stations.set_geometry([Point(200, 5), Point(5900, 5), Point(2000, 5)], crs=CRS)
    lost = merge_communities(far, 2, facilities=moved, effort=EFFORT)
    assert {fault.code for fault in lost.violations} == {"reach_nowhere"}


def test_broken_streets_and_proposed_stations_are_told() -> None:
    shapes = [box(0, 0, 500, 500), box(500, 0, 1000, 500)]
    houses = [box(100, 20, 120, 40), box(700, 20, 720, 40), box(300, 420, 320, 440)]
    streets = [LineString([(0, 0), (1000, 0)]), LineString([(200, 450), (400, 450)])]
    area = make_area(shapes, streets, ["local", "local"], houses, [100, 90, 50])
    made = merge_communities(area, 1, effort=EFFORT)
    assert {finding.code for finding in made.findings} == {"station_proposed"}
    assert {finding.code for finding in made.violations} == {"reach_no_way"}
    assert made.violations[0].rows == ("B0002",)


def test_communities_never_merge_across_a_street_office() -> None:
    area = street_office(4, 2, drop=0)
    codes = [
        code if number % 4 < 2 else code[:6] + "002" + code[9:]
        for number, code in enumerate(area.communities["code"])
    ]
    apart = replace(area, communities=area.communities.assign(code=codes, id=codes))
    made = merge_communities(apart, 2, effort=EFFORT)
    assert_merged(apart, made)
    assert [group["old_code"].str[:9].nunique() for _, group in made.lineage.groupby("new_id")] == [1, 1]
    one = merge_communities(apart, 1, effort=EFFORT)
    assert len(one.communities) == 2
    assert "merge_more" in {fault.code for fault in one.violations}


def test_communities_never_merge_across_a_river_without_a_bridge() -> None:
    shapes = [box(x, y, x + 300, y + 300) for x in (0, 300) for y in (0, 300)]
    houses = [box(x + 100, y + 100, x + 120, y + 120) for x in (0, 300) for y in (0, 300)]
    streets = [LineString([(x, 0), (x, 600)]) for x in (150, 450)]
    river = LineString([(300, -5), (300, 605)])
    bridge = LineString([(150, 300), (450, 300)])
    households = [100, 100, 100, 100]
    dry = make_area(shapes, [*streets, river], ["local", "local", "water"], houses, households)
    made = merge_communities(dry, 2, effort=EFFORT)
    assert made.lineage["new_id"].to_list() == ["C1", "C1", "C3", "C3"]
    assert merge_communities(dry, 1, effort=EFFORT).violations != ()
    joined = make_area(
        shapes, [*streets, river, bridge], ["local", "local", "water", "lane"], houses, households
    )
    assert_merged(joined, merge_communities(joined, 1, effort=EFFORT))
    assert len(merge_communities(joined, 1, effort=EFFORT).communities) == 1


def test_a_community_above_the_bound_stays_alone_with_its_reason() -> None:
    area = street_office(4, 2, drop=0)
    households = area.buildings["households"].to_numpy().copy()
    households[:4] = 2000
    area = replace(area, buildings=area.buildings.assign(households=households, residents=households * 2.5))
    made = merge_communities(area, 4, sizes=(Size("households", 300, 1500, 4000),), effort=EFFORT)
    assert_merged(area, made)
    (fault,) = made.violations
    assert fault.code == "merge_alone"
    assert made.lineage["new_id"].value_counts()[fault.rows[0]] == 1
    assert "本身就超过上限" in fault.text("zh")


def test_all_into_one_is_known_to_be_the_only_choice() -> None:
    area = street_office(5, 4, drop=0)
    made = merge_communities(area, 1, effort=EFFORT)
    assert made.figures["groups_complete"]
    assert made.figures["gap"] == 0.0
    assert {fault.code for fault in made.violations} <= {"reach_grouping"}
    assert made.sound


def test_what_is_not_known_is_empty_in_the_report() -> None:
    area = street_office(3, 2, drop=0)
    empty = replace(area, buildings=area.buildings[area.buildings["community"] != 2])
    told = json.dumps(merge_communities(empty, 3, effort=EFFORT).to_dict(), allow_nan=False)
    assert json.loads(told)["lineage"][2]["residents"] is None


def test_more_communities_than_asked_for_are_not_blamed_on_the_number() -> None:
    area = street_office(4, 2, drop=0)
    codes = [f"11010100{1 + number % 2}{number:03d}" for number in range(8)]
    offices = replace(area, communities=area.communities.assign(code=codes))
    total = int(area.buildings["households"].sum())
    made = merge_communities(offices, 1, sizes=(Size("households", total / 2, total, total * 2),))
    assert len(made.communities) == 4  # a column of each office: those beside it are of the other
    assert {fault.code for fault in made.violations} == {"merge_cut_off", "merge_more"}
    fault = made.violations[0]
    held = int(made.communities.set_index("id")["households"][fault.rows[0]])
    assert fault.values["held"] == held
    assert f"holds {held:,} households, outside {total / 2:,.0f}–{total * 2:,}" in fault.text("en")
    assert "户" in fault.text("zh")


@pytest.mark.parametrize("into", [0, 9])
def test_a_number_that_cannot_be_is_refused(into: int) -> None:
    with pytest.raises(InputError) as told:
        merge_communities(street_office(4, 2, drop=0), into, effort=EFFORT)
    assert told.value.findings[0].values == {"into": into, "count": 8}


@pytest.mark.parametrize("seed", range(3))
def test_merging_is_the_same_each_time_and_keeps_its_promises(seed: int) -> None:
    area = street_office(5, 4, block_m=400.0, seed=seed, drop=2)
    one, other = (merge_communities(area, 8, effort=EFFORT) for _ in range(2))
    assert_merged(area, one)
    assert one.lineage.equals(other.lineage)
    assert one.walks.equals(other.walks)
    assert one.sound


def test_progress_of_a_merger_is_told_step_by_step() -> None:
    told: list[tuple[str, float]] = []
    merge_communities(
        street_office(3, 2, drop=0), 3, effort=100, progress=lambda step, share: told.append((step, share))
    )
    assert told == [("walks", 0.0), ("merge", 0.0), ("merge", 1.0)]
