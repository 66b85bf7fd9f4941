"""A Dask cluster on this machine's loopback: same plan as without; what cannot be is said at once."""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from collections.abc import Iterator

import pytest

from partition.city.scheduler import Scheduler
from partition.errors import InputError
from partition.split import Split, split_area
from partition.wishes.policy import Profile, Size
from tests.lattice import Town, make_town
from tests.partition.test_crew import assert_same

distributed = pytest.importorskip("distributed", reason="the extra `cluster` is not installed")

PROFILE = Profile("test", Size("households", 100, 150, 200))
TOWN = Town(columns=18, rows=4, communities=6, careless=True)


@pytest.fixture(scope="module")
def cluster() -> Iterator[object]:
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, host="127.0.0.1", dashboard_address="127.0.0.1:0"
    ) as started:
        yield started


def split(crew: Scheduler | None = None, **options: object) -> Split:
    return split_area(make_town(TOWN), PROFILE, effort=200, crew=crew, **options)  # type: ignore[arg-type]


@pytest.mark.long
def test_the_plan_is_the_same_when_a_worker_is_lost(cluster: object) -> None:
    alone = split()
    with Scheduler(cluster.scheduler_address) as crew:  # type: ignore[attr-defined]
        assert_same(alone, split(crew))
        pids = [worker.pid for worker in cluster.workers.values()]  # type: ignore[attr-defined]
        killer = threading.Timer(0.3, os.kill, (pids[0], signal.SIGKILL))
        killer.start()
        again = [split(crew) for _ in range(2)]
        killer.join()
        deadline = time.monotonic() + 60
        while pids[0] in [worker.pid for worker in cluster.workers.values()]:  # type: ignore[attr-defined]
            assert time.monotonic() < deadline, "the nanny starts another worker in place of the lost one"
            time.sleep(0.1)
        for one in again:
            assert_same(alone, one)
        issued = {"C2": [f"C2-{number:03d}" for number in range(1, 1000)]}
        assert_same(split(issued=issued), split(crew, issued=issued))


def test_what_cannot_be_reached_is_said() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # nobody listens there
        address = f"tcp://127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(InputError) as caught:
            Scheduler(address)
    (finding,) = caught.value.findings
    assert finding.code == "scheduler_unreachable"
    assert address in finding.text("zh")


def test_an_address_that_is_none_is_said() -> None:
    with pytest.raises(InputError) as caught:
        Scheduler("nonsense")
    assert caught.value.findings[0].code == "scheduler_unreachable"


@pytest.mark.long
def test_a_scheduler_without_workers_is_said() -> None:
    with (
        distributed.LocalCluster(
            n_workers=0, processes=True, host="127.0.0.1", dashboard_address="127.0.0.1:0"
        ) as empty,
        pytest.raises(InputError) as caught,
    ):
        Scheduler(empty.scheduler_address)
    assert caught.value.findings[0].code == "scheduler_idle"
