"""The bare map of our pages: of what folium puts into one only Leaflet, and our own scripts and styles."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import folium
import numpy as np


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
            "min_zoom": 9,
            "max_zoom": 21,
            "zoom_snap": 0.25,
            "zoom_delta": 0.5,
            "wheel_px_per_zoom_level": 120,
            "attribution_control": False,
        }
        middle = [float(np.round((south + north) / 2, 6)), float(np.round((west + east) / 2, 6))]
        super().__init__(location=middle, **{**own, **options})
        # of folium's own list only Leaflet: nothing here uses jQuery, Bootstrap or the marker fonts
        self.default_js = [link for link in folium.Map.default_js if link[0] == "leaflet"]
        self.default_js += [(name, name) for name in scripts]
        self.default_css = [link for link in folium.Map.default_css if link[0] == "leaflet_css"]
        self.default_css += [(name, name) for name in styles]
