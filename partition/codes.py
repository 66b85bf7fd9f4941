"""Codes of grids: who is numbered first, and which number is still free."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

import numpy as np

from partition.arrays import Lengths, Numbers
from partition.errors import CodeError
from partition.findings import Finding

COMMUNITY_CODE = re.compile(r"[0-9]{12}", re.ASCII)
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
