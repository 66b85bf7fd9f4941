"""`wangge partition --tier`, `wangge tiers` and `wangge merge`, as a person calls them."""

from __future__ import annotations

import json
from pathlib import Path

import geopandas as gpd
import numpy as np
import pyogrio
import pytest
import shapely
from click.testing import Result
from shapely import Point
from typer.testing import CliRunner

from data.sample import path as sample_path
from partition.area import Area
from service.cli import app
from service.commands import register
from service.commands.terminal import terminal
from tests.partition.test_merging import street_office

register(app)


@pytest.fixture(autouse=True)
def english(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANGGE_LANG", "en")
    monkeypatch.setenv("COLUMNS", "300")


def run(*words: object) -> Result:
    terminal.cache_clear()  # it holds the streams of the last call
    return CliRunner().invoke(app, [str(word) for word in words])


def write(area: Area, path: Path) -> Path:
    frames = {
        "community": area.communities,
        "streets": area.streets,
        "buildings": area.buildings[["id", "households", "residents", "geometry"]],
    }
    for name, frame in frames.items():
        pyogrio.write_dataframe(frame, path, layer=name, driver="GPKG", append=path.exists())
    return path


def test_the_sample_gets_tiers_in_plan_and_report(tmp_path: Path) -> None:
    plan, report = tmp_path / "plan.gpkg", tmp_path / "report.json"
    done = run(
        "partition",
        sample_path(),
        "--tier",
        "片区=3",
        "--tier",
        "60-90-140",
        "--out",
        plan,
        "--report",
        report,
    )
    assert done.exit_code in (0, 1), done.output
    layers = [name for name, _ in pyogrio.list_layers(plan)]
    assert layers == ["grids", "tiers", "buildings"]
    tiers = gpd.read_file(plan, layer="tiers")
    grids = gpd.read_file(plan, layer="grids").set_index("code")
    buildings = gpd.read_file(plan, layer="buildings")
    told = json.loads(report.read_text())
    assert [line["grids"] for line in told["tiers"]] == tiers.groupby("tier").size().to_list()
    assert told["tiers"][0]["name"]["zh"] == "片区"
    assert told["tiers"][0]["grids"] == 3
    assert {line["tier"] for line in told["imbalance"]} <= {1, 3}
    for tier in (1, 2, 3):
        own = tiers[tiers["tier"] == tier]
        assert shapely.coverage_is_valid(own.geometry.to_numpy())
        assert own["households"].sum() == grids["households"].sum()
    basic = tiers[tiers["tier"] == 2].set_index("code")
    assert shapely.equals_exact(basic.loc[grids.index].geometry.to_numpy(), grids.geometry.to_numpy()).all()
    assert buildings["tier_3"].str[:-2].eq(buildings["grid"]).all()
    assert set(buildings["tier_1"]) == {"第1片区", "第2片区", "第3片区"}
    assert "tier 1, 片区: 3," in done.output
    checked = run("check", sample_path(), plan)
    assert checked.exit_code == 0, checked.output


def test_tiers_are_added_to_a_plan_whose_codes_stay(tmp_path: Path) -> None:
    first, second = tmp_path / "plan.gpkg", tmp_path / "tiers.gpkg"
    assert run("partition", sample_path(), "--out", first).exit_code == 0
    done = run("tiers", sample_path(), first, "--tier", "2", "--out", second, "--report", tmp_path / "r.json")
    assert done.exit_code == 0, done.output
    before, after = (gpd.read_file(path, layer="grids") for path in (first, second))
    assert before["code"].to_list() == after["code"].to_list()
    assert before["households"].to_list() == after["households"].to_list()
    np.testing.assert_allclose(shapely.area(before.geometry), shapely.area(after.geometry), rtol=1e-6)
    tiers = gpd.read_file(second, layer="tiers")
    assert tiers.groupby("tier").size().to_list()[0] == 2
    assert json.loads((tmp_path / "r.json").read_text())["tiers"][0]["grids"] == 2
    usual = run("tiers", sample_path(), first, "--out", second)  # the tiers of xisimen
    assert usual.exit_code in (0, 1)
    assert gpd.read_file(second, layer="tiers")["tier_name"].unique().tolist() == ["片区", "网格", "微网格"]


def test_a_plan_with_gaps_is_no_ground_for_tiers(tmp_path: Path) -> None:
    plan, torn = tmp_path / "plan.gpkg", tmp_path / "torn.gpkg"
    assert run("partition", sample_path(), "--out", plan).exit_code == 0
    grids = gpd.read_file(plan, layer="grids")
    grids.iloc[1:].to_file(torn, layer="grids", driver="GPKG")
    done = run("tiers", sample_path(), torn, "--tier", "2", "--out", tmp_path / "out.gpkg")
    assert done.exit_code == 2
    assert "gap" in done.output
    assert not (tmp_path / "out.gpkg").exists()


@pytest.mark.parametrize("wrong", ["x", "0", "-3", "片区=", "9-5", "1-2-3-4", "nan", "1.5", "3-inf"])
def test_a_malformed_tier_is_a_wrong_call(wrong: str, tmp_path: Path) -> None:
    done = run("partition", sample_path(), f"--tier={wrong}", "--out", tmp_path / "plan.gpkg")
    assert done.exit_code == 2
    assert "--tier" in done.output


def test_communities_merge_from_file_to_file_and_can_be_divided_again(tmp_path: Path) -> None:
    source = write(street_office(4, 3, drop=0), tmp_path / "office.gpkg")
    stations = gpd.GeoDataFrame(
        {"id": ["F1", "F2"], "kind": ["党群服务中心", "toilets"], "name": ["甲", ""]},
        geometry=[Point(300, 10), Point(600, 10)],
        crs=gpd.read_file(source, layer="community").crs,
    )
    pyogrio.write_dataframe(stations, source, layer="facilities", driver="GPKG", append=True)
    out, report = tmp_path / "merged.gpkg", tmp_path / "merged.json"
    done = run("merge", source, "--into", 5, "--households", "500-3000", "--out", out, "--report", report)
    assert done.exit_code == 0, done.output
    assert "12 → 5" in done.output
    assert [name for name, _ in pyogrio.list_layers(out)] == ["community", "stations", "lineage", "walks"]
    merged = gpd.read_file(out, layer="community")
    lineage = pyogrio.read_dataframe(out, layer="lineage")
    assert len(merged) == 5
    assert lineage["fate"].value_counts().to_dict() == {"kept": 5, "dissolved": 7}
    assert set(lineage["new_code"]) == set(merged["code"])
    served = gpd.read_file(out, layer="stations")
    assert served["id"].str.fullmatch("F2").sum() == 0
    told = json.loads(report.read_text())
    assert told["figures"]["communities"] == 5
    assert told["lineage"][0]["old_code"] == "110101001001"
    again = run("partition", source, "--community", out, "--out", tmp_path / "plan.gpkg")
    assert again.exit_code in (0, 1), again.output
    grids = gpd.read_file(tmp_path / "plan.gpkg", layer="grids")
    assert set(grids["community"]) == set(merged["id"])


def test_wrong_calls_of_merge_are_told(tmp_path: Path) -> None:
    source = write(street_office(2, 2, drop=0), tmp_path / "office.gpkg")
    many = run("merge", source, "--into", 9, "--out", tmp_path / "m.gpkg")
    assert many.exit_code == 2
    assert "there are 4 communities" in many.output
    bounds = run("merge", source, "--into", 2, "--area-km2", "5", "--out", tmp_path / "m.gpkg")
    assert bounds.exit_code == 2
    assert "--area-km2" in bounds.output
    assert not (tmp_path / "m.gpkg").exists()
