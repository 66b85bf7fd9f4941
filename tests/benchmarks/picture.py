"""The picture of docs/tradeoff.md, one for each language, with all text as outlines."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tests.benchmarks.curves import Curve

FONTS = ("WenQuanYi Micro Hei", "Noto Sans CJK SC")  # with Chinese characters
YARDSTICK = 0.23, 0.41  # variation and Polsby-Popper of Britain's output areas
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#333333")
WORDS = {
    "en": {
        "variation": "coefficient of variation of households",
        "cost": "border cost (default plan = 1)",
        "compactness": "mean Polsby-Popper",
        "uneven": "less equal →",
        "britain": "Britain's output areas",
        "balance": "by --balance",
        "least": "least found",
        "usual": "default (--balance 1)",
        "names": {},
    },
    "zh": {
        "variation": "各网格户数的变异系数",
        "cost": "边界代价（默认方案 = 1）",
        "compactness": "平均紧凑度（Polsby-Popper）",
        "uneven": "更不均衡 →",
        "britain": "英国普查输出区",
        "balance": "随 --balance 变化",
        "least": "搜到的最小代价",
        "usual": "默认（--balance 1）",
        "names": {
            "sample": "样例社区",
            "monaco": "摩纳哥",
            "seoul_gongdeok": "首尔孔德洞",
            "town 0": "生成城镇 0",
            "town 1": "生成城镇 1",
            "town 2": "生成城镇 2",
            "river town": "有河的城镇",
        },
    },
}


def draw(curves: Sequence[Curve], folder: Path) -> None:
    """Write `tradeoff-en.svg` and `tradeoff-zh.svg`. Needs matplotlib (extra `bench`) and a Chinese font."""
    import matplotlib as mpl
    from matplotlib.font_manager import get_font_names

    mpl.use("svg")
    mpl.rcParams |= {
        "svg.hashsalt": "wangge",
        "svg.fonttype": "path",
        "font.family": [font for font in FONTS if font in get_font_names()],
        "font.size": 9,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.unicode_minus": False,
    }
    for language in WORDS:
        _draw(curves, language, folder / f"tradeoff-{language}.svg")


def _draw(curves: Sequence[Curve], language: str, path: Path) -> None:
    from matplotlib import pyplot
    from matplotlib.lines import Line2D

    words = WORDS[language]
    names: dict[str, str] = words["names"]  # type: ignore[assignment]
    figure, (costs, shapes) = pyplot.subplots(1, 2, figsize=(10, 4.6))
    for curve, colour in zip(curves, COLOURS, strict=False):
        usual = curve.usual
        near = [p for p in curve.least if p.cost_m > 0]
        even = [p.variation for p in curve.points]
        costs.plot(
            [p.variation for p in near],
            [p.cost_m / usual.cost_m for p in near],
            color=colour,
            linestyle=":",
            linewidth=1,
        )
        costs.plot(even, [p.cost_m / usual.cost_m for p in curve.points], color=colour, marker=".", lw=1.2)
        shapes.plot(even, [p.polsby_popper for p in curve.points], color=colour, marker=".", lw=1.2)
        for axes, height in ((costs, 1.0), (shapes, usual.polsby_popper)):
            axes.plot([usual.variation], [height], marker="o", markersize=8, color=colour, zorder=3)
    grey = "#555555"
    costs.axvline(YARDSTICK[0], color=grey, linewidth=1, linestyle="--")
    costs.annotate(
        f"{words['britain']}\n{YARDSTICK[0]}",
        (YARDSTICK[0], 0.98),
        xycoords=("data", "axes fraction"),
        xytext=(4, 0),
        textcoords="offset points",
        va="top",
        color=grey,
    )
    shapes.plot([YARDSTICK[0]], [YARDSTICK[1]], marker="*", markersize=13, color=grey, linestyle="none")
    shapes.annotate(
        f"{words['britain']}\n{YARDSTICK[0]}, {YARDSTICK[1]}",
        YARDSTICK,
        xytext=(9, -4),
        textcoords="offset points",
        va="center",
        color=grey,
    )
    costs.set(xlabel=words["variation"], ylabel=words["cost"])
    shapes.set(xlabel=words["variation"], ylabel=words["compactness"])
    keys = [
        *(
            Line2D([], [], color=colour, label=names.get(curve.area, curve.area), linewidth=2)
            for curve, colour in zip(curves, COLOURS, strict=False)
        ),
        Line2D([], [], color="#666666", marker=".", lw=1.2, label=words["balance"]),
        Line2D([], [], color="#666666", linestyle=":", lw=1, label=words["least"]),
        Line2D([], [], color="#666666", marker="o", markersize=8, lw=0, label=words["usual"]),
    ]
    figure.legend(handles=keys, loc="lower center", ncols=5, frameon=False)
    figure.tight_layout(rect=(0, 0.13, 1, 1))
    figure.savefig(path, metadata={"Date": None})
    pyplot.close(figure)
