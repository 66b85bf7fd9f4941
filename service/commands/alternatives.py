"""`--alternatives` of `wangge partition`: plans to choose from, with their trade-offs side by side."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from service.commands.terminal import Terminal

if TYPE_CHECKING:
    from partition.split import Split

AlternativeCount = Annotated[
    int,
    typer.Option(
        "--alternatives",
        metavar="N",
        min=1,
        max=9,
        rich_help_panel="Size of grids · 网格规模",
        help="N plans to choose from, good and really different; written as PLAN-2.gpkg, PLAN-3.gpkg … · "
        "给出 N 个备选方案，各有取舍，依次写为 PLAN-2.gpkg、PLAN-3.gpkg 等",
    ),
]

FIGURES = ("grids", "share_in_range", "variation", "polsby_popper", "along_streets")


def paths_of(out: Path, count: int) -> list[Path]:
    """Where the plans are written: PLAN.gpkg, PLAN-2.gpkg …"""
    return [out, *(out.with_name(f"{out.stem}-{number}{out.suffix}") for number in range(2, count + 1))]


def really_different(plans: Sequence[Split]) -> list[Split]:
    """The plans up to the first that is the same as one before it."""
    seen: list[Split] = []
    for split in plans:
        if seen and min(elsewhere(one, split) for one in seen) == 0.0:
            break
        seen.append(split)
    return seen


def elsewhere(one: Split, other: Split) -> float:
    """The share of households that are in another grid in the other plan."""
    import numpy as np

    from partition.alternatives import share_elsewhere

    label, other_label = (
        np.unique(split.buildings["grid"].astype(str), return_inverse=True)[1].reshape(-1)
        for split in (one, other)
    )
    inside = one.buildings["community"].to_numpy() >= 0
    households = one.buildings["households"].to_numpy()[inside]
    return share_elsewhere(households, label[inside], other_label[inside])


def compare_plans(splits: Sequence[Split], paths: Sequence[Path]) -> list[dict[str, Any]]:
    """One line for each plan: its file, figures, metres of border by class, the share of households that are
    in another grid than in the first (`elsewhere`), and than in each of the plans (`differs`).
    """
    lines = []
    for split, path in zip(splits, paths, strict=False):
        figures = split.report.judgement.figures
        lines.append(
            {
                "file": path.name,
                **{name: figures[name] for name in FIGURES},
                "border_m": figures["border_m"],
                "violations": len(split.report.violations),
                "elsewhere": round(elsewhere(splits[0], split), 4),
                "differs": [round(elsewhere(other, split), 4) for other in splits],
            }
        )
    return lines


def show_comparison(term: Terminal, lines: Sequence[dict[str, Any]]) -> None:
    """Print the trade-offs, a column for each plan."""
    from rich.table import Table

    table = Table(box=None, padding=(0, 2, 0, 0))
    table.add_column("")
    for line in lines:
        table.add_column(line["file"], justify="right")
    shown: tuple[tuple[str, Callable[[dict[str, Any]], str]], ...] = (
        ("grids", lambda line: str(line["grids"])),
        ("in_range", lambda line: f"{line['share_in_range']:.1%}"),
        ("variation", lambda line: f"{line['variation']:.2f}"),
        ("compactness", lambda line: f"{line['polsby_popper']:.2f}"),
        ("along_streets", lambda line: f"{line['along_streets']:.1%}"),
        ("border", lambda line: f"{sum(line['border_m'].values()):,.0f} m"),
        ("violations", lambda line: str(line["violations"])),
    )
    for name, say in shown:
        table.add_row(term.text(f"alternatives.{name}"), *(say(line) for line in lines))
    for number, other in enumerate(lines):
        shares = [f"{line['differs'][number]:.1%}" if line is not other else "–" for line in lines]
        table.add_row(term.text("alternatives.elsewhere", file=other["file"]), *shares)
    term.out.print(table)
