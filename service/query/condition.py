"""A predicate in SQL with the values of its bound parameters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Condition:
    """SQL over the table's alias `t`, and what its parameters are bound to.

    Parts of one statement are told apart by prefixes of their parameters' names.
    """

    sql: str
    parameters: Mapping[str, object] = field(default_factory=dict)


EVERYTHING = Condition("true")


def all_of(*parts: Condition) -> Condition:
    """What holds where every part does. ValueError: two parts bind one name to different values."""
    parameters: dict[str, object] = {}
    for part in parts:
        for name, value in part.parameters.items():
            if name in parameters and parameters[name] != value:
                raise ValueError(f"parameter {name} is bound twice")
            parameters[name] = value
    needed = [f"({part.sql})" for part in parts if part.sql != EVERYTHING.sql]
    return Condition(" and ".join(needed) or EVERYTHING.sql, parameters)
