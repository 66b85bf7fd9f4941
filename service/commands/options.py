"""Arguments and options that several commands share, with one wording in both languages."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from partition.tiers.levels import Ask


class Missing(StrEnum):
    """What to do about buildings without a number of households."""

    refuse = "refuse"
    zero = "zero"
    estimate = "estimate"


_FILE = "Separate files · 分文件输入"
_READING = "Reading · 读取"
_PLANNING = "Size of grids · 网格规模"
_RUNNING = "A whole city · 全市"

AreaPath = Annotated[
    Path | None,
    typer.Argument(
        metavar="AREA",
        help="GeoPackage with layers community, streets, buildings (optional: compounds, zones, facilities, "
        "cases, population_groups, staff), or a folder of files · 含社区、道路、建筑等图层的 GeoPackage，"
        "或文件夹",
    ),
]


def _file(layer: str, zh: str, more: tuple[str, str] = ("", "")) -> typer.models.OptionInfo:
    option: typer.models.OptionInfo = typer.Option(
        f"--{layer.replace('_', '-')}",
        metavar="FILE",
        rich_help_panel=_FILE,
        help=f"Layer {layer} from this file{more[0]} · {zh}图层所在文件{more[1]}",
    )
    return option


CommunityFile = Annotated[Path | None, _file("community", "社区")]
StreetsFile = Annotated[Path | None, _file("streets", "道路")]
BuildingsFile = Annotated[
    list[Path] | None,
    _file("buildings", "建筑", ("; again for a table (CSV) joined by id", "，可再给一个按编号关联的表")),
]
CompoundsFile = Annotated[Path | None, _file("compounds", "小区")]
ZonesFile = Annotated[Path | None, _file("zones", "功能区")]
FacilitiesFile = Annotated[Path | None, _file("facilities", "设施")]
CasesFile = Annotated[Path | None, _file("cases", "事件")]
PopulationGroupsFile = Annotated[Path | None, _file("population_groups", "重点人群计数")]
StaffFile = Annotated[Path | None, _file("staff", "网格人员")]

ColumnMap = Annotated[
    list[str] | None,
    typer.Option(
        "--map",
        metavar="NAME=COLUMN",
        rich_help_panel=_READING,
        help="Our column name = the file's, e.g. households=户数; may be repeated · "
        "指定列名对应关系，可多次使用",
    ),
]
Encoding = Annotated[
    str | None,
    typer.Option(
        "--encoding",
        rich_help_panel=_READING,
        help="Encoding of Shapefiles and CSV, e.g. GBK · Shapefile 与 CSV 的字符编码",
    ),
]
MissingHouseholds = Annotated[
    Missing,
    typer.Option(
        "--missing",
        rich_help_panel=_READING,
        help="Buildings without households: refuse, count as zero, or estimate from floor area · "
        "缺少户数的建筑：拒绝、按 0 计、或按建筑面积估算",
    ),
]
DropPersonal = Annotated[
    bool,
    typer.Option(
        "--drop-personal",
        rich_help_panel=_READING,
        help="Drop columns that hold personal data instead of refusing the file · "
        "舍弃含个人信息的列，不拒绝文件",
    ),
]
ProfileName = Annotated[
    str,
    typer.Option(
        "--profile",
        rich_help_panel=_PLANNING,
        help="Rule by which grids are sized: a city's (yichang, yantai …) or a TOML file · "
        "网格划分规则：城市名或 TOML 文件",
    ),
]
Prove = Annotated[
    bool,
    typer.Option(
        "--prove",
        rich_help_panel=_PLANNING,
        help="Tell how far each community's plan is from the best possible (takes a little longer) · "
        "证明各社区方案与理论最优的差距（耗时略长）",
    ),
]
Seed = Annotated[
    int,
    typer.Option(
        "--seed",
        min=0,
        rich_help_panel=_PLANNING,
        help="Same seed, same plan · 随机种子，相同种子得到相同方案",
    ),
]
Lower = Annotated[
    float | None,
    typer.Option(
        "--lower", min=0, rich_help_panel=_PLANNING, help="Smallest grid, by the profile's measure · 网格下限"
    ),
]
Target = Annotated[
    float | None,
    typer.Option("--target", min=0, rich_help_panel=_PLANNING, help="Wanted size of a grid · 网格目标规模"),
]
Upper = Annotated[
    float | None,
    typer.Option("--upper", min=0, rich_help_panel=_PLANNING, help="Largest grid · 网格上限"),
]
Balance = Annotated[
    float | None,
    typer.Option(
        "--balance",
        min=0,
        rich_help_panel=_PLANNING,
        help="How much even grids count against borders along streets (1; 0: only the range counts) · "
        "均衡相对沿街定界的权重（1；0 表示只要求在范围内）",
        show_default=False,
    ),
]
GridCount = Annotated[
    int | None,
    typer.Option("--grids", min=1, rich_help_panel=_PLANNING, help="Exactly this many grids · 指定网格数量"),
]
Jobs = Annotated[
    int | None,
    typer.Option(
        "--jobs",
        min=1,
        rich_help_panel=_RUNNING,
        help="Processes that work on communities at once (as many as cores); the plan stays the same · "
        "同时计算的进程数（默认与处理器核数相同），结果与进程数无关",
        show_default=False,
    ),
]
SchedulerAddress = Annotated[
    str | None,
    typer.Option(
        "--scheduler",
        metavar="tcp://HOST:PORT",
        rich_help_panel=_RUNNING,
        help="Work on the machines of this Dask scheduler instead (extra `cluster`) · "
        "改由该 Dask 调度器的各台机器计算（需附加组件 cluster）",
        show_default=False,
    ),
]

TierList = Annotated[
    list[str] | None,
    typer.Option(
        "--tier",
        metavar="[NAME=]SIZE",
        rich_help_panel=_PLANNING,
        help="A tier of grids above or below: its number in each community (4) or its size (60-80-110); "
        "may be named and repeated, e.g. --tier 片区=4 --tier 148 · 上级或下级网格的数量或规模，"
        "可命名，可多次使用",
    ),
]


def tier_asks(given: list[str] | None) -> list[Ask]:
    """`--tier` as tiers asked for; a malformed one is a wrong call (exit 2)."""
    if not given:
        return []
    from partition.tiers.levels import read_ask

    asks = []
    for entry in given:
        ask = read_ask(entry)
        if ask is None:
            raise typer.BadParameter(
                f"[NAME=]NUMBER or [NAME=]LOWER-TARGET-UPPER expected, not {entry} · "
                "应写成 [名称=]数量 或 [名称=]下限-目标-上限",
                param_hint="--tier",
            )
        asks.append(ask)
    return asks


def column_map(given: list[str] | None) -> dict[str, str]:
    """`--map` as a mapping of our column names to the file's; a malformed one is a wrong call (exit 2)."""
    pairs = [entry.partition("=") for entry in given or ()]
    wrong = ["".join(pair) for pair in pairs if not (pair[0].strip() and pair[2].strip())]
    if wrong:
        raise typer.BadParameter(
            f"NAME=COLUMN expected, not {', '.join(wrong)} · 应写成 NAME=列名", param_hint="--map"
        )
    return {name.strip(): column.strip() for name, _, column in pairs}
