"""`wangge collection`: publish further layers through the API, list them, take them away."""

from __future__ import annotations

import re
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from service.commands import options
from service.commands.store import owner
from service.commands.terminal import terminal

PANEL = "Service · 服务"
NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,62}")

Name = Annotated[
    str,
    typer.Option("--name", help="Name in addresses: /collections/NAME · 地址中的名称", show_default=False),
]


class Sensitivity(StrEnum):
    """Who may know of a layer."""

    open = "open"
    internal = "internal"
    restricted = "restricted"


group = typer.Typer(name="collection", help="Further layers for the API · 发布其他图层", no_args_is_help=True)


def add_to(app: typer.Typer) -> None:
    """Add the group to the command line."""
    app.add_typer(group, rich_help_panel=PANEL)


@group.command()
def add(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE",
            help="Vector file; `FILE|layername=NAME` for one layer of several · 矢量文件",
            show_default=False,
        ),
    ],
    name: Name,
    sensitivity: Annotated[
        Sensitivity,
        typer.Option(
            "--sensitivity",
            help="Who may know of it: open (everybody), internal (those who are logged in), restricted (the "
            "command centre) · 敏感程度：公开、内部、仅指挥中心",
        ),
    ],
    title_zh: Annotated[str, typer.Option("--title-zh", help="Title in Chinese · 中文标题")] = "",
    title_en: Annotated[str, typer.Option("--title-en", help="Title in English · 英文标题")] = "",
    about_zh: Annotated[str, typer.Option("--about-zh", help="What it shows, in Chinese · 中文说明")] = "",
    about_en: Annotated[str, typer.Option("--about-en", help="What it shows, in English · 英文说明")] = "",
    attribution: Annotated[str, typer.Option("--attribution", help="Where it comes from · 数据来源")] = "",
    licence: Annotated[str, typer.Option("--licence", help="Licence of the data · 数据许可")] = "",
    writable: Annotated[
        bool, typer.Option("--writable", help="Planners may change it through the API · 允许规划岗位修改")
    ] = False,
    encoding: options.Encoding = None,
    drop_personal: options.DropPersonal = False,
) -> None:
    """Publish a layer as a collection of the API · 把一个图层发布为接口数据集。

    Columns and their names are kept. Columns that hold personal data are refused.
    """
    term = terminal()
    with term.answering_errors():
        from service.operating import OperatingError
        from service.publishing import read_layer_of
        from service.store.added import Declaration, add_collection

        if not NAME.fullmatch(name):
            raise OperatingError("collection-name", name=name)
        with term.progress() as steps:
            steps.step("read")
            layer, geometry_name = read_layer_of(file, encoding=encoding, drop_personal=drop_personal)
            steps.step("store")
            declared = Declaration(
                name=name,
                sensitivity=sensitivity.value,
                title_zh=title_zh,
                title_en=title_en,
                about_zh=about_zh,
                about_en=about_en,
                attribution=attribution,
                licence=licence,
                geometry_name=geometry_name,
                writable=writable,
            )
            with owner() as engine, engine.begin() as connection:
                rows = add_collection(connection, layer, declared)
        term.say("collection.added", name=name, rows=f"{rows:,}")


@group.command(name="list")
def list_() -> None:
    """List the added collections · 列出已发布的图层。"""
    term = terminal()
    with term.answering_errors():
        from service.store.added import read_collections

        with owner() as engine, engine.connect() as connection:
            found: Any = read_collections(connection)
        for one in found:
            term.out.print(f"{one.name}  {getattr(one, term.lang)}  ({one.least})", markup=False)


@group.command()
def remove(name: Annotated[str, typer.Argument(metavar="NAME", show_default=False)]) -> None:
    """Take an added collection away, with its rows · 撤销图层并删除其数据。"""
    term = terminal()
    with term.answering_errors():
        from service.store.added import remove_collection

        with owner() as engine, engine.begin() as connection:
            remove_collection(connection, name)
        term.say("collection.removed", name=name)
