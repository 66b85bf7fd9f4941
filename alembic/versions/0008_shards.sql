-- No writer waits for another to count its change: each transaction counts in a shard that no other holds.
-- Shards by backend were shared by one pair of writers in sixteen, and the second waited until the first
-- committed: a report for an import, and for ever one that the first waits for.

create or replace function wangge_changed() returns trigger
    language plpgsql security definer set search_path = public, pg_temp as $$
declare
    space constant integer := 30577; -- 0x7771: the first key of the advisory locks on shards
    mine integer := nullif(current_setting('wangge.shard', true), '');
begin
    if mine is null then
        mine := 0;
        while not pg_try_advisory_xact_lock(space, mine) loop
            mine := mine + 1;
        end loop;
        perform set_config('wangge.shard', mine::text, true); -- gone with the transaction, as the lock is
    end if;
    insert into collection_versions as v (collection, shard, version)
        values (coalesce(tg_argv[0], tg_table_name), mine, 1)
        on conflict (collection, shard) do update set version = v.version + 1;
    return null;
end $$;
