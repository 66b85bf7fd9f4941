"""A small community made by hand: two by three grids, a river, streets, houses. It lies nowhere."""

from __future__ import annotations

from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from layers.density import case_surface
from layers.view import CommunityView, GroupSurface

METRIC = "EPSG:32650"
WEST, SOUTH = 450_000.0, 4_410_000.0


def to_degrees(frame: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    """The frame, made in metres, in EPSG:4326."""
    return frame.set_crs(METRIC).to_crs(4326)


def box(x: float, y: float, width: float, height: float) -> shapely.Polygon:
    """A rectangle, metres from the community's south-west corner."""
    return shapely.box(WEST + x, SOUTH + y, WEST + x + width, SOUTH + y + height)


def line(*at: tuple[float, float]) -> shapely.LineString:
    """A line, metres from the community's south-west corner."""
    return shapely.LineString([(WEST + x, SOUTH + y) for x, y in at])


def community() -> gpd.GeoDataFrame:
    """The community, 600 m by 400 m, in metres."""
    return gpd.GeoDataFrame(
        {"code": ["990101001001"], "name": ["柳湾社区"]}, geometry=[box(0, 0, 600, 400)], crs=METRIC
    )


def grids() -> gpd.GeoDataFrame:
    """Six grids of 200 m by 200 m, in metres."""
    rows: list[dict[str, Any]] = []
    for number in range(6):
        column, row = number % 3, 1 - number // 3
        staff = [
            {"role": "网格长", "role_en": "Grid head", "name": "周敏", "phone": "0000-1234"},
            {"role": "网格员", "role_en": "Grid worker", "name": "" if number == 2 else "李强", "phone": ""},
        ]
        rows.append(
            {
                "code": f"990101001001{number + 1:03d}",
                "households": 240 + 45 * number,
                "residents": np.nan if number == 4 else 700.0 + 90 * number,
                "buildings": 8 + number,
                "buildings_unknown": 2 if number == 1 else 0,
                "area_m2": 40_000.0,
                "staff": [] if number == 5 else staff,
                "groups": [
                    {
                        "label_zh": "独居老人",
                        "label_en": "Elderly living alone",
                        "value_zh": "10–19 人",
                        "value_en": "10–19",
                    }
                ],
                "cases_30d": None if number == 3 else 4 * number,
                "recent": [
                    {
                        "date": "2026-10-30",
                        "category_zh": "占道经营",
                        "category_en": "Street vending",
                        "status_zh": "已办结",
                        "status_en": "closed",
                    }
                ],
                "months": []
                if number == 3
                else [
                    {
                        "month": f"2026-{month:02d}",
                        "cases": (7 * month + 5 * number) % 17,
                        "whole": month < 10,
                    }
                    for month in range(1, 11)
                ],
                "facilities": ["路灯", "lamp", "camera", "邮筒", "垃圾桶"] * (number + 1),
                "freshness": {"grid": "2026-11-20", "buildings": "2026-10-02", "cases": None},
                "geometry": box(200 * column, 200 * row, 200, 200),
            }
        )
    return gpd.GeoDataFrame(rows, crs=METRIC)


def streets() -> gpd.GeoDataFrame:
    """Streets of every class, in metres."""
    rows = [
        ("arterial", "迎宾大道", False, line((-200, 0), (800, 0))),
        ("secondary", "柳湾路", False, line((200, -150), (200, 400))),
        ("secondary", "柳湾路", False, line((200, 436), (200, 550))),
        ("local", "和平街", False, line((0, 200), (600, 200))),
        ("lane", "竹竿巷", False, line((400, 0), (400, 400))),
        ("path", "", False, line((450, 60), (560, 140))),
        ("water", "柳河", False, line((-200, 430), (300, 410), (800, 440))),
        ("secondary", "柳湾路", True, line((200, 400), (200, 436))),
        ("rail", "", False, line((650, -150), (650, 550))),
        ("wall", "", False, line((410, 210), (590, 210), (590, 390), (410, 390), (410, 300))),
    ]
    return gpd.GeoDataFrame(
        [(kind, name, bridge, False) for kind, name, bridge, _ in rows],
        columns=["class", "name", "bridge", "tunnel"],
        geometry=[geometry for *_, geometry in rows],
        crs=METRIC,
    )


def view(**changes: Any) -> CommunityView:
    """The whole view, in EPSG:4326; `changes` replace fields."""
    houses = [
        (use, box(200 * column + 30 + 50 * place, 200 * row + 40, 30, 90))
        for column in range(3)
        for row in range(2)
        for place, use in enumerate(("住宅", "residential", "商业"))
    ]
    buildings = gpd.GeoDataFrame(
        {"use": [use for use, _ in houses]}, geometry=[shape for _, shape in houses], crs=METRIC
    )
    rng = np.random.default_rng(7)
    lamps = [shapely.Point(WEST + 10 + 20 * n, SOUTH + 203) for n in range(28)]
    places = [
        shapely.Point(WEST + 120, SOUTH + 150),
        shapely.Point(WEST + 300, SOUTH + 330),
        shapely.Point(WEST + 500, SOUTH + 170),
    ]
    facilities = gpd.GeoDataFrame(
        {
            "kind": ["service_station", "clinic", "邮筒", *["lamp"] * len(lamps)],
            "name": ["柳湾社区党群服务站", "柳湾卫生服务站", "邮筒一号", *[""] * len(lamps)],
        },
        geometry=[*places, *lamps],
        crs=METRIC,
    )
    hot = rng.normal((300, 240), 40, (160, 2))
    spread = rng.uniform((0, 0), (600, 400), (140, 2))
    cases = gpd.GeoSeries(
        shapely.points(np.vstack([hot, spread]) + np.array([WEST, SOUTH])), crs=METRIC
    ).to_crs(4326)
    whole = to_degrees(grids())
    groups = gpd.GeoDataFrame(
        {
            "label_zh": ["10–19 人", "20–49 人", "少于 10 人，不公布"],
            "label_en": ["10–19", "20–49", "under 10, withheld"],
            "rank": [1, 2, 0],
            "grids": ["001, 002, 004", "003, 006", "005"],
        },
        geometry=[
            shapely.union_all(whole.geometry.to_numpy()[[0, 1, 3]]),
            shapely.union_all(whole.geometry.to_numpy()[[2, 5]]),
            whole.geometry.iloc[4],
        ],
        crs=4326,
    )
    fields: dict[str, Any] = {
        "community": to_degrees(community()),
        "grids": whole,
        "streets": to_degrees(streets()),
        "buildings": to_degrees(buildings),
        "facilities": to_degrees(facilities),
        "cases": case_surface(cases, to_degrees(community()).geometry.iloc[0], days=365),
        "groups": (
            GroupSurface(
                group="elderly_alone",
                label={"zh": "独居老人", "en": "Elderly living alone"},
                note={
                    "zh": "不足 10 人的网格与相邻网格合并公布。",
                    "en": "Grids under 10 are merged with a neighbour.",
                },
                cells=groups,
            ),
        ),
        "role": "centre",
        "synthetic": True,
        "attribution": {"zh": "数据：手工样例", "en": "Data: made by hand"},
        "version": "1",
        "published": "2026-11-20",
        "size_range": (200, 400),
        "size_words": {"zh": "200–400 户", "en": "200–400 households"},
        "in_range": 5 / 6,
    }
    return CommunityView(**{**fields, **changes})


def with_names(frame: gpd.GeoDataFrame, name: str) -> gpd.GeoDataFrame:
    """The frame with every name replaced."""
    return frame.assign(name=pd.Series(name, index=frame.index))
