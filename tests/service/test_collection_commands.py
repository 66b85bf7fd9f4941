"""`wangge collection`: a layer becomes a table behind its own policy."""

from __future__ import annotations

from pathlib import Path

import geopandas as gpd
import pandas as pd
import pytest
from shapely.geometry import Point
from sqlalchemy import text

from partition.errors import InputError
from service import db
from service.access import Role
from service.operating import OperatingError
from service.plans.publishing import read_layer_of
from service.store.added import Declaration, add_collection, read_collections, remove_collection
from service.store.errors import ConflictError, NotFoundError

pytestmark = pytest.mark.database


def stops(tmp_path: Path) -> Path:
    frame = gpd.GeoDataFrame(
        {
            "Name": ["东门", None, "西门"],
            "lines": [2, 5, 1],
            "wait": [1.5, None, 3.0],
            "opened": pd.to_datetime(["2020-01-01T08:00:00Z", None, "2021-05-06T00:00:00Z"]),
            "shelter": [True, False, True],
        },
        geometry=[Point(117.0, 30.0), None, Point(117.1, 30.1)],
        crs=4490,
    )
    path = tmp_path / "stops.gpkg"
    frame.to_file(path, layer="stops")
    return path


def test_a_layer_keeps_its_columns_kinds_and_values(scratch: db.Database, tmp_path: Path) -> None:
    layer, geometry_name = read_layer_of(stops(tmp_path))
    assert geometry_name == "geom"
    with scratch.owner.begin() as connection:
        assert add_collection(connection, layer, Declaration("bus_stops", "open", title_zh="公交站")) == 3
        [found] = read_collections(connection)
    assert {column.name: column.kind for column in found.columns} == {
        "Name": "string",
        "lines": "integer",
        "wait": "number",
        "opened": "date-time",
        "shelter": "boolean",
    }
    assert (found.shape, found.zh, found.en) == ("point", "公交站", "公交站")
    with db.transaction(scratch.app, role="public", scope=[db.EVERYWHERE]) as connection:
        rows = connection.execute(
            text(f"select c1, c2, c3, c5, st_astext(geom) from {found.table} order by id")  # noqa: S608
        ).all()
    assert rows == [
        ("东门", 2, 1.5, True, "POINT(117 30)"),
        (None, 5, None, False, None),
        ("西门", 1, 3.0, True, "POINT(117.1 30.1)"),
    ]


@pytest.mark.parametrize(
    ("sensitivity", "sees"),
    [
        ("open", set(Role)),
        ("internal", set(Role) - {Role.PUBLIC}),
        ("restricted", {Role.CENTRE}),
    ],
)
def test_the_sensitivity_says_who_sees_the_rows(
    scratch: db.Database, tmp_path: Path, sensitivity: str, sees: set[Role]
) -> None:
    layer, _ = read_layer_of(stops(tmp_path))
    with scratch.owner.begin() as connection:
        add_collection(connection, layer, Declaration("stops", sensitivity))  # type: ignore[arg-type]
        [found] = read_collections(connection)
    seen = set()
    for role in Role:
        with db.transaction(scratch.app, role=role.value, scope=[db.EVERYWHERE]) as connection:
            if connection.scalar(text(f"select count(*) from {found.table}")):  # noqa: S608
                seen.add(role)
    assert seen == sees


def test_a_change_is_a_new_version_of_the_collection(scratch: db.Database, tmp_path: Path) -> None:
    layer, _ = read_layer_of(stops(tmp_path))
    with scratch.owner.begin() as connection:
        add_collection(connection, layer, Declaration("stops", "open", writable=True))
        [found] = read_collections(connection)
    version = text("select coalesce(sum(version), 0) from collection_versions where collection = :name")
    with db.transaction(scratch.app, role="planner", scope=[db.EVERYWHERE]) as connection:
        before = connection.scalar(version, {"name": found.table})
        connection.execute(text(f"update {found.table} set c2 = 7"))  # noqa: S608
        assert connection.scalar(version, {"name": found.table}) == before + 1
        assert set(connection.scalars(text(f"select version from {found.table}"))) == {2}  # noqa: S608
    with db.transaction(scratch.app, role="planner", scope=["33"]) as connection:
        assert connection.execute(text(f"update {found.table} set c2 = 8")).rowcount == 0  # noqa: S608


def test_a_name_is_taken_once_and_free_again_when_removed(scratch: db.Database, tmp_path: Path) -> None:
    layer, _ = read_layer_of(stops(tmp_path))
    with scratch.owner.begin() as connection:
        add_collection(connection, layer, Declaration("stops", "open"))
        for name in ("stops", "grids"):
            with pytest.raises(ConflictError):
                add_collection(connection, layer, Declaration(name, "open"))
        remove_collection(connection, "stops")
        assert read_collections(connection) == ()
        assert not connection.scalar(text("select count(*) from pg_tables where schemaname = 'layers'"))
        with pytest.raises(NotFoundError):
            remove_collection(connection, "stops")


def test_personal_columns_are_refused_or_dropped(tmp_path: Path) -> None:
    frame = gpd.GeoDataFrame({"手机": ["13912345678"], "kind": ["a"]}, geometry=[Point(1, 2)], crs=4326)
    path = tmp_path / "people.gpkg"
    frame.to_file(path)
    with pytest.raises(InputError, match="手机"):
        read_layer_of(path)
    layer, _ = read_layer_of(path, drop_personal=True)
    assert list(layer.columns) == ["kind", "geometry"]


def test_a_file_of_several_layers_asks_which(tmp_path: Path) -> None:
    path = stops(tmp_path)
    gpd.read_file(path).to_file(path, layer="second")
    with pytest.raises(OperatingError, match="stops, second"):
        read_layer_of(path)
    assert len(read_layer_of(Path(f"{path}|layername=second"))[0]) == 3
