"""Whoever waits for the processor holds no connection of the database, which all others need."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from service.access import Role
from service.centre.reach import Footing

from .api import Served
from .test_jobs import until
from .towns import CODE

pytestmark = pytest.mark.database

CLIENTS = 6


@pytest.mark.parametrize(
    "path",
    [
        "statistics/gi?datetime=2020-01-01/2030-01-01&seed={}",
        "statistics/scan?datetime=2020-01-01/2030-01-01&runs=99&seed={}",
        "reach?kind=police&minutes={}",
    ],
)
def test_who_waits_for_the_processor_holds_no_connection(served: Served, path: str) -> None:
    before = served.app.state.footing
    footing = served.app.state.footing = Footing(at_once=1, patience=60.0)
    addresses = [f"/centre/{CODE}/" + path.format(41 + number) for number in range(CLIENTS)]
    clients = [served.client(Role.PLANNER) for _ in addresses]
    pool = served.database.app.pool
    try:
        with ThreadPoolExecutor(CLIENTS) as threads:
            with footing.room():
                answers = [
                    threads.submit(client.get, address)
                    for client, address in zip(clients, addresses, strict=True)
                ]
                until(lambda: footing.waiting == CLIENTS)
                assert pool.checkedout() == 0  # type: ignore[attr-defined]
            assert {answer.result().status_code for answer in answers} == {200}
        again = [client.get(address) for client, address in zip(clients, addresses, strict=True)]
        assert [one.content for one in again] == [answer.result().content for answer in answers]
    finally:
        served.app.state.footing = before
