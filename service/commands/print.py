"""`wangge print`: maps and sign boards of grids as PDF."""

from __future__ import annotations

import datetime
import re
from enum import StrEnum
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import typer

from service.access import Principal, Role
from service.commands.demo import PANEL, user
from service.commands.terminal import terminal


class SheetChoice(StrEnum):
    """Which sheets are printed."""

    map = "map"
    boards = "boards"
    all = "all"


class LanguageChoice(StrEnum):
    """In which language."""

    zh = "zh"
    en = "en"


def add_to(app: typer.Typer) -> None:
    """Add the command to the command line."""
    app.command("print", rich_help_panel=PANEL)(print_grids)


def print_grids(
    target: Annotated[
        str,
        typer.Argument(
            metavar="COMMUNITY|GRID|PREFIX",
            help="A community's code or name, a grid's code, or the first digits of those of a street "
            "office · 社区编码或名称、网格编码，或街道编码（打印其下全部社区）",
            show_default=False,
        ),
    ],
    out: Annotated[
        Path,
        typer.Option(
            "--out",
            metavar="FILE.pdf|FOLDER",
            help="One file, or a folder with a file for each community · "
            "一个 PDF 文件，或每个社区一个文件的文件夹",
            show_default=False,
        ),
    ],
    sheet: Annotated[
        SheetChoice | None,
        typer.Option(
            "--sheet",
            help="The A3 map, the A4 sign boards, or both (a grid: its board) · A3 网格图、A4 公示牌，或两者"
            "（单个网格默认只打印公示牌）",
            show_default=False,
        ),
    ] = None,
    lang: Annotated[
        LanguageChoice, typer.Option("--lang", help="Language of the sheets · 图面语言")
    ] = LanguageChoice.zh,
    author: Annotated[
        str,
        typer.Option(
            "--author", help="Who makes the map; default: the plan's author · 编制单位，默认为方案编制人"
        ),
    ] = "",
    date: Annotated[
        str,
        typer.Option(
            "--date", metavar="YYYY-MM-DD", help="Day on the sheets; default: today · 制图日期，默认今天"
        ),
    ] = "",
    title: Annotated[
        str, typer.Option("--title", help="Name of the street office on its map · 总图上的街道名称")
    ] = "",
    base_url: Annotated[
        str,
        typer.Option(
            "--base-url",
            metavar="https://…",
            help="Where the service is reached, for the QR code; without it there is none · "
            "服务地址，用于二维码；不写则不印二维码",
        ),
    ] = "",
    hotline: Annotated[
        str,
        typer.Option("--hotline", help='Number for everybody on the boards; "": none · 公示牌上的服务热线'),
    ] = "12345",
    role: Annotated[
        Role | None,
        typer.Option(
            "--role",
            help="As whom to look; default: public, of boards consumer, which adds work phones; with --plan "
            "planner · 以何种身份输出；默认公众，公示牌为数据用户（含工作电话），--plan 时为规划人员",
            show_default=False,
        ),
    ] = None,
    plan: Annotated[
        int | None,
        typer.Option(
            "--plan",
            metavar="PLAN",
            help="A plan that is not in force, marked as a draft on every page · "
            "打印未发布的方案，每页标明草案",
        ),
    ] = None,
    font: Annotated[
        Path | None,
        typer.Option(
            "--font",
            metavar="FILE",
            help="TrueType font with Chinese; default: WANGGE_FONT, else one found on this machine · "
            "中文 TrueType 字体文件；默认取 WANGGE_FONT，否则自动查找",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Print maps and sign boards of grids as PDF · 打印网格图与公示牌（PDF）

    A3 map of each community (true to scale, with legend and table of grids) and an A4 sign board of each
    grid; of a street office all communities in one batch, after a map of the whole. What is in force is
    printed. The same data and date give the same file.

    每个社区一张 A3 网格图（按比例尺，附图例和网格一览），每个网格一块 A4 公示牌；给出街道编码时，先印总图，
    再批量打印其下全部社区。打印的是现行网格；数据和日期相同，文件就相同。

    Example · 示例:  wangge print 999901001001 --out grids.pdf --base-url https://grid.example.org
    """
    term = terminal()
    day = _day(date)
    with term.answering_errors():
        from layers.paper.document import SHEETS
        from layers.paper.imprint import Imprint
        from service.db import database
        from service.maps.printing import Order, default_role, print_sheets
        from service.settings import Settings

        sheets = SHEETS if sheet in (None, SheetChoice.all) else tuple(one for one in SHEETS if one == sheet)
        seen_as = role or Role(default_role(sheets, plan))
        imprint = Imprint(
            lang=lang.value,
            date=day,
            author=author.strip(),
            base_url=_address(base_url),
            hotline=hotline.strip(),
            draft=plan is not None,
        )
        settings = Settings()
        order = Order(
            sheets,
            imprint,
            as_asked=sheet is not None,
            font=font or settings.font,
            plan=plan,
            name=title.strip(),
        )
        with term.progress() as steps, database(settings) as opened:
            done = print_sheets(opened, Principal(seen_as, subject=user()), target, out, order, steps.tell)
        term.say("print.done", files=len(done.files), pages=done.pages, path=out)
        if done.boards and not base_url:
            term.say("print.no-code")
        if done.boards and role is None and plan is None:
            term.say("print.phones")
        if done.left_out:
            term.err.print(
                term.text("print.left-out", count=len(done.left_out), codes=", ".join(done.left_out[:10])),
                style="yellow",
                markup=False,
            )
        if done.lacking:
            term.err.print(
                term.text("print.lacking", letters=done.lacking[:40]), style="yellow", markup=False
            )


def _day(text: str) -> str:
    if not text:
        return datetime.datetime.now().astimezone().date().isoformat()
    try:
        return datetime.date.fromisoformat(text).isoformat()
    except ValueError:
        raise typer.BadParameter(
            f"a date such as 2026-11-22 expected, not {text} · 应为 2026-11-22 这样的日期",
            param_hint="--date",
        ) from None


def _address(text: str) -> str:
    """`--base-url` without a slash at its end; one that is no web address is a wrong call (exit 2)."""
    if not text:
        return ""
    try:
        parts = urlsplit(text)
        fine = (
            parts.scheme in ("http", "https") and bool(parts.hostname) and not (parts.query or parts.fragment)
        )
        fine = (
            fine and re.search(r"[\s\x00-\x1f]", text) is None and parts.username is None and len(text) <= 120
        )
        _ = parts.port
    except ValueError:
        fine = False
    if not fine:
        raise typer.BadParameter(
            f"an address such as https://grid.example.org expected, not {text} · "
            "应为 https://grid.example.org 这样的地址",
            param_hint="--base-url",
        )
    return text.rstrip("/")
