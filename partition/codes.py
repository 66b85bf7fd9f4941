"""Codes of grids: who is numbered first, and which number is still free."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from partition.area import Area
from partition.arrays import Lengths, Numbers
from partition.errors import CodeError, InputError
from partition.findings import Finding

COMMUNITY_CODE = re.compile(r"[0-9]{12}", re.ASCII)
GRID_CODE = re.compile(r"[0-9]{15}|.+-[0-9]{3}", re.ASCII)
GREATEST = 999


def reading_order(x: Lengths, y: Lengths, area_m2: Lengths) -> Numbers:
    """The order in which a person reads the map: west to east, in bands from north to south.

    x, y are points within the grids (metres, east and north); a band is as high as a usual grid is wide.
    """
    if not len(x):
        return np.empty(0, dtype=np.int64)
    height = max(float(np.median(np.sqrt(area_m2))), 1.0)
    band = np.floor((y.max() - y) / height).astype(np.int64)
    return np.lexsort((y.round(3), x.round(3), band)).astype(np.int64)


def code_prefix(community_id: str, community_code: str) -> str:
    """What comes before the three digits: the 12-digit code, or `<id>-` where the community has none."""
    if not community_code:
        return f"{community_id}-"
    if not COMMUNITY_CODE.fullmatch(community_code):
        fault = Finding("community_code_malformed", "refused", "community", "code", rows=(community_id,))
        raise CodeError([fault])
    return community_code


def issue_codes(prefix: str, count: int, issued: Collection[str] = ()) -> list[str]:
    """The next `count` codes of a community, ascending; a code that was ever issued is never given again.

    Raises CodeError when the three digits do not suffice.
    """
    used = [
        int(code[len(prefix) :])
        for code in issued
        if code.startswith(prefix) and code[len(prefix) :].isdigit()
    ]
    first = max(used, default=0) + 1
    if first + count - 1 > GREATEST:
        values = {"number": count, "left": max(GREATEST - first + 1, 0)}
        rows = (prefix.removesuffix("-"),)
        raise CodeError([Finding("codes_exhausted", "refused", "community", rows=rows, values=values)])
    return [f"{prefix}{number:03d}" for number in range(first, first + count)]


def codes_of_buildings(
    area: Area, said: Mapping[str, Sequence[str]]
) -> tuple[npt.NDArray[np.object_], tuple[tuple[str, str], ...]]:
    """The code that a plan gives to each row of `area.buildings`, "" for none; and the pairs of id and code
    that no building has.

    said: the plan's distinct codes by building id. Where several buildings bear an id, each has the code that
    begins as those of its community. Raises InputError where that does not tell, or tells two.
    """
    homes = area.buildings[["id", "community"]].astype({"id": str})
    pairs = homes.drop_duplicates()
    shared = set(pairs["id"][pairs["id"].duplicated()])
    communities = zip(area.communities["id"], area.communities["code"], strict=True)
    prefixes = [code_prefix(str(name), str(code)) for name, code in communities]
    faults: dict[str, list[str]] = {}

    def choose(name: str, community: int) -> str:
        codes = said.get(name, ())
        if len(codes) < 2 and name not in shared:
            return codes[0] if codes else ""
        own = [code for code in codes if community >= 0 and code[:-3] == prefixes[community]]
        if len(own) > 1 or (len(codes) > 1 and name not in shared and not own):
            faults.setdefault("plan_building_twice", []).append(name)
        elif not own and not all(GRID_CODE.fullmatch(code) for code in codes):
            faults.setdefault("plan_building_ambiguous", []).append(name)
        return own[0] if own else ""

    pairs = pairs.assign(code=[choose(*pair) for pair in pairs.itertuples(index=False)])
    if faults:
        told = {code: tuple(dict.fromkeys(names)) for code, names in sorted(faults.items())}
        raise InputError([Finding(code, "refused", column="grid", rows=rows) for code, rows in told.items()])
    found = homes.merge(pairs, on=["id", "community"], how="left")["code"].to_numpy(dtype=object)
    taken = set(zip(pairs["id"], pairs["code"], strict=True))
    left = ((name, code) for name, codes in sorted(said.items()) for code in codes)
    return found, tuple(pair for pair in left if pair not in taken)


def issue_below(
    stem: str, count: int, digits: int, issued: Collection[str], tier: Mapping[str, str]
) -> list[str]:
    """The next `count` codes of a tier under `stem` (a grid's or community's code), each with `digits` more;
    none that was ever issued. `tier`: what its grids are called, by language.

    Raises CodeError when the digits do not suffice.
    """
    used = [
        int(code[len(stem) :])
        for code in issued
        if len(code) == len(stem) + digits and code.startswith(stem) and code[len(stem) :].isdigit()
    ]
    first = max(used, default=0) + 1
    left = 10**digits - first
    if count > left:
        values = {
            "tier_zh": tier["zh"],
            "tier_en": tier["en"],
            "number": count,
            "left": max(left, 0),
            "digits": digits,
        }
        raise CodeError([Finding("tier_codes_exhausted", "refused", "tiers", rows=(stem,), values=values)])
    return [f"{stem}{number:0{digits}d}" for number in range(first, first + count)]
