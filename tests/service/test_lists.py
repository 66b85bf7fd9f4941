"""The lists as pages: a browser's rendering of the very JSON that the role gets, and of nothing else."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import event, text

from service import db
from service.access import Principal, Role
from tests.browser import Trouble, accessibility_faults, closed_page

from .api import HIDDEN, Served, fill, serve
from .towns import CODE

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = pytest.mark.database

PATHS = ("/centre", "/plans", "/jobs", "/staff", "/cases/overdue")
PAGE = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}
OFFICIALS = {Role.PLANNER, Role.CENTRE, Role.PRIVACY_OFFICER, Role.ADMIN}
# words that are markup where a page lets them through
AUTHOR = "<b>甲&乙</b>"


@pytest.fixture(scope="module")
def town(module_database: db.Database) -> Iterator[Served]:
    """A published town with a draft, runs in every state, late cases, and a grid without vacancies."""
    area = fill(module_database)
    with module_database.owner.begin() as connection:
        connection.execute(text("update cases set due_at = time + interval '1 day'"))
        connection.execute(
            text("""
                insert into grid_staff (division_code, grid_code, role, name, phone)
                select division_code, min(code), role, role || '乙', '000-0000-9999'
                from grids, unnest(array['网格长', '网格员']) role where valid_to is null group by 1, role
            """)
        )
        connection.execute(
            text("""
                insert into plans (division_code, status, profile, policy, seed, figures, report, author,
                    reason, base_plan_id)
                select division_code, 'draft', profile, policy, seed, figures, report, :author, :author, id
                from plans where status = 'published'
            """),
            {"author": AUTHOR},
        )
        for number, status in enumerate(("accepted", "running", "successful", "failed", "dismissed")):
            connection.execute(
                text("""
                    insert into runs (division_code, key, process, status, requester, message, progress,
                        result)
                    values (:code, :key, 'partition', :status, :author, '', :progress, cast(:result as jsonb))
                """),
                {
                    "code": CODE,
                    "key": f"run-{number}",
                    "status": status,
                    "author": AUTHOR,
                    "progress": 20 * number,
                    "result": '{"plan": 1, "reason": {"zh": "无解", "en": "infeasible"}}',
                },
            )
    with serve(module_database, area) as served:
        yield served


class Read(HTMLParser):
    """A page as a person meets it: its words, where its links lead, and how many rows its table has."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.words: list[str] = []
        self.links: list[str] = []
        self.tags: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Where it leads."""
        self.tags.append(tag)
        href = dict(attrs).get("href") or ""
        if tag == "a" and href.startswith("/"):
            self.links.append(href)

    def handle_data(self, data: str) -> None:
        """What it says."""
        if data.strip():
            self.words.append(data.strip())

    @property
    def text(self) -> str:
        """All its words."""
        return " ".join(self.words)


def read(town: Served, role: Role, path: str, **asked: str) -> Read:
    """The page of the role."""
    answer = client(town, role).get(path, params={"f": "html", **asked})
    assert answer.status_code == 200, (role, path)
    assert answer.headers["content-type"].startswith("text/html"), (role, path)
    return Read(answer.text)


def client(town: Served, role: Role) -> Any:
    """Asks as the role; a worker has one grid."""
    own = town.rows("select min(grid_code) from cases")[0][0]
    return town.client(role, grids=frozenset({own}) if role is Role.GRID_WORKER else frozenset())


def may(role: Role, path: str) -> bool:
    """Times by which cases are due are for those who are logged in."""
    return role is not Role.PUBLIC or path != "/cases/overdue"


# --- which form ---


@pytest.mark.parametrize("role", [Role.PUBLIC, Role.PLANNER, Role.CENTRE])
def test_a_browser_gets_a_page_and_everybody_else_the_same_json(town: Served, role: Role) -> None:
    asking = client(town, role)
    for path in PATHS:
        status = 200 if may(role, path) else 403
        plain = asking.get(path, headers={"Accept": "*/*"})
        assert plain.status_code == status
        assert "json" in plain.headers["content-type"]
        for accept in ("application/json", "application/geo+json, text/html;q=0.5", "image/png"):
            answer = asking.get(path, headers={"Accept": accept})
            assert (answer.status_code, answer.content) == (status, plain.content), (path, accept)
        for answer in (asking.get(path, headers=PAGE), asking.get(path, params={"f": "html"})):
            assert answer.status_code == status
            assert answer.headers["content-type"].startswith("text/html")
        forced = asking.get(path, params={"f": "json"}, headers=PAGE)
        assert "json" in forced.headers["content-type"]
        if status == 200:
            for answer in (plain, forced, asking.get(path, headers=PAGE)):
                varies = {one.strip() for one in answer.headers["vary"].split(",")}
                assert {"Accept", "Accept-Language", "Authorization", "Cookie"} <= varies
                assert answer.headers["cache-control"] == "private, no-store"
        wrong = asking.get(path, params={"f": "xml"})
        assert wrong.status_code == (400 if status == 200 else 403), path
    document = asking.get("/api").json()["paths"]
    for path in PATHS:
        assert "text/html" in document[path]["get"]["responses"]["200"]["content"], path


# --- what stands in it ---


@pytest.mark.parametrize("role", Role)
def test_a_page_tells_what_the_json_tells_and_no_more(town: Served, role: Role) -> None:
    asking = client(town, role)
    told = {path: asking.get(path).json() for path in PATHS if may(role, path)}
    pages = {path: read(town, role, path) for path in told}

    divisions = told["/centre"]["divisions"]
    assert [one for one in pages["/centre"].links if one.startswith("/centre/")] == [
        f"/centre/{one['division']}" for one in divisions
    ]
    assert (HIDDEN in pages["/centre"].text) == any(HIDDEN in one["communities"] for one in divisions)

    plans = told["/plans"]["plans"]
    assert pages["/plans"].tags.count("tr") == len(plans) + 1
    assert {f"/plans/{one['id']}" for one in plans} <= set(pages["/plans"].links)
    assert (AUTHOR in pages["/plans"].text) == (role in OFFICIALS) == (len(plans) > 1)

    jobs = told["/jobs"]["jobs"]
    assert pages["/jobs"].tags.count("tr") == (len(jobs) + 1 if jobs else 0)
    assert len(jobs) == (5 if role in OFFICIALS else 0)
    assert all(one["message"] in pages["/jobs"].text for one in jobs)

    posts = told["/staff"]["posts"]
    people = [one for post in posts for slot in post["slots"] for one in slot["people"]]
    people += [one for post in posts for one in post["others"]]
    assert pages["/staff"].tags.count("tr") == len(posts) + 1
    assert all(one["name"] in pages["/staff"].text for one in people)
    phones = {one["phone"] for one in people if one.get("phone")}
    assert {
        phone for (phone,) in town.rows("select phone from grid_staff") if phone in pages["/staff"].text
    } == (phones)
    assert bool(phones) == (role is not Role.PUBLIC)
    assert str(told["/staff"]["vacancies"]) in pages["/staff"].text
    assert told["/staff"]["vacancies"] >= 1

    if may(role, "/cases/overdue"):
        cases = told["/cases/overdue"]["features"]
        page = pages["/cases/overdue"]
        assert cases
        assert page.tags.count("tr") == len(cases) + 1
        assert [link for link in page.links if "/items/" in link] == [
            f"/collections/cases/items/{one['id'].replace(':', '%3A')}" for one in cases
        ]
        of_grids = {one["properties"].get("grid") for one in cases} - {None}
        shown = {found[1] for link in page.links if (found := re.search(r"grid=(\d+)", link))}
        assert shown == of_grids
        assert bool(of_grids) == (role in (Role.CENTRE, Role.GRID_WORKER))


@pytest.mark.parametrize("role", Role)
def test_open_cases_are_as_many_as_the_items_tell(town: Served, role: Role) -> None:
    asking = client(town, role)
    page = read(town, role, "/centre", lang="zh")
    told = [int(page.words[place - 1]) for place, word in enumerate(page.words) if word == "未结事件"]
    wanted = []
    for one in asking.get("/centre").json()["divisions"]:
        members = ", ".join(f"'{code}'" for code in one["communities"])
        which = f"community IN ({members}) AND status <> 'closed'"
        found = asking.get(
            "/collections/cases/items", params={"filter": which, "count": "true", "limit": "1"}
        ).json()
        wanted.append(found["numberMatched"])
    assert told == wanted
    assert max(wanted) > 10


def test_open_cases_are_counted_again_when_something_changed(town: Served) -> None:
    """The count goes through all cases of a city: not for each who looks at the list."""
    counted: list[str] = []

    def look(*told: Any) -> None:
        if "t.status <> 'closed'" in told[2]:
            counted.append(told[2])

    def shown() -> int:
        page = read(town, Role.CENTRE, "/centre", lang="zh")
        return int(page.words[page.words.index("未结事件") - 1])

    change = "update cases set status = :to where id = :case"
    [(case, was)] = town.rows("select id, status from cases where status <> 'closed' order by id limit 1")
    event.listen(town.database.app, "before_cursor_execute", look)
    try:
        first = shown()
        counted.clear()
        assert (shown(), len(counted)) == (first, 0)
        with town.database.owner.begin() as connection:
            connection.execute(text(change), {"to": "closed", "case": case})
        assert (shown(), len(counted)) == (first - 1, 1)
    finally:
        event.remove(town.database.app, "before_cursor_execute", look)
        with town.database.owner.begin() as connection:
            connection.execute(text(change), {"to": was, "case": case})


def test_lists_are_narrowed_and_turned_over(town: Served) -> None:
    centre = client(town, Role.CENTRE)
    first = read(town, Role.CENTRE, "/cases/overdue", limit="2", lang="en")
    following = next(link for link in first.links if "offset=2" in link)
    assert "lang=en" in following
    seen = [link for link in first.links if "/items/" in link]
    second = [one for one in Read(centre.get(following, headers=PAGE).text).links if "/items/" in one]
    assert len(seen) == len(second) == 2
    assert not set(seen) & set(second)
    drafts = next(link for link in read(town, Role.CENTRE, "/plans").links if "status=draft" in link)
    wanted = centre.get("/plans", params={"status": "draft"}).json()["plans"]
    assert Read(centre.get(drafts, headers=PAGE).text).tags.count("tr") == len(wanted) + 1
    vacant = read(town, Role.CENTRE, "/staff", vacant="true", lang="en")
    assert vacant.tags.count("tr") < read(town, Role.CENTRE, "/staff").tags.count("tr")
    assert "vacant" in vacant.words
    assert "There are no such posts." in read(town, Role.CENTRE, "/staff", division="33", lang="en").text


def test_a_plan_and_the_register_of_its_changes_are_pages(town: Served) -> None:
    planner = client(town, Role.PLANNER)
    [(plan,)] = town.rows("select id from plans where status = 'published'")
    draft = planner.post("/plans", json={"plan": plan, "reason": AUTHOR}).json()["id"]
    [(own,)] = town.rows("select min(code) from grids where valid_to is null")
    edited = planner.post(f"/plans/{draft}/edits", json={"operation": "lock", "revision": 0, "grids": [own]})
    assert edited.status_code == 200, edited.text
    planner.post(f"/plans/{draft}/notes", json={"text": AUTHOR})
    told = planner.get(f"/plans/{draft}").json()
    for lang in ("zh", "en"):
        page = read(town, Role.PLANNER, f"/plans/{draft}", lang=lang)
        assert page.tags.count("tr") == len(told["report"]["grids"]) + 1
        assert all(one["bounds"][lang] in page.text for one in told["report"]["grids"])
        assert all(one["text"][lang] in page.text for one in told["report"]["violations"])
        assert page.text.count(AUTHOR) == 2  # why it was made, and the comment
        changes = read(town, Role.PLANNER, f"/plans/{draft}/revisions", lang=lang)
        assert ("锁定" if lang == "zh" else "Locked") in changes.text
        assert own in changes.words
    revisions = planner.get(f"/plans/{draft}/revisions")
    assert changes.tags.count("tr") == len(revisions.json()["revisions"]) + 1
    # the tag is that of the data: a page has none
    for path in (f"/plans/{draft}", f"/plans/{draft}/revisions"):
        assert "etag" in planner.get(path).headers
        assert "etag" not in planner.get(path, headers=PAGE).headers
        assert client(town, Role.PUBLIC).get(path, headers=PAGE).status_code == 404
    public = read(town, Role.PUBLIC, f"/plans/{plan}", lang="en")
    assert public.tags.count("tr") == 0
    assert "Plan" in public.text
    assert AUTHOR not in public.text


@pytest.mark.parametrize("role", [Role.PUBLIC, Role.PLANNER, Role.CENTRE])
def test_every_link_leads_somewhere(town: Served, role: Role) -> None:
    asking = client(town, role)
    front = read(town, role, "/", lang="zh").links
    assert {path for path in PATHS if f"{path}?lang=zh" in front} == {
        path for path in PATHS if may(role, path) and (path != "/jobs" or role in OFFICIALS)
    }
    links = {link for path in PATHS if may(role, path) for link in read(town, role, path).links}
    shapes = {re.sub(r"\d+|run-\w+|k\d+", "#", link): link for link in links}  # one of each kind
    assert len(shapes) > 8
    for link in shapes.values():
        answer = asking.get(link, headers=PAGE, follow_redirects=True)
        assert answer.status_code == 200, (role, link, answer.text[:300])


# --- how it looks ---


@pytest.mark.browser
@pytest.mark.parametrize("size", [(1280, 720), (390, 844)])
def test_the_pages_in_a_browser(town: Served, browser: Browser, size: tuple[int, int]) -> None:
    """From the front page to each list, in both languages: nothing serious for axe-core, nothing wider than
    the screen, no error, and no other host.
    """
    trouble = Trouble()
    with closed_page(browser, trouble, *size) as page:
        token = town.accounts.invite(Principal(Role.CENTRE, subject="lists"))
        page.goto(f"{town.address}/login?token={token}")
        for lang in ("zh", "en"):
            for path in PATHS:
                page.goto(f"{town.address}/?lang={lang}")
                page.locator(f".choices a[href^='{path}?']").click()
                page.wait_for_url(f"**{path}?lang={lang}")
                assert page.evaluate("document.documentElement.scrollWidth") <= size[0], path
                assert accessibility_faults(page) == [], (path, lang)
                assert page.locator("h1").count() == 1
                if size[0] < 500 and path != "/centre":  # what each figure is stands before it
                    names = page.locator(".rows td").first  # under the name of its column
                    assert names.evaluate("node => getComputedStyle(node, '::before').content") not in (
                        "",
                        "none",
                    )
    assert trouble == Trouble()
