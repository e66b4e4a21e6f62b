"""Tools for data sets: check, cut into tiles, compute statistics, write split lists."""
