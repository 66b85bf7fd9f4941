"""The whole way from an area to its grids."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import geopandas as gpd
import numpy as np
import numpy.typing as npt
import pandas as pd

from partition.area import Area
from partition.city.crew import Alone, Crew
from partition.city.outcome import Failure
from partition.clock import Clock
from partition.drawing import Drawn, Order, draw_parcel, judge_parcel
from partition.errors import InputError
from partition.findings import Finding, Level
from partition.geometry.grids import grid_frame, match_edges, total_by_grid
from partition.parcels import buildings_by_community, cut_parcels
from partition.reasons.judgement import CommunityJudgement, Judgement, grids_by_community, sum_judgements
from partition.report import Report
from partition.solver.plan import EFFORT
from partition.wishes.loads import unweigh, weigh_area
from partition.wishes.policy import Profile

Progress = Callable[[str, float], None]


@dataclass(frozen=True)
class Split:
    """Grids, the building → grid mapping, the units, and how good they are; frames in the area's metric CRS.

    grids: code, community, kind (basic | dedicated), households, residents, buildings, buildings_unknown,
    area_m2, bounds_zh, bounds_en (四至), geometry. buildings: those of the area with `grid` ("" outside every
    community). units: unit, grid, households, area_m2, geometry; a border between grids that was straightened
    on paper still has its turns there.
    """

    grids: gpd.GeoDataFrame
    buildings: gpd.GeoDataFrame
    units: gpd.GeoDataFrame
    report: Report
    profile: Profile
    seed: int


def split_area(
    area: Area,
    profile: Profile,
    *,
    seed: int = 0,
    grids: int | None = None,
    effort: int | None = None,
    issued: Mapping[str, Collection[str]] | None = None,
    progress: Progress | None = None,
    crew: Crew | None = None,
    prove: bool = False,
) -> Split:
    """Divide every community of the area into grids.

    grids: the number of grids of each community, instead of the number that suits its households. effort:
    proposals by unit. issued: codes ever issued, by community id; none of them is given again. progress:
    called with the step and the share done. crew: who works on the communities, this process alone if not
    given. prove: tell in the report how far each community's plan is from the best possible (some seconds for
    each at most). The result depends on the area's content, the profile, seed, grids and effort alone.

    A community that cannot be divided does not stop the others: it has no grids, and a finding that says why.
    Raises InputError where no community can be divided; what goes wrong in an area of one community goes
    through as it is.
    """
    (split,) = split_plans(
        area, profile, 1, seed=seed, grids=grids, effort=effort, issued=issued, progress=progress, crew=crew,
        prove=prove,
    )  # fmt: skip
    return split


def split_plans(
    area: Area,
    profile: Profile,
    count: int,
    *,
    seed: int = 0,
    grids: int | None = None,
    effort: int | None = None,
    issued: Mapping[str, Collection[str]] | None = None,
    progress: Progress | None = None,
    crew: Crew | None = None,
    prove: bool = False,
) -> tuple[Split, ...]:
    """`count` plans to choose from, the one of `split_area` first (see `alternatives`), which also says what
    the arguments mean. Where a community has fewer, its first plan stands for the others, with a finding.
    """
    crew = crew or Alone(fence=len(area.communities) > 1)
    tell = progress or (lambda step, share: None)
    order = Order(profile, seed, grids, EFFORT if effort is None else effort, crew.threads, count, prove)
    area, notes = weigh_area(area, profile)
    drawn, failures = _draw(area, order, issued or {}, crew, tell)
    return tuple(
        _assemble(area, order, notes, {n: plans[i] for n, plans in drawn.items()}, dict(failures), crew, tell)
        for i in range(count)
    )


def _assemble(
    area: Area,
    order: Order,
    notes: tuple[Finding, ...],
    drawn: dict[int, Drawn],
    failures: Failures,
    crew: Crew,
    tell: Progress,
) -> Split:
    """One plan of the whole area, of what was drawn for each community."""
    profile, clock = order.profile, Clock()
    tell("grids", 0.0)
    with clock.step("join"):
        buildings = area.buildings.assign(grid=_grid_of_buildings(area, drawn))
        frame = _join_grids(area, list(drawn.values()), buildings)
        units = pd.concat([one.units for one in drawn.values()], ignore_index=True)
        units["unit"] = np.arange(len(units))
    found = _judge(area, order, frame, buildings, drawn, failures, crew, tell)
    for kept in [*(one.clock for one in drawn.values()), *(kept for _, kept in found.values())]:
        clock.add(kept)
    with clock.step("sum"):
        judgement = _sum_up(
            area, order, frame, buildings, drawn, [one for one, _ in found.values()], failures
        )
    tell("judge", 1.0)
    repairs = tuple(finding for one in drawn.values() for finding in one.findings)
    report = Report(
        profile,
        judgement,
        area.findings + profile.findings() + notes + repairs,
        clock.seconds,
        order.seed,
        order.effort,
        clock.cpu,
        tuple(one.optimality for one in drawn.values() if one.optimality is not None),
    )
    return Split(judgement.name_bounds(frame), unweigh(buildings), units, report, profile, order.seed)


Failures = dict[int, Failure]


def _draw(
    area: Area, order: Order, issued: Mapping[str, Collection[str]], crew: Crew, tell: Progress
) -> tuple[dict[int, tuple[Drawn, ...]], Failures]:
    """The plans of every community drawn, by its number; and those that could not be."""
    known = [issued.get(community, ()) for community in area.communities["id"]]
    items = zip(cut_parcels(area), known, strict=True)
    drawn: dict[int, tuple[Drawn, ...]] = {}
    failures: Failures = {}
    tell("divide", 0.0)
    for number, outcome in crew.run(partial(draw_parcel, order), items):
        if outcome.failure is None:
            drawn[number] = outcome.value
        else:
            failures[number] = outcome.failure
        tell("divide", (len(drawn) + len(failures)) / len(area.communities))
    if not drawn:
        raise InputError(_tell_failures(area, failures, "refused"))
    return dict(sorted(drawn.items())), failures


def _judge(
    area: Area,
    order: Order,
    grids: gpd.GeoDataFrame,
    buildings: gpd.GeoDataFrame,
    drawn: dict[int, Drawn],
    failures: Failures,
    crew: Crew,
    tell: Progress,
) -> dict[int, tuple[CommunityJudgement, Clock]]:
    """The judgement of every community that was drawn, with its clock. Those that fail join `failures`."""
    own = grids_by_community(area, grids)
    parcels = enumerate(cut_parcels(replace(area, buildings=buildings)))
    items = (
        (parcel, grids.iloc[own[n]], drawn[n].reasons, drawn[n].wholes) for n, parcel in parcels if n in drawn
    )
    numbers = list(drawn)
    found = {}
    tell("judge", 0.0)
    for done, (position, outcome) in enumerate(crew.run(partial(judge_parcel, order.profile), items), 1):
        if outcome.failure is None:
            found[numbers[position]] = outcome.value
        else:
            failures[numbers[position]] = outcome.failure
        tell("judge", done / len(numbers))
    return dict(sorted(found.items()))


def _sum_up(
    area: Area,
    order: Order,
    grids: gpd.GeoDataFrame,
    buildings: gpd.GeoDataFrame,
    drawn: dict[int, Drawn],
    found: Sequence[CommunityJudgement],
    failures: Failures,
) -> Judgement:
    """The judgement of the whole, with the communities that failed or did not get the number asked for."""
    undrawn = [number for number in failures if number not in drawn]
    homed = buildings[~buildings["community"].isin(undrawn)] if undrawn else buildings
    judgement = sum_judgements(area, grids, homed, found)
    ids = area.communities["id"].to_numpy()
    made = {str(ids[number]): len(one.grids) for number, one in drawn.items()}
    more = (*_miscounts(made, order.grids), *_tell_failures(area, failures, "violated"))
    return replace(judgement, violations=judgement.violations + more)


def _grid_of_buildings(area: Area, drawn: dict[int, Drawn]) -> npt.NDArray[np.object_]:
    """The code of the grid of each building of the area, "" for none."""
    grid = np.full(len(area.buildings), "", dtype=object)
    rows = buildings_by_community(area)
    for number, one in drawn.items():
        grid[rows[number]] = one.grid
    return grid


def _join_grids(area: Area, drawn: list[Drawn], buildings: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    frame = match_edges(pd.concat([one.grids for one in drawn], ignore_index=True), area.communities)
    frame = frame.join(total_by_grid(buildings[buildings["grid"] != ""], frame["code"].to_list()), on="code")
    frame["area_m2"] = frame.geometry.area.round(2)
    return grid_frame(frame)


def _miscounts(made: Mapping[str, int], wanted: int | None) -> tuple[Finding, ...]:
    """Communities that did not get the number of grids asked for, since their pieces are too few or apart."""
    found = []
    for community, number in made.items():
        if wanted is not None and number != wanted:
            code = "grids_fewer" if number < wanted else "grids_more"
            values = {"wanted": wanted, "made": number}
            found.append(Finding(code, "violated", "grids", rows=(community,), values=values))
    return tuple(found)


def _tell_failures(area: Area, failures: Failures, level: Level) -> tuple[Finding, ...]:
    """A finding for each community that broke, with what stays without grid there."""
    found: list[Finding] = []
    rows = buildings_by_community(area)
    for number, failure in sorted(failures.items()):
        own = area.buildings.iloc[rows[number]]
        values = {
            "error": failure.error,
            "where": failure.where,
            "buildings": int(own["atom"].nunique()),
            "households": int(own["households"].sum()),
        }
        code = "community_lost" if failure.lost else "community_failed"
        community = str(area.communities["id"].iloc[number])
        found += [replace(finding, level=level) for finding in failure.findings]
        found.append(Finding(code, level, "community", rows=(community,), values=values))
    return tuple(found)
