"""What events tell is what they would tell if nothing were there but what the listener sees."""

from __future__ import annotations

import json
import re
import time

import pytest
from sqlalchemy import text

from service import db
from service.access import Principal, Role
from service.events import tell
from service.registry import COLLECTIONS
from service.store import events as store

from .api import fill
from .towns import CODE

pytestmark = pytest.mark.database


def reach(database: db.Database, transaction: int) -> store.Cursor:
    """The place in the order of events once it is behind the transaction."""
    for _ in range(1200):  # what began earlier elsewhere in the cluster holds it back
        position = store.read_position(database.app)
        if position.xid > transaction:
            return position
        time.sleep(0.05)
    pytest.fail("a transaction elsewhere in the cluster does not end")


def told_of(database: db.Database, principal: Principal, *statements: str) -> list[tuple[str, ...]]:
    """What the principal is told of statements, one transaction each: kinds, communities and cases."""
    with database.owner.begin() as connection:
        before = connection.scalar(text("select pg_current_xact_id()::text::bigint"))
    position = reach(database, before)
    for statement in statements:
        with database.owner.begin() as connection:
            assert connection.execute(text(statement)).rowcount
            last = connection.scalar(text("select pg_current_xact_id()::text::bigint"))
    reach(database, last)
    found = [
        one for one in tell(database.app, principal, store.read_events(database.app, position, 10**6)) if one
    ]
    read = []
    for frame in b"".join(found).decode().split("\n\n")[:-1]:
        fields = dict(line.split(": ", 1) for line in frame.splitlines())
        data = json.loads(fields["data"])
        assert re.fullmatch(r"[^.]*T\d\d:\d\d:\d\d\+00:00", data["at"])  # finer ones count hidden rows
        read.append((fields["event"], data.get("community", ""), data.get("feature", {}).get("id", "")))
    return read


# rows of one statement: category, status afterwards, tier afterwards, in which grid, how many
Rows = tuple[tuple[str, str, str, int, int], ...]
SHOWN: Rows = (("rubbish", "filed", "", 0, 1), ("noise", "filed", "", 1, 60), ("road", "filed", "", 1, 120))
# by role: what it does not see, or sees no change of
UNSEEN: dict[Role, Rows] = {
    Role.PUBLIC: (("dispute", "filed", "", 1, 1001), ("rubbish", "discovered", "street", 1, 130)),
    Role.CONSUMER: (("dispute", "filed", "street", 1, 1001),),
    Role.PLANNER: (("dispute", "filed", "street", 0, 1001),),
    Role.GRID_WORKER: (("dispute", "filed", "street", 1, 1001),),
}


def _insert(name: str, rows: Rows, grids: list[str]) -> str:
    listed = ", ".join(
        f"('{category}', '{grids[grid]}', {count}, {place})"
        for place, (category, _, _, grid, count) in enumerate(rows)
    )
    return f"""
        insert into cases (division_code, case_id, category, time, geom, place, grid_code)
        select d.code, '{name}-' || r.n || '-' || i, r.category, now(), st_pointonsurface(d.geom),
            st_pointonsurface(d.geom), r.grid
        from (values {listed}) r(category, grid, many, n), generate_series(1, r.many) i, divisions d
        where d.code = '{CODE}' order by r.n desc, i"""  # noqa: S608


def _update(name: str, rows: Rows) -> str:
    listed = ", ".join(
        f"('{status}', '{tier}', {place})" for place, (_, status, tier, _, _) in enumerate(rows)
    )
    return f"""
        update cases set status = r.status, tier = r.tier from (values {listed}) r(status, tier, n)
        where case_id like '{name}-' || r.n || '-%'"""  # noqa: S608


def test_events_are_those_that_there_were_without_what_is_hidden(scratch: db.Database) -> None:
    """The same kinds, of the same cases, however much that a role does not see came or changed with them."""
    fill(scratch)
    with scratch.owner.connect() as connection:
        grids = sorted(connection.scalars(text("select code from grids where valid_to is null")))
    for role, unseen in UNSEEN.items():
        own = frozenset(grids[:1]) if role is Role.GRID_WORKER else frozenset()
        principal = Principal(role, grids=own)
        news, changes = [], []
        for rows in (SHOWN, SHOWN + unseen):
            name = f"{role.value}{len(rows)}"
            made = SHOWN + tuple(one for one in rows[len(SHOWN) :] if one[0] == "dispute")
            insert = _insert(name, made, grids)
            news.append(
                [tuple(part.replace(name, "") for part in one) for one in told_of(scratch, principal, insert)]
            )
            if len(made) < len(rows):  # there before, told before: what changes of them is what is not seen
                told_of(scratch, principal, _insert(f"{name}-more", rows[len(made) :], grids))
            update = _update(name, rows).replace(
                f"{name}-' || r.n", f"{name}-' || case r.n when {len(made)} then 'more-0' else r.n::text end"
            )
            changes.append(
                [tuple(part.replace(name, "") for part in one) for one in told_of(scratch, principal, update)]
            )
        kinds = ["created"] * 61 + ["imported"]
        assert sorted(one[0] for one in news[0]) == kinds, role
        assert news[0] == news[1], role
        assert sorted(one[0] for one in changes[0]) == ["changed"] * 61 + ["imported"], role
        assert changes[0] == changes[1], role
    centre = Principal(Role.CENTRE)
    assert told_of(scratch, centre, _insert("all", SHOWN, grids)) == [
        ("created", "", f"{CODE}:all-{n}-{i}")
        for n, many in ((2, 120), (1, 60), (0, 1))
        for i in range(1, many + 1)
    ]
    assert told_of(scratch, centre, _insert("most", SHOWN + UNSEEN[Role.PLANNER], grids)) == [
        ("imported", CODE, "")
    ]


def test_a_case_is_new_to_whom_it_was_not_shown_before(scratch: db.Database) -> None:
    """Not changed, which would tell that it was withheld; and one that is withheld goes without a word."""
    fill(scratch)
    with scratch.owner.connect() as connection:
        grids = sorted(connection.scalars(text("select code from grids where valid_to is null")))
    told: dict[Role, list[list[str]]] = {}
    for role in (Role.PUBLIC, Role.GRID_WORKER, Role.CENTRE):
        own = frozenset(grids[:1]) if role is Role.GRID_WORKER else frozenset()
        name = role.value
        change = "update cases set {} where case_id = '" + name + "-0-1'"  # noqa: S608
        told[role] = [
            [kind for kind, _, _ in told_of(scratch, Principal(role, grids=own), statement)]
            for statement in (
                _insert(name, (("dispute", "", "", 1, 1),), grids),
                change.format("category = 'rubbish'"),
                change.format("category = 'suicide'"),
                change.format("category = 'noise', place = null"),
                change.format("place = geom"),
                change.format(f"category = 'dispute', grid_code = '{grids[0]}'"),
                change.format(f"grid_code = '{grids[1]}'"),
                change.format("category = 'noise'"),
            )
        ]
    created, changed = ["created"], ["changed"]
    assert told == {
        Role.PUBLIC: [[], created, [], [], created, [], [], created],
        Role.GRID_WORKER: [[], created, [], [], created, changed, [], created],
        Role.CENTRE: [created, *[changed] * 7],
    }
    # and told late, of what was hidden when it happened nothing is told as it is now
    late = [
        _insert("late", (("dispute", "", "", 1, 1),), grids),
        "update cases set category = 'rubbish' where case_id = 'late-0-1'",
    ]
    assert told_of(scratch, Principal(), *late) == [("created", "", f"{CODE}:late-0-1")]


@pytest.mark.parametrize("role", [Role.PUBLIC, Role.CONSUMER])
def test_the_audiences_of_events_are_those_that_see_the_columns(scratch: db.Database, role: Role) -> None:
    """The database and the registry say of the same columns whom their changes are told."""
    fill(scratch)
    values = {
        "case_id": "'another'",
        "category": "'another'",
        "time": "now()",
        "due_at": "now()",
        "status": "'filed'",
        "tier": "'street'",
        "building_id": "'another'",
        "grid_code": "null",
    }
    columns = COLLECTIONS["cases"].columns
    named = [column for column in columns if ":category_names" in column.sql]  # they follow the category
    (category,) = [column for column in columns if column.name == "category"]
    assert {(column.least, column.own_rows) for column in named} == {(category.least, category.own_rows)}
    plain = {column.sql.removeprefix("t."): column for column in columns if column not in named}
    seen = {
        sql for sql, column in plain.items() if Principal(role).reaches(column.least) and not column.own_rows
    }
    assert plain.keys() <= {*values, "division_code"}
    shown = "(select min(case_id) from cases where category = 'rubbish' and grid_code is not null)"
    told = {
        name
        for name, value in values.items()
        if told_of(scratch, Principal(role), f"update cases set {name} = {value} where case_id = {shown}")  # noqa: S608
    }
    assert told == seen - {"division_code"}
