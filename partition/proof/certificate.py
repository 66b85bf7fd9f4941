"""What a bound rests on, as a file that another program can check with arithmetic alone."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from partition.arrays import Lengths, Numbers
from partition.proof.branching import Fork, Tree
from partition.solver.pool import capped_load
from partition.solver.problem import Problem, Weights

FORMAT = "wangge-certificate-2"


@dataclass(frozen=True)
class Certificate:
    """The claim that no plan of `grids` connected grids in range costs less than `lower`, and its proof.

    status: "optimal" (the plan `labels` costs `cost`, and nothing costs less), "gap" (`lower` is a proven
    bound), "stopped" (the same, but the search was stopped before it was done) or "infeasible" (there is no
    such plan: with the objective "all", costs count as 0 and `lower` is above 0; with "border", `lower` is
    above the cost of all borders there are). objective: "all" wishes, "border" alone, or "outside": borders
    cost nothing.

    Where no plan is in range, the claim is about the best of the others: a household outside costs
    `outside_m`, and no grid has more than `most_outside` of them (the best plan known has no more in all).

    The proof: with the prices `price` of the units and `count_price` of a grid, a plan costs the sum of all
    prices plus the reduced costs of its grids (cost less prices). So a grid whose reduced cost is too great
    is in no plan below `lower`; and for what is left, each leaf of `tree` (two units together or apart) has
    prices that add up to `lower`, under which no grid has a negative reduced cost. `tie`: units with the same
    number stay together, those with another stay apart (-1 is free).
    """

    fingerprint: str
    units: int
    grids: int
    ranges: tuple[tuple[float, float, float], ...]
    weights: Weights
    tie: Numbers
    objective: str
    status: str
    cost: float | None
    lower: float
    labels: Numbers | None
    price: Lengths
    count_price: float
    tree: Tree
    outside_m: float | None = None
    most_outside: float = 0.0

    def document(self) -> dict[str, object]:
        """The certificate as JSON can hold it. Numbers are written so that reading gives the same bits."""
        nodes = [
            {"pair": list(node.pair), "same": node.same, "apart": node.apart}
            if isinstance(node, Fork)
            else {"price": node.price.tolist(), "count_price": node.count_price}
            for node in self.tree
        ]
        return {
            "format": FORMAT,
            "fingerprint": self.fingerprint,
            "units": self.units,
            "grids": self.grids,
            "ranges": [list(bounds) for bounds in self.ranges],
            "weights": {key: asdict(self.weights)[key] for key in ("deviation_m", "compactness_m")},
            "tie": self.tie.tolist(),
            "objective": self.objective,
            "status": self.status,
            "cost": self.cost,
            "lower": self.lower,
            "labels": None if self.labels is None else self.labels.tolist(),
            "price": self.price.tolist(),
            "count_price": self.count_price,
            "tree": nodes,
            "outside_m": self.outside_m,
            "most_outside": self.most_outside,
        }

    def write(self, path: Path) -> None:
        """Write the certificate as a JSON file."""
        path.write_text(json.dumps(self.document()) + "\n", encoding="utf-8")


def fingerprint(problem: Problem) -> str:
    """SHA-256 of what the proof is about: loads (capped at the upper bounds), adjacency, border costs and
    where one can walk, as little-endian 8-byte numbers one after the other (flags as bytes).
    """
    graph = problem.graph
    digest = hashlib.sha256()
    for array, kind in (
        (capped_load(problem), "<f8"),
        (graph.indptr, "<i8"),
        (graph.indices, "<i8"),
        (graph.cost, "<f8"),
        (graph.walk, "u1"),
    ):
        digest.update(np.ascontiguousarray(array, dtype=kind).tobytes())
    return digest.hexdigest()
