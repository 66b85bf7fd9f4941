"""Communities in every odd state that a division may be met in, each a square of 400 m."""
# ruff: noqa: S608  # the SQL is put together from what stands here

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, text

OFFICE = "990102009"
SIDE = 0.004  # degrees of a community's side
APART = 0.02


@dataclass(frozen=True)
class State:
    """What a community has: grids side by side, buildings and cases on a lattice, streets across.

    times: SQL of the time of case `n`. spread: how far from the middle cases lie, in sides (1: all over it,
    9: beyond it, 0: on one point). high: how many degrees high it is.
    """

    grids: int = 4
    buildings: int = 36
    cases: int = 60
    streets: int = 3
    facilities: int = 3
    households: int = 80
    residents: str = "200"
    closed: bool = False
    times: str = "timestamptz '2026-10-20' - n * interval '19 hours'"
    spread: float = 1.0
    category: str = "(array['noise', 'rubbish', 'dispute'])[1 + n % 3]"
    name: str = "'社区'"
    high: float = SIDE
    synthetic: bool = True


STATES = {
    "whole": State(),
    "of now": State(synthetic=False, times="now() - n * interval '7 hours'"),
    "bare": State(grids=0, buildings=0, cases=0, streets=0, facilities=0),
    "without grids": State(grids=0),
    "with closed grids": State(closed=True),
    "without cases": State(cases=0),
    "with one case": State(cases=1),
    "without buildings": State(buildings=0, facilities=0),
    "with one building": State(buildings=1, grids=1, cases=5, streets=1, facilities=1),
    "without streets": State(streets=0),
    "with cases outside": State(spread=9.0),
    "with cases on one point": State(spread=0.0, times="timestamptz '2026-10-20 08:00+08'"),
    "without people": State(households=0, residents="null"),
    "a strip": State(high=0.000002, buildings=0),
    "of all times": State(times="timestamptz '0001-01-03' + n * interval '60820 days'", cases=60),
    "with odd words": State(
        category="""(array['', '</script><script>alert(1)</script>', E'\\'; drop table cases; --', '%s {0}',
                    '𝕏'])[1 + n % 5] || case when n % 7 = 0 then repeat('长', 300) else '' end""",
        name="""'<b>"''&amp;{{ 7 * 7 }}%'""",
    ),
}
CODES = {state: f"{OFFICE}{100 + place}" for place, state in enumerate(STATES)}


def found(connection: Connection, name: str) -> str:
    """Make the community of a state, as the owner; its code."""
    state, code = STATES[name], CODES[name]
    west = 111.3 + APART * list(STATES).index(name)
    values = {
        "code": code,
        "west": west,
        "south": 30.7,
        "wide": SIDE,
        "high": state.high,
        "grids": state.grids,
        "buildings": state.buildings,
        "cases": state.cases,
        "streets": state.streets,
        "facilities": state.facilities,
        "households": state.households,
        "spread": state.spread,
        "synthetic": state.synthetic,
    }
    box, edge = "st_makeenvelope({}, {}, {}, {}, 4326)", ":west + :wide / greatest(:grids, 1)"
    for sql in (
        f"""insert into divisions
                (division_code, code, community_id, name, synthetic, source_crs, metric_crs, geom)
            values (:code, :code, :code, {state.name}, :synthetic, 'EPSG:4546', 'EPSG:4546',
                {box.format(":west", ":south", ":west + :wide", ":south + :high")})""",
        f"""insert into grids
                (division_code, code, households, residents, buildings, area_m2, valid_from, geom)
            select :code, :code || lpad(n::text, 3, '0'), :households, {state.residents}, 9, 40000,
                timestamptz '2026-01-01',
                {box.format(f"{edge} * (n - 1)", ":south", f"{edge} * n", ":south + :high")}
            from generate_series(1, :grids) n""",
        f"""insert into buildings
                (division_code, building_id, ordinal, households, residents, use, grid_code, geom)
            select :code, 'B' || n, n, 6, 15, 'residential',
                case when :grids > 0 then :code || lpad((1 + x * :grids / 6)::text, 3, '0') end,
                {box.format("lon - 0.0001", "lat - 0.0001", "lon + 0.0001", "lat + 0.0001")}
            from generate_series(0, :buildings - 1) n, lateral (select n % 6 as x, n / 6 as y) at,
                lateral (select :west + :wide * (x + 0.5) / 6 as lon,
                                :south + :high * (y + 0.5) / 6 as lat) middle""",
        f"""insert into cases
                (division_code, case_id, category, time, due_at, status, tier, grid_code, geom, place)
            select :code, 'K' || n, {state.category}, {state.times},
                case when n % 4 > 0 then {state.times} end,
                (array['discovered', 'closed', 'handled'])[1 + n % 3],
                (array['', 'grid', 'street'])[1 + n % 3],
                case when :grids > 0 and :spread <= 1 then :code || '001' end,
                st_setsrid(st_makepoint(lon, lat), 4326),
                case when :buildings >= 8 then
                    st_setsrid(st_makepoint(round(lon::numeric, 3), round(lat::numeric, 3)), 4326) end
            from generate_series(0, :cases - 1) n,
                lateral (select :west + :wide * (0.5 + :spread * (n % 8 - 3.5) / 8) as lon,
                                :south + :high * (0.5 + :spread * (n / 8 % 8 - 3.5) / 8) as lat) at""",
        """insert into streets (division_code, ordinal, name, class, geom)
            select :code, n, '路' || n, 'local', st_makeline(
                st_setsrid(st_makepoint(:west, :south + :high * n / 4), 4326),
                st_setsrid(st_makepoint(:west + :wide, :south + :high * n / 4), 4326))
            from generate_series(1, :streets) n""",
        """insert into facilities (division_code, facility_id, kind, name, geom)
            select :code, 'F' || n, (array['police', 'hydrant', 'odd "kind"'])[n], '', st_setsrid(
                st_makepoint(:west + :wide * n / 4, :south + :high * n / 4), 4326)
            from generate_series(1, :facilities) n""",
    ):
        connection.execute(text(sql), {key: value for key, value in values.items() if f":{key}" in sql})
    if state.closed:
        connection.execute(
            text("update grids set valid_to = '2026-06-01' where division_code = :code"), {"code": code}
        )
    return code


def clear(connection: Connection, code: str) -> None:
    """Take a community away with all that is its own, as the owner."""
    connection.execute(text("delete from divisions where code = :code"), {"code": code})
