"""The columns that a grid's card is written from (`layers.cards.describe_grid`), for one principal.

Everything here has passed access and disclosure control: posts and freshness as `/staff` and `/freshness`
tell them, groups as `/figures`, facilities and cases as their collections.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

from sqlalchemy import Connection

from partition.texts import LANGUAGES, catalogue
from service.access import Principal, Role, may_see_phone
from service.privacy.disclosure import GroupRule, band_label
from service.store.cards import Months, select_facility_kinds, select_months
from service.store.figures import Group
from service.store.staff import Person, Post, select_freshness, select_posts, slots
from service.vocabulary import vocabulary

MONTHS = 12
CARD_COLUMNS = ("posts", "facilities", "freshness", "months")
BEIJING = timezone(timedelta(hours=8))


def first_month(until: datetime, months: int = MONTHS) -> datetime:
    """When the first of so many months begins, in Beijing, of which the last is that of `until`."""
    there = until.astimezone(BEIJING)
    count = there.year * 12 + there.month - months
    return datetime(count // 12, count % 12 + 1, 1, tzinfo=BEIJING).astimezone(UTC)


def describe_months(months: Months | None, code: str, until: datetime) -> list[dict[str, Any]]:
    """The grid's cases by month until then, from the first month with cases in the community on.

    The month of `until` is not whole, nor is the first one where the cases begin within it.
    """
    if months is None or months.oldest is None or code not in months.counts:
        return []
    counts = months.counts[code]
    first, last = months.oldest.astimezone(BEIJING), until.astimezone(BEIJING)
    told = []
    for count in range(first.year * 12 + first.month - 1, last.year * 12 + last.month):
        month = f"{count // 12}-{count % 12 + 1:02d}"
        begun_late = (first.year, first.month) == (count // 12, count % 12 + 1) and first.day > 1
        over = count < last.year * 12 + last.month - 1
        told.append({"month": month, "cases": counts.get(month, 0), "whole": over and not begun_late})
    return told


def counted_of(counted: Months | None, code: str) -> int:
    """The cases of a grid, or of all that count together with it."""
    return 0 if counted is None else sum(counted.counts.get(code, {}).values())


def counted_with(counted: Months | None, code: str) -> tuple[str, ...]:
    """The codes of the grids that count together with this one, itself among them; none: it counts alone."""
    codes = () if counted is None else counted.together.get(code, ())
    return codes if len(codes) > 1 else ()


def card_columns(
    connection: Connection, principal: Principal, division: str, codes: Sequence[str], until: datetime | None
) -> dict[str, dict[str, Any]]:
    """Posts, facilities, cases by month and freshness of grids of a community, by code.

    until: where the months end; None: without cases. What depends on how many households a grid holds is
    left to the caller.
    """
    kinds = select_facility_kinds(connection, principal, division)
    posts = {post.code: post for post in select_posts(connection, principal, division) if post.tier == "grid"}
    fresh = {row["code"]: dict(row) for row in select_freshness(connection, principal, division)}
    months = None
    if until is not None:
        after = until + timedelta(microseconds=1)
        months = select_months(connection, principal, division, first_month(until), after)
    found = {}
    for code in codes:
        found[code] = {
            "posts": describe_posts(posts[code], principal) if code in posts else None,
            "facilities": kinds.get(code, []),
            "freshness": _fresh(fresh.get(code), principal),
            "months": [] if until is None else describe_months(months, code, until),
        }
    return found


def describe_posts(post: Post, principal: Principal) -> list[dict[str, Any]]:
    """The posts that the grid is to have, who holds them and how many are missing; then its other staff."""
    told: list[dict[str, Any]] = []
    held: set[int] = set()
    for slot in (slot for slot in slots() if slot.tier == post.tier):
        people = post.filled(slot)
        held |= {id(person) for person in people}
        title = {"zh": slot.zh, "en": slot.en}
        told.append(
            {
                "title": title,
                "vacancies": post.vacancies(slot),
                "people": [_person(person, principal) for person in people],
            }
        )
    for person in post.people:
        if id(person) not in held:
            role = dict.fromkeys(LANGUAGES, person.role)
            told.append({"title": role, "vacancies": 0, "people": [_person(person, principal)]})
    return told


def _person(person: Person, principal: Principal) -> dict[str, str]:
    phone = person.phone if may_see_phone(principal) else ""
    return {"role": person.role, "name": person.name, "phone": phone}


def _fresh(row: Mapping[str, Any] | None, principal: Principal) -> dict[str, str]:
    names = ["grid", "buildings", "facilities", "staff"]
    if principal.reaches(Role.CENTRE):
        names.append("cases")
    if row is None:
        return {}
    return {name: row[name].astimezone(BEIJING).date().isoformat() for name in names if row[name] is not None}


def recent_case(row: Mapping[str, Any]) -> dict[str, str]:
    """A case on a card: its day in Beijing, category and status in words."""
    texts, status = catalogue("service"), f"case_status.{row['status']}"
    entry = {"date": row["time"].astimezone(BEIJING).date().isoformat()}
    entry |= {f"category_{name}": words for name, words in vocabulary().label(row["category"]).items()}
    for lang in LANGUAGES:
        entry[f"status_{lang}"] = texts.say(status, lang) if status in texts else str(row["status"])
    return entry


def group_lines(found: Sequence[Group], codes: Collection[str]) -> dict[str, list[dict[str, str]]]:
    """What cards say of groups, by grid: an exact count where the principal has the right, else a band."""
    lines: dict[str, list[dict[str, str]]] = {}
    for seen in found:
        for code, count in seen.counts.items():
            lines.setdefault(code, []).append(_line(seen.rule, str(count), ()))
        for cell in seen.areas:
            for code in set(cell.codes) - seen.counts.keys():
                others = [other for other in cell.codes if other != code]
                mixed = any(other in seen.counts for other in others)
                count_shown = None if mixed else cell.count
                lines.setdefault(code, []).append(_line(seen.rule, count_shown, others, mixed))
    return {code: told for code, told in lines.items() if code in codes}


def _line(
    rule: GroupRule, value: int | str | None, others: Sequence[str], mixed: bool = False
) -> dict[str, str]:
    """A group's line on a grid's card: an exact count (text), or the band of a cell that `others` share.

    mixed: the reader has exact counts of some of these, so that the band would tell of the rest.
    """
    say = catalogue("service").say
    entry = {f"label_{lang}": rule.label[lang] for lang in LANGUAGES}
    for lang in LANGUAGES:
        if isinstance(value, str):
            shown = say("group.exact", lang, count=value)
        elif mixed:
            shown = say("group.mixed", lang)
        else:
            shown = band_label(value, rule, lang)
            if others:
                codes = " ".join(other[-3:] for other in others)
                shown = say("group.merged", lang, value=shown, codes=codes)
        entry[f"value_{lang}"] = shown
    return entry
