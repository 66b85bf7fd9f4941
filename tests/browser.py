"""Debian's Chromium with the network closed: only the page itself and the loopback are answered."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import Browser, Page, Route, expect, sync_playwright

CHROMIUM = "/usr/bin/chromium"
_ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
)
# machines are shared: how soon something shows is for the benchmarks to say
expect.set_options(timeout=20_000)
_OWN_SCHEMES = {"file", "data", "blob", "about"}
_OWN_HOSTS = {"127.0.0.1", "localhost"}


@dataclass
class Trouble:
    """What a page did that it must not do."""

    outside: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)


@contextmanager
def chromium() -> Iterator[Browser]:
    """A headless browser for the time of the block."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(_ARGUMENTS))
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def closed_page(
    browser: Browser, trouble: Trouble, width: int = 1280, height: int = 720, **options: Any
) -> Iterator[Page]:
    """A page whose requests to other hosts are refused and noted in `trouble`, as are console errors.

    `options` are those of a browser's context; less motion is wished for unless they say otherwise.
    """
    wished: dict[str, Any] = {"reduced_motion": "reduce", **options}
    context = browser.new_context(viewport={"width": width, "height": height}, **wished)

    def answer(route: Route) -> None:
        address = urlsplit(route.request.url)
        if address.scheme in _OWN_SCHEMES or address.hostname in _OWN_HOSTS:
            route.continue_()
        else:
            trouble.outside.append(route.request.url)
            route.abort()

    context.route("**/*", answer)
    page = context.new_page()
    page.set_default_timeout(30_000)
    page.on(
        "console", lambda message: trouble.errors.append(message.text) if message.type == "error" else None
    )
    page.on("pageerror", lambda error: trouble.errors.append(str(error)))
    try:
        yield page
    finally:
        context.close()


def accessibility_faults(page: Page) -> list[str]:
    """What axe-core finds serious or critical on the page: the rule, and where."""
    from axe_playwright_python.sync_playwright import Axe

    found = Axe().run(page, options={"resultTypes": ["violations"]}).response["violations"]
    return [
        f"{fault['id']}: {node['target']} {node['html'][:160]}"
        for fault in found
        if fault["impact"] in ("serious", "critical")
        for node in fault["nodes"]
    ]
