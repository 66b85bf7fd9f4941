"""Commands that work on files alone: `wangge partition` and `wangge check`."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from service.commands import options
from service.commands.alternatives import (
    AlternativeCount,
    compare_plans,
    paths_of,
    really_different,
    show_comparison,
)
from service.commands.terminal import Terminal, terminal

if TYPE_CHECKING:
    from data.plan_file import PlanFile
    from partition.area import Area
    from partition.city.crew import Crew
    from partition.findings import Finding
    from partition.intake.frames import RawFrames
    from partition.reasons.judgement import Judgement
    from partition.tiers.tower import Tiers
    from partition.wishes.policy import Profile

PlanOut = Annotated[
    Path,
    typer.Option(
        "--out", metavar="PLAN.gpkg", help="Where the plan is written · 方案输出文件", show_default=False
    ),
]
ReportOut = Annotated[
    Path | None,
    typer.Option(
        "--report",
        metavar="REPORT.json",
        help="Where the report is written · 报告输出文件",
        show_default=False,
    ),
]

# so many buildings in several communities pay for worker processes
LEAST_BUILDINGS = 3000
# so many findings of one kind are printed; the report holds all
MOST_OF_A_KIND = 20

FAULTS = ("gaps", "overlaps", "fragments", "buildings_cut")


def add_to(app: typer.Typer) -> None:
    """Add the commands to the command line."""
    panel = "Files alone · 只用文件"
    app.command(rich_help_panel=panel)(partition)
    app.command(rich_help_panel=panel)(check)


def partition(
    out: PlanOut,
    area: options.AreaPath = None,
    community: options.CommunityFile = None,
    streets: options.StreetsFile = None,
    buildings: options.BuildingsFile = None,
    compounds: options.CompoundsFile = None,
    zones: options.ZonesFile = None,
    columns: options.ColumnMap = None,
    encoding: options.Encoding = None,
    missing: options.MissingHouseholds = options.Missing.zero,
    drop_personal: options.DropPersonal = False,
    profile: options.ProfileName = "yichang",
    lower: options.Lower = None,
    target: options.Target = None,
    upper: options.Upper = None,
    balance: options.Balance = None,
    grids: options.GridCount = None,
    tier: options.TierList = None,
    seed: options.Seed = 0,
    alternatives: AlternativeCount = 1,
    prove: options.Prove = False,
    report: ReportOut = None,
    jobs: options.Jobs = None,
    scheduler: options.SchedulerAddress = None,
) -> None:
    """Split communities into grids · 把社区划分为网格

    Reads an area (one GeoPackage, or a file for each layer), and writes a plan: its grids, and the grid of
    each building. No database is needed.

    读取区域数据（一个 GeoPackage，或每个图层一个文件），写出方案：网格，以及每栋建筑所属的网格。
    不需要数据库。

    Example · 示例:  wangge partition area.gpkg --out plan.gpkg --report report.json
    """
    term = terminal()
    with term.answering_errors():
        from data.plan_file import check_outputs, write_plan, write_report
        from data.vector import read_area
        from partition.intake.frames import check_area
        from partition.split import split_plans
        from partition.tiers.tower import tier_split

        files = layer_files(
            community=community, streets=streets, buildings=buildings, compounds=compounds, zones=zones
        )
        inputs = tuple(path for path in (area, *(one for some in files.values() for one in some)) if path)
        paths = paths_of(out, alternatives)
        for path in paths:
            check_outputs(path, report, inputs)
        rules = chosen_profile(profile, lower, target, upper).with_balance(balance)
        asks = options.tier_asks(tier)
        tiers: Tiers | None = None
        with term.progress() as progress:
            progress.step("read")
            raw = read_area(area, layers=files, columns=options.column_map(columns), encoding=encoding)
            with gather_crew(raw, jobs, scheduler) as crew:
                checked = check_area(raw, missing=missing.value, drop_personal=drop_personal)
                del raw  # as large as all that follows
                tell = partial(progress.tell, of=len(checked.communities))
                split, *others = really_different(
                    split_plans(
                        checked, rules, alternatives, seed=seed, grids=grids, progress=tell, crew=crew,
                        prove=prove,
                    )
                )  # fmt: skip
                compared = compare_plans([split, *others], paths) if alternatives > 1 else []
                if asks or rules.tiers:
                    split, tiers = tier_split(checked, split, asks, progress=progress.tell, crew=crew)
            progress.step("write")
            write_plan(out, checked, split.grids, split.buildings, tiers.frame if tiers else None)
            for path, other in zip(paths[1:], others, strict=False):
                write_plan(path, checked, other.grids, other.buildings)
            if report:
                told = split.report.to_dict() | (tiers.to_dict() if tiers else {})
                told |= {"alternatives": compared} if compared else {}
                write_report(report, told | {"seconds": progress.seconds | told["seconds"]})
        show_findings(term, split.report.findings)
        show_judgement(term, split.report.judgement, rules)
        show_findings(term, (one.finding() for one in split.report.optimality))
        if tiers:
            show_tiers(term, tiers)
        if compared:
            show_comparison(term, compared)
        written = (*paths[: len(others) + 1], *((report,) if report else ()))
        term.say("wrote", path=", ".join(map(str, written)))
        if not split.report.sound or not (tiers is None or tiers.sound):
            raise typer.Exit(1)


def check(
    area: Annotated[Path, typer.Argument(metavar="AREA", help="The area the plan is for · 区域数据")],
    plan: Annotated[
        Path | None,
        typer.Argument(
            metavar="PLAN",
            help="Polygons with a code, or buildings with a column `grid` (GeoPackage, Shapefile, GeoJSON, "
            "CSV) · 带编码的网格面，或带 grid 列的建筑表",
            show_default=False,
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            metavar="PLAN.gpkg",
            help="Write the plan made whole · 输出整理后的方案",
            show_default=False,
        ),
    ] = None,
    community: options.CommunityFile = None,
    streets: options.StreetsFile = None,
    buildings: options.BuildingsFile = None,
    compounds: options.CompoundsFile = None,
    zones: options.ZonesFile = None,
    columns: options.ColumnMap = None,
    encoding: options.Encoding = None,
    missing: options.MissingHouseholds = options.Missing.zero,
    drop_personal: options.DropPersonal = False,
    profile: options.ProfileName = "yichang",
    lower: options.Lower = None,
    target: options.Target = None,
    upper: options.Upper = None,
    report: ReportOut = None,
) -> None:
    """Judge a plan, also one drawn elsewhere · 检查方案，包括在别处画的方案

    Looks for gaps, overlaps, buildings that are cut or left out, sizes, fragments and codes. Where buildings
    have a column `grid` that the polygons do not match (edited in QGIS, say), the polygons are drawn anew
    from the column; --out writes that plan. Where the area is in separate files, name them by options, and
    give the plan alone.

    检查缝隙、重叠、被切或遗漏的建筑、规模、飞地和编码。建筑的 grid 列与网格面不一致时（例如在 QGIS 中改过），
    按该列重新画边界，用 --out 写出。区域数据分文件时，用选项逐个给出，只写方案一个参数。

    Example · 示例:  wangge check area.gpkg edited.gpkg --out plan.gpkg
    """
    term = terminal()
    with term.answering_errors():
        from data.plan_file import check_outputs, read_plan, write_plan, write_report
        from partition.report import Report

        files = layer_files(
            community=community, streets=streets, buildings=buildings, compounds=compounds, zones=zones
        )
        source, drawn = area_and_plan(area, plan, files)
        inputs = (*((source,) if source else ()), *(one for some in files.values() for one in some))
        check_outputs(out, report, inputs)
        rules = chosen_profile(profile, lower, target, upper)
        with term.progress() as progress:
            progress.step("read")
            checked = checked_area(source, files, columns, encoding, missing, drop_personal)
            progress.step("judge")
            given = read_plan(drawn, checked.crs, columns=options.column_map(columns), encoding=encoding)
            frames, judgement, notes = judge_file(checked, given, rules, drawn)
            if out:
                progress.step("write")
                write_plan(out, checked, *frames)
            if report:
                told = Report(
                    rules, judgement, (*checked.findings, *rules.findings(), *notes), progress.seconds
                )
                write_report(report, told.to_dict())
        show_findings(term, (*checked.findings, *notes))
        show_judgement(term, judgement, rules)
        if out or report:
            term.say("wrote", path=", ".join(str(path) for path in (out, report) if path))
        if not judgement.sound:
            raise typer.Exit(1)


def judge_file(
    area: Area, given: PlanFile, rules: Profile, file: Path
) -> tuple[tuple[Any, Any], Judgement, tuple[Finding, ...]]:
    """Judge the plan that a file holds: its polygons where they agree with the buildings' column, else
    polygons drawn anew.
    """
    from data.plan_file import codes_of
    from partition.changes.rebuild import grids_from_polygons, rebuild_grids
    from partition.findings import Finding
    from partition.reasons.causes import prove_causes
    from partition.reasons.judgement import judge_plan
    from partition.reasons.sizes import mark_kinds

    notes = given.findings
    drawn = grids_from_polygons(area, given.polygons) if given.polygons is not None else None
    if given.mapping is not None:
        codes, unknown = codes_of(area, given.mapping)
        if unknown:
            notes += (Finding("plan_unknown_buildings", "noted", "buildings", rows=unknown, file=str(file)),)
        inside = area.buildings["community"].to_numpy() >= 0
        if drawn is None or (drawn[1]["grid"].to_numpy() != codes)[inside].any():
            if drawn is not None:
                moved = area.buildings["id"].to_numpy()[inside & (drawn[1]["grid"].to_numpy() != codes)]
                notes += (Finding("plan_redrawn", "noted", "buildings", "grid", rows=tuple(map(str, moved))),)
            grids, buildings, changed = rebuild_grids(area, codes, rules)
            drawn, notes = (grids, buildings), notes + changed
    assert drawn is not None  # noqa: S101 - read_plan gives one of the two
    drawn = (mark_kinds(area, *drawn, rules), drawn[1])
    return drawn, prove_causes(area, *drawn, rules, judge_plan(area, *drawn, rules)), notes


@contextmanager
def gather_crew(raw: RawFrames, jobs: int | None, scheduler: str | None) -> Iterator[Crew]:
    """Who works on the communities of what was read: a scheduler's workers, or processes of this machine
    where there is so much to do that they pay, or this process alone.
    """
    communities, buildings = (len(raw.frames.get(layer, ())) for layer in ("community", "buildings"))
    free = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    cores = jobs or free
    if scheduler is not None:
        from partition.city.scheduler import Scheduler

        with Scheduler(scheduler) as machines:
            yield machines
    elif min(cores, communities) > 1 and (jobs is not None or buildings >= LEAST_BUILDINGS):
        from partition.city.crew import Workers

        with Workers(min(cores, communities)) as workers:
            yield workers
    else:
        from partition.city.crew import Alone

        yield Alone(cores, fence=communities > 1)


def layer_files(**files: Path | list[Path] | None) -> dict[str, list[Path]]:
    """The files that were named for layers."""
    return {layer: given if isinstance(given, list) else [given] for layer, given in files.items() if given}


def area_and_plan(
    first: Path, second: Path | None, files: Mapping[str, list[Path]]
) -> tuple[Path | None, Path]:
    """AREA and PLAN of a call; with the area in separate files the plan stands alone."""
    if second is not None:
        return first, second
    if files:
        return None, first
    raise typer.BadParameter(
        "missing: AREA PLAN, or --community … --streets … --buildings … PLAN · 缺少方案文件",
        param_hint="PLAN",
    )


def chosen_profile(name: str, lower: float | None, target: float | None, upper: float | None) -> Profile:
    """The profile of a call, with the range given by hand."""
    from partition.wishes.policy import load_profile

    return load_profile(name).with_size(lower, target, upper)


def checked_area(
    path: Path | None,
    files: Mapping[str, list[Path]],
    columns: list[str] | None,
    encoding: str | None,
    missing: options.Missing,
    drop_personal: bool,
) -> Area:
    """Read and check the area of a call."""
    from data.vector import read_area
    from partition.intake.frames import check_area

    raw = read_area(path, layers=files, columns=options.column_map(columns), encoding=encoding)
    return check_area(raw, missing=missing.value, drop_personal=drop_personal)


def show_findings(term: Terminal, findings: Iterable[Finding]) -> None:
    """Print findings; of many of one kind (one from each community of a city) the first ones and how many
    more there are.
    """
    kinds: dict[tuple[str, ...], list[Finding]] = {}
    for finding in findings:
        kinds.setdefault((finding.code, finding.level, finding.layer, finding.file), []).append(finding)
    for some in kinds.values():
        shown = some if len(some) <= MOST_OF_A_KIND else some[: MOST_OF_A_KIND - 1]
        for finding in shown:
            term.finding(finding)
        if len(some) > len(shown):
            term.more(some[0].level, len(some) - len(shown))


def show_judgement(term: Terminal, judgement: Judgement, rules: Profile) -> None:
    """Print the figures of a plan, and each violated wish."""
    from partition.texts import catalogue

    figures = judgement.figures
    words = catalogue("partition")
    urban, rural = (
        ", ".join(
            f"{size.lower:,.10g}–{size.upper:,.10g} {words.say(f'measure.{size.measure}', term.lang)}"
            for size in rules.sizes_for(kind)
        )
        for kind in ("urban", "rural")
    )
    sizes = urban if rural == urban else term.text("sizes-by-class", urban=urban, rural=rural)
    dedicated = [("dedicated", f"{figures['dedicated']:,}")] if figures["dedicated"] else []
    term.table(
        "judgement",
        [
            ("grids", f"{figures['grids']:,}"),
            ("households", f"{figures['households']:,}"),
            *dedicated,
            ("in_range", f"{figures['share_in_range']:.1%}  ({sizes})"),
            ("deviation", f"{figures['mean_deviation']:.1%} / {figures['max_deviation']:.1%}"),
            ("along_streets", f"{figures['along_streets']:.1%}"),
            ("compactness", f"{figures['polsby_popper']:.2f}"),
            ("faults", " / ".join(str(figures[name]) for name in FAULTS)),
        ],
    )
    show_findings(term, judgement.violations)


def show_tiers(term: Terminal, tiers: Tiers) -> None:
    """Print a line for each tier, and the grids that are out of their tier's range."""
    for line in tiers.figures:
        size = {name: f"{line[name]:,.0f}" for name in ("least", "mean", "greatest")}
        share = f"{line['share_in_range']:.1%}"
        term.say(
            "tiers-line",
            tier=line["tier"],
            name=line["name"][term.lang],
            grids=line["grids"],
            share=share,
            **size,
        )
    show_findings(term, tiers.violations)
