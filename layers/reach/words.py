"""What reach and sites say in a sentence or two, in Chinese and English."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from layers.facilities import KINDS, kind_of
from layers.reach.siting import HOUR_MIN, Siting
from partition.texts import LANGUAGES, Language, catalogue

Words = Mapping[Language, str]


def kind_words(kind: str) -> Words:
    """What a kind of facility is called; a kind that is none of ours by its own word."""
    texts, key = catalogue("layers"), kind_of(kind)
    if key in KINDS:
        return {lang: texts.say(f"kind.{key}", lang) for lang in LANGUAGES}
    return dict.fromkeys(LANGUAGES, kind)


def percent(share: float) -> str:
    """A share in whole percent; neither nought nor all, unless it is exactly."""
    if 0 < share < 0.01:
        return "<1%"
    if 0.99 < share < 1:
        return ">99%"
    return f"{100 * share:.0f}%"


def say_reach(
    kind: str,
    minutes: Sequence[float],
    shares: Sequence[float] | None,
    *,
    beyond: float = 0.0,
    cut_off: float = 0.0,
    unknown: int = 0,
    facilities: int = 1,
) -> Words:
    """The shares of households within each of `minutes`, beyond, and cut off; None: not known."""
    return {
        lang: _reach(lang, kind, minutes, shares, beyond, cut_off, unknown, facilities) for lang in LANGUAGES
    }


def _reach(
    lang: Language,
    kind: str,
    minutes: Sequence[float],
    shares: Sequence[float] | None,
    beyond: float,
    cut_off: float,
    unknown: int,
    facilities: int,
) -> str:
    texts, name = catalogue("layers"), _within(kind, lang)
    if not facilities:
        return texts.say("reach.shares_none", lang, kind=name)
    if shares is None:
        return texts.say("reach.shares_unknown", lang)
    parts = [
        texts.say("reach.share", lang, minutes=f"{m:g}", percent=percent(share))
        for m, share in zip(minutes, shares, strict=True)
        if share < 1
    ]
    said = []
    if parts:
        said.append(texts.say("reach.shares", lang, shares=_list(parts, lang), kind=name))
    whole = [m for m, share in zip(minutes, shares, strict=True) if share >= 1]
    if whole:
        said.append(texts.say("reach.all", lang, minutes=f"{whole[0]:g}"))
    if beyond > 0:
        said.append(texts.say("reach.far", lang, percent=percent(beyond), minutes=f"{minutes[-1]:g}"))
    if cut_off > 0:
        said.append(texts.say("reach.cut_off", lang, percent=percent(cut_off)))
    if unknown:
        said.append(texts.say("reach.unknown", lang, count=unknown))
    return _join(said, lang)


def say_siting(kind: str, siting: Siting, labels: Sequence[Words], *, households: bool) -> Words:
    """What the sites change; labels: what they are called, in the order of `siting.gains`.

    households: whether their number may be told, or only the share.
    """
    return {
        lang: _siting(lang, kind, siting, [label[lang] for label in labels], households) for lang in LANGUAGES
    }


def _siting(lang: Language, kind: str, siting: Siting, labels: list[str], households: bool) -> str:
    texts, name = catalogue("layers"), _within(kind, lang)
    minutes = f"{siting.minutes:g}"
    if siting.reason != "found":
        return texts.say(
            f"siting.{siting.reason}", lang, kind=name, minutes=minutes, candidates=siting.candidates
        )
    before, after = {
        "coverage": (percent(siting.shares[0]), percent(siting.shares[1])),
        "walk": (f"{siting.mean[0]:.1f}", f"{siting.mean[1]:.1f}"),
        "farthest": (f"{siting.farthest[0]:.1f}", f"{siting.farthest[1]:.1f}"),
    }[siting.aim]
    gained = round(siting.within[1] - siting.within[0])
    gain = texts.say("siting.gain", lang, households=f"{gained:,}") if households else ""
    said = [
        texts.say(
            f"siting.{siting.aim}",
            lang,
            sites=_list(labels, lang),
            kind=name,
            minutes=minutes,
            before=before,
            after=after,
            gain=gain,
        )
    ]
    if siting.aim != "coverage" and siting.farthest[0] >= HOUR_MIN:
        said.append(texts.say("siting.hour", lang, minutes=f"{HOUR_MIN:g}"))
    if len(siting.gains) < siting.asked:
        said.append(texts.say("siting.fewer", lang, asked=siting.asked, found=len(siting.gains)))
    return _join(said, lang)


def _within(kind: str, lang: Language) -> str:
    """The kind's name as it stands within a sentence."""
    name = kind_words(kind)[lang]
    return name[:1].lower() + name[1:] if lang == "en" and kind_of(kind) else name


def _list(parts: Sequence[str], lang: Language) -> str:
    if lang == "zh":
        return "、".join(parts)
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"


def _join(said: Sequence[str], lang: Language) -> str:
    return ("" if lang == "zh" else " ").join(said)
