"""Commands on larger and smaller areas than grids, from files: `wangge tiers` and `wangge merge`."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from service.commands import options
from service.commands.files import (
    PlanOut,
    ReportOut,
    area_and_plan,
    chosen_profile,
    gather_crew,
    judge_file,
    layer_files,
    show_findings,
    show_tiers,
)
from service.commands.terminal import Terminal, terminal

if TYPE_CHECKING:
    from geopandas import GeoDataFrame

    from partition.area import Area
    from partition.intake.frames import RawFrames
    from partition.merging.successors import Merger
    from partition.wishes.rules import Measure, Size

UNSOUND = ("gap", "overlap", "outside", "fragment")


def add_to(app: typer.Typer) -> None:
    """Add the commands to the command line."""
    panel = "Files alone · 只用文件"
    app.command(rich_help_panel=panel)(tiers)
    app.command(rich_help_panel=panel)(merge)


def tiers(
    area: Annotated[Path, typer.Argument(metavar="AREA", help="The area the plan is for · 区域数据")],
    out: PlanOut,
    plan: Annotated[
        Path | None,
        typer.Argument(
            metavar="PLAN",
            help="The plan: grids with a code, or buildings with a column `grid` · 方案：带编码的网格面，"
            "或带 grid 列的建筑表",
            show_default=False,
        ),
    ] = None,
    tier: options.TierList = None,
    community: options.CommunityFile = None,
    streets: options.StreetsFile = None,
    buildings: options.BuildingsFile = None,
    compounds: options.CompoundsFile = None,
    zones: options.ZonesFile = None,
    columns: options.ColumnMap = None,
    encoding: options.Encoding = None,
    missing: options.MissingHouseholds = options.Missing.zero,
    drop_personal: options.DropPersonal = False,
    profile: Annotated[
        str | None,
        typer.Option(
            "--profile",
            help="Rule whose tiers are made; xisimen where no --tier is given · 取其分级的划分规则，"
            "未给 --tier 时为 xisimen",
            show_default=False,
        ),
    ] = None,
    seed: options.Seed = 0,
    report: ReportOut = None,
    jobs: options.Jobs = None,
) -> None:
    """Nest a plan's grids in larger ones and divide them into smaller ones · 在已有方案上分级

    Makes the tiers of the profile and those asked for with --tier. The grids of the plan keep their codes;
    larger grids bear names, smaller ones continue the code of their grid. The plan that is written has a
    layer `tiers`.

    按划分规则和 --tier 建立上级、下级网格。原有网格编码不变；上级网格只有名称，下级网格在网格编码后续编。
    写出的方案含 tiers 图层。

    Example · 示例:  wangge tiers area.gpkg plan.gpkg --tier 片区=4 --tier 微网格=148 --out tiers.gpkg
    """
    term = terminal()
    with term.answering_errors():
        from data.plan_file import check_outputs, read_plan, write_plan, write_report
        from data.vector import read_area
        from partition.errors import InputError
        from partition.findings import Finding
        from partition.intake.frames import check_area
        from partition.tiers.tower import nest_tiers

        files = layer_files(
            community=community, streets=streets, buildings=buildings, compounds=compounds, zones=zones
        )
        source, drawn = area_and_plan(area, plan, files)
        inputs = (*((source,) if source else ()), drawn, *(one for some in files.values() for one in some))
        check_outputs(out, report, inputs)
        asks = options.tier_asks(tier)
        rules = chosen_profile(profile or ("yichang" if asks else "xisimen"), None, None, None)
        with term.progress() as progress:
            progress.step("read")
            names = options.column_map(columns)
            raw = read_area(source, layers=files, columns=names, encoding=encoding)
            with gather_crew(raw, jobs, None) as crew:
                checked = check_area(raw, missing=missing.value, drop_personal=drop_personal)
                given = read_plan(drawn, checked.crs, columns=names, encoding=encoding)
                progress.step("judge")
                frames, judgement, notes = judge_file(checked, given, rules, drawn)
                broken = sorted({fault.code for fault in judgement.violations if fault.code in UNSOUND})
                if broken:
                    values = {"codes": ", ".join(broken)}
                    fault = Finding("tier_plan_unsound", "refused", values=values, file=str(drawn))
                    raise InputError([fault])
                made = nest_tiers(
                    checked,
                    *frames,
                    rules,
                    asks,
                    seed=seed,
                    renumber=False,
                    progress=progress.tell,
                    crew=crew,
                )
            progress.step("write")
            write_plan(out, checked, made.grids, made.buildings, made.frame)
            if report:
                told = {"profile": rules.name, "seed": seed, "seconds": progress.seconds}
                findings = [finding.to_dict() for finding in (*checked.findings, *notes)]
                write_report(report, made.to_dict() | told | {"findings": findings})
        show_findings(term, (*checked.findings, *notes))
        show_tiers(term, made)
        term.say("wrote", path=", ".join(str(path) for path in (out, report) if path))
        if not made.sound:
            raise typer.Exit(1)


def merge(
    into: Annotated[
        int, typer.Option("--into", min=1, help="So many communities · 合并为多少个社区", show_default=False)
    ],
    out: Annotated[
        Path,
        typer.Option(
            "--out", metavar="MERGED.gpkg", help="Where the result is written · 输出文件", show_default=False
        ),
    ],
    area: options.AreaPath = None,
    residents: Annotated[
        str | None,
        typer.Option("--residents", metavar="LOWER-UPPER", help="Residents of each · 每个社区的人口范围"),
    ] = None,
    households: Annotated[
        str | None,
        typer.Option("--households", metavar="LOWER-UPPER", help="Households of each · 每个社区的户数范围"),
    ] = None,
    area_km2: Annotated[
        str | None,
        typer.Option(
            "--area-km2", metavar="LOWER-UPPER", help="Area of each · 每个社区的面积范围（平方公里）"
        ),
    ] = None,
    walk: Annotated[
        float,
        typer.Option(
            "--walk", min=1, help="Longest walk to the service station, metres · 到服务站的最长步行距离（米）"
        ),
    ] = 1200.0,
    community: options.CommunityFile = None,
    streets: options.StreetsFile = None,
    buildings: options.BuildingsFile = None,
    facilities: options.FacilitiesFile = None,
    columns: options.ColumnMap = None,
    encoding: options.Encoding = None,
    missing: options.MissingHouseholds = options.Missing.zero,
    drop_personal: options.DropPersonal = False,
    seed: options.Seed = 0,
    report: ReportOut = None,
) -> None:
    """Merge communities into fewer · 合并社区

    Each merged community is in one piece, within one street office and in range, and its households reach its
    service station within a walk of 15 minutes over the streets (1,200 m). Service stations are facilities of
    kind service_station, 社区服务站, 党群服务中心 and the like; where a community has none, a place is
    proposed. Writes layers community, lineage (old codes to new ones), stations and walks; community can be
    divided again with wangge partition.

    每个合并后的社区连片、不跨街道办事处、规模达标，居民沿道路步行 15 分钟（1200 米）内可到服务站。
    服务站取自设施图层（service_station、社区服务站、党群服务中心等）；没有的社区给出拟设位置。
    写出 community、lineage（编码沿革）、stations、walks 图层；community 可再用 wangge partition 划分网格。

    Example · 示例:  wangge merge street_office.gpkg --into 30 --out merged.gpkg
    """
    term = terminal()
    with term.answering_errors():
        from data.plan_file import check_outputs, write_merger, write_report
        from data.vector import read_area
        from partition.intake.frames import check_area
        from partition.merging.merge import merge_communities

        files = layer_files(community=community, streets=streets, buildings=buildings, facilities=facilities)
        inputs = tuple(path for path in (area, *(one for some in files.values() for one in some)) if path)
        check_outputs(out, report, inputs)
        sizes = merged_sizes(households, residents, area_km2)
        if not math.isfinite(walk):
            raise typer.BadParameter("a number of metres expected · 应为米数", param_hint="--walk")
        with term.progress() as progress:
            progress.step("read")
            raw = read_area(area, layers=files, columns=options.column_map(columns), encoding=encoding)
            checked = check_area(raw, missing=missing.value, drop_personal=drop_personal)
            made = merge_communities(
                checked,
                into,
                sizes=sizes,
                facilities=_facilities(raw, checked),
                limit_m=walk,
                seed=seed,
                progress=progress.tell,
            )
            progress.step("write")
            write_merger(out, checked, made)
            if report:
                write_report(report, made.to_dict() | {"seed": seed, "seconds": progress.seconds})
        show_findings(term, (*checked.findings, *made.findings))
        show_merger(term, made)
        term.say("wrote", path=", ".join(str(path) for path in (out, report) if path))
        if not made.sound:
            raise typer.Exit(1)


def merged_sizes(households: str | None, residents: str | None, area_km2: str | None) -> tuple[Size, ...]:
    """The ranges of a call; a malformed one is a wrong call (exit 2)."""
    from partition.wishes.bounds import read_bounds
    from partition.wishes.rules import Size

    given: tuple[tuple[Measure, str, str | None, float], ...] = (
        ("households", "--households", households, 1.0),
        ("residents", "--residents", residents, 1.0),
        ("area", "--area-km2", area_km2, 1e6),
    )
    sizes = []
    for measure, option, text, unit in given:
        if text is None:
            continue
        bounds = read_bounds(text)
        if len(bounds) != 3:
            raise typer.BadParameter(
                f"LOWER-UPPER expected, not {text} · 应写成 下限-上限", param_hint=option
            )
        sizes.append(Size(measure, *(bound * unit for bound in bounds)))
    return tuple(sizes)


def _facilities(raw: RawFrames, area: Area) -> GeoDataFrame | None:
    """The facilities that were read, in the CRS of the work, or None."""
    import geopandas as gpd

    frame = raw.frames.get("facilities")
    if not isinstance(frame, gpd.GeoDataFrame) or "kind" not in frame or not len(frame):
        return None
    there = frame[~(frame.geometry.isna() | frame.geometry.is_empty)].reset_index(drop=True)
    return there.to_crs(area.crs)


def show_merger(term: Terminal, made: Merger) -> None:
    """Print the figures of a merger, and what is out of range or out of reach."""
    figures = made.figures
    gap = "–" if figures["gap"] is None else f"{figures['gap']:.2%}"
    term.table(
        "merger",
        [
            ("communities", f"{figures['communities_before']} → {figures['communities']}"),
            ("households", f"{figures['households']:,}"),
            ("in_range", f"{figures['share_in_range']:.1%}"),
            ("variation", f"{figures['variation']:.2f}"),
            ("within_walk", f"{figures['share_within_walk']:.2%}  ({figures['limit_m']:g} m)"),
            ("walk", f"{figures['mean_walk_m']:,.0f} / {figures['farthest_m']:,.0f} m"),
            ("codes", f"{figures['kept']} / {figures['dissolved']}"),
            ("gap", gap),
        ],
    )
    show_findings(term, made.violations)
