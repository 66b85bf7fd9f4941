"""Profiles of one's own at the command line: from files to a plan, and the plan checked again."""

from __future__ import annotations

import json
from pathlib import Path

import geopandas as gpd
import pyogrio
import pytest
from click.testing import Result
from shapely import LineString, box
from typer.testing import CliRunner

from service.cli import app
from service.commands import register
from service.commands.terminal import terminal
from tests.lattice import CRS

register(app)

OWN = """
title = { zh = "我们区", en = "Our district" }
rule = { zh = "每格工作量 300 左右", en = "About 300 of workload a grid" }
workload = "households + 2 * 电梯数"
[size]
measure = "workload"
lower = 200
target = 300
upper = 400
[zones]
kinds = ["school"]
"""


@pytest.fixture(autouse=True)
def english(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANGGE_LANG", "en")
    monkeypatch.setenv("COLUMNS", "300")


def run(*words: object) -> Result:
    terminal.cache_clear()  # it holds the streams of the last call
    return CliRunner().invoke(app, [str(word) for word in words])


@pytest.fixture
def area(tmp_path: Path) -> Path:
    """Six blocks of 100 m with four houses each; a school has the fifth."""
    path = tmp_path / "area.gpkg"
    corners = [(x, y) for y in (0, 100) for x in (0, 100, 200)]
    houses = [
        box(x + dx, y + dy, x + dx + 20, y + dy + 20)
        for x, y in corners
        for dx in (15, 60)
        for dy in (15, 60)
    ]
    school = box(100, 100, 200, 200)
    households = [0 if house.within(school) else 60 for house in houses]
    lines = [LineString([(x, 0), (x, 200)]) for x in (100, 200)] + [LineString([(0, 100), (300, 100)])]
    layers = {
        "community": gpd.GeoDataFrame({"id": ["C1"]}, geometry=[box(0, 0, 300, 200)], crs=CRS),
        "streets": gpd.GeoDataFrame({"class": ["local"] * 3}, geometry=lines, crs=CRS),
        "buildings": gpd.GeoDataFrame(
            {
                "id": [f"B{i}" for i in range(len(houses))],
                "households": households,
                "电梯数": [5] * len(houses),
                "独居老人数": [1] * len(houses),
            },
            geometry=houses,
            crs=CRS,
        ),
        "功能区": gpd.GeoDataFrame({"名称": ["实验小学"], "类型": ["小学"]}, geometry=[school], crs=CRS),
    }
    for name, frame in layers.items():
        pyogrio.write_dataframe(frame, path, layer=name, driver="GPKG", append=path.exists())
    return path


def profile(tmp_path: Path, old: str = "", new: str = "") -> Path:
    path = tmp_path / "ours.toml"
    path.write_text(OWN.replace(old, new) if old else OWN, encoding="utf-8")
    return path


def test_sizes_of_town_and_country_are_told_apart(area: Path, tmp_path: Path) -> None:
    done = run("partition", area, "--profile", "yantai", "--out", tmp_path / "plan.gpkg")
    assert "(270–530 households; rural: 130–270 households)" in done.output
    both = run(
        "partition", area, "--profile", "guangde", "--missing", "estimate", "--out", tmp_path / "p.gpkg"
    )
    assert "(200–400 households, 670–1,330 residents)" in both.output


def test_a_profile_of_ones_own_from_file_to_file(area: Path, tmp_path: Path) -> None:
    plan, told = tmp_path / "plan.gpkg", tmp_path / "report.json"
    done = run("partition", area, "--profile", profile(tmp_path), "--out", plan, "--report", told)
    assert done.exit_code == 0, done.output
    assert "of these dedicated" in done.output
    assert "200–400 of workload" in done.output
    grids = gpd.read_file(plan, layer="grids").set_index("code")
    assert sorted(grids["kind"]) == ["basic"] * 5 + ["dedicated"]
    report = json.loads(told.read_text(encoding="utf-8"))
    held = {line["code"]: line["held"]["workload"] for line in report["grids"]}
    assert {held[code] for code in grids.index[grids["kind"] == "basic"]} == {280}
    assert report["figures"]["share_in_range"] == 1.0
    assert report["size"] == {"measure": "workload", "lower": 200, "target": 300, "upper": 400}

    again = run("check", area, plan, "--profile", profile(tmp_path), "--report", told)
    assert again.exit_code == 0, again.output
    checked = json.loads(told.read_text(encoding="utf-8"))
    for figure in ("dedicated", "measures", "share_in_range", "mixed_zones"):
        assert checked["figures"][figure] == report["figures"][figure]
    narrow = run("check", area, plan, "--profile", profile(tmp_path, "lower = 200", "lower = 290"))
    assert narrow.exit_code == 1
    assert "holds 280 of workload" in narrow.output


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("2 * 电梯数", "独居老人数", "counts people of a group"),
        ("2 * 电梯数", "2 * 车位数", "uses the column 车位数"),
        ("2 * 电梯数", "2 * open('x')", "may not use the function open"),
        ('"workload"', '"residents"', "no building of C1 has any given"),
        ("target = 300", "target = 30", "size of the profile must keep lower ≤ target ≤ upper"),
    ],
)
def test_a_profile_that_cannot_be_is_told_before_anything_is_done(
    area: Path, tmp_path: Path, old: str, new: str, told: str
) -> None:
    plan = tmp_path / "plan.gpkg"
    done = run("partition", area, "--profile", profile(tmp_path, old, new), "--out", plan)
    assert done.exit_code == 2
    assert told in done.output
    assert "ours" in done.output
    assert not plan.exists()
