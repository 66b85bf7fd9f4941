-- The tables as they were on the first day; service/models.py says what each means. Frozen: changes go into a new migration.

create table divisions (
    id bigint generated always as identity,
    version integer default 1 not null,
    updated_at timestamptz default now() not null,
    division_code text not null,
    code text not null,
    community_id text not null,
    tier text default 'community' not null,
    parent text,
    name text default '' not null,
    class text default '' not null,
    local boolean default false not null,
    synthetic boolean default false not null,
    attribution text default '' not null,
    source_crs text not null,
    metric_crs text not null,
    findings jsonb default '[]' not null,
    geom geometry(geometry, 4326) not null,
    metric_wkb bytea,
    constraint pk_divisions primary key (id),
    constraint ck_divisions_geom_type check (geometrytype(geom) in ('POLYGON', 'MULTIPOLYGON')),
    constraint ck_divisions_geom_valid check (st_isvalid(geom)),
    constraint ck_divisions_geom_not_empty check (not st_isempty(geom)),
    constraint ck_divisions_geom_srid check (st_srid(geom) = 4326),
    constraint uq_divisions_code unique (code),
    constraint ck_divisions_code_is_division_code check (code <> '' and code = division_code),
    constraint ck_divisions_class_known check (class in ('', 'urban', 'rural')),
    constraint ck_divisions_code_no_identity check (code !~ '(^|\D)\d{6}(19|20)\d{2}(0[1-9]|1[0-2])([0-2]\d|3[01])\d{3}[\dXx](\D|$)'),
    constraint ck_divisions_community_id_no_identity check (community_id !~ '(^|\D)\d{6}(19|20)\d{2}(0[1-9]|1[0-2])([0-2]\d|3[01])\d{3}[\dXx](\D|$)'),
    constraint ck_divisions_name_no_identity check (name !~ '(^|\D)\d{6}(19|20)\d{2}(0[1-9]|1[0-2])([0-2]\d|3[01])\d{3}[\dXx](\D|$)')
);
create index ix_divisions_geom on divisions using gist (geom);

create table streets (
    id bigint generated always as identity,
    version integer default 1 not null,
    updated_at timestamptz default now() not null,
    division_code text not null,
    ordinal integer not null,
    name text default '' not null,
    class text not null,
    bridge boolean default false not null,
    tunnel boolean default false not null,
    layer integer default 0 not null,
    oneway boolean default false not null,
    geom geometry(geometry, 4326) not null,
    metric_wkb bytea,
    constraint pk_streets primary key (id),
    constraint ck_streets_geom_type check (geometrytype(geom) in ('LINESTRING')),
    constraint ck_streets_geom_valid check (st_isvalid(geom)),
    constraint ck_streets_geom_not_empty check (not st_isempty(geom)),
    constraint ck_streets_geom_srid check (st_srid(geom) = 4326),
    constraint uq_streets_division_code_ordinal unique (division_code, ordinal),
    constraint ck_streets_class_known check (class in ('arterial', 'secondary', 'local', 'lane', 'path', 'water', 'rail', 'wall')),
    constraint fk_streets_division_code foreign key (division_code) references divisions (code) on delete cascade on update cascade
);
create index ix_streets_geom on streets using gist (geom);

create table compounds (
    id bigint generated always as identity,
    version integer default 1 not null,
    updated_at timestamptz default now() not null,
    division_code text not null,
    ordinal integer not null,
    compound_id text default '' not null,
    name text default '' not null,
    geom geometry(geometry, 4326) not null,
    metric_wkb bytea,
    constraint pk_compounds primary key (id),
    constraint ck_compounds_geom_type check (geometrytype(geom) in ('POLYGON', 'MULTIPOLYGON')),
    constraint ck_compounds_geom_valid check (st_isvalid(geom)),
    constraint ck_compounds_geom_not_empty check (not st_isempty(geom)),
    constraint ck_compounds_geom_srid check (st_srid(geom) = 4326),
    constraint uq_compounds_division_code_ordinal unique (division_code, ordinal),
    constraint ck_compounds_compound_id_no_identity check (compound_id !~ '(^|\D)\d{6}(19|20)\d{2}(0[1-9]|1[0-2])([0-2]\d|3[01])\d{3}[\dXx](\D|$)'),
    constraint ck_compounds_name_no_identity check (name !~ '(^|\D)\d{6}(19|20)\d{2}(0[1-9]|1[0-2])([0-2]\d|3[01])\d{3}[\dXx](\D|$)'),
    constraint fk_compounds_division_code foreign key (division_code) references divisions (code) on delete cascade on update cascade
);
create index ix_compounds_geom on compounds using gist (geom);

create table zones (
    id bigint generated always as identity,
    version integer default 1 not null,
    updated_at timestamptz default now() not null,
    division_code text not null,
    ordinal integer not null,
    zone_id text default '' not null,
    name text default '' not null,
    kind text default 'other' not null,
    complexity double precision default 1 not null,
    geom geometry(geometry, 4326) not null,
    metric_wkb bytea,
    constraint pk_zones primary key (id),
    constraint ck_zones_geom_type check (geometrytype(geom) in ('POLYGON', 'MULTIPOLYGON')),
    constraint ck_zones_geom_valid check (st_isvalid(geom)),
    constraint ck_zones_geom_not_empty check (not st_isempty(geom)),
    constraint ck_zones_geom_srid check (st_srid(geom) = 4326),
    constraint uq_zones_division_code_ordinal unique (division_code, ordinal),
    constraint ck_zones_complexity_counts check (complexity > 0 and complexity < 'Infinity'),
    constraint ck_zones_zone_id_no_identity check (zone_id !~ '(^|\D)\d{6}(19|20)\d{2}(0[1-9]|1[0-2])([0-2]\d|3[01])\d{3}[\dXx](\D|$)'),
    constraint ck_zones_name_no_identity check (name !~ '(^|\D)\d{6}(19|20)\d{2}(0[1-9]|1[0-2])([0-2]\d|3[01])\d{3}[\dXx](\D|$)'),
    constraint fk_zones_division_code foreign key (division_code) references divisions (code) on delete cascade on update cascade
);
create index ix_zones_geom on zones using gist (geom);

create table buildings (
    id bigint generated always as identity,
    version integer default 1 not null,
    updated_at timestamptz default now() not null,
    division_code text not null,
    building_id text not null,
    part integer default 0 not null,
    ordinal integer not null,
    households integer default 0 not null,
    households_unknown boolean default false not null,
    estimated boolean default false not null,
    residents double precision,
    use text default '' not null,
    floors double precision,
    shops double precision,
    complexity double precision default 1 not null,
    village_group text default '' not null,
    grid_code text,
    geom geometry(geometry, 4326) not null,
    metric_wkb bytea,
    constraint pk_buildings primary key (id),
    constraint ck_buildings_geom_type check (geometrytype(geom) in ('POLYGON', 'MULTIPOLYGON')),
    constraint ck_buildings_geom_valid check (st_isvalid(geom)),
    constraint ck_buildings_geom_not_empty check (not st_isempty(geom)),
    constraint ck_buildings_geom_srid check (st_srid(geom) = 4326),
    constraint uq_buildings_division_code_building_id_part unique (division_code, building_id, part),
    constraint ck_buildings_households_not_negative check (households >= 0),
    constraint ck_buildings_part_not_negative check (part >= 0),
    constraint ck_buildings_residents_not_negative check (residents >= 0 and residents < 'Infinity'),
    constraint ck_buildings_shops_not_negative check (shops >= 0 and shops < 'Infinity'),
    constraint ck_buildings_complexity_counts check (complexity > 0 and complexity < 'Infinity'),
    constraint ck_buildings_building_id_given check (building_id <> ''),
    constraint ck_buildings_unknown_adds_nothing check (not (households_unknown and households > 0 and not estimated)),
    constraint ck_buildings_building_id_no_identity check (building_id !~ '(^|\D)\d{6}(19|20)\d{2}(0[1-9]|1[0-2])([0-2]\d|3[01])\d{3}[\dXx](\D|$)'),
    constraint ck_buildings_village_group_no_identity check (village_group !~ '(^|\D)\d{6}(19|20)\d{2}(0[1-9]|1[0-2])([0-2]\d|3[01])\d{3}[\dXx](\D|$)'),
    constraint fk_buildings_division_code foreign key (division_code) references divisions (code) on delete cascade on update cascade
);
create index ix_buildings_division_code_grid_code on buildings (division_code, grid_code);
create index ix_buildings_geom on buildings using gist (geom);

create table population_groups (
    id bigint generated always as identity,
    version integer default 1 not null,
    updated_at timestamptz default now() not null,
    division_code text not null,
    building_id text not null,
    category text not null,
    count integer not null,
    constraint pk_population_groups primary key (id),
    constraint uq_population_groups_division_code_building_id_category unique (division_code, building_id, category),
    constraint ck_population_groups_count_not_negative check (count >= 0),
    constraint ck_population_groups_category_is_key check (category ~ '^[a-z][a-z_]{1,39}$'),
    constraint ck_population_groups_building_id_no_identity check (building_id !~ '(^|\D)\d{6}(19|20)\d{2}(0[1-9]|1[0-2])([0-2]\d|3[01])\d{3}[\dXx](\D|$)'),
    constraint fk_population_groups_division_code foreign key (division_code) references divisions (code) on delete cascade on update cascade
);

create table facilities (
    id bigint generated always as identity,
    version integer default 1 not null,
    updated_at timestamptz default now() not null,
    division_code text not null,
    facility_id text not null,
    kind text not null,
    name text default '' not null,
    geom geometry(geometry, 4326) not null,
    constraint pk_facilities primary key (id),
    constraint ck_facilities_geom_type check (geometrytype(geom) in ('POINT')),
    constraint ck_facilities_geom_valid check (st_isvalid(geom)),
    constraint ck_facilities_geom_not_empty check (not st_isempty(geom)),
    constraint ck_facilities_geom_srid check (st_srid(geom) = 4326),
    constraint uq_facilities_division_code_facility_id unique (division_code, facility_id),
    constraint ck_facilities_facility_id_no_identity check (facility_id !~ '(^|\D)\d{6}(19|20)\d{2}(0[1-9]|1[0-2])([0-2]\d|3[01])\d{3}[\dXx](\D|$)'),
    constraint ck_facilities_name_no_identity check (name !~ '(^|\D)\d{6}(19|20)\d{2}(0[1-9]|1[0-2])([0-2]\d|3[01])\d{3}[\dXx](\D|$)'),
    constraint fk_facilities_division_code foreign key (division_code) references divisions (code) on delete cascade on update cascade
);
create index ix_facilities_division_code_kind on facilities (division_code, kind);
create index ix_facilities_geom on facilities using gist (geom);

create table plans (
    id bigint generated always as identity,
    version integer default 1 not null,
    updated_at timestamptz default now() not null,
    division_code text not null,
    status text default 'draft' not null,
    profile text not null,
    policy jsonb default '{}' not null,
    seed bigint not null,
    figures jsonb default '{}' not null,
    report jsonb default '{}' not null,
    base_plan_id bigint,
    author text default '' not null,
    reason text default '' not null,
    created_at timestamptz default now() not null,
    published_at timestamptz,
    archived_at timestamptz,
    constraint pk_plans primary key (id),
    constraint ck_plans_status_known check (status in ('draft', 'submitted', 'approved', 'published', 'archived')),
    constraint ck_plans_published_has_time check (status <> 'published' or published_at is not null),
    constraint fk_plans_division_code foreign key (division_code) references divisions (code) on delete cascade on update cascade,
    constraint fk_plans_base_plan_id foreign key (base_plan_id) references plans (id) on delete set null
);
create index ix_plans_division_code_status on plans (division_code, status);
create unique index uq_plans_published on plans (division_code) where status = 'published';

create table plan_units (
    id bigint generated always as identity,
    version integer default 1 not null,
    updated_at timestamptz default now() not null,
    division_code text not null,
    plan_id bigint not null,
    unit integer not null,
    households integer not null,
    geom geometry(geometry, 4326) not null,
    metric_wkb bytea,
    constraint pk_plan_units primary key (id),
    constraint ck_plan_units_geom_type check (geometrytype(geom) in ('POLYGON', 'MULTIPOLYGON')),
    constraint ck_plan_units_geom_valid check (st_isvalid(geom)),
    constraint ck_plan_units_geom_not_empty check (not st_isempty(geom)),
    constraint ck_plan_units_geom_srid check (st_srid(geom) = 4326),
    constraint uq_plan_units_plan_id_unit unique (plan_id, unit),
    constraint ck_plan_units_households_not_negative check (households >= 0),
    constraint fk_plan_units_division_code foreign key (division_code) references divisions (code) on delete cascade on update cascade,
    constraint fk_plan_units_plan_id foreign key (plan_id) references plans (id) on delete cascade
);
create index ix_plan_units_geom on plan_units using gist (geom);

create table plan_assignments (
    id bigint generated always as identity,
    version integer default 1 not null,
    updated_at timestamptz default now() not null,
    division_code text not null,
    plan_id bigint not null,
    unit integer not null,
    grid_code text not null,
    constraint pk_plan_assignments primary key (id),
    constraint uq_plan_assignments_plan_id_unit unique (plan_id, unit),
    constraint ck_plan_assignments_grid_code_given check (grid_code <> ''),
    constraint fk_plan_assignments_division_code foreign key (division_code) references divisions (code) on delete cascade on update cascade,
    constraint fk_plan_assignments_plan_id foreign key (plan_id) references plans (id) on delete cascade
);

create table plan_buildings (
    id bigint generated always as identity,
    version integer default 1 not null,
    updated_at timestamptz default now() not null,
    division_code text not null,
    plan_id bigint not null,
    building_id text not null,
    grid_code text not null,
    households integer not null,
    constraint pk_plan_buildings primary key (id),
    constraint uq_plan_buildings_plan_id_building_id unique (plan_id, building_id),
    constraint ck_plan_buildings_households_not_negative check (households >= 0),
    constraint ck_plan_buildings_grid_code_given check (grid_code <> ''),
    constraint fk_plan_buildings_division_code foreign key (division_code) references divisions (code) on delete cascade on update cascade,
    constraint fk_plan_buildings_plan_id foreign key (plan_id) references plans (id) on delete cascade
);
create index ix_plan_buildings_plan_id_grid_code on plan_buildings (plan_id, grid_code);

create table plan_grids (
    id bigint generated always as identity,
    version integer default 1 not null,
    updated_at timestamptz default now() not null,
    division_code text not null,
    plan_id bigint not null,
    code text not null,
    kind text default 'basic' not null,
    households integer not null,
    residents double precision,
    buildings integer not null,
    buildings_unknown integer default 0 not null,
    area_m2 double precision not null,
    bounds_zh text default '' not null,
    bounds_en text default '' not null,
    geom geometry(geometry, 4326) not null,
    metric_wkb bytea,
    constraint pk_plan_grids primary key (id),
    constraint ck_plan_grids_kind_known check (kind in ('basic', 'dedicated')),
    constraint ck_plan_grids_households_not_negative check (households >= 0),
    constraint ck_plan_grids_residents_not_negative check (residents >= 0),
    constraint ck_plan_grids_buildings_not_negative check (buildings >= 0),
    constraint ck_plan_grids_buildings_unknown_not_negative check (buildings_unknown >= 0),
    constraint ck_plan_grids_area_m2_not_negative check (area_m2 >= 0),
    constraint ck_plan_grids_geom_type check (geometrytype(geom) in ('POLYGON', 'MULTIPOLYGON')),
    constraint ck_plan_grids_geom_valid check (st_isvalid(geom)),
    constraint ck_plan_grids_geom_not_empty check (not st_isempty(geom)),
    constraint ck_plan_grids_geom_srid check (st_srid(geom) = 4326),
    constraint uq_plan_grids_plan_id_code unique (plan_id, code),
    constraint ck_plan_grids_code_given check (code <> ''),
    constraint fk_plan_grids_division_code foreign key (division_code) references divisions (code) on delete cascade on update cascade,
    constraint fk_plan_grids_plan_id foreign key (plan_id) references plans (id) on delete cascade
);
create index ix_plan_grids_geom on plan_grids using gist (geom);

create table grids (
    id bigint generated always as identity,
    version integer default 1 not null,
    updated_at timestamptz default now() not null,
    division_code text not null,
    code text not null,
    tier text default 'grid' not null,
    parent text,
    name text default '' not null,
    plan_id bigint,
    kind text default 'basic' not null,
    households integer not null,
    residents double precision,
    buildings integer not null,
    buildings_unknown integer default 0 not null,
    area_m2 double precision not null,
    bounds_zh text default '' not null,
    bounds_en text default '' not null,
    valid_from timestamptz not null,
    valid_to timestamptz,
    geom geometry(geometry, 4326) not null,
    constraint pk_grids primary key (id),
    constraint ck_grids_kind_known check (kind in ('basic', 'dedicated')),
    constraint ck_grids_households_not_negative check (households >= 0),
    constraint ck_grids_residents_not_negative check (residents >= 0),
    constraint ck_grids_buildings_not_negative check (buildings >= 0),
    constraint ck_grids_buildings_unknown_not_negative check (buildings_unknown >= 0),
    constraint ck_grids_area_m2_not_negative check (area_m2 >= 0),
    constraint ck_grids_geom_type check (geometrytype(geom) in ('POLYGON', 'MULTIPOLYGON')),
    constraint ck_grids_geom_valid check (st_isvalid(geom)),
    constraint ck_grids_geom_not_empty check (not st_isempty(geom)),
    constraint ck_grids_geom_srid check (st_srid(geom) = 4326),
    constraint uq_grids_code_valid_from unique (code, valid_from),
    constraint ck_grids_valid_to_after_from check (valid_to > valid_from),
    constraint ck_grids_code_given check (code <> ''),
    constraint ex_grids_one_at_a_time exclude using gist (code with =, tstzrange(valid_from, valid_to) with &&),
    constraint fk_grids_division_code foreign key (division_code) references divisions (code) on delete cascade on update cascade,
    constraint fk_grids_plan_id foreign key (plan_id) references plans (id) on delete restrict
);
create index ix_grids_division_code_in_force on grids (division_code) where valid_to is null;
create index ix_grids_geom on grids using gist (geom);
create unique index uq_grids_in_force on grids (code) where valid_to is null;

create table grid_lineage (
    id bigint generated always as identity,
    version integer default 1 not null,
    updated_at timestamptz default now() not null,
    division_code text not null,
    old_code text not null,
    new_code text not null,
    kind text not null,
    buildings integer not null,
    households integer not null,
    plan_id bigint not null,
    at timestamptz not null,
    constraint pk_grid_lineage primary key (id),
    constraint uq_grid_lineage_plan_id_old_code_new_code unique (plan_id, old_code, new_code),
    constraint ck_grid_lineage_kind_known check (kind in ('split', 'merged', 'redrawn')),
    constraint ck_grid_lineage_code_changed check (old_code <> new_code),
    constraint ck_grid_lineage_buildings_not_negative check (buildings >= 0),
    constraint ck_grid_lineage_households_not_negative check (households >= 0),
    constraint fk_grid_lineage_division_code foreign key (division_code) references divisions (code) on delete cascade on update cascade,
    constraint fk_grid_lineage_plan_id foreign key (plan_id) references plans (id) on delete restrict
);
create index ix_grid_lineage_new_code on grid_lineage (new_code);
create index ix_grid_lineage_old_code on grid_lineage (old_code);

create table grid_staff (
    id bigint generated always as identity,
    version integer default 1 not null,
    updated_at timestamptz default now() not null,
    division_code text not null,
    assigned text default '' not null,
    role text not null,
    name text not null,
    phone text default '' not null,
    grid_code text,
    constraint pk_grid_staff primary key (id),
    constraint uq_grid_staff_division_code_assigned_role_name unique (division_code, assigned, role, name),
    constraint ck_grid_staff_role_no_identity check (role !~ '(^|\D)\d{6}(19|20)\d{2}(0[1-9]|1[0-2])([0-2]\d|3[01])\d{3}[\dXx](\D|$)'),
    constraint ck_grid_staff_name_no_identity check (name !~ '(^|\D)\d{6}(19|20)\d{2}(0[1-9]|1[0-2])([0-2]\d|3[01])\d{3}[\dXx](\D|$)'),
    constraint ck_grid_staff_phone_no_identity check (phone !~ '(^|\D)\d{6}(19|20)\d{2}(0[1-9]|1[0-2])([0-2]\d|3[01])\d{3}[\dXx](\D|$)'),
    constraint fk_grid_staff_division_code foreign key (division_code) references divisions (code) on delete cascade on update cascade
);
create index ix_grid_staff_division_code_grid_code on grid_staff (division_code, grid_code);

create table cases (
    id bigint generated always as identity,
    version integer default 1 not null,
    updated_at timestamptz default now() not null,
    division_code text not null,
    case_id text not null,
    category text not null,
    time timestamptz not null,
    due_at timestamptz,
    status text default 'discovered' not null,
    tier text default '' not null,
    building_id text,
    grid_code text,
    place geometry(point, 4326),
    geom geometry(geometry, 4326) not null,
    constraint pk_cases primary key (id),
    constraint ck_cases_geom_type check (geometrytype(geom) in ('POINT')),
    constraint ck_cases_geom_valid check (st_isvalid(geom)),
    constraint ck_cases_geom_not_empty check (not st_isempty(geom)),
    constraint ck_cases_geom_srid check (st_srid(geom) = 4326),
    constraint uq_cases_division_code_case_id unique (division_code, case_id),
    constraint ck_cases_status_known check (status in ('discovered', 'filed', 'dispatched', 'handled', 'verified', 'closed', 'returned')),
    constraint ck_cases_case_id_no_identity check (case_id !~ '(^|\D)\d{6}(19|20)\d{2}(0[1-9]|1[0-2])([0-2]\d|3[01])\d{3}[\dXx](\D|$)'),
    constraint ck_cases_category_no_identity check (category !~ '(^|\D)\d{6}(19|20)\d{2}(0[1-9]|1[0-2])([0-2]\d|3[01])\d{3}[\dXx](\D|$)'),
    constraint fk_cases_division_code foreign key (division_code) references divisions (code) on delete cascade on update cascade
);
create index ix_cases_division_code_time on cases (division_code, time);
create index ix_cases_geom on cases using gist (geom);
create index ix_cases_grid_code_time on cases (grid_code, time);
create index ix_cases_place on cases using gist (place);
create index ix_cases_time on cases (time);

create table audit (
    id bigint generated always as identity,
    version integer default 1 not null,
    updated_at timestamptz default now() not null,
    division_code text not null,
    at timestamptz default clock_timestamp() not null,
    principal text default '' not null,
    role text default '' not null,
    action text not null,
    group_code text default '' not null,
    place text default '' not null,
    details jsonb default '{}' not null,
    constraint pk_audit primary key (id)
);
create index ix_audit_division_code_at on audit (division_code, at);
