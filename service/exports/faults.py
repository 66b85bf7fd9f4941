"""Why an export is not made."""

from __future__ import annotations

from collections.abc import Sequence

from partition.texts import Language, catalogue
from service.faults import ServiceError


class FullDiskError(ServiceError):
    """There is no room for the file."""


class UnfitError(ServiceError):
    """A Shapefile cannot hold some values. columns: name, how many are too long, how many have characters
    that the encoding lacks, how many numbers are too large.
    """

    def __init__(self, columns: Sequence[tuple[str, int, int, int]], encoding: str) -> None:
        self.columns, self.encoding = tuple(columns), encoding
        super().__init__("export-unfit")

    def text(self, lang: Language) -> str:
        """Every column that does not fit, and what mends it."""
        say = catalogue("service").say
        told = []
        for name, *counts in self.columns:
            for key, count in zip(("long", "lacking", "large"), counts, strict=True):
                if count:
                    told.append(say(f"export.{key}", lang, name=name, count=count, encoding=self.encoding))
        return say("error.export-unfit", lang, values=say("export.join", lang).join(told))


class LargeError(ServiceError):
    """The format cannot hold so much."""


class RangeError(ServiceError):
    """The file has none of the bytes that are asked for. size: how many it has."""

    def __init__(self, size: int) -> None:
        self.size = size
        super().__init__("range", size=size)


class FailedError(Exception):
    """The writing process failed for a reason that is ours."""
