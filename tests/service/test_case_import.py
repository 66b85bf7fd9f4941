"""`wangge cases import`: files of cases become cases, all of them or none."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import typer
from click.testing import Result
from sqlalchemy import text
from typer.testing import CliRunner

from partition.errors import InputError
from partition.texts import catalogue
from service import db
from service.access import Principal, Role
from service.casework import hours_for
from service.commands import cases, terminal
from service.intake.case_file import CaseFile, read_cases
from service.store.case_imports import import_cases
from service.store.cases import list_steps, locate_cases
from service.store.places import place_cases

from .api import HIDDEN, fill
from .towns import CODE

pytestmark = pytest.mark.database

WHO = Principal(Role.ADMIN, subject="tester")
COLUMNS = "case_id, category, time, due_at, status, tier, building_id, grid_code, division_code"


@pytest.fixture(scope="module")
def town(module_database: db.Database) -> db.Database:
    """Two towns, one of them published."""
    fill(module_database)
    return module_database


@pytest.fixture
def extent(town: db.Database) -> tuple[float, float, float, float]:
    with town.owner.connect() as connection:
        row = connection.execute(
            text(
                "select st_xmin(g), st_ymin(g), st_xmax(g), st_ymax(g) from (select geom as g from divisions"
                " where code = :c) d"
            ),
            {"c": CODE},
        ).one()
    return tuple(row)


def frame(extent: tuple[float, float, float, float], count: int, mark: str) -> pd.DataFrame:
    west, south, east, north = extent
    shares = np.random.default_rng(7).uniform(0.02, 0.98, (count, 2))
    return pd.DataFrame(
        {
            "case_id": [f"{mark}{i}" for i in range(count)],
            "category": ["市容环境" if i % 2 else "消防\t隐患\\" for i in range(count)],
            "time": [f"2026-05-{1 + i % 28:02d} 08:30" for i in range(count)],
            "lon": west + shares[:, 0] * (east - west),
            "lat": south + shares[:, 1] * (north - south),
        }
    )


def bring(database: db.Database, file: CaseFile) -> list[tuple[str, float]]:
    told: list[tuple[str, float]] = []
    with database.owner.begin() as connection:
        import_cases(connection, WHO, file, lambda step, share: told.append((step, share)))
    return told


def test_cases_are_located_placed_and_announced_as_the_service_does_it(
    town: db.Database, extent: tuple[float, float, float, float], tmp_path: Path
) -> None:
    rows = frame(extent, 1200, "L")
    rows.to_csv(tmp_path / "cases.csv", index=False)
    with town.owner.connect() as connection:
        version = connection.scalar(
            text("select sum(version) from collection_versions where collection = 'cases'")
        )
    told = bring(town, read_cases(tmp_path / "cases.csv"))
    assert told[0] == ("locate", 0.0)
    assert told[-1] == ("cases", 1.0)
    with town.owner.begin() as connection:
        state = text(
            "select case_id, grid_code, st_astext(place) from cases where case_id like 'L%' order by id"
        )
        found = connection.execute(state).all()
        assert len(found) == 1200
        assert {grid for _, grid, _ in found} >= {f"{CODE}001", f"{CODE}002"}
        events = connection.execute(
            text(
                "select division_code, audience from events where kind = 'imported'"
                " and xid = (select max(xid) from events)"
            )
        ).all()
        # once for each kind of reader; those without an audience are for workers of the grids
        assert {division for division, _ in events} == {CODE}
        assert sorted(audience for _, audience in events if audience) == [["centre"], ["known"], ["open"]]
        # their first step is the import: one row for all of them
        rows = connection.scalars(text("select id from cases where case_id in ('L3', 'L4')")).all()
        (begun,) = list_steps(connection, rows[0])
        assert (begun.from_status, begun.to_status, begun.actor) == ("", "discovered", "tester")
        connection.execute(
            text("""
                insert into case_steps (division_code, case_row, from_status, to_status, to_tier, actor)
                values (:code, :row, 'discovered', 'filed', 'street', 'somebody')
            """),
            {"code": CODE, "row": rows[1]},
        )
        connection.execute(text("update cases set status = 'closed' where id = :row"), {"row": rows[1]})
        told = [(one.from_status, one.to_status, one.actor) for one in list_steps(connection, rows[1])]
        assert told == [("", "discovered", "tester"), ("discovered", "filed", "somebody")]
        assert connection.scalar(text("select count(*) from case_imports")) == 1
        # the service would find nothing to change
        assert locate_cases(connection, CODE) == 0
        connection.execute(text("update cases set place = null, place_era = null where case_id like 'L%'"))
        place_cases(connection, CODE)
        assert connection.execute(state).all() == found
        lines = connection.execute(text("select principal, details from audit where action = 'import'")).all()
        assert lines == [("tester", {"cases": 1200})]
        assert "audit.action-import" in catalogue("service")
        now = connection.scalar(
            text("select sum(version) from collection_versions where collection = 'cases'")
        )
        assert now > version
        row = connection.execute(
            text("select category, time, due_at, status, geom from cases where case_id = 'L0'")
        ).one()
        assert row.category == "消防\t隐患\\"
        assert row.time == datetime(2026, 5, 1, 0, 30, tzinfo=UTC)  # no zone: China's
        assert (row.due_at - row.time).total_seconds() == 3600 * hours_for(row.category)
        assert row.status == "discovered"


def test_keys_follow_what_everybody_sees(
    town: db.Database, extent: tuple[float, float, float, float], tmp_path: Path
) -> None:
    rows = frame(extent, 600, "O")
    rows["category"] = ["家庭纠纷" if i % 3 == 0 else "市容环境" for i in range(600)]
    rows.to_csv(tmp_path / "cases.csv", index=False)
    bring(town, read_cases(tmp_path / "cases.csv"))
    with town.owner.begin() as connection:
        found = connection.execute(
            text(
                "select id, category, st_y(place) as y, st_x(place) as x, time from cases"
                " where case_id like 'O%' order by id"
            )
        ).all()
        connection.execute(text("delete from cases where case_id like 'O%'"))
    shown = [row for row in found if row.category == "市容环境"]
    assert len(shown) == 400
    # neither borders of grids nor keys of withheld cases are between them
    assert shown[-1].id - shown[0].id == len(shown) - 1
    assert [row[2:] for row in shown] == sorted(row[2:] for row in shown)


def test_a_file_may_be_empty_and_repeat_an_id_only_where_it_says_where(
    town: db.Database, extent: tuple[float, float, float, float], tmp_path: Path
) -> None:
    rows = frame(extent, 3, "R")
    rows.head(0).to_csv(tmp_path / "cases.csv", index=False)
    assert bring(town, read_cases(tmp_path / "cases.csv")) == []
    rows["case_id"] = ["R0", "R1", "R0"]
    rows["community"] = [CODE, "", ""]
    rows.to_csv(tmp_path / "cases.csv", index=False, encoding="utf-8")
    file = read_cases(tmp_path / "cases.csv")
    with pytest.raises(InputError) as refused:
        bring(town, file)
    (finding,) = refused.value.findings
    assert (finding.code, finding.rows) == ("intake_id_repeated", ("#1", "#3"))


def test_a_layer_in_metres_with_chinese_names(
    town: db.Database, extent: tuple[float, float, float, float], tmp_path: Path
) -> None:
    with town.owner.connect() as connection:
        building, grid = connection.execute(
            text("select building_id, grid_code from buildings where division_code = :c order by id limit 1"),
            {"c": CODE},
        ).one()
    west, south, east, north = extent
    layer = gpd.GeoDataFrame(
        {
            "事件编号": ["G1", "G2"],
            "类别": ["路灯损坏", "噪声"],
            "上报时间": ["2026-05-01T08:30:00+08:00", "2026-05-02T00:00:00Z"],
            "截止时间": [None, "2026-06-01 12:00"],
            "状态": ["办结", "处理中"],
            "层级": ["street", None],
            "楼号": [building, None],
            "社区编码": [CODE, None],
        },
        geometry=gpd.points_from_xy([east - 1e-5, west + 1e-5], [north - 1e-5, south + 1e-5]),
        crs=4326,
    ).to_crs(4546)
    layer.to_file(tmp_path / "cases.gpkg", layer="事件")
    bring(town, read_cases(tmp_path / "cases.gpkg"))
    with town.owner.connect() as connection:
        rows = connection.execute(
            text(f"select {COLUMNS} from cases where case_id like 'G_' order by case_id")  # noqa: S608
        ).all()
    assert rows[0].grid_code == grid  # the building's, not that of the point in the far corner
    assert rows[0].status == "closed"
    assert rows[0].tier == "street"
    assert rows[0].time == datetime(2026, 5, 1, 0, 30, tzinfo=UTC)
    assert rows[1].due_at == datetime(2026, 6, 1, 4, tzinfo=UTC)
    assert rows[1].status == "dispatched"
    assert rows[1].building_id is None


def refused(path: Path, **options: object) -> dict[tuple[str, str], tuple[str, ...]]:
    with pytest.raises(InputError) as caught:
        read_cases(path, **options)  # type: ignore[arg-type]
    for finding in caught.value.findings:
        assert finding.text("zh") != finding.text("en")
    return {(finding.code, finding.column): finding.rows for finding in caught.value.findings}


def test_all_faults_are_named_together_by_their_rows(
    extent: tuple[float, float, float, float], tmp_path: Path
) -> None:
    rows = frame(extent, 8, "W").astype({"lon": object})
    rows["status"] = ["", "closed", "fast", "", "", "", "", ""]
    rows["tier"] = ["", "", "", "moon", "", "", "", ""]
    rows.loc[1, "case_id"] = "W0"
    rows.loc[4, "time"] = "yesterday"
    rows.loc[5, "category"] = " "
    rows.loc[6, "lon"] = "far"
    rows.loc[7, "lon"] = 1000.0
    rows.to_csv(tmp_path / "wrong.csv", index=False)
    assert refused(tmp_path / "wrong.csv") == {
        ("intake_id_repeated", "id"): ("#1", "#2"),
        ("case_word_unknown", "status"): ("#3",),
        ("case_word_unknown", "tier"): ("#4",),
        ("intake_time_wrong", "time"): ("#5",),
        ("intake_value_missing", "category"): ("#6",),
        ("case_point_wrong", ""): ("#7", "#8"),
    }


def test_a_file_without_ids_or_with_people_is_refused(
    extent: tuple[float, float, float, float], tmp_path: Path
) -> None:
    rows = frame(extent, 3, "P")
    rows.drop(columns=["case_id", "lon"]).to_csv(tmp_path / "bare.csv", index=False)
    assert ("intake_column_missing", "id") in refused(tmp_path / "bare.csv")
    rows.drop(columns="lon").to_csv(tmp_path / "nowhere.csv", index=False)
    assert list(refused(tmp_path / "nowhere.csv")) == [("intake_column_missing", "lon, lat")]
    rows.assign(姓名="甲").to_csv(tmp_path / "people.csv", index=False)
    assert list(refused(tmp_path / "people.csv")) == [("personal_refused", "姓名")]
    assert len(read_cases(tmp_path / "people.csv", drop_personal=True)) == 3
    named = rows.rename(columns={"case_id": "nr"})
    named.to_csv(tmp_path / "named.csv", index=False)
    assert list(read_cases(tmp_path / "named.csv", columns={"id": "nr"}).ids) == ["P0", "P1", "P2"]


def test_the_command_imports_once_and_nothing_in_part(
    town: db.Database,
    extent: tuple[float, float, float, float],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("WANGGE_DATABASE_URL", town.app.url.render_as_string(hide_password=False))
    monkeypatch.setenv("WANGGE_OWNER_DATABASE_URL", town.owner.url.render_as_string(hide_password=False))
    monkeypatch.setenv("WANGGE_LANG", "en")
    monkeypatch.setenv("COLUMNS", "300")
    terminal.terminal.cache_clear()
    app = typer.Typer()
    cases.add_to(app)

    def run(file: str, code: int) -> Result:
        result = CliRunner().invoke(app, ["cases", "import", str(tmp_path / file)])
        assert result.exit_code == code, result.output
        return result

    def count() -> int:
        with town.owner.connect() as connection:
            return int(connection.scalar(text("select count(*) from cases where case_id like 'C%'")) or 0)

    rows = frame(extent, 5, "C")
    rows.to_csv(tmp_path / "one.csv", index=False)
    assert "5 cases" in run("one.csv", 0).output
    assert count() == 5
    more = frame(extent, 7, "C")  # five of them are there
    more.to_csv(tmp_path / "two.csv", index=False)
    output = run("two.csv", 2).output
    assert "#1, #2, #3, #4, #5 " in output
    assert count() == 5
    away = frame(extent, 7, "CX")
    away.loc[3, "lat"] = 10.0
    away.to_csv(tmp_path / "away.csv", index=False)
    assert "#4 lie in no community" in run("away.csv", 2).output
    astray = frame(extent, 2, "CY").assign(community=["", HIDDEN])
    astray.to_csv(tmp_path / "astray.csv", index=False)
    assert "#2 lie in no community" in run("astray.csv", 2).output
    assert count() == 5


def test_who_brought_cases_is_told_to_those_who_see_them_whole(
    town: db.Database, extent: tuple[float, float, float, float]
) -> None:
    with town.owner.begin() as connection:
        connection.execute(text("insert into case_imports (actor) values ('of nothing')"))
        number = connection.scalar(
            text("insert into case_imports (actor) values ('an importer') returning id")
        )
        connection.execute(
            text("""
                insert into cases (division_code, case_id, category, time, geom, place, grid_code, import_id)
                select code, 'brought', 'rubbish', now(), st_pointonsurface(geom), st_pointonsurface(geom),
                    :grid, :number from divisions where code = :code
            """),
            {"code": CODE, "grid": f"{CODE}001", "number": number},
        )
    told = {}
    for role, scope, grid in (
        ("centre", db.EVERYWHERE, ""),
        ("centre", HIDDEN, ""),
        ("grid_worker", CODE, f"{CODE}001"),
        ("grid_worker", CODE, f"{CODE}002"),
        ("grid_worker", HIDDEN, f"{CODE}001"),
        ("planner", CODE, ""),
    ):
        with db.transaction(town.app, role=role, scope=[scope], grids=[grid] if grid else []) as connection:
            told[role, scope, grid[-1:]] = set(connection.scalars(text("select actor from case_imports")))
    for (role, scope, grid), actors in told.items():
        seen = scope != HIDDEN and (role == "centre" or grid == "1")
        assert ("an importer" in actors) == seen, (role, scope, grid)
        assert "of nothing" not in actors
