"""What a new plan does to the grids of the old one: which code lives on where, who moved, whose sign boards
and staff are affected. The change register (变更表) of the paper office.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from partition.arrays import Lengths, Numbers
from partition.codes import GRID_CODE

FLOW_COLUMNS = ["old_code", "new_code", "change", "buildings", "households", "staff", "boards"]
GRID_COLUMNS = [
    "code",
    "change",
    "households_before",
    "households",
    "buildings_before",
    "buildings",
    "staff",
    "board",
]
CHANGES = ("kept", "redrawn", "split", "merged", "renumbered", "built", "demolished", "left")
BOARDS = ("", "renew", "new", "remove")


@dataclass(frozen=True)
class Register:
    """The change register of one redraw. Households are those of today.

    flows: one row for each pair of old and new grid that share buildings, where a grid changed: old_code (""
    for new buildings), new_code ("" for demolished ones, whose households count as 0, and for those that left
    with their ground the area that is divided), change (one of `CHANGES`), buildings, households, staff (of
    both grids), boards (the sign boards to `renew`, to make `new`, or to `remove`, by code). grids: one row
    for each grid that changed, ended or began: code, change, households and buildings before (those that were
    in it and are still there) and now, staff, board (`renew`: its border changed; `new`; `remove`).
    """

    flows: pd.DataFrame
    grids: pd.DataFrame

    @property
    def moved_households(self) -> int:
        """Households whose grid changed, new buildings apart."""
        return int(self.flows.loc[_moves(self.flows), "households"].sum())

    @property
    def moved_buildings(self) -> int:
        """Buildings whose grid changed, new and demolished ones apart."""
        return int(self.flows.loc[_moves(self.flows), "buildings"].sum())

    def to_dict(self) -> dict[str, Any]:
        """The register as plain data, ready for JSON."""
        return {
            "moved_households": self.moved_households,
            "moved_buildings": self.moved_buildings,
            "flows": self.flows.to_dict("records"),
            "grids": self.grids.to_dict("records"),
        }


def _moves(flows: pd.DataFrame) -> pd.Series:
    return (flows["old_code"] != "") & (flows["new_code"] != "") & (flows["old_code"] != flows["new_code"])


def keep_codes(old: Numbers, new: Numbers, households: Lengths) -> dict[int, int]:
    """Which new grid carries on each old one: new grid → old grid, one to one.

    old, new: the grid of each building (or unit) before and now, -1 for none; households of each. A code goes
    with most of its grid's households (of its buildings, where nobody lives); where grids were merged, that
    of the one that brought most stays. Where most went to such a merger, the rest gets a new code.
    """
    from scipy.optimize import linear_sum_assignment

    both = (old >= 0) & (new >= 0)
    if not both.any():
        return {}
    weight = households[both] + 1e-6
    shared = np.zeros((int(old[both].max()) + 1, int(new[both].max()) + 1))
    np.add.at(shared, (old[both], new[both]), weight)
    most = shared >= shared.max(axis=1, keepdims=True) - 1e-9
    kept = np.where(most, shared, 0.0)
    o, n = linear_sum_assignment(-kept)
    return {int(b): int(a) for a, b in zip(o, n, strict=True) if kept[a, b] > 0}


def trace_changes(
    buildings: pd.DataFrame,
    demolished: Sequence[str],
    redrawn: Collection[str],
    staff: Mapping[str, str] | None = None,
    *,
    grids_before: Collection[str] = (),
    grids_now: Collection[str] = (),
) -> Register:
    """The register of a redraw.

    buildings: `atom`, `households` (an atom's rows sum up to its building's), `before` and `grid` (codes, ""
    for none). demolished: the old code of each building that is no more. redrawn: codes of today's grids
    whose border is not the one of before. staff: those who answer for a grid, by code. grids_before,
    grids_now: codes of all grids, so that those without buildings are known too.
    """
    staff = staff or {}
    by_atom = buildings.groupby("atom", sort=True)
    atoms = pd.DataFrame(
        {
            "old_code": by_atom["before"].max(),
            "new_code": by_atom["grid"].max(),
            "households": by_atom["households"].sum(),
        }
    )
    gone = pd.DataFrame({"old_code": list(demolished), "new_code": "", "households": 0})
    table = pd.concat([atoms.assign(there=True), gone.assign(there=False)], ignore_index=True)
    table = table[(table["old_code"] != "") | (table["new_code"] != "")]
    flows = (
        table.groupby(["old_code", "new_code", "there"], sort=True)["households"]
        .agg(buildings="size", households="sum")
        .reset_index()
    )
    before = (set(flows["old_code"]) | set(grids_before)) - {""}
    now = (set(flows["new_code"]) | set(grids_now) | set(redrawn)) - {""}
    changed = (set(redrawn) | (before ^ now)) | set(
        np.concatenate(
            [flows.loc[flows["old_code"] != flows["new_code"], column] for column in ("old_code", "new_code")]
        )
    )
    changed -= {""}
    flows = flows[flows["old_code"].isin(changed) | flows["new_code"].isin(changed)].reset_index(drop=True)
    flows["change"] = [
        _change(old, new, before, now, there)
        for old, new, there in zip(flows["old_code"], flows["new_code"], flows["there"], strict=True)
    ]
    board = {code: _board(code, before, now, redrawn) for code in changed}
    flows["staff"] = [
        _join(staff.get(code, "") for code in dict.fromkeys((old, new)) if code)
        for old, new in zip(flows["old_code"], flows["new_code"], strict=True)
    ]
    flows["boards"] = [
        _join(f"{code} {board[code]}" for code in dict.fromkeys((old, new)) if board.get(code))
        for old, new in zip(flows["old_code"], flows["new_code"], strict=True)
    ]
    flows[["buildings", "households"]] = flows[["buildings", "households"]].astype(np.int64)
    return Register(flows[FLOW_COLUMNS], _grids(flows, sorted(changed), before, now, board, staff))


def _change(old: str, new: str, before: set[str], now: set[str], there: bool) -> str:
    if not old:
        return "built"
    if not new:
        return "left" if there else "demolished"
    if old == new:
        return "kept"
    ended, begun = old not in now, new not in before
    if ended and begun:
        return "renumbered"
    return "merged" if ended else "split" if begun else "redrawn"


def _board(code: str, before: set[str], now: set[str], redrawn: Collection[str]) -> str:
    if code not in now:
        return "remove"
    if code not in before:
        return "new"
    return "renew" if code in redrawn else ""


def _join(words: Any) -> str:
    return "; ".join(word for word in words if word)


def _grids(
    flows: pd.DataFrame,
    codes: list[str],
    before: set[str],
    now: set[str],
    board: Mapping[str, str],
    staff: Mapping[str, str],
) -> pd.DataFrame:
    was = flows.groupby("old_code")[["households", "buildings"]].sum().reindex(codes, fill_value=0)
    now_is = flows.groupby("new_code")[["households", "buildings"]].sum().reindex(codes, fill_value=0)
    away = flows[flows["change"].isin(("split", "merged", "renumbered"))]
    word = dict(zip(away["new_code"], away["change"].where(away["change"] != "merged"), strict=True))
    left = dict.fromkeys(flows.loc[flows["change"] == "left", "old_code"], "left")
    ended = left | dict(zip(away["old_code"], away["change"], strict=True))
    rows = {
        "code": codes,
        "change": [
            (word.get(code) or "built") if code not in before
            else ended.get(code, "demolished") if code not in now
            else "redrawn" if board[code] else "kept"
            for code in codes
        ],
        "households_before": was["households"].to_numpy(np.int64),
        "households": now_is["households"].to_numpy(np.int64),
        "buildings_before": was["buildings"].to_numpy(np.int64),
        "buildings": now_is["buildings"].to_numpy(np.int64),
        "staff": [staff.get(code, "") for code in codes],
        "board": [board[code] for code in codes],
    }  # fmt: skip
    return pd.DataFrame(rows, columns=GRID_COLUMNS)


def name_staff(table: pd.DataFrame, codes: Collection[str]) -> dict[str, str]:
    """Who answers for each grid, "name (role)", from a table with `grid`, `name` and (if known) `role`.

    `grid` is a code, or the number at its end (1, "012": the community's code may be left out, and stands in
    `community` where several have such a grid); of codes without numbers the place in their order.
    Telephones are not taken over.
    """
    known = set(codes)
    numbered: dict[int, list[str]] = {}
    for place, code in enumerate(sorted(known), 1):
        numbered.setdefault(int(code[-3:]) if GRID_CODE.fullmatch(code) else place, []).append(code)
    found: dict[str, list[str]] = {}
    none = pd.Series("", index=table.index)
    roles, communities = (table.get(column, none) for column in ("role", "community"))
    for grid, name, role, community in zip(table["grid"], table["name"], roles, communities, strict=True):
        code = str(grid).strip()
        if code not in known and code.isdigit() and len(code) <= 6:
            ends = numbered.get(int(code), [])
            if len(ends) > 1:
                ends = [one for one in ends if one[:-3].rstrip("-") == str(community).strip()]
            code = ends[0] if len(ends) == 1 else ""
        if code in known and str(name).strip():
            said = f"{str(name).strip()} ({str(role).strip()})" if str(role).strip() else str(name).strip()
            found.setdefault(code, []).append(said)
    return {code: ", ".join(dict.fromkeys(names)) for code, names in found.items()}
