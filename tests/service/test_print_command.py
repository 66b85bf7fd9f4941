"""`wangge print` on a real database: what is printed, for whom, and that nothing hidden leaves a trace."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable
from pathlib import Path

import pytest
import typer
from click.testing import Result
from sqlalchemy import Connection, text
from typer.testing import CliRunner

from layers.paper.imprint import Imprint
from partition.tiers.levels import Ask
from service.access import Principal, Role
from service.commands import demo as demo_commands
from service.commands import print as print_command
from service.commands import terminal
from service.db import Database
from service.intake.layers import Layers
from service.maps.printing import Order, Printed, default_role, file_name, print_sheets
from service.operating import OperatingError
from service.plans.planning import plan_community
from service.settings import Settings
from service.store.communities import load_area
from service.store.grids import publish_plan
from tests.layers import sheets

from .api import PROFILE, fill
from .towns import CODE, make_town

pytestmark = pytest.mark.database

OFFICE = "990101001"
SECOND, BARE = f"{OFFICE}003", f"{OFFICE}002"
BOTH = ("map", "boards")
IMPRINT = Imprint(lang="zh", date="2026-11-22", author="某街道", base_url="https://grid.example.org")

Printing = Callable[..., Printed]
Wangge = Callable[..., Result]


@pytest.fixture(scope="module")
def town(module_database: Database) -> Database:
    """Two published communities and one that is only loaded; a draft; one grid of a handful of households."""
    settle(module_database)
    plan_community(module_database.owner, CODE, PROFILE, author="规划员", tiers=(Ask(number=2),))
    return module_database


def settle(database: Database) -> None:
    """The two published communities and the one that is only loaded."""
    fill(database)
    second = make_town(4, 4, code=SECOND, name="第二社区", east_m=480)
    with database.owner.begin() as connection:
        load_area(connection, second, Layers(), synthetic=True)
    planned = plan_community(database.owner, SECOND, PROFILE, author="规划员")
    with database.owner.begin() as connection:
        publish_plan(connection, planned.plan)
        change(connection, "update grids set households = 13, residents = 31 where code = '990101001001002'")


@pytest.fixture
def printing(town: Database, tmp_path: Path) -> Printing:
    """Prints, by default for the public and into one file."""

    def run(asked: str, role: Role = Role.PUBLIC, out: Path | None = None, **how: object) -> Printed:
        principal = Principal(role, subject="test", **how.pop("as_", {}))  # type: ignore[arg-type]
        order = dataclasses.replace(Order(BOTH, IMPRINT), **how)  # type: ignore[arg-type]
        return print_sheets(town, principal, asked, out or tmp_path / "out.pdf", order)

    return run


@pytest.fixture
def wangge(town: Database, monkeypatch: pytest.MonkeyPatch) -> Wangge:
    """The command line on the towns' database."""
    monkeypatch.setenv("WANGGE_DATABASE_URL", town.app.url.render_as_string(hide_password=False))
    monkeypatch.setenv("WANGGE_OWNER_DATABASE_URL", town.owner.url.render_as_string(hide_password=False))
    monkeypatch.setenv("WANGGE_LANG", "en")
    monkeypatch.setenv("COLUMNS", "200")
    terminal.terminal.cache_clear()
    app = typer.Typer()
    print_command.add_to(app)
    demo_commands.add_to(app)

    def run(*arguments: object, exit_code: int = 0) -> Result:
        result = CliRunner().invoke(app, [str(argument) for argument in arguments])
        assert result.exit_code == exit_code, result.output
        return result

    return run


def change(connection: Connection, sql: str) -> None:
    """Do what the database's triggers keep everybody from."""
    (table,) = re.findall(r"^(?:update|delete from) (\w+)", sql)
    connection.execute(text(f"alter table {table} disable trigger user"))
    assert connection.execute(text(sql)).rowcount > 0, sql
    connection.execute(text(f"alter table {table} enable trigger user"))


def said(path: Path) -> str:
    """All words of a file."""
    pdf = sheets.open_pdf(path)
    return "\n".join(sheets.words(pdf, page) for page in range(len(pdf)))


# --- what is printed ---


def test_a_community_with_its_boards(wangge: Wangge, town: Database, tmp_path: Path) -> None:
    out = tmp_path / "c.pdf"
    done = wangge("print", CODE, "--out", out, "--date", "2026-11-22", "--base-url", "https://g.example.org/")
    with town.owner.connect() as connection:
        rows = connection.execute(
            text(
                "select g.code, g.bounds_zh, t.name_zh as area from grids g"
                " join tiers t on g.code = any(t.grids) and t.level = -1 and t.valid_to is null"
                " where g.division_code = :c and g.valid_to is null order by t.key, g.code"
            ),
            {"c": CODE},
        ).all()
    pdf = sheets.open_pdf(out)
    assert len(pdf) == len(rows) + 1
    assert f"{len(rows) + 1} pages" in done.output
    assert "work phones" in done.output
    assert "QR" not in done.output
    marks = [(mark.level, mark.get_title()) for mark in pdf.get_toc()]
    areas = list(dict.fromkeys(row.area for row in rows))
    assert areas == ["第1片区", "第2片区", "第3片区"]
    assert all(sheets.words(pdf, 0).count(area) == 1 for area in areas)
    for page, row in enumerate(rows, start=1):
        assert f"· {row.area}" in sheets.words(pdf, page)
    assert [name for level, name in marks if level == 1] == areas
    assert len([name for level, name in marks if level == 2]) == len(rows)
    for page, (code, bounds, _) in enumerate(rows, start=1):
        words = sheets.words(pdf, page)
        assert f"网格编码 {code}" in words
        assert bounds in words.replace("\r\n", "")
        assert sheets.codes(pdf, page) == [f"https://g.example.org/centre/{CODE}?grid={code}"]
    with town.owner.connect() as connection:
        phone = connection.scalar(
            text("select phone from grid_staff where grid_code = :c and phone <> ''"), {"c": rows[0].code}
        )
    assert phone in sheets.words(pdf, 1)
    last = max(range(len(rows)), key=lambda place: rows[place].code)
    assert "空缺" in sheets.words(pdf, last + 1)  # nobody was named for the last grid


def test_one_grid_is_its_board_and_the_map_if_asked(wangge: Wangge, tmp_path: Path) -> None:
    wangge("print", f"{CODE}001", "--out", tmp_path / "g.pdf", "--lang", "en", "--hotline", "")
    pdf = sheets.open_pdf(tmp_path / "g.pdf")
    assert len(pdf) == 1
    assert "Grid 001" in sheets.words(pdf, 0)
    assert "Hotline" not in sheets.words(pdf, 0)
    wangge("print", "测试社区", "--out", tmp_path / "n.pdf", "--sheet", "map")
    assert "测试社区 · 社区网格图" in said(tmp_path / "n.pdf")
    wangge("print", f"{CODE}001", "--out", tmp_path / "m.pdf", "--sheet", "all")
    assert len(sheets.open_pdf(tmp_path / "m.pdf")) == 2


def test_a_street_office_in_one_batch(wangge: Wangge, tmp_path: Path) -> None:
    out = tmp_path / "office.pdf"
    done = wangge("print", OFFICE, "--out", out, "--title", "某某街道", "--author", "街道办")
    pdf = sheets.open_pdf(out)
    marks = [(mark.level, mark.get_title()) for mark in pdf.get_toc()]
    assert [mark for mark in marks if mark[0] < 2] == [(0, "某某街道"), (1, "测试社区"), (1, "第二社区")]
    areas = [name for level, name in marks if level == 2 and "片区" in name]
    assert areas == ["第1片区", "第2片区", "第3片区"]  # the second community has none
    assert len([mark for mark in marks if mark[0] >= 2]) - len(areas) + 3 == len(pdf)
    assert "某某街道 · 社区网格总图" in sheets.words(pdf, 0)
    assert "编制：街道办" in sheets.words(pdf, 1)
    assert "方案" not in sheets.words(pdf, 0)  # each community has its own
    assert "方案" in sheets.words(pdf, 1)
    assert "未发布社区" not in said(out)
    assert BARE not in done.output  # the public may not know of it
    wangge("print", OFFICE, "--out", tmp_path / "folder", "--sheet", "map", "--role", "planner")
    files = {path.name: len(sheets.open_pdf(path)) for path in (tmp_path / "folder").iterdir()}
    assert files == {f"{OFFICE}.pdf": 1, f"{CODE}.pdf": 1, f"{SECOND}.pdf": 1}


def test_what_has_no_grids_in_force_is_left_out_and_named(wangge: Wangge, tmp_path: Path) -> None:
    done = wangge("print", OFFICE, "--out", tmp_path / "x.pdf", "--sheet", "map", "--role", "planner")
    assert f"left out (1): {BARE}" in done.output
    done = wangge("print", BARE, "--out", tmp_path / "y.pdf", "--role", "planner", exit_code=2)
    assert "wangge publish" in done.output
    assert not (tmp_path / "y.pdf").exists()


def test_the_plans_author_stands_where_none_is_named(printing: Printing, tmp_path: Path) -> None:
    printing(SECOND, imprint=dataclasses.replace(IMPRINT, author=""), sheets=("map",))
    assert "编制：规划员" in said(tmp_path / "out.pdf")


def test_a_draft_is_marked_and_for_planners(wangge: Wangge, town: Database, tmp_path: Path) -> None:
    with town.owner.connect() as connection:
        rows = connection.execute(text("select id, division_code, status from plans order by id")).all()
    (draft,) = [row.id for row in rows if row.status == "draft"]
    (closed,) = [row.id for row in rows if row.status == "published" and row.division_code == CODE]
    out = tmp_path / "draft.pdf"
    done = wangge("print", CODE, "--plan", draft, "--out", out)
    pdf = sheets.open_pdf(out)
    for page in range(len(pdf)):
        assert "草案" in sheets.words(pdf, page)
        assert f"方案 {draft}" in sheets.words(pdf, page)
    assert "网格长甲" not in said(out)
    for words in ("片区边界", "第1片区", "第2片区"):  # those of the draft: two, not three
        assert words in sheets.words(pdf, 0)
    assert "第3片区" not in said(out)
    assert "phones" not in done.output
    for arguments, words in (
        ((CODE, "--plan", draft, "--role", "public"), "may not see drafts"),
        ((CODE, "--plan", closed), "not a draft"),
        ((SECOND, "--plan", draft), "has no plan"),
        ((OFFICE, "--plan", draft), "one community"),
    ):
        refused = wangge("print", *arguments, "--out", tmp_path / "no.pdf", exit_code=2)
        assert words in refused.output
    assert not (tmp_path / "no.pdf").exists()


# --- for whom ---


def test_who_may_not_know_of_a_community_cannot_print_it(printing: Printing) -> None:
    for asked, how in (
        (BARE, {}),  # not published
        ("nowhere", {}),
        ("", {}),
        (CODE, {"role": Role.PLANNER, "as_": {"scope": ("99010200",)}}),
        (f"{CODE}001", {"role": Role.PLANNER, "as_": {"scope": (SECOND,)}}),
    ):
        with pytest.raises(OperatingError, match="No community or grid is called"):
            printing(asked, **how)
    assert printing(OFFICE, Role.PLANNER, as_={"scope": (SECOND,)}, sheets=("map",)).pages == 1


def test_a_handful_of_households_is_told_to_planners_only(printing: Printing, tmp_path: Path) -> None:
    told = {}
    for role in (Role.PUBLIC, Role.CONSUMER, Role.GRID_WORKER, Role.PLANNER, Role.CENTRE):
        printing(f"{CODE}002", role)
        pdf = sheets.open_pdf(tmp_path / "out.pdf")
        board = sheets.words(pdf, 1)
        assert "002 网格" in board
        total = "合计" in sheets.words(pdf, 0)
        told[role] = ("13 户" in board, "31 人" in board, total)
    hidden, shown = (False, False, False), (True, True, True)
    assert told == {
        Role.PUBLIC: hidden,
        Role.CONSUMER: hidden,
        Role.GRID_WORKER: hidden,
        Role.PLANNER: shown,
        Role.CENTRE: shown,
    }


# what is changed, from what nobody prints to what only the public may not see; who sees it first
SECRETS = (
    (
        (
            "update cases set category = 'disturbance', geom = st_translate(geom, 0.0002, 0.0001)",
            "delete from cases where id % 3 = 0",
            "update population_groups set count = count + 7",
            "update published_figures set count = count + 7",
            "update buildings set households = households + 3, residents = residents + 5"
            " where not households_unknown",
        ),
        (),
    ),
    (("update grids set households = 14, residents = 33 where households = 13",), (Role.CENTRE,)),
    (("update grid_staff set phone = phone || '9'",), (Role.CONSUMER, Role.CENTRE)),
    (
        ("update grids set households = households + 1 where households > 100",),
        (Role.PUBLIC, Role.CONSUMER, Role.CENTRE),
    ),
)


def test_what_a_role_may_not_see_changes_no_byte(scratch: Database, tmp_path: Path) -> None:
    """Stronger than that no hidden value can be read: nothing in the files depends on one."""
    settle(scratch)

    def files() -> dict[Role, bytes]:
        found = {}
        for role in (Role.PUBLIC, Role.CONSUMER, Role.CENTRE):
            for asked, sheets_ in ((f"{CODE}002", BOTH), (OFFICE, ("map",))):
                order = Order(sheets_, IMPRINT)
                print_sheets(scratch, Principal(role), asked, tmp_path / "x.pdf", order)
                found[role] = found.get(role, b"") + (tmp_path / "x.pdf").read_bytes()
        return found

    before = files()
    for changes, seers in SECRETS:
        with scratch.owner.begin() as connection:
            for sql in changes:
                change(connection, sql)
        after = files()
        assert {role for role in after if after[role] != before[role]} == set(seers), changes
        before = after


def test_by_default_phones_are_on_boards_and_nothing_else_is_internal() -> None:
    assert default_role(("map",), None) == Role.PUBLIC
    assert default_role(BOTH, None) == Role.CONSUMER
    assert default_role(BOTH, 3) == Role.PLANNER


def test_maps_alone_carry_no_phone(wangge: Wangge, town: Database, tmp_path: Path) -> None:
    with town.owner.connect() as connection:
        phones = set(connection.scalars(text("select phone from grid_staff where phone <> ''")))
    assert phones
    wangge("print", CODE, "--out", tmp_path / "map.pdf", "--sheet", "map")
    wangge("print", CODE, "--out", tmp_path / "plain.pdf", "--role", "public")
    for name in ("map.pdf", "plain.pdf"):
        assert not [phone for phone in phones if phone in said(tmp_path / name)]


# --- the same again, and what cannot be ---


def test_the_same_data_and_day_give_the_same_file(wangge: Wangge, tmp_path: Path) -> None:
    for name in ("a.pdf", "b.pdf"):
        wangge("print", CODE, "--out", tmp_path / name, "--date", "2026-11-22")
    first = (tmp_path / "a.pdf").read_bytes()
    assert (tmp_path / "b.pdf").read_bytes() == first
    wangge("print", CODE, "--out", tmp_path / "b.pdf", "--date", "2026-11-23")
    assert (tmp_path / "b.pdf").read_bytes() != first


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--date", "22.11.2026"), "2026-11-22"),
        (("--base-url", "grid.example.org"), "https://"),
        (("--base-url", "https://user@grid.example.org"), "https://"),
        (("--base-url", "javascript:alert(1)"), "https://"),
        (("--base-url", "https://grid.example.org/?a=b"), "https://"),
        (("--base-url", "https://grid.example.org:x"), "https://"),
        (("--font", "/nowhere/font.ttf"), "no Chinese"),
        (("--lang", "fr"), "zh"),
    ],
)
def test_a_wrong_call_is_told_and_writes_nothing(
    wangge: Wangge, tmp_path: Path, arguments: tuple[str, ...], words: str
) -> None:
    refused = wangge("print", CODE, "--out", tmp_path / "x.pdf", *arguments, exit_code=2)
    assert words in refused.output
    assert "Traceback" not in refused.output
    assert not list(tmp_path.iterdir())


def test_an_old_file_stays_until_the_new_one_is_whole(
    printing: Printing, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out.pdf"
    out.write_bytes(b"the one before")
    with pytest.raises(OperatingError):
        printing(BARE, Role.PLANNER)
    assert out.read_bytes() == b"the one before"
    assert [path.name for path in tmp_path.iterdir()] == ["out.pdf"]


def test_a_folder_that_cannot_be_made_is_told(wangge: Wangge, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    refused = wangge("print", CODE, "--out", tmp_path / "file", "--sheet", "map", exit_code=2)
    assert "cannot be written" in refused.output
    refused = wangge("print", CODE, "--out", tmp_path / "none" / "x.pdf", exit_code=2)
    assert "Traceback" not in refused.output


def test_files_are_named_after_codes_and_stay_in_their_folder() -> None:
    assert file_name("990101001001") == "990101001001.pdf"
    assert file_name("c1", {"c1.pdf", "c1-1.pdf"}) == "c1-2.pdf"
    for code in ("../../etc/passwd", "a/b", "..", "", "\\\\server\\x", "a\x00b", "社区 一"):
        name = file_name(code)
        assert Path(name).name == name
        assert not name.startswith(".")


def test_a_full_disk_is_told_and_leaves_nothing(
    printing: Printing, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from reportlab.pdfgen.canvas import Canvas

    def full(self: Canvas) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Canvas, "save", full)
    with pytest.raises(OperatingError, match="No space left"):
        printing(CODE, sheets=("map",))
    assert not list(tmp_path.iterdir())


def test_without_the_extra_one_sentence_says_so(
    wangge: Wangge, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "reportlab", None)
    refused = wangge("print", CODE, "--out", tmp_path / "x.pdf", exit_code=2)
    assert "wangge[paper]" in refused.output


def test_without_a_font_the_package_is_named(
    wangge: Wangge, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from layers.paper import fonts

    monkeypatch.setattr(fonts.find_font, "__defaults__", (None, (tmp_path,)))
    refused = wangge("print", CODE, "--out", tmp_path / "x.pdf", exit_code=2)
    assert fonts.PACKAGE in refused.output


def test_the_doctor_says_whether_printing_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    from layers.paper import fonts
    from service.upkeep.doctor import PAPER_LINE, _printing, _Sayer

    def look(font: Path | None = None) -> tuple[str, str, str]:
        symptom = _printing(Settings(font=font), _Sayer("en"))
        return symptom.state, symptom.said, symptom.mend

    assert look() == ("good", str(fonts.find_font()), "")
    state, said_, mend = look(tmp_path / "none.ttf")
    assert (state, said_) == ("wanting", str(tmp_path / "none.ttf"))
    assert fonts.PACKAGE in mend
    fonts._writes_chinese.cache_clear()
    monkeypatch.setitem(sys.modules, "reportlab", None)
    for name in [name for name in sys.modules if name.startswith("reportlab.")]:
        monkeypatch.setitem(sys.modules, name, None)
    assert look()[0::2] == ("wanting", PAPER_LINE)


def test_help_teaches_in_both_languages(wangge: Wangge) -> None:
    shown = wangge("print", "--help").output
    explained = shown[: shown.index("─")]
    assert explained.count("。") >= 1
    assert explained.count(". ") + explained.count(".\n") >= 1


# --- the map to send by mail ---


def test_a_map_to_send_shows_what_everybody_may_see(wangge: Wangge, tmp_path: Path) -> None:
    pages = {}
    for role in ("", "public", "planner"):
        out = tmp_path / f"map-{role}.html"
        wangge("map", CODE, "--out", out, *(("--role", role) if role else ()))
        pages[role] = out.read_bytes()
    assert pages[""] == pages["public"]
    assert pages[""] != pages["planner"]
    assert all(len(page) < 600_000 for page in pages.values())
