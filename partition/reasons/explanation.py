"""Why a grid is out of range, or a whole is divided, as data and in Chinese and English."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from partition.findings import Finding, name_rows
from partition.geometry.zones import Mixing
from partition.solver.constraints import Reason
from partition.solver.partings import Parting
from partition.wishes.rules import Size


@dataclass(frozen=True)
class Why:
    """Why something that should be whole is not: the end of the code of its finding, and further values."""

    code: str
    values: Mapping[str, Any]


# by what it is ("compound", "village_group", "zone") and its id
Wholes = Mapping[tuple[str, str], Why]


def explain(
    reason: Reason,
    *,
    code: str,
    households: int,
    held: Sequence[float],
    sizes: Sequence[Size],
    measures: Sequence[str],
    community: str,
    buildings: Sequence[str] = (),
) -> Finding:
    """The finding on one grid that is out of range.

    households: its true households. held: what it holds by each size. measures: what each size measures, as a
    key of a text `measure.<name>`. buildings: those of the unit to blame.
    """
    names = tuple(dict.fromkeys(map(str, buildings)))
    by = _missed(reason.measure, held, sizes)
    size, source = sizes[by], reason.measure
    cause: str = "buildings" if reason.cause == "building" and len(names) > 1 else reason.cause
    values: dict[str, Any] = {
        "households": households,
        "measure": measures[by],
        "held": plain(held[by]),
        "lower": plain(size.lower),
        "upper": plain(size.upper),
        "alone": plain(reason.amount),
        "measure_alone": measures[source],
        "lower_alone": plain(sizes[source].lower),
        "upper_alone": plain(sizes[source].upper),
        "building": name_rows(names),
        "community": community,
        "proven": reason.proven,
    }
    shares = reason.division
    if shares is not None and shares.grids > 1:
        cause = "narrow"
        several = "" if shares.fewest == shares.most else f"–{shares.most}"
        values |= {
            "grids": shares.grids,
            "mean": plain(reason.amount / shares.grids),
            "least": plain(shares.least),
            "greatest": plain(shares.greatest),
            "possible": f"{shares.fewest}{several}",
        }
    if reason.allowed is not None:
        for place, at in zip(("first", "second"), range(len(sizes)), strict=True):
            values |= {
                f"alone_{place}": plain(reason.allowed.amounts[at]),
                f"measure_{place}": measures[at],
                f"possible_{place}": _span(*reason.allowed.numbers[at]),
            }
    return Finding(f"size_{cause}", "violated", "grids", rows=(code,), values=values)


def _missed(measure: int, held: Sequence[float], sizes: Sequence[Size]) -> int:
    """The measure of the reason if the grid misses that range, else the one that it misses by most."""
    off = [
        max(size.lower - amount, amount - size.upper, 0.0) / size.target
        for amount, size in zip(held, sizes, strict=True)
    ]
    return measure if off[measure] > 0 or not any(off) else off.index(max(off))


def _span(least: int, greatest: int | None) -> str:
    if greatest is None:
        return f"≥{least}"
    return str(least) if least == greatest else f"{least}–{greatest}"


def explain_parting(parting: Parting, sizes: Sequence[Size], measures: Sequence[str]) -> Why:
    """Why a compound or a village group lies in several grids; sizes and measures as in `explain`."""
    values: dict[str, Any] = {"cause": parting.cause}
    if parting.cause in ("large", "shared"):
        values |= {"held": plain(parting.amount), "upper": plain(sizes[parting.measure].upper)}
    if parting.cause in ("number", "range"):
        values |= {"kept": plain(parting.kept), "made": plain(parting.made)}
    if parting.cause in ("large", "shared", "range"):
        values["measure"] = measures[parting.measure]
    # that it holds too much itself is told where its buildings are summed up
    code = "crowded" if parting.cause == "large" else parting.cause
    return Why(code, values)


def explain_mixing(mixing: Mixing) -> Why:
    """Why a zone that should stand apart shares grids with other ground."""
    if mixing.cause == "houses":
        return Why("houses", {"cause": "houses", "building": name_rows(mixing.buildings)})
    if mixing.cause == "ground":
        return Why("ground", {"cause": "ground", "percent": plain(100 * mixing.share)})
    return Why("drawn", {"cause": "drawn"})


def explain_wholes(
    partings: Sequence[Parting], mixed: Sequence[Mixing], sizes: Sequence[Size], measures: Sequence[str]
) -> dict[tuple[str, str], Why]:
    """Why compounds, village groups and zones of one community are not whole; see `explain_parting`."""
    found = {(one.what, one.name): explain_parting(one, sizes, measures) for one in partings}
    return found | {("zone", one.zone): explain_mixing(one) for one in mixed}


def note_size(
    code: str,
    households: int,
    held: Sequence[float],
    sizes: Sequence[Size],
    measures: Sequence[str],
    profile: str,
) -> Finding:
    """The note on a grid beyond sizes that are a guide; of two, the one that it is farther from."""
    off = [abs(amount / size.target - 1) for amount, size in zip(held, sizes, strict=True)]
    by = off.index(max(off))
    values: dict[str, Any] = {
        "households": households,
        "measure": measures[by],
        "held": plain(held[by]),
        "lower": plain(sizes[by].lower),
        "upper": plain(sizes[by].upper),
        "profile": profile,
    }
    return Finding("size_soft", "noted", "grids", rows=(code,), values=values)


def plain(value: float) -> int | float:
    """A figure for data and sentences: whole where it is, else to two digits."""
    rounded = round(float(value), 2)
    return int(rounded) if rounded.is_integer() else rounded
