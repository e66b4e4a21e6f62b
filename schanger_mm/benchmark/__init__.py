"""Measure a detector in its variants: plain, as this package runs it, compiled, exported."""
