"""Density of cases in metres, corrected at the border: on a lattice, or as coloured cells."""

from layers.density.breaks import CHANGE_LADDER, LADDER, change_breaks, round_breaks
from layers.density.cells import case_surface
from layers.density.ground import Ground, lay_ground
from layers.density.lattice import Lattice
from layers.density.surface import case_change, case_frames, case_lattice

__all__ = [
    "CHANGE_LADDER",
    "LADDER",
    "Ground",
    "Lattice",
    "case_change",
    "case_frames",
    "case_lattice",
    "case_surface",
    "change_breaks",
    "lay_ground",
    "round_breaks",
]
