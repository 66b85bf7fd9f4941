"""A real PostGIS for the tests: a cluster a worker, migrated once, with its databases; a rollback a test."""

from __future__ import annotations

import secrets
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import Connection, Engine

from service import db
from service.postgres.cluster import Cluster

if TYPE_CHECKING:
    from .api import Served

TEMPLATE = "wangge_template"


@pytest.fixture(scope="session")
def cluster_root() -> Iterator[Path]:
    """A folder of this worker's that the postgres user may enter."""
    root = Path(tempfile.mkdtemp(prefix="wangge-tests-"))
    root.chmod(0o755)
    yield root
    shutil.rmtree(root)


@pytest.fixture(scope="session")
def cluster(cluster_root: Path) -> Iterator[Cluster]:
    """The cluster, with the migrated template database in it.

    No other worker's: events wait for all transactions of a cluster that began before, of whichever database.
    """
    with Cluster(cluster_root / "state", cluster_root / "run").running() as running:
        running.create_database(TEMPLATE)
        engine = db.open_owner(running.url("owner", TEMPLATE))
        db.migrate(engine)
        engine.dispose()
        yield running


@pytest.fixture(scope="session")
def fresh_database(cluster: Cluster) -> Iterator[str]:
    """A database of the worker's, migrated, empty."""
    name = "wangge_tests"
    cluster.create_database(name, TEMPLATE)
    yield name
    cluster.drop_database(name)


@pytest.fixture(scope="session")
def owner_engine(cluster: Cluster, fresh_database: str) -> Iterator[Engine]:
    """The owner's engine on this worker's database."""
    engine = db.open_owner(cluster.url("owner", fresh_database))
    yield engine
    engine.dispose()


@pytest.fixture(scope="session")
def app_engine(cluster: Cluster, fresh_database: str) -> Iterator[Engine]:
    """The service's engine on this worker's database."""
    engine = db.open_app(cluster.url("app", fresh_database))
    yield engine
    engine.dispose()


@pytest.fixture
def connection(owner_engine: Engine) -> Iterator[Connection]:
    """The owner's connection in a transaction that is rolled back after the test."""
    with owner_engine.connect() as opened, opened.begin() as transaction:
        yield opened
        transaction.rollback()


@pytest.fixture
def scratch(cluster: Cluster) -> Iterator[db.Database]:
    """A database of this test's own, for tests that commit."""
    yield from own_database(cluster)


@pytest.fixture(scope="module")
def module_database(cluster: Cluster) -> Iterator[db.Database]:
    """A database of this module's own, for tests that share what was committed once."""
    yield from own_database(cluster)


def own_database(cluster: Cluster) -> Iterator[db.Database]:
    """A fresh migrated database, dropped afterwards."""
    name = f"wangge_{secrets.token_hex(6)}"
    cluster.create_database(name, TEMPLATE)
    opened = db.Database(db.open_owner(cluster.url("owner", name)), db.open_app(cluster.url("app", name)))
    yield opened
    opened.owner.dispose()
    opened.app.dispose()
    cluster.drop_database(name)


@pytest.fixture(scope="session")
def served(cluster: Cluster) -> Iterator[Served]:
    """The service on a database with a published town and an unpublished one, behind a real port."""
    from .api import serve_town

    with serve_town(cluster, TEMPLATE, "wangge_api") as running:
        yield running
