"""Sheets on paper: true scale, words and codes that can be read back, labels that do not collide."""

from __future__ import annotations

import dataclasses
import itertools
import re
from collections.abc import Callable
from pathlib import Path

import geopandas as gpd
import numpy as np
import pyproj
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from layers.paper import fonts, scale
from layers.paper.document import Document
from layers.paper.ground import AREA_BORDER, AREA_WIDTH, COMMUNITY_BORDER, grid_label, make_ground
from layers.paper.imprint import Duty, Imprint, staff_duties
from layers.paper.labels import Taken, box_about, place_labels, place_tags, tag_extent
from layers.paper.overview import Office
from layers.paper.pen import Pen
from layers.view import CommunityView

from . import sheets
from .views import grids as grids_in_metres
from .views import to_degrees, view

CODE = "990101001001"
ADDRESS = "https://grid.example.org"
STAFF = {
    f"{CODE}001": [
        Duty({"zh": "网格长", "en": "Grid head"}, "周敏", "0000-1234"),
        Duty({"zh": "专职网格员", "en": "Grid worker"}, ""),
    ],
    CODE: [Duty({"zh": "社区民警", "en": "Police officer"}, "赵刚", "0000-9999")],
}
IMPRINT = Imprint(
    lang="zh",
    date="2026-11-22",
    author="柳湾街道办事处",
    base_url=ADDRESS,
    hotline="12345",
    duties=STAFF,
)

Print = Callable[..., "sheets.pdfium.PdfDocument"]


@pytest.fixture(scope="module")
def font() -> Path:
    """The font at hand; the set-up installs one."""
    return fonts.find_font()


@pytest.fixture(scope="module")
def draw(font: Path, tmp_path_factory: pytest.TempPathFactory) -> Print:
    """Prints a community and opens the file."""
    folder, number = tmp_path_factory.mktemp("paper"), itertools.count()

    def make(seen: CommunityView | None = None, imprint: Imprint = IMPRINT, **how: object):
        path = folder / f"{next(number)}.pdf"
        document = Document(path, font, imprint, title="柳湾社区")
        document.community(seen or view(), **how)
        document.close()
        return sheets.open_pdf(path)

    return make


@pytest.fixture(scope="module")
def whole(draw: Print):
    """Map and boards of the community, in Chinese."""
    return draw()


# --- what is on the sheets ---


def test_a_map_and_a_board_for_every_grid(whole) -> None:
    assert [sheets.size_mm(whole, page) for page in range(len(whole))] == [(420, 297), *[(210, 297)] * 6]
    marks = [(mark.get_title(), mark.level) for mark in whole.get_toc()]
    assert marks[0] == ("柳湾社区", 0)
    assert whole.get_metadata_value("CreationDate") == "D:20261122000000Z"
    assert whole.get_metadata_value("Author") == IMPRINT.author
    assert marks[1:] == [(f"{number:03d} 网格", 1) for number in range(1, 7)]


def test_the_map_says_what_it_is(whole) -> None:
    said = sheets.words(whole, 0)
    for words in (
        *(
            "柳湾社区 · 社区网格图",
            CODE,
            "方案 1",
            "发布于 2026-11-20",
            "每格 200–400 户",
            "图例",
            "比例尺 1:",
        ),
        *(
            "制图日期：2026-11-22",
            "编制：柳湾街道办事处",
            "数据来源：数据：手工样例",
            "合成数据",
            "主干路",
            "铁路",
        ),
        *("党群服务站", "网格边界", "社区边界", "网格一览（6 个）", "内部资料", "迎 宾 大 道"),
    ):
        assert words in said, words
    rows = re.findall(r"^(00\d) (\d+) (\S+)", said, flags=re.MULTILINE)
    assert [(row[0], row[1]) for row in rows] == [(f"00{n + 1}", str(240 + 45 * n)) for n in range(6)]
    assert rows[0][2] == "周敏、缺"
    assert f"合计 {sum(240 + 45 * n for n in range(6)):,}" in said


def test_that_a_sheet_is_internal_is_told_before_a_long_source_is_cut(draw: Print) -> None:
    long = dict.fromkeys(("zh", "en"), "a source of many words, " * 30)
    printed = draw(dataclasses.replace(view(), attribution=long), dataclasses.replace(IMPRINT, lang="en"))
    for page in range(2):
        words = sheets.words(printed, page)
        assert "Internal: as seen by the" in words
        assert "a source of many words" in words


def test_a_board_says_who_answers_and_where_more_is_to_be_found(whole) -> None:
    said = sheets.words(whole, 1)
    for words in (
        *("001 网格", "网格公示牌", f"网格编码 {CODE}001", "网格长", "周敏", "0000-1234", "空缺", "社区民警"),
        *("赵刚", "0000-9999", "服务热线", "12345", "240 户", "扫码查看本网格", "合成数据", "比例尺 1:"),
        *("制图日期：2026-11-22", "方案 1", "党群服务站 约 150 米", "第 2 页"),
    ):
        assert words in said, words
    assert "李强" not in said
    assert sheets.codes(whole, 1) == [f"{ADDRESS}/centre/{CODE}?grid={CODE}001"]
    assert sheets.codes(whole, 6) == [f"{ADDRESS}/centre/{CODE}?grid={CODE}006"]
    assert sheets.codes(whole, 0) == []


def test_a_grid_without_people_says_so(draw: Print) -> None:
    pdf = draw(imprint=dataclasses.replace(IMPRINT, duties={}), sheets=("boards",))
    assert "尚未配备人员" in sheets.words(pdf, 5)
    assert "李强" in sheets.words(pdf, 0)  # the view's own staff
    assert sheets.words(pdf, 2).count("空缺") == 1


@pytest.mark.parametrize("people", [5, 8, 10, 14])
def test_many_people_are_named_or_counted(draw: Print, people: int) -> None:
    many = [Duty({"zh": "网格员", "en": "Grid worker"}, f"某{n:02d}", f"0000-{n:04d}") for n in range(people)]
    imprint = dataclasses.replace(IMPRINT, duties={f"{CODE}001": many})
    said = sheets.words(draw(imprint=imprint, sheets=("boards",), grids=[f"{CODE}001"]), 0)
    named = [n for n in range(people) if f"某{n:02d}" in said and f"0000-{n:04d}" in said]
    assert named == list(range(people if people <= 10 else 9))
    assert (f"另有 {people - 9} 人" in said) == (people > 10)


def test_the_order_of_rows_is_no_matter(font: Path, tmp_path: Path) -> None:
    seen = view()
    turned = dataclasses.replace(
        seen,
        **{
            name: getattr(seen, name).iloc[::-1].reset_index(drop=True)
            for name in ("grids", "streets", "buildings", "facilities")
        },
    )
    written = []
    for number, one in enumerate((seen, turned)):
        document = Document(tmp_path / f"{number}.pdf", font, IMPRINT, title="x")
        document.community(one, grids=[f"{CODE}003"])
        document.close()
        written.append((tmp_path / f"{number}.pdf").read_bytes())
    assert written[0] == written[1]


def test_a_bare_community_can_be_printed(draw: Print) -> None:
    seen = view()
    bare = dataclasses.replace(
        seen,
        community=seen.community.assign(name=""),
        streets=seen.streets.iloc[:0],
        buildings=seen.buildings.iloc[:0],
        facilities=seen.facilities.iloc[:0],
        grids=seen.grids[["code", "households", "residents", "buildings", "geometry"]],
        attribution={},
        version="",
        published="",
        size_words={},
        synthetic=False,
    )
    pdf = draw(bare, Imprint("zh", "2026-11-22"))
    assert len(pdf) == 7
    said = sheets.words(pdf, 0)
    assert f"{CODE} · 社区网格图" in said
    assert "合成数据" not in said
    assert "主干路" not in said
    assert "热线" not in sheets.words(pdf, 1)


def test_a_grid_in_two_parts_and_words_of_any_length(draw: Print) -> None:
    seen = view()
    grids = seen.grids.assign(name="朝阳里" * 12, bounds_zh="东至竹竿巷，南至迎宾大道以北六十米处小路，" * 12)
    parts = shapely.union(grids.geometry.iloc[0], grids.geometry.iloc[5])
    grids = grids.iloc[:5].copy()
    grids.loc[0, "geometry"] = parts
    long = dataclasses.replace(seen, grids=grids, community=seen.community.assign(name="柳湾" * 40))
    pdf = draw(long, imprint=dataclasses.replace(IMPRINT, hotline="0000-123456789-" * 4, author="某" * 90))
    for page in (0, 1):
        width, height = pdf[page].get_size()
        text = pdf[page].get_textpage()
        boxes = [text.get_rect(number) for number in range(text.count_rects())]
        assert all(
            left >= 0 and right <= width and low >= 0 and top <= height for left, low, right, top in boxes
        )


def test_four_bounds_stand_on_the_board(draw: Print) -> None:
    bounds = "东至竹竿巷，南至迎宾大道，西至柳湾路，北至和平街、柳河西岸与小区围墙之间的步道。"
    seen = view()
    seen = dataclasses.replace(seen, grids=seen.grids.assign(bounds_zh=bounds, bounds_en="East: a lane."))
    said = sheets.words(draw(seen, sheets=("boards",), grids=[f"{CODE}005"]), 0)
    assert bounds in said.replace("\r\n", "").replace("\n", "")
    english = dataclasses.replace(IMPRINT, lang="en")
    assert "East: a lane." in sheets.words(draw(seen, english, sheets=("boards",), grids=[f"{CODE}005"]), 0)


def test_english_sheets_are_english_but_for_names(draw: Print) -> None:
    pdf = draw(imprint=dataclasses.replace(IMPRINT, lang="en", author="Office"), grids=[f"{CODE}001"])
    said = sheets.words(pdf, 0) + sheets.words(pdf, 1)
    for words in (
        "community grids",
        "Legend",
        "Scale 1:",
        "Printed 2026-11-22",
        "Grid 001",
        "vacant",
        "Hotline",
    ):
        assert words in said, words
    left = set(re.findall(r"[一-鿿]+", said))
    names = "柳湾社区 迎宾大道 柳湾路 和平街 竹竿巷 柳河 周敏 李强 赵刚 党群服务站 卫生服务站"
    assert {word for word in left if not set(word) <= set(names)} == set()


AREAS = (
    ({"zh": "第1片区", "en": "area 1"}, tuple(f"{CODE}{n:03d}" for n in (1, 2, 4, 5))),
    ({"zh": "第2片区", "en": "area 2"}, tuple(f"{CODE}{n:03d}" for n in (3, 6))),
)


def test_areas_are_parted_named_and_in_the_legend(draw: Print, whole) -> None:
    seen = dataclasses.replace(view(), areas=AREAS)
    pdf = draw(seen)
    said = sheets.words(pdf, 0)
    assert "片区边界" in said
    for name, _ in AREAS:
        assert said.count(name["zh"]) == 1
    drawn = [
        path
        for path in sheets.paths(pdf, 0)
        if path.line == AREA_BORDER and abs(path.width - AREA_WIDTH) < 0.01
    ]
    between, symbol = sorted(drawn, key=lambda path: -len(np.unique(path.points.round(2), axis=0)))[:2]
    assert len(drawn) == 2
    across, along = np.ptp(symbol.points[:, 0]), np.ptp(symbol.points[:, 1])
    assert {round(across, 1), round(along, 1)} == {8.5, 0.0}
    # where the two areas meet and nowhere else: from north to south, two thirds across the community
    border = next(path for path in sheets.paths(pdf, 0) if path.line == COMMUNITY_BORDER)
    west, east = border.points[:, 0].min(), border.points[:, 0].max()
    assert (
        np.abs(between.points[:, 0] - (west + (east - west) * 2 / 3)).max() < 1.5
    )  # north is not quite the grids' own
    assert np.ptp(between.points[:, 1]) == pytest.approx(np.ptp(border.points[:, 1]), abs=3)
    for page, number in enumerate((1, 2, 4, 5, 3, 6), start=1):
        words = sheets.words(pdf, page)
        assert f"{number:03d} 网格" in words
        assert f"柳湾社区 · 第{2 if number in (3, 6) else 1}片区" in words
    english = sheets.words(draw(seen, dataclasses.replace(IMPRINT, lang="en"), grids=[f"{CODE}003"]), 0)
    assert "Area 2" in english
    assert "片区" not in sheets.words(whole, 0)  # of those who have none nothing is said


def test_one_area_alone_parts_nothing(draw: Print) -> None:
    codes = tuple(f"{CODE}{n:03d}" for n in range(1, 7))
    pdf = draw(
        dataclasses.replace(view(), areas=(({"zh": "第1片区", "en": "area 1"}, codes),)), sheets=("map",)
    )
    assert "片区边界" not in sheets.words(pdf, 0)


def test_without_an_address_there_is_no_code(draw: Print) -> None:
    plain = dataclasses.replace(IMPRINT, base_url="")
    pdf = draw(imprint=plain, sheets=("boards",), grids=[f"{CODE}001"])
    assert sheets.codes(pdf, 0) == []
    assert "扫码" not in sheets.words(pdf, 0)


def test_figures_that_are_not_known_are_not_guessed(draw: Print) -> None:
    seen = view()
    seen = dataclasses.replace(seen, grids=seen.grids.assign(households=[240, np.nan, 330, 375, 420, 465]))
    pdf = draw(seen, grids=[f"{CODE}002"])
    said = sheets.words(pdf, 0)
    assert re.search(r"^002 — ", said, flags=re.MULTILINE)
    assert "合计" not in said  # a sum would give it away
    assert "户" not in sheets.words(pdf, 1).replace("用户", "")


def test_every_page_of_a_draft_says_so(draw: Print) -> None:
    pdf = draw(imprint=dataclasses.replace(IMPRINT, draft=True))
    for page in range(len(pdf)):
        assert "草案" in sheets.words(pdf, page)
    assert "网格划分草案" in sheets.words(pdf, 0)
    assert sheets.codes(pdf, 1) == []  # a draft has no page


def test_many_grids_have_a_table_of_their_own(draw: Print) -> None:
    seen = view()
    cells = [
        shapely.box(600 * i / 10, 400 * j / 8, 600 * (i + 1) / 10, 400 * (j + 1) / 8)
        for j in range(8)
        for i in range(10)
    ]
    many = gpd.GeoDataFrame(
        {
            "code": [f"{CODE}{n + 1:03d}" for n in range(80)],
            "households": 100,
            "residents": 250.0,
            "buildings": 4,
            "area_m2": 3000.0,
            "bounds_zh": "东至竹竿巷，南至迎宾大道，西至柳湾路，北至和平街。",
            "staff": [[] for _ in cells],
        },
        geometry=[shapely.affinity.translate(cell, 450_000, 4_410_000) for cell in cells],
        crs="EPSG:32650",
    )
    pdf = draw(dataclasses.replace(seen, grids=to_degrees(many)), sheets=("map",))
    assert "见下一页" in sheets.words(pdf, 0)
    listed = "".join(sheets.words(pdf, page) for page in range(1, len(pdf)))
    assert all(f"{CODE}{n + 1:03d}" in listed for n in range(80))
    assert "合计 8,000 户" in listed
    # numbers too large for their grids stand beside them, none upon another
    assert all(f"{n + 1:03d}" in sheets.words(pdf, 0) for n in range(80))


def test_an_office_at_a_glance(font: Path, tmp_path: Path) -> None:
    seen = view()
    second = to_degrees(
        gpd.GeoDataFrame(
            {"code": ["990101001002"], "name": ["松林社区"]},
            geometry=[shapely.box(450_600, 4_410_000, 451_300, 4_410_500)],
            crs="EPSG:32650",
        )
    )
    both = gpd.GeoDataFrame(
        {
            "code": [CODE, "990101001002"],
            "name": ["柳湾社区", "松林社区"],
            "grids": [6, 3],
            "households": [2115, None],
        },
        geometry=[seen.community.geometry.iloc[0], second.geometry.iloc[0]],
        crs=4326,
    )
    office = Office("990101001", "柳湾街道", both, seen.grids[["code", "geometry"]], seen)
    document = Document(tmp_path / "o.pdf", font, IMPRINT, title="柳湾街道")
    document.overview(office)
    document.community(seen, ("boards",), [f"{CODE}001"])
    document.close()
    pdf = sheets.open_pdf(tmp_path / "o.pdf")
    said = sheets.words(pdf, 0)
    assert "柳湾街道 · 社区网格总图" in said
    assert "2 个社区，9 个网格" in said
    assert re.search(r"柳湾社区 6 2,115", said)
    assert re.search(r"松林社区 3 —", said)
    assert "合计 9" in said
    assert "2,115 2,115" not in said
    assert [mark.level for mark in pdf.get_toc()] == [0, 1, 2]


# --- true scale ---


def ratio_on(said: str) -> int:
    """The scale as it is printed."""
    found = re.search(r"1:([\d,]+)", said)
    assert found is not None
    return int(found[1].replace(",", ""))


def test_the_scale_is_true_on_paper(whole) -> None:
    ratio = ratio_on(sheets.words(whole, 0))
    seen = view()
    ring = shapely.get_coordinates(seen.community.geometry.iloc[0].exterior)
    geod = pyproj.Geod(ellps="WGS84")
    on_ground = geod.line_lengths(ring[:, 0], ring[:, 1])
    (border,) = [
        drawn
        for drawn in sheets.paths(whole, 0)
        if drawn.line == COMMUNITY_BORDER and len(drawn.points) >= len(ring) - 1
    ]
    closed = (
        np.vstack([border.points, border.points[:1]]) if len(border.points) < len(ring) else border.points
    )
    on_paper = np.hypot(*np.diff(closed, axis=0).T)
    assert on_paper == pytest.approx(np.array(on_ground) * 1000 / ratio, abs=0.02)  # mm


@pytest.mark.parametrize("page", [0, 1])
def test_the_bar_is_as_long_as_it_says(whole, page: int) -> None:
    said = sheets.words(whole, page)
    ratio = ratio_on(said)
    fields = [
        drawn
        for drawn in sheets.paths(whole, page)
        if np.ptp(drawn.points[:, 1]) == pytest.approx(1.5, abs=0.01) and len(drawn.points) in (4, 5)
    ]
    assert len(fields) == 4
    west = min(drawn.points[:, 0].min() for drawn in fields)
    east = max(drawn.points[:, 0].max() for drawn in fields)
    metres = int(re.findall(r"([\d,]+) m\b", said)[0].replace(",", ""))
    assert east - west == pytest.approx(metres * 1000 / ratio, abs=0.05)


quick = settings(max_examples=100, deadline=None, derandomize=True)


@quick
@given(
    width=st.floats(50, 20_000),
    height=st.floats(50, 20_000),
    paper=st.tuples(st.floats(50, 400), st.floats(50, 400)),
)
def test_the_ground_fits_at_the_largest_customary_scale(
    width: float, height: float, paper: tuple[float, float]
) -> None:
    ratio = scale.nice_ratio(width, height, *paper)
    assert width * 1000 / ratio <= paper[0] * (1 + 1e-9)
    assert height * 1000 / ratio <= paper[1] * (1 + 1e-9)
    if ratio > 500:  # twice as large would not fit
        assert max(width / paper[0], height / paper[1]) * 1000 > ratio / 1.51
    step = scale.bar_step(ratio, 50.0)
    assert step >= 1
    assert 4 * step * 1000 / ratio <= 50.0
    assert 4 * step * 1000 / ratio > 15.0


def test_the_ground_is_not_distorted_far_from_the_middle() -> None:
    crs = scale.local_crs(117.0, 30.0)
    to = pyproj.Transformer.from_crs(4326, crs, always_xy=True)
    geod = pyproj.Geod(ellps="WGS84")
    east, north, _ = geod.fwd([117.0] * 8, [30.0] * 8, np.arange(0, 360, 45), [10_000.0] * 8)
    x, y = to.transform(east, north)
    assert np.hypot(x, y) == pytest.approx(10_000.0, rel=2e-6)


# --- letters and labels ---


def test_fonts_are_in_the_file(whole) -> None:
    for page in (0, 1):
        found = sheets.fonts(whole, page)
        assert len(found) >= 2
        assert all(found.values())


def test_letters_that_the_font_lacks_are_told(font: Path, tmp_path: Path) -> None:
    seen = view()
    named = seen.community.assign(name="柳湾\U0001f3e0社区")
    document = Document(tmp_path / "x.pdf", font, IMPRINT, title="x")
    document.community(dataclasses.replace(seen, community=named), ("boards",), [f"{CODE}001"])
    assert document.lacking == "\U0001f3e0"
    document.close()
    assert (tmp_path / "x.pdf").stat().st_size < font.stat().st_size / 8  # only the letters that are used
    assert b"Helvetica" not in (tmp_path / "x.pdf").read_bytes()


def test_a_font_is_found_or_the_lack_is_told(font: Path, tmp_path: Path) -> None:
    assert fonts.find_font(font) == font
    with pytest.raises(fonts.NoFont):
        fonts.find_font(folders=[tmp_path])
    latin = Path(str(fonts.__file__))
    with pytest.raises(fonts.NoFont, match=r"fonts\.py"):
        fonts.find_font(latin)
    assert fonts.find_font(folders=[tmp_path, font.parent]) == font


class _Canvas:
    """Takes what is written and keeps nothing."""

    def __getattr__(self, name: str) -> Callable[..., _Canvas]:
        return lambda *_: self


@pytest.fixture(scope="module")
def pen(font: Path) -> Pen:
    return Pen(_Canvas(), fonts.faces(font))


@quick
@given(
    words=st.text(st.sampled_from("网格东至路，。、（）abc DEF-12 é"), max_size=60),
    room=st.floats(12, 80),
)
def test_wrapped_lines_fit_and_lose_nothing(pen: Pen, words: str, room: float) -> None:
    lines = pen.wrap(words, 10.0, room)
    assert "".join(lines).replace(" ", "") == words.replace(" ", "")
    for line in lines:
        # punctuation that may not begin a line may stand out over its end
        assert pen.width(line.rstrip("，。、）"), 10.0) <= room + 1e-9
        assert line == line.strip()


@quick
@given(
    words=st.text(st.sampled_from("网格公示牌 Wide words"), min_size=1, max_size=40), room=st.floats(10, 60)
)
def test_fitted_words_fit(pen: Pen, words: str, room: float) -> None:
    shown, size = pen.fit(words, 20.0, room, 9.0)
    assert 9.0 <= size <= 20.0
    assert pen.width(shown, size) <= room + 1e-6
    if shown != words:
        assert shown.endswith("…")
        assert words.startswith(shown[:-1])


@settings(max_examples=30, deadline=None, derandomize=True)
@given(
    columns=st.integers(1, 9),
    rows=st.integers(1, 7),
    width=st.floats(8, 300),
    height=st.floats(8, 300),
)
def test_numbers_of_grids_never_collide(
    pen: Pen, columns: int, rows: int, width: float, height: float
) -> None:
    cells = [
        shapely.box(i * width, j * height, (i + 1) * width, (j + 1) * height)
        for j in range(rows)
        for i in range(columns)
    ]
    window = (10.0, 10.0, 280.0, 200.0)
    plot = scale.plot_of((0, 0, columns * width, rows * height), window, margin_mm=60.0)
    taken = Taken((10.0, 10.0, 290.0, 210.0))
    labels = place_labels(
        pen,
        plot,
        [(f"{n:03d}", "240", cell.centroid, min(width, height) / 2, cell) for n, cell in enumerate(cells)],
        taken,
        sizes=(17.0, 9.0),
    )
    assert sorted(label.words for label in labels) == [f"{n:03d}" for n in range(len(cells))]
    boxes = []
    for label in labels:
        cell = plot.place(cells[int(label.words)])
        foot = label.foot or (label.x, label.y)
        assert cell.buffer(1e-6).contains(shapely.Point(foot))
        if label.size >= 9.0:  # smaller ones found no place of their own
            boxes.append(shapely.box(*box_about(label.x, label.y, pen.width(label.words, label.size), 3.0)))
    tree = shapely.STRtree(boxes)
    first, second = tree.query(boxes, predicate="overlaps")
    assert not len(first[first != second])


def test_a_number_keeps_off_what_is_there_already(pen: Pen) -> None:
    cell = shapely.box(0, 0, 200, 200)
    plot = scale.plot_of((0, 0, 200, 200), (0.0, 0.0, 200.0, 200.0), margin_mm=20.0)
    taken = Taken((0.0, 0.0, 200.0, 200.0))
    taken.add([box_about(100.0, 100.0, 30.0, 12.0)])
    (label,) = place_labels(pen, plot, [("001", "", cell.centroid, 100.0, cell)], taken, sizes=(17.0, 9.0))
    assert label.foot == (100.0, 100.0)
    assert not plot.place(cell).contains(shapely.Point(label.x, label.y))


def test_what_stands_for_a_grid() -> None:
    assert grid_label(f"{CODE}007", CODE) == "007"
    assert grid_label("c1-012", "c1") == "012"
    assert grid_label("a-very-long-code-345", CODE) == "345"


def test_roles_are_known_in_both_languages_and_in_order() -> None:
    people = [
        {"role": "网格员", "name": "b", "phone": "2"},
        {"role": "护林员", "name": "c", "phone": ""},
        {"role": "Grid head", "name": "", "phone": ""},
    ]
    assert staff_duties(people) == [
        Duty({"zh": "网格长", "en": "Grid head"}, ""),
        Duty({"zh": "网格员", "en": "Grid worker"}, "b", "2"),
        Duty({"zh": "护林员", "en": "护林员"}, "c"),
    ]
    assert staff_duties(None) == []


def test_the_nearest_facilities_follow_those_in_the_grid() -> None:
    from layers.paper.board import facility_lines

    ground = make_ground(view())
    shown = facility_lines(ground, list(ground.grids["code"]).index(f"{CODE}004"), IMPRINT)
    assert shown[0] == ("service_station", "柳湾社区党群服务站", "")
    kind, words, metres = shown[1]
    assert (kind, words) == ("clinic", "柳湾卫生服务站")
    there = grids_in_metres().geometry.iloc[3].centroid
    about = int(re.findall(r"\d+", metres)[0])
    assert about == pytest.approx(there.distance(shapely.Point(450_300, 4_410_330)), abs=6)
    assert all(kind != "lamp" for kind, _, _ in shown)


def test_a_document_refuses_what_it_cannot_print(font: Path, tmp_path: Path) -> None:
    document = Document(tmp_path / "x.pdf", font, IMPRINT, title="x")
    with pytest.raises(KeyError, match="nowhere"):
        document.community(view(), grids=["nowhere"])
    with pytest.raises(ValueError, match="without grids"):
        document.community(dataclasses.replace(view(), grids=view().grids.iloc[:0]))
    with pytest.raises(ValueError, match="without pages"):
        document.close()
    assert not (tmp_path / "x.pdf").exists()


@quick
@given(
    st.lists(st.floats(20.0, 180.0), min_size=1, max_size=6),
    st.lists(st.tuples(st.floats(0, 400), st.floats(0, 250)), max_size=60),
)
def test_names_of_areas_collide_with_nothing(
    pen: Pen, widths: list[float], there: list[tuple[float, float]]
) -> None:
    plot = scale.Plot(0.0, 0.0, 400.0, 260.0, 200.0, 130.0, 1000)
    taken = Taken((0.0, 0.0, 400.0, 260.0))
    boxes = [box_about(x, y, 18.0, 9.0) for x, y in there]
    taken.add(boxes)
    edges = np.cumsum([0.0, *widths])
    areas = [(f"第{n + 1}片区", shapely.box(edges[n], 0, edges[n + 1], 250)) for n in range(len(widths))]
    for tag in place_tags(pen, plot, areas, taken, sizes=(15.0, 9.0)):
        own = box_about(tag.x, tag.y, *tag_extent(pen, tag.words, tag.size))
        assert not any(shapely.box(*own).intersects(shapely.box(*box)) for box in boxes)
        assert dict(areas)[tag.words].contains(shapely.Point(tag.x, tag.y))
        boxes.append(own)
