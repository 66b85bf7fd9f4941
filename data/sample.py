"""The sample community: a synthetic place to try everything on.

Modelled on the published figures of a real community (0.48 km², three estates, 226 buildings, 4,413
households, about 12,142 residents), but invented throughout: no street, house, case, person or telephone
number of it exists, its coordinates say nothing about what lies there, and its county code 999901 is not
assigned to any place (GB/T 2260 has no province 99).

`python -m data.sample` writes the stored file anew.
"""

from __future__ import annotations

from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pyogrio
import shapely
from numpy.typing import NDArray
from shapely.affinity import translate
from shapely.geometry.base import BaseGeometry

from data.casebook import write_cases
from data.furniture import place_facilities
from data.origin import LICENCE as LICENCE
from data.origin import SOURCE as SOURCE
from data.plan_file import replacing
from data.town import House, Town, draw_town

SEED = 20251101
ID = "999901001001"
NAME = "样例社区（合成数据）"
BUILDINGS, HOUSEHOLDS, RESIDENTS = 226, 4413, 12142
STAFFED_GRIDS = 15

CRS = "EPSG:4490"  # CGCS2000, geographic
BELT = "EPSG:4546"  # CGCS2000 / 3-degree Gauss-Krüger CM 111E: metres, where the plan lies
ORIGIN = (530_000.0, 3_450_000.0)  # easting and northing of the plan's corner, chosen as round figures
DIGITS = 8  # decimals of a degree: about a millimetre

Frames = dict[str, gpd.GeoDataFrame | pd.DataFrame]

USES = {
    "towers": "residential",
    "slabs": "residential",
    "yard": "residential",
    "front": "mixed",
    "old": "residential",
}
# Residents in a household, and the share of dwellings that are lived in.
QUARTERS = {
    "towers": (2.95, 0.95),
    "slabs": (2.75, 0.97),
    "yard": (2.45, 0.96),
    "front": (2.80, 0.97),
    "old": (2.30, 0.90),
}
# Share of residents by group, as (elderly_alone, disabled, low_income, left_behind_children, floating).
GROUPS = ("elderly_alone", "disabled", "low_income", "left_behind_children", "floating")
SHARES = {
    "towers": (0.006, 0.008, 0.003, 0.001, 0.11),
    "slabs": (0.022, 0.017, 0.012, 0.004, 0.13),
    "yard": (0.048, 0.028, 0.024, 0.002, 0.07),
    "front": (0.014, 0.014, 0.010, 0.005, 0.24),
    "old": (0.055, 0.036, 0.040, 0.012, 0.30),
}
# Ordinals instead of names: nobody is called so.
ORDINALS = "甲乙丙丁戊己庚辛壬癸子丑寅卯辰"


def path() -> Path:
    """The stored GeoPackage of the sample community."""
    return Path(__file__).parent / "sample" / "community.gpkg"


def make_sample(rng: np.random.Generator | None = None) -> Frames:
    """All layers of the sample community by name, in EPSG:4490; `population_groups` and `staff` are tables.

    `rng` is what chance is drawn from; without it a PCG64 generator with the fixed seed of the stored file.
    """
    rng = rng or np.random.Generator(np.random.PCG64(SEED))
    of_homes, of_people, of_groups, of_cases = rng.spawn(4)
    town = draw_town(BUILDINGS)
    households = _settle(town.houses, of_homes)
    residents = _share(
        households * np.array([QUARTERS.get(house.quarter, (0.0, 0.0))[0] for house in town.houses])
        * of_people.uniform(0.94, 1.06, len(town.houses)),
        RESIDENTS,
    )  # fmt: skip
    ids = [f"B{k:03d}" for k in range(1, len(town.houses) + 1)]
    frames: Frames = {
        "community": gpd.GeoDataFrame(
            {"id": [ID], "name": [NAME], "code": [ID], "class": ["urban"], "source": [SOURCE]},
            geometry=[town.border],
        ),
        "streets": _streets(town),
        "buildings": gpd.GeoDataFrame(
            {
                "id": ids,
                "households": households,
                "residents": residents,
                "use": [USES.get(house.quarter, house.quarter) for house in town.houses],
                "floors": [house.floors for house in town.houses],
                "name": [house.name for house in town.houses],
            },
            geometry=[house.shape for house in town.houses],
        ),
        "compounds": gpd.GeoDataFrame(
            {"id": [e.id for e, _ in town.estates], "name": [e.name for e, _ in town.estates]},
            geometry=[ground for _, ground in town.estates],
        ),
        "facilities": place_facilities(town),
        "cases": write_cases(town, households.astype(float), of_cases),
        "population_groups": _groups(ids, town.houses, residents, of_groups),
        "staff": _staff(),
    }
    return {name: _to_degrees(frame) if "geometry" in frame else frame for name, frame in frames.items()}


def write_sample(path: Path) -> None:
    """Write the sample community to a GeoPackage; an old file is replaced when the new one is complete.

    Raises InputError where the folder cannot be written.
    """
    with replacing(path) as draft:
        for k, (name, frame) in enumerate(make_sample().items()):
            # a GeoPackage keeps times in UTC
            times = [column for column in ("time", "due") if column in frame]
            frame = frame.assign(**{column: frame[column].dt.tz_convert("UTC") for column in times})
            pyogrio.write_dataframe(frame, draft, layer=name, driver="GPKG", append=k > 0)


def _settle(houses: list[House], rng: np.random.Generator) -> NDArray[np.int64]:
    """Households by building: most dwellings are lived in, and all together are HOUSEHOLDS."""
    dwellings = np.array([house.floors * house.dwellings for house in houses], dtype=float)
    lived_in = np.array([QUARTERS.get(house.quarter, (0.0, 0.0))[1] for house in houses])
    wanted = dwellings * np.clip(lived_in + rng.normal(0.0, 0.025, len(houses)), 0.5, 1.0)
    wanted = np.where(dwellings > 0, np.maximum(wanted, 1.0), 0.0)
    return _share(wanted, HOUSEHOLDS)


def _share(weights: NDArray[np.float64], total: int) -> NDArray[np.int64]:
    """Whole numbers in proportion to `weights` that add up to `total` (largest remainders)."""
    exact = weights * total / weights.sum()
    whole: NDArray[np.int64] = np.floor(exact).astype(np.int64)
    order = np.argsort(-(exact - whole), kind="stable")
    whole[order[: total - int(whole.sum())]] += 1
    return whole


def _streets(town: Town) -> gpd.GeoDataFrame:
    ways = [way for way, _ in town.ways]
    return gpd.GeoDataFrame(
        {
            "id": [f"S{k:03d}" for k in range(1, len(ways) + 1)],
            "class": [way.class_ for way in ways],
            "bridge": [way.bridge for way in ways],
            "tunnel": [way.tunnel for way in ways],
            "layer": np.array([way.layer for way in ways], dtype=np.int32),
            "oneway": [way.oneway for way in ways],
            "name": [way.name for way in ways],
        },
        geometry=[line for _, line in town.ways],
    )


def _groups(
    ids: list[str], houses: list[House], residents: NDArray[np.int64], rng: np.random.Generator
) -> pd.DataFrame:
    """Counts by building and group; a resident is counted in one group at most, and zeros are left out."""
    rows = []
    for building, house, people in zip(ids, houses, residents, strict=True):
        if not people:
            continue
        shares = SHARES[house.quarter]
        counts = rng.multinomial(people, [*shares, 1 - sum(shares)])[:-1]
        rows += [(building, group, int(count)) for group, count in zip(GROUPS, counts, strict=True) if count]
    return pd.DataFrame(rows, columns=["building", "category", "count"])


def _staff() -> pd.DataFrame:
    """A leader and a worker for each grid by its number; ordinals for names, telephones that do not exist."""
    rows = []
    for k, ordinal in enumerate(ORDINALS[:STAFFED_GRIDS], start=1):
        rows.append((f"{k:03d}", "网格长", f"网格长{ordinal}", f"000-0000-01{k:02d}"))
        rows.append((f"{k:03d}", "网格员", f"网格员{ordinal}", f"000-0000-02{k:02d}"))
    return pd.DataFrame(rows, columns=["grid", "role", "name", "phone"])


def _to_degrees(frame: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    def moved(shape: BaseGeometry) -> BaseGeometry:
        return translate(shape, *ORIGIN)

    degrees = frame.set_geometry(frame.geometry.map(moved), crs=BELT).to_crs(CRS)
    shapes = shapely.transform(degrees.geometry.array, lambda xy: np.round(xy, DIGITS))
    return degrees.set_geometry(shapes)


if __name__ == "__main__":
    write_sample(path())
