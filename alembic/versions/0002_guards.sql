-- Triggers, grants and row policies of the service's tables. Roles beyond those of people: `gate` is the service
-- at its own door (who comes in, what to announce), `disclosure` the service on its way to disclosure control.

-- --- triggers ---

create function wangge_changed() returns trigger language plpgsql security definer set search_path = public, pg_temp as $$
begin
    insert into collection_versions as v (collection, shard, version)
        values (coalesce(tg_argv[0], tg_table_name), pg_backend_pid() % 16, 1)
        on conflict (collection, shard) do update set version = v.version + 1;
    return null;
end $$;
comment on function wangge_changed() is 'the collection has another version from this transaction on';

do $$
declare
    name text;
begin
    foreach name in array array['divisions', 'streets', 'compounds', 'zones', 'buildings', 'facilities', 'grids', 'cases',
        'added_collections']
    loop
        execute format('create trigger tr_%1$s_changed after insert or update or delete or truncate on %1$I '
            'for each statement execute function wangge_changed()', name);
    end loop;
    foreach name in array array['api_keys', 'login_links', 'sessions', 'added_collections', 'runs', 'published_figures']
    loop
        execute format('create trigger tr_%1$s_touch before update on %1$I for each row '
            'when (old.* is distinct from new.*) execute function wangge_touch()', name);
    end loop;
end $$;

-- --- grants and row policies ---

-- tables of added collections, each with its own policy (service/store/added.py)
create schema layers;
grant usage on schema layers to wangge_app;

grant select on collection_versions, added_collections to wangge_app;
grant select, insert, update on api_keys, login_links, sessions, runs to wangge_app;
grant select, insert on plan_revisions, plan_notes, published_figures, case_steps, events to wangge_app;

do $$
declare
    name text;
    officials constant text := $p$'planner', 'centre', 'privacy_officer', 'admin'$p$;
    planners constant text := $p$'planner', 'admin'$p$;
    within constant text := 'division_code ^@ any ((select wangge_scopes())::text[])';
    rule constant text := 'create policy %s on %I for %s to wangge_app %s ((select wangge_role()) in (%s) and %s)';
begin
    foreach name in array array['api_keys', 'login_links', 'sessions', 'added_collections', 'runs', 'plan_revisions',
        'plan_notes', 'published_figures', 'case_steps', 'events', 'collection_versions']
    loop
        execute format('alter table %I enable row level security', name);
    end loop;
    foreach name in array array['plan_revisions', 'plan_notes', 'runs']
    loop
        execute format(rule, 'reading', name, 'select', 'using', officials, within);
        execute format(rule, 'adding', name, 'insert', 'with check', planners, within);
    end loop;
    execute format(rule, 'changing', 'runs', 'update', 'using', planners, within);
    -- to read a figure is to read counts of people
    execute format(rule, 'reading', 'published_figures', 'select', 'using', $p$'centre', 'disclosure'$p$, within);
    execute format(rule, 'adding', 'published_figures', 'insert', 'with check', $p$'disclosure'$p$, within);
end $$;

create policy reading on added_collections for select to wangge_app using (cardinality((select wangge_scopes())) > 0);
create policy reading on collection_versions for select to wangge_app using (cardinality((select wangge_scopes())) > 0);

create policy reading on api_keys for select to wangge_app using ((select wangge_role()) in ('gate', 'admin'));
create policy adding on api_keys for insert to wangge_app with check ((select wangge_role()) = 'admin');
create policy changing on api_keys for update to wangge_app using ((select wangge_role()) in ('gate', 'admin'));

create policy gate on login_links for all to wangge_app using ((select wangge_role()) = 'gate');
create policy gate on sessions for all to wangge_app using ((select wangge_role()) = 'gate');

create policy gate on events for all to wangge_app using ((select wangge_role()) = 'gate');

-- A case's steps are for those who see the case itself.
create policy reading on case_steps for select to wangge_app using (
    division_code ^@ any ((select wangge_scopes())::text[])
    and ((select wangge_role()) = 'centre'
         or ((select wangge_role()) = 'grid_worker'
             and exists (select from cases c where c.id = case_row
                         and c.grid_code = any ((select wangge_grids())::text[])))));
create policy adding on case_steps for insert to wangge_app with check (
    division_code ^@ any ((select wangge_scopes())::text[])
    and ((select wangge_role()) = 'centre'
         or ((select wangge_role()) = 'grid_worker'
             and exists (select from cases c where c.id = case_row
                         and c.grid_code = any ((select wangge_grids())::text[])))));
