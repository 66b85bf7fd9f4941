"""Instances of the solver's bench: block graphs in `.npz` files."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

from partition.errors import InputError
from partition.findings import Finding
from partition.solver.balance import Balance
from partition.solver.graph import Graph
from partition.solver.problem import Problem, Weights

CLASS_COST = (
    3.0,
    1.0,
    0.5,
    0.2,
    0.1,
)  # weighted m a metre: no street, lane, secondary, arterial, bridged barrier
BY_UNIT = ("hh", "area", "perim")
BY_ARC = ("indices", "elen", "ecls")
SINGLE = ("target", "lo", "hi", "k")


@dataclass(frozen=True)
class Instance:
    """n units, their graph, the range of households wanted, and the number of grids to make."""

    name: str
    graph: Graph
    balance: Balance
    grids: int

    def narrowed(self, lower: float, upper: float) -> Instance:
        """The same with a narrower range; what is beyond the file's own range stays out of range."""
        lower, upper = max(lower, self.balance.lower), min(upper, self.balance.upper)
        target = min(max(self.balance.target, lower), upper)
        return replace(self, balance=Balance(lower, target, upper))

    def problem(self, deviation_m: float = 0.0) -> Problem:
        """The bench's problem: least border cost with every grid in range; no crossings, no compactness."""
        return Problem.of_households(
            self.graph, self.balance, Weights(deviation_m=deviation_m, compactness_m=0.0)
        )


def read_instance(path: Path) -> Instance:
    """Read and check an instance. Raises `InputError` that names the file, the array and the fault."""
    arrays = _read_arrays(path)
    graph = _build_graph(arrays, path)
    target, lower, upper = (float(arrays[name]) for name in ("target", "lo", "hi"))
    if not (0 <= lower <= target <= upper and target > 0 and np.isfinite(upper)):
        raise _fault(path, "instance_range", "lo", lower=lower, target=target, upper=upper)
    grids = int(arrays["k"])
    if not 1 <= grids <= len(graph):
        raise _fault(path, "instance_grids", "k", grids=grids, units=len(graph))
    name = str(arrays["name"]) if "name" in arrays else path.stem
    return Instance(name, graph, Balance(lower, target, upper), grids)


def _fault(
    path: Path, code: str, column: str = "", rows: tuple[int, ...] = (), **values: object
) -> InputError:
    ids = tuple(f"#{row + 1}" for row in rows)
    return InputError([Finding(code, "refused", column=column, rows=ids, values=values, file=str(path))])


def _read_arrays(path: Path) -> dict[str, npt.NDArray[np.generic]]:
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
    except (OSError, ValueError, EOFError, AttributeError, zipfile.BadZipFile) as error:
        raise _fault(path, "instance_unreadable", error=str(error)) from error
    for name in (*BY_UNIT, "indptr", *BY_ARC, *SINGLE):
        if name not in arrays:
            raise _fault(path, "instance_lacks", name)
        array = arrays[name]
        if not np.issubdtype(array.dtype, np.number) or array.ndim != (0 if name in SINGLE else 1):
            raise _fault(path, "instance_shape", name, shape=str(array.shape), kind=str(array.dtype))
    return arrays


def _build_graph(arrays: dict[str, npt.NDArray[np.generic]], path: Path) -> Graph:
    households, indptr = arrays["hh"], arrays["indptr"].astype(np.int64)
    n, arcs = len(households), len(arrays["indices"])
    for name, count in (*((one, n) for one in BY_UNIT), ("indptr", n + 1), *((one, arcs) for one in BY_ARC)):
        if len(arrays[name]) != count:
            raise _fault(path, "instance_length", name, found=len(arrays[name]), wanted=count)
    if not n or indptr[0] != 0 or indptr[-1] != arcs or (np.diff(indptr) < 0).any():
        raise _fault(path, "instance_indptr", "indptr")
    indices = arrays["indices"].astype(np.int64)
    rows = np.repeat(np.arange(n), np.diff(indptr))
    length, area, kind = (arrays[name].astype(np.float64) for name in ("elen", "area", "ecls"))
    wrong = {
        "hh": ~(np.isfinite(households.astype(np.float64)) & (households.astype(np.float64) >= 0)),
        "area": ~(np.isfinite(area) & (area > 0)),
        "indices": (indices < 0) | (indices >= n) | (indices == rows),
        "elen": ~(np.isfinite(length) & (length > 0)),
        "ecls": ~np.isin(kind, np.arange(len(CLASS_COST))),
    }
    for name, bad in wrong.items():
        if bad.any():
            raise _fault(path, "instance_values", name, tuple(np.flatnonzero(bad).tolist()))
    forth = csr_array((length, indices, indptr), shape=(n, n), copy=True)  # sorted below, unlike the classes
    forth.sort_indices()
    back = csr_array(forth.T)
    back.sort_indices()
    same = np.array_equal(forth.indptr, back.indptr) and np.array_equal(forth.indices, back.indices)
    doubled = (np.diff(forth.indices) == 0) & (np.diff(np.repeat(np.arange(n), np.diff(indptr))) == 0)
    if not same or doubled.any() or np.abs(forth.data - back.data).max(initial=0.0) > 1e-6:
        raise _fault(path, "instance_asymmetric", "indices")
    pieces = connected_components(forth, directed=False)[0]
    if pieces > 1:
        raise _fault(path, "instance_apart", "indices", pieces=pieces)
    order = np.lexsort((indices, rows))
    cost = length * np.array(CLASS_COST)[kind.astype(np.int64)]
    shared = np.bincount(rows, weights=length, minlength=n)
    return Graph(
        households=households.astype(np.int64),
        area=area,
        outer=np.maximum(arrays["perim"].astype(np.float64) - shared, 0.0),
        indptr=indptr,
        indices=indices[order],
        length=length[order],
        cost=cost[order],
        walk=np.ones(arcs, dtype=np.bool_),
    )
