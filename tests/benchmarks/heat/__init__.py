"""Density of cases: how fast, and how right at the border. `python -m tests.benchmarks.heat`."""
