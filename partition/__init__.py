"""The heart of Wangge: metres and arrays in, a plan and polygons out. No database, no web."""
