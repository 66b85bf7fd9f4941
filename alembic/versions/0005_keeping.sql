-- What keeps. service/models says what each table and column means.

-- --- events: enough to know whom a change may be told without telling that something hidden changed ---

alter table events alter column at set default statement_timestamp();
alter table events add column audience text[] default '{}' not null;
alter table events add column categories text[] default '{}' not null;
alter table events add column grids text[] default '{}' not null;
alter table events add column category text;
alter table events add column was_category text;
alter table events add column was_grid text;

-- Many at once are one event, but how many are many is decided for each kind of reader from rows that they see
-- alone: the centre by the division; who sees what is shown at a place by its category (only some categories are
-- shown, and which ones the service knows); a grid's own worker by the grid.
create or replace function wangge_case_events() returns trigger
    language plpgsql security definer set search_path = public, pg_temp as $$
declare
    moved text;
begin
    if tg_op = 'INSERT' then
        moved := $moved$
            select id, division_code, case_id, 'created' as kind, grid_code, null as was_grid,
                case when place is not null then category end as category, null as was_category,
                true as open, true as known
            from after_rows $moved$;
    else
        moved := $moved$
            select m.*, m.open or m.due or m.raised as known from (
                select a.id, a.division_code, a.case_id, 'changed' as kind, a.grid_code, b.grid_code as was_grid,
                    case when a.place is not null then a.category end as category,
                    case when b.place is not null then b.category end as was_category,
                    (a.case_id, a.category, a.time, a.status) <> (b.case_id, b.category, b.time, b.status)
                        or a.place is distinct from b.place as open,
                    a.due_at is distinct from b.due_at as due, a.tier <> b.tier as raised
                from after_rows a join before_rows b using (id) where a.version <> b.version
            ) m $moved$;
    end if;
    execute 'with moved as materialized (' || moved || $events$ ),
        counted as materialized (
            select *, count(*) over (partition by division_code) as together,
                case when category is not null and known
                     then count(*) filter (where known) over (partition by division_code, category) end as known_alike,
                case when category is not null and open
                     then count(*) filter (where open) over (partition by division_code, category) end as open_alike
            from moved
        ),
        crowded as (
            select division_code, grid_code from (
                select id, division_code, grid_code from moved union select id, division_code, was_grid from moved
            ) touched
            where grid_code is not null group by 1, 2 having count(*) > $2
        ),
        single as (
            select c.id, c.division_code, c.kind, c.division_code || ':' || c.case_id as feature,
                coalesce(c.grid_code, '') as grid_code, c.was_grid, c.category, c.was_category,
                array_remove(array[
                    case when together <= $1 then 'centre' end, case when known_alike <= $2 then 'known' end,
                    case when open_alike <= $2 then 'open' end], null) as audience,
                array_remove(array[
                    case when now.grid_code is null then c.grid_code end,
                    case when before.grid_code is null then c.was_grid end], null) as grids
            from counted c
            left join crowded now on now.division_code = c.division_code and now.grid_code = c.grid_code
            left join crowded before on before.division_code = c.division_code and before.grid_code = c.was_grid
        ),
        many (division_code, audience, categories, grids) as (
            select division_code, array['centre'], array[]::text[], array[]::text[]
            from counted where together > $1 group by division_code
            union all
            select division_code, array['known'], array_agg(distinct category), array[]::text[]
            from counted where known_alike > $2 group by division_code
            union all
            select division_code, array['open'], array_agg(distinct category), array[]::text[]
            from counted where open_alike > $2 group by division_code
            union all
            select division_code, array[]::text[], array[]::text[], array_agg(grid_code)
            from crowded group by division_code
        )
        insert into events (division_code, kind, collection, row_id, feature, grid_code, was_grid, category,
                            was_category, audience, categories, grids)
        select division_code, kind, 'cases', id, feature, grid_code, was_grid, category, was_category, audience,
            array[]::text[], grids
        from single where audience <> '{}' or grids <> '{}'
        union all
        select division_code, 'imported', 'cases', null, '', '', null, null, null, audience, categories, grids
        from many
        order by 4 nulls last, 1, 10 $events$
    using 1000, 100;
    return null;
end $$;

-- --- imports of cases: what began in bulk has its first step here ---

create table case_imports (
    id bigint generated always as identity,
    version integer default 1 not null,
    updated_at timestamptz default now() not null,
    actor text default '' not null,
    at timestamptz default now() not null,
    constraint pk_case_imports primary key (id)
);
alter table cases add column import_id bigint;
alter table case_imports enable row level security;
grant select on case_imports to wangge_app;
create index ix_cases_import_id on cases (import_id) where import_id is not null;
-- who brought a case is for those who see it whole
create policy reading on case_imports for select to wangge_app using (
    (select wangge_is('centre', 'grid_worker')) is not null
    and exists (select from cases c where c.import_id = case_imports.id
                and c.division_code ^@ any ((select wangge_scopes())::text[])
                and ((select wangge_role()) = 'centre' or c.grid_code = any ((select wangge_grids())::text[]))));

-- --- answers kept, so that a request repeated after a lost answer is not done twice ---

create table answers (
    id bigint generated always as identity,
    version integer default 1 not null,
    updated_at timestamptz default now() not null,
    who bytea not null,
    key text not null,
    asked bytea not null,
    status integer not null,
    headers jsonb default '{}' not null,
    body text default '' not null,
    at timestamptz default now() not null,
    constraint pk_answers primary key (id),
    constraint uq_answers_who_key unique (who, key)
);
create index ix_answers_at on answers (at);
alter table answers enable row level security;
grant select, insert on answers to wangge_app;
-- each finds those of its own requests only: `who` is a digest that the service makes and tells
create policy own on answers to wangge_app
    using (who = decode(coalesce(current_setting('wangge.answers', true), ''), 'hex'))
    with check (who = decode(coalesce(current_setting('wangge.answers', true), ''), 'hex'));

create function wangge_purge_answers(kept interval, own text) returns bigint
    language plpgsql security definer set search_path = public, pg_temp as $$
declare
    past constant timestamptz := now() - greatest(kept, interval '1 hour');
    gone bigint;
begin
    -- in whose place the next one will stand: whoever else is forgetting it is waited for
    delete from answers where key = own and at <= past
        and who = decode(coalesce(current_setting('wangge.answers', true), ''), 'hex');
    delete from answers where id in (
        select id from answers where at <= past order by at limit 10000 for update skip locked);
    get diagnostics gone = row_count;
    return gone;
end $$;
comment on function wangge_purge_answers(interval, text) is 'answers older than that go, ten thousand at a time; the own one of that key at once';
revoke execute on function wangge_purge_answers(interval, text) from public;
grant execute on function wangge_purge_answers(interval, text) to wangge_app;

-- --- four eyes: in the service a plan is approved by nobody who had a hand in it, and published once approved ---

-- The owner, who declares nobody, may publish drafts of his own from the command line.
create function wangge_four_eyes() returns trigger
    language plpgsql security definer set search_path = public, pg_temp as $$
declare
    who constant text := coalesce(current_setting('wangge.principal', true), '');
begin
    if coalesce(current_setting('wangge.role', true), '') = '' then
        return new;
    end if;
    if new.author is distinct from old.author then
        raise exception 'the author of plan % stays', old.id
            using errcode = 'check_violation', constraint = 'tr_plans_four_eyes';
    end if;
    if new.status = 'published' and old.status not in ('approved', 'published') then
        raise exception 'plan % was not approved', old.id
            using errcode = 'check_violation', constraint = 'tr_plans_four_eyes';
    end if;
    if new.status = 'approved' and old.status <> 'approved' and (
        who = '' or who = old.author
        or exists (select from plan_revisions r where r.plan_id = old.id and r.author = who)
        or exists (select from plan_notes n where n.plan_id = old.id and n.author = who
                   and n.from_status = 'draft' and n.to_status = 'submitted'))
    then
        raise exception 'plan % is approved by somebody else than whoever made, edited or submitted it', old.id
            using errcode = 'check_violation', constraint = 'tr_plans_four_eyes';
    end if;
    return new;
end $$;
create trigger tr_plans_four_eyes before update of status, author on plans for each row
    when (old.status is distinct from new.status or old.author is distinct from new.author)
    execute function wangge_four_eyes();

-- --- plans begin as drafts of their makers, and stay as they were submitted ---

create function wangge_plan_begun() returns trigger language plpgsql set search_path = public, pg_temp as $$
begin
    if wangge_role() <> '' and (new.status <> 'draft'
        or new.author is distinct from coalesce(current_setting('wangge.principal', true), ''))
    then
        raise exception 'a plan begins as a draft of whoever makes it'
            using errcode = 'check_violation', constraint = 'tr_plans_begun';
    end if;
    return new;
end $$;
create trigger tr_plans_begun before insert on plans for each row execute function wangge_plan_begun();

-- The next three ask who executes, not who is declared: the owner, and with him the function below, may.
create function wangge_plan_kept() returns trigger language plpgsql set search_path = public, pg_temp as $$
begin
    if current_user = 'wangge_app' and old.status <> 'draft' then
        raise exception 'plan % is no draft', old.id using errcode = 'check_violation', constraint = 'tr_plans_kept';
    end if;
    return new;
end $$;
create trigger tr_plans_kept before update on plans for each row
    when (old.division_code is distinct from new.division_code or old.profile is distinct from new.profile
          or old.policy is distinct from new.policy or old.seed is distinct from new.seed
          or old.figures is distinct from new.figures or old.base_plan_id is distinct from new.base_plan_id
          or old.revision is distinct from new.revision or old.locked is distinct from new.locked)
    execute function wangge_plan_kept();

create function wangge_drafts_only() returns trigger language plpgsql set search_path = public, pg_temp as $$
declare
    touched bigint[];
    drafts bigint;
begin
    if current_user <> 'wangge_app' then
        return null;
    end if;
    if tg_op = 'INSERT' then
        select array_agg(distinct plan_id) into touched from after_rows;
    elsif tg_op = 'DELETE' then
        select array_agg(distinct plan_id) into touched from before_rows;
    else
        select array_agg(distinct plan_id) into touched
            from (select plan_id from before_rows union select plan_id from after_rows) both_rows;
    end if;
    -- nobody submits it meanwhile
    perform p.id from plans p where p.id = any (touched) and p.status = 'draft' for share;
    get diagnostics drafts = row_count;
    if drafts < cardinality(touched) then
        raise exception 'one of the plans % is no draft', touched
            using errcode = 'check_violation', constraint = 'tr_plans_drafts_only';
    end if;
    return null;
end $$;

do $$
declare
    name text;
begin
    foreach name in array array['plan_units', 'plan_assignments', 'plan_buildings', 'plan_grids']
    loop
        execute format('create trigger tr_%1$s_drafts_insert after insert on %1$I referencing new table as after_rows '
            'for each statement execute function wangge_drafts_only()', name);
        execute format('create trigger tr_%1$s_drafts_update after update on %1$I referencing old table as before_rows '
            'new table as after_rows for each statement execute function wangge_drafts_only()', name);
        execute format('create trigger tr_%1$s_drafts_delete after delete on %1$I referencing old table as before_rows '
            'for each statement execute function wangge_drafts_only()', name);
    end loop;
end $$;

-- What comes into force gets the codes that are due then: each grid another one, and nothing but that.
create function wangge_rename_plan_grids(of_plan bigint, former text[], coming text[]) returns void
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
end $$;
comment on function wangge_rename_plan_grids(bigint, text[], text[]) is 'grids of a plan get other codes, wherever it names them';
revoke execute on function wangge_rename_plan_grids(bigint, text[], text[]) from public;
grant execute on function wangge_rename_plan_grids(bigint, text[], text[]) to wangge_app;

-- --- sessions end with the key that began them, and say whose they are ---

alter table sessions add column key_id bigint
    constraint fk_sessions_key_id references api_keys on delete cascade;
alter table sessions add column holder text default '' not null;
