"""The proof of a plan for the command of the bench: what is proven in a line each, and its certificates."""

from __future__ import annotations

import math
import time
from pathlib import Path

from partition.proof.bound import prove
from partition.proof.shortfall import prove_shortfall
from partition.solver.ground import make_ground, measure
from partition.solver.problem import Problem
from partition.solver.refine import Refined


def prove_plan(
    problem: Problem, plan: Refined, grids: int, *, seconds: float, threads: int, certificate: Path | None
) -> tuple[Refined, list[str]]:
    """Prove how good a plan is. Returns the best plan found meanwhile and what is to be told.

    The proof is written to `certificate`. Where no plan is in range, two more stand beside it, with
    `-outside` and `-border` in their names: of the least households outside, and of the least border cost
    then.
    """
    end, told = time.perf_counter() + seconds, []

    def left() -> float | None:
        return None if math.isinf(end) else max(end - time.perf_counter(), 0.1)

    bound = prove(problem, plan.labels, k=grids, threads=threads, time_limit=left())
    labels, stopped = plan.labels if bound.labels is None else bound.labels, bound.status == "stopped"
    proofs = {"": bound}
    if bound.status == "infeasible":
        short = prove_shortfall(problem, plan.labels, k=grids, threads=threads, time_limit=left())
        labels, stopped = short.labels, short.status == "stopped"
        proofs |= {"-outside": short.proofs[0], "-border": short.proofs[1]}
        least = math.ceil(short.least_outside - 1e-4)
        told = [
            f"infeasible: no {grids} grids have all their households in range",
            f"{short.status}: {short.outside:.0f} households are outside, {least} at least with any plan",
            f"{short.status}: borders at most {100 * short.gap:.2f} % above the least possible then",
        ]
    elif math.isinf(bound.value):
        told = [f"{bound.status}: no plan in range was found, nor is it proven that there is none"]
    else:
        told = [f"{bound.status}: at most {100 * bound.gap:.2f} % above the best possible"]
    if certificate is not None:
        for name, proof in proofs.items():
            proof.certificate.write(certificate.with_stem(certificate.stem + name))
    _, outside, value = measure(make_ground(problem), labels, int(labels.max()) + 1)
    return Refined(labels, outside, value, plan.hurried or stopped), told
