"""The tables of docs/bench.md from what the solver's bench wrote: one or more files `results.json` of one
machine, the rows of Wangge among those of its peers.

    python -m tests.benchmarks.peers results.json … [--domination FILE.md]

FILE.md is what tests.benchmarks.domination wrote from the same results.
"""

from __future__ import annotations

import argparse
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.benchmarks.pages import renew, table

OURS = "wangge"  # rows whose name begins so
WEIGHED = "metis-tuned"  # METIS with the weight trick
IN_RANGE = 90.0  # per cent: peers below did not solve the problem
HEAD = {
    "en": ["", "grids", "fragments", "in range, %", "max dev", "mean dev", "cut", "PP", "s"],
    "zh": ["", "网格", "碎片", "达标 %", "最大偏差", "平均偏差", "代价", "紧凑度", "秒"],
}
ABOVE = {
    "en": "### {name}: {units:,} units, {households:,} households, {grids:,} grids wanted",
    "zh": "### {name}：{units:,} 个单元，{households:,} 户，须划 {grids:,} 个网格",
}
SHARES = {
    "en": [
        "",
        "cut",
        f"÷ {WEIGHED}",
        "÷ best peer",
        "best peer with all in one piece and ≥ 90 % in range",
        "s",
    ],
    "zh": ["", "代价", f"÷ {WEIGHED}", "÷ 最佳对手", "最佳对手（网格连片且至少 90 % 达标）", "秒"],
}
NOTHING = {
    "en": {
        "time": "no plan in {} s",
        "skipped": "not run: too slow on a smaller one",
        "failed": "failed: {}",
    },
    "zh": {"time": "{} 秒内没有结果", "skipped": "未运行：在更小的实例上已超时", "failed": "失败：{}"},
}
RAN = {
    "en": "Run on {cores} cores ({model}), one program at a time.",
    "zh": "在 {cores} 核（{model}）上运行，一次只运行一个程序。",
}
CHINESE = {  # what tests.benchmarks.domination says
    "| instance | peer | its greatest / mean deviation / cut / fragments | ours | options of ours |": (
        "| 实例 | 对手 | 其最大偏差 / 平均偏差 / 代价 / 碎片 | 我们的 | 所用选项 |"
    ),
    " — proven: connected grids as even cost ": "；已证明：同样均衡的连片方案代价不低于 ",
    " at least": "",
    " — open": "；尚无定论",
    "(none)": "（无）",
}

Results = dict[str, dict[str, Any]]  # by instance: n, hh, k, and peers by name


def read_results(files: list[Path]) -> Results:
    """The instances of all files, smallest first; a later file adds rows, and renews those it has too."""
    found: Results = {}
    for file in files:
        for name, told in json.loads(file.read_text(encoding="utf-8")).items():
            kept = found.setdefault(name, {**told, "peers": {}})
            kept["peers"] |= told["peers"]
    return dict(sorted(found.items(), key=lambda item: item[1]["n"]))


def is_plan(row: dict[str, Any]) -> bool:
    """Whether a row holds the figures of a plan."""
    return bool(row.get("valid"))


def instance_table(name: str, told: dict[str, Any], language: str) -> str:
    """All rows of one instance, ours first and bold."""
    rows = [row_of(peer, row, language) for peer, row in told["peers"].items()]
    rows.sort(key=lambda cells: not cells[0].startswith("**"))
    above = ABOVE[language].format(name=name, units=told["n"], households=told["hh"], grids=told["k"])
    return f"{above}\n\n{table(HEAD[language], rows)}"


def row_of(peer: str, row: dict[str, Any], language: str) -> list[str]:
    """One row: the peer, and its figures or why there are none."""
    if not is_plan(row):
        return [peer, *[""] * (len(HEAD[language]) - 2), reason(row, language)]
    cells = [
        peer,
        f"{row['grids']:,}",
        str(row["fragments"]),
        f"{row['in_range_pct']:.1f}",
        f"{row['max_dev']:,.0f}",
        f"{row['mean_dev']:.1f}",
        f"{row['cut']:,.0f}",
        f"{row['pp']:.2f}",
        f"{row['wall_s']:,.2f}",
    ]
    return [f"**{cell}**" for cell in cells] if peer.startswith(OURS) else cells


def reason(row: dict[str, Any], language: str) -> str:
    """Why a row has no figures."""
    words, told = NOTHING[language], str(row.get("error", row.get("why", "?")))
    limit = re.fullmatch(r"time limit (\d+) s", told)
    if limit:
        return words["time"].format(limit[1])
    return words["skipped"] if told.startswith("not run") else words["failed"].format(told)


def shares_table(results: Results, language: str) -> str:
    """Our cut on each instance, against METIS with the weight trick and against the best that kept to the
    ranges.
    """
    return table(SHARES[language], shares(results))


def shares(results: Results) -> Iterator[list[str]]:
    for name, told in results.items():
        plans = {peer: row for peer, row in told["peers"].items() if is_plan(row)}
        sound = {
            peer: row["cut"]
            for peer, row in plans.items()
            if not peer.startswith(OURS) and row["fragments"] == 0 and row["in_range_pct"] >= IN_RANGE
        }
        best = min(sound, key=lambda peer: sound[peer], default="")
        for peer, row in plans.items():
            if peer.startswith(OURS):
                yield [
                    f"{name}" + (f" ({peer})" if peer != OURS else ""),
                    f"{row['cut']:,.0f}",
                    f"{row['cut'] / plans[WEIGHED]['cut']:.3f}" if WEIGHED in plans else "–",
                    f"{row['cut'] / sound[best]:.3f}" if best else "–",
                    best or "–",
                    f"{row['wall_s']:,.2f}",
                ]


def in_chinese(text: str) -> str:
    """The table of plans that are no worse in all four."""
    for words, chinese in CHINESE.items():
        text = text.replace(words, chinese)
    return text


def machine() -> dict[str, str]:
    """How many cores, and their name."""
    told = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    model = re.search(r"^model name\s*:\s*(.+)$", told, re.MULTILINE)
    return {"cores": str(os.cpu_count()), "model": model[1] if model else "?"}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.peers", description=__doc__)
    parser.add_argument("results", type=Path, nargs="+", metavar="results.json")
    parser.add_argument("--domination", type=Path, metavar="FILE.md")
    given = parser.parse_args()
    results = read_results(given.results)
    if given.domination is not None:
        found = given.domination.read_text(encoding="utf-8").strip()
        renew("bench", "domination", {"en": found, "zh": in_chinese(found)})
    renew(
        "bench",
        "peers",
        {
            language: f"{RAN[language].format(**machine())}\n\n{shares_table(results, language)}"
            for language in HEAD
        },
    )
    renew(
        "bench",
        "instances",
        {
            language: "\n\n".join(instance_table(name, told, language) for name, told in results.items())
            for language in HEAD
        },
    )


if __name__ == "__main__":
    main()
