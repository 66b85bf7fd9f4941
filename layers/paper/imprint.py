"""What is printed besides the map: who made the sheet and when, and who answers for its grids."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from layers.legend import both
from layers.view import CommunityView
from partition.texts import LANGUAGES, Language, catalogue


@dataclass(frozen=True)
class Duty:
    """A person in a role, by language; no name: the post is vacant. phone: that of the work."""

    role: Mapping[str, str]
    name: str
    phone: str = ""


@dataclass(frozen=True)
class Imprint:
    """Language, day (ISO) and author of a sheet, and what else stands on it.

    base_url: where the service is reached, for the code on a sign board; none: no code. hotline: a number
    for everybody. draft: the plan is not in force, and every page says so. duties: who answers for a grid or
    a community, by code; where a code has none, those in the view's `staff`.
    """

    lang: Language
    date: str
    author: str = ""
    base_url: str = ""
    hotline: str = ""
    draft: bool = False
    duties: Mapping[str, Sequence[Duty]] = field(default_factory=dict)

    def say(self, key: str, /, **values: object) -> str:
        """A sentence of the catalogue."""
        return catalogue("layers").say(key, self.lang, **values)

    def of_grid(self, row: Mapping[str, Any]) -> list[Duty]:
        """Who answers for a grid of a view."""
        known = self.duties.get(str(row["code"]))
        return list(known) if known is not None else staff_duties(row.get("staff"))

    def of_community(self, view: CommunityView) -> list[Duty]:
        """Who answers for the whole community; its vacancies are no matter of a single grid."""
        known = self.duties.get(str(view.community["code"].iloc[0] or ""), ())
        return [duty for duty in known if duty.name]

    def page_address(self, division: str, grid: str) -> str:
        """The address of a grid's page; "" without a base, and of a draft, which has no page."""
        if not self.base_url or self.draft:
            return ""
        return f"{self.base_url.rstrip('/')}/centre/{quote(division, safe='')}?grid={quote(grid, safe='')}"


def role_words(role: str) -> tuple[int, dict[str, str]]:
    """A role in both languages where it is a known one, else as the data have it; and its rank."""
    texts = catalogue("layers")
    known = [texts[key] for key in texts if key.startswith("staff.")]
    for rank, words in enumerate(known):
        if role in words.values():
            return rank, dict(words)
    return len(known), dict.fromkeys(LANGUAGES, role)


def staff_duties(staff: Any) -> list[Duty]:
    """A view's `staff` of one grid, known roles first."""
    found = []
    for person in staff if isinstance(staff, (list, tuple)) else ():
        rank, words = role_words(str(person.get("role") or ""))
        role: dict[str, str] = {lang: str(person.get(f"role_{lang}") or words[lang]) for lang in LANGUAGES}
        name, phone = (str(person.get(key) or "").strip() for key in ("name", "phone"))
        found.append((rank, Duty(role, name, phone)))
    return [duty for _, duty in sorted(found, key=lambda pair: pair[0])]


def version_words(view: CommunityView, imprint: Imprint) -> str:
    """Which plan is shown, and since when it is in force."""
    if not view.version:
        return ""
    words = [both("map.version", version=view.version)[imprint.lang]]
    if view.published and not imprint.draft:
        words.append(both("map.published", date=view.published[:10])[imprint.lang])
    return "，".join(words) if imprint.lang == "zh" else ", ".join(words)


def plain_number(value: Any) -> str:
    """A count with separators; "—" where there is none."""
    if value is None or value != value:
        return "—"
    return f"{round(float(value)):,}"
