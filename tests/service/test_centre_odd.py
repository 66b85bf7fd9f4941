"""No question of the centre is answered by an error of the server's, whatever is asked, of whatever
community, and whatever happens to it meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import cycle
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, event, text

from service import db
from service.access import Role

from .api import HIDDEN, Served, fill, serve
from .odd_communities import CODES, OFFICE, STATES, clear, found
from .towns import CODE

pytestmark = pytest.mark.database

ALL = "datetime=2020-01-01/.."
# an address below `/centre/{division}` for each kind of answer; a `*` stands for the division's code
CORE = (
    "",
    "/cases?previous=true",
    "/surface?previous=true&frames=3",
    "/base",
    "/compare",
    f"/statistics/gi?units=grids&{ALL}",
    "/reach?kind=police",
    "/siting?kind=police",
    "/grids/*001/card",
)
MORE = (
    "/cases?last=24h&rate=households",
    "/cases?datetime=0001-01-01/9998-12-31&hours=8-9&weekdays=1&rate=residents",
    "/cases?datetime=../2026-10-01&category=noise",
    f"/surface?{ALL}&frames=24&previous=true",
    "/surface?datetime=0001-01-01/9998-12-31",
    "/base?bbox=111,30,112,31",
    "/compare?left=2026-09&right=2026-10&rate=residents",
    "/compare?left=../2026-01-01&right=2026-01-01/..",
    "/compare?left=plan:1&right=plan:1",
    "/compare?left=plan:1&right=plan:99",
    *(
        f"/statistics/{method}?{ALL}{more}"
        for method in ("gi", "moran", "rates", "scan", "recent", "compare")
        for more in ("", "&units=grids&rate=households", "&rate=residents")
    ),
    f"/statistics/gi?units=buildings&{ALL}",
    "/statistics/compare?at=2026-10-01&datetime=2026-06-01/2026-12-01",
    "/statistics/scan?datetime=0001-01-01/9998-12-31&runs=99",
    "/reach?kind=odd%20%22kind%22&minutes=1",
    "/siting?kind=hydrant&add=3&aim=farthest",
    "/siting?kind=nothing&places=buildings",
    "/grids/*999/card",
)
DIVISIONS = {**CODES, "of an office": OFFICE, "hidden": HIDDEN, "with a plan": CODE}
ROLES = (Role.CENTRE, Role.PUBLIC, Role.GRID_WORKER, Role.PLANNER)


@pytest.fixture(scope="module")
def odd(module_database: db.Database) -> Iterator[Served]:
    """A town as it should be, and every odd community."""
    area = fill(module_database)
    with module_database.owner.begin() as connection:
        for state in STATES:
            found(connection, state)
    with serve(module_database, area) as served:
        yield served


@pytest.fixture(scope="module")
def clients(odd: Served) -> dict[Role, httpx.Client]:
    """A client for each role; the worker's own grid is the first of the whole community."""
    own = frozenset({f"{CODES['whole']}001"})
    return {role: odd.client(role, grids=own if role is Role.GRID_WORKER else frozenset()) for role in ROLES}


def ask(client: httpx.Client, code: str, path: str) -> httpx.Response:
    """The answer; a connection that an error closed is opened again."""
    return client.get(
        f"/centre/{code}{path.replace('*', code)}",
        headers={"accept": "application/json", "connection": "close"},
        timeout=120,
    )


def failed(answer: httpx.Response) -> bool:
    """Whether the server failed. Where it has too much to do it says so, and when to come again."""
    waits = answer.status_code == 503 and "retry-after" in answer.headers
    return answer.status_code >= 500 and not waits


def failures(clients: dict[Role, httpx.Client], paths: tuple[str, ...], answered: set[str]) -> list[str]:
    """Questions that the server failed at: each path of each division, by roles in turn."""
    roles, found = cycle(ROLES), []
    for name, code in DIVISIONS.items():
        for path in paths:
            role = next(roles)
            answer = ask(clients[role], code, path)
            if answer.status_code == 200:
                answered.add(path)
            if failed(answer):
                found.append(f"{answer.status_code} {name} {role} {path}")
        next(roles)  # so that a path meets all of them
    return found


def test_a_community_in_any_state_is_answered(clients: dict[Role, httpx.Client]) -> None:
    answered: set[str] = set()
    assert failures(clients, CORE, answered) == []
    assert answered == set(CORE)


@pytest.mark.long
def test_any_question_of_a_community_in_any_state_is_answered(clients: dict[Role, httpx.Client]) -> None:
    answered: set[str] = set()
    assert failures(clients, MORE, answered) == []
    assert len(answered) > len(MORE) - 6  # some are of what there is not


# --- odd questions ---

NAMES = (
    *("category", "status", "tier", "last", "datetime", "hours", "weekdays", "rate", "previous", "frames"),
    *("bbox", "left", "right", "units", "cell", "seed", "runs", "share", "radius", "side", "longest", "at"),
    *("areas", "kind", "minutes", "pace", "add", "aim", "places", "f", "lang", "theme", "unknown"),
)
VALUES = (
    *(
        "",
        "0",
        "-1",
        "1e400",
        "nan",
        "inf",
        "-0.0",
        "９",
        "1_000",
        "99999999999999999999",
        "true",
        "open",
        "en",
    ),
    *("24h", "2026-10", "2026-13", "2026-10-31/2026-10-01", "../..", "../2026-01-01", "9999-12-31T23:59:60Z"),
    *(
        "0001-01-01/..",
        "8-18",
        "22-6",
        "7,,12",
        "1-5",
        "households",
        "plan:1",
        "plan:-1",
        "plan:9e99",
        "grids",
    ),
    *("cells", "100", "99", "0.5", "police", "5,10", "5,5", "0,0,1,1", "180,90,-180,-90", "1,2,3", "a,b,c,d"),
    *(
        "x" * 3000,
        "\x00",
        "\ud7ff",
        "𝕏",
        "'; drop table cases; --",
        "%",
        "{0}",
        "</script>",
        "noise",
        "closed",
    ),
)
PLACES = (
    "",
    "/cases",
    "/surface",
    "/base",
    "/compare",
    "/reach",
    "/siting",
    "/grids/*001/card",
    "/grids/%00/card",
)
METHODS = ("gi", "moran", "rates", "scan", "recent", "compare", "GI", "..", "%00")


@settings(max_examples=150, deadline=None)
@given(
    code=st.sampled_from([*DIVISIONS.values(), "9", "%00", "x" * 200, "..", "%2e%2e", "９９"]),
    place=st.sampled_from([*PLACES, *(f"/statistics/{method}" for method in METHODS)]),
    query=st.lists(
        st.tuples(st.sampled_from(NAMES), st.sampled_from(VALUES) | st.text(max_size=8)), max_size=4
    ),
    role=st.sampled_from(ROLES),
)
def test_any_question_is_answered(
    clients: dict[Role, httpx.Client], code: str, place: str, query: list[tuple[str, str]], role: Role
) -> None:
    written = str(
        httpx.QueryParams([(name, value.encode(errors="replace").decode()) for name, value in query])
    )
    answer = ask(clients[role], code, f"{place}?{written}")
    assert not failed(answer), answer.text
    if answer.status_code >= 400:
        assert answer.json()["detail"]
        assert "select" not in answer.text.lower()


# --- what happens meanwhile ---


@contextmanager
def before(database: db.Database, number: int, act: Callable[[str], str]) -> Iterator[list[int]]:
    """Act before the so-many-th statement of the service: what `act` makes of it is executed. Yields how many
    there were.
    """
    counted = [0]

    def look(_: Connection, __: Any, statement: str, values: Any, *___: Any) -> tuple[str, Any]:
        counted[0] += 1
        if counted[0] != number:
            return statement, values
        changed = act(statement)
        return (statement, values) if changed == statement else (changed, {})

    event.listen(database.app, "before_cursor_execute", look, retval=True)
    try:
        yield counted
    finally:
        event.remove(database.app, "before_cursor_execute", look)


CHANGES = {
    "deleted": "delete from divisions where code = :code",
    "emptied": "delete from cases where division_code = :code",
    "closed": "update grids set valid_to = now() where division_code = :code",
    "moved": "update divisions set geom = st_translate(geom, 0.001, 0) where code = :code",
}


def places_of(total: int) -> list[int]:
    """Where something happens: before each of the first statements, and then here and there."""
    return sorted({*range(1, min(total, 5) + 1), total // 2, total} - {0})


@pytest.mark.parametrize("change", CHANGES)
def test_a_community_that_changes_meanwhile_is_answered(
    odd: Served, clients: dict[Role, httpx.Client], change: str
) -> None:
    code, wrong, reached = CODES["whole"], [], 0

    def act(statement: str) -> str:
        nonlocal reached
        reached += 1
        with odd.database.owner.begin() as connection:
            connection.execute(text(CHANGES[change]), {"code": code})
        return statement

    for path in CORE:
        with before(odd.database, 0, act) as counted:
            assert (
                ask(clients[Role.CENTRE], code, f"{path}{'&' if '?' in path else '?'}lang=zh").status_code
                == 200
            )
        for number in places_of(counted[0]):
            with odd.database.owner.begin() as connection:  # nothing is kept of it
                clear(connection, code)
                found(connection, "whole")
            with before(odd.database, number, act):
                answer = ask(clients[Role.CENTRE], code, path)
            if answer.status_code not in (200, 404):
                wrong.append(f"{answer.status_code} {path} {number}: {answer.text}")
        with odd.database.owner.begin() as connection:
            clear(connection, code)
            found(connection, "whole")
    assert wrong == []
    assert reached > 2 * len(CORE)


def test_a_statement_that_takes_too_long_is_told_plainly(odd: Served) -> None:
    hasty = db.Database(odd.database.owner, db.open_app(odd.database.app.url, statement_ms=150))
    code, wrong, told = CODES["whole"], [], 0
    try:
        with serve(hasty, odd.area) as served:
            client = served.client()
            for path in CORE:
                with before(hasty, 0, str) as counted:
                    ask(client, code, path)
                for number in places_of(counted[0]):
                    with odd.database.owner.begin() as connection:
                        clear(connection, code)
                        found(connection, "whole")
                    with before(hasty, number, lambda _: "select pg_sleep(60)") as counted:
                        answer = ask(client, code, path)
                    if counted[0] >= number:
                        told += 1
                        if answer.status_code not in (422, 503) or "detail" not in answer.json():
                            wrong.append(f"{answer.status_code} {path} {number}: {answer.text}")
    finally:
        hasty.app.dispose()
    assert wrong == []
    assert told > 2 * len(CORE)


def test_a_new_category_is_among_the_choices_at_once(odd: Served, clients: dict[Role, httpx.Client]) -> None:
    code = CODES["without cases"]
    page = f"/centre/{code}"
    assert "刚有的类别" not in clients[Role.CENTRE].get(page).text
    with odd.database.owner.begin() as connection:
        connection.execute(
            text("""
                insert into cases (division_code, case_id, category, time, geom)
                select code, 'new', '刚有的类别', now(), st_centroid(geom) from divisions where code = :code
            """),
            {"code": code},
        )
    assert "刚有的类别" in clients[Role.CENTRE].get(page).text
