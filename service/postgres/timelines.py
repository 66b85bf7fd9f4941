"""Time lines of a database: each restore begins another one.

Counts of changes go back with the data, so a count alone does not say of which state it is. A row of
`collection_versions` that is no collection's holds the time at which the time line began, and every version
is a sum with it (`service.store.items.version_sql`): what is kept, or tagged, by version is never taken for
another time line's. It lies in the database, so replicas and servers know of it without being told.
"""

from __future__ import annotations

NAME = "(timeline)"  # no collection can be called so

# microseconds, of which there are more than changes; never less than it was, whatever the clock says
BEGIN = f"""
    insert into collection_versions as v (collection, shard, version)
    values ('{NAME}', 0, (extract(epoch from clock_timestamp()) * 1000000)::bigint)
    on conflict (collection, shard) do update set version = greatest(v.version + 1, excluded.version)
"""  # noqa: S608  # nothing of a caller's is in it
