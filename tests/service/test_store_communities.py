"""Areas into the database and back."""

from __future__ import annotations

from dataclasses import replace

import geopandas as gpd
import numpy as np
import pyproj
import pytest
from sqlalchemy import Connection, func, select, text

from partition.errors import InputError
from service import models
from service.intake.layers import check_layers
from service.store.communities import find_community, list_communities, load_area, read_area
from service.store.errors import NotFoundError

from .towns import CODE, make_layers, make_town, shapes_of

pytestmark = pytest.mark.database

LOADED = (
    "divisions",
    "streets",
    "compounds",
    "zones",
    "buildings",
    "facilities",
    "population_groups",
    "grid_staff",
    "cases",
)


def content(connection: Connection) -> dict[str, list[tuple[object, ...]]]:
    """Everything in the tables that a load writes, ids and versions too."""
    return {
        name: [tuple(row) for row in connection.execute(text(f"select * from {name} order by id"))]  # noqa: S608
        for name in LOADED
    }


def test_households_in_the_database_are_those_of_the_area(connection: Connection) -> None:
    area = make_town()
    loaded = load_area(connection, area, make_layers(area))
    b = models.buildings.c
    total, known = connection.execute(
        select(func.sum(b.households), func.count().filter(~b.households_unknown))
    ).one()
    assert total == area.buildings["households"].sum() > 0
    assert known == (~area.buildings["unknown"]).sum()
    assert loaded.changes["buildings"].added == len(area.buildings)
    assert loaded.divisions == (CODE,)


def test_the_same_area_twice_changes_nothing(connection: Connection) -> None:
    area = make_town()
    layers = make_layers(area)
    load_area(connection, area, layers)
    before = content(connection)
    again = load_area(connection, area, layers)
    assert content(connection) == before
    assert all(before.values())
    assert all(not (c.added or c.changed or c.removed) for c in again.changes.values())


def test_invented_data_stay_marked_until_told_otherwise(connection: Connection) -> None:
    def marks() -> tuple[object, ...]:
        d = models.divisions.c
        return tuple(connection.execute(select(d.synthetic, d.attribution)).one())

    area = make_town()
    load_area(connection, area)
    assert marks() == (False, "")
    load_area(connection, area, synthetic=True, attribution="ours")
    again = load_area(connection, area)
    assert marks() == (True, "ours")
    assert again.changes["community"].changed == 0
    load_area(connection, area, synthetic=False, attribution="")
    assert marks() == (False, "")


def test_a_changed_area_replaces_only_what_changed(connection: Connection) -> None:
    area = make_town()
    load_area(connection, area, make_layers(area))
    before: dict[str, int] = dict(
        connection.execute(text("select building_id || part, version from buildings")).all()
    )
    buildings = area.buildings.copy()
    buildings.loc[1, "households"] += 5
    change = load_area(connection, replace(area, buildings=buildings.iloc[:-1])).changes["buildings"]
    assert (change.added, change.changed, change.removed) == (0, 1, 1)
    after: dict[str, int] = dict(
        connection.execute(text("select building_id || part, version from buildings")).all()
    )
    changed = f"{area.buildings['id'].iloc[1]}0"
    assert {key for key in after if after[key] != before[key]} == {changed}
    assert after[changed] == before[changed] + 1


def test_layers_that_are_not_given_stay(connection: Connection) -> None:
    area = make_town()
    load_area(connection, area, make_layers(area))
    load_area(connection, area)
    counts = {name: len(rows) for name, rows in content(connection).items()}
    assert counts["cases"] == 60
    assert counts["facilities"] == 2
    assert counts["grid_staff"] == 3
    assert counts["population_groups"] == 40


def test_cases_are_added_and_never_removed(connection: Connection) -> None:
    area = make_town()
    load_area(connection, area, make_layers(area, cases=30))
    change = load_area(connection, area, make_layers(area, cases=10)).changes["cases"]
    assert change.removed == 0
    assert connection.scalar(select(func.count()).select_from(models.cases)) == 30


def test_an_area_comes_back_as_it_was(connection: Connection) -> None:
    area = make_town()
    load_area(connection, area, make_layers(area))
    back = read_area(connection, CODE)
    assert back.crs == area.crs
    assert back.source_crs == area.source_crs
    for name in ("communities", "streets", "buildings", "compounds", "zones"):
        was, now = getattr(area, name), getattr(back, name)
        assert shapes_of(now) == shapes_of(was), name
        assert list(now.columns) == list(was.columns)
        for column in was.columns.drop("geometry"):
            np.testing.assert_array_equal(
                now[column].to_numpy(), was[column].to_numpy(), err_msg=f"{name}.{column}"
            )
    assert len(back.original_buildings) == len(area.buildings)


def test_a_geographic_source_comes_back_with_its_crs(connection: Connection) -> None:
    town = make_town()
    area = replace(town, source_crs=pyproj.CRS.from_epsg(4490))
    load_area(connection, area)
    back = read_area(connection, CODE)
    assert back.source_crs.to_epsg() == 4490
    assert back.original_buildings.crs.to_epsg() == 4490


def test_an_edited_geometry_is_read_as_edited(connection: Connection) -> None:
    area = make_town()
    load_area(connection, area)
    connection.execute(text("update buildings set geom = st_translate(geom, 0.00001, 0) where ordinal = 0"))
    moved = (
        read_area(connection, CODE).buildings.geometry.iloc[0].centroid.x
        - area.buildings.geometry.iloc[0].centroid.x
    )
    assert 0.9 < moved < 1.0  # metres: 0.00001° of longitude at 31° north
    assert shapes_of(read_area(connection, CODE).buildings.iloc[1:]) == shapes_of(area.buildings.iloc[1:])


def test_two_communities_side_by_side_are_kept_apart(connection: Connection) -> None:
    west, east = make_town(), make_town(code="990101001002", name="东社区", east_m=360.0)
    load_area(connection, west)
    load_area(connection, east)
    listed = {row["code"]: row["households"] for row in list_communities(connection)}
    assert listed == {
        CODE: west.buildings["households"].sum(),
        "990101001002": east.buildings["households"].sum(),
    }
    # the neighbour's streets are near, and come along; its buildings do not
    back = read_area(connection, CODE)
    assert len(back.streets) > len(west.streets)
    assert len(back.buildings) == len(west.buildings)


def test_a_community_loaded_over_another_is_told(connection: Connection) -> None:
    beside, over = "990101001002", "990101001003"
    load_area(connection, make_town())
    assert load_area(connection, make_town(code=beside, east_m=5000)).findings == ()
    assert load_area(connection, make_town()).findings == ()
    (finding,) = load_area(connection, make_town(code=over)).findings
    assert (finding.code, finding.rows) == ("load_overlap", (over, CODE))
    assert finding.values["area_m2"] == pytest.approx(make_town().communities.area.sum(), rel=0.01)


def test_a_community_is_found_by_code_id_or_name(connection: Connection) -> None:
    with pytest.raises(NotFoundError, match="no community in the database"):
        find_community(connection, "c1")
    load_area(connection, make_town())
    assert [find_community(connection, name) for name in (CODE, "c1", "测试社区")] == [CODE] * 3
    with pytest.raises(NotFoundError, match=CODE):
        find_community(connection, "elsewhere")


def test_groups_take_their_key(connection: Connection) -> None:
    area = make_town()
    load_area(connection, area, make_layers(area))
    assert connection.scalars(text("select distinct category from population_groups")).all() == [
        "elderly_alone"
    ]


@pytest.mark.parametrize(
    ("column", "value", "code"),
    [
        ("status", "melted", "intake_status_unknown"),
        ("time", "yesterday", "intake_time_wrong"),
        ("time", None, "intake_time_wrong"),
        ("category", "", "intake_value_missing"),
        ("building", "B-404", "intake_case_nowhere"),
        ("id", "990101199001011234", "intake_identity_number"),
    ],
)
def test_faulty_cases_are_refused_by_row(column: str, value: object, code: str) -> None:
    area = make_town()
    good = {
        "id": "k1",
        "category": "rubbish",
        "time": "2026-01-01 08:00",
        "status": "open",
        "building": area.buildings["id"][0],
    }
    frame = gpd.GeoDataFrame([good, good | {"id": "k2"} | {column: value}])
    with pytest.raises(InputError) as caught:
        check_layers({"cases": frame}, area)
    assert [finding.code for finding in caught.value.findings] == [code]
    assert caught.value.findings[0].rows == (("990101199001011234",) if column == "id" else ("k2",))
