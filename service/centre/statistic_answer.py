"""What a statistic found, as JSON (its shape stands in `service.centre.statistics`)."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from partition.texts import LANGUAGES
from service.access import Principal, Role
from service.centre.answer import write_view
from service.centre.figures import View
from service.centre.mesh import Mesh, Whole
from service.centre.statistic_question import Ask, Method, write_ask
from service.centre.summary import few_words
from service.links import JSON, link
from service.privacy.disclosure import rules

if TYPE_CHECKING:
    from layers.statistics.scan import Scan
    from layers.statistics.statement import Both, Statement

KINDS: Mapping[Method, tuple[str, ...]] = {
    "gi": ("hot", "cold", "none", "alone", "unknown"),
    "moran": ("hot", "cold", "high", "low", "none", "alone", "unknown"),
    "rates": ("5", "4", "3", "2", "1", "hidden", "unknown"),
    "scan": ("cluster", "cluster_low", "none", "unknown"),
    "recent": ("cluster", "none", "unknown"),
    "compare": ("more", "fewer", "none", "few", "control"),
}
_CORNERS = 48


@dataclass(frozen=True)
class Found:
    """What a method found. kinds: by unit. columns: properties of units by name, lists of their values.

    labels: of the kinds, where they are not those of the method.
    """

    statement: Statement
    counts: Whole
    kinds: Sequence[str]
    columns: Mapping[str, Sequence[Any]]
    scan: Scan | None = None
    labels: Mapping[str, Both] | None = None
    more: Mapping[str, Any] | None = None
    notes: tuple[Both, ...] = ()


def write_found(
    found: Found, mesh: Mesh, view: View, ask: Ask, principal: Principal, path: str
) -> dict[str, Any]:
    """The answer. path: the division's address. Where nothing was found out, units have no classes."""
    from layers.statistics.statement import both

    statement = found.statement
    total = int(found.counts.sum()) + sum(found.columns.get("before", ()))
    few = statement.answered and total < rules().floor.rate_hidden
    answered = statement.answered and not few
    kinds = list(found.kinds) if answered else ["none"] * len(mesh)
    columns = found.columns if answered else {name: [None] * len(mesh) for name in found.columns}
    query = view.filters.address()
    asked = write_ask(ask)
    whole = "&".join(part for part in (query, asked) if part)
    return {
        **write_view(view),
        "method": ask.method,
        "title": dict(both(f"statistics.title_{ask.method}")),
        "answered": answered,
        "verdict": {lang: few_words(total, lang) for lang in LANGUAGES} if few else dict(statement.verdict),
        "words": dict(statement.method),
        "caveat": dict(statement.caveat),
        "notes": [dict(note) for note in (*found.notes, *statement.notes)],
        "parameters": ask.written(),
        **(found.more or {}),
        "cases": total,
        "approximate": not principal.reaches(Role.CENTRE),
        "legend": [
            {
                "kind": kind,
                "label": dict((found.labels or {}).get(kind) or both(f"statistics.kind_{kind}")),
                "units": kinds.count(kind),
            }
            for kind in KINDS[ask.method]
            if kind in kinds
        ],
        "units": {
            "type": "FeatureCollection",
            "features": [
                {
                    "type": "Feature",
                    "id": number,
                    "geometry": _geometry(mesh.degrees[number]),
                    "properties": {
                        "kind": kinds[number],
                        "grid": mesh.grids[number] if mesh.kind == "grids" else None,
                        "grids": list(mesh.units.together(mesh.grids[number]))
                        if mesh.kind == "grids"
                        else None,
                        "cases": int(found.counts[number]),
                        **{name: values[number] for name, values in columns.items()},
                    },
                }
                for number in range(len(mesh))
            ],
        },
        "clusters": _clusters(found.scan, mesh) if answered and found.scan is not None else None,
        "explained": {
            "notebook": "/guide/notebooks/03_hot_spots.ipynb",
            "docs": {"zh": "/guide/docs/statistics.zh-CN.md", "en": "/guide/docs/statistics.md"},
        },
        "links": [link(f"{path}/statistics/{ask.method}" + (f"?{whole}" if whole else ""), "self", JSON)],
    }


def _clusters(scan: Scan, mesh: Mesh) -> dict[str, Any]:
    """The clusters' circles, each round the whole of its units."""
    import geopandas as gpd
    import shapely

    from layers.statistics.statement import amount, both

    circles = []
    for cluster in scan.clusters:
        middle = shapely.Point(cluster.centre)
        reach = float(shapely.hausdorff_distance(middle, shapely.union_all(mesh.shapes[cluster.units])))
        angles = np.linspace(0, 2 * np.pi, _CORNERS, endpoint=False)
        # corners on a circle a little larger, so that the sides do not cut into it
        turned = np.column_stack([np.cos(angles), np.sin(angles)])
        ring = turned * reach / math.cos(math.pi / _CORNERS) + np.array(cluster.centre)
        circles.append(shapely.Polygon(ring))
    degrees = gpd.GeoSeries(circles, crs=mesh.crs).to_crs(4326).to_numpy() if circles else []
    features = []
    for number, (cluster, shape) in enumerate(zip(scan.clusters, degrees, strict=True), start=1):
        span = "" if cluster.days is None else "_day" if cluster.days == 1 else "_days"
        label = both(
            f"statistics.cluster_label{span}",
            days=cluster.days or 0,
            cases=cluster.cases,
            expected=amount(cluster.expected),
        )
        features.append(
            {
                "type": "Feature",
                "id": number,
                "geometry": _geometry(shape),
                "properties": {
                    "number": number,
                    "found": cluster.p <= scan.level,
                    "high": cluster.high,
                    "cases": cluster.cases,
                    "expected": round(cluster.expected, 2),
                    "relative_risk": plain(cluster.relative_risk),
                    "radius_m": round(cluster.radius_m, 1),
                    "p": cluster.p,
                    "ratio": round(cluster.ratio, 3),
                    "days": cluster.days,
                    "label": dict(label),
                },
            }
        )
    return {"type": "FeatureCollection", "features": features}


def _geometry(shape: Any) -> dict[str, Any]:
    import shapely
    from shapely.geometry import mapping

    told: dict[str, Any] = mapping(shapely.transform(shape, lambda xy: xy.round(6)))
    return told


def plain_list(values: Iterable[float], digits: int = 4) -> list[float | None]:
    """Numbers as `plain` writes each."""
    return [plain(float(value), digits) for value in values]


def plain(value: float, digits: int = 4) -> float | None:
    """A number with `digits` significant digits; None for none, and for an infinite one."""
    return float(f"{value:.{digits}g}") if math.isfinite(value) else None
