"""The ground of a large division: never more than it may weigh, and the page draws what it is told."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import shapely
from sqlalchemy import text

from service import db
from service.centre.base import BYTES_MOST, COARSER, LEAST, METRES
from tests.browser import Trouble, closed_page

from .api import Served, fill, serve
from .odd_communities import APART, CODES, clear, found
from .test_jobs import until

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = pytest.mark.database

CITY = CODES["without streets"]
WEST = 111.3 + APART * list(CODES).index("without streets")
METRE = 1 / 111_320.0  # degrees of latitude
TURNS = 12  # corners of a street
LENGTH_M = 300.0


@pytest.fixture(scope="module")
def city(module_database: db.Database) -> Iterator[Served]:
    """A town, and a community whose streets each test lays anew."""
    area = fill(module_database)
    with serve(module_database, area) as served:
        yield served


def lay(city: Served, zigzag_m: float = 0.7, **classes: int) -> None:
    """A community with so many streets of each class from west to east, a metre apart, that zigzag by so many
    metres; every third has a name.
    """
    with city.database.owner.begin() as connection:
        clear(connection, CITY)
        found(connection, "without streets")
        connection.execute(
            text("""
                insert into streets (division_code, ordinal, name, class, geom)
                select :code, row_number() over () - 1,
                    case when n % 3 = 0 then class || n / 30 else '' end, class,
                    (select st_setsrid(st_makeline(st_makepoint(:west + i * :step,
                        30.7 + (n + place * 0.1 + case when i % 2 = 0 then :turn else 0 end) * :metre)
                        order by i), 4326) from generate_series(0, :turns - 1) i)
                from unnest(cast(:classes as text[]), cast(:numbers as int[]))
                    with ordinality c(class, number, place)
                cross join lateral generate_series(1, number) n
            """),
            {
                "code": CITY,
                "classes": list(classes),
                "numbers": list(classes.values()),
                "step": LENGTH_M / (TURNS - 1) * METRE,
                "turn": zigzag_m,
                "west": WEST,
                "metre": METRE,
                "turns": TURNS,
            },
        )


def told(city: Served) -> dict[str, Any]:
    """The ground, which may not weigh more than it may."""
    answer = city.client().get(f"/centre/{CITY}/base", headers={"accept-encoding": "identity"})
    assert answer.status_code == 200
    assert len(answer.content) <= BYTES_MOST
    found: dict[str, Any] = answer.json()
    return found


def unpack(line: list[int]) -> shapely.LineString:
    """A line in metres, as long and as high as it is on the ground, near enough."""
    at = np.cumsum(np.array(line).reshape(-1, 2), axis=0)[:, ::-1] * 1e-6
    return shapely.LineString((at - (WEST, 30.7)) / METRE)


def test_a_small_ground_is_whole(city: Served) -> None:
    lay(city, path=20, wall=20, lane=20, local=20, secondary=20, water=5)
    ground = told(city)
    assert (ground["simplified_m"], ground["left_out"], ground["truncated"]) == (METRES[0], [], False)
    assert set(ground["streets"]) == {"path", "wall", "lane", "local", "secondary", "water"}
    assert sum(map(len, ground["streets"].values())) == 105
    assert {entry["class"] for entry in ground["names"]} == set(ground["streets"]) - {"wall"}


@pytest.mark.parametrize("zigzag_m", [1.5, 3.5])
def test_corners_go_before_ways_do(city: Served, zigzag_m: float) -> None:
    """Streets whose zigzag a coarser line does not follow: then all of them fit."""
    lay(city, zigzag_m, path=3000, local=4500)
    ground = told(city)
    assert ground["left_out"] == []
    assert ground["simplified_m"] == next(metres for metres in METRES if metres >= zigzag_m)
    assert len(ground["streets"]["path"]) == 3000
    for line in ground["streets"]["path"][::100]:
        drawn = unpack(line)
        turns = np.arange(TURNS)
        north = min(drawn.coords)[1]  # of the western end
        x, y = turns * LENGTH_M / (TURNS - 1), north - zigzag_m * (turns % 2)
        laid = shapely.LineString(np.column_stack([x, y]))
        assert drawn.hausdorff_distance(laid) < ground["simplified_m"] + 0.2  # and the rounding of degrees


@pytest.mark.parametrize("left", [0, 1, 2, 3])
def test_the_least_ways_are_left_out_first(city: Served, left: int) -> None:
    """Streets that no coarser line makes lighter: as many classes go as must."""
    classes = ["path", "wall", "lane", "local", "secondary"]
    kept = classes[left + 1 :]
    lay(city, 30.0, **dict.fromkeys(classes[: left + 1], 6500), **dict.fromkeys(kept, 500))
    ground = told(city)
    assert tuple(ground["left_out"]) == LEAST[left]
    assert ground["simplified_m"] == METRES[-1]
    assert not ground["truncated"]
    assert {kind: len(lines) for kind, lines in ground["streets"].items()} == dict.fromkeys(kept, 500)
    assert {entry["class"] for entry in ground["names"]} == set(kept) - {"wall"}


def test_of_main_roads_alone_lines_get_coarser_and_at_last_the_longest_are_told(city: Served) -> None:
    lay(city, 20.0, local=100, secondary=9000)
    ground = told(city)
    assert tuple(ground["left_out"]) == LEAST[-1]
    assert ground["simplified_m"] in COARSER
    assert not ground["truncated"]
    assert len(ground["streets"]["secondary"]) == 9000
    lay(city, 100.0, secondary=9000, arterial=20)
    with city.database.owner.begin() as connection:
        connection.execute(
            text("update streets set geom = st_scale(geom, 1.00001, 1) where class = 'arterial'")
        )
    ground = told(city)
    assert ground["truncated"]
    assert ground["simplified_m"] == COARSER[-1]
    assert 1000 < len(ground["streets"]["secondary"]) < 9000
    assert ground["names"]


@pytest.mark.browser
def test_the_page_draws_a_ground_that_is_cut_down(city: Served, browser: Browser) -> None:
    from playwright.sync_api import expect

    lay(city, 30.0, path=6500, lane=200, secondary=100)
    assert told(city)["left_out"] == ["path"]
    trouble = Trouble()
    with closed_page(browser, trouble, 1280, 720) as page:
        page.goto(f"{city.address}/centre/{CITY}?lang=zh")
        expect(page.locator("html")).to_have_attribute("data-ready", "true")
        # beginnings of lines in what is drawn
        count = """() => Array.from(document.querySelectorAll('.leaflet-pane path'))
            .reduce((all, one) => all + (one.getAttribute('d').match(/M/g) || []).length, 0)"""
        until(lambda: page.evaluate(count) >= 300)
        note = page.locator(".cc-ground")
        expect(note).to_have_text("路网太密，底图未绘步道。")
        page.get_by_role("link", name="English").click()
        expect(note).to_have_text("Too many ways to draw them all: paths are left out.")
        page.goto(f"{city.address}/centre/{CITY[:4]}?lang=en")  # with the town
        expect(note).to_have_text(re.compile("paths are left out. Open one of the communities to see them.$"))
        lay(city, 100.0, secondary=9000)
        page.goto(f"{city.address}/centre/{CITY}?lang=en")
        expect(note).to_have_text(re.compile("only the longer streets are drawn.$"))
        lay(city, 30.0, path=20, secondary=100)
        with page.expect_response(re.compile("/base")):
            page.reload()
        expect(page.locator("#cc-legend h2")).to_be_visible()
        until(lambda: page.evaluate(count) >= 120)
        expect(note).to_have_count(0)
    assert (trouble.errors, trouble.outside) == ([], [])
