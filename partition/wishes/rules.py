"""What a profile is made of: sizes, tiers, zones, wishes, and what borders cost."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal, cast

from partition.errors import ProfileError
from partition.findings import Finding

Measure = Literal["households", "residents", "area", "workload"]
Origin = Literal["source", "ours"]


@dataclass(frozen=True)
class Size:
    """A range wanted of one measure, bounds inclusive; `target` lies within. Area is in m²."""

    measure: Measure
    lower: float
    target: float
    upper: float


@dataclass(frozen=True)
class TierRule:
    """A tier of grids beside the basic one: what its grids are called (by language) and how large they are.

    above: its grids are made of basic grids; otherwise they divide them. numbered: they bear codes.
    """

    name: Mapping[str, str]
    measure: Measure
    lower: float
    target: float
    upper: float
    numbered: bool = True
    above: bool = False

    @property
    def size(self) -> Size:
        return Size(self.measure, self.lower, self.target, self.upper)


@dataclass(frozen=True)
class ZoneRule:
    """What stands apart as a grid of its own (专属网格), exempt from the range.

    kinds: of the layer `zones`; none named: every kind but "complex". uses: of buildings. compounds: ids or
    names of compounds.
    """

    kinds: tuple[str, ...] = ()
    uses: tuple[str, ...] = ()
    compounds: tuple[str, ...] = ()


# Border and crossing cost per metre by what runs there; see the design, part 3.
BORDER_COST = {
    "none": 3.0,
    "outline": 2.0,
    "path": 1.5,
    "lane": 1.0,
    "local": 0.8,
    "wall": 0.8,
    "secondary": 0.5,
    "arterial": 0.2,
    "water": 0.1,
    "rail": 0.1,
}
CROSSING_COST = {"arterial": 0.5}

# What a rule may ask for in a word. complex_smaller: what is complex counts for more. estates_whole: a
# compound that fits is never divided. soft: sizes are a guide. village_groups: nor is a village group that
# fits. zones: functional zones stand apart.
WISHES = ("complex_smaller", "estates_whole", "soft", "village_groups", "zones")
SIZES = ("size", "second", "rural")
BOUNDS = ("lower", "target", "upper")


@dataclass(frozen=True)
class Profile:
    """How a city wants its grids: sizes and costs, named after where the rule comes from.

    size: the range of each grid. second: another range that holds at the same time. rural: takes the
    place of `size` in communities of class "rural". workload: the weight of a building as an expression
    of its columns (see `workload`), where a size measures it. balance: how much even grids count against
    borders along streets, 1 as usual, 0 as long as they are in range. tiers: grids above and below the
    basic one, from large to small. zones: what stands apart. village_whole: a village (a rural community)
    with fewer households is one grid. wishes: parts of the rule without a number, of `WISHES`. origins:
    for each number ("size.target" …), whether the rule itself states it ("source") or Wangge set it
    ("ours"). title and rule: in words, by language. file: where it was read from, "" for those that come
    with Wangge.
    """

    name: str
    size: Size
    border_cost: dict[str, float] = field(default_factory=lambda: dict(BORDER_COST))
    crossing_cost: dict[str, float] = field(default_factory=lambda: dict(CROSSING_COST))
    second: Size | None = None
    rural: Size | None = None
    tiers: tuple[TierRule, ...] = ()
    village_whole: float | None = None
    wishes: tuple[str, ...] = ()
    origins: Mapping[str, Origin] = field(default_factory=dict)
    title: Mapping[str, str] = field(default_factory=dict)
    rule: Mapping[str, str] = field(default_factory=dict)
    workload: str = ""
    balance: float = 1.0
    zones: ZoneRule | None = None
    file: str = ""

    @property
    def soft(self) -> bool:
        """Whether sizes are a guide, so that a grid out of range violates nothing."""
        return "soft" in self.wishes

    def findings(self) -> tuple[Finding, ...]:
        """What a plan of basic grids leaves to other commands."""
        if not self.tiers:
            return ()
        return (Finding("tiers_besides", "noted", values={"profile": self.name}),)

    def size_for(self, community_class: str) -> Size:
        """The first range in a community of class "urban", "rural" or "" (counts as urban)."""
        return self.rural if community_class == "rural" and self.rural is not None else self.size

    def sizes_for(self, community_class: str) -> tuple[Size, ...]:
        """All ranges that hold at once in a community of this class."""
        first = self.size_for(community_class)
        return (first,) if self.second is None else (first, self.second)

    def with_size(
        self, lower: float | None = None, target: float | None = None, upper: float | None = None
    ) -> Profile:
        """The profile with another range, in the profile's measure.

        What is not given follows: with a target, the bounds keep their proportion to it. Without one, the
        other bound stays if it fits (else it keeps its proportion to the given one), and the target stays if
        it lies within, else it is the middle. A range given by hand holds in every community, so `rural` no
        longer does.
        Raises ProfileError unless 0 ≤ lower ≤ target ≤ upper and 0 < target.
        """
        given = {"lower": lower, "target": target, "upper": upper}
        if all(value is None for value in given.values()):
            return self
        wrong = [
            f"--{name}" for name, value in given.items() if value is not None and not is_bound(name, value)
        ]
        if wrong:
            raise ProfileError(
                [Finding("size_not_positive", "refused", values={"options": ", ".join(wrong)})]
            )
        size = _complete(self.size, lower, target, upper)
        if not size.lower <= size.target <= size.upper:
            values = {name: getattr(size, name) for name in BOUNDS}
            raise ProfileError([Finding("size_out_of_order", "refused", values=values)])
        return replace(self, size=size, rural=None)

    def with_balance(self, balance: float | None) -> Profile:
        """The profile with another `balance`, the same if none is given. Raises ProfileError below 0."""
        if balance is None:
            return self
        if not is_bound("balance", balance):
            fault = Finding("size_not_positive", "refused", values={"options": "--balance"})
            raise ProfileError([fault])
        return replace(self, balance=balance)


def is_bound(name: str, value: float) -> bool:
    """Whether a number can be a "lower", "target", "upper" or "balance": finite and above 0; a lower bound
    and a balance may be 0.
    """
    return math.isfinite(value) and (value > 0 or (name in ("lower", "balance") and value == 0))


def _complete(size: Size, lower: float | None, target: float | None, upper: float | None) -> Size:
    if target is not None:
        lower = round(size.lower * target / size.target) if lower is None else lower
        upper = round(size.upper * target / size.target) if upper is None else upper
        return Size(size.measure, lower, target, upper)
    if lower is None and upper is not None:
        lower = size.lower if size.lower <= upper else round(size.lower * upper / size.upper)
    elif upper is None and lower is not None:
        fits = lower <= size.upper or size.lower == 0
        upper = max(size.upper, lower) if fits else round(size.upper * lower / size.lower)
    lower, upper = cast(float, lower), cast(float, upper)
    target = size.target if lower <= size.target <= upper else (lower + upper) / 2
    return Size(size.measure, lower, round(target) if lower <= round(target) <= upper else target, upper)
