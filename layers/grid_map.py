"""The grids: coloured so that neighbours differ, numbered, each with its card."""

from __future__ import annotations

from typing import Any, ClassVar

from layers import palette
from layers.cards import describe_grid
from layers.colouring import colour, neighbours
from layers.coordinates import points, polygons
from layers.element import Part
from layers.labels import label_points as label_points  # callers know it by this module
from layers.utm import utm_crs
from layers.view import CommunityView


class GridMap(Part):
    """The grids with borders, numbers and what their cards say."""

    scripts: ClassVar[tuple[str, ...]] = ("labels.js", "card.js", "grid_map.js")

    def __init__(self, view: CommunityView) -> None:
        super().__init__("grid_map", _data(view))


def _data(view: CommunityView) -> dict[str, Any]:
    grids = view.grids.sort_values("code").reset_index(drop=True)
    in_metres = grids.geometry.to_crs(utm_crs(grids)) if len(grids) else grids.geometry
    colours = grids["colour"] if "colour" in grids else colour(neighbours(in_metres)).colours
    centres, radii = label_points(in_metres)
    where = points(centres.to_crs(4326)) if len(grids) else []
    cards = [
        describe_grid({str(name): value for name, value in row.items()}, view.size_range)
        | {
            "rings": polygons([row["geometry"]]),
            "centre": where[position],
            "radius": round(radii[position], 1),
            "colour": palette.GRIDS[colours[position] % len(palette.GRIDS)],
        }
        for position, row in enumerate(grids.to_dict("records"))
    ]
    return {"grids": cards}
