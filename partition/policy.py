"""Profiles: the rules by which a city sizes its grids. The numbers stand in `profiles/*.toml`."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal, cast, get_args

from partition.errors import ProfileError
from partition.findings import Finding

Measure = Literal["households", "residents", "area", "workload"]
Origin = Literal["source", "ours"]


@dataclass(frozen=True)
class Size:
    """A range wanted of one measure, bounds inclusive; `target` lies within."""

    measure: Measure
    lower: float
    target: float
    upper: float


# Border and crossing cost per metre by what runs there; see the design, part 3.
BORDER_COST = {
    "none": 3.0,
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

# what a rule may ask for besides sizes, and the solver does not carry out yet
WISHES = ("complex_smaller", "estates_whole", "soft", "village_whole", "workload", "zones")
SIZES = ("size", "second", "rural")
BOUNDS = ("lower", "target", "upper")


@dataclass(frozen=True)
class Profile:
    """How a city wants its grids: sizes and costs, named after where the rule comes from.

    size: the range of each grid. second: another range that holds at the same time. rural: the range in
    communities of class "rural". tiers: households of a grid in each tier below. village_whole: a village
    with fewer households is one grid. wishes: parts of the rule without a number, of `WISHES`.
    origins: for each number ("size.target" …), whether the rule itself states it ("source") or Wangge set
    it ("ours"). title and rule: in words, by language.
    """

    name: str
    size: Size
    border_cost: dict[str, float] = field(default_factory=lambda: dict(BORDER_COST))
    crossing_cost: dict[str, float] = field(default_factory=lambda: dict(CROSSING_COST))
    second: Size | None = None
    rural: Size | None = None
    tiers: tuple[float, ...] = ()
    village_whole: float | None = None
    wishes: tuple[str, ...] = ()
    origins: Mapping[str, Origin] = field(default_factory=dict)
    title: Mapping[str, str] = field(default_factory=dict)
    rule: Mapping[str, str] = field(default_factory=dict)

    @property
    def unmet(self) -> tuple[str, ...]:
        """The parts of the rule that the solver does not carry out yet; `finding.unmet_<part>` says each."""
        parts = set(self.wishes)
        if self.second is not None:
            parts.add("second")
        if self.tiers:
            parts.add("tiers")
        if self.size.measure != "households":
            parts.add("measure")
        return tuple(sorted(parts))

    def findings(self) -> tuple[Finding, ...]:
        """A note for each part of the rule that a plan by this profile does not heed yet."""
        return tuple(Finding(f"unmet_{part}", "noted", values={"profile": self.name}) for part in self.unmet)

    def size_for(self, community_class: str) -> Size:
        """The range in a community of class "urban", "rural" or "" (counts as urban)."""
        return self.rural if community_class == "rural" and self.rural is not None else self.size

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
            f"--{name}" for name, value in given.items() if value is not None and not _is_bound(name, value)
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


def _is_bound(name: str, value: float) -> bool:
    return math.isfinite(value) and (value > 0 or (name == "lower" and value == 0))


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


# --- reading ---


def profile_names() -> tuple[str, ...]:
    """The names of the profiles that come with Wangge."""
    entries = files("partition").joinpath("profiles").iterdir()
    return tuple(
        sorted(entry.name.removesuffix(".toml") for entry in entries if entry.name.endswith(".toml"))
    )


def load_profile(name_or_path: str | Path) -> Profile:
    """A profile by its name, or from a TOML file of the same form. Raises ProfileError."""
    text = str(name_or_path)
    if text in profile_names():
        content = files("partition").joinpath("profiles", f"{text}.toml").read_text(encoding="utf-8")
        return _parse(text, content, file="")
    path = Path(text)
    if path.suffix.lower() != ".toml":
        values = {"name": text, "known": ", ".join(profile_names())}
        raise ProfileError([Finding("profile_unknown", "refused", values=values)])
    try:
        content = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError):
        raise ProfileError(
            [Finding("profile_unreadable", "refused", file=text, values={"why": ""})]
        ) from None
    return _parse(path.stem, content, file=text)


def _parse(name: str, content: str, file: str) -> Profile:
    try:
        table = tomllib.loads(content)
    except tomllib.TOMLDecodeError as error:
        values = {"why": f" ({error})"}
        raise ProfileError([Finding("profile_unreadable", "refused", file=file, values=values)]) from None
    reading = _Table(file)
    profile = reading.profile(name, table)
    if reading.faults or profile is None:
        raise ProfileError(reading.faults)
    return profile


class _Table:
    """The reading of a profile's TOML; gathers every fault by its key."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.faults: list[Finding] = []
        self.origins: dict[str, Origin] = {}

    def fault(self, key: str, code: str = "profile_key") -> None:
        self.faults.append(Finding(code, "refused", values={"key": key}, file=self.file))

    def profile(self, name: str, table: dict[str, Any]) -> Profile | None:
        known = {*SIZES, "title", "rule", "wishes", "village_whole", "tiers", "border_cost", "crossing_cost"}
        for key in sorted(set(table) - known):
            self.fault(key, "profile_key_unknown")
        sizes = {key: self.size(key, table[key]) for key in SIZES if key in table}
        if "size" not in table:
            self.fault("size")
        wishes = table.get("wishes", [])
        if not isinstance(wishes, list) or not set(map(str, wishes)) <= set(WISHES):
            self.fault("wishes")
            wishes = []
        village = self.number("village_whole", table["village_whole"]) if "village_whole" in table else None
        tiers = table.get("tiers", [])
        if not isinstance(tiers, list):
            self.fault("tiers")
            tiers = []
        below = [self.number(f"tiers.{place}", entry) for place, entry in enumerate(tiers)]
        border = BORDER_COST | dict(self.costs("border_cost", table.get("border_cost", {})))
        crossing = CROSSING_COST | dict(self.costs("crossing_cost", table.get("crossing_cost", {})))
        size = sizes.get("size")
        if size is None:
            return None
        return Profile(
            name,
            size,
            border,
            crossing,
            sizes.get("second"),
            sizes.get("rural"),
            tuple(value for value in below if value is not None),
            village,
            tuple(sorted({*map(str, wishes), *(["village_whole"] if village is not None else [])})),
            self.origins,
            self.words("title", table.get("title", {})),
            self.words("rule", table.get("rule", {})),
        )

    def size(self, key: str, entry: Any) -> Size | None:
        if not isinstance(entry, dict) or set(entry) != {"measure", *BOUNDS}:
            self.fault(key)
            return None
        if entry["measure"] not in get_args(Measure):
            self.fault(f"{key}.measure")
            return None
        lower, target, upper = (self.number(f"{key}.{bound}", entry[bound]) for bound in BOUNDS)
        if lower is None or target is None or upper is None:
            return None
        if not 0 <= lower <= target <= upper:
            values = {"lower": lower, "target": target, "upper": upper}
            self.faults.append(Finding("size_out_of_order", "refused", values=values, file=self.file))
            return None
        return Size(entry["measure"], lower, target, upper)

    def number(self, key: str, entry: Any) -> float | None:
        """A number with where it comes from; a bare one is the profile's author's."""
        entry = entry if isinstance(entry, dict) else {"value": entry, "from": "source"}
        value, origin = entry.get("value"), entry.get("from")
        number = float(value) if isinstance(value, int | float) and not isinstance(value, bool) else math.nan
        if not _is_bound(key.rpartition(".")[2], number) or origin not in get_args(Origin):
            self.fault(key)
            return None
        self.origins[key] = cast(Origin, origin)
        return number

    def costs(self, key: str, entry: Any) -> Iterator[tuple[str, float]]:
        if not isinstance(entry, dict):
            self.fault(key)
            return
        for kind, value in entry.items():
            good = (
                isinstance(value, int | float)
                and not isinstance(value, bool)
                and math.isfinite(value)
                and value >= 0
            )
            if kind not in BORDER_COST or not good:
                self.fault(f"{key}.{kind}")
            else:
                yield kind, float(value)

    def words(self, key: str, entry: Any) -> Mapping[str, str]:
        if not isinstance(entry, dict) or not all(isinstance(text, str) for text in entry.values()):
            self.fault(key)
            return {}
        return dict(entry)
