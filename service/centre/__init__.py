"""The command centre's answers about a division: what happens where, how it changed, and what is overdue.

Below `/centre/{division}`, where `division` is a community's code or the beginning of several (a street
office's nine digits). Everything is computed from the rows and geometries that `service.access` yields: what
`/collections/cases/items` tells a principal one by one is counted here, and no more.

The filters (`question.py`), the same for the page's own address and for every answer:

    category=noise&category=parking     values as in the data; repeatable
    status=filed&status=open            one of the known ones, or `open`: not closed; repeatable
    tier=street                         repeatable; for roles that know of it
    last=24h | 7d | 30d                 the default is 30d; or instead of it
    datetime=2026-10-01/2026-10-31      as the collections take it (UTC; a date is its whole day)
    hours=8-18 | 22-6 | 7,12            by the clock in Beijing: from 8:00 until 18:00; one number is one hour
    weekdays=1-5 | 6,7                  Monday is 1
    rate=households | residents         for 1,000 of them; else counts
    previous=true                       the map shows the difference to the time just before, equally long

`GET /centre/{division}/cases` (`figures.py`); every text is `{"zh": …, "en": …}`:

    {"division": "990101001001", "name": {…}, "query": "last=30d&rate=households",
     "as_of": "2026-10-31T14:13:00Z", "anchor": "now",            # "newest": synthetic data, told from there
     "span": {"begin": "…Z", "end": "…Z", "days": 30.0, "datetime": "begin/end as collections take it"},
     "previous_span": {…} | null,                               # null: nothing to compare with, see `change`
     "area": null | {"id": "990101001001:above1-2", "name": {…}, "grids": [codes]},   # `area=`: of it alone
     "total": 231, "previous_total": 198 | null, "overdue_total": 12 | null,   # null: not for this role
     "undated_total": 3 | null,                                   # open cases without a limit on record
     "change": {"difference": 33, "percent": 16.7 | null, "p": 0.12 | null, "verdict": "chance"} | null,
                                                                  # verdict: more | fewer | chance | withheld
     "silence": null | {"of": "now" | "previous", "begin": "…Z", "end": "…Z", "days": 21.4, "p": 1.2e-9,
                        "words": {…}},  # no case for improbably long: verdicts are withheld
     "rate": {"per": "households", "unit": "{case}/(1000.{household})", "cases_hidden_below": 10,
              "cases_unstable_below": 20, "households_least": 20} | null,
     # every grid in force; those whose cases this role cannot tell apart are one entry, named by the first
     "by_grid": [{"grid": "990101001001001", "grids": ["990101001001001", …], "label": "001–003",
                  "community": "990101001001", "cases": 31, "previous": 12 | null,
                  "crossing": 0,   # of both times, at places that a redraw left across its borders
                  "difference": 19 | null, "percent": 158.3 | null, "p": 0.005 | null,
                  "verdict": "more" | "fewer" | "chance" | "withheld" | null,
                  "rate": 97.2 | null, "rate_state": "stable" | "unstable" | "hidden" | null,
                  "rate_difference": 59.6 | null, "denominator": 319 | null}, …],
     "elsewhere": 0,                                              # cases that lie in no grid
     "at_places": false,                # true: this role sees cases at places of several buildings
     "approximate": false,              # true: some of `by_grid` have cases of `crossing`
     "by_category": [{"value": "noise", "label": {…}, "cases": 40, "previous": 31 | null}, …],  # most first
     "by_status": […],  "by_tier": […] | null,                    # all known ones, in their order
     "by_day": {"step": "day" | "week" | "month", "starts": ["2026-10-01", …], "cases": [7, …]},
     "by_hour": {"cases": [[24 counts] of Monday, …, of Sunday], "most": 9},
     "newest": [GeoJSON feature, …], "overdue": [feature, …] | null,   # as collections/cases/items has them
     "few": null | {"cases": 4, "least": 10, "words": {…}},
     "summary": {"zh": "两句话。", "en": "Two sentences."}, "method": {…},
     "links": [{"rel": "self", …}, {"rel": "items", …}]}

`GET /centre/{division}/surface` (`surface.py`): the same filters, besides `frames=2 … 24`

    {"crs": "+proj=merc …", "origin": [x of the west edge, y of the north edge], "cell_m": 25.0,
     "columns": 120, "rows": 90, "bounds": [west, south, east, north],         # degrees, of the lattice
     "values": [null, 12.5, …] | null,   # row-major, the northernmost row first; null: outside, or too few
     "breaks": [100, 200, …, 20000],     # bounds between the classes, always these; for every frame too
     "unit": "cases/km²/month", "bandwidth_m": 100.0, "cases": 231, "days": 30.0, "min_cases": 5,
     "difference": {"values": […], "breaks": [-2000, …, 2000], "previous_cases": 198} | null,
     "frames": [{"begin": "…Z", "end": "…Z", "cases": 20, "values": […]}, …],  # frames=N
     "outside": null | {"cases": 38, "words": {…}},      # of the figures' cases those beyond the border
     "few": null | {…}, "span": {…}, "previous_span": {…} | null}

`GET /centre/{division}/base` (`base.py`): no filters

    {"bounds": [w, s, e, n], "streets": {"local": [line, …]}, "bridges": {…}, "tunnels": {…},
     "names": [{"name": "…", "class": "local", "lines": [line, …]}], "buildings": {},
     "simplified_m": 1.0, "left_out": ["path"], "truncated": false}

with `bbox=west,south,east,north` instead the buildings in it (truncated: the largest of more than 6,000)

    {"buildings": {"residential": [[ring, …], …]}, "truncated": false}

where a line, and each ring of a building, is whole numbers of 0.000001 degrees: lat, lng of the first vertex,
then steps (`layers.coordinates.packed`).
"""
