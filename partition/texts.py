"""Text catalogues: every sentence that a person reads, in Chinese and English, in one TOML file a package."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.resources import files
from typing import Literal, get_args

Language = Literal["zh", "en"]
_NUMBER = re.compile(r"\{(\w+)\|([^|{}]*)\|([^|{}]*)\}")
LANGUAGES: tuple[Language, ...] = get_args(Language)


class Catalogue(Mapping[str, Mapping[str, str]]):
    """Sentences by key and language, read from `texts.toml` of a package.

    Each table of the file is a key with `zh` and `en`; placeholders are those of `str.format`, and
    `{name|one|more}` is the first of both words where the value of `name` is 1, else the second.
    """

    def __init__(self, entries: Mapping[str, Mapping[str, str]]) -> None:
        lacking = [key for key, entry in entries.items() if set(entry) != set(LANGUAGES)]
        if lacking:
            raise ValueError(f"texts without exactly the languages {LANGUAGES}: {lacking}")
        self._entries = dict(entries)

    def __getitem__(self, key: str) -> Mapping[str, str]:
        return self._entries[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def say(self, key: str, lang: Language = "en", /, **values: object) -> str:
        """The sentence of `key` in `lang` with `values` filled in."""

        def number(found: re.Match[str]) -> str:
            return found[2] if str(values[found[1]]) == "1" else found[3]

        return _NUMBER.sub(number, self._entries[key][lang]).format(**values)


@cache
def catalogue(package: str) -> Catalogue:
    """The catalogue that lies in `package` as `texts.toml`."""
    return Catalogue(tomllib.loads(files(package).joinpath("texts.toml").read_text(encoding="utf-8")))
