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

grant select on collection_versions, added_collections, secrets to wangge_app;
grant select, insert, update on api_keys, login_links, sessions, runs to wangge_app;
grant select, insert on plan_revisions, plan_notes, published_figures, figure_bases, case_steps, events to wangge_app;
grant delete on published_figures to wangge_app;

do $$
declare
    name text;
    officials constant text := $p$'planner', 'centre', 'privacy_officer', 'admin'$p$;
    planners constant text := $p$'planner', 'admin'$p$;
    within constant text := 'division_code ^@ any ((select wangge_scopes())::text[])';
    rule constant text := 'create policy %s on %I for %s to wangge_app %s ((select wangge_role()) in (%s) and %s)';
begin
    foreach name in array array['api_keys', 'login_links', 'sessions', 'added_collections', 'runs', 'plan_revisions',
        'plan_notes', 'published_figures', 'figure_bases', 'secrets', 'case_steps', 'events', 'collection_versions']
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
    execute format(rule, 'removing', 'published_figures', 'delete', 'using', $p$'disclosure'$p$, within);
    execute format(rule, 'reading', 'figure_bases', 'select', 'using', $p$'disclosure'$p$, within);
    execute format(rule, 'adding', 'figure_bases', 'insert', 'with check', $p$'disclosure'$p$, within);
end $$;

create policy reading on secrets for select to wangge_app using ((select wangge_role()) = 'disclosure');
create policy reading on added_collections for select to wangge_app using (cardinality((select wangge_scopes())) > 0);
create policy reading on collection_versions for select to wangge_app using (cardinality((select wangge_scopes())) > 0);

-- The law wants a record of who handled what for three years (PIPL, article 56). Older lines may go, by the owner.
create function wangge_audit_kept() returns trigger language plpgsql as $$
begin
    if old.at > now() - interval '3 years' then
        raise exception 'the audit is append-only' using errcode = 'insufficient_privilege';
    end if;
    return old;
end $$;
drop trigger tr_audit_append_only on audit;
create trigger tr_audit_append_only before update or truncate on audit
    for each statement execute function wangge_append_only();
create trigger tr_audit_kept before delete on audit for each row execute function wangge_audit_kept();

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

-- --- which divisions are published: asked for every row that the public reads ---

insert into published_divisions (division_code) select distinct division_code from grids where valid_to is null;

create function wangge_published() returns trigger language plpgsql security definer set search_path = public, pg_temp as $$
declare
    touched text[];
begin
    if tg_op = 'INSERT' then
        select array_agg(distinct division_code) into touched from after_rows;
    elsif tg_op = 'DELETE' then
        select array_agg(distinct division_code) into touched from before_rows;
    else
        select array_agg(distinct division_code) into touched
            from (select division_code from before_rows union select division_code from after_rows) both_rows;
    end if;
    delete from published_divisions p where p.division_code = any (touched)
        and not exists (select from grids g where g.division_code = p.division_code and g.valid_to is null);
    insert into published_divisions (division_code)
        select u.division from unnest(touched) as u (division)
        where exists (select from grids g where g.division_code = u.division and g.valid_to is null)
        on conflict do nothing;
    return null;
end $$;

create trigger tr_grids_published_insert after insert on grids referencing new table as after_rows
    for each statement execute function wangge_published();
create trigger tr_grids_published_update after update on grids referencing old table as before_rows new table as after_rows
    for each statement execute function wangge_published();
create trigger tr_grids_published_delete after delete on grids referencing old table as before_rows
    for each statement execute function wangge_published();
-- codes of divisions whose grids anybody may see
grant select on published_divisions to wangge_app;
alter table published_divisions enable row level security;

-- --- reading policies, said so that the planner knows that they keep most rows ---
-- "is not null" of a value found once a statement counts as nearly always true; a prefix of an unknown list as hardly
-- ever, and plans made for a handful of rows are a hundred times too slow for a page.

create function wangge_is(variadic roles text[]) returns boolean language sql stable parallel safe
    return case when wangge_role() = any (roles) then true end;
comment on function wangge_is(text[]) is 'true, or null';

create function wangge_everywhere() returns boolean language sql stable parallel safe
    return case when '' = any (wangge_scopes()) then true end;
comment on function wangge_everywhere() is 'true, or null';

do $$
declare
    name text;
    within constant text :=
        '((select wangge_everywhere()) is not null or division_code ^@ any ((select wangge_scopes())::text[]))';
begin
    foreach name in array array['divisions', 'streets', 'compounds', 'zones', 'buildings', 'facilities', 'grids', 'grid_lineage',
        'grid_staff']
    loop
        execute format($p$alter policy reading on %I using ((select wangge_is('public', 'consumer', 'planner', 'centre',
            'grid_worker', 'privacy_officer', 'admin', 'disclosure')) is not null and %s)$p$, name, within);
    end loop;
    execute format('create policy reading on published_divisions for select to wangge_app using (%s)', within);
    execute format($p$alter policy reading on cases using (%s
        and ((select wangge_is('centre', 'disclosure')) is not null
             or ((select wangge_is('grid_worker')) is not null and grid_code = any ((select wangge_grids())::text[]))
             or ((select wangge_is('public', 'consumer', 'planner', 'grid_worker', 'privacy_officer', 'admin')) is not null
                 and place is not null)))$p$, within);
end $$;

-- --- plans as resources ---

-- A publication finds the grid of every case anew, whoever publishes: the service itself does that.
create policy relocating on cases for update to wangge_app using (
    (select wangge_role()) = 'disclosure' and division_code ^@ any ((select wangge_scopes())::text[]));

create function wangge_plan_published() returns trigger language plpgsql security definer set search_path = public, pg_temp as $$
begin
    insert into events (division_code, kind, collection, row_id, feature)
        values (new.division_code, 'published', 'plans', new.id, new.id::text);
    return null;
end $$;
create trigger tr_plans_published after update of status on plans for each row
    when (old.status <> new.status and new.status = 'published') execute function wangge_plan_published();

-- --- what happens to cases is announced; many at once as one event a community ---

create function wangge_case_events() returns trigger language plpgsql security definer set search_path = public, pg_temp as $$
declare
    many constant integer := 1000;
begin
    if tg_op = 'INSERT' then
        if (select count(*) from (select from after_rows limit many + 1) few) > many then
            insert into events (division_code, kind, collection)
                select distinct division_code, 'imported', 'cases' from after_rows;
        else
            insert into events (division_code, kind, collection, row_id, feature, grid_code)
                select division_code, 'created', 'cases', id, division_code || ':' || case_id, coalesce(grid_code, '')
                from after_rows order by id;
        end if;
        return null;
    end if;
    if (select count(*) from (
            select from after_rows a join before_rows b using (id) where a.version <> b.version limit many + 1) few) > many
    then
        insert into events (division_code, kind, collection)
            select distinct a.division_code, 'imported', 'cases'
            from after_rows a join before_rows b using (id) where a.version <> b.version;
    else
        insert into events (division_code, kind, collection, row_id, feature, grid_code)
            select a.division_code, 'changed', 'cases', a.id, a.division_code || ':' || a.case_id, coalesce(a.grid_code, '')
            from after_rows a join before_rows b using (id) where a.version <> b.version order by a.id;
    end if;
    return null;
end $$;
create trigger tr_cases_events_insert after insert on cases referencing new table as after_rows
    for each statement execute function wangge_case_events();
create trigger tr_cases_events_update after update on cases referencing old table as before_rows new table as after_rows
    for each statement execute function wangge_case_events();

create function wangge_events_told() returns trigger language plpgsql as $$
begin
    perform pg_notify('wangge_events', '');
    return null;
end $$;
create trigger tr_events_told after insert on events for each statement execute function wangge_events_told();

create function wangge_purge_events(kept interval) returns bigint
    language plpgsql security definer set search_path = public, pg_temp as $$
declare
    last events%rowtype;
    gone bigint;
begin
    select * into last from events where at < now() - greatest(kept, interval '1 hour')
        order by xid desc, id desc limit 1 for update skip locked;
    if last.id is null then
        return 0;
    end if;
    delete from events where (xid, id) < (last.xid, last.id);
    get diagnostics gone = row_count;
    -- whoever stopped reading before this one has missed something
    update events set kind = 'purged', row_id = null, feature = '', grid_code = '' where id = last.id and kind <> 'purged';
    return gone;
end $$;
comment on function wangge_purge_events(interval) is 'events older than that go, but a mark that there were any';
revoke execute on function wangge_purge_events(interval) from public;
grant execute on function wangge_purge_events(interval) to wangge_app;
