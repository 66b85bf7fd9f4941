"""Units on a lattice, as arrays."""

from __future__ import annotations

import numpy as np

from partition.solver.graph import Graph, from_arcs


def lattice(columns: int, rows: int, households) -> Graph:
    """Square units of 100 m, each border 100 m of cost 100."""
    n = columns * rows
    number = np.arange(n).reshape(rows, columns)
    across = np.c_[number[:, :-1].ravel(), number[:, 1:].ravel()]
    pairs = np.vstack([across, np.c_[number[:-1].ravel(), number[1:].ravel()]])
    a, b = np.concatenate([pairs, pairs[:, ::-1]]).T
    households = np.broadcast_to(np.asarray(households, dtype=np.int64), n).copy()
    outer = (4 - np.bincount(a, minlength=n)) * 100.0
    size = np.full(len(a), 100.0)
    return from_arcs(households, np.full(n, 1e4), outer, a, b, size, size, np.ones(len(a), dtype=bool))
