-- What keeps. service/models says what each table and column means.

-- --- events: enough to know whom a change may be told without telling that something hidden changed ---

alter table events add column columns text[] default '{}' not null;
alter table events add column categories text[] default '{}' not null;
alter table events add column grids text[] default '{}' not null;

create or replace function wangge_case_events() returns trigger
    language plpgsql security definer set search_path = public, pg_temp as $$
declare
    many constant integer := 1000;
begin
    if tg_op = 'INSERT' then
        if (select count(*) from (select from after_rows limit many + 1) few) > many then
            insert into events (division_code, kind, collection, categories, grids)
                select division_code, 'imported', 'cases',
                    coalesce(array_agg(distinct category) filter (where placed), '{}'),
                    coalesce(array_agg(distinct grid_code) filter (where grid_code is not null), '{}')
                from (select division_code, category, grid_code, place is not null as placed
                      from after_rows group by 1, 2, 3, 4) kinds
                group by division_code;
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
        insert into events (division_code, kind, collection, columns, categories, grids)
            select division_code, 'imported', 'cases',
                array_remove(array[
                    case when bool_or(named) then 'case_id' end, case when bool_or(kind) then 'category' end,
                    case when bool_or(timed) then 'time' end, case when bool_or(due) then 'due_at' end,
                    case when bool_or(stood) then 'status' end, case when bool_or(raised) then 'tier' end,
                    case when bool_or(shown) then 'place' end], null),
                coalesce(array_agg(distinct category) filter (where placed), '{}'),
                coalesce(array_agg(distinct grid_code) filter (where grid_code is not null), '{}')
                    || coalesce(array_agg(distinct old_grid) filter (where old_grid is not null), '{}')
            from (
                select a.division_code, a.category, a.grid_code, b.grid_code as old_grid, a.place is not null as placed,
                    bool_or(a.case_id <> b.case_id) as named, bool_or(a.category <> b.category) as kind,
                    bool_or(a.time <> b.time) as timed, bool_or(a.due_at is distinct from b.due_at) as due,
                    bool_or(a.status <> b.status) as stood, bool_or(a.tier <> b.tier) as raised,
                    bool_or(a.place is distinct from b.place) as shown
                from after_rows a join before_rows b using (id) where a.version <> b.version group by 1, 2, 3, 4, 5
            ) kinds
            group by division_code;
    else
        insert into events (division_code, kind, collection, row_id, feature, grid_code, columns, grids)
            select a.division_code, 'changed', 'cases', a.id, a.division_code || ':' || a.case_id,
                coalesce(a.grid_code, ''),
                array_remove(array[
                    case when a.case_id <> b.case_id then 'case_id' end,
                    case when a.category <> b.category then 'category' end,
                    case when a.time <> b.time then 'time' end,
                    case when a.due_at is distinct from b.due_at then 'due_at' end,
                    case when a.status <> b.status then 'status' end, case when a.tier <> b.tier then 'tier' end,
                    case when a.place is distinct from b.place then 'place' end], null),
                array_remove(array[a.grid_code, b.grid_code], null)
            from after_rows a join before_rows b using (id) where a.version <> b.version order by a.id;
    end if;
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
create policy reading on case_imports for select to wangge_app
    using ((select wangge_is('centre', 'grid_worker')) is not null);

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

create function wangge_purge_answers(kept interval) returns bigint
    language plpgsql security definer set search_path = public, pg_temp as $$
declare
    gone bigint;
begin
    delete from answers where id in (
        select id from answers where at < now() - greatest(kept, interval '1 hour') limit 10000 for update skip locked);
    get diagnostics gone = row_count;
    return gone;
end $$;
comment on function wangge_purge_answers(interval) is 'answers older than that go';
revoke execute on function wangge_purge_answers(interval) from public;
grant execute on function wangge_purge_answers(interval) to wangge_app;

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
