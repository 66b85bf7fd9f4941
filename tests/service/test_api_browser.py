"""The served map in Chromium, with every other host out of reach."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from service.access import Principal, Role
from service.privacy.disclosure import rules

from .towns import CODE

if TYPE_CHECKING:
    from playwright.sync_api import Page

    from tests.browser import Trouble

    from .api import Served

pytestmark = [pytest.mark.database, pytest.mark.browser]


def themes(page: Page) -> list[str]:
    return [
        text.strip()
        for text in page.locator("input[type=radio]").locator("xpath=ancestor::label").all_inner_texts()
    ]


def test_a_visitor_finds_the_map_and_the_data(served: Served, page: Page) -> None:
    page.goto(f"{served.address}/?lang=zh")
    assert page.locator("h1").inner_text() == "社区网格"
    page.get_by_text("打开地图").click()
    page.wait_for_url(f"**/maps/{CODE}*")
    page.locator(".leaflet-container").wait_for()
    floating = rules().groups["floating"].label["zh"]
    assert floating in themes(page)
    assert rules().groups["disabled"].label["zh"] not in themes(page)
    page.get_by_text(floating, exact=True).first.click()
    page.goto(f"{served.address}/collections?lang=en")
    page.get_by_role("link", name="cases", exact=True).click()
    assert page.locator("h1").inner_text() == "cases"
    page.goto(f"{served.address}/?lang=zh")
    page.get_by_role("link", name="数据集").click()  # the language chosen stays
    assert page.locator("h1").inner_text() == "数据集"


def test_a_login_link_opens_the_centres_map_and_works_once(
    served: Served, page: Page, trouble: Trouble
) -> None:
    token = served.accounts.invite(Principal(Role.CENTRE, subject="browser"))
    page.goto(f"{served.address}/login?token={token}")
    assert page.url == f"{served.address}/"
    page.goto(f"{served.address}/maps/{CODE}?lang=zh")
    page.locator(".leaflet-container").wait_for()
    for name in ("disabled", "elderly_alone", "floating"):
        page.get_by_text(rules().groups[name].label["zh"], exact=True).first.click()
    page.goto(f"{served.address}/?lang=en")
    page.get_by_role("button", name="Log out").click()
    assert page.get_by_text("Seen as: public").is_visible()
    refused = page.goto(f"{served.address}/login?token={token}&lang=en")
    assert refused is not None
    assert refused.status == 403
    assert "works once" in page.inner_text("main") or "Each works once" in page.inner_text("main")
    trouble.errors.remove(next(error for error in trouble.errors if "403" in error))
