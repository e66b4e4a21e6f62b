"""What the tools for data sets call: check, cut into tiles, statistics, split lists."""
