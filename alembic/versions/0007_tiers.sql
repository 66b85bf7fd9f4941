-- Tiers above and below the grids. service/models says what each table and column means.

create table plan_tiers (
    id bigint generated always as identity,
    version integer default 1 not null,
    updated_at timestamptz default now() not null,
    division_code text not null,
    plan_id bigint not null,
    level integer not null,
    place text not null,
    tier_zh text not null,
    tier_en text not null,
    name_zh text default '' not null,
    name_en text default '' not null,
    code text default '' not null,
    grid text default '' not null,
    members text[] default '{}' not null,
    at_first text[] default '{}' not null,
    kept boolean default true not null,
    households integer,
    buildings integer,
    buildings_unknown integer,
    area_m2 double precision,
    residents double precision,
    geom geometry(geometry, 4326),
    metric_wkb bytea,
    constraint pk_plan_tiers primary key (id),
    constraint ck_plan_tiers_level_not_of_grids check (level <> 0),
    constraint ck_plan_tiers_households_not_negative check (households >= 0),
    constraint ck_plan_tiers_residents_not_negative check (residents >= 0),
    constraint ck_plan_tiers_buildings_not_negative check (buildings >= 0),
    constraint ck_plan_tiers_buildings_unknown_not_negative check (buildings_unknown >= 0),
    constraint ck_plan_tiers_area_m2_not_negative check (area_m2 >= 0),
    constraint ck_plan_tiers_whole_below check (
        (level > 0) = (grid <> '' and num_nulls(geom, households, buildings, buildings_unknown, area_m2) = 0)),
    constraint ck_plan_tiers_geom_type check (geometrytype(geom) in ('POLYGON', 'MULTIPOLYGON')),
    constraint ck_plan_tiers_geom_valid check (st_isvalid(geom)),
    constraint ck_plan_tiers_geom_not_empty check (not st_isempty(geom)),
    constraint ck_plan_tiers_geom_srid check (st_srid(geom) = 4326),
    constraint uq_plan_tiers_plan_id_level_grid_place unique (plan_id, level, grid, place),
    constraint fk_plan_tiers_division_code foreign key (division_code) references divisions (code) on delete cascade on update cascade,
    constraint fk_plan_tiers_plan_id foreign key (plan_id) references plans (id) on delete cascade
);

create table tiers (
    id bigint generated always as identity,
    version integer default 1 not null,
    updated_at timestamptz default now() not null,
    division_code text not null,
    plan_id bigint not null,
    key text not null,
    level integer not null,
    place text not null,
    tier_zh text not null,
    tier_en text not null,
    name_zh text default '' not null,
    name_en text default '' not null,
    code text default '' not null,
    parent text default '' not null,
    grids text[] default '{}' not null,
    households integer not null,
    buildings integer not null,
    buildings_unknown integer not null,
    area_m2 double precision not null,
    residents double precision,
    least_households integer not null,
    valid_from timestamptz not null,
    valid_to timestamptz,
    geom geometry(geometry, 4326) not null,
    constraint pk_tiers primary key (id),
    constraint ck_tiers_level_not_of_grids check (level <> 0),
    constraint ck_tiers_households_not_negative check (households >= 0),
    constraint ck_tiers_residents_not_negative check (residents >= 0),
    constraint ck_tiers_buildings_not_negative check (buildings >= 0),
    constraint ck_tiers_buildings_unknown_not_negative check (buildings_unknown >= 0),
    constraint ck_tiers_area_m2_not_negative check (area_m2 >= 0),
    constraint ck_tiers_valid_to_after_from check (valid_to > valid_from),
    constraint ck_tiers_key_given check (key <> ''),
    constraint ck_tiers_geom_type check (geometrytype(geom) in ('POLYGON', 'MULTIPOLYGON')),
    constraint ck_tiers_geom_valid check (st_isvalid(geom)),
    constraint ck_tiers_geom_not_empty check (not st_isempty(geom)),
    constraint ck_tiers_geom_srid check (st_srid(geom) = 4326),
    constraint ex_tiers_one_at_a_time exclude using gist (division_code with =, key with =, tstzrange(valid_from, valid_to) with &&),
    constraint fk_tiers_division_code foreign key (division_code) references divisions (code) on delete cascade on update cascade,
    constraint fk_tiers_plan_id foreign key (plan_id) references plans (id) on delete restrict
);
create index ix_tiers_geom on tiers using gist (geom);
create unique index uq_tiers_in_force on tiers (division_code, key) where valid_to is null;

-- --- what holds whoever writes ---

-- What was published stays as it was published; only its end may be set, once.
create function wangge_tier_frozen() returns trigger language plpgsql as $$
begin
    if to_jsonb(old) - array['version', 'updated_at', 'valid_to', 'division_code', 'geom']
        is distinct from to_jsonb(new) - array['version', 'updated_at', 'valid_to', 'division_code', 'geom']
        or old.geom is distinct from new.geom
        or (old.valid_to is not null and old.valid_to is distinct from new.valid_to)
    then
        raise exception 'tier % is published and stays as it is', old.key
            using errcode = 'check_violation', constraint = 'tr_tiers_frozen';
    end if;
    return new;
end $$;
create trigger tr_tiers_frozen before update on tiers for each row execute function wangge_tier_frozen();
create trigger tr_tiers_changed after insert or update or delete or truncate on tiers
    for each statement execute function wangge_changed();
create trigger tr_plan_tiers_forget_metric before update on plan_tiers for each row
    execute function wangge_forget_metric();

do $$
declare
    name text;
begin
    foreach name in array array['plan_tiers', 'tiers']
    loop
        execute format('create trigger tr_%1$s_touch before update on %1$I for each row '
            'when (old.* is distinct from new.*) execute function wangge_touch()', name);
        execute format('alter table %I enable row level security', name);
    end loop;
end $$;

create trigger tr_plan_tiers_drafts_insert after insert on plan_tiers referencing new table as after_rows
    for each statement execute function wangge_drafts_only();
create trigger tr_plan_tiers_drafts_update after update on plan_tiers referencing old table as before_rows new table as after_rows
    for each statement execute function wangge_drafts_only();
create trigger tr_plan_tiers_drafts_delete after delete on plan_tiers referencing old table as before_rows
    for each statement execute function wangge_drafts_only();

-- --- who may: as of a plan's grids, and of grids ---

grant select, insert, update, delete on plan_tiers to wangge_app;
grant select, insert, update on tiers to wangge_app;

do $$
declare
    officials constant text := $p$'planner', 'centre', 'privacy_officer', 'admin'$p$;
    planners constant text := $p$'planner', 'admin'$p$;
    within constant text := 'division_code ^@ any ((select wangge_scopes())::text[])';
    rule constant text := 'create policy %s on %I for %s to wangge_app %s ((select wangge_role()) in (%s) and %s)';
begin
    execute format(rule, 'reading', 'plan_tiers', 'select', 'using', officials, within);
    execute format(rule, 'adding', 'plan_tiers', 'insert', 'with check', planners, within);
    execute format(rule, 'changing', 'plan_tiers', 'update', 'using', planners, within);
    execute format(rule, 'removing', 'plan_tiers', 'delete', 'using', planners, within);
    execute format($p$create policy reading on tiers for select to wangge_app using ((select wangge_is('public',
        'consumer', 'planner', 'centre', 'grid_worker', 'privacy_officer', 'admin', 'disclosure')) is not null
        and ((select wangge_everywhere()) is not null or %s))$p$, within);
    execute format(rule, 'adding', 'tiers', 'insert', 'with check', planners, within);
    execute format(rule, 'changing', 'tiers', 'update', 'using', planners, within);
end $$;

-- --- grids of a plan that get other codes have them in its tiers too ---

create or replace function wangge_rename_plan_grids(of_plan bigint, former text[], coming text[]) returns void
    language plpgsql security definer set search_path = public, pg_temp as $$
begin
    if not exists (select from plans p where p.id = of_plan and p.status in ('draft', 'submitted', 'approved')
                   and (wangge_role() = '' or (wangge_role() in ('planner', 'admin')
                                               and p.division_code ^@ any (wangge_scopes()))))
    then
        raise exception 'no plan % that codes may be changed in', of_plan using errcode = 'insufficient_privilege';
    end if;
    if cardinality(former) <> cardinality(coming)
        or (select count(distinct code) from unnest(coming) as c (code)) <> cardinality(former)
        or (select count(*) from plan_grids g where g.plan_id = of_plan and g.code = any (former)) <> cardinality(former)
    then
        raise exception 'each grid of plan % that is named has another code', of_plan using errcode = 'check_violation';
    end if;
    -- in two steps, since a new code may be another grid's old one
    update plan_grids g set code = '~' || w.later from unnest(former, coming) as w (earlier, later)
        where g.plan_id = of_plan and g.code = w.earlier;
    update plan_grids set code = substr(code, 2) where plan_id = of_plan and code like '~%';
    update plan_assignments a set grid_code = w.later from unnest(former, coming) as w (earlier, later)
        where a.plan_id = of_plan and a.grid_code = w.earlier;
    update plan_buildings b set grid_code = w.later from unnest(former, coming) as w (earlier, later)
        where b.plan_id = of_plan and b.grid_code = w.earlier;
    update plans p set locked = (
            select coalesce(array_agg(coalesce(w.later, l.code) order by l.place), '{}')
            from unnest(p.locked) with ordinality as l (code, place)
            left join unnest(former, coming) as w (earlier, later) on w.earlier = l.code)
        where p.id = of_plan and p.locked && former;
    update plan_tiers t set grid = '~' || w.later from unnest(former, coming) as w (earlier, later)
        where t.plan_id = of_plan and t.grid = w.earlier;
    update plan_tiers set grid = substr(grid, 2) where plan_id = of_plan and grid like '~%';
    update plan_tiers t set
            members = (
                select coalesce(array_agg(coalesce(w.later, l.code) order by coalesce(w.later, l.code)), '{}')
                from unnest(t.members) as l (code)
                left join unnest(former, coming) as w (earlier, later) on w.earlier = l.code),
            at_first = (
                select coalesce(array_agg(coalesce(w.later, l.code) order by coalesce(w.later, l.code)), '{}')
                from unnest(t.at_first) as l (code)
                left join unnest(former, coming) as w (earlier, later) on w.earlier = l.code)
        where t.plan_id = of_plan and t.level < 0;
end $$;
