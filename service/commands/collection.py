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


class Role(StrEnum):
    """Whose view is exported."""

    public = "public"
    consumer = "consumer"
    planner = "planner"
    centre = "centre"


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
        from service.plans.publishing import read_layer_of
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


@group.command()
def export(
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME", help="grids, buildings, cases … or an added layer · 数据集", show_default=False
        ),
    ],
    out: Annotated[
        Path,
        typer.Option(
            "--out",
            metavar="FILE",
            help="Where it is written: .geojson, .gpkg, .shp, .zip (Shapefile), .csv or .fgb · 输出文件",
            show_default=False,
        ),
    ],
    filter_: Annotated[
        str | None, typer.Option("--filter", metavar="CQL2", help="Which features · 过滤条件")
    ] = None,
    bbox: Annotated[
        str | None,
        typer.Option("--bbox", metavar="W,S,E,N", help="Within this box, in degrees · 经纬度范围"),
    ] = None,
    datetime: Annotated[
        str | None, typer.Option("--datetime", help="An instant, a date, or BEGIN/END · 时间或时段")
    ] = None,
    sortby: Annotated[
        str | None, typer.Option("--sortby", metavar="[-]COLUMN,…", help="Order · 排序")
    ] = None,
    properties: Annotated[
        str | None, typer.Option("--properties", metavar="COLUMN,…", help="Only these columns · 只要这些列")
    ] = None,
    crs: Annotated[
        str | None,
        typer.Option("--crs", metavar="EPSG:N", help="Coordinate system (not of GeoJSON) · 坐标系"),
    ] = None,
    encoding: Annotated[
        str | None,
        typer.Option("--encoding", help="Shapefile: UTF-8, GBK; CSV: UTF-8, UTF-8-BOM · 字符编码"),
    ] = None,
    geometry: Annotated[
        str | None, typer.Option("--geometry", help="CSV: wkt, xy or none · CSV 中的几何")
    ] = None,
    cut: Annotated[
        bool,
        typer.Option("--cut", help="Cut values that a Shapefile cannot hold · 截断 Shapefile 存不下的值"),
    ] = False,
    role: Annotated[
        Role, typer.Option("--role", help="What this role may see is written · 按此岗位的可见范围")
    ] = Role.planner,
) -> None:
    """Write a collection, or what a filter finds of it, to a file · 把数据集导出为文件

    The file is there when it is whole, or not at all. Example · 示例:

        wangge collection export grids --out grids.zip --encoding GBK --cut
    """
    from service.operating import OperatingError

    term = terminal()
    with term.answering_errors():
        from service.access import Principal, access
        from service.access import Role as AccessRole
        from service.commands.demo import user
        from service.db import database
        from service.exports.faults import FailedError
        from service.exports.options import read_options
        from service.exports.outputs import format_of, write_rows
        from service.faults import ServiceError, UnknownError
        from service.query.question import read_question
        from service.settings import Settings
        from service.store.catalogue import Catalogues
        from service.store.exports import Rows, record_export

        chosen = format_of(out)
        asked = {"filter": filter_, "bbox": bbox, "datetime": datetime, "sortby": sortby}
        asked |= {"properties": properties, "crs": _crs_uri(crs)}
        options = {"encoding": encoding, "geometry": geometry, "fit": "cut" if cut else None}
        try:
            with database(Settings()) as opened, term.progress() as steps:
                steps.step("read")
                collection = Catalogues(opened.app).find(name)
                principal = Principal(AccessRole(role.value), subject=user())
                allowed = None if collection is None else access(principal, collection)
                if collection is None or allowed is None:
                    raise UnknownError("collection", name=name)
                question = read_question({k: v for k, v in asked.items() if v}, collection, allowed)
                given = {k: v for k, v in options.items() if v}
                encoded, place, fit = read_options(given, chosen, collection, question.crs)
                rows = Rows(opened.app, principal, collection, allowed, question)
                try:
                    rows.open()
                    record_export(rows, chosen.name)
                    write_rows(
                        out,
                        rows,
                        encoding=encoded,
                        place=place,
                        fit=fit,
                        tell=lambda done: steps.tell("write", done / max(rows.count, 1)),
                    )
                finally:
                    rows.close()
        except ServiceError as error:
            term.err.print(error.text(term.lang), style="bold red", markup=False)
            raise typer.Exit(2) from None
        except FailedError as error:
            raise OperatingError("export.failed", path=out, reason=str(error)) from None
        except OSError as error:
            raise OperatingError("export.failed", path=out, reason=error.strerror) from None
        term.say("export.written", path=out, features=f"{rows.count:,}")


def _crs_uri(crs: str | None) -> str | None:
    """`EPSG:4490` as the URI that the API knows; anything else as it is."""
    found = re.fullmatch(r"(?i)epsg:(\d{4,6})", crs or "")
    return f"http://www.opengis.net/def/crs/EPSG/0/{found[1]}" if found else crs


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
