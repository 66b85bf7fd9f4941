"""The command `wangge redraw`: an existing plan brought into range again."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from service.commands import options
from service.commands.files import (
    PlanOut,
    ReportOut,
    chosen_profile,
    layer_files,
    show_findings,
    show_judgement,
)
from service.commands.terminal import Terminal, terminal

if TYPE_CHECKING:
    import pandas as pd

    from partition.changes.redraw import Redraw


def add_to(app: typer.Typer) -> None:
    """Add the command to the command line."""
    app.command(rich_help_panel="Files alone · 只用文件")(redraw)


def redraw(
    plan: Annotated[
        Path,
        typer.Argument(
            metavar="PLAN",
            help="The plan as it is: polygons with a code, buildings with a column `grid`, or both · "
            "现有方案：带编码的网格面，带 grid 列的建筑表，或两者",
            show_default=False,
        ),
    ],
    out: PlanOut,
    area: Annotated[
        Path | None,
        typer.Option(
            "--area",
            metavar="AREA",
            help="The area as it is today, as for `wangge partition` · 变化后的区域数据",
            show_default=False,
        ),
    ] = None,
    lock: Annotated[
        list[str] | None,
        typer.Option(
            "--lock",
            metavar="CODE",
            help="A grid that must not change; may be repeated · 不得改动的网格，可多次使用",
            show_default=False,
        ),
    ] = None,
    max_moved: Annotated[
        str | None,
        typer.Option(
            "--max-moved",
            metavar="P",
            help="No more households than this change grid: 5% of all, or a number · "
            "最多调整的户数：占全部户数的百分比（如 5%），或户数",
            show_default=False,
        ),
    ] = None,
    register: Annotated[
        Path | None,
        typer.Option(
            "--register",
            metavar="CHANGES.csv",
            help="Where the change register is written as a table · 变更表输出文件",
            show_default=False,
        ),
    ] = None,
    community: options.CommunityFile = None,
    streets: options.StreetsFile = None,
    buildings: options.BuildingsFile = None,
    compounds: options.CompoundsFile = None,
    zones: options.ZonesFile = None,
    staff: options.StaffFile = None,
    columns: options.ColumnMap = None,
    encoding: options.Encoding = None,
    missing: options.MissingHouseholds = options.Missing.zero,
    drop_personal: options.DropPersonal = False,
    profile: options.ProfileName = "yichang",
    lower: options.Lower = None,
    target: options.Target = None,
    upper: options.Upper = None,
    seed: options.Seed = 0,
    report: ReportOut = None,
) -> None:
    """Bring a plan into range again after buildings changed · 建筑变化后调整网格

    Moves as few households as possible to another grid. Grids that need not change keep their code and every
    vertex of their border; where all are in range nothing changes. Buildings are matched by id; a new one
    belongs to the grid that it stands in. The plan that is written holds the change register.

    尽量少让住户换网格。不必调整的网格保留编码，边界一点不动；全部达标时什么都不变。建筑按编号对应，
    新建筑归入所在的网格。输出的方案中附有变更表。

    Example · 示例:  wangge redraw plan.gpkg --area area.gpkg --out new.gpkg --register changes.csv
    """
    term = terminal()
    with term.answering_errors():
        from data.plan_file import check_outputs, check_writable, read_plan, write_report
        from data.register import read_codes, read_history, write_redraw, write_register
        from data.vector import read_area
        from partition.changes.former import recall_plan
        from partition.changes.redraw import redraw_area
        from partition.intake.frames import check_area

        cap = _most(max_moved)
        files = layer_files(
            community=community,
            streets=streets,
            buildings=buildings,
            compounds=compounds,
            zones=zones,
            staff=staff,
        )
        if area is None and not files:
            raise typer.BadParameter("missing · 缺少 --area", param_hint="--area")
        inputs = tuple(
            path for path in (plan, area, *(one for some in files.values() for one in some)) if path
        )
        check_outputs(out, report, inputs)
        if register:
            check_writable(register, inputs)
        rules = chosen_profile(profile, lower, target, upper)
        with term.progress() as progress:
            progress.step("read")
            raw = read_area(area, layers=files, columns=options.column_map(columns), encoding=encoding)
            today = check_area(raw, missing=missing.value, drop_personal=drop_personal)
            given = read_plan(plan, today.crs, columns=options.column_map(columns), encoding=encoding)
            former = recall_plan(today, rules, given.polygons, given.mapping)
            history, issued = read_history(plan), read_codes(plan) | former.codes
            made = redraw_area(
                today,
                former,
                rules,
                locked=lock or (),
                most_moved=cap,
                issued=issued,
                staff=_staff(plan, raw.layer("staff"), former.codes),
                seed=seed,
                progress=progress.tell,
            )
            progress.step("write")
            write_redraw(out, today, made, given, history, issued)
            if register:
                write_register(register, made.register)
            if report:
                told = made.split.report.to_dict()
                write_report(
                    report,
                    told
                    | {"changes": made.register.to_dict()}
                    | {"seconds": progress.seconds | told["seconds"]},
                )
        show_findings(term, (*given.findings, *made.split.report.findings))
        show_judgement(term, made.split.report.judgement, rules)
        show_changes(term, made)
        term.say("wrote", path=", ".join(str(path) for path in (out, register, report) if path))
        if not made.split.report.sound:
            raise typer.Exit(1)


def show_changes(term: Terminal, made: Redraw) -> None:
    """Print what changed."""
    changed = made.register
    if not len(changed.flows):
        term.say("redraw.nothing")
        return
    flows, grids = changed.flows, changed.grids
    everyone = int(made.split.grids["households"].sum())
    share = changed.moved_households / everyone if everyone else 0.0
    term.table(
        "redraw",
        [
            ("moved", f"{changed.moved_households:,}  ({share:.1%})"),
            ("buildings", f"{changed.moved_buildings:,}"),
            ("grids", f"{int((grids['board'] != '').sum())} / {len(made.split.grids)}"),
        ],
    )
    moves = flows[
        (flows["old_code"] != flows["new_code"]) & (flows["old_code"] != "") & (flows["new_code"] != "")
    ]
    for row in moves.itertuples():
        term.say(
            "redraw.flow",
            old=row.old_code,
            new=row.new_code,
            buildings=row.buildings,
            households=row.households,
        )


def _most(text: str | None) -> float | None:
    from partition.changes.redraw import most_allowed

    if text is None:
        return None
    try:
        return most_allowed(text)
    except ValueError:
        raise typer.BadParameter(
            f"a number or a share such as 5% expected, not {text} · 应为户数或百分比（如 5%）",
            param_hint="--max-moved",
        ) from None


def _staff(plan: Path, layer: pd.DataFrame | None, codes: Collection[str]) -> dict[str, str]:
    """Who answers for each grid: by the staff layer of the area, else by columns of the plan's grids."""
    from data.register import staff_of_grids
    from partition.changes.lineage import name_staff

    table = layer if layer is not None and {"grid", "name"} <= set(layer.columns) else staff_of_grids(plan)
    return {} if table is None else name_staff(table, codes)
