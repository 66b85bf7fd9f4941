"""Tiers: nested, seamless, contiguous, in range or explained, numbered and named."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import shapely
from shapely import LineString, box

from partition.area import Area
from partition.city.crew import Alone
from partition.city.outcome import Outcome
from partition.errors import InputError
from partition.findings import Finding
from partition.geometry.linework import CLASS_NUMBER
from partition.geometry.neighbours import build_neighbours, find_borders
from partition.split import split_area
from partition.tiers.levels import Ask, ordinal, resolve_tiers
from partition.tiers.nesting import knit, share_number
from partition.tiers.tower import TIER_COLUMNS, Tiers, _renamed, nest_tiers
from partition.wishes.policy import load_profile
from partition.wishes.rules import BORDER_COST, Profile, Size, TierRule
from tests.lattice import Town, make_area, make_town

EFFORT = 400
LOCAL = Profile("test", Size("households", 200, 300, 400))


def tiered(
    area: Area, profile: Profile, asks: list[Ask], grids: int | None = None, **options: object
) -> Tiers:
    plan = split_area(area, profile, grids=grids, effort=EFFORT)
    made = nest_tiers(area, plan.grids, plan.buildings, profile, asks, effort=EFFORT, **options)  # type: ignore[arg-type]
    assert_nested(area, made)
    return made


def assert_nested(area: Area, made: Tiers) -> None:
    """Each tier covers its communities seamlessly in whole grids, and children make up their parent."""
    frame = made.frame
    assert frame.columns.to_list() == TIER_COLUMNS
    inside = area.buildings["community"].to_numpy() >= 0
    whole = area.communities.geometry.to_numpy()
    larger = None
    for number, tier in frame.groupby("tier", sort=True):
        polygons = tier.geometry.to_numpy()
        assert shapely.is_valid(polygons).all()
        assert shapely.coverage_is_valid(polygons)
        assert abs(shapely.area(polygons).sum() - shapely.area(whole).sum()) < 1e-3
        if (shapely.get_num_geometries(whole) == 1).all():
            assert (shapely.get_type_id(polygons) == 3).all(), "a grid of a tier lies in pieces"
        assert tier["households"].sum() == area.buildings["households"].to_numpy()[inside].sum()
        assert tier["buildings"].sum() == area.buildings["atom"][inside].nunique()
        key = tier["code"].where(tier["code"] != "", tier["name"])
        assert (key + "/" + tier["community"]).is_unique
        assert tier["name_en"].ne("").all()
        column = (
            "grid"
            if (key == tier["code"]).all() and f"tier_{number}" not in made.buildings
            else f"tier_{number}"
        )
        assert set(made.buildings[column][inside]) <= set(key)
        held = (
            made.buildings[inside]
            .groupby(
                [
                    area.communities["id"].to_numpy()[area.buildings["community"][inside]],
                    made.buildings[column][inside],
                ]
            )["households"]
            .sum()
        )
        for (community, name), households in held.items():
            own = tier[(tier["community"] == community) & (key == name)]
            assert own["households"].to_list() == [households]
        if larger is not None:
            above = larger["code"].where(larger["code"] != "", larger["name"])
            for parent, community, polygon, households in zip(
                above, larger["community"], larger.geometry, larger["households"], strict=True
            ):
                children = tier[(tier["parent"] == parent) & (tier["community"] == community)]
                assert len(children) >= 1
                assert children["households"].sum() == households
                union = shapely.coverage_union_all(children.geometry.to_numpy())
                assert shapely.equals(union, polygon), "children do not make up their parent"
            assert tier["parent"].isin(above).all()
        else:
            assert tier["parent"].eq("").all()
        larger = tier
    basic = frame.set_index("code").loc[made.grids["code"]]
    assert shapely.equals_exact(made.grids.geometry.to_numpy(), basic.geometry.to_numpy()).all()
    assert made.grids["code"].is_monotonic_increasing


def counts(made: Tiers) -> list[int]:
    return [line["grids"] for line in made.figures]


@pytest.mark.parametrize(
    ("town", "wanted"),
    [
        (Town(columns=11, rows=11, most_households=24, seed=2), (4, 29, 148)),
        (Town(columns=6, rows=6, most_households=40, seed=3), (5, 21)),
        (Town(columns=9, rows=7, most_households=40, seed=4), (8, 33)),
    ],
)
def test_the_numbers_of_real_cities_come_out_nested(town: Town, wanted: tuple[int, ...]) -> None:
    asks = [Ask(number=wanted[0]), *(Ask(number=number) for number in wanted[2:])]
    made = tiered(make_town(town), LOCAL, asks, grids=wanted[1])
    assert counts(made) == list(wanted)
    named = [line for line in made.figures if line["name"]["zh"] != "网格"]
    assert [line["share_in_range"] for line in named] == [1.0] * len(named)
    assert made.violations == ()
    assert made.imbalance == []
    assert made.sound


def test_xisimen_runs_by_name() -> None:
    profile = load_profile("xisimen")
    made = tiered(make_town(Town(columns=11, rows=11, most_households=24, seed=6)), profile, [])
    names = [line["name"]["zh"] for line in made.figures]
    assert names == [profile.tiers[0].name["zh"], "网格", profile.tiers[1].name["zh"]]
    assert [line["share_in_range"] for line in made.figures] == [1.0, 1.0, 1.0]
    areas, grids, small = counts(made)
    assert areas * 5 < grids < areas * 10
    assert grids * 4 < small < grids * 6


@pytest.mark.parametrize("seed", range(3))
def test_towns_with_rivers_walls_and_careless_drawing_nest(seed: int) -> None:
    area = make_town(
        Town(columns=6, rows=6, communities=2, river=True, wall=seed > 0, careless=seed > 1, seed=seed)
    )
    made = tiered(area, LOCAL, [Ask(number=3), Ask("楼栋组", size=(60, 100, 150))])
    codes = made.frame["code"]
    for tier in made.frame.itertuples():
        if tier.tier == 3:
            assert tier.code.startswith(tier.parent)
            assert len(tier.code) == len(tier.parent) + 2
    assert codes[codes != ""].is_unique


def test_any_number_of_tiers_in_order_some_without_codes() -> None:
    stairs = TierRule({"zh": "楼栋", "en": "block"}, "households", 40, 60, 100, numbered=False)
    district = TierRule(
        {"zh": "大片区", "en": "district"}, "households", 2000, 4000, 6000, numbered=False, above=True
    )
    profile = replace(LOCAL, tiers=(district, stairs))
    area = make_town(Town(columns=6, rows=6, most_households=40, seed=3))
    made = tiered(area, profile, [Ask("片区", number=6), Ask("门栋", size=(10, 30, 60))])
    assert [line["name"]["zh"] for line in made.figures] == ["大片区", "片区", "网格", "楼栋", "门栋"]
    assert counts(made) == sorted(counts(made))
    numbered = made.frame.groupby("tier")["code"].agg(lambda codes: codes.ne("").all()).to_list()
    assert numbered == [False, False, True, False, True]
    last = made.frame[made.frame["tier"] == 5].iloc[0]
    # the parent bears no code: the child's begins with its grid's
    assert last["code"][:-2] in set(made.grids["code"])
    assert last["parent"] in set(made.frame["name"][made.frame["tier"] == 4])
    assert last["name"].startswith(last["parent"])


def test_codes_of_a_numbered_tier_begin_those_below() -> None:
    area = make_town(Town(columns=6, rows=6, most_households=40, seed=3))
    named = TierRule({"zh": "片区", "en": "area"}, "households", 800, 1200, 1800, numbered=True, above=True)
    made = tiered(area, replace(LOCAL, tiers=(named,)), [])
    areas, grids = (made.frame[made.frame["tier"] == tier] for tier in (1, 2))
    assert areas["code"].to_list() == [f"C1-{n}" for n in range(1, len(areas) + 1)]
    assert all(code.startswith(parent) for code, parent in zip(grids["code"], grids["parent"], strict=True))
    assert grids["code"].str.fullmatch(r"C1-\d{3}").all()
    assert grids["code"].iloc[0] == "C1-101"
    assert set(made.buildings["grid"]) == set(grids["code"])
    # a plan in force keeps its codes: the areas go by name
    kept = tiered(area, replace(LOCAL, tiers=(named,)), [], renumber=False)
    assert kept.grids["code"].to_list() == [f"C1-{n + 1:03d}" for n in range(len(kept.grids))]
    assert kept.renamed == {code: code for code in kept.grids["code"]}
    assert kept.frame["code"][kept.frame["tier"] == 1].to_list() == [""] * len(areas)


def test_more_areas_than_digits_is_a_wrong_call_with_its_mend() -> None:
    named = TierRule({"zh": "片区", "en": "area"}, "households", 100, 400, 800, numbered=True, above=True)
    area = make_town(Town(columns=6, rows=6, most_households=40, seed=3))
    with pytest.raises(InputError) as told:
        tiered(area, replace(LOCAL, tiers=(named,)), [Ask("片区", number=12)])
    (finding,) = told.value.findings
    assert finding.values["left"] == 9
    assert "numbered = false" in finding.text()
    assert "片区" in finding.text("zh")


def test_children_codes_are_never_issued_twice() -> None:
    area = make_town(Town(columns=3, rows=3, seed=3))
    plan = split_area(area, LOCAL, effort=EFFORT)
    first = plan.grids["code"].iloc[0]
    made = nest_tiers(
        area,
        plan.grids,
        plan.buildings,
        LOCAL,
        [Ask(size=(60, 100, 150))],
        effort=EFFORT,
        issued=[first + "07"],
    )
    codes = made.frame["code"][(made.frame["tier"] == 2) & (made.frame["parent"] == first)]
    assert codes.iloc[0] == first + "08"


def test_what_is_far_from_its_range_is_named_with_its_reason() -> None:
    houses = [box(x, y, x + 15, y + 12) for x in range(10, 400, 40) for y in range(10, 160, 40)]
    households = [20] * len(houses)
    households[5] = 260
    streets = [LineString([(200, -5), (200, 165)])]
    area = make_area([box(0, 0, 410, 170)], streets, ["local"], houses, households)
    made = tiered(area, LOCAL, [Ask(size=(60, 80, 110)), Ask("片区", size=(5000, 6000, 7000))])
    by_code = {finding.code: finding for finding in made.violations}
    assert set(by_code) == {"tier_building", "tier_too_few"}
    assert by_code["tier_building"].values["building"] == "B0005"
    assert "B0005" in by_code["tier_building"].text()
    assert "260 户" in by_code["tier_building"].text("zh")
    assert by_code["tier_too_few"].values["alone"] == sum(households)
    assert made.sound
    worst = made.imbalance[0]
    assert worst["reason"] == "building"
    assert worst["far"]
    assert worst["beyond"] == pytest.approx((260 - 110) / 80, abs=1e-4)
    assert [line["beyond"] for line in made.imbalance] == sorted(
        (line["beyond"] for line in made.imbalance), reverse=True
    )


def test_a_number_that_cannot_be_is_told() -> None:
    houses = [box(x, 40, x + 15, 60) for x in range(10, 300, 50)]
    area = make_area([box(0, 0, 310, 100)], [], [], houses, [100] * len(houses))
    made = tiered(area, LOCAL, [Ask("楼", number=9)], grids=2)
    assert counts(made) == [2, 6]
    (finding,) = [finding for finding in made.violations if finding.code == "tier_fewer"]
    assert (finding.values["wanted"], finding.values["made"]) == (9, 6)
    assert "9" in finding.text("zh")


def test_a_community_where_nobody_lives_has_tiers_of_nothing() -> None:
    town = make_town(Town(columns=8, rows=3, communities=2, seed=1))
    bare = town.buildings["households"].where(town.buildings["community"] == 0, 0)
    made = tiered(replace(town, buildings=town.buildings.assign(households=bare)), LOCAL, [Ask(number=2)])
    own = made.frame[(made.frame["community"] == "C2") & (made.frame["tier"] == 1)]
    assert own["households"].to_list() == [0] * len(own)
    assert own["in_range"].all()
    assert made.sound


def test_areas_never_join_what_a_river_parts() -> None:
    houses = [box(x, y, x + 20, y + 20) for x in (20, 80, 140) for y in (20, 140)]
    river = LineString([(-5, 100), (205, 100)])
    area = make_area([box(0, 0, 200, 200)], [river], ["water"], houses, [250] * 6)
    made = tiered(area, LOCAL, [Ask("片区", size=(1000, 1500, 2000))])
    assert counts(made)[0] == 2
    assert {finding.code for finding in made.violations} == {"tier_cut_off"}


def test_same_seed_same_tiers_whatever_the_order_of_streets() -> None:
    area = make_town(Town(columns=5, rows=5, most_households=30, seed=8))
    shuffled = replace(area, streets=area.streets.sample(frac=1, random_state=1).reset_index(drop=True))
    one, other = (tiered(some, LOCAL, [Ask(number=2), Ask(number=40)]) for some in (area, shuffled))
    assert one.buildings.drop(columns="geometry").equals(other.buildings.drop(columns="geometry"))
    assert one.frame["code"].to_list() == other.frame["code"].to_list()


def test_numbers_are_shared_out_so_that_children_are_even() -> None:
    room = np.array([9, 9, 9])
    assert share_number(6, np.array([300.0, 200.0, 100.0]), room).tolist() == [3, 2, 1]
    assert share_number(4, np.array([300.0, 1.0, 0.0]), room).tolist() == [2, 1, 1]
    assert share_number(6, np.array([900.0, 100.0, 100.0]), np.array([2, 9, 9])).tolist() == [2, 2, 2]
    assert share_number(2, np.array([1.0, 1.0, 1.0]), room).tolist() == [1, 1, 1]


def test_borders_between_polygons_are_priced_by_what_runs_there() -> None:
    grids = np.array(
        [box(0, 0, 100, 100), box(100, 0, 200, 100), box(200, 0, 300, 100), box(300, 0, 400, 100)]
    )
    streets = make_area(
        [box(0, 0, 400, 100)],
        [
            LineString([(108, -9), (108, 109)]),  # 8 m off: a wide street's border
            LineString([(200, 0), (200, 60)]),
            LineString([(300, -9), (300, 109)]),
        ],
        ["arterial", "lane", "wall"],
        [],
        [],
    ).streets
    borders = find_borders(grids, streets)
    assert borders.outer.tolist() == [300, 200, 200, 300]
    lengths = np.zeros((4, 9))
    np.add.at(lengths, (borders.a, borders.kind), borders.length)
    assert lengths[0, CLASS_NUMBER["arterial"]] == pytest.approx(100)
    assert lengths[1, CLASS_NUMBER["lane"]] == pytest.approx(64, abs=2)  # and 4 m beyond its end
    assert lengths[2, CLASS_NUMBER["wall"]] == pytest.approx(100)
    graph = build_neighbours(grids, np.full(4, 10), streets, BORDER_COST, {"arterial": 0.5})
    assert graph.cost[0] == pytest.approx(100 * (0.2 - 0.5))
    assert graph.walk.tolist() == [True, True, True, True, False, False]
    gate = make_area(
        [box(0, 0, 400, 100)],
        [LineString([(300, -9), (300, 109)]), LineString([(280, 50), (320, 50)])],
        ["wall", "path"],
        [],
        [],
    ).streets
    assert build_neighbours(grids, np.full(4, 10), gate, BORDER_COST, {}).walk.all()


def test_polygons_that_differ_by_rounding_are_knit_to_an_exact_coverage() -> None:
    whole = box(0, 0, 300, 100)
    left = shapely.Polygon([(0, 0), (100, 0), (100.0000003, 50), (100, 100), (0, 100)])
    middle = shapely.Polygon([(100, 0), (200, 0), (200, 40), (199.9993, 40.0007), (200, 100), (100, 100)])
    right = box(200, 0, 300, 100)
    knitted = knit(np.array([left, middle, right]), whole)
    assert shapely.is_valid(knitted).all()
    assert shapely.coverage_is_valid(knitted)
    assert shapely.get_num_geometries(knitted).tolist() == [1, 1, 1]
    assert shapely.area(knitted).sum() == pytest.approx(whole.area, abs=1e-6)
    np.testing.assert_allclose(shapely.area(knitted), [10_000] * 3, atol=0.05)


def test_what_is_asked_for_changes_the_tiers_of_the_profile_or_adds_to_them() -> None:
    profile = load_profile("xisimen")

    def resolved(*asks: Ask) -> list[tuple[str, int | None]]:
        above, below = resolve_tiers(profile, asks, lambda size: 11_600.0, 29.0)
        return [(wish.rule.name["zh"], wish.number) for wish in (*above, *below)]

    assert resolved() == [("片区", None), ("微网格", None)]
    assert resolved(Ask(number=148), Ask(number=4)) == [("片区", 4), ("微网格", 148)]
    assert resolved(Ask("small grid", number=150)) == [("片区", None), ("微网格", 150)]
    assert resolved(Ask("大片区", number=2)) == [("大片区", 2), ("片区", None), ("微网格", None)]
    assert resolved(Ask(size=(20, 30, 40)), Ask(number=148)) == [
        ("片区", None),
        ("三级微网格", 148),
        ("四级微网格", None),
    ]


@pytest.mark.parametrize(
    ("asks", "code"),
    [
        ([Ask("片区", number=2), Ask("片区", number=60)], "tier_repeated"),
        ([Ask("Area", number=2), Ask("area", number=3)], "tier_repeated"),
        ([Ask("网格", number=2)], "tier_is_grid"),
        ([Ask("grid", number=2)], "tier_is_grid"),
    ],
)
def test_a_name_stands_for_one_tier(asks: list[Ask], code: str) -> None:
    with pytest.raises(InputError) as told:
        resolve_tiers(LOCAL, asks, lambda size: 11_600.0, 29.0)
    (fault,) = told.value.findings
    assert fault.code == code
    assert asks[-1].name in fault.text("zh")


def test_names_that_begin_with_a_number_read_well() -> None:
    assert ordinal(2, "片区") == "第2片区"
    assert ordinal(2, "三级片区") == "第2个三级片区"


def test_a_grid_too_large_for_the_tier_above_is_named() -> None:
    profile = replace(
        LOCAL, tiers=(TierRule({"zh": "片区", "en": "area"}, "area", 100, 9000, 10_000, above=True),)
    )
    made = tiered(make_town(Town(columns=4, rows=3, seed=3)), profile, [])
    large = [fault for fault in made.violations if fault.code == "tier_grid"]
    assert large
    assert not [fault for fault in made.violations if fault.code == "tier_building"]
    areas = made.frame[made.frame["tier"] == 1].set_index("code")
    for fault in large:
        children = made.frame[(made.frame["tier"] == 2) & (made.frame["parent"] == fault.rows[0])]
        assert fault.values["grids_zh"] in "、".join(children["name"])
        assert areas["measured"][fault.rows[0]] > 10_000
        assert "by itself" in fault.text("en")


class Clumsy(Alone):
    """A crew whose worker for the first item is lost."""

    def run(self, task, items):
        for number, outcome in super().run(task, items):
            yield number, Outcome.lost(-9) if number == 0 else outcome


def test_a_grid_that_breaks_stays_whole_and_is_told() -> None:
    area = make_town(Town(columns=3, rows=3, most_households=40, seed=3))
    made = tiered(area, LOCAL, [Ask(size=(60, 100, 150))], crew=Clumsy(fence=False))
    failed = [finding for finding in made.violations if finding.code == "tier_failed"]
    assert [finding.rows for finding in failed] == [(made.grids["code"].iloc[0],)]
    assert "signal 9" in failed[0].text()
    assert not made.sound
    children = made.frame[(made.frame["tier"] == 2)].groupby("parent").size()
    assert children.iloc[0] == 1
    assert children.iloc[1:].min() > 1


def test_sizes_that_are_a_guide_are_listed_and_violate_nothing() -> None:
    houses = [box(x, 40, x + 15, 60) for x in range(10, 500, 50)]
    area = make_area([box(0, 0, 510, 100)], [], [], houses, [100] * len(houses))
    soft = replace(LOCAL, wishes=("soft",))
    made = tiered(area, soft, [Ask("片区", size=(5000, 6000, 7000))])
    assert made.violations == ()
    assert [line["tier"] for line in made.imbalance] == [1]
    assert made.imbalance[0]["far"]


@pytest.mark.parametrize("shift", [(1000.0, -500.0), (37.0, 11.0)])
def test_moving_the_input_moves_the_tiers_and_nothing_else(shift: tuple[float, float]) -> None:
    area = make_town(Town(columns=5, rows=5, most_households=30, communities=2, seed=9))
    moved = replace(
        area,
        communities=area.communities.set_geometry(area.communities.translate(*shift)),
        streets=area.streets.set_geometry(area.streets.translate(*shift)),
        buildings=area.buildings.set_geometry(area.buildings.translate(*shift)),
    )
    one, other = (tiered(some, LOCAL, [Ask(number=2), Ask(number=20)]) for some in (area, moved))
    assert one.buildings.drop(columns="geometry").equals(other.buildings.drop(columns="geometry"))
    assert one.frame["name"].to_list() == other.frame["name"].to_list()


def test_findings_follow_the_codes_of_grids_and_of_nothing_else() -> None:
    names = {"A-001": "A-002", "A-002": "A-001"}
    grids = Finding(
        "one", "violated", "grids", rows=("A-001", "A-001/A-002"), values={"grids": "A-002, B-001"}
    )
    told = _renamed(grids, names)
    assert told.rows == ("A-002", "A-002/A-001")
    assert told.values == {"grids": "A-001, B-001"}
    house = Finding("one", "violated", "buildings", rows=("A-001",), values={"grids": 3})
    assert _renamed(house, names).rows == ("A-001",)
    assert _renamed(house, names).values == {"grids": 3}
    assert _renamed(grids, {"A-001": "A-001"}) is grids


def test_tiers_are_told_step_by_step() -> None:
    houses = [box(x, 40, x + 15, 60) for x in range(10, 400, 50)]
    area = make_area([box(0, 0, 410, 100)], [], [], houses, [50] * len(houses))
    steps: list[tuple[str, float]] = []
    asks = [Ask("大区", number=1), Ask("片区", number=2), Ask("楼", number=8)]
    made = tiered(area, LOCAL, asks, grids=4, progress=lambda *step: steps.append(step))
    assert counts(made) == [1, 2, 4, 8]
    below = [("tiers_below", share) for share in (0.0, 0.0, 0.25, 0.5, 0.75, 1.0)]
    assert steps == [("tiers_above", 0.0), ("tiers_above", 0.5), *below]
