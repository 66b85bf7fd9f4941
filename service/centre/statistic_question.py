"""What is asked of a statistic besides the view: method and parameters, read once from the address."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args
from urllib.parse import urlencode

from service.access import Principal, Role
from service.centre.mesh import Kind
from service.faults import MalformedError, UnknownError
from service.query.box import read_number, short
from service.query.question import read_whole

Method = Literal["gi", "moran", "rates", "scan", "recent", "compare"]
Side = Literal["high", "low", "both"]
METHODS: tuple[Method, ...] = get_args(Method)
_SCANS = ("seed", "runs", "share", "radius")
PARAMETERS: Mapping[Method, frozenset[str]] = {
    "gi": frozenset({"units", "cell", "seed"}),
    "moran": frozenset({"units", "cell", "seed"}),
    "rates": frozenset({"units", "cell", "seed"}),
    "scan": frozenset({"units", "cell", *_SCANS, "side"}),
    "recent": frozenset({"units", "cell", *_SCANS, "longest"}),
    "compare": frozenset({"units", "cell", "at", "areas"}),
}
CELLS = (50.0, 500.0)
RUNS = (99, 1999)
LONGEST_MOST = 30
RADIUS_MOST = 100_000.0
AREAS_MOST = 200
# the scan's own default is half; a circle round half of a community tells nobody where to go
SHARE = 0.25


@dataclass(frozen=True)
class Ask:
    """What is asked besides the view. radius_m: None is any. areas: codes, ascending. at: as written."""

    method: Method
    units: Kind
    cell_m: float = 100.0
    seed: int = 0
    runs: int = 999
    share: float = SHARE
    radius_m: float | None = None
    side: Side = "high"
    longest: int = 7
    at: str = ""
    areas: tuple[str, ...] = ()

    def written(self) -> dict[str, Any]:
        """The parameters of the method and their values."""
        told = {
            "units": self.units,
            "cell_m": self.cell_m if self.units == "cells" else None,
            "seed": self.seed,
            "runs": self.runs,
            "share": self.share,
            "radius_m": self.radius_m,
            "side": self.side,
            "longest": self.longest,
            "areas": list(self.areas),
        }
        names = {"cell": "cell_m", "radius": "radius_m"}
        return {
            names.get(name, name): told[names.get(name, name)]
            for name in sorted(PARAMETERS[self.method] - {"at"})
        }


def read_method(name: str) -> Method:
    """The method of that name. Raises UnknownError."""
    for method in METHODS:
        if name == method:
            return method
    raise UnknownError("statistic", name=short(name), choice=", ".join(METHODS))


def read_ask(method: Method, given: Iterable[tuple[str, str]], principal: Principal) -> Ask:
    """The method's parameters among names and values of an address; others are passed over.

    Raises MalformedError.
    """
    told: dict[str, str] = {}
    for name, value in given:
        if name in PARAMETERS[method]:
            if name in told:
                raise MalformedError("parameter-repeated", name=name)
            told[name] = value
    kinds: tuple[Kind, ...] = ("cells", "grids", "buildings")
    if not principal.reaches(Role.CENTRE):
        kinds = ("cells", "grids")
    default: Kind = "grids" if method in ("rates", "compare") else "cells"
    units = told.get("units", default)
    _one_of("units", units, kinds)
    side = told.get("side", "high")
    _one_of("side", side, get_args(Side))
    areas = tuple(sorted({code.strip() for code in told["areas"].split(",")})) if "areas" in told else ()
    if len(areas) > AREAS_MOST:
        raise MalformedError("centre-many", name="areas", most=AREAS_MOST)
    return Ask(
        method,
        next(kind for kind in kinds if kind == units),
        _number(told, "cell", 100.0, *CELLS),
        read_whole(told, "seed", 0, most=2**31 - 1),
        read_whole(told, "runs", 999, least=RUNS[0], most=RUNS[1]),
        _number(told, "share", SHARE, 0.01, 0.5),
        _number(told, "radius", 0.0, 1.0, RADIUS_MOST) if "radius" in told else None,
        next(one for one in get_args(Side) if one == side),
        read_whole(told, "longest", 7, least=1, most=LONGEST_MOST),
        told.get("at", ""),
        areas,
    )


def _one_of(name: str, value: str, choice: Sequence[str]) -> None:
    if value not in choice:
        raise MalformedError("parameter-value", name=name, value=short(value), choice=", ".join(choice))


def _number(told: Mapping[str, str], name: str, default: float, least: float, most: float) -> float:
    if name not in told:
        return default
    number = read_number(told[name])
    if number is None or not least <= number <= most:
        raise MalformedError(
            "number-range", name=name, value=short(told[name]), lower=f"{least:g}", upper=f"{most:g}"
        )
    return number


def write_ask(ask: Ask) -> str:
    """The parameters as in an address; what is as by default is left out."""
    plain = Ask(ask.method, "grids" if ask.method in ("rates", "compare") else "cells")
    pairs: list[tuple[str, object]] = [
        ("units", ask.units if ask.units != plain.units else None),
        ("cell", f"{ask.cell_m:g}" if ask.cell_m != plain.cell_m else None),
        ("seed", ask.seed or None),
        ("runs", ask.runs if ask.runs != plain.runs else None),
        ("share", f"{ask.share:g}" if ask.share != plain.share else None),
        ("radius", None if ask.radius_m is None else f"{ask.radius_m:g}"),
        ("side", ask.side if ask.side != plain.side else None),
        ("longest", ask.longest if ask.longest != plain.longest else None),
        ("at", ask.at or None),
        ("areas", ",".join(ask.areas) or None),
    ]
    return urlencode([(name, value) for name, value in pairs if value is not None], safe=",/:")
