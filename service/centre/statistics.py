"""Statistics of a division's cases that hold: what is more than chance, said plainly.

`GET /centre/{division}/statistics/{method}`: the filters of the page (`service.centre`), and of the method

    method       what it tells                                        parameters
    gi           hot and cold spots (Getis-Ord Gi*)                   units, cell, seed
    moran        units like or unlike their surroundings              units, cell, seed
    rates        smoothed rates (`rate=`, households by default)      units, cell
    scan         clusters: circles with too many (or few) cases       units, cell, seed, runs, share,
                                                                      radius, side
    recent       circles that rose in the last days                   units, cell, seed, runs, share,
                                                                      radius, longest
    compare      after against before                                 units, cell, at, before, after, areas

    units=cells | grids | buildings      cells by default; buildings for the centre alone
    cell=100                             metres, 50 … 500
    seed=0                               another one draws another chance
    runs=999                             of the Monte Carlo test, 99 … 9999
    share=0.5                            the most that one circle holds of what is expected, up to 0.5
    radius=300                           metres, the most; else any
    side=high | low | both
    longest=7                            days, 1 … 30; the longest rise looked for
    at=2026-10-01                        the day of the measure or the new borders; else half-way
    areas=CODE,CODE                      grids where the measure was taken; all others are the control areas

answers (every text is `{"zh": …, "en": …}`)

    {"division": "990101001001", "name": {…}, "query": "last=30d", "as_of": "…Z", "anchor": "now" | "newest",
     "span": {…}, "method": "gi", "title": {…},
     "answered": true,                    # false: no result, the verdict says why; draw no classes
     "verdict": {…},                      # the plain sentence, to be shown first and large
     "words": {…},                        # one line: method and parameters
     "caveat": {…},                       # one line: what it cannot say
     "notes": [{…}, …],                   # what was left out, and why
     "parameters": {"units": "cells", "cell_m": 100, "seed": 0, …},
     "cases": 231,                        # that took part
     "approximate": false,                # true: places near the cases' own points
     "legend": [{"kind": "hot", "label": {…}, "units": 12}, …],    # all kinds there are, in order
     "units": {"type": "FeatureCollection", "features": [{"type": "Feature", "id": 17, "geometry": {…},
        "properties": {"kind": "hot", "label": "110-42" | grid code,
                       "cases": 12,                # counted in it (compare: after)
                       …}}, …]},                   # by method, see below; only units inside the division
     "clusters": {"type": "FeatureCollection", "features": […]} | null,   # scan, recent: circles
     "links": [{"rel": "self", "href": …}, {"rel": "describedby", "href": docs page, "title": {…}}]}

Properties of a unit besides these, `null` where there is none:

    gi, moran    score, p, q                              kinds: hot cold (moran: high low) none alone unknown
    rates        denominator, rate, smoothed, state       kinds: 1 … 5 (classes of `smoothed`, bounds in the
                 (stable | unstable | hidden)             label) hidden unknown
    scan         expected, cluster (its number)           kinds: cluster none unknown
    recent       expected, cluster                        kinds: cluster none unknown
    compare      before, ratio, low, high, p, q           kinds: more fewer none few control

Properties of a cluster: number (from 1), found (more than chance; draw others faintly or not at all), high,
cases, expected, relative_risk (null: no case elsewhere), radius_m, p, ratio (log likelihood), days (recent),
label {…}.
"""
