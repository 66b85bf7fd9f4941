"""The use cases "plan a community" and "redraw a plan": read from the store, divide, keep a draft."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import Connection, Engine

from service.store.errors import ConflictError

if TYPE_CHECKING:
    from geopandas import GeoDataFrame

    from partition.area import Area
    from partition.split import Split
    from partition.tiers.levels import Ask
    from partition.tiers.tower import Tiers
    from partition.wishes.policy import Profile
    from service.store.tiers import Moved

Progress = Callable[[str, float], None]
# opens a transaction: the owner's, or the service's in which the row policies know who asks
Begin = Callable[[], AbstractContextManager[Connection]]
# called in the transaction that keeps the plan, with its number
Kept = Callable[[Connection, int], None]
# and with its tiers, if it has any
KeptTiers = Callable[[Connection, int, "Tiers | None"], None]


@dataclass(frozen=True)
class Planned:
    """A plan made: its number, the division's code, the split in metres, and its tiers if it has any."""

    plan: int
    division: str
    split: Split
    tiers: Tiers | None = None


def plan_community(
    begin: Engine | Begin,
    name: str,
    profile: Profile,
    *,
    seed: int = 0,
    grids: int | None = None,
    effort: int | None = None,
    tiers: Sequence[Ask] = (),
    author: str = "",
    reason: str = "",
    progress: Progress | None = None,
    kept: KeptTiers | None = None,
) -> Planned:
    """Divide the community whose code, own id or name is `name`, and keep the result as a draft.

    No transaction is open while the solver works. Grids with the buildings of a grid in force get its code.
    Tiers above and below the grids are made where the profile has any, and those of `tiers`. Raises
    NotFoundError, ConflictError if the community was loaded anew meanwhile, or InputError for tiers.
    """
    from partition.split import split_area
    from partition.tiers.tower import tier_split

    begin = begin.begin if isinstance(begin, Engine) else begin
    if progress is not None:
        progress("read", 0.0)
    ground = _read(begin, name)
    split = split_area(
        ground.area,
        profile,
        seed=seed,
        grids=grids,
        effort=effort,
        issued={str(ground.area.communities["id"].iloc[0]): ground.issued},
        progress=progress,
    )
    made = None
    if tiers or profile.tiers:
        # codes are settled when the plan is kept; areas bear names, small grids continue their grid's code
        split, made = tier_split(ground.area, split, tiers, renumber=False, progress=progress)

    def keep_tiers(connection: Connection, plan: int) -> None:
        from service.store.tiers import save_tiers

        if made is not None:
            save_tiers(connection, ground.division, plan, made, split.grids)

    def tell(connection: Connection, plan: int) -> None:
        if kept is not None:
            kept(connection, plan, made)

    told = None if kept is None else tell
    return _keep(begin, ground, split, author, reason, progress, told, keep_tiers, made)


def redraw_community(
    begin: Engine | Begin,
    name: str,
    profile: Profile,
    *,
    base: int,
    locked: Collection[str] = (),
    most_moved: float | None = None,
    seed: int = 0,
    author: str = "",
    reason: str = "",
    progress: Progress | None = None,
    kept: Kept | None = None,
) -> Planned:
    """Bring the plan `base` of a community into range again for its data of today; keep it as a draft.

    locked: codes of grids that do not change. most_moved: no more households than these change grid; below 1
    a share of all. Raises as `plan_community` does, and InputError for a locked code that is none.
    """
    from partition.changes.former import recall_plan
    from partition.changes.redraw import redraw_area
    from service.store.plans import read_former

    begin = begin.begin if isinstance(begin, Engine) else begin
    if progress is not None:
        progress("read", 0.0)
    ground = _read(begin, name)
    with begin() as connection:
        polygons, mapping = read_former(connection, ground.division, base, ground.area.crs)
    former = recall_plan(ground.area, profile, polygons, mapping)
    done = redraw_area(
        ground.area,
        former,
        profile,
        locked=locked,
        most_moved=most_moved,
        issued=ground.issued,
        seed=seed,
        progress=progress,
    )

    def keep_tiers(connection: Connection, plan: int) -> None:
        from service.store.tiers import pass_on_tiers

        pass_on_tiers(
            connection, base, plan, _moved(polygons, done.split.grids, mapping, done.split), done.split.grids
        )

    return _keep(begin, ground, done.split, author, reason, progress, kept, keep_tiers)


def _moved(
    former: GeoDataFrame, grids: GeoDataFrame, mapping: Mapping[str, Sequence[str]], split: Split
) -> list[Moved]:
    """Households of buildings, and ground, that came from each former grid to each grid of the split."""
    import shapely

    from service.store.tiers import Moved

    held = split.buildings.groupby("id", sort=True).agg(
        grid=("grid", "first"), households=("households", "sum")
    )
    moved = [
        Moved(code, row.grid, int(row.households))
        for row in held.itertuples()
        for code in mapping.get(str(row.Index), ())
    ]
    now, before = shapely.STRtree(former.geometry.to_numpy()).query(grids.geometry.to_numpy(), "intersects")
    shared = shapely.intersection(grids.geometry.to_numpy()[now], former.geometry.to_numpy()[before])
    old, new = former["code"].to_numpy()[before], grids["code"].to_numpy()[now]
    ground = shapely.area(shared).tolist()
    return moved + [
        Moved(str(one), str(other), 0, area)
        for one, other, area in zip(old, new, ground, strict=True)
        if area > 0
    ]


@dataclass(frozen=True)
class _Ground:
    """A community as it was read."""

    division: str
    area: Area
    data: str
    issued: set[str]


def _read(begin: Begin, name: str) -> _Ground:
    from service.store.communities import find_community, fingerprint, read_area
    from service.store.locks import lock_divisions
    from service.store.plans import issued_codes

    with begin() as connection:
        division = find_community(connection, name)
        lock_divisions(connection, [division])  # one state of all layers
        return _Ground(
            division,
            read_area(connection, division),
            fingerprint(connection, division),
            issued_codes(connection, division),
        )


def _keep(
    begin: Begin,
    ground: _Ground,
    split: Split,
    author: str,
    reason: str,
    progress: Progress | None,
    kept: Kept | None,
    keep_tiers: Kept,
    tiers: Tiers | None = None,
) -> Planned:
    from service.store.communities import fingerprint
    from service.store.locks import lock_divisions
    from service.store.plans import rename_split, save_plan, settle_codes
    from service.store.tiers import rename_tiers

    tell = progress or (lambda step, share: None)
    tell("store", 0.0)
    with begin() as connection:
        lock_divisions(connection, [ground.division])
        if fingerprint(connection, ground.division) != ground.data:
            raise ConflictError("plan-outdated", division=ground.division)
        plan = save_plan(connection, ground.division, split, author=author, reason=reason)
        keep_tiers(connection, plan)  # with the codes that the grids have until they are settled
        codes = settle_codes(connection, plan)
        split = rename_split(split, codes)
        if tiers is not None:
            tiers = rename_tiers(tiers, codes)
        if kept is not None:
            kept(connection, plan)
    if kept is None:
        tell("store", 1.0)
    return Planned(plan, ground.division, split, tiers)
