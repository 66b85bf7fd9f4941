"""What the store refuses: each with the key of its sentence in `service/texts.toml` and what it is about."""

from __future__ import annotations

from collections.abc import Sequence

from partition.findings import Finding
from partition.texts import Language
from service.operating import OperatingError


class StoreError(OperatingError):
    """The store cannot do what was asked."""


class NotFoundError(StoreError):
    """What was named does not exist."""


class ConflictError(StoreError):
    """Somebody else was first, or the thing is no longer in the state that the call needs."""


class OutdatedError(ConflictError):
    """The version that the call was made on is no longer the newest."""


class PlanRefusedError(StoreError):
    """The plan breaks a promise and is not published; `findings` says which, all at once."""

    def __init__(self, key: str, findings: Sequence[Finding], **values: object) -> None:
        self.findings = tuple(findings)
        super().__init__(key, **values)

    def text(self, lang: Language = "en") -> str:
        """What is refused, then each reason on a line of its own."""
        return "\n".join([super().text(lang), *(finding.text(lang) for finding in self.findings)])
