-- Which buildings the places of cases stand for. service/models says what each column means.

create table case_places (
    id bigint generated always as identity,
    version integer default 1 not null,
    updated_at timestamptz default now() not null,
    division_code text not null,
    era integer not null,
    building_id text not null,
    grids text[] default '{}' not null,
    place geometry(Point, 4326) not null,
    geom geometry(Point, 4326) not null,
    constraint pk_case_places primary key (id),
    constraint uq_case_places_division_code_era_building_id unique (division_code, era, building_id),
    constraint fk_case_places_division_code foreign key (division_code) references divisions (code)
        on delete cascade on update cascade
);
alter table cases add column place_era integer;

create trigger tr_case_places_touch before update on case_places for each row
    when (old.* is distinct from new.*) execute function wangge_touch();

-- They follow from buildings and grids, of which everybody sees as much, and tell nothing of cases. A publication
-- makes them anew, whoever publishes: the service itself does that.
alter table case_places enable row level security;
grant select, insert, update, delete on case_places to wangge_app;
create policy reading on case_places for select to wangge_app using (
    ((select wangge_everywhere()) is not null or division_code ^@ any ((select wangge_scopes())::text[])));
create policy renewing on case_places to wangge_app
    using ((select wangge_role()) = 'disclosure' and division_code ^@ any ((select wangge_scopes())::text[]))
    with check ((select wangge_role()) = 'disclosure' and division_code ^@ any ((select wangge_scopes())::text[]));

create or replace function wangge_forget_place() returns trigger
    language plpgsql security definer set search_path = public, pg_temp as $$
declare
    home case_places;
    before text;
begin
    -- the point may become the place itself, when it is past its time
    if old.geom is distinct from new.geom and new.geom is distinct from new.place
        and old.place is not distinct from new.place then
        if old.place is null then
            return new;
        end if;
        -- A point that is told better stays where it is: at two places it were among the buildings of both.
        select * into home from case_places
            where division_code = new.division_code and era = old.place_era
            order by geom <-> new.geom, building_id limit 1;
        select building_id into before from case_places
            where division_code = new.division_code and era = old.place_era
            order by geom <-> old.geom, building_id limit 1;
        if home.place = old.place or home.building_id = before then
            return new;
        end if;
        new.place := null;
        new.place_era := null;
    end if;
    return new;
end $$;
