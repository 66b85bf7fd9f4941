"""The lattice of an area: where its cells lie, how much of each is inside, and what the border takes away.

All that depends on the area alone and not on the cases, so that many questions share it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pyproj
import scipy.fft
import shapely
from scipy.ndimage import binary_dilation
from shapely.geometry.base import BaseGeometry

from layers.density.coverage import Flags, cover_squares
from layers.density.lattice import Floats

MOST_CELLS = 40_000
BANDWIDTH_M = 100.0
_CELLS_M = tuple(digit * 10.0**power for power in range(1, 5) for digit in (1, 2, 2.5, 5))
_NODES_A_BANDWIDTH = 10  # a node every tenth of the bandwidth at least: see docs/heat.md for the error


@dataclass(frozen=True)
class Ground:
    """An area made ready for densities; see `lay_ground`. Holds about 25 bytes a node.

    crs, origin, cell_m, columns, rows, bounds, bandwidth_m: as in `Lattice`. parts: every cell is parts ×
    parts squares of `step_m`, whose middles are the nodes at which densities are computed. area: in
    EPSG:4326. cover: share of each square inside the area. mass: share of the kernel round each node inside.
    near_border: squares that the border may run through. All three are rows × columns of nodes, first row
    southernmost, with one square more on each side than the cells have. scale: length on the lattice for a
    metre on the ground, by row of cells, first row southernmost. kernel, disc: transforms for `spread`.
    """

    crs: str
    origin: tuple[float, float]
    cell_m: float
    columns: int
    rows: int
    bounds: tuple[float, float, float, float]
    bandwidth_m: float
    parts: int
    area: BaseGeometry
    cover: Floats
    mass: Floats
    near_border: Flags
    scale: Floats
    kernel: Floats
    disc: Floats
    padded: tuple[int, int]

    @property
    def step_m(self) -> float:
        """Distance of the nodes."""
        return self.cell_m / self.parts

    @property
    def corner(self) -> tuple[float, float]:
        """x, y of the south-west corner of the first square."""
        return self.origin[0] - self.step_m, self.origin[1] - self.rows * self.cell_m - self.step_m

    @property
    def area_km2(self) -> float:
        """Area in km²."""
        squares = (self.cover[1:-1].sum(axis=1) / np.repeat(self.scale, self.parts) ** 2).sum()
        return float(squares * self.step_m**2 / 1e6)

    def to_metres(self, places: Floats) -> Floats:
        """x, y (metres in `crs`) of longitudes and latitudes (n × 2, EPSG:4326)."""
        x, y = _projection(self.crs).transform(places[:, 0], places[:, 1])
        return np.column_stack([x, y])

    def spread(self, counts: Floats, kernel: Floats) -> Floats:
        """Counts at the nodes, each spread by the kernel (`self.kernel` or `self.disc`)."""
        rows, columns = counts.shape
        changed = scipy.fft.rfft2(counts, s=self.padded) * kernel
        spread: Floats = scipy.fft.irfft2(changed, s=self.padded)[:rows, :columns]
        return spread


def lay_ground(
    area: BaseGeometry | Iterable[BaseGeometry],
    *,
    bandwidth_m: float | None = None,
    cell_m: float | None = None,
) -> Ground:
    """The lattice of `area` (EPSG:4326), a polygon or several communities' polygons taken as one area.

    Without `cell_m` the smallest cell of 10, 20, 25, 50, 100 m … that makes at most 40,000 cells; without
    `bandwidth_m` 100 m, or four cells where that is more. Both are true to scale at the middle latitude
    (within 0.14 % 10 km north and south of it at 40° N; densities are corrected for it everywhere).
    Raises ValueError on an area that is empty or no polygon, on sizes that are not positive, and on a
    bandwidth of less than twice the cell.
    """
    whole = area if isinstance(area, BaseGeometry) else shapely.union_all(list(area))
    if whole.is_empty or not whole.area > 0:
        raise ValueError("the area must be a polygon that is not empty")
    if not whole.is_valid:
        whole = shapely.make_valid(whole)
    for size in (bandwidth_m, cell_m):
        if size is not None and not (math.isfinite(size) and size > 0):
            raise ValueError("bandwidth_m and cell_m must be positive")
    west, south, east, north = whole.bounds
    latitude = (south + north) / 2
    crs = f"+proj=merc +lat_ts={latitude:.6f} +lon_0={(west + east) / 2:.6f} +datum=WGS84 +units=m +no_defs"
    turn = _projection(crs)
    outline = shapely.transform(whole, lambda at: np.column_stack(turn.transform(at[:, 0], at[:, 1])))
    cell = cell_m or _choose_cell(outline.bounds, bandwidth_m)
    bandwidth = bandwidth_m or max(BANDWIDTH_M, 4 * cell)
    if bandwidth < 2 * cell:
        raise ValueError(f"a bandwidth of {bandwidth:g} m is less than two cells of {cell:g} m")
    parts = max(3, math.ceil(_NODES_A_BANDWIDTH * cell / bandwidth - 1e-9))
    parts += 1 - parts % 2  # odd, so that a cell's middle is a node
    step = cell / parts

    left, bottom, right, top = outline.bounds
    columns, rows = _size(outline.bounds, cell)
    x, y = (left + right - columns * cell) / 2, (bottom + top - rows * cell) / 2
    shape = (rows * parts + 2, columns * parts + 2)
    cover, crossed = cover_squares(outline, x - step, y - step, step, shape[1], shape[0])

    reach = math.ceil(bandwidth / step)
    padded = tuple(scipy.fft.next_fast_len(max(length, reach + 1) + reach, real=True) for length in shape)
    offsets = np.arange(-reach, reach + 1) * step
    squared = np.add.outer(offsets**2, offsets**2)
    quartic = np.clip(1 - squared / bandwidth**2, 0.0, None) ** 2
    corners = shapely.points([[x, y], [x + columns * cell, y + rows * cell]])
    degrees = shapely.transform(
        corners, lambda at: np.column_stack(turn.transform(at[:, 0], at[:, 1], direction="INVERSE"))
    )
    (low, high) = shapely.get_coordinates(degrees).tolist()
    made = Ground(
        crs=crs,
        origin=(x, y + rows * cell),
        cell_m=cell,
        columns=columns,
        rows=rows,
        bounds=(round(low[0], 7), round(low[1], 7), round(high[0], 7), round(high[1], 7)),
        bandwidth_m=bandwidth,
        parts=parts,
        area=whole,
        cover=cover,
        mass=cover,
        near_border=binary_dilation(crossed, np.ones((3, 3), dtype=bool)),
        scale=_scale(turn, y + (np.arange(rows) + 0.5) * cell, latitude),
        kernel=_transformed(quartic / quartic.sum(), padded),
        disc=_transformed((squared <= bandwidth**2).astype(float), padded),
        padded=(padded[0], padded[1]),
    )
    object.__setattr__(made, "mass", np.clip(made.spread(cover, made.kernel), 0.0, 1.0))
    return made


def _choose_cell(bounds: tuple[float, ...], bandwidth_m: float | None) -> float:
    least = max(bandwidth_m / 10, 1.0) if bandwidth_m else _CELLS_M[0]
    series = (1.0, 2.0, 2.5, 5.0, *_CELLS_M)
    for cell in series:
        columns, rows = _size(bounds, cell)
        if cell >= least * (1 - 1e-9) and columns * rows <= MOST_CELLS:
            return cell
    raise ValueError("the area is too large for one lattice")


def _size(bounds: tuple[float, ...], cell: float) -> tuple[int, int]:
    """Columns and rows that hold `bounds`; a millionth of a cell more is the rounding of projections."""
    west, south, east, north = bounds
    return max(math.ceil((east - west) / cell - 1e-6), 1), max(math.ceil((north - south) / cell - 1e-6), 1)


def _projection(crs: str) -> pyproj.Transformer:
    return pyproj.Transformer.from_crs("EPSG:4326", crs, always_xy=True)


def _scale(turn: pyproj.Transformer, y: Floats, middle: float) -> Floats:
    """Length on the lattice for a metre on the ground at each `y`; 1 at the middle (Snyder 1987, 7)."""
    latitude = np.radians(np.asarray(turn.transform(np.zeros(len(y)), y, direction="INVERSE")[1]))
    eccentricity2 = 0.00669437999014  # WGS 84

    def parallel(at: Floats | float) -> Floats:
        length: Floats = np.cos(at) / np.sqrt(1 - eccentricity2 * np.sin(at) ** 2)
        return length

    ratio: Floats = parallel(math.radians(middle)) / parallel(latitude)
    return ratio


def _transformed(kernel: Floats, padded: tuple[int, ...]) -> Floats:
    """The kernel's transform, its middle at the first place: real, as the kernel is even."""
    size = kernel.shape[0] // 2
    laid = np.zeros(padded)
    laid[: kernel.shape[0], : kernel.shape[1]] = kernel
    turned: Floats = scipy.fft.rfft2(np.roll(laid, (-size, -size), (0, 1))).real.copy()
    return turned
