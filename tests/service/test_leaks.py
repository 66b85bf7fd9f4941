"""No answer tells what the asking role may not see: routes × roles × forms, filters, orders, counts, tiles.

Routes are those of the application, so what is added to it is asked too. Two kinds of proof:

- Nothing changes for whoever may not see it. Hidden rows, columns and counts are changed in the database, and
  every answer (body, ETag, status) stays the same to the last byte.
- What is there is what an oracle of this file's own finds in the raw tables.
"""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import quote

import httpx
import pytest
from fastapi.routing import APIRoute
from sqlalchemy import text

from partition.wishes.policy import Profile, Size
from service.access import Role
from service.centre import place
from service.exports.formats import FORMATS
from service.main import ROOMS
from service.plans.planning import plan_community
from service.postgres.cluster import Cluster
from service.store.grids import publish_plan

from .api import HIDDEN, TIERS, Served, fill, serve
from .conftest import own_database
from .towns import CODE

pytestmark = pytest.mark.database

SENSITIVE = re.compile("dispute|suicide|家庭|纠纷", re.IGNORECASE)  # of the categories in this town
LEVEL = 16
# what is a page of its own for people, made of the same answer
LISTS = ("/centre", "/plans", "/plans/{plan}", "/plans/{plan}/revisions", "/jobs", "/staff", "/cases/overdue")
# paths that are no reading of data: a stream without end, a file of our own, the way in
APART = {
    "/static/{name:path}": "files",
    "/guide": "a way to the guide",
    "/guide/{name:path}": "files of the guide, the same for everybody",
    "/login": "the way in",
    "/session": "who asks",
    "/metrics": "the process's own measures, for administrators; see test_upkeep",
    "/events": "a stream; what it tells is read through the access function, see test_events",
}


@dataclass
class World:
    """A town with an archived publication, a draft, hidden cases, and an unpublished neighbour."""

    served: Served
    own: str  # the grid worker's grid
    clients: dict[Role, httpx.Client]
    samples: dict[str, list[str]]
    asked: int = 0


@pytest.fixture(scope="module")
def world(cluster: Cluster) -> Iterator[World]:
    with contextmanager(own_database)(cluster) as database:
        area = fill(database)
        other = Profile("other", Size("households", 250, 350, 450))
        planned = plan_community(database.owner, CODE, other, tiers=TIERS)
        with database.owner.begin() as connection:
            publish_plan(connection, planned.plan)
        draft = plan_community(database.owner, CODE, other, tiers=TIERS, author="a planner")
        with pytest.MonkeyPatch.context() as patch, serve(database, area) as served:
            # answers that tell of the last days would change by themselves
            now = datetime.now(UTC)
            patch.setattr(place, "read_clock", lambda: now)
            yield _world(served, draft.plan)


def _world(served: Served, draft: int) -> World:
    own = served.rows("select min(grid_code) from cases where category = 'dispute'")[0][0]
    clients = {
        role: served.client(role, grids=frozenset({own}) if role is Role.GRID_WORKER else frozenset())
        for role in Role
    }
    west, south, east, north = served.rows(
        "select st_xmin(e), st_ymin(e), st_xmax(e), st_ymax(e) from (select st_extent(geom) e from grids) g"
    )[0]
    column = int((west + 180) / 360 * 2**LEVEL)
    row = int((1 - math.asinh(math.tan(math.radians((south + north) / 2))) / math.pi) / 2 * 2**LEVEL)
    box = f"{west},{south},{(west + east) / 2},{(south + north) / 2}"
    archived = served.rows("select min(code) from grids where valid_to is not null")[0][0]
    began = served.rows("select min(valid_from) from grids")[0][0].isoformat().replace("+00:00", "Z")
    samples = {
        "name": ["grids", "tiers", "buildings", "streets", "facilities", "cases", "compounds", "communities"],
        "key": [],  # by collection
        "community": [CODE, HIDDEN],
        "division": [CODE, HIDDEN],
        "matrices": ["WebMercatorQuad"],
        "level": [str(LEVEL)],
        "row": [str(row)],
        "column": [str(column), str(column + 1)],
        "plan": [str(draft), "1"],
        "code": [own, archived],
        "grid": [own],
        "kind": ["clinic"],
        "job": [_job(served)],
        "process": ["partition"],
        "method": ["gi", "moran", "rates", "scan", "recent", "compare"],
        "lon": [str((west + east) / 2)],
        "lat": [str((south + north) / 2)],
        "box": [box],
        "archived": [archived],
        "began": [began],
    }
    return World(served, own, clients, samples)


def told(size: str) -> None:
    """Print how much was asked, past pytest's capture where it is not wanted (`-s`)."""
    sys.stdout.write(f"\n{size}\n")


def _job(served: Served) -> str:
    """The key of a partition run that a planner asked for."""
    with served.database.owner.begin() as connection:
        connection.execute(
            text("""insert into runs (division_code, key, process, status, requester, message)
                    values (:code, 'a-run', 'partition', 'dismissed', 'a planner', 'for planners')"""),
            {"code": CODE},
        )
    return "a-run"


# --- which addresses there are ---


def routes() -> list[APIRoute]:
    """Every route that reads, as the application has them."""
    found = [route for room in ROOMS for route in room.router.routes if isinstance(route, APIRoute)]
    return [route for route in found if "GET" in (route.methods or ()) and route.path not in APART]


def addresses(world: World) -> list[tuple[str, str]]:
    """Each route's path with the addresses that it is asked at."""
    found: list[tuple[str, str]] = []
    for route in routes():
        for path in _filled(world, route.path):
            found += [(route.path, path + query) for query in _queries(world, route, path)]
    return found


def _filled(world: World, template: str) -> list[str]:
    paths = [template]
    for name in re.findall(r"\{(\w+)", template):
        pattern = re.compile(rf"\{{{name}(:\w+)?\}}")
        made = []
        for path in paths:
            values = world.samples.get("process" if template.startswith("/processes") else name)
            if name == "key":
                values = _keys(world, path)
            assert values is not None, f"{template}: no sample of {name}; add one to _world"
            made += [pattern.sub(quote(value, safe=":"), path) for value in values]
        paths = made
    return paths


def _keys(world: World, path: str) -> list[str]:
    """Feature ids: visible ones, a hidden one, and one of a version that ended."""
    name = path.split("/")[2] if path.startswith("/collections/") else "cases"
    samples = {
        "grids": [world.own, world.samples["archived"][0]],
        "tiers": [f"{CODE}:above1-1", f"{CODE}:{world.own}.1"],
        "cases": [f"{CODE}:k1", f"{CODE}:k0", f"{CODE}:k9"],  # every third is a dispute
        "buildings": [f"{CODE}:001-00-0", f"{CODE}:001-00-0~1", f"{HIDDEN}:002-00-0"],
        "communities": [CODE, HIDDEN],
    }
    return samples.get(name, [f"{CODE}:1", f"{CODE}:f1"])


def _queries(world: World, route: APIRoute, path: str) -> list[str]:
    """What is asked at a path: forms, and at features also filters, orders, counts, times and boxes."""
    required = ""
    for parameter in _required(route):
        assert parameter in world.samples, f"{route.path}: no sample of {parameter}; add one to _world"
        required += f"&{parameter}={world.samples[parameter][0]}"
    plain = [f"?lang=en{required}"]
    if route.path.endswith("/reach"):
        plain.append("?kind=camera&minutes=1,3&pace=60")
    if route.path.endswith("/siting"):
        plain += [f"?kind=clinic&minutes=1&aim={aim}" for aim in ("coverage", "walk")]
    if route.path.endswith("/statistics/{method}"):
        span = "datetime=2026-01-01/2026-03-01"
        plain += [f"?{span}&units=cells&cell=60&rate=households", f"?{span}&units=grids&rate=residents"]
    if route.path == "/figures":
        plain += [f"?division={HIDDEN}", f"?division={CODE}&category=disabled&lang=zh"]
    if route.path.startswith("/collections/{name}/items") or route.path in LISTS:
        plain.append("?f=html&lang=zh")
    if route.path == "/collections/{name}/export":
        return plain + [f"?{query}" for query in _exports(world, path.split("/")[2])]
    if route.path == "/centre/{division}/compare":
        sides = [("plan:1", f"plan:{world.samples['plan'][0]}"), ("2026-01", "2026-02")]
        told = [f"?left={left}&right={right}&lang=zh" for left, right in sides]
        return [*plain, *told, f"{told[1]}&category=dispute", f"{told[1]}&rate=households"]
    if route.path.startswith("/centre/"):
        return plain + [f"?{query}" for query in _views(world, route.path)]
    if route.path != "/collections/{name}/items":
        return plain
    name = path.split("/")[2]
    box = quote(world.samples["box"][0])
    asked = [
        "limit=10000",
        "count=true&limit=1",
        f"bbox={box}&count=true",
        "limit=7&offset=3",
        "limit=3&f=html",
    ]
    if name == "grids":
        asked += [f"datetime={world.samples['began'][0]}", "datetime=../..&limit=10000", "sortby=-area_m2"]
        asked += [f"filter={quote('households > 250')}&count=true", f"filter={quote('residents < 800')}"]
        asked += ["sortby=households,code", "sortby=-residents"]
    if name == "tiers":
        asked += ["datetime=2020-01-01/..&limit=10000", f"filter={quote('households > 80')}&count=true"]
        asked += ["sortby=households,key", f"filter={quote('residents < 300')}&count=true"]
    if name == "cases":
        asked += ["category=dispute&count=true", "sortby=-time", "sortby=category,case_id&limit=20"]
        asked += [f"filter={quote(f)}&count=true" for f in CASE_FILTERS]
        asked += ["datetime=2026-01-05T00:00:00Z/2026-01-20T00:00:00Z&count=true", "properties=case_id"]
        asked += [
            "properties=category_zh,category_en&sortby=category_en,case_id",
            "category_zh=矛盾纠纷&count=true",
        ]
    if name == "buildings":
        asked += ["use=school&count=true", "sortby=-building_id&limit=20", f"grid={world.own}&count=true"]
    return plain + [f"?{query}" for query in asked]


def _views(world: World, path: str) -> list[str]:
    """Filters of the centre: each by itself, and several at once."""
    if path.endswith("/base"):
        return [f"bbox={quote(world.samples['box'][0])}"]
    if path.endswith("/surface"):
        return [
            "frames=4&previous=true",
            "category=dispute&last=30d",
            "datetime=2026-01-05/2026-02-01&hours=8-18",
        ]
    if path == "/centre/{division}":
        return ["last=7d&theme=grids"]
    if not path.endswith("/cases"):
        return []
    asked = ["last=24h", "last=7d&previous=true", "category=dispute", "category=rubbish&status=open"]
    asked += ["datetime=2026-01-05/2026-02-01&rate=households", "hours=8-18&weekdays=1-5&rate=residents"]
    asked += [
        f"area={CODE}:above1-1&datetime=2026-01-01/2026-03-01",
        f"area={CODE}:above1-2&category=dispute",
    ]
    return [*asked, "tier=street&status=verified&status=closed", "datetime=2026-01-05T00:00:00Z/..&hours=3"]


def _exports(world: World, name: str) -> list[str]:
    """Downloads: every format where rows or columns are hidden, and each with a filter, an order or a box."""
    if name not in ("buildings", "cases", "grids"):
        return ["f=csv", f"f=csv&filter={quote('households > 80')}"] if name == "tiers" else ["f=csv"]
    asked = [f"f={form}" for form in FORMATS if form != "geojson"]
    asked.append(f"f=csv&bbox={quote(world.samples['box'][0])}&geometry=none&encoding=UTF-8-BOM")
    if name == "cases":
        asked += [f"f=fgb&filter={quote(CASE_FILTERS[3])}", "f=geojson&sortby=-time&category=dispute"]
        asked.append("f=csv&datetime=2026-01-05T00:00:00Z/2026-01-20T00:00:00Z")
        asked.append("f=csv&properties=case_id,category_zh,category_en")
    if name == "grids":
        asked += ["f=gpkg&datetime=../..", f"f=geojson&filter={quote('households > 250')}&sortby=residents"]
        asked.append("f=shp&fit=cut&sortby=-households")
    return asked


CASE_FILTERS = (
    "category_en = 'dispute'",
    "category = 'dispute'",
    "category LIKE 'disp%'",
    "category <> 'rubbish'",
    "NOT (category = 'rubbish')",
    "category IS NULL OR category = 'dispute'",
    "status = 'closed' AND time > TIMESTAMP('2026-01-03T00:00:00Z')",
    "CASEI(category) = CASEI('DISPUTE')",
)


def _required(route: APIRoute) -> list[str]:
    names = []
    for parameter in route.dependant.query_params:
        model = getattr(parameter.field_info, "annotation", None)
        fields = getattr(model, "model_fields", None)
        if fields is None:
            if parameter.field_info.is_required():
                names.append(parameter.alias)
        else:
            names += [name for name, field in fields.items() if field.is_required()]
    return names


# --- nothing changes for whoever may not see it ---


@dataclass(frozen=True)
class Answer:
    status: int
    tag: str
    body: bytes


def look(world: World, role: Role, paths: list[tuple[str, str]]) -> dict[str, Answer]:
    """Every answer for the role, without what is the clock's."""
    answers = {}
    for _, path in paths:
        answer = world.clients[role].get(path)
        assert answer.status_code < 500, (role, path, answer.text[:300])
        body = re.sub(rb'"timeStamp": ?"[^"]*"', b"", answer.content)
        answers[path] = Answer(answer.status_code, answer.headers.get("etag", ""), body)
        world.asked += 1
    return answers


BELOW_CENTRE = (Role.PUBLIC, Role.CONSUMER, Role.GRID_WORKER, Role.PLANNER, Role.PRIVACY_OFFICER, Role.ADMIN)
# what is changed, and the roles that may not notice
CHANGES: tuple[tuple[str, tuple[Role, ...], tuple[str, ...]], ...] = (
    (
        "counts of people, after they were published",
        tuple(Role),
        ("update population_groups set count = count + 3 where category <> 'left_behind_children'",),
    ),
    (
        "cases that are withheld",
        BELOW_CENTRE,
        (
            """insert into cases (division_code, case_id, category, time, status, building_id, grid_code,
                                  geom, place)
               select division_code, 'hidden' || :run || n, '家庭纠纷', time + interval '1 minute',
                      'discovered', building_id,
                      (select min(code) from grids where valid_to is null and code <> :own),
                      st_translate(geom, 1e-5, 1e-5), place
               from cases, generate_series(1, 3) n where case_id = 'k5'""",
            """delete from cases where case_id = (select max(case_id) from cases
               where category = 'dispute' and grid_code <> :own)""",
            """update cases set status = 'verified', time = time + interval '1 day'
               where category = 'dispute' and grid_code <> :own""",
        ),
    ),
    (
        "the own point, building and grid of cases",
        BELOW_CENTRE,
        (
            "create temporary table kept on commit drop as select id, place from cases",
            """update cases set geom = st_translate(geom, 2e-5, 1e-5), building_id = null,
                      grid_code = (select max(code) from grids where valid_to is null and code <> :own)
               where grid_code <> :own and category = 'rubbish' and building_id is not null""",
            """update cases c set place = k.place from kept k where k.id = c.id
               and c.place is distinct from k.place""",
        ),
    ),
    (
        "households and residents of buildings, drafts, and communities that are not published",
        (Role.PUBLIC, Role.CONSUMER, Role.GRID_WORKER),
        (
            "update buildings set households = households + 2, residents = residents + 5, estimated = true",
            "update plans set reason = 'another reason' where status = 'draft'",
            "update divisions set name = '改名社区' where code = :hidden",
            "delete from buildings where division_code = :hidden and ordinal < 3",
        ),
    ),
    (
        "households of small grids and of areas that were, and the tiers of drafts",
        (Role.PUBLIC, Role.CONSUMER, Role.GRID_WORKER),
        (
            "alter table tiers disable trigger tr_tiers_frozen",
            """update tiers set households = households + 3, residents = residents + 7
               where level > 0 or valid_to is not null""",
            "alter table tiers enable trigger tr_tiers_frozen",
            """update plan_tiers set name_zh = '改名', households = households + 3
               where plan_id in (select id from plans where status = 'draft')""",
        ),
    ),
    (
        "whence a community comes that is not published",
        (Role.PUBLIC, Role.CONSUMER, Role.GRID_WORKER),
        (
            "update divisions set attribution = 'HIDDEN OFFICE 7' where code = :hidden",
            """insert into facilities (division_code, facility_id, kind, geom)
               select code, 'hidden' || :run, 'clinic', st_centroid(geom)
               from divisions where code = :hidden""",
        ),
    ),
    (
        "floors, times and tiers of cases, work phones",
        (Role.PUBLIC,),
        (
            "update buildings set floors = coalesce(floors, 1) + 1",
            "update cases set due_at = time + interval '3 days', tier = 'street'",
            "update grid_staff set phone = '0000-1111111'",
        ),
    ),
)


@pytest.mark.parametrize("every", [pytest.param(1, marks=pytest.mark.long), 6])
def test_nothing_changes_for_whoever_may_not_see_the_change(world: World, every: int) -> None:
    asked = addresses(world)
    first = {route: place for place, (route, _) in reversed(list(enumerate(asked)))}
    paths = [
        (route, path)
        for place, (route, path) in enumerate(asked)
        if place % every == 0 or first[route] == place or (route in LISTS and "f=html" in path)
    ]
    world.asked = 0
    before = {role: look(world, role, paths) for role in Role}
    leaks: list[str] = []
    for what, blind, statements in CHANGES:
        with world.served.database.owner.begin() as connection:
            for statement in statements:
                values = {"own": world.own, "hidden": HIDDEN, "run": f"-{every}-"}
                used = {name: value for name, value in values.items() if f":{name}" in statement}
                connection.execute(text(statement), used)
        for role in blind:
            after = look(world, role, paths)
            leaks += [
                f"{what}: {role}: {path}: {_difference(before[role][path], after[path])}"
                for _, path in paths
                if not _may_differ(role, path) and before[role][path] != after[path]
            ]
            before[role] = after
    told(
        f"{len(routes())} routes × {len(Role)} roles × {len(paths)} addresses,"
        f" {len(CHANGES)} hidden changes: {world.asked} answers"
    )
    assert not leaks, f"{len(leaks)} leaks\n" + "\n".join(leaks[:60])


def _may_differ(role: Role, path: str) -> bool:
    # the audit grows by what the others looked at
    return path.startswith("/audit") and role in (Role.PRIVACY_OFFICER, Role.ADMIN)


def _difference(one: Answer, other: Answer) -> str:
    if one.status != other.status:
        return f"status {one.status} → {other.status}"
    if one.body != other.body:
        place = next((i for i, (a, b) in enumerate(zip(one.body, other.body, strict=False)) if a != b), 0)
        around = slice(max(place - 40, 0), place + 40)
        return f"body at {place}: {one.body[around]!r} → {other.body[around]!r}"
    return f"tag {one.tag} → {other.tag}"


# --- what is there is what the oracle finds ---

# by collection: the property, and the roles that know of it
KNOWN_TO: dict[str, dict[str, set[Role]]] = {
    "buildings": {
        "floors": set(Role) - {Role.PUBLIC},
        "households": {Role.PLANNER, Role.PRIVACY_OFFICER, Role.ADMIN, Role.CENTRE},
        "residents": {Role.PLANNER, Role.PRIVACY_OFFICER, Role.ADMIN, Role.CENTRE},
        "estimated": {Role.PLANNER, Role.PRIVACY_OFFICER, Role.ADMIN, Role.CENTRE},
    },
    "tiers": {"buildings_unknown": {Role.PLANNER, Role.PRIVACY_OFFICER, Role.ADMIN, Role.CENTRE}},
    "grids": {"buildings_unknown": {Role.PLANNER, Role.PRIVACY_OFFICER, Role.ADMIN, Role.CENTRE}},
    "cases": {
        "due": set(Role) - {Role.PUBLIC},
        "tier": set(Role) - {Role.PUBLIC},
        "grid": {Role.CENTRE, Role.GRID_WORKER},
        "building_id": {Role.CENTRE, Role.GRID_WORKER},
    },
}
# columns that no collection has for anybody
SECRET = (
    "place",
    "shops",
    "complexity",
    "village_group",
    "version",
    "updated_at",
    "metric_wkb",
    "part",
)
USES = (
    "filter={name} IS NULL",
    "filter={name} = 1 OR 1 = 1",
    'filter={{"op":"isNull","args":[{{"property":"{name}"}}]}}&filter-lang=cql2-json',
    "{name}=1",
    "sortby={name}",
    "sortby=-{name}",
    "properties={name}",
    "filter={name} IS NULL&count=true&limit=1",
)


def _featured(world: World) -> list[str]:
    """Templates of the paths of a collection that take filters: whatever reads its features."""
    found = [route.path for route in routes() if route.path.startswith("/collections/{name}/")]
    return [path for path in found if path.endswith(("/items", "/{column}")) or "export" in path]


@pytest.mark.parametrize("role", Role)
def test_a_hidden_property_is_as_unknown_as_one_that_never_was(world: World, role: Role) -> None:
    client, cases = world.clients[role], 0
    for collection, columns in KNOWN_TO.items():
        hidden = [name for name, knowing in columns.items() if role not in knowing]
        for template in _featured(world):
            path = _filled(world, template.replace("{name}", collection))[0]
            for use in USES:
                never = client.get(f"{path}?{quote(use.format(name='zebra'), safe='=&-')}")
                if "=1" in use and never.status_code != 400:
                    continue
                assert never.status_code == 400, (path, use, never.text)
                for name in (*hidden, *SECRET):
                    answer = client.get(f"{path}?{quote(use.format(name=name), safe='=&-')}")
                    assert answer.status_code == 400, (role, path, use, name, answer.text[:200])
                    assert answer.text.replace(name, "zebra") == never.text
                    cases += 1
        for document in ("schema", "queryables", "sortables"):
            known = set(client.get(f"/collections/{collection}/{document}").json()["properties"])
            assert not {*hidden, *SECRET} & known
            assert columns.keys() - set(hidden) <= known
    told(f"{role}: {len(_featured(world))} routes × {cases} uses of hidden properties")


def _oracle_cases(world: World, role: Role) -> dict[str, dict[str, object]]:
    """The cases that the role may see, from the raw table by rules written down here once more."""
    found = {}
    for row in world.served.rows(
        "select *, st_x(geom) x, st_y(geom) y, st_x(place) px, st_y(place) py from cases"
    ):
        mine = role is Role.CENTRE or (role is Role.GRID_WORKER and row.grid_code == world.own)
        if not mine and (row.place is None or SENSITIVE.search(row.category)):
            continue
        seen: dict[str, object] = {
            "category": row.category,
            "status": row.status,
            "point": (round(row.x, 7), round(row.y, 7)) if mine else (round(row.px, 7), round(row.py, 7)),
        }
        if role in KNOWN_TO["cases"]["grid"]:
            seen |= {
                "grid": row.grid_code if mine else None,
                "building_id": row.building_id if mine else None,
            }
        found[f"{row.division_code}:{row.case_id}"] = seen
    return found


@pytest.mark.parametrize("role", Role)
def test_cases_and_their_counts_are_those_of_the_oracle(world: World, role: Role) -> None:
    client, wanted = world.clients[role], _oracle_cases(world, role)
    body = client.get("/collections/cases/items?limit=10000&count=true").json()
    assert body["numberMatched"] == body["numberReturned"] == len(wanted)
    for feature in body["features"]:
        one, told = wanted[feature["id"]], feature["properties"]
        assert {name: told[name] for name in one if name != "point"} == {
            name: value for name, value in one.items() if name != "point"
        }
        assert tuple(round(number, 7) for number in feature["geometry"]["coordinates"]) == one["point"]
    rules = {
        "category = 'dispute'": lambda one: one["category"] == "dispute",
        "category <> 'rubbish'": lambda one: one["category"] != "rubbish",
        "status = 'closed'": lambda one: one["status"] == "closed",
        "category LIKE '%纠纷'": lambda one: one["category"].endswith("纠纷"),
        "NOT (status = 'closed') AND category IN ('dispute', 'rubbish')": lambda one: (
            one["status"] != "closed" and one["category"] in ("dispute", "rubbish")
        ),
    }
    for rule, holds in rules.items():
        matching = {key for key, one in wanted.items() if holds(one)}
        asked = client.get(
            "/collections/cases/items",
            params={"filter": rule, "count": "true", "limit": "10000", "sortby": "-status"},
        ).json()
        assert asked["numberMatched"] == len(matching), rule
        assert {feature["id"] for feature in asked["features"]} == matching
        least = client.get("/collections/cases/items", params={"filter": rule, "count": "true", "limit": "1"})
        assert least.json()["numberMatched"] == len(matching)
    # boxes around a home's own point find it only for those who may see the point
    for row in world.served.rows(
        "select case_id, st_x(geom) x, st_y(geom) y from cases order by id limit 12"
    ):
        box = f"{row.x - 1e-6},{row.y - 1e-6},{row.x + 1e-6},{row.y + 1e-6}"
        found = client.get("/collections/cases/items", params={"bbox": box, "count": "true"}).json()
        inside = {
            key
            for key, one in wanted.items()
            if abs(one["point"][0] - row.x) <= 1e-6 and abs(one["point"][1] - row.y) <= 1e-6  # type: ignore[index]
        }
        assert {feature["id"] for feature in found["features"]} == inside
        assert found["numberMatched"] == len(inside)


@pytest.mark.parametrize("role", Role)
def test_what_is_not_for_a_role_answers_as_if_it_were_not_there(world: World, role: Role) -> None:
    client = world.clients[role]
    wanted = _oracle_cases(world, role)
    missing = client.get("/collections/cases/items/zebra")
    hidden = [
        f"{row.division_code}:{row.case_id}"
        for row in world.served.rows("select division_code, case_id from cases")
        if f"{row.division_code}:{row.case_id}" not in wanted
    ]
    for key in hidden[:20]:
        answer = client.get(f"/collections/cases/items/{key}")
        assert answer.status_code == missing.status_code == 404
        assert answer.text.replace(key, "zebra") == missing.text
    if role in (Role.PUBLIC, Role.CONSUMER, Role.GRID_WORKER):
        absent = client.get("/figures?division=zebra")
        answer = client.get(f"/figures?division={HIDDEN}")
        assert answer.status_code == absent.status_code == 404
        assert answer.text.replace(HIDDEN, "zebra") == absent.text
        assert client.get(f"/maps/{HIDDEN}").status_code == 404
    groups = {group["category"] for group in client.get(f"/figures?division={CODE}").json()["groups"]}
    for name in ("floating", "disabled", "elderly_alone", "left_behind_children"):
        answer = client.get(f"/figures?division={CODE}&category={name}")
        never = client.get(f"/figures?division={CODE}&category=zebra")
        if name not in groups:
            assert answer.status_code == never.status_code == 404
            assert answer.text.replace(name, "zebra") == never.text


def test_numbers_of_withheld_cases_cannot_be_tried(world: World) -> None:
    """Were a taken number refused, and another not, a worker would learn which there are elsewhere."""
    [(taken, x, y)] = world.served.rows(
        """select (select min(case_id) from cases where category = 'dispute' and grid_code <> :own),
                  st_x(p), st_y(p)
           from (select st_pointonsurface(geom) p from grids where code = :own and valid_to is null) g""",
        own=world.own,
    )
    answers = []
    for number in (taken, "zebra"):
        feature = {
            "type": "Feature",
            "geometry": {"type": "Point", "coordinates": [x, y]},
            "properties": {"category": "rubbish", "case_id": number},
        }
        for body in (feature, {"type": "FeatureCollection", "features": [feature]}):
            answer = world.clients[Role.GRID_WORKER].post(
                "/collections/cases/items", json=body, headers={"content-type": "application/geo+json"}
            )
            answers.append((answer.status_code, answer.text.replace(number, "zebra")))
    assert answers[:2] == answers[2:]
    assert {status for status, _ in answers} == {403}


# asked with a body, and no change: everybody may
ASKING = {("POST", "/locate"), ("POST", "/figures/area"), ("POST", "/login"), ("POST", "/logout")}


@pytest.mark.parametrize("role", [Role.PUBLIC, Role.CONSUMER])
def test_whoever_only_reads_changes_nothing(world: World, role: Role) -> None:
    client, tried = world.clients[role], 0
    counted = (
        "select (select count(*) from cases), (select count(*) from plans), (select count(*) from runs),"
        " (select count(*) from case_steps), (select sum(version) from facilities)"
    )
    before = world.served.rows(counted)
    for room in ROOMS:
        for route in room.router.routes:
            for method in set(getattr(route, "methods", None) or ()) & {"POST", "PUT", "PATCH", "DELETE"}:
                if (method, route.path) in ASKING:
                    continue
                for path in _filled(world, route.path):
                    answer = client.request(method, path, json={}, headers={"If-Match": "*"})
                    assert answer.status_code in (400, 401, 403, 404, 405, 413, 415, 428), (method, path)
                    for secret in ("select ", "Traceback", "psycopg", "/service/", "relation "):
                        assert secret not in answer.text
                    tried += 1
    assert tried > 20
    assert world.served.rows(counted) == before
