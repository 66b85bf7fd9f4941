"""The use case "plan a community": read it from the store, split it, keep the plan as a draft."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import Engine

if TYPE_CHECKING:
    from partition.split import Split
    from partition.wishes.policy import Profile

Progress = Callable[[str, float], None]


@dataclass(frozen=True)
class Planned:
    """A plan made: its number, the division's code, and the split in metres."""

    plan: int
    division: str
    split: Split


def plan_community(
    engine: Engine,
    name: str,
    profile: Profile,
    *,
    seed: int = 0,
    grids: int | None = None,
    author: str = "",
    reason: str = "",
    progress: Progress | None = None,
) -> Planned:
    """Divide the community whose code, own id or name is `name`, and keep the result as a draft.

    No transaction is open while the solver works. Grids with the buildings of a grid in force get its code.
    Raises NotFoundError, or ConflictError if the community was loaded anew meanwhile.
    """
    from partition.split import split_area
    from service.store.communities import find_community, fingerprint, read_area
    from service.store.errors import ConflictError
    from service.store.locks import lock_divisions
    from service.store.plans import issued_codes, rename_split, save_plan, settle_codes

    tell = progress or (lambda step, share: None)
    tell("read", 0.0)
    with engine.begin() as connection:
        division = find_community(connection, name)
        lock_divisions(connection, [division])  # one state of all layers
        area = read_area(connection, division)
        before = fingerprint(connection, division)
        issued = {str(area.communities["id"].iloc[0]): issued_codes(connection, division)}
    split = split_area(area, profile, seed=seed, grids=grids, issued=issued, progress=progress)
    tell("store", 0.0)
    with engine.begin() as connection:
        lock_divisions(connection, [division])
        if fingerprint(connection, division) != before:
            raise ConflictError("plan-outdated", division=division)
        plan = save_plan(connection, division, split, author=author, reason=reason)
        split = rename_split(split, settle_codes(connection, plan))
    tell("store", 1.0)
    return Planned(plan, division, split)
