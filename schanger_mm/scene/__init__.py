"""Georeferenced scenes of any size: two rasters in, a change map, polygons and a page out."""
