"""Sites: candidates, spopt's models against trying all plans, and what is said of them."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Iterable
from itertools import combinations

import geopandas as gpd
import highspy
import numpy as np
import pytest
import shapely
from hypothesis import example, given, settings
from hypothesis import strategies as st
from shapely import LineString, Point, box

from layers.reach import models
from layers.reach.ground import Ground, Walks, lay_ground, walk_to_facilities
from layers.reach.models import TooLarge, cover_most, shorten_longest, shorten_most
from layers.reach.sites import Sites, list_sites
from layers.reach.siting import AIMS, HOUR_MIN, Aim, choose_sites
from layers.reach.words import say_siting
from partition.geometry.walking import walk_distances
from tests.draws import draw_alike
from tests.lattice import CRS, Town, make_town

PACE = 80.0


def quarter(seed: int = 1, **more: object) -> tuple[Ground, Walks, Sites]:
    """A generated town with one clinic at a corner of it, and few candidates."""
    area = make_town(Town(columns=5, rows=4, seed=seed, **more))  # type: ignore[arg-type]
    use = np.where(area.buildings.index % 11 == 4, "商业", "住宅")
    buildings = area.buildings.assign(use=use, households=area.buildings["households"].astype(float))
    ground = lay_ground(area.streets, buildings, crs=CRS)
    clinic = gpd.GeoDataFrame({"kind": ["clinic"]}, geometry=[Point(5, 5)], crs=CRS)
    sites = list_sites(ground, area.streets, area.communities.geometry)
    some = np.arange(0, len(sites), max(1, len(sites) // 9))
    few = Sites(sites.frame.iloc[some].reset_index(drop=True), sites.access.take(some))
    return ground, walk_to_facilities(ground, clinic), few


def judge(
    ground: Ground, walks: Walks, sites: Sites, aim: Aim, minutes: float, plan: tuple[int, ...]
) -> float:
    """How good a plan is (less is better), reckoned anew from the walks of all homes."""
    held = ground.households
    cap = HOUR_MIN * PACE
    every = walk_distances(ground.network, sites.access, ground.doors)
    walk = np.minimum(walks.metres, every[list(plan)].min(axis=0, initial=np.inf))
    if aim == "coverage":
        return -float(held[walk <= minutes * PACE].sum())
    if aim == "walk":
        return float(held @ np.minimum(walk, cap))
    served = (np.minimum(walks.metres, every.min(axis=0)) < cap) & (held > 0)
    return float(np.minimum(walk, cap)[served].max())


@settings(max_examples=12, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    add=st.integers(1, 3),
    minutes=st.sampled_from([1.5, 2.5, 4.0]),
    river=st.booleans(),
    one_bank=st.booleans(),
)
def test_no_plan_is_better_than_the_one_chosen(
    seed: int, add: int, minutes: float, river: bool, one_bank: bool
) -> None:
    ground, walks, sites = quarter(seed, river=river, bridges=seed % 2)
    if one_bank:  # homes across a river without a bridge are then served by nothing
        near = np.flatnonzero(sites.frame.geometry.y < 180)
        sites = Sites(sites.frame.iloc[near].reset_index(drop=True), sites.access.take(near))
    for aim in AIMS:
        found = choose_sites(ground, walks, sites, add=add, minutes=minutes, aim=aim)
        best = min(
            judge(ground, walks, sites, aim, minutes, plan)
            for size in range(add + 1)
            for plan in combinations(range(len(sites)), size)
        )
        plan = tuple(gain.site for gain in found.gains)
        assert judge(ground, walks, sites, aim, minutes, plan) == pytest.approx(best, abs=1e-2)
        # what is told of it is so
        after = -judge(ground, walks, sites, "coverage", minutes, plan)
        assert found.within[1] == pytest.approx(after)
        assert sum(gain.households for gain in found.gains) == pytest.approx(
            found.within[1] - found.within[0]
        )
        assert len(set(plan)) == len(plan) <= add


def test_one_site_tried_is_one_site_solved() -> None:
    """The models for several sites, asked for one, find what trying every candidate finds."""
    ground, walks, sites = quarter(3)
    cap, limit = HOUR_MIN * PACE, 2.5 * PACE
    homes = ground.households > 0
    walk = np.minimum(walk_distances(ground.network, sites.access, ground.doors)[:, homes].T, cap)
    now, held = np.minimum(walks.metres[homes], cap), ground.households[homes]
    chosen = {
        "coverage": cover_most((walk <= limit) & (now > limit)[:, None], held, np.arange(len(sites)), 1),
        "walk": shorten_most(walk, now, held, 1),
        "farthest": shorten_longest(walk, now, 1),
    }
    for aim in AIMS:
        tried = choose_sites(ground, walks, sites, minutes=2.5, aim=aim)
        assert judge(ground, walks, sites, aim, 2.5, tuple(chosen[aim].tolist())) == pytest.approx(
            judge(ground, walks, sites, aim, 2.5, (tried.gains[0].site,))
        )


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10_000), add=st.integers(1, 3))
@example(seed=9704, add=2)  # the least is a walk of now
def test_the_longest_walk_is_as_short_by_covering(seed: int, add: int) -> None:
    """Where the p-center's own model would be large."""
    rng = np.random.default_rng(seed)
    walk = rng.integers(1, 60, (14, 7)).astype(float)
    now = rng.integers(20, 70, 14).astype(float)

    def longest(chosen: Iterable[int]) -> float:
        return float(np.minimum(walk[:, list(chosen)].min(axis=1, initial=np.inf), now).max())

    best = min(longest(plan) for size in range(add + 1) for plan in combinations(range(7), size))
    assert longest(models._within_least(walk, now, add).tolist()) == best
    assert longest(shorten_longest(walk, now, add).tolist()) == best


def test_the_solver_goes_with_the_one_that_divides_communities() -> None:
    """PuLP's HiGHS is the highspy that the partition uses, with one thread: neither disturbs the other."""
    import pulp

    assert pulp.HiGHS().available()
    for _ in range(2):
        own = highspy.Highs()
        own.setOptionValue("output_flag", False)
        assert own.setOptionValue("threads", 1) == highspy.HighsStatus.kOk
        x, y = (own.addVariable(0, 4, obj=-1.0, type=highspy.HighsVarType.kInteger) for _ in range(2))
        own.addConstr(x * 2 + y * 3 <= 12)
        assert own.run() == highspy.HighsStatus.kOk
        assert own.getObjectiveValue() == -5
        covers = np.array([[1, 0, 1], [1, 1, 0], [0, 1, 0], [0, 0, 1]], dtype=bool)
        found = cover_most(covers, np.array([5.0, 1.0, 4.0, 4.0]), np.arange(3), 2)
        assert found.tolist() == [1, 2]
    assert "ortools" not in sys.modules


def test_of_equal_sites_the_nearer_then_the_first_is_taken() -> None:
    """Three corners that bring the same homes within the limit."""
    ways = gpd.GeoDataFrame(
        {"class": "lane", "bridge": False, "tunnel": False, "layer": 0, "name": ["Long", "A", "B", "C"]},
        geometry=[
            LineString([(0, 0), (2000, 0)]),
            *(LineString([(x, -80), (x, 80)]) for x in (1700, 1800, 1900)),
        ],
        crs=CRS,
    )
    homes = gpd.GeoDataFrame(
        {"id": ["H1", "H2"], "households": [10.0, 1.0]},
        geometry=[box(x - 1, 1, x + 1, 3) for x in (1810, 10)],
        crs=CRS,
    )
    clinic = gpd.GeoDataFrame({"kind": ["clinic"]}, geometry=[Point(0, 0)], crs=CRS)
    division = gpd.GeoSeries([box(-100, -100, 2100, 100)], crs=CRS)
    for frame in (ways, ways.iloc[::-1].reset_index(drop=True)):
        ground = lay_ground(frame, homes, crs=CRS)
        sites = list_sites(ground, frame, division)
        assert sites.frame["label_en"].tolist() == [
            "the corner of A and Long", "the corner of B and Long", "the corner of C and Long",
        ]  # fmt: skip
        walks = walk_to_facilities(ground, clinic)
        found = choose_sites(ground, walks, sites, minutes=5)
        assert [(gain.site, gain.households) for gain in found.gains] == [(1, 10.0)]
        assert found.within == (1.0, 11.0)
        assert found.shares == (1 / 11, 1.0)
    same = gpd.GeoDataFrame(
        homes.assign(households=[10.0, 1.0]), geometry=homes.geometry.translate(40), crs=CRS
    )
    ground = lay_ground(ways, same, crs=CRS)  # halfway between B and C
    (gain,) = choose_sites(
        ground, walk_to_facilities(ground, clinic), list_sites(ground, ways, division), minutes=5
    ).gains
    assert gain.site == 1


def test_candidates_are_fitting_buildings_once_and_corners_apart_within_the_division() -> None:
    area = make_town(Town(columns=4, rows=4, seed=2))
    doubled = area.buildings.assign(
        use=np.where(area.buildings.index % 5 == 0, " Office ", "residential"), households=1.0
    )
    doubled.loc[5, "id"] = doubled.loc[0, "id"]
    ground = lay_ground(area.streets, doubled, crs=CRS)
    west = gpd.GeoSeries(
        [shapely.box(*area.communities.total_bounds).buffer(0).intersection(box(-9, -9, 200, 999))], crs=CRS
    )
    both = list_sites(ground, area.streets, west)
    assert both.frame.within(west.iloc[0].buffer(1e-9)).all()
    assert both.frame["id"].is_unique
    buildings = both.frame[both.frame["place"] == "building"]
    assert set(buildings["id"]) <= set(doubled["id"][doubled["use"] == " Office "])
    corners = both.frame[both.frame["place"] == "corner"].geometry.to_numpy()
    apart = shapely.distance(corners[:, None], corners[None, :]) + 1e9 * np.eye(len(corners))
    assert apart.min() > 20
    assert len(list_sites(ground, area.streets, west, places="corners")) == len(corners)
    assert len(list_sites(ground, area.streets, west, places="buildings")) == len(buildings)
    assert both.frame["label_zh"].str.len().min() > 0


# --- no answer, said plainly ---


def test_why_there_is_no_site_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    ground, walks, sites = quarter()
    reasons = {
        "all_within": choose_sites(ground, walks, sites, minutes=60),
        "nothing_gained": choose_sites(ground, walks, sites, minutes=0.01),
        "no_sites": choose_sites(
            ground, walks, Sites(sites.frame.iloc[:0], sites.access.take(slice(0))), minutes=2
        ),
        "no_homes": choose_sites(
            Ground(ground.crs, ground.network, ground.homes.assign(households=np.nan), ground.doors),
            walks,
            sites,
        ),
    }
    monkeypatch.setattr("layers.reach.siting.MOST_CANDIDATES", 2)
    reasons["too_large"] = choose_sites(ground, walks, sites, minutes=2)
    for reason, found in reasons.items():
        assert (found.reason, found.gains) == (reason, ())
        assert found.within[0] == found.within[1]
        told = say_siting("clinic", found, [], households=True)
        assert told["zh"].endswith("。")
        assert told["en"].endswith(".")
    assert len({say_siting("clinic", found, [], households=True)["en"] for found in reasons.values()}) == 5


def test_models_too_large_to_build_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(models, "MOST_ENTRIES", 3)
    covers = np.array([[1, 0, 1], [1, 1, 0], [0, 1, 1]], dtype=bool)
    with pytest.raises(TooLarge, match="3 homes by 3 candidates"):
        cover_most(covers, np.ones(3), np.arange(3), 2)
    ground, walks, sites = quarter()
    assert choose_sites(ground, walks, sites, add=2, minutes=2.5).reason == "too_large"
    assert choose_sites(ground, walks, sites, add=1, minutes=2.5).reason == "found"


def test_without_the_extra_one_site_is_found_and_several_name_it(monkeypatch: pytest.MonkeyPatch) -> None:
    ground, walks, sites = quarter()
    monkeypatch.setitem(sys.modules, "spopt.locate", None)
    assert choose_sites(ground, walks, sites, minutes=2.5).reason == "found"
    found = choose_sites(ground, walks, sites, add=2, minutes=2.5)
    assert (found.reason, found.gains) == ("extra_missing", ())
    for told in say_siting("clinic", found, [], households=True).values():
        assert "wangge[statistics]" in told


@pytest.mark.parametrize(
    "wrong", [{"add": 0}, {"add": 11}, {"minutes": 0}, {"metres_per_minute": 0}, {"aim": "x"}]
)
def test_numbers_out_of_range(wrong: dict[str, object]) -> None:
    ground, walks, sites = quarter()
    with pytest.raises(ValueError, match="add must be 1 to 10"):
        choose_sites(ground, walks, sites, **wrong)  # type: ignore[arg-type]


# --- words ---


def test_sites_are_said_in_a_sentence() -> None:
    ground, walks, sites = quarter()
    found = choose_sites(ground, walks, sites, minutes=2.5)
    labels = [sites.label(gain.site) for gain in found.gains]
    told = say_siting("clinic", found, labels, households=True)
    gained = f"{round(found.within[1] - found.within[0]):,}"
    assert labels[0]["zh"] in told["zh"]
    assert f"新增 {gained} 户" in told["zh"]
    assert f"{gained} households more" in told["en"]
    quiet = say_siting("clinic", found, labels, households=False)
    assert gained not in quiet["zh"]
    assert "%" in quiet["en"]
    walk = choose_sites(ground, walks, sites, aim="walk")
    assert f"{walk.mean[0]:.1f}" in say_siting("clinic", walk, labels, households=True)["en"]
    farthest = choose_sites(ground, walks, sites, aim="farthest")
    assert f"{farthest.farthest[1]:.1f}" in say_siting("clinic", farthest, labels, households=True)["zh"]
    assert farthest.farthest[0] < 60
    cut_off = dataclasses.replace(farthest, farthest=(60.0, 16.4))
    hour = "A household that reaches none is taken to walk 60 minutes."
    assert hour in say_siting("clinic", cut_off, labels, households=True)["en"]
    assert hour not in say_siting("clinic", farthest, labels, households=True)["en"]
    fewer = choose_sites(ground, walks, sites, add=10, minutes=6)
    if len(fewer.gains) < 10:
        said = say_siting("clinic", fewer, [sites.label(gain.site) for gain in fewer.gains], households=True)
        assert f"Asked for: 10; with {len(fewer.gains)}" in said["en"]


draw_alike()
