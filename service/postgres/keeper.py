"""The embedded database comes back by itself: whoever serves from it starts it again when it is lost."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from service.operating import OperatingError
from service.postgres.cluster import Cluster

logger = logging.getLogger(__name__)

LOOK_S = 0.5
AGAIN_S = 5.0


@contextmanager
def keeping(cluster: Cluster) -> Iterator[None]:
    """Look after `cluster` for the time of the context. A server that was stopped on purpose stays so."""
    ending = threading.Event()

    def keep() -> None:
        wait = LOOK_S
        while not ending.wait(wait):
            try:
                if cluster.revive():
                    logger.warning("the embedded database was lost, and runs again")
                wait = LOOK_S
            except (OperatingError, OSError) as error:  # it looks again, whatever stood in the way
                logger.error("the embedded database does not start: %s", error)
                wait = AGAIN_S

    keeper = threading.Thread(target=keep, name="keeper", daemon=True)
    keeper.start()
    try:
        yield
    finally:
        ending.set()
        keeper.join()
