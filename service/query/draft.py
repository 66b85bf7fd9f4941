"""A feature as a client would have it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from shapely import Geometry


@dataclass(frozen=True)
class Draft:
    """A feature as it is to be. values: by public name, those that were sent. shape: in degrees, if sent."""

    values: Mapping[str, Any] = field(default_factory=dict)
    shape: Geometry | None = None
