"""Households and residents of buildings: rows of one building joined, missing figures estimated."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

Numbers = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

# floor area of a household where nothing near tells it, gross m² (ours; flats of 80 to 110 m² are usual)
FLOOR_AREA_M2 = 95.0
# so many known buildings of the community make its own floor area of a household
LEAST_KNOWN = 3
# uses in which people live, as people write them
RESIDENTIAL = (
    "resid",
    "apartment",
    "dwelling",
    "house",
    "dorm",
    "flat",
    "terrace",
    "住",
    "宅",
    "公寓",
    "宿舍",
    "居",
    "民房",
)
# "" and OSM's plain yes say nothing about the use
UNSAID = frozenset({"", "yes", "其他", "未知", "unknown"})


@dataclass(frozen=True)
class Figures:
    """Figures by row of the input, NaN where missing."""

    households: Numbers
    residents: Numbers
    shops: Numbers


@dataclass(frozen=True)
class Joined:
    """Figures by row that add up to the building's over the rows of one id; ids that came more than once."""

    households: Numbers
    residents: Numbers
    shops: Numbers
    unknown: Flags
    agreeing: tuple[str, ...]
    summed: tuple[str, ...]


def join_figures(rows: pd.DataFrame) -> Joined:
    """Join the rows of each id.

    rows: id, usable, households, residents, shops; those that are not usable come last. Rows that
    agree count once, on the building's first row; rows that differ are added up.
    """
    ids, usable = rows["id"].to_numpy(), rows["usable"].to_numpy(dtype=bool)
    joined, summed = {}, set()
    for name in ("households", "residents", "shops"):
        joined[name], added = join_column(ids, rows[name].to_numpy(dtype=float), usable)
        summed |= added
    counts = rows["id"].value_counts()
    repeated = set(counts.index[counts > 1])
    return Joined(
        **joined,
        unknown=np.isnan(joined["households"]),
        agreeing=tuple(sorted(repeated - summed)),
        summed=tuple(sorted(summed)),
    )


def join_column(ids: npt.NDArray[np.object_], values: Numbers, usable: Flags) -> tuple[Numbers, set[str]]:
    """One column joined by id as in `join_figures`, and the ids whose rows were added up."""
    found = values.copy()
    summed: set[str] = set()
    rows = pd.Series(np.flatnonzero(pd.Series(ids).duplicated(keep=False)))
    for name, members in rows.groupby(ids[rows]):
        where = members.to_numpy(dtype=np.intp)
        known = where[~np.isnan(values[where])]
        if not len(known):
            continue
        found[where] = 0.0
        if len(set(values[known])) == 1:
            found[where[0]] = values[known[0]]
            continue
        summed.add(str(name))
        found[known] = values[known]
        if usable[where[0]]:
            out = known[~usable[known]]
            found[where[0]] += values[out].sum()
            found[out] = 0.0
    return found, summed


def is_residential(use: str) -> bool | None:
    """Whether people live in a building of this use; None where the use says nothing."""
    word = use.strip().lower()
    if word in UNSAID:
        return None
    return any(part in word for part in RESIDENTIAL) and not any(
        p in word for p in ("非住", "非居", "居委", "non")
    )


def estimate_households(rows: pd.DataFrame, footprint_m2: Numbers) -> tuple[Numbers, str]:
    """Households of buildings that lack them, from floor area; NaN where there is a figure or nobody lives.

    rows: atom, community, households, unknown, use, floors. The floor area of a household is that of the
    known residential buildings of the same community if there are `LEAST_KNOWN`, else `FLOOR_AREA_M2`. A
    building without floors has as many as the median of the residential ones, else one. Also returns the m²
    a household that were reckoned with, as text.
    """
    # a use that says nothing (OSM's building=yes) is taken for a home: the figure is missing, not zero
    homes = np.array([is_residential(use) is not False for use in rows["use"]], dtype=bool)
    floors = rows["floors"].to_numpy(dtype=float)
    known_floors = floors[homes & (floors > 0)]
    floors = np.where(floors > 0, floors, float(np.median(known_floors)) if len(known_floors) else 1.0)
    table = pd.DataFrame(
        {
            "atom": rows["atom"].to_numpy(),
            "community": rows["community"].to_numpy(),
            "area": footprint_m2 * floors,
            "households": rows["households"].to_numpy(dtype=float),
            "unknown": rows["unknown"].to_numpy(dtype=bool),
            "homes": homes,
        }
    )
    atoms = table.groupby("atom").agg(
        community=("community", "first"),
        area=("area", "sum"),
        households=("households", "sum"),
        unknown=("unknown", "all"),
        homes=("homes", "any"),
    )
    found = np.full(len(table), np.nan)
    basis = {}
    estimates = []
    first = table.reset_index().groupby("atom")["index"].first()
    for community, part in atoms.groupby("community"):
        known = part[part["homes"] & ~part["unknown"] & (part["households"] > 0)]
        enough = len(known) >= LEAST_KNOWN
        per_home = float(known["area"].sum() / known["households"].sum()) if enough else FLOOR_AREA_M2
        wanted = part[part["unknown"] & part["homes"]]
        if len(wanted):
            basis[str(community)] = round(per_home, 1)
        estimates.append((wanted["area"] / per_home).round())
    if estimates:
        estimate = pd.concat(estimates)
        found[table["atom"].isin(estimate.index)] = 0.0
        found[first[estimate.index].to_numpy()] = estimate.to_numpy()
    return found, ", ".join(f"{value:g}" for value in dict.fromkeys(basis.values()))
