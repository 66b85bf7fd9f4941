"""What a server holds before anybody plans: the solver and its compiler are loaded where plans are made."""

from __future__ import annotations

import subprocess
import sys


def test_the_server_starts_without_the_solver() -> None:
    heavy = {"numba", "highspy", "partition.solver.refine", "matplotlib", "folium"}
    code = f"import sys, service.main; print(sorted({heavy!r} & set(sys.modules)))"
    told = subprocess.run(  # noqa: S603  # our own words
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert told.stdout.strip() == "[]"
