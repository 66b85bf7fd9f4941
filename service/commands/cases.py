"""`wangge cases`: many cases from a file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from service.commands import options
from service.commands.store import owner
from service.commands.terminal import terminal

group = typer.Typer(name="cases", help="Cases in bulk · 批量事件", no_args_is_help=True)


def add_to(app: typer.Typer) -> None:
    """Add the group to the command line."""
    app.add_typer(group, rich_help_panel="Service · 服务")


@group.callback()
def cases() -> None:
    """Cases in bulk · 批量事件。"""


@group.command(name="import")
def import_(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE",
            help="CSV with lon and lat, GeoJSON, GeoPackage or Shapefile; `FILE|layername=NAME` for one "
            "layer of several · 事件文件",
            show_default=False,
        ),
    ],
    columns: options.ColumnMap = None,
    encoding: options.Encoding = None,
    drop_personal: options.DropPersonal = False,
) -> None:
    """Import a file of cases, all or none · 从文件导入事件，要么全部导入，要么全不导入。

    Columns: case_id, category, time; and where there are any due, status, tier, building_id, community. Each
    case is put into the grid in force around it and announced to those who listen. What is wrong is told by
    rows, and then nothing is imported.
    """
    term = terminal()
    with term.answering_errors():
        from service.access import Principal, Role
        from service.commands.demo import user
        from service.intake.case_file import read_cases
        from service.store.case_imports import import_cases

        with term.progress() as steps:
            steps.step("read")
            read = read_cases(
                file,
                columns=options.column_map(columns),
                encoding=encoding,
                drop_personal=drop_personal,
            )
            for finding in read.findings:
                term.finding(finding)
            who = Principal(Role.ADMIN, subject=user())
            with owner() as engine, engine.begin() as connection:
                made = import_cases(connection, who, read, steps.tell)
        term.say("cases.imported", cases=f"{made.cases:,}", communities=f"{made.communities:,}")
        if made.without:
            term.say("cases.without_grid", count=f"{made.without:,}")
