"""The second fence: what the service's role may see and do in the database, whatever its code asks for."""

from __future__ import annotations

import pytest
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import IntegrityError, ProgrammingError

from partition.split import split_area
from partition.wishes.policy import Profile, Size
from service import db, models
from service.db import Database
from service.store.communities import load_area, read_area
from service.store.grids import publish_plan
from service.store.plans import save_plan

from .towns import CODE, make_layers, make_town

pytestmark = pytest.mark.database

EAST = "990202001001"
PROFILE = Profile("test", Size("households", 200, 300, 400))
ROLES = ("public", "consumer", "grid_worker", "planner", "privacy_officer", "admin", "centre")
# tables with people or homes in them
GUARDED = {"population_groups", "cases", "audit"}


@pytest.fixture(scope="module")
def two_towns(module_database: Database) -> Engine:
    """Two published communities in different counties; the service's engine on them."""
    with module_database.owner.begin() as connection:
        for code, shift in ((CODE, 0.0), (EAST, 2000.0)):
            area = make_town(code=code, name=code, east_m=shift)
            load_area(connection, area, make_layers(area))
            plan = save_plan(connection, code, split_area(read_area(connection, code), PROFILE))
            publish_plan(connection, plan)
    return module_database.app


OF_DIVISIONS = [name for name, table in models.metadata.tables.items() if "division_code" in table.c]


def count(connection: Connection, table: str) -> int:
    return int(connection.execute(text(f"select count(*) from {table}")).scalar_one())  # noqa: S608


def test_without_a_declared_role_nothing_is_there(two_towns: Engine) -> None:
    with two_towns.begin() as connection:
        assert {name: count(connection, name) for name in models.metadata.tables} == dict.fromkeys(
            models.metadata.tables, 0
        )


def test_a_role_without_scope_sees_nothing(two_towns: Engine) -> None:
    for role in ROLES:
        with db.transaction(two_towns, role=role) as connection:
            seen = {name for name in models.metadata.tables if count(connection, name)}
            assert seen == set(), role


def test_a_declaration_ends_with_its_transaction(two_towns: Engine) -> None:
    with db.transaction(two_towns, role="centre", scope=[db.EVERYWHERE]) as connection:
        assert count(connection, "population_groups") > 0
    with two_towns.begin() as connection:
        assert count(connection, "population_groups") == 0


@pytest.mark.parametrize("role", ROLES)
def test_scope_is_a_prefix_of_the_division_code(two_towns: Engine, role: str) -> None:
    with db.transaction(two_towns, role=role, scope=["990101"]) as connection:
        for name in OF_DIVISIONS:
            codes = set(connection.scalars(text(f"select distinct division_code from {name}")))  # noqa: S608
            assert codes <= {CODE}, name
        assert count(connection, "grids") > 0
    with db.transaction(two_towns, role=role, scope=["990101", "990202"]) as connection:
        assert set(connection.scalars(text("select code from divisions"))) == {CODE, EAST}


@pytest.mark.parametrize("role", [role for role in ROLES if role != "centre"])
def test_counts_of_people_are_for_the_centre(two_towns: Engine, role: str) -> None:
    with db.transaction(two_towns, role=role, scope=[db.EVERYWHERE]) as connection:
        assert count(connection, "population_groups") == 0


def test_the_centre_and_the_service_itself_count_people(two_towns: Engine) -> None:
    for role in ("centre", "disclosure"):
        with db.transaction(two_towns, role=role, scope=[CODE]) as connection:
            assert count(connection, "population_groups") == 40


def test_a_grid_worker_counts_people_in_his_own_grids(two_towns: Engine, module_database: Database) -> None:
    with module_database.owner.begin() as connection:
        own = connection.scalar(
            text("""select min(grid_code) from buildings
                    join population_groups using (division_code, building_id)""")
        )
    with db.transaction(two_towns, role="grid_worker", scope=[CODE], grids=[own]) as connection:
        found = set(connection.scalars(text("select building_id from population_groups")))
        held = set(
            connection.scalars(text("select building_id from buildings where grid_code = :g"), {"g": own})
        )
    assert found
    assert found <= held


def test_cases_without_a_place_are_for_the_centre_and_the_responsible_worker(
    two_towns: Engine, module_database: Database
) -> None:
    own = f"{CODE}001"
    with module_database.owner.begin() as connection:
        connection.execute(text("update cases set place = null where division_code = :c"), {"c": CODE})
        total, mine = connection.execute(
            text("""select count(*), count(*) filter (where grid_code = :own)
                    from cases where division_code = :c"""),
            {"own": own, "c": CODE},
        ).one()
    assert 0 < mine < total
    seen = {}
    for role in ROLES:
        with db.transaction(two_towns, role=role, scope=[CODE], grids=[own]) as connection:
            seen[role] = count(connection, "cases")
    assert seen == dict.fromkeys(ROLES, 0) | {"centre": total, "grid_worker": mine}


def test_drafts_are_not_for_the_public(two_towns: Engine, module_database: Database) -> None:
    with module_database.owner.begin() as connection:
        draft = save_plan(connection, CODE, split_area(read_area(connection, CODE), PROFILE))
    for role, seen in (("public", False), ("consumer", False), ("planner", True)):
        with db.transaction(two_towns, role=role, scope=[CODE]) as connection:
            found = connection.scalars(text("select id from plans")).all()
            assert (draft in found) is seen
            assert len(found) == 1 + seen  # the published one is everybody's
            assert (count(connection, "plan_grids") > 0) is seen


@pytest.mark.parametrize("role", ["public", "consumer", "grid_worker", "privacy_officer", "centre"])
def test_only_planners_change_the_map(two_towns: Engine, role: str) -> None:
    with db.transaction(two_towns, role=role, scope=[db.EVERYWHERE]) as connection:
        for table in ("buildings", "facilities", "streets", "divisions", "grid_staff"):
            changed = connection.execute(text(f"update {table} set division_code = division_code"))  # noqa: S608
            assert changed.rowcount == 0, table


def test_a_planner_changes_only_what_is_in_scope(two_towns: Engine) -> None:
    with db.transaction(two_towns, role="planner", scope=[CODE]) as connection:
        connection.execute(text("update facilities set name = 'x'"))
        outcome = connection.execute(text("select count(*) from facilities where name = 'x'")).scalar_one()
        assert outcome == 2
    with db.transaction(two_towns, role="planner", scope=[EAST]) as connection:
        assert connection.execute(text("select count(*) from facilities where name = 'x'")).scalar_one() == 0
        with pytest.raises(ProgrammingError, match="row-level security"), connection.begin_nested():
            connection.execute(text("update facilities set division_code = :other"), {"other": CODE})


@pytest.mark.parametrize(
    "statement",
    [
        "update audit set action = 'x'",
        "delete from audit",
        "truncate audit",
        "delete from grids",
        "delete from divisions",
        "delete from grid_lineage",
        "alter table buildings add column resident text",
        "alter table buildings disable row level security",
        "drop table cases",
        "drop policy reading on cases",
        "create table leak (t text)",
        "alter function wangge_role() volatile",
        "update alembic_version set version_num = 'x'",
        "set role wangge_owner",
        "set session authorization wangge_owner",
    ],
)
def test_the_service_cannot(two_towns: Engine, statement: str) -> None:
    with (
        db.transaction(two_towns, role="admin", scope=[db.EVERYWHERE]) as connection,
        pytest.raises(ProgrammingError, match=r"permission denied|must be owner"),
        connection.begin_nested(),
    ):
        connection.execute(text(statement))


def test_the_audit_is_written_by_all_and_read_by_the_privacy_officer(two_towns: Engine) -> None:
    line = text(
        "insert into audit (division_code, principal, role, action) values (:c, 'somebody', 'public', 'look')"
    )
    with db.transaction(two_towns, role="public", scope=[CODE]) as connection:
        connection.execute(line, {"c": CODE})
        assert count(connection, "audit") == 0
    for role, lines in (("centre", 0), ("planner", 0), ("privacy_officer", 2), ("admin", 2)):
        with db.transaction(two_towns, role=role, scope=[CODE]) as connection:
            assert count(connection, "audit") == lines, role  # the publication and the look


def test_not_even_the_owner_changes_the_audit(connection: Connection) -> None:
    connection.execute(text("insert into audit (division_code, action) values ('x', 'look')"))
    for statement in ("update audit set action = 'y'", "delete from audit", "truncate audit"):
        with pytest.raises(ProgrammingError, match="append-only"), connection.begin_nested():
            connection.execute(text(statement))


def test_the_spatial_index_serves_under_row_policies(scratch: Database) -> None:
    with scratch.owner.begin() as connection:
        load_area(connection, make_town())
        connection.execute(
            text("""insert into facilities (division_code, facility_id, kind, geom)
                    select :code, 'p' || n, 'lamp',
                           st_setsrid(st_makepoint(117 + (n % 200) * 1e-3, 30 + (n / 200) * 1e-3), 4326)
                    from generate_series(1, 20000) n"""),
            {"code": CODE},
        )
    with scratch.owner.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("analyze facilities"))
    with db.transaction(scratch.app, role="public", scope=[CODE]) as connection:
        plan = connection.scalars(
            text("""explain (analyze, timing off) select * from facilities
                    where geom && st_makeenvelope(117.05, 30.02, 117.06, 30.03, 4326)""")
        ).all()
    assert any("ix_facilities_geom" in line for line in plan), "\n".join(plan)


def test_every_table_is_behind_row_policies(connection: Connection) -> None:
    rows = connection.execute(
        text("""select c.relname, c.relrowsecurity, pg_get_userbyid(c.relowner)
                from pg_class c where c.relkind = 'r' and c.relnamespace = 'public'::regnamespace
                and c.relname not in ('alembic_version', 'spatial_ref_sys')
                and c.relname not like 'procrastinate\\_%'""")  # the queue holds numbers of runs only
    ).all()
    assert {name for name, *_ in rows} == set(models.metadata.tables)
    assert {(secured, owner) for _, secured, owner in rows} == {(True, "wangge_owner")}


# --- no resident ---


def test_no_table_has_a_column_for_a_resident(connection: Connection) -> None:
    columns = connection.execute(
        text("select table_name, column_name from information_schema.columns where table_schema = 'public'")
    ).all()
    personal = (
        "person",
        "resident_",
        "birth",
        "gender",
        "sex",
        "ethnic",
        "belief",
        "religio",
        "phone",
        "mobile",
        "idcard",
    )
    found = {(table, column) for table, column in columns if any(word in column for word in personal)}
    assert found == {("grid_staff", "phone")}
    people = {column for table, column in columns if table == "population_groups"}
    assert people == {"id", "version", "updated_at", "division_code", "building_id", "category", "count"}


@pytest.mark.parametrize(
    "statement",
    [
        "update buildings set building_id = '990101199001011234' where ordinal = 1",
        "update buildings set building_id = '甲 99010119900101123X' where ordinal = 1",
        "update facilities set name = '家 990101199001011234' where facility_id = 'f1'",
        "update cases set category = '990101199001011234' where case_id = 'k1'",
        "update population_groups set category = '张三'",
        "update population_groups set category = '13800000000'",
        "update grid_staff set name = '990101199001011234'",
        "update buildings set households = -1",
        "update buildings set residents = 'NaN'",
        "update population_groups set count = -1",
        "update plans set status = 'lost'",
        "update cases set status = 'lost'",
        "update streets set class = 'motorway'",
        "update buildings set geom = st_geomfromtext('POLYGON((0 0,1 1,1 0,0 1,0 0))', 4326)",
        "update buildings set geom = st_geomfromtext('POLYGON EMPTY', 4326)",
        "update facilities set geom = st_geomfromtext('LINESTRING(0 0,1 1)', 4326)",
    ],
)
def test_the_database_refuses(connection: Connection, statement: str) -> None:
    area = make_town()
    load_area(connection, area, make_layers(area))
    save_plan(connection, CODE, split_area(area, PROFILE))
    with pytest.raises(IntegrityError, match=r"violates check constraint|cannot go from draft to lost"):
        connection.execute(text(statement))
