"""The command line, one module a group of commands.

Each module is imported when the command line starts, so it imports geopandas and the like within
functions.
"""

from __future__ import annotations

import typer


def register(app: typer.Typer) -> None:
    """Add every group's commands to `app`."""
    from service.commands import (
        cases,
        cluster,
        collection,
        demo,
        files,
        print,
        privacy,
        redraw,
        store,
        tiers,
        token,
        worker,
    )

    files.add_to(app)
    redraw.add_to(app)
    tiers.add_to(app)
    store.add_to(app)
    collection.add_to(app)
    cases.add_to(app)
    token.add_to(app)
    privacy.add_to(app)
    cluster.add_to(app)
    demo.add_to(app)
    print.add_to(app)
    worker.add_to(app)
