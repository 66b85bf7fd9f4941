"""What the check of an input and the judgement of a plan found, as data and in words."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from partition.texts import Language, catalogue

Level = Literal["refused", "repaired", "noted", "violated"]

ROWS_SHOWN = 10
# one of what a sentence counts; not the end of a range or of a larger number
ONE = re.compile(r"(?<![\d.,–-])1 (household|resident|building|grid)s\b")


@dataclass(frozen=True, slots=True)
class Finding:
    """One fact about the input or the plan that a person should know.

    `code` is the key of its sentence in `partition/texts.toml` (`finding.<code>` there); `rows` are ids as
    the input names them (else row numbers from 1, as `#3`); `values` fill the sentence's placeholders, a
    "measure" (or "measure_…") by its word in the language (`measure.<it>`), a "form" by its description
    (`profile_form.<it>`).
    Levels: refused (nothing was done), repaired (changed so that it can be used), noted (accepted as it is),
    violated (a wish or promise that the plan does not meet).
    """

    code: str
    level: Level
    layer: str = ""
    column: str = ""
    rows: tuple[str, ...] = ()
    values: Mapping[str, Any] = field(default_factory=dict)
    file: str = ""

    def text(self, lang: Language = "en") -> str:
        """The finding as one sentence: where, what, and the mend."""
        shown = name_rows(self.rows)
        texts = catalogue("partition")
        values = dict(self.values)
        for key in values:
            if key == "measure" or key.startswith("measure_"):
                values[key] = texts.say(f"measure.{values[key]}", lang)
        if "form" in values:
            values["form"] = texts.say(f"profile_form.{values['form']}", lang)
        sentence = texts.say(
            f"finding.{self.code}",
            lang,
            **{
                "layer": self.layer,
                "column": self.column,
                "rows": shown,
                "count": len(self.rows),
                **values,
            },
        )
        if lang == "en":
            sentence = ONE.sub(r"1 \1", sentence)
        where = ".".join(part for part in (self.layer, self.column) if part)
        where = f"{self.file}: {where}" if self.file and where else self.file or where
        return f"{where}: {sentence}" if where else sentence

    def to_dict(self) -> dict[str, Any]:
        """The finding for a report: every row, the values, and both languages."""
        return {
            "code": self.code,
            "level": self.level,
            "file": self.file,
            "layer": self.layer,
            "column": self.column,
            "rows": list(self.rows),
            "values": dict(self.values),
            "text": {"zh": self.text("zh"), "en": self.text("en")},
        }


def name_rows(rows: Sequence[str]) -> str:
    """The first `ROWS_SHOWN` ids as they stand in a sentence, and how many more there are."""
    more = f" … (+{len(rows) - ROWS_SHOWN})" if len(rows) > ROWS_SHOWN else ""
    return ", ".join(rows[:ROWS_SHOWN]) + more
