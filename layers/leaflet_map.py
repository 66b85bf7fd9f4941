"""The bare map of our pages: of what folium puts into one only Leaflet, and our own scripts and styles."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import folium
import numpy as np

MOST_ZOOM = 21
LEAST_ZOOM = 12  # at which a community is a few fingers wide


def least_zoom(bounds: Sequence[float]) -> int:
    """From how far away a map shows its bounds (degrees) still well, and on a phone as a whole: 0 to 12."""
    west, south, east, north = bounds
    tall = (north - south) / max(0.1, math.cos(math.radians((south + north) / 2)))
    widest = max(east - west, tall, 1e-6)
    # a phone's panels leave some 150 pixels; the world is 256 wide at zoom 0
    return max(0, min(LEAST_ZOOM, math.floor(math.log2(150 / 256 * 360 / widest))))


class LeafletMap(folium.Map):
    """A map without tiles and buttons, of a page that draws both itself.

    bounds: west, south, east, north in degrees; the map opens at their middle. scripts, styles: names of
    assets (`layers.assets.read`). options: of folium's map.
    """

    def __init__(
        self, bounds: Sequence[float], scripts: Sequence[str], styles: Sequence[str], **options: Any
    ) -> None:
        west, south, east, north = bounds
        own: dict[str, Any] = {
            "tiles": None,
            "zoom_start": 16,
            "zoom_control": False,
            "font_size": "14px",
            "zoom_snap": 0.25,
            "zoom_delta": 0.5,
            "wheel_px_per_zoom_level": 120,
            "attribution_control": False,
        }
        middle = [float(np.round((south + north) / 2, 6)), float(np.round((west + east) / 2, 6))]
        super().__init__(location=middle, **{**own, **options})
        # folium gives these to a layer of tiles only; without them a map zooms in until drawing does not end
        self.options |= {"min_zoom": least_zoom(bounds), "max_zoom": MOST_ZOOM}
        # of folium's own list only Leaflet: nothing here uses jQuery, Bootstrap or the marker fonts
        self.default_js = [link for link in folium.Map.default_js if link[0] == "leaflet"]
        self.default_js += [(name, name) for name in scripts]
        self.default_css = [link for link in folium.Map.default_css if link[0] == "leaflet_css"]
        self.default_css += [(name, name) for name in styles]
