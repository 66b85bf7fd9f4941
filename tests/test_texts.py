"""Numbers in English sentences: one is not many, in Python and in the browser alike."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from partition.texts import LANGUAGES, Catalogue, catalogue
from tests.browser import Trouble, chromium, closed_page

# what sentences count, and names of limits, which are never 1
COUNTED = (
    "cases|units|days|grids|communities|households|residents|buildings|areas|streets|candidates|rows|"
    "seconds|hours|features|files|plans|pairs|changes|points|people|places|minutes|runs|draws"
)
LIMITS = "k|least|most|per|size|min|hidden|unstable|minutes|runs|draws|lower|upper|limit|base|every|longest"


@pytest.mark.parametrize("package", ["layers", "service"])
def test_what_is_counted_can_be_one(package: str) -> None:
    """After a number stands no plain plural, but for those of limits."""
    number = rf"\{{(?!(?:{LIMITS})\}})\w+(?::[^}}|]*)?\}}"
    plain = re.compile(rf"{number} (?:(?!in )[a-z]+ )?(?:{COUNTED})\b(?![|}}])")
    texts = catalogue(package)
    left = {key: found[0] for key in texts if (found := plain.search(texts[key]["en"]))}
    assert not left


TEXTS = Catalogue(
    {
        "found": {
            "zh": "{count} 件，{days} 天",
            "en": "{count} {count|case was|cases were} found in {days} {days|day|days}",
        }
    }
)


@pytest.mark.parametrize(
    ("count", "days", "en"),
    [
        (1, 2, "1 case was found in 2 days"),
        ("1", "1", "1 case was found in 1 day"),
        (0, 21, "0 cases were found in 21 days"),
        ("1,001", 1.5, "1,001 cases were found in 1.5 days"),
    ],
)
def test_a_word_goes_by_its_number(count: object, days: object, en: str) -> None:
    assert TEXTS.say("found", "en", count=count, days=days) == en
    assert TEXTS.say("found", "zh", count=count, days=days) == f"{count} 件，{days} 天"


def test_a_number_that_is_not_given_is_an_error() -> None:
    with pytest.raises(KeyError):
        TEXTS.say("found", "en", count=1)


@pytest.mark.browser
def test_the_browser_says_the_same() -> None:
    script = (Path(__file__).parents[1] / "layers/templates/wangge.js").read_text(encoding="utf-8")
    trouble = Trouble()
    with chromium() as browser, closed_page(browser, trouble) as page:
        told = json.dumps(
            {"lang": "en", "texts": {lang: {"found": TEXTS["found"][lang]} for lang in LANGUAGES}}
        )
        page.set_content(
            f'<html><body><script type="application/json" id="wangge-page">{told}</script></body></html>'
        )
        page.add_script_tag(content=script)
        for count, days in ((1, 2), ("1", "1"), (0, 21), ("1,001", 1.5)):
            said = page.evaluate("told => wangge.say('found', told)", {"count": count, "days": days})
            assert said == TEXTS.say("found", "en", count=count, days=days)
    assert trouble == Trouble()
