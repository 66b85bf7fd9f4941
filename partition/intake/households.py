"""Households and residents of buildings: rows of one building joined, missing figures estimated."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
import shapely
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

Numbers = npt.NDArray[np.float64]
Labels = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

# floor area of a household where nothing near tells it, gross m² (ours; flats of 80 to 110 m² are usual)
FLOOR_AREA_M2 = 95.0
# parts of one building on both sides of a community's border are at most this far apart, metres
PARTED_M = 3.0
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


def tell_buildings(
    ids: npt.NDArray[np.object_], community: Labels, shapes: npt.NDArray[np.object_], usable: Flags
) -> Labels:
    """The building of each row, as a number. Rows with one id are one building, unless they lie in different
    communities, more than 3 m apart: many a house number is unique within its community only.

    community: where each row lies, -1 outside all. shapes: in metres, those of usable rows valid. A row that
    is not usable is of the building with its id, or one of its own where there are several.
    """
    name = np.asarray(pd.factorize(ids)[0], dtype=np.int64)
    table = pd.DataFrame({"name": name, "community": community})[usable]
    table = table[table.groupby("name")["community"].transform("nunique") > 1]
    if not len(table):
        return name
    rows, names = table.index.to_numpy(), table["name"].to_numpy()
    place = table.groupby(["name", "community"]).ngroup().to_numpy()
    near = shapely.STRtree(shapes[rows]).query(shapes[rows], predicate="dwithin", distance=PARTED_M)
    one, other = near[:, names[near[0]] == names[near[1]]]
    places = int(place.max()) + 1
    links = coo_array((np.ones(len(one)), (place[one], place[other])), shape=(places, places))
    part = connected_components(links, directed=False)[1][place]
    several = pd.Series(part).groupby(names).transform("nunique").to_numpy() > 1
    building = name.copy()
    building[rows[several]] = len(name) + part[several]
    return building


@dataclass(frozen=True)
class Joined:
    """Figures by row that add up to the building's over its rows; ids of buildings of several rows."""

    households: Numbers
    residents: Numbers
    shops: Numbers
    unknown: Flags
    agreeing: tuple[str, ...]
    summed: tuple[str, ...]


def join_figures(rows: pd.DataFrame) -> Joined:
    """Join the rows of each building.

    rows: building (as of `tell_buildings`), id, usable, households, residents, shops; those that are not
    usable come last. Rows that agree count once, on the building's first row; rows that differ are added up.
    """
    building, usable = rows["building"].to_numpy(), rows["usable"].to_numpy(dtype=bool)
    joined, summed = {}, set()
    for name in ("households", "residents", "shops"):
        joined[name], added = join_column(building, rows[name].to_numpy(dtype=float), usable)
        summed |= added
    repeated = rows[rows["building"].duplicated(keep=False)]
    added_up = repeated["building"].isin(summed)
    return Joined(
        **joined,
        unknown=np.isnan(joined["households"]),
        agreeing=tuple(sorted(set(repeated["id"][~added_up]))),
        summed=tuple(sorted(set(repeated["id"][added_up]))),
    )


def join_column(building: Labels, values: Numbers, usable: Flags) -> tuple[Numbers, set[int]]:
    """One column joined by building as in `join_figures`, and the buildings whose rows were added up."""
    found = values.copy()
    summed: set[int] = set()
    rows = np.flatnonzero(pd.Series(building).duplicated(keep=False))
    order = rows[np.argsort(building[rows], kind="stable")]
    starts = np.flatnonzero(np.diff(building[order])) + 1
    for where in np.split(order, starts) if len(rows) else ():
        known = where[~np.isnan(values[where])]
        if not len(known):
            continue
        found[where] = 0.0
        if len(set(values[known])) == 1:
            found[where[0]] = values[known[0]]
            continue
        summed.add(int(building[where[0]]))
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
