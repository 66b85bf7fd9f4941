"""Density of cases: how fast, and how right at the border: `python -m tests.benchmarks.heat`.

Prints tables in Markdown: processor seconds of a surface of a million cases, beside other means; and what an
even scatter looks like from the border inwards, here and on a plain leaflet.heat page in Chromium with the
network closed. `--write` renews the tables and pictures of docs/heat.md (extra `bench`). Where R's spatstat
is installed it is timed too.
"""

from __future__ import annotations

import argparse
import platform
import sys
import tempfile
from itertools import pairwise
from pathlib import Path

from tests.benchmarks.heat import border, speed
from tests.benchmarks.heat.picture import draw
from tests.benchmarks.pages import DOCS, Words, renew, table

NAMES = {
    "the ground (once an area)": "区域准备（每个区域一次）",
    "one surface": "一张密度图",
    "one surface of counted bins": "一张密度图（已按小格计数）",
    "24 steps in time": "24 个时段的动画",
    "its JSON": "写成 JSON",
    "a loop over the cases (before)": "逐件循环（以前的做法）",
    "scikit-learn KernelDensity": "scikit-learn KernelDensity",
    "scipy gaussian_kde": "scipy gaussian_kde",
    "R spatstat density.ppp": "R spatstat density.ppp",
}


def show_speed() -> Words:
    """A million cases in a district of about 25 km²."""
    outline, places = speed.district()
    ground, lines, weights = speed.ours(outline, places)
    one = next(line for line in lines if line.what == "one surface")
    rows = []
    for line in [*lines, *speed.peers(ground, places)]:
        scaled = line.median * speed.CASES / line.cases if line.cases else None
        ratio = "" if scaled is None else f"{scaled / one.median:.1f} ×"
        many = f"{line.cases:,}" if line.cases else "–"
        rows.append((line.what, many, f"{line.median:.3f}", "" if scaled is None else f"{scaled:.2f}", ratio))
    size = f"{ground.columns} × {ground.rows}"
    kilobytes = weights["json"] / 1e3, weights["json_gzip"] / 1e3
    megabytes = weights["points"] / 1e6, weights["points_gzip"] / 1e6
    en = (
        f"{ground.area_km2:.1f} km², {size} cells of {ground.cell_m:g} m, "
        f"bandwidth {ground.bandwidth_m:g} m, nodes {ground.step_m:.1f} m apart; "
        f"Python {platform.python_version()}\n\n"
        + table(("", "cases", "s", "s for a million", "to one surface"), rows)
        + f"\n\nA page is sent {kilobytes[0]:.0f} kB of JSON ({kilobytes[1]:.0f} kB by gzip). The cases "
        f"themselves, as a leaflet.heat page holds them, are {megabytes[0]:.1f} MB ({megabytes[1]:.1f} MB)."
    )
    zh = (
        f"{ground.area_km2:.1f} 平方公里，{size} 个 {ground.cell_m:g} 米的方格，"
        f"带宽 {ground.bandwidth_m:g} 米，计算点间距 {ground.step_m:.1f} 米；"
        f"Python {platform.python_version()}\n\n"
        + table(
            ("", "事件数", "秒", "折合一百万件（秒）", "与一张密度图之比"),
            [(NAMES[row[0]], *row[1:]) for row in rows],
        )
        + f"\n\n发给页面的 JSON 为 {kilobytes[0]:.0f} kB（gzip 后 {kilobytes[1]:.0f} kB）。若像 leaflet.heat "
        f"那样把事件点放进页面，则为 {megabytes[0]:.1f} MB（{megabytes[1]:.1f} MB）。"
    )
    return {"en": en, "zh": zh}


def show_border(pictures: Path | None) -> Words:
    """What is left of an even scatter at the border."""
    with tempfile.TemporaryDirectory() as folder:
        found = border.compare(Path(folder))
        if pictures:
            draw(found, pictures)
    profiles = (found.theirs, found.usual, found.ours, found.on_average)
    rows = [
        (f"{low}–{high}", *(f"{profile.means[n]:.3f}" for profile in profiles))
        for n, (low, high) in enumerate(pairwise(border.BANDS_M))
    ]
    en_head = ("metres from the border", "leaflet.heat, 100 m", "leaflet.heat, as it comes", "ours")
    zh_head = ("距边界（米）", "leaflet.heat，100 米", "leaflet.heat，默认", "Wangge")
    zooms = ", ".join(f"{zoom}: {ratio:.2f}" for zoom, ratio in found.by_zoom.items())
    return {
        "en": table((*en_head, f"ours, mean of {border.SCATTERS}"), rows)
        + f"\n\nleaflet.heat deep inside at zoom {zooms} (at {border.ZOOM}: 1). Ours is the same at each.",
        "zh": table((*zh_head, f"Wangge，{border.SCATTERS} 次平均"), rows)
        + f"\n\nleaflet.heat 在社区深处的数值随缩放级别变化：{zooms}（以 {border.ZOOM} 级为 1）。"
        "我们的各级相同。",
    }


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.heat", description=__doc__)
    parser.add_argument("--only", choices=("speed", "border"))
    parser.add_argument("--write", action="store_true", help="renew docs/heat.md and its pictures")
    asked = parser.parse_args()
    if asked.only != "border":
        _tell("speed", show_speed(), write=asked.write)
    if asked.only != "speed":
        _tell("border", show_border(DOCS / "images" if asked.write else None), write=asked.write)


def _tell(part: str, words: Words, *, write: bool) -> None:
    sys.stdout.write(words["en"] + "\n\n")
    if write:
        renew("heat", part, words)


if __name__ == "__main__":
    main()
