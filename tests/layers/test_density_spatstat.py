"""The same densities as R's spatstat, the reference of the field, on windows with corners, holes and slants.

`spatstat.json` holds what `spatstat.R` beside it computed: `density.ppp(kernel="quartic", edge=TRUE)`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import shapely

from layers.density import case_lattice, lay_ground
from tests.layers.land import area, degrees, metres

REFERENCE = json.loads((Path(__file__).parent / "spatstat.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("cell_m", [None, 2.0])
@pytest.mark.parametrize("name", REFERENCE["plots"])
def test_as_spatstat(name: str, cell_m: float | None) -> None:
    """Every cell within 0.2 % of the highest density and within 0.02 % on average; on fine cells as well."""
    plot: dict[str, Any] = REFERENCE["plots"][name]
    rings = [shapely.Polygon(ring) for ring in plot["rings"]]
    shape = rings[0] if len(rings) == 1 else rings[0].difference(rings[1])
    middle = np.mean(shape.bounds[::2]), np.mean(shape.bounds[1::2])
    ground = lay_ground(
        area(shapely.transform(shape, lambda at: at - middle)),
        bandwidth_m=REFERENCE["bandwidth_m"],
        cell_m=cell_m,
    )
    parts = round(REFERENCE["cell_m"] / ground.cell_m)
    lattice = case_lattice(ground, degrees(np.array(plot["cases"]) - middle), days=30, min_cases=0)
    assert lattice.cases == len(plot["cases"])
    # both lattices begin at the corner of the window's bounds: a cell of spatstat's is a block of ours
    left, bottom = shape.bounds[:2]
    corner = metres([lattice.bounds[:2]])[0] + middle
    np.testing.assert_allclose(corner, [left, bottom], atol=0.02)
    south_up = lattice.values[::-1]
    cells = np.array(plot["cells"])
    found = []
    for column, row in cells[:, :2].astype(int):
        block = south_up[row * parts : (row + 1) * parts, column * parts : (column + 1) * parts]
        found.append(block.mean())
    difference = np.abs(np.array(found) - cells[:, 2])
    highest = cells[:, 2].max()
    assert difference.max() < 0.002 * highest
    assert difference.mean() < 0.0002 * highest
