"""Facilities by kind: an icon each; street furniture small and only when asked for."""

from __future__ import annotations

from typing import ClassVar

from layers.element import Part
from layers.facilities import CONDITIONS, GROUPS, KINDS, facility_entries, kind_of
from layers.view import CommunityView

__all__ = ["CONDITIONS", "GROUPS", "KINDS", "FacilityMap", "facility_entries", "kind_of"]


class FacilityMap(Part):
    """The facilities, switchable by kind."""

    scripts: ClassVar[tuple[str, ...]] = ("facility_map.js",)

    def __init__(self, view: CommunityView) -> None:
        super().__init__("facility_map", facility_entries(view.facilities))
