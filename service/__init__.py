"""PostGIS, the API, the command line and access."""
