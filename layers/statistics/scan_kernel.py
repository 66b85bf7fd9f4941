"""The compiled heart of the scan: every circle round every unit, for many sets of counts at once.

Circles grow unit by unit in order of distance; units at the same distance come in together. The likelihood
ratio of a window with c of C cases where mu are expected is c·ln(c/mu) + (C − c)·ln((C − c)/(C − mu))
(Kulldorff 1997). c is whole, so c·ln c + (C − c)·ln(C − c) comes from a table and a window costs two
logarithms for all sets of counts together. What was observed and what was simulated go through the same
arithmetic, so that ties are ties.
"""

from __future__ import annotations

import numba
import numpy as np

SAME = 1e-9  # squared distances that differ by less than this part of them are the same distance


@numba.njit(cache=True, nogil=True)
def highest_ratios(  # type: ignore[no-untyped-def]
    places, weights, scales, counts, total, table, most_weight, most_squared, high, low, least, first, last
):
    """The highest log likelihood ratio of each set of counts over all windows round units first … last − 1.

    places: n × 2. weights: n, expected up to a factor. scales: of each span of time, so that weight × scale
    is what is expected in it. counts: spans × n × sets, whole numbers. table: c·ln c + (total − c)·ln(total
    − c) for c from 0 to total. most_weight, most_squared: bounds of a circle's weight and squared radius.
    least: the fewest cases of a high cluster.
    """
    spans, n, sets = counts.shape
    best = np.zeros(sets)
    inside = np.zeros((spans, sets), dtype=np.int32)
    squared = np.empty(n)
    for centre in range(first, last):
        for k in range(n):
            dx, dy = places[k, 0] - places[centre, 0], places[k, 1] - places[centre, 1]
            squared[k] = dx * dx + dy * dy
        order = np.argsort(squared, kind="mergesort")
        inside[:] = 0
        weight = 0.0
        for at in range(n):
            unit = order[at]
            weight += weights[unit]
            if squared[unit] > most_squared or weight > most_weight:
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
                for s in range(sets):
                    c = inside[span, s]
                    if (high and c > mu and c >= least) or (low and c < mu):
                        ratio = table[c] - c * log_in - (total - c) * log_out
                        if ratio > best[s]:
                            best[s] = ratio
    return best


@numba.njit(cache=True, nogil=True)
def best_windows(  # type: ignore[no-untyped-def]
    places, weights, scales, counts, total, table, most_weight, most_squared, high, low, least, taken
):
    """The best window round each unit that holds none of the `taken` ones.

    counts: spans × n. Returns n × 4: ratio (0 where there is none), span, units in the circle, squared
    radius.
    """
    spans, n = counts.shape
    found = np.zeros((n, 4))
    inside = np.zeros(spans, dtype=np.int32)
    squared = np.empty(n)
    for centre in range(n):
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
                inside[span] += counts[span, unit]
            if at + 1 < n and squared[order[at + 1]] - squared[unit] <= SAME * squared[unit]:
                continue
            for span in range(spans):
                mu = weight * scales[span]
                if mu <= 0.0 or mu >= total:
                    continue
                c = inside[span]
                if (high and c > mu and c >= least) or (low and c < mu):
                    ratio = table[c] - c * np.log(mu) - (total - c) * np.log(total - mu)
                    if ratio > found[centre, 0]:
                        found[centre, 0], found[centre, 1] = ratio, span
                        found[centre, 2], found[centre, 3] = at + 1, squared[unit]
    return found
