"""What hypothesis draws, the same whatever else is loaded."""

from __future__ import annotations


def draw_alike() -> None:
    """Let a property's examples depend on the property alone.

    Hypothesis mixes in constants that it reads in those of the project's modules that are loaded: a test run
    alone would try other examples than in the whole run, and so would one with a fault put into a module.
    """
    from hypothesis.internal.conjecture import providers

    providers.is_local_module_file = lambda path: False
    found = providers._local_constants  # by what drew while tests were collected
    for kind in (found.integers, found.floats, found.bytes, found.strings):
        kind.clear()
    providers.CONSTANTS_CACHE.cache.clear()
