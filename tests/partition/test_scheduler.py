"""A Dask cluster on this machine's loopback: same plan as without; what cannot be is said at once."""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import CancelledError
from types import SimpleNamespace

import pytest

from partition.city import scheduler
from partition.city.crew import AHEAD
from partition.city.scheduler import Scheduler, _knock, _outcome
from partition.errors import InputError
from partition.findings import Finding
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


# --- workers that are threads of this process: nothing to start, all the same client and scheduler ---


@pytest.fixture(scope="module")
def near() -> Iterator[str]:
    with distributed.LocalCluster(
        n_workers=3, threads_per_worker=1, processes=False, protocol="tcp://", host="127.0.0.1",
        dashboard_address="127.0.0.1:0",
    ) as started:  # fmt: skip
        yield started.scheduler_address


def double(item: int) -> int:
    """A task."""
    if item == 5:
        raise InputError([Finding("scheduler_idle", "refused", values={"address": item})])
    if item == 6:
        raise ValueError("six")
    time.sleep(0.01 if item % 2 else 0.0)
    return 2 * item


def test_what_is_done_elsewhere_comes_back_by_its_place_and_little_is_taken_ahead(near: str) -> None:
    taken = []

    def items() -> Iterator[int]:
        for item in range(12):
            taken.append(item)
            yield item

    found = {}
    with Scheduler(near) as crew:
        assert crew.threads == 1
        for place, outcome in crew.run(double, items()):
            found[place] = outcome
            assert len(taken) <= len(found) + 3 * AHEAD
        assert len(taken) == 12
        assert list(crew.run(double, [])) == []
        client = crew._client
        with pytest.raises(ValueError, match="client"):
            distributed.default_client()  # whoever else uses Dask in this process is left alone
    assert client.status == "closed"
    assert sorted(found) == list(range(12))
    assert all(found[n].value == 2 * n and found[n].failure is None for n in found if n not in (5, 6))
    assert found[5].failure.error == "InputError", found[5].failure
    assert [finding.code for finding in found[5].failure.findings] == ["scheduler_idle"]
    assert found[6].failure.error == "ValueError: six"
    assert not found[6].failure.lost


def test_no_more_is_taken_than_there_are_hands_for(near: str) -> None:
    coming = iter(range(100))
    with Scheduler(near) as crew:
        done = crew.run(double, coming)
        first, _ = next(done)
        assert first in range(3 * AHEAD)
        assert next(coming) == 3 * AHEAD
        done.close()


def test_what_takes_long_is_waited_for(near: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scheduler, "IDLE_SECONDS", 0.05)
    with Scheduler(near) as crew:
        ((place, outcome),) = crew.run(time.sleep, [0.3])
        assert (place, outcome.failure) == (0, None)
        # and where nobody is left to do it, that is said
        monkeypatch.setattr(crew, "_hands", lambda: 0)
        with pytest.raises(InputError) as caught:
            list(crew.run(time.sleep, [0.3]))
    assert caught.value.findings[0].code == "scheduler_idle"
    assert caught.value.findings[0].values["address"] == near


def test_workers_of_another_version_are_refused(near: str, monkeypatch: pytest.MonkeyPatch) -> None:
    theirs = scheduler.version()
    monkeypatch.setattr(scheduler, "version", fake_version)
    clients = []
    made = distributed.Client
    monkeypatch.setattr(distributed, "Client", lambda *a, **o: clients.append(made(*a, **o)) or clients[-1])
    told = iter(["0.0.0"])
    monkeypatch.setattr(sys.modules[__name__], "TOLD", told)
    with pytest.raises(InputError) as caught:
        Scheduler(near)
    (finding,) = caught.value.findings
    assert finding.code == "scheduler_version"
    assert finding.values["ours"] == "0.0.0"
    assert finding.values["found"] == theirs
    assert str(finding.values["worker"]).startswith("tcp://127.0.0.1:")
    assert [client.status for client in clients] == ["closed"]


TOLD: Iterator[str] = iter(())


def fake_version() -> str:
    """Ours first, then what the workers say."""
    from partition.city.worker import version

    return next(TOLD, version())


def test_without_the_extra_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(InputError) as caught:
        Scheduler("tcp://127.0.0.1:1")
    assert caught.value.findings[0].code == "scheduler_extra"


@pytest.mark.parametrize(
    "address", ["tcp://127.0.0.1", "tcp://:8786", "127.0.0.1", "tcp://", "tcp://127.0.0.1:0"]
)
def test_an_address_needs_a_host_and_a_port(address: str) -> None:
    with pytest.raises(ValueError, match="tcp://HOST:PORT"):
        _knock(address)


def test_an_address_may_be_told_without_its_scheme() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        _knock(f"127.0.0.1:{port}")
        _knock(f"tcp://127.0.0.1:{port}")


def test_what_became_of_a_task_that_no_worker_answered() -> None:
    from distributed.scheduler import KilledWorker

    def of(error: BaseException) -> tuple[str, bool]:
        failure = _outcome(SimpleNamespace(exception=lambda: error)).failure
        assert failure is not None
        return failure.error, failure.lost

    assert of(KilledWorker("task", None, 3)) == ("KilledWorker", True)
    assert of(OSError("gone")) == ("OSError: gone", False)
    with pytest.raises(CancelledError):
        of(CancelledError())


def test_a_scheduler_to_which_no_worker_has_come_is_said() -> None:
    with (
        distributed.LocalCluster(
            n_workers=0, processes=False, protocol="tcp://", host="127.0.0.1", dashboard_address="127.0.0.1:0"
        ) as empty,
        pytest.raises(InputError) as caught,
    ):
        Scheduler(empty.scheduler_address)
    assert caught.value.findings[0].code == "scheduler_idle"
    assert caught.value.findings[0].values == {"address": empty.scheduler_address}
