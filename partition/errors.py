"""What can go wrong in a partition. Each class explains itself; attributes carry ids and measured values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from partition.findings import Finding


class PartitionError(Exception):
    """The partition could not be made."""

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or type(self).__doc__)


class InputError(PartitionError):
    """The input is wrong.

    Carries every fault found, not only the first: `findings`, all of level "refused".
    """

    def __init__(self, findings: Sequence[Finding]) -> None:
        self.findings = tuple(findings)
        super().__init__("\n".join(finding.text() for finding in self.findings))


class ProfileError(InputError):
    """The profile is unknown or its numbers contradict each other."""


class CodeError(InputError):
    """A code is malformed, or no number is left."""


class EditError(InputError):
    """The edit cannot be made: a lock stands against it, or it names what is not there."""
