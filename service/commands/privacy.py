"""`wangge audit` and `wangge purge`: who saw what, and what is past its time."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from service.commands.store import owner
from service.commands.terminal import terminal

if TYPE_CHECKING:
    from datetime import datetime

    from service.store.audit import Line

PANEL = "Service · 服务"
COLUMNS = ("at", "subject", "role", "action", "division", "category", "grids")


def add_to(app: typer.Typer) -> None:
    """Add the commands to the command line."""
    app.command(rich_help_panel=PANEL)(audit)
    app.command(rich_help_panel=PANEL)(purge)


def audit(
    since: Annotated[
        str | None, typer.Option("--since", metavar="TIME", help="From this date or time on · 起始时间")
    ] = None,
    until: Annotated[
        str | None, typer.Option("--until", metavar="TIME", help="Before this date or time · 截止时间")
    ] = None,
    subject: Annotated[str, typer.Option("--subject", help="Who · 查看人")] = "",
    division: Annotated[
        str, typer.Option("--division", metavar="PREFIX", help="Prefix of the division's code · 区划编码前缀")
    ] = "",
    category: Annotated[str, typer.Option("--category", help="Key of a group · 人群类别")] = "",
    action: Annotated[str, typer.Option("--action", help="view, publish, purge … · 操作")] = "",
    limit: Annotated[int, typer.Option("--limit", min=1, max=1_000_000, help="Newest lines · 条数")] = 100,
    form: Annotated[
        Literal["table", "csv", "json"], typer.Option("--format", help="Form of the output · 输出格式")
    ] = "table",
) -> None:
    """Who saw which group where, newest first · 查看审计记录。"""
    term = terminal()
    with term.answering_errors():
        from service.store.audit import Search, search

        wanted = Search(
            _instant("since", since), _instant("until", until), subject, division, category, action
        )
        with owner() as engine, engine.connect() as connection:
            lines, following = search(connection, wanted, limit=limit)
        if form == "table":
            _show(lines)
        else:
            _write(lines, form)
        if following is not None:
            term.err.print(term.text("audit.more", limit=limit), markup=False)


def _instant(name: str, value: str | None) -> datetime | None:
    from service.operating import OperatingError
    from service.query.span import read_instant

    if value is None:
        return None
    found = read_instant(value)
    if found is None:
        raise OperatingError("audit-time", name=name, value=value)
    return found[0]


def _cells(line: Line) -> tuple[str, ...]:
    at = line.at.isoformat(timespec="seconds")
    return (at, line.subject, line.role, line.action, line.division, line.category, line.place)


def _show(lines: list[Line]) -> None:
    from rich.table import Table

    from partition.texts import catalogue

    term = terminal()
    if not lines:
        term.say("audit.none")
        return
    texts = catalogue("service")
    table = Table(*(term.text(f"audit.column-{name}") for name in COLUMNS), box=None, padding=(0, 2, 0, 0))
    for line in lines:
        at, subject, role, action, division, category, grids = _cells(line)
        said = f"audit.action-{action}"
        table.add_row(
            at.replace("T", " ")[:19],
            subject,
            role,
            term.text(said) if said in texts else action,
            division,
            category,
            f"{len(grids.split())} × …{grids.split()[0][-3:]}" if len(grids.split()) > 1 else grids,
        )
    term.out.print(table)


def _write(lines: list[Line], form: str) -> None:
    import csv
    import json

    if form == "json":
        for line in lines:
            told = dict(zip(COLUMNS, _cells(line), strict=True)) | {
                "grids": line.place.split(),
                "details": line.details,
            }
            sys.stdout.write(json.dumps(told, ensure_ascii=False) + "\n")
        return
    writer = csv.writer(sys.stdout)
    writer.writerow([*COLUMNS, "details"])
    for line in lines:
        cells = [*_cells(line), json.dumps(line.details, ensure_ascii=False)]
        # a spreadsheet would take these for formulas
        writer.writerow([f"'{cell}" if cell[:1] in ("=", "+", "-", "@") else cell for cell in cells])


def purge(
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say what would go · 只列出，不删除")
    ] = False,
) -> None:
    """Remove what is past its retention period · 清除超过保存期限的数据。"""
    term = terminal()
    with term.answering_errors():
        from service.commands.demo import user
        from service.privacy.retention import read_retention
        from service.settings import Settings
        from service.store import retention as store

        periods = read_retention(Settings().retention)
        with owner() as engine, engine.begin() as connection:
            if dry_run:
                done = store.count_past(connection, periods)
            else:
                done = store.purge(connection, periods, user())
        term.say("purge.would" if dry_run else "purge.done")
        term.table("purge", [(name, f"{count:,}") for name, count in done.items()])
