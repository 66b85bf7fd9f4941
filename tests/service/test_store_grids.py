"""Plans come into force whole or not at all; codes are never issued twice."""

from __future__ import annotations

import threading
from dataclasses import replace

import pandas as pd
import pytest
import shapely
from sqlalchemy import Connection, Engine, func, select, text
from sqlalchemy.exc import IntegrityError

from partition.area import Area
from partition.split import Split, split_area
from partition.wishes.policy import Profile, Size, ZoneRule
from service import models
from service.db import Database
from service.plans.planning import plan_community
from service.store.communities import load_area, read_area
from service.store.errors import ConflictError, NotFoundError, PlanRefusedError
from service.store.grids import Publication, check_plan, locate, publish_plan
from service.store.plans import get_plan, issued_codes, list_plans, read_plan, save_plan, settle_codes

from .towns import CODE, make_layers, make_town, shapes_of

pytestmark = pytest.mark.database

PROFILE = Profile("test", Size("households", 200, 300, 400))
FINER = Profile("finer", Size("households", 120, 180, 240))


@pytest.fixture
def town(connection: Connection) -> Area:
    """A town in the database."""
    area = make_town()
    load_area(connection, area, make_layers(area))
    return area


def propose(connection: Connection, profile: Profile = PROFILE, seed: int = 0) -> int:
    """A draft from what the database holds."""
    area = read_area(connection, CODE)
    split = split_area(area, profile, seed=seed, issued={"c1": issued_codes(connection, CODE)})
    plan = save_plan(connection, CODE, split)
    settle_codes(connection, plan)
    return plan


def in_force(connection: Connection) -> dict[str, int]:
    """Households of the grids in force by code."""
    grids = models.grids.c
    return dict(
        connection.execute(
            select(grids.code, grids.households).where(grids.valid_to.is_(None)).order_by(grids.code)
        ).all()
    )


def members(connection: Connection) -> dict[str, set[str]]:
    """Buildings by the code of their grid in force."""
    found: dict[str, set[str]] = {}
    for code, building in connection.execute(text("select grid_code, building_id from buildings")):
        found.setdefault(code, set()).add(building)
    return found


def test_a_plan_from_the_database_is_the_plan_from_the_file(connection: Connection, town: Area) -> None:
    from_file: Split = split_area(town, PROFILE, seed=3)
    from_store: Split = split_area(read_area(connection, CODE), PROFILE, seed=3)
    assert shapes_of(from_store.grids) == shapes_of(from_file.grids)
    assert list(from_store.buildings["grid"]) == list(from_file.buildings["grid"])


def test_a_zone_stands_apart_from_the_database_to_the_published_grid(
    connection: Connection, town: Area
) -> None:
    apart = replace(PROFILE, zones=ZoneRule(), wishes=("zones", "complex_smaller"))
    from_file = split_area(town, apart)
    from_store = split_area(read_area(connection, CODE), apart)
    assert list(from_store.buildings["grid"]) == list(from_file.buildings["grid"])
    (code,) = from_file.grids["code"][from_file.grids["kind"] == "dedicated"]
    assert "complexity_counted" in {finding.code for finding in from_store.report.findings}
    plan = propose(connection, apart)
    frames = read_plan(connection, plan)
    assert frames.grids.set_index("code")["kind"].to_dict()[code] == "dedicated"
    publish_plan(connection, plan)
    grids = models.grids.c
    assert connection.scalars(select(grids.code).where(grids.kind == "dedicated")).all() == [code]


def test_a_stored_plan_reads_back(connection: Connection, town: Area) -> None:
    split = split_area(town, PROFILE)
    plan = save_plan(connection, CODE, split, author="甲", reason="试划")
    frames = read_plan(connection, plan)
    assert shapes_of(frames.grids) == shapes_of(split.grids.sort_values("code"))
    assert frames.grids["households"].sum() == town.buildings["households"].sum()
    assert list(frames.buildings["grid"]) == list(split.buildings["grid"])
    unknown = town.buildings["unknown"]
    assert frames.buildings["households"].isna().tolist() == unknown.tolist()
    row = get_plan(connection, plan)
    assert (row["status"], row["author"], row["seed"], row["version"]) == ("draft", "甲", 0, 1)
    assert [entry["grids"] for entry in list_plans(connection, CODE)] == [len(split.grids)]
    with pytest.raises(NotFoundError, match="no plan"):
        get_plan(connection, plan + 1)


def test_publication_puts_every_building_case_and_person_in_a_grid(
    connection: Connection, town: Area
) -> None:
    done = publish_plan(connection, propose(connection))
    grids = in_force(connection)
    assert done.opened == tuple(grids) == tuple(f"{CODE}{n:03d}" for n in range(1, len(grids) + 1))
    assert sum(grids.values()) == town.buildings["households"].sum()
    assert set(members(connection)) == set(grids)
    figures: dict[str, int] = dict(
        connection.execute(text("select grid_code, sum(households) from buildings group by 1")).all()
    )
    assert figures == grids
    outside = connection.scalar(text("select count(*) from cases where grid_code is null"))
    assert outside == 0
    staff = connection.execute(text("select assigned, grid_code from grid_staff order by assigned")).all()
    assert staff == [("003", f"{CODE}003"), ("1", f"{CODE}001"), ("2", f"{CODE}002")]
    assert connection.scalar(text("select count(*) from audit where action = 'publish'")) == 1


def test_a_case_at_a_building_is_in_its_grid(connection: Connection, town: Area) -> None:
    publish_plan(connection, propose(connection))
    wrong = connection.scalar(
        text("""select count(*) from cases c join buildings b on b.building_id = c.building_id and b.part = 0
                where c.grid_code <> b.grid_code""")
    )
    at_building = connection.scalar(text("select count(*) from cases where building_id is not null"))
    assert (wrong, at_building) == (0, 15)


def test_publishing_the_published_plan_again_changes_nothing(connection: Connection, town: Area) -> None:
    plan = propose(connection)
    publish_plan(connection, plan)
    before = connection.execute(text("select * from grids order by id")).all()
    again = publish_plan(connection, plan)
    assert (again.opened, again.closed, set(again.kept)) == ((), (), set(in_force(connection)))
    assert connection.execute(text("select * from grids order by id")).all() == before


def test_the_same_grids_keep_their_codes(connection: Connection, town: Area) -> None:
    publish_plan(connection, propose(connection))
    before, buildings = in_force(connection), members(connection)
    again = propose(connection)
    assert sorted(read_plan(connection, again).grids["code"]) == sorted(before)  # the draft says so already
    done = publish_plan(connection, again)
    assert in_force(connection) == before
    assert members(connection) == buildings
    assert (done.opened, done.closed, set(done.kept)) == ((), (), set(before))
    assert connection.scalar(text("select count(*) from grid_lineage")) == 0
    spans = connection.execute(
        text("select code, valid_from, valid_to from grids order by code, valid_from")
    ).all()
    assert len(spans) == 2 * len(before)
    for (code, _, ended), (same, began, still) in zip(spans[::2], spans[1::2], strict=True):
        assert (code, ended, still) == (same, began, None)


def test_other_grids_get_new_codes_and_a_lineage(connection: Connection, town: Area) -> None:
    publish_plan(connection, propose(connection))
    old_grids, old = in_force(connection), members(connection)
    done = publish_plan(connection, propose(connection, FINER))
    new_grids, new = in_force(connection), members(connection)
    same = {code for code in old if code in new and old[code] == new[code]}
    assert set(done.kept) == set(old) & set(new) == same
    after = int(max(old_grids)[-3:]) + 1
    assert done.opened == tuple(f"{CODE}{n:03d}" for n in range(after, after + len(done.opened)))
    assert done.opened
    pairs = {
        (row.old_code, row.new_code): row for row in connection.execute(text("select * from grid_lineage"))
    }
    assert set(pairs) == {(a, b) for a in old for b in new if old[a] & new[b] and a != b}
    assert sum(row.households for row in pairs.values()) == done.households_moved
    assert done.households_moved == sum(n for code, n in old_grids.items() if code not in same)
    for (a, b), row in pairs.items():
        assert row.buildings == len(old[a] & new[b])
        parts, sources = sum(x == a for x, _ in pairs), sum(y == b for _, y in pairs)
        expected = (
            "split" if parts > 1 and sources == 1 else "merged" if parts == 1 and sources > 1 else "redrawn"
        )
        assert row.kind == expected
    assert sum(new_grids.values()) == sum(old_grids.values())
    # who answered for a grid that is gone answers for the one that took most of it
    staff = connection.scalars(text("select grid_code from grid_staff")).all()
    assert set(staff) <= set(new_grids)


def test_a_code_is_never_issued_again(connection: Connection, town: Area) -> None:
    publish_plan(connection, propose(connection))
    first = set(in_force(connection))
    publish_plan(connection, propose(connection, FINER))
    second = set(in_force(connection))
    publish_plan(connection, propose(connection))  # the very grids of the first plan
    third = set(in_force(connection))
    assert third.isdisjoint(first - second)
    assert len(third) == len(first)
    assert issued_codes(connection, CODE) == first | second | third


def test_the_database_refuses_to_reissue_a_code(connection: Connection, town: Area) -> None:
    publish_plan(connection, propose(connection))
    gone = min(in_force(connection))
    publish_plan(connection, propose(connection, FINER))
    assert gone not in in_force(connection)
    with pytest.raises(IntegrityError, match="never issued again"):
        connection.execute(
            text("""insert into grids
                        (division_code, code, households, buildings, area_m2, valid_from, geom)
                    select division_code, code, 1, 1, 1, clock_timestamp(), geom
                    from grids where code = :code"""),
            {"code": gone},
        )


def test_published_figures_are_frozen(connection: Connection, town: Area) -> None:
    publish_plan(connection, propose(connection))
    for change in ("households = households + 1", "geom = st_translate(geom, 1, 1)", "code = 'x'"):
        with pytest.raises(IntegrityError, match="frozen"), connection.begin_nested():
            connection.execute(text(f"update grids set {change}"))  # noqa: S608
    connection.execute(text("update grids set name = '东片'"))


def test_a_reload_keeps_the_published_grids(connection: Connection, town: Area) -> None:
    publish_plan(connection, propose(connection))
    before = connection.execute(text("select * from grids order by id")).all()
    cases = connection.execute(text("select case_id, grid_code from cases order by id")).all()
    built = town.buildings.iloc[[10]].assign(id="new-1", row=len(town.buildings), atom=9999)
    built = built.set_geometry(built.geometry.translate(5.0, 3.0))
    load_area(connection, replace(town, buildings=pd.concat([town.buildings, built], ignore_index=True)))
    assert connection.execute(text("select * from grids order by id")).all() == before
    assert connection.execute(text("select case_id, grid_code from cases order by id")).all() == cases
    placed = connection.scalar(text("select grid_code from buildings where building_id = 'new-1'"))
    assert placed == connection.scalar(
        text("select grid_code from buildings where building_id = :id"), {"id": town.buildings["id"].iloc[10]}
    )


# --- what is refused ---


def refusals(connection: Connection, plan: int) -> set[str]:
    """Codes of what keeps the plan from coming into force; nothing of it may have happened."""
    with pytest.raises(PlanRefusedError) as caught, connection.begin_nested():
        publish_plan(connection, plan)
    assert in_force(connection) == {}
    assert get_plan(connection, plan)["status"] == "draft"
    return {finding.code for finding in caught.value.findings}


def test_a_gap_is_refused(connection: Connection, town: Area) -> None:
    plan = propose(connection)
    _reshape(connection, plan, lambda shape: shape.buffer(-0.5))
    assert refusals(connection, plan) == {"publish_gap"}


def test_an_overlap_is_refused(connection: Connection, town: Area) -> None:
    plan = propose(connection)
    whole = town.communities.geometry.iloc[0]
    _reshape(connection, plan, lambda shape: shape.buffer(0.5).intersection(whole))
    assert refusals(connection, plan) == {"publish_overlap"}


def test_ground_outside_the_community_is_refused(connection: Connection, town: Area) -> None:
    plan = propose(connection)
    west = town.communities.total_bounds[0]
    _reshape(
        connection,
        plan,
        lambda shape: shape.union(shapely.box(west - 3, shape.bounds[1], west, shape.bounds[3])),
    )
    assert "publish_outside" in refusals(connection, plan)


def test_a_grid_in_two_pieces_is_refused(connection: Connection, town: Area) -> None:
    plan = propose(connection)
    grids = read_plan(connection, plan).grids
    cut = grids.geometry.iloc[0].representative_point().buffer(2.0, cap_style="square")
    last = grids["code"].iloc[-1]
    _reshape(connection, plan, lambda shape: shape.difference(cut))
    connection.execute(
        text("""update plan_grids set geom = st_multi(geom),
                       metric_wkb = st_asbinary(st_union(st_geomfromwkb(metric_wkb), st_geomfromwkb(:cut)))
                where plan_id = :plan and code = :code"""),
        {"cut": shapely.to_wkb(cut), "plan": plan, "code": last},
    )
    found = refusals(connection, plan)
    assert "publish_fragment" in found
    assert found <= {"publish_fragment", "publish_building_elsewhere"}


def test_a_building_that_came_after_the_plan_is_missed(connection: Connection, town: Area) -> None:
    plan = propose(connection)
    connection.execute(
        text("""insert into buildings (division_code, building_id, ordinal, geom, metric_wkb)
                select division_code, 'late', 9999, geom, metric_wkb from buildings where ordinal = 3""")
    )
    assert refusals(connection, plan) == {"publish_building_without_grid"}


def test_changed_households_are_noticed(connection: Connection, town: Area) -> None:
    plan = propose(connection)
    connection.execute(text("update buildings set households = households + 1 where ordinal = 3"))
    assert refusals(connection, plan) == {"publish_building_changed"}


def test_a_building_given_to_a_far_grid_is_noticed(connection: Connection, town: Area) -> None:
    plan = propose(connection)
    connection.execute(
        text("""update plan_buildings set grid_code = (select max(code) from plan_grids where plan_id = :plan)
                where plan_id = :plan and building_id = (
                    select min(building_id) from plan_buildings where plan_id = :plan
                    and grid_code = (select min(code) from plan_grids where plan_id = :plan))"""),
        {"plan": plan},
    )
    assert refusals(connection, plan) == {"publish_building_elsewhere", "publish_figures"}


def test_a_building_removed_since_is_noticed(connection: Connection, town: Area) -> None:
    plan = propose(connection)
    connection.execute(text("delete from buildings where ordinal = 3"))
    assert refusals(connection, plan) == {"publish_building_gone"}


def test_a_sound_plan_has_no_fault(connection: Connection, town: Area) -> None:
    assert check_plan(connection, propose(connection)) == []


def _reshape(connection: Connection, plan: int, change: object) -> None:
    """Change the first grid's shape behind the product's back."""
    row = connection.execute(
        text("select id, metric_wkb from plan_grids where plan_id = :plan order by code limit 1"),
        {"plan": plan},
    ).one()
    shape = change(shapely.from_wkb(bytes(row.metric_wkb)))  # type: ignore[operator]
    connection.execute(
        text("update plan_grids set metric_wkb = :wkb where id = :id"),
        {"wkb": shapely.to_wkb(shape), "id": row.id},
    )


# --- two at once ---


def test_a_plan_made_before_another_was_published_is_refused(connection: Connection, town: Area) -> None:
    first, second = propose(connection), propose(connection, FINER)
    publish_plan(connection, first)
    kept = in_force(connection)
    with pytest.raises(ConflictError, match=f"--over {first}"):
        publish_plan(connection, second)
    assert in_force(connection) == kept
    assert publish_plan(connection, second, over=first).plan == second
    with pytest.raises(ConflictError, match="archived"):
        publish_plan(connection, first)


def test_of_two_publications_at_once_one_wins(scratch: Database) -> None:
    area = make_town()
    with scratch.owner.begin() as connection:
        load_area(connection, area, make_layers(area))
        plans = [propose(connection), propose(connection, FINER)]
    together = threading.Barrier(2)
    results: dict[int, Publication | ConflictError] = {}

    def publish(plan: int) -> None:
        try:
            with scratch.owner.begin() as own:
                together.wait(10)
                results[plan] = publish_plan(own, plan)
        except ConflictError as error:
            results[plan] = error

    threads = [threading.Thread(target=publish, args=(plan,)) for plan in plans]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    won = [plan for plan, result in results.items() if isinstance(result, Publication)]
    assert len(results) == 2
    assert len(won) == 1
    with scratch.owner.connect() as connection:
        assert set(
            connection.scalars(select(models.plans.c.id).where(models.plans.c.status == "published"))
        ) == set(won)
        assert sum(in_force(connection).values()) == area.buildings["households"].sum()
        assert connection.scalar(select(func.count(models.grids.c.plan_id.distinct()))) == 1


def test_a_publication_that_breaks_off_leaves_nothing(scratch: Database) -> None:
    area = make_town()
    with scratch.owner.begin() as connection:
        load_area(connection, area)
        publish_plan(connection, propose(connection))
        before, buildings = in_force(connection), members(connection)
        plan = propose(connection, FINER)
    with scratch.owner.connect() as connection, connection.begin() as transaction:
        publish_plan(connection, plan)
        assert in_force(connection) != before
        transaction.close()  # as when the process dies
    with scratch.owner.connect() as connection:
        assert in_force(connection) == before
        assert members(connection) == buildings
        assert get_plan(connection, plan)["status"] == "draft"


# --- the use case ---


def test_planning_reads_splits_and_stores(scratch: Database) -> None:
    area = make_town()
    with scratch.owner.begin() as connection:
        load_area(connection, area)
    steps: list[str] = []
    made = plan_community(
        scratch.owner, "测试社区", PROFILE, seed=1, progress=lambda step, share: steps.append(step)
    )
    assert steps[0] == "read"
    assert steps[-1] == "store"
    with scratch.owner.begin() as connection:
        assert get_plan(connection, made.plan)["seed"] == 1
        publish_plan(connection, made.plan)
    again = plan_community(scratch.owner, CODE, PROFILE, seed=1)
    with scratch.owner.connect() as connection:
        assert set(read_plan(connection, again.plan).grids["code"]) == set(in_force(connection))
        row = get_plan(connection, again.plan)
        assert row["base_plan_id"] == made.plan
        assert {grid["code"] for grid in row["report"]["grids"]} == set(in_force(connection))
    # what the caller shows has the codes of the stored plan too
    for codes in (again.split.grids["code"], again.split.buildings["grid"], again.split.units["grid"]):
        assert set(codes) == set(made.split.grids["code"])
    assert again.split.report.judgement.grids == row["report"]["grids"]
    rows = {code for finding in again.split.report.violations for code in finding.rows}
    assert not {code for code in rows if code.startswith(CODE)} - set(made.split.grids["code"])


def test_a_load_during_planning_is_noticed(scratch: Database) -> None:
    area = make_town()
    with scratch.owner.begin() as connection:
        load_area(connection, area)

    def reload(step: str, share: float) -> None:
        if step == "judge":
            _set_households(scratch.owner, 77)

    with pytest.raises(ConflictError, match="changed while"):
        plan_community(scratch.owner, CODE, PROFILE, progress=reload)
    with scratch.owner.connect() as connection:
        assert list_plans(connection) == []


def _set_households(engine: Engine, households: int) -> None:
    with engine.begin() as connection:
        connection.execute(text("update buildings set households = :n where ordinal = 4"), {"n": households})


def test_a_point_is_in_one_grid(connection: Connection, town: Area) -> None:
    publish_plan(connection, propose(connection))
    point = town.buildings.geometry.iloc[0].representative_point()
    where = town.communities.set_geometry([point]).to_crs(4326).geometry.iloc[0]
    found = locate(connection, where.x, where.y)
    assert found is not None
    assert found["code"] == connection.scalar(text("select grid_code from buildings where ordinal = 0"))
    assert locate(connection, where.x + 1, where.y) is None
