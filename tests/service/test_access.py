"""Who sees which rows and columns, as SQL. No database; what PostGIS then answers is tested with the API."""

from __future__ import annotations

import re

import pytest

from service.access import PUBLIC, STANDING, Principal, Role, access, may_see_exact, may_see_group
from service.db import migrations
from service.models import metadata
from service.privacy.disclosure import GroupRule, rules
from service.registry import COLLECTIONS

EVERYONE = [Principal(role) for role in Role]
CASES = COLLECTIONS["cases"]


def names(principal: Principal, collection: str) -> set[str]:
    allowed = access(principal, COLLECTIONS[collection])
    assert allowed is not None
    return {column.name for column, _ in allowed.columns}


def test_roles_are_those_of_the_row_policies() -> None:
    guards = "".join(path.read_text() for path in sorted(migrations().glob("versions/*guards.sql")))
    assert all(f"'{role.value}'" in guards for role in Role)
    assert set(STANDING) == set(Role)


@pytest.mark.parametrize("collection", COLLECTIONS.values(), ids=lambda c: c.name)
def test_every_column_of_the_registry_is_one_of_the_table(collection) -> None:  # type: ignore[no-untyped-def]
    table = metadata.tables[collection.table]
    texts = [collection.key, collection.geometry, collection.place, collection.rows, collection.begins]
    texts += [column.sql for column in collection.columns] + [column.guarded for column in collection.columns]
    for text in texts:
        for name in re.findall(r"\bt\.(\w+)", text):
            assert name in table.columns, (collection.name, name)
    assert all(column.zh and column.en for column in collection.columns)
    assert len({column.name for column in collection.columns}) == len(collection.columns)
    assert {column.least for column in collection.columns} <= set(Role)


@pytest.mark.parametrize("principal", EVERYONE, ids=lambda p: p.role.value)
@pytest.mark.parametrize("collection", COLLECTIONS.values(), ids=lambda c: c.name)
def test_every_parameter_is_bound_and_none_is_left_over(principal: Principal, collection) -> None:  # type: ignore[no-untyped-def]
    for who in (principal, Principal(principal.role, ("990000",), frozenset({"990000000001001"}), "x")):
        allowed = access(who, collection)
        assert allowed is not None
        text = " ".join([allowed.predicate, allowed.geometry, *(sql for _, sql in allowed.known)])
        named = set(re.findall(r"(?<!:):(\w+)", text))
        assert named == set(allowed.parameters)


@pytest.mark.parametrize("principal", EVERYONE, ids=lambda p: p.role.value)
def test_the_point_of_a_case_is_for_the_centre_and_the_responsible_worker(principal: Principal) -> None:
    allowed = access(principal, CASES)
    assert allowed is not None
    if principal.role is Role.CENTRE:
        assert allowed.geometry == "t.geom"
        assert {"grid", "building_id"} <= names(principal, "cases")
        assert "sensitive" not in allowed.parameters
    else:
        assert allowed.geometry == "t.place"
        assert not {"grid", "building_id"} & names(principal, "cases")
        assert "t.place is not null" in allowed.predicate
        assert "sensitive" in allowed.parameters


def test_a_worker_sees_points_in_his_own_grids_only() -> None:
    allowed = access(Principal(Role.GRID_WORKER, grids=frozenset({"b", "a"})), CASES)
    assert allowed is not None
    assert allowed.parameters["own_grids"] == ["a", "b"]
    assert allowed.geometry.startswith("case when coalesce(t.grid_code = any(:own_grids), false) then t.geom")
    by_name = {column.name: sql for column, sql in allowed.columns}
    assert by_name["building_id"].startswith("case when coalesce(t.grid_code = any(:own_grids), false)")


def test_the_public_sees_footprints_without_households() -> None:
    assert {"use", "grid"} <= names(PUBLIC, "buildings")
    assert not {"households", "residents", "floors", "estimated"} & names(PUBLIC, "buildings")
    assert {"households", "residents"} <= names(Principal(Role.PLANNER), "buildings")


def test_figures_of_small_grids_are_guarded_below_the_planner() -> None:
    for role in Role:
        allowed = access(Principal(role), COLLECTIONS["grids"])
        assert allowed is not None
        by_name = {column.name: sql for column, sql in allowed.columns}
        assert (":floor_households" in by_name["households"]) == (STANDING[role] < STANDING[Role.PLANNER])


def test_unpublished_communities_are_for_planners() -> None:
    for role in Role:
        for collection in COLLECTIONS.values():
            allowed = access(Principal(role), collection)
            assert allowed is not None
            published_only = "from published_divisions p" in allowed.predicate
            assert published_only == (STANDING[role] < STANDING[Role.PLANNER])


def test_a_scope_bounds_the_rows() -> None:
    allowed = access(Principal(Role.PLANNER, scope=("9900",)), COLLECTIONS["grids"])
    assert allowed is not None
    assert "t.division_code ^@ any(cast(:scope as text[]))" in allowed.predicate
    assert allowed.parameters["scope"] == ["9900"]


def test_exact_figures_of_groups() -> None:
    rule = rules().groups["disabled"]
    restricted = GroupRule("r", {"zh": "某", "en": "r"}, "restricted", 10, (10,), "centre", 20)
    worker = Principal(Role.GRID_WORKER, grids=frozenset({"001"}))
    assert may_see_exact(Principal(Role.CENTRE), rule, "001")
    assert not may_see_exact(Principal(Role.CENTRE), restricted, "001")
    assert may_see_exact(worker, rule, "001")
    assert not may_see_exact(worker, rule, "002")
    for role in (Role.PUBLIC, Role.CONSUMER, Role.PLANNER, Role.PRIVACY_OFFICER, Role.ADMIN):
        assert not may_see_exact(Principal(role, grids=frozenset({"001"})), rule, "001")
    assert not may_see_group(PUBLIC, rule)
    assert may_see_group(Principal(Role.PLANNER), rule)
    assert may_see_group(PUBLIC, rules().groups["floating"])


def test_sensitive_categories_are_found_by_word() -> None:
    assert rules().sensitive("domestic_violence")
    assert rules().sensitive("Neighbour DISPUTE")
    assert rules().sensitive("家庭纠纷调解")
    for category in (
        "邻里矛盾",
        "信访",
        "社区矫正",
        "吸毒人员",
        "独居老人探访",
        "未成年人保护",
        "残疾人服务",
    ):
        assert rules().sensitive(category)
    for category in (
        "车辆停放",
        "噪声扰民",
        "占道经营",
        "安全隐患",
        "路灯故障",
        "环境卫生",
        "违章搭建",
        "street_light",
    ):
        assert not rules().sensitive(category)
    assert not rules().sensitive("manhole_cover_missing")
    assert not rules().sensitive("井盖缺失")
