"""The places to which cases are moved: which buildings each stands for, and who is shown where.

The places of a community are made when it is loaded or published, and written down with their buildings. A
case stays at the place that it got. When grids or buildings change, cases to come get places made anew; of
the places of before, those that no longer hold are joined whole. Were a case's place found anew, the case
would be in both places, and both together may hold fewer addresses than either. Which places are joined
depends on buildings and grids alone, never on the cases that are there.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from weakref import WeakKeyDictionary

import numpy as np
from scipy.spatial import cKDTree
from sqlalchemy import Connection, Engine, text

from service.privacy.disclosure import rules
from service.privacy.places import Codes, Numbers, Places, Points, divide_grids, find_places, join_places

# communities whose places are kept in memory; a thousand buildings take about 100 kB
KEPT = 512
COMMUNITIES_AT_ONCE = 64  # of those whose places are read, so many in one statement
# a building with another id this near to one that is gone is taken for the same, in degrees (about 30 m)
SAME_DEGREES = 0.0003
ALIKE_DEGREES = 1e-7  # of two this near one cannot be told from the other (about 1 cm)
_NOBODY = "\x1f"  # begins the id of a building of before that is not among the present ones

CASES_AT_ONCE = 50_000  # of those that get their first place, so many are held in memory

Spot = tuple[float, float]
Progress = Callable[[str, float], None]

# a row a community: arrays of numbers come packed, which is quicker to read than a row each
_BUILDINGS = text("""
    select division_code, array_agg(building_id) as ids, array_agg(grid) as grids,
           string_agg(float8send(x) || float8send(y), '') as points
    from (
        select division_code, building_id, avg(st_x(p)) as x, avg(st_y(p)) as y,
               coalesce(min(grid_code) filter (where part = 0), '') as grid
        from (select division_code, building_id, part, grid_code, st_pointonsurface(geom) as p
              from buildings where division_code = any(cast(:divisions as text[]))) b
        group by division_code, building_id
    ) n
    group by division_code
""")
_HELD = text("""
    select id, era, building_id, st_x(place) as px, st_y(place) as py, st_x(geom) as x, st_y(geom) as y, grids
    from case_places where division_code = :division order by era, building_id
""")
_KNOWN = text("""
    select division_code, array_agg(building_id) as ids, string_agg(int4send(era), '') as eras,
           string_agg(float8send(st_x(place)) || float8send(st_y(place)), '') as places
    from case_places where division_code = any(cast(:divisions as text[])) group by division_code
""")
_ADD = text("""
    insert into case_places (division_code, era, building_id, grids, place, geom)
    select :division, :era, n.id, array_remove(array[n.grid], ''), st_setsrid(st_makepoint(n.px, n.py), 4326),
           st_setsrid(st_makepoint(n.x, n.y), 4326)
    from unnest(cast(:ids as text[]), cast(:grids as text[]), cast(:pxs as float8[]), cast(:pys as float8[]),
                cast(:xs as float8[]), cast(:ys as float8[])) as n(id, grid, px, py, x, y)
""")
_RENAME = text("""
    update case_places p set building_id = n.building
    from unnest(cast(:rows as bigint[]), cast(:buildings as text[])) as n(row, building) where p.id = n.row
""")
_REMEMBER = text("""
    update case_places p set grids = p.grids || n.grid
    from unnest(cast(:rows as bigint[]), cast(:grids as text[])) as n(row, grid) where p.id = n.row
""")
_SPOTS = """
    unnest(cast(:xs as float8[]), cast(:ys as float8[]), cast(:pxs as float8[]), cast(:pys as float8[]))
        as u(x, y, px, py)
    cross join lateral (select st_setsrid(st_makepoint(u.x, u.y), 4326) as old,
                               st_setsrid(st_makepoint(u.px, u.py), 4326) as new) n
"""
_JOIN = (
    text(f"delete from case_places p using {_SPOTS}"  # noqa: S608 - the text above
         " where p.division_code = :division and p.era = :era and p.place = n.old and n.new is null"),
    text(f"update case_places p set place = n.new from {_SPOTS}"  # noqa: S608 - the text above
         " where p.division_code = :division and p.era = :era and p.place = n.old"),
)  # fmt: skip
# Cases that are told alike: what becomes of their places is worked out once for all of them.
_ALIKE = text("""
    select place_era as era, st_x(place) as x, st_y(place) as y, grid_code as grid, geom = place as exact
    from cases where division_code = :division
    group by place_era, place, grid_code, geom = place
""")
_HOMES = text("""
    select p.era, st_x(p.place) as x, st_y(p.place) as y, array_agg(distinct b.grid_code) as grids
    from case_places p
    join buildings b on b.division_code = p.division_code and b.building_id = p.building_id and b.part = 0
    where p.division_code = :division group by p.era, p.place
""")
# One update for all that becomes of them: each costs every index of the table an entry. That cases and moves
# meet by the place alone keeps the planner, which has no figures of what this transaction wrote, at a hash.
_MOVE = text("""
    update cases c set place = n.new, place_era = n.era
    from (
        select st_setsrid(st_makepoint(u.x, u.y), 4326) as old, u.was, u.grid, u.exact, u.era,
               st_setsrid(st_makepoint(u.px, u.py), 4326) as new
        from unnest(cast(:xs as float8[]), cast(:ys as float8[]), cast(:was as int[]), cast(:grids as text[]),
                    cast(:exact as boolean[]), cast(:pxs as float8[]), cast(:pys as float8[]),
                    cast(:eras as int[])) as u(x, y, was, grid, exact, px, py, era)
    ) n
    where c.division_code = :division and c.place = n.old and c.place_era is not distinct from n.was
      and c.grid_code is not distinct from n.grid and (c.geom = c.place) = n.exact
""")
# not "place is null", for which the index on places would be read, with the withheld cases of all communities
_NEW = text("""
    select id, st_x(geom) as x, st_y(geom) as y, coalesce(grid_code, '') as grid
    from cases where division_code = :division and num_nulls(place, place_era) = 2
""")
_WRITE = text("""
    update cases c set place = st_setsrid(st_makepoint(n.x, n.y), 4326), place_era = :era
    from unnest(cast(:ids as bigint[]), cast(:xs as float8[]), cast(:ys as float8[])) as n(id, x, y)
    where c.id = n.id
""")
_LAST = text("select coalesce(max(era), 0) from case_places where division_code = :division")
_FORGET = text("delete from case_places where division_code = :division and era <> all(:eras)")
_PENDING = text("""
    select distinct g.division_code from grids g
    where g.valid_to is null
      and not exists (select from case_places p where p.division_code = g.division_code)
    order by 1
""")


def spread_cases(connection: Connection, division: str, points: Points) -> Points:
    """Cases at their places (degrees, shape (m, 2)), dealt out among the buildings of each place."""
    kept = _find(connection, _read_buildings(connection, [division]), 0)[division]
    return kept.places.spread(points * kept.stretch) / kept.stretch


@dataclass(frozen=True)
class _Buildings:
    """Ids, a point each in degrees, the codes of their grids (empty: none), and what to multiply degrees by
    for metres' proportions.
    """

    ids: tuple[str, ...]
    points: Points
    grids: Codes
    stretch: Points

    @property
    def rows(self) -> dict[str, int]:
        return {building: row for row, building in enumerate(self.ids)}

    def spots(self, numbers: Numbers) -> list[Spot | None]:
        """The place of each building by its number (−1: none): the mean of its buildings."""
        found: list[Spot | None] = [None] * len(self.ids)
        order = np.lexsort((self.points[:, 1], self.points[:, 0]))
        for number in np.unique(numbers[numbers >= 0]).tolist():
            rows = order[numbers[order] == number]
            x, y = np.round(self.points[rows].mean(axis=0), 7).tolist()
            for row in rows.tolist():
                found[row] = (x, y)
        return found


def _read_buildings(connection: Connection, divisions: Sequence[str]) -> dict[str, _Buildings]:
    """The buildings of each division by their ids, in one statement."""
    found = dict.fromkeys(divisions, _Buildings((), np.empty((0, 2)), np.empty(0, dtype=str), np.ones(2)))
    for row in connection.execute(_BUILDINGS, {"divisions": list(divisions)}):
        ids = np.array(row.ids, dtype=str)
        order = np.argsort(ids)  # sums of doubles in one order
        points = _points(row.points)[order]
        stretch = np.array([np.cos(np.radians(points[:, 1].mean())), 1.0])
        grids = np.array(row.grids, dtype=str)[order]
        found[row.division_code] = _Buildings(tuple(ids[order].tolist()), points, grids, stretch)
    return found


def _points(packed: bytes) -> Points:
    """Points from PostgreSQL's doubles one after another."""
    return np.frombuffer(bytes(packed), dtype=">f8").astype(float).reshape(-1, 2)


# --- made, kept, joined ---


def place_cases(connection: Connection, division: str) -> int:
    """Make the division's places hold, and give cases without a place theirs; returns how many got one.

    Called when buildings, grids or cases came and these know their grids. Places lie in grids, so where none
    is in force there are no places. A case whose place does not hold whatever it is joined with is shown at
    no place from then on: its `place_era` stays.
    """
    found = _read_buildings(connection, [division])[division]
    cases = _Cases.of(connection, division)
    _adopt(connection, division, found, cases)
    eras: dict[int, _Era] = {}
    for row in connection.execute(_HELD, {"division": division}):
        era = eras.setdefault(row.era, _Era())
        era.ids.append(row.building_id)
        era.rows.append(row.id)
        era.places.append((row.px, row.py))
        era.points.append((row.x, row.y))
        era.grids.append(row.grids)
    for number, era in eras.items():
        cases.follow(number, _hold(connection, division, found, number, era))
    cases.withhold_strays(
        {(row.era, (row.x, row.y)): row.grids for row in connection.execute(_HOMES, {"division": division})}
    )
    cases.write(connection, division)
    last = _renew(connection, division, found, eras, cases)
    placed = _place_new(connection, division, found) if cases.has_new else 0
    connection.execute(_FORGET, {"division": division, "eras": sorted({last, *cases.eras_in_use})})
    return placed


def place_pending(connection: Connection, progress: Progress | None = None) -> None:
    """`place_cases` wherever grids are in force but no places are known: after a migration."""
    pending = connection.scalars(_PENDING).all()
    for done, division in enumerate(pending):
        if progress is not None:
            progress("places", done / len(pending))
        place_cases(connection, division)


@dataclass(frozen=True)
class _Alike:
    """Cases that one and the same becomes of: their era and place, their grid, whether they are told at their
    own point.
    """

    era: int | None
    spot: Spot | None
    grid: str | None
    exact: bool | None


@dataclass
class _Cases:
    """What becomes of a division's cases: the era and the place of each group of those alike."""

    now: dict[_Alike, tuple[int | None, Spot | None]]

    @classmethod
    def of(cls, connection: Connection, division: str) -> _Cases:
        groups = [
            _Alike(row.era, None if row.x is None else (row.x, row.y), row.grid, row.exact)
            for row in connection.execute(_ALIKE, {"division": division})
        ]
        return cls({group: (group.era, group.spot) for group in groups})

    @property
    def has_new(self) -> bool:
        """Whether there are cases that never had a place."""
        return any(now == (None, None) for now in self.now.values())

    @property
    def has_older(self) -> bool:
        """Whether there are cases at places of which it is not known what they stand for."""
        return any(era is None and spot is not None for era, spot in self.now.values())

    @property
    def last_era(self) -> int:
        return max((era for era, _ in self.now.values() if era is not None), default=0)

    @property
    def eras_in_use(self) -> set[int]:
        return {era for era, spot in self.now.values() if era is not None and spot is not None}

    def follow(self, era: int, moved: Mapping[Spot, Spot | None]) -> None:
        """Places of the era are others now, or none."""
        for group, (mine, spot) in self.now.items():
            if mine == era and spot is not None and spot in moved:
                self.now[group] = (era, moved[spot])

    def adopt(self, era: int, spots: Container[Spot]) -> None:
        """Those of no known era that are at these places are of this era."""
        for group, (mine, spot) in self.now.items():
            if mine is None and spot is not None and spot in spots:
                self.now[group] = (era, spot)

    def withdraw(self, era: int) -> None:
        """Those of no known era are at no place."""
        for group, (mine, spot) in self.now.items():
            if mine is None and spot is not None:
                self.now[group] = (era, None)

    def withhold_strays(self, homes: Mapping[tuple[int, Spot], Sequence[str | None]]) -> None:
        """Take their places from cases that are in none of the grids of their place's buildings.

        Who sees all cases of a grid or two knows of one at a place in these alone, which he does not see,
        that it is at none of its buildings. Such were reported beside them, and are in another grid since a
        redraw.
        """
        for group, (era, spot) in self.now.items():
            if spot is None:
                continue
            grids = homes.get((era, spot), ()) if era is not None else ()
            exact = group.exact and spot == group.spot
            told = len(grids) > 2 or exact or (group.grid is not None and group.grid in grids)
            if not grids or not told:
                self.now[group] = (era, None)

    def write(self, connection: Connection, division: str) -> None:
        """Let those move of which something else has become."""
        moved = [(group, group.spot, era, spot) for group, (era, spot) in self.now.items()
                 if group.spot is not None and (era, spot) != (group.era, group.spot)]  # fmt: skip
        if not moved:
            return
        connection.execute(
            _MOVE,
            {
                "division": division,
                "xs": [x for _, (x, _), _, _ in moved],
                "ys": [y for _, (_, y), _, _ in moved],
                "was": [group.era for group, *_ in moved],
                "grids": [group.grid for group, *_ in moved],
                "exact": [group.exact for group, *_ in moved],
                "pxs": [None if spot is None else spot[0] for *_, spot in moved],
                "pys": [None if spot is None else spot[1] for *_, spot in moved],
                "eras": [era for _, _, era, _ in moved],
            },
        )


@dataclass
class _Era:
    """Places made at one time, building by building: row in the table, place, point, grids that it was in."""

    ids: list[str] = field(default_factory=list)
    rows: list[int] = field(default_factory=list)
    places: list[Spot] = field(default_factory=list)
    points: list[Spot] = field(default_factory=list)
    grids: list[list[str]] = field(default_factory=list)

    @property
    def by_building(self) -> dict[str, Spot]:
        return dict(zip(self.ids, self.places, strict=True))


def _hold(
    connection: Connection, division: str, found: _Buildings, number: int, era: _Era
) -> dict[Spot, Spot | None]:
    """Join the era's places that do not hold with others of the era; what has become of those that moved."""
    _follow(connection, found, era)
    known = found.rows
    there = [(place, known[one]) for place, one in enumerate(era.ids) if one in known]
    late = [(era.rows[place], str(found.grids[row])) for place, row in there
            if found.grids[row] and found.grids[row] not in era.grids[place]]  # fmt: skip
    if late:
        connection.execute(_REMEMBER, {"rows": [row for row, _ in late], "grids": [grid for _, grid in late]})
    spots = {spot: one for one, spot in enumerate(dict.fromkeys(era.places))}
    numbers = np.full(len(found.ids), -1, dtype=np.int64)
    been: list[list[str]] = [[] for _ in found.ids]
    for place, row in there:
        numbers[row] = spots[era.places[place]]
        been[row] = era.grids[place]
    least = rules().floor.addresses
    joined = join_places(found.points * found.stretch, numbers, found.grids, least, been)
    # those joined get the middle of all their buildings, others stay where they are
    parts: dict[int, set[int]] = {}
    for _, row in there:
        parts.setdefault(int(joined[row]), set()).add(int(numbers[row]))
    middles = found.spots(joined)
    # none: all its buildings are gone, or it never holds
    after: dict[Spot, Spot | None] = dict.fromkeys(spots)
    for place, row in there:
        whole = int(joined[row])
        if whole >= 0:
            after[era.places[place]] = era.places[place] if len(parts[whole]) == 1 else middles[row]
    moved = {old: new for old, new in after.items() if old != new}
    if moved:
        values = {
            "division": division,
            "era": number,
            "xs": [x for x, _ in moved],
            "ys": [y for _, y in moved],
            "pxs": [None if new is None else new[0] for new in moved.values()],
            "pys": [None if new is None else new[1] for new in moved.values()],
        }
        for statement in _JOIN:
            connection.execute(statement, values)
        kept = [after[spot] for spot in era.places]
        era.ids = [one for one, spot in zip(era.ids, kept, strict=True) if spot]
        era.places = [spot for spot in kept if spot]
    return moved


def _follow(connection: Connection, found: _Buildings, era: _Era) -> None:
    """Take a building that stands where one of the era stood for the same: files come with other ids, or with
    the same ids for other buildings.
    """
    known = found.rows
    if not known or not era.ids:
        return
    at = (np.array(era.points) + _shift(found, era)) * found.stretch
    nearest, _ = cKDTree(found.points * found.stretch).query(at)
    gone = []
    for place, one in enumerate(era.ids):
        row = known.get(one)
        if row is not None:
            far = np.hypot(*(found.points[row] * found.stretch - at[place]))
        if row is None or far > min(SAME_DEGREES, nearest[place] + ALIKE_DEGREES):
            gone.append(place)
    if not gone:
        return
    lost = set(gone)
    there = {one for place, one in enumerate(era.ids) if place not in lost}
    free = [row for row, one in enumerate(found.ids) if one not in there]
    # an id that now is another building's stands for none of the era's, until it is found under another
    renamed = {place: f"{_NOBODY}{era.rows[place]}" for place in gone if era.ids[place] in known}
    _rename(connection, era, renamed)
    if not free:
        return
    far, near = cKDTree(found.points[free] * found.stretch).query(at[gone])
    taken: dict[int, int] = {}
    for place, metres, one in zip(gone, far.tolist(), near.tolist(), strict=True):
        if metres <= SAME_DEGREES:
            taken.setdefault(free[one], place)
    _rename(connection, era, {place: found.ids[row] for row, place in taken.items()})


def _shift(found: _Buildings, era: _Era) -> Points:
    """How far the buildings lie from where they were, all of them alike (degrees): by another datum, say."""
    known = found.rows
    both = [(place, known[one]) for place, one in enumerate(era.ids) if one in known]
    still: Points = np.zeros(2)
    if not both:
        return still
    moved = np.array([found.points[row] - era.points[place] for place, row in both])
    shift: Points = np.median(moved, axis=0)
    near = np.hypot(*((moved - shift) * found.stretch).T) <= SAME_DEGREES
    return shift if 2 * np.count_nonzero(near) > len(both) else still


def _rename(connection: Connection, era: _Era, names: Mapping[int, str]) -> None:
    if not names:
        return
    connection.execute(
        _RENAME,
        {"rows": [era.rows[place] for place in names], "buildings": list(names.values())},
    )
    for place, name in names.items():
        era.ids[place] = name


def _renew(
    connection: Connection, division: str, found: _Buildings, eras: Mapping[int, _Era], cases: _Cases
) -> int:
    """The number of the places that cases get from now on, which are made anew if they are others."""
    least = rules().floor.addresses
    spots = found.spots(divide_grids(found.points * found.stretch, found.grids, least))
    wanted = {one: spot for one, spot in zip(found.ids, spots, strict=True) if spot is not None}
    last = max(eras, default=0)
    if not wanted or (last and eras[last].by_building == wanted):
        return last
    return _write_era(connection, division, found, spots, cases.last_era)


def _write_era(
    connection: Connection, division: str, found: _Buildings, spots: Sequence[Spot | None], last: int
) -> int:
    """Write down places of another time; its number, greater than `last`, the greatest among the cases."""
    era = max(last, int(connection.scalar(_LAST, {"division": division}) or 0)) + 1
    told = [(row, spot) for row, spot in enumerate(spots) if spot is not None]
    connection.execute(
        _ADD,
        {
            "division": division,
            "era": era,
            "ids": [found.ids[row] for row, _ in told],
            "grids": [str(found.grids[row]) for row, _ in told],
            "pxs": [x for _, (x, _) in told],
            "pys": [y for _, (_, y) in told],
            "xs": [float(found.points[row, 0]) for row, _ in told],
            "ys": [float(found.points[row, 1]) for row, _ in told],
        },
    )
    return era


def _adopt(connection: Connection, division: str, found: _Buildings, cases: _Cases) -> None:
    """Write down what the places stand for that were given before that was done, or while it was not: those
    made of the present buildings, whatever their grids or in these. Others are not shown any longer.
    """
    if not cases.has_older:
        return
    least = rules().floor.addresses
    order = np.lexsort((found.points[:, 1], found.points[:, 0]))
    places = np.full(found.points.shape, np.nan)
    made = find_places((found.points * found.stretch)[order], least)
    places[order] = np.round(made / found.stretch, 7)
    anywhere: list[Spot | None] = [None if np.isnan(x) else (x, y) for x, y in places.tolist()]
    era = 0
    for spots in (anywhere, found.spots(divide_grids(found.points * found.stretch, found.grids, least))):
        era = _write_era(connection, division, found, spots, max(era, cases.last_era))
        cases.adopt(era, {spot for spot in spots if spot is not None})
    cases.withdraw(era)


def _place_new(connection: Connection, division: str, buildings: _Buildings) -> int:
    kept = _find(connection, {division: buildings}, 0)[division]
    placed = 0
    rows = connection.execute(_NEW, {"division": division}, execution_options={"yield_per": CASES_AT_ONCE})
    for cases in rows.partitions():
        points = np.array([(row.x, row.y) for row in cases], dtype=float).reshape(-1, 2)
        places = kept.of(points, [row.grid for row in cases])
        found = ~np.isnan(places[:, 0])
        if found.any():
            connection.execute(
                _WRITE,
                {
                    "era": kept.era,
                    "ids": [row.id for row, placed in zip(cases, found, strict=True) if placed],
                    "xs": places[found, 0].tolist(),
                    "ys": places[found, 1].tolist(),
                },
            )
        placed += int(found.sum())
    return placed


# --- places of cases that come one by one ---


@dataclass(frozen=True)
class KeptPlaces:
    """The places of a division at one version of the buildings; points in degrees, NaN for no place."""

    version: int
    era: int
    places: Places
    stretch: Points

    def of(self, points: Points, grids: Sequence[str | None]) -> Points:
        """The places of cases at points in grids, equal to those of `place_cases`; their era is `era`."""
        return self._degrees(self.places.of(points * self.stretch, grids))

    def of_buildings(self, points: Points) -> Points:
        """The places at which cases in buildings are told, by a point of each building."""
        return self._degrees(self.places.of(points * self.stretch))

    def deal(self, places: Points, counts: Numbers, steps: Numbers) -> tuple[Points, Numbers, Numbers]:
        """Numbers of cases at places by step, dealt out among the buildings: points, numbers, steps."""
        points, dealt, at = self.places.deal(places * self.stretch, counts, steps)
        return points / self.stretch, dealt, at

    def _degrees(self, places: Points) -> Points:
        told: Points = np.round(places / self.stretch, 7)
        return told


_kept: WeakKeyDictionary[Engine, OrderedDict[str, KeptPlaces]] = WeakKeyDictionary()
_lock = threading.Lock()


def places_of(
    connection: Connection, divisions: Iterable[str], version: int
) -> Iterator[tuple[str, KeptPlaces]]:
    """The places of each of the divisions, in their order; those that are not kept are read many at once.

    version: of the collection of buildings, read earlier in this transaction, which must not have changed
    buildings itself, and not before publications were kept from the divisions, where cases are to be written.
    What is kept is never older than its version, so it is never stale.
    """
    wanted = list(divisions)
    for first in range(0, len(wanted), COMMUNITIES_AT_ONCE):
        some = wanted[first : first + COMMUNITIES_AT_ONCE]
        with _lock:
            mine = _kept.setdefault(connection.engine, OrderedDict())
            found = {one: mine[one] for one in some if one in mine and mine[one].version == version}
        lacking = [one for one in some if one not in found]
        if lacking:
            read = _find(connection, _read_buildings(connection, lacking), version)
            found |= read
            with _lock:
                for one, kept in read.items():
                    mine[one] = kept
                    mine.move_to_end(one)
                while len(mine) > KEPT:
                    mine.popitem(last=False)
        for one in some:
            yield one, found[one]


def _find(connection: Connection, buildings: Mapping[str, _Buildings], version: int) -> dict[str, KeptPlaces]:
    """The places as they are written down: present ones, and former ones at which there are cases."""
    known = {
        row.division_code: (
            np.array(row.ids, dtype=str),
            np.frombuffer(bytes(row.eras), dtype=">i4").astype(np.int64),
            _points(row.places),
        )
        for row in connection.execute(_KNOWN, {"divisions": list(buildings)})
    }
    nothing = (np.empty(0, dtype=str), np.empty(0, dtype=np.int64), np.empty((0, 2)))
    return {one: _keep(found, *known.get(one, nothing), version) for one, found in buildings.items()}


def _keep(found: _Buildings, ids: Codes, eras: Numbers, spots: Points, version: int) -> KeptPlaces:
    """ids, eras, spots: of each building and each time at which its place was made."""
    era = int(eras.max(initial=0))
    names = np.array(found.ids, dtype=str)
    rows = np.full(len(ids), -1, dtype=np.int64)
    if len(names):
        rows = np.minimum(np.searchsorted(names, ids), len(names) - 1)
        rows[names[rows] != ids] = -1
    present, there = eras == era, rows >= 0
    places = np.full(found.points.shape, np.nan)
    places[rows[present & there]] = spots[present & there]
    at = spots[:, 0] + 1j * spots[:, 1]
    gone = there & ~np.isin(at, at[present])
    former = np.unique(np.column_stack([spots[gone], rows[gone]]), axis=0)
    homes = former[:, 2].astype(np.int64)
    stretch = found.stretch
    told = Places(found.points * stretch, places * stretch, found.grids, (former[:, :2] * stretch, homes))
    return KeptPlaces(version, era, told, stretch)
