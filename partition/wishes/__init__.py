"""What a profile asks of a grid: sizes, zones, workload and weights."""
