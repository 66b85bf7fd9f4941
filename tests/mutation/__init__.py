"""Mutation testing of `partition/`: how many small faults put into the code do the tests find?

`python -m tests.mutation` (or `make mutation`). See `__main__` for what it does. The common tools do not fit:
mutmut leaves out decorated functions, so all numba kernels; cosmic-ray starts all tests anew for every
mutant, takes the decorators of kernels away (only slower), and neither knows that a kernel compiled into the
cache holds the code of the kernels it calls, so that a mutant there would never run.
"""
