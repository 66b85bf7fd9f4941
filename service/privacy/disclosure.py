"""Disclosure control of figures about people: what of a count may leave. Pure; knows no database and no role.

The rules stand in `groups.toml`. Two forms of publication:

- `merge_upward`: areas. Grids below the threshold are joined with neighbours until it is reached, so that the
  areas partition the community, each is safe alone, and no sum of areas tells anything of a single grid.
- `suppress`: a table with its total. Unsafe entries are withheld, and further ones until the withheld entries
  together (the total less the rest, which anyone can work out) would themselves be safe to publish.
"""

from __future__ import annotations

import re
import tomllib
import unicodedata
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Literal, get_args

from partition.texts import LANGUAGES, Language, catalogue

Grade = Literal["ordinary", "sensitive", "restricted"]
LEAST_K: Mapping[Grade, int] = {"ordinary": 5, "sensitive": 10, "restricted": 10}


@dataclass(frozen=True)
class Floor:
    """Thresholds that hold for every group; see `groups.toml`."""

    households: int
    addresses: int
    rate_hidden: int
    rate_unstable: int


@dataclass(frozen=True)
class GroupRule:
    """How one group may be shown: at least `k` people and `households` households behind a figure."""

    name: str
    label: Mapping[str, str]
    grade: Grade
    k: int
    bands: tuple[int, ...]
    least_role: str
    households: int

    def safe(self, count: int, households: int) -> bool:
        """Whether a figure of `count` people in `households` households may be published (in bands)."""
        return count >= self.k and households >= self.households


@dataclass(frozen=True)
class Rules:
    """Everything in `groups.toml`."""

    floor: Floor
    groups: Mapping[str, GroupRule]
    sensitive_cases: tuple[str, ...]

    @property
    def sensitive_pattern(self) -> str:
        """A regular expression (PostgreSQL's and Python's, case ignored) found in sensitive categories, once
        these are written alike (NFKC: letters of full width are others to both).
        """
        words = (unicodedata.normalize("NFKC", word) for word in self.sensitive_cases)
        return "|".join(map(re.escape, words)) or "$^"

    def sensitive(self, category: str) -> bool:
        """Whether cases of the category are for the centre and the responsible grid worker only."""
        folded = unicodedata.normalize("NFKC", category)
        return re.search(self.sensitive_pattern, folded, re.IGNORECASE) is not None


@dataclass(frozen=True)
class Figure:
    """People of one group in one grid, and the grid's households."""

    count: int
    households: int


@dataclass(frozen=True)
class Cell:
    """An area of publication: the grids it covers (codes, ascending) and, if it may be shown, its count."""

    codes: tuple[str, ...]
    count: int | None
    rank: int


@dataclass(frozen=True)
class Table:
    """Counts by key with their total; None is withheld."""

    values: Mapping[str, int | None]
    total: int | None


@dataclass(frozen=True)
class Rate:
    """Cases per 1,000 households: `value` is None where hidden; `unstable` where it rests on few cases."""

    value: float | None
    unstable: bool
    cases: int | None
    households: int


@cache
def rules() -> Rules:
    """The rules of `groups.toml`. ValueError if one is laxer than its class allows or contradicts itself."""
    return read_rules(files("service.privacy").joinpath("groups.toml").read_text(encoding="utf-8"))


def read_rules(text: str) -> Rules:
    """The rules in `text` (TOML, as in `groups.toml`), checked."""
    data = tomllib.loads(text)
    floor = Floor(**data["floor"])
    groups = {}
    for name, entry in data["groups"].items():
        rule = GroupRule(
            name=name,
            label=entry["label"],
            grade=entry["class"],
            k=entry["k"],
            bands=tuple(entry["bands"]),
            least_role=entry["least_role"],
            households=floor.households,
        )
        _check_rule(rule)
        groups[name] = rule
    return Rules(floor, groups, tuple(data["cases"]["sensitive"]))


def _check_rule(rule: GroupRule) -> None:
    if rule.grade not in get_args(Grade):
        raise ValueError(f"group {rule.name}: class {rule.grade!r} is none of {get_args(Grade)}")
    if rule.k < LEAST_K[rule.grade]:
        raise ValueError(f"group {rule.name}: k = {rule.k} is below {LEAST_K[rule.grade]} ({rule.grade})")
    if not rule.bands or rule.bands[0] != rule.k or list(rule.bands) != sorted(set(rule.bands)):
        raise ValueError(f"group {rule.name}: bands must ascend and begin with k = {rule.k}: {rule.bands}")
    if set(rule.label) != set(LANGUAGES):
        raise ValueError(f"group {rule.name}: a label in each of {LANGUAGES} is needed")


def merge_upward(
    figures: Mapping[str, Figure], neighbours: Mapping[str, Collection[str]], rule: GroupRule
) -> tuple[Cell, ...]:
    """Areas that may be published, each with its count; together they cover all grids of `figures`.

    An unsafe grid is joined with a neighbour, itself unsafe if there is one, then the one of fewest
    households; with any grid if it has no neighbour. Which grid comes first is decided by code, never by
    count, so that the order of merging tells nothing. If even all grids together are unsafe, one cell without
    a count remains. A restricted group has one cell, the whole.
    """
    members: dict[str, tuple[str, ...]] = {code: (code,) for code in sorted(figures)}
    totals = dict(figures)
    beside = {code: {other for other in neighbours.get(code, ()) if other in figures} for code in members}
    for code, others in list(beside.items()):
        others.discard(code)
        for other in others:
            beside[other].add(code)

    def unsafe(code: str) -> bool:
        whole = len(members[code]) == len(figures)
        return (rule.grade == "restricted" and not whole) or not rule.safe(
            totals[code].count, totals[code].households
        )

    while len(members) > 1:
        waiting = [code for code in members if unsafe(code)]
        if not waiting:
            break
        code = waiting[0]
        others = beside[code] or members.keys() - {code}
        other = min(others, key=lambda o: (not unsafe(o), totals[o].households, o))
        keep, gone = min(code, other), max(code, other)
        members[keep] = tuple(sorted(members[keep] + members.pop(gone)))
        left = totals.pop(gone)
        totals[keep] = Figure(totals[keep].count + left.count, totals[keep].households + left.households)
        beside[keep] |= beside.pop(gone)
        beside[keep] -= {keep, gone}
        for third in beside[keep]:
            beside[third].discard(gone)
            beside[third].add(keep)
    return tuple(
        Cell(codes, None, 0)
        if unsafe(code)
        else Cell(codes, totals[code].count, rank(totals[code].count, rule))
        for code, codes in members.items()
    )


def exact_cells(figures: Mapping[str, Figure], rule: GroupRule) -> tuple[Cell, ...]:
    """One cell a grid with its count, for those with the right to it. ValueError for a restricted group."""
    if rule.grade == "restricted":
        raise ValueError(f"the restricted group {rule.name} has no figures below the community")
    return tuple(
        Cell((code,), figures[code].count, rank(figures[code].count, rule)) for code in sorted(figures)
    )


def suppress(figures: Mapping[str, Figure], rule: GroupRule) -> Table:
    """The counts as a table with its total; nothing unsafe is in it or can be worked out from it.

    Withheld are the unsafe entries and then, smallest first, others until the withheld ones are at least two,
    are safe together, and force no lower bound on each other (two below k with the sum 2(k-1) are both k-1).
    """
    total = Figure(sum(f.count for f in figures.values()), sum(f.households for f in figures.values()))
    if not rule.safe(total.count, total.households):
        return Table(dict.fromkeys(sorted(figures)), None)
    withheld = {code for code, f in figures.items() if not rule.safe(f.count, f.households)}
    if not withheld:
        return Table({code: figures[code].count for code in sorted(figures)}, total.count)
    spare = sorted(figures.keys() - withheld, key=lambda code: (figures[code].count, code))
    while spare and not _safe_together([figures[code] for code in withheld], rule):
        withheld.add(spare.pop(0))
    if not _safe_together([figures[code] for code in withheld], rule):
        return Table(dict.fromkeys(sorted(figures)), None)
    return Table(
        {code: None if code in withheld else figures[code].count for code in sorted(figures)}, total.count
    )


def _safe_together(withheld: list[Figure], rule: GroupRule) -> bool:
    count = sum(figure.count for figure in withheld)
    households = sum(figure.households for figure in withheld)
    if len(withheld) < 2 or not rule.safe(count, households):
        return False
    below = [figure for figure in withheld if figure.count < rule.k]
    return len(below) < len(withheld) or count <= (len(withheld) - 1) * (rule.k - 1)


def rank(count: int, rule: GroupRule) -> int:
    """The class of `count`: 0 below k, then 1, 2 … by the rule's bands."""
    return sum(count >= lower for lower in rule.bands)


def band_label(count: int | None, rule: GroupRule, lang: Language) -> str:
    """The band in which `count` lies, in words; None is withheld."""
    say = catalogue("service").say
    place = 0 if count is None else rank(count, rule)
    if place == 0:
        return say("group.below", lang, k=rule.k)
    if place == len(rule.bands):
        return say("group.above", lang, lower=rule.bands[-1])
    return say("group.band", lang, lower=rule.bands[place - 1], upper=rule.bands[place] - 1)


def rate(cases: int, households: int, floor: Floor) -> Rate:
    """Cases per 1,000 households: hidden on too few cases or households, marked unstable on few cases."""
    if cases < floor.rate_hidden or households < floor.households:
        return Rate(None, True, None, households)
    return Rate(1000 * cases / households, cases < floor.rate_unstable, cases, households)
