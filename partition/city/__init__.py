"""Many communities at once: worker processes, many machines, what became of each."""
