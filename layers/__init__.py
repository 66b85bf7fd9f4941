"""Frames become folium maps that ask no other host for anything."""
