"""The hand-made community behind a small server that answers the page's questions.

Whole answers of the shapes in `service/centre/__init__.py`, counted from a list of cases, so that a filter
makes a difference. What a real server would make hard to meet, this one does when told: it drops streams,
refuses, finds too few cases.
"""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import geopandas as gpd
import numpy as np
import shapely

from layers.assets import read
from layers.cards import describe_grid
from layers.centre_map import CentreView, Choice, render
from layers.coordinates import packed, packed_lines
from layers.density import CHANGE_LADDER, LADDER
from layers.view import CommunityView
from partition.texts import Language
from tests.layers import views

ADDRESS = "/centre/990101001001"
CATEGORIES = {
    "refuse": ("暴露垃圾", "Refuse"),
    "parking": ("违规停车", "Illegal parking"),
    "noise": ("噪声扰民", "Noise"),
    "street_light": ("路灯损坏", "Street light"),
    "stall": ("占道经营", "Street vending"),
}
STATUSES = {
    "discovered": ("已发现", "discovered"),
    "filed": ("已立案", "filed"),
    "dispatched": ("已派遣", "dispatched"),
    "handled": ("已处置", "handled"),
    "closed": ("已结案", "closed"),
}
TIERS = {"grid": ("网格", "grid"), "community": ("社区", "community"), "street": ("街道", "street")}
NOW = datetime.now(UTC).replace(microsecond=0)
BEIJING = timedelta(hours=8)


def choices(words: dict[str, tuple[str, str]]) -> list[Choice]:
    """Choices of a filter."""
    return [Choice(value, {"zh": zh, "en": en}) for value, (zh, en) in words.items()]


@cache
def whole_view() -> CommunityView:
    """The hand-made community, made once."""
    return views.view()


@cache
def written(role: str, lang: Language) -> str:
    """The page of the hand-made community, written once a role."""
    return render(centre_view(role=role), lang=lang)


def centre_view(**changes: Any) -> CentreView:
    """The hand-made community as the centre's page has it."""
    whole = whole_view()
    grids = whole.grids.assign(
        community="990101001001", head=[staff[0]["name"] if staff else "" for staff in whole.grids["staff"]]
    )
    fields: dict[str, Any] = {
        "code": "990101001001",
        "name": {"zh": "柳湾社区", "en": "柳湾社区"},
        "address": ADDRESS,
        "communities": whole.community,
        "grids": grids[["code", "community", "households", "residents", "head", "geometry"]],
        "facilities": whole.facilities,
        "groups": whole.groups,
        "categories": choices(CATEGORIES),
        "statuses": choices({"open": ("未办结", "not closed"), **STATUSES}),
        "tiers": choices(TIERS),
        "statistics": [Choice("gi", {"zh": "冷热点", "en": "Hot and cold spots"})],
        "role": "centre",
        "synthetic": True,
        "attribution": {"zh": "数据：手工样例", "en": "Data: made by hand"},
        "published": "2026-11-20",
    }
    return CentreView(**{**fields, **changes})


def make_cases(count: int = 300) -> list[dict[str, Any]]:
    """Cases of the last sixty days, more of them lately and in the middle."""
    rng = np.random.default_rng(11)
    grids = views.grids()
    made = []
    for number in range(count):
        hot = number % 2 == 0
        x, y = rng.normal((310, 240), 45, 2) if hot else rng.uniform((5, 5), (595, 395), 2)
        x, y = float(np.clip(x, 5, 595)), float(np.clip(y, 5, 395))
        at = shapely.Point(views.WEST + x, views.SOUTH + y)
        days = 60 * float(rng.random()) ** (1.6 if hot else 1.0)
        when = NOW - timedelta(days=days)
        status = list(STATUSES)[min(4, int(days / 3))]
        lnglat = gpd.GeoSeries([at], crs=views.METRIC).to_crs(4326).iloc[0]
        made.append(
            {
                "id": f"990101001001:A{number:04d}",
                "time": when,
                "due": when + timedelta(hours=24),
                "category": list(CATEGORIES)[int(rng.integers(0, 5)) if not hot else number % 3],
                "status": status,
                "tier": list(TIERS)[number % 7 // 3],
                "grid": str(grids["code"][int(grids.geometry.contains(at).to_numpy().argmax())]),
                "x": x,
                "y": y,
                "at": [round(lnglat.x, 6), round(lnglat.y, 6)],
            }
        )
    return made


def feature(case: dict[str, Any]) -> dict[str, Any]:
    """A case as `collections/cases/items` has it."""
    stamp = {name: case[name].isoformat().replace("+00:00", "Z") for name in ("time", "due")}
    told = {name: case[name] for name in ("category", "status", "tier", "grid")}
    return {
        "type": "Feature",
        "id": case["id"],
        "geometry": {"type": "Point", "coordinates": case["at"]},
        "properties": {"community": "990101001001", **stamp, **told},
    }


def hours_of(text: str) -> set[int]:
    """Hours of a filter: the end of a range is not part of it, and it may pass midnight."""
    found = set()
    for part in text.split(","):
        first, _, last = part.partition("-")
        end = int(last) if last else int(first) + 1
        found |= {hour % 24 for hour in range(int(first), end if end > int(first) else end + 24)}
    return found


@dataclass
class Town:
    """The server's state: its cases, who listens, and what is to go wrong."""

    cases: list[dict[str, Any]] = field(default_factory=make_cases)
    asked: list[str] = field(default_factory=list)
    refuse: dict[str, int] = field(default_factory=dict)  # path's first word → status
    dropping: bool = False  # streams are cut and refused
    few: bool = False
    role: str = "centre"
    streams: set[Any] = field(default_factory=set)
    told: int = 0

    def add(self, count: int = 1, category: str = "noise", grid: str = "") -> dict[str, Any]:
        """New cases, in `grid` or the first case's; whoever listens is told of each."""
        for _ in range(count):
            number = len(self.cases)
            case = {**self.cases[0], "id": f"990101001001:N{number}", "category": category}
            case |= {"time": datetime.now(UTC), "due": datetime.now(UTC) + timedelta(hours=2)}
            case |= {"status": "discovered", "grid": grid or case["grid"]}
            self.cases.append(case)
            self.told += 1
            data = json.dumps({"collection": "cases", "at": NOW.isoformat(), "feature": feature(case)})
            for stream in list(self.streams):
                stream.tell(f"id: 7-{self.told}\nevent: created\ndata: {data}\n\n")
        return case

    def chosen(self, query: dict[str, list[str]]) -> tuple[list[dict[str, Any]], datetime, datetime]:
        """The cases of the filters, and the span."""
        end = datetime.now(UTC)
        begin = end - {"24h": timedelta(hours=24), "7d": timedelta(days=7)}.get(
            query.get("last", ["30d"])[0], timedelta(days=30)
        )
        if "datetime" in query:
            first, last = query["datetime"][0].split("/")
            begin = min(case["time"] for case in self.cases) if first == ".." else instant(first)
            if last != "..":
                end = instant(last) + (timedelta(days=1) if len(last) == 10 else timedelta(0))
        found = self.within(query, begin, end)
        return found, begin, end

    def within(self, query: dict[str, list[str]], begin: datetime, end: datetime) -> list[dict[str, Any]]:
        """The cases of a span."""
        found = [case for case in self.cases if begin <= case["time"] < end]
        for name in ("category", "tier"):
            if name in query:
                found = [case for case in found if case[name] in query[name]]
        if "status" in query:
            found = [
                case
                for case in found
                if case["status"] in query["status"]
                or ("open" in query["status"] and case["status"] != "closed")
            ]
        if "hours" in query:
            hours = hours_of(query["hours"][0])
            found = [case for case in found if (case["time"] + BEIJING).hour in hours]
        if "weekdays" in query:
            first, _, last = query["weekdays"][0].partition("-")
            found = [
                case
                for case in found
                if int(first) <= (case["time"] + BEIJING).isoweekday() <= int(last or first)
            ]
        return found[:4] if self.few else found

    def figures(self, query: dict[str, list[str]]) -> dict[str, Any]:
        """The answer of `cases`."""
        found, begin, end = self.chosen(query)
        before = self.within(query, begin - (end - begin), begin)
        spans = [
            {"begin": stamp(one), "end": stamp(two), "datetime": f"{stamp(one)}/{stamp(two)}"}
            for one, two in ((begin, end), (begin - (end - begin), begin))
        ]
        rate = query.get("rate", [None])[0]
        by_grid, own, old = [], Counter(c["grid"] for c in found), Counter(c["grid"] for c in before)
        for grid in centre_view().grids.to_dict("records"):
            count, earlier = own[grid["code"]], old[grid["code"]]
            base = grid.get(rate) if rate else None
            known = base is not None and base == base
            state = None if not rate else "hidden" if count < 10 else "unstable" if count < 20 else "stable"
            by_grid.append(
                {
                    "grid": grid["code"],
                    "grids": [grid["code"]],
                    "label": grid["code"][-3:],
                    "community": "990101001001",
                    "cases": count,
                    "crossing": 0,
                    "previous": earlier,
                    "difference": count - earlier,
                    "percent": 100 * (count - earlier) / earlier if earlier else None,
                    "p": 0.01 if count > 2 * earlier + 5 else 0.4,
                    "verdict": "more" if count > 2 * earlier + 5 else "chance",
                    "rate": 1000 * count / base if known and state != "hidden" else None,
                    "rate_state": state,
                    "rate_difference": 1000 * (count - earlier) / base
                    if known and state != "hidden"
                    else None,
                    "denominator": int(base) if known else None,
                }
            )
        days = max(1, round((end - begin).total_seconds() / 86400))
        by_hour = [[0] * 24 for _ in range(7)]
        by_day = [0] * days
        for case in found:
            local = case["time"] + BEIJING
            by_hour[local.isoweekday() - 1][local.hour] += 1
            by_day[min(days - 1, int((case["time"] - begin).total_seconds() / 86400))] += 1
        newest = sorted(found, key=lambda case: case["time"], reverse=True)
        late = [c for c in newest if c["due"] < datetime.now(UTC) and c["status"] != "closed"]
        few = {"zh": f"事件太少：仅 {len(found)} 件，不足以判断高低。", "en": f"Too few cases: {len(found)}."}
        change = {
            "difference": len(found) - len(before),
            "percent": 100 * (len(found) - len(before)) / len(before) if before else None,
            "p": 0.03,
            "verdict": "more" if len(found) > len(before) * 1.3 else "chance",
        }
        return {
            "division": "990101001001",
            "anchor": "now",
            "as_of": stamp(end),
            "span": {**spans[0], "days": float(days)},
            "previous_span": spans[1],
            "total": len(found),
            "previous_total": len(before),
            "overdue_total": None if self.role == "public" else len(late),
            "change": change,
            "rate": {"per": rate, "cases_hidden_below": 10, "cases_unstable_below": 20} if rate else None,
            "by_grid": by_grid,
            "elsewhere": 0,
            "at_places": self.role == "public",
            "approximate": self.role == "public",
            "by_category": counts(found, "category", CATEGORIES),
            "by_status": counts(found, "status", STATUSES),
            "by_tier": None if self.role == "public" else counts(found, "tier", TIERS),
            "by_day": {
                "step": "day",
                "starts": [(begin + BEIJING + timedelta(days=n)).date().isoformat() for n in range(days)],
                "cases": by_day,
            },
            "by_hour": {"cases": by_hour, "most": max(max(row) for row in by_hour)},
            "newest": [feature(case) for case in newest[:50]],
            "overdue": None if self.role == "public" else [feature(case) for case in late[:50]],
            "links": [{"rel": "items", "href": "/collections/cases/items?datetime=x"}],
            "few": {"cases": len(found), "least": 10, "words": few} if len(found) < 10 else None,
            "summary": {
                "zh": f"所选 {days} 天内共 {len(found)} 件，上期 {len(before)} 件。002 网格最多。",
                "en": f"{len(found)} cases in {days} days, {len(before)} in the time before. "
                "Grid 002 has most, and more than chance explains.",
            },
        }

    def surface(self, query: dict[str, list[str]]) -> dict[str, Any]:
        """The answer of `surface`: a plain sum of bumps, which is enough to be drawn."""
        found, begin, end = self.chosen(query)
        days = max(1.0, (end - begin).total_seconds() / 86400)
        columns, rows, cell = 24, 16, 25.0
        x, y = np.meshgrid((np.arange(columns) + 0.5) * cell, (rows - np.arange(rows) - 0.5) * cell)

        def lay(cases: list[dict[str, Any]], span: float) -> np.ndarray:
            total = np.zeros(x.shape)
            for case in cases:
                squared = (x - case["x"]) ** 2 + (y - case["y"]) ** 2
                total += 3 / (np.pi * 100**2) * np.clip(1 - squared / 100**2, 0, None) ** 2
            return np.round(total * 1e6 * 30 / span, 1)

        def listed(values: np.ndarray) -> list[float | None]:
            return [float(value) if value >= 40 * 30 / days else None for value in values.ravel()]

        values = lay(found, days)
        corners = gpd.GeoSeries(
            [
                shapely.Point(views.WEST + dx, views.SOUTH + dy)
                for dx, dy in ((0, 400), (600, 400), (600, 0), (0, 0))
            ],
            crs=views.METRIC,
        ).to_crs(4326)
        lng, lat = [p.x for p in corners], [p.y for p in corners]
        told: dict[str, Any] = {
            "crs": views.METRIC,
            "origin": [views.WEST, views.SOUTH],
            "cell_m": cell,
            "columns": columns,
            "rows": rows,
            "bounds": [min(lng), min(lat), max(lng), max(lat)],
            "corners": [[p.x, p.y] for p in corners],
            "values": listed(values) if len(found) >= 10 else None,
            "breaks": list(LADDER) if len(found) >= 10 else [],
            "unit": "cases/km²/month",
            "bandwidth_m": 100.0,
            "cases": len(found),
            "days": days,
            "min_cases": 5,
            "difference": None,
            "frames": [],
            "few": None,
        }
        if len(found) < 10:
            told["few"] = {
                "cases": len(found),
                "least": 10,
                "words": {"zh": "事件太少，不绘制热力。", "en": "Too few."},
            }
        if "previous" in query:
            before = self.within(query, begin - (end - begin), begin)
            told["difference"] = {
                "values": [
                    None if a is None else round(a - float(b), 1)
                    for a, b in zip(listed(values), lay(before, days).ravel(), strict=True)
                ],
                "breaks": list(CHANGE_LADDER),
                "previous_cases": len(before),
            }
        frames = int(query.get("frames", ["0"])[0])
        for n in range(frames):
            first, last = begin + (end - begin) * n / frames, begin + (end - begin) * (n + 1) / frames
            part = [case for case in found if first <= case["time"] < last]
            told["frames"].append(
                {
                    "begin": stamp(first),
                    "end": stamp(last),
                    "cases": len(part),
                    "values": listed(lay(part, days / frames) / 2),
                }
            )
        return told

    def spots(self, query: dict[str, list[str]]) -> dict[str, Any]:
        """The answer of `statistics/gi`, on the grids: those with many cases are hot."""
        found, _, _ = self.chosen(query)
        number = Counter(case["grid"] for case in found)
        units = []
        for grid in centre_view().grids.to_dict("records"):
            count = number[grid["code"]]
            about = {"kind": "hot" if count > 40 else "none", "label": grid["code"], "cases": count}
            about |= {"score": 2.9, "p": 0.004, "q": 0.02}
            shape = shapely.geometry.mapping(grid["geometry"])
            units.append({"type": "Feature", "id": grid["code"], "geometry": shape, "properties": about})
        hot = sum(unit["properties"]["kind"] == "hot" for unit in units)
        kinds = (
            ("hot", "热点", "hot"),
            ("cold", "冷点", "cold"),
            ("none", "与偶然无异", "no more than chance"),
        )
        legend = [
            {"kind": kind, "label": {"zh": zh, "en": en}, "units": {"hot": hot, "none": 6 - hot}.get(kind, 0)}
            for kind, zh, en in kinds
        ]
        return {
            "method": "gi",
            "parameters": {"units": query.get("units", ["cells"])[0]},
            "title": {"zh": "冷热点（Getis-Ord Gi*）", "en": "Hot and cold spots (Getis-Ord Gi*)"},
            "answered": True,
            "verdict": {"zh": f"{hot} 个网格是热点，超出偶然。", "en": f"{hot} grids are hot beyond chance."},
            "words": {"zh": "Gi*，按网格，错误发现率 5 %。", "en": "Gi* on grids, false discoveries at 5 %."},
            "caveat": {"zh": "热点说明聚集，不说明原因。", "en": "A hot spot is no cause."},
            "notes": [],
            "approximate": False,
            "legend": legend,
            "units": {"type": "FeatureCollection", "features": units},
            "clusters": None,
            "links": [],
        }


def instant(text: str) -> datetime:
    """A time, or the midnight in Beijing with which a date begins."""
    if len(text) == 10:
        return datetime.fromisoformat(f"{text}T00:00:00+08:00").astimezone(UTC)
    return datetime.fromisoformat(text)


def stamp(value: datetime) -> str:
    """An instant as the server writes it."""
    return value.isoformat().replace("+00:00", "Z")


def counts(found: list[dict[str, Any]], name: str, words: dict[str, tuple[str, str]]) -> list[dict[str, Any]]:
    """Cases by a value."""
    number = Counter(case[name] for case in found)
    return [
        {"value": value, "label": {"zh": zh, "en": en}, "cases": number[value], "previous": 1}
        for value, (zh, en) in words.items()
    ]


def base(boxed: bool) -> dict[str, Any]:
    """The answer of `base`."""
    whole = whole_view()

    def lines_of(rows: gpd.GeoDataFrame) -> dict[str, Any]:
        return {kind: packed_lines(part.geometry) for kind, part in rows.groupby("class")}

    streets = whole.streets
    names = [
        {"name": name, "class": str(part["class"].iloc[0]), "lines": packed_lines(part.geometry)}
        for name, part in streets[streets["name"] != ""].groupby("name")
    ]
    return {
        "bounds": list(whole.community.total_bounds),
        "streets": lines_of(streets[~streets["bridge"]]),
        "bridges": lines_of(streets[streets["bridge"]]),
        "tunnels": {},
        "names": names,
        "buildings": {"residential": packed(whole.buildings.geometry)} if boxed else {},
    }


class Handler(BaseHTTPRequestHandler):
    """Answers for one town."""

    town: Town
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """The page, its assets, its questions, the stream of events."""
        path, query = urlsplit(self.path).path, parse_qs(urlsplit(self.path).query)
        if path.startswith("/static/"):
            content, kind = read(path.removeprefix("/static/"))
            self.answer(200, content, kind)
        elif path == "/events":
            self.stream()
        elif path == ADDRESS:
            page = written(self.town.role, "en" if query.get("lang") == ["en"] else "zh")
            self.answer(200, page.encode(), "text/html; charset=utf-8")
        elif path == "/nearby":
            self.json({"features": []})
        else:
            self.question(path.removeprefix(ADDRESS + "/"), query)

    def question(self, name: str, query: dict[str, list[str]]) -> None:
        """One of the page's questions."""
        town = self.town
        town.asked.append(self.path.removeprefix(ADDRESS + "/"))
        status = town.refuse.get(name.partition("/")[0])
        if status:
            self.json({"title": "x", "detail": "服务器说不行。"}, status)
        elif name == "cases":
            self.json(town.figures(query))
        elif name == "surface":
            self.json(town.surface(query))
        elif name.startswith("grids/"):
            grids = whole_view().grids
            row = grids[grids["code"] == name.split("/")[1]].iloc[0]
            self.json(describe_grid(row.to_dict(), (200, 400)))
        elif name.startswith("statistics/"):
            self.json(town.spots(query))
        elif name == "base":
            self.json(base("bbox" in query))
        else:
            self.json({"title": "no", "detail": "没有这个地址。"}, 404)

    def stream(self) -> None:
        """Server-sent events until the town drops them."""
        if self.town.dropping:
            self.answer(503, b"", "text/plain")
            return
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        self.tell("retry: 3000\nid: 7-0\n\n")
        self.town.streams.add(self)
        while self in self.town.streams and not self.town.dropping:
            time.sleep(0.02)
        self.town.streams.discard(self)
        self.close_connection = True

    def tell(self, text: str) -> None:
        """Write a piece of a stream; a listener who left is forgotten."""
        try:
            self.wfile.write(text.encode())
            self.wfile.flush()
        except OSError:
            self.town.streams.discard(self)

    def json(self, told: dict[str, Any], status: int = 200) -> None:
        """An answer as JSON."""
        self.answer(status, json.dumps(told).encode(), "application/json")

    def answer(self, status: int, content: bytes, kind: str) -> None:
        """An answer."""
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Keep quiet."""


@contextmanager
def serving(town: Town) -> Iterator[str]:
    """The address of the page, as long as the block runs."""
    handler = type("TownHandler", (Handler,), {"town": town})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        running.daemon_threads = True
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{running.server_port}{ADDRESS}"
        finally:
            town.streams.clear()
            town.dropping = True
            running.shutdown()
            thread.join()
