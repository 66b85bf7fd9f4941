"""Every profile on a town that fits it: what its rule says holds of the plan."""

from __future__ import annotations

from dataclasses import replace

import geopandas as gpd
import numpy as np
import pytest
import shapely

from partition.area import Area
from partition.errors import ProfileError
from partition.reasons.judgement import judge_plan
from partition.reasons.sizes import mark_kinds
from partition.split import Split, split_area
from partition.wishes.policy import Profile, Size, ZoneRule, load_profile
from tests.asserts import assert_valid_plan
from tests.lattice import Town, make_area, make_town

EFFORT = 2000


def split(area: Area, profile: Profile) -> Split:
    made = split_area(area, profile, effort=EFFORT)
    assert_valid_plan(area, made)
    bare = made.grids.drop(columns="kind")
    assert mark_kinds(area, bare, made.buildings, profile)["kind"].equals(made.grids["kind"])
    judged = judge_plan(area, bare, made.buildings, profile)
    assert judged.figures == made.report.judgement.figures, "a plan from a file is judged in the same way"
    return made


def held(made: Split, column: str) -> np.ndarray:
    """The sum of a column of the buildings in each grid, in the grids' order."""
    sums = made.buildings.groupby("grid")[column].sum()
    return made.grids["code"].map(sums).fillna(0).to_numpy()


def codes(made: Split) -> list[str]:
    return [finding.code for finding in made.report.violations]


def within(values: np.ndarray, size: Size) -> bool:
    return bool(((values >= size.lower) & (values <= size.upper)).all())


HOUSEHOLDS = {
    "yichang": Town(columns=6, rows=5, most_households=40, gap_share=0.05, seed=1),
    "kangcui": Town(columns=6, rows=5, most_households=60, gap_share=0.05, seed=2),
    "jinta": Town(columns=7, rows=6, most_households=70, seed=3),
    "xisimen": Town(columns=6, rows=6, most_households=60, seed=4),
    "yantai": Town(columns=6, rows=5, most_households=50, seed=5),
}


@pytest.mark.parametrize("name", sorted(HOUSEHOLDS))
def test_sizes_by_households_hold(name: str) -> None:
    profile = load_profile(name)
    made = split(make_town(HOUSEHOLDS[name]), profile)
    assert len(made.grids) >= 4
    assert within(held(made, "households"), profile.size)
    assert made.report.sound
    assert made.report.judgement.figures["measures"].keys() == {"households"}


def test_yichang_puts_borders_on_streets() -> None:
    made = split(make_town(replace(HOUSEHOLDS["yichang"], gap_share=0.0)), load_profile("yichang"))
    assert made.report.judgement.figures["along_streets"] > 0.97


@pytest.mark.parametrize(("name", "most", "people"), [("shigu", 22, (3.4, 3.8)), ("luoyang", 60, (2.6, 3.4))])
def test_two_ranges_hold_at_once(name: str, most: int, people: tuple[float, float]) -> None:
    profile = load_profile(name)
    assert profile.second is not None
    made = split(make_town(Town(columns=8, rows=6, most_households=most, people=people, seed=6)), profile)
    assert len(made.grids) >= 3
    assert within(held(made, "households"), profile.size)
    assert within(held(made, "residents"), profile.second)
    measures = made.report.judgement.figures["measures"]
    assert set(measures) == {"households", "residents"}
    for line in made.report.judgement.grids:
        assert line["held"].keys() == {"households", "residents"}
        assert line["in_range"]


def test_the_second_range_changes_the_plan() -> None:
    """Two ranges are no weaker form of one: people live closer in the west of this town."""
    area = make_town(Town(columns=8, rows=6, most_households=22, seed=7))
    west = shapely.get_x(shapely.centroid(area.buildings.geometry.to_numpy())) < 360
    people = (area.buildings["households"] * np.where(west, 4.2, 3.0)).round()
    area = replace(area, buildings=area.buildings.assign(residents=people))
    shigu = load_profile("shigu")
    assert shigu.second is not None
    assert not within(held(split(area, replace(shigu, second=None)), "residents"), shigu.second)
    both = split(area, shigu)
    assert within(held(both, "residents"), shigu.second)
    assert within(held(both, "households"), shigu.size)


def test_ranges_that_exclude_each_other_are_told_with_proof() -> None:
    area = make_town(Town(columns=6, rows=5, most_households=22, people=(6.0, 6.0), seed=6))
    made = split(area, load_profile("shigu"))
    assert set(codes(made)) == {"size_two_ranges"}
    assert made.report.sound
    (first, *_) = made.report.violations
    assert "no number suits both" in first.text()
    assert "没有一个网格数" in first.text("zh")


def test_soft_sizes_are_a_guide() -> None:
    guangde = load_profile("guangde")
    houses = [shapely.box(x, 40, x + 20, 60) for x in range(10, 390, 60)]
    area = make_area([shapely.box(0, 0, 400, 100)], [], [], houses, [90, 90, 90, 650, 90, 90, 90])
    made = split(area, guangde)
    notes = [finding for finding in made.report.violations if finding.code == "size_soft"]
    assert notes
    assert codes(made) == ["size_soft"] * len(notes)
    assert {finding.level for finding in notes} == {"noted"}
    assert made.report.sound
    usual = split(make_town(Town(columns=6, rows=5, most_households=40, people=(3.0, 3.6), seed=8)), guangde)
    assert abs(held(usual, "households") / 300 - 1).mean() < 0.2


def test_estates_stay_whole_where_they_fit() -> None:
    estates = ((0, 0, 2, 1), (2, 0, 2, 2), (5, 1, 1, 3), (0, 2, 2, 2), (3, 4, 3, 1))
    town = Town(columns=6, rows=5, most_households=60, estates=estates, seed=9)
    area, baise = make_town(town), load_profile("baise")
    made = split(area, baise)
    figures = made.report.judgement.figures
    assert figures["split_compounds"] == 0
    assert figures["share_in_range"] == 1.0
    for estate in area.compounds.geometry:
        own = made.buildings[shapely.intersects(estate, shapely.point_on_surface(made.buildings.geometry))]
        assert len(own) > 1
        assert own["grid"].nunique() == 1


def test_an_estate_above_the_bound_is_divided_as_little_as_it_must_be() -> None:
    area = make_town(Town(columns=6, rows=5, most_households=60, estates=((0, 0, 4, 3),), seed=9))
    made = split(area, load_profile("baise"))
    (violation,) = [v for v in made.report.violations if v.code == "compound_split_large"]
    assert violation.rows == ("E1",)
    assert violation.values["held"] > 930
    assert len(str(violation.values["grids"]).split(", ")) == violation.values["least"] == 3


def test_an_estate_stays_whole_against_the_range_by_the_rule_alone() -> None:
    """Between two buildings of 240, an estate of two with 300 each: 540 and 540, unless it stays whole."""
    houses = [shapely.box(x, 40, x + 30, 60) for x in (10, 110, 210, 310)]
    area = make_area([shapely.box(0, 0, 400, 100)], [], [], houses, [240, 300, 300, 240])
    estate = gpd.GeoDataFrame(
        {"id": ["E"], "name": [""]}, geometry=[shapely.box(100, 0, 300, 100)], crs=area.crs
    )
    area = replace(area, compounds=estate)
    size = Size("households", 500, 560, 620)
    free = split(area, Profile("soft", size))
    assert codes(free) == ["compound_split_range"], "by default the range comes first"
    (told,) = free.report.violations
    # whole, the estate of 600 makes 840 with one neighbour, 220 too many; the other's 240 are 260 too few
    assert (told.values["kept"], told.values["made"], told.values["measure"]) == (480, 0, "households")
    assert "leaves 480 households beyond the range" in told.text()
    whole = split(area, Profile("hard", size, wishes=("estates_whole",)))
    assert whole.report.judgement.figures["split_compounds"] == 0
    assert set(codes(whole)) == {"size_whole"}
    assert whole.report.sound


def test_a_default_plan_keeps_estates_whole_that_can_be() -> None:
    estates = ((0, 0, 2, 1), (2, 1, 1, 2), (4, 0, 1, 2), (4, 3, 2, 1))
    area = make_town(Town(columns=6, rows=5, most_households=30, estates=estates, seed=10))
    made = split(area, load_profile("yichang"))
    assert made.report.judgement.figures["split_compounds"] == 0
    assert made.report.judgement.figures["share_in_range"] == 1.0


def test_zones_are_grids_of_their_own() -> None:
    zones = ((1, 1, 1, 1), (4, 2, 2, 1))
    area = make_town(Town(columns=6, rows=5, most_households=50, zones=zones, seed=11))
    made = split(area, load_profile("yantai"))
    dedicated = made.grids[made.grids["kind"] == "dedicated"]
    assert len(dedicated) == 2
    inside = np.zeros(len(made.buildings), dtype=bool)
    for zone in area.zones.geometry:
        match = dedicated[shapely.area(shapely.intersection(dedicated.geometry.to_numpy(), zone)) > 1]
        assert len(match) == 1
        assert shapely.area(shapely.symmetric_difference(match.geometry.iloc[0], zone)) < 1.0
        own = shapely.intersects(zone, shapely.point_on_surface(made.buildings.geometry.to_numpy()))
        assert set(made.buildings["grid"][own]) == {match["code"].iloc[0]}
        inside |= own
    assert not set(made.buildings["grid"][~inside]) & set(dedicated["code"])
    figures = made.report.judgement.figures
    assert (figures["dedicated"], figures["mixed_zones"], figures["share_in_range"]) == (2, 0, 1.0)
    assert codes(made) == ["zones_apart"]


def test_a_zone_within_its_streets_takes_the_strip_beside_them() -> None:
    """People draw the wall, not the middle of the street; the grid reaches to the street."""
    area = make_town(
        Town(columns=5, rows=4, gap_share=0.0, most_households=50, zones=((1, 1, 2, 1),), seed=11)
    )
    (plot,) = area.zones.geometry
    lived = area.buildings[area.buildings["households"] > 0]
    edge = lived[shapely.intersects(plot.boundary.buffer(7.0), lived.geometry.to_numpy())]
    area = replace(
        area,
        zones=area.zones.set_geometry([plot.buffer(-5.0)], crs=area.crs),
        buildings=area.buildings.assign(
            households=area.buildings["households"].where(~area.buildings["id"].isin(edge["id"]), 0)
        ),
    )
    made = split(area, load_profile("yantai"))
    (grid,) = made.grids.geometry[made.grids["kind"] == "dedicated"]
    assert shapely.area(shapely.difference(plot.buffer(-5.0), grid)) < 1.0
    assert shapely.area(shapely.symmetric_difference(grid, plot)) < 0.05 * plot.area


def test_a_zone_across_blocks_keeps_its_outline() -> None:
    area = make_town(
        Town(columns=5, rows=4, gap_share=0.0, most_households=50, zones=((1, 1, 1, 1),), seed=11)
    )
    park = shapely.Polygon([(60, 60), (260, 110), (240, 260), (90, 230)])
    houses = shapely.intersects(park.buffer(12.0), area.buildings.geometry.to_numpy())
    area = replace(
        area,
        zones=area.zones.assign(kind="park").set_geometry([park], crs=area.crs),
        buildings=area.buildings[~houses].reset_index(drop=True),
    )
    made = split(area, load_profile("yantai"))
    (grid,) = made.grids.geometry[made.grids["kind"] == "dedicated"]
    assert shapely.area(shapely.difference(park, grid)) < 1.0
    assert grid.area < 1.35 * park.area
    assert made.report.judgement.figures["mixed_zones"] == 0


def test_a_plan_that_mixes_a_zone_with_others_is_told() -> None:
    area = make_town(Town(columns=4, rows=4, most_households=50, zones=((1, 1, 1, 1),), seed=11))
    yantai = load_profile("yantai")
    mixed = split_area(area, replace(yantai, zones=None, wishes=()), effort=EFFORT)
    judged = judge_plan(area, mixed.grids.drop(columns="kind"), mixed.buildings, yantai)
    assert judged.figures["mixed_zones"] == 1
    assert "zone_mixed" in [finding.code for finding in judged.violations]


def test_only_the_kinds_uses_and_compounds_that_a_profile_names_stand_apart() -> None:
    town = Town(
        columns=5, rows=4, most_households=50, zones=((1, 1, 1, 1),), estates=((3, 2, 1, 1),), seed=12
    )
    area = make_town(town)
    base = load_profile("yichang")
    for rule, apart in (
        (ZoneRule(), 1),
        (ZoneRule(kinds=("park",)), 0),
        (ZoneRule(kinds=("park",), compounds=("E1",)), 1),
        (ZoneRule(compounds=("E1",)), 2),
    ):
        made = split(area, replace(base, zones=rule, wishes=("zones",)))
        assert (made.grids["kind"] == "dedicated").sum() == apart


def test_a_use_of_buildings_stands_apart() -> None:
    area = make_town(Town(columns=4, rows=4, gap_share=0.0, most_households=40, seed=13))
    middle = shapely.point_on_surface(area.buildings.geometry.to_numpy())
    school = shapely.intersects(shapely.box(100, 100, 170, 170), middle)
    assert school.sum() >= 2
    area = replace(area, buildings=area.buildings.assign(use=np.where(school, "学校", "住宅")))
    made = split(area, replace(load_profile("yichang"), zones=ZoneRule(uses=("学校",)), wishes=("zones",)))
    dedicated = set(made.grids["code"][made.grids["kind"] == "dedicated"])
    assert dedicated
    assert set(made.buildings["grid"][school]) <= dedicated
    assert not set(made.buildings["grid"][~school]) & dedicated


def test_what_a_zone_cuts_off_is_told() -> None:
    """A school across the whole town leaves fewer households in the south than a grid needs."""
    area = make_town(
        Town(columns=3, rows=5, gap_share=0.0, most_households=20, zones=((0, 1, 3, 1),), seed=14)
    )
    made = split(area, replace(load_profile("yichang"), zones=ZoneRule(), wishes=("zones",)))
    assert "size_zone" in codes(made)
    assert made.report.sound


def test_urban_and_rural_sizes_follow_the_community() -> None:
    yantai = load_profile("yantai")
    assert yantai.rural is not None
    area = make_town(
        Town(columns=12, rows=6, most_households=40, communities=2, classes=("urban", "rural"), seed=15)
    )
    made = split(area, yantai)
    households = held(made, "households")
    rural = made.grids["community"].to_numpy() == "C2"
    assert within(households[~rural], yantai.size)
    assert within(households[rural], yantai.rural)
    assert rural.sum() > (~rural).sum()


def test_a_village_under_200_is_one_grid() -> None:
    """Even by a rule whose grids are smaller."""
    area = make_town(
        Town(columns=6, rows=3, most_households=5, communities=2, classes=("rural", "urban"), river=True,
             bridges=0, seed=16)
    )  # fmt: skip
    small = int(area.buildings["households"][area.buildings["community"] == 0].sum())
    assert 120 < small < 200
    profile = replace(load_profile("yantai"), rural=Size("households", 40, 60, 80))
    made = split(area, profile)
    assert (made.grids["community"] == "C1").sum() == 1
    (note,) = [v for v in made.report.violations if v.code == "village_whole"]
    assert note.level == "noted"
    assert note.values["households"] == small
    several = split(area, replace(profile, village_whole=None))
    assert (several.grids["community"] == "C1").sum() > 1
    judged = judge_plan(area, several.grids, several.buildings, profile)
    assert "village_split" in [finding.code for finding in judged.violations]


def test_village_groups_are_atoms() -> None:
    town = Town(columns=6, rows=6, most_households=20, groups=(2, 1), gap_share=0.0, seed=17)
    area = make_town(town)
    base = replace(load_profile("yichang"), size=Size("households", 150, 250, 350))
    made = split(area, replace(base, wishes=("village_groups",)))
    assert made.buildings.groupby("village_group")["grid"].nunique().max() == 1
    assert made.report.judgement.figures["split_groups"] == 0
    assert made.report.judgement.figures["share_in_range"] == 1.0


def test_village_groups_part_a_block_that_several_share() -> None:
    """Nothing but open ground between groups: the block is cut along them."""
    houses = [shapely.box(x, y, x + 15, y + 12) for y in range(10, 240, 40) for x in range(10, 240, 40)]
    area = make_area([shapely.box(0, 0, 250, 250)], [], [], houses, [15] * 36)
    groups = [f"G{i // 12}" for i in range(36)]
    area = replace(area, buildings=area.buildings.assign(village_group=groups))
    profile = Profile("groups", Size("households", 150, 180, 210), wishes=("village_groups",))
    made = split(area, profile)
    assert held(made, "households").tolist() == [180, 180, 180]
    assert made.buildings.groupby("village_group")["grid"].nunique().tolist() == [1, 1, 1]


def test_workloads_are_equal() -> None:
    area = make_town(Town(columns=7, rows=6, most_households=30, most_shops=40, seed=18))
    xiqing = load_profile("xiqing")
    made = split(area, xiqing)
    load = held(made, "households") + 0.5 * held(made, "shops")
    assert within(load, xiqing.size)
    figures = made.report.judgement.figures
    assert figures["measures"]["workload"]["variation"] == pytest.approx(load.std() / load.mean(), abs=1e-3)
    assert figures["measures"]["workload"]["variation"] < figures["variation"]
    assert load.std() / load.mean() < 0.1
    for line, weight in zip(made.report.judgement.grids, load, strict=True):
        assert line["held"] == {"workload": pytest.approx(weight, abs=0.01)}


def test_where_it_is_complex_grids_hold_fewer() -> None:
    town = Town(columns=8, rows=6, most_households=40, complex_zone=(0, 0, 4, 6), complexity=2.0, seed=19)
    area, yantai = make_town(town), load_profile("yantai")
    made = split(area, yantai)
    points = shapely.point_on_surface(made.buildings.geometry.to_numpy())
    weight = np.where(shapely.intersects(area.zones.geometry.iloc[0], points), 2.0, 1.0)
    made.buildings["counted"] = made.buildings["households"] * weight
    assert within(held(made, "counted"), yantai.size)
    middle = shapely.get_x(shapely.centroid(made.grids.geometry.to_numpy()))
    households = held(made, "households")
    assert households[middle < 300].mean() < 0.65 * households[middle > 420].mean()
    (note,) = [finding for finding in made.report.findings if finding.code == "complexity_counted"]
    assert note.values["most"] == 2.0
    assert (made.grids["kind"] == "basic").all(), "a complex zone counts for more, and does not stand apart"


def test_sizes_by_area_hold() -> None:
    profile = Profile("ground", Size("area", 20_000, 30_000, 40_000))
    made = split(make_town(Town(columns=6, rows=5, gap_share=0.0, seed=20)), profile)
    assert within(made.grids.geometry.area.to_numpy(), profile.size)
    assert len(made.grids) > 5


# --- figures that are missing ---


def with_missing_residents(area: Area, share: float) -> Area:
    gone = np.arange(len(area.buildings)) < share * len(area.buildings)
    return replace(area, buildings=area.buildings.assign(residents=area.buildings["residents"].mask(gone)))


def test_missing_residents_follow_the_rule_for_missing_households() -> None:
    town = make_town(Town(columns=6, rows=4, most_households=22, people=(3.4, 3.8), seed=21))
    shigu = load_profile("shigu")
    some = with_missing_residents(town, 0.3)
    estimated = split_area(replace(some, missing="estimate"), shigu, effort=200)
    (note,) = [f for f in estimated.report.findings if f.code == "residents_estimated"]
    assert float(str(note.values["basis"])) == pytest.approx(3.6, abs=0.1)
    (zero,) = [f for f in split_area(some, shigu, effort=200).report.findings if f.code == "residents_zero"]
    assert set(zero.rows) == set(
        some.buildings["id"][some.buildings["residents"].isna() & (some.buildings["households"] > 0)]
    )
    for area, code in ((replace(some, missing="refuse"), "residents_missing"),
                       (with_missing_residents(town, 1.0), "residents_unknown")):  # fmt: skip
        with pytest.raises(ProfileError) as told:
            split_area(area, shigu, effort=200)
        assert [finding.code for finding in told.value.findings] == [code]
        assert "shigu" in told.value.findings[0].text()
    nothing = replace(with_missing_residents(town, 1.0), missing="estimate")
    assert split_area(nothing, shigu, effort=200).report.findings[0].values["basis"] == "2.62"


def test_columns_of_a_workload_are_looked_for_in_the_file() -> None:
    area = make_town(Town(columns=3, rows=3, seed=22))
    original = area.original_buildings.assign(lifts="2", 独居老人数=1, odd="many", blank=None)
    area = replace(area, original_buildings=original)
    size = Size("workload", 150, 250, 350)

    def by(expression: str) -> Split:
        return split_area(area, Profile("own", size, workload=expression), effort=200)

    made = by("households + 3 * lifts")
    assert sum(line["held"]["workload"] for line in made.report.judgement.grids) == pytest.approx(
        area.buildings["households"].sum() + 6 * len(area.buildings)
    )
    for expression, code, column in (
        ("households + 电梯数", "workload_column_missing", "电梯数"),
        ("households + 独居老人数", "workload_group_count", "独居老人数"),
        ("households + odd", "workload_not_number", "odd"),
    ):
        with pytest.raises(ProfileError) as told:
            by(expression)
        (finding,) = told.value.findings
        assert (finding.code, finding.values["column"], finding.values["key"]) == (code, column, "workload")
        assert "own" in finding.text()
        assert "own" in finding.text("zh")
    for expression in ("households - 1000", "1 / (households - households)"):
        with pytest.raises(ProfileError) as told:
            by(expression)
        assert [finding.code for finding in told.value.findings] == ["workload_no_weight"]
    assert "workload_zero" in [f.code for f in by("households + blank").report.findings]
