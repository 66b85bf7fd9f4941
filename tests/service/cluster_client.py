"""A process that uses an embedded cluster, for tests that kill it.

Usage: python -m tests.service.cluster_client STATE RUNTIME USER WORK [NUMBER]

USER "-" is who calls; root may name another, whose rights are taken on only when all modules are read, for
that user may not be able to enter the checkout. WORK: `hold` uses the server until standard input ends, after
committing NUMBER; `recall` prints the numbers kept. Each begins by printing the server's process id.
"""

from __future__ import annotations

import os
import pwd
import sys
from pathlib import Path

import psycopg

from partition.texts import catalogue
from service.cli import end_in_order
from service.postgres.cluster import Cluster


def main() -> None:
    """Do the work that the command line names."""
    state, runtime, user, work, *numbers = sys.argv[1:]
    end_in_order()
    catalogue("service")
    if user != "-":
        entry = pwd.getpwnam(user)
        os.setgroups([])
        os.setgid(entry.pw_gid)
        os.setuid(entry.pw_uid)
    with Cluster(Path(state), Path(runtime)).running() as cluster:
        say(cluster.status().pid)
        with psycopg.connect(
            host=str(cluster.status().socket), user="wangge_owner", dbname="wangge", autocommit=True
        ) as connection:
            if numbers:
                connection.execute("create table if not exists kept (number int)")
            for number in numbers:
                connection.execute("insert into kept values (%s)", [int(number)])
                say(number)
            if work == "recall":
                say(*(row[0] for row in connection.execute("select number from kept order by 1")))
                return
        sys.stdin.read()


def say(*words: object) -> None:
    """Print at once: a test waits for the line."""
    print(*words, flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
