"""The plan of the sample community as readable text. `make golden` renews it; read the difference like
code.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from data.sample import path as sample_path
from data.vector import read_area
from partition.intake.frames import check_area
from partition.split import Split, split_area
from partition.wishes.policy import load_profile
from tests.asserts import assert_valid_plan

GOLDEN = Path(__file__).with_name("sample_plan.txt")


def as_text(split: Split) -> str:
    """Figures, a line for each grid, and the buildings of each grid."""
    figures = split.report.judgement.figures
    lines = [f"{key}: {figures[key]}" for key in sorted(figures)]
    for grid in split.report.judgement.grids:
        own = split.buildings.loc[split.buildings["grid"] == grid["code"], "id"]
        lines += [
            "",
            f"{grid['code']}  {grid['households']} households  {grid['deviation']:+.1%}  "
            f"{grid['area_m2']:.0f} m2  compactness {grid['polsby_popper']:.2f}",
            f"  {' '.join(sorted(own))}",
        ]
    lines += ["", *(violation.text() for violation in split.report.violations)]
    return "\n".join(lines) + "\n"


def test_the_plan_of_the_sample(request: pytest.FixtureRequest) -> None:
    area = check_area(read_area(sample_path()))
    split = split_area(area, load_profile("yichang"))
    assert_valid_plan(area, split)
    assert split.report.sound
    text = as_text(split)
    if request.config.getoption("--renew-golden"):
        GOLDEN.write_text(text, encoding="utf-8")
    assert text.splitlines() == GOLDEN.read_text(encoding="utf-8").splitlines()
