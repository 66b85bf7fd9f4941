"""What stands in an area that a reader drew or filtered: buildings, and their households and residents."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, text

from service.access import Principal, access
from service.privacy.disclosure import rules
from service.privacy.perturbation import Part, noisy_sum
from service.query.question import Question, condition
from service.registry import COLLECTIONS
from service.store.freezing import uncleared

BUILDINGS_MOST = 50_000


@dataclass(frozen=True)
class Sums:
    """exact: whether households and residents are as they are, or with noise and None below the floor."""

    buildings: int
    households: int | None
    residents: int | None
    exact: bool
    truncated: bool = False


def sum_buildings(connection: Connection, principal: Principal, question: Question, area: Any | None) -> Sums:
    """Sums over the published buildings that answer the question and whose inner point lies in `area`.

    Those who may see the figures of each building get them exactly, the others with noise. truncated: there
    are more than BUILDINGS_MOST, and nothing was summed.
    """
    collection = COLLECTIONS["buildings"]
    allowed = access(principal, collection)
    if allowed is None:
        return Sums(0, None, None, exact=False)
    asked = condition(question, collection, allowed)
    parameters = {**asked.parameters, "most": BUILDINGS_MOST + 1}
    within = "true"
    if area is not None:
        within = "t.geom && :area and st_intersects(st_setsrid(:area, 4326), st_pointonsurface(t.geom))"
        within = within.replace(":area", "cast(:area as geometry)")
        parameters["area"] = area
    keys = connection.execute(
        text(f"""
            select distinct t.division_code, t.building_id from buildings t
            where {asked.sql} and {within} order by 1, 2 limit :most
        """),  # noqa: S608  # identifiers come from the registry only
        parameters,
    ).all()
    exact = {"households", "residents"} <= {column.name for column, _ in allowed.columns}
    if len(keys) > BUILDINGS_MOST:
        return Sums(len(keys), None, None, exact=exact, truncated=True)
    with uncleared(connection):
        secret = bytes(connection.scalar(text("select bits from secrets where name = 'noise'")))
        found = connection.execute(
            text("""
                select b.division_code || ':' || b.building_id as key, sum(b.households) as households,
                       sum(b.residents) as residents
                from unnest(cast(:divisions as text[]), cast(:buildings as text[])) as k(division, building)
                join buildings b on b.division_code = k.division and b.building_id = k.building
                group by b.division_code, b.building_id
            """),
            {"divisions": [key[0] for key in keys], "buildings": [key[1] for key in keys]},
        ).all()
    if exact:
        return Sums(
            len(found),
            sum(int(row.households) for row in found),
            round(sum(row.residents or 0.0 for row in found)),
            exact=True,
        )
    households, residents = (
        noisy_sum(secret, name, [Part(row.key, float(getattr(row, name) or 0)) for row in found])
        for name in ("households", "residents")
    )
    # known from what is told anyway, so that where the floor lies tells nothing more
    floor = rules().floor
    safe = len(found) >= floor.addresses and households >= floor.households
    return Sums(len(found), households if safe else None, residents if safe else None, exact=False)
