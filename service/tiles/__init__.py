"""Vector tiles: which there are, and those that were made and are still as the data is."""
