"""Codes of grids as people write them: the last three digits, and runs of them shortened. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby

_RUN = 3  # so many in a row are written as first and last


def short_code(code: str) -> str:
    """What tells a grid from the others of its community."""
    return code[-3:]


def short_codes(codes: Sequence[str]) -> str:
    """Several grids of one community: `001–004, 007`."""
    endings = sorted(short_code(code) for code in codes)
    return ", ".join(_runs(endings))


def _runs(endings: Sequence[str]) -> Iterable[str]:
    def place(pair: tuple[int, str]) -> tuple[bool, int]:
        number, ending = pair
        return ending.isdigit(), int(ending) - number if ending.isdigit() else number

    for _, run in groupby(enumerate(endings), key=place):
        mine = [ending for _, ending in run]
        if len(mine) >= _RUN:
            yield f"{mine[0]}–{mine[-1]}"
        else:
            yield from mine
