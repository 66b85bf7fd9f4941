"""What tests of every room share: a browser with the network closed, and draws that can be repeated."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

    from tests.browser import Trouble

LONG_SECONDS = 1_200


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Headless Chromium."""
    from tests.browser import chromium

    with chromium() as running:
        yield running


@pytest.fixture
def trouble() -> Trouble:
    """What the test's page did that it must not do; a test that expects an error takes it out of the list."""
    from tests.browser import Trouble

    return Trouble()


@pytest.fixture
def page(browser: Browser, trouble: Trouble) -> Iterator[Page]:
    """A page of 1280 by 720 with the network closed.

    The test fails if the page asks another host for anything, or if an error shows on its console.
    """
    from tests.browser import closed_page

    with closed_page(browser, trouble) as opened:
        yield opened
    assert trouble.outside == []
    assert trouble.errors == []


def pytest_configure() -> None:
    """A shell that runs the tests in the background lets them ignore Ctrl-C, and their children with them."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A long test has longer before it is taken for one that hangs."""
    for item in items:
        if item.get_closest_marker("long") and not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(LONG_SECONDS))


def pytest_collection_finish() -> None:
    """A property's examples are the same alone and in the whole run."""
    if "hypothesis" in sys.modules:  # else no test draws
        from tests.draws import draw_alike

        draw_alike()


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--renew-golden` writes the stored texts of tests/golden anew."""
    parser.addoption("--renew-golden", action="store_true", help="write the golden texts anew")
