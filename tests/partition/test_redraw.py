"""An old plan on an area that changed."""

from __future__ import annotations

from dataclasses import replace

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from partition.area import Area
from partition.changes.former import recall_plan
from partition.changes.redraw import Redraw, drop_marks, most_allowed, redraw_area
from partition.errors import InputError
from partition.split import Split, split_area
from partition.wishes.policy import Profile, Size, ZoneRule
from tests.asserts import assert_valid_plan
from tests.lattice import Town, make_town

PROFILE = Profile("test", Size("households", 150, 200, 260))


def planned(seed: int, **town: object) -> tuple[Area, Split]:
    area = make_town(Town(columns=5, rows=5, seed=seed, **town))  # type: ignore[arg-type]
    return area, split_area(area, PROFILE, effort=1500)


def mapping_of(split: Split) -> dict[str, tuple[str, ...]]:
    held = split.buildings[split.buildings["grid"] != ""]
    return {name: tuple(codes.unique()) for name, codes in held.groupby("id")["grid"]}


def redrawn(area: Area, split: Split, **options: object) -> Redraw:
    former = recall_plan(area, PROFILE, split.grids[["code", "geometry"]], mapping_of(split))
    made = redraw_area(area, former, PROFILE, **options)  # type: ignore[arg-type]
    assert_valid_plan(area, made.split)
    return made


def grown(area: Area, rows, by) -> Area:
    buildings = area.buildings.copy()
    buildings.loc[rows, "households"] += by
    return replace(area, buildings=buildings)


def shapes(frame: gpd.GeoDataFrame) -> dict[str, bytes]:
    return dict(zip(frame["code"], shapely.to_wkb(frame.geometry.to_numpy()), strict=True))


@settings(max_examples=6, deadline=None)
@given(st.integers(0, 1000))
def test_where_all_are_in_range_not_a_vertex_changes(seed: int) -> None:
    area, split = planned(seed, careless=seed % 2 == 0, communities=1 + seed % 2)
    sound = split.report.judgement.figures["share_in_range"] == 1.0
    made = redrawn(area, split)
    if sound:
        assert shapes(made.split.grids) == shapes(split.grids)
        assert made.split.buildings["grid"].to_list() == split.buildings["grid"].to_list()
        assert not len(made.register.flows)
        assert made.kept == frozenset(split.grids["code"])


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 1000))
def test_growth_is_taken_up_with_few_households_moved(seed: int) -> None:
    area, split = planned(seed)
    rng = np.random.default_rng(seed)
    today = grown(area, rng.choice(len(area.buildings), 3, replace=False), 60)
    lock = str(rng.choice(split.grids["code"]))
    made = redrawn(today, split, locked=[lock])
    before, now = split.buildings["grid"].to_numpy(), made.split.buildings["grid"].to_numpy()
    old, new = shapes(split.grids), shapes(made.split.grids)
    # the locked grid: the same buildings, the same code, and its border runs where it ran, with no more than
    # a vertex where a border beyond it ends
    assert ((before == lock) == (now == lock)).all()
    at = [frame.set_index("code").geometry[lock] for frame in (split.grids, made.split.grids)]
    assert shapely.area(shapely.symmetric_difference(*at)) < 1e-3
    assert set(map(tuple, shapely.get_coordinates(at[0]))) <= set(map(tuple, shapely.get_coordinates(at[1])))
    # figures add up, codes are old ones or were never given
    households = today.buildings["households"].to_numpy()
    moved = households[before != now].sum()
    assert made.register.moved_households == moved
    fresh = set(new) - set(old)
    assert not fresh or min(fresh) > max(old)
    for code in made.kept:
        assert new[code] == old[code]
    # what is out of range is told, with its reason
    out = made.split.grids[~made.split.grids["households"].between(150, 260)]
    told = {v.rows[0] for v in made.split.report.violations if v.code.startswith("size_")}
    assert set(out["code"]) == told
    if not len(out):
        held = today.buildings.assign(grid=before).groupby("grid")["households"].sum()
        beyond = np.maximum(held - 260, 0).sum()
        assert moved >= beyond


def test_a_new_building_is_in_the_grid_that_holds_it_and_a_lost_one_is_listed() -> None:
    area, split = planned(4)
    buildings = area.buildings
    first = buildings.iloc[[10]]
    new = first.assign(id="NEW", atom=int(buildings["atom"].max()) + 1, households=1)
    rest = buildings.drop(index=[0])
    today = replace(
        area,
        buildings=gpd.GeoDataFrame(pd.concat([rest, new], ignore_index=True), crs=area.crs),
    )
    today = replace(today, buildings=today.buildings.assign(row=np.arange(len(today.buildings))))
    former = recall_plan(today, PROFILE, split.grids[["code", "geometry"]], mapping_of(split))
    assert former.demolished == (("B0000", split.buildings["grid"].iloc[0]),)
    assert former.fresh.tolist() == [False] * (len(today.buildings) - 1) + [True]
    assert former.before[-1] == split.buildings["grid"].iloc[10]
    assert former.redrawn == ()
    made = redraw_area(today, former, PROFILE)
    flows = made.register.flows
    assert flows["change"].value_counts().to_dict().items() >= {"built": 1, "demolished": 1}.items()
    assert {f.code for f in made.split.report.findings} >= {"redraw_built", "redraw_demolished"}


def test_a_plan_by_buildings_only_or_by_polygons_only() -> None:
    area, split = planned(6)
    by_polygons = recall_plan(area, PROFILE, split.grids[["code", "geometry"]], None)
    assert by_polygons.before.tolist() == split.buildings["grid"].to_list()
    by_buildings = recall_plan(area, PROFILE, None, mapping_of(split))
    assert by_buildings.before.tolist() == split.buildings["grid"].to_list()
    for former in (by_polygons, by_buildings):
        made = redraw_area(area, former, PROFILE)
        assert_valid_plan(area, made.split)
        assert made.split.buildings["grid"].to_list() == split.buildings["grid"].to_list()


def test_polygons_that_do_not_cover_are_drawn_anew() -> None:
    area, split = planned(6)
    holed = split.grids[["code", "geometry"]].copy()
    holed.loc[0, "geometry"] = holed.geometry[0].buffer(-5)
    former = recall_plan(area, PROFILE, holed, mapping_of(split))
    assert former.redrawn == ("C1",)
    made = redraw_area(area, former, PROFILE)
    assert_valid_plan(area, made.split)
    assert "redraw_drawn_anew" in {finding.code for finding in made.split.report.findings}


def with_ground(area: Area, ground: shapely.Geometry) -> Area:
    """The area with another border of its community; buildings beyond it lie in none."""
    frame = area.communities.copy()
    frame.loc[0, "geometry"] = ground
    inside = shapely.within(shapely.point_on_surface(area.buildings.geometry.to_numpy()), ground)
    return replace(
        area, communities=frame, buildings=area.buildings.assign(community=np.where(inside, 0, -1))
    )


def test_a_community_that_lost_ground_keeps_its_other_grids_to_the_last_vertex() -> None:
    area, split = planned(6)
    x0, y0, x1, y1 = area.communities.total_bounds
    edge = x0 + 0.3 * (x1 - x0)
    today = with_ground(area, shapely.box(edge, y0, x1, y1))
    former = recall_plan(today, PROFILE, split.grids[["code", "geometry"]], mapping_of(split))
    assert former.redrawn == ()
    old = split.grids.set_index("code").geometry
    cut = set(old.index[old.bounds["minx"] < edge - 0.01])
    assert former.fitted == cut
    assert all(shapely.equals_exact(old[code], shape) for code, shape in
               zip(former.grids["code"], former.grids.geometry, strict=True) if code not in cut)  # fmt: skip
    made = redraw_area(today, former, PROFILE)
    assert_valid_plan(today, made.split)
    # whoever left is in the register, with the boards of all grids whose border was moved
    left = split.buildings[today.buildings["community"] < 0]
    flows = made.register.flows[made.register.flows["change"] == "left"].set_index("old_code")
    assert flows["households"].to_dict() == left.groupby("grid")["households"].sum().to_dict()
    assert (flows["new_code"] == "").all()
    board = made.register.grids.set_index("code")["board"]
    now = set(made.split.grids["code"])
    assert {code: board[code] for code in cut} == {c: "renew" if c in now else "remove" for c in cut}
    assert "redraw_fitted" in {finding.code for finding in made.split.report.findings}


def test_ground_that_a_community_gained_joins_a_grid_beside_it() -> None:
    area, split = planned(6)
    x0, y0, x1, y1 = area.communities.total_bounds
    today = with_ground(
        area, shapely.union(shapely.box(x0, y0, x1, y1), shapely.box(x1, y0, x1 + 30, y0 + 120))
    )
    former = recall_plan(today, PROFILE, split.grids[["code", "geometry"]], mapping_of(split))
    assert former.redrawn == ()
    (grid,) = former.fitted
    assert former.grids.set_index("code").geometry[grid].bounds[2] == pytest.approx(x1 + 30)
    made = redraw_area(today, former, PROFILE)
    assert_valid_plan(today, made.split)
    assert made.register.grids.set_index("code")["board"].to_dict() == {grid: "renew"}


def test_no_more_than_the_cap_moves_and_it_is_said() -> None:
    area, split = planned(2)
    today = grown(area, [0, 1, 30], 130)
    free = redrawn(today, split)
    capped = redrawn(today, split, most_moved=10.0)
    assert free.register.moved_households > 10
    assert capped.register.moved_households <= 10
    told = [v for v in capped.split.report.violations if v.code == "size_capped"]
    assert told
    assert told[0].values["most"] == 10
    assert told[0].values["needed"] > 10
    assert told[0].text("zh")


def test_codes_of_grids_that_ended_are_not_given_again() -> None:
    area, split = planned(2)
    grid = str(split.grids["code"].iloc[-1])
    rows = np.flatnonzero(split.buildings["grid"] == grid)
    today = grown(area, rows, 4 * 60)  # far too much for its neighbours: it is split
    made = redrawn(today, split, issued=["C1-099"])
    begun = sorted(set(made.split.grids["code"]) - set(split.grids["code"]))
    assert begun
    assert begun[0] == "C1-100"
    assert grid in made.split.grids["code"].to_list()
    assert "split" in made.register.flows["change"].to_list()


def test_the_board_of_a_grid_that_ended_is_removed() -> None:
    area, split = planned(4)
    ended = set()
    for grid in split.grids["code"].to_list()[::3]:
        emptied = area.buildings.copy()
        emptied.loc[split.buildings["grid"] == grid, "households"] = 0
        made = redrawn(replace(area, buildings=emptied), split)
        board = made.register.grids.set_index("code")["board"]
        gone = set(split.grids["code"]) - set(made.split.grids["code"])
        assert {code for code, what in board.items() if what == "remove"} == gone
        ended |= gone
    assert ended


def test_a_lock_on_what_is_not_there_is_refused() -> None:
    area, split = planned(2)
    former = recall_plan(area, PROFILE, split.grids[["code", "geometry"]], mapping_of(split))
    with pytest.raises(InputError, match="C1-777"):
        redraw_area(area, former, PROFILE, locked=["C1-777"])


def test_how_many_may_move_is_a_share_or_a_number() -> None:
    assert most_allowed("5%") == 0.05
    assert most_allowed(" 12.5 ％") == 0.125
    assert most_allowed("300") == 300
    assert (most_allowed("0"), most_allowed("0.5"), most_allowed("0%")) == (0, 0.5, 0)
    assert 0.999 < most_allowed("100%") < 1
    for wrong, said in (
        ("x", "'x'"),
        ("-3", "-3"),
        ("120%", "120%"),
        ("", "float"),
        ("nan", "nan"),
        ("inf", "inf"),
    ):
        with pytest.raises(ValueError, match=said):
            most_allowed(wrong)


def test_what_stands_apart_stays_as_it_is() -> None:
    """A school's grid has no range: growth round it leaves it alone, to the last vertex."""
    rules = replace(PROFILE, zones=ZoneRule())
    area = make_town(Town(columns=5, rows=5, seed=3, zones=((1, 1, 1, 1),), gap_share=0.0))
    split = split_area(area, rules, effort=1500)
    (school,) = split.grids.loc[split.grids["kind"] == "dedicated", "code"]
    beside = split.grids[split.grids["code"] != school]
    largest = str(beside.loc[beside["households"].idxmax(), "code"])
    today = grown(area, np.flatnonzero(split.buildings["grid"] == largest)[:4], 50)
    former = recall_plan(today, rules, split.grids[["code", "geometry"]], mapping_of(split))
    made = redraw_area(today, former, rules)
    assert made.register.moved_households > 0
    now = made.split.grids.set_index("code")
    assert now.loc[school, "kind"] == "dedicated"
    assert school in made.kept
    told = {finding.rows for finding in made.split.report.violations if finding.code.startswith("size_")}
    assert (school,) not in told


def test_a_border_that_turns_where_units_ended_close_together_stays_where_it_is() -> None:
    """Two grids whose border turns by 7 mm a metre at two points half a millimetre apart."""
    turn = [(0.0, 50.0), (49.9995, 50.0), (50.0, 50.000001), (100.0, 50.35), (200.0, 51.05)]
    south = shapely.Polygon([*turn, (200.0, 0.0), (0.0, 0.0)])
    north = shapely.Polygon([*turn, (200.0, 100.0), (0.0, 100.0)])
    grids = gpd.GeoDataFrame({"code": ["A", "B"]}, geometry=[south, north])
    before = gpd.GeoDataFrame({"code": ["Z"]}, geometry=[shapely.box(0, 0, 0.5, 0.5)])
    fewer = drop_marks(grids, before, ["A", "B"]).geometry.to_numpy()
    assert shapely.coverage_is_valid(fewer)
    assert shapely.hausdorff_distance(shapely.intersection(*fewer), shapely.LineString(turn)) < 1e-3
    assert len(shapely.get_coordinates(fewer)) < len(shapely.get_coordinates(grids.geometry.to_numpy()))
