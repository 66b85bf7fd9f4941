"""How even the tiers are: figures of each, and the grids out of their tier's range, with reasons."""

from __future__ import annotations

from typing import Any

import geopandas as gpd
import numpy as np

from partition.area import Area
from partition.arrays import Geometries, Lengths
from partition.findings import Finding, name_rows
from partition.geometry.metrics import variation
from partition.solver.constraints import Reason
from partition.texts import LANGUAGES
from partition.tiers.levels import Level

UNITS = {
    "households": {"zh": "户", "en": "households"},
    "residents": {"zh": "人", "en": "residents"},
    "area": {"zh": "平方米", "en": "m²"},
    "workload": {"zh": "工作量", "en": "workload"},
}
FAR = 0.25  # beyond its range by more than this share of the target, a grid is called far from it


def sum_up(depth: int, tier: Level, frame: gpd.GeoDataFrame) -> dict[str, Any]:
    measured = frame["measured"].to_numpy()
    return {
        "tier": depth + 1,
        "name": dict(tier.name),
        "numbered": tier.numbered,
        "grids": len(frame),
        "measure": tier.size.measure,
        "least": float(measured.min()),
        "mean": round(float(measured.mean()), 1),
        "greatest": float(measured.max()),
        "variation": round(variation(measured), 4),
        "share_in_range": round(float(frame["in_range"].mean()), 4),
    }


def _beyond(frame: gpd.GeoDataFrame) -> Lengths:
    """How far each grid is from its range, as a share of its target."""
    off = np.maximum(frame["lower"] - frame["measured"], frame["measured"] - frame["upper"])
    return np.asarray(np.maximum(off, 0.0) / np.maximum(frame["target"], 1e-9))


def list_imbalance(depth: int, tier: Level, frame: gpd.GeoDataFrame) -> list[dict[str, Any]]:
    beyond = _beyond(frame)
    return [
        {
            "tier": depth + 1,
            "tier_name": dict(tier.name),
            "code": frame["code"].iloc[row],
            "name": {"zh": frame["name"].iloc[row], "en": frame["name_en"].iloc[row]},
            "community": frame["community"].iloc[row],
            "measure": tier.size.measure,
            "measured": float(frame["measured"].iloc[row]),
            "lower": float(frame["lower"].iloc[row]),
            "upper": float(frame["upper"].iloc[row]),
            "beyond": round(float(beyond[row]), 4),
            "far": bool(beyond[row] > FAR),
            "reason": tier.reasons[row].cause if row in tier.reasons else "unproven",
        }
        for row in np.flatnonzero(~frame["in_range"].to_numpy()).tolist()
    ]


def find_size_faults(
    area: Area, tier: Level, larger: Level | None, frame: gpd.GeoDataFrame, smaller: Level | None = None
) -> list[Finding]:
    """One finding for each grid out of its tier's range, with the reason.

    smaller: the tier whose grids were grouped to this one, where it was made so.
    """
    faults = []
    ids = area.buildings["id"].to_numpy().astype(str)
    several = len(area.communities) > 1
    lived = np.flatnonzero(area.buildings["households"].to_numpy() > 0)
    lived = lived[np.argsort(tier.building[lived], kind="stable")]
    held = tier.building[lived]
    for row in np.flatnonzero(~frame["in_range"].to_numpy()).tolist():
        reason = tier.reasons.get(row, Reason("unproven", 0))
        alone, cause = "", str(reason.cause)
        names = {lang: [""] for lang in LANGUAGES}
        if reason.cause == "building" and smaller is not None:
            cause = "grid"
            large = np.flatnonzero(smaller.parents == row).tolist()
            names = {lang: [smaller.words[lang][child] for child in large] for lang in LANGUAGES}
        elif reason.cause == "building":
            own = lived[np.searchsorted(held, row) : np.searchsorted(held, row, side="right")]
            alone = name_rows(tuple(dict.fromkeys(ids[own])))
        within = larger if larger is not None and tier.parent is not None else None
        home = f"{frame['community'].iloc[row]} " if several else ""
        values = {
            "tier_zh": tier.name["zh"],
            "tier_en": tier.name["en"],
            "name_zh": home + frame["name"].iloc[row],
            "name_en": home + frame["name_en"].iloc[row],
            "parent_zh": within.words["zh"][tier.parents[row]] if within else frame["community"].iloc[row],
            "parent_en": within.words["en"][tier.parents[row]] if within else frame["community"].iloc[row],
            "unit_zh": UNITS[tier.size.measure]["zh"],
            "unit_en": UNITS[tier.size.measure]["en"],
            "measured": float(frame["measured"].iloc[row]),
            "lower": float(frame["lower"].iloc[row]),
            "upper": float(frame["upper"].iloc[row]),
            "alone": float(reason.amount),
            "building": alone,
            "grids_zh": "、".join(names["zh"]),
            "grids_en": ", ".join(names["en"]),
            "proven": reason.proven,
        }
        code = f"tier_{cause}"
        label = frame["code"].iloc[row] or frame["name"].iloc[row]
        faults.append(Finding(code, "violated", "tiers", rows=(label,), values=values))
    return faults


def find_miscounts(tier: Level, homes: Geometries) -> list[Finding]:
    """Communities in which a tier did not get the number of grids asked for."""
    found = []
    for number, (wanted, made) in sorted(tier.asked.items()):
        code = "tier_fewer" if made < wanted else "tier_more"
        values = {"tier_zh": tier.name["zh"], "tier_en": tier.name["en"], "wanted": wanted, "made": made}
        found.append(Finding(code, "violated", "tiers", rows=(str(homes[number]),), values=values))
    return found


def find_failures(tier: Level, frame: gpd.GeoDataFrame) -> list[Finding]:
    """Grids that broke when they were divided, and stayed whole."""
    return [
        Finding(
            "tier_failed",
            "violated",
            "tiers",
            rows=(frame["parent"].iloc[row],),
            values={"error": failure.error, "where": failure.where, "proven": False},
        )
        for row, failure in sorted(tier.failures.items())
    ]
