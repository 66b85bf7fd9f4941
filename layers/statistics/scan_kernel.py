"""The compiled heart of the scan: every circle round every unit, for many sets of counts at once.

Circles grow unit by unit in order of distance; units at the same distance come in together. The likelihood
ratio of a window with c of C cases where mu are expected is c·ln(c/mu) + (C − c)·ln((C − c)/(C − mu))
(Kulldorff 1997). c is whole, so c·ln c + (C − c)·ln(C − c) comes from a table and a window costs two
logarithms for all sets of counts together; whether c lies above or below mu is asked in whole numbers, too.
What was observed and what was simulated go through the same arithmetic, so that ties are ties.

In all of them: places: n × 2. weights: n, expected up to a factor. scales: of each span of time, so that
weight × scale is what is expected in it. counts: spans × n × sets, whole numbers. table: c·ln c + (total −
c)·ln(total − c) for c from 0 to total. most_weight, most_squared: bounds of a circle's weight and squared
radius. least: the fewest cases of a high cluster.
"""

from __future__ import annotations

import numba
import numpy as np

SAME = 1e-9  # squared distances that differ by less than this part of them are the same distance


@numba.njit(cache=True, nogil=True)
def _widen(  # type: ignore[no-untyped-def]
    centre,
    places,
    weights,
    scales,
    counts,
    total,
    table,
    most_weight,
    most_squared,
    high,
    low,
    least,
    taken,
    inside,
    best,
    window,
):
    """Widen the circle round one unit until a bound or a unit that is `taken`.

    best: by set the highest ratio so far, and window: sets × 3, where it is (span, units in the circle,
    squared radius); both are raised in place. inside: spans × sets, to work in.
    """
    spans, n, sets = counts.shape
    squared = np.empty(n)
    for k in range(n):
        dx, dy = places[k, 0] - places[centre, 0], places[k, 1] - places[centre, 1]
        squared[k] = dx * dx + dy * dy
    order = np.argsort(squared, kind="mergesort")
    inside[:] = 0
    weight = 0.0
    for at in range(n):
        unit = order[at]
        weight += weights[unit]
        if taken[unit] or squared[unit] > most_squared or weight > most_weight:
            break
        for span in range(spans):
            for s in range(sets):
                inside[span, s] += counts[span, unit, s]
        if at + 1 < n and squared[order[at + 1]] - squared[unit] <= SAME * squared[unit]:
            continue
        for span in range(spans):
            mu = weight * scales[span]
            if mu <= 0.0 or mu >= total:
                continue
            log_in, log_out = np.log(mu), np.log(total - mu)
            many = max(int(np.floor(mu)) + 1, least) if high else total + 1
            few = int(np.ceil(mu)) if low else 0
            for s in range(sets):
                c = inside[span, s]
                if c >= many or c < few:
                    ratio = table[c] - c * log_in - (total - c) * log_out
                    if ratio > best[s]:
                        best[s] = ratio
                        window[s, 0], window[s, 1], window[s, 2] = span, at + 1, squared[unit]


@numba.njit(cache=True, nogil=True)
def highest_ratios(  # type: ignore[no-untyped-def]
    places, weights, scales, counts, total, table, most_weight, most_squared, high, low, least, first, last
):
    """The highest ratio of each set of counts over all windows round units first … last − 1; 0 for none."""
    spans, n, sets = counts.shape
    best, window = np.zeros(sets), np.empty((sets, 3))
    inside = np.zeros((spans, sets), dtype=np.int32)
    limits = (total, table, most_weight, most_squared, high, low, least)
    none = np.zeros(n, dtype=np.bool_)
    for centre in range(first, last):
        _widen(centre, places, weights, scales, counts, *limits, none, inside, best, window)
    return best


@numba.njit(cache=True, nogil=True)
def best_windows(  # type: ignore[no-untyped-def]
    places, weights, scales, counts, total, table, most_weight, most_squared, high, low, least, taken
):
    """The best window round each unit that holds none of the `taken` ones; counts of one set.

    Returns n × 4: ratio (0 where there is none), span, units in the circle, squared radius.
    """
    spans, n, _ = counts.shape
    found = np.zeros((n, 4))
    inside = np.zeros((spans, 1), dtype=np.int32)
    limits = (total, table, most_weight, most_squared, high, low, least)
    for centre in range(n):
        row = found[centre : centre + 1]
        _widen(centre, places, weights, scales, counts, *limits, taken, inside, row[:, 0], row[:, 1:])
    return found
