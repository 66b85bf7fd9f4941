"""Faults of what the product stands on: the database, its programs, its folders."""

from __future__ import annotations

from partition.texts import Language, catalogue


class OperatingError(Exception):
    """Something that the product stands on fails; `key` names the sentence in `service/texts.toml`."""

    def __init__(self, key: str, **values: object) -> None:
        self.key = key
        self.values = values
        super().__init__(self.text("en"))

    def text(self, lang: Language = "en") -> str:
        """The sentence in `lang`, with the line that mends the fault where there is one."""
        return catalogue("service").say(self.key, lang, **self.values)
