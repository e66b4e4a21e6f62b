"""Comparisons of trainings: the study of few labels on drawn scenes, and the same on folders of your own."""
