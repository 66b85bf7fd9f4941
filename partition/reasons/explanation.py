"""Why a grid is out of range, as a finding: data, and a sentence in Chinese and English."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from partition.findings import Finding, name_rows
from partition.solver.constraints import Reason
from partition.wishes.rules import Size


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
    size, names = sizes[reason.measure], tuple(dict.fromkeys(map(str, buildings)))
    cause: str = "buildings" if reason.cause == "building" and len(names) > 1 else reason.cause
    values: dict[str, Any] = {
        "households": households,
        "measure": measures[reason.measure],
        "held": plain(held[reason.measure]),
        "lower": plain(size.lower),
        "upper": plain(size.upper),
        "alone": plain(reason.amount),
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
    return Finding(f"size_{cause}", "violated", "grids", rows=(code,), values=values)


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
