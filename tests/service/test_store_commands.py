"""The commands on the store, as a person types them, on a database of their own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pyogrio
import pytest
import typer
from click.testing import Result
from sqlalchemy import text
from typer.testing import CliRunner

from partition.texts import catalogue
from service.commands import store, terminal
from service.db import Database
from service.models import PLAN_STATUSES

from .towns import CODE, make_layers, make_town

pytestmark = pytest.mark.database

Wangge = Callable[..., Result]


@pytest.fixture
def wangge(scratch: Database, monkeypatch: pytest.MonkeyPatch) -> Wangge:
    """The command line on a fresh database."""
    monkeypatch.setenv("WANGGE_DATABASE_URL", scratch.app.url.render_as_string(hide_password=False))
    monkeypatch.setenv("WANGGE_OWNER_DATABASE_URL", scratch.owner.url.render_as_string(hide_password=False))
    monkeypatch.setenv("WANGGE_LANG", "en")
    monkeypatch.setenv("COLUMNS", "200")
    terminal.terminal.cache_clear()
    app = typer.Typer()
    store.add_to(app)
    runner = CliRunner()

    def run(*arguments: object, exit_code: int = 0) -> Result:
        result = runner.invoke(app, [str(argument) for argument in arguments])
        assert result.exit_code == exit_code, result.output
        return result

    return run


@pytest.fixture(scope="module")
def town_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The town as a GeoPackage with every layer."""
    path = tmp_path_factory.mktemp("town") / "town.gpkg"
    area = make_town()
    layers = make_layers(area)
    assert layers.facilities is not None
    assert layers.cases is not None
    assert layers.population_groups is not None
    assert layers.staff is not None
    known = area.buildings["households"].where(~area.buildings["unknown"])
    buildings = area.buildings.assign(households=known.astype("Int64"))
    # the other rows of a building repeat its households, as files do
    buildings["households"] = buildings.groupby("id")["households"].transform("first")
    frames = {
        "community": area.communities,
        "streets": area.streets,
        "buildings": buildings[["id", "households", "residents", "use", "floors", "geometry"]],
        "compounds": area.compounds,
        "facilities": layers.facilities.drop(columns="division"),
        "cases": layers.cases.drop(columns=["division", "due"]),
        "population_groups": layers.population_groups.drop(columns="division"),
        "staff": layers.staff.drop(columns="division").rename(columns={"assigned": "grid"}),
    }
    for name, frame in frames.items():
        pyogrio.write_dataframe(frame, path, layer=name, driver="GPKG", append=path.exists())
    return path


def test_every_status_of_a_plan_has_its_word() -> None:
    for lang in ("zh", "en"):
        words = {catalogue("service").say(f"plan-status.{status}", lang) for status in PLAN_STATUSES}
        assert len(words) == len(PLAN_STATUSES)


def test_from_file_to_file(
    wangge: Wangge, town_file: Path, scratch: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded = wangge("load", town_file)
    assert f"Loaded {CODE}" in loaded.output
    assert f"wangge plan {CODE}" in loaded.output
    with scratch.owner.connect() as connection:
        expected = make_town().buildings["households"].sum()
        assert connection.scalar(text("select sum(households) from buildings")) == expected
        assert connection.scalar(text("select count(*) from cases")) == 60
    assert CODE in wangge("communities").output

    planned = wangge("plan", "c1", "--lower", 200, "--target", 300, "--upper", 400, "--author", "甲")
    assert "Plan 1:" in planned.output
    assert f"{expected} households" in planned.output
    published = wangge("publish", 1)
    assert "Plan 1 is published" in published.output
    assert "nothing changed" in wangge("publish", 1).output
    assert "published" in wangge("plans", CODE).output
    monkeypatch.setenv("WANGGE_LANG", "zh")
    terminal.terminal.cache_clear()
    in_chinese = wangge("plans", CODE).output
    assert "已发布" in in_chinese
    assert "published" not in in_chinese
    monkeypatch.setenv("WANGGE_LANG", "en")
    terminal.terminal.cache_clear()

    out = tmp_path / "grids.gpkg"
    assert str(out) in wangge("export", 1, "--out", out).output.replace("\n", "")
    grids = pyogrio.read_dataframe(out, layer="grids")
    assert grids["households"].sum() == expected
    with scratch.owner.connect() as connection:
        assert set(grids["code"]) == set(
            connection.scalars(text("select code from grids where valid_to is null"))
        )


def test_what_does_not_exist_is_named(wangge: Wangge, town_file: Path, tmp_path: Path) -> None:
    assert "no community in the database" in wangge("plan", "c1", exit_code=2).output
    wangge("load", town_file)
    unknown = wangge("plan", "elsewhere", exit_code=2).output
    assert "elsewhere" in unknown
    assert f"{CODE} (测试社区)" in unknown
    assert "no plan 9" in wangge("publish", 9, exit_code=2).output
    assert "no plan 9" in wangge("export", 9, "--out", tmp_path / "x.gpkg", exit_code=2).output
    assert list(tmp_path.iterdir()) == []


def test_a_wrong_call_is_told_before_any_work(wangge: Wangge, tmp_path: Path) -> None:
    assert "x.dwg" in wangge("export", 1, "--out", tmp_path / "x.dwg", exit_code=2).output.replace("\n", "")
    wangge("load", tmp_path / "absent.gpkg", exit_code=2)
    wangge("load", tmp_path / "absent.gpkg", "--map", "households", exit_code=2)


def test_faults_in_any_layer_load_nothing(
    wangge: Wangge, town_file: Path, scratch: Database, tmp_path: Path
) -> None:
    broken = tmp_path / "broken.gpkg"
    broken.write_bytes(town_file.read_bytes())
    cases = pyogrio.read_dataframe(broken, layer="cases")
    cases.loc[3, "status"] = "melted"
    pyogrio.write_dataframe(cases, broken, layer="cases", driver="GPKG", append=False)
    said = wangge("load", broken, exit_code=2).output
    assert "melted" in said
    assert "k3" in said
    assert "broken.gpkg" in said.replace("\n", "")
    with scratch.owner.connect() as connection:
        assert connection.scalar(text("select count(*) from divisions")) == 0


@pytest.mark.parametrize(("name", "value"), [("WANGGE_PORT", "abc"), ("WANGGE_LANG", "fr")])
def test_a_setting_that_cannot_be_is_named(
    wangge: Wangge, name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    said = wangge("plans", exit_code=2).output
    assert name in said
    assert value in said


def test_tiers_asked_for_are_kept_published_and_written(
    wangge: Wangge, town_file: Path, scratch: Database, tmp_path: Path
) -> None:
    wangge("load", town_file)
    size = ("--lower", 200, "--target", 300, "--upper", 400)
    planned = wangge("plan", "c1", *size, "--tier", "片区=2", "--tier", "30")
    assert "片区" in planned.output
    wangge("publish", 1)
    out = tmp_path / "plan.gpkg"
    wangge("export", 1, "--out", out)
    tiers = pyogrio.read_dataframe(out, layer="tiers")
    grids = pyogrio.read_dataframe(out, layer="grids")
    areas = tiers[tiers["level"] == -1]
    assert list(areas["name_zh"]) == ["第1片区", "第2片区"]
    assert sorted(" ".join(areas["grids"]).split()) == sorted(grids["code"])
    assert set(tiers.loc[tiers["level"] == 1, "grids"]) == set(grids["code"])
    assert tiers.crs == grids.crs
    with scratch.owner.connect() as connection:
        assert connection.scalar(text("select count(*) from tiers where valid_to is null")) == len(tiers)
    assert "NUMBER" in wangge("plan", "c1", "--tier", "many", exit_code=2).output
