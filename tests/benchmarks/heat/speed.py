"""Processor time of a surface of a million cases, beside a loop over the cases and other libraries."""

from __future__ import annotations

import gzip
import json
import math
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import shapely

from layers.density import Ground, case_frames, case_lattice, lay_ground

Floats = npt.NDArray[np.float64]

CASES = 1_000_000
FEW = 10_000  # for those whose time grows with cases times cells
ROUNDS = 5


@dataclass(frozen=True)
class Line:
    """What was done, with how many cases, and the processor seconds of each round."""

    what: str
    cases: int
    seconds: tuple[float, ...]

    @property
    def median(self) -> float:
        """Of the rounds."""
        return sorted(self.seconds)[len(self.seconds) // 2]


def district(seed: int = 5) -> tuple[shapely.Polygon, Floats]:
    """A made-up street office of about 30 km² and a million cases in it, thick in twenty places."""
    rng = np.random.default_rng(seed)
    turn = np.sort(rng.uniform(0, 2 * math.pi, 300))
    far = 0.029 + 0.003 * np.sin(5 * turn) + rng.uniform(-0.0004, 0.0004, 300)
    outline = shapely.Polygon(np.column_stack([111.3 + far * np.cos(turn), 30.7 + 0.86 * far * np.sin(turn)]))
    middles = np.array([111.3, 30.7]) + rng.uniform(-0.02, 0.02, (20, 2))
    thick = middles[rng.integers(0, 20, CASES)] + rng.normal(0, 0.002, (CASES, 2))
    even = rng.uniform(outline.bounds[:2], outline.bounds[2:], (3 * CASES, 2))
    thick = thick[shapely.contains_xy(outline, thick)][: CASES // 2]
    even = even[shapely.contains_xy(outline, even)][: CASES - len(thick)]
    return outline, rng.permutation(np.concatenate([thick, even]))


def measure(what: str, cases: int, work: Callable[[], object], rounds: int = ROUNDS) -> Line:
    """Processor seconds (user and system, all threads and children) of each of `rounds`."""
    work()
    seconds = []
    for _ in range(rounds):
        began = _spent()
        work()
        seconds.append(_spent() - began)
    return Line(what, cases, tuple(seconds))


def _spent() -> float:
    import resource

    return time.process_time() + sum(resource.getrusage(resource.RUSAGE_CHILDREN)[:2])


def ours(outline: shapely.Polygon, places: Floats) -> tuple[Ground, list[Line], dict[str, int]]:
    """The lines of our own, and the bytes of what a page is sent."""
    ground = lay_ground(outline)
    lines = [measure("the ground (once an area)", 0, lambda: lay_ground(outline))]
    lines.append(measure("one surface", CASES, lambda: case_lattice(ground, places, days=30)))
    step = ground.step_m / 2 / 111_000
    bins, counts = np.unique(np.floor(places / step), axis=0, return_counts=True)
    middles = (bins + 0.5) * step
    lines.append(
        measure(
            "one surface of counted bins",
            CASES,
            lambda: case_lattice(ground, middles, counts=counts, days=30),
        )
    )
    steps = np.random.default_rng(1).integers(0, 24, len(places))
    lines.append(
        measure("24 steps in time", CASES, lambda: case_frames(ground, places, steps, frames=24, days=1))
    )
    lattice = case_lattice(ground, places, days=30)
    lines.append(measure("its JSON", 0, lambda: json.dumps(lattice.as_json(), separators=(",", ":"))))
    sent = json.dumps(lattice.as_json(), separators=(",", ":")).encode()
    points = json.dumps(np.round(places[:, ::-1], 6).tolist(), separators=(",", ":")).encode()
    weights = {
        "bins": len(counts),
        "columns": ground.columns,
        "rows": ground.rows,
        "json": len(sent),
        "json_gzip": len(gzip.compress(sent, 6, mtime=0)),
        "points": len(points),
        "points_gzip": len(gzip.compress(points, 6, mtime=0)),
    }
    return ground, lines, weights


def peers(ground: Ground, places: Floats) -> list[Line]:
    """The same densities by other means, where they are installed."""
    x, y = (
        ground.origin[0] + (np.arange(ground.columns) + 0.5) * ground.cell_m,
        ground.origin[1] - (np.arange(ground.rows) + 0.5) * ground.cell_m,
    )
    cells = np.column_stack([axis.ravel() for axis in np.meshgrid(x, y)])
    metres = ground.to_metres(places)
    few = metres[:FEW]
    lines = [measure("a loop over the cases (before)", FEW, lambda: loop(ground, few), rounds=1)]
    try:
        from sklearn.neighbors import KernelDensity

        tree = KernelDensity(kernel="epanechnikov", bandwidth=ground.bandwidth_m, algorithm="kd_tree")
        lines.append(
            measure("scikit-learn KernelDensity", FEW, lambda: tree.fit(few).score_samples(cells), rounds=1)
        )
    except ImportError:
        pass
    from scipy.stats import gaussian_kde

    thin = few[:1000]
    lines.append(measure("scipy gaussian_kde", len(thin), lambda: gaussian_kde(thin.T)(cells.T), rounds=1))
    if shutil.which("Rscript"):
        lines += _spatstat(ground, metres)
    return lines


def loop(ground: Ground, metres: Floats) -> Floats:
    """Each case's kernel added to the nodes round it, one case after the other."""
    rows, columns = ground.cover.shape
    step, far = ground.step_m, ground.bandwidth_m
    x, y = (
        ground.corner[0] + (np.arange(columns) + 0.5) * step,
        ground.corner[1] + (np.arange(rows) + 0.5) * step,
    )
    reach = math.ceil(far / step) + 1
    raw = np.zeros((rows, columns))
    for east, north in metres:
        column, row = int((east - x[0]) / step), int((north - y[0]) / step)
        beside = slice(max(0, column - reach), column + reach + 1)
        above = slice(max(0, row - reach), row + reach + 1)
        squared = np.add.outer((y[above] - north) ** 2, (x[beside] - east) ** 2)
        raw[above, beside] += np.clip(1 - squared / far**2, 0, None) ** 2
    return raw


_R = """
suppressPackageStartupMessages(library(spatstat.explore))
at <- matrix(readBin("%(places)s", "double", 2 * %(cases)d), ncol = 2, byrow = TRUE)
ring <- matrix(readBin("%(ring)s", "double", 2 * %(corners)d), ncol = 2, byrow = TRUE)
window <- owin(poly = list(x = ring[, 1], y = ring[, 2]))
cases <- ppp(at[, 1], at[, 2], window = window, check = FALSE)
mask <- as.mask(window, eps = %(step)f)
draw <- function() {
  density.ppp(cases, sigma = %(bandwidth)f / sqrt(8), kernel = "quartic", edge = TRUE, W = mask)
}
for (n in 1:4) cat(sum(system.time(draw())[1:2]), "\\n")
"""


def _spatstat(ground: Ground, metres: Floats) -> list[Line]:
    """R's own time for the density alone, at as many nodes as ours."""
    ring = shapely.get_coordinates(ground.area.exterior)
    ring = ground.to_metres(ring)[:-1]
    if not shapely.is_ccw(shapely.LinearRing(ring)):
        ring = ring[::-1]
    with tempfile.TemporaryDirectory() as folder:
        for name, array in (("places", metres), ("ring", ring)):
            (Path(folder) / name).write_bytes(np.ascontiguousarray(array, dtype="<f8").tobytes())
        script = Path(folder) / "density.R"
        script.write_text(
            _R
            % {
                "places": Path(folder) / "places",
                "ring": Path(folder) / "ring",
                "cases": len(metres),
                "corners": len(ring),
                "step": ground.step_m,
                "bandwidth": ground.bandwidth_m,
            },
            encoding="utf-8",
        )
        done = subprocess.run(["Rscript", script], capture_output=True, text=True, check=False)  # noqa: S603, S607
    if done.returncode:
        return []
    return [
        Line("R spatstat density.ppp", len(metres), tuple(float(word) for word in done.stdout.split()[1:]))
    ]
