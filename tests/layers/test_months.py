"""Months are named as their readers expect, in Python and in the browser alike."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import pytest

from layers.months import in_both, name_month, write_month
from partition.texts import LANGUAGES, catalogue
from tests.browser import Trouble, chromium, closed_page

MONTHS = [date(2026, month, 1) for month in range(1, 13)]


def test_a_month_reads_as_its_language_has_it() -> None:
    october = date(2026, 10, 31)
    assert in_both(october) == {"zh": "2026年10月", "en": "October 2026"}
    assert in_both(october, short=True) == {"zh": "2026年10月", "en": "Oct 2026"}
    assert name_month(1, "zh") == "1月"
    for short in (False, True):
        for lang in LANGUAGES:
            assert len({name_month(month, lang, short=short) for month in range(1, 13)}) == 12


@pytest.mark.browser
def test_the_browser_names_months_alike() -> None:
    script = (Path(__file__).parents[2] / "layers/templates/wangge.js").read_text(encoding="utf-8")
    texts = catalogue("layers")
    words = {lang: {key: texts[key][lang] for key in texts if key.startswith("map.")} for lang in LANGUAGES}
    trouble = Trouble()
    with chromium() as browser, closed_page(browser, trouble) as page:
        for lang in LANGUAGES:
            told = json.dumps({"lang": lang, "texts": words})
            page.set_content(
                f'<html><body><script type="application/json" id="wangge-page">{told}</script></body></html>'
            )
            page.add_script_tag(content=script)
            for short in (False, True):
                days = [month.isoformat() for month in MONTHS]
                said = page.evaluate(
                    "([days, short]) => days.map(day => [wangge.month(day, short),"
                    " wangge.month(day.slice(0, 7), short), wangge.month_name(day, short)])",
                    [days, short],
                )
                assert said == [
                    [write_month(month, lang, short=short)] * 2 + [name_month(month.month, lang, short=short)]
                    for month in MONTHS
                ]
    assert trouble == Trouble()
