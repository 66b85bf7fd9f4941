"""What equal grids cost in borders: the curve that `--balance` moves along, for docs/tradeoff.md.

    python -m tests.benchmarks.tradeoff [--out CURVES.csv]

Each community is divided as `wangge partition --balance` does it, from 0 to 30, always into the same number
of grids. Beside these points stands the least border cost found at each balance by a search that heeds
nothing else: no compactness, no compound kept whole beyond its price, more effort, several weights and seeds.
Tables and pictures of the page are written anew.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Sequence
from pathlib import Path

from tests.benchmarks.calibration import HEAD, calibrate
from tests.benchmarks.curves import BALANCES, Curve, areas, draw_curve
from tests.benchmarks.pages import DOCS, renew, table
from tests.benchmarks.picture import draw


def write_curves(curves: Sequence[Curve], path: Path) -> None:
    """All points as CSV."""
    with path.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(["area", "curve", "balance", "variation", "border_cost_m", "polsby_popper"])
        for curve in curves:
            for kind, points in (("balance", curve.points), ("least", curve.least)):
                for point in points:
                    rows.writerow(
                        [
                            curve.area,
                            kind,
                            f"{point.balance:g}",
                            f"{point.variation:.4f}",
                            f"{point.cost_m:.1f}",
                            f"{point.polsby_popper:.4f}",
                        ]
                    )


def balance_table(curves: Sequence[Curve]) -> str:
    """By area and balance: variation / border cost by that of the usual plan."""
    head = ["`--balance`", *(f"{balance:g}" for balance in BALANCES)]
    return table(
        head,
        (
            [
                curve.area,
                *(
                    f"{point.variation:.3f} / {point.cost_m / curve.usual.cost_m:.2f}"
                    for point in curve.points
                ),
            ]
            for curve in curves
        ),
    )


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.tradeoff", description=__doc__)
    parser.add_argument("--out", type=Path, help="the points of all curves, CSV")
    given = parser.parse_args()
    curves, rows = [], []
    for name, area in areas().items():
        curves.append(draw_curve(name, area))
        rows.append(calibrate(area, curves[-1]).cells())
        print(*rows[-1], sep="  ", flush=True)  # noqa: T201 - this is a command
    if given.out:
        write_curves(curves, given.out)
    draw(curves, DOCS / "images")
    renew("tradeoff", "calibration", {language: table(head, rows) for language, head in HEAD.items()})
    renew("tradeoff", "balance", {language: balance_table(curves) for language in HEAD})


if __name__ == "__main__":
    main()
