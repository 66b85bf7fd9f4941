"""Check a certificate of the solver: `python tests/certificate_checker.py INSTANCE.npz LABELS.npy CERT.json`.

It shares no code with the solver. It lists every possible grid of the instance itself (each connected set of
units whose households are in range; a unit above the upper bound counts as the upper bound), in plain Python
at about 2 µs each. Where the claim is about plans that are out of range, each set that is no further outside
than the certificate says is listed, and what it has outside costs what the certificate says.

Then it is arithmetic: a plan of k grids costs the sum of the prices of all units and k times the price of a
grid, plus the reduced cost of each of its grids (its cost less its prices).

1. With the prices of the root, no set whose reduced cost exceeds a limit is in a plan below the bound.
2. Each leaf of the tree says which pairs of units are together or apart. Its prices must add up to the bound
   claimed, and no set that is left and allowed there may have a negative reduced cost.
3. The two branches of each fork are complements, and none is missing; so each plan is in some leaf.
4. The labels are a plan of k connected grids in range, and cost what is claimed.
"""

from __future__ import annotations

import hashlib
import json
import math
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

STREET_COST = np.array([3.0, 1.0, 0.5, 0.2, 0.1])
TOLERANCE = 1e-6  # of the claimed cost, relative


class RefusedError(Exception):
    """The certificate does not prove what it claims."""


@dataclass
class Instance:
    """Units with loads by measure; neighbours with cost and length of the border, and whether one walks."""

    load: Any  # (n, m)
    indptr: Any
    indices: Any
    cost: Any
    length: Any
    walk: Any
    area: Any
    outer: Any
    ranges: list[list[float]]


def read_instance(path: Path) -> Instance:
    """An instance of the bench."""
    with np.load(path, allow_pickle=False) as data:
        length = data["elen"].astype(float)
        indptr = data["indptr"].astype(np.int64)
        rows = np.repeat(np.arange(len(data["hh"])), np.diff(indptr))
        shared = np.bincount(rows, length, len(data["hh"]))
        return Instance(
            data["hh"].astype(float)[:, None],
            indptr,
            data["indices"].astype(np.int64),
            length * STREET_COST[data["ecls"]],
            length,
            np.ones(len(length), dtype=bool),
            data["area"].astype(float),
            np.maximum(data["perim"] - shared, 0.0),
            [[float(data["lo"]), float(data["target"]), float(data["hi"])]],
        )


def check(instance: Instance, labels: Any, document: dict[str, Any]) -> dict[str, Any]:
    """Check all claims. Returns what was proven; raises `RefusedError` with the reason."""
    wanted = {
        "format",
        "status",
        "lower",
        "cost",
        "grids",
        "price",
        "count_price",
        "tree",
        "tie",
        "objective",
        "outside_m",
        "most_outside",
    }
    if not wanted <= document.keys() or document["format"] != "wangge-certificate-2":
        raise RefusedError("this is no certificate that can be read")
    upper = np.array([bounds[2] for bounds in instance.ranges])
    capped = np.minimum(instance.load, upper)
    if [list(map(float, bounds)) for bounds in document["ranges"]] != instance.ranges:
        raise RefusedError("the ranges are not the instance's")
    if fingerprint(instance, capped) != document["fingerprint"]:
        raise RefusedError("the certificate is of another instance")
    status, lower, grids = document["status"], float(document["lower"]), int(document["grids"])
    weights = (
        document["weights"] if document["objective"] == "all" else {"deviation_m": 0, "compactness_m": 0}
    )
    weights = {**weights, "outside_m": document["outside_m"], "most_outside": document["most_outside"]}
    if (weights["outside_m"] is None) != (weights["most_outside"] == 0):
        raise RefusedError("either the ranges hold or what is outside has a price")
    if document["objective"] == "outside":
        instance = replace(instance, cost=np.zeros(len(instance.cost)))
    slack = TOLERANCE * max(1.0, abs(lower))
    value, free = None, False
    if document["cost"] is not None:
        value = cost_of_plan(instance, capped, np.asarray(labels), grids, weights, document["tie"])
        if outside_of_plan(instance, capped, np.asarray(labels)) > weights["most_outside"] + 1e-6:
            raise RefusedError("the plan has more outside the ranges than was looked at")
        if abs(value - float(document["cost"])) > slack:
            raise RefusedError(f"the plan costs {value}, not {document['cost']}")
        if not same_partition(labels, document["labels"]):
            raise RefusedError("the labels are not the certificate's")
    if status == "infeasible":
        free = document["objective"] == "all"
        most = 0.0 if free else 0.5 * float(np.maximum(instance.cost, 0.0).sum())
        slack = 1e-6 * max(1.0, most)
        if document["cost"] is not None or lower < most + 2.0 * slack:
            raise RefusedError("nothing shows that there is no plan")
    elif status == "optimal":
        if value is None or value > lower + slack:
            raise RefusedError(f"the bound {lower} is not the plan's cost {value}")
    elif status not in ("gap", "stopped"):
        raise RefusedError(f"unknown status {status}")
    sets = verify_bound(instance, capped, document, free, weights, slack)
    return {
        "status": status,
        "lower": lower,
        "cost": value,
        "sets": sets,
        "leaves": len(leaves(document["tree"])),
    }


def fingerprint(instance: Instance, capped: Any) -> str:
    """SHA-256 over the arrays, little-endian."""
    digest = hashlib.sha256()
    for array, kind in (
        (capped, "<f8"), (instance.indptr, "<i8"), (instance.indices, "<i8"), (instance.cost, "<f8"),
        (instance.walk, "u1"),
    ):  # fmt: skip
        digest.update(np.ascontiguousarray(array, dtype=kind).tobytes())
    return digest.hexdigest()


def same_partition(one: Any, other: Any) -> bool:
    """Whether two labellings part the units alike."""
    pairs = set(zip(list(map(int, one)), list(map(int, other)), strict=True))
    return len(pairs) == len({a for a, _ in pairs}) == len({b for _, b in pairs})


def cost_of_plan(instance: Instance, capped: Any, labels: Any, grids: int, weights: Any, tie: Any) -> float:
    """What a plan costs; `RefusedError` unless it is `grids` connected grids in range."""
    if labels.shape != (len(capped),):
        raise RefusedError("there must be one label for each unit")
    names = sorted(set(labels.tolist()))
    if len(names) != grids:
        raise RefusedError(f"the plan has {len(names)} grids, the claim is about {grids}")
    total = 0.0
    for name in names:
        members = set(np.flatnonzero(labels == name).tolist())
        queue = [next(iter(members))]
        reached = set(queue)
        while queue:
            u = queue.pop()
            for e in range(instance.indptr[u], instance.indptr[u + 1]):
                v = int(instance.indices[e])
                if instance.walk[e] and v in members and v not in reached:
                    reached.add(v)
                    queue.append(v)
        if reached != members:
            raise RefusedError(f"grid {name} does not hang together")
        held = capped[sorted(members)].sum(axis=0)
        if beyond(instance, held) > weights["most_outside"] + 1e-9:
            raise RefusedError(f"grid {name} holds {held}")
        if not tied_rightly(members, tie):
            raise RefusedError(f"grid {name} parts or joins units that are tied")
        total += cost_of_set(instance, members, held, weights)
    return total


def beyond(instance: Instance, held: Any) -> float:
    """What a grid has outside the ranges, summed over the measures."""
    return float(
        sum(max(b[0] - load, load - b[2], 0.0) for load, b in zip(held, instance.ranges, strict=True))
    )


def outside_of_plan(instance: Instance, capped: Any, labels: Any) -> float:
    """What a plan has outside the ranges."""
    return sum(beyond(instance, capped[labels == name].sum(axis=0)) for name in set(labels.tolist()))


def cost_of_set(instance: Instance, members: Any, held: Any, weights: Any) -> float:
    """Half the cost of the borders cut, deviation, raggedness, and what is outside the ranges."""
    cut = around = surface = 0.0
    for u in members:
        surface += instance.area[u]
        around += instance.outer[u]
        for e in range(instance.indptr[u], instance.indptr[u + 1]):
            if int(instance.indices[e]) not in members:
                cut += instance.cost[e]
                around += instance.length[e]
    total = 0.5 * cut
    for load, bounds in zip(held, instance.ranges, strict=True):
        total += weights["deviation_m"] * ((load - bounds[1]) / bounds[1]) ** 2
    if surface > 0:
        total += weights["compactness_m"] * (around * around / (4.0 * math.pi * surface) - 1.0)
    if weights["outside_m"] is not None:
        total += weights["outside_m"] * beyond(instance, held)
    return float(total)


def tied_rightly(members: Any, tie: Any) -> bool:
    """All units of a tie or none of them, and of one tie at most."""
    ties = {tie[u] for u in members if tie[u] >= 0}
    return len(ties) <= 1 and all(u in members for u in range(len(tie)) if tie[u] >= 0 and tie[u] in ties)


def leaves(tree: Any) -> list[tuple[dict[str, Any], list[tuple[int, int, bool]]]]:
    """Each leaf with its pairs (u, v, together); `RefusedError` if the tree is none."""
    found, seen, queue = [], set(), [(0, [])]
    while queue:
        number, pairs = queue.pop()
        if not isinstance(number, int) or not 0 <= number < len(tree) or number in seen:
            raise RefusedError("a branch of the tree is missing or met twice")
        seen.add(number)
        node = tree[number]
        if "pair" in node:
            u, v = node["pair"]
            if u == v:
                raise RefusedError("a fork needs two units")
            queue.append((node["same"], [*pairs, (u, v, True)]))
            queue.append((node["apart"], [*pairs, (u, v, False)]))
        else:
            found.append((node, pairs))
    return found


def verify_bound(
    instance: Instance, capped: Any, document: dict[str, Any], free: bool, weights: Any, slack: float
) -> int:
    """Check that no plan costs less than the claimed bound. Returns the number of sets listed."""
    price, grids, lower = document["price"], int(document["grids"]), float(document["lower"])
    if len(price) != len(capped):
        raise RefusedError("there must be one price for each unit")
    plan = math.fsum(price) + grids * document["count_price"]
    ends = leaves(document["tree"])
    # a first guess of the limit, put right when the least reduced cost is known
    limit = lower - plan + slack
    sets, least, kept = 0, 0.0, []
    tied = any(t >= 0 for t in document["tie"])
    for members, reduced, cost in every_set(instance, capped, price, document["count_price"], free, weights):
        if tied and not tied_rightly(set(members), document["tie"]):
            continue
        sets += 1
        least = min(least, reduced)
        if reduced <= limit + slack:
            kept.append((members, cost))
    if -least * grids > slack:
        raise RefusedError(f"a set has a reduced cost of {least} at the root")
    for node, pairs in ends:
        if len(node["price"]) != len(capped):
            raise RefusedError("there must be one price for each unit")
        left = 0.0
        for members, cost in kept:
            if all((u in members) == (v in members) if same else not (u in members and v in members)
                   for u, v, same in pairs):  # fmt: skip
                left = min(left, cost - node["count_price"] - sum(node["price"][u] for u in members))
        bound = math.fsum(node["price"]) + grids * (node["count_price"] + left)
        if bound < lower - slack:
            raise RefusedError(f"a leaf only proves {bound}, not {lower}")
    return sets


def every_set(
    instance: Instance, capped: Any, price: Any, count_price: float, free: bool, weights: Any
) -> Iterator[tuple[frozenset[int], float, float]]:
    """Every connected set in range, once, with its reduced cost and its cost.

    A set is found from its smallest unit by adding a neighbour at a time; a neighbour that was passed over
    stays out of all that follows.
    """
    units = len(capped)
    near: list[dict[int, float]] = [{} for _ in range(units)]
    reach = [0] * units
    whole = [0.0] * units
    for u in range(units):
        for e in range(instance.indptr[u], instance.indptr[u + 1]):
            v = int(instance.indices[e])
            near[u][v] = float(instance.cost[e])
            whole[u] += 0.5 * float(instance.cost[e])
            if instance.walk[e]:
                reach[u] |= 1 << v
    loads = [tuple(map(float, row)) for row in capped]
    most = float(weights["most_outside"]) + 1e-9
    low = tuple(bounds[0] - most for bounds in instance.ranges)
    high = tuple(bounds[2] + most for bounds in instance.ranges)
    plain = len(low) == 1
    worth = not free and (weights["deviation_m"] or weights["compactness_m"] or weights["outside_m"])
    for root in range(units):
        before = (1 << (root + 1)) - 1
        stack: list[tuple[tuple[int, ...], int, int, tuple[float, ...], float]] = [
            ((), 1 << root, before & ~(1 << root), (0.0,) * len(low), 0.0)
        ]
        while stack:
            inside, open_units, closed, held, cut = stack.pop()
            while open_units:
                bit = open_units & -open_units
                open_units ^= bit
                closed |= bit
                u = bit.bit_length() - 1
                if plain:
                    now: tuple[float, ...] = (held[0] + loads[u][0],)
                    if now[0] > high[0]:
                        continue
                else:
                    now = tuple(a + b for a, b in zip(held, loads[u], strict=True))
                    if any(a > b for a, b in zip(now, high, strict=True)):
                        continue
                members = (*inside, u)
                beside = near[u]
                new_cut = cut + whole[u]
                for v in inside:
                    if v in beside:
                        new_cut -= beside[v]
                stack.append((members, open_units | (reach[u] & ~closed), closed, now, new_cut))
                if now[0] >= low[0] if plain else all(a >= b for a, b in zip(now, low, strict=True)):
                    cost = 0.0 if free else new_cut
                    if beyond(instance, now) > most:
                        continue
                    if worth:
                        cost = cost_of_set(instance, set(members), now, weights)
                    yield frozenset(members), cost - count_price - sum(price[v] for v in members), cost


def main(arguments: list[str]) -> int:
    """Print what was proven, or why the certificate is refused."""
    if len(arguments) != 3:
        print(__doc__)  # noqa: T201
        return 2
    instance = read_instance(Path(arguments[0]))
    document = json.loads(Path(arguments[2]).read_text(encoding="utf-8"))
    try:
        proven = check(instance, np.load(arguments[1], allow_pickle=False), document)
    except RefusedError as reason:
        print(f"refused: {reason}")  # noqa: T201
        return 1
    print(f"confirmed: {json.dumps(proven)}")  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
