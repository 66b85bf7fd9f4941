-- What holds whoever writes (triggers), and what the service's role may see and do (grants and row policies).

-- --- triggers ---

create function wangge_touch() returns trigger language plpgsql as $$
begin
    new.version := old.version + 1;
    new.updated_at := clock_timestamp();
    return new;
end $$;
comment on function wangge_touch() is 'a changed row gets the next version: the ETag';

create function wangge_forget_metric() returns trigger language plpgsql as $$
begin
    -- asked here and not in the trigger's condition: pg_restore finds no "=" for geometries there
    if old.geom is distinct from new.geom and old.metric_wkb is not distinct from new.metric_wkb then
        new.metric_wkb := null;
    end if;
    return new;
end $$;
comment on function wangge_forget_metric() is 'the exact metric geometry is no longer that of an edited row';

create function wangge_forget_place() returns trigger language plpgsql as $$
begin
    if old.geom is distinct from new.geom and old.place is not distinct from new.place then
        new.place := null;
    end if;
    return new;
end $$;
comment on function wangge_forget_place() is 'the place of a case stands for the point that it had';

create function wangge_append_only() returns trigger language plpgsql as $$
begin
    raise exception 'the audit is append-only' using errcode = 'insufficient_privilege';
end $$;

-- A code belongs to one grid for ever: its versions follow one another without a break.
create function wangge_never_reissue() returns trigger language plpgsql as $$
declare
    ended timestamptz;
begin
    select max(coalesce(valid_to, 'infinity')) into ended from grids where code = new.code;
    if ended < new.valid_from then
        raise exception 'grid code % was issued before and is never issued again', new.code
            using errcode = 'unique_violation', constraint = 'tr_grids_never_reissued';
    end if;
    return new;
end $$;

-- What was published stays as it was published; only its name, its end and its place in the tiers may be set.
create function wangge_frozen() returns trigger language plpgsql as $$
begin
    if (old.code, old.plan_id, old.households, old.residents, old.buildings, old.buildings_unknown, old.area_m2,
        old.valid_from, old.geom)
        is distinct from
       (new.code, new.plan_id, new.households, new.residents, new.buildings, new.buildings_unknown, new.area_m2,
        new.valid_from, new.geom)
       or (old.valid_to is not null and old.valid_to is distinct from new.valid_to)
    then
        raise exception 'grid % is published and its figures are frozen', old.code
            using errcode = 'check_violation', constraint = 'tr_grids_frozen';
    end if;
    return new;
end $$;

create function wangge_plan_steps() returns trigger language plpgsql as $$
begin
    if (old.status, new.status) not in (
        ('draft', 'submitted'), ('draft', 'published'), ('draft', 'archived'),
        ('submitted', 'draft'), ('submitted', 'approved'), ('submitted', 'published'), ('submitted', 'archived'),
        ('approved', 'draft'), ('approved', 'published'), ('approved', 'archived'),
        ('published', 'archived')
    ) then
        raise exception 'plan % cannot go from % to %', old.id, old.status, new.status
            using errcode = 'check_violation', constraint = 'tr_plans_steps';
    end if;
    return new;
end $$;

do $$
declare
    name text;
begin
    foreach name in array array['divisions', 'streets', 'compounds', 'zones', 'buildings', 'population_groups', 'facilities',
        'plans', 'plan_units', 'plan_assignments', 'plan_buildings', 'plan_grids', 'grids', 'grid_lineage',
        'grid_staff', 'cases', 'audit']
    loop
        execute format('create trigger tr_%1$s_touch before update on %1$I for each row '
            'when (old.* is distinct from new.*) execute function wangge_touch()', name);
        execute format('alter table %I enable row level security', name);
        execute format('grant select, insert, update, delete on %I to wangge_app', name);
    end loop;
    foreach name in array array['divisions', 'streets', 'compounds', 'zones', 'buildings', 'plan_units', 'plan_grids']
    loop
        execute format('create trigger tr_%1$s_forget_metric before update on %1$I for each row '
            'execute function wangge_forget_metric()', name);
    end loop;
end $$;

create trigger tr_cases_forget_place before update on cases for each row execute function wangge_forget_place();
create trigger tr_audit_append_only before update or delete or truncate on audit
    for each statement execute function wangge_append_only();
create trigger tr_grids_never_reissued before insert on grids for each row execute function wangge_never_reissue();
create trigger tr_grids_frozen before update on grids for each row execute function wangge_frozen();
create trigger tr_plans_steps before update of status on plans for each row
    when (old.status <> new.status) execute function wangge_plan_steps();

-- --- who asks: set by service.db.declare for one transaction, empty otherwise ---

create function wangge_role() returns text language sql stable parallel safe
    return coalesce(current_setting('wangge.role', true), '');

create function wangge_scopes() returns text[] language sql stable parallel safe
    return array_replace(
        array_remove(string_to_array(coalesce(current_setting('wangge.scope', true), ''), ','), ''), '*', '');
comment on function wangge_scopes() is 'prefixes of division codes; empty: nothing; the prefix '''': everything';

create function wangge_grids() returns text[] language sql stable parallel safe
    return array_remove(string_to_array(coalesce(current_setting('wangge.grids', true), ''), ','), '');

-- --- grants beyond rows ---

grant usage on schema public to wangge_app;
grant select on alembic_version to wangge_app;
revoke update, delete on audit from wangge_app;
-- with a division would go all its grids, and with them the memory of their codes
revoke delete on divisions, grids, grid_lineage, plans from wangge_app;

-- --- row policies: the settings are read once a statement (a scalar subquery), not once a row ---

do $$
declare
    name text;
    everyone constant text := $p$'public', 'consumer', 'planner', 'centre', 'grid_worker', 'privacy_officer', 'admin',
        'disclosure'$p$;
    officials constant text := $p$'planner', 'centre', 'privacy_officer', 'admin'$p$;
    planners constant text := $p$'planner', 'admin'$p$;
    within constant text := 'division_code ^@ any ((select wangge_scopes())::text[])';
    rule constant text := 'create policy %s on %I for %s to wangge_app %s ((select wangge_role()) in (%s) and %s)';
begin
    foreach name in array array['divisions', 'streets', 'compounds', 'zones', 'buildings', 'facilities', 'grids', 'grid_lineage',
        'grid_staff']
    loop
        execute format(rule, 'reading', name, 'select', 'using', everyone, within);
    end loop;
    foreach name in array array['plan_units', 'plan_assignments', 'plan_buildings', 'plan_grids']
    loop
        execute format(rule, 'reading', name, 'select', 'using', officials, within);
    end loop;
    -- the published plan's figures stand beside the map
    execute format(rule, 'reading', 'plans', 'select', 'using', everyone,
        within || format($p$ and (status = 'published' or (select wangge_role()) in (%s))$p$, officials));
    foreach name in array array['divisions', 'streets', 'compounds', 'zones', 'buildings', 'facilities', 'grids', 'grid_lineage',
        'grid_staff', 'plans', 'plan_units', 'plan_assignments', 'plan_buildings', 'plan_grids']
    loop
        execute format(rule, 'adding', name, 'insert', 'with check', planners, within);
        execute format(rule, 'changing', name, 'update', 'using', planners, within);
        execute format(rule, 'removing', name, 'delete', 'using', planners, within);
    end loop;
end $$;

-- Counts of people: the centre, the service itself on its way to disclosure control, a worker in his own grids.
create policy reading on population_groups for select to wangge_app using (
    division_code ^@ any ((select wangge_scopes())::text[])
    and ((select wangge_role()) in ('centre', 'disclosure')
         or ((select wangge_role()) = 'grid_worker'
             and exists (select from buildings b
                         where b.division_code = population_groups.division_code
                           and b.building_id = population_groups.building_id
                           and b.grid_code = any ((select wangge_grids())::text[])))));

-- A case's own point equals a home: others see only rows that have a place to show instead.
create policy reading on cases for select to wangge_app using (
    division_code ^@ any ((select wangge_scopes())::text[])
    and ((select wangge_role()) in ('centre', 'disclosure')
         or ((select wangge_role()) = 'grid_worker' and grid_code = any ((select wangge_grids())::text[]))
         or ((select wangge_role()) in ('public', 'consumer', 'planner', 'grid_worker', 'privacy_officer', 'admin')
             and place is not null)));
create policy adding on cases for insert to wangge_app with check (
    division_code ^@ any ((select wangge_scopes())::text[])
    and ((select wangge_role()) = 'centre'
         or ((select wangge_role()) = 'grid_worker' and grid_code = any ((select wangge_grids())::text[]))));
create policy changing on cases for update to wangge_app using (
    division_code ^@ any ((select wangge_scopes())::text[])
    and ((select wangge_role()) = 'centre'
         or ((select wangge_role()) = 'grid_worker' and grid_code = any ((select wangge_grids())::text[]))));

-- Anyone's look may have to be written down, even a refused one.
create policy adding on audit for insert to wangge_app with check (true);
create policy reading on audit for select to wangge_app using (
    (select wangge_role()) in ('privacy_officer', 'admin')
    and division_code ^@ any ((select wangge_scopes())::text[]));
