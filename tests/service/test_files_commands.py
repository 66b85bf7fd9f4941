"""`wangge partition` and `wangge check`, as a person calls them: no database, exit codes, files, words."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import geopandas as gpd
import pandas as pd
import pyogrio
import pytest
import shapely
from click.testing import Result
from shapely import LineString, box
from typer.testing import CliRunner

from data.sample import path as sample_path
from service.cli import app
from service.commands import register
from service.commands.terminal import terminal
from tests.lattice import CRS

register(app)


@pytest.fixture(autouse=True)
def english(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANGGE_LANG", "en")
    monkeypatch.setenv("COLUMNS", "300")
    terminal.cache_clear()


def run(*words: object) -> Result:
    terminal.cache_clear()  # it holds the streams of the last call
    return CliRunner().invoke(app, [str(word) for word in words])


@pytest.fixture(scope="module")
def planned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("plan")
    terminal.cache_clear()
    done = run("partition", sample_path(), "--out", folder / "plan.gpkg", "--report", folder / "report.json")
    assert done.exit_code == 0, done.output
    return folder


def write_area(path: Path, **columns: list[object]) -> Path:
    """Four houses on both sides of a street."""
    houses = [box(x, 40, x + 20, 60) for x in (20, 60, 120, 160)]
    given = {"id": list("ABCD"), "households": [150, 160, 170, 140]} | columns
    layers = {
        "community": gpd.GeoDataFrame({"id": ["C1"]}, geometry=[box(0, 0, 200, 100)], crs=CRS),
        "streets": gpd.GeoDataFrame(
            {"class": ["local"]}, geometry=[LineString([(100, 0), (100, 100)])], crs=CRS
        ),
        "buildings": gpd.GeoDataFrame(given, geometry=houses, crs=CRS),
    }
    for name, frame in layers.items():
        pyogrio.write_dataframe(frame, path, layer=name, driver="GPKG", append=path.exists())
    return path


def test_a_plan_holds_what_was_promised(planned: Path) -> None:
    grids = gpd.read_file(planned / "plan.gpkg", layer="grids")
    buildings = gpd.read_file(planned / "plan.gpkg", layer="buildings")
    given = gpd.read_file(sample_path(), layer="buildings")
    assert list(grids.columns) == [
        "code", "community", "kind", "households", "residents", "buildings", "buildings_unknown", "area_m2",
        "bounds_zh", "bounds_en", "geometry",
    ]  # fmt: skip
    assert list(buildings.columns) == [*given.columns.drop("geometry"), "grid", "geometry"]
    assert buildings["id"].to_list() == given["id"].to_list()
    assert grids.crs == given.crs
    assert shapely.coverage_is_valid(grids.geometry.to_numpy())
    assert (
        buildings.groupby("grid")["households"].sum().to_dict()
        == grids.set_index("code")["households"].to_dict()
    )


def test_a_report_holds_what_was_promised(planned: Path) -> None:
    report = json.loads((planned / "report.json").read_text(encoding="utf-8"))
    figures = report["figures"]
    assert figures["share_in_range"] == 1.0
    assert {
        "border_m",
        "inside_m",
        "polsby_popper",
        "fragments",
        "gaps",
        "overlaps",
        "split_compounds",
    } <= set(figures)
    assert {"read", "blocks", "units", "graph", "plan", "grids", "judge"} <= set(report["seconds"])
    assert sum(grid["households"] for grid in report["grids"]) == 4413
    assert all(set(v["text"]) == {"zh", "en"} for v in report["violations"])


def test_check_finds_the_own_plan_sound_and_redraws_an_edited_one(planned: Path, tmp_path: Path) -> None:
    assert run("check", sample_path(), planned / "plan.gpkg").exit_code == 0
    edited = tmp_path / "edited.gpkg"
    shutil.copy(planned / "plan.gpkg", edited)
    buildings = gpd.read_file(edited, layer="buildings")
    first = buildings.loc[buildings["id"] == "B003", "grid"].item()
    second = next(code for code in sorted(buildings["grid"].unique()) if code != first)
    buildings.loc[buildings["id"] == "B003", "grid"] = second
    pyogrio.write_dataframe(buildings, edited, layer="buildings", driver="GPKG")
    done = run(
        "check", sample_path(), edited, "--out", tmp_path / "new.gpkg", "--report", tmp_path / "new.json"
    )
    assert "the grids were drawn anew" in done.output
    again = gpd.read_file(tmp_path / "new.gpkg", layer="buildings").set_index("id")["grid"]
    assert again["B003"] == second
    assert again.drop("B003").to_dict() == buildings.set_index("id")["grid"].drop("B003").to_dict()
    assert {v["code"] for v in json.loads((tmp_path / "new.json").read_text())["violations"]} >= {"fragment"}
    assert done.exit_code == 1, "a grid lies in pieces now"


def test_check_judges_a_table_of_buildings(planned: Path, tmp_path: Path) -> None:
    table = gpd.read_file(planned / "plan.gpkg", layer="buildings")[["id", "grid"]]
    table.to_csv(tmp_path / "plan.csv", index=False)
    assert run("check", sample_path(), tmp_path / "plan.csv").exit_code == 0


def test_forced_violations_are_done_and_unproven_ones_are_not(tmp_path: Path) -> None:
    area = write_area(tmp_path / "area.gpkg", households=[150, 160, 900, 140])
    done = run("partition", area, "--out", tmp_path / "plan.gpkg")
    assert "because building C alone has 900" in done.output
    assert done.exit_code == 0
    hand = gpd.GeoDataFrame({"code": ["C1-001"]}, geometry=[box(0, 0, 200, 100)], crs=CRS)
    hand.to_file(tmp_path / "hand.gpkg")
    done = run("check", area, tmp_path / "hand.gpkg")
    assert "no reason for it is proven" in done.output
    assert done.exit_code == 1


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"households": [150, -1, 2.5, "x"]}, ["buildings.households"]),
        ({"id_card": ["11010519491231002X"] * 4}, ["buildings.id_card", "--drop-personal"]),
    ],
)
def test_wrong_input_ends_with_2_and_writes_nothing(
    tmp_path: Path, columns: dict[str, list[object]], words: list[str]
) -> None:
    columns = {k: [str(v) for v in vs] if "x" in vs else vs for k, vs in columns.items()}
    area = write_area(tmp_path / "area.gpkg", **columns)
    done = run("partition", area, "--out", tmp_path / "plan.gpkg")
    assert done.exit_code == 2
    for word in words:
        assert word in done.output
    assert "11010519491231002X" not in done.output
    assert {path.name for path in tmp_path.iterdir()} == {"area.gpkg"}


def test_every_fault_is_told_at_once(tmp_path: Path) -> None:
    area = write_area(
        tmp_path / "area.gpkg", households=["150", "-1", "2.5", "many"], 手机=["13800138000"] * 4
    )
    done = run("partition", area, "--out", tmp_path / "plan.gpkg")
    assert done.exit_code == 2
    for row in "BCD":
        assert row in done.output
    assert "手机" in done.output


def test_estimated_households_are_flagged(tmp_path: Path) -> None:
    area = write_area(tmp_path / "area.gpkg", households=[150, 160, None, 140])
    assert run("partition", area, "--out", tmp_path / "zero.gpkg").exit_code == 0
    assert "households_estimated" not in gpd.read_file(tmp_path / "zero.gpkg", layer="buildings")
    assert run("partition", area, "--missing", "estimate", "--out", tmp_path / "plan.gpkg").exit_code == 0
    buildings = gpd.read_file(tmp_path / "plan.gpkg", layer="buildings")
    assert buildings["households_estimated"].notna().to_list() == [False, False, True, False]
    held = buildings["households"].fillna(0).sum() + buildings["households_estimated"].sum()
    grids = gpd.read_file(tmp_path / "plan.gpkg", layer="grids")
    assert grids["households"].sum() == held > 450
    assert grids["buildings_unknown"].sum() == 1


def test_an_old_plan_is_replaced_only_by_a_whole_new_one(tmp_path: Path) -> None:
    area = write_area(tmp_path / "area.gpkg")
    out = tmp_path / "plan.gpkg"
    out.write_text("old")
    assert run("partition", area, "--out", out, "--lower", 500, "--upper", 400).exit_code == 2
    assert run("partition", tmp_path / "none.gpkg", "--out", out).exit_code == 2
    assert out.read_text() == "old"
    assert run("partition", area, "--out", out).exit_code == 0
    assert len(gpd.read_file(out, layer="grids")) == 2


def test_outputs_that_cannot_be_are_refused_before_anything_is_done(tmp_path: Path) -> None:
    area = write_area(tmp_path / "area.gpkg")
    before = area.read_bytes()
    for out, words in (
        (tmp_path / "no" / "plan.gpkg", "does not exist"),
        (area, "is the input"),
        (tmp_path, "a folder"),
    ):
        done = run("partition", area, "--out", out)
        assert (done.exit_code, words in done.output) == (2, True), done.output
    for words, out, report in (
        ("must end in .gpkg", "plan.shp", "r.json"),
        ("cannot both be written", "plan.gpkg", "plan.gpkg"),
        ("cannot be written", "n" * 250 + ".gpkg", "r.json"),
    ):
        done = run("partition", area, "--out", tmp_path / out, "--report", tmp_path / report)
        assert (done.exit_code, words in done.output) == (2, True), done.output
    assert area.read_bytes() == before
    assert {path.name for path in tmp_path.iterdir()} == {"area.gpkg"}


def test_a_device_is_no_output(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "plan.gpkg")
    done = run("partition", write_area(tmp_path / "area.gpkg"), "--out", tmp_path / "plan.gpkg")
    assert (done.exit_code, "cannot be written" in done.output) == (2, True)
    assert (tmp_path / "plan.gpkg").is_fifo()


def test_the_terminal_speaks_chinese(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANGGE_LANG", "zh")
    done = run("partition", write_area(tmp_path / "area.gpkg"), "--out", tmp_path / "plan.gpkg")
    assert "规模达标" in done.output


def test_columns_that_a_geopackage_cannot_name_twice_come_through(tmp_path: Path) -> None:
    area = write_area(tmp_path / "area.gpkg")
    houses = gpd.read_file(area, layer="buildings").drop(columns="households")
    more = {"fid": [7, 7, 8, 8], "geom": list("wxyz"), "Name": list("abcd"), "name": list("efgh"), "GRID": 1}
    houses.assign(**more, households=[150, 160, 170, 140]).to_file(tmp_path / "houses.geojson")
    done = run("partition", area, "--buildings", tmp_path / "houses.geojson", "--out", tmp_path / "plan.gpkg")
    assert done.exit_code == 0, done.output
    written = gpd.read_file(tmp_path / "plan.gpkg", layer="buildings")
    assert list(written.columns) == [
        "id", "fid", "geom", "Name", "name (2)", "households", "grid", "geometry",
    ]  # fmt: skip
    assert written["fid"].to_list() == [7, 7, 8, 8]
    assert written["grid"].to_list() == ["C1-001", "C1-001", "C1-002", "C1-002"]


@pytest.mark.parametrize(
    ("ids", "column"),
    [([" A ", "B ", "C", "D"], "id"), ([1.0, 2.0, 3.0, None], "id"), ([11, 12, 13, 14], "楼栋编号")],
)
def test_a_plan_is_known_again_whatever_its_ids(tmp_path: Path, ids: list[object], column: str) -> None:
    area = write_area(tmp_path / "area.gpkg")
    houses = gpd.read_file(area, layer="buildings").assign(id=ids).rename(columns={"id": column})
    pyogrio.write_dataframe(houses, area, layer="buildings", driver="GPKG")
    assert run("partition", area, "--out", tmp_path / "plan.gpkg").exit_code == 0
    done = run("check", area, tmp_path / "plan.gpkg")
    assert done.exit_code == 0, done.output
    assert "drawn anew" not in done.output


def test_check_reads_a_plan_as_people_keep_it(tmp_path: Path) -> None:
    area = write_area(tmp_path / "area.gpkg")
    table = "楼栋编号,所属网格\nA,C1-001\nB,C1-001\nC,C1-002\nD,C1-002\n"
    (tmp_path / "plan.csv").write_text(table, encoding="gbk")
    assert run("check", area, tmp_path / "plan.csv").exit_code == 0
    (tmp_path / "plan.csv").write_text(table.replace("楼栋编号", "house"), encoding="gbk")
    assert run("check", area, tmp_path / "plan.csv").exit_code == 2
    (tmp_path / "bad.gpkg").write_text("no")
    assert run("check", area, tmp_path / "bad.gpkg").exit_code == 2


def test_check_takes_an_area_in_separate_files(planned: Path, tmp_path: Path) -> None:
    files = {layer: tmp_path / f"{layer}.gpkg" for layer in ("community", "streets", "buildings")}
    for layer, path in files.items():
        frame = gpd.read_file(sample_path(), layer=layer)
        if layer == "buildings":
            frame[["id", "households"]].to_csv(tmp_path / "households.csv", index=False)
            frame = frame[["id", "geometry"]]
        frame.to_file(path)
    named = [word for layer, path in files.items() for word in (f"--{layer}", path)]
    plan = planned / "plan.gpkg"
    done = run("check", plan, *named, "--buildings", tmp_path / "households.csv")
    assert done.exit_code == 0, done.output
    assert "4,413" in done.output
    lacking = run("check", plan)
    assert lacking.exit_code == 2
    assert "AREA PLAN" in lacking.output


def test_help_teaches_in_both_languages() -> None:
    for words in (
        "partition",
        "check",
        "load",
        "plan",
        "publish",
        "map",
        "export",
        "serve",
        "demo",
        "doctor",
    ):
        shown = run(words, "--help").output
        explained = shown[: shown.index("─")]
        assert explained.count("。") >= 1, words  # a sentence of Chinese beside the English
        assert explained.count(". ") + explained.count(".\n") >= 1, words


def test_check_sees_what_a_plan_drawn_by_hand_does_wrong(tmp_path: Path) -> None:
    area = write_area(tmp_path / "area.gpkg")

    def judged(codes: list[str], shapes: list[shapely.Geometry]) -> list[str]:
        hand = gpd.GeoDataFrame({"code": codes}, geometry=shapes, crs=CRS)
        hand.to_file(tmp_path / "hand.gpkg")
        report = tmp_path / "hand.json"
        done = run("check", area, tmp_path / "hand.gpkg", "--report", report, "--lower", 1)
        assert done.exit_code == (1 if done.output.count("not met") else 0)
        violations = json.loads(report.read_text())["violations"]
        return [f"{v['code']} {','.join(v['rows'])}" for v in violations]

    east = [box(100, 0, 200, 100)]
    assert judged(["C1-001", "C1-002"], [box(0, 0, 100, 100), *east]) == []
    # the border at x = 70 runs through a house, and the neighbours do not share their vertices there
    cut = [box(0, 0, 70, 100), box(70, 0, 100, 50), box(70, 50, 100, 100), *east]
    codes = ["C1-001", "C1-002", "C1-003", "C1-004"]
    assert "building_cut B" in judged(codes, cut)
    assert judged(["C1-001", "C2-002"], [box(0, 0, 100, 100), *east]) == ["code_foreign C2-002"]
    crossed = shapely.Polygon([(0, 0), (100, 100), (100, 0), (0, 100)])
    assert judged(["C1-001", "C1-002"], [crossed, *east])[0] == "gap C1"


def test_house_numbers_of_each_community_are_its_own(planned: Path, tmp_path: Path) -> None:
    """The sample and its likeness 2 km east, with the same ids: planned, checked, edited and redrawn."""
    area = tmp_path / "city.gpkg"
    for layer in ("community", "streets", "buildings", "compounds"):
        one = gpd.read_file(sample_path(), layer=layer)
        east = one.to_crs(4549)
        east = east.set_geometry(east.geometry.translate(2000)).to_crs(one.crs)
        if layer != "buildings":
            east["id"] = east["id"] + "E"
        if layer == "community":
            east["code"] = "999901001002"
        pyogrio.write_dataframe(pd.concat([one, east]), area, layer=layer, driver="GPKG")
    plan = tmp_path / "plan.gpkg"
    done = run("partition", area, "--out", plan, "--jobs", 1)
    assert done.exit_code == 0, done.output
    assert "each community has a building of its own by that id" in done.output
    grids, alone = (gpd.read_file(path, layer="grids") for path in (plan, planned / "plan.gpkg"))
    assert grids.groupby("community")["households"].sum().to_list() == [4413, 4413]
    assert grids["buildings"].sum() == 2 * alone["buildings"].sum()
    buildings = gpd.read_file(plan, layer="buildings")
    assert (buildings["grid"].str[:12] == ["999901001001"] * 226 + ["999901001002"] * 226).all()
    done = run("check", area, plan)
    assert done.exit_code == 0, done.output
    assert "drawn anew" not in done.output
    moved = buildings.index[buildings["grid"] == "999901001002001"][0]
    buildings.loc[moved, "grid"] = "999901001002002"
    edited = tmp_path / "edited.csv"
    buildings[["id", "grid"]].to_csv(edited, index=False)
    checked = tmp_path / "checked.gpkg"
    run("check", area, edited, "--out", checked)
    again = gpd.read_file(checked, layer="buildings")["grid"]
    assert (again[:226] == buildings["grid"][:226]).all()
    assert again[moved] == "999901001002002"
    done = run("redraw", plan, "--area", area, "--out", tmp_path / "new.gpkg")
    assert done.exit_code == 0, done.output
    assert "Nothing had to change" in done.output


@pytest.mark.parametrize(
    ("bounds", "code"), [((5000, 5500, 6000), "size_too_few"), ((295, 296, 297), "size_no_number")]
)
def test_check_knows_the_reasons_that_partition_gave(
    bounds: tuple[int, int, int], code: str, tmp_path: Path
) -> None:
    size = [part for pair in zip(("--lower", "--target", "--upper"), bounds, strict=True) for part in pair]
    plan, reports = tmp_path / "plan.gpkg", [tmp_path / "made.json", tmp_path / "checked.json"]
    assert run("partition", sample_path(), "--out", plan, "--report", reports[0], *size).exit_code == 0
    assert run("check", sample_path(), plan, "--report", reports[1], *size).exit_code == 0
    made, checked = (json.loads(report.read_text())["violations"] for report in reports)
    assert code in {violation["code"] for violation in made}
    assert checked == made
