"""How long what is kept. Pure; `service/store/retention.py` removes what is past its time."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from importlib.resources import files
from pathlib import Path

from service.operating import OperatingError

AUDIT_LEAST = 1095  # the law: records of handling for three years at least (PIPL, article 56)
LONGEST = 36500


@dataclass(frozen=True)
class Retention:
    """Days; 0 is for ever. See `retention.toml`."""

    case_points: int
    cases: int
    case_imports: int
    events: int
    answers: int
    sessions: int
    login_links: int
    api_keys: int
    runs: int
    drafts: int
    bases: int
    audit: int


def read_retention(path: Path | None = None) -> Retention:
    """The periods: those of the product, and over them those in the file. Raises OperatingError."""
    told: Mapping[str, object] = tomllib.loads(
        files("service.privacy").joinpath("retention.toml").read_text(encoding="utf-8")
    )
    if path is not None:
        try:
            own = tomllib.loads(path.read_text(encoding="utf-8"))
        except (OSError, UnicodeError, tomllib.TOMLDecodeError) as error:
            raise OperatingError("retention-file", path=path, reason=str(error)) from None
        told = {**told, **own}
    names = [field.name for field in fields(Retention)]
    for name, value in told.items():
        if name not in names:
            raise OperatingError("retention-name", name=name, known=", ".join(names))
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= LONGEST:
            raise OperatingError("retention-days", name=name, value=value, most=LONGEST)
    found = Retention(**{name: int(str(told[name])) for name in names})
    if 0 < found.audit < AUDIT_LEAST:
        raise OperatingError("retention-audit", value=found.audit, least=AUDIT_LEAST)
    return found
