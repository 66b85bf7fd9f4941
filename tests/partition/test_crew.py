"""Communities worked on by other processes: same result, and what goes wrong with one stays with it."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any

import numpy as np
import pytest
import shapely

from partition.area import Area
from partition.city.crew import Alone, Crew, Workers
from partition.city.outcome import Outcome
from partition.errors import CodeError, InputError
from partition.parcels import NEAR_M, buildings_by_community, cut_parcels
from partition.split import Split, split_area
from partition.wishes.policy import Profile, Size
from tests.asserts import assert_valid_plan
from tests.lattice import Town, make_town

PROFILE = Profile("test", Size("households", 100, 150, 200))
TOWN = Town(columns=12, rows=4, communities=4, careless=True, river=True, bridges=4)


def split(area: Area, crew: Crew | None = None, **options: object) -> Split:
    return split_area(area, PROFILE, effort=200, crew=crew, **options)  # type: ignore[arg-type]


def assert_same(one: Split, other: Split) -> None:
    assert one.buildings["grid"].to_list() == other.buildings["grid"].to_list()
    for frame in ("grids", "units"):
        mine, theirs = getattr(one, frame), getattr(other, frame)
        assert mine.drop(columns="geometry").equals(theirs.drop(columns="geometry"))
        assert shapely.equals_exact(mine.geometry.to_numpy(), theirs.geometry.to_numpy()).all()
    assert one.report.judgement == other.report.judgement
    assert one.report.findings == other.report.findings


@pytest.fixture(scope="module")
def workers() -> Iterator[Workers]:
    with Workers(2) as crew:
        yield crew


@pytest.fixture(scope="module")
def town() -> Area:
    return make_town(TOWN)


@pytest.fixture(scope="module")
def alone(town: Area) -> Split:
    return split(town)


# --- parcels ---


def test_parcels_hold_each_community_with_all_that_concerns_it(town: Area) -> None:
    parcels = list(cut_parcels(town))
    assert [parcel.communities["id"].iloc[0] for parcel in parcels] == ["C1", "C2", "C3", "C4"]
    assert parcels[1].communities["id"].to_list() == ["C2", "C1", "C3"], "its neighbours follow"
    rows = buildings_by_community(town)
    assert sorted(np.concatenate(rows).tolist()) == np.flatnonzero(town.buildings["community"] >= 0).tolist()
    for number, (parcel, own) in enumerate(zip(parcels, rows, strict=True)):
        assert parcel.buildings["id"].to_list() == town.buildings["id"].iloc[own].to_list()
        assert (town.buildings["community"].iloc[own] == number).all()
        assert set(parcel.buildings["community"]) == {0}
        near = shapely.buffer(town.communities.geometry.iloc[number], NEAR_M)
        lines = town.streets.geometry.to_numpy()
        footprints = parcel.buildings.geometry.to_numpy()
        concerned = shapely.intersects(lines, near)
        concerned |= shapely.intersects(lines[:, None], footprints[None]).any(axis=1)
        held = set(shapely.to_wkb(parcel.streets.geometry.to_numpy()))
        assert set(shapely.to_wkb(lines[concerned])) <= held
        assert len(parcel.streets) < len(town.streets)


def test_rows_of_one_building_stay_one_in_its_parcel(town: Area) -> None:
    for parcel in cut_parcels(town):
        together = parcel.buildings.groupby("id")["atom"].nunique()
        assert (together == 1).all()
        assert sorted(set(parcel.buildings["atom"])) == list(range(len(together)))
    assert town.buildings["id"].duplicated().any()


# --- any number of hands ---


def test_the_plan_is_the_same_for_any_number_of_processes(town: Area, alone: Split, workers: Workers) -> None:
    assert_valid_plan(town, alone)
    assert_same(alone, split(town, workers))
    assert_same(alone, split(town, Alone(threads=3)))


def test_progress_is_told_for_each_community(town: Area, workers: Workers) -> None:
    told: list[tuple[str, float]] = []
    split(town, workers, progress=lambda step, share: told.append((step, share)))
    assert [share for step, share in told if step == "divide"] == [0.0, 0.25, 0.5, 0.75, 1.0]


# --- what goes wrong ---


def test_a_community_that_breaks_is_told_and_the_others_are_drawn(
    town: Area, alone: Split, workers: Workers
) -> None:
    """A community whose every code was issued before gets none: the codes have run out."""
    issued = {"C2": [f"C2-{number:03d}" for number in range(1, 1000)]}
    broken = [split(town, crew, issued=issued) for crew in (None, workers)]
    assert_same(*broken)
    made = broken[0]
    assert not made.report.sound
    (failed,) = [v for v in made.report.violations if v.code == "community_failed"]
    assert failed.rows == ("C2",)
    inside = town.buildings[town.buildings["community"] == 1]
    assert failed.values["households"] == inside["households"].sum()
    assert failed.values["error"] == "CodeError"
    assert [v.level for v in made.report.violations if v.code == "codes_exhausted"] == ["violated"]
    assert "C2" in failed.text("zh")
    assert failed.text("en") != failed.text("zh")
    assert set(made.grids["community"]) == {"C1", "C3", "C4"}
    assert set(made.buildings["grid"][inside.index]) == {""}
    others = made.buildings["community"] != 1
    assert made.buildings["grid"][others].equals(alone.buildings["grid"][others])
    assert "building_without_grid" not in {v.code for v in made.report.violations}
    assert [line["id"] for line in made.report.judgement.communities] == ["C1", "C3", "C4"]


class Hasty(Alone):
    """A crew that loses one community, the second time that it is asked: when plans are judged."""

    def __init__(self) -> None:
        super().__init__()
        self.runs = 0

    def run(self, task: Callable[[Any], Any], items: Iterable[Any]) -> Iterator[tuple[int, Outcome]]:
        self.runs += 1
        for number, outcome in super().run(task, items):
            yield number, Outcome.lost(-9) if self.runs == 2 and number == 1 else outcome


def test_a_community_whose_judgement_breaks_is_told_and_does_not_stop_the_others(town: Area) -> None:
    made = split(town, Hasty())
    lost = [fault for fault in made.report.violations if fault.code == "community_lost"]
    assert [fault.rows for fault in lost] == [(town.communities["id"].iloc[1],)]
    assert not made.report.sound
    assert made.report.judgement.figures["grids"] == len(made.grids)
    assert len(made.report.judgement.grids) < len(made.grids)
    assert set(made.grids["community"]) == set(town.communities["id"])


def test_where_no_community_can_be_divided_nothing_is_made(town: Area, workers: Workers) -> None:
    issued = {f"C{n}": [f"C{n}-{number:03d}" for number in range(1, 1000)] for n in range(1, 5)}
    with pytest.raises(InputError) as caught:
        split(town, workers, issued=issued)
    failed = [finding for finding in caught.value.findings if finding.code == "community_failed"]
    assert [finding.rows for finding in failed] == [("C1",), ("C2",), ("C3",), ("C4",)]
    assert {finding.level for finding in failed} == {"refused"}


def test_what_breaks_the_only_community_goes_through() -> None:
    with pytest.raises(CodeError):
        split(make_town(Town()), issued={"C1": [f"C1-{number:03d}" for number in range(1, 1000)]})


def test_the_work_of_a_killed_worker_is_done_again(town: Area, alone: Split) -> None:
    """Each worker is killed once while the city is divided."""
    with Workers(2) as crew:
        first = crew.pids
        killer = threading.Thread(target=_kill_in_turn, args=(first, 0.7))
        killer.start()
        made = [split(town, crew) for _ in range(2)]
        killer.join()
        split(town, crew)
        assert not set(first) & set(crew.pids)
    for one in made:
        assert_same(alone, one)


def _kill_in_turn(pids: list[int], pause: float) -> None:
    for pid in pids:
        time.sleep(pause)
        os.kill(pid, signal.SIGKILL)


def test_an_item_that_kills_each_worker_is_given_up() -> None:
    with Workers(2) as crew:
        outcomes = dict(crew.run(_end_on, [(0, 5), (7, 7), (1, 5)]))
        again = dict(crew.run(_end_on, [(0, 5)]))
    assert outcomes[0] == outcomes[2] == again[0] == Outcome("done")
    failure = outcomes[1].failure
    assert failure is not None
    assert failure.lost
    assert failure.error == "signal 9"


def _end_on(pair: tuple[int, int]) -> str:
    """Ends its process as the kernel does when memory runs out, where both numbers are the same."""
    if pair[0] == pair[1]:
        os.kill(os.getpid(), signal.SIGKILL)
    return "done"


def test_errors_come_back_with_their_findings(workers: Workers) -> None:
    ((_, there),) = workers.run(partial(_refuse, "C9"), [1])
    ((_, here),) = Alone().run(partial(_refuse, "C9"), [1])
    assert there == here
    assert there.failure is not None
    assert [finding.code for finding in there.failure.findings] == ["codes_exhausted"]


def _refuse(community: str, _: int) -> None:
    from partition.codes import issue_codes

    issue_codes(f"{community}-", 1, [f"{community}-{number:03d}" for number in range(1, 1000)])


def test_workers_end_with_their_crew() -> None:
    with Workers(3) as crew:
        pids = crew.pids
        assert all(_lives(pid) for pid in pids)
        running = crew.run(time.sleep, [0, 600, 600, 600])
        next(running)
        began = time.monotonic()
    assert time.monotonic() - began < 60
    assert not any(_lives(pid) for pid in pids)


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
