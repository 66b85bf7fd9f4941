"""The mix of requests: what is asked, how often, and as whom."""

from __future__ import annotations

import json
import math
import queue
import random
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from .server import Client, Server

GEOJSON = "application/geo+json"
BATCH = 10
RUN = {"division": "", "profile": "yichang", "effort": 20_000, "reason": "load"}

Ask = Callable[[Client, random.Random], None]


@dataclass
class Case:
    """A case that was made: where it is, and the ETag of its last version."""

    path: str
    tag: str


@dataclass
class Mix:
    """Kinds of requests with their weights, on one server."""

    server: Server
    points: list[tuple[float, float]] = field(default_factory=list)
    keys: dict[str, list[str]] = field(default_factory=dict)
    plan: int = 0
    written: set[str] = field(default_factory=set)
    _revision: int = 0
    _editing: threading.Lock = field(default_factory=threading.Lock)
    _cases: queue.SimpleQueue[Case] = field(default_factory=queue.SimpleQueue)
    _tags: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, server: Server) -> Mix:
        """The mix for what lies in the server's community, with a draft to be edited."""
        client, made = server.client(), cls(server)
        for name in ("buildings", "grids", "facilities", "streets"):
            found = json.loads(client.ask(f"/collections/{name}/items?limit=200").body)["features"]
            made.keys[name] = [str(one["id"]) for one in found]
            if name == "buildings":
                made.points = [point for one in found for point in _points(one["geometry"]["coordinates"])]
        plans = json.loads(client.ask("/plans?status=published", role="planner").body)["plans"]
        body = json.dumps({"plan": plans[0]["id"], "reason": "load"}).encode()
        copy = client.ask("/plans", role="planner", method="POST", body=body, expected=(201,))
        made.plan = json.loads(copy.body)["id"]
        client.close()
        return made

    def kinds(self) -> dict[str, tuple[float, Ask]]:
        """Weight in percent and question of each kind."""
        return {
            "collections": (1, lambda client, _: self._get(client, "/collections")),
            "grids": (12, lambda client, rng: self._items(client, rng, "grids")),
            "buildings": (14, lambda client, rng: self._items(client, rng, "buildings")),
            "streets": (4, lambda client, rng: self._items(client, rng, "streets")),
            "facilities": (5, lambda client, rng: self._items(client, rng, "facilities")),
            "item": (8, self._item),
            "unchanged": (4, self._unchanged),
            "filter": (3, self._filter),
            "tile": (19, self._tile),
            "locate": (9, self._locate),
            "nearby": (2, self._nearby),
            "map": (0.25, lambda client, _: self._get(client, f"/maps/{self.server.community}")),
            "centre": (1.75, self._centre),
            "page": (0.25, lambda client, _: self._get(client, f"/centre/{self.server.community}", "centre")),
            "ready": (1.25, lambda client, _: self._get(client, "/readyz")),
            "case": (8, self._case),
            "cases": (1, self._batch),
            "step": (4, self._step),
            "edit": (0.5, self._edit),
            "plans": (2, lambda client, _: self._get(client, "/plans?limit=20", "planner")),
        }

    # --- reads ---

    def _get(self, client: Client, path: str, role: str = "public") -> None:
        client.ask(path, role=role)

    def _anywhere(self, rng: random.Random) -> tuple[float, float]:
        return rng.choice(self.points)

    def _items(self, client: Client, rng: random.Random, collection: str) -> None:
        x, y = self._anywhere(rng)
        size = rng.choice((0.0005, 0.001, 0.002))
        box = f"{x - size:.6f},{y - size:.6f},{x + size:.6f},{y + size:.6f}"
        role = rng.choice(("public", "consumer"))
        self._get(
            client, f"/collections/{collection}/items?bbox={box}&limit={rng.choice((10, 50, 100))}", role
        )

    def _item(self, client: Client, rng: random.Random) -> None:
        name = rng.choice(list(self.keys))
        self._get(client, f"/collections/{name}/items/{rng.choice(self.keys[name])}", "consumer")

    def _unchanged(self, client: Client, rng: random.Random) -> None:
        path = f"/collections/buildings/items/{rng.choice(self.keys['buildings'][:20])}"
        tag = self._tags.get(path)
        headers = {} if tag is None else {"If-None-Match": tag}
        answer = client.ask(path, role="consumer", headers=headers, expected=(200, 304))
        self._tags[path] = answer.headers["etag"]

    def _filter(self, client: Client, rng: random.Random) -> None:
        condition = rng.choice(("floors%3E3", "kind%3D'clinic'%20OR%20kind%3D'school'"))
        name = "buildings" if condition.startswith("floors") else "facilities"
        self._get(client, f"/collections/{name}/items?filter={condition}&limit=50", "consumer")

    def _tile(self, client: Client, rng: random.Random) -> None:
        x, y = self._anywhere(rng)
        level = rng.choice((13, 14, 15, 16))
        column = int((x + 180) / 360 * 2**level)
        row = int((1 - math.asinh(math.tan(math.radians(y))) / math.pi) / 2 * 2**level)
        name = rng.choice(("buildings", "grids", "streets", "cases"))
        path = f"/collections/{name}/tiles/WebMercatorQuad/{level}/{row}/{column}"
        tag = self._tags.get(path)
        headers = {} if tag is None or rng.random() < 0.5 else {"If-None-Match": tag}
        answer = client.ask(path, headers=headers, expected=(200, 204, 304))
        if "etag" in answer.headers:
            self._tags[path] = answer.headers["etag"]

    def _locate(self, client: Client, rng: random.Random) -> None:
        x, y = self._anywhere(rng)
        self._get(client, f"/locate?lon={x:.7f}&lat={y:.7f}")

    def _nearby(self, client: Client, rng: random.Random) -> None:
        x, y = self._anywhere(rng)
        self._get(
            client, f"/nearby?collection=facilities&lon={x:.7f}&lat={y:.7f}&radius=500&limit=10", "consumer"
        )

    def _centre(self, client: Client, rng: random.Random) -> None:
        asked = rng.choice(("cases", "cases?last=7d&previous=true", "surface", "surface?last=24h&hours=8-18"))
        self._get(client, f"/centre/{self.server.community}/{asked}", rng.choice(("public", "centre")))

    # --- writes ---

    def _feature(self, rng: random.Random) -> dict[str, Any]:
        name = f"load-{rng.getrandbits(64):016x}"
        self.written.add(name)
        return {
            "type": "Feature",
            "geometry": {"type": "Point", "coordinates": self._anywhere(rng)},
            "properties": {"category": rng.choice(("rubbish", "noise", "parking")), "case_id": name},
        }

    def _case(self, client: Client, rng: random.Random) -> None:
        body = json.dumps(self._feature(rng)).encode()
        answer = client.ask(
            *("/collections/cases/items",),
            role="centre", method="POST", body=body, media=GEOJSON, expected=(201,),
        )  # fmt: skip
        path = answer.headers["location"].partition("/collections")[2]
        self._cases.put(Case(f"/collections{path}", answer.headers["etag"]))

    def _batch(self, client: Client, rng: random.Random) -> None:
        features = [self._feature(rng) for _ in range(BATCH)]
        body = json.dumps({"type": "FeatureCollection", "features": features}).encode()
        client.ask(
            *("/collections/cases/items",),
            role="centre", method="POST", body=body, media=GEOJSON, expected=(201,),
        )  # fmt: skip

    def _step(self, client: Client, rng: random.Random) -> None:
        """A case that somebody made is filed; if none waits, one is made."""
        try:
            case = self._cases.get_nowait()
        except queue.Empty:
            self._case(client, rng)
            return
        path = case.path.replace("/collections/cases/items/", "/cases/") + "/steps"
        client.ask(
            path,
            role="centre", method="POST", body=b'{"status":"filed"}',
            headers={"If-Match": case.tag}, expected=(201,),
        )  # fmt: skip

    def _edit(self, client: Client, rng: random.Random) -> None:
        """A unit goes to another grid, and back: one edit at a time, as planners at one draft do."""
        with self._editing:
            told: dict[str, Any] = {"operation": "undo", "revision": self._revision}
            if self._revision % 2 == 0:
                units = json.loads(client.ask(f"/plans/{self.plan}/units", role="planner").body)["features"]
                grids = sorted({one["properties"]["grid"] for one in units})
                unit = rng.choice(units)["properties"]
                other = rng.choice([grid for grid in grids if grid != unit["grid"]])
                told |= {"operation": "move", "units": [unit["unit"]], "grid": other}
            answer = client.ask(
                f"/plans/{self.plan}/edits",
                role="planner", method="POST", body=json.dumps(told).encode(),
            )  # fmt: skip
            self._revision = json.loads(answer.body)["revision"]

    # --- a run ---

    def begin_run(self) -> str:
        """Ask for a partition run; the path of its job."""
        client = self.server.client()
        body = json.dumps({"inputs": {**RUN, "division": self.server.community}}).encode()
        answer = client.ask(
            *("/processes/partition/execution",),
            role="planner", method="POST", body=body, expected=(201,),
        )  # fmt: skip
        client.close()
        return "/jobs/" + answer.headers["location"].rpartition("/")[2]


def _points(coordinates: Any) -> list[tuple[float, float]]:
    if coordinates and isinstance(coordinates[0], float | int):
        return [(coordinates[0], coordinates[1])]
    return [point for part in coordinates for point in _points(part)]
