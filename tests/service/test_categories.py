"""What is remembered of categories changes no answer: only the pattern says which are withheld."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, Engine, text

from service.access import Access, Principal, Role, access
from service.privacy.disclosure import rules
from service.registry import COLLECTIONS
from service.store import categories
from service.store.communities import load_area

from .towns import make_layers, make_town

pytestmark = pytest.mark.database

CATEGORIES = (
    "noise",
    "占道经营",
    "Family dispute",
    "邻里纠纷",
    "WELFARE",
    "",
    "noise ",
    "独居老人走访",
    "垃圾",
)


def allowed(principal: Principal) -> Access:
    found = access(principal, COLLECTIONS["cases"])
    assert found is not None
    return found


def rows(connection: Connection, cases: Access) -> Sequence[str]:
    """Which of the categories a case may have that `cases` lets through, its own grid another's."""
    return list(
        connection.scalars(
            text(f"""
                select t.category from unnest(cast(:all as text[])) with ordinality as c(category, place)
                cross join lateral (select c.category, c.place, '99' as division_code, '9' as grid_code) t
                where {cases.predicate} order by t.place
            """),  # noqa: S608  # the predicate under test
            {**cases.parameters, "all": list(CATEGORIES)},
        )
    )


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(known=st.sets(st.sampled_from(CATEGORIES)), role=st.sampled_from([Role.PLANNER, Role.GRID_WORKER]))
def test_whatever_is_known_the_rows_are_the_same(connection: Connection, known: set[str], role: Role) -> None:
    connection.execute(
        text("insert into published_divisions (division_code) values ('99') on conflict do nothing")
    )
    cases = allowed(Principal(role, ("",), frozenset({"8"}) if role is Role.GRID_WORKER else frozenset()))
    told = rows(connection, cases)
    assert told == [one for one in CATEGORIES if not rules().sensitive(one)] != list(CATEGORIES)
    withheld = sorted(one for one in known if rules().sensitive(one))
    quicker = cases.knowing(sorted(known - set(withheld)), withheld)
    assert rows(connection, quicker) == told
    assert quicker.fingerprint != cases.fingerprint


def test_the_centre_sees_all_and_nothing_is_looked_up(connection: Connection) -> None:
    cases = allowed(Principal(Role.CENTRE))
    assert categories.informed(connection, cases) is cases


def test_categories_are_learnt_from_the_cases_whoever_asks_first(
    owner_engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(categories, "_SAMPLE", text(str(categories._SAMPLE).replace("(1)", "(100)")))
    with owner_engine.connect() as connection, connection.begin() as transaction:
        area = make_town()
        load_area(connection, area, make_layers(area, cases=30), synthetic=True)
        connection.execute(text("update cases set category = '邻里纠纷' where id % 3 = 0"))
        categories._known.pop(connection.engine, None)
        quicker = categories.informed(connection, allowed(Principal(Role.CONSUMER, ("nowhere",))))
        kinds = set(connection.scalars(text("select distinct category from cases")))
        assert set(quicker.parameters["known_withheld"]) == set(filter(rules().sensitive, kinds))
        assert set(quicker.parameters["known_shown"]) == {one for one in kinds if not rules().sensitive(one)}
        assert {"邻里纠纷", "rubbish"} <= kinds
        categories._known.pop(connection.engine)
        transaction.rollback()
