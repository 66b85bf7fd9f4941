"""Commands that work on the database: load, plan, publish, export, and what there is."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from service.commands import options
from service.commands.terminal import Terminal, terminal

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from service.store.communities import Loaded

PANEL = "Database · 数据库"

CommunityName = Annotated[
    str,
    typer.Argument(
        metavar="COMMUNITY",
        help="Code, id or name of a community · 社区编码、编号或名称",
        show_default=False,
    ),
]
PlanNumber = Annotated[
    int, typer.Argument(metavar="PLAN", help="Number of the plan · 方案编号", show_default=False)
]
Author = Annotated[str, typer.Option("--author", help="Who does it, for the record · 经办人")]


def add_to(app: typer.Typer) -> None:
    """Add the commands to the command line."""
    for command in (load, plan, publish, export, communities, plans):
        app.command(rich_help_panel=PANEL)(command)


def load(
    area: options.AreaPath = None,
    community: options.CommunityFile = None,
    streets: options.StreetsFile = None,
    buildings: options.BuildingsFile = None,
    compounds: options.CompoundsFile = None,
    zones: options.ZonesFile = None,
    facilities: options.FacilitiesFile = None,
    cases: options.CasesFile = None,
    population_groups: options.PopulationGroupsFile = None,
    staff: options.StaffFile = None,
    columns: options.ColumnMap = None,
    encoding: options.Encoding = None,
    missing: options.MissingHouseholds = options.Missing.zero,
    drop_personal: options.DropPersonal = False,
    attribution: Annotated[
        str | None,
        typer.Option("--attribution", help="Where the data come from, shown with every map · 数据来源"),
    ] = None,
    synthetic: Annotated[
        bool | None,
        typer.Option(
            "--synthetic/--no-synthetic",
            help="The data are invented, and maps say so; else as it was · 标明为合成数据；不写则保持原样",
        ),
    ] = None,
) -> None:
    """Load communities with their layers · 导入社区及各图层

    Replaces streets, compounds, zones, buildings, facilities, counts and staff of the communities in the
    file; cases are added. Published grids stay. The same file twice changes nothing. All or nothing is
    loaded.

    以文件替换其中社区的道路、小区、功能区、建筑、设施、人群计数和网格人员，事件只增不减；已发布的网格不变。
    同一文件再次导入不产生改动；要么全部导入，要么什么也不导入。

    Example · 示例:  wangge load area.gpkg
    """
    term = terminal()
    given = {
        "community": community,
        "streets": streets,
        "buildings": buildings,
        "compounds": compounds,
        "zones": zones,
        "facilities": facilities,
        "cases": cases,
        "population_groups": population_groups,
        "staff": staff,
    }
    with term.answering_errors():
        from data.vector import read_area
        from partition.intake.frames import check_area, clear_personal
        from service.intake.layers import check_layers
        from service.store.communities import load_area

        with term.progress() as progress:
            progress.step("read")
            files = {layer: path for layer, path in given.items() if path}
            raw = read_area(area, layers=files, columns=options.column_map(columns), encoding=encoding)
            checked = check_area(raw, missing=missing.value, drop_personal=drop_personal)
            cleared = clear_personal(raw, drop_personal=drop_personal)
            layers = check_layers(cleared.frames, checked, files=cleared.files, originals=cleared.originals)
            with owner() as engine, engine.begin() as connection:
                loaded = load_area(
                    connection,
                    checked,
                    layers,
                    synthetic=synthetic,
                    attribution=attribution,
                    progress=progress.tell,
                )
        for finding in (*checked.findings, *layers.findings, *loaded.findings):
            term.finding(finding)
        _show_load(term, loaded)


def _show_load(term: Terminal, loaded: Loaded) -> None:
    _table(
        term,
        ["load.layer", "load.given", "load.added", "load.changed", "load.removed"],
        [
            [
                term.text(f"step.{name}"),
                *map(str, (change.given, change.added, change.changed, change.removed)),
            ]
            for name, change in loaded.changes.items()
        ],
    )
    if loaded.outside:
        term.say("load.outside", count=loaded.outside)
    term.say("load.done", communities=", ".join(loaded.divisions))
    term.say("load.next", code=shlex.quote(loaded.divisions[0]))


def plan(
    community: CommunityName,
    profile: options.ProfileName = "yichang",
    lower: options.Lower = None,
    target: options.Target = None,
    upper: options.Upper = None,
    balance: options.Balance = None,
    grids: options.GridCount = None,
    tier: options.TierList = None,
    seed: options.Seed = 0,
    author: Author = "",
    reason: Annotated[str, typer.Option("--reason", help="Why it is made · 编制事由")] = "",
) -> None:
    """Divide a loaded community and keep the plan as a draft · 为社区编制网格方案（草稿）

    Grids with the same buildings as a grid in force keep its code; other codes are new. Tiers above and
    below the grids are made where the profile has any, and with --tier. Ends with 1 if a promise is broken or
    a grid is out of range without a proven reason.

    建筑组成不变的网格沿用现行编码，其余取新编码。划分规则含分级或使用 --tier 时，一并建立片区和微网格。
    承诺未兑现，或有网格超出范围而原因未能证明时，退出码为 1。

    Example · 示例:  wangge plan 999901001001 --profile yichang
    """
    term = terminal()
    with term.answering_errors():
        from partition.wishes.policy import load_profile
        from service.commands.files import show_judgement, show_tiers
        from service.plans.planning import plan_community

        asks = options.tier_asks(tier)
        rules = load_profile(profile).with_size(lower, target, upper).with_balance(balance)
        with term.progress() as progress, owner() as engine:
            made = plan_community(
                engine,
                community,
                rules,
                seed=seed,
                grids=grids,
                tiers=asks,
                author=author,
                reason=reason,
                progress=progress.tell,
            )
        report = made.split.report
        show_judgement(term, report.judgement, rules)
        if made.tiers is not None:
            show_tiers(term, made.tiers)
        figures = report.judgement.figures
        term.say(
            "plan.done",
            plan=made.plan,
            grids=figures["grids"],
            households=figures["households"],
            share=figures["share_in_range"],
        )
        term.say("plan.next", plan=made.plan)
        if not report.sound or not (made.tiers is None or made.tiers.sound):
            raise typer.Exit(1)


def publish(
    plan: PlanNumber,
    over: Annotated[
        int | None,
        typer.Option(
            "--over",
            metavar="PLAN",
            help="Replace this published plan, though the new one was not made on it · 确认替换此现行方案",
        ),
    ] = None,
    author: Author = "",
) -> None:
    """Bring a plan into force · 发布方案

    Checks coverage, contiguity and completeness in the database, closes the grids in force, opens the plan's,
    writes the lineage, and finds the grid of every building, case and member of staff anew: all in one step.

    在数据库中检查覆盖、连通与完整，停用现行网格，启用本方案的网格，记录沿革，并重新确定每栋建筑、
    每个事件和每位网格人员所在的网格，一步完成。

    Example · 示例:  wangge publish 7
    """
    term = terminal()
    with term.answering_errors():
        from service.store.grids import publish_plan

        with owner() as engine, engine.begin() as connection:
            done = publish_plan(connection, plan, over=over, author=author)
        if done.already:
            term.say("publish.same", plan=plan)
        else:
            term.say(
                "publish.done",
                plan=plan,
                opened=len(done.opened),
                closed=len(done.closed),
                kept=len(done.kept),
            )


def export(
    plan: PlanNumber,
    out: Annotated[
        Path,
        typer.Option(
            "--out",
            metavar="FILE",
            help="Where it is written: .gpkg, .geojson or .shp · 输出文件",
            show_default=False,
        ),
    ],
    encoding: Annotated[
        str | None,
        typer.Option("--encoding", help="Of a Shapefile: UTF-8 (default) or GBK · Shapefile 的字符编码"),
    ] = None,
) -> None:
    """Write a plan to a file · 导出方案

    GeoPackage: grids and buildings (layers `grids`, `buildings`, and `tiers` if there are any) in the input's
    CRS. GeoJSON: grids, WGS 84.
    Shapefile: grids, with .cpg; column names have ten characters there (buildings_unknown is bldg_unkn). What
    is written is what a planner may see: households by building, and no figure about a population group.

    GeoPackage 含网格、建筑图层（有分级时另含 tiers），坐标系同输入；GeoJSON 只含网格（WGS 84）；Shapefile
    只含网格，附 .cpg，列名限十个字符（buildings_unknown 写作 bldg_unkn）。内容以规划人员可见的为限，不含重点
    人群数据。

    Example · 示例:  wangge export 7 --out grids.shp --encoding GBK
    """
    term = terminal()
    with term.answering_errors():
        from service.exports.plans import check_export, write_export
        from service.store.plans import read_plan

        check_export(out, encoding)
        with owner() as engine, engine.connect() as connection:
            frames = read_plan(connection, plan)
        write_export(out, frames, encoding=encoding)
        term.say("export.done", path=out, grids=len(frames.grids), buildings=len(frames.buildings))


def communities() -> None:
    """List the communities in the database · 列出已导入的社区"""
    term = terminal()
    with term.answering_errors():
        from service.store.communities import list_communities

        with owner() as engine, engine.connect() as connection:
            rows = list_communities(connection)
        _list(
            term,
            rows,
            {
                "code": "code",
                "name": "name",
                "buildings": "buildings",
                "households": "households",
                "grids": "grids",
            },
        )


def plans(
    community: Annotated[
        str | None,
        typer.Argument(metavar="[COMMUNITY]", help="Only of this community · 只列此社区", show_default=False),
    ] = None,
) -> None:
    """List plans, newest first · 列出方案"""
    term = terminal()
    with term.answering_errors():
        from service.store.communities import find_community
        from service.store.plans import list_plans

        with owner() as engine, engine.connect() as connection:
            division = find_community(connection, community) if community else None
            rows = list_plans(connection, division)
        shown = [
            {
                **row,
                "status": term.text(f"plan-status.{row['status']}"),
                "created_at": f"{row['created_at']:%Y-%m-%d %H:%M}",
            }
            for row in rows
        ]
        _list(
            term,
            shown,
            {
                "plan": "id",
                "code": "division_code",
                "status": "status",
                "profile": "profile",
                "grids": "grids",
                "households": "households",
                "created": "created_at",
            },
        )


@contextmanager
def owner() -> Iterator[Engine]:
    """The owner's engine: writing commands are not behind row policies."""
    from service.db import database
    from service.settings import Settings

    with database(Settings()) as opened:
        yield opened.owner


def _list(term: Terminal, rows: Any, columns: Mapping[str, str]) -> None:
    if not rows:
        term.say("list.none")
        return
    _table(
        term,
        [f"list.{title}" for title in columns],
        [[str(row[name]) for name in columns.values()] for row in rows],
    )


def _table(term: Terminal, titles: list[str], rows: list[list[str]]) -> None:
    from rich.table import Table

    table = Table(box=None, padding=(0, 2, 0, 0))
    for title, values in zip(titles, zip(*rows, strict=True), strict=True):
        numbers = all(value.replace(",", "").isdigit() and len(value) < 10 for value in values)
        table.add_column(term.text(title), justify="right" if numbers else "left")
    for row in rows:
        table.add_row(*row)
    term.out.print(table, markup=False)
