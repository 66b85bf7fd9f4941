"""`wangge redraw` and `wangge partition --alternatives`, as a person calls them."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import geopandas as gpd
import pyogrio
import pytest
from click.testing import Result
from typer.testing import CliRunner

from data.sample import path as sample_path
from service.cli import app
from service.commands import register
from service.commands.terminal import terminal

register(app)


@pytest.fixture(autouse=True)
def english(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANGGE_LANG", "en")
    monkeypatch.setenv("COLUMNS", "300")


def run(*words: object) -> Result:
    terminal.cache_clear()  # it holds the streams of the last call
    return CliRunner().invoke(app, [str(word) for word in words])


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("plan") / "plan.gpkg"
    assert run("partition", sample_path(), "--out", out).exit_code == 0
    return out


def changed(folder: Path, change: Callable[[gpd.GeoDataFrame], gpd.GeoDataFrame]) -> Path:
    """The sample with other buildings."""
    area = folder / "area.gpkg"
    shutil.copy(sample_path(), area)
    frame = change(gpd.read_file(area, layer="buildings"))
    pyogrio.write_dataframe(frame, area, layer="buildings", driver="GPKG")
    return area


def grids(path: Path) -> gpd.GeoDataFrame:
    return gpd.read_file(path, layer="grids").set_index("code")


def test_an_area_that_did_not_change_gives_the_very_same_plan(plan: Path, tmp_path: Path) -> None:
    out = tmp_path / "again.gpkg"
    done = run("redraw", plan, "--area", sample_path(), "--out", out)
    assert done.exit_code == 0, done.output
    assert "Nothing had to change" in done.output
    before, now = grids(plan), grids(out)
    assert now.index.to_list() == before.index.to_list()
    assert (now.geometry.to_wkb() == before.geometry.to_wkb()).all()
    assert not len(gpd.read_file(out, layer="changes"))


def test_growth_is_taken_up_and_registered(plan: Path, tmp_path: Path) -> None:
    full = grids(plan)["households"].idxmax()
    placed = gpd.read_file(plan, layer="buildings").set_index("id")["grid"]

    def grow(frame: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
        there = frame["id"].map(placed) == full
        frame.loc[frame.index[there][:2], "households"] += 70
        return frame

    area = changed(tmp_path, grow)
    out, table, report = (tmp_path / name for name in ("new.gpkg", "changes.csv", "report.json"))
    done = run(
        "redraw", plan, "--area", area, "--out", out, "--register", table, "--report", report,
        "--profile", "yichang",
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    before, now = grids(plan), grids(out)
    assert now["households"].between(200, 400).all()
    told = json.loads(report.read_text("utf-8"))["changes"]
    assert told["moved_households"] > 0
    assert f"{told['moved_households']:,}" in done.output
    rows = list(csv.DictReader(table.read_text("utf-8-sig").splitlines()))
    assert [row["户数 households"] for row in rows] == [str(flow["households"]) for flow in told["flows"]]
    moved = [row for row in rows if row["原网格编码 old_code"] != row["新网格编码 new_code"]]
    assert sum(int(row["户数 households"]) for row in moved) == told["moved_households"]
    assert all("网格长" in row["涉及人员 staff"] for row in moved)
    assert all("更换 renew" in row["标牌 boards"] for row in moved)
    # grids that the register does not list keep every digit of every vertex
    listed = {flow[key] for flow in told["flows"] for key in ("old_code", "new_code")}
    points = {code: set(shape.exterior.coords) for code, shape in before.geometry.items()}
    for code, shape in now.geometry.items():
        if code not in listed:
            assert points[code] <= set(shape.exterior.coords)
    # a second redraw remembers the first
    back = tmp_path / "back.gpkg"
    again = run("redraw", out, "--area", sample_path(), "--out", back)
    assert again.exit_code == 0, again.output
    history = gpd.read_file(back, layer="changes")
    assert (history["edition"] == 1).sum() == len(rows)


def test_a_lock_and_a_cap_are_kept_and_what_they_cost_is_said(plan: Path, tmp_path: Path) -> None:
    full = grids(plan)["households"].idxmax()
    placed = gpd.read_file(plan, layer="buildings").set_index("id")["grid"]

    def grow(frame: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
        there = frame["id"].map(placed) == full
        frame.loc[frame.index[there][:2], "households"] += 70
        return frame

    area = changed(tmp_path, grow)
    locked = run("redraw", plan, "--area", area, "--out", tmp_path / "locked.gpkg", "--lock", full)
    assert locked.exit_code == 0, locked.output
    assert "it is locked" in locked.output
    assert "Nothing had to change" in locked.output
    capped = run("redraw", plan, "--area", area, "--out", tmp_path / "capped.gpkg", "--max-moved", "1")
    assert "no more than 1 household may change grid" in capped.output
    for wrong in (["--max-moved", "many"], ["--lock", "999"]):
        assert run("redraw", plan, "--area", area, "--out", tmp_path / "x.gpkg", *wrong).exit_code == 2


def test_alternatives_are_written_beside_the_plan(tmp_path: Path) -> None:
    out, report = tmp_path / "plan.gpkg", tmp_path / "report.json"
    done = run("partition", sample_path(), "--out", out, "--alternatives", 2, "--report", report)
    assert done.exit_code == 0, done.output
    lines = json.loads(report.read_text("utf-8"))["alternatives"]
    assert [line["file"] for line in lines] == ["plan.gpkg", "plan-2.gpkg"]
    assert lines[0]["elsewhere"] == 0.0
    assert lines[1]["elsewhere"] >= 0.1
    assert lines[1]["share_in_range"] == 1.0
    assert "plan-2.gpkg" in done.output
    assert len(grids(tmp_path / "plan-2.gpkg")) == lines[1]["grids"]
