"""Statistics of cases that hold: hot spots, smoothed rates, clusters in space and time, before and after.

Everything here is pure: arrays and frames in metres in, results with their words in two languages out. The
same input and seed give the same result, whatever the order of the rows and the number of threads.
"""
