"""The service on a real server, port and database: one published town, and one that is only loaded."""

from __future__ import annotations

import dataclasses
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pandas as pd
from fastapi import FastAPI
from sqlalchemy import text
from starlette.routing import Match

from partition.area import Area
from partition.tiers.levels import Ask
from partition.wishes.policy import Profile, Size
from service import db
from service.access import Principal, Role
from service.identity.accounts import COOKIE, Accounts, csrf_of
from service.intake.layers import Layers, check_layers
from service.main import create_app
from service.plans.planning import plan_community
from service.postgres.cluster import Cluster
from service.store.communities import load_area
from service.store.grids import publish_plan
from service.web.problems import problems_of
from service.web.serving import make_server

from .towns import CODE, make_layers, make_town

HIDDEN = "990101001002"  # loaded, not published
PROFILE = Profile("yichang", Size("households", 200, 300, 400))
TIERS = (Ask(number=3), Ask(number=30))  # areas above the grids, small grids below them


@dataclasses.dataclass
class Served:
    """A running service. `database` is the one behind it."""

    address: str
    accounts: Accounts
    database: db.Database
    area: Area
    app: FastAPI
    clients: list[httpx.Client] = dataclasses.field(default_factory=list)

    def client(
        self, role: Role = Role.PUBLIC, *, grids: frozenset[str] = frozenset(), scope: str = ""
    ) -> httpx.Client:
        """A client logged in as the role."""
        client = httpx.Client(
            base_url=self.address, timeout=30, event_hooks={"response": [self.check_problem]}
        )
        self.clients.append(client)
        if role is not Role.PUBLIC:
            token = self.accounts.invite(Principal(role, (scope,), grids, f"test {role}"))
            answer = client.get("/login", params={"token": token})
            assert answer.status_code == 303
            client.headers["x-csrf-token"] = csrf_of(client.cookies[COOKIE])
        return client

    def check_problem(self, answer: httpx.Response) -> None:
        """Whatever is refused is refused as the API's description says (service.web.problems)."""
        if answer.headers.get("content-type") != "application/problem+json":
            return
        answer.read()
        method, path = answer.request.method.replace("HEAD", "GET"), answer.request.url.path
        code = answer.json().get("code") if answer.content else None
        scope = {"type": "http", "method": method, "path": path, "root_path": "", "headers": []}
        matching = [one for one in self.app.state.routes if one.matches(scope)[0] is Match.FULL]
        templates = [one.path.replace(":path}", "}") for one in matching if method != "OPTIONS"]
        if code is not None and templates:
            told = problems_of(f"{method} {templates[0]}")
            assert code in told.get(answer.status_code, ()), (method, templates[0], answer.status_code, code)

    def rows(self, sql: str, **values: Any) -> list[Any]:
        """Rows as the owner sees them."""
        with self.database.owner.connect() as connection:
            return list(connection.execute(text(sql), values))


def make_people(area: Area) -> pd.DataFrame:
    """Counts by building: many of the floating population, few disabled people, the elderly in one corner."""
    ids = area.buildings["id"].drop_duplicates().tolist()
    rows = [(building, "floating", 3 + place % 5) for place, building in enumerate(ids)]
    rows += [(building, "disabled", 1) for place, building in enumerate(ids) if place % 9 == 0]
    rows += [(building, "elderly_alone", 2 + place % 3) for place, building in enumerate(ids[:60])]
    rows += [(building, "left_behind_children", 1) for building in ids[:4]]
    return pd.DataFrame(rows, columns=["building", "category", "count"])


def fill(database: db.Database) -> Area:
    """Load two towns and publish the first; returns its area."""
    area = make_town(8, 6)
    layers = make_layers(area, cases=180)
    people = check_layers({"population_groups": make_people(area)}, area)
    layers = dataclasses.replace(layers, population_groups=people.population_groups)
    hidden = make_town(2, 2, code=HIDDEN, name="未发布社区", east_m=5000)
    with database.owner.begin() as connection:
        load_area(connection, area, layers, synthetic=True)
        load_area(connection, hidden, Layers(), synthetic=True)
    planned = plan_community(database.owner, CODE, PROFILE, tiers=TIERS)
    with database.owner.begin() as connection:
        publish_plan(connection, planned.plan)
    return area


@contextmanager
def serve(database: db.Database, area: Area) -> Iterator[Served]:
    """The application behind a port of loopback, in a thread."""
    accounts = Accounts(database.app)
    app = create_app(database, accounts=accounts)
    server = make_server(app)
    with socket.create_server(("127.0.0.1", 0)) as bound:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]})
        thread.start()
        served = Served(f"http://127.0.0.1:{bound.getsockname()[1]}", accounts, database, area, app)
        try:
            yield served
        finally:
            for client in served.clients:
                client.close()
            app.state.workshop.close()
            server.should_exit = True
            thread.join()


@contextmanager
def serve_town(cluster: Cluster, template: str, name: str) -> Iterator[Served]:
    """The service on a database of its own in `cluster`."""
    name = f"{name}_{os.environ.get('PYTEST_XDIST_WORKER', 'main')}"  # workers share the cluster
    cluster.drop_database(name)
    cluster.create_database(name, template)
    database = db.Database(db.open_owner(cluster.url("owner", name)), db.open_app(cluster.url("app", name)))
    try:
        with serve(database, fill(database)) as served:
            yield served
    finally:
        database.owner.dispose()
        database.app.dispose()
        cluster.drop_database(name)
