"""What a statistic says of itself: method, caveat and verdict, in Chinese and English."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from partition.texts import LANGUAGES, catalogue

Both = Mapping[str, str]


def both(key: str, /, **values: object) -> Both:
    """A text of the catalogue in every language; a value that is itself `Both` is put in by language."""
    return {
        lang: catalogue("layers").say(
            key, lang, **{name: v[lang] if isinstance(v, Mapping) else v for name, v in values.items()}
        )
        for lang in LANGUAGES
    }


@dataclass(frozen=True)
class Statement:
    """method: one line, with its parameters. caveat: one line. verdict: a plain sentence.

    answered: whether there is a result at all; if not, the verdict says why. notes: what was left out, and
    why.
    """

    method: Both
    caveat: Both
    verdict: Both
    answered: bool = True
    notes: tuple[Both, ...] = field(default=())


def odds(p: float, digits: int = 3) -> str:
    """A p-value as it is written: never 0, never more digits than it has."""
    least = 10.0**-digits
    return f"< {least:.{digits}f}" if p < least else f"= {p:.{digits}f}"


def amount(value: float) -> str:
    """An expected number or a ratio with one digit, but never 0.0."""
    return f"{value:.1f}" if value >= 0.1 or value <= 0 else "< 0.1"
