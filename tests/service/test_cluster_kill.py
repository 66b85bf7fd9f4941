"""What the embedded cluster survives: kills, interrupts, relics of crashes.

Each as whoever runs the tests, and, if that is root, as an ordinary user too.
"""

from __future__ import annotations

import ctypes
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from service.postgres.cluster import Cluster
from service.postgres.cluster_files import ServerUser, processes_in

pytestmark = [pytest.mark.long, pytest.mark.database]

ROOT = Path(__file__).resolve().parent.parent.parent
ORDINARY = "nobody"
SECONDS = 30


@dataclass
class Clients:
    """Starts processes that use one cluster, and ends those that a test leaves."""

    state: Path
    runtime: Path
    user: str
    started: list[subprocess.Popen[str]] = field(default_factory=list)

    @property
    def cluster(self) -> Cluster:
        return Cluster(self.state, self.runtime)

    def start(self, work: str, *numbers: int) -> subprocess.Popen[str]:
        """Start a client in a process group of its own, as a terminal does."""
        client = subprocess.Popen(  # noqa: S603
            [
                *(sys.executable, "-m", "tests.service.cluster_client"),
                *(str(self.state), str(self.runtime), self.user, work, *map(str, numbers)),
            ],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self.started.append(client)
        return client

    def hold(self, *numbers: int) -> tuple[subprocess.Popen[str], int]:
        """A client that holds the server, and the server's process id; NUMBERS are committed."""
        client = self.start("hold", *numbers)
        pid = int(line(client))
        for number in numbers:
            assert line(client) == str(number)
        return client, pid

    def recall(self) -> list[int]:
        """The committed numbers, read by a client that comes and goes."""
        said, wrong = self.start("recall").communicate(timeout=SECONDS)
        assert not wrong, wrong
        return [int(word) for word in said.splitlines()[1].split()]

    def servers(self) -> list[int]:
        """Live processes of the server."""
        return processes_in(self.cluster.data)

    def server_owner(self) -> tuple[int, int]:
        """User and group of the server's processes."""
        if self.user != "-":
            entry = pwd.getpwnam(self.user)
            return entry.pw_uid, entry.pw_gid
        user = ServerUser.find()
        return user.uid, user.gid


def line(client: subprocess.Popen[str]) -> str:
    assert client.stdout is not None
    said = client.stdout.readline().strip()
    if not said:
        _, wrong = client.communicate(timeout=SECONDS)
        pytest.fail(f"the client ended with {client.returncode}: {wrong}")
    return said


def leave(client: subprocess.Popen[str]) -> None:
    """Let the client end by itself."""
    _, wrong = client.communicate("", timeout=SECONDS)
    assert client.returncode == 0, wrong


def kill(client: subprocess.Popen[str]) -> None:
    client.kill()
    client.communicate(timeout=SECONDS)


def wait_for(condition: Callable[[], object], what: str) -> None:
    until = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < until, f"waited in vain for {what}"
        time.sleep(0.02)


@pytest.fixture(params=["-", ORDINARY])
def clients(request: pytest.FixtureRequest) -> Iterator[Clients]:
    """Clients of an empty cluster."""
    user = request.param
    if user != "-" and os.geteuid() != 0:
        pytest.skip("only root can act as another user")
    folder = Path(tempfile.mkdtemp(prefix="wangge-"))
    folder.chmod(0o755)
    for name in ("state", "run"):
        (folder / name).mkdir()
        if user != "-":
            entry = pwd.getpwnam(user)
            os.chown(folder / name, entry.pw_uid, entry.pw_gid)
    made = Clients(folder / "state", folder / "run", user)
    yield made
    for client in made.started:
        if client.poll() is None:
            client.kill()
        client.communicate()
    for pid in made.servers():
        os.kill(pid, signal.SIGKILL)
    wait_for(lambda: not made.servers(), "the server's end")
    shutil.rmtree(folder)


def test_four_starting_at_once(clients: Clients) -> None:
    four = [clients.start("hold") for _ in range(4)]
    assert len({int(line(client)) for client in four}) == 1
    for client in four[:3]:
        leave(client)
    assert clients.servers()
    leave(four[3])
    assert clients.servers() == []
    again = [clients.start("hold") for _ in range(4)]
    assert len({int(line(client)) for client in again}) == 1
    for client in again:
        leave(client)
    assert clients.servers() == []


def test_killed_client_is_noticed_by_the_next_to_come(clients: Clients) -> None:
    client, server = clients.hold(1)
    kill(client)
    assert server in clients.servers()
    following, same = clients.hold(2)
    assert same == server
    leave(following)
    assert clients.servers() == []
    assert clients.recall() == [1, 2]


def test_killed_client_is_noticed_by_the_next_to_leave(clients: Clients) -> None:
    killed, server = clients.hold()
    other, same = clients.hold()
    assert same == server
    kill(killed)
    leave(other)
    assert clients.servers() == []


def test_killed_server_comes_back_with_what_was_committed(clients: Clients) -> None:
    client, server = clients.hold(1, 2, 3)
    os.kill(server, signal.SIGKILL)
    kill(client)
    assert clients.recall() == [1, 2, 3]
    assert clients.servers() == []


def test_server_killed_under_a_client_serves_the_next_one(clients: Clients) -> None:
    client, server = clients.hold(1)
    os.kill(server, signal.SIGKILL)
    following, other = clients.hold(2)
    assert other != server
    # the first, whose connection is broken, must not stop the server of the second
    client.communicate("", timeout=SECONDS)
    assert other in clients.servers()
    leave(following)
    assert clients.servers() == []
    assert clients.recall() == [1, 2]


def test_everything_killed_at_once(clients: Clients) -> None:
    client, _ = clients.hold(1)
    client.kill()
    for pid in clients.servers():
        with suppress(ProcessLookupError):  # its children may be gone before it is their turn
            os.kill(pid, signal.SIGKILL)
    client.communicate()
    assert clients.recall() == [1]


def test_stale_files_that_name_a_live_process(clients: Clients) -> None:
    client, server = clients.hold(1)
    socket = clients.cluster.status().socket
    relics = clients.cluster.data / "postmaster.pid", socket / ".s.PGSQL.5432.lock"
    texts = [relic.read_text() for relic in relics]
    client.kill()
    os.kill(server, signal.SIGKILL)
    wait_for(lambda: not clients.servers(), "the server's end")
    uid, gid = clients.server_owner()
    root = os.geteuid() == 0
    with subprocess.Popen(
        ["sleep", "60"],  # noqa: S607
        cwd="/",
        user=uid if root else None,
        group=gid if root else None,
        extra_groups=[] if root else None,
    ) as stranger:
        # the number was given to another process of the same user, which PostgreSQL takes for a live server
        for relic, text in zip(relics, texts, strict=True):
            relic.write_text(text.replace(f"{server}\n", f"{stranger.pid}\n", 1))
        assert clients.recall() == [1]
        assert stranger.poll() is None
        stranger.kill()


def test_stale_file_that_names_the_server_of_another_folder(clients: Clients) -> None:
    client, server = clients.hold(1)
    other = Clients(clients.state / "other", clients.runtime, clients.user, clients.started)
    neighbour, foreign = other.hold(5)
    pidfile = clients.cluster.data / "postmaster.pid"
    text = pidfile.read_text()
    client.kill()
    os.kill(server, signal.SIGKILL)
    wait_for(lambda: not clients.servers(), "the server's end")
    pidfile.write_text(text.replace(f"{server}\n", f"{foreign}\n", 1))
    assert clients.recall() == [1]
    assert foreign in other.servers()
    leave(neighbour)
    assert other.servers() == []


@pytest.mark.parametrize("seconds", [0.0, 0.1, 0.3, 0.5])
def test_interrupted_first_run(clients: Clients, seconds: float) -> None:
    home = clients.cluster.home
    client = clients.start("hold")
    wait_for(lambda: list(home.glob("data.new-*")) or clients.cluster.data.exists(), "the first run")
    time.sleep(seconds)
    kill(client)
    following, _ = clients.hold(1)
    leave(following)
    assert clients.servers() == []
    assert clients.recall() == [1]
    assert list(home.glob("data.new-*")) == []


@pytest.mark.parametrize("wanted", [signal.SIGINT, signal.SIGHUP, signal.SIGTERM])
def test_ended_by_a_signal_to_its_terminal(clients: Clients, wanted: signal.Signals) -> None:
    client, _ = clients.hold(1)
    os.killpg(client.pid, wanted)
    client.communicate(timeout=SECONDS)
    assert client.returncode != 0
    assert clients.servers() == []
    # stopped in order, not killed: nothing to recover
    assert "interrupted" not in clients.cluster.log.read_text()
    assert clients.recall() == [1]


@pytest.mark.parametrize("seconds", [0.1, 0.6])
def test_ctrl_c_during_the_first_run(clients: Clients, seconds: float) -> None:
    client = clients.start("hold")
    wait_for(
        lambda: list(clients.cluster.home.glob("data.new-*")) or clients.cluster.data.exists(),
        "the first run",
    )
    time.sleep(seconds)
    os.killpg(client.pid, signal.SIGINT)
    client.communicate(timeout=SECONDS)
    assert clients.servers() == []
    following, _ = clients.hold(1)
    leave(following)
    assert clients.servers() == []
    assert list(clients.cluster.home.glob("data.new-*")) == []


def test_ctrl_c_while_another_uses_the_server(clients: Clients) -> None:
    client, server = clients.hold()
    other, same = clients.hold(1)
    assert same == server
    os.killpg(client.pid, signal.SIGINT)
    client.communicate(timeout=SECONDS)
    assert server in clients.servers()
    leave(other)
    assert clients.servers() == []
    assert clients.recall() == [1]


def test_zombie_is_no_server(clients: Clients) -> None:
    with adopting():
        client, server = clients.hold(1)
        kill(client)
        os.kill(server, signal.SIGKILL)
        # we are its parent now, and do not bury it
        stat = Path(f"/proc/{server}/stat")
        wait_for(lambda: stat.read_text().rpartition(")")[2].split()[0] == "Z", "the server's end")
        assert clients.cluster.status().state == "stopped"
        assert clients.recall() == [1]
        assert stat.exists()
        os.waitpid(server, 0)


@contextmanager
def adopting() -> Iterator[None]:
    """Become the parent of orphans among our descendants, as a container's first process is."""
    become = ctypes.CDLL(None, use_errno=True).prctl
    assert become(36, 1, 0, 0, 0) == 0  # PR_SET_CHILD_SUBREAPER
    try:
        yield
    finally:
        become(36, 0, 0, 0, 0)
