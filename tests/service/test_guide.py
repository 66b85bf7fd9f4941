"""The guide in the browser: every page, every link, nothing else."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urldefrag, urljoin

import pytest

from service.access import Role
from service.web import guide

if TYPE_CHECKING:
    from .api import Served

pytestmark = pytest.mark.database

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    str(path.relative_to(ROOT))
    for path in (*ROOT.glob("docs/*.md"), *ROOT.glob("notebooks/*.ipynb"), *ROOT.glob("README*.md"))
)


def test_every_page_is_there_and_every_link_leads_somewhere(served: Served) -> None:
    client = served.client()
    read: dict[str, str] = {}

    def body(path: str) -> str:
        if path not in read:
            answer = client.get(path, headers={"accept": "text/html"})
            assert answer.status_code == 200, path
            read[path] = answer.text if answer.headers["content-type"].startswith("text/html") else ""
        return read[path]

    assert len(PAGES) > 40
    for name in PAGES:
        path = f"/guide/{name}"
        text = body(path)
        article = text[text.index('<article class="guide">') :]
        assert "<h1" in article, name
        for target in re.findall(r'(?:href|src)="([^"]+)"', article):
            if re.match(r"\w+:", target):
                continue
            address, fragment = urldefrag(urljoin(path, target))
            there = body(address)
            assert not fragment or f'id="{unquote(fragment)}"' in there, (name, target)
    assert any(path.endswith((".jpg", ".png")) for path in read)


def test_pages_ask_no_other_host_for_anything(served: Served) -> None:
    client = served.client()
    for name in PAGES:
        text = client.get(f"/guide/{name}").text
        assert not re.search(r'<(?:img|script|link|iframe)[^>]+(?:src|href)="(?:https?:)?//', text), name


def test_a_language_that_is_asked_for_is_kept(served: Served) -> None:
    client = served.client()
    answer = client.get("/guide", params={"lang": "zh"}, follow_redirects=True)
    assert answer.url.path == "/guide/README.zh-CN.md"
    answer = client.get("/guide/docs/statistics.zh-CN.md", params={"lang": "en"}, follow_redirects=True)
    assert answer.url.path == "/guide/docs/statistics.md"
    assert client.get("/guide/notebooks/03_hot_spots.ipynb", params={"lang": "zh"}).status_code == 200


@pytest.mark.parametrize(
    "name",
    [
        "pyproject.toml",
        "docs/../pyproject.toml",
        "docs/%2e%2e/pyproject.toml",
        "docs/images/../../service/settings.py",
        "docs/nothing.md",
        "service/texts.toml",
        "docs/",
        "/etc/passwd",
    ],
)
def test_nothing_else_is_given_away(served: Served, name: str) -> None:
    for role in (Role.PUBLIC, Role.ADMIN):
        assert served.client(role).get(f"/guide/{name}").status_code == 404


def test_markup_in_a_page_is_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "bad.md").write_text("# T\n\n<script>alert(1)</script> [x](javascript:alert(1))\n")
    monkeypatch.setattr(guide, "home", lambda: tmp_path)
    guide.page.cache_clear()
    found = guide.page("docs/bad.md")
    guide.page.cache_clear()
    assert found is not None
    assert found[0] == "T"
    assert "<script" not in found[1]
    assert 'href="javascript' not in found[1]
