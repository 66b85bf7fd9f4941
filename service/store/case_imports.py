"""Many cases at once: located by whole columns, and stored by one COPY, all of them or none."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from psycopg.errors import UniqueViolation
from sqlalchemy import Connection, insert, text

from partition.errors import InputError
from partition.findings import Finding
from service import models
from service.access import Principal
from service.privacy.disclosure import rules
from service.registry import COLLECTIONS
from service.store.audit import record
from service.store.cases import Located, place_in_grids, share
from service.store.merge import driver_of

if TYPE_CHECKING:
    from service.intake.case_file import CaseFile

AT_ONCE = 20_000  # rows that are written out before they are sent

Numbers = npt.NDArray[np.int64]
Progress = Callable[[str, float], None]

_DIVISIONS = text("""
    select d.code, st_asbinary(d.geom) as shape from divisions d
    where d.tier = 'community' and d.geom && st_makeenvelope(:west, :south, :east, :north, 4326)
    order by d.code
""")
_GRIDS = text("""
    select g.code, g.division_code, st_asbinary(g.geom) as shape from grids g
    where g.valid_to is null and g.division_code = any(:codes) order by g.code
""")
_HOMES = text("""
    select b.division_code, b.building_id, b.grid_code from buildings b
    where b.part = 0 and b.grid_code is not null and (b.division_code, b.building_id) in (
        select * from unnest(cast(:divisions as text[]), cast(:buildings as text[])))
""")
_TAKEN = text("""
    select n.place
    from unnest(cast(:divisions as text[]), cast(:ids as text[])) with ordinality as n(division, id, place)
    join cases c on c.division_code = n.division and c.case_id = n.id order by n.place
""")

_COPY = (
    "copy cases (division_code, case_id, category, time, due_at, status, tier, building_id, grid_code, place,"
    " place_era, geom, import_id) from stdin"
)


@dataclass(frozen=True)
class Imported:
    """How many cases came into how many communities; without: those in no grid in force."""

    cases: int
    communities: int
    without: int


def import_cases(
    connection: Connection, principal: Principal, file: CaseFile, progress: Progress
) -> Imported:
    """Store the cases within the caller's transaction, each in the grid in force around it (a case at a known
    building in the building's), at a place of several addresses, announced once a community.

    Raises InputError, naming rows, if some lie in no community or are there already.
    """
    import shapely

    if not len(file):
        return Imported(0, 0, 0)
    progress("locate", 0.0)
    points = shapely.points(file.points)
    codes, division = _divisions(connection, file, points)
    if (division < 0).any():
        raise _refusal(file, "case_outside", np.flatnonzero(division < 0).tolist())
    divisions = codes[division]
    if any(file.communities):  # a file may name some, and leave others to their points
        keys = list(zip(divisions, file.ids, strict=True))
        if len(seen := Counter(keys)) < len(keys):
            twice = [row for row, key in enumerate(keys) if seen[key] > 1]
            raise _refusal(file, "intake_id_repeated", twice, "id")
    share(connection, COLLECTIONS["cases"], divisions)
    grids = _grids(connection, file, points, divisions)
    progress("locate", 0.5)
    located = place_in_grids(connection, divisions, file.points, grids)
    progress("cases", 0.0)
    try:
        with connection.begin_nested():
            number = connection.scalar(
                insert(models.case_imports)
                .values(actor=principal.subject)
                .returning(models.case_imports.c.id)
            )
            _copy(connection, file, divisions, located, number, progress)
    except UniqueViolation:
        rows = connection.scalars(_TAKEN, {"divisions": divisions.tolist(), "ids": list(file.ids)}).all()
        raise _refusal(file, "case_taken", [row - 1 for row in rows]) from None
    found, counts = np.unique(divisions, return_counts=True)
    for code, count in zip(found.tolist(), counts.tolist(), strict=True):
        record(connection, principal, "import", code, details={"cases": count})
    return Imported(len(file), len(found), sum(grid is None for grid in grids))


def _refusal(file: CaseFile, code: str, rows: Sequence[int], column: str = "") -> InputError:
    named = tuple(f"#{row + 1}" for row in rows)
    return InputError([Finding(code, "refused", "cases", column, named, file=file.path)])


def _divisions(connection: Connection, file: CaseFile, points: Any) -> tuple[Any, Numbers]:
    """Codes, and for each case which of them is its community's; -1: none."""
    (west, south), (east, north) = file.points.min(axis=0), file.points.max(axis=0)
    box = {"west": float(west), "south": float(south), "east": float(east), "north": float(north)}
    rows = connection.execute(_DIVISIONS, box).all()
    codes = np.array([row.code for row in rows], dtype=object)
    case, found = _covering(points, [bytes(row.shape) for row in rows])
    if any(file.communities):
        named = np.array(file.communities, dtype=object)
        right = (named[case] == "") | (named[case] == codes[found])
        case, found = case[right], found[right]
    return codes, _first(case, found, len(file))


def _grids(connection: Connection, file: CaseFile, points: Any, divisions: Any) -> list[str | None]:
    """The code of each case's grid."""
    rows = connection.execute(_GRIDS, {"codes": sorted(set(divisions.tolist()))}).all()
    codes = np.array([row.code for row in rows], dtype=object)
    owners = np.array([row.division_code for row in rows], dtype=object)
    case, found = _covering(points, [bytes(row.shape) for row in rows])
    own = owners[found] == divisions[case] if len(found) else np.zeros(0, dtype=bool)
    grid = _first(case[own], found[own], len(file))
    located: list[str | None] = [None if one < 0 else str(codes[one]) for one in grid.tolist()]
    known = [row for row, building in enumerate(file.buildings) if building]
    if known:
        asked = {(divisions[row], file.buildings[row]) for row in known}
        parts = {"divisions": [one for one, _ in asked], "buildings": [one for _, one in asked]}
        homes = {
            (row.division_code, row.building_id): row.grid_code for row in connection.execute(_HOMES, parts)
        }
        for row in known:
            located[row] = homes.get((divisions[row], file.buildings[row]), located[row])
    return located


def _covering(points: Any, shapes: Sequence[bytes]) -> tuple[Numbers, Numbers]:
    """Pairs of a point and a shape that covers it, its border included."""
    import shapely

    tree = shapely.STRtree(shapely.from_wkb(np.array(shapes, dtype=object)))
    point, shape = tree.query(points, "intersects")
    return point, shape


def _first(case: Numbers, found: Numbers, count: int) -> Numbers:
    """For each case the first of what was found for it; -1: nothing."""
    nothing = np.iinfo(np.int64).max
    chosen = np.full(count, nothing)
    np.minimum.at(chosen, case, found)
    return np.where(chosen == nothing, -1, chosen)


# --- COPY ---


def _copy(
    connection: Connection,
    file: CaseFile,
    divisions: Any,
    located: Located,
    number: int,
    progress: Progress,
) -> None:
    with driver_of(connection).cursor() as cursor, cursor.copy(_COPY) as copy:
        for done, block in _blocks(file, divisions, located, number):
            copy.write(block)
            progress("cases", done / len(file))


def _blocks(file: CaseFile, divisions: Any, located: Located, number: int) -> Iterator[tuple[int, str]]:
    """The rows as COPY's text, those beside each other in turn: so the indexes grow in order.

    Who reads cases in the order of their keys sees this order. It tells nothing but what everybody sees: not
    the grid, and no key is left out between them, since those withheld come last.
    """
    grids, places = located.grids, located.places
    secret = {category: rules().sensitive(category) for category in set(file.categories)}
    withheld = np.array([secret[category] for category in file.categories]) | np.isnan(places[:, 0])
    order = np.lexsort((file.times, places[:, 0], places[:, 1], divisions, withheld)).tolist()
    ids, categories, buildings = (_escaped(one) for one in (file.ids, file.categories, file.buildings))
    for first in range(0, len(file), AT_ONCE):
        rows = order[first : first + AT_ONCE]
        columns = (
            [divisions[row] for row in rows],
            [ids[row] for row in rows],
            [categories[row] for row in rows],
            np.datetime_as_string(file.times[rows], unit="us", timezone="UTC").tolist(),
            np.datetime_as_string(file.dues[rows], unit="us", timezone="UTC").tolist(),
            [file.statuses[row] for row in rows],
            [file.tiers[row] for row in rows],
            [buildings[row] or r"\N" for row in rows],
            [grids[row] or r"\N" for row in rows],
            _hexadecimal(places[rows]),
            [r"\N" if located.eras[row] is None else str(located.eras[row]) for row in rows],
            _hexadecimal(file.points[rows]),
            [str(number)] * len(rows),
        )
        yield first + len(rows), "\n".join(map("\t".join, zip(*columns, strict=True))) + "\n"


_ESCAPES = str.maketrans({"\\": r"\\", "\t": r"\t", "\n": r"\n", "\r": r"\r"})


def _escaped(texts: Sequence[str]) -> Sequence[str]:
    """The texts as COPY wants them."""
    whole = "".join(texts)
    if not any(mark in whole for mark in "\\\t\n\r"):
        return texts
    return [text.translate(_ESCAPES) for text in texts]


_POINT = np.dtype([("head", "u1", 9), ("x", "<f8"), ("y", "<f8")])
_HEAD = b"\x01\x01\x00\x00\x20\xe6\x10\x00\x00"  # little-endian point with SRID 4326


def _hexadecimal(points: Any) -> list[str]:
    """EWKB of points in degrees; nothing where there is none."""
    made = np.zeros(len(points), dtype=_POINT)
    made["head"] = np.frombuffer(_HEAD, dtype="u1")
    made["x"], made["y"] = points[:, 0], points[:, 1]
    written, width = made.tobytes().hex(), 2 * made.dtype.itemsize
    nowhere = np.isnan(points[:, 0]).tolist()
    return [
        r"\N" if none else written[place * width : (place + 1) * width] for place, none in enumerate(nowhere)
    ]
