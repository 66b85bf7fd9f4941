"""What always holds of a plan."""

from __future__ import annotations

import re

import numpy as np
import shapely

from partition.area import Area
from partition.geometry.metrics import cut_buildings, inner_borders
from partition.split import Split

TURN = np.array([[np.cos(0.3), -np.sin(0.3)], [np.sin(0.3), np.cos(0.3)]])


def assert_valid_plan(area: Area, split: Split) -> None:
    """Complete, conserving, contiguous, seamless, edge-matched, within the communities, and cutting no
    building.
    """
    buildings, grids = split.buildings, split.grids
    inside = area.buildings["community"].to_numpy() >= 0
    assert (buildings["grid"].to_numpy() != "").tolist() == inside.tolist()
    assert buildings["id"].to_list() == area.buildings["id"].to_list()
    assert buildings[inside].groupby("atom")["grid"].nunique().max() <= 1 if inside.any() else True
    assert grids["code"].is_unique
    assert set(buildings["grid"]) - {""} <= set(grids["code"])
    assert grids["households"].sum() == area.buildings["households"].to_numpy()[inside].sum()
    held = buildings[inside].groupby("grid")["households"].sum()
    assert held.to_dict() == grids.set_index("code")["households"].reindex(held.index).to_dict()
    polygons = grids.geometry.to_numpy()
    assert shapely.is_valid(polygons).all()
    assert shapely.coverage_is_valid(polygons)
    turned = shapely.transform(polygons, lambda xy: xy @ TURN)
    assert shapely.coverage_is_valid(turned), "a vertex lies on a neighbour's border without being its own"
    for community in area.communities.itertuples():
        own = grids[grids["community"] == community.id].geometry.to_numpy()
        assert len(own)
        union = shapely.union_all(own)
        assert shapely.area(shapely.symmetric_difference(union, community.geometry)) < 1e-4
        assert abs(shapely.area(own).sum() - community.geometry.area) < 1e-4
        if community.geometry.geom_type == "Polygon":
            assert (shapely.get_type_id(own) == 3).all(), "a grid lies in pieces"
    assert not len(cut_buildings(inner_borders(polygons), _uncrossed(area), 0.05)), "a border cuts a building"


def _uncrossed(area: Area):
    """Footprints that no barrier and no community border crosses."""
    footprints = area.buildings.geometry.to_numpy()
    edges = np.concatenate(
        [area.streets.geometry.to_numpy(), shapely.boundary(area.communities.geometry.to_numpy())]
    )
    crossed = np.zeros(len(footprints), dtype=bool)
    if len(footprints) and len(edges):
        line, foot = shapely.STRtree(footprints).query(edges, predicate="intersects")
        inside = shapely.length(shapely.intersection(edges[line], footprints[foot]))
        crossed[foot[inside > 0.01]] = True
    return footprints[~crossed]


# what tells why, or says that nothing could be proven; what counts grids names its cause in words
REASONED = re.compile(
    r"size_(building|buildings|pocket|pocket_ranges|cut_off|zone|locked|too_few|no_number|two_ranges"
    r"|indivisible|whole|wanted_number|narrow|unproven)"
    r"|(compound|village_group)_split_(border|large|zone|crowded|shared|apart|range|number|weighed)"
    r"|zone_mixed_(houses|ground)"
    r"|grids_(fewer|more)"
)


def assert_reasoned(split: Split) -> None:
    """Every violation of a plan has its reason, as data and in both languages."""
    for finding in split.report.violations:
        if finding.level == "violated":
            assert REASONED.fullmatch(finding.code), (finding.code, finding.rows, dict(finding.values))
            if finding.code.startswith("size_"):
                assert finding.values["proven"] is (finding.code not in ("size_narrow", "size_unproven"))
        assert finding.text("zh") != finding.text("en")
