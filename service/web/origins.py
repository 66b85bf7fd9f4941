"""Where a collection's data come from and how they may be used, as far as anybody has said.

`license` is an SPDX identifier or an address, as in OGC API – Records and STAC. Where nobody stated one it is
SPDX's own word for that, NOASSERTION, and `rights` says so in a sentence: silence would read as permission.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from data.origin import LICENCE, SOURCE
from partition.texts import Language, catalogue
from service.registry import COLLECTIONS, Collection
from service.store.catalogue import About

UNSTATED = "NOASSERTION"


@dataclass(frozen=True)
class Origin:
    """attribution: a text, never empty. licence: SPDX identifier, address, or NOASSERTION. rights: what else
    is to be known before the data are used; "" where the licence says it all.
    """

    attribution: str
    licence: str
    rights: str = ""


def origin_of(collection: Collection, about: About, operators: str, lang: Language) -> Origin:
    """What is true of the collection as one principal sees it. operators: the licence that the operator
    states for the built-in collections, "" for none; it says nothing of layers that were added.

    Without one only the sample community's own licence is known, so it holds where all that is seen is the
    sample: made up, and with its source.
    """
    say = catalogue("service").say
    if collection.name not in COLLECTIONS:
        attribution = collection.attribution or say("origin.no-source", lang)
        if collection.licence:
            return Origin(attribution, collection.licence)
        return Origin(attribution, UNSTATED, say("origin.no-licence", lang))
    named = list(dict.fromkeys(text for text, _ in about.origins if text))
    if not named or not all(text for text, _ in about.origins):
        named.append(say("origin.no-source-of-rest" if named else "origin.no-source", lang))
    attribution = "; ".join(named)
    if operators:
        return Origin(attribution, operators)
    sample = [synthetic and text == SOURCE for text, synthetic in about.origins]
    if sample and all(sample):
        return Origin(attribution, LICENCE)
    known = "origin.no-licence-of-rest" if any(sample) else "origin.no-licence"
    return Origin(attribution, UNSTATED, say(known, lang, licence=LICENCE))


def joined(origins: Iterable[Origin], lang: Language) -> Origin:
    """What is true of several collections together."""
    each = list(origins)
    attribution = "; ".join(dict.fromkeys(one.attribution for one in each))
    if len({(one.licence, one.rights) for one in each}) == 1:
        return Origin(attribution, each[0].licence, each[0].rights)
    return Origin(attribution, UNSTATED, catalogue("service").say("origin.several", lang))
