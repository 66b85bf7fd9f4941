"""How many cases are open in each community, of those that a principal may see."""

from __future__ import annotations

from sqlalchemy import Connection, text

from service.access import Access
from service.store.categories import informed


def count_open_cases(connection: Connection, cases: Access) -> dict[str, int]:
    """Cases that are not closed, by community; communities without any left out. cases: what is seen."""
    cases = informed(connection, cases)
    rows = connection.execute(
        text(f"""
            select t.division_code as community, count(*) as cases from cases t
            where t.status <> 'closed' and {cases.predicate} group by 1
        """),  # noqa: S608  # identifiers come from the registry only
        cases.parameters,
    )
    return {row.community: row.cases for row in rows}
