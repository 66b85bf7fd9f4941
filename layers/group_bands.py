"""Bands of a population group's figures: colours and labels, and the words where there is no figure."""

from __future__ import annotations

import re
from collections.abc import Hashable, Mapping
from typing import Any

from layers import palette
from layers.view import GroupSurface
from partition.texts import LANGUAGES


def group_bands(surface: GroupSurface) -> list[dict[str, Any]]:
    """Rank, colour and label of each band from the lowest to the highest that an area has; fewest first.

    With `surface.bands` a band's colour depends on the band alone, so that maps can be compared.
    """
    cells = surface.cells.sort_values("rank").drop_duplicates("rank").to_dict("records")
    present: dict[int, Mapping[str, str]] = {
        int(row["rank"]): {lang: str(row[f"label_{lang}"]) for lang in LANGUAGES} for row in cells
    }
    named: dict[int, Mapping[str, str]] = dict(enumerate(surface.bands, start=1))
    if not named:
        named = {rank: label for rank, label in present.items() if rank}
    shown = [rank for rank in present if rank]
    if not shown:
        return []
    colours = palette.ramp(palette.GROUPS, len(named))
    return [
        {"rank": rank, "colour": colour, "label": dict(named[rank])}
        for rank, colour in zip(sorted(named), colours, strict=True)
        if min(shown) <= rank <= max(shown)
    ]


def withheld_reasons(surface: GroupSurface) -> list[dict[str, str]]:
    """Why areas have no figure: each reason once, in both languages."""
    hidden = surface.cells[surface.cells["rank"] == 0].to_dict("records")
    return list({reason["zh"]: reason for reason in (reason_of(row) for row in hidden)}.values())


def reason_of(row: Mapping[Hashable, Any]) -> dict[str, str]:
    """Why one area has no figure."""
    return {lang: str(row.get(f"why_{lang}") or row[f"label_{lang}"]) for lang in LANGUAGES}


def codes_of(grids: Any) -> list[str]:
    """The grids that an area covers, from the text that lists them."""
    return re.findall(r"[^\s,，、]+", str(grids))
