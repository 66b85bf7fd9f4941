"""The kinds of arrays that pass between the rooms of the partition."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Geometries = npt.NDArray[np.object_]  # Shapely geometries
Numbers = npt.NDArray[np.int64]  # whole numbers: households, positions, labels
Lengths = npt.NDArray[np.float64]  # metres, square metres, coordinates
Flags = npt.NDArray[np.bool_]
