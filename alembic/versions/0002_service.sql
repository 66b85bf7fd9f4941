-- The service: who may come in, plans as resources, jobs, events, further collections. service/models says what each means.

alter table plans add column revision integer default 0 not null;
alter table plans add column locked text[] default '{}' not null;

create table api_keys (
    id bigint generated always as identity,
    version integer default 1 not null,
    updated_at timestamptz default now() not null,
    digest bytea not null,
    hint text not null,
    name text not null,
    role text not null,
    scope text[] default '{}' not null,
    grids text[] default '{}' not null,
    subject text default '' not null,
    issued_by text default '' not null,
    issued_at timestamptz default now() not null,
    expires_at timestamptz not null,
    revoked_at timestamptz,
    used_at timestamptz,
    constraint pk_api_keys primary key (id),
    constraint ck_api_keys_role_known check (role in ('public', 'consumer', 'grid_worker', 'planner', 'privacy_officer', 'admin', 'centre')),
    constraint uq_api_keys_digest unique (digest)
);

create table login_links (
    id bigint generated always as identity,
    version integer default 1 not null,
    updated_at timestamptz default now() not null,
    digest bytea not null,
    role text not null,
    scope text[] default '{}' not null,
    grids text[] default '{}' not null,
    subject text default '' not null,
    expires_at timestamptz not null,
    used_at timestamptz,
    constraint pk_login_links primary key (id),
    constraint ck_login_links_role_known check (role in ('public', 'consumer', 'grid_worker', 'planner', 'privacy_officer', 'admin', 'centre')),
    constraint uq_login_links_digest unique (digest)
);

create table sessions (
    id bigint generated always as identity,
    version integer default 1 not null,
    updated_at timestamptz default now() not null,
    digest bytea not null,
    role text not null,
    scope text[] default '{}' not null,
    grids text[] default '{}' not null,
    subject text default '' not null,
    begun_at timestamptz default now() not null,
    expires_at timestamptz not null,
    ended_at timestamptz,
    constraint pk_sessions primary key (id),
    constraint ck_sessions_role_known check (role in ('public', 'consumer', 'grid_worker', 'planner', 'privacy_officer', 'admin', 'centre')),
    constraint uq_sessions_digest unique (digest)
);
create index ix_sessions_expires_at on sessions (expires_at);

create table added_collections (
    id bigint generated always as identity,
    version integer default 1 not null,
    updated_at timestamptz default now() not null,
    name text not null,
    table_name text not null,
    title_zh text default '' not null,
    title_en text default '' not null,
    about_zh text default '' not null,
    about_en text default '' not null,
    attribution text default '' not null,
    licence text default '' not null,
    sensitivity text not null,
    least text not null,
    geometry_kind text not null,
    geometry_name text default 'geom' not null,
    columns jsonb default '[]' not null,
    writable boolean default false not null,
    constraint pk_added_collections primary key (id),
    constraint uq_added_collections_name unique (name),
    constraint uq_added_collections_table_name unique (table_name),
    constraint ck_added_collections_sensitivity_known check (sensitivity in ('open', 'internal', 'restricted')),
    constraint ck_added_collections_least_known check (least in ('public', 'consumer', 'grid_worker', 'planner', 'privacy_officer', 'admin', 'centre')),
    constraint ck_added_collections_name_is_key check (name ~ '^[A-Za-z][A-Za-z0-9_.-]{0,62}$')
);

create table collection_versions (
    collection text not null,
    shard integer not null,
    version bigint default 0 not null,
    constraint pk_collection_versions primary key (collection, shard)
);

create table published_divisions (
    division_code text not null,
    constraint pk_published_divisions primary key (division_code)
);

create table plan_revisions (
    id bigint generated always as identity,
    version integer default 1 not null,
    updated_at timestamptz default now() not null,
    division_code text not null,
    plan_id bigint not null,
    revision integer not null,
    operation jsonb default '{}' not null,
    assignment jsonb default '{}' not null,
    locked text[] default '{}' not null,
    figures jsonb default '{}' not null,
    author text default '' not null,
    at timestamptz default now() not null,
    constraint pk_plan_revisions primary key (id),
    constraint uq_plan_revisions_plan_id_revision unique (plan_id, revision),
    constraint ck_plan_revisions_revision_not_negative check (revision >= 0),
    constraint fk_plan_revisions_division_code foreign key (division_code) references divisions (code) on delete cascade on update cascade,
    constraint fk_plan_revisions_plan_id foreign key (plan_id) references plans (id) on delete cascade
);

create table plan_notes (
    id bigint generated always as identity,
    version integer default 1 not null,
    updated_at timestamptz default now() not null,
    division_code text not null,
    plan_id bigint not null,
    from_status text not null,
    to_status text not null,
    author text default '' not null,
    text text default '' not null,
    at timestamptz default now() not null,
    constraint pk_plan_notes primary key (id),
    constraint ck_plan_notes_from_status_known check (from_status in ('draft', 'submitted', 'approved', 'published', 'archived')),
    constraint ck_plan_notes_to_status_known check (to_status in ('draft', 'submitted', 'approved', 'published', 'archived')),
    constraint ck_plan_notes_text_no_identity check (text !~ '(^|\D)\d{6}(19|20)\d{2}(0[1-9]|1[0-2])([0-2]\d|3[01])\d{3}[\dXx](\D|$)'),
    constraint fk_plan_notes_division_code foreign key (division_code) references divisions (code) on delete cascade on update cascade,
    constraint fk_plan_notes_plan_id foreign key (plan_id) references plans (id) on delete cascade
);
create index ix_plan_notes_plan_id_at on plan_notes (plan_id, at);

create table runs (
    id bigint generated always as identity,
    version integer default 1 not null,
    updated_at timestamptz default now() not null,
    division_code text not null,
    key text not null,
    process text not null,
    status text default 'accepted' not null,
    inputs jsonb default '{}' not null,
    result jsonb,
    progress integer default 0 not null,
    message text default '' not null,
    requester text default '' not null,
    created_at timestamptz default now() not null,
    started_at timestamptz,
    finished_at timestamptz,
    job_id bigint,
    constraint pk_runs primary key (id),
    constraint uq_runs_key unique (key),
    constraint ck_runs_status_known check (status in ('accepted', 'running', 'successful', 'failed', 'dismissed')),
    constraint ck_runs_progress_percent check (progress between 0 and 100),
    constraint fk_runs_division_code foreign key (division_code) references divisions (code) on delete cascade on update cascade
);
create index ix_runs_division_code_created_at on runs (division_code, created_at);

create table published_figures (
    id bigint generated always as identity,
    version integer default 1 not null,
    updated_at timestamptz default now() not null,
    division_code text not null,
    plan_id bigint not null,
    category text not null,
    grids text[] default '{}' not null,
    count integer,
    shown jsonb default '{}' not null,
    members_digest text not null,
    frozen_at timestamptz default now() not null,
    constraint pk_published_figures primary key (id),
    constraint uq_published_figures_plan_id_category_grids unique (plan_id, category, grids),
    constraint ck_published_figures_category_is_key check (category ~ '^[a-z][a-z_]{1,39}$'),
    constraint fk_published_figures_division_code foreign key (division_code) references divisions (code) on delete cascade on update cascade,
    constraint fk_published_figures_plan_id foreign key (plan_id) references plans (id) on delete cascade
);

create table figure_bases (
    id bigint generated always as identity,
    version integer default 1 not null,
    updated_at timestamptz default now() not null,
    division_code text not null,
    category text not null,
    kind text not null,
    count integer not null,
    members jsonb default '{}' not null,
    frozen_at timestamptz default now() not null,
    constraint pk_figure_bases primary key (id),
    constraint ck_figure_bases_category_is_key check (category ~ '^[a-z][a-z_]{1,39}$'),
    constraint ck_figure_bases_kind_known check (kind in ('grid', 'area')),
    constraint ck_figure_bases_count_not_negative check (count >= 0),
    constraint fk_figure_bases_division_code foreign key (division_code) references divisions (code) on delete cascade on update cascade
);
create index ix_figure_bases_division_code_category on figure_bases (division_code, category);

create table secrets (
    id bigint generated always as identity,
    version integer default 1 not null,
    updated_at timestamptz default now() not null,
    name text not null,
    bits bytea not null,
    constraint pk_secrets primary key (id),
    constraint uq_secrets_name unique (name)
);
-- 244 random bits
insert into secrets (name, bits) values
    ('noise', decode(replace(gen_random_uuid()::text || gen_random_uuid()::text, '-', ''), 'hex'));

create table case_steps (
    id bigint generated always as identity,
    version integer default 1 not null,
    updated_at timestamptz default now() not null,
    division_code text not null,
    case_row bigint not null,
    from_status text default '' not null,
    to_status text not null,
    from_tier text default '' not null,
    to_tier text default '' not null,
    actor text default '' not null,
    note text default '' not null,
    at timestamptz default now() not null,
    constraint pk_case_steps primary key (id),
    constraint ck_case_steps_to_status_known check (to_status in ('discovered', 'filed', 'dispatched', 'handled', 'verified', 'closed', 'returned')),
    constraint ck_case_steps_note_no_identity check (note !~ '(^|\D)\d{6}(19|20)\d{2}(0[1-9]|1[0-2])([0-2]\d|3[01])\d{3}[\dXx](\D|$)'),
    constraint fk_case_steps_division_code foreign key (division_code) references divisions (code) on delete cascade on update cascade,
    constraint fk_case_steps_case_row foreign key (case_row) references cases (id) on delete cascade
);
create index ix_case_steps_case_row_at on case_steps (case_row, at);

create table events (
    id bigint generated always as identity,
    version integer default 1 not null,
    updated_at timestamptz default now() not null,
    division_code text not null,
    at timestamptz default clock_timestamp() not null,
    xid bigint default (pg_current_xact_id()::text)::bigint not null,
    kind text not null,
    collection text not null,
    row_id bigint,
    feature text default '' not null,
    grid_code text default '' not null,
    constraint pk_events primary key (id)
);
create index ix_events_at on events (at);
create index ix_events_xid_id on events (xid, id);
