"""Levels: what tiers are wanted, and one tier on its way to grids, codes and names."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from partition.arrays import Flags, Geometries, Numbers
from partition.city.outcome import Failure
from partition.errors import InputError
from partition.findings import Finding
from partition.solver.constraints import Reason
from partition.tiers.nesting import Range
from partition.wishes.bounds import read_bounds
from partition.wishes.rules import Profile, Size, TierRule

GRID = {"zh": "网格", "en": "grid"}
AREA = {"zh": "片区", "en": "area"}
SMALL = {"zh": "微网格", "en": "small grid"}
NUMERALS = "一二三四五六七八九"
NUMBER_MOST = 1_000_000  # grids of a tier that are asked for
COUNTED = re.compile(rf"[{NUMERALS}0-9]")


@dataclass(frozen=True)
class Ask:
    """A tier asked for by hand: its number of grids (in each community; the range is the mean and a third
    either way), or its size in the profile's measure. `name`, where given, is one of the profile's tiers or a
    new one; without a name, the profile's tier on that side of the grids is meant, or else a new one.
    """

    name: str = ""
    number: int | None = None
    size: tuple[float, float, float] | None = None


def read_ask(entry: str) -> Ask | None:
    """What `[NAME=]NUMBER` or `[NAME=]LOWER-TARGET-UPPER` asks for (`片区=4`, `60-80-110`); None: neither."""
    name, _, size = entry.rpartition("=")
    bounds = read_bounds(size)
    if len(bounds) == 1 and 1 <= bounds[0] <= NUMBER_MOST and bounds[0].is_integer():
        return Ask(name.strip(), number=int(bounds[0]))
    if len(bounds) == 3:
        return Ask(name.strip(), size=(bounds[0], bounds[1], bounds[2]))
    return None


@dataclass(frozen=True)
class Wish:
    """A tier to be made. share: of its community that one of its grids is to hold. number: of its grids in
    each community, None where the rule's range decides; the range follows from a number. asked: by hand.
    """

    rule: TierRule
    share: float
    number: int | None = None
    asked: bool = False


@dataclass
class Level:
    """One tier on its way. parent: of each grid, in the next larger tier; building: the grid of each row of
    the area's buildings, -1 for none; ranges: wanted by grid; exempt: grids that stand apart (schools, malls,
    parks) are not measured, nor divided.
    """

    name: Mapping[str, str]
    size: Size
    numbered: bool
    polygons: Geometries
    building: Numbers
    community: Numbers
    parent: Numbers | None = None
    reasons: dict[int, Reason] = field(default_factory=dict)
    failures: dict[int, Failure] = field(default_factory=dict)
    ranges: list[Range] = field(default_factory=list)
    exempt: Flags = field(default_factory=lambda: np.empty(0, dtype=np.bool_))
    basic: bool = False
    rows: list[int] = field(default_factory=list)
    asked: dict[int, tuple[int, int]] = field(default_factory=dict)  # community -> number asked for, made
    code: list[str] = field(default_factory=list)
    stem: list[str] = field(default_factory=list)
    words: dict[str, list[str]] = field(default_factory=dict)

    @property
    def parents(self) -> Numbers:
        """`parent` of a tier that has one."""
        assert self.parent is not None  # noqa: S101 - all but the first tier have one
        return self.parent


def resolve_tiers(
    profile: Profile, asks: Sequence[Ask], total: Callable[[Size], float], grids: float
) -> tuple[list[Wish], list[Wish]]:
    """The tiers above and below the grids, each from large to small: the profile's, changed and completed by
    what is asked for.

    total: what a mean community holds, in the measure of a size; grids: of a mean community. Raises
    InputError where a tier is asked for twice by name, or the grids themselves.
    """
    refuse_repeated(asks)

    def of_rule(rule: TierRule) -> Wish:
        return Wish(rule, rule.target / max(total(rule.size), 1e-9))

    wishes = [of_rule(rule) for rule in profile.tiers]
    measure, whole = profile.size.measure, max(total(profile.size), 1e-9)
    for ask in asks:
        share = 1 / ask.number if ask.number is not None else (ask.size or (whole,) * 3)[1] / whole
        up = share * grids > 1
        place = _find(ask, wishes, up)
        size = ask.size or (share * whole,) * 3
        if place is None:
            name = {"zh": ask.name, "en": ask.name} if ask.name else dict(AREA if up else SMALL)
            rule = TierRule(name, measure, *size, numbered=not up, above=up)
        else:
            rule = wishes.pop(place).rule
            if ask.size is not None:
                rule = replace(rule, measure=measure, lower=size[0], target=size[1], upper=size[2])
        wishes.append(Wish(rule, share, ask.number, asked=True))
    wishes.sort(key=lambda wish: -wish.share)
    above = [wish for wish in wishes if wish.rule.above]
    below = [wish for wish in wishes if not wish.rule.above]
    return _distinct(above, 0), _distinct(below, len(above) + 1)


def refuse_repeated(asks: Sequence[Ask]) -> None:
    """A name stands for one tier, and not for the grids: their number is asked for otherwise. Raises
    InputError.
    """
    names = [ask.name.casefold() for ask in asks if ask.name]
    basic = {word.casefold() for word in GRID.values()}
    faults = []
    for ask in asks:
        code = "tier_is_grid" if ask.name.casefold() in basic else "tier_repeated"
        if ask.name and (code == "tier_is_grid" or names.count(ask.name.casefold()) > 1):
            faults.append(Finding(code, "refused", values={"name": ask.name}))
    if faults:
        raise InputError(list({fault.values["name"].casefold(): fault for fault in faults}.values()))


def _find(ask: Ask, wishes: Sequence[Wish], up: bool) -> int | None:
    """The tier of the profile that is meant: the one of that name; without a name, the first on that side
    that nothing was asked of yet.
    """
    for place, wish in enumerate(wishes):
        named = ask.name.casefold() in {word.casefold() for word in wish.rule.name.values()}
        if named or (not ask.name and not wish.asked and wish.rule.above == up):
            return place
    return None


def ordinal(number: int, name: str) -> str:
    """第2片区; with the measure word where the name begins with a number: 第2个三级片区."""
    return f"第{number}{'个' if COUNTED.match(name) else ''}{name}"


def _distinct(wishes: list[Wish], before: int) -> list[Wish]:
    """Tiers of one name get the number of the tier."""
    names = [wish.rule.name["zh"] for wish in wishes]
    made = []
    for place, wish in enumerate(wishes):
        name = wish.rule.name
        if names.count(name["zh"]) > 1:
            tier = before + place + 1
            rank = NUMERALS[tier - 1] if tier <= len(NUMERALS) else str(tier)
            name = {"zh": f"{rank}级{name['zh']}", "en": f"tier-{tier} {name['en']}"}
        made.append(replace(wish, rule=replace(wish.rule, name=name)))
    return made
