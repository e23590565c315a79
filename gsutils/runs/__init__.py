"""The machine that runs an entry, one job for each case and seed, and keeps its record."""
