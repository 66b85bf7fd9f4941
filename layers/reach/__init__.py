"""Who reaches what on foot: walks over the streets, shares of households, isochrones, and sites for more.

Everything here is pure: frames in, frames and figures out. The network is `partition.geometry.walking`, the
one that joins communities within a walk of 15 minutes and that answers what is near.
"""
