"""Migrations: up, down, up again; and the tables are those of `service.models`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from pydantic import SecretStr
from sqlalchemy import Connection, Engine, text

from partition.texts import LANGUAGES
from service import db, models
from service.postgres.cluster import Cluster
from service.settings import Settings

pytestmark = pytest.mark.database

_OBJECTS = """
    select 'table ' || relname from pg_class
        where relnamespace = 'public'::regnamespace and relkind in ('r', 'S', 'i')
        and relname !~ '^(alembic_version|spatial_ref_sys|(idx_)?procrastinate_)'
    union select 'constraint ' || conrelid::regclass || ' ' || conname || ' ' || pg_get_constraintdef(oid)
        from pg_constraint where connamespace = 'public'::regnamespace and conrelid <> 0
        and conrelid::regclass::text !~ '^(alembic_version$|spatial_ref_sys$|procrastinate_)'
    union select 'index ' || indexdef from pg_indexes where schemaname = 'public'
        and tablename !~ '^(alembic_version$|spatial_ref_sys$|procrastinate_)'
"""
_GUARDS = """
    select 'trigger ' || pg_get_triggerdef(oid) from pg_trigger where not tgisinternal
    union select 'function ' || pg_get_functiondef(oid) from pg_proc where proname like 'wangge%'
    union select 'policy ' || concat_ws(' ', tablename, policyname, cmd, qual, with_check) from pg_policies
    union select 'grant ' || concat_ws(' ', table_name, privilege_type)
        from information_schema.role_table_grants where grantee = 'wangge_app'
    union select 'queue ' || relname from pg_class where relname like 'procrastinate_%'
    union select 'queue ' || typname from pg_type where typname like 'procrastinate_%'
    union select 'queue ' || oid::regprocedure from pg_proc where proname like 'procrastinate_%'
"""


def objects(connection: Connection, *queries: str) -> set[str]:
    """Definitions of everything that the queries find."""
    return {line for query in queries for line in connection.scalars(text(query))}


@pytest.fixture
def empty(cluster: Cluster) -> Iterator[Engine]:
    """A database without our tables, as its owner."""
    name = f"wangge_empty_{id(object())}"
    cluster.create_database(name)
    engine = db.open_owner(cluster.url("owner", name))
    yield engine
    engine.dispose()
    cluster.drop_database(name)


def test_up_down_and_up_again(empty: Engine) -> None:
    with empty.connect() as connection:
        before = objects(connection, _OBJECTS, _GUARDS)
    assert not db.is_current(empty)
    db.migrate(empty)
    assert db.is_current(empty)
    with empty.connect() as connection:
        first = objects(connection, _OBJECTS, _GUARDS)
    db.downgrade(empty, "base")
    with empty.connect() as connection:
        assert objects(connection, _OBJECTS, _GUARDS) == before == set()
    db.migrate(empty)
    with empty.connect() as connection:
        assert objects(connection, _OBJECTS, _GUARDS) == first
        assert len(first) > 200


def test_migrating_twice_is_harmless(empty: Engine) -> None:
    db.migrate(empty)
    db.migrate(empty)
    assert db.is_current(empty)


def test_autogenerate_finds_no_difference(connection: Connection) -> None:
    options = db.comparison()
    del options["process_revision_directives"]
    context = MigrationContext.configure(connection, opts=options)
    assert compare_metadata(context, models.metadata) == []


def test_migrated_tables_have_the_constraints_and_indexes_of_the_models(
    connection: Connection, empty: Engine
) -> None:
    with empty.begin() as other:
        other.execute(text("create extension if not exists btree_gist"))
        models.metadata.create_all(other)
        assert objects(other, _OBJECTS) == objects(connection, _OBJECTS)


def test_the_migrations_lie_in_the_checkout() -> None:
    folder = db.migrations()
    assert (folder / "versions" / "0001_tables.py").is_file()
    assert (folder / "versions" / "0001_tables.sql").is_file()
    assert not (folder / "__init__.py").exists()  # it would hide the package alembic


def test_a_database_without_extensions_says_what_to_do(cluster: Cluster) -> None:
    name = "wangge_bare"
    cluster.create_database(name, "template0")
    engine = db.open_owner(cluster.url("owner", name))
    try:
        with pytest.raises(db.DatabaseError, match=r"psql -d wangge_bare -f .*bootstrap\.sql"):
            db.migrate(engine)
    finally:
        engine.dispose()
        cluster.drop_database(name)


def settings(cluster: Cluster, name: str, tmp_path: Path) -> Settings:
    """Settings of a server of one's own."""
    return Settings(
        database_url=SecretStr(cluster.url("app", name).render_as_string(hide_password=False)),
        owner_database_url=SecretStr(cluster.url("owner", name).render_as_string(hide_password=False)),
        state_dir=tmp_path,
        runtime_dir=tmp_path,
    )


def test_a_server_of_ones_own_is_migrated_on_demand_only(
    cluster: Cluster, empty: Engine, tmp_path: Path
) -> None:
    name = str(empty.url.database)
    with (
        pytest.raises(db.DatabaseError, match="wangge db migrate"),
        db.database(settings(cluster, name, tmp_path)),
    ):
        pass
    db.migrate(empty)
    with db.database(settings(cluster, name, tmp_path)) as opened, opened.app.connect() as connection:
        assert connection.scalar(text("select current_user")) == "wangge_app"
        assert connection.scalar(text("show statement_timeout")) == "30s"


def test_a_password_is_never_in_what_is_said(tmp_path: Path) -> None:
    wrong = Settings(
        database_url=SecretStr("postgresql://someone:hush-hush@127.0.0.1:1/none"),
        state_dir=tmp_path,
        runtime_dir=tmp_path,
    )
    with pytest.raises(db.DatabaseError) as caught, db.database(wrong):
        pass
    said = f"{caught.value} {caught.value.text('zh')} {caught.value!r} {caught.value.__cause__}"
    assert "cannot be reached" in said
    assert "hush" not in said
    with db.engines(wrong) as opened:
        assert "hush" not in f"{opened} {opened.app!r} {opened.app.url}"


@pytest.mark.parametrize("address", ["mysql://host/db", "not an address", "postgres"])
def test_an_address_that_is_none_is_named(address: str, tmp_path: Path) -> None:
    with (
        pytest.raises(db.DatabaseError, match="WANGGE_DATABASE_URL"),
        db.engines(Settings(database_url=SecretStr(address), state_dir=tmp_path, runtime_dir=tmp_path)),
    ):
        pass


def test_a_role_that_row_policies_do_not_bind_is_noticed(scratch: db.Database, tmp_path: Path) -> None:
    from service.upkeep.doctor import examine

    assert db.is_fenced(scratch.app)
    assert not db.is_fenced(scratch.owner)
    for engine, noticed in ((scratch.app, False), (scratch.owner, True)):
        settings = Settings(
            database_url=SecretStr(engine.url.render_as_string(hide_password=False)), state_dir=tmp_path
        )
        for lang in LANGUAGES:
            said = [symptom for symptom in examine(settings, lang) if "WANGGE_OWNER" in symptom.mend]
            assert [symptom.state for symptom in said] == (["wanting"] if noticed else [])
