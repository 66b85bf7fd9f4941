"""Profiles: the rules by which a city sizes its grids, by name or from a file. The numbers stand in
`profiles/*.toml`; docs/profiles.md tells every key.
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Iterator, Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any, cast, get_args

from partition.errors import ProfileError
from partition.findings import Finding
from partition.texts import LANGUAGES
from partition.wishes.rules import (
    BORDER_COST,
    BOUNDS,
    CROSSING_COST,
    SIZES,
    WISHES,
    Measure,
    Origin,
    Profile,
    Size,
    TierRule,
    ZoneRule,
    is_bound,
)
from partition.wishes.workload import ExpressionError, parse_expression

__all__ = [
    "Measure",
    "Profile",
    "Size",
    "TierRule",
    "ZoneRule",
    "load_profile",
    "profile_names",
]

KEYS = (
    *SIZES,
    "title",
    "rule",
    "wishes",
    "village_whole",
    "workload",
    "balance",
    "zones",
    "tiers",
    "border_cost",
    "crossing_cost",
)
PLACES = ("above", "below")


def profile_names() -> tuple[str, ...]:
    """The names of the profiles that come with Wangge."""
    entries = files("partition").joinpath("profiles").iterdir()
    return tuple(
        sorted(entry.name.removesuffix(".toml") for entry in entries if entry.name.endswith(".toml"))
    )


def load_profile(name_or_path: str | Path) -> Profile:
    """A profile by its name, or from a TOML file of the same form. Raises ProfileError with every fault."""
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
    except FileNotFoundError:
        raise ProfileError([Finding("file_missing", "refused", file=text)]) from None
    except UnicodeDecodeError:
        raise ProfileError([Finding("profile_encoding", "refused", file=text)]) from None
    except OSError as error:
        values = {"why": f" ({error.strerror})"}
        raise ProfileError([Finding("profile_unreadable", "refused", file=text, values=values)]) from None
    return _parse(path.stem, content, file=text)


def _parse(name: str, content: str, file: str) -> Profile:
    try:
        table = tomllib.loads(content)
    except tomllib.TOMLDecodeError as error:
        values = {"why": f" ({error})"}
        raise ProfileError([Finding("profile_unreadable", "refused", file=file, values=values)]) from None
    reading = _Reading(file)
    profile = reading.profile(name, table)
    if reading.faults or profile is None:
        raise ProfileError(reading.faults)
    return profile


class _Reading:
    """The reading of a profile's TOML; gathers every fault by its key."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.faults: list[Finding] = []
        self.origins: dict[str, Origin] = {}

    def fault(self, key: str, code: str = "profile_key", **values: Any) -> None:
        self.faults.append(Finding(code, "refused", values={"key": key, **values}, file=self.file))

    def misshapen(self, key: str, form: str) -> None:
        """The entry is missing or wrong; `form` is the key of the text that says what it has to be."""
        self.fault(key, form=form)

    def unknown(self, table: Mapping[str, Any], known: tuple[str, ...], within: str = "") -> None:
        for key in sorted(set(table) - set(known)):
            self.fault(f"{within}{key}", "profile_key_unknown")

    def profile(self, name: str, table: dict[str, Any]) -> Profile | None:
        self.unknown(table, KEYS)
        sizes = {key: self.size(key, table[key]) for key in SIZES if key in table}
        if "size" not in table:
            self.misshapen("size", "size")
        wishes = self.wishes(table.get("wishes", []))
        zones = self.zones(table["zones"]) if "zones" in table else None
        if zones is None and "zones" in wishes:
            zones = ZoneRule()
        village = self.number("village_whole", table["village_whole"]) if "village_whole" in table else None
        balance = self.number("balance", table["balance"]) if "balance" in table else 1.0
        self.distinct(sizes)
        tiers = self.tiers(table.get("tiers", []), sizes.get("size"))
        measured = [size.measure for size in (*sizes.values(), *tiers) if size is not None]
        workload = self.workload(table.get("workload", ""), wanted="workload" in measured)
        border = BORDER_COST | dict(self.costs("border_cost", table.get("border_cost", {})))
        crossing = CROSSING_COST | dict(self.costs("crossing_cost", table.get("crossing_cost", {})))
        title = self.words("title", table.get("title", {}))
        rule = self.words("rule", table.get("rule", {}))
        size = sizes.get("size")
        if size is None:
            return None
        return Profile(
            name=name,
            size=size,
            border_cost=border,
            crossing_cost=crossing,
            second=sizes.get("second"),
            rural=sizes.get("rural"),
            tiers=tiers,
            village_whole=village,
            wishes=tuple(sorted({*wishes, *(["zones"] if zones is not None else [])})),
            origins=self.origins,
            title=title,
            rule=rule,
            workload=workload,
            balance=1.0 if balance is None else balance,
            zones=zones,
            file=self.file,
        )

    def size(self, key: str, entry: Any) -> Size | None:
        if not isinstance(entry, dict) or set(entry) != {"measure", *BOUNDS}:
            self.misshapen(key, "size")
            return None
        if entry["measure"] not in get_args(Measure):
            self.misshapen(f"{key}.measure", "measure")
            return None
        lower, target, upper = (self.number(f"{key}.{bound}", entry[bound]) for bound in BOUNDS)
        if lower is None or target is None or upper is None:
            return None
        if not 0 <= lower <= target <= upper:
            self.fault(key, "profile_size_order", lower=lower, target=target, upper=upper)
            return None
        return Size(entry["measure"], lower, target, upper)

    def distinct(self, sizes: Mapping[str, Size | None]) -> None:
        """The second range has a measure of its own: it holds beside the first one, in town and country."""
        second = sizes.get("second")
        for key in ("size", "rural"):
            other = sizes.get(key)
            if second is not None and other is not None and second.measure == other.measure:
                self.fault("second", "profile_second", other=key, of=second.measure)
                return

    def number(self, key: str, entry: Any) -> float | None:
        """A number with where it comes from; a bare one is the profile's author's."""
        entry = entry if isinstance(entry, dict) else {"value": entry, "from": "source"}
        value, origin = entry.get("value"), entry.get("from")
        if set(entry) != {"value", "from"} or not _is_number(value) or origin not in get_args(Origin):
            self.misshapen(key, "number")
            return None
        number = float(value)
        if not is_bound(key.rpartition(".")[2], number):
            self.misshapen(key, "number")
            return None
        self.origins[key] = cast(Origin, origin)
        return number

    def wishes(self, entry: Any) -> list[str]:
        if not isinstance(entry, list) or not all(isinstance(wish, str) and wish in WISHES for wish in entry):
            self.fault("wishes", "profile_wishes", known=", ".join(WISHES))
            return []
        return [str(wish) for wish in entry]

    def zones(self, entry: Any) -> ZoneRule:
        if not isinstance(entry, dict):
            self.misshapen("zones", "zones")
            return ZoneRule()
        self.unknown(entry, ("kinds", "uses", "compounds"), "zones.")
        named = {}
        for key in ("kinds", "uses", "compounds"):
            some = entry.get(key, [])
            if not isinstance(some, list) or not all(isinstance(word, str) and word for word in some):
                self.misshapen(f"zones.{key}", "list")
                some = []
            named[key] = tuple(some)
        return ZoneRule(**named)

    def workload(self, entry: Any, *, wanted: bool) -> str:
        """The expression of workload: well formed, and there where a size or a tier measures it."""
        if not isinstance(entry, str) or (wanted and not entry.strip()):
            self.fault("workload", "profile_workload_missing")
            return ""
        if entry.strip():
            try:
                parse_expression(entry)
            except ExpressionError as error:
                self.fault("workload", f"expression_{error.code}", **error.values)
        return entry.strip()

    def tiers(self, entry: Any, basic: Size | None) -> tuple[TierRule, ...]:
        """The tiers from large to small: those above the basic grid first, then those below it."""
        if not isinstance(entry, list):
            self.misshapen("tiers", "tier")
            return ()
        read = [self.tier(f"tiers.{place}", one) for place, one in enumerate(entry)]
        tiers = [tier for tier in read if tier is not None]
        if basic is None or len(tiers) < len(read):
            return ()
        above = [tier.size for tier in tiers if tier.above]
        order = [*above, basic, *[tier.size for tier in tiers if not tier.above]]
        falling = all(
            one.target > other.target
            for place, one in enumerate(order)
            for other in order[place + 1 :]
            if one.measure == other.measure
        )
        if not falling or [tier.above for tier in tiers] != sorted((t.above for t in tiers), reverse=True):
            self.fault("tiers", "profile_tiers_order")
        return tuple(tiers)

    def tier(self, key: str, entry: Any) -> TierRule | None:
        if not isinstance(entry, dict):
            self.misshapen(key, "tier")
            return None
        self.unknown(entry, ("name", "place", "numbered", "measure", *BOUNDS), f"{key}.")
        before = len(self.faults)
        name = self.words(f"{key}.name", entry.get("name", {}))
        if len(self.faults) == before and not any(name.values()):
            self.misshapen(f"{key}.name", "words")
        name = {lang: name.get(lang) or next(filter(None, name.values()), "") for lang in LANGUAGES}
        place, numbered = entry.get("place", "below"), entry.get("numbered", True)
        if place not in PLACES:
            self.misshapen(f"{key}.place", "place")
        if not isinstance(numbered, bool):
            self.misshapen(f"{key}.numbered", "flag")
        size = self.size(key, {part: entry[part] for part in ("measure", *BOUNDS) if part in entry})
        if size is None or place not in PLACES:
            return None
        bounds = (size.measure, size.lower, size.target, size.upper)
        return TierRule(name, *bounds, numbered=bool(numbered), above=place == "above")

    def costs(self, key: str, entry: Any) -> Iterator[tuple[str, float]]:
        if not isinstance(entry, dict):
            self.misshapen(key, "cost")
            return
        for kind, value in entry.items():
            if kind not in BORDER_COST or not _is_number(value) or not 0 <= value < math.inf:
                self.misshapen(f"{key}.{kind}", "cost")
            else:
                yield kind, float(value)

    def words(self, key: str, entry: Any) -> Mapping[str, str]:
        if not isinstance(entry, dict) or not all(isinstance(text, str) for text in entry.values()):
            self.misshapen(key, "words")
            return {}
        self.unknown(entry, LANGUAGES, f"{key}.")
        return dict(entry)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
