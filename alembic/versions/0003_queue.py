"""The queue of jobs: procrastinate's own tables and functions, as its library makes them.

They hold nothing but numbers of `runs`, whose rows are behind policies, so they have none themselves.
"""

from __future__ import annotations

from procrastinate.schema import SchemaManager

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

GRANTS = """
do $$
declare
    name text;
begin
    for name in select relname from pg_class where relnamespace = 'public'::regnamespace
        and relkind = 'r' and relname like 'procrastinate\\_%'
    loop
        execute format('grant select, insert, update, delete on %I to wangge_app', name);
    end loop;
    for name in select relname from pg_class where relnamespace = 'public'::regnamespace
        and relkind = 'S' and relname like 'procrastinate\\_%'
    loop
        execute format('grant usage, select on sequence %I to wangge_app', name);
    end loop;
end $$;
"""
REMOVAL = """
do $$
declare
    thing text;
begin
    for thing in select oid::regclass::text from pg_class where relnamespace = 'public'::regnamespace
        and relkind = 'r' and relname like 'procrastinate\\_%'
    loop
        execute 'drop table ' || thing || ' cascade';
    end loop;
    for thing in select oid::regprocedure::text from pg_proc where pronamespace = 'public'::regnamespace
        and proname like 'procrastinate\\_%'
    loop
        execute 'drop function ' || thing || ' cascade';
    end loop;
    for thing in select t.oid::regtype::text from pg_type t where typnamespace = 'public'::regnamespace
        and typname like 'procrastinate\\_%' and typtype in ('e', 'c')
    loop
        execute 'drop type ' || thing || ' cascade';
    end loop;
end $$;
"""


def upgrade() -> None:
    """Make the queue, and let the service use it."""
    _run(SchemaManager.get_schema())
    _run(GRANTS)


def downgrade() -> None:
    """Remove the queue with its jobs."""
    _run(REMOVAL)


def _run(sql: str) -> None:
    # the driver itself: neither colons nor percent signs are placeholders here
    with op.get_bind().connection.cursor() as cursor:
        cursor.execute(sql)
