"""Georeferenced scenes of any size: from two rasters to a change map, polygons and a report page."""
