"""Parts of a file that a client asks for by `Range` (RFC 9110, 14): one of bytes; else the whole is sent."""

from __future__ import annotations

import re
from dataclasses import dataclass

from service.exports.faults import RangeError


@dataclass(frozen=True)
class Part:
    """Bytes from `first` on, up to and with `last` (None: the end); without `first` the last `last` bytes."""

    first: int | None
    last: int | None

    def within(self, size: int) -> tuple[int, int]:
        """Where it begins and ends (exclusive) in a file of so many bytes. RangeError: nowhere."""
        if self.first is None:
            first, end = size - min(self.last or 0, size), size
        else:
            first, end = self.first, size if self.last is None else min(self.last + 1, size)
        if first >= end:
            raise RangeError(size)
        return first, end


def read_part(header: str | None) -> Part | None:
    """The part that the header names; None where it is none that is served, and so the whole is sent."""
    found = re.fullmatch(r"\s*bytes\s*=\s*([0-9]{0,18})\s*-\s*([0-9]{0,18})\s*", header or "", re.IGNORECASE)
    if found is None or not any(found.groups()):
        return None
    first, last = (int(one) if one else None for one in found.groups())
    if first is not None and last is not None and last < first:
        return None
    return Part(first, last)
