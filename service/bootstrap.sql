-- What only a superuser may do, once for each database of Wangge. The embedded cluster does it itself (service/cluster.py);
-- for a server of your own the administrator runs: psql -d DATABASE -f bootstrap.sql

CREATE EXTENSION IF NOT EXISTS postgis;

CREATE EXTENSION IF NOT EXISTS btree_gist;

-- A row policy could not use the spatial index otherwise: && counts as able to leak what it compares.
-- It raises no error and prints nothing, whatever the two boxes are.
ALTER FUNCTION geometry_overlaps(geometry, geometry) LEAKPROOF;
