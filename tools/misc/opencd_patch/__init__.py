"""This package's network as a contribution to Open-CD, made from the sources of this checkout."""
