"""The tables. One `MetaData`, one engine: PostGIS.

Every table has `id`, `version` (the ETag; a trigger adds one at each update), `updated_at` and
`division_code` (the community's code, by whose prefix access is scoped). Every geometry is `geom` in
EPSG:4326, two-dimensional and valid; areas are square metres. `metric_wkb` beside it is the same geometry
exactly as the partition checked it, in the community's `metric_crs`: a plan made from the database is then
the plan made from the file. A trigger empties it when `geom` alone is changed.

No table has a place for a resident: people are counted by building and category (`population_groups`),
categories are short keys, and names and ids that hold an identity number are refused. The only names of
people are those of staff, with their work phone.

Triggers, row policies and grants stand in the migrations.
"""

from __future__ import annotations

from service.models.accounts import answers, api_keys, audit, login_links, secrets, sessions
from service.models.base import (
    CASE_STATUSES,
    DIVISION_CLASSES,
    FACILITY_CONDITIONS,
    GRID_KINDS,
    IDENTITY_NUMBER,
    LINEAGE_KINDS,
    PLAN_STATUSES,
    ROLES,
    RUN_STATUSES,
    SRID,
    STREET_CLASSES,
    metadata,
)
from service.models.ground import (
    buildings,
    compounds,
    divisions,
    facilities,
    population_groups,
    streets,
    zones,
)
from service.models.plans import (
    figure_bases,
    grid_lineage,
    grids,
    plan_assignments,
    plan_buildings,
    plan_grids,
    plan_notes,
    plan_revisions,
    plan_tiers,
    plan_units,
    plans,
    published_figures,
    runs,
    tiers,
)
from service.models.publishing import added_collections, collection_versions, published_divisions
from service.models.work import case_imports, case_steps, cases, events, grid_staff

__all__ = [
    "CASE_STATUSES",
    "DIVISION_CLASSES",
    "FACILITY_CONDITIONS",
    "GRID_KINDS",
    "IDENTITY_NUMBER",
    "LINEAGE_KINDS",
    "PLAN_STATUSES",
    "ROLES",
    "RUN_STATUSES",
    "SRID",
    "STREET_CLASSES",
    "added_collections",
    "answers",
    "api_keys",
    "audit",
    "buildings",
    "case_imports",
    "case_steps",
    "cases",
    "collection_versions",
    "compounds",
    "divisions",
    "events",
    "facilities",
    "figure_bases",
    "grid_lineage",
    "grid_staff",
    "grids",
    "login_links",
    "metadata",
    "plan_assignments",
    "plan_buildings",
    "plan_grids",
    "plan_notes",
    "plan_revisions",
    "plan_tiers",
    "plan_units",
    "plans",
    "population_groups",
    "published_divisions",
    "published_figures",
    "runs",
    "secrets",
    "sessions",
    "streets",
    "tiers",
    "zones",
]
