"""Labels for a graph: seed, search, pool and set partition. Arrays in, arrays out."""
