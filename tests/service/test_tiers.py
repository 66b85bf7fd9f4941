"""Tiers above and below the grids: kept with their plan, in force with its grids, following its edits."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import shapely
from shapely.geometry import shape

from partition.tiers.levels import Ask
from service.access import Role
from service.plans.planning import plan_community
from service.postgres.cluster import Cluster
from service.store.grids import publish_plan

from .api import PROFILE, Served, serve_town
from .towns import CODE

pytestmark = pytest.mark.database

ASKS = (Ask(number=2), Ask(number=16))
ROLES = tuple(Role)


@pytest.fixture(scope="module")
def town(cluster: Cluster) -> Iterator[Served]:
    """A published town whose grids lie in two areas and are divided into small grids."""
    with serve_town(cluster, "wangge_template", "wangge_tiers") as running:
        publish(running, tiers=ASKS)
        yield running


def publish(town: Served, **options: Any) -> int:
    """A new plan of the town, in force."""
    made = plan_community(town.database.owner, CODE, PROFILE, **options)
    with town.database.owner.begin() as connection:
        publish_plan(connection, made.plan)
    return made.plan


def features(
    client: httpx.Client, path: str = "/collections/tiers/items", **query: Any
) -> list[dict[str, Any]]:
    answer = client.get(path, params={"limit": 1000, **query})
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["features"]
    return found


def of_level(found: list[dict[str, Any]], level: int) -> list[dict[str, Any]]:
    return [one for one in found if one["properties"]["level"] == level]


def test_tiers_come_into_force_with_their_grids(town: Served) -> None:
    client = town.client(Role.PLANNER)
    tiers, grids = features(client), features(client, "/collections/grids/items")
    areas, small = of_level(tiers, -1), of_level(tiers, 1)
    shapes = {one["id"]: shape(one["geometry"]) for one in grids}
    held = {one["id"]: one["properties"] for one in grids}
    assert len(areas) == 2
    assert len(areas) + len(small) == len(tiers)
    assert len(small) >= len(grids)
    codes = [code for one in areas for code in one["properties"]["grids"].split()]
    assert sorted(codes) == sorted(shapes)
    for one in areas:
        told, members = one["properties"], one["properties"]["grids"].split()
        union = shapely.union_all([shapes[code] for code in members])
        assert shape(one["geometry"]).symmetric_difference(union).area < 1e-12
        for name in ("households", "residents", "buildings", "buildings_unknown"):
            assert told[name] == pytest.approx(sum(held[code][name] for code in members)), name
        assert told["name_zh"] in ("第1片区", "第2片区")
        assert told["parent"] is None
        assert told["code"] is None
    for code, grid in shapes.items():
        parts = [one for one in small if one["properties"]["parent"] == code]
        union = shapely.union_all([shape(one["geometry"]) for one in parts])
        assert union.symmetric_difference(grid).area < 1e-12
        assert sum(one["properties"]["households"] for one in parts) == held[code]["households"]
        assert [one["properties"]["code"] for one in parts] == [
            f"{code}{place + 1:02}" for place in range(len(parts))
        ]
        assert parts[0]["properties"]["name_zh"] == f"{code[-3:]}网格第1微网格"
        assert parts[0]["properties"]["key"] == f"{code}.1"
