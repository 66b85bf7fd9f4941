"""What categories of cases are called: by `categories.toml`, and over it by a city's own file.

A name is shown and nothing else: who sees a case, and when it is due, goes by the category as it stands in
the data. A file that would call a category by a sensitive word which its data do not hold is refused, since
its cases would be shown to everybody under that name.
"""

from __future__ import annotations

import json
import tomllib
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from importlib.resources import files
from pathlib import Path
from typing import Any

from partition.texts import LANGUAGES
from service.operating import OperatingError
from service.privacy.disclosure import Rules, rules
from service.settings import Settings

Names = Mapping[str, str]

LETTERS_MOST = 80
_FIELDS = frozenset({*LANGUAGES, "values"})
# letters of one case, and no difference between street_light, street-light and Street light
_FROM = "ABCDEFGHIJKLMNOPQRSTUVWXYZ_-"
_TO = "abcdefghijklmnopqrstuvwxyz  "
_FOLD = str.maketrans(_FROM, _TO)


def fold(category: str) -> str:
    """What is the same in all ways of writing a category that are taken for one."""
    return unicodedata.normalize("NFKC", category).strip(" ").translate(_FOLD)


def named_sql(column: str, lang: str) -> str:
    """SQL of what a category is called, as `Vocabulary.label` has it; `:category_names` are its `as_json`."""
    folded = f"translate(btrim(normalize({column}, NFKC)), '{_FROM}', '{_TO}')"
    # read once for a statement, not for each row
    return f"coalesce((select cast(:category_names as jsonb)) -> {folded} ->> '{lang}', {column})"


@dataclass(frozen=True)
class Vocabulary:
    """Names in both languages by the folded category."""

    names: Mapping[str, Names]

    def label(self, category: str) -> dict[str, str]:
        """What a category is called in each language.

        One that is not known is called as it is written; `written` then is the language that it is in
        (BCP 47), so that a reader and a voice know that it is not their own.
        """
        known = self.names.get(fold(category))
        if known is not None:
            return dict(known)
        return {**dict.fromkeys(LANGUAGES, category), "written": language_of(category)}

    @cached_property
    def as_json(self) -> str:
        """All names, for `named_sql`."""
        return json.dumps({key: dict(names) for key, names in sorted(self.names.items())}, ensure_ascii=False)


def language_of(text: str) -> str:
    """The language that a word is most likely in: Chinese, English, or und: it cannot be told."""
    if any("CJK" in unicodedata.name(letter, "") for letter in text):
        return "zh-CN"
    return "en" if any(letter.isascii() and letter.isalpha() for letter in text) else "und"


@cache
def vocabulary() -> Vocabulary:
    """The names that this process shows. Raises OperatingError where the city's file is at fault."""
    return read_vocabulary(Settings().categories)


def read_vocabulary(path: Path | None = None) -> Vocabulary:
    """The names of the product and over them those in a city's file. Raises OperatingError."""
    told = tomllib.loads(files("service").joinpath("categories.toml").read_text(encoding="utf-8"))
    names = dict(_built_in(told["categories"]))
    if path is not None:
        try:
            own = tomllib.loads(path.read_text(encoding="utf-8"))
        except (OSError, UnicodeError, tomllib.TOMLDecodeError) as error:
            raise OperatingError("categories-file", path=path, reason=str(error)) from None
        names |= _own(own, path)
    return Vocabulary(names)


def _built_in(entries: Iterable[Mapping[str, Any]]) -> Iterable[tuple[str, Names]]:
    for entry in entries:
        for value in (entry["zh"], entry["en"], *entry.get("values", ())):
            # what is written in Chinese is shown to who reads Chinese as it is written
            zh = value if language_of(value) == "zh-CN" else entry["zh"]
            yield fold(value), {"zh": zh, "en": entry["en"]}


def _own(told: Mapping[str, Any], path: Path) -> dict[str, Names]:
    """The names of a city's file, which hold exactly."""
    found: dict[str, Names] = {}
    entries = told.get("categories")
    if set(told) != {"categories"} or not isinstance(entries, list):
        raise OperatingError("categories-form", path=path)
    for place, entry in enumerate(entries, start=1):
        if not _well_formed(entry):
            raise OperatingError("categories-entry", path=path, entry=place, most=LETTERS_MOST)
        names: dict[str, str] = {lang: entry[lang].strip() for lang in LANGUAGES}
        for value in (names["zh"], *entry.get("values", ())):
            if found.setdefault(fold(value), names) != names:
                raise OperatingError("categories-twice", path=path, value=value)
            if told_by_name(value, names, rules()):
                raise OperatingError(
                    "categories-sensitive", path=path, value=value, names=" / ".join(names.values())
                )
    return found


def told_by_name(value: str, names: Names, sensitive: Rules) -> bool:
    """Whether the names of a category hold a sensitive word that it does not hold itself."""
    return any(sensitive.sensitive(name) for name in names.values()) and not sensitive.sensitive(value)


def _well_formed(entry: object) -> bool:
    if not isinstance(entry, dict) or not set(LANGUAGES) <= set(entry) <= _FIELDS:
        return False
    values = entry.get("values", [])
    if not isinstance(values, list):
        return False
    return all(
        isinstance(text, str) and text.strip() and text.isprintable() and len(text) <= LETTERS_MOST
        for text in (*(entry[lang] for lang in LANGUAGES), *values)
    )
