"""The picture of docs/heat.md, one for each language: both pages, and profiles from the border inwards."""

from __future__ import annotations

from pathlib import Path

from tests.benchmarks.heat.border import CASES, SCATTERS, Comparison
from tests.benchmarks.picture import FONTS

WORDS = {
    "en": {
        "theirs": "leaflet.heat (folium's HeatMap), radius 100 m",
        "ours": "Wangge, bandwidth 100 m, corrected at the border",
        "usual": "leaflet.heat, folium's own radius (41 m)",
        "average": f"Wangge, mean of {SCATTERS} scatters",
        "truth": "the truth",
        "x": "metres from the border inwards",
        "y": "shown ÷ true intensity",
        "title": f"{CASES:,} cases scattered evenly: what each map makes of it",
    },
    "zh": {
        "theirs": "leaflet.heat（folium 的 HeatMap），半径 100 米",
        "ours": "Wangge，带宽 100 米，边界处已校正",
        "usual": "leaflet.heat，folium 默认半径（41 米）",
        "average": f"Wangge，{SCATTERS} 次随机散布的平均",
        "truth": "真实密度",
        "x": "距社区边界的距离（向内，米）",
        "y": "图示密度 ÷ 真实密度",
        "title": f"{CASES:,} 件事件均匀散布时，两种热力图的样子",
    },
}


def draw(found: Comparison, folder: Path) -> None:
    """Write `heat-en.jpg` and `heat-zh.jpg`. Needs matplotlib (extra `bench`) and a Chinese font."""
    import matplotlib as mpl
    from matplotlib import pyplot
    from matplotlib.font_manager import get_font_names

    mpl.use("agg")
    mpl.rcParams |= {
        "font.family": [font for font in FONTS if font in get_font_names()],
        "font.size": 9,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.unicode_minus": False,
    }
    for lang, words in WORDS.items():
        figure, (left, middle, right) = pyplot.subplots(1, 3, figsize=(13.5, 3.9), layout="constrained")
        figure.suptitle(words["title"], fontsize=12)
        for axes, name, file in zip((left, middle), ("theirs", "ours"), found.pictures, strict=True):
            axes.imshow(pyplot.imread(file), interpolation="antialiased")
            axes.set_title(words[name], fontsize=9.5)
            axes.set_axis_off()
        right.axhline(1.0, color="#888888", linewidth=0.8, linestyle="--", label=words["truth"])
        for profile, name, colour, style in (
            (found.theirs, "theirs", "#0072b2", "o-"),
            (found.usual, "usual", "#56b4e9", "o--"),
            (found.ours, "ours", "#d55e00", "s-"),
            (found.on_average, "average", "#333333", "-"),
        ):
            right.plot(profile.middles, profile.means, style, color=colour, markersize=4, label=words[name])
        right.set(xlabel=words["x"], ylabel=words["y"], xlim=(0, 170), ylim=(0.4, 1.1))
        right.legend(loc="lower right", frameon=False, fontsize=8)
        figure.savefig(folder / f"heat-{lang}.jpg", dpi=110, pil_kwargs={"quality": 82, "optimize": True})
        pyplot.close(figure)
