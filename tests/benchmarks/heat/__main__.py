"""Density of cases: how fast, and how right at the border: `python -m tests.benchmarks.heat`.

Prints tables in Markdown: processor seconds of a surface of a million cases, beside other means; and what an
even scatter looks like from the border inwards, here and on a plain leaflet.heat page in Chromium with the
network closed. `--pictures FOLDER` writes the pictures of docs/heat.md (extra `bench`). R's spatstat is timed
where it is installed.
"""

from __future__ import annotations

import argparse
import platform
import sys
import tempfile
from itertools import pairwise
from pathlib import Path

from tests.benchmarks.heat import border, speed
from tests.benchmarks.pages import table


def say(text: str) -> None:
    """To the terminal."""
    sys.stdout.write(text + "\n")


def show_speed() -> None:
    """A million cases in a district of about 25 km²."""
    outline, places = speed.district()
    ground, lines, weights = speed.ours(outline, places)
    one = next(line for line in lines if line.what == "one surface")
    say(
        f"{ground.area_km2:.1f} km², {ground.columns} × {ground.rows} cells of {ground.cell_m:g} m, "
        f"bandwidth {ground.bandwidth_m:g} m, nodes {ground.step_m:g} m apart; "
        f"Python {platform.python_version()}\n"
    )
    rows = []
    for line in [*lines, *speed.peers(ground, places)]:
        scaled = line.median * speed.CASES / line.cases if line.cases else None
        ratio = "" if scaled is None else f"{scaled / one.median:.1f} ×"
        many = f"{line.cases:,}" if line.cases else "–"
        rows.append((line.what, many, f"{line.median:.3f}", "" if scaled is None else f"{scaled:.2f}", ratio))
    say(table(("", "cases", "s", "s a million cases", "to one surface"), rows))
    say(
        f"\nsent: {weights['json'] / 1e3:.0f} kB of JSON, {weights['json_gzip'] / 1e3:.0f} kB by gzip; "
        f"the cases themselves, as a leaflet.heat page holds them: {weights['points'] / 1e6:.1f} MB, "
        f"{weights['points_gzip'] / 1e6:.1f} MB by gzip; counted bins: {weights['bins']:,}\n"
    )


def show_border(pictures: Path | None) -> None:
    """What is left of an even scatter at the border."""
    with tempfile.TemporaryDirectory() as folder:
        found = border.compare(Path(folder))
        rows = [
            (f"{low}–{high}", *(f"{profile.means[n]:.3f}" for profile in profiles))
            for profiles in [(found.theirs, found.usual, found.ours, found.on_average)]
            for n, (low, high) in enumerate(pairwise(border.BANDS_M))
        ]
        head = (
            "metres from the border",
            "leaflet.heat, 100 m",
            "leaflet.heat, usual",
            "ours",
            "ours, on average",
        )
        say(table(head, rows))
        zooms = ", ".join(f"{zoom}: {ratio:.2f}" for zoom, ratio in found.by_zoom.items())
        say(f"\nleaflet.heat deep inside, by zoom, against {border.ZOOM}: {zooms}; ours: the same at each")
        if pictures:
            from tests.benchmarks.heat.picture import draw

            draw(found, pictures)


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.heat", description=__doc__)
    parser.add_argument("--only", choices=("speed", "border"))
    parser.add_argument("--pictures", type=Path, metavar="FOLDER")
    asked = parser.parse_args()
    if asked.only != "border":
        show_speed()
    if asked.only != "speed":
        show_border(asked.pictures)


if __name__ == "__main__":
    main()
