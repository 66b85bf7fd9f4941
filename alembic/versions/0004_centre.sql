-- The centre's maps. service/models says what each means.

alter table facilities add column condition text default '' not null;
alter table facilities add constraint ck_facilities_condition_known
    check (condition in ('', 'good', 'damaged', 'blocked', 'missing', 'disused'));
